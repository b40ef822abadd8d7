"""Images of a list that were closed to save memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from cdwidget.formats.instances import LazyInstances
from cdwidget.items import Instance
from cdwidget.masks import Patch
from cdwidget.session import Session
from cdwidget.session.document import Entry, Pixels

Version = tuple[int, int]  # Modification time in nanoseconds and size in bytes of a journal file.


@dataclass(frozen=True)
class ClosedImage:
    """The packed instances of a session that was closed to save memory.

    Args:
        height: Rows of the image.
        width: Columns of the image.
        packed: The entry and the pixels of each instance that has pixels.
        journal: Version of the journal file when the session was closed; None if there was none.
    """

    height: int
    width: int
    packed: list[tuple[Entry, Patch]]
    journal: Version | None

    @classmethod
    def of(cls, session: Session, journal: Version | None) -> ClosedImage:
        """Pack the instances of a session."""
        packed = [(entry, session.patch(entry.id)) for entry in session.state.entries]
        return cls(session.height, session.width, [one for one in packed if one[1].any()], journal)

    @property
    def instances(self) -> Sequence[Instance]:
        """The instances, unpacked on access so that a long list of images stays small."""
        return LazyInstances(len(self.packed), partial(_unpack, self))

    def confirmed(self) -> ClosedImage:
        """Return the image with its confirmed instances only."""
        return replace(self, packed=[one for one in self.packed if one[0].confirmed])


def _unpack(closed: ClosedImage, indices: Iterable[int]) -> Iterator[Instance]:
    for index in indices:
        entry, patch = closed.packed[index]
        yield entry.instance(Pixels.of(patch), (0, 0, closed.width, closed.height))
