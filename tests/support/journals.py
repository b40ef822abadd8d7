"""Sessions with a journal."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from cdwidget.session import Session
from cdwidget.session.autosave import FileJournal
from cdwidget.tools import Brush
from support.scripted_predictor import IMAGE


def opened(path: Path, predictor: Any = None, image: np.ndarray = IMAGE, **options: Any) -> Session:
    session = Session(image, predictor, **options)
    FileJournal(path).resume(session)
    return session


def notice(session: Session) -> str:
    assert isinstance(session.journal, FileJournal)
    return session.journal.notice


def saved(path: Path) -> Session:
    """Return the session that a journal holds, without taking it over."""
    session = Session(IMAGE)
    FileJournal(path).restore(session)
    return session


def draw(session: Session, count: int) -> None:
    """Draw a number of strokes; each one changes the mask."""
    for left in range(count, 0, -1):
        random = Random(len(session.actions) * 31 + left)
        column, row = random.randrange(18), random.randrange(14)
        session.apply(Brush(((column, row),), 1.5, not session.mask[row, column]))
