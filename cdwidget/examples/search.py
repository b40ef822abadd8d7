"""Candidates for objects like the examples: each match of the examples' tokens becomes a box and a click, and these a mask."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log
from typing import Iterator, NamedTuple, Protocol, Sequence

import cv2
import numpy as np

from cdwidget.examples.affinity import normalized_tokens, token_weights, view_token_weights
from cdwidget.examples.boxes import Box, box_iou, fractions, without_overlaps
from cdwidget.examples.shape import Shape
from cdwidget.masks import Bbox, Patch, bbox, crop
from cdwidget.predictor import Match, MatchingTokens, Template, Tokens, ViewMasks
from cdwidget.prompts import Box as BoxPrompt
from cdwidget.prompts import Click, Prompt

VIEW_OBJECTS = 20  # A view that is more than about this many objects wide is divided into tiles.
MAX_TILES = 2  # along each side of the image
TILE_STEP = 0.8  # distance of neighboring tiles relative to their side
MASK_SIDE = 128  # cells of a tile's masks along each side
CLICK_BATCH = 8
MAX_TILE_MATCHES = 60
WINDOW_OBJECTS = 4.0  # side of the window in which an object is predicted, relative to the object's
MIN_WINDOW = 0.375  # relative to the tile
MAX_SURE_MATCHES, SURE_PROBABILITY = 3, 0.5  # of matches that become further examples
MIN_DOUBT = 1e-6  # probability that a match is wrong


class TokenPredictor(Protocol):
    """A predictor that gives its encoder's tokens and predicts several objects in one view; `CDNetPredictor` is one."""

    def set_image(self, image: np.ndarray) -> None:
        """Set the image, uint8 (H, W, 3) RGB."""

    def tokens(self, box: Bbox) -> MatchingTokens:
        """Return the encoder's features of a view."""

    def predict_each(
        self, box: Bbox, prompts: Sequence[Sequence[Prompt]], priors: Sequence[np.ndarray] = (), window: float = 1.0
    ) -> ViewMasks:
        """Predict several objects in one view."""


@dataclass(frozen=True, eq=False)
class Example:
    """One example object.

    Attributes:
        template: Its tokens, in the tile that shows it whole.
        descriptor: Mean normalized token of the object, float32 (C,).
        area: Number of pixels.
        shape: Its shape.
    """

    template: Template
    descriptor: np.ndarray
    area: int
    shape: Shape


class Evidence(NamedTuple):
    """The inputs of a candidate's score, each higher for a better candidate.

    Attributes:
        match: Logit of the probability that such an object is there.
        iou: IoU that CDNet expects.
    """

    match: float
    iou: float


@dataclass(frozen=True, eq=False)
class Candidate:
    """The mask of a match.

    Attributes:
        patch: The mask.
        descriptor: Mean normalized token of the mask, float32 (C,).
        evidence: The inputs of its score.
    """

    patch: Patch
    descriptor: np.ndarray
    evidence: Evidence


def describe(predictor: TokenPredictor, mask: np.ndarray) -> Example:
    """Return an example object of the predictor's image from its mask, bool (H, W), not empty."""
    height, width = mask.shape
    x0, y0, x1, y1 = box = bbox(mask)
    center = predictor.tokens((0, 0, width, height)).features.mean((0, 1))
    tile = predictor.tokens(tile_around(box, height, width, max(x1 - x0, y1 - y0)))
    descriptor = _descriptor(normalized_tokens(tile, center), token_weights(mask, tile))
    return Example(tile.template(box), descriptor, int(np.count_nonzero(mask)), Shape.of(mask))


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
    """Return masks that may show objects like the examples.

    Args:
        predictor: The predictor; its image is searched.
        size: Height and width of the image in pixels.
        examples: The examples, of this or other images.
        known: Pixels of labeled objects of this kind, bool (H, W); they are not searched.
    """
    height, width = size
    center = predictor.tokens((0, 0, width, height)).features.mean((0, 1))
    templates = [one.template for one in examples]
    boxes = tiles(height, width, float(np.exp(np.mean([np.log(max(one.width, one.height)) for one in templates]))))
    shape = Shape.mean([one.shape for one in examples])
    found: list[Candidate] = []
    for box in boxes:
        tokens = predictor.tokens(box)
        matches = [one for one in find_matches(tokens, templates) if _best_tile(one.box, boxes) == box]
        found += _TileSearch(predictor, tokens, center, shape, size).run(matches, known)
    return found


def find_matches(tokens: MatchingTokens, templates: Sequence[Template]) -> list[Match]:
    """Return the matches in a view without overlaps, the most probable first.

    The surest ones are further examples of a second search. It finds objects that resemble the first examples less, also of other sizes.
    """
    found = _without_overlaps(tokens.matches(templates))
    sure = [tokens.template(one.box) for one in found[:MAX_SURE_MATCHES] if one.probability >= SURE_PROBABILITY]
    return _without_overlaps(tokens.matches([*templates, *sure])) if sure else found


def _without_overlaps(matches: Sequence[Match]) -> list[Match]:
    return without_overlaps(sorted(matches, key=lambda one: -one.probability))


class _TileSearch:
    """The masks of matches in one tile.

    Args:
        predictor: The predictor.
        tokens: The tokens of the tile.
        center: The mean token of the whole image, float32 (C,).
        shape: The mean shape of the examples.
        size: Height and width of the image in pixels.
    """

    def __init__(
        self, predictor: TokenPredictor, tokens: Tokens, center: np.ndarray, shape: Shape, size: tuple[int, int]
    ) -> None:  # fmt: skip
        self._predictor, self._tokens, self._shape, self._size = predictor, tokens, shape, size
        self._units = normalized_tokens(tokens, center)

    def run(self, matches: Sequence[Match], known: np.ndarray) -> list[Candidate]:
        """Return the masks of the best matches that are not on known objects; the shape of the examples is the prior."""
        clicks = [(match, self._click(match)) for match in matches]
        unknown = [(match, click) for match, click in clicks if not known[click.pixel]][:MAX_TILE_MATCHES]
        found = (
            self._candidate(match, click, probs, ious)
            for start in range(0, len(unknown), CLICK_BATCH)
            for match, click, probs, ious in self._predict(unknown[start : start + CLICK_BATCH])
        )
        return [one for one in found if one is not None]

    def _click(self, match: Match) -> Click:
        """Return a click on the core of the shape in the box of a match."""
        x0, y0, x1, y1 = self._tokens.box
        left, top, right, bottom = match.box
        core_x, core_y = self._shape.core
        x, y = left + core_x * (right - left), top + core_y * (bottom - top)
        return Click(min(max(x, x0), x1 - 0.5), min(max(y, y0), y1 - 0.5))

    def _predict(self, prompts: Sequence[tuple[Match, Click]]) -> Iterator[tuple[Match, Click, np.ndarray, np.ndarray]]:
        """Yield each match and click with the probabilities (N, MASK_SIDE, MASK_SIDE) and expected IoUs (N,) of its masks."""
        boxes = [fractions(match.box, self._tokens.box) for match, _ in prompts]
        window = max(MIN_WINDOW, WINDOW_OBJECTS * max(max(x1 - x0, y1 - y0) for x0, y0, x1, y1 in boxes))
        priors = [self._shape.at(box, MASK_SIDE) for box in boxes]
        masks = self._predictor.predict_each(self._tokens.box, [self._prompts(*one) for one in prompts], priors, window)
        for (match, click), probs, ious in zip(prompts, masks.probs, masks.iou):
            yield match, click, np.stack([_resize(prob, MASK_SIDE, MASK_SIDE) for prob in probs]), ious

    def _prompts(self, match: Match, click: Click) -> list[Prompt]:
        """Return the click and the box of a match."""
        height, width = self._size
        x0, y0, x1, y1 = match.box
        return [click, BoxPrompt(max(x0, 0), max(y0, 0), min(x1, width), min(y1, height))]

    def _candidate(self, match: Match, click: Click, probs: np.ndarray, ious: np.ndarray) -> Candidate | None:
        """Return the candidate of the best mask of a match; None if no mask shows the clicked pixel, or the tile cuts it."""
        x0, y0, x1, y1 = self._tokens.box
        cell = int((click.y - y0) / (y1 - y0) * MASK_SIDE), int((click.x - x0) / (x1 - x0) * MASK_SIDE)
        parts = [_part_at(prob > 0.5, *cell) for prob in probs]
        inside = fractions(match.box, self._tokens.box)
        agreements = [box_iou(fractions(bbox(part), (0, 0, MASK_SIDE, MASK_SIDE)), inside) for part in parts]
        best = int(np.argmax(ious * agreements))
        if not parts[best].any() or self._is_cut(parts[best]):
            return None
        patch = self._patch(probs[best], parts[best], click)
        if patch is None:
            return None
        logit = log(match.probability / max(1 - match.probability, MIN_DOUBT))
        descriptor = _descriptor(self._units, view_token_weights(parts[best], self._tokens))
        return Candidate(patch, descriptor, Evidence(logit, float(ious[best])))

    def _patch(self, prob: np.ndarray, part: np.ndarray, click: Click) -> Patch | None:
        """Return a part of a mask of the tile in image pixels; None if it does not show the clicked pixel there.

        Args:
            prob: Probabilities of the mask, float32 (MASK_SIDE, MASK_SIDE).
            part: The part, bool (MASK_SIDE, MASK_SIDE).
            click: The click.
        """
        x0, y0, x1, y1 = self._tokens.box
        near = cv2.dilate(part.view(np.uint8), np.ones((3, 3))) > 0
        full = _resize(np.where(near, prob, 0), x1 - x0, y1 - y0) > 0.5
        left, top, right, bottom = box = bbox(full)
        row, column = click.pixel[0] - y0 - top, click.pixel[1] - x0 - left
        if not (0 <= row < bottom - top and 0 <= column < right - left):
            return None
        clicked = _part_at(crop(full, box), row, column)  # In its small box, because finding a part of a large image takes long.
        patch = Patch((x0 + left, y0 + top, x0 + right, y0 + bottom), np.packbits(clicked).tobytes()).mask_only()
        return patch if patch.bits else None

    def _is_cut(self, mask: np.ndarray) -> bool:
        """Return whether a mask of the tile touches a border of the tile that is not a border of the image."""
        x0, y0, x1, y1 = self._tokens.box
        borders = ((mask[:, 0], x0 > 0), (mask[0], y0 > 0), (mask[:, -1], x1 < self._size[1]), (mask[-1], y1 < self._size[0]))
        return any(is_inside and border.any() for border, is_inside in borders)


def _best_tile(box: Box, tiles: Sequence[Bbox]) -> Bbox:
    """Return the tile whose border is farthest from the center of a box."""
    x, y = round((box[0] + box[2]) / 2), round((box[1] + box[3]) / 2)
    return max(tiles, key=lambda one: _margin(one, (x, y, x, y)))


def _part_at(mask: np.ndarray, row: int, column: int) -> np.ndarray:
    """Return the 4-connected part of a mask at a position; empty if the mask does not show it."""
    _, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    part = parts[row, column]
    return (parts == part) & mask if part else np.zeros_like(mask)


def _descriptor(units: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted mean of normalized tokens (N, C), of length 1."""
    total = weights @ units
    return total / max(float(np.linalg.norm(total)), 1e-6)


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
