"""Scores that compare a mask with the other masks of its image."""

from __future__ import annotations

from typing import Sequence

import numpy as np

from cdwidget.scoring.context import InstanceOverlap, MaskContext, ScoreResult, percent
from cdwidget.scoring.population import NESTED_SHARE

DUPLICATE_IOU = 0.6  # Two masks with at least this IoU may show the same object.
IDENTICAL_IOU = 0.9  # Masks with at least this IoU count as identical.
OUTER_BAND = 0.3  # Width of the band right outside a mask, as a fraction of the mask's thickness.
MIN_THICKNESS_PX = 4.0  # Thinner masks get the band of this thickness.
MAX_NAMED_INSTANCES = 3


def duplicate(context: MaskContext) -> ScoreResult:
    """Score whether another instance has nearly the same pixels.

    If two instances with one label have the same mask, the first may be right and the second is surplus.
    """
    ious = overlap_ious(context)
    number = max(ious, key=lambda other: ious[other], default=None)
    highest = 0.0 if number is None else ious[number]
    labels = context.image_context.labels
    earlier = [iou for other, iou in ious.items() if other < context.number and labels[other] == context.label]
    highest_earlier = max(earlier, default=0.0)
    value, surplus = _above(DUPLICATE_IOU, highest), _above(IDENTICAL_IOU, highest_earlier)
    measures = {"duplicate": highest, "surplus": surplus}
    if number is None or value == 0:
        return ScoreResult(0, "No other instance has nearly the same pixels", context.empty_heat_map, measures)
    heat = context.heat_map(context.crop_mask * context.crop(context.image_context.masks[number]))
    which = f"instance {number}, which comes first" if surplus and highest_earlier == highest else f"instance {number}"
    return ScoreResult(value, f"Nearly the same pixels (IoU {highest:.2f}) as {which}", heat, measures)


def _above(threshold: float, iou: float) -> float:
    """Scale an IoU so that the threshold becomes 0 and 1 stays 1."""
    return float(np.clip((iou - threshold) / (1 - threshold), 0, 1))


def overlap_ious(context: MaskContext) -> dict[int, float]:
    """Return the IoU with each instance that shares pixels with the mask, by instance number."""
    return {other.number: other.shared / (context.area + other.area - other.shared) for other in context.overlaps}


def overlap(context: MaskContext) -> ScoreResult:
    """Score the pixels that other instances claim too.

    Nested masks (a part and its whole) are not in conflict, unless instances of this data set are usually not nested.
    """
    nested, conflicts = _nested_and_conflicting(context)
    population = context.image_context.population
    share = _shared_fraction(conflicts, context)
    measures = {
        "overlap": share,
        "parts": min(2.0, sum(other.shared for other in nested if other.area <= context.area) / context.area),
        "within": float(any(other.area > context.area for other in nested)),
        "others": float(np.log1p(len(context.image_context.masks) - 1)),
        "covered": float(context.image_context.covered.mean()),
        "rim_covered": _covered_outer_band(context),
    }
    ious = {} if population is None or population.nested else overlap_ious(context)
    unusual = [other for other in nested if ious.get(other.number, 1) < DUPLICATE_IOU]  # Masks above this IoU are scored as duplicates.
    claims = sorted([*conflicts, *unusual], key=lambda other: -other.shared)
    if not claims:
        return ScoreResult(0, "No pixels are claimed by other instances", context.empty_heat_map, measures)
    share = _shared_fraction(claims, context)
    claimed = np.maximum.reduce([context.crop(context.image_context.masks[other.number]) for other in claims]) * context.crop_mask
    numbers = ", ".join(str(other.number) for other in claims[:MAX_NAMED_INSTANCES])
    noun = "instance" if len(claims) == 1 else "instances"
    reason = f"{percent(share, 1)} of the mask also belongs to {noun} {numbers}"
    reason += "; instances of this data set are usually not nested" if unusual else ""
    return ScoreResult(share, reason, context.heat_map(claimed), measures)


def _shared_fraction(overlaps: Sequence[InstanceOverlap], context: MaskContext) -> float:
    return min(1.0, sum(other.shared for other in overlaps) / context.area)


def _nested_and_conflicting(context: MaskContext) -> tuple[list[InstanceOverlap], list[InstanceOverlap]]:
    """Split the overlapping instances into nested and conflicting ones."""
    nested = [other for other in context.overlaps if other.shared >= NESTED_SHARE * min(other.area, context.area)]
    return nested, [other for other in context.overlaps if other not in nested]


def _covered_outer_band(context: MaskContext) -> float:
    """Return the fraction of the band around the mask that other instances cover.

    If the instances tile the image, a low fraction means a gap.
    """
    thickness = max(MIN_THICKNESS_PX, float(context.signed_distance.max()))
    band = (context.signed_distance < -1) & (context.signed_distance >= -1 - OUTER_BAND * thickness)
    return float(context.crop(context.image_context.covered)[band].mean()) if band.any() else 0.0
