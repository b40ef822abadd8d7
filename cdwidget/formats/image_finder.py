"""Finds the images that a file of a data set names, also in names from other systems and computers."""

from __future__ import annotations

import os
import re
import unicodedata
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Collection, Iterable, Iterator, Sequence
from urllib.parse import unquote

from cdwidget.formats.image_files import IMAGE_SUFFIXES
from cdwidget.images.remote import is_url

IMAGE_FOLDERS = ("images", "data")  # Next to the file.
ANNOTATION_FOLDERS = {"annotations", "labels"}  # Folders of files, next to the images' folders.
MASK_ENDING = re.compile(r"[_-](mask|masks|cp_masks|seg|segmentation|label|labels|gt)$")  # Of the stems of mask files.
MASK_START = re.compile(r"^(mask|seg|label|gt)[_-]")
MAX_NAMED_FILES = 3


class ImageFinder:
    """Finds images by the names in one file of a data set.

    A name is relative to the user's folder of images, or else to the file's folder. The usual other places are searched too: `images/` or
    `data/` next to the file and, for a file in `annotations/`, the folders next to that one. In each, the name may have backslashes,
    percent encoding, another Unicode composition or case, or folders in front that do not exist here.

    Attributes:
        file: The file that names the images.
        missing: The names that were not found, without URLs.
    """

    def __init__(self, file: Path, images: Path | None = None) -> None:
        """Prepare the folders to search.

        Args:
            file: The file that names the images.
            images: The user's folder of images; None for the usual places.
        """
        self.missing: list[str] = []
        self.file = file
        self._base = images or file.parent
        self._folders, self._guesses = ([images], []) if images is not None else _usual_folders(file)
        self._roots = {os.path.join(os.path.abspath(folder), "") for folder in (*self._folders, *self._guesses)}
        self._searches_below = images is not None
        self._below: dict[str, Path | None] | None = None
        self._listings: dict[Path, dict[str, Path | None]] = {}

    def find(self, name: str) -> str | Path:
        """Return the path of an image; for one that is not found its URL, or the path where it should be."""
        found = self.search(name)
        if found is not None:
            return found
        if is_url(name):
            return name
        self.missing.append(name)
        return self._base / name

    def leads_to(self, name: str, image: Path) -> bool:
        """Return whether `find(name)` returns this image."""
        path = os.path.abspath(image)
        if not any(path.startswith(root) for root in self._roots):  # Most images, if the file is written far from them.
            return False
        return os.path.abspath(self.search(name) or self._base / name) == path

    def search(self, name: str) -> Path | None:
        """Return the path of an image, or None for one that is not found, which is not reported as missing."""
        for folder in self._folders:  # Most names are right as they are.
            if (path := _exact(folder / name)) is not None:
                return path
        names = list(_variants(name))
        for match, name_to_try in ((match, each) for each in names for match in (_exact, self._similar)):
            found = next((path for folder in self._folders if (path := match(folder / name_to_try)) is not None), None)
            if found is not None:
                return found
            guesses = [path for folder in self._guesses if (path := match(folder / name_to_try)) is not None]
            if len(guesses) == 1:
                return guesses[0]
        if not self._searches_below:
            return None
        return next((found for each in names if "/" not in each and (found := self._find_below(each)) is not None), None)

    def warn_missing(self) -> None:
        """Warn once of all images that were not found; a reader calls it."""
        if not self.missing:
            return
        named = ", ".join(self.missing[:MAX_NAMED_FILES]) + (", ..." if len(self.missing) > MAX_NAMED_FILES else "")
        counted = "1 image was" if len(self.missing) == 1 else f"{len(self.missing):,} images were"
        searched = ", ".join(map(str, self._folders[:MAX_NAMED_FILES]))
        warnings.warn(
            f"{self.file}: {counted} not found ({named}), so only the annotations were read; give the folder of the images: images=... "
            f"(searched: {searched})",
            UserWarning,
            stacklevel=5,  # The caller of `cdwidget.read` or `Catalogue.import_`.
        )

    def _similar(self, path: Path) -> Path | None:
        """Return the only file whose name differs at most in case and Unicode composition."""
        if path.parent not in self._listings:
            with suppress(OSError, ValueError):
                self._listings[path.parent] = _by_folded_name(path.parent / name for name in os.listdir(path.parent))
        found = self._listings.get(path.parent, {}).get(_folded(path.name))
        return found and _exact(found)

    def _find_below(self, name: str) -> Path | None:
        """Return the only file with this name in any subfolder."""
        if self._below is None:
            self._below = _by_folded_name(Path(folder, name) for folder, _, names in os.walk(self._base) for name in names)
        return self._below.get(_folded(name))


def _variants(name: str) -> Iterator[str]:
    """Yield the spellings of a name to try.

    The name comes as it is, then with fewer and fewer folders in front, each also without percent encoding. Without a suffix of images, all
    of these follow with each suffix.
    """
    plain = name.replace("\\", "/")  # The file may have been written on Windows.
    parts = plain.partition("://")[2].split("/")[1:] if is_url(name) else plain.split("/")
    tails = ["/".join(parts[start:]) for start in range(1 if not is_url(name) else 0, len(parts))]
    spellings = [*([] if is_url(name) else [name, plain]), *(tail for tail in tails if tail)]
    found = dict.fromkeys(each for spelling in spellings for each in (spelling, unquote(spelling)))
    yield from found
    if Path(plain).suffix.lower() not in IMAGE_SUFFIXES:
        yield from (f"{each}{suffix}" for each in found for suffix in sorted(IMAGE_SUFFIXES))


def _exact(path: Path) -> Path | None:
    # For a name that is too long, os.path.isfile returns False where Path.is_file raises.
    return path if os.path.isfile(path) else None


def _by_folded_name(paths: Iterator[Path]) -> dict[str, Path | None]:
    """Return paths by folded name; None for a name that several have."""
    found: dict[str, Path | None] = {}
    for path in paths:
        key = _folded(path.name)
        found[key] = None if key in found else path
    return found


def match_stems(stems: Iterable[str], images: Collection[str]) -> dict[str, str]:
    """Return the stem of the image of each mask; masks without an image are left out.

    It is the same stem, or else the only one that differs in case, in Unicode composition, by "_mask" or the like at its end or start,
    or by the suffix of the image: "a.jpg.png" is the mask of "a.jpg".

    Args:
        stems: The stems of the masks' files or folders.
        images: The stems of the images.
    """
    by_folded_stem: dict[str, list[str]] = {}
    for image in images:
        by_folded_stem.setdefault(_folded(image), []).append(image)
    matched = {stem: stem for stem in stems if stem in images}
    taken = set(matched)
    for stem in stems:
        folded = _folded(stem)
        start, suffix = os.path.splitext(folded)
        names = (folded, MASK_ENDING.sub("", folded), MASK_START.sub("", folded), start if suffix in IMAGE_SUFFIXES else folded)
        found = next((by_folded_stem[name] for name in names if name in by_folded_stem), [])
        if stem not in matched and len(found) == 1 and found[0] not in taken:
            matched[stem] = found[0]
            taken.add(found[0])
    return matched


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _usual_folders(file: Path) -> tuple[list[Path], list[Path]]:
    """Return the folders to search in order, and those that are used only if one of them alone has an image."""
    folders, guesses = [file.parent, *(file.parent / name for name in IMAGE_FOLDERS)], list[Path]()
    if file.parent.name.lower() in ANNOTATION_FOLDERS:
        root = file.parent.absolute().parent
        for folder in [*_subfolders(root / "images"), *_subfolders(root)]:
            # "instances_val2017.json" is about "val2017/".
            (folders if folder.name.lower() in file.stem.lower() else guesses).append(folder)
        folders[1:1] = [root / "images"]
        folders.append(root)
    return folders, guesses


def _subfolders(folder: Path) -> Sequence[Path]:
    with suppress(OSError):
        return sorted(part for part in folder.iterdir() if part.is_dir() and not part.name.startswith("."))
    return []
