"""The files of a VOC folder: lists of classes with their colors, and maps of classes and objects as numbers or colors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Mapping

import numpy as np

from cdwidget.formats.image_files import open_image
from cdwidget.formats.io import by_stem, read_text
from cdwidget.formats.mask_files import VOID_VALUE, read_mask_values, void_pixels

LABEL_MAP = "labelmap.txt"  # Of CVAT and Datumaro: a line per class with its color.
CLASS_NAMES = "class_names.txt"  # Of labelme2voc: a line per class, the first ones for ignored pixels and the background.
BACKGROUND = "background"
VOC_LABELS = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
Color = tuple[int, int, int]  # Red, green and blue, 0 to 255.


def palette() -> np.ndarray:
    """Return the colors of VOC by class id, uint8 (256, 3).

    The bits of the id alternate between red, green and blue, which fill from their highest bit.
    """
    colors = np.zeros((256, 3), np.uint8)
    for bit in range(8):  # Bits 0, 3 and 6 belong to red, 1, 4 and 7 to green, 2 and 5 to blue.
        colors[:, bit % 3] |= ((np.arange(256) >> bit & 1) << (7 - bit // 3)).astype(np.uint8)
    return colors


PALETTE_NUMBERS: dict[Color, int] = {(red, green, blue): number for number, (red, green, blue) in enumerate(palette().tolist())}


# ---- classes ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Classes:
    """The classes of a folder.

    Attributes:
        file: The file that lists them, or the one that could.
        labels: The label of each class id, without the background.
        ids: The class id of each color; 0 is the background.
    """

    file: Path
    labels: Mapping[int, str]
    ids: Mapping[Color, int]

    @property
    def by_label(self) -> dict[str, int]:
        """The class id of each label; of two classes with one name, the first."""
        found: dict[str, int] = {}
        for number, label in self.labels.items():
            found.setdefault(label, number)
        return found


def read_classes(folder: Path) -> Classes:
    """Read the classes of a VOC folder; without a list of them, they are the 20 of VOC.

    Raises:
        ValueError: If the list is broken.
    """
    if (folder / LABEL_MAP).is_file():
        return _read_label_map(folder / LABEL_MAP)
    if (folder / CLASS_NAMES).is_file():
        lines = [line.strip() for line in read_text(folder / CLASS_NAMES).splitlines() if line.strip()]
        names = [line for line in lines if line != "__ignore__"]
        return Classes(folder / CLASS_NAMES, dict(enumerate(names[1:], 1)), PALETTE_NUMBERS)
    return Classes(folder / LABEL_MAP, dict(enumerate(VOC_LABELS, 1)), PALETTE_NUMBERS)


def _read_label_map(file: Path) -> Classes:
    lines = read_text(file).split("\n")
    if lines[0].startswith("#"):
        lines = lines[1:]
    labels: dict[int, str] = {}
    colors: dict[int, Color] = {}
    for number, line in enumerate(line for line in lines if line.strip()):
        fields = line.rstrip("\r").rsplit(":", 3)
        if len(fields) != 4:
            raise ValueError(f"{file}: the line {line!r} is not label:red,green,blue:parts:actions")
        labels[number], colors[number] = fields[0], _color(fields[1], number, file)
    if not labels:
        raise ValueError(f"{file} lists no class; it needs a line label:red,green,blue:parts:actions for each")
    # The background has the id 0; a class in its place takes its number, or the next one if there is no background.
    background = next((number for number, label in labels.items() if label == BACKGROUND), len(labels))
    labels[background], colors[background], colors[0] = labels[0], colors[0], colors.get(background, (0, 0, 0))
    labels.pop(0)
    return Classes(file, labels, {color: number for number, color in sorted(colors.items(), reverse=True)})


def _color(text: str, number: int, file: Path) -> Color:
    if not text.strip():
        red, green, blue = palette()[number % 256].tolist()
        return red, green, blue
    values = [int(word) for word in text.split(",") if word.strip().isdecimal()]
    if len(values) != 3 or max(values) > 255:
        raise ValueError(f"{file}: the color {text!r} is not red,green,blue from 0 to 255")
    return values[0], values[1], values[2]


# ---- maps ------------------------------------------------------------------------------------------------------------


def read_class_ids(file: Path, classes: Classes) -> np.ndarray:
    """Read a map of classes as ids, int (H, W); 0 is background or void.

    Raises:
        ValueError: If it has a color that no class has.
    """
    colors = read_colors(file)
    if colors is None:
        return _without_void(read_mask_values(file))
    numbers, table = colors
    unknown = [color for color in table if color not in classes.ids and PALETTE_NUMBERS.get(color) != VOID_VALUE]
    if unknown and is_indexed(file):
        return _without_void(read_mask_values(file))
    if unknown:
        named = ", ".join(map(str, unknown[:3]))
        raise ValueError(f"{file} has {len(unknown)} colors that {classes.file.name} lacks, such as {named}; add them to it")
    return np.array([classes.ids.get(color, 0) for color in table])[numbers]


def read_object_numbers(file: Path) -> np.ndarray:
    """Read a map of objects as numbers, int (H, W); 0 is background or void. Colors that VOC does not have are numbered from 256."""
    colors = None if is_indexed(file) else read_colors(file)
    if colors is None:
        return _without_void(read_mask_values(file))
    numbers, table = colors
    found = [PALETTE_NUMBERS.get(color, VOID_VALUE + 1 + index) for index, color in enumerate(table)]
    return np.array([0 if number == VOID_VALUE else number for number in found])[numbers]


def _without_void(values: np.ndarray) -> np.ndarray:
    return np.where(void_pixels(values), 0, values)


def is_indexed(file: Path) -> bool:
    """Return whether an image file has a palette."""
    with open_image(file) as image:
        return image.mode == "P"


def read_colors(file: Path) -> tuple[np.ndarray, list[Color]] | None:
    """Return the index of each pixel's color, int (H, W), and the colors; None for a gray file."""
    with open_image(file) as image:
        if image.mode not in ("P", "RGB", "RGBA"):
            return None
        try:
            pixels = np.asarray(image.convert("RGB"))
        except Exception as error:  # Pillow raises errors of many types.
            raise ValueError(f"{file} cannot be read as an image: {error}") from error
    codes = pixels.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
    unique, numbers = np.unique(codes, return_inverse=True)
    return numbers.reshape(codes.shape), [(code >> 16, code >> 8 & 255, code & 255) for code in unique.tolist()]


# ---- files -----------------------------------------------------------------------------------------------------------


def find_files(folder: Path, suffixes: set[str]) -> Iterator[tuple[str, Path]]:
    """Yield the files in a folder and its subfolders with their names relative to it, without suffixes."""
    for path in sorted(folder.rglob("*"), key=by_stem):
        if path.suffix.lower() in suffixes and not path.name.startswith(".") and path.is_file():
            yield path.relative_to(folder).with_suffix("").as_posix(), path
