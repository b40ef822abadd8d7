"""The list of images that an Annotator shows one after another.

Each image is opened when it is first shown, and its edits are kept.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator, Mapping, Sequence, Union
from warnings import warn

import numpy as np
from PIL import Image

from cdwidget.formats.io import write_new_image
from cdwidget.images import ImageSource, Window, read_image
from cdwidget.images.remote import is_url
from cdwidget.items import Instance, Item
from cdwidget.predictor import Predictor
from cdwidget.session import Entry, Session
from cdwidget.session.autosave import FileJournal
from cdwidget.session.files import can_write
from cdwidget.widget.annotator.closed_image import ClosedImage
from cdwidget.widget.annotator.image_reader import ImageReader
from cdwidget.widget.annotator.journal_paths import Autosave, JournalPaths

Source = Union[ImageSource, Item, Session]
MAX_OPEN_SESSIONS = 8  # Sessions with pixels and undo history; closed ones keep packed instances and their journal.
JPEG_SUFFIXES = (".jpg", ".jpeg")
SAVED_NOTICE = "Saved after every change"


def _is_retired(session: Session) -> bool:
    """Return whether another session of this process has taken over the journal."""
    return isinstance(session.journal, FileJournal) and session.journal.retired


class ImageList:
    """A list of images with one open image.

    Args:
        sources: Images as `list_images` returns them, items or sessions.
        predictor: The predictor of the sessions that are opened here.
        options: `mask=` and `instances=` of the first session.
        autosave: Whether sessions of image files keep a journal; or the folder of the journals of all images; or the file of the journal
            of the only image.
        index: Position of the image to open first; None for the first one without objects.
        reading: `window=` and `bands=` of `read_image` for all images.

    Attributes:
        reader: Reads the images.
        index: Position of the open image, from 0.
        session: The session of the open image.
        on_notice: Called when `notice` has changed, from any thread, which may hold the locks of another widget; must not wait.

    Raises:
        ValueError: If the list is empty, or an option does not fit it.
        TypeError: If `autosave` is neither a bool nor a path.
    """

    def __init__(
        self, sources: Sequence[Source], predictor: Predictor, options: dict[str, Any], autosave: Autosave, index: int | None = 0,
        reading: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        if not sources:
            raise ValueError("the list of images is empty; give at least one path, array, PIL image, Item or Session")
        if len(sources) > 1 and options:
            names = " and ".join(f"{name}=" for name in options)
            raise ValueError(f"{names} works for a single image; got {len(sources)}. Give Item(path, instances) for each.")
        if options and isinstance(sources[0], (Session, Item)):
            raise ValueError(f"{' and '.join(options)} cannot be given with a {type(sources[0]).__name__}, which brings its own")
        self._sources = list(sources)
        self._journals = JournalPaths([self._path(index) for index in range(len(sources))], autosave)
        if isinstance(sources[0], Session) and self._journals.are_given:
            raise ValueError("a Session brings its own journal; leave autosave out, and call FileJournal(path).resume(session) beforehand")
        self.reader = ImageReader(self._sources, self._journals, reading or {})
        self._open: OrderedDict[int, Session] = OrderedDict()
        self._closed: dict[int, ClosedImage] = {}
        self._track_ids: set[int | None] = set()  # All that were found so far; empty before the first search.
        self._predictor = predictor
        self._options = options
        self._autosave = autosave
        self.on_notice: Callable[[], None] = lambda: None
        self.index = self._first_unlabeled() if index is None else self._checked(index)
        self.session = self._session(self.index)

    def __len__(self) -> int:
        return len(self._sources)

    @property
    def predictor(self) -> Predictor | None:
        """The predictor of the open image; None if it was given as a Session."""
        return None if isinstance(self._sources[self.index], Session) else self._predictor

    def shown_item(self) -> Item:
        """Return the shown image with its confirmed objects, as its file if it is one."""
        path = self._path(self.index)
        image: Any = self.session.image if path is None or self.reader.options(self.index) else path
        return Item(image, ClosedImage.of(self.session, None).confirmed().instances)

    @property
    def name(self) -> str:
        """The file name of the open image; "" if it is not a file."""
        return self.name_of(self.index)

    def name_of(self, index: int) -> str:
        """Return the file name of an image; "" if it is not a file."""
        path = self._path(index)
        return path.name if path else ""

    def read(self, index: int, side: int) -> np.ndarray:
        """Return an image, uint8 (H, W, 3), reduced while decoding if that is faster.

        Args:
            index: Its position.
            side: Pixels that the longer side needs.

        Raises:
            ValueError: If it cannot be decoded.
            OSError: If it cannot be read.
        """
        path = self._path(self._checked(index))
        if path is None or path.suffix.lower() not in JPEG_SUFFIXES or self.reader.options(index):
            return self.pixels(index)
        with Image.open(path) as file:
            file.draft(None, (side, side))
            return read_image(file)

    @property
    def notice(self) -> str:
        """The save status of the open image, for the user; "" for a session, which its owner saves."""
        journal = self.session.journal
        if isinstance(journal, FileJournal):
            return journal.notice or SAVED_NOTICE
        if journal is not None or isinstance(self._sources[self.index], Session):
            return ""
        path = self._journals[self.index]
        if path is not None:
            return f"Not saved: {path.parent} cannot be written to; give autosave='another folder/'"
        if self._autosave:
            return "Not saved, as this image is not a file: call save(), or give autosave='a folder/'"
        return "Not saved: autosave is off"

    @property
    def is_in_use(self) -> bool:
        """Whether the open image is being edited elsewhere, so that it is read-only here until `take_over`."""
        journal = self.session.journal
        return isinstance(journal, FileJournal) and journal.is_in_use and not isinstance(self._sources[self.index], Session)

    def take_over(self) -> None:
        """Open the open image again, as it was saved last, and refuse later changes elsewhere.

        Raises:
            ValueError: If it is not being edited elsewhere.
            OSError: If its journal cannot be taken over.
        """
        if not self.is_in_use:
            raise ValueError("This image is not being edited elsewhere, so there is nothing to take over.")
        self.session = self._open[self.index] = self._open_session(self.index, force=True)

    def set_window(self, window: Window | None) -> None:
        """Read the open image through another window, now and when it is opened again; its edits stay.

        Args:
            window: The window; None for the one of the list, or the automatic one.

        Raises:
            ValueError: If the image was given as a Session, or is being edited elsewhere.
            OSError: If the window cannot be saved.
        """
        if isinstance(self._sources[self.index], Session) or self.is_in_use:
            raise ValueError("The window of this image cannot be changed here, because it is a Session or is being edited elsewhere.")
        before = self.session
        self.reader.set_window(self.index, window)
        if isinstance(before.journal, FileJournal):
            before.journal.close()
        self.session = self._open[self.index] = self._open_session(self.index)
        if self.session.journal is None:
            self.session._start_from(before._initial, before._version)

    def go(self, step: int) -> list[str]:
        """Open the next (1) or previous (-1) readable image; return the problems of skipped ones.

        Raises:
            ValueError: If there is no such image; then the open one stays.
        """
        last = len(self) if step > 0 else -1
        return self._open_first(range(self.index + step, last, step), f"this is the {'last' if step > 0 else 'first'} image")

    def goto(self, index: int | None) -> list[str]:
        """Open any image; return the problems of skipped ones.

        Args:
            index: Its position, from 0; None for the next readable image without objects, also from the start of the list.

        Raises:
            ValueError: If there is no such image, or it cannot be decoded; then the open one stays.
            OSError: If it cannot be read.
        """
        if index is None:
            others = (*range(self.index + 1, len(self)), *range(self.index))
            return self._open_first((one for one in others if not self.is_labeled(one)), "all other images have objects")
        self.session = self._session(self._checked(index))
        self.index = index
        return []

    def items(self, include_arrays: bool = False, images: Path | None = None) -> list[Item]:
        """Return all given items and all images opened or labeled, in the order of the list, with their confirmed objects.

        Args:
            include_arrays: Also return images that are not files, named image-1.png and so on.
            images: Folder to which the images are written.

        Returns:
            The items with their instances.
        """
        items = []
        for index in range(len(self)):
            path = self._path(index)
            instances = self._instances(index) if path or include_arrays else None
            if instances is not None:
                item = Item(path, instances) if path else self._array_item(index, instances, images)
                items.append(item.with_window(self.reader.window(index)))
        return items

    def count_unlabeled(self) -> dict[str, int]:
        """Return the number of objects without a label of each image in `items` that has such objects, by file name."""
        counts: dict[str, int] = {}
        for index in range(len(self)):
            if count := sum(one.confirmed and not one.label for one in self._entries(index)):
                counts[(self._path(index) or self._array_path(index, None)).name] = count
        return counts

    def count_unconfirmed(self) -> int:
        """Return the number of followed objects that are not confirmed; they are not in `items`."""
        return sum(not one.confirmed for index in range(len(self)) for one in self._entries(index))

    def previous_session(self) -> Session:
        """Return the session of the image before the open one, open for edits.

        Raises:
            ValueError: If there is no such image, or it cannot be decoded.
            OSError: If it cannot be read.
        """
        if self.index == 0:
            raise ValueError("This is the first image.")
        return self._session(self.index - 1)

    def track_ids(self) -> set[int]:
        """Return the track_ids that objects of any image have or had; the first call reads all images with saved edits."""
        if not self._track_ids:
            self._track_ids = {one.track_id for index in range(len(self)) for one in self._entries(index)}
        self._track_ids.update(entry.track_id for session in self._open.values() for entry in session.state.entries)
        return {track_id for track_id in self._track_ids if track_id is not None}

    def pixels(self, index: int) -> np.ndarray:
        """Return the pixels of an image, uint8 (H, W, 3); raise OSError or ValueError if it cannot be read."""
        source: Any = self._sources[index]
        session = source if isinstance(source, Session) else self._open.get(index)
        if session is not None:
            return session.image
        return self.reader.read(index)

    def masks_of_class(self, label: str) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the position of its image and the mask, bool (H, W), of each confirmed object of a class; near images come first."""
        for index in sorted(range(len(self)), key=lambda index: abs(index - self.index)):
            if any(one.label == label for one in self._entries(index)):
                for instance in self._instances(index) or ():
                    if instance.label == label and instance.mask.any():
                        yield index, instance.mask

    def close(self) -> None:
        """Close the journals, so that others may write to them; the sessions stay."""
        for session in self._open.values():
            if isinstance(session.journal, FileJournal):
                session.journal.close()

    def _instances(self, index: int) -> Sequence[Instance] | None:
        """Return the confirmed instances of an image; None if it was never opened and is not an item."""
        source, edited = self._sources[index], self._edited(index)
        if edited:
            return edited.confirmed().instances
        return source.instances if isinstance(source, Item) else None

    def _entries(self, index: int) -> Sequence[Entry | Instance]:
        """Return all instances of an image, without unpacking their masks if it was opened."""
        source, edited = self._sources[index], self._edited(index)
        if edited:
            return [entry for entry, _ in edited.packed]
        return source.instances if isinstance(source, Item) else ()

    def _edited(self, index: int) -> ClosedImage | None:
        """Return the packed instances of an image; None if it was never opened."""
        source = self._sources[index]
        if index in self._open and not _is_retired(self._open[index]):
            return ClosedImage.of(self._open[index], None)
        if isinstance(source, Session):
            return ClosedImage.of(source, None)
        version = self._journals.version(index)
        if version and (index not in self._closed or self._closed[index].journal != version):
            try:
                self._closed[index] = ClosedImage.of(self._open_session(index, read_only=True), version)
            except (OSError, ValueError) as error:
                warn(f"the saved edits of {self._path(index)} cannot be read and are not among the items: {error}", stacklevel=4)
        return self._closed.get(index)

    def _open_first(self, indices: Iterable[int], message: str) -> list[str]:
        """Open the first readable one of some images; return the problems of the others, or raise ValueError with a message."""
        problems: list[str] = []
        for index in indices:
            try:
                self.session = self._session(index)
            except (OSError, ValueError) as error:
                path = self._path(index)
                is_named = path is None or path.name in str(error)
                problems.append(str(error) if is_named else f"{path}: {error}")
                continue
            self.index = index
            return problems
        raise ValueError("; ".join([*problems, f"{message} that can be opened" if problems else message]))

    def _checked(self, index: int) -> int:
        if not 0 <= index < len(self):
            raise ValueError(f"there is no image {index}; the positions of these images are 0 to {len(self) - 1}")
        return index

    def _first_unlabeled(self) -> int:
        return next((index for index in range(len(self)) if not self.is_labeled(index)), 0)

    def is_labeled(self, index: int) -> bool:
        """Return whether an image has confirmed objects; one that is not open has some if there is a journal, which is not read."""
        source = self._sources[index]
        session = source if isinstance(source, Session) else self._open.get(index)
        if session is not None and not _is_retired(session):
            return any(entry.confirmed and session.has_pixels(entry.id) for entry in session.state.entries)
        version, closed = self._journals.version(index), self._closed.get(index)
        if closed and (not version or closed.journal == version):
            return bool(closed.confirmed().packed)
        return bool(version) or (isinstance(source, Item) and len(source.instances) > 0)

    def _array_item(self, index: int, instances: Sequence[Instance], images: Path | None) -> Item:
        """Return an image that is not a file, with its size, which an item without a file and masks would lack."""
        height, width = self.pixels(index).shape[:2]
        return Item(self._array_path(index, images), instances, {"coco": {"height": height, "width": width}})

    def _array_path(self, index: int, images: Path | None) -> Path:
        """Return a name for an image that is not a file, and write it to `images`, if given."""
        path = (images or Path()) / f"image-{index + 1}.png"
        if images is not None:
            write_new_image(path, self.pixels(index))
        return path

    def _path(self, index: int) -> Path | None:
        source = self._sources[index]
        name = source.path if isinstance(source, Item) else source
        return Path(name) if isinstance(name, (str, os.PathLike)) and not is_url(os.fspath(name)) else None

    def _session(self, index: int) -> Session:
        if index not in self._open or _is_retired(self._open[index]):
            self._open[index] = self._open_session(index)
            self._closed.pop(index, None)
        self._open.move_to_end(index)
        if len(self._open) > MAX_OPEN_SESSIONS:
            self._close_session(*self._open.popitem(last=False))
        return self._open[index]

    def _close_session(self, index: int, session: Session) -> None:
        if isinstance(session.journal, FileJournal):
            session.journal.close()
        self._closed[index] = ClosedImage.of(session, self._journals.version(index))

    def _open_session(self, index: int, read_only: bool = False, force: bool = False) -> Session:
        """Open an image as it was left; read_only: without saving later edits; force: take it over from other processes."""
        source: Any = self._sources[index]
        if isinstance(source, Session):
            return source
        self.reader.load_window(index)
        path, version = self._journals[index], self._journals.version(index)
        is_saved = not read_only and path is not None and (self._journals.are_given or can_write(path))
        closed = None if read_only else self._closed.get(index)
        if closed and (not is_saved or (closed.journal and not version)):  # No journal holds the edits.
            options: dict[str, Any] = {"instances": closed.instances}
        else:
            options = {"instances": source.instances} if isinstance(source, Item) else self._options
        session = Session(self.reader.read(index), self._predictor, **options)
        if path is not None and is_saved:
            journal = FileJournal(path, self.reader.fingerprint(index))
            journal.resume(session, force=force)
            journal.on_notice = lambda: self.on_notice()
        elif path is not None and version and not closed and not os.access(path, os.R_OK):
            warn(f"{path} holds saved edits of this image, but you may not read it", stacklevel=5)
        elif path is not None and version and not closed:
            journal = FileJournal(path, self.reader.fingerprint(index))
            journal.restore(session)
            if journal.notice:
                warn(journal.notice, stacklevel=5)
        return session
