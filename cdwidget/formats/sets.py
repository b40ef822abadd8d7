"""Training sets, read only: `images/` with `masks/` (label maps) or with a COCO `annotations.json`, and the slice of them held out."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Iterable

import cv2
import numpy as np
from pycocotools import mask as coco_mask

VOID = 255
HOLDOUT = 20  # one image in so many is never trained on
SMALLEST, LARGEST = 0.003, 0.95  # share of the image that an object to measure on may fill


@dataclass(frozen=True)
class Source:
    """One training image: its file, and either a label-map PNG (0 background, 255 void) or COCO run lengths, one an object."""

    image: Path
    labels: Path | None = None
    objects: tuple[dict, ...] = ()

    def load(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the image uint8 (H, W, 3) RGB, the objects bool (N, H, W), and the valid pixels bool (H, W)."""
        image = cv2.imread(str(self.image), cv2.IMREAD_COLOR)
        if image is None:
            raise ValueError(f"{self.image} cannot be read as an image")
        image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        if self.labels is None:
            masks = coco_mask.decode(list(self.objects)).astype(bool).transpose(2, 0, 1)
            valid = np.ones(image.shape[:2], bool)
        else:
            labels = cv2.imread(str(self.labels), cv2.IMREAD_GRAYSCALE)
            if labels is None:
                raise ValueError(f"{self.labels}, the mask of {self.image}, cannot be read")
            ids = [i for i in np.unique(labels) if i not in (0, VOID)]
            masks = np.stack([labels == i for i in ids]) if ids else np.zeros((0, *labels.shape), bool)
            valid = labels != VOID
        if valid.shape != image.shape[:2] or masks.shape[1:] != image.shape[:2]:
            raise ValueError(f"{self.image} is {image.shape[:2]} but its masks are {masks.shape[1:]} (rows, columns); they must agree")
        return image, masks, valid


def read_set(folder: Path) -> list[Source]:
    """List a data set: images/ and masks/ of the same stems, or images/ and a COCO annotations.json with run lengths."""
    coco = folder / "annotations.json"
    if coco.is_file():
        content = json.loads(coco.read_text())
        names = {image["id"]: image["file_name"] for image in content["images"]}
        objects: dict[int, list[dict]] = {}
        for annotation in content["annotations"]:
            objects.setdefault(annotation["image_id"], []).append(annotation["segmentation"])
        return [Source(folder / "images" / names[i], objects=tuple(found)) for i, found in sorted(objects.items())]
    images = sorted((folder / "images").glob("*"))
    if not images:
        raise ValueError(f"{folder} holds no images; expected {folder}/images/*.jpg and {folder}/masks/*.png of the same names")
    sources = [Source(path, folder / "masks" / f"{path.stem}.png") for path in images]
    for source in sources:
        if source.labels is not None and not source.labels.is_file():
            raise ValueError(f"{source.image} has no mask: {source.labels} is missing")
    return sources


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
