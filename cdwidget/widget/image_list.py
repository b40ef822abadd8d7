"""The images a widget walks through: each is opened when it is shown first, and what was done to it is kept."""

from __future__ import annotations

import os
from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator, Sequence, Union
from warnings import warn

import numpy as np
from PIL import Image

from cdwidget.formats.io import Lazy, to_png, write_files
from cdwidget.items import ImageSource, Instance, Item, read_image
from cdwidget.masks import Patch
from cdwidget.predictor import Predictor
from cdwidget.session import Session
from cdwidget.session.autosave import FileJournal, can_write, journal_path
from cdwidget.session.pixels import Pixels

Source = Union[ImageSource, Item, Session]
Autosave = Union[bool, str, "os.PathLike[str]"]
OPEN_SESSIONS = 8  # with their pixels and undo history; of the others the instances are kept, packed, and what their journals know
SAVED = "Saved after every change"


@dataclass(frozen=True)
class _Closed:
    """What is left of a session that was put away: the image's size, its instances (id, label, pixels), and what its journal was like."""

    height: int
    width: int
    packed: list[tuple[int, str, Patch]]
    stamp: tuple[int, int] | None

    @classmethod
    def of(cls, session: Session, stamp: tuple[int, int] | None) -> _Closed:
        """Keep the instances of a session that have pixels."""
        packed = [(entry.id, entry.label, session.packed(entry.id)) for entry in session.state.entries]
        return cls(session.height, session.width, [one for one in packed if one[2].any()], stamp)

    @property
    def instances(self) -> Sequence[Instance]:
        """The instances, unpacked when they are asked for: the items of a long list stay small."""
        return Lazy(len(self.packed), partial(_unpacked, self))


def _unpacked(closed: _Closed, indices: Iterable[int]) -> Iterator[Instance]:
    for index in indices:
        id, label, patch = closed.packed[index]
        pixels = Pixels.of(patch).crop((0, 0, closed.width, closed.height))
        yield Instance(pixels.mask, label, id, pixels.alpha)


def _retired(session: Session) -> bool:
    """Say whether the image was opened again elsewhere in this process: what is known of it here may be old."""
    return isinstance(session.journal, FileJournal) and session.journal.retired


class Album:
    """A list of images, one of them open.

    sources: paths, PIL images, arrays, items or sessions. predictor: for the sessions that are opened here. given: options of the first
    one, mask= and instances=. autosave: whether the sessions of files keep journals, or the path of the journal of the only image.
    on_notice: called when there is something new to know about the open image, from any thread, which may hold another widget's
    locks: it waits for nobody.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        predictor: Predictor,
        given: dict[str, Any],
        autosave: Autosave,
        on_notice: Callable[[], None] = lambda: None,
    ) -> None:
        if not sources:
            raise ValueError("the list of images is empty; give at least one path, array, PIL image, Item or Session")
        if len(sources) > 1 and given:
            raise ValueError(
                f"{' and '.join(given)} would be of one image, and there are {len(sources)}; give Item(path, instances) for each"
            )
        if not isinstance(autosave, (bool, str, os.PathLike)):
            raise TypeError(f"autosave is {autosave!r}; allowed are True, False and the path of a file")
        if len(sources) > 1 and not isinstance(autosave, bool):
            raise ValueError(
                f"autosave is one file, {str(autosave)!r}, and there are {len(sources)} images; True keeps a file beside each image"
            )
        if given and isinstance(sources[0], (Session, Item)):
            raise ValueError(f"{' and '.join(given)} cannot be given beside a {type(sources[0]).__name__}, which brings its own")
        if isinstance(sources[0], Session) and not isinstance(autosave, bool):
            raise ValueError("a Session brings its own journal; leave autosave out, and call FileJournal(path).resume(session) beforehand")
        self._sources = list(sources)
        self._open: OrderedDict[int, Session] = OrderedDict()
        self._closed: dict[int, _Closed] = {}
        self._predictor = predictor
        self._given = given
        self._autosave = autosave
        self._on_notice = on_notice
        self.index = 0
        self.session = self._session(0)

    def __len__(self) -> int:
        return len(self._sources)

    @property
    def predictor(self) -> Predictor | None:
        """What answers the clicks on the open image; None where a Session was given, which brings its own."""
        return None if isinstance(self._sources[self.index], Session) else self._predictor

    @property
    def name(self) -> str:
        """What the open image is called: its file's name, or "" for an image that is no file."""
        path = self._path(self.index)
        return path.name if path else ""

    @property
    def notice(self) -> str:
        """What there is to know about how the open image is saved; "" for one that is no file."""
        journal = self.session.journal
        if isinstance(journal, FileJournal):
            return journal.notice or SAVED
        if self._path(self.index) is None or journal is not None:
            return ""
        path = self._journal_path(self.index)
        if path is None:
            return "Not saved: autosave is off"
        return f"Not saved: {path.parent} cannot be written to; give autosave='a file elsewhere.jsonl'"

    def go(self, step: int) -> list[str]:
        """Open the next (1) or previous (-1) image that can be read; return what was wrong with those passed over.

        Raises ValueError when there is none in that direction; then the open image stays.
        """
        wrong: list[str] = []
        index = self.index + step
        while 0 <= index < len(self):
            try:
                self.session = self._session(index)
            except (OSError, ValueError) as error:
                path = self._path(index)
                named = path is None or path.name in str(error)
                wrong.append(str(error) if named else f"{path}: {error}")
                index += step
                continue
            self.index = index
            return wrong
        raise ValueError("; ".join([*wrong, f"this is the {'last' if step > 0 else 'first'} image that can be opened"]))

    def items(self, named: bool = False, pictures: Path | None = None) -> list[Item]:
        """Return the images that have been opened or labelled, here or earlier, and all items, in the order of the list.

        named: also images that are no files, as image-1.png and so on. pictures: a folder to write those to.
        """
        found = []
        for index in range(len(self)):
            path = self._path(index)
            instances = self._instances(index) if path or named else None
            if instances is not None:
                found.append(Item(path or self._name(index, pictures), instances))
        return found

    def _instances(self, index: int) -> Sequence[Instance] | None:
        """The instances of an image, whether or not it is open; None for one that nobody has looked at."""
        source = self._sources[index]
        if index in self._open and not _retired(self._open[index]):
            return self._open[index].instances
        if isinstance(source, Session):
            return source.instances
        stamp = self._stamp(index)
        if stamp and (index not in self._closed or self._closed[index].stamp != stamp):
            try:
                self._closed[index] = _Closed.of(self._opened(index, look=True), stamp)
            except (OSError, ValueError) as error:
                warn(f"what was done to {self._path(index)} cannot be read, and is not among the items: {error}", stacklevel=4)
        if index in self._closed:
            return self._closed[index].instances
        return source.instances if isinstance(source, Item) else None

    def _name(self, index: int, pictures: Path | None) -> Path:
        path = (pictures or Path()) / f"image-{index + 1}.png"
        if pictures is not None:
            source: Any = self._sources[index]
            pixels = source.image if isinstance(source, Session) else read_image(source)
            if not path.exists():
                write_files([(path, to_png(Image.fromarray(pixels)))])
            elif not np.array_equal(read_image(path), pixels):
                raise FileExistsError(f"{path} is another image than that of the annotator; save to another folder")
        return path

    def close(self) -> None:
        """Let others write to the journals; the sessions stay."""
        for session in self._open.values():
            if isinstance(session.journal, FileJournal):
                session.journal.close()

    def _path(self, index: int) -> Path | None:
        source = self._sources[index]
        if isinstance(source, Item):
            return Path(source.path)
        return Path(source) if isinstance(source, (str, os.PathLike)) else None

    def _session(self, index: int) -> Session:
        if index not in self._open or _retired(self._open[index]):
            self._open[index] = self._opened(index)
            self._closed.pop(index, None)
        self._open.move_to_end(index)
        if len(self._open) > OPEN_SESSIONS:
            self._put_away(*self._open.popitem(last=False))
        return self._open[index]

    def _put_away(self, index: int, session: Session) -> None:
        if isinstance(session.journal, FileJournal):
            session.journal.close()
        self._closed[index] = _Closed.of(session, self._stamp(index))

    def _opened(self, index: int, look: bool = False) -> Session:
        """Open an image where it was left; to have a look only, nothing that is done to it is saved."""
        source: Any = self._sources[index]
        if isinstance(source, Session):
            return source
        path, stamp = self._journal_path(index), self._stamp(index)
        saves = not look and path is not None and (not isinstance(self._autosave, bool) or can_write(path))
        closed = None if look else self._closed.get(index)
        if closed and (not saves or (closed.stamp and not stamp)):  # what was done is in no journal
            given: dict[str, Any] = {"instances": closed.instances}
        else:
            given = {"instances": source.instances} if isinstance(source, Item) else self._given
        session = Session(source.path if isinstance(source, Item) else source, self._predictor, **given)
        if path is not None and saves:
            journal = FileJournal(path)
            journal.resume(session)
            journal.on_notice = self._on_notice
        elif path is not None and stamp and not closed and not os.access(path, os.R_OK):
            warn(f"{path} holds what was done to this image, and you may not read it", stacklevel=5)
        elif path is not None and stamp and not closed:
            journal = FileJournal(path)
            journal.restore(session)
            if journal.notice:
                warn(journal.notice, stacklevel=5)
        return session

    def _journal_path(self, index: int) -> Path | None:
        """Where the journal of an image is, or would be; None when it has none."""
        if not isinstance(self._autosave, bool):
            return Path(self._autosave).expanduser()
        path = self._path(index)
        return journal_path(path) if self._autosave and path is not None else None

    def _stamp(self, index: int) -> tuple[int, int] | None:
        """What tells whether the journal of an image has changed; None when there is none."""
        path = self._journal_path(index)
        try:
            found = path and path.stat()
        except OSError:
            return None
        return (found.st_mtime_ns, found.st_size) if found else None
