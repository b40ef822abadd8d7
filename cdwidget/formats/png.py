"""PNG masks: `images/` and `masks/`, with binary PNG files per instance or image.

A file per instance is `masks/<image>/001_<label>.png`, numbered from back to front. Label and id are stored in a text chunk, so that
every label can be stored. A file per image is `masks/<image>.png`, the layout of benchmark folders.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from cdwidget._deprecated import warn_renamed
from cdwidget.formats.dataset import Dataset, Problems, naming
from cdwidget.formats.image_files import IMAGE_SUFFIXES, copy_image, image_size, open_image, unique_stems
from cdwidget.formats.image_finder import match_stems
from cdwidget.formats.instances import LazyInstances, checked_instances
from cdwidget.formats.io import files_by_stem, to_png, write_files
from cdwidget.formats.mask_files import (
    MASK_SUFFIXES,
    MaskKind,
    are_binary,
    foreground_pixels,
    kind_of,
    object_ids,
    read_mask_pages,
    read_mask_values,
)
from cdwidget.formats.orientation import fit_to_image
from cdwidget.formats.palettes import Palette, class_colors, class_numbers, draw_class_map, read_class_map
from cdwidget.items import Instance, Item

TEXT_KEYWORD = "cdwidget"  # Keyword of the text chunk with a file's label and id.
LAYOUT_HINT = "the folder needs images/ and masks/ with a folder of PNG files per image, or one file per image"
IMAGE_FOLDERS = ("images", "imgs", "image", "img")
MASK_FOLDERS = ("masks", "mask", "labels", "gt", "annotations")
LABEL_SUFFIXES = {".txt", ".json", ".xml"}  # Of the files of other formats.
NOTE_FIELDS = ("label", "id", "attributes", "score", "track_id")
MAX_LABEL_CHARS = 40  # Characters of the label in a file name.
MAX_LISTED_NAMES = 5  # Values or names in an error message.
Draw = Callable[[Instance], Image.Image]
Decode = Callable[[Path], tuple[np.ndarray, "np.ndarray | None"]]


def read(path: Path, images: Path | None, problems: Problems) -> Dataset:
    """Read a folder in either layout, including label maps with instance ids.

    Args:
        path: The folder.
        images: The folder of the images; by default `images/` in it.
        problems: Receives the entries that cannot be read.

    Returns:
        One item per image; its masks are decoded on access.

    Raises:
        FileNotFoundError: If a folder is missing.
    """
    masks, images = _folder(path, MASK_FOLDERS, MASK_SUFFIXES), images or _folder(path, IMAGE_FOLDERS, IMAGE_SUFFIXES)
    parts = [part for part in sorted(images.iterdir()) if part.is_dir() and (masks / part.name).is_dir()] if images.is_dir() else []
    if parts and not any(part.suffix.lower() in IMAGE_SUFFIXES for part in images.iterdir()):  # A split: a folder for each part in both.
        items = [item for part in parts for item in _read_masks(part, masks / part.name, problems)]
        return Dataset(items, class_numbers(problems.palette))
    if masks.is_dir() and any(part.is_dir() for part in masks.iterdir()):
        return Dataset(read_layers(masks, images, _decode, problems))
    return Dataset(_read_masks(images, masks, problems), class_numbers(problems.palette))


def _folder(path: Path, names: Sequence[str], suffixes: set[str]) -> Path:
    """Return the first folder with one of these names that holds such a file; the one with the first name by default."""
    if (path / names[0]).is_dir():
        return path / names[0]
    folders = (path / name for name in names if (path / name).is_dir())
    return next((folder for folder in folders if any(file.suffix.lower() in suffixes for file in folder.iterdir())), path / names[0])


def _read_masks(images_folder: Path, masks_folder: Path, problems: Problems) -> list[Item]:
    """List the images of a folder with one mask file each; an image without a file has no instances.

    A binary mask is one instance. Each id of a label map is one, with that id. A TIFF file may hold several pages of either kind. In a map
    of classes, in colors or with the user's palette, each class is one instance.
    """
    images = files_by_stem(images_folder, IMAGE_SUFFIXES, LAYOUT_HINT, problems.add_file)
    masks = _mask_files(masks_folder, images, images_folder, problems)
    pages: dict[str, list[_Page]] = {}
    class_items: dict[str, Item] = {}
    for stem, file in masks.items():
        with problems.skipping(file):
            classes = read_class_map(file, problems.palette)
            if classes is not None:
                load = partial(_load_classes, file, images[stem], list(classes), problems.palette)
                class_items[stem] = Item(images[stem], LazyInstances(len(classes), load, problems))
                continue
            found = (fit_to_image(values, images[stem]) for values in read_mask_pages(file))
            pages[stem] = [_survey(values, file, image_size(images[stem])) for values in found]
    binary = are_binary([page.kind for own in pages.values() for page in own])
    items = []
    for stem, image in images.items():
        if stem in class_items:
            items.append(class_items[stem])
            continue
        own = pages.get(stem, [])
        objects = [found for number, page in enumerate(own) for found in page.objects(number, binary)]
        if not objects and any(page.kind.has_foreground for page in own):
            problems.add(
                "it has no value but 255, which is void in the other masks: label maps of 8 bit", file=masks[stem], image=image.name
            )
        if binary and any(not page.kind.is_binary for page in own):
            message = "it is read as a label map with an object for each value, and the other masks as binary"
            problems.add(message, file=masks[stem], image=image.name)
        items.append(Item(image, LazyInstances(len(objects), partial(_load_objects, masks.get(stem, image), image, objects), problems)))
    return items


def _mask_files(folder: Path, images: Mapping[str, Path], images_folder: Path, problems: Problems) -> dict[str, Path]:
    """Return the mask file of each image by the image's stem."""
    files = files_by_stem(folder, MASK_SUFFIXES, LAYOUT_HINT, problems.add_file)
    partners = match_stems(files, images)
    for stem, file in files.items():
        if stem not in partners:
            problems.add(f"{images_folder} holds no image for it; a mask has the stem of its image", file=file)
    return {partners[stem]: file for stem, file in files.items() if stem in partners}


@dataclass(frozen=True)
class _Page:
    """A page of a mask file: its kind, and its ids as a label map."""

    kind: MaskKind
    ids: list[int]

    def objects(self, number: int, binary: bool) -> list[tuple[int, int | None]]:
        """Return the page's number and the id of each object; None for the object of a binary mask."""
        if binary and self.kind.is_binary:
            return [(number, None)] if self.kind.has_foreground else []
        return [(number, id) for id in self.ids]


def _survey(values: np.ndarray, file: Path, size: tuple[int, int]) -> _Page:
    if values.shape != size:
        raise ValueError(f"{file} is {values.shape[1]}x{values.shape[0]} pixels and its image is {size[1]}x{size[0]}; they must agree")
    return _Page(kind_of(values, file), object_ids(values))


def _load_objects(file: Path, image: Path, objects: Sequence[tuple[int, int | None]], indices: Iterable[int]) -> Iterator[Instance]:
    with naming(file):
        pages = [fit_to_image(values, image) for values in read_mask_pages(file)]
    for index in indices:
        number, id = objects[index]
        yield Instance(foreground_pixels(pages[number]) if id is None else pages[number] == id, id=id)


def _load_classes(file: Path, image: Path, labels: Sequence[str], palette: Palette | None, indices: Iterable[int]) -> Iterator[Instance]:
    with naming(file, image.name):
        masks, (height, width) = read_class_map(file, palette) or {}, image_size(image)
    for index in indices:
        with naming(file, image.name, labels[index]):
            mask = fit_to_image(masks[labels[index]], image)
            if mask.shape != (height, width):
                raise ValueError(f"it is {mask.shape[1]}x{mask.shape[0]} pixels and its image is {width}x{height}; they must agree")
        yield Instance(mask, labels[index])


def matches(path: Path) -> bool:
    """Return whether a folder holds `masks/`, or folders of images and of masks with other usual names."""
    masks = _folder(path, MASK_FOLDERS, MASK_SUFFIXES)
    if not (masks.is_dir() and _folder(path, IMAGE_FOLDERS, IMAGE_SUFFIXES).is_dir()):
        return False
    # Pictures next to label files are previews.
    return masks.name == MASK_FOLDERS[0] or not any(file.suffix.lower() in LABEL_SUFFIXES for file in masks.iterdir())


def write(
    items: Sequence[Item], path: Path, file_per: str = "instance", *, palette: Palette | None = None, one: str | None = None
) -> Path:  # fmt: skip
    """Write a folder of image copies and masks, 255 in the object and 0 elsewhere.

    Alpha mattes are not stored; with a file per image, only the masks are.

    Args:
        items: The images with their instances.
        path: The folder.
        file_per: "instance", or "image" for one mask of all instances together.
        palette: Write one map of classes per image instead: "cityscapes", "ade20k", or labels with their numbers or colors, as for `read`.
        one: Deprecated name of `file_per`.

    Returns:
        The folder.

    Raises:
        ValueError: If a mask does not fit its image.
        FileExistsError: If the folder holds an earlier export with a file per instance, and a file per image is wanted.
    """
    if one is not None:
        warn_renamed("the option one=", "file_per=", stacklevel=4)
        file_per = one
    if file_per not in ("instance", "image"):
        raise ValueError(f"file_per={file_per!r}; allowed are 'instance' and 'image'")
    if palette is not None:
        class_colors(palette)  # Raises for a wrong one.
    stems = unique_stems(items, path / "images")
    if file_per == "instance" and palette is None:
        write_layers(items, stems, path, "masks", lambda image: _draw_mask)
    else:
        stale = [stem for stem in stems if (path / "masks" / stem).is_dir()]
        if stale:
            raise FileExistsError(f"{path / 'masks' / stale[0]} holds a file per instance from an earlier export; write to another folder")
        files = ((item, copy_image(item, path / "images", stem), path / "masks" / f"{stem}.png") for item, stem in zip(items, stems))
        write_files((file, _draw_image(item, image, palette)) for item, image, file in files)
    return path


def write_layers(items: Sequence[Item], stems: Sequence[str], path: Path, name: str, make_draw: Callable[[Path], Draw]) -> None:
    """Write a folder of numbered PNG files per image, one file per instance.

    Surplus files of an earlier export are deleted.

    Args:
        items: The images with their instances.
        stems: The file stem of each image.
        path: The folder of the data set.
        name: The name of the folder with the PNG files.
        make_draw: Given the path of an image, returns the function that draws its instances.
    """

    def layers() -> Iterator[tuple[Path, bytes | None]]:
        for item, stem in zip(items, stems):
            image = copy_image(item, path / "images", stem)
            draw = make_draw(image)
            for number, instance in enumerate(checked_instances(item, *image_size(image)), 1):
                label = re.sub(r"[^\w-]+", "_", instance.label)[:MAX_LABEL_CHARS]
                info = PngInfo()
                info.add_itxt(TEXT_KEYWORD, json.dumps(_note(instance)))
                file = path / name / stem / f"{number:03d}_{label}.png"
                written.add(file)
                yield file, to_png(draw(instance), info)
            yield from ((file, None) for file in (path / name / stem).glob("*.png") if file not in written)
            (path / name / stem).mkdir(parents=True, exist_ok=True)

    written: set[Path] = set()
    write_files(layers(), path / name)


def _note(instance: Instance) -> dict[str, Any]:
    """Return the fields of an instance that are stored as text in its file."""
    optional = {name: value for name in ("attributes", "score", "track_id") if (value := getattr(instance, name)) not in (None, {})}
    return {"label": instance.label, "id": instance.id, **optional}


def _draw_mask(instance: Instance) -> Image.Image:
    return Image.fromarray(instance.mask * np.uint8(255))


def _draw_image(item: Item, image: Path, palette: Palette | None) -> bytes:
    """Return the file of all instances of an image: a map of classes, or without a palette one mask."""
    height, width = image_size(image)
    if palette is not None:
        masks = [(instance.label, instance.mask) for instance in checked_instances(item, height, width)]
        return to_png(Image.fromarray(draw_class_map(masks, height, width, palette)))
    union = np.zeros((height, width), np.uint8)
    for instance in checked_instances(item, height, width):
        union[instance.mask] = 255
    return to_png(Image.fromarray(union))


def read_layers(folder: Path, images: Path, decode: Decode, problems: Problems) -> list[Item]:
    """List the images as items, with an instance per PNG file in the image's folder.

    Args:
        folder: The folder with a folder of PNG files per image.
        images: The folder of the images.
        decode: Reads a PNG file as a mask, bool (H, W), and an alpha matte or None.
        problems: Receives folders without an image and files that cannot be read.
    """
    found = files_by_stem(images, IMAGE_SUFFIXES, LAYOUT_HINT, problems.add_file)
    stacks = {part.name: sorted(part.glob("*.png"), key=_number) for part in sorted(folder.iterdir()) if part.is_dir()}
    stacks = {stem: files for stem, files in stacks.items() if not stem.startswith(".")}
    partners = match_stems(stacks, found)
    for stem in sorted(stacks.keys() - partners.keys()):
        problems.add(f"{images} holds no image for it; a folder of masks has the stem of its image", file=folder / stem)
    stacks = {partners[stem]: files for stem, files in stacks.items() if stem in partners}
    items = []
    for stem, path in found.items():
        files = stacks.get(stem, [])
        items.append(Item(path, LazyInstances(len(files), partial(_load, files, path, decode), problems)))
    return items


def _number(path: Path) -> tuple[int, str]:
    """Return a sort key: the number at the start of the name."""
    digits = re.match(r"\d+", path.name)
    return (int(digits[0]) if digits else 0, path.name)


def _load(files: Sequence[Path], image: Path, decode: Decode, indices: Iterable[int]) -> Iterator[Instance]:
    for index in indices:
        with naming(files[index], image.name):
            height, width = image_size(image)
            mask, alpha = (values if values is None else fit_to_image(values, image) for values in decode(files[index]))
            assert mask is not None
            if mask.shape != (height, width):
                raise ValueError(f"it is {mask.shape[1]}x{mask.shape[0]} pixels and its image is {width}x{height}; they must agree")
            with open_image(files[index]) as file:
                instance = _with_note(Instance(mask, alpha=alpha), file.info.get(TEXT_KEYWORD, "{}"))
        yield instance


def _with_note(instance: Instance, text: str) -> Instance:
    note = json.loads(text)
    label, id, attributes, score, track_id = map((note if isinstance(note, dict) else {}).get, NOTE_FIELDS)
    is_number = isinstance(score, (int, float)) and not isinstance(score, bool)
    if not (
        isinstance(note, dict)
        and isinstance(label, (str, type(None)))
        and all(value is None or type(value) is int for value in (id, track_id))
        and isinstance(attributes, (dict, type(None)))
        and (score is None or is_number)
    ):
        raise ValueError(f"its text {TEXT_KEYWORD!r} is {text[:MAX_LABEL_CHARS]!r}, not the label and id of an instance; remove it")
    return replace(instance, label=label or "", id=id, attributes=attributes or {}, score=score, track_id=track_id)


def _decode(path: Path) -> tuple[np.ndarray, None]:
    values = read_mask_values(path)
    present = np.unique(values).tolist()
    if present[-1] <= 1:
        return values != 0, None
    if not kind_of(values, path).is_binary:
        raise ValueError(f"{path} holds the values {present[:MAX_LISTED_NAMES]}; a mask holds 0 and 255 (or 0 and 1)")
    return foreground_pixels(values), None
