"""Candidates for objects like the examples: peaks of the similarity become clicks, and each click a mask."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log
from typing import Protocol, Sequence

import cv2
import numpy as np

from cdwidget.examples.affinity import Sources, example_sources, join_sources, normalized_tokens, similarity, token_weights
from cdwidget.masks import Bbox, Patch, bbox, crop
from cdwidget.predictor import Tokens, ViewMasks
from cdwidget.prompts import Click, Prompt

VIEW_OBJECTS = 5  # A tile is about this many objects wide.
MAX_TILES = 3  # along each side of the image
TILE_STEP = 0.8  # distance of neighboring tiles relative to their side
MIN_PEAK = 0.3  # similarity of a click, relative to the example's own similarity
PEAK_RADIUS = 0.35  # smallest distance of two peaks relative to the example's shorter side
PEAK_BLUR = 0.15  # blur of the similarity relative to the example's shorter side
CLICK_BATCH = 8
MAX_TILE_CLICKS = 32
MIN_AREA, MAX_AREA = 1 / 6, 6.0  # area of a candidate relative to the example's area
MASK_WEIGHT = 0.5  # coverage from which a token belongs to a mask, relative to the mask's best covered token


class TokenPredictor(Protocol):
    """A predictor that gives its encoder's tokens and predicts several objects in one view; `CDNetPredictor` is one."""

    def set_image(self, image: np.ndarray) -> None:
        """Set the image, uint8 (H, W, 3) RGB."""

    def tokens(self, box: Bbox) -> Tokens:
        """Return the encoder's coarsest features of a view."""

    def predict_each(self, box: Bbox, prompts: Sequence[Sequence[Prompt]]) -> ViewMasks:
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
        sides: Shorter and longer side of its bounding box in pixels.
    """

    whole: Sources
    tile: Sources
    whole_similarity: float
    tile_similarity: float
    descriptor: np.ndarray
    area: int
    sides: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Candidate:
    """A mask that a click in a similar place gave.

    Attributes:
        patch: The mask.
        click: The click (x, y) in image pixels.
        similarity: Mean similarity of its pixels to the examples, in [0, 1].
        descriptor: Mean normalized token of the mask, float32 (C,).
        iou: IoU that CDNet expects.
        relative_area: Its area relative to the examples' mean area.
    """

    patch: Patch
    click: tuple[float, float]
    similarity: float
    descriptor: np.ndarray
    iou: float
    relative_area: float


def describe(predictor: TokenPredictor, mask: np.ndarray) -> Example:
    """Return an example object of the predictor's image from its mask, bool (H, W), not empty."""
    height, width = mask.shape
    x0, y0, x1, y1 = box = bbox(mask)
    sides = min(x1 - x0, y1 - y0), max(x1 - x0, y1 - y0)
    whole = predictor.tokens((0, 0, width, height))
    center = whole.features.mean((0, 1))
    tile = predictor.tokens(max(tiles(height, width, sides[1]), key=lambda one: _margin(one, box)))
    in_whole, in_tile = (example_sources(view, center, mask, ~mask) for view in (whole, tile))
    return Example(
        in_whole,
        in_tile,
        _mean_similarity(whole, center, in_whole, mask),
        _mean_similarity(tile, center, in_tile, mask),
        _descriptor(normalized_tokens(tile, center), token_weights(mask, tile)),
        int(np.count_nonzero(mask)),
        sides,
    )


def tiles(height: int, width: int, object_side: float) -> list[Bbox]:
    """Return overlapping square tiles in which objects of a size are large enough, row by row; the whole image for large objects."""
    longer = max(height, width)
    count = int(np.clip(round(longer / (VIEW_OBJECTS * object_side)), 1, MAX_TILES))
    side = ceil(longer / (1 + TILE_STEP * (count - 1)))
    return [(x, y, min(width, x + side), min(height, y + side)) for y in _starts(height, side) for x in _starts(width, side)]


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
    boxes = tiles(height, width, float(np.median([one.sides[1] for one in examples])))
    found: list[Candidate] = []
    for box in boxes:
        if float(crop(whole_map, box).max()) < MIN_PEAK:
            continue
        tokens = predictor.tokens(box)
        tile_map = similarity(tokens, center, tile_sources) / own[1]
        context = _resize(crop(whole_map, box), *tokens.features.shape[1::-1])
        search = _TileSearch(predictor, tokens, center, np.clip((tile_map + context) / 2, 0, 1), examples, size)
        found += search.run(_peaks(search.map, box, boxes, examples), known)
    return found


class _TileSearch:
    """The search in one tile.

    Args:
        predictor: The predictor.
        tokens: The tokens of the tile.
        center: The mean token of the whole image, float32 (C,).
        similarity: Similarity of the tile's tokens, float32 (rows, columns).
        examples: The examples.
        size: Height and width of the image in pixels.
    """

    def __init__(
        self, predictor: TokenPredictor, tokens: Tokens, center: np.ndarray, similarity: np.ndarray, examples: Sequence[Example],
        size: tuple[int, int],
    ) -> None:  # fmt: skip
        self._predictor, self._tokens, self._size = predictor, tokens, size
        self._units = normalized_tokens(tokens, center)
        self._area = float(np.mean([one.area for one in examples]))
        x0, y0, x1, y1 = tokens.box
        self.map = _resize(similarity, x1 - x0, y1 - y0)

    def run(self, peaks: list[tuple[int, int]], known: np.ndarray) -> list[Candidate]:
        """Click at peaks (x, y) in image pixels, best first, except where an object is known or was just found."""
        covered, found = known.copy(), []
        peaks = peaks[:MAX_TILE_CLICKS]
        while peaks:
            peaks = [(x, y) for x, y in peaks if not covered[y, x]]
            batch, peaks = peaks[:CLICK_BATCH], peaks[CLICK_BATCH:]
            if not batch:
                break
            masks = self._predictor.predict_each(self._tokens.box, [[Click(x + 0.5, y + 0.5)] for x, y in batch])
            for (x, y), probs, ious in zip(batch, masks.probs, masks.iou):
                candidates = [one for prob, iou in zip(probs, ious) if (one := self._candidate(prob, float(iou), x, y))]
                found += candidates
                if candidates:
                    max(candidates, key=lambda one: one.iou * one.similarity).patch.add_to(covered)
        return found

    def _candidate(self, prob: np.ndarray, iou: float, x: int, y: int) -> Candidate | None:
        """Return the connected part of a predicted mask at the click; None if its size is another one or the tile cuts it."""
        x0, y0, x1, y1 = self._tokens.box
        small = _part_at(prob > 0.5, (x + 0.5 - x0) / (x1 - x0), (y + 0.5 - y0) / (y1 - y0))
        area = np.count_nonzero(small) / small.size * (x1 - x0) * (y1 - y0)
        if not MIN_AREA <= area / self._area <= MAX_AREA or self._is_cut(small):
            return None
        full = _part_at(_resize(np.where(cv2.dilate(small.view(np.uint8), np.ones((3, 3))) > 0, prob, 0), x1 - x0, y1 - y0) > 0.5,
                        (x + 0.5 - x0) / (x1 - x0), (y + 0.5 - y0) / (y1 - y0))  # fmt: skip
        if not full.any():
            return None
        coverage = _resize(small.astype(np.float32), *self._tokens.features.shape[1::-1]).ravel()
        weights = np.where(coverage >= MASK_WEIGHT * coverage.max(), coverage, 0)
        left, top, right, bottom = bbox(full)
        patch = Patch((x0 + left, y0 + top, x0 + right, y0 + bottom), np.packbits(full[top:bottom, left:right]).tobytes())
        descriptor = _descriptor(self._units, weights)
        return Candidate(patch, (x + 0.5, y + 0.5), float(self.map[full].mean()), descriptor, iou, area / self._area)

    def _is_cut(self, mask: np.ndarray) -> bool:
        """Return whether a mask of the tile touches a border of the tile that is not a border of the image."""
        x0, y0, x1, y1 = self._tokens.box
        borders = ((mask[:, 0], x0 > 0), (mask[0], y0 > 0), (mask[:, -1], x1 < self._size[1]), (mask[-1], y1 < self._size[0]))
        return any(is_inside and border.any() for border, is_inside in borders)


def _peaks(values: np.ndarray, box: Bbox, boxes: Sequence[Bbox], examples: Sequence[Example]) -> list[tuple[int, int]]:
    """Return the local maxima (x, y) of a tile's similarity, in image pixels and best first, that are nearest to this tile's center."""
    side = float(np.median([one.sides[0] for one in examples]))
    smooth = cv2.GaussianBlur(values, (0, 0), max(1.0, PEAK_BLUR * side))
    window = np.ones((2 * max(2, int(PEAK_RADIUS * side)) + 1,) * 2, np.uint8)
    ys, xs = np.nonzero((smooth >= cv2.dilate(smooth, window)) & (smooth >= MIN_PEAK))
    order = np.argsort(-smooth[ys, xs], kind="stable")
    points = [(int(xs[i]) + box[0], int(ys[i]) + box[1]) for i in order]
    return [(x, y) for x, y in points if max(boxes, key=lambda one: _margin(one, (x, y, x, y))) == box]


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


def area_difference(candidate: Candidate) -> float:
    """Return the absolute logarithm of a candidate's relative area."""
    return abs(log(candidate.relative_area))
