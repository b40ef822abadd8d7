"""Scores that compare a mask with the picture: whether its border lies on edges, whether in and out differ in colour."""

from __future__ import annotations

import cv2
import numpy as np

from cdwidget.review.scoring.subject import Finding, Subject, where

FLAT = 6.0  # grey levels a pixel, of any channel, below which there is no edge
ORDINARY = 0.6  # quantile of the gradients of the crop that an edge exceeds
REACH = 1  # pixels of the crop that an edge may be off the border
STEPS = (-6, -4, -2, 0, 2, 4, 6)  # pixels of the crop by which the border is moved, in and out
BINS = 8  # a channel of the colour histograms
RIM = 0.2  # of the mask's thickness, the band on either side whose colours are compared


def edges(subject: Subject) -> Finding:
    """The part of the border that lies on no edge of the image."""
    gradient, border = subject.gradient, subject.border
    limit = max(FLAT, float(np.quantile(gradient, ORDINARY)))
    near = cv2.dilate(gradient, np.ones((2 * REACH + 1, 2 * REACH + 1), np.uint8))
    length = int(np.count_nonzero(border))
    missing = border & (near < limit)
    share = np.count_nonzero(missing) / length if length else 0.0
    heat = subject.heat(cv2.GaussianBlur(missing.astype(np.float32), (0, 0), 2) * 3)
    reason = f"{share:.0%} of the border lies on no edge of the image, most of it {where(heat)}" if share else "the border lies on edges"
    return Finding(share, reason, heat, {"off_edges": share, **_profile(subject)})


def _profile(subject: Subject) -> dict[str, float]:
    """How strong edges are along the border, against the crop as a whole, and how far in or out they would be stronger."""
    gradient, depth = subject.gradient, subject.depth
    along = []
    for step in STEPS:
        band = np.abs(depth + step) < 1.2
        along.append(float(gradient[band].mean()) if band.sum() >= 8 else 0.0)
    here, mean = along[len(STEPS) // 2], float(gradient.mean()) + 1.0
    return {
        "contrast": here / mean,
        "edge_lead": here / (max(along) + 1e-3),
        "edge_inwards": max(along[: len(STEPS) // 2]) / mean,
        "edge_outwards": max(along[len(STEPS) // 2 + 1 :]) / mean,
    }


def colour(subject: Subject) -> Finding:
    """Pixels whose colour is more common on the other side of the border."""
    lab = subject.lab
    band = max(4.0, RIM * float(subject.depth.max()) * 2)
    cells = (lab.astype(np.int32) * BINS) // 256
    index = (cells[..., 0] * BINS + cells[..., 1]) * BINS + cells[..., 2]
    inside, outside = subject.inside, ~subject.inside
    if not outside.any():
        return Finding(0, "the mask fills the picture: there is nothing to compare its colours with", subject.nothing, {"colour": 0.5})
    chance = _smooth(index, inside), _smooth(index, outside)
    likely = chance[0] / (chance[0] + chance[1] + 1e-12)
    strange = np.where(inside, 1 - likely, likely)
    wrong_in, wrong_out = float((strange[inside] > 0.5).mean()), float((strange[outside] > 0.5).mean())
    near = np.abs(subject.depth) <= band
    at_rim = float((strange[near & inside]).mean()), float((strange[near & outside]).mean()) if (near & outside).any() else 0.5
    value = float(np.clip(wrong_in + wrong_out, 0, 1))
    heat = subject.heat((strange > 0.5) * strange * inside)
    reason = f"{wrong_in:.0%} of it has colours that are commoner round it, most of it {where(heat)}; "
    reason += f"{wrong_out:.0%} of what is round it has its colours"
    measures = {"colour": value, "colour_in": wrong_in, "colour_out": wrong_out, "rim_in": at_rim[0], "rim_out": at_rim[1]}
    return Finding(value, reason, heat, measures)


def _smooth(index: np.ndarray, where: np.ndarray) -> np.ndarray:
    """How common each pixel's colour is in a part of the crop, from a smoothed histogram, float64 (h, w)."""
    counts = np.bincount(index[where], minlength=BINS**3).reshape(BINS, BINS, BINS).astype(np.float64)
    for axis in range(3):
        counts = counts + 0.5 * (np.roll(counts, 1, axis) + np.roll(counts, -1, axis))
    counts = (counts + 0.05) / (counts.sum() + 0.05 * BINS**3)
    return counts.reshape(-1)[index]
