"""Training of the matcher: one object of a class is the example, and the others of that class are to be found; `cdwidget train-matcher`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from cdwidget.formats.dataset_folders import find_datasets, is_held_out, read_dataset
from cdwidget.formats.map_classes import MapClasses
from cdwidget.model import MODELS
from cdwidget.model.checkpoint import load_checkpoint
from cdwidget.model.matching import (
    LOG_RATIO_UNIT,
    OFFSET_CELLS,
    Matcher,
    grid_size,
    have_similar_sides,
    load_matcher,
    sample_grid,
    sample_template,
    save_matcher,
)
from cdwidget.model.view import ViewCache
from cdwidget.train.config import DatasetSettings
from cdwidget.train.loop import LoopRecipe, train_batches
from cdwidget.train.matcher_views import MIN_EXAMPLE_SIDE, EncodedView, ViewEncoder

FILE_FORMAT = "cdwidget-matcher-1"  # stored in the weights file
MAX_LOG_RATIO = 1.0  # Objects of more different sizes than exp(this) count neither as found nor as missed.
PEAK_WIDTH = 6  # side of an object relative to the standard deviation of its peak
MIN_PEAK_CELLS = 0.5
NEAR, BOX_NEAR = 0.05, 0.3  # height of the peak from which a cell belongs to an object, and from which its box is trained
MAX_CLASS_WEIGHT = 8  # A class of more objects in a view is not drawn more often.
MAX_MORE_EXAMPLES = 4


@dataclass(frozen=True)
class MatcherRecipe(LoopRecipe):
    """One training run of the matcher.

    Attributes:
        sets: Sampling weights by data-set name; other sets are used only if none of these is given, with equal weights.
        classes: Classes of the objects in label maps.
        images: Maximum number of images of a set.
        batch: Examples per batch.
        crop: Cells along each side of the part of a view that is trained on.
        other: Fraction of the examples whose class the view does not show, so that nothing is to be found.
        across: Fraction of the examples that are in another image, in views with several objects of the class.
        several: Fraction of the samples with more than one example; their templates are averaged as in a search.
        jitter: Standard deviation of the borders of the example's box, relative to its sides.
        scale: Maximum logarithm of the number of cells of an example, relative to the usual one.
    """

    steps: int = 3000
    rate: float = 1.5e-3
    warmup: int = 50
    ema: float = 0.995
    classes: MapClasses = MapClasses()
    images: int = 130
    batch: int = 4
    crop: int = 40
    other: float = 0.1
    across: float = 0.15
    several: float = 0.3
    jitter: float = 0.04
    scale: float = 0.12


def default_recipe() -> MatcherRecipe:
    """Return the recipe with the data sets of the packaged settings."""
    settings = DatasetSettings.read()
    return MatcherRecipe(settings.matching, classes=settings.classes)


MATCHER_RECIPE = default_recipe()


@dataclass(frozen=True, eq=False)
class Example:
    """An object of a view.

    Attributes:
        view: The view.
        index: Number of the object in it.
    """

    view: EncodedView
    index: int

    @property
    def box(self) -> np.ndarray:
        """Its box as fractions of the view, float32 (4,)."""
        box: np.ndarray = self.view.boxes[self.index]
        return box


@dataclass(frozen=True, eq=False)
class Search:
    """A view, the class to find in it, and examples of that class.

    Attributes:
        view: The view.
        label: The class to find; "" if the view shows no object like the examples.
        examples: The examples.
    """

    view: EncodedView
    label: str
    examples: list[Example]


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


class ViewSet:
    """The views of a data set.

    Attributes:
        examples: The examples of each class.
        searches: Each view with a class to search, and the number of objects of each such class; there is an example in the view itself
            or in another image.
    """

    def __init__(self, views: Iterable[EncodedView]) -> None:
        self.examples: dict[str, list[Example]] = defaultdict(list)
        given = list(views)
        for view in given:
            for label in set(view.labels):
                self.examples[label] += [Example(view, i) for i in view.examples(label)]
        searches = ((view, self._searchable_classes(view)) for view in given)
        self.searches = [(view, counts) for view, counts in searches if counts]

    def _searchable_classes(self, view: EncodedView) -> dict[str, int]:
        return {
            label: count
            for label, count in Counter(view.labels).items()
            if any(count > 1 if one.view is view else one.view.image != view.image for one in self.examples[label])
        }


class MatcherDataset:
    """Samples of encoded views.

    Args:
        recipe: The recipe.
        folders: Data sets, or folders of them; held-out images are not used.
        encoder: Encodes the views.

    Raises:
        ValueError: If no view shows an object of a class with an example, in the same view or in another image.
    """

    def __init__(self, recipe: MatcherRecipe, folders: Iterable[Path], encoder: ViewEncoder) -> None:
        self.recipe = recipe
        self._rng = np.random.default_rng(recipe.seed)
        given = find_datasets(folders)
        chosen = [folder for folder in given if folder.name in recipe.sets] or given
        self.sets = {name: views for name, views in ((folder.name, self._read(folder, encoder)) for folder in chosen) if views.searches}
        if not self.sets:
            raise ValueError("no image has two objects of one class that are large enough; give a data set with such images")
        weights = np.array([recipe.sets.get(name, 1.0) for name in self.sets])
        self._probabilities = weights / weights.sum()

    def _read(self, folder: Path, encoder: ViewEncoder) -> ViewSet:
        """Encode every n-th image that is not held out, so that there are at most `recipe.images`."""
        sources = [one for one in read_dataset(folder) if not is_held_out(one)]
        views = []
        for source in tqdm(sources[:: max(1, ceil(len(sources) / self.recipe.images))], desc=folder.name, unit="image", disable=None):
            image, masks, _ = source.load()
            labels = self.recipe.classes.labels(folder.name, source, masks)
            views += encoder.encode(f"{folder.name}/{source.image.stem}", image, masks, labels)
        return ViewSet(views)

    def draw(self) -> Sample:
        """Draw a part of a view and examples."""
        while (search := self._draw_search()) is None:
            pass  # An example of a class that the view shows always fits, so the loop ends.
        return self._sample(search)

    def _draw_class(self) -> tuple[ViewSet, EncodedView, str]:
        """Draw a set, one of its views, and a class to search in it."""
        views = self.sets[str(self._rng.choice(list(self.sets), p=self._probabilities))]
        view, counts = views.searches[self._rng.integers(len(views.searches))]
        weights = np.minimum(list(counts.values()), MAX_CLASS_WEIGHT)
        return views, view, str(self._rng.choice(list(counts), p=weights / weights.sum()))

    def _draw_search(self) -> Search | None:
        """Draw a search; None if the examples do not fit the view."""
        views, view, label = self._draw_class()
        if self._rng.random() < self.recipe.other:
            others, source, other = self._draw_class()
            return None if other in view.labels else Search(view, "", self._draw_examples(others, source, other))
        return Search(view, label, self._draw_examples(views, view, label))

    def _draw_examples(self, views: ViewSet, view: EncodedView, label: str) -> list[Example]:
        """Draw examples for a search in a view: one, or several of similar size."""
        own = [Example(view, i) for i in view.examples(label)] if view.labels.count(label) > 1 else []
        others = [one for one in views.examples[label] if one.view.image != view.image]
        given = others if not own or (others and self._rng.random() < self.recipe.across) else own
        first = given[self._rng.integers(len(given))]
        if self._rng.random() >= self.recipe.several:
            return [first]
        like = [one for one in (*own, *others) if one is not first and have_similar_sides(_sides(one.box), _sides(first.box))]
        count = min(len(like), int(self._rng.integers(1, MAX_MORE_EXAMPLES + 1)))
        return [first, *(like[i] for i in self._rng.choice(len(like), count, replace=False))]

    def _sample(self, search: Search) -> Sample:
        """Return the sample of a search; examples in the view itself are not to be found."""
        view, examples = search.view, search.examples
        boxes = [self._jittered(one.box) for one in examples]
        sides = np.maximum(np.mean([_sides(box) for box in boxes], 0), MIN_EXAMPLE_SIDE / 2)
        zoom = np.exp(self._rng.uniform(-self.recipe.scale, self.recipe.scale, 2))
        columns, rows = grid_size(*(sides / zoom))
        levels = [level.float() for level in view.levels]
        sampled = [sample_template([level.float() for level in one.view.levels], tuple(box.tolist())) for one, box in zip(examples, boxes)]
        templates = [torch.stack(level).mean(0) for level in zip(*sampled)]
        own = {one.index for one in examples if one.view is view}
        targets, centers = _targets(view, search.label, own, sides, columns, rows)
        top, left = self._corner(centers, columns, rows)
        size = self.recipe.crop
        parts = [*sample_grid(levels, columns, rows), *targets]
        parts = [_padded(part[..., top : top + size, left : left + size], size) for part in parts]
        if self._rng.random() < 0.5:
            parts, templates = [part.flip(-1) for part in parts], [part.flip(-1) for part in templates]
            parts[-3][0] *= -1  # the horizontal offset
        return Sample(parts[:-4], templates, *parts[-4:])

    def _jittered(self, box: np.ndarray) -> np.ndarray:
        return box + self._rng.normal(0, self.recipe.jitter, 4) * np.tile(_sides(box), 2)

    def _corner(self, centers: list[tuple[int, int]], columns: int, rows: int) -> tuple[int, int]:
        """Draw the first row and column of a part of a grid, mostly around an object."""
        size, half = self.recipe.crop, self.recipe.crop // 2
        if centers and self._rng.random() < 0.85:
            row, column = np.array(centers[self._rng.integers(len(centers))]) + self._rng.integers(-16, 17, 2)
        else:
            row, column = self._rng.integers(rows), self._rng.integers(columns)
        return int(np.clip(row - half, 0, max(0, rows - size))), int(np.clip(column - half, 0, max(0, columns - size)))


def _sides(box: np.ndarray) -> np.ndarray:
    return box[2:] - box[:2]


def _targets(
    view: EncodedView, label: str, own: set[int], sides: np.ndarray, columns: int, rows: int
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
        if i in own or view.is_cut[i] or np.abs(ratio).max() > MAX_LOG_RATIO:
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


def train_matcher(folders: Iterable[Path], out: Path, recipe: MatcherRecipe = MATCHER_RECIPE, start_from: Path | None = None) -> str:
    """Train the matcher on the tokens of cdnet-tiny, and write its weights and, next to them, a log (.jsonl).

    The tokens are kept in a folder next to them (.views), 2 MB a view, so that the next run reads them. Held-out images are not used.

    Args:
        folders: Data sets, or folders of them.
        out: The .safetensors file to write.
        recipe: The recipe.
        start_from: Weights of an earlier run to continue from; set `recipe.seed` to draw other samples.

    Returns:
        A sentence with the file.

    Raises:
        ValueError: If no view shows an object of a class with an example, in the same view or in another image.
    """
    torch.manual_seed(recipe.seed)
    cdnet = load_checkpoint(MODELS["cdnet-tiny"]).eval()
    with torch.inference_mode():
        views = ViewCache(cdnet.encode, cdnet.config.size, torch.device("cpu"))
        dataset = MatcherDataset(recipe, folders, ViewEncoder(views, out.with_suffix(".views")))
    network = Matcher()
    init_output(network)
    if start_from is not None:
        network.load_state_dict(load_matcher(start_from).state_dict())
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
