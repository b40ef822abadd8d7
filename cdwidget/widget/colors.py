"""The colors of objects: by their label, by their id, or gray without a label. `js/src/colors.ts` computes the same."""

from __future__ import annotations

from typing import Sequence

UNLABELED_COLOR = "#8b949e"


def object_color(label: str, id: int, labels: Sequence[str], colors: Sequence[str]) -> str:
    """Return the CSS color of an object.

    Args:
        label: Its label; "" for none.
        id: Its id, which gives the color if there are no labels at all.
        labels: The labels to choose from.
        colors: The colors of the labels, used in turn.
    """
    if label in labels:
        return colors[list(labels).index(label) % len(colors)]
    if labels or label:
        return colors[(len(labels) + _hash(label)) % len(colors)] if label else UNLABELED_COLOR
    return colors[(id - 1) % len(colors)]


def _hash(text: str) -> int:
    """Return a number of a text that is the same in every process and in the page."""
    value = 0
    for code in text.encode("utf-16-le")[::2]:
        value = (31 * value + code) % 2**31
    return value
