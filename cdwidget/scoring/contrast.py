"""What the picture and the predictor look like across a mask's border, and whether the border is where it should be."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from cdwidget.scoring.context import Finding, Subject, where
from cdwidget.scoring.network import shipped, softmax

MOST = 200  # points of the border that are looked at
OFFSETS = np.array([-20, -15, -11, -8, -6, -4.5, -3, -2, -1, 0, 1, 2, 3, 4.5, 6, 8, 11, 15, 20], np.float32)  # pixels of the crop, outwards
ASIDE = (-2.0, 0.0, 2.0)  # and along the border: what is seen there is averaged
SPOT = 4  # pixels of the crop round a point, in the heat map
LEVELS = 16.0  # of Lab colour, to which differences are scaled
PICTURE, ANSWERS = 4 * len(OFFSETS) - 1, 4 * len(OFFSETS)  # numbers a point
INSIDE, HERE, OUTSIDE = range(3)  # where the object's border is, seen from a point of the mask's


@dataclass(frozen=True, eq=False)
class Profiles:
    """points: int (n, 2), (x, y) in the crop. picture: float32 (n, d), of colours; answers: float32 (n, e), of what the predictor says,
    None without one.
    """

    points: np.ndarray
    picture: np.ndarray
    answers: np.ndarray | None

    def inputs(self) -> dict[str, np.ndarray]:
        """What the network of each name is given."""
        both = {} if self.answers is None else {"answers": np.concatenate([self.picture, self.answers], 1)}
        return {"picture": self.picture, **both}


def border(subject: Subject) -> Finding:
    """The part of the border that is probably off the object's, by small networks that look across it."""
    seen = profiles(subject)
    chances = {name: softmax(shipped()[f"border {name}"](inputs)) for name, inputs in seen.inputs().items()}
    measures = {key: value for name, values in chances.items() for key, value in summed(name, values).items()}
    if not len(seen.points):
        return Finding(0, "it has no border within the image", subject.nothing, measures)
    best = chances.get("answers", chances["picture"])
    wrong = 1 - best[:, HERE]
    share = float(wrong.mean())
    spots = np.zeros(subject.shape, np.float32)
    for (x, y), value in zip(seen.points.tolist(), wrong.tolist()):
        cv2.circle(spots, (x, y), SPOT, max(value, float(spots[y, x])), -1)
    heat = subject.heat(spots)
    side = "out" if best[:, INSIDE].sum() > best[:, OUTSIDE].sum() else "in"
    return Finding(
        share, f"about {share:.0%} of the border is probably misplaced, mostly too far {side}, most of it {where(heat)}", heat, measures
    )


def summed(name: str, chances: np.ndarray) -> dict[str, float]:
    """Return measures of the chances (n, 3) at the points of one border, as after `profiles`."""
    if not len(chances):
        return dict.fromkeys((f"{name}_{what}" for what in ("wrong", "inside", "outside", "half", "most", "log")), 0.0)
    wrong = 1 - chances[:, HERE]
    return {
        f"{name}_wrong": float(wrong.mean()),
        f"{name}_inside": float(chances[:, INSIDE].mean()),
        f"{name}_outside": float(chances[:, OUTSIDE].mean()),
        f"{name}_half": float((wrong > 0.5).mean()),
        f"{name}_most": float(np.quantile(wrong, 0.9)),
        f"{name}_log": float(np.log(chances[:, HERE] + 1e-3).mean()),
    }


def profiles(subject: Subject) -> Profiles:
    """Look across the border of a mask at points spread along it; none where the mask has no border within the image."""
    points = _spread(subject)
    if not len(points):
        return Profiles(points, np.zeros((0, PICTURE), np.float32), None if subject.answers is None else np.zeros((0, ANSWERS), np.float32))
    smooth = cv2.GaussianBlur(subject.depth, (0, 0), 1.5)
    slope = np.stack([cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)], -1)[points[:, 1], points[:, 0]]
    outwards = -slope / (np.linalg.norm(slope, axis=1, keepdims=True) + 1e-6)
    along = outwards[:, ::-1] * (1, -1)

    def across(values: np.ndarray) -> np.ndarray:
        """(n, offsets, channels): means along the border."""
        found = []
        for aside in ASIDE:
            at = points[:, None] + outwards[:, None] * OFFSETS[:, None] + aside * along[:, None]
            seen = cv2.remap(values, at.astype(np.float32), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            found.append(seen.reshape(*seen.shape[:2], -1))
        return np.stack(found).mean(0)

    colour = across(cv2.GaussianBlur(subject.lab.astype(np.float32), (0, 0), 1)) / LEVELS
    steps = np.linalg.norm(np.diff(colour, axis=1), axis=2)
    ordinary = np.broadcast_to(steps.mean(), (len(points), 1))
    inner, outer = colour[:, 3:7].mean(1, keepdims=True), colour[:, -7:-3].mean(1, keepdims=True)
    unlike_inner, unlike_outer = np.linalg.norm(colour - inner, axis=2), np.linalg.norm(colour - outer, axis=2)
    picture = np.log1p(np.concatenate([steps, unlike_inner, unlike_outer, ordinary, steps / (ordinary + 0.05)], 1)).astype(np.float32)
    answers = subject.answers
    if answers is None:
        return Profiles(points, picture, None)
    said = [answers.clicked[-1].prob, answers.edited.prob, answers.moved.prob]
    if answers.clicked[-1].alternatives:
        said.append(np.stack(answers.clicked[-1].alternatives).mean(0, dtype=np.float32))
    else:
        said.append(said[0])
    seen = np.concatenate([across(subject.cropped(one)) for one in said], 2)
    return Profiles(points, picture, seen.reshape(len(points), -1))


def _spread(subject: Subject) -> np.ndarray:
    """At most MOST points of the border, as far apart along it as they can be, int (n, 2)."""
    contours, _ = cv2.findContours(subject.inside.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    points = np.concatenate([contour[:, 0] for contour in contours])  # there is one at least: the mask is not empty
    points = points[~subject.at_image_border(points[:, 0], points[:, 1])]
    return points[np.linspace(0, len(points) - 1, MOST).round().astype(int)] if len(points) > MOST else points


# MERGED from review.scoring.picture: Scores that compare a mask with the picture: whether its border lies on edges, whether in and out differ in colour.


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
