"""Other predictions for the newest prompt: the action that chooses one, and the different edits to choose from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from cdwidget.masks import EMPTY_BBOX, iou, join_bboxes
from cdwidget.prompts import Action
from cdwidget.tools.canvas import PixelEdit

MAX_CHANGE_IOU = 0.9  # Alternatives that change the same pixels except for a tenth look the same.


@dataclass(frozen=True)
class Alternative(Action):
    """Use another prediction for the newest prompt of the selected instance.

    Args:
        number: Index of the prediction, 0 for the main one; the next ones are larger, the previous ones smaller. Numbers wrap around.
    """

    number: int


def different_edits(main: PixelEdit, others: Iterable[PixelEdit]) -> list[PixelEdit]:
    """Return edits to choose from: the main one, then those with larger results, then those with smaller ones.

    Of edits that change almost the same pixels, only the first is kept.
    """
    different: list[PixelEdit] = []
    for edit in (main, *others):
        if all(_change_iou(edit, other) <= MAX_CHANGE_IOU for other in different):
            different.append(edit)
    order = sorted(range(len(different)), key=lambda i: _added_area(different[i]))
    start = order.index(0)
    return [different[i] for i in (*order[start:], *order[:start])]


def _change_iou(a: PixelEdit, b: PixelEdit) -> float:
    """Return the IoU of the pixels that two edits change."""
    if EMPTY_BBOX in (a.bbox, b.bbox):
        return float(a.bbox == b.bbox)
    box = join_bboxes(a.bbox, b.bbox)
    changed = np.zeros((2, box[3] - box[1], box[2] - box[0]), bool)
    for canvas, edit in zip(changed, (a, b)):
        x0, y0, x1, y1 = edit.bbox
        canvas[y0 - box[1] : y1 - box[1], x0 - box[0] : x1 - box[0]] = edit.where
    return iou(*changed)


def _added_area(edit: PixelEdit) -> int:
    """Return the pixels that an edit adds to the mask minus those that it removes."""
    return 2 * int(np.count_nonzero(edit.where & edit.pixels)) - int(np.count_nonzero(edit.where))
