"""Training of the matcher: one object of a class is the example, and the others of that class are to be found; `cdwidget train-matcher`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from cdwidget.formats.dataset_folders import DatasetImage, find_datasets, is_held_out, read_dataset
from cdwidget.masks import Bbox, bbox
from cdwidget.model import MODELS
from cdwidget.model.checkpoint import load_checkpoint
from cdwidget.model.matching import (
    LOG_RATIO_UNIT,
    OFFSET_CELLS,
    Matcher,
    grid_size,
    normalized_levels,
    sample_grid,
    sample_template,
    save_matcher,
)
from cdwidget.model.view import ViewCache
from cdwidget.train.config import DatasetSettings
from cdwidget.train.data import jitter_colors
from cdwidget.train.loop import LoopRecipe, train_batches

FILE_FORMAT = "cdwidget-matcher-1"  # stored in the weights file
MIN_TILE_OBJECTS = 4  # An image with fewer objects of a class is used only as a whole.
TILE_SIDES = (1.5, 2.4)  # side of the image relative to the tile's
MIN_OBJECT_PX = 16  # pixels of an object in the image
MIN_EXAMPLE_SIDE = 1 / 64  # of the view's
MIN_VISIBLE = 0.8  # fraction of an object that a view shows
MAX_LOG_RATIO = 1.0  # Objects of more different sizes than exp(this) count neither as found nor as missed.
PEAK_WIDTH = 6  # side of an object relative to the standard deviation of its peak
MIN_PEAK_CELLS = 0.5
NEAR, BOX_NEAR = 0.05, 0.3  # height of the peak from which a cell belongs to an object, and from which its box is trained
MAX_CLASS_WEIGHT = 8  # A class of more objects in a view is not drawn more often.


@dataclass(frozen=True)
class MatcherRecipe(LoopRecipe):
    """One training run of the matcher.

    Attributes:
        sets: Sampling weights by data-set name; other sets are used only if none of these is given, with equal weights.
        map_classes: Class of the objects in label maps, by data-set name; "object" for all others.
        sorted_maps: Sets whose label maps number the objects class by class, see `class_labels`.
        batch: Examples per batch.
        crop: Cells along each side of the part of a view that is trained on.
        other: Fraction of the examples whose class the view does not show, so that nothing is to be found.
        across: Fraction of the examples that are in another image.
        jitter: Standard deviation of the borders of the example's box, relative to its sides.
        scale: Maximum logarithm of the number of cells of an example, relative to the usual one.
    """

    steps: int = 3000
    rate: float = 1.5e-3
    warmup: int = 50
    ema: float = 0.995
    map_classes: dict[str, str] = field(default_factory=dict)
    sorted_maps: tuple[str, ...] = ()
    batch: int = 4
    crop: int = 40
    other: float = 0.1
    across: float = 0.15
    jitter: float = 0.04
    scale: float = 0.12


def default_recipe() -> MatcherRecipe:
    """Return the recipe with the data sets of the packaged settings."""
    settings = DatasetSettings.read()
    return MatcherRecipe(settings.matching, map_classes=settings.map_classes, sorted_maps=settings.sorted_maps)


MATCHER_RECIPE = default_recipe()


@dataclass(frozen=True, eq=False)
class EncodedView:
    """The tokens of a view, and the objects in it.

    Attributes:
        levels: Normalized tokens of each level, float16 (C, h, w).
        boxes: Boxes of the objects as fractions of the view, float32 (N, 4).
        labels: Their classes.
        is_cut: Whether the view cuts an object, bool (N,).
        image: Number of the image, so that another one can be found.
    """

    levels: list[Tensor]
    boxes: np.ndarray
    labels: list[str]
    is_cut: np.ndarray
    image: int

    def examples(self, label: str) -> list[int]:
        """Return the objects of a class that are whole and large enough for an example."""
        sides = (self.boxes[:, 2:] - self.boxes[:, :2]).min(1)
        is_clear = (sides >= MIN_EXAMPLE_SIDE) & ~self.is_cut
        return [i for i, own in enumerate(self.labels) if own == label and is_clear[i]]

    def searchable_classes(self) -> dict[str, int]:
        """Return the number of objects of each class that has several, one of them good for an example."""
        return {label: count for label, count in Counter(self.labels).items() if count > 1 and self.examples(label)}


class Sample(NamedTuple):
    """The input of the network for an example and a part of a view, and its targets.

    Attributes:
        grids: Tokens of each level in the cells, (C, h, w).
        templates: Tokens of each level in the example, (C, t, t).
        heat: 1 at the center of an object, falling to 0 around it, (h, w).
        boxes: Offset and logarithmic size of the object's box in the units of the network, (4, h, w).
        box_weight: Weight of the box in each cell, (h, w).
        weight: Weight of the predicted center in the loss, 0 or 1, (h, w).
    """

    grids: list[Tensor]
    templates: list[Tensor]
    heat: Tensor
    boxes: Tensor
    box_weight: Tensor
    weight: Tensor


def class_labels(source: DatasetImage, masks: np.ndarray, map_class: str, is_sorted: bool) -> list[str]:
    """Return the class of each object of an image, "" if it is unknown.

    Args:
        source: The image.
        masks: Its objects, bool (N, H, W).
        map_class: Class of the objects of a label map.
        is_sorted: Whether a label map numbers its objects class by class, and those of a class from top to bottom. Then a class begins
            where an object lies above its predecessor, and only the last class is known. Else all objects of a label map are of one class.
    """
    if source.mask_path is None:
        return source.object_labels()
    if not is_sorted:
        return [map_class] * len(masks)
    tops = [bbox(mask)[1] for mask in masks]
    start = max((i for i in range(1, len(tops)) if tops[i] < tops[i - 1]), default=0)
    return [""] * start + [map_class] * (len(tops) - start)


class MatcherDataset:
    """Samples of encoded views; each view is encoded once and kept in memory, 2 MB each.

    Args:
        recipe: The recipe.
        folders: Data sets, or folders of them; held-out images are not used.
        views: Encodes the views.

    Raises:
        ValueError: If no image has two objects of a class that are large enough.
    """

    def __init__(self, recipe: MatcherRecipe, folders: Iterable[Path], views: ViewCache) -> None:
        self.recipe, self._views = recipe, views
        self._rng = np.random.default_rng(recipe.seed)
        self.sets: dict[str, list[EncodedView]] = {}
        count = 0
        given = find_datasets(folders)
        for folder in [one for one in given if one.name in recipe.sets] or given:
            sources = [one for one in read_dataset(folder) if not is_held_out(one)]
            for source in tqdm(sources, desc=folder.name, unit="image", disable=None):
                image, masks, _ = source.load()
                map_class = recipe.map_classes.get(folder.name, "object")
                labels = class_labels(source, masks, map_class, folder.name in recipe.sorted_maps)
                labels = [label if mask.sum() >= MIN_OBJECT_PX else "" for label, mask in zip(labels, masks)]
                for encoded in self._encode(image, masks, labels, count):
                    self.sets.setdefault(folder.name, []).append(encoded)
                count += 1
        if not self.sets:
            raise ValueError("no image has two objects of one class that are large enough; give a data set with such images")
        weights = np.array([recipe.sets.get(name, 1.0) for name in self.sets])
        self._probabilities = weights / weights.sum()

    def _encode(self, image: np.ndarray, masks: np.ndarray, labels: Sequence[str], number: int) -> list[EncodedView]:
        """Encode the whole image and, if it shows many objects of a class, a tile around one of them; every second image is mirrored.

        Views without a class to search are left out.
        """
        counts = Counter(label for label in labels if label).most_common(1)
        if not counts or counts[0][1] < 2:
            return []
        (label, count), (height, width) = counts[0], image.shape[:2]
        image = jitter_colors(image, self._rng)
        if self._rng.random() < 0.5:
            image, masks = np.ascontiguousarray(image[:, ::-1]), masks[..., ::-1]
        boxes = [(0, 0, width, height)]
        if count >= MIN_TILE_OBJECTS:
            chosen = self._rng.choice([i for i, own in enumerate(labels) if own == label])
            boxes.append(self._tile_around(bbox(masks[chosen]), height, width))
        encoded = [self._encode_view(image, masks, labels, box, number) for box in boxes]
        return [one for one in encoded if one.searchable_classes()]

    def _encode_view(self, image: np.ndarray, masks: np.ndarray, labels: Sequence[str], box: Bbox, number: int) -> EncodedView:
        x0, y0, x1, y1 = box
        parts = masks[:, y0:y1, x0:x1]
        shown = [i for i, part in enumerate(parts) if labels[i] and np.count_nonzero(part) >= MIN_OBJECT_PX]
        is_cut = np.array([np.count_nonzero(parts[i]) < MIN_VISIBLE * np.count_nonzero(masks[i]) for i in shown], bool)
        boxes = np.array([bbox(parts[i]) for i in shown], np.float32).reshape(-1, 4) / np.tile((x1 - x0, y1 - y0), 2)
        levels = normalized_levels([level[0] for level in self._views.encode(image, box).encoded])
        return EncodedView([one.half() for one in levels], boxes, [labels[i] for i in shown], is_cut, number)

    def _tile_around(self, box: Bbox, height: int, width: int) -> Bbox:
        side = ceil(max(height, width) / self._rng.uniform(*TILE_SIDES))
        x, y = (
            round(float(np.clip((low + high) / 2 - side * self._rng.uniform(0.3, 0.7), 0, max(0, length - side))))
            for low, high, length in ((box[0], box[2], width), (box[1], box[3], height))
        )
        return x, y, min(width, x + side), min(height, y + side)

    def draw(self) -> Sample:
        """Draw an example and a part of a view."""
        while (drawn := self._draw_pair()) is None:
            pass  # An example in the view itself always fits, so the loop ends.
        return self._sample(*drawn)

    def _draw_view(self) -> tuple[str, EncodedView, str]:
        """Draw the name of a set, one of its views, and one of the view's searchable classes."""
        name = str(self._rng.choice(list(self.sets), p=self._probabilities))
        view = self.sets[name][self._rng.integers(len(self.sets[name]))]
        counts = view.searchable_classes()
        weights = np.minimum(list(counts.values()), MAX_CLASS_WEIGHT)
        return name, view, str(self._rng.choice(list(counts), p=weights / weights.sum()))

    def _draw_pair(self) -> tuple[EncodedView, str, EncodedView, int] | None:
        """Draw a view, the class to find, the view of the example, and the example; None if they do not fit."""
        name, view, label = self._draw_view()
        source, chance = view, self._rng.random()
        if chance < self.recipe.other:
            _, source, other = self._draw_view()
            return None if other in view.labels else (view, "", source, int(self._rng.choice(source.examples(other))))
        if chance < self.recipe.other + self.recipe.across:
            sources = [one for one in self.sets[name] if one.image != view.image and label in one.labels]
            if not sources:
                return None
            source = sources[self._rng.integers(len(sources))]
        found = source.examples(label)
        return (view, label, source, int(self._rng.choice(found))) if found else None

    def _sample(self, view: EncodedView, label: str, source: EncodedView, example: int) -> Sample:
        """Return the sample of an example of another or the same view, which is not to be found itself."""
        box = source.boxes[example]
        box = box + self._rng.normal(0, self.recipe.jitter, 4) * np.tile(box[2:] - box[:2], 2)
        sides = np.maximum(box[2:] - box[:2], MIN_EXAMPLE_SIDE / 2)
        zoom = np.exp(self._rng.uniform(-self.recipe.scale, self.recipe.scale, 2))
        columns, rows = grid_size(*(sides / zoom))
        levels = [level.float() for level in view.levels]
        templates = sample_template([level.float() for level in source.levels], tuple(box.tolist()))
        targets, centers = _targets(view, label, example if source is view else None, sides, columns, rows)
        top, left = self._corner(centers, columns, rows)
        size = self.recipe.crop
        parts = [*sample_grid(levels, columns, rows), *targets]
        parts = [_padded(part[..., top : top + size, left : left + size], size) for part in parts]
        if self._rng.random() < 0.5:
            parts, templates = [part.flip(-1) for part in parts], [part.flip(-1) for part in templates]
            parts[-3][0] *= -1  # the horizontal offset
        return Sample(parts[:-4], templates, *parts[-4:])

    def _corner(self, centers: list[tuple[int, int]], columns: int, rows: int) -> tuple[int, int]:
        """Draw the first row and column of a part of a grid, mostly around an object."""
        size, half = self.recipe.crop, self.recipe.crop // 2
        if centers and self._rng.random() < 0.85:
            row, column = np.array(centers[self._rng.integers(len(centers))]) + self._rng.integers(-16, 17, 2)
        else:
            row, column = self._rng.integers(rows), self._rng.integers(columns)
        return int(np.clip(row - half, 0, max(0, rows - size))), int(np.clip(column - half, 0, max(0, columns - size)))


def _targets(
    view: EncodedView, label: str, example: int | None, sides: np.ndarray, columns: int, rows: int
) -> tuple[list[Tensor], list[tuple[int, int]]]:  # fmt: skip
    """Return heat, boxes, box weight and weight of a grid, see `Sample`, and the cells (row, column) of the centers of its objects."""
    y, x = np.mgrid[:rows, :columns] + 0.5
    heat, box_weight, boxes = np.zeros((rows, columns)), np.zeros((rows, columns)), np.zeros((4, rows, columns))
    weight = np.ones((rows, columns))
    centers = []
    cells = view.boxes * np.tile((columns, rows), 2)
    areas = np.prod(view.boxes[:, 2:] - view.boxes[:, :2], axis=1)
    for i in np.argsort(-areas):
        if view.labels[i] != label:
            continue
        (x0, y0, x1, y1), ratio = cells[i], np.log((view.boxes[i, 2:] - view.boxes[i, :2]) / sides)
        dx, dy = (x0 + x1) / 2 - x, (y0 + y1) / 2 - y
        peak = _peak(dx, dy, x1 - x0, y1 - y0)
        if i == example or view.is_cut[i] or np.abs(ratio).max() > MAX_LOG_RATIO:
            weight[(peak > NEAR) | ((np.abs(dx) < (x1 - x0) / 2) & (np.abs(dy) < (y1 - y0) / 2))] = 0
            continue
        row, column = min(rows - 1, int((y0 + y1) / 2)), min(columns - 1, int((x0 + x1) / 2))
        centers.append((row, column))
        peak[row, column] = 1
        heat = np.maximum(heat, peak)
        near = peak > BOX_NEAR
        sizes = [np.full_like(x, value / LOG_RATIO_UNIT) for value in ratio]
        boxes[:, near] = np.stack([dx / OFFSET_CELLS, dy / OFFSET_CELLS, *sizes])[:, near]
        box_weight[near] = peak[near]
        weight[peak > NEAR] = 1
    return [torch.from_numpy(part).float() for part in (heat, boxes, box_weight, weight)], centers


def _peak(dx: np.ndarray, dy: np.ndarray, width: float, height: float) -> np.ndarray:
    """Return the heat of an object, 1 at its center, from the distances to the center and the sides of its box."""
    spread_x, spread_y = (max(MIN_PEAK_CELLS, side / PEAK_WIDTH) for side in (width, height))
    return np.exp(-((dx / spread_x) ** 2 + (dy / spread_y) ** 2) / 2)


def _padded(part: Tensor, size: int) -> Tensor:
    return F.pad(part, (0, size - part.shape[-1], 0, size - part.shape[-2]))


def matcher_loss(network: Matcher, batch: Sequence[Sample]) -> Tensor:
    """Compute the focal loss of the heatmap, as in CornerNet and CenterNet, and the smooth L1 loss of the boxes.

    Args:
        network: The matcher.
        batch: The samples.
    """
    grids, templates = ([torch.stack(level) for level in zip(*parts)] for parts in zip(*(one[:2] for one in batch)))
    heat, boxes, box_weight, weight = (torch.stack(part) for part in zip(*(one[2:] for one in batch)))
    output = network(grids, templates)
    probability = output[:, 0].sigmoid().clamp(1e-4, 1 - 1e-4)
    is_center = (heat == 1).float() * weight
    found = is_center * (1 - probability) ** 2 * probability.log()
    wrong = (1 - is_center) * weight * (1 - heat) ** 4 * probability**2 * (1 - probability).log()
    box_loss = F.smooth_l1_loss(output[:, 1:], boxes, reduction="none", beta=0.1).sum(1) * box_weight
    return box_loss.sum() / box_weight.sum().clamp(min=1) - (found + wrong).sum() / is_center.sum().clamp(min=1)


def train_matcher(folders: Iterable[Path], out: Path, recipe: MatcherRecipe = MATCHER_RECIPE) -> str:
    """Train the matcher on the tokens of cdnet-tiny, and write its weights and, next to them, a log (.jsonl).

    Held-out images are not used.

    Args:
        folders: Data sets, or folders of them.
        out: The .safetensors file to write.
        recipe: The recipe.

    Returns:
        A sentence with the file.

    Raises:
        ValueError: If no image has two objects of a class that are large enough.
    """
    torch.manual_seed(recipe.seed)
    cdnet = load_checkpoint(MODELS["cdnet-tiny"]).eval()
    with torch.inference_mode():
        dataset = MatcherDataset(recipe, folders, ViewCache(cdnet.encode, cdnet.config.size, torch.device("cpu")))
    network = Matcher()
    init_output(network)
    batches = ([dataset.draw() for _ in range(recipe.batch)] for _ in range(recipe.steps))
    train_batches(network, recipe, batches, lambda batch: (matcher_loss(network, batch), {}), out, save_matcher, FILE_FORMAT)
    return f"wrote {out}"


def init_output(network: Matcher) -> None:
    """Let a new matcher find nothing, with the boxes of the example, so that the few centers do not get lost in the first steps."""
    torch.nn.init.normal_(network.head.weight, std=0.01)
    last = ["head.bias", *(f"blocks.{i}.conv2.{name}" for i in range(len(network.blocks)) for name in ("weight", "bias"))]
    for name in last:
        torch.nn.init.zeros_(network.get_parameter(name))
    torch.nn.init.constant_(network.get_parameter("head.bias")[:1], -4.0)
