"""Files of data sets: written to drafts that are renamed at the end, so that an error leaves the previous files; read and listed."""

from __future__ import annotations

import io
import json
import os
import re
import warnings
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Callable, Iterable, Iterator

import numpy as np
import orjson
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from cdwidget.formats.replacement import naming_file, replacing
from cdwidget.formats.text_encoding import UTF_8, encoding_of, guess_encoding
from cdwidget.images import read_image
from cdwidget.limits import DEFAULT_LIMITS, Limits

PEEK_BYTES = 2**16
ARCHIVES = {b"PK\x03\x04": "ZIP", b"\x1f\x8b": "gzip", b"7z\xbc\xaf": "7z", b"Rar!": "RAR", b"BZh": "bzip2", b"\xfd7zXZ": "xz"}
JSON_OPTIONS = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME  # Only types of JSON and NumPy are written.
DIGITS_TO_ZERO = bytes.maketrans(b"123456789", b"0" * 9)
TRAILING_COMMA = re.compile(r",\s*[}\]]")
MIN_LARGE_DIGITS = 19  # A whole number with fewer digits fits into 64 bits.

# ---- writing files ---------------------------------------------------------------------------------------------------


def write_files(files: Iterable[tuple[Path, bytes | None]], folder: Path | None = None) -> None:
    """Write all files or none; the contents may be computed from the files they replace.

    Args:
        files: Path and content of each file; None removes the file, which must be in `folder` or below it.
        folder: A folder that all of the files are in or below; by default that of the first file.

    Raises:
        OSError: If a file cannot be written; the error names the file, not its draft.
    """
    with replacing(folder=folder) as replacement:
        for path, content in files:
            if content is None:
                replacement.remove(path)
                continue
            with naming_file(path):
                replacement.draft(path).write_bytes(content)


@contextmanager
def open_replacement(path: Path) -> Iterator[BinaryIO]:
    """Open a file that replaces `path` if the block ends without an error."""
    is_new_folder = not path.parent.exists()
    try:
        with replacing() as replacement:
            with naming_file(path):
                file = replacement.draft(path).open("wb")
            try:
                yield file
                with naming_file(path):
                    file.close()
            except OSError as error:
                if error.errno is None or error.filename is not None:  # The error is about another file, and names it.
                    raise
                with naming_file(path):
                    raise
            finally:
                with suppress(OSError):  # Closing it writes what a full disk has refused.
                    file.close()
    except BaseException:
        if is_new_folder:
            with suppress(OSError):
                path.parent.rmdir()
        raise


def to_json_bytes(value: Any, *, indent: bool = False, default: Callable[[Any], Any] | None = None) -> bytes:
    """Return a value as JSON in UTF-8.

    NumPy numbers and arrays become plain ones, and numbers that JSON does not have null. Names of files may hold characters that UTF-8 does
    not have. They are written as escapes, which readers of JSON turn back.

    Args:
        value: The value.
        indent: Write each entry on a line of its own.
        default: Turns values of other types into those of JSON; by default, only NumPy's are allowed.
    """
    default = default or _plain
    try:
        return orjson.dumps(value, default, JSON_OPTIONS | (orjson.OPT_INDENT_2 if indent else 0))
    except TypeError:  # A name that UTF-8 does not have, a key that is no text, or a whole number of more than 64 bits.
        finite = json.loads(json.dumps(value, default=default), parse_constant=lambda _: None)
        return json.dumps(finite, indent=2 if indent else None).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    raise TypeError(f"{value!r} of type {type(value).__name__} cannot be written as JSON")


def write_new_image(path: Path, image: np.ndarray) -> None:
    """Write an image as PNG; raise FileExistsError if the file holds another image."""
    if not path.exists():
        write_files([(path, to_png(Image.fromarray(image)))])
    elif not np.array_equal(read_image(path), image):
        raise FileExistsError(f"{path} already holds another image; save to another folder")


def to_png(image: Image.Image, info: PngInfo | None = None) -> bytes:
    """Return an image, with optional text chunks, as the bytes of a PNG file."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


# ---- reading files ---------------------------------------------------------------------------------------------------


def read_text(path: Path) -> str:
    """Read a text file.

    It is read in UTF-8, or in UTF-16, UTF-32 or the encoding that XML declares. Text that is not in it is read in an older encoding in
    which its characters are usual ones, with a warning.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no text in any of these.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path} (looked in {Path.cwd()})")
    data = path.read_bytes()
    encoding = encoding_of(data)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        guess = guess_encoding(data) if encoding == UTF_8 else None
        if guess is None:
            raise ValueError(f"{path} is not UTF-8 text: {error}; save it in UTF-8, for example with an editor") from error
        message = f"{path} is not UTF-8 text and was read in the encoding {guess}; if its texts look wrong, save it in UTF-8"
        warnings.warn(message, UserWarning, stacklevel=5)
        return data.decode(guess)


def refuse_archive(path: Path) -> None:
    """Raise ValueError for a compressed file, which is to be unpacked first."""
    if not path.is_file() or path.suffix.lower() == ".npz":
        return
    with path.open("rb") as file:
        head = file.read(max(map(len, ARCHIVES)))
    kind = next((kind for start, kind in ARCHIVES.items() if head.startswith(start)), None)
    if kind is not None:
        raise ValueError(f"{path} is a {kind} file; unpack it, and give the file or folder in it")


def peek(path: Path) -> str:
    """Return the first and the last 64 KB of a text file; bytes that are no text are left out."""
    with path.open("rb") as file:
        first = file.read(PEEK_BYTES)
        file.seek(max(file.tell(), os.fstat(file.fileno()).st_size - PEEK_BYTES))
        return (first + file.read()).decode(encoding_of(first), errors="ignore")


def read_json(path: Path, limits: Limits = DEFAULT_LIMITS) -> Any:
    """Read a JSON file.

    Args:
        path: The file.
        limits: The sizes that are accepted.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not JSON, too large, or nested too deeply.
    """
    text = read_text(path)
    limits.check("max_file_bytes", len(text), str(path))
    try:
        return parse_json(text)
    except RecursionError as error:
        raise ValueError(f"{path} is nested too deeply for JSON data") from error
    except ValueError as error:  # Also for a number of more than 4,300 digits.
        raise ValueError(f"{path} is not JSON: {error}") from error


def parse_json(text: str) -> Any:
    """Return the value of a text that `json.loads` reads, in less time."""
    with suppress(ValueError):
        data = text.encode()
        if b"0" * MIN_LARGE_DIGITS not in data.translate(DIGITS_TO_ZERO):  # orjson turns whole numbers of more than 64 bits into floats.
            return orjson.loads(data)
    try:
        return json.loads(text)  # It reads NaN and escapes that UTF-8 does not have, and its errors name the problem.
    except json.JSONDecodeError as error:
        comma = TRAILING_COMMA.match(text, text.rfind(",", 0, error.pos + 1))
        if comma is None or error.pos not in (comma.start(), comma.end() - 1):
            raise
        raise json.JSONDecodeError("there is a comma before a closing bracket; remove it", text, comma.start()) from error


def json_keys(text: str) -> set[str] | None:
    """Return the keys of a JSON object; None for any other text, and for one with NaN or infinite numbers."""
    try:
        content = orjson.loads(text)
    except ValueError:
        return None
    return set(content) if isinstance(content, dict) else None


# ---- finding files ---------------------------------------------------------------------------------------------------


def files_by_stem(folder: Path, suffixes: set[str], hint: str, report: Callable[[Path, str], None] | None = None) -> dict[str, Path]:
    """Return the files of a folder with these suffixes by stem, sorted.

    Args:
        folder: The folder.
        suffixes: Lower-case suffixes with their dots.
        hint: The expected content, for the error message.
        report: Receives each further file of a stem and the problem; None to raise an error instead.

    Raises:
        FileNotFoundError: If there is no folder or no such file.
        ValueError: If a stem occurs twice and there is no `report`.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}; {hint}")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir(), key=by_stem):
        if path.suffix.lower() not in suffixes or path.name.startswith("."):
            continue
        if path.stem in found and report is not None:
            report(path, f"{found[path.stem].name} has the same stem and is used instead")
            continue
        if path.stem in found:
            raise ValueError(f"{folder} holds both {found[path.stem].name} and {path.name}; a stem may occur only once")
        found[path.stem] = path
    if not found:
        raise FileNotFoundError(f"{folder} is empty; it needs files ending in {', '.join(sorted(suffixes))}")
    return found


def input_files(path: Path, suffix: str) -> list[Path]:
    """Return the file `path`, or the sorted files with `suffix` in the folder `path`, or else in its subfolders."""
    if path.is_file():
        return [path]
    for files in (path.glob("*"), path.rglob("*")) if path.is_dir() else ():
        found = [file for file in files if file.suffix.lower() == suffix and not file.name.startswith(".") and file.is_file()]
        if found:
            return sorted(found, key=by_stem)
    raise FileNotFoundError(f"there is no file {path}, nor a folder of that name with {suffix} files in it (looked in {Path.cwd()})")


def relative_name(image: Path, folder: Path) -> str:
    """Return an image's path relative to `folder`, or absolute if on another drive."""
    try:
        return Path(os.path.relpath(image.absolute(), folder.absolute())).as_posix()
    except ValueError:
        return image.absolute().as_posix()


def by_stem(path: Path) -> tuple[Path, str, str]:
    """Return a sort key that puts `a.png` before `a-2.png`."""
    return path.parent, path.stem, path.suffix
