"""What the page and the kernel say to each other, without a browser."""

from __future__ import annotations

import base64
import io
import sys
import zlib
from threading import Thread
from time import sleep
from typing import Any, Callable

import numpy as np
import pytest
from PIL import Image
from traitlets import TraitError

from cdwidget.items import Instance
from cdwidget.prompts import Click
from cdwidget.session import Session
from cdwidget.widget import Annotator
from cdwidget.widget.images import encode_image
from support.annotator_page import Page, open_page
from support.scripted_predictor import HEIGHT, IMAGE, LEFT, RIGHT, WIDTH, Scripted


def test_the_browser_knows_what_the_session_holds_after_every_message() -> None:
    page = open_page(LEFT, RIGHT, LEFT)
    steps = [
        lambda: page.apply("click", x=1, y=1, positive=True),
        lambda: page.apply("relabel", label="cat"),
        lambda: page.apply("accept"),
        lambda: page.apply("click", x=WIDTH - 1, y=1, positive=True),
        lambda: page.apply("select", instance=1),
        lambda: page.apply("delete"),
        lambda: page.ask("undo"),
        lambda: page.ask("undo"),
        lambda: page.ask("redo"),
        lambda: page.apply("select", instance=None),
    ]
    for step in steps:
        assert step()["ok"] and page.agrees()
    assert len(page.widget.instances) == 2


def test_the_browser_is_told_how_much_of_a_pixel_is_the_objects() -> None:
    ramp = np.tile(np.linspace(0, 255, WIDTH).astype(np.uint8), (HEIGHT, 1))
    page = open_page(instances=[Instance(RIGHT), Instance(ramp > 127, alpha=ramp)])
    ((box, alpha),) = page.alphas
    assert box[2] == WIDTH and (alpha.reshape(HEIGHT, -1) == ramp[:, box[0] :]).all()
    page.apply("select", instance=2)
    page.apply("brush", points=[[3.5, 3.5]], radius=0.5, add=True)
    assert page.agrees() and [(box, bytes(alpha)) for box, alpha in page.alphas] == [((3, 3, 4, 4), b"\xff")]
    page.ask("undo")
    assert page.agrees() and page.alphas[0][1] == [ramp[3, 3]]


def test_python_tells_the_browser() -> None:
    page = open_page(LEFT)
    widget = page.widget
    widget.apply(Click(1, 1))
    assert page.messages[-1][0]["id"] is None and page.agrees() and widget.mask.any()
    widget.undo()
    assert page.agrees() and not widget.mask.any()
    widget.redo()
    widget.session.relabel("dog")  # past the widget: it notices after the cell, or with the next message
    widget.refresh()
    assert page.agrees() and widget.label == "dog"
    widget.session.accept()
    page.ask("undo")
    assert page.agrees()
    assert widget.redo() and widget.redo() is None


def test_label_and_selected_are_ways_to_the_session() -> None:
    page = open_page(LEFT, label="cat", labels=["cat", "dog"])
    widget = page.widget
    assert widget.session.label == "cat"
    widget.apply(Click(1, 1))
    widget.label = "dog"
    assert widget.session.instances[0].label == "dog" and page.agrees()
    page.apply("accept")
    widget.selected = 1
    assert widget.session.selected == 1 and page.agrees()
    with pytest.raises(ValueError, match="no instance 7"):
        widget.selected = 7
    assert widget.selected == 1


def test_an_error_is_an_answer_and_changes_nothing() -> None:
    page = open_page(LEFT)
    for message, expected in [
        ({"op": "apply", "action": {"type": "click", "x": 999, "y": 1, "positive": True}}, "outside"),
        ({"op": "apply", "action": {"type": "paint"}}, "paint"),
        ({"op": "aply"}, "did you mean 'apply'"),
        ({"op": "apply"}, "action"),
        ({}, "operation"),
    ]:
        page.widget._handle_custom_msg({"id": "x", **message}, [])
        answer = page.messages[-1][0]
        assert answer["id"] == "x" and not answer["ok"] and expected in answer["error"]
    assert page.agrees() and not page.widget.can_undo and not page.widget.busy


def test_an_interrupted_kernel_answers_too() -> None:
    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    page = open_page(LEFT)
    page.widget.session.apply = interrupted  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        page.apply("accept")
    assert "KeyboardInterrupt" in page.messages[-1][0]["error"]


def test_a_model_that_fails_says_so_and_is_tried_again() -> None:
    class Broken(Scripted):
        def set_image(self, image: np.ndarray) -> None:
            raise RuntimeError("no memory")

    page = Page(Annotator(IMAGE, Broken(LEFT)))
    page.ask("document")
    assert "no memory" in page.apply("click", x=1, y=1, positive=True)["error"]
    Broken.set_image = Scripted.set_image  # type: ignore[method-assign]
    assert page.apply("click", x=1, y=1, positive=True)["ok"] and page.agrees()


def test_a_peek_records_nothing() -> None:
    page = open_page(LEFT)
    answer = page.ask("peek", action={"type": "click", "x": 1, "y": 1, "positive": True})
    assert answer["result"]["box"] == page.widget.session.peek(Click(1, 1)).bbox and not page.widget.can_undo and not page.widget.mask.any()


def test_view_only_refuses() -> None:
    page = open_page(LEFT, view_only=True)
    assert "view_only" in page.apply("click", x=1, y=1, positive=True)["error"]
    page.widget.apply(Click(1, 1))  # Python may
    assert "view_only" in page.ask("undo")["error"]


def test_unknown_keywords_and_keys_are_refused() -> None:
    with pytest.raises(TypeError, match="no keyword lables"):
        Annotator(IMAGE, Scripted(LEFT), lables=["cat"])
    with pytest.raises(ValueError, match="did you mean 'undo'"):
        Annotator(IMAGE, Scripted(LEFT), shortcuts={"udo": ["U"]})
    with pytest.raises(TraitError):
        Annotator(IMAGE, Scripted(LEFT), tool="hammer")
    with pytest.raises(TraitError, match="'blurple' is no colour"):
        Annotator(IMAGE, Scripted(LEFT), colors=["#ff0000", "blurple"])
    with pytest.raises(ValueError, match="brings its own predictor"):
        Annotator(Session(IMAGE, Scripted(LEFT)), Scripted(LEFT))
    widget = Annotator(IMAGE, Scripted(LEFT), shortcuts={"next": ["ArrowRight"]})
    assert widget.shortcuts["next"] == ["ArrowRight"] and widget.shortcuts["undo"] == ["Ctrl+Z"]


def test_a_session_is_shown_as_it_is() -> None:
    session = Session(IMAGE, Scripted(RIGHT), mask=LEFT)
    page = Page(Annotator(session))
    page.ask("document")
    assert page.agrees() and page.widget.session is session and (page.masks[1] == LEFT).all()


def test_the_image_is_sent_as_a_file() -> None:
    page = open_page(LEFT)
    answer = page.ask("image")
    file = page.messages[-1][1][0]
    assert answer["result"]["mime"] == "image/png"
    assert (np.asarray(Image.open(io.BytesIO(file))) == IMAGE).all()

    file, mime = encode_image(np.zeros((3000, 8000, 3), np.uint8))
    width, height = Image.open(io.BytesIO(file)).size
    assert mime == "image/jpeg" and width * height <= 16_010_000 and abs(width / height - 8 / 3) < 0.01


def test_the_repr_holds_a_small_png() -> None:
    widget = Annotator(np.full((600, 800, 3), 90, np.uint8), Scripted(np.tri(600, 800, dtype=bool)))
    widget.apply(Click(1, 500))
    bundle = widget._repr_mimebundle_()
    assert bundle is not None and "application/vnd.jupyter.widget-view+json" in bundle[0]
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(bundle[0]["image/png"]))).convert("RGB"))
    assert picture.shape == (300, 400, 3)
    assert np.ptp(picture[10, 300]) < 8 and np.ptp(picture[290, 10]) > 40  # grey outside, tinted inside


def answer_to(page: Page, op: str, **fields: Any) -> tuple[dict[str, Any], list[bytes]]:
    """Ask what is answered from a thread, and wait for it."""
    count = len(page.messages)
    page.widget._handle_custom_msg({"id": op, "op": op, **fields}, [])
    for _ in range(1000):
        found = [message for message in page.messages[count:] if message[0]["id"] == op]
        if found:
            return found[0]
        sleep(0.01)
    raise AssertionError(f"no answer to {op}")


def test_what_the_tools_ask_for() -> None:
    page = open_page(LEFT)
    answer, (packed,) = answer_to(page, "superpixels", count=20)
    labels = np.frombuffer(zlib.decompress(packed), "<i4").reshape(answer["result"]["height"], answer["result"]["width"])
    assert (labels == page.widget.session.superpixels(20)).all()
    assert page.apply("superpixel", segments=[int(labels[0, 0])], count=20)["ok"] and page.agrees()
    assert "10000" in answer_to(page, "superpixels", count=1)[0]["error"]

    path = page.ask("scissors", points=[[2, 3], [12, 9]], window=64)["result"]["path"]
    assert path[0] == (2, 3) and path[-1] == (12, 9)

    answer, (packed,) = answer_to(page, "sources")
    x0, y0, x1, y1 = answer["result"]["box"]
    sources = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(y1 - y0, x1 - x0)
    assert (sources == page.widget.session.sources[y0:y1, x0:x1]).all() and sources.any()

    answer, (file,) = answer_to(page, "tile", box=[2, 3, 12, 13], width=5, height=5)
    assert Image.open(io.BytesIO(file)).size == (5, 5)
    assert "does not lie" in answer_to(page, "tile", box=[2, 3, 99, 13], width=5, height=5)[0]["error"]


def test_page_and_cells_may_write_at_the_same_time() -> None:
    """Where comms run on a subshell, the page's messages are handled in another thread than the cells."""
    widget = Annotator(IMAGE, Scripted(LEFT))
    wrong: list[BaseException] = []

    def run(do: Callable[[int], Any]) -> Thread:
        def work() -> None:
            try:
                for number in range(200):
                    do(number)
            except BaseException as error:
                wrong.append(error)

        thread = Thread(target=work)
        thread.start()
        return thread

    brush = {"type": "brush", "radius": 2.0}
    often = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [
            run(lambda n: widget._handle_custom_msg({"id": "", "op": "apply", "action": {**brush, "points": [[n % 18, n % 14]]}}, [])),
            run(lambda n: widget.set_state({"opacity": n / 200, "tool": ["brush", "wand"][n % 2], "brush_size": 5.0 + n})),
            run(lambda n: setattr(widget, "tolerance", float(n % 50))),
            run(lambda n: widget.undo() if n % 2 else widget.redo()),
            run(lambda n: setattr(widget, "label", f"label {n}")),
        ]
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(often)
    assert not wrong
    page = Page(widget)
    page.ask("document")
    assert page.agrees() and widget.tolerance == 49 and widget.brush_size == 204
