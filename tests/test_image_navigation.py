"""The way through a list of images: goto, the first one without objects, submit and skip, and edits of another image."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cdwidget.items import Instance, Item
from cdwidget.prompts import Click
from cdwidget.widget import Annotator
from support.annotator_page import AnnotatorPage
from support.scripted_predictor import HEIGHT, LEFT_HALF, WIDTH, ScriptedPredictor

PROMPT = {"x": 1, "y": 1, "positive": True}


def photos(folder: Path, count: int) -> list[Path]:
    paths = [folder / f"{number}.png" for number in range(count)]
    for number, path in enumerate(paths):
        Image.fromarray(np.full((HEIGHT, WIDTH, 3), 10 * number, np.uint8)).save(path)
    return paths


def test_any_image_is_shown_by_its_position(tmp_path: Path) -> None:
    paths = photos(tmp_path, 5)
    widget = Annotator(paths, ScriptedPredictor(LEFT_HALF), index=3)
    page = AnnotatorPage(widget)
    assert widget.index == 3 and page.trait("_image")["name"] == "3.png"
    widget.index = 1
    assert page.request("goto", index=4)["result"] == {"passed": [], "key": widget.active_image.key} and widget.index == 4
    for wrong in (-1, 5):
        with pytest.raises(ValueError, match=f"no image {wrong}.*0 to 4"):
            widget.goto(wrong)
    with pytest.raises(ValueError, match="no image 9"):
        Annotator(paths, ScriptedPredictor(LEFT_HALF), index=9)
    paths[2].unlink()
    with pytest.raises(FileNotFoundError):
        widget.goto(2)
    assert widget.index == 4


def test_work_resumes_at_the_first_image_without_objects(tmp_path: Path) -> None:
    paths = photos(tmp_path, 5)
    sources = [paths[0], Item(paths[1], [Instance(LEFT_HALF, "cat")]), *paths[2:]]
    first = Annotator(sources, ScriptedPredictor(LEFT_HALF), index=None)
    assert first.index == 0
    first.apply(Click(1, 1))
    paths[2].write_bytes(b"no image")
    page = AnnotatorPage(first)
    assert page.request("goto", index=None)["result"]["passed"] != [] and first.index == 3
    page.request("document")
    first.apply(Click(1, 1))
    first.close()
    second = Annotator(sources, ScriptedPredictor(LEFT_HALF), index=3)
    second.goto(None)
    assert second.index == 4
    second.apply(Click(1, 1))
    with pytest.raises(ValueError, match="all other images have objects that can be opened"):
        second.goto(None)
    assert second.index == 4


def test_callbacks_are_told_of_changes_and_images(tmp_path: Path) -> None:
    widget, seen = Annotator(photos(tmp_path, 2), ScriptedPredictor(LEFT_HALF)), []

    @widget.on_change
    def count(changed: Annotator) -> None:
        seen.append((changed.index, len(changed.instances)))

    widget.apply(Click(1, 1))
    widget.select()
    widget.select(1)
    widget.next()
    assert seen == [(0, 1), (0, 1), (0, 1), (1, 0)] and widget.session.selected == 1


def test_a_callback_may_listen_twice_and_be_stopped_twice(tmp_path: Path) -> None:
    widget, calls = Annotator(photos(tmp_path, 2), ScriptedPredictor(LEFT_HALF)), []

    def count() -> None:
        calls.append(widget.index)

    first, second = widget.listen(count), widget.listen(count)
    widget.apply(Click(1, 1))
    assert len(calls) == 2
    first()
    first()
    widget.apply(Click(2, 2))
    assert len(calls) == 3
    second()
    widget.apply(Click(3, 3))
    assert len(calls) == 3


def test_a_change_for_another_image_is_refused(tmp_path: Path) -> None:
    page = AnnotatorPage(Annotator(photos(tmp_path, 2), ScriptedPredictor(LEFT_HALF)))
    page.request("document")
    key = page.widget.active_image.key
    reply = page.request("go", step=1)
    assert reply["result"]["key"] == key + 1
    for op, fields in (("apply", {"action": {"type": "click", **PROMPT}}), ("undo", {}), ("submit", {})):
        reply = page.request(op, key=key, **fields)
        assert not reply["ok"] and reply["kind"] == "ImageChanged" and not page.widget.can_undo and page.widget.index == 1


def test_a_change_that_waits_for_the_model_is_refused_once_another_image_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = AnnotatorPage(Annotator(photos(tmp_path, 2), ScriptedPredictor(LEFT_HALF)))
    page.request("document")
    monkeypatch.setattr(page.widget.active_image, "wait_for_predictor", lambda action: page.widget.goto(1))  # As a cell does meanwhile.
    reply = page.request("apply", key=page.widget.active_image.key, action={"type": "click", **PROMPT})
    assert reply["kind"] == "ImageChanged" and page.widget.index == 1 and not page.widget.instances


def test_submit_calls_back_once_and_counts_the_images_that_are_left(tmp_path: Path) -> None:
    widget = Annotator(photos(tmp_path, 2), ScriptedPredictor(LEFT_HALF))
    page, submitted = AnnotatorPage(widget), []
    widget.on_submit(lambda w: submitted.append(w.index))
    page.request("document")
    results = [page.request("submit")["result"] for _ in range(4)]
    assert submitted == [0, 1]
    assert [(one["left"], one["is_last"]) for one in results] == [(1, False), (0, True), (0, True), (0, True)]
    page.apply("click", **PROMPT)
    page.request("submit")
    assert submitted == [0, 1, 1]  # It has changed since.


def test_the_filmstrip_gets_names_marks_and_small_pictures(tmp_path: Path) -> None:
    paths = photos(tmp_path, 4)
    Image.fromarray(np.full((600, 400, 3), 90, np.uint8)).save(jpeg := tmp_path / "large.jpg")
    paths[1].write_bytes(b"no image")
    array = np.full((HEIGHT, WIDTH, 3), 7, np.uint8)
    page = AnnotatorPage(
        Annotator([*paths[:3], Item(jpeg, [Instance(np.ones((600, 400), bool), "cat")]), array], ScriptedPredictor(LEFT_HALF))
    )
    page.request("document")
    page.request("apply", action={"type": "click", **PROMPT})
    page.request("skip")
    page.request("skip")
    marks = page.request("marks", start=-3, stop=99)["result"]["images"]
    assert [mark["name"] for mark in marks] == ["0.png", "1.png", "2.png", "large.jpg", ""]
    assert [mark["done"] for mark in marks] == [True, False, True, True, False]
    assert page.request("marks", start=1, stop=2)["result"]["images"] == marks[1:2]
    pictures = page.request("pictures", indices=[3, 1, 4, 77], side=60)["result"]["pictures"]
    assert [bool(url) for url in pictures] == [True, False, True, False]
    with Image.open(io.BytesIO(base64.b64decode(pictures[0].partition(",")[2]))) as file:
        assert file.format == "JPEG" and file.size == (40, 60)
    assert not page.request("pictures", indices=[0], side=10**9)["ok"]
    assert page.widget.index == 3
