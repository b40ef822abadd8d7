"""Scores that ask the predictor: what it makes of clicks on the mask, and of the mask itself."""

from __future__ import annotations

import numpy as np

from cdwidget.masks import iou
from cdwidget.review.scoring.answers import CLICKS
from cdwidget.review.scoring.subject import Finding, Subject, where


def agreement(subject: Subject) -> Finding | None:
    """What clicks on the mask bring, against the mask."""
    answers = subject.answers
    if answers is None:
        return None
    ious = [iou(answer.mask, subject.mask) for answer in answers.clicked]
    ious += [ious[-1]] * (CLICKS - len(ious))
    prob = subject.cropped(answers.clicked[-1].prob)
    heat = subject.heat(np.abs(prob - subject.inside))
    reason = f"clicks on the mask bring CDNet to IoU {', '.join(f'{value:.2f}' for value in ious)} with it; they differ {where(heat)}"
    return Finding(1 - max(ious), reason, heat, {f"clicked_{n}": value for n, value in enumerate(ious, 1)})


def edit(subject: Subject) -> Finding | None:
    """What the predictor changes about the mask when it is given it."""
    answers = subject.answers
    if answers is None:
        return None
    kept = iou(answers.edited.mask, subject.mask)
    heat = subject.heat(np.abs(subject.cropped(answers.edited.prob) - subject.inside))
    return Finding(1 - kept, f"given the mask, CDNet changes it to one of IoU {kept:.2f}, most of it {where(heat)}", heat, {"edited": kept})


def stability(subject: Subject) -> Finding | None:
    """How much the answer changes with the click."""
    answers = subject.answers
    if answers is None:
        return None
    same = iou(answers.clicked[0].mask, answers.moved.mask)
    heat = subject.heat(np.abs(subject.cropped(answers.clicked[0].prob) - subject.cropped(answers.moved.prob)))
    return Finding(
        1 - same, f"a click elsewhere in the mask gives another answer: IoU {same:.2f} of the two", heat,
        {"same": same, "moved": iou(answers.moved.mask, subject.mask)},
    )  # fmt: skip


def heads(subject: Subject) -> Finding | None:
    """How far the other readings of the same clicks are from each other."""
    answers = subject.answers
    if answers is None or not answers.clicked[-1].alternatives:
        return None
    alternatives = answers.clicked[-1].alternatives
    answer = answers.clicked[-1].mask
    same = float(np.mean([iou(other, answer) for other in alternatives]))
    share = np.mean([subject.cropped(other) for other in alternatives], axis=0)
    heat = subject.heat(4 * share * (1 - share))
    best = max(iou(other, subject.mask) for other in alternatives)
    return Finding(
        1 - same, f"the {len(alternatives)} other readings of the clicks have a mean IoU of {same:.2f} with the answer", heat,
        {"heads": same, "best_head": best},
    )  # fmt: skip
