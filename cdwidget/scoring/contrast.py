"""Scores that compare a mask with the image: edges and colors along its boundary.

`border` uses small networks on profiles across the boundary, of colors and of the model's predictions; `edges` and `color` use plain
statistics of the crop.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from cdwidget.scoring.context import MaskContext, ScoreResult, describe_location, percent
from cdwidget.scoring.network import shipped_networks, softmax

# ---- profiles across the boundary ------------------------------------------------------------------------------------

MAX_PROFILES = 200  # Points of the boundary with a profile.
PROFILE_OFFSETS = np.array([-20, -15, -11, -8, -6, -4.5, -3, -2, -1, 0, 1, 2, 3, 4.5, 6, 8, 11, 15, 20], np.float32)  # px, outward.
PROFILE_SHIFTS = (-2.0, 0.0, 2.0)  # px along the boundary; the profiles at these shifts are averaged.
INNER_SAMPLES, OUTER_SAMPLES = slice(3, 7), slice(-7, -3)  # Samples of a profile that represent the inside and the outside.
LAB_SCALE = 16.0  # Unit of color differences, in levels of CIE Lab.
IMAGE_FEATURES, PREDICTION_FEATURES = 4 * len(PROFILE_OFFSETS) - 1, 4 * len(PROFILE_OFFSETS)  # Numbers per profile.
HEAT_SPOT_PX = 4  # Radius of the spot that a misplaced point draws in the heat map.
TRUE_INWARD, ALIGNED, TRUE_OUTWARD = range(3)  # Position of the true boundary relative to a point of the mask's boundary.


@dataclass(frozen=True, eq=False)
class BoundaryProfiles:
    """Samples of the image and of the model's predictions across the boundary of a mask.

    Attributes:
        points: Points of the boundary that the profiles cross, (x, y) in the crop, int (n, 2).
        image_features: Features of the colors, float32 (n, `IMAGE_FEATURES`).
        prediction_features: Features of the predictions, float32 (n, `PREDICTION_FEATURES`); None without a predictor.
    """

    points: np.ndarray
    image_features: np.ndarray
    prediction_features: np.ndarray | None

    def inputs(self) -> dict[str, np.ndarray]:
        """Return the input of each boundary network by name: "picture" and "answers"."""
        inputs = {"picture": self.image_features}
        if self.prediction_features is not None:
            inputs["answers"] = np.concatenate([self.image_features, self.prediction_features], 1)
        return inputs


def border(context: MaskContext) -> ScoreResult:
    """Score the fraction of the boundary that is probably misplaced, by small networks."""
    profiles = boundary_profiles(context)
    probabilities = {name: softmax(shipped_networks()[f"border {name}"](inputs)) for name, inputs in profiles.inputs().items()}
    measures = {key: value for name, values in probabilities.items() for key, value in boundary_measures(name, values).items()}
    if not len(profiles.points):
        return ScoreResult(0, "The mask has no outline inside the image", context.empty_heat_map, measures)
    best = probabilities.get("answers", probabilities["picture"])
    misplaced = 1 - best[:, ALIGNED]
    share = float(misplaced.mean())
    spots = np.zeros(context.crop_shape, np.float32)
    for (x, y), value in zip(profiles.points.tolist(), misplaced.tolist()):
        cv2.circle(spots, (x, y), HEAT_SPOT_PX, max(value, float(spots[y, x])), -1)
    heat = context.heat_map(spots)
    side = "out" if best[:, TRUE_INWARD].sum() > best[:, TRUE_OUTWARD].sum() else "in"
    reason = f"About {percent(share)} of the outline is probably misplaced (too far {side}){describe_location(heat)}"
    return ScoreResult(share, reason, heat, measures)


def boundary_measures(name: str, probabilities: np.ndarray) -> dict[str, float]:
    """Summarize the output of a boundary network for one mask.

    Args:
        name: Name of the network, "picture" or "answers".
        probabilities: Probabilities of `TRUE_INWARD`, `ALIGNED` and `TRUE_OUTWARD` at each profile, (n, 3); n may be 0.

    Returns:
        The measures, which are inputs of the overall networks.
    """
    if not len(probabilities):
        return dict.fromkeys((f"{name}_{measure}" for measure in ("wrong", "inside", "outside", "half", "most", "log")), 0.0)
    misplaced = 1 - probabilities[:, ALIGNED]
    return {
        f"{name}_wrong": float(misplaced.mean()),
        f"{name}_inside": float(probabilities[:, TRUE_INWARD].mean()),
        f"{name}_outside": float(probabilities[:, TRUE_OUTWARD].mean()),
        f"{name}_half": float((misplaced > 0.5).mean()),
        f"{name}_most": float(np.quantile(misplaced, 0.9)),
        f"{name}_log": float(np.log(probabilities[:, ALIGNED] + 1e-3).mean()),
    }


def boundary_profiles(context: MaskContext) -> BoundaryProfiles:
    """Sample profiles across the boundary of a mask; none without one inside the image."""
    points = _profile_points(context)
    predictions = context.predictions
    if not len(points):
        no_predictions = None if predictions is None else np.zeros((0, PREDICTION_FEATURES), np.float32)
        return BoundaryProfiles(points, np.zeros((0, IMAGE_FEATURES), np.float32), no_predictions)
    smooth = cv2.GaussianBlur(context.signed_distance, (0, 0), 1.5)
    slope = np.stack([cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)], -1)[points[:, 1], points[:, 0]]
    outward = -slope / (np.linalg.norm(slope, axis=1, keepdims=True) + 1e-6)
    tangent = outward[:, ::-1] * (1, -1)

    def sample(values: np.ndarray) -> np.ndarray:
        """Return the profiles of a map, averaged along the boundary, (n, offsets, channels)."""
        samples = []
        for shift in PROFILE_SHIFTS:
            at = points[:, None] + outward[:, None] * PROFILE_OFFSETS[:, None] + shift * tangent[:, None]
            sampled = cv2.remap(values, at.astype(np.float32), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            samples.append(sampled.reshape(*sampled.shape[:2], -1))
        return np.stack(samples).mean(0)

    colors = sample(cv2.GaussianBlur(context.crop_lab.astype(np.float32), (0, 0), 1)) / LAB_SCALE
    steps = np.linalg.norm(np.diff(colors, axis=1), axis=2)
    mean_step = np.broadcast_to(steps.mean(), (len(points), 1))
    inner, outer = colors[:, INNER_SAMPLES].mean(1, keepdims=True), colors[:, OUTER_SAMPLES].mean(1, keepdims=True)
    from_inner, from_outer = np.linalg.norm(colors - inner, axis=2), np.linalg.norm(colors - outer, axis=2)
    image_features = np.log1p(np.concatenate([steps, from_inner, from_outer, mean_step, steps / (mean_step + 0.05)], 1)).astype(np.float32)
    if predictions is None:
        return BoundaryProfiles(points, image_features, None)
    last = predictions.clicked[-1]
    maps = [last.prob, predictions.refined.prob, predictions.nudged.prob]
    maps.append(np.stack(last.alternatives).mean(0, dtype=np.float32) if last.alternatives else last.prob)
    sampled = np.concatenate([sample(context.crop(one)) for one in maps], 2)
    return BoundaryProfiles(points, image_features, sampled.reshape(len(points), -1))


def _profile_points(context: MaskContext) -> np.ndarray:
    """Return up to `MAX_PROFILES` evenly spaced points of the boundary, int (n, 2)."""
    contours, _ = cv2.findContours(context.crop_mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    points = np.concatenate([contour[:, 0] for contour in contours])  # A mask that is not empty has at least one contour.
    points = points[~context.touches_image_edge(points[:, 0], points[:, 1])]
    return points[np.linspace(0, len(points) - 1, MAX_PROFILES).round().astype(int)] if len(points) > MAX_PROFILES else points


# ---- edges -----------------------------------------------------------------------------------------------------------

MIN_EDGE_GRADIENT = 6.0  # Gray levels per pixel, in any channel; weaker gradients are not edges.
EDGE_QUANTILE = 0.6  # An edge exceeds this quantile of the gradients in the crop.
EDGE_REACH_PX = 1  # Distance between an edge and the boundary that is on it.
BOUNDARY_OFFSETS = (-6, -4, -2, 0, 2, 4, 6)  # px of the crop by which the boundary is moved, inward to outward.
MIN_BAND_PIXELS = 8  # Moved boundaries of fewer pixels are not measured.


def edges(context: MaskContext) -> ScoreResult:
    """Score the fraction of the boundary that is not on an edge of the image."""
    gradient, boundary = context.crop_gradient, context.crop_boundary
    limit = max(MIN_EDGE_GRADIENT, float(np.quantile(gradient, EDGE_QUANTILE)))
    near = cv2.dilate(gradient, np.ones((2 * EDGE_REACH_PX + 1, 2 * EDGE_REACH_PX + 1), np.uint8))
    length = int(np.count_nonzero(boundary))
    off_edges = boundary & (near < limit)
    share = np.count_nonzero(off_edges) / length if length else 0.0
    heat = context.heat_map(cv2.GaussianBlur(off_edges.astype(np.float32), (0, 0), 2) * 3)
    off_edge = f"{percent(share)} of the outline is not on an image edge{describe_location(heat)}"
    reason = off_edge if share else "The outline is on image edges"
    return ScoreResult(share, reason, heat, {"off_edges": share, **_edge_measures(context)})


def _edge_measures(context: MaskContext) -> dict[str, float]:
    """Measure edges along the boundary, and along the boundary moved in and out."""
    gradient, distance = context.crop_gradient, context.signed_distance
    strengths = []
    for offset in BOUNDARY_OFFSETS:
        band = np.abs(distance + offset) < 1.2
        strengths.append(float(gradient[band].mean()) if band.sum() >= MIN_BAND_PIXELS else 0.0)
    middle = len(BOUNDARY_OFFSETS) // 2
    strength, mean = strengths[middle], float(gradient.mean()) + 1.0
    return {
        "contrast": strength / mean,
        "edge_lead": strength / (max(strengths) + 1e-3),
        "edge_inwards": max(strengths[:middle]) / mean,
        "edge_outwards": max(strengths[middle + 1 :]) / mean,
    }


# ---- color -----------------------------------------------------------------------------------------------------------

COLOR_BINS = 8  # Bins per channel of the color histograms.
COLOR_BAND = 0.2  # Width of the bands along the boundary whose colors are compared, as a fraction of the mask's thickness.
MIN_COLOR_BAND_PX = 4.0
HISTOGRAM_PRIOR = 0.05  # Count added to every bin.


def color(context: MaskContext) -> ScoreResult:
    """Score the pixels whose color is more common on the other side of the boundary."""
    inside, outside = context.crop_mask, ~context.crop_mask
    if not outside.any():
        reason = "The mask fills the image, so there are no surroundings to compare with"
        return ScoreResult(0, reason, context.empty_heat_map, {"colour": 0.5})
    band = max(MIN_COLOR_BAND_PX, COLOR_BAND * float(context.signed_distance.max()) * 2)
    bins = (context.crop_lab.astype(np.int32) * COLOR_BINS) // 256
    index = (bins[..., 0] * COLOR_BINS + bins[..., 1]) * COLOR_BINS + bins[..., 2]
    likelihood_inside, likelihood_outside = _color_likelihood(index, inside), _color_likelihood(index, outside)
    probability_inside = likelihood_inside / (likelihood_inside + likelihood_outside + 1e-12)
    misfit = np.where(inside, 1 - probability_inside, probability_inside)
    wrong_in, wrong_out = float((misfit[inside] > 0.5).mean()), float((misfit[outside] > 0.5).mean())
    near = np.abs(context.signed_distance) <= band
    band_in, band_out = float((misfit[near & inside]).mean()), float((misfit[near & outside]).mean()) if (near & outside).any() else 0.5
    value = float(np.clip(wrong_in + wrong_out, 0, 1))
    heat = context.heat_map((misfit > 0.5) * misfit * inside)
    reason = (
        f"{percent(wrong_in)} of the mask is colored like its surroundings{describe_location(heat)}; "
        f"{percent(wrong_out)} of the surroundings are colored like the object"
    )
    measures = {"colour": value, "colour_in": wrong_in, "colour_out": wrong_out, "rim_in": band_in, "rim_out": band_out}
    return ScoreResult(value, reason, heat, measures)


def _color_likelihood(index: np.ndarray, region: np.ndarray) -> np.ndarray:
    """Return the likelihood of each pixel's color in a region, float64 (h, w)."""
    counts = np.bincount(index[region], minlength=COLOR_BINS**3).reshape(COLOR_BINS, COLOR_BINS, COLOR_BINS).astype(np.float64)
    for axis in range(3):
        counts = counts + 0.5 * (np.roll(counts, 1, axis) + np.roll(counts, -1, axis))
    counts = (counts + HISTOGRAM_PRIOR) / (counts.sum() + HISTOGRAM_PRIOR * COLOR_BINS**3)
    return counts.reshape(-1)[index]
