"""Scores that compare a mask with the segmentation model and the quality model."""

from __future__ import annotations

import cv2
import numpy as np

from cdwidget.click_simulation import core_distance
from cdwidget.masks import iou
from cdwidget.predictor import GOOD_IOU, Prediction
from cdwidget.scoring.context import MaskContext, ScoreResult, describe_location, percent
from cdwidget.scoring.predictions import SIMULATED_CLICKS

SHARE_OFFSET = 1e-3  # Keeps the logit of a share of 0 or 1 finite.
UNCHANGED_IOU = 0.995  # Masks with at least this IoU, displayed as 1.00, are reported as equal.
ERROR_CLUSTER_PX = 9  # Side of the window, in pixels of the crop, in which the errors of the worst spot are averaged.


def quality(context: MaskContext) -> ScoreResult | None:
    """Score the mask by the quality model's expected IoU and probability of a good mask."""
    estimate = context.quality_estimate
    if estimate is None:
        return None
    missing, wrong = context.crop(estimate.false_negatives), context.crop(estimate.false_positives)
    area = float(context.crop_mask.sum())
    missing_share, wrong_share = float(missing.sum()) / area, float(wrong.sum()) / area
    errors = missing + wrong
    heat = context.heat_map(errors)
    measures = {
        "critic": _logit(estimate.iou),
        "critic_good": _logit(estimate.good_probability),
        "critic_soft": max(0.0, 1 - wrong_share) / (1 + missing_share),
        "critic_missed": min(3.0, missing_share),
        "critic_taken": wrong_share,
        "critic_worst": float(cv2.blur(errors, (ERROR_CLUSTER_PX, ERROR_CLUSTER_PX)).max()),
    }
    reason = (
        f"Quality model: expected IoU {estimate.iou:.2f} ({percent(1 - estimate.good_probability)} chance that it is below {GOOD_IOU}); "
        f"{percent(missing_share)} of the mask's area is missing, {percent(wrong_share)} is wrong{describe_location(heat)}"
    )
    return ScoreResult(1 - (estimate.iou + estimate.good_probability) / 2, reason, heat, measures)


def agreement(context: MaskContext) -> ScoreResult | None:
    """Score how far the model's masks for simulated clicks are from the mask."""
    predictions = context.predictions
    if predictions is None:
        return None
    ious = [iou(prediction.mask, context.mask) for prediction in predictions.clicked]
    ious += [ious[-1]] * (SIMULATED_CLICKS - len(ious))
    last = predictions.clicked[-1]
    measures = {**{f"clicked_{n}": value for n, value in enumerate(ious, 1)}, **_differences("clicked", context, last)}
    heat = context.heat_map(np.abs(context.crop(last.prob) - context.crop_mask))
    values = f"(IoU {', '.join(f'{value:.2f}' for value in ious)} after {', '.join(map(str, range(1, SIMULATED_CLICKS + 1)))} clicks)"
    if max(ious) >= UNCHANGED_IOU:
        reason = f"Simulated clicks reproduce this mask {values}"
    else:
        reason = f"Simulated clicks give a different mask {values}{describe_location(heat)}"
    return ScoreResult(1 - max(ious), reason, heat, measures)


def edit(context: MaskContext) -> ScoreResult | None:
    """Score how much the model changes the mask when it is given as prior."""
    predictions = context.predictions
    if predictions is None:
        return None
    refined = predictions.refined
    kept = iou(refined.mask, context.mask)
    measures = {
        "edited": kept,
        "edited_clicked": iou(refined.mask, predictions.clicked[-1].mask),
        **_differences("edited", context, refined),
    }
    heat = context.heat_map(np.abs(context.crop(refined.prob) - context.crop_mask))
    reason = (
        f"The model would keep this mask (IoU {kept:.2f})" if kept >= UNCHANGED_IOU
        else f"The model would change this mask (IoU {kept:.2f}){describe_location(heat)}"
    )  # fmt: skip
    return ScoreResult(1 - kept, reason, heat, measures)


def stability(context: MaskContext) -> ScoreResult | None:
    """Score how much the model's mask changes when each click is nudged."""
    predictions = context.predictions
    if predictions is None:
        return None
    before, after = predictions.clicked[-1], predictions.nudged
    same = iou(before.mask, after.mask)
    heat = context.heat_map(np.abs(context.crop(before.prob) - context.crop(after.prob)))
    if same >= UNCHANGED_IOU:
        reason = f"Stable: nudging the clicks does not change the mask (IoU {same:.2f})"
    else:
        start = "Unstable: nudging" if same < GOOD_IOU else "Nudging"
        reason = f"{start} the clicks changes the mask (IoU {same:.2f}){describe_location(heat)}"
    return ScoreResult(1 - same, reason, heat, {"same": same, "moved": iou(after.mask, context.mask)})


def heads(context: MaskContext) -> ScoreResult | None:
    """Score how far the model's alternatives for the same clicks are from its main mask."""
    predictions = context.predictions
    if predictions is None or not predictions.clicked[-1].alternatives:
        return None
    alternatives, mask = predictions.clicked[-1].alternatives, predictions.clicked[-1].mask
    same = float(np.mean([iou(other, mask) for other in alternatives]))
    share = np.mean([context.crop(other) for other in alternatives], axis=0)
    measures = {
        "heads": same,
        "best_head": max(iou(other, context.mask) for other in alternatives),
        "best_first": max(iou(other, context.mask) for other in predictions.clicked[0].alternatives),
    }
    reason = f"The model's {len(alternatives)} alternatives have a mean IoU of {same:.2f} with its main mask"
    return ScoreResult(1 - same, reason, context.heat_map(4 * share * (1 - share)), measures)


def _differences(name: str, context: MaskContext, prediction: Prediction) -> dict[str, float]:
    """Measure how a prediction differs from the mask.

    The measures are added and removed pixels, their thickness, and the edges along both boundaries.
    """
    prob = context.crop(prediction.prob)
    predicted, inside = prob > 0.5, context.crop_mask
    added, removed = predicted & ~inside, inside & ~predicted
    thickness = max(1.0, float(context.signed_distance.max()))
    predicted_boundary = predicted & (cv2.erode(predicted.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0)
    other_boundary = predicted_boundary & ~context.crop_boundary
    edges = cv2.dilate(context.crop_gradient, np.ones((3, 3), np.uint8))
    mean = float(edges.mean()) + 1.0
    on_own = float(edges[context.crop_boundary].mean()) / mean if context.crop_boundary.any() else 1.0
    on_other = float(edges[other_boundary].mean()) / mean if other_boundary.any() else on_own
    area = float(np.count_nonzero(inside))
    return {
        f"{name}_added": min(3.0, np.count_nonzero(added) / area),
        f"{name}_removed": np.count_nonzero(removed) / area,
        f"{name}_thick": min(2.0, float(core_distance(added).max()) / thickness),
        f"{name}_thin": float(core_distance(removed).max()) / thickness,
        f"{name}_edges": float(np.log((on_own + 0.1) / (on_other + 0.1))),
        f"{name}_soft": float(np.minimum(prob, inside).sum() / np.maximum(prob, inside).sum()),
        f"{name}_sure": float(np.abs(2 * prob - 1).mean()),
    }


def _logit(share: float) -> float:
    return float(np.log((share + SHARE_OFFSET) / (1 - share + SHARE_OFFSET)))
