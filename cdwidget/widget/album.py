"""The images a widget walks through: each is opened when it is shown first, and what was done to it is kept."""

from __future__ import annotations

import os
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Sequence, Union

import numpy as np
from PIL import Image

from cdwidget.items import ImageSource, Instance, Item, read_image
from cdwidget.masks import Patch, pack, unpack
from cdwidget.predictor import Predictor
from cdwidget.session import Session
from cdwidget.session.journal import FileJournal, can_write, journal_path

Source = Union[ImageSource, Item, Session]
Autosave = Union[bool, str, "os.PathLike[str]"]
OPEN_SESSIONS = 8  # with their pixels and undo history; of the others the instances are kept, packed, and what their journals know
SAVED = "Saved after every change"


@dataclass(frozen=True)
class _Packed:
    """An instance of a session that was put away."""

    id: int | None
    label: str
    mask: Patch
    alpha: bytes | None

    @classmethod
    def of(cls, instance: Instance) -> _Packed:
        """Pack an instance."""
        return cls(instance.id, instance.label, Patch.of(instance.mask), None if instance.alpha is None else pack(instance.alpha))

    def instance(self, height: int, width: int) -> Instance:
        """Unpack it; height and width are the image's."""
        mask = np.zeros((height, width), dtype=bool)
        self.mask.paste(mask)
        return Instance(mask, self.label, self.id, None if self.alpha is None else unpack(self.alpha, height, width))


@dataclass(frozen=True)
class _Closed:
    """What is left of a session that was put away: its instances, and the image's size."""

    height: int
    width: int
    packed: list[_Packed]

    @property
    def instances(self) -> list[Instance]:
        """The instances, unpacked."""
        return [one.instance(self.height, self.width) for one in self.packed]


class Album:
    """A list of images, one of them open.

    sources: paths, PIL images, arrays, items or sessions. predictor: for the sessions that are opened here. given: options of the first
    one, mask= and instances=. autosave: whether the sessions of files keep journals, or the path of the journal of the only image.
    on_notice: called when there is something new to know about the open image, from any thread.
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
        path = None if isinstance(self._sources[self.index], Session) else self._path(self.index)
        if path is None or journal is not None:
            return ""
        if self._autosave is False:
            return "Not saved: autosave is off"
        return f"Not saved: {journal_path(path).parent} cannot be written to; give autosave='a file elsewhere.jsonl'"

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
                wrong.append(str(error))
                index += step
                continue
            self.index = index
            return wrong
        raise ValueError("; ".join([*wrong, f"this is the {'last' if step > 0 else 'first'} image that can be opened"]))

    def items(self, named: bool = False, pictures: Path | None = None) -> list[Item]:
        """Return the files opened so far, in the order of the list, with their instances.

        named: also images that are no files, as image-1.png and so on. pictures: a folder to write those to.
        """
        found = []
        for index in sorted({*self._open, *self._closed}):
            path = self._path(index)
            if path is None and named:
                path = self._name(index, pictures)
            if path is not None:
                found.append(Item(path, (self._open.get(index) or self._closed[index]).instances))
        return found

    def _name(self, index: int, pictures: Path | None) -> Path:
        path = (pictures or Path()) / f"image-{index + 1}.png"
        if pictures is not None:
            source: Any = self._sources[index]
            pictures.mkdir(parents=True, exist_ok=True)
            Image.fromarray(source.image if isinstance(source, Session) else read_image(source)).save(path)
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
        if index not in self._open:
            self._open[index] = self._opened(index)
            self._closed.pop(index, None)
        self._open.move_to_end(index)
        if len(self._open) > OPEN_SESSIONS:
            self._put_away(*self._open.popitem(last=False))
        return self._open[index]

    def _put_away(self, index: int, session: Session) -> None:
        if isinstance(session.journal, FileJournal):
            session.journal.close()
        self._closed[index] = _Closed(session.height, session.width, [_Packed.of(instance) for instance in session.instances])

    def _opened(self, index: int) -> Session:
        source: Any = self._sources[index]
        if isinstance(source, Session):
            return source
        journal = self._journal(index)
        given: dict[str, Any] = self._given
        if journal is None and index in self._closed:
            given = {"instances": self._closed[index].instances}
        elif isinstance(source, Item):
            given = {"instances": source.instances}
        session = Session(source.path if isinstance(source, Item) else source, self._predictor, **given)
        if journal is not None:
            journal.resume(session)
            journal.on_notice = self._on_notice
        return session

    def _journal(self, index: int) -> FileJournal | None:
        if not isinstance(self._autosave, bool):
            return FileJournal(self._autosave)
        path = self._path(index)
        if not self._autosave or path is None or not can_write(journal_path(path)):
            return None
        return FileJournal(journal_path(path))
