"""The colors of objects: by their label, by their id, or gray without a label. `js/src/colors.ts` computes the same."""

from __future__ import annotations

from typing import Sequence

# Each color is as far as possible from all earlier ones in OKLab, so any number of classes from the start is distinct.
COLORS = [
    f"#{color}"
    for color in """
    3b82f6 f97316 10b981 d946ef eab308 06b6d4 ef4444 8b5cf6 84cc16 ec4899 686000 f8b8f8 90f8e0 884078 006888 2830f8
    a888b8 d0f840 b01000 a08838 009000 8800c0 f8d8a8 f890a0 a0c8a0 c000a0 5850b8 209088 00f890 a86058 f880f0 a0b8f8
    d00860 6878a8 00e0f8 c8a078 b000f8 7018f8 a858b8 b880f8 00b800 007848 d07878 a8a800 c0d860 8098f0 08d8b0 904808
    c86800 00f800 f8b088 5058f8 688028 f000c0 1070c0 0090c8 68a038 d0a0d0 e078b8 88a878 a80070 c05888 a0d8f8 986800
    605888 c84020 d09000 b8f8a0 8078d8 f8e060 98e808 906088 a83858 9830a0 f058d0 8848c8 0850d0 00a0f8 18d070 f86888
    7098c0 f80068 f89840 80e8a8 70c8d0 c028d0 88c068 38a8a0 f8b0c0 885058 d048b8 00d800 109058 c0e0b0 e0c878 7860b0
    """.split()
]
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
