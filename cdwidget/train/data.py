"""Training samples: a view of an image and targets in it, a pure function of (seed, step), so that a run can be resumed exactly."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Iterable, Iterator

import cv2
import numpy as np

from cdwidget.formats.dataset_folders import LARGEST, SMALLEST, BadImage, Source, held_out, read_images, read_set
from cdwidget.mask_errors import faulty_mask
from cdwidget.train.config import Recipe, SetOptions
from cdwidget.train.distributed import Ranks

ROW = 4  # targets that are drawn together; threads and processes share a batch by its rows
ROWS, VIEWS = 1, 2  # what a generator is for: no two draw the same numbers


@dataclass(frozen=True)
class View:
    """A part of an image as the network sees it, and the objects in it.

    image: uint8 (S, S, 3). masks: bool (N, T, T), the objects, none in an image without labels. anchor: the index of the one the view was
    chosen for. valid: bool (T, T). key: a number by which the same view can be had again; None when it is drawn once.
    """

    image: np.ndarray
    masks: np.ndarray
    anchor: int
    valid: np.ndarray
    key: int | None = None


@dataclass(frozen=True)
class Sample:
    """Targets under one view, whose other masks are left behind. targets: bool (N, T, T). start: bool (N, T, T), the masks to begin with.

    asked: int (N, 2), the pixels (x, y) at which a teacher is to say what the targets are; None where they are known.
    """

    view: View
    targets: np.ndarray
    start: np.ndarray
    asked: np.ndarray | None = None


class Sampler:
    """Draws batches; `row(step, number)` is the same for the same recipe, sets, step and number, whatever was drawn before."""

    def __init__(self, recipe: Recipe, sets: Sets):
        if recipe.batch % ROW:
            raise ValueError(f"the batch is {recipe.batch}; it must be a multiple of {ROW}")
        self.recipe = recipe
        self.rows = recipe.batch // ROW
        self.sets: list[tuple[list[Source], SetOptions]] = []
        for name, sources in sets:
            drawn = [source for source in sources if not held_out(source, recipe.holdout)]
            if not drawn:
                raise ValueError(f"all images of {name} are held out; a set needs some that are not: one in {recipe.holdout} is")
            self.sets.append((drawn, recipe.sets.get(name, SetOptions())))
        weights = np.array([options.weight for _, options in self.sets])
        self.shares = weights / weights.sum()

    def row(self, step: int, number: int) -> list[Sample]:
        """Samples that hold exactly ROW targets together, the `number`-th of the batch's rows."""
        rng = np.random.default_rng((self.recipe.seed, ROWS, step, number))
        samples, missing = [], ROW
        for sample in self._draw(rng):
            if len(sample.targets) > missing:
                asked = None if sample.asked is None else sample.asked[:missing]
                sample = replace(sample, targets=sample.targets[:missing], start=sample.start[:missing], asked=asked)
            samples.append(sample)
            missing -= len(sample.targets)
            if not missing:
                break
        return samples

    def share(self, ranks: Ranks, step: int) -> list[Sample]:
        """The rows of a batch that are one rank's; ValueError when they cannot be shared evenly."""
        share, rest = divmod(self.rows, ranks.count)
        if rest:
            raise ValueError(f"{ranks.count} processes cannot share {self.rows} rows of {ROW} targets evenly; start a divisor of that many")
        return [sample for number in range(ranks.number * share, (ranks.number + 1) * share) for sample in self.row(step, number)]

    def views(self) -> str:
        """All that decides which view a key stands for, in words."""
        files = [[source.image.name for source in sources] for sources, _ in self.sets]
        recipe = self.recipe
        return repr((recipe.seed, recipe.views, recipe.crops, recipe.model.size, self.shares.tolist(), files))

    def look(self, rng: np.random.Generator) -> tuple[View | None, SetOptions]:
        """A view of some image, and how its set is drawn from; no view when the image has no object large enough."""
        key = int(rng.integers(self.recipe.views)) if self.recipe.views else None
        chooser = rng if key is None else np.random.default_rng((self.recipe.seed, VIEWS, key))
        sources, options = self.sets[chooser.choice(len(self.sets), p=self.shares)]
        return draw_view(sources[chooser.integers(len(sources))], self.recipe, chooser, key), options

    def _draw(self, rng: np.random.Generator) -> Iterator[Sample]:
        while True:
            view, options = self.look(rng)
            if view is not None and (sample := draw_targets(view, options, self.recipe, rng)) is not None:
                yield sample


def draw_view(source: Source, recipe: Recipe, rng: np.random.Generator, key: int | None = None) -> View | None:
    """Choose an object and a view of it, change colours, mirror; None when the image has no object large enough."""
    image, masks, valid = source.load()
    masks = masks[masks.sum((1, 2)) >= 64] if source.labelled else _somewhere(valid.shape[0], valid.shape[1], rng)
    if not len(masks):
        return None
    anchor = _choose(masks, rng)
    x0, y0, x1, y1 = _choose_view(masks[anchor], recipe.crops, rng)
    size, target_size = recipe.model.size, recipe.model.size // 2
    view = cv2.resize(image[y0:y1, x0:x1], (size, size), interpolation=cv2.INTER_AREA if x1 - x0 > size else cv2.INTER_LINEAR)

    def to_view(mask: np.ndarray) -> np.ndarray:
        part = mask[y0:y1, x0:x1].astype(np.float32)
        return cv2.resize(part, (target_size, target_size), interpolation=cv2.INTER_LINEAR) > 0.5

    view, seen, inside = jitter_colour(view, rng), to_view(valid), np.stack([to_view(mask) for mask in masks])
    if rng.random() < 0.5:
        view, seen, inside = view[:, ::-1], seen[:, ::-1], inside[..., ::-1]
    inside = inside[: None if source.labelled else 0]
    return View(np.ascontiguousarray(view), np.ascontiguousarray(inside), anchor, np.ascontiguousarray(seen), key)


def draw_targets(view: View, options: SetOptions, recipe: Recipe, rng: np.random.Generator) -> Sample | None:
    """Choose objects, unions and the whole as targets, and the masks they start from; None when none has a fitting size.

    In an image without labels places are chosen, at which a teacher will say what is there.
    """
    masks = view.masks
    if not len(masks):
        nothing = np.zeros((recipe.per_image, *view.valid.shape), bool)
        return Sample(view, nothing, nothing, rng.integers(len(view.valid), size=(recipe.per_image, 2)))
    candidates: list[np.ndarray] = []
    if rng.random() < options.whole:
        candidates.append(np.logical_or.reduce(masks))
    candidates.append(masks[view.anchor])
    for _ in range(min(recipe.per_image, len(masks)) - 1):
        mask = masks[_choose(masks, rng)]
        if len(masks) > 1 and rng.random() < options.union:
            mask = mask | masks[_choose(masks, rng)]
        candidates.append(mask)
    targets: list[np.ndarray] = []
    for mask in candidates[: recipe.per_image]:
        if SMALLEST < mask.mean() < LARGEST and not any((mask == other).all() for other in targets):
            targets.append(mask)
    if not targets:
        return None
    start = np.zeros((len(targets), *view.valid.shape), bool)
    for i, target in enumerate(targets):
        if rng.random() < recipe.edits:
            other = targets[rng.integers(len(targets))]
            start[i] = spoil(view, target, rng) if rng.random() < 0.5 else damage(target, other, rng)
    return Sample(replace(view, masks=masks[:0]), np.stack(targets), start)


def _somewhere(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """A rectangle of 10 to 60 % of an image's sides, for the object that is not known: bool (1, H, W)."""
    mask = np.zeros((1, height, width), bool)
    (h, w), (y, x) = rng.uniform(0.1, 0.6, 2), rng.random(2)
    top, left = int(y * (1 - h) * height), int(x * (1 - w) * width)
    mask[:, top : top + max(1, int(h * height)), left : left + max(1, int(w * width))] = True
    return mask


def _choose(masks: np.ndarray, rng: np.random.Generator) -> int:
    """Larger objects more often, by the square root of their area."""
    share = np.sqrt(masks.sum((1, 2)) + 1e-9)  # in a view none may be left of any
    return int(rng.choice(len(masks), p=share / share.sum()))


def _choose_view(anchor: np.ndarray, crops: float, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """The whole image, or a rectangle about the anchor: from a tight zoom-in to a wide one, off centre, of another aspect."""
    height, width = anchor.shape
    if rng.random() >= crops:
        return 0, 0, width, height
    ys, xs = np.nonzero(anchor.any(1))[0], np.nonzero(anchor.any(0))[0]
    box_w, box_h = xs[-1] + 1 - xs[0], ys[-1] + 1 - ys[0]
    scale, aspect = np.exp(rng.uniform(np.log(1.1), np.log(3.0))), np.exp(rng.uniform(-0.25, 0.25))
    w = int(np.clip(max(box_w, 0.5 * box_h) * scale * aspect, 64, width))
    h = int(np.clip(max(box_h, 0.5 * box_w) * scale / aspect, 64, height))
    slack_x, slack_y = (w - box_w) / 2, (h - box_h) / 2
    x0 = (xs[0] + xs[-1] + 1 - w) / 2 + rng.uniform(-0.8, 0.8) * max(slack_x, 0)
    y0 = (ys[0] + ys[-1] + 1 - h) / 2 + rng.uniform(-0.8, 0.8) * max(slack_y, 0)
    left, top = int(np.clip(x0, 0, width - min(w, width))), int(np.clip(y0, 0, height - min(h, height)))
    return left, top, min(left + w, width), min(top + h, height)


def jitter_colour(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Brightness, contrast and a shift of each channel, uint8 in and out."""
    gain, bias = rng.uniform(0.75, 1.3), rng.uniform(-20, 20, 3) + rng.uniform(-15, 15)
    table = np.clip((np.arange(256)[:, None] - 128) * gain + 128 + bias, 0, 255).astype(np.uint8)
    return cv2.LUT(image, table.reshape(1, 256, 3))


def spoil(view: View, target: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A mask to be edited, of IoU 0.75 to 0.85, with superpixels of the view flipped (as DAVIS-585); bool (T, T) as the target."""
    if np.count_nonzero(target & view.valid) < 16:  # too few pixels for an IoU in so narrow a range
        return target
    small = cv2.resize(view.image, target.shape[::-1], interpolation=cv2.INTER_AREA)
    return faulty_mask(small, target, rng, ~view.valid)


def damage(target: np.ndarray, other: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A plausible faulty mask: blobs added and cut at the border, the whole grown or shrunk, another object merged in; bool.

    One in three is nearly right: a single blob, as after many clicks.
    """
    mask = target.copy()
    side = len(mask)
    nearly = rng.random() < 1 / 3
    if not nearly and rng.random() < 0.4:
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (int(rng.integers(3, max(4, side // 14))),) * 2)
        mask = (cv2.dilate if rng.random() < 0.5 else cv2.erode)(mask.astype(np.uint8), kernel).astype(bool)
    border = np.argwhere(target ^ cv2.erode(target.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool))
    for _ in range(1 if nearly else int(rng.integers(1, 6))):
        y, x = border[rng.integers(len(border))] if len(border) else rng.integers(side, size=2)
        blob = np.zeros(mask.shape, np.uint8)
        axes = tuple(int(a) for a in rng.integers(max(1, side // 40), max(2, side // 6), 2))
        cv2.ellipse(blob, (int(x), int(y)), axes, float(rng.uniform(0, 180)), 0, 360, 1, -1)
        mask = (mask | blob.astype(bool)) if rng.random() < 0.5 else (mask & ~blob.astype(bool))
    if not nearly and rng.random() < 0.2:
        mask |= other
    return mask


# MERGED from train.check: A look at every image and mask before training starts: what is wrong is found now, not in the third hour.


Sets = list[tuple[str, list[Source]]]  # name and images of each data set
NAMED = 5  # files of a kind that a report names


def read_sets(folders: Iterable[Path], unlabelled: Iterable[Path] = ()) -> Sets:
    """List data sets, and folders of images without masks; ValueError for one that holds no images."""
    return [(folder.name, read_set(folder)) for folder in folders] + [(folder.name, read_images(folder)) for folder in unlabelled]


def without_bad(sets: Sets, skip: bool) -> tuple[Sets, str]:
    """The sets without the images that cannot be trained on, and a report that counts these by kind, "" when there are none.

    Raises ValueError with that report unless `skip`, or when a set would be left with nothing.
    """
    with ThreadPoolExecutor() as pool:
        faults = [(name, list(zip(sources, pool.map(_fault, sources)))) for name, sources in sets]
    bad = [(source, fault) for _, checked in faults for source, fault in checked if fault is not None]
    if not bad:
        return sets, ""
    report = f"{len(bad)} of {sum(len(sources) for _, sources in sets)} images cannot be trained on: {_by_kind(bad)}"
    if not skip:
        raise ValueError(f"{report}. The first: {bad[0][1]}. Mend what is wrong, or leave these images out with --skip-bad")
    good = [(name, [source for source, fault in checked if fault is None]) for name, checked in faults]
    if spent := [name for name, sources in good if not sources]:
        raise ValueError(f"{report}. Nothing is left of {', '.join(spent)}; mend these sets or take them out")
    return good, f"{report}; they are left out"


def _fault(source: Source) -> BadImage | None:
    try:
        source.check()
    except BadImage as fault:
        return fault
    return None


def _by_kind(bad: list[tuple[Source, BadImage]]) -> str:
    names: dict[str, list[str]] = {}
    for source, fault in bad:
        names.setdefault(fault.kind, []).append(source.image.name)
    return "; ".join(f"{len(n)} {kind} ({', '.join(n[:NAMED])}{' ...' if len(n) > NAMED else ''})" for kind, n in names.items())
