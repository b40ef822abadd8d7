"""The Inspector without a browser: every map is drawn, follows the session, and becomes a figure."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import pytest
import skimage.data
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

import cdwidget
from cdwidget.prompts import Click
from cdwidget.session import Asked, Session
from cdwidget.widget.inspector import GRID, Inspector
from cdwidget.widget.maps import MAPS, MERGE, Picture, Query, Scene
from cdwidget.widget.panel import coloured
from support.recording_predictor import Recorded
from support.scripted_predictor import IMAGE, LEFT, Scripted


@pytest.fixture
def inspector() -> Inspector:
    session = Session(skimage.data.coffee()[::4, ::4], Recorded())
    session.apply(Click(75, 57))
    session.apply(Click(10, 10, False))
    return Inspector(session)


@pytest.mark.parametrize("name", MAPS)
def test_every_map_is_drawn_compared_and_printed(name: str, inspector: Inspector) -> None:
    inspector.map = name
    assert inspector.scene is not None
    for variant in ("", *MAPS[name].variants):
        if variant != inspector.scene.factors.variant:
            inspector.compare = variant
            assert inspector.compare == variant
    for branch in ("background", "foreground"):
        inspector.branch = branch
        picture = inspector.scene.picture(name, inspector._ask())
        assert picture.values.ndim == 2 and np.isfinite(picture.values).any()
        assert np.nanmin(picture.values) >= picture.low - 1e-6 and np.nanmax(picture.values) <= picture.high + 1e-6
    figure = inspector.figure()
    assert isinstance(figure, Figure) and figure.axes[0].get_title().startswith(MAPS[name].title)


def test_the_query_starts_at_the_newest_click_and_moves(inspector: Inspector) -> None:
    assert inspector.query == (10, 10) and inspector.branch == "background"
    inspector.map = "row"
    assert inspector.scene is not None
    first = inspector.scene.picture("row", inspector._ask()).values
    inspector._on_move(100.0, 60.0)
    assert "x 100, y 60" in inspector._status.value and inspector.query == (10, 10)
    assert (inspector.scene.picture("row", inspector._ask()).values != first).any()
    inspector._on_leave()
    assert (inspector.scene.picture("row", inspector._ask()).values == first).all()
    inspector._on_press(100.0, 60.0)
    assert inspector.query == (100, 60)


def test_it_follows_the_session(inspector: Inspector) -> None:
    inspector.session.apply(Click(80, 20))
    assert inspector.scene is not None and len(inspector.scene.asked.prompts) == 3 and inspector.query == (80, 20)
    inspector.session.undo()
    assert len(inspector.scene.asked.prompts) == 2
    inspector.session.accept()
    assert inspector.scene is None and "Click on an object" in inspector._message.value
    with pytest.raises(ValueError, match="nothing to show yet"):
        inspector.figure()
    inspector.close()
    inspector.session.apply(Click(80, 20))
    assert inspector.scene is None


def test_steps_and_heads_share_a_slider(inspector: Inspector) -> None:
    inspector.map = "pdm"
    assert inspector.number == 10 and inspector._slider.max == 10 and inspector._steps.layout.display == ""
    inspector._slider.value = 3
    assert inspector.number == 3 and "step 3" in inspector._place.value
    inspector.map = "head"
    assert inspector.number == 0 and inspector._slider.max == 4
    inspector.map = "gate"
    assert inspector._steps.layout.display == "none"


def test_the_chips_hold_the_numbers(inspector: Inspector) -> None:
    assert [finding.name for finding in inspector.findings] == ["under-generalisation", "over-generalisation", "negative click"]
    assert all("%" in finding.text for finding in inspector.findings)
    assert inspector._chips.value.count("cdi-chip") == 3 and "%" in inspector._chips.value


def test_colours_are_matplotlibs() -> None:
    values = np.array([[0, 0.5, 1], [2, -1, np.nan]], np.float32)
    got = coloured(Picture(values, (0, 0, 3, 2), 0, 1), "viridis")
    expected = matplotlib.colormaps["viridis"]([[0, 0.5, 1], [1, 0, 0]], bytes=True)
    assert (got[0] == expected[0]).all() and (got[1, :2] == expected[1, :2]).all() and got[1, 2, 3] == 0
    classes = coloured(Picture(np.arange(4.0)[None], (0, 0, 4, 1), -0.5, 3.5), "")
    assert [to_hex(pixel / 255) for pixel in classes[0]] == [colour for _, colour in MERGE]


def test_the_merge_tells_what_was_taken_and_what_was_left_out(inspector: Inspector) -> None:
    scene = inspector.scene
    assert scene is not None
    before, answer, after = np.zeros((3, *scene.asked.after.shape), bool)
    before[:, :50], after[:, 20:70], answer[:, 20:70], answer[:, 120:] = True, True, True, True
    scene = Scene(Asked(scene.asked.prompts, before, answer, after, scene.factors), scene.factors)
    classes = scene.picture("merge", Query(0, 0)).values[0]
    width = after.shape[1]
    for x, expected in ((10, 2), (40, 0), (60, 1), (140, 3)):
        assert classes[x * 256 // width] == expected
    assert np.isnan(classes[100 * 256 // width])
    was = scene.picture("merge", Query(0, 0, variant="the mask before")).values[0]
    assert was[10 * 256 // width] == 0 and np.isnan(was[60 * 256 // width])


def test_a_predictor_without_factors_says_so() -> None:
    session = Session(IMAGE, Scripted(LEFT))
    session.apply(Click(2, 3))
    inspector = Inspector(session)
    assert inspector.scene is None and "records nothing" in inspector._message.value


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_figures_are_saved(ending: str, inspector: Inspector, tmp_path: Path) -> None:
    path = inspector.save(tmp_path / f"maps.{ending}", ["column", "gate"], dpi=60)
    start = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[ending]
    assert path.read_bytes().startswith(start)
    with pytest.raises(ValueError, match="png, .svg or .pdf"):
        inspector.save(tmp_path / "maps.bmp")


def test_a_grid_has_a_row_for_each_click(inspector: Inspector) -> None:
    figure = inspector.figure("grid")
    rows = [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel().startswith("click")]
    assert rows == ["click 1", "click 2"] and len(figure.axes) == 2 * len(GRID)
    titles = [axes.get_title() for axes in figure.axes if axes.get_title().startswith("FDM: column")]
    assert "foreground" in titles[0] and "background" in titles[1]  # each row is about its own click
    assert figure._repr_png_().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="gait.*gate"):
        inspector.figure("gait")
    with pytest.raises(IndexError):
        inspector.figure("gate", clicks=[7])


def test_unknown_colours_are_named(inspector: Inspector) -> None:
    inspector.colours = "cividis"
    with pytest.raises(ValueError, match="no colour map 'jets'"):
        inspector.colours = "jets"


def test_an_annotator_is_inspected_and_followed_to_its_next_image() -> None:
    annotator = cdwidget.Annotator([skimage.data.coffee()[::8, ::8], skimage.data.cat()[::8, ::8]], Recorded())
    inspector = annotator.inspect()
    assert isinstance(inspector, cdwidget.Inspector) and inspector.scene is None
    annotator.apply(Click(30, 20))
    assert inspector.scene is not None and inspector.query == (30, 20)
    annotator.next()
    assert inspector.scene is None
    annotator.apply(Click(10, 20))
    assert inspector.scene is not None and inspector.query == (10, 20)
    annotator.previous()
    assert inspector.query == (30, 20) and annotator.inspect() is inspector
    inspector.close()
    assert annotator.inspect() is not inspector
