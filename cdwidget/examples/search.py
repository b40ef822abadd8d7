"""Candidates for objects like the examples: peaks of the similarity become clicks, and each click a mask."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log
from typing import Iterator, NamedTuple, Protocol, Sequence

import cv2
import numpy as np

from cdwidget.examples.affinity import Sources, example_sources, join_sources, normalized_tokens, similarity, token_weights
from cdwidget.examples.shape import Peak, Shape
from cdwidget.masks import Bbox, Patch, bbox, crop
from cdwidget.masks import iou as mask_iou
from cdwidget.predictor import Tokens, ViewMasks
from cdwidget.prompts import Click, Prompt

VIEW_OBJECTS = 6  # A tile is about this many objects wide.
MAX_TILES = 2  # along each side of the image
TILE_STEP = 0.8  # distance of neighboring tiles relative to their side
MAP_SIDE = 128  # cells of a tile's similarity map along each side
MIN_PEAK = 0.3  # similarity in a tile, relative to the example's own similarity
MIN_CONTRAST = 0.2  # contrast of a peak
CLICK_BATCH = 8
MAX_TILE_CLICKS = 30
WINDOW_OBJECTS = 4.0  # side of the window in which an object is predicted, relative to the object's
MIN_WINDOW = 0.375  # relative to the tile
MIN_AREA, MAX_AREA = 1 / 6, 6.0  # area of a candidate relative to the example's area
MASK_WEIGHT = 0.5  # coverage from which a token belongs to a mask, relative to the mask's best covered token


class TokenPredictor(Protocol):
    """A predictor that gives its encoder's tokens and predicts several objects in one view; `CDNetPredictor` is one."""

    def set_image(self, image: np.ndarray) -> None:
        """Set the image, uint8 (H, W, 3) RGB."""

    def tokens(self, box: Bbox) -> Tokens:
        """Return the encoder's coarsest features of a view."""

    def predict_each(
        self, box: Bbox, prompts: Sequence[Sequence[Prompt]], priors: Sequence[np.ndarray] = (), window: float = 1.0
    ) -> ViewMasks:
        """Predict several objects in one view."""


@dataclass(frozen=True, eq=False)
class Example:
    """One example object: its tokens in the whole image and in a tile, and its size.

    Attributes:
        whole: Sources in the view of the whole image.
        tile: Sources in the tile that shows the object.
        whole_similarity: Mean similarity of the example's own tokens in the whole image, by which others are divided.
        tile_similarity: The same in the tile.
        descriptor: Mean normalized token of the object in the tile, float32 (C,).
        area: Number of pixels.
        shape: Its shape and size.
    """

    whole: Sources
    tile: Sources
    whole_similarity: float
    tile_similarity: float
    descriptor: np.ndarray
    area: int
    shape: Shape


class Evidence(NamedTuple):
    """What speaks for a candidate, each higher for a better one.

    Attributes:
        similarity: Mean similarity of its pixels to the examples, in [0, 1].
        contrast: The same less the similarity of the ring around the mask.
        peak: Contrast of the peak.
        stability: Mean IoU with the other masks that the same prompts gave.
        area: Less the absolute logarithm of its area relative to the nearest example's.
        aspect: The same of its aspect ratio.
        iou: IoU that CDNet expects.
    """

    similarity: float
    contrast: float
    peak: float
    stability: float
    area: float
    aspect: float
    iou: float


@dataclass(frozen=True, eq=False)
class Candidate:
    """A mask that a click in a similar place gave.

    Attributes:
        patch: The mask.
        click: The click (x, y) in image pixels.
        descriptor: Mean normalized token of the mask, float32 (C,).
        evidence: What speaks for it.
    """

    patch: Patch
    click: tuple[float, float]
    descriptor: np.ndarray
    evidence: Evidence


def describe(predictor: TokenPredictor, mask: np.ndarray) -> Example:
    """Return an example object of the predictor's image from its mask, bool (H, W), not empty."""
    height, width = mask.shape
    shape = Shape.of(mask)
    whole = predictor.tokens((0, 0, width, height))
    center = whole.features.mean((0, 1))
    tile = predictor.tokens(tile_around(bbox(mask), height, width, max(shape.width, shape.height)))
    in_whole, in_tile = (example_sources(view, center, mask, ~mask) for view in (whole, tile))
    return Example(
        in_whole,
        in_tile,
        _mean_similarity(whole, center, in_whole, mask),
        _mean_similarity(tile, center, in_tile, mask),
        _descriptor(normalized_tokens(tile, center), token_weights(mask, tile)),
        int(np.count_nonzero(mask)),
        shape,
    )


def tiles(height: int, width: int, object_side: float) -> list[Bbox]:
    """Return overlapping square tiles in which objects of a size are large enough, row by row; the whole image for large objects."""
    longer = max(height, width)
    count = int(np.clip(round(longer / (VIEW_OBJECTS * object_side)), 1, MAX_TILES))
    side = ceil(longer / (1 + TILE_STEP * (count - 1)))
    return [(x, y, min(width, x + side), min(height, y + side)) for y in _starts(height, side) for x in _starts(width, side)]


def tile_around(box: Bbox, height: int, width: int, object_side: float) -> Bbox:
    """Return the one of the `tiles` whose border is farthest from a box."""
    return max(tiles(height, width, object_side), key=lambda one: _margin(one, box))


def find_candidates(predictor: TokenPredictor, size: tuple[int, int], examples: Sequence[Example], known: np.ndarray) -> list[Candidate]:
    """Return masks that may show objects like the examples, all alternatives of each click.

    Args:
        predictor: The predictor; its image is searched.
        size: Height and width of the image in pixels.
        examples: The examples, of this or other images.
        known: Pixels of labeled objects of this kind, bool (H, W); they are not clicked.
    """
    height, width = size
    whole = predictor.tokens((0, 0, width, height))
    center = whole.features.mean((0, 1))
    own = [float(np.mean([getattr(one, name) for one in examples])) for name in ("whole_similarity", "tile_similarity")]
    whole_map = _resize(similarity(whole, center, join_sources([one.whole for one in examples])) / own[0], width, height)
    tile_sources = join_sources([one.tile for one in examples])
    shape = Shape.mean([one.shape for one in examples])
    boxes = tiles(height, width, max(shape.width, shape.height))
    found: list[Candidate] = []
    for box in boxes:
        if float(crop(whole_map, box).max()) < MIN_PEAK:
            continue
        tokens = predictor.tokens(box)
        tile_map = similarity(tokens, center, tile_sources) / own[1]
        context = _resize(crop(whole_map, box), *tokens.features.shape[1::-1])
        values = _resize(np.clip((tile_map + context) / 2, 0, 1), MAP_SIDE, MAP_SIDE)
        search = _TileSearch(predictor, tokens, center, values, shape, examples, size)
        peaks = [peak for peak in shape.peaks(values, box, MIN_CONTRAST) if _best_tile(peak, box, boxes) == box]
        found += search.run(peaks, known)
    return found


class _TileSearch:
    """The search in one tile.

    Args:
        predictor: The predictor.
        tokens: The tokens of the tile.
        center: The mean token of the whole image, float32 (C,).
        similarity: Similarity to the examples in the tile, float32 (MAP_SIDE, MAP_SIDE).
        shape: The mean shape of the examples.
        examples: The examples.
        size: Height and width of the image in pixels.
    """

    def __init__(
        self, predictor: TokenPredictor, tokens: Tokens, center: np.ndarray, similarity: np.ndarray, shape: Shape,
        examples: Sequence[Example], size: tuple[int, int],
    ) -> None:  # fmt: skip
        self._predictor, self._tokens, self._map, self._shape, self._size = predictor, tokens, similarity, shape, size
        self._areas = [one.area for one in examples]
        self._aspects = [one.shape.width / one.shape.height for one in examples]
        self._units = normalized_tokens(tokens, center)

    def run(self, peaks: list[Peak], known: np.ndarray) -> list[Candidate]:
        """Predict the objects at peaks, the best first, except where an object is known or was just found."""
        covered, found = known.copy(), []
        prompts = [(peak, self._click(peak)) for peak in peaks[:MAX_TILE_CLICKS]]
        while prompts := [(peak, click) for peak, click in prompts if not covered[click.pixel]]:
            for candidates in self._predict(prompts[:CLICK_BATCH]):
                found += candidates
                if candidates:
                    max(candidates, key=lambda one: one.evidence.iou * one.evidence.similarity).patch.add_to(covered)
            prompts = prompts[CLICK_BATCH:]
        return found

    def _click(self, peak: Peak) -> Click:
        """Return a click on the core of the shape at a peak."""
        x0, y0, x1, y1 = self._tokens.box
        core_x, core_y = self._shape.core
        x = x0 + (peak.x + (core_x - 0.5) * peak.width) * (x1 - x0)
        y = y0 + (peak.y + (core_y - 0.5) * peak.height) * (y1 - y0)
        return Click(min(max(x, x0), x1 - 0.5), min(max(y, y0), y1 - 0.5))

    def _predict(self, prompts: Sequence[tuple[Peak, Click]]) -> Iterator[list[Candidate]]:
        """Yield the candidates of each peak; the shape of the examples is the prior."""
        priors = [self._shape.at(peak, MAP_SIDE) for peak, _ in prompts]
        window = max(MIN_WINDOW, WINDOW_OBJECTS * max(max(peak.width, peak.height) for peak, _ in prompts))
        masks = self._predictor.predict_each(self._tokens.box, [[click] for _, click in prompts], priors, window)
        for (peak, click), probs, ious in zip(prompts, masks.probs, masks.iou):
            probs = np.stack([_resize(prob, MAP_SIDE, MAP_SIDE) for prob in probs])
            answers = zip(probs, ious.tolist(), _stabilities(probs > 0.5))
            yield [one for prob, iou, stability in answers if (one := self._candidate(prob, iou, stability, peak, click))]

    def _candidate(self, prob: np.ndarray, iou: float, stability: float, peak: Peak, click: Click) -> Candidate | None:
        """Return the connected part of a predicted mask at the click; None if its size is another one or the tile cuts it."""
        x0, y0, x1, y1 = self._tokens.box
        x, y = (click.x - x0) / (x1 - x0), (click.y - y0) / (y1 - y0)
        small = _part_at(prob > 0.5, x, y)
        area = np.count_nonzero(small) / small.size * (x1 - x0) * (y1 - y0)
        if not MIN_AREA * min(self._areas) <= area <= MAX_AREA * max(self._areas) or self._is_cut(small):
            return None
        near = cv2.dilate(small.view(np.uint8), np.ones((3, 3))) > 0
        full = _part_at(_resize(np.where(near, prob, 0), x1 - x0, y1 - y0) > 0.5, x, y)
        if not full.any():
            return None
        coverage = _resize(small.astype(np.float32), *self._tokens.features.shape[1::-1]).ravel()
        weights = np.where(coverage >= MASK_WEIGHT * coverage.max(), coverage, 0)
        left, top, right, bottom = bbox(full)
        patch = Patch((x0 + left, y0 + top, x0 + right, y0 + bottom), np.packbits(full[top:bottom, left:right]).tobytes())
        width, height = right - left, bottom - top
        ring = _ring(small)
        similar = float(self._map[small].mean())
        evidence = Evidence(
            similarity=similar,
            contrast=similar - float(self._map[ring].mean()) if ring.any() else 0,
            peak=peak.contrast,
            stability=stability,
            area=-min(abs(log(area / one)) for one in self._areas),
            aspect=-min(abs(log(width / height / one)) for one in self._aspects),
            iou=iou,
        )
        return Candidate(patch, (click.x, click.y), _descriptor(self._units, weights), evidence)

    def _is_cut(self, mask: np.ndarray) -> bool:
        """Return whether a mask of the tile touches a border of the tile that is not a border of the image."""
        x0, y0, x1, y1 = self._tokens.box
        borders = ((mask[:, 0], x0 > 0), (mask[0], y0 > 0), (mask[:, -1], x1 < self._size[1]), (mask[-1], y1 < self._size[0]))
        return any(is_inside and border.any() for border, is_inside in borders)


def _best_tile(peak: Peak, box: Bbox, boxes: Sequence[Bbox]) -> Bbox:
    """Return the tile whose border is farthest from a peak of the tile `box`."""
    x, y = round(box[0] + peak.x * (box[2] - box[0])), round(box[1] + peak.y * (box[3] - box[1]))
    return max(boxes, key=lambda one: _margin(one, (x, y, x, y)))


def _stabilities(masks: np.ndarray) -> list[float]:
    """Return the mean IoU of each mask, bool (N, h, w), with the others."""
    return [float(np.mean([mask_iou(one, other) for other in masks if other is not one] or [1.0])) for one in masks]


def _ring(mask: np.ndarray) -> np.ndarray:
    """Return the pixels around a mask, in a ring about as wide as a quarter of its side."""
    radius = max(2, round(np.sqrt(np.count_nonzero(mask)) / 4))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2)
    return (cv2.dilate(mask.view(np.uint8), kernel) > 0) & ~mask


def _part_at(mask: np.ndarray, x: float, y: float) -> np.ndarray:
    """Return the 4-connected part of a mask at a position relative to its sides; empty if that is outside the mask."""
    height, width = mask.shape
    _, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    part = parts[min(int(y * height), height - 1), min(int(x * width), width - 1)]
    return (parts == part) & mask if part else np.zeros_like(mask)


def _descriptor(units: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted mean of normalized tokens (N, C), of length 1."""
    total = weights @ units
    return total / max(float(np.linalg.norm(total)), 1e-6)


def _mean_similarity(tokens: Tokens, center: np.ndarray, sources: Sources, mask: np.ndarray) -> float:
    weights = token_weights(mask, tokens)
    return max(float(weights @ similarity(tokens, center, sources).ravel()) / max(float(weights.sum()), 1e-6), 1e-3)


def _resize(values: np.ndarray, width: int, height: int) -> np.ndarray:
    shrinks = values.size > width * height
    return cv2.resize(values.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def _starts(length: int, side: int) -> list[int]:
    """Return where tiles of a side begin along a length."""
    count = ceil(max(0, length - side) / (TILE_STEP * side)) + 1
    return [round(start) for start in np.linspace(0, max(0, length - side), count)]


def _margin(tile: Bbox, box: Bbox) -> float:
    """Return the smallest distance of a box from the borders of a tile."""
    return min(box[0] - tile[0], box[1] - tile[1], tile[2] - box[2], tile[3] - box[3])
