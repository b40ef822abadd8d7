"""The lines of a journal: how a session is written to them and restored from them.

A journal is JSON lines. The first one describes the image and holds the initial document, then each line is one step, {"kind": "apply" |
"undo" | "redo" | "snapshot", ...}. Each line has a number and ends with a checksum. A snapshot holds the whole document: restoring needs
the pixels of the steps after the last one only, and continues at the next one if lines are damaged. The steps before it are decoded when
they are undone.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

from cdwidget.masks import EMPTY_BBOX, EMPTY_PATCH, Bbox, Patch, join_bboxes
from cdwidget.prompts import Action
from cdwidget.session.actions import action_from_json
from cdwidget.session.block_map import BlockMap
from cdwidget.session.document import Change, Document, Pixels, State
from cdwidget.session.editor import History, Version
from cdwidget.session.journal_json import (
    change_to_json,
    decode_change,
    document_from_json,
    document_to_json,
    patches_from_json,
    state_from_json,
)
from cdwidget.session.serialization import actions_from_json, actions_to_json, read_log

JOURNAL_VERSION = 2  # Version 1 had neither numbers, checksums nor snapshots, and repeated all prompts of an instance in each line.
FIRST_BYTES = b'{"cdwidget_journal":'  # Earlier versions of cdwidget refuse a file that starts with this, and do not change it.
FIRST_BYTES_V1 = b'{"journal":'
CHECKSUM_START = b',"crc":"'
CHECKSUM_BYTES = len(CHECKSUM_START) + len(b'01234567"}\n')
SNAPSHOT_START = b'{"kind":"snapshot"'
UNDO_BYTES = 1024  # Approximate memory of a step without its pixels.


class DamagedLine(ValueError):
    """A line is not as it was written."""


@dataclass(frozen=True)
class SavedStep:
    """A change in a line of a journal, decoded when it is needed.

    Args:
        line: The line.
        old_state: The state before the change.
        new_state: The state after it.
        box: The whole image.
        progressive: Whether the prediction was merged progressively.
    """

    line: bytes = field(repr=False)
    old_state: State = field(repr=False)
    new_state: State = field(repr=False)
    box: Bbox
    progressive: bool

    @property
    def action(self) -> Action:
        """The action."""
        return action_from_json(_change_of(json.loads(self.line))["action"])

    @property
    def nbytes(self) -> int:
        """Approximate memory, in bytes."""
        return len(self.line) + UNDO_BYTES + self.new_state.by_id.edit_nbytes

    def load(self) -> Change:
        """Decode the change; raises ValueError if it is damaged."""
        return decode_change(_change_of(json.loads(self.line)), self.old_state, self.new_state, self.box)


class Position(NamedTuple):
    """A place in the file, at the end of a line.

    Args:
        end: Bytes up to it.
        number: Number of the next line.
        snapshot_end: Bytes up to the end of the newest snapshot, or of the first line.
        snapshot_bytes: Length of the newest snapshot or of the first line.
        state: The state of the session there; None for the one that was restored.
    """

    end: int = 0
    number: int = 0
    snapshot_end: int = 0
    snapshot_bytes: int = 0
    state: State | None = None

    @classmethod
    def after(cls, lines: Sequence[bytes], number: int) -> Position:
        """Return the end of a file that holds these lines; `number` is the one of the next line."""
        end = snapshot_end = snapshot_bytes = 0
        for line in lines:
            end += len(line)
            if not snapshot_end or line.startswith(SNAPSHOT_START):
                snapshot_end, snapshot_bytes = end, len(line)
        return cls(end, number, snapshot_end, snapshot_bytes)


@dataclass(frozen=True)
class Restored:
    """A session restored from a journal.

    Args:
        initial: The document at the start.
        version: The document and the history at the end.
        next_number: Number of the next line.
        damage: The first damaged line and its error; None if all are as they were written.
        resumed_at: The line of the snapshot after the damage from which everything was restored; None if there is none.
    """

    initial: Document
    version: Version
    next_number: int
    damage: tuple[int, Exception] | None
    resumed_at: int | None


@dataclass(frozen=True)
class Header:
    """The first line of a journal.

    Args:
        data: Its JSON.
        version: The version of the journal.
    """

    data: Mapping[str, Any]
    version: int

    @classmethod
    def parse(cls, line: bytes) -> Header:
        """Parse a first line; raises an error if it is damaged."""
        if line.startswith(FIRST_BYTES_V1):
            data = json.loads(line)
            return cls(data, int(data["journal"]))
        return cls(parse_line(line, 0), JOURNAL_VERSION)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the image."""
        found = self.data["first"] if self.version == 1 else self.data
        return found["width"], found["height"]

    @cached_property
    def initial(self) -> Document:
        """The document at the start; raises ValueError if it is damaged."""
        width, height = self.size
        if self.version == 1:
            return read_log(self.data["first"])[0]
        return document_from_json(self.data["first"], (0, 0, width, height))


def header_line(pixels: int, preview: Sequence[int], width: int, height: int, initial: Document) -> bytes:
    """Return the first line of a journal, which describes the image."""
    image = {"pixels": pixels, "look": preview, "width": width, "height": height}
    return to_line(0, {"cdwidget_journal": JOURNAL_VERSION, **image, "first": document_to_json(initial)})


def step_line(number: int, kind: str, change: Change) -> bytes:
    """Return the line of one step."""
    return to_line(number, {"kind": kind, **(change_to_json(change) if kind == "apply" else {})})


def snapshot_line(number: int, document: Document, restart: bool = False, discarded: Sequence[tuple[Action, bool]] = ()) -> bytes:
    """Return the line of a snapshot.

    Args:
        number: Number of the line.
        document: The document.
        restart: Whether the steps before it, if any, lead to another document.
        discarded: The actions that led to a document at which the journal restarts.
    """
    more = {"restart": True, "actions": actions_to_json(discarded)} if restart else {}
    return to_line(number, {"kind": "snapshot", **more, "document": document_to_json(document)})


def session_lines(header: bytes, initial: Document, version: Version) -> list[bytes]:
    """Return all lines of a journal of a session: steps that can be neither undone nor redone are left out."""
    document, history = version
    done, undone = list(history.undoable()), list(history.redoable())
    oldest = done[-1].old_state if done else document.state
    lines = [header]
    if oldest is not initial.state:
        for change in done:
            patches = {difference.instance: difference.before for difference in change.differences}
            document = document.with_patches(change.old_state, patches)
        lines.append(snapshot_line(1, document, True, history.discarded))
    for change in (*reversed(done), *undone):
        lines.append(step_line(len(lines), "apply", change))
    lines += [to_line(len(lines) + index, {"kind": "undo"}) for index in range(len(undone))]
    if len(lines) > 1:  # A journal of version 1 may be damaged without notice, so the steps need not lead to the document.
        lines.append(snapshot_line(len(lines), version.document))
    return lines


def restore(header: Header, lines: Sequence[bytes], history_limit: int) -> Restored:
    """Repeat the lines of a journal.

    Args:
        header: The first line.
        lines: The other ones.
        history_limit: Memory of the undo history, in bytes.

    Returns:
        The session, as far as the lines are not damaged.
    """
    sound = [index for index, line in enumerate(lines) if line.startswith(SNAPSHOT_START) and is_intact(line)]
    while True:
        replay = _Replay(header, history_limit, sound[-1] if sound else -1)
        for index, line in enumerate(lines):
            replay.add(index, line)
        if not replay.snapshot_is_damaged:
            return replay.result()
        sound.pop()


class _Replay:
    """Repeats lines: the states of all, the pixels from the last snapshot on."""

    def __init__(self, header: Header, history_limit: int, last_snapshot: int) -> None:
        self._version = header.version
        self._initial = self._base = header.initial
        self._state = self._initial.state
        self._history = History(history_limit)
        self._patches: dict[int, list[Patch]] = {}  # Written into the base since the last snapshot.
        self._removed: set[int] = set()  # Instances of the base whose pixels were lost since then.
        self._last_snapshot = last_snapshot
        self._number = 1
        self._is_broken = False
        self._damage: tuple[int, Exception] | None = None
        self._resumed_at: int | None = None
        self.snapshot_is_damaged = False

    def add(self, index: int, line: bytes) -> None:
        """Repeat a line, or remember that it is damaged."""
        if self._is_broken and not line.startswith(SNAPSHOT_START):
            return
        try:
            self._repeat(index, line)
        except Exception as error:  # A damaged line may raise anything.
            self._damage = self._damage or (index + 2, error)
            self._is_broken = True
            self.snapshot_is_damaged |= index == self._last_snapshot

    def result(self) -> Restored:
        """Return the restored session."""
        state = self._state
        pixels = {id: Pixels.of(EMPTY_PATCH) if id in self._removed else self._base.pixels_of(id) for id in self._patches if state.has(id)}
        written = {id: _paste_all(base, self._patches[id]) for id, base in pixels.items()}
        was = self._base.state.selected
        if was != state.selected and state.has(was):
            written.setdefault(was, self._base.pixels)
        selected = written.pop(state.selected) if state.selected in written else self._base.pixels_of(state.selected)
        packed = {**dict(self._base.packed.items()), **{id: one.trimmed().patch() for id, one in written.items()}}
        packed = {id: patch for id, patch in packed.items() if id != state.selected and state.has(id)}
        document = replace(self._base, state=state, pixels=selected, packed=BlockMap(packed.items()), initial_selected=None)
        return Restored(self._initial, Version(document, self._history), self._number, self._damage, self._resumed_at)

    def _repeat(self, index: int, line: bytes) -> None:
        if self._version == 1:
            data = json.loads(line)
        else:
            data = parse_line(line, None if self._is_broken else self._number)
        kind = data["kind"]
        if kind == "snapshot":
            self._snapshot(index, data)
        elif kind == "apply":
            self._apply(index, line, _change_of(data))
        elif kind in ("undo", "redo"):
            self._move(index, kind)
        else:
            raise DamagedLine(f"{kind!r} is not a kind of step; allowed are apply, undo, redo and snapshot")
        self._number = data.get("n", 0) + 1

    def _snapshot(self, index: int, data: Mapping[str, Any]) -> None:
        is_restart = self._is_broken or data.get("restart") is True
        if not is_restart and index < self._last_snapshot:
            return
        document = document_from_json(data["document"], self._base.box)
        if is_restart:
            self._state = document.state
            self._history = History(self._history.limit, discarded=tuple(actions_from_json(data.get("actions", ()))))
            if self._is_broken:
                self._resumed_at = index + 2
            self._is_broken = False
        elif document.state != self._state:
            raise DamagedLine("the snapshot has other instances than the steps before it")
        self._base, self._patches, self._removed = replace(document, state=self._state), {}, set()

    def _apply(self, index: int, line: bytes, data: Mapping[str, Any]) -> None:
        state = state_from_json(data, self._state, self._base.box)
        patches = patches_from_json(data, "after", self._base.box) if index > self._last_snapshot else None
        step = SavedStep(line, self._state, state, self._base.box, bool(data["progressive"]))
        if self._version == 1:
            step.load()  # Nothing else proves that the line is not damaged.
        self._history = self._history.push(step)
        self._follow(state, patches)

    def _move(self, index: int, kind: str) -> None:
        undo = kind == "undo"
        link = self._history.done if undo else self._history.undone
        if link is None:
            raise DamagedLine(f"there is nothing to {kind}")
        step: Any = link.change
        patches = None
        if index > self._last_snapshot:
            patches = patches_from_json(_change_of(json.loads(step.line)), "before" if undo else "after", self._base.box)
        self._history = self._history.undo(step) if undo else self._history.redo(step)
        self._follow(step.old_state if undo else step.new_state, patches)

    def _follow(self, state: State, patches: Mapping[int, Patch] | None) -> None:
        """Go to another state, as `Document.with_patches`; without patches, a later snapshot holds the pixels."""
        for instance, patch in (patches or {}).items():
            if state.has(instance):
                self._patches.setdefault(instance, []).append(patch)
        if patches is not None:
            for instance in self._state.missing_in(state):
                self._patches[instance] = []
                self._removed.add(instance)
        self._state = state


def _paste_all(base: Pixels, patches: Sequence[Patch]) -> Pixels:
    """Return `base.paste` of all patches in turn, in one copy."""
    box = base.box
    for patch in patches:
        box = join_bboxes(box, patch.bbox)
    if box == EMPTY_BBOX:
        return base
    found = base.crop(box)
    mask, sources, alpha = found.mask, found.sources, found.alpha
    for patch in patches:
        if not patch.bits:
            continue
        new = Pixels.of(patch)
        x0, y0, x1, y1 = patch.bbox
        inside = slice(y0 - box[1], y1 - box[1]), slice(x0 - box[0], x1 - box[0])
        if new.alpha is None:
            alpha = None
        else:
            alpha = Pixels(box, mask, sources, alpha).full_alpha
            alpha[inside] = new.alpha
        mask[inside], sources[inside] = new.mask, new.sources
    return Pixels(box, mask, sources, alpha)


def to_line(number: int, data: Mapping[str, Any]) -> bytes:
    """Return a line with its number and its checksum."""
    body = json.dumps({**data, "n": number}, separators=(",", ":")).encode()[:-1]
    return b'%s%s%08x"}\n' % (body, CHECKSUM_START, zlib.crc32(body))


def is_intact(line: bytes) -> bool:
    """Return whether a line has the checksum that it was written with."""
    body, checksum = line[:-CHECKSUM_BYTES], line[-CHECKSUM_BYTES:]
    return checksum == b'%s%08x"}\n' % (CHECKSUM_START, zlib.crc32(body))


def parse_line(line: bytes, number: int | None) -> dict[str, Any]:
    """Return the JSON of a line.

    Args:
        line: The line.
        number: The number that it must have; None for any.

    Raises:
        DamagedLine: If the checksum or the number is another one.
    """
    if not is_intact(line):
        raise DamagedLine("its checksum is wrong")
    data: dict[str, Any] = json.loads(line)
    if number is not None and data["n"] != number:
        raise DamagedLine(f"it has the number {data['n']} instead of {number}: lines are missing, repeated or in another order")
    return data


def _change_of(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the change of a line; version 1 has it in a field of its own."""
    change: Mapping[str, Any] = data.get("change", data)
    return change
