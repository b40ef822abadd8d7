"""The messages between an Annotator and its page, without a browser."""

from __future__ import annotations

import io
import sys
from threading import Thread
from typing import Any, Callable

import numpy as np
import pytest
from PIL import Image
from traitlets import TraitError

from cdwidget.items import Instance
from cdwidget.masks import pack
from cdwidget.prompts import Click
from cdwidget.session import Session, document
from cdwidget.widget import Annotator
from cdwidget.widget.images import encode_image
from support.annotator_page import AnnotatorPage, open_page
from support.scripted_predictor import HEIGHT, IMAGE, LEFT_HALF, RIGHT_HALF, WIDTH, ScriptedPredictor
from support.widget_page import WidgetPage


def test_the_page_matches_the_session_after_every_message() -> None:
    page = open_page(LEFT_HALF, RIGHT_HALF, LEFT_HALF)
    steps = [
        lambda: page.apply("click", x=1, y=1, positive=True),
        lambda: page.apply("relabel", label="cat"),
        lambda: page.apply("accept"),
        lambda: page.apply("click", x=WIDTH - 1, y=1, positive=True),
        lambda: page.apply("select", instance=1),
        lambda: page.apply("delete"),
        lambda: page.request("undo"),
        lambda: page.request("undo"),
        lambda: page.request("redo"),
        lambda: page.apply("select", instance=None),
    ]
    for step in steps:
        assert step()["ok"] and page.matches_session()
    assert len(page.widget.instances) == 2


def test_the_page_receives_soft_masks() -> None:
    ramp = np.tile(np.linspace(0, 255, WIDTH).astype(np.uint8), (HEIGHT, 1))
    page = open_page(instances=[Instance(RIGHT_HALF), Instance(ramp > 127, alpha=ramp)])
    ((box, alpha),) = page.alphas
    assert box[2] == WIDTH and (alpha.reshape(HEIGHT, -1) == ramp[:, box[0] :]).all()
    page.apply("select", instance=2)
    page.apply("brush", points=[[3.5, 3.5]], radius=0.5, add=True)
    assert page.matches_session() and [(box, bytes(alpha)) for box, alpha in page.alphas] == [((3, 3, 4, 4), b"\xff")]
    page.request("undo")
    assert page.matches_session() and page.alphas[0][1] == [ramp[3, 3]]


def test_the_page_is_notified_of_changes_from_python() -> None:
    page = open_page(LEFT_HALF)
    widget = page.widget
    widget.apply(Click(1, 1))
    assert page.messages[-1][0]["id"] is None and page.matches_session() and widget.mask.any()
    widget.undo()
    assert page.matches_session() and not widget.mask.any()
    widget.redo()
    widget.session.relabel("dog")  # Without the widget: it notices after the cell, or at the next message.
    widget.refresh()
    assert page.matches_session() and widget.label == "dog"
    widget.session.accept()
    page.request("undo")
    assert page.matches_session()
    assert widget.redo() and widget.redo() is None


def test_label_and_selected_edit_the_session() -> None:
    page = open_page(LEFT_HALF, label="cat", labels=["cat", "dog"])
    widget = page.widget
    assert widget.session.label == "cat"
    widget.apply(Click(1, 1))
    widget.label = "dog"
    assert widget.session.instances[0].label == "dog" and page.matches_session()
    page.apply("accept")
    widget.selected = 1
    assert widget.session.selected == 1 and page.matches_session()
    with pytest.raises(ValueError, match="no instance 7"):
        widget.selected = 7
    assert widget.selected == 1


def test_an_error_is_a_reply_and_changes_nothing() -> None:
    page = open_page(LEFT_HALF)
    for message, expected in [
        ({"op": "apply", "action": {"type": "click", "x": 999, "y": 1, "positive": True}}, "outside"),
        ({"op": "apply", "action": {"type": "paint"}}, "paint"),
        ({"op": "aply"}, "did you mean 'apply'"),
        ({"op": "apply"}, "action"),
        ({}, "operation"),
    ]:
        page.send({"id": "x", **message})
        reply = page.messages[-1][0]
        assert reply["id"] == "x" and not reply["ok"] and expected in reply["error"]
    assert page.matches_session() and not page.widget.can_undo and not page.widget.busy


def test_an_interrupted_kernel_replies() -> None:
    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    page = open_page(LEFT_HALF)
    page.widget.session.apply = interrupted  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        page.apply("accept")
    assert "KeyboardInterrupt" in page.messages[-1][0]["error"]


def test_a_model_that_fails_is_reported_and_retried() -> None:
    class Broken(ScriptedPredictor):
        def set_image(self, image: np.ndarray) -> None:
            raise RuntimeError("no memory")

    page = AnnotatorPage(Annotator(IMAGE, Broken(LEFT_HALF)))
    page.request("document")
    assert "no memory" in page.apply("click", x=1, y=1, positive=True)["error"]
    Broken.set_image = ScriptedPredictor.set_image  # type: ignore[method-assign]
    assert page.apply("click", x=1, y=1, positive=True)["ok"] and page.matches_session()


def test_a_peek_records_nothing() -> None:
    page = open_page(LEFT_HALF)
    reply = page.request("peek", action={"type": "click", "x": 1, "y": 1, "positive": True})
    assert reply["result"]["box"] == page.widget.session.peek(Click(1, 1)).bbox and not page.widget.can_undo and not page.widget.mask.any()


def test_view_only_refuses() -> None:
    page = open_page(LEFT_HALF, view_only=True)
    assert "view_only" in page.apply("click", x=1, y=1, positive=True)["error"]
    page.widget.apply(Click(1, 1))  # Python may still edit.
    assert "view_only" in page.request("undo")["error"]


def test_unknown_keywords_and_keys_are_refused() -> None:
    with pytest.raises(TypeError, match="no keyword 'lables'"):
        Annotator(IMAGE, ScriptedPredictor(LEFT_HALF), lables=["cat"])
    with pytest.raises(ValueError, match="did you mean 'undo'"):
        Annotator(IMAGE, ScriptedPredictor(LEFT_HALF), shortcuts={"udo": ["U"]})
    with pytest.raises(TraitError):
        Annotator(IMAGE, ScriptedPredictor(LEFT_HALF), tool="hammer")
    with pytest.raises(TraitError, match="'blurple' is no color"):
        Annotator(IMAGE, ScriptedPredictor(LEFT_HALF), colors=["#ff0000", "blurple"])
    with pytest.raises(ValueError, match="brings its own predictor"):
        Annotator(Session(IMAGE, ScriptedPredictor(LEFT_HALF)), ScriptedPredictor(LEFT_HALF))
    widget = Annotator(IMAGE, ScriptedPredictor(LEFT_HALF), shortcuts={"next": ["ArrowRight"]})
    assert widget.shortcuts["next"] == ["ArrowRight"] and widget.shortcuts["undo"] == ["Ctrl+Z"]


def test_a_given_key_goes_before_the_default_key_of_another_command() -> None:
    widget = Annotator(IMAGE, ScriptedPredictor(LEFT_HALF), shortcuts={"next": ["N"]})
    assert next(command for command, keys in widget.shortcuts.items() if "N" in keys) == "next"


def test_a_session_is_shown_as_it_is() -> None:
    session = Session(IMAGE, ScriptedPredictor(RIGHT_HALF), mask=LEFT_HALF)
    page = AnnotatorPage(Annotator(session))
    page.request("document")
    assert page.matches_session() and page.widget.session is session and (page.masks[1] == LEFT_HALF).all()


def test_the_image_is_sent_as_a_file() -> None:
    page = open_page(LEFT_HALF)
    reply, (file,) = page.exchange("image")
    assert reply["result"]["mime"] == "image/png"
    assert (np.asarray(Image.open(io.BytesIO(file))) == IMAGE).all()

    file, mime = encode_image(np.zeros((3000, 8000, 3), np.uint8))
    width, height = Image.open(io.BytesIO(file)).size
    assert mime == "image/jpeg" and width * height <= 2_410_000 and abs(width / height - 8 / 3) < 0.01


def test_the_requests_of_tools() -> None:
    page = open_page(LEFT_HALF)
    reply, (pixels,) = page.exchange("superpixels", count=20)
    labels = np.frombuffer(pixels, "<i4").reshape(reply["result"]["height"], reply["result"]["width"])
    assert (labels == page.widget.session.superpixels(20)).all()
    assert page.apply("superpixel", segments=[int(labels[0, 0])], count=20)["ok"] and page.matches_session()
    assert "10000" in page.exchange("superpixels", count=1)[0]["error"]

    path = page.request("scissors", points=[[2, 3], [12, 9]], window=64)["result"]["path"]
    assert path[0] == (2, 3) and path[-1] == (12, 9)

    reply, (pixels,) = page.exchange("sources")
    x0, y0, x1, y1 = reply["result"]["box"]
    sources = np.frombuffer(pixels, np.uint8).reshape(y1 - y0, x1 - x0)
    assert (sources == page.widget.session.sources[y0:y1, x0:x1]).all() and sources.any()

    reply, (file,) = page.exchange("tile", box=[2, 3, 12, 13], width=5, height=5)
    tile = Image.open(io.BytesIO(file))
    assert (tile.size, tile.format) == ((5, 5), "JPEG")
    _, (file,) = page.exchange("tile", box=[2, 3, 12, 13], width=10, height=10, lossless=True)
    assert (np.asarray(Image.open(io.BytesIO(file))) == IMAGE[3:13, 2:12]).all()
    assert "does not lie" in page.exchange("tile", box=[2, 3, 99, 13], width=5, height=5)[0]["error"]
    for width, height in ((20_000, 20_000), (0, 5), (5, -1)):
        assert "allowed are 1 to 1000000 pixels" in page.exchange("tile", box=[2, 3, 12, 13], width=width, height=height)[0]["error"]


def test_page_and_cells_may_write_at_the_same_time() -> None:
    """With comms on a subshell, messages of the page are handled in another thread than the cells."""
    widget = Annotator(IMAGE, ScriptedPredictor(LEFT_HALF))
    page = WidgetPage(widget)
    errors: list[BaseException] = []

    def run(do: Callable[[int], Any]) -> Thread:
        def work() -> None:
            try:
                for number in range(200):
                    do(number)
            except BaseException as error:
                errors.append(error)

        thread = Thread(target=work)
        thread.start()
        return thread

    brush = {"type": "brush", "radius": 2.0}
    switch_interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [
            run(lambda n: page.send({"id": "", "op": "apply", "action": {**brush, "points": [[n % 18, n % 14]]}})),
            run(lambda n: widget.set_state({"opacity": n / 200, "tool": ["brush", "wand"][n % 2], "brush_size": 5.0 + n})),
            run(lambda n: setattr(widget, "tolerance", float(n % 50))),
            run(lambda n: widget.undo() if n % 2 else widget.redo()),
            run(lambda n: setattr(widget, "label", f"label {n}")),
        ]
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(switch_interval)
    assert not errors
    after = AnnotatorPage(widget)
    after.request("document")
    assert after.matches_session() and widget.tolerance == 49 and widget.brush_size == 204


def test_a_stroke_compresses_only_the_pixels_that_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    page = open_page(LEFT_HALF)
    page.apply("brush", points=[[2, 2], [8, 8]], radius=3, add=True)
    shapes = []

    def recording_pack(sources: np.ndarray) -> bytes:
        shapes.append(sources.shape)
        return pack(sources)

    monkeypatch.setattr(document, "pack", recording_pack)
    page.apply("brush", points=[[15, 5]], radius=1, add=True)
    assert page.matches_session() and shapes and all(height <= 3 and width <= 3 for height, width in shapes), shapes
