"""The Inspector without a browser: it draws every map, follows the session, and makes figures."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import cv2
import matplotlib
import numpy as np
import pytest
import skimage.data
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import ImageColor

import cdwidget
from cdwidget.prompts import Click
from cdwidget.session import PromptResult, Session
from cdwidget.tools import Brush
from cdwidget.widget import saved_picture
from cdwidget.widget.inspector.inspector import GRID_MAPS, Inspector
from cdwidget.widget.inspector.map_figures import colorize
from cdwidget.widget.inspector.maps import MAPS, MERGE_CLASSES
from cdwidget.widget.inspector.prompt_maps import MapImage, PromptMaps, Query
from support.recording_predictor import RecordingPredictor
from support.scripted_predictor import IMAGE, LEFT_HALF, ScriptedPredictor
from support.widget_page import WidgetPage


@pytest.fixture
def inspector() -> Inspector:
    session = Session(skimage.data.coffee()[::4, ::4], RecordingPredictor())
    session.apply(Click(75, 57))
    session.apply(Click(10, 10, False))
    return Inspector(session)


class InspectorPage(WidgetPage):
    """A page that has requested the drawing, and reads the last one that Python sent."""

    def __init__(self, inspector: Inspector) -> None:
        super().__init__(inspector)
        self.first, self.first_buffers = self.exchange("drawing")

    def sent(self) -> tuple[dict[str, Any], list[bytes]]:
        """Return the last drawing or status that Python sent, with the cells of its maps."""
        drawn, buffers = next((content["result"], buffers) for content, buffers in reversed(self.messages) if content["result"])
        return drawn, buffers["photograph" in drawn :]


@pytest.mark.parametrize("name", MAPS)
def test_every_map_is_drawn_compared_and_printed(name: str, inspector: Inspector) -> None:
    page = InspectorPage(inspector)
    inspector.map = name
    assert inspector.prompt_maps is not None
    for variant in ("", *MAPS[name].variants):
        if variant != inspector.prompt_maps.factors.variant:
            inspector.compare = variant
            assert inspector.compare == variant
            drawn, cells = page.sent()
            assert drawn["map"]["name"] == name and len(drawn["map"]["panels"]) == len(cells) == 1 + bool(variant)
            assert variant in drawn["map"]["panels"][-1]["note"]
            for panel, colors in zip(drawn["map"]["panels"], cells):
                assert len(colors) == 4 * panel["rows"] * panel["columns"]
    for branch in ("background", "foreground"):
        inspector.branch = branch
        image = MAPS[name].image(inspector.prompt_maps, inspector.current_query())
        assert image.values.ndim == 2 and np.isfinite(image.values).any()
        assert np.nanmin(image.values) >= image.low - 1e-6 and np.nanmax(image.values) <= image.high + 1e-6
    figure = inspector.figure()
    assert isinstance(figure, Figure) and figure.axes[0].get_title().startswith(MAPS[name].title)


def test_the_query_starts_at_the_newest_click_and_moves(inspector: Inspector) -> None:
    assert inspector.query == (10, 10) and inspector.branch == "background"
    inspector.map = "row"
    assert inspector.prompt_maps is not None
    first = MAPS["row"].image(inspector.prompt_maps, inspector.current_query()).values
    page = InspectorPage(inspector)
    assert "x 10, y 10" in page.first["result"]["status"]
    page.exchange("hover", x=100.0, y=60.0)
    assert "x 100, y 60" in page.sent()[0]["status"] and inspector.query == (10, 10)
    assert (MAPS["row"].image(inspector.prompt_maps, inspector.current_query()).values != first).any()
    page.exchange("leave")
    assert (MAPS["row"].image(inspector.prompt_maps, inspector.current_query()).values == first).all()
    page.exchange("press", x=100.0, y=60.0)
    assert inspector.query == (100, 60)


def test_a_drawing_is_sent_only_to_pages(inspector: Inspector) -> None:
    page = WidgetPage(inspector)
    inspector.map = "gate"
    assert page.messages == []
    page.exchange("drawing")
    inspector.map = "row"
    page.exchange("hover", x=100.0, y=60.0)
    assert "map" in page.messages[-2][0]["result"]
    page.exchange("hover", x=100.4, y=60.4)
    assert list(page.messages[-2][0]["result"]) == ["status"]  # The token is the same.


def test_the_photograph_has_the_outline_and_the_clicks(inspector: Inspector) -> None:
    page = InspectorPage(inspector)
    photograph = page.first["result"]["photograph"]
    pixels = cv2.imdecode(np.frombuffer(page.first_buffers[0], np.uint8), cv2.IMREAD_UNCHANGED)
    assert pixels.shape == (photograph["height"], photograph["width"]) == (341, 512)
    height, width = inspector.session.image.shape[:2]
    assert photograph["box"] == [0, 0, width, height] and [click[2] for click in photograph["clicks"]] == [True, False]
    assert photograph["clicks"][0][:2] == pytest.approx([75.5 * 512 / width, 57.5 * 341 / height])
    drawn = np.zeros((341, 512), np.uint8)
    corners = [np.array(outline, np.float32).reshape(-1, 2).round().astype(int) for outline in photograph["outlines"]]
    cv2.fillPoly(drawn, corners, 1)
    mask = cv2.resize(inspector.session.mask.view(np.uint8), (512, 341), interpolation=cv2.INTER_NEAREST)
    assert (drawn == mask).mean() > 0.95


def test_only_neighbors_are_magnified(inspector: Inspector) -> None:
    page = InspectorPage(inspector)
    for name in MAPS:
        inspector.map = name
        assert page.sent()[0]["map"]["panels"][0]["is_magnified"] is (name == "neighbors")


def test_a_saved_notebook_shows_the_map(inspector: Inspector, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs: list[dict[str, Any]] = []
    monkeypatch.setattr(saved_picture, "publish_display_data", lambda data, **options: outputs.append(data))
    inspector._is_notebook, inspector.map, inspector.opacity, inspector.marks = True, "merge", 1.0, False
    inspector._repr_mimebundle_()
    assert len(outputs[0]["image/jpeg"]) < 60_000
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(outputs[0]["image/jpeg"]), np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]
    assert inspector.prompt_maps is not None
    values = MAPS["merge"].image(inspector.prompt_maps, inspector.current_query()).values
    for row, column in ((40, 40), (128, 100), (200, 220)):
        shown = picture[row * picture.shape[0] // 256, column * picture.shape[1] // 256].astype(int)
        color = MERGE_CLASSES[int(np.nan_to_num(values[row, column]))][1]
        assert np.isnan(values[row, column]) and np.ptp(shown) < 30 or np.abs(shown - ImageColor.getrgb(color)[:3]).max() < 40
    inspector.session.accept()
    inspector._repr_mimebundle_()
    assert len(outputs) == 2 and "image/jpeg" not in outputs[1] and inspector._snapshot == ""
    inspector.close()  # A later renewal would publish a real output.


def test_it_follows_the_session(inspector: Inspector) -> None:
    inspector.session.apply(Click(80, 20))
    assert inspector.prompt_maps is not None and len(inspector.prompt_maps.result.prompts) == 3 and inspector.query == (80, 20)
    inspector.session.undo()
    assert len(inspector.prompt_maps.result.prompts) == 2
    inspector.session.accept()
    assert inspector.prompt_maps is None and "Click on an object" in WidgetPage(inspector).trait("_message")
    with pytest.raises(ValueError, match="nothing to show yet"):
        inspector.figure()
    inspector.close()
    inspector.session.apply(Click(80, 20))
    assert inspector.prompt_maps is None


def test_steps_and_heads_share_a_slider(inspector: Inspector) -> None:
    inspector.map = "pdm"
    page = InspectorPage(inspector)
    assert inspector.number == 10 and len(page.trait("_steps")) == 11
    inspector.set_state({"number": 3})
    assert inspector.number == 3 and "step 3" in page.sent()[0]["map"]["panels"][0]["note"]
    inspector.set_state({"number": 99})
    assert inspector.number == 10
    inspector.map = "head"
    assert inspector.number == 0 and len(page.trait("_steps")) == 5
    inspector.map = "gate"
    assert page.trait("_steps") == []


def test_the_chips_hold_the_numbers(inspector: Inspector) -> None:
    assert [finding.name for finding in inspector.findings] == ["under-generalization", "over-generalization", "negative click"]
    assert all("%" in finding.text for finding in inspector.findings)
    assert [finding["name"] for finding in WidgetPage(inspector).trait("_findings")] == [finding.name for finding in inspector.findings]


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
    result = PromptResult(maps.result.prompts, before, predicted, after, maps.factors)
    maps = PromptMaps(result, maps.factors, inspector.session.image, inspector.session.predictor)
    classes = MAPS["merge"].image(maps, Query(0, 0)).values[0]
    width = after.shape[1]
    for x, expected in ((10, 2), (40, 0), (60, 1), (140, 3)):
        assert classes[x * 256 // width] == expected
    assert np.isnan(classes[100 * 256 // width])
    previous = MAPS["merge"].image(maps, Query(0, 0, variant="the mask before")).values[0]
    assert previous[10 * 256 // width] == 0 and np.isnan(previous[60 * 256 // width])


def test_the_maps_of_the_object_as_an_example_show_the_whole_image() -> None:
    image = np.full((400, 900, 3), 90, np.uint8)
    for x in (100, 450, 800):
        cv2.circle(image, (x, 200), 30, (220, 60, 40), -1)
    session = Session(image, cdwidget.load_predictor(device="cpu"))
    session.apply(Click(100, 200))
    inspector = Inspector(session)
    page = InspectorPage(inspector)
    inspector.map = "similarity"
    drawn, _ = page.sent()
    assert drawn["photograph"]["box"] == [0, 0, 900, 400]
    inspector.query = 800, 200
    assert "photograph" not in page.sent()[0]  # The region is the same.
    assert inspector.prompt_maps is not None
    similar = MAPS["similarity"].image(inspector.prompt_maps, inspector.current_query())
    assert similar.value_at(800, 200) > 0.5 > 0.2 > similar.value_at(450, 40)
    inspector.map = "origin"
    origin = MAPS["origin"].image(inspector.prompt_maps, inspector.current_query())
    assert origin.values.sum() == pytest.approx(100 * similar.value_at(800, 200), rel=1e-3)
    assert origin.value_at(100, 200) > 0 == origin.value_at(450, 40)  # It comes from the object that was clicked.
    inspector.map = "column"
    assert page.sent()[0]["photograph"]["box"] != [0, 0, 900, 400]


def test_a_predictor_without_tokens_is_reported(inspector: Inspector, monkeypatch: pytest.MonkeyPatch) -> None:
    page = InspectorPage(inspector)
    monkeypatch.delattr(RecordingPredictor, "tokens")
    inspector.map = "similarity"
    drawn, _ = page.sent()
    assert "has no encoder tokens" in drawn["status"] and "map" not in drawn
    inspector.map = "origin"
    page.exchange("hover", x=100.0, y=60.0)
    drawn, _ = page.sent()
    assert "has no encoder tokens" in drawn["status"] and "map" not in drawn


def test_a_map_of_the_object_needs_one_but_the_inspector_can_be_shown_without(monkeypatch: pytest.MonkeyPatch) -> None:
    outputs: list[dict[str, Any]] = []
    monkeypatch.setattr(saved_picture, "publish_display_data", lambda data, **options: outputs.append(data))
    session = Session(skimage.data.coffee()[::4, ::4], RecordingPredictor())
    session.apply(Click(75, 57))
    session.apply(Brush(((75.0, 57.0),), 200.0, False))
    session.apply(Click(75, 57, False))
    inspector = Inspector(session)
    assert inspector.prompt_maps is not None and not inspector.prompt_maps.result.after.any()
    inspector._is_notebook, inspector.map = True, "similarity"
    inspector._repr_mimebundle_()
    assert len(outputs) == 1 and "image/jpeg" not in outputs[0]
    with pytest.raises(ValueError, match="empty"):
        inspector.figure()
    inspector.map = "gate"
    inspector._repr_mimebundle_()
    assert "image/jpeg" in outputs[1]
    inspector.close()


def test_a_predictor_without_factors_is_reported() -> None:
    session = Session(IMAGE, ScriptedPredictor(LEFT_HALF))
    session.apply(Click(2, 3))
    inspector = Inspector(session)
    assert inspector.prompt_maps is None and "records no factors" in WidgetPage(inspector).trait("_message")


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
