"""Training samples: views of images and targets in them, determined by seed and step alone, so that a run can be resumed exactly."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Iterable, Iterator

import cv2
import numpy as np

from cdwidget.formats.dataset_folders import (
    MAX_OBJECT_SHARE,
    MIN_OBJECT_SHARE,
    DatasetImage,
    DatasetImageError,
    is_held_out,
    list_dataset_images,
    read_dataset,
)
from cdwidget.mask_errors import flip_superpixels
from cdwidget.train.config import Recipe, SetOptions
from cdwidget.train.distributed import ProcessGroup

ROW_TARGETS = 4  # A batch consists of rows of this many targets; workers and processes share it by rows.
ROW_STREAM, VIEW_STREAM = 1, 2  # Random streams; the trainer has others, so no two draw the same numbers.
MIN_OBJECT_PX = 64  # image px
MIN_CROP_PX = 64  # image px, side of a crop
MIN_FLIP_TARGET_PX = 16  # px of the target grid; smaller objects cannot reach the narrow IoU range of `flip_superpixels`
MAX_NAMED_FILES = 5  # files of one problem that a report names

Datasets = list[tuple[str, list[DatasetImage]]]  # name and images of each data set


@dataclass(frozen=True)
class TrainingView:
    """A part of an image as the network sees it, and the objects in it.

    Attributes:
        image: uint8 (S, S, 3) RGB.
        masks: The objects, bool (N, T, T); none in an unlabeled image.
        anchor: Index of the object around which the view was chosen.
        valid: Pixels that count, bool (T, T).
        key: Number from which the same view can be drawn again; None if it is drawn only once.
    """

    image: np.ndarray
    masks: np.ndarray
    anchor: int
    valid: np.ndarray
    key: int | None = None


@dataclass(frozen=True)
class Sample:
    """Targets in one view.

    Attributes:
        view: The view, without its masks.
        targets: The true masks, bool (N, T, T).
        start: The masks to start from, bool (N, T, T).
        query_points: In an unlabeled image, the pixels (x, y) at which a teacher provides the targets, int (N, 2); else None.
    """

    view: TrainingView
    targets: np.ndarray
    start: np.ndarray
    query_points: np.ndarray | None = None


class Sampler:
    """Draws batches; each depends on its step, but not on earlier draws.

    Args:
        recipe: The recipe.
        sets: The data sets.

    Raises:
        ValueError: If the batch is not a multiple of `ROW_TARGETS`, all images of a set are held out, or all sets are left out.
    """

    def __init__(self, recipe: Recipe, sets: Datasets):
        if recipe.batch % ROW_TARGETS:
            raise ValueError(f"the batch is {recipe.batch}; it must be a multiple of {ROW_TARGETS}")
        self.recipe = recipe
        self.rows = recipe.batch // ROW_TARGETS
        self.sets: list[tuple[list[DatasetImage], SetOptions]] = []
        for name, sources in sets:
            used = [source for source in sources if not is_held_out(source, recipe.holdout)]
            if not used:
                raise ValueError(f"all images of {name} are held out; a set needs some that are not: one in {recipe.holdout} is")
            self.sets.append((used, recipe.sets.get(name, SetOptions())))
        weights = np.array([options.weight for _, options in self.sets])
        self.probabilities = weights / weights.sum()
        self.is_left_out = [name in recipe.left_out for name, _ in sets]
        if all(self.is_left_out):
            raise ValueError("all data sets are left out; keep at least one")

    def row(self, step: int, index: int) -> list[Sample]:
        """Draw samples with exactly `ROW_TARGETS` targets in total.

        Args:
            step: The batch.
            index: The row within the batch.
        """
        rng = np.random.default_rng((self.recipe.seed, ROW_STREAM, step, index))
        samples, missing = [], ROW_TARGETS
        for sample in self._draw(rng):
            if len(sample.targets) > missing:
                points = None if sample.query_points is None else sample.query_points[:missing]
                sample = replace(sample, targets=sample.targets[:missing], start=sample.start[:missing], query_points=points)
            samples.append(sample)
            missing -= len(sample.targets)
            if not missing:
                break
        return samples

    def local_rows(self, group: ProcessGroup, step: int) -> list[Sample]:
        """Draw the rows of a batch that belong to one process.

        Raises:
            ValueError: If the rows cannot be shared evenly.
        """
        share, rest = divmod(self.rows, group.world_size)
        if rest:
            raise ValueError(
                f"{group.world_size} processes cannot share {self.rows} rows of {ROW_TARGETS} targets evenly; start a divisor of that many"
            )
        return [sample for index in range(group.rank * share, (group.rank + 1) * share) for sample in self.row(step, index)]

    def view_description(self) -> str:
        """Return a text that differs if the same keys give other views."""
        files = [[source.image.name for source in sources] for sources, _ in self.sets]
        recipe = self.recipe
        return repr((recipe.seed, recipe.views, recipe.crops, recipe.model.size, self.probabilities.tolist(), files))

    def _draw(self, rng: np.random.Generator) -> Iterator[Sample]:
        while True:
            view, options = self._draw_view(rng)
            if view is not None and (sample := draw_targets(view, options, self.recipe, rng)) is not None:
                yield sample

    def _draw_view(self, rng: np.random.Generator) -> tuple[TrainingView | None, SetOptions]:
        """Draw a view with the options of its set; the view is None if its set is left out, or if no object is large enough."""
        key = int(rng.integers(self.recipe.views)) if self.recipe.views else None
        view_rng = rng if key is None else np.random.default_rng((self.recipe.seed, VIEW_STREAM, key))
        chosen = view_rng.choice(len(self.sets), p=self.probabilities)
        sources, options = self.sets[chosen]
        if self.is_left_out[chosen]:
            return None, options
        return draw_view(sources[view_rng.integers(len(sources))], self.recipe, view_rng, key), options


def draw_view(source: DatasetImage, recipe: Recipe, rng: np.random.Generator, key: int | None = None) -> TrainingView | None:
    """Choose an object and a view around it, with random colors and mirroring.

    Args:
        source: The image.
        recipe: The recipe.
        rng: Random generator.
        key: Stored in the view.

    Returns:
        The view, or None if the image has no object that is large enough.
    """
    image, masks, valid = source.load()
    masks = masks[masks.sum((1, 2)) >= MIN_OBJECT_PX] if source.is_labeled else _random_rectangle(valid.shape[0], valid.shape[1], rng)
    if not len(masks):
        return None
    anchor = _choose_object(masks, rng)
    x0, y0, x1, y1 = _choose_crop(masks[anchor], recipe.crops, rng)
    size, target_size = recipe.model.size, recipe.target_size
    view = cv2.resize(image[y0:y1, x0:x1], (size, size), interpolation=cv2.INTER_AREA if x1 - x0 > size else cv2.INTER_LINEAR)

    def to_view(mask: np.ndarray) -> np.ndarray:
        part = mask[y0:y1, x0:x1].astype(np.float32)
        return cv2.resize(part, (target_size, target_size), interpolation=cv2.INTER_LINEAR) > 0.5

    view, valid, masks = jitter_colors(view, rng), to_view(valid), np.stack([to_view(mask) for mask in masks])
    if rng.random() < 0.5:
        view, valid, masks = view[:, ::-1], valid[:, ::-1], masks[..., ::-1]
    masks = masks[: None if source.is_labeled else 0]
    return TrainingView(np.ascontiguousarray(view), np.ascontiguousarray(masks), anchor, np.ascontiguousarray(valid), key)


def draw_targets(view: TrainingView, options: SetOptions, recipe: Recipe, rng: np.random.Generator) -> Sample | None:
    """Choose objects, or unions of them, as targets, and the masks to start from.

    In an unlabeled image, points are chosen at which a teacher will provide the targets.

    Args:
        view: The view.
        options: Options of the image's data set.
        recipe: The recipe.
        rng: Random generator.

    Returns:
        The sample, or None if no object has a suitable size.
    """
    masks = view.masks
    if not len(masks):
        empty = np.zeros((recipe.per_image, *view.valid.shape), bool)
        return Sample(view, empty, empty, rng.integers(len(view.valid), size=(recipe.per_image, 2)))
    candidates: list[np.ndarray] = []
    if rng.random() < options.whole:
        candidates.append(np.logical_or.reduce(masks))
    candidates.append(masks[view.anchor])
    for _ in range(min(recipe.per_image, len(masks)) - 1):
        mask = masks[_choose_object(masks, rng)]
        if len(masks) > 1 and rng.random() < options.union:
            mask = mask | masks[_choose_object(masks, rng)]
        candidates.append(mask)
    targets: list[np.ndarray] = []
    for mask in candidates[: recipe.per_image]:
        if MIN_OBJECT_SHARE < mask.mean() < MAX_OBJECT_SHARE and not any((mask == other).all() for other in targets):
            targets.append(mask)
    if not targets:
        return None
    start = np.zeros((len(targets), *view.valid.shape), bool)
    for i, target in enumerate(targets):
        if rng.random() < recipe.edits:
            other = targets[rng.integers(len(targets))]
            start[i] = corrupt_target(view, target, rng) if rng.random() < 0.5 else deform_mask(target, other, rng)
    return Sample(replace(view, masks=masks[:0]), np.stack(targets), start)


def _random_rectangle(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Return a rectangle of 10 to 60 % of the image sides in place of an unknown object, bool (1, H, W)."""
    mask = np.zeros((1, height, width), bool)
    (h, w), (y, x) = rng.uniform(0.1, 0.6, 2), rng.random(2)
    top, left = int(y * (1 - h) * height), int(x * (1 - w) * width)
    mask[:, top : top + max(1, int(h * height)), left : left + max(1, int(w * width))] = True
    return mask


def _choose_object(masks: np.ndarray, rng: np.random.Generator) -> int:
    """Choose an object with a probability proportional to the square root of its area."""
    weights = np.sqrt(masks.sum((1, 2)) + 1e-9)  # All masks of a view may be empty.
    return int(rng.choice(len(masks), p=weights / weights.sum()))


def _choose_crop(anchor: np.ndarray, crops: float, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Choose the whole image or, with probability `crops`, a rectangle around the anchor: tight to wide, off center, of any aspect."""
    height, width = anchor.shape
    if rng.random() >= crops:
        return 0, 0, width, height
    ys, xs = np.nonzero(anchor.any(1))[0], np.nonzero(anchor.any(0))[0]
    box_w, box_h = xs[-1] + 1 - xs[0], ys[-1] + 1 - ys[0]
    scale, aspect = np.exp(rng.uniform(np.log(1.1), np.log(3.0))), np.exp(rng.uniform(-0.25, 0.25))
    w = int(np.clip(max(box_w, 0.5 * box_h) * scale * aspect, MIN_CROP_PX, width))
    h = int(np.clip(max(box_h, 0.5 * box_w) * scale / aspect, MIN_CROP_PX, height))
    slack_x, slack_y = (w - box_w) / 2, (h - box_h) / 2
    x0 = (xs[0] + xs[-1] + 1 - w) / 2 + rng.uniform(-0.8, 0.8) * max(slack_x, 0)
    y0 = (ys[0] + ys[-1] + 1 - h) / 2 + rng.uniform(-0.8, 0.8) * max(slack_y, 0)
    left, top = int(np.clip(x0, 0, width - min(w, width))), int(np.clip(y0, 0, height - min(h, height)))
    return left, top, min(left + w, width), min(top + h, height)


def jitter_colors(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Change brightness, contrast and the balance of the channels, uint8 (H, W, 3) in and out."""
    gain, bias = rng.uniform(0.75, 1.3), rng.uniform(-20, 20, 3) + rng.uniform(-15, 15)
    table = np.clip((np.arange(256)[:, None] - 128) * gain + 128 + bias, 0, 255).astype(np.uint8)
    return cv2.LUT(image, table.reshape(1, 256, 3))


def corrupt_target(view: TrainingView, target: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Flip superpixels of a mask until its IoU is 0.75 to 0.85, as in DAVIS-585.

    See Chen et al., "FocalClick", CVPR 2022.

    Args:
        view: The view.
        target: The true mask, bool (T, T).
        rng: Random generator.

    Returns:
        bool (T, T); the target itself if it is too small.
    """
    if np.count_nonzero(target & view.valid) < MIN_FLIP_TARGET_PX:
        return target
    small = cv2.resize(view.image, target.shape[::-1], interpolation=cv2.INTER_AREA)
    return flip_superpixels(small, target, rng, ~view.valid)


def deform_mask(target: np.ndarray, other: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Make plausible errors in a mask.

    Blobs are added and removed at the border, the mask grows or shrinks, or another object is merged. Every third
    mask gets a single blob, as remains after many clicks.

    Args:
        target: The true mask, bool (T, T).
        other: Another object, bool (T, T).
        rng: Random generator.

    Returns:
        bool (T, T).
    """
    mask = target.copy()
    side = len(mask)
    is_nearly_right = rng.random() < 1 / 3
    if not is_nearly_right and rng.random() < 0.4:
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (int(rng.integers(3, max(4, side // 14))),) * 2)
        mask = (cv2.dilate if rng.random() < 0.5 else cv2.erode)(mask.astype(np.uint8), kernel).astype(bool)
    border = np.argwhere(target ^ cv2.erode(target.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool))
    for _ in range(1 if is_nearly_right else int(rng.integers(1, 6))):
        y, x = border[rng.integers(len(border))] if len(border) else rng.integers(side, size=2)
        blob = np.zeros(mask.shape, np.uint8)
        axes = tuple(int(a) for a in rng.integers(max(1, side // 40), max(2, side // 6), 2))
        cv2.ellipse(blob, (int(x), int(y)), axes, float(rng.uniform(0, 180)), 0, 360, 1, -1)
        mask = (mask | blob.astype(bool)) if rng.random() < 0.5 else (mask & ~blob.astype(bool))
    if not is_nearly_right and rng.random() < 0.2:
        mask |= other
    return mask


def read_sets(folders: Iterable[Path], unlabeled: Iterable[Path] = ()) -> Datasets:
    """List the images of data sets.

    Args:
        folders: Data sets.
        unlabeled: Folders of images without masks.

    Returns:
        Name and images of each set.

    Raises:
        ValueError: If a folder holds no images.
    """
    return [(folder.name, read_dataset(folder)) for folder in folders] + [
        (folder.name, list_dataset_images(folder)) for folder in unlabeled
    ]


def remove_unusable(sets: Datasets, skip: bool) -> tuple[Datasets, str]:
    """Check every image and mask before training starts, not hours later.

    Args:
        sets: The data sets.
        skip: Leave out images that cannot be used, instead of raising.

    Returns:
        The sets without these images, and a report that counts them by problem, "" if there are none.

    Raises:
        ValueError: If an image cannot be used and `skip` is False, or if a set would be empty.
    """
    with ThreadPoolExecutor() as pool:
        checked = [(name, list(zip(sources, pool.map(_problem, sources)))) for name, sources in sets]
    bad = [(source, error) for _, results in checked for source, error in results if error is not None]
    if not bad:
        return sets, ""
    report = f"{len(bad)} of {sum(len(sources) for _, sources in sets)} images cannot be trained on: {_count_by_problem(bad)}"
    if not skip:
        raise ValueError(f"{report}. The first: {bad[0][1]}. Fix these files, or leave them out with --skip-bad")
    good = [(name, [source for source, error in results if error is None]) for name, results in checked]
    if empty := [name for name, sources in good if not sources]:
        raise ValueError(f"{report}. No usable image is left in {', '.join(empty)}; fix these data sets or remove them")
    return good, f"{report}; they are left out"


def _problem(source: DatasetImage) -> DatasetImageError | None:
    try:
        source.check()
    except DatasetImageError as error:
        return error
    return None


def _count_by_problem(bad: list[tuple[DatasetImage, DatasetImageError]]) -> str:
    names: dict[str, list[str]] = {}
    for source, error in bad:
        names.setdefault(error.kind, []).append(source.image.name)
    more = {kind: " ..." if len(files) > MAX_NAMED_FILES else "" for kind, files in names.items()}
    return "; ".join(f"{len(files)} {kind} ({', '.join(files[:MAX_NAMED_FILES])}{more[kind]})" for kind, files in names.items())
