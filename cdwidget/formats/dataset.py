"""Data sets as readers return them: items, classes, and the problems of entries that could not be read.

A reader never gives up a data set because of one entry: it reports the entry to a `Problems` collector and continues. Only a file without
which nothing can be read raises.
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterable, Iterator, Mapping, Sequence, overload

from cdwidget.items import Item
from cdwidget.limits import DEFAULT_LIMITS, Limits

MAX_KEPT_PROBLEMS = 10_000
MAX_SHOWN_PROBLEMS = 3


@dataclass(frozen=True)
class ReadProblem:
    """One entry of a data set that was left out, or not read as it is.

    Attributes:
        file: The file with the entry.
        image: The image's name in the file; "" if the entry belongs to no image.
        annotation: The annotation's id, position or line, as text; "" for a whole image or file.
        message: What is wrong. The entry was left out, unless the message says what was done instead.
        advice: What to do; "" for nothing.
    """

    file: str
    image: str
    annotation: str
    message: str
    advice: str = ""

    def __str__(self) -> str:
        names = [self.file, self.image and f"image {self.image}", self.annotation and f"annotation {self.annotation}"]
        return f"{', '.join(name for name in names if name)}: {self.message}{self.advice and f'; {self.advice}'}"


class ReadError(ValueError):
    """An entry of a data set that cannot be read.

    Attributes:
        problem: The entry, and what is wrong with it.
    """

    def __init__(self, problem: ReadProblem) -> None:
        super().__init__(str(problem))
        self.problem = problem

    def __reduce__(self) -> Any:
        return ReadError, (self.problem,)


@contextmanager
def naming(file: str | Path, image: object = "", annotation: object = "", advice: str = "") -> Iterator[None]:
    """Turn any error of the block into a `ReadError` that names the entry.

    Args:
        file: The file with the entry.
        image: The image's name in the file.
        annotation: The annotation's id, position or line.
        advice: What to do.

    Raises:
        ReadError: If the block raises; one that names its entry already stays as it is.
    """
    try:
        yield
    except ReadError:
        raise
    except Exception as error:  # JSON, NumPy, Pillow and pycocotools raise errors of many types.
        raise ReadError(ReadProblem(str(file), str(image), str(annotation), _message(error, str(file)), advice)) from error


def _message(error: Exception, file: str) -> str:
    """Return an error's text without the file's name in front; errors of unusual types keep the type."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, MemoryError):
        return "it needs more memory than there is"
    text = str(error).removeprefix(f"{file}: ") or type(error).__name__
    return text if isinstance(error, (ValueError, FileNotFoundError)) else f"{type(error).__name__}: {text}"


class Problems(Sequence[ReadProblem]):
    """The problems of reading one data set; all are counted, the first 10,000 are kept.

    Attributes:
        strict: Whether the first problem raises.
        limits: The sizes that readers accept.
        stored_pixels: Whether annotations count the pixels of images as stored, before the EXIF orientation is applied; None if the sizes
            in the files decide.
        palette: The labels of class maps, as for `cdwidget.read`; None if they have no palette.
        total: Number of problems, with those that are not kept.
    """

    def __init__(
        self, *, strict: bool = False, limits: Limits = DEFAULT_LIMITS, stored_pixels: bool | None = None, palette: Any = None
    ) -> None:
        self.strict = strict
        self.limits = limits
        self.stored_pixels = stored_pixels
        self.palette = palette
        self.total = 0
        self._kept: list[ReadProblem] = []

    def add(self, message: str, *, file: str | Path, image: object = "", annotation: object = "", advice: str = "") -> None:
        """Report an entry.

        Args:
            message: What is wrong. The entry was left out, unless the message says what was done instead.
            file: The file with the entry.
            image: The image's name in the file.
            annotation: The annotation's id, position or line.
            advice: What to do.

        Raises:
            ReadError: If `strict`.
        """
        self.report(ReadProblem(str(file), str(image), str(annotation), message, advice))

    def add_file(self, file: Path, message: str) -> None:
        """Report a whole file; raise ReadError if `strict`."""
        self.add(message, file=file)

    def note(self, message: str, *, file: str | Path, image: object = "") -> None:
        """Report an image that was read, but perhaps not as it was meant; `strict` does not raise."""
        self._keep(ReadProblem(str(file), str(image), "", message))

    def report(self, problem: ReadProblem) -> None:
        """Report a problem; raise ReadError if `strict`."""
        if self.strict:
            raise ReadError(problem)
        self._keep(problem)

    def _keep(self, problem: ReadProblem) -> None:
        self.total += 1
        if len(self._kept) < MAX_KEPT_PROBLEMS:
            self._kept.append(problem)

    def extend(self, others: Problems) -> None:
        """Add the problems of another collector; its total counts those that it has not kept."""
        self.total += others.total
        self._kept += others[: MAX_KEPT_PROBLEMS - len(self._kept)]

    @contextmanager
    def skipping(self, file: str | Path, image: object = "", annotation: object = "", advice: str = "") -> Iterator[None]:
        """Report any error of the block as a problem of this entry, and continue after the block.

        Args:
            file: The file with the entry.
            image: The image's name in the file.
            annotation: The annotation's id, position or line.
            advice: What to do.

        Raises:
            ReadError: If `strict` and the block raises.
        """
        try:
            with naming(file, image, annotation, advice):
                yield
        except ReadError as error:
            if self.strict:
                raise
            self.report(error.problem)

    def warn(self, stacklevel: int) -> None:
        """Show the first problems as one warning, if there are any."""
        if self.total:
            warnings.warn(f"{self}; `.problems` lists them", UserWarning, stacklevel + 1)

    def __len__(self) -> int:
        return len(self._kept)

    @overload
    def __getitem__(self, index: int) -> ReadProblem: ...
    @overload
    def __getitem__(self, index: slice) -> list[ReadProblem]: ...
    def __getitem__(self, index: int | slice) -> ReadProblem | list[ReadProblem]:
        return self._kept[index]

    def __str__(self) -> str:
        counted = "1 problem" if self.total == 1 else f"{self.total:,} problems"
        shown = "; ".join(map(str, self._kept[:MAX_SHOWN_PROBLEMS]))
        more = f"; and {self.total - MAX_SHOWN_PROBLEMS:,} more" if self.total > MAX_SHOWN_PROBLEMS else ""
        return f"{counted}{shown and f': {shown}'}{more}"

    def __repr__(self) -> str:
        return f"<{self}>"


class Dataset(list[Item]):
    """The items of a data set, with its classes and the problems of reading it.

    Attributes:
        classes: The number of each class in the file, also of classes without an instance; empty if the format has no numbers.
        extra: Fields of the whole data set that cdwidget does not use, as one JSON object per format; `write` of that format writes them
            back.
        problems: The entries that could not be read as they are. Masks are decoded on access, and broken ones are added then.
        format: The format it was read from.
        path: The absolute path that it was read from.

    Example:
        >>> dataset = cdwidget.read("coco", "annotations.json")  # doctest: +SKIP
        >>> dataset  # doctest: +SKIP
        <Dataset coco: 1200 items, 80 classes, 0 problems>
    """

    def __init__(
        self, items: Iterable[Item] = (), classes: Mapping[str, int] | None = None, extra: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(items)
        self.classes: dict[str, int] = dict(classes or {})
        self.extra: dict[str, Any] = dict(extra or {})
        self.problems = Problems()
        self.format = ""
        self.path = ""

    def __repr__(self) -> str:
        return f"<Dataset {self.format}: {len(self)} items, {len(self.classes)} classes, {self.problems.total} problems>"
