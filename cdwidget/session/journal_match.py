"""Restoring a session that was just opened, if a file is a journal that belongs to it."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from cdwidget.masks import unpack
from cdwidget.session.document import Document
from cdwidget.session.files import free_name
from cdwidget.session.journal import FIRST_BYTES, FIRST_BYTES_V1, JOURNAL_VERSION, Header, Position, Restored, restore
from cdwidget.session.session import Session

PREVIEW_SIDE = 16  # Pixels of the reduced image that identifies an image whose pixels differ slightly.
MAX_PREVIEW_DIFFERENCE = 2  # Gray levels.
MIN_PREVIEW_LEVELS = 4  # Contrast of a preview, in gray levels, that identifies an image read through another window.


class Fingerprint(NamedTuple):
    """What a journal remembers of its image.

    Args:
        checksum: CRC-32 of the pixels.
        preview: The reduced image, gray levels.
    """

    checksum: int
    preview: list[int]

    @classmethod
    def of(cls, image: np.ndarray) -> Fingerprint:
        """Return the fingerprint of an image, uint8 (H, W, 3)."""
        preview = cv2.resize(image, (PREVIEW_SIDE, PREVIEW_SIDE), interpolation=cv2.INTER_AREA)
        return cls(zlib.crc32(image.data), preview.ravel().tolist())


class Found(NamedTuple):
    """The result of reading a file.

    Args:
        header: The first line, if the journal is continued with it.
        position: The end of the lines that were restored.
        notice: A message for the user, or "".
        is_rewritten: Whether the next change replaces the file.
        is_copied: Whether it is copied to a free name first.
    """

    header: bytes = b""
    position: Position = Position()
    notice: str = ""
    is_rewritten: bool = True
    is_copied: bool = True


def restore_session(path: Path, data: bytes, session: Session, image: Fingerprint) -> Found:
    """Restore a session from the bytes of a file, if they are its journal.

    Args:
        path: The file.
        data: Its bytes.
        session: The session, without changes.
        image: The fingerprint of its image.

    Raises:
        ValueError: If the file is not a journal, or was written by a newer version of cdwidget.
    """
    check_version(path, data)
    name = path.name.removesuffix(".jsonl")
    lines = data[: data.rfind(b"\n") + 1].splitlines(keepends=True)
    if not lines:
        return Found(is_copied=False)
    try:
        header = Header.parse(lines[0])
        fitting = next((one for one in _fingerprints(session, image) if fits_image(header, session, one)), None)
        restored = restore(header, lines[1:], session._history.limit) if fitting else None
    except Exception as error:  # A damaged line may raise anything.
        return Found(
            notice=f"{path} is damaged in line 1 ({type(error).__name__}: {error}). Your first change here moves it to {free_name(path)}."
        )
    if fitting is None or restored is None or not fits_masks(restored, session):
        return Found(
            notice=f"Earlier edits of {name} started from other masks or another image. To continue them, open it without masks; "
            f"your first change here moves them to {free_name(path)}."
        )
    session._start_from(restored.initial, restored.version)
    is_new = header.version == JOURNAL_VERSION and fitting is image
    is_damaged = restored.damage is not None
    notice = ""
    if restored.damage:
        line, cause = restored.damage
        kept = "The steps before it were restored"
        if restored.resumed_at:
            kept = f"The masks were restored from line {restored.resumed_at}; earlier steps cannot be undone"
        notice = f"{path} is damaged in line {line} ({type(cause).__name__}: {cause}). {kept}, and your first change keeps a copy."
    elif header.data.get("pixels") != fitting.checksum:
        notice = (
            f"{name} has other pixels than when its masks were saved: it was compressed again, or it is another picture. Check the masks."
        )
    position = Position.after(lines, restored.next_number)
    return Found(lines[0] if is_new else b"", position, notice, is_damaged or not is_new, is_damaged)


def _fingerprints(session: Session, image: Fingerprint) -> Iterator[Fingerprint]:
    """Yield the fingerprint of an image, then that of its pixels as they are shown, which journals held before images had windows."""
    yield image
    yield Fingerprint.of(session.image)


def check_version(path: Path, data: bytes) -> None:
    """Check that the bytes of a file are a journal that this version reads.

    Raises:
        ValueError: If they are not.
    """
    for first, newest in ((FIRST_BYTES, JOURNAL_VERSION), (FIRST_BYTES_V1, 1)):
        if data[: len(first)] == first[: len(data)]:
            digits = data[len(first) : len(first) + 10]
            version = digits[: len(digits) - len(digits.lstrip(b"0123456789"))]
            if version and int(version) > newest:
                raise ValueError(
                    f"{path} was written by a newer version of cdwidget, so it was not changed. "
                    "Update cdwidget, or set autosave to another file, ending in .jsonl."
                )
            return
    if data.strip(b"\0"):  # A power failure may leave zeros.
        raise ValueError(f"{path} is not a journal, so it was not changed. Set autosave to another file, ending in .jsonl.")


def fits_image(header: Header, session: Session, image: Fingerprint) -> bool:
    """Return whether a journal belongs to the image of a session, or to a similar one."""
    is_same = header.data.get("pixels") == image.checksum or _is_similar(header.data.get("look"), image.preview)
    return is_same and header.size == (session.width, session.height)


def fits_masks(restored: Restored, session: Session) -> bool:
    """Return whether a session has no masks, or those at the start or at the end of a journal."""
    opened = session._document
    if not any(map(opened.has_pixels, opened.state.by_id)):
        return True
    start, end = _contents(restored.initial), _contents(restored.version.document)
    mine = _contents(opened)
    return mine == start or [one[1:3] for one in mine] == [one[1:3] for one in end]


def _contents(document: Document) -> list[tuple[int, str, Any, Any]]:
    """Return id, label, mask and alpha of each instance that has pixels, in painting order."""
    found = []
    for entry in document.state.entries:
        patch = document.patch(entry.id)
        mask = patch.mask_only()
        if mask.bits:
            height, width = patch.bbox[3] - patch.bbox[1], patch.bbox[2] - patch.bbox[0]
            alpha = None if patch.alpha is None else unpack(patch.alpha, height, width).tobytes()
            found.append((entry.id, entry.label, mask, alpha))
    return found


def _is_similar(a: Any, b: list[int]) -> bool:
    """Return whether two previews show one image, perhaps read through another intensity window.

    Images of more than 8 bits were once read over their full range, 16 times darker or more.
    """
    if not isinstance(a, list) or len(a) != len(b):
        return False
    dark, bright = sorted((np.array(a, float), np.array(b, float)), key=np.ptp)
    if np.abs(dark - bright).max() <= MAX_PREVIEW_DIFFERENCE:
        return True
    if np.ptp(dark) < MIN_PREVIEW_LEVELS:  # Too few levels to recognize an image.
        return False
    gain, offset = np.polyfit(dark, bright, 1)
    # A level of the darker preview is `gain` levels of the brighter one.
    return bool(gain > 0 and np.abs(gain * dark + offset - bright).max() <= MAX_PREVIEW_DIFFERENCE + gain)
