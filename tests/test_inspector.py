"""The Inspector without a browser: it draws every map, follows the session, and makes figures."""

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
from cdwidget.session import PromptResult, Session
from cdwidget.widget.inspector import GRID_MAPS, Inspector
from cdwidget.widget.maps import MAPS, MERGE_CLASSES, MapImage, PromptMaps, Query
from cdwidget.widget.panel import colorize
from support.recording_predictor import RecordingPredictor
from support.scripted_predictor import IMAGE, LEFT_HALF, ScriptedPredictor


@pytest.fixture
def inspector() -> Inspector:
    session = Session(skimage.data.coffee()[::4, ::4], RecordingPredictor())
    session.apply(Click(75, 57))
    session.apply(Click(10, 10, False))
    return Inspector(session)


@pytest.mark.parametrize("name", MAPS)
def test_every_map_is_drawn_compared_and_printed(name: str, inspector: Inspector) -> None:
    inspector.map = name
    assert inspector.prompt_maps is not None
    for variant in ("", *MAPS[name].variants):
        if variant != inspector.prompt_maps.factors.variant:
            inspector.compare = variant
            assert inspector.compare == variant
    for branch in ("background", "foreground"):
        inspector.branch = branch
        image = inspector.prompt_maps.image(name, inspector.current_query())
        assert image.values.ndim == 2 and np.isfinite(image.values).any()
        assert np.nanmin(image.values) >= image.low - 1e-6 and np.nanmax(image.values) <= image.high + 1e-6
    figure = inspector.figure()
    assert isinstance(figure, Figure) and figure.axes[0].get_title().startswith(MAPS[name].title)


def test_the_query_starts_at_the_newest_click_and_moves(inspector: Inspector) -> None:
    assert inspector.query == (10, 10) and inspector.branch == "background"
    inspector.map = "row"
    assert inspector.prompt_maps is not None
    first = inspector.prompt_maps.image("row", inspector.current_query()).values
    inspector.hover(100.0, 60.0)
    assert "x 100, y 60" in inspector.controls.status.value and inspector.query == (10, 10)
    assert (inspector.prompt_maps.image("row", inspector.current_query()).values != first).any()
    inspector.leave()
    assert (inspector.prompt_maps.image("row", inspector.current_query()).values == first).all()
    inspector.press(100.0, 60.0)
    assert inspector.query == (100, 60)


def test_it_follows_the_session(inspector: Inspector) -> None:
    inspector.session.apply(Click(80, 20))
    assert inspector.prompt_maps is not None and len(inspector.prompt_maps.result.prompts) == 3 and inspector.query == (80, 20)
    inspector.session.undo()
    assert len(inspector.prompt_maps.result.prompts) == 2
    inspector.session.accept()
    assert inspector.prompt_maps is None and "Click on an object" in inspector.controls.message.value
    with pytest.raises(ValueError, match="nothing to show yet"):
        inspector.figure()
    inspector.close()
    inspector.session.apply(Click(80, 20))
    assert inspector.prompt_maps is None


def test_steps_and_heads_share_a_slider(inspector: Inspector) -> None:
    inspector.map = "pdm"
    assert inspector.number == 10 and inspector.controls.slider.max == 10 and inspector.controls.steps.layout.display == ""
    inspector.controls.slider.value = 3
    assert inspector.number == 3 and "step 3" in inspector.controls.step_name.value
    inspector.map = "head"
    assert inspector.number == 0 and inspector.controls.slider.max == 4
    inspector.map = "gate"
    assert inspector.controls.steps.layout.display == "none"


def test_the_chips_hold_the_numbers(inspector: Inspector) -> None:
    assert [finding.name for finding in inspector.findings] == ["under-generalization", "over-generalization", "negative click"]
    assert all("%" in finding.text for finding in inspector.findings)
    assert inspector.controls.chips.value.count("cdi-chip") == 3 and "%" in inspector.controls.chips.value


def test_colors_equal_matplotlib() -> None:
    values = np.array([[0, 0.5, 1], [2, -1, np.nan]], np.float32)
    got = colorize(MapImage(values, (0, 0, 3, 2), 0, 1), "viridis")
    expected = matplotlib.colormaps["viridis"]([[0, 0.5, 1], [1, 0, 0]], bytes=True)
    assert (got[0] == expected[0]).all() and (got[1, :2] == expected[1, :2]).all() and got[1, 2, 3] == 0
    classes = colorize(MapImage(np.arange(4.0)[None], (0, 0, 4, 1), -0.5, 3.5), "")
    assert [to_hex(pixel / 255) for pixel in classes[0]] == [color for _, color in MERGE_CLASSES]


def test_the_merge_map_has_a_class_for_each_outcome(inspector: Inspector) -> None:
    maps = inspector.prompt_maps
    assert maps is not None
    before, predicted, after = np.zeros((3, *maps.result.after.shape), bool)
    before[:, :50], after[:, 20:70], predicted[:, 20:70], predicted[:, 120:] = True, True, True, True
    maps = PromptMaps(PromptResult(maps.result.prompts, before, predicted, after, maps.factors), maps.factors)
    classes = maps.image("merge", Query(0, 0)).values[0]
    width = after.shape[1]
    for x, expected in ((10, 2), (40, 0), (60, 1), (140, 3)):
        assert classes[x * 256 // width] == expected
    assert np.isnan(classes[100 * 256 // width])
    previous = maps.image("merge", Query(0, 0, variant="the mask before")).values[0]
    assert previous[10 * 256 // width] == 0 and np.isnan(previous[60 * 256 // width])


def test_a_predictor_without_factors_is_reported() -> None:
    session = Session(IMAGE, ScriptedPredictor(LEFT_HALF))
    session.apply(Click(2, 3))
    inspector = Inspector(session)
    assert inspector.prompt_maps is None and "records no factors" in inspector.controls.message.value


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
    assert rows == ["click 1", "click 2"] and len(figure.axes) == 2 * len(GRID_MAPS)
    titles = [axes.get_title() for axes in figure.axes if axes.get_title().startswith("FDM: column")]
    assert "foreground" in titles[0] and "background" in titles[1]  # Each row shows its own click.
    assert figure._repr_png_().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="gait.*gate"):
        inspector.figure("gait")
    with pytest.raises(IndexError):
        inspector.figure("gate", clicks=[7])


def test_an_unknown_colormap_is_named(inspector: Inspector) -> None:
    inspector.colormap = "cividis"
    with pytest.raises(ValueError, match="no colormap 'jets'"):
        inspector.colormap = "jets"


def test_an_annotator_is_inspected_and_followed_to_its_next_image() -> None:
    annotator = cdwidget.Annotator([skimage.data.coffee()[::8, ::8], skimage.data.cat()[::8, ::8]], RecordingPredictor())
    inspector = annotator.inspect()
    assert isinstance(inspector, cdwidget.Inspector) and inspector.prompt_maps is None
    annotator.apply(Click(30, 20))
    assert inspector.prompt_maps is not None and inspector.query == (30, 20)
    annotator.next()
    assert inspector.prompt_maps is None
    annotator.apply(Click(10, 20))
    assert inspector.prompt_maps is not None and inspector.query == (10, 20)
    annotator.previous()
    assert inspector.query == (30, 20) and annotator.inspect() is inspector
    inspector.close()
    assert annotator.inspect() is not inspector


def test_deprecated_names_still_work(inspector: Inspector) -> None:
    with pytest.warns(DeprecationWarning, match="Inspector.colormap"):
        inspector.colours = "cividis"
    with pytest.warns(DeprecationWarning, match="Inspector.colormap"):
        assert inspector.colours == inspector.colormap == "cividis"
    with pytest.warns(DeprecationWarning, match="'neighbors'"):
        inspector.map = "neighbours"
    assert inspector.map == "neighbors"
    with pytest.warns(DeprecationWarning, match="'neighbors'"):
        inspector.figure("neighbours")
