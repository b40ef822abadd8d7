"""Training sets, read only: `images/` with `masks/` or with a COCO `annotations.json`, and the slice of them held out.

Masks are PNG files of the images' stems: label maps (0 background, 255 void, any other value one object), or, where all masks of a set hold
nothing but 0, 128 and 255, binary ones (255 the object, 128 void). In a COCO file objects may overlap; crowds are void.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Iterable, Iterator, Sequence

import cv2
import numpy as np

from cdwidget.formats import coco
from cdwidget.formats.io import IMAGE_SUFFIXES, Lazy, files_by_stem, image_size, read_pixels
from cdwidget.items import Instance, Item, read_image

HOLDOUT = 20  # one image in so many is never trained on
SMALLEST, LARGEST = 0.003, 0.95  # share of the image, or of a view of it, that an object to train or to measure on may fill


class BadImage(ValueError):
    """An image that cannot be used; `kind` says in a few words what is wrong with it or with its mask."""

    def __init__(self, kind: str, message: str):
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Source:
    """One training image: its file, and either its mask's file, of whose set `binary` tells the kind, or instances; or neither."""

    image: Path
    labels: Path | None = None
    binary: bool = False
    instances: Sequence[Instance] = ()

    @property
    def labelled(self) -> bool:
        """Whether there is any word of what is in the image."""
        return self.labels is not None or len(self.instances) > 0

    def load(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the image uint8 (H, W, 3) RGB, the objects bool (N, H, W), and the valid pixels bool (H, W); raises BadImage."""
        image = cv2.imread(str(self.image), cv2.IMREAD_COLOR)
        if image is None:
            raise self._unreadable()
        size = image.shape[:2]
        void = np.zeros(size, bool)
        if self.labels is not None:
            values = self._values(size)
            void = values == (IGNORE if self.binary else VOID)
            objects = [values == i for i in np.unique(values[self._of_objects(values)])]
        else:
            objects = []
            for instance in self._checked_instances(size):
                if isinstance(instance, coco.Crowd):
                    void |= instance.mask
                else:
                    objects.append(instance.mask)
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.stack(objects) if objects else np.zeros((0, *size), bool), ~void

    def names(self) -> list[str]:
        """What the objects of `load` are called: the labels of instances, or the values of a label map; raises BadImage."""
        if self.labels is None:
            return [instance.label for instance in self.instances if not isinstance(instance, coco.Crowd)]
        values = self._values(image_size(self.image))
        return [str(value) for value in np.unique(values[self._of_objects(values)])]

    def check(self) -> None:
        """Raise BadImage when `load` would, or when a mask is empty; of the image only the header is read, of instances the first."""
        try:
            size = image_size(self.image)
        except (ValueError, OSError) as error:
            raise self._unreadable() from error
        if self.labels is None:
            next(iter(self._checked_instances(size)), None)
        elif not self._of_objects(self._values(size)).any():
            what = f"no pixel is {FOREGROUND}" if self.binary else f"every pixel is 0, background, or {VOID}, void"
            raise BadImage("empty mask", f"{self.labels} holds no object ({what}); draw one, or take the image out of the set")

    def _unreadable(self) -> BadImage:
        if not self.image.is_file():
            return BadImage("missing image", f"there is no image {self.image}; put it there, or take its annotations out of the set")
        return BadImage("unreadable image", f"{self.image} cannot be read as an image; replace it, or take it and its mask out of the set")

    def _values(self, size: tuple[int, ...]) -> np.ndarray:
        assert self.labels is not None
        if not self.labels.is_file():
            raise BadImage("missing mask", f"{self.image} has no mask: {self.labels} is missing; add it, or take the image out of the set")
        try:
            values = read_values(self.labels)
        except ValueError as error:
            raise BadImage("unreadable mask", f"{error}; it is the mask of {self.image}: draw it again, or take both out") from error
        if values.shape != size:
            raise self._mis_sized(str(self.labels), values.shape, size)
        return values

    def _of_objects(self, values: np.ndarray) -> np.ndarray:
        return values == FOREGROUND if self.binary else (values != 0) & (values != VOID)

    def _checked_instances(self, size: tuple[int, ...]) -> Iterable[Instance]:
        try:
            for instance in self.instances:
                if instance.mask.shape != size:
                    raise self._mis_sized(f"the annotation of {self.image}", instance.mask.shape, size)
                yield instance
        except BadImage:
            raise
        except ValueError as error:
            raise BadImage("unreadable mask", f"{error}; mend the annotation of {self.image}, or take it out of the set") from error

    def _mis_sized(self, what: str, got: tuple[int, ...], size: tuple[int, ...]) -> BadImage:
        message = f"{what} is {got[1]}x{got[0]} pixels and the image {self.image.name} is {size[1]}x{size[0]}; they must agree"
        return BadImage("mis-sized mask", f"{message}: make the mask anew for this image, or take both out of the set")


def read_set(folder: Path) -> list[Source]:
    """List a data set: the images and where their masks are, which `Source.check` looks at; of a COCO file the annotated images alone."""
    if (folder / coco.FILE_NAME).is_file():
        return [Source(Path(item.path), instances=item.instances) for item in coco.read(folder) if item.instances]
    sources = read_images(folder / "images")
    masks = [folder / "masks" / f"{source.image.stem}.png" for source in sources]
    binary = all(_is_binary(mask) for mask in masks)
    return [Source(source.image, mask, binary) for source, mask in zip(sources, masks)]


def read_images(folder: Path) -> list[Source]:
    """List the images of a folder, without masks; ValueError when there are none."""
    images = sorted(path for path in folder.glob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    if not images:
        raise ValueError(f"{folder} holds no images; expected files ending in {', '.join(sorted(IMAGE_SUFFIXES))}")
    return [Source(image) for image in images]


def _is_binary(mask: Path) -> bool:
    """Whether a mask may be a binary one; one that cannot be read says nothing."""
    try:
        return set(np.unique(read_values(mask)).tolist()) <= {0, IGNORE, FOREGROUND}
    except (ValueError, OSError):
        return True


def find_sets(folders: Iterable[Path]) -> list[Path]:
    """The data sets among folders: a folder that holds images/ is one itself, of any other its subfolders that do are."""
    found = []
    for folder in folders:
        here = [folder] if (folder / "images").is_dir() else sorted(path.parent for path in folder.glob("*/images"))
        if not here:
            raise ValueError(f"{folder} holds no data set; expected images/ in it or in its subfolders")
        found += here
    return found


def held_out(source: Source, one_in: int = HOLDOUT) -> bool:
    """Whether an image belongs to the slice that is never trained on; it hangs on its name alone."""
    return zlib.crc32(source.image.stem.encode()) % one_in == 0


@dataclass(frozen=True)
class SetTarget:
    """One object of a training set to be cut out: the `index`-th of its image."""

    group: str
    source: Source
    index: int

    @property
    def image_path(self) -> Path:
        """The file of its image."""
        return self.source.image

    @property
    def name(self) -> str:
        """The image's stem and the object's number."""
        return f"{self.source.image.stem}#{self.index}"

    def load(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Read image uint8 (H, W, 3), gt bool (H, W) and ignore bool (H, W)."""
        image, masks, valid = self.source.load()
        return image, masks[self.index] & valid, ~valid


def held_out_targets(folders: Iterable[Path], count: int, seed: int = 0, one_in: int = HOLDOUT) -> list[SetTarget]:
    """Choose `count` objects of the images that are never trained on, as many of every set as it has; the same for the same seed.

    Objects fill at least 0.3 % of their image and at most 95 %, as those trained on. Raises ValueError when there are too few.
    """
    queues = []
    for folder in find_sets(folders):
        found = []
        for source in read_set(folder):
            if held_out(source, one_in):
                _, masks, _ = source.load()
                share = masks.mean((1, 2))
                found += [SetTarget(folder.name, source, i) for i in range(len(masks)) if SMALLEST <= share[i] <= LARGEST]
        order = np.random.default_rng((seed, zlib.crc32(folder.name.encode()))).permutation(len(found))
        queues.append([found[i] for i in order])
    by_turns = [target for turn in zip_longest(*queues) for target in turn if target is not None]
    if len(by_turns) < count:
        raise ValueError(f"{len(by_turns)} objects are held out, fewer than the {count} asked for; ask for fewer or name more sets")
    return sorted(by_turns[:count], key=lambda target: (target.group, target.name))


# MERGED from formats.folders: Benchmark folders, read only: `images/` and `masks/` with one mask file of the same stem for every image.  A mask is a one-channel file (8 or 16 bit, or a palette PNG) of the image's size. A folder is of one of two kinds, told apart by the values of all its masks:  * binary: only 0 (background), 128 (ignore: not counted) and 255 (foreground); each mask is one object; * label maps: 0 is background, 255 is void (ignored), every other value is the id of one object; to an object, the others are background.


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
