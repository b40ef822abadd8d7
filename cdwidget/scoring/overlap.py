"""Scores of what an instance has to do with the others of its image."""

from __future__ import annotations

from typing import Sequence

import numpy as np

from cdwidget.scoring.context import Finding, Meeting, Subject
from cdwidget.scoring.population import NESTED

ALIKE, EQUAL = 0.6, 0.9  # IoU from which two instances may be one, and are all the same
RIM = 0.3  # of the mask's thickness, how wide what lies right outside is


def duplicate(subject: Subject) -> Finding:
    """Another instance of nearly the same pixels. Of equal ones of one label the first may be the object, those after it are surplus."""
    ious = met(subject)
    number = max(ious, key=lambda one: ious[one], default=None)
    most = 0.0 if number is None else ious[number]
    labels = subject.scene.labels
    before = max((iou for one, iou in ious.items() if one < subject.number and labels[one] == subject.label), default=0.0)
    value, surplus = _beyond(ALIKE, most), _beyond(EQUAL, before)
    measures = {"duplicate": most, "surplus": surplus}
    if number is None or value == 0:
        return Finding(0, "no other instance has nearly the same pixels", subject.nothing, measures)
    heat = subject.heat(subject.inside * subject.cropped(subject.scene.masks[number]))
    first = " and comes first" if surplus and before == most else ""
    return Finding(value, f"instance {number} has nearly the same pixels (IoU {most:.2f}){first}", heat, measures)


def _beyond(least: float, iou: float) -> float:
    """How far an IoU lies between the least that counts, 0, and 1."""
    return float(np.clip((iou - least) / (1 - least), 0, 1))


def met(subject: Subject) -> dict[int, float]:
    """The IoU with each instance that shares pixels with it, by their numbers."""
    return {meeting.number: meeting.shared / (subject.area + meeting.area - meeting.shared) for meeting in subject.meetings}


def overlap(subject: Subject) -> Finding:
    """Pixels that other instances claim too, where neither lies in the other or none does as a rule in this data set; and what lies between
    them, claimed by none.
    """
    parts, conflicts = _sorted_out(subject)
    population = subject.scene.population
    share = _shared(conflicts, subject)
    measures = {
        "overlap": share,
        "parts": min(2.0, sum(one.shared for one in parts if one.area <= subject.area) / subject.area),
        "within": float(any(one.area > subject.area for one in parts)),
        "others": float(np.log1p(len(subject.scene.masks) - 1)),
        "covered": float(subject.scene.covered.mean()),
        "rim_covered": _rim_covered(subject),
    }
    ious = {} if population is None or population.nested else met(subject)
    odd = [one for one in parts if ious.get(one.number, 1) < ALIKE]  # more alike, they are duplicates
    found = sorted([*conflicts, *odd], key=lambda one: -one.shared)
    if not found:
        return Finding(0, "no other instance claims a part of it", subject.nothing, measures)
    share = _shared(found, subject)
    claimed = np.maximum.reduce([subject.cropped(subject.scene.masks[one.number]) for one in found]) * subject.inside
    numbers = ", ".join(str(one.number) for one in found[:3])
    reason = f"{share:.1%} of it belongs to other instances too (instance {numbers})"
    reason += "; in this data set they do not lie in one another as a rule" if odd else ""
    return Finding(share, reason, subject.heat(claimed), measures)


def _shared(meetings: Sequence[Meeting], subject: Subject) -> float:
    return min(1.0, sum(one.shared for one in meetings) / subject.area)


def _sorted_out(subject: Subject) -> tuple[list[Meeting], list[Meeting]]:
    """The others that lie in this one or it in them, and those that are in conflict with it."""
    nested = [one for one in subject.meetings if one.shared >= NESTED * min(one.area, subject.area)]
    return nested, [one for one in subject.meetings if one not in nested]


def _rim_covered(subject: Subject) -> float:
    """How much of what lies right outside the border other instances hold: where they tile the image, a gap is a fault."""
    rim = (subject.depth < -1) & (subject.depth >= -1 - RIM * max(4.0, float(subject.depth.max())))
    return float(subject.cropped(subject.scene.covered)[rim].mean()) if rim.any() else 0.0
