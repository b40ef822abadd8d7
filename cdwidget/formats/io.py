"""Helpers shared by the formats: files, images, lazy instances, and class ids.

- Files are written to drafts and renamed at the end, so that an error leaves the previous files.
- Instances are decoded when they are accessed, so that a long list of items stays small, and checked when they are written.
- A label keeps its class id over exports.
"""

from __future__ import annotations

import filecmp
import io
import os
import shutil
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Callable, Iterable, Iterator, Mapping, Sequence, Union, overload
from uuid import uuid4

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from cdwidget.items import Instance, Item
from cdwidget.masks import as_mask

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif"}
MAX_STEM_BYTES = 200  # File systems allow 255 bytes per name; the rest is for suffixes and numbers.
EXIF_ORIENTATION = 0x0112  # EXIF tag.
SIDEWAYS_ORIENTATIONS = range(5, 9)  # Values of the tag for images turned by 90 or 270 degrees.
Labels = Union[Sequence[str], Mapping[str, int]]  # Labels in the order of their class ids, or with their ids.

# ---- writing files ---------------------------------------------------------------------------------------------------


def write_files(files: Iterable[tuple[Path, bytes]]) -> None:
    """Write all files or none; the contents may be computed from the files they replace.

    Raises:
        OSError: If a file cannot be written; the error names the file, not its draft.
    """
    drafts: list[tuple[Path, Path]] = []
    try:
        for path, content in files:
            draft = _draft_of(path)
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
def open_replacement(path: Path) -> Iterator[BinaryIO]:
    """Open a file that replaces `path` if the block ends without an error."""
    draft = _draft_of(path)
    is_new_folder = not path.parent.exists()
    try:
        with _naming(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            file = open(draft, "wb")
        with file:
            try:
                yield file
            except OSError as error:
                if error.errno is None or error.filename is not None:  # The error is about another file, and its message already names it.
                    raise
                with _naming(path):
                    raise
            with _naming(path):
                file.close()
        with _naming(path):
            os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        if is_new_folder:
            with suppress(OSError):
                path.parent.rmdir()
        raise


def to_png(image: Image.Image, info: PngInfo | None = None) -> bytes:
    """Return an image, with optional text chunks, as the bytes of a PNG file."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def _draft_of(path: Path) -> Path:
    return path.with_name(f".{uuid4().hex}.tmp")


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Make an error name the file that could not be written instead of its draft."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror}, so the previous file is kept", str(path)) from error


# ---- reading files ---------------------------------------------------------------------------------------------------


def read_text(path: Path) -> str:
    """Read UTF-8 text with or without a byte order mark; raise ValueError for other content."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path} (looked in {Path.cwd()})")
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text: {error}") from error


def open_image(path: Path) -> Image.Image:
    """Open an image file and read its header; raise ValueError if it is not an image."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no image {path} (looked in {Path.cwd()})")
    try:
        return Image.open(path)
    except Exception as error:  # Pillow raises errors of many types.
        raise ValueError(f"{path} cannot be read as an image: {error}") from error


def read_pixels(path: Path) -> np.ndarray:
    """Return the pixels of an image file as stored, (H, W) or (H, W, channels)."""
    with open_image(path) as file:
        try:
            return np.asarray(file)
        except Exception as error:
            raise ValueError(f"{path} cannot be read as an image: {error}") from error


def image_size(path: Path) -> tuple[int, int]:
    """Return (height, width) of an image file, upright according to its EXIF orientation."""
    with open_image(path) as file:
        return upright_size(file)


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Return (height, width) of an open image, upright.

    Reads all of a PNG file, because its EXIF chunk may follow the pixels.
    """
    width, height = image.size
    return (width, height) if image.getexif().get(EXIF_ORIENTATION) in SIDEWAYS_ORIENTATIONS else (height, width)


# ---- finding files ---------------------------------------------------------------------------------------------------


def files_by_stem(folder: Path, suffixes: set[str], hint: str) -> dict[str, Path]:
    """Return the files of a folder with these suffixes by stem, sorted.

    Args:
        folder: The folder.
        suffixes: Lower-case suffixes with their dots.
        hint: The expected content, for the error message.

    Raises:
        FileNotFoundError: If there is no folder or no such file.
        ValueError: If a stem occurs twice.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}; {hint}")
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


def input_files(path: Path, suffix: str) -> list[Path]:
    """Return the file `path`, or the sorted files with `suffix` in the folder `path`."""
    if path.is_file():
        return [path]
    found = [part for part in path.glob(f"*{suffix}") if not part.name.startswith(".")] if path.is_dir() else []
    if not found:
        raise FileNotFoundError(f"there is no file {path}, nor a folder of that name with {suffix} files in it (looked in {Path.cwd()})")
    return sorted(found, key=by_stem)


def output_files(path: Path, suffix: str, items: Sequence[Item]) -> list[Path]:
    """Return the file to write for each item: `path`, or a file in the folder `path`.

    Raises:
        ValueError: If `path` is a file and there are several items.
    """
    if path.suffix.lower() != suffix:
        return [path / f"{stem}{suffix}" for stem in unique_stems(items)]
    if len(items) != 1:
        raise ValueError(f"{path} holds one image, and there are {len(items)} items; give a folder")
    return [path]


def find_image(name: str, folder: Path, images: Path | None) -> Path:
    """Return the path of the image that a file in `folder` calls `name`; it need not exist.

    The name is relative to `images` if given, else to `folder`. In `images`, a file with the same last part matches too.
    """
    names = [name, name.replace("\\", "/")]  # The file may have been written on Windows.
    if images is not None:
        names.append(names[1].rpartition("/")[2])
    paths = [(images or folder) / part for part in names]
    # For a name that is too long, os.path.exists returns False where Path.exists raises.
    return next((path for path in paths if os.path.exists(path)), paths[0])


def relative_name(image: Path, folder: Path) -> str:
    """Return an image's path relative to `folder`, or absolute if on another drive."""
    try:
        return Path(os.path.relpath(image.absolute(), folder.absolute())).as_posix()
    except ValueError:
        return image.absolute().as_posix()


def by_stem(path: Path) -> tuple[Path, str, str]:
    """Return a sort key that puts `a.png` before `a-2.png`."""
    return path.parent, path.stem, path.suffix


# ---- images of items -------------------------------------------------------------------------------------------------


def image_path(item: Item) -> Path:
    """Return the path of an item's image, with `~` expanded."""
    return Path(item.path).expanduser()


def item_size(item: Item) -> tuple[int, int]:
    """Return (height, width) of an item, from its image or else its first mask."""
    path = image_path(item)
    if os.path.isfile(path):
        return image_size(path)
    for instance in item.instances:
        height, width = np.shape(instance.mask)
        return height, width
    raise FileNotFoundError(f"there is no image {path}, and no mask that gives its size; every item needs one of them")


def unique_stems(items: Sequence[Item], folder: Path | None = None) -> list[str]:
    """Return a unique stem per item: its image's, shortened or numbered (`a-2`).

    Images that are in `folder` already keep their names. Stems differ also if upper and lower case are the same.
    """
    in_folder = [folder is not None and image_path(item).absolute().parent == folder.absolute() for item in items]
    stems, taken = [""] * len(items), set()
    for index in sorted(range(len(items)), key=lambda index: not in_folder[index]):
        full = image_path(items[index]).stem.lstrip(".") or "image"
        short = stem = full.encode(errors="surrogateescape")[:MAX_STEM_BYTES].decode(errors="ignore")
        number = 1
        while stem.casefold() in taken:
            number += 1
            stem = f"{short}-{number}"
        taken.add(stem.casefold())
        stems[index] = stem
    return stems


def copy_image(item: Item, folder: Path, stem: str) -> Path:
    """Copy an item's image to a folder unless it is there already, and return the copy's path.

    Raises:
        FileNotFoundError: If there is no image.
        FileExistsError: If another image has that name; nothing is overwritten.
        ValueError: If the suffix is not one of `IMAGE_SUFFIXES`.
    """
    source = image_path(item)
    if not os.path.isfile(source):
        raise FileNotFoundError(f"there is no image {source} (looked in {Path.cwd()}); this format keeps a copy of every image")
    if source.suffix.lower() not in IMAGE_SUFFIXES:
        raise ValueError(f"{source} ends in {source.suffix!r}; this format keeps images ending in {', '.join(sorted(IMAGE_SUFFIXES))}")
    target = folder / f"{stem}{source.suffix}"
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        draft = _draft_of(target)
        try:
            shutil.copy2(source, draft)
            os.replace(draft, target)
        finally:
            draft.unlink(missing_ok=True)
    elif not (target.samefile(source) or filecmp.cmp(source, target)):
        raise FileExistsError(f"{target} is another image than {source}; write to another folder, or remove the old image")
    return target


# ---- instances -------------------------------------------------------------------------------------------------------


class LazyInstances(Sequence[Instance]):
    """A sequence of instances that are decoded at every access.

    Attributes:
        load: Yields the instances at the given indices; a value that can be pickled.
    """

    def __init__(self, count: int, load: Callable[[Iterable[int]], Iterator[Instance]]) -> None:
        self._indices = range(count)
        self.load = load

    def __len__(self) -> int:
        return len(self._indices)

    def __iter__(self) -> Iterator[Instance]:
        return self.load(self._indices)

    @overload
    def __getitem__(self, index: int) -> Instance: ...
    @overload
    def __getitem__(self, index: slice) -> list[Instance]: ...
    def __getitem__(self, index: int | slice) -> Instance | list[Instance]:
        if isinstance(index, slice):
            return list(self.load(self._indices[index]))
        return next(self.load([self._indices[index]]))

    def __repr__(self) -> str:
        return f"<{len(self)} instances, decoded on access>"


def checked_instances(item: Item, height: int, width: int) -> Iterator[Instance]:
    """Yield an item's instances with bool masks.

    Raises:
        ValueError: If a mask or an alpha does not fit the image.
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
    """Return the alpha matte of an instance, uint8 (H, W), by default 255 in the mask."""
    return instance.mask * np.uint8(255) if instance.alpha is None else instance.alpha


def soft_alpha(alpha: np.ndarray) -> np.ndarray | None:
    """Return an alpha matte, or None if it has only 0 and 255 and thus equals a mask."""
    return alpha if ((alpha > 0) & (alpha < 255)).any() else None


# ---- class ids -------------------------------------------------------------------------------------------------------


class ClassIds:
    """The class id of each label: ids of a replaced file stay, new labels get the next ids.

    Attributes:
        ids: Class id by label.
    """

    def __init__(self, labels: Labels = (), previous: Mapping[str, int] | None = None, first: int = 1) -> None:
        """Assign ids to labels.

        Args:
            labels: Labels in order; or labels with ids, which replace the ids of the file.
            previous: Ids in the file that is replaced.
            first: Id of the first class.

        Raises:
            TypeError: If `labels` is a string.
            ValueError: If two labels have the same id.
        """
        if isinstance(labels, str):
            raise TypeError(f"labels is the text {labels!r}; give a list of labels: [{labels!r}]")
        self.ids: dict[str, int] = dict(labels if isinstance(labels, Mapping) else previous or {})
        self._first = first
        if len(set(self.ids.values())) != len(self.ids):
            raise ValueError(f"two labels have the same number: {self.ids}")
        for label in labels:
            self.id_of(label)

    def id_of(self, label: str) -> int:
        """Return the id of a label; a new label gets the next one."""
        if label not in self.ids:
            self.ids[label] = max(self.ids.values(), default=self._first - 1) + 1
        return self.ids[label]

    def in_order(self) -> list[tuple[int, str]]:
        """Return (id, label) sorted by id."""
        return sorted((number, label) for label, number in self.ids.items())
