"""The score of the critic: a network that has learned what wrong masks look like."""

from __future__ import annotations

import cv2
import numpy as np

from cdwidget.critic import BAD
from cdwidget.review.scoring.subject import Finding, Subject, where


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
