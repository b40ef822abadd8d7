"""Cut-outs of all good masks of a catalogue, one image file each."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Sequence, cast

import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from cdwidget.catalogue import Catalogue, CatalogueItem, InstanceRow, Problem
from cdwidget.catalogue.images import file_name
from cdwidget.compositing import Background, composite
from cdwidget.formats.image_files import unique_stems
from cdwidget.items import Instance, Item
from cdwidget.masks import crop, expand_bbox
from cdwidget.tools.matte import CONTEXT_PX

DECISIVE = ("accepted", "rejected")  # Statuses that need no score.


@dataclass
class CutOuts:
    """The result of `cut_out`.

    Attributes:
        files: The written files.
        doubtful: Ids of the instances that were left out: not accepted, and with a score that is too high or missing.
        problems: Images that cannot be read and objects that cannot be cut out, and the reasons.
    """

    files: list[Path] = field(default_factory=list)
    doubtful: list[int] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def __str__(self) -> str:
        count = len({problem.item for problem in self.problems})
        failed = f", {count} {'image has' if count == 1 else 'images have'} problems" if count else ""
        return f"{len(self.files)} cut-outs, {len(self.doubtful)} doubtful masks left for the gallery{failed}"


def cut_out(
    catalogue: Catalogue, folder: str | os.PathLike[str], background: Background = None, *, border: float = 0.0, shadow: float = 0.0,
    margin: int | None = None, max_score: float = 0.5, progress: bool | None = None, **filters: Any,
) -> CutOuts:  # fmt: skip
    """Write a cut-out of every good mask of a catalogue.

    Good are accepted masks, and new ones with a low overall score. Rejected masks are left out, and all others are doubtful.

    Args:
        catalogue: The catalogue.
        folder: The folder of the PNG files, which are named <image>-<item>-<number>.png and replaced if they exist.
        background: As for `composite`; None for transparent files.
        border: As for `composite`.
        shadow: As for `composite`.
        margin: Pixels around the object that are kept; None for the whole image.
        max_score: The highest overall score of a good mask, 0 to 1; it is 0 for a good mask and 1 for a wrong one.
        progress: Show a progress bar; None shows it only in a terminal or notebook.
        filters: Arguments of `Catalogue.query` that choose instances, such as `label="cup"`; all of them by default.

    Returns:
        The files, the ids of the doubtful instances, and the problems.

    Raises:
        ValueError: If an argument is not allowed.
        ImportError: If PyMatting is not installed and an object has a soft border.
        OSError: If a file cannot be written.

    Example:
        >>> found = cdwidget.cut_out(catalogue, "cutouts", "white", border=4, shadow=0.3, margin=40)
        >>> cdwidget.Gallery(catalogue, status=["new", "skipped"])  # The doubtful ones first.
    """
    if margin is not None and margin < 0:
        raise ValueError(f"margin is {margin}; it is a number of pixels from 0, or None for the whole image")
    if not 0 <= max_score <= 1:
        raise ValueError(f"max_score is {max_score}; it is a score from 0 to 1")
    composite(np.zeros((1, 1, 3), np.uint8), np.ones((1, 1), bool), background, shadow=shadow)  # Raises for a wrong background or shadow.
    target = Path(folder).expanduser()
    target.mkdir(parents=True, exist_ok=True)
    rows = cast(list[InstanceRow], catalogue.query(**{"limit": None, **filters, "of": "instances"}))
    found = CutOuts(doubtful=[row.id for row in rows if row.status not in DECISIVE and not _is_good(row, max_score)])
    by_item: dict[int, list[InstanceRow]] = {}
    for row in rows:
        if _is_good(row, max_score):
            by_item.setdefault(row.item, []).append(row)
    for item_id, good in tqdm(by_item.items(), unit="image", desc="cut out", disable=None if progress is None else not progress):
        path = good[0].path
        try:
            item = catalogue.item(item_id)
            image = _read_image(item)
        except (OSError, ValueError) as error:
            found.problems.append(Problem(item_id, path, str(error)))
            continue
        (stem,) = unique_stems([Item(file_name(path))])
        for index in _chosen(item, [row.number for row in good]):
            number = item.records[index].number
            try:
                picture = _cut_out_of(image, item.instances[index], background, border, shadow, margin)
            except ValueError as error:
                found.problems.append(Problem(item_id, path, f"instance {number}: {error}"))
                continue
            file = target / f"{stem}-{item_id}-{number}.png"
            Image.fromarray(picture).save(file)
            found.files.append(file)
    return found


def _is_good(row: InstanceRow, max_score: float) -> bool:
    return row.status == "accepted" or (row.status == "new" and row.score is not None and row.score <= max_score)


def _read_image(item: CatalogueItem) -> np.ndarray:
    image = item.read_image()
    height, width = image.shape[:2]
    if item.size is not None and item.size != (height, width):
        raise ValueError(f"it is {width}x{height} pixels, and its masks are {item.size[1]}x{item.size[0]}; was it replaced?")
    return image


def _chosen(item: CatalogueItem, numbers: Sequence[int]) -> list[int]:
    """Return the positions of the instances that have one of these numbers, and a pixel."""
    return [index for index, record in enumerate(item.records) if record.number in numbers and record.area]


def _cut_out_of(
    image: np.ndarray, instance: Instance, background: Background, border: float, shadow: float, margin: int | None
) -> np.ndarray:  # fmt: skip
    if margin is None:
        return composite(image, instance, background, border=border, shadow=shadow)
    kept = expand_bbox(instance.bbox, margin, image.shape)
    x0, y0, *_ = near = expand_bbox(kept, CONTEXT_PX + border, image.shape)  # The colors along the border depend on nearby pixels.
    alpha = None if instance.alpha is None else crop(instance.alpha, near)
    part = replace(instance, mask=crop(instance.mask, near), alpha=alpha)
    picture = composite(crop(image, near), part, background, border=border, shadow=shadow)
    return picture[kept[1] - y0 : kept[3] - y0, kept[0] - x0 : kept[2] - x0]
