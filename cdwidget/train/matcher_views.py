"""Views that the matcher is trained on: the encoder's tokens of an image or a tile, and the boxes and classes of its objects."""

from __future__ import annotations

import os
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
from safetensors.torch import load_file, save_file
from torch import Tensor

from cdwidget.masks import Bbox, bbox
from cdwidget.model.matching import normalized_levels
from cdwidget.model.view import ViewCache
from cdwidget.train.data import jitter_colors

MIN_TILE_OBJECTS = 4  # An image with fewer objects of a class is used only as a whole.
TILE_SIDES = (1.5, 2.4)  # side of the image relative to the tile's
MIN_OBJECT_PX = 16  # pixels of an object in the image
MIN_EXAMPLE_SIDE = 1 / 64  # of the view's
MIN_VISIBLE = 0.8  # fraction of an object that a view shows


@dataclass(frozen=True, eq=False)
class EncodedView:
    """The tokens of a view, and the objects in it.

    Attributes:
        levels: Normalized tokens of each level, float16 (C, h, w).
        boxes: Boxes of the objects as fractions of the view, float32 (N, 4).
        labels: Their classes.
        is_cut: Whether the view cuts an object, bool (N,).
        image: Name of the image, so that another one can be found.
    """

    levels: list[Tensor]
    boxes: np.ndarray
    labels: list[str]
    is_cut: np.ndarray
    image: str

    def examples(self, label: str) -> list[int]:
        """Return the objects of a class that are whole and large enough for an example."""
        sides = (self.boxes[:, 2:] - self.boxes[:, :2]).min(1)
        is_clear = (sides >= MIN_EXAMPLE_SIDE) & ~self.is_cut
        return [i for i, own in enumerate(self.labels) if own == label and is_clear[i]]


class ViewEncoder:
    """Encodes the views of images, and keeps the tokens on disk, 2 MB a view, so that the next run reads them.

    Args:
        views: Encodes a view.
        folder: Where the tokens are kept.
    """

    def __init__(self, views: ViewCache, folder: Path) -> None:
        self._views, self._folder = views, folder

    def encode(self, name: str, image: np.ndarray, masks: np.ndarray, labels: Sequence[str]) -> list[EncodedView]:
        """Encode the whole image and, if it shows many objects of a class, a tile around one of them.

        Colors are changed, and every second image is mirrored; the same image always gives the same views.

        Args:
            name: Name of the data set and the image.
            image: uint8 (H, W, 3) RGB.
            masks: Its objects, bool (N, H, W).
            labels: Their classes, "" if unknown.

        Returns:
            The views; none if no object has a known class.
        """
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        labels = [label if mask.sum() >= MIN_OBJECT_PX else "" for label, mask in zip(labels, masks)]
        counts = Counter(label for label in labels if label).most_common(1)
        if not counts:
            return []
        (label, count), (height, width) = counts[0], image.shape[:2]
        image = jitter_colors(image, rng)
        if rng.random() < 0.5:
            image, masks = np.ascontiguousarray(image[:, ::-1]), masks[..., ::-1]
        encoded = [self._encode(f"{name}.whole", image, masks, labels, (0, 0, width, height))]
        if count >= MIN_TILE_OBJECTS:
            chosen = rng.choice([i for i, own in enumerate(labels) if own == label])
            tile = _tile_around(bbox(masks[chosen]), height, width, rng)
            encoded.append(self._encode(f"{name}.tile", image, masks, labels, tile))
        return encoded

    def _encode(self, name: str, image: np.ndarray, masks: np.ndarray, labels: Sequence[str], box: Bbox) -> EncodedView:
        x0, y0, x1, y1 = box
        parts = masks[:, y0:y1, x0:x1]
        shown = [i for i, part in enumerate(parts) if labels[i] and np.count_nonzero(part) >= MIN_OBJECT_PX]
        is_cut = np.array([np.count_nonzero(parts[i]) < MIN_VISIBLE * np.count_nonzero(masks[i]) for i in shown], bool)
        boxes = np.array([bbox(parts[i]) for i in shown], np.float32).reshape(-1, 4) / np.tile((x1 - x0, y1 - y0), 2)
        levels = self._levels(self._folder / f"{name}.safetensors", image, box)
        return EncodedView(levels, boxes, [labels[i] for i in shown], is_cut, name.rpartition(".")[0])

    def _levels(self, path: Path, image: np.ndarray, box: Bbox) -> list[Tensor]:
        """Return the tokens of a view, float16 (C, h, w), from a file if it exists, and else write it."""
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            encoded = normalized_levels([level[0] for level in self._views.encode(image, box).encoded])
            partial = path.with_suffix(f".{os.getpid()}")
            save_file({str(i): level.half().contiguous() for i, level in enumerate(encoded)}, partial)
            os.replace(partial, path)
        levels = load_file(path)
        return [levels[str(i)] for i in range(len(levels))]


def _tile_around(box: Bbox, height: int, width: int, rng: np.random.Generator) -> Bbox:
    side = ceil(max(height, width) / rng.uniform(*TILE_SIDES))
    x, y = (
        round(float(np.clip((low + high) / 2 - side * rng.uniform(0.3, 0.7), 0, max(0, length - side))))
        for low, high, length in ((box[0], box[2], width), (box[1], box[3], height))
    )
    return x, y, min(width, x + side), min(height, y + side)
