"""The label of new objects: it stays over images, and a single class is the default."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cdwidget.items import Instance, Item
from cdwidget.prompts import Click
from cdwidget.widget import Annotator
from support.annotator_page import AnnotatorPage
from support.scripted_predictor import HEIGHT, LEFT_HALF, RIGHT_HALF, WIDTH, ScriptedPredictor

PROMPT = {"x": 1, "y": 1, "positive": True}


def photos(folder: Path, count: int = 4) -> list[Path]:
    paths = [folder / f"{number}.png" for number in range(count)]
    for number, path in enumerate(paths):
        Image.fromarray(np.full((HEIGHT, WIDTH, 3), 10 * number, np.uint8)).save(path)
    return paths


def test_the_label_stays_over_images(tmp_path: Path) -> None:
    widget = Annotator(photos(tmp_path), ScriptedPredictor(LEFT_HALF), labels=["dog", "cat"], label="dog")
    page = AnnotatorPage(widget)
    for _ in range(2):
        page.request("document")
        assert page.apply("click", **PROMPT)["ok"]
        page.request("go", step=1)
    page.request("document")
    page.apply("relabel", label="cat")
    page.request("go", step=1)
    assert widget.label == "cat" and not (tmp_path / ".cdwidget" / "3.png.jsonl").exists()  # Looking at an image changes nothing.
    widget.apply(Click(1, 1))
    assert [[one.label for one in item.instances] for item in widget.items] == [["dog"], ["dog"], [], ["cat"]]


def test_returning_to_an_image_does_not_change_the_label_of_the_next_one(tmp_path: Path) -> None:
    widget = Annotator(photos(tmp_path, 3), ScriptedPredictor(LEFT_HALF), labels=["dog", "cat"], label="cat")
    widget.apply(Click(1, 1))
    widget.next()
    widget.label = "dog"
    widget.apply(Click(1, 1))
    widget.previous()
    assert widget.label == "cat"  # The object that is selected there.
    widget.next()
    widget.next()
    assert widget.label == "dog"


def test_undoing_a_choice_of_class_brings_the_class_before_back(tmp_path: Path) -> None:
    widget = Annotator(photos(tmp_path, 3), ScriptedPredictor(LEFT_HALF), labels=["dog", "cat"], label="dog")
    widget.apply(Click(1, 1))
    widget.next()
    widget.label = "cat"
    widget.undo()
    assert widget.label == "dog"
    widget.redo()
    assert widget.label == "cat"
    widget.undo()
    widget.apply(Click(1, 1))
    widget.next()
    widget.session.relabel("cat")
    widget.apply(Click(1, 1))
    assert [[one.label for one in item.instances] for item in widget.items] == [["dog"], ["dog"], ["cat"]]


def test_a_single_class_is_the_default_and_one_undo_removes_the_first_click(tmp_path: Path) -> None:
    widget = Annotator(photos(tmp_path, 1), ScriptedPredictor(LEFT_HALF), labels=["dog"])
    page = AnnotatorPage(widget)
    page.request("document")
    page.apply("click", **PROMPT)
    assert [one.label for one in widget.instances] == ["dog"] and page.matches_session()
    page.request("undo")
    assert page.matches_session() and not widget.instances and not widget.can_undo and widget.label == "dog"
    page.request("redo")
    assert page.matches_session() and [one.label for one in widget.instances] == ["dog"] and not widget.can_redo
    again = Annotator(photos(tmp_path, 1), ScriptedPredictor(LEFT_HALF), labels=["dog"])
    assert [one.label for one in again.instances] == ["dog"]


def test_saving_warns_of_objects_without_a_class(tmp_path: Path) -> None:
    (path,) = photos(tmp_path, 1)
    item = Item(path, [Instance(LEFT_HALF), Instance(RIGHT_HALF, "dog")])
    with pytest.warns(UserWarning, match="1 object has no class.*0.png"):
        Annotator([item], ScriptedPredictor(LEFT_HALF), labels=["dog"]).save(tmp_path / "labels.json")
