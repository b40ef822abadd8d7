"""PNG masks: `images/` with a copy of each image, and `masks/` with a folder of binary PNG files an image, or one file an image.

A file an instance is called `masks/<image>/001_<label>.png`, in painting order; its label and id stand in it as texts, so that no
label is too long or too odd for a file name. One file an image (`masks/<image>.png`) is the layout of the benchmark folders.
"""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path
from typing import Callable, Iterable, Iterator, Sequence

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from cdwidget.formats.dataset_folders import read_items, read_values
from cdwidget.formats.io import (
    IMAGE_SUFFIXES,
    Lazy,
    checked_instances,
    copy_image,
    files_by_stem,
    image_size,
    open_image,
    to_png,
    unique_stems,
    write_files,
)
from cdwidget.items import Instance, Item

NOTE = "cdwidget"  # the keyword of the text that holds a file's label and id
LAYOUT = "the folder needs images/ and masks/ with a folder of PNG files an image, or one file an image"
Draw = Callable[[Instance], Image.Image]
Decode = Callable[[Path], tuple[np.ndarray, "np.ndarray | None"]]


def read(path: Path, images: Path | None = None) -> list[Item]:
    """Read a folder in either layout, files of label maps (an id an instance) among them; see `folders.py` for those.

    images: the folder of the images; by default `images/` in it. Raises FileNotFoundError when a mask has no image.
    """
    masks = path / "masks"
    if masks.is_dir() and any(part.is_dir() for part in masks.iterdir()):
        return read_layers(masks, images or path / "images", _decode)
    return read_items(images or path / "images", masks)


def write(items: Sequence[Item], path: Path, one: str = "instance") -> Path:
    """Write `images/` and `masks/` into a folder, 255 in the object and 0 elsewhere; return the folder.

    one: "instance", a file each, or "image", a file of all its instances together: labels and ids are not kept then. Alpha never is.
    """
    if one not in ("instance", "image"):
        raise ValueError(f"one={one!r}; allowed are 'instance' and 'image': what there is one file of")
    stems = unique_stems(items, path / "images")
    if one == "instance":
        write_layers(items, stems, path, "masks", lambda image: _binary)
    else:
        stale = [stem for stem in stems if (path / "masks" / stem).is_dir()]
        if stale:
            raise FileExistsError(f"{path / 'masks' / stale[0]} holds a file an instance from an earlier export; write to another folder")
        files = ((item, copy_image(item, path / "images", stem), path / "masks" / f"{stem}.png") for item, stem in zip(items, stems))
        write_files((file, _union(item, image)) for item, image, file in files)
    return path


def write_layers(items: Sequence[Item], stems: Sequence[str], path: Path, name: str, draw: Callable[[Path], Draw]) -> None:
    """Write a folder of numbered PNG files an image, one an instance; those of an earlier export that are not replaced go.

    draw: given the image's path, returns what draws the instances of it.
    """

    def layers() -> Iterator[tuple[Path, bytes]]:
        for item, stem in zip(items, stems):
            image = copy_image(item, path / "images", stem)
            drawn = draw(image)
            for number, instance in enumerate(checked_instances(item, *image_size(image)), 1):
                label = re.sub(r"[^\w-]+", "_", instance.label)[:40]
                note = PngInfo()
                note.add_itxt(NOTE, json.dumps({"label": instance.label, "id": instance.id}))
                file = path / name / stem / f"{number:03d}_{label}.png"
                written.add(file)
                yield file, to_png(drawn(instance), note)

    written: set[Path] = set()
    write_files(layers())
    for stem in stems:
        (path / name / stem).mkdir(parents=True, exist_ok=True)
        for file in (path / name / stem).glob("*.png"):
            if file not in written:
                file.unlink()


def _binary(instance: Instance) -> Image.Image:
    return Image.fromarray(instance.mask * np.uint8(255))


def _union(item: Item, image: Path) -> bytes:
    height, width = image_size(image)
    union = np.zeros((height, width), np.uint8)
    for instance in checked_instances(item, height, width):
        union[instance.mask] = 255
    return to_png(Image.fromarray(union))


def read_layers(folder: Path, images: Path, decode: Decode) -> list[Item]:
    """List an item an image, with an instance for each PNG in the folder of its stem, read when it is asked for."""
    found = files_by_stem(images, IMAGE_SUFFIXES, LAYOUT)
    stacks = {part.name: sorted(part.glob("*.png"), key=_number) for part in sorted(folder.iterdir()) if part.is_dir()}
    stacks = {stem: files for stem, files in stacks.items() if not stem.startswith(".")}
    alone = sorted(stacks.keys() - found.keys())
    if alone:
        raise FileNotFoundError(f"{images}: no image for {', '.join(map(repr, alone[:5]))}; a folder of masks has the stem of its image")
    return [Item(path, Lazy(len(stacks.get(stem, [])), partial(_load, stacks.get(stem, []), path, decode))) for stem, path in found.items()]


def _number(path: Path) -> tuple[int, str]:
    digits = re.match(r"\d+", path.name)
    return (int(digits[0]) if digits else 0, path.name)


def _load(files: Sequence[Path], image: Path, decode: Decode, indices: Iterable[int]) -> Iterator[Instance]:
    height, width = image_size(image)
    for index in indices:
        mask, alpha = decode(files[index])
        if mask.shape != (height, width):
            raise ValueError(f"{files[index]} is {mask.shape[1]}x{mask.shape[0]} pixels and its image is {width}x{height}; they must agree")
        with open_image(files[index]) as file:
            note = json.loads(file.info.get(NOTE, "{}"))
        yield Instance(mask, note.get("label", ""), note.get("id"), alpha)


def _decode(path: Path) -> tuple[np.ndarray, None]:
    values = read_values(path)
    present = set(np.unique(values).tolist())
    if not (present <= {0, 1} or present <= {0, 255}):
        raise ValueError(f"{path} holds the values {sorted(present)[:10]}; a mask holds 0 and 255 (or 0 and 1)")
    return values != 0, None
