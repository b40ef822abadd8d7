"""Benchmark folders, read only: `images/` and `masks/` with one mask file of the same stem for every image.

A mask is a one-channel file (8 or 16 bit, or a palette PNG) of the image's size. A folder is of one of two kinds, told apart by the
values of all its masks:

* binary: only 0 (background), 128 (ignore: not counted) and 255 (foreground); each mask is one object;
* label maps: 0 is background, 255 is void (ignored), every other value is the id of one object; to an object, the others are background.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from cdwidget.items import read_image

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"}
MASK_SUFFIXES = {".png", ".bmp", ".tif", ".tiff", ".gif"}
IGNORE, FOREGROUND = 128, 255
VOID = 255


@dataclass(frozen=True)
class Target:
    """One object to be cut out: where its image and its true mask are; `object_id` is None in a folder of binary masks."""

    image_path: Path
    mask_path: Path
    object_id: int | None = None

    @property
    def name(self) -> str:
        """The image's stem, with `#id` behind it for an object of a label map."""
        return self.image_path.stem if self.object_id is None else f"{self.image_path.stem}#{self.object_id}"

    def load(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Read image uint8 (H, W, 3), gt bool (H, W) and ignore bool (H, W)."""
        image = read_image(self.image_path)
        values = _read_mask(self.mask_path)
        if self.object_id is None:
            return image, values == FOREGROUND, values == IGNORE
        return image, values == self.object_id, values == VOID


def read_targets(folder: str | Path, limit: int | None = None) -> list[Target]:
    """List the objects of a benchmark folder in the order of their file names; with `limit`, those of the first `limit` images.

    Raises FileNotFoundError when `images/` or `masks/` is not there or a file has no partner, ValueError when a mask cannot be used.
    """
    images = _files(Path(folder) / "images", IMAGE_SUFFIXES)
    masks = _files(Path(folder) / "masks", MASK_SUFFIXES)
    for found, partners, what in ((images, masks, "mask"), (masks, images, "image")):
        alone = sorted(found.keys() - partners.keys())
        if alone:
            more = f" and {len(alone) - 5} more" if len(alone) > 5 else ""
            raise FileNotFoundError(
                f"{folder}: no {what} for {', '.join(found[stem].name for stem in alone[:5])}{more}; "
                f"every file in images/ needs a file of the same stem in masks/, and the other way round"
            )
    values = {stem: _checked_values(images[stem], masks[stem]) for stem in sorted(images)}
    binary = all(present <= {0, IGNORE, FOREGROUND} for present in values.values())
    targets = []
    for stem in sorted(images)[:limit]:
        if not binary:
            targets += [Target(images[stem], masks[stem], object_id) for object_id in sorted(values[stem] - {0, VOID})]
        elif FOREGROUND in values[stem]:
            targets.append(Target(images[stem], masks[stem]))
        else:
            raise ValueError(f"{masks[stem]} has no foreground; mark the object with {FOREGROUND} or take the image out of the folder")
    if not targets:
        raise ValueError(f"{folder} holds no object; its masks are all background")
    return targets


def _files(folder: Path, suffixes: set[str]) -> dict[str, Path]:
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}; a benchmark folder holds images/ and masks/")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in suffixes:
            continue
        if path.stem in found:
            raise ValueError(f"{folder} holds both {found[path.stem].name} and {path.name}; a stem may occur only once")
        found[path.stem] = path
    if not found:
        raise FileNotFoundError(f"{folder} is empty; it needs files ending in {', '.join(sorted(suffixes))}")
    return found


def _read_mask(path: Path) -> np.ndarray:
    try:
        with Image.open(path) as file:
            values = np.asarray(file)
    except (OSError, SyntaxError) as error:
        raise ValueError(f"{path} cannot be read as an image: {error}; masks are {', '.join(sorted(MASK_SUFFIXES))} files") from error
    if values.ndim != 2:
        raise ValueError(f"{path} has {values.shape[2]} channels; a mask has one (grey or palette)")
    return values.astype(np.int32)


def _checked_values(image_path: Path, mask_path: Path) -> set[int]:
    """The values of a mask, after making sure that it has its image's size (which takes the image's header only)."""
    mask = _read_mask(mask_path)
    try:
        with Image.open(image_path) as file:
            width, height = file.size
            if file.getexif().get(0x0112, 1) >= 5:  # EXIF orientation: the picture lies on its side
                width, height = height, width
    except OSError as error:
        raise ValueError(f"{image_path} cannot be read as an image: {error}") from error
    if mask.shape != (height, width):
        raise ValueError(f"{mask_path} is {mask.shape[1]}x{mask.shape[0]} pixels and its image is {width}x{height}; they must agree")
    return {int(value) for value in np.unique(mask)}
