"""Scores of what an instance has to do with the others of its image."""

from __future__ import annotations

import numpy as np

from cdwidget.review.scoring.subject import Finding, Subject

ALIKE = 0.6  # IoU from which two instances may be one
NESTED = 0.9  # share of the smaller one from which it lies in the other: a part of it, and no conflict


def duplicate(subject: Subject) -> Finding:
    """Another instance of nearly the same pixels."""
    ious = {meeting.number: meeting.shared / (subject.area + meeting.area - meeting.shared) for meeting in subject.meetings}
    number = max(ious, key=lambda one: ious[one], default=None)
    most = 0.0 if number is None else ious[number]
    value = float(np.clip((most - ALIKE) / (1 - ALIKE), 0, 1))
    if number is None or value == 0:
        return Finding(0, "no other instance has nearly the same pixels", subject.nothing, {"duplicate": most})
    heat = subject.heat(subject.inside * subject.cropped(subject.scene.masks[number]))
    return Finding(value, f"instance {number} has nearly the same pixels (IoU {most:.2f})", heat, {"duplicate": most})


def overlap(subject: Subject) -> Finding:
    """Pixels that other instances claim too, where neither lies in the other."""
    conflicts = [one for one in subject.meetings if one.shared < NESTED * min(one.area, subject.area)]
    claimed = np.zeros(subject.shape, np.float32)
    for meeting in conflicts:
        claimed = np.maximum(claimed, subject.cropped(subject.scene.masks[meeting.number]) * subject.inside)
    share = min(1.0, sum(one.shared for one in conflicts) / subject.area)
    if not conflicts:
        return Finding(0, "no other instance claims a part of it", subject.nothing, {"overlap": 0.0})
    numbers = ", ".join(str(one.number) for one in sorted(conflicts, key=lambda one: -one.shared)[:3])
    return Finding(share, f"{share:.0%} of it belong to other instances too ({numbers})", subject.heat(claimed), {"overlap": share})
