"""The text that a notebook shows for a value at the end of a cell is one short line."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cdwidget import Annotator, Catalogue, Click, EmbeddingMap, Gallery, Instance, Session, Stroke
from cdwidget.session import Relabel
from support.scripted_predictor import HEIGHT, IMAGE, LEFT_HALF, RIGHT_HALF, WIDTH, ScriptedPredictor


def test_a_change_counts_its_pixels() -> None:
    session = Session(IMAGE, ScriptedPredictor(LEFT_HALF, RIGHT_HALF), progressive=False)
    pixels = LEFT_HALF.sum()
    click = session.apply(Click(1, 1))
    assert repr(click) == f"<Change: Click(x=1.0, y=1.0, positive=True) -> object 1: +{pixels:,} px>"
    assert repr(session.undo()) == repr(click)
    session.redo()
    other = session.apply(Click(WIDTH - 1, 1))
    assert repr(other).endswith(f"object 1: +{RIGHT_HALF.sum():,} -{pixels:,} px>")
    assert repr(session.apply(Relabel("cup"))).endswith("Relabel(label='cup', instance=None) -> object 1: same mask>")
    assert repr(session.apply(Relabel("cup"))).endswith("-> nothing changed>")
    assert repr(session.patch()).startswith("<Patch: bbox (")


def test_a_long_stroke_is_abbreviated() -> None:
    assert repr(Stroke([(n, n) for n in range(1200)])) == "Stroke(points=<1,200 values>, positive=True, radius=3.0)"
    assert repr(Stroke([(1, 2)])) == "Stroke(points=((1.0, 2.0),), positive=True, radius=3.0)"


def test_sessions_and_widgets_name_their_content(tmp_path: Path) -> None:
    widget = Annotator([IMAGE, IMAGE], ScriptedPredictor(LEFT_HALF))
    widget.apply(Click(1, 1))
    session = f"<Session: {WIDTH}x{HEIGHT} pixels, 1 objects, object 1 is selected>"
    assert repr(widget.session) == session
    assert repr(widget) == f"<Annotator: image 1 of 2, {session}>"
    catalogue = Catalogue(tmp_path / "labels.db")
    assert repr(Gallery(catalogue)) == f"<Gallery: 0 instances of {catalogue!r}>"
    assert repr(EmbeddingMap(catalogue)) == f"<EmbeddingMap: {catalogue!r}, 0 selected>"
    large = Session(np.zeros((500, 500), np.uint8), instances=[Instance(np.ones((500, 500), bool), id=number) for number in range(1, 40)])
    assert len(repr(large)) < 100
