"""Scores that ask the predictor: what it makes of clicks on the mask, and of the mask itself."""

from __future__ import annotations

import cv2
import numpy as np

from cdwidget.click_simulation import core_distance
from cdwidget.masks import iou
from cdwidget.predictor import BAD, Prediction
from cdwidget.scoring.context import Finding, Subject, where
from cdwidget.scoring.predictions import CLICKS


def agreement(subject: Subject) -> Finding | None:
    """What clicks on the mask bring, against the mask."""
    answers = subject.answers
    if answers is None:
        return None
    ious = [iou(answer.mask, subject.mask) for answer in answers.clicked]
    ious += [ious[-1]] * (CLICKS - len(ious))
    last = answers.clicked[-1]
    measures = {**{f"clicked_{n}": value for n, value in enumerate(ious, 1)}, **_differences("clicked", subject, last)}
    prob = subject.cropped(last.prob)
    heat = subject.heat(np.abs(prob - subject.inside))
    reason = f"clicks on the mask bring CDNet to IoU {', '.join(f'{value:.2f}' for value in ious)} with it; they differ {where(heat)}"
    return Finding(1 - max(ious), reason, heat, measures)


def edit(subject: Subject) -> Finding | None:
    """What the predictor changes about the mask when it is given it."""
    answers = subject.answers
    if answers is None:
        return None
    kept = iou(answers.edited.mask, subject.mask)
    measures = {
        "edited": kept,
        "edited_clicked": iou(answers.edited.mask, answers.clicked[-1].mask),
        **_differences("edited", subject, answers.edited),
    }
    heat = subject.heat(np.abs(subject.cropped(answers.edited.prob) - subject.inside))
    return Finding(1 - kept, f"given the mask, CDNet changes it to one of IoU {kept:.2f}, most of it {where(heat)}", heat, measures)


def stability(subject: Subject) -> Finding | None:
    """How much the answer changes when each click is moved a little."""
    answers = subject.answers
    if answers is None:
        return None
    before, after = answers.clicked[-1], answers.moved
    same = iou(before.mask, after.mask)
    heat = subject.heat(np.abs(subject.cropped(before.prob) - subject.cropped(after.prob)))
    return Finding(
        1 - same, f"when each click is moved a little, CDNet's answer has IoU {same:.2f} with that before; it changes {where(heat)}", heat,
        {"same": same, "moved": iou(after.mask, subject.mask)},
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
        {"heads": same, "best_head": best, "best_first": max(iou(other, subject.mask) for other in answers.clicked[0].alternatives)},
    )  # fmt: skip


def _differences(name: str, subject: Subject, answer: Prediction) -> dict[str, float]:
    """How an answer differs from the mask: how much of it is in and out, how thick that is, and whose border lies on edges of the image."""
    prob = subject.cropped(answer.prob)
    found, inside = prob > 0.5, subject.inside
    added, removed = found & ~inside, inside & ~found
    core = max(1.0, float(subject.depth.max()))
    theirs = found & (cv2.erode(found.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0)
    other = theirs & ~subject.border
    near = cv2.dilate(subject.gradient, np.ones((3, 3), np.uint8))
    mean = float(near.mean()) + 1.0
    on_own = float(near[subject.border].mean()) / mean if subject.border.any() else 1.0
    on_other = float(near[other].mean()) / mean if other.any() else on_own
    area = float(np.count_nonzero(inside))
    return {
        f"{name}_added": min(3.0, np.count_nonzero(added) / area),
        f"{name}_removed": np.count_nonzero(removed) / area,
        f"{name}_thick": min(2.0, float(core_distance(added).max()) / core),
        f"{name}_thin": float(core_distance(removed).max()) / core,
        f"{name}_edges": float(np.log((on_own + 0.1) / (on_other + 0.1))),
        f"{name}_soft": float(np.minimum(prob, inside).sum() / np.maximum(prob, inside).sum()),
        f"{name}_sure": float(np.abs(2 * prob - 1).mean()),
    }


# MERGED from review.scoring.judged: The score of the critic: a network that has learned what wrong masks look like.


def critic(subject: Subject) -> Finding | None:
    """What the critic expects, the chance that the mask is bad and its IoU counting half each, and the pixels that it takes to be wrong."""
    judgement = subject.judgement
    if judgement is None:
        return None
    missed, taken = subject.cropped(judgement.missed), subject.cropped(judgement.taken)
    area = float(subject.inside.sum())
    less, more = float(missed.sum()) / area, float(taken.sum()) / area
    wrong = missed + taken
    heat = subject.heat(wrong)
    measures = {
        "critic": _logit(judgement.iou),
        "critic_good": _logit(judgement.good),
        "critic_soft": max(0.0, 1 - more) / (1 + less),
        "critic_missed": min(3.0, less),
        "critic_taken": more,
        "critic_worst": float(cv2.blur(wrong, (9, 9)).max()),
    }
    reason = (
        f"the critic expects an IoU of {judgement.iou:.2f}, and below {BAD} with a chance of {1 - judgement.good:.0%}: a part as large "
    )
    reason += f"as {less:.0%} of it is missing, {more:.0%} of it does not belong to the object; most is wrong {where(heat)}"
    return Finding(1 - (judgement.iou + judgement.good) / 2, reason, heat, measures)


def _logit(share: float) -> float:
    return float(np.log((share + 1e-3) / (1 - share + 1e-3)))
