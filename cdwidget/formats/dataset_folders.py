"""Data sets in folders, read only, and the images held out for validation.

A data set is a folder with `images/` and `masks/`, or with `images/` and a COCO `annotations.json`.

The masks of a folder, each with the size of its image and the same stem, are binary or label maps (`mask_files.py`). In a COCO file objects
may overlap, and crowds are void.

`read_benchmark_objects` lists the objects to evaluate on, after checking every mask. `read_dataset` lists the images to train on, which
are checked one by one by `DatasetImage.check`.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Iterable, Sequence

import cv2
import numpy as np

from cdwidget.formats import coco
from cdwidget.formats.dataset import Problems
from cdwidget.formats.image_files import IMAGE_SUFFIXES, image_size
from cdwidget.formats.io import files_by_stem
from cdwidget.formats.mask_files import (
    FOREGROUND_VALUE,
    MASK_SUFFIXES,
    VOID_VALUE,
    MaskKind,
    are_binary,
    foreground_pixels,
    ignored_pixels,
    kind_of,
    object_ids,
    read_mask_values,
    void_pixels,
)
from cdwidget.images import read_image
from cdwidget.items import Instance

HOLDOUT_INTERVAL = 20  # One image in 20 is never trained on.
MIN_OBJECT_SHARE, MAX_OBJECT_SHARE = 0.003, 0.95  # Fraction of the image that an object to train or evaluate on may fill.
LAYOUT_HINT = "a benchmark folder holds images/ and masks/"
MAX_NAMED_FILES = 5  # File names in an error message.


# ---- benchmark folders -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class BenchmarkObject:
    """One object of a benchmark folder.

    Attributes:
        image_path: The image file.
        mask_path: The mask file.
        object_id: Value of the object in a label map; None for a binary mask.
    """

    image_path: Path
    mask_path: Path
    object_id: int | None = None

    @property
    def name(self) -> str:
        """The image's stem, followed by `#id` for an object of a label map."""
        return self.image_path.stem if self.object_id is None else f"{self.image_path.stem}#{self.object_id}"

    @property
    def group(self) -> str:
        """The folder's name."""
        return self.image_path.parent.parent.name

    def load(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return image uint8 (H, W, 3), true mask bool (H, W), ignored pixels bool (H, W)."""
        image = read_image(self.image_path)
        values = read_mask_values(self.mask_path)
        if self.object_id is None:
            return image, foreground_pixels(values), ignored_pixels(values)
        return image, values == self.object_id, void_pixels(values)


def read_benchmark_objects(folder: str | Path, limit: int | None = None) -> list[BenchmarkObject]:
    """List the objects of a benchmark folder in the order of their file names.

    Args:
        folder: The folder with `images/` and `masks/`.
        limit: Number of images to list; None for all.

    Raises:
        FileNotFoundError: If a folder is missing, or a file has no partner.
        ValueError: If a mask cannot be used.
    """
    masks = _read_masks(Path(folder) / "images", Path(folder) / "masks")
    binary = are_binary([mask.kind for mask in masks])
    objects = []
    for mask in masks[:limit]:
        if not (binary and mask.kind.is_binary):
            objects += [BenchmarkObject(mask.image_path, mask.mask_path, object_id) for object_id in mask.ids]
        elif mask.kind.has_foreground:
            objects.append(BenchmarkObject(mask.image_path, mask.mask_path))
        else:
            raise ValueError(f"{mask.mask_path} has no foreground; mark the object with {FOREGROUND_VALUE} or remove the image")
    if not objects:
        raise ValueError(f"{folder} holds no object; its masks are all background")
    return objects


@dataclass(frozen=True)
class _BenchmarkMask:
    """A mask file with its image, its kind, and its ids as a label map."""

    image_path: Path
    mask_path: Path
    kind: MaskKind
    ids: list[int]


def _read_masks(images_folder: Path, masks_folder: Path) -> list[_BenchmarkMask]:
    """Return the mask of every image, after checking the partners and the sizes."""
    images = files_by_stem(images_folder, IMAGE_SUFFIXES, LAYOUT_HINT)
    masks = files_by_stem(masks_folder, MASK_SUFFIXES, LAYOUT_HINT)
    for found, partners, missing in ((images, masks, "mask"), (masks, images, "image")):
        alone = sorted(found.keys() - partners.keys())
        if alone:
            more = f" and {len(alone) - MAX_NAMED_FILES} more" if len(alone) > MAX_NAMED_FILES else ""
            raise FileNotFoundError(
                f"{images_folder.parent}: no {missing} for {', '.join(found[stem].name for stem in alone[:MAX_NAMED_FILES])}{more}; "
                f"every file in images/ needs a file of the same stem in masks/, and vice versa"
            )
    return [_read_mask(images[stem], masks[stem]) for stem in sorted(images)]


def _read_mask(image_path: Path, mask_path: Path) -> _BenchmarkMask:
    values = read_mask_values(mask_path)
    height, width = image_size(image_path)
    if values.shape != (height, width):
        raise ValueError(f"{mask_path} is {values.shape[1]}x{values.shape[0]} pixels and its image is {width}x{height}; they must agree")
    return _BenchmarkMask(image_path, mask_path, kind_of(values, mask_path), object_ids(values))


# ---- training sets ---------------------------------------------------------------------------------------------------


class DatasetImageError(ValueError):
    """An image that cannot be trained on.

    Attributes:
        kind: The problem in two words, such as "missing mask".
    """

    def __init__(self, kind: str, message: str):
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class DatasetImage:
    """One training image, with a mask file or instances, or without labels.

    Attributes:
        image: The image file.
        mask_path: The mask file, or None.
        binary: Whether the masks of the data set are binary.
        instances: The instances, if there is no mask file.
    """

    image: Path
    mask_path: Path | None = None
    binary: bool = False
    instances: Sequence[Instance] = ()

    @property
    def is_labeled(self) -> bool:
        """Whether there is a mask file or an instance."""
        return self.mask_path is not None or len(self.instances) > 0

    def load(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Read the image and its objects.

        Returns:
            The image uint8 (H, W, 3) RGB, the objects bool (N, H, W), and the valid pixels bool (H, W).

        Raises:
            DatasetImageError: If the image or its mask cannot be used.
        """
        image = cv2.imread(str(self.image), cv2.IMREAD_COLOR)
        if image is None:
            raise self._unreadable()
        size = image.shape[:2]
        void = np.zeros(size, bool)
        if self.mask_path is not None:
            values = self._mask_values(size)
            void = ignored_pixels(values) if self.binary else void_pixels(values)
            objects = [mask for _, mask in self._objects(values)]
        else:
            objects = []
            for instance in self._checked_instances(size):
                if isinstance(instance, coco.Crowd):
                    void |= instance.mask
                else:
                    objects.append(instance.mask)
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.stack(objects) if objects else np.zeros((0, *size), bool), ~void

    def object_labels(self) -> list[str]:
        """Return the label of each object of `load`; for label maps the value as text."""
        if self.mask_path is None:
            return [instance.label for instance in self.instances if not isinstance(instance, coco.Crowd)]
        values = self._mask_values(image_size(self.image))
        return [str(value) for value, _ in self._objects(values)]

    def check(self) -> None:
        """Raise DatasetImageError if `load` would, or if the mask is empty.

        Reads only the image's header and the first instance.
        """
        try:
            size = image_size(self.image)
        except (ValueError, OSError) as error:
            raise self._unreadable() from error
        if self.mask_path is None:
            next(iter(self._checked_instances(size)), None)
        elif not self._objects(self._mask_values(size)):
            content = f"no pixel is {FOREGROUND_VALUE}" if self.binary else f"every pixel is 0, background, or {VOID_VALUE}, void"
            raise DatasetImageError("empty mask", f"{self.mask_path} holds no object ({content}); draw one, or remove the image")

    def _unreadable(self) -> DatasetImageError:
        if not self.image.is_file():
            return DatasetImageError("missing image", f"there is no image {self.image}; add it, or remove its annotations")
        return DatasetImageError("unreadable image", f"{self.image} cannot be read as an image; replace it, or remove it and its mask")

    def _mask_values(self, size: tuple[int, ...]) -> np.ndarray:
        assert self.mask_path is not None
        if not self.mask_path.is_file():
            raise DatasetImageError("missing mask", f"{self.image} has no mask: {self.mask_path} is missing; add it, or remove the image")
        try:
            values = read_mask_values(self.mask_path)
        except ValueError as error:
            raise DatasetImageError("unreadable mask", f"{error}; it is the mask of {self.image}: replace it, or remove both") from error
        if values.shape != size:
            raise self._mis_sized(str(self.mask_path), values.shape, size)
        return values

    def _objects(self, values: np.ndarray) -> list[tuple[int, np.ndarray]]:
        """Return the value and the mask of each object."""
        if self.binary:
            mask = foreground_pixels(values)
            return [(FOREGROUND_VALUE, mask)] if mask.any() else []
        return [(value, values == value) for value in object_ids(values)]

    def _checked_instances(self, size: tuple[int, ...]) -> Iterable[Instance]:
        try:
            for instance in self.instances:
                if instance.mask.shape != size:
                    raise self._mis_sized(f"the annotation of {self.image}", instance.mask.shape, size)
                yield instance
        except DatasetImageError:
            raise
        except ValueError as error:
            raise DatasetImageError("unreadable mask", f"{error}; fix the annotation of {self.image}, or remove it") from error

    def _mis_sized(self, name: str, found: tuple[int, ...], size: tuple[int, ...]) -> DatasetImageError:
        sizes = f"{name} is {found[1]}x{found[0]} pixels and the image {self.image.name} is {size[1]}x{size[0]}"
        return DatasetImageError("mis-sized mask", f"{sizes}; they must agree: make a mask for this image, or remove both")


def read_dataset(folder: Path) -> list[DatasetImage]:
    """List the images of a data set unchecked; from a COCO file, the annotated ones."""
    if (folder / coco.FILE_NAME).is_file():
        dataset = coco.read(folder, None, Problems(strict=True))
        return [DatasetImage(Path(item.path), instances=item.instances) for item in dataset if item.instances]
    images = list_dataset_images(folder / "images")
    masks = [folder / "masks" / f"{image.image.stem}.png" for image in images]
    kinds = [_kind_or_none(mask) for mask in masks]
    binary = are_binary([kind for kind in kinds if kind is not None])
    return [DatasetImage(image.image, mask, binary and (kind is None or kind.is_binary)) for image, mask, kind in zip(images, masks, kinds)]


def list_dataset_images(folder: Path) -> list[DatasetImage]:
    """List the images of a folder, without labels; raise ValueError if there are none."""
    images = sorted(path for path in folder.glob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    if not images:
        raise ValueError(f"{folder} holds no images; expected files ending in {', '.join(sorted(IMAGE_SUFFIXES))}")
    return [DatasetImage(image) for image in images]


def _kind_or_none(mask: Path) -> MaskKind | None:
    """Return the kind of a mask file, or None if it cannot be read."""
    try:
        return kind_of(read_mask_values(mask), mask)
    except (ValueError, OSError):
        return None


def find_datasets(folders: Iterable[Path]) -> list[Path]:
    """Return each folder with an images/ subfolder, or else its subfolders that have one."""
    found = []
    for folder in folders:
        datasets = [folder] if (folder / "images").is_dir() else sorted(path.parent for path in folder.glob("*/images"))
        if not datasets:
            raise ValueError(f"{folder} holds no data set; expected images/ in it or in its subfolders")
        found += datasets
    return found


# ---- held-out images -------------------------------------------------------------------------------------------------


def is_held_out(image: DatasetImage, interval: int = HOLDOUT_INTERVAL) -> bool:
    """Return whether an image, one in `interval` by a hash of its name, is held out."""
    return zlib.crc32(image.image.stem.encode()) % interval == 0


@dataclass(frozen=True)
class HeldOutObject:
    """One object of a held-out image, to evaluate on.

    Attributes:
        group: Name of the data set.
        source: The image.
        index: Index of the object in `source.load()`.
    """

    group: str
    source: DatasetImage
    index: int

    @property
    def image_path(self) -> Path:
        """The image file."""
        return self.source.image

    @property
    def name(self) -> str:
        """The image's stem and the object's index."""
        return f"{self.source.image.stem}#{self.index}"

    def load(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return image uint8 (H, W, 3), true mask bool (H, W), ignored pixels bool (H, W)."""
        image, masks, valid = self.source.load()
        return image, masks[self.index] & valid, ~valid


def sample_held_out_objects(folders: Iterable[Path], count: int, seed: int = 0, interval: int = HOLDOUT_INTERVAL) -> list[HeldOutObject]:
    """Draw objects from held-out images, equally many per data set if possible.

    Args:
        folders: Data sets, or folders of data sets.
        count: Number of objects.
        seed: The same seed gives the same objects.
        interval: One image in `interval` is held out.

    Raises:
        ValueError: If there are fewer than `count` objects that fill 0.3 % to 95 % of their image.
    """
    queues = []
    for folder in find_datasets(folders):
        found = []
        for image in read_dataset(folder):
            if is_held_out(image, interval):
                _, masks, _ = image.load()
                shares = masks.mean((1, 2))
                fitting = np.flatnonzero((shares >= MIN_OBJECT_SHARE) & (shares <= MAX_OBJECT_SHARE))
                found += [HeldOutObject(folder.name, image, index) for index in fitting.tolist()]
        order = np.random.default_rng((seed, zlib.crc32(folder.name.encode()))).permutation(len(found))
        queues.append([found[i] for i in order])
    by_turns = [target for turn in zip_longest(*queues) for target in turn if target is not None]
    if len(by_turns) < count:
        raise ValueError(f"only {len(by_turns)} of {count} objects are held out; lower the number, or add data sets")
    return sorted(by_turns[:count], key=lambda target: (target.group, target.name))
