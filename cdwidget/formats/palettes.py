"""Class maps in colors or numbers without a list of classes in the folder: known palettes, and the user's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Mapping, NamedTuple, Sequence, Union

import numpy as np

from cdwidget.formats.ade20k import ADE20K_COLORS, ADE20K_LABELS
from cdwidget.formats.mask_files import ARRAY_SUFFIX, LOSSY_SUFFIXES, object_ids, read_mask_values
from cdwidget.formats.voc_files import Color, is_indexed, read_colors
from cdwidget.registry import lookup

Palette = Union[str, Mapping[str, Union[int, Sequence[int]]]]  # A name in PALETTES; or labels with their numbers or colors.
BLACK: Color = (0, 0, 0)  # The background.
RED: Color = (255, 0, 0)  # A rider in Cityscapes; alone, the usual color of a mask.
MAX_NUMBER = 2**16 - 1  # Of a class, in a PNG file of 16 bits.
MAX_COLORS = 256  # A file with more of them, which no palette names, is a picture.


class ClassColors(NamedTuple):
    """The labels of the numbers and of the colors of class maps."""

    by_number: Mapping[int, str]
    by_color: Mapping[Color, str]


CITYSCAPES_LABELS = (  # From number 4; the lower ones are no objects.
    *("static", "dynamic", "ground", "road", "sidewalk", "parking", "rail track", "building", "wall", "fence", "guard rail", "bridge"),
    *("tunnel", "pole", "polegroup", "traffic light", "traffic sign", "vegetation", "terrain", "sky", "person", "rider", "car", "truck"),
    *("bus", "caravan", "trailer", "train", "motorcycle", "bicycle"),
)
CITYSCAPES = ClassColors(
    dict(enumerate(CITYSCAPES_LABELS, 4)),
    {
        (111, 74, 0): "dynamic", (81, 0, 81): "ground", (128, 64, 128): "road", (244, 35, 232): "sidewalk", (250, 170, 160): "parking",
        (230, 150, 140): "rail track", (70, 70, 70): "building", (102, 102, 156): "wall", (190, 153, 153): "fence",
        (180, 165, 180): "guard rail", (150, 100, 100): "bridge", (150, 120, 90): "tunnel", (153, 153, 153): "pole",
        (250, 170, 30): "traffic light", (220, 220, 0): "traffic sign", (107, 142, 35): "vegetation", (152, 251, 152): "terrain",
        (70, 130, 180): "sky", (220, 20, 60): "person", (255, 0, 0): "rider", (0, 0, 142): "car", (0, 0, 70): "truck", (0, 60, 100): "bus",
        (0, 0, 90): "caravan", (0, 0, 110): "trailer", (0, 80, 100): "train", (0, 0, 230): "motorcycle", (119, 11, 32): "bicycle",
    },
)  # fmt: skip
ADE20K = ClassColors(
    dict(enumerate(ADE20K_LABELS, 1)),
    dict(reversed([*zip(ADE20K_COLORS, ADE20K_LABELS)])),  # Of two labels with one color, the first counts.
)
PALETTES = {"cityscapes": CITYSCAPES, "ade20k": ADE20K}


def class_colors(palette: Palette) -> ClassColors:
    """Return the labels of a palette; raise ValueError for a value that is neither a number nor a color."""
    if isinstance(palette, str):
        return lookup(PALETTES, palette, "palette")
    numbers: dict[int, str] = {}
    colors: dict[Color, str] = {}
    for label, value in palette.items():
        if isinstance(value, int) and 0 <= value <= MAX_NUMBER:
            numbers[value] = label
        elif isinstance(value, int):
            raise ValueError(f"the palette has the number {value} for {label!r}; allowed are whole numbers from 0 to {MAX_NUMBER}")
        elif len(value) == 3 and all(isinstance(each, int) and 0 <= each <= 255 for each in value):
            colors[value[0], value[1], value[2]] = label
        else:
            raise ValueError(f"the palette has {value!r} for {label!r}; allowed are a class number, or (red, green, blue) from 0 to 255")
    if len(numbers) + len(colors) < len(palette):
        raise ValueError("the palette has one number or color for several labels; give each label its own")
    return ClassColors(numbers, colors)


def class_numbers(palette: Palette | None) -> dict[str, int]:
    """Return the numbers of a palette's classes; those of colors are numbered from 1."""
    if palette is None:
        return {}
    chosen = class_colors(palette)
    return {label: number for number, label in (chosen.by_number or dict(enumerate(chosen.by_color.values(), 1))).items()}


def read_class_map(file: Path, palette: Palette | None) -> dict[str, np.ndarray] | None:
    """Read a map of classes.

    Without a palette, a file in colors is one of Cityscapes if it has no other colors and not only red; else a label is the color, such as
    "#ff0000".

    Args:
        file: The mask file.
        palette: The palette; None if the folder has none.

    Returns:
        The mask, bool (H, W), of each label; None for a gray file without a palette.
    """
    chosen = None if palette is None else class_colors(palette)
    has_colors = file.suffix.lower() not in {*LOSSY_SUFFIXES, ARRAY_SUFFIX}
    found = read_colors(file) if has_colors else None
    is_gray = found is None or all(red == green == blue for red, green, blue in found[1])
    if chosen is None and (is_gray or is_indexed(file)):
        return None
    if found is not None and (chosen is None or chosen.by_color):
        indices, table = found
        if chosen is None:
            is_cityscapes = {*table} <= {BLACK, *CITYSCAPES.by_color} and not {*table} <= {BLACK, RED}
            chosen = CITYSCAPES if is_cityscapes else ClassColors({}, {})
        is_known = {*table} <= {BLACK, *chosen.by_color}
        if not is_known and len(table) > MAX_COLORS:
            raise ValueError(f"{file} has {len(table)} colors, so it is no map of classes")
        if is_known or not (is_gray or is_indexed(file)):
            labels = [chosen.by_color.get(color, "" if color == BLACK else "#{:02x}{:02x}{:02x}".format(*color)) for color in table]
            return {label: np.isin(indices, [at for at, each in enumerate(labels) if each == label]) for label in labels if label}
    assert chosen is not None
    values = read_mask_values(file)
    present = [*([0] if 0 in chosen.by_number else []), *object_ids(values), *([255] if 255 in chosen.by_number else [])]
    masks = {chosen.by_number.get(number, f"class_{number}"): values == number for number in dict.fromkeys(present)}
    return {label: mask for label, mask in masks.items() if mask.any()}


def draw_class_map(masks: Sequence[tuple[str, np.ndarray]], height: int, width: int, palette: Palette) -> np.ndarray:
    """Draw a map of classes as `read_class_map` reads it, the last mask in front.

    Args:
        masks: The label and the mask, bool (H, W), of each object.
        height: Rows of the map.
        width: Columns of the map.
        palette: The palette; one with numbers is drawn in these.

    Returns:
        uint8 or uint16 (H, W) of numbers, or uint8 (H, W, 3) of colors.

    Raises:
        ValueError: If the palette lacks a label.
    """
    chosen = class_colors(palette)
    values: dict[str, Any] = {label: value for value, label in (chosen.by_number or chosen.by_color).items()}
    highest = max(chosen.by_number, default=0)
    shape = (height, width) if chosen.by_number else (height, width, 3)
    pixels = np.zeros(shape, np.uint16 if highest > 255 else np.uint8)
    for label, mask in masks:
        if label not in values:
            raise ValueError(f"the palette has no class {label!r}, so its objects cannot be written; allowed are {', '.join(values)}")
        pixels[mask] = values[label]
    return pixels
