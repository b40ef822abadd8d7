"""Benchmark folders, read only: `images/` and `masks/` with one mask file of the same stem for every image.

A mask is a one-channel file (8 or 16 bit, or a palette PNG) of the image's size. A folder is of one of two kinds, told apart by the
values of all its masks:

* binary: only 0 (background), 128 (ignore: not counted) and 255 (foreground); each mask is one object;
* label maps: 0 is background, 255 is void (ignored), every other value is the id of one object; to an object, the others are background.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Iterable, Iterator, Sequence

import numpy as np

from cdwidget.formats.files import IMAGE_SUFFIXES, files_by_stem, image_size, read_pixels
from cdwidget.formats.instances import Lazy
from cdwidget.items import Instance, Item, read_image

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

    @property
    def group(self) -> str:
        """The folder's name."""
        return self.image_path.parent.parent.name

    def load(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Read image uint8 (H, W, 3), gt bool (H, W) and ignore bool (H, W)."""
        image = read_image(self.image_path)
        values = read_values(self.mask_path)
        if self.object_id is None:
            return image, values == FOREGROUND, values == IGNORE
        return image, values == self.object_id, values == VOID


def read_targets(folder: str | Path, limit: int | None = None) -> list[Target]:
    """List the objects of a benchmark folder in the order of their file names; with `limit`, those of the first `limit` images.

    Raises FileNotFoundError when `images/` or `masks/` is not there or a file has no partner, ValueError when a mask cannot be used.
    """
    pairs, values = _pairs(Path(folder) / "images", Path(folder) / "masks")
    binary = _binary(values)
    targets = []
    for (image, mask), present in list(zip(pairs, values))[:limit]:
        if not binary:
            targets += [Target(image, mask, object_id) for object_id in sorted(present - {0, VOID})]
        elif FOREGROUND in present:
            targets.append(Target(image, mask))
        else:
            raise ValueError(f"{mask} has no foreground; mark the object with {FOREGROUND} or take the image out of the folder")
    if not targets:
        raise ValueError(f"{folder} holds no object; its masks are all background")
    return targets


def read_items(images: Path, masks: Path) -> list[Item]:
    """List the images of a folder of such masks as items: one instance a binary mask, or one an id of a label map, with that id.

    An image may be all background. Raises as `read_targets` does.
    """
    pairs, values = _pairs(images, masks)
    ignored = {0, IGNORE} if _binary(values) else {0, VOID}
    found = [(image, mask, sorted(present - ignored)) for (image, mask), present in zip(pairs, values)]
    return [Item(image, Lazy(len(ids), partial(_load, mask, ids, IGNORE not in ignored))) for image, mask, ids in found]


def read_values(path: Path) -> np.ndarray:
    """Read a mask file of one channel, int32 (H, W); ValueError when it is none."""
    values = read_pixels(path)
    if values.ndim != 2:
        raise ValueError(f"{path} has {values.shape[2]} channels; a mask has one (grey or palette)")
    return values.astype(np.int32)


def _pairs(images_folder: Path, masks_folder: Path) -> tuple[list[tuple[Path, Path]], list[set[int]]]:
    """Every image with its mask, and the values of that."""
    what = "a benchmark folder holds images/ and masks/"
    images = files_by_stem(images_folder, IMAGE_SUFFIXES, what)
    masks = files_by_stem(masks_folder, MASK_SUFFIXES, what)
    for found, partners, missing in ((images, masks, "mask"), (masks, images, "image")):
        alone = sorted(found.keys() - partners.keys())
        if alone:
            more = f" and {len(alone) - 5} more" if len(alone) > 5 else ""
            raise FileNotFoundError(
                f"{images_folder.parent}: no {missing} for {', '.join(found[stem].name for stem in alone[:5])}{more}; "
                f"every file in images/ needs a file of the same stem in masks/, and the other way round"
            )
    pairs = [(images[stem], masks[stem]) for stem in sorted(images)]
    return pairs, [_checked_values(image, mask) for image, mask in pairs]


def _binary(values: Sequence[set[int]]) -> bool:
    return all(present <= {0, IGNORE, FOREGROUND} for present in values)


def _checked_values(image_path: Path, mask_path: Path) -> set[int]:
    """The values of a mask, after making sure that it has its image's size (which takes the image's header only)."""
    mask = read_values(mask_path)
    height, width = image_size(image_path)
    if mask.shape != (height, width):
        raise ValueError(f"{mask_path} is {mask.shape[1]}x{mask.shape[0]} pixels and its image is {width}x{height}; they must agree")
    return {int(value) for value in np.unique(mask)}


def _load(mask: Path, ids: Sequence[int], keep_ids: bool, indices: Iterable[int]) -> Iterator[Instance]:
    values = read_values(mask)
    for index in indices:
        yield Instance(values == ids[index], id=ids[index] if keep_ids else None)
