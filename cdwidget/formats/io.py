"""What the formats share on disk: files written whole or not at all, images found and copied, names made unique."""

from __future__ import annotations

import filecmp
import io
import os
import shutil
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Callable, Iterable, Iterator, Mapping, Sequence, Union, overload
from uuid import uuid4

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from cdwidget.items import Instance, Item
from cdwidget.masks import as_mask

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif"}
STEM_BYTES = 200  # file systems allow 255 bytes a name; the rest is for suffixes and numbers
ORIENTATION = 0x0112  # the EXIF tag
ON_ITS_SIDE = range(5, 9)


def write_files(files: Iterable[tuple[Path, bytes]]) -> None:
    """Write files, all of them or none: they take their names when the last is written, and may be made from what they replace."""
    drafts: list[tuple[Path, Path]] = []
    try:
        for path, content in files:
            draft = path.with_name(f".{uuid4().hex}.tmp")
            with _naming(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                drafts.append((draft, path))
                draft.write_bytes(content)
        for draft, path in drafts:
            with _naming(path):
                os.replace(draft, path)
    finally:
        for draft, _ in drafts:
            draft.unlink(missing_ok=True)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Let an error name the file that could not be written, not its draft."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror}, so what was there before is kept", str(path)) from error


def to_png(picture: Image.Image, note: PngInfo | None = None) -> bytes:
    """Return the bytes of a PNG file."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", pnginfo=note)
    return buffer.getvalue()


def read_text(path: Path) -> str:
    """Read UTF-8 text, with or without a byte order mark; ValueError for anything else, FileNotFoundError when it is not there."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path} (looked in {Path.cwd()})")
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text: {error}") from error


def open_image(path: Path) -> Image.Image:
    """Open an image file of which only the header is read at first; ValueError when it is none."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no image {path} (looked in {Path.cwd()})")
    try:
        return Image.open(path)
    except Exception as error:  # Pillow raises what it pleases
        raise ValueError(f"{path} cannot be read as an image: {error}") from error


def read_pixels(path: Path) -> np.ndarray:
    """Read the pixels of an image file as they are stored, (H, W) or (H, W, channels); ValueError when it is none."""
    with open_image(path) as file:
        try:
            return np.asarray(file)
        except Exception as error:
            raise ValueError(f"{path} cannot be read as an image: {error}") from error


def image_size(path: Path) -> tuple[int, int]:
    """Return (height, width) of an image file as it is seen upright, from its header."""
    with open_image(path) as file:
        return upright_size(file)


def upright_size(picture: Image.Image) -> tuple[int, int]:
    """Return (height, width) of an open image as it is seen upright. Of a PNG all is read, because its EXIF may stand behind its pixels."""
    width, height = picture.size
    return (width, height) if picture.getexif().get(ORIENTATION) in ON_ITS_SIDE else (height, width)


def files_by_stem(folder: Path, suffixes: set[str], what: str) -> dict[str, Path]:
    """List a folder's files of these suffixes by stem, sorted; raises when there is no folder, no such file, or a stem occurs twice."""
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}; {what}")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir(), key=by_stem):
        if path.suffix.lower() not in suffixes or path.name.startswith("."):
            continue
        if path.stem in found:
            raise ValueError(f"{folder} holds both {found[path.stem].name} and {path.name}; a stem may occur only once")
        found[path.stem] = path
    if not found:
        raise FileNotFoundError(f"{folder} is empty; it needs files ending in {', '.join(sorted(suffixes))}")
    return found


def locate(name: str, home: Path, images: Path | None) -> Path:
    """Return where the image is that a file in `home` calls `name`: relative to `images`, or else to `home`.

    With `images`, a file there of the same name will do, whatever folders `name` names. The image need not exist.
    """
    names = [name, name.replace("\\", "/")]  # a file that was written on Windows
    if images is not None:
        names.append(names[1].rpartition("/")[2])
    places = [(images or home) / part for part in names]
    return next((place for place in places if os.path.exists(place)), places[0])  # False, not an error, for a name that is too long


def relative(image: Path, home: Path) -> str:
    """Return the name of an image for a file in `home`: relative, with slashes, or whole where no way leads there (another drive)."""
    try:
        return Path(os.path.relpath(image.absolute(), home.absolute())).as_posix()
    except ValueError:
        return image.absolute().as_posix()


def image_path(item: Item) -> Path:
    """Return where an item's image is."""
    return Path(item.path).expanduser()


def unique_stems(items: Sequence[Item], home: Path | None = None) -> list[str]:
    """Return a file stem for each item: its image's, cut when too long, numbered (`a`, `a-2`) when several images share one.

    Images that lie in `home` already are named first, so that they keep their names. Upper and lower case count as the same.
    """
    there = [home is not None and image_path(item).absolute().parent == home.absolute() for item in items]
    stems, taken = [""] * len(items), set()
    for place in sorted(range(len(items)), key=lambda index: not there[index]):
        whole = image_path(items[place]).stem.lstrip(".") or "image"
        short = stem = whole.encode(errors="surrogateescape")[:STEM_BYTES].decode(errors="ignore")
        number = 1
        while stem.casefold() in taken:
            number += 1
            stem = f"{short}-{number}"
        taken.add(stem.casefold())
        stems[place] = stem
    return stems


def copy_image(item: Item, folder: Path, stem: str) -> Path:
    """Copy an item's image file to `folder` under a stem, unless it is there already; return the copy's path.

    Raises FileNotFoundError when there is no image, FileExistsError when another image has the place: nothing is overwritten.
    """
    source = image_path(item)
    if not os.path.isfile(source):
        raise FileNotFoundError(f"there is no image {source} (looked in {Path.cwd()}); this format keeps a copy of every image")
    if source.suffix.lower() not in IMAGE_SUFFIXES:
        raise ValueError(f"{source} ends in {source.suffix!r}; this format keeps images ending in {', '.join(sorted(IMAGE_SUFFIXES))}")
    target = folder / f"{stem}{source.suffix}"
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / f".{uuid4().hex}.tmp"
        try:
            shutil.copy2(source, draft)
            os.replace(draft, target)
        finally:
            draft.unlink(missing_ok=True)
    elif not (target.samefile(source) or filecmp.cmp(source, target)):
        raise FileExistsError(f"{target} is another image than {source}; write to another folder, or take the old image away")
    return target


def one_file_each(path: Path, suffix: str, items: Sequence[Item]) -> list[Path]:
    """Return the files to write, one an item: in the folder `path` by stem, or `path` itself when it ends in `suffix`.

    Raises ValueError when a single file is given for several items.
    """
    if path.suffix.lower() != suffix:
        return [path / f"{stem}{suffix}" for stem in unique_stems(items)]
    if len(items) != 1:
        raise ValueError(f"{path} holds one image, and there are {len(items)} items; give a folder")
    return [path]


def files_in(path: Path, suffix: str) -> list[Path]:
    """Return the files to read: `path` itself, or when it is a folder those in it that end in `suffix`, sorted."""
    if path.is_file():
        return [path]
    found = [part for part in path.glob(f"*{suffix}") if not part.name.startswith(".")] if path.is_dir() else []
    if not found:
        raise FileNotFoundError(f"there is no file {path}, nor a folder of that name with {suffix} files in it (looked in {Path.cwd()})")
    return sorted(found, key=by_stem)


def by_stem(path: Path) -> tuple[Path, str, str]:
    """The order in which files are listed: `a.png` before `a-2.png`."""
    return path.parent, path.stem, path.suffix


# MERGED from formats.instances: Instances on their way from a file, decoded when they are asked for, and on their way into one, checked.


class Lazy(Sequence[Instance]):
    """A sequence of instances that `load` makes from their indices, anew at every access: a long list of items stays small.

    load: given the indices wanted, yields their instances; a `functools.partial` of a function, so that an item can be pickled.
    """

    def __init__(self, count: int, load: Callable[[Iterable[int]], Iterator[Instance]]) -> None:
        self._indices = range(count)
        self._load = load

    def __len__(self) -> int:
        return len(self._indices)

    def __iter__(self) -> Iterator[Instance]:
        return self._load(self._indices)

    @overload
    def __getitem__(self, index: int) -> Instance: ...
    @overload
    def __getitem__(self, index: slice) -> list[Instance]: ...
    def __getitem__(self, index: int | slice) -> Instance | list[Instance]:
        if isinstance(index, slice):
            return list(self._load(self._indices[index]))
        return next(self._load([self._indices[index]]))

    def __repr__(self) -> str:
        return f"<{len(self)} instances, read when asked for>"


def item_size(item: Item) -> tuple[int, int]:
    """Return (height, width) of an item: from its image's header, or where there is no such file from its first mask.

    Raises FileNotFoundError when there is neither.
    """
    path = image_path(item)
    if os.path.isfile(path):
        return image_size(path)
    for instance in item.instances:
        height, width = np.shape(instance.mask)
        return height, width
    raise FileNotFoundError(f"there is no image {path}, and no mask to tell its size; every item needs one of them")


def checked_instances(item: Item, height: int, width: int) -> Iterator[Instance]:
    """Yield the instances of an item, their masks bool (height, width) whatever they were, each after a look whether it fits.

    Raises ValueError that names the item and the instance.
    """
    for number, instance in enumerate(item.instances, 1):
        try:
            mask = as_mask(instance.mask, height, width)
            if instance.alpha is not None and (instance.alpha.shape != (height, width) or instance.alpha.dtype != np.uint8):
                raise ValueError(f"its alpha is {instance.alpha.dtype} {instance.alpha.shape}, not uint8 ({height}, {width})")
        except ValueError as error:
            raise ValueError(f"{item.path}, instance {number} ({instance.label!r}): {error}") from error
        yield replace(instance, mask=mask)


def alpha_of(instance: Instance) -> np.ndarray:
    """Return the alpha of an instance, uint8 (H, W); that of a mask without one is 255 in it and 0 elsewhere."""
    return instance.mask * np.uint8(255) if instance.alpha is None else instance.alpha


def soft(alpha: np.ndarray) -> np.ndarray | None:
    """Return an alpha, or None when it says no more than a mask does: 0 and 255."""
    return alpha if ((alpha > 0) & (alpha < 255)).any() else None


# MERGED from formats.classes: The numbers of classes: what a data set calls 3, it calls 3 after the next export too.


Labels = Union[Sequence[str], Mapping[str, int]]


class Classes:
    """Labels and their numbers: those of the file that is replaced, then those given, then new ones as they come.

    labels: in their order, or with their numbers; then they stand instead of the file's. before: those of the file that is replaced.
    first: the number of the first class.
    """

    def __init__(self, labels: Labels = (), before: Mapping[str, int] | None = None, first: int = 1) -> None:
        if isinstance(labels, str):
            raise TypeError(f"labels is the text {labels!r}; give a list of labels: [{labels!r}]")
        self.numbers: dict[str, int] = dict(labels if isinstance(labels, Mapping) else before or {})
        self._first = first
        if len(set(self.numbers.values())) != len(self.numbers):
            raise ValueError(f"two labels have the same number: {self.numbers}")
        for label in labels:
            self.number(label)

    def number(self, label: str) -> int:
        """Return the number of a label, the next one when it is new."""
        if label not in self.numbers:
            self.numbers[label] = max(self.numbers.values(), default=self._first - 1) + 1
        return self.numbers[label]

    def in_order(self) -> Iterable[tuple[int, str]]:
        """Return (number, label) by number."""
        return sorted((number, label) for label, number in self.numbers.items())
