"""The semantic mode of an Annotator: what is drawn belongs to a class, which takes its pixels from the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cdwidget.formats import read
from cdwidget.items import Instance, Item
from cdwidget.prompts import Click
from cdwidget.session import AddToClass, Paste
from cdwidget.widget import Annotator
from support.annotator_page import AnnotatorPage
from support.scripted_predictor import IMAGE, LEFT_HALF, RIGHT_HALF, ScriptedPredictor

LABELS = ["road", "sky"]


def open_semantic(image: Any = IMAGE, **options: Any) -> AnnotatorPage:
    page = AnnotatorPage(Annotator(image, ScriptedPredictor(LEFT_HALF), mode="semantic", labels=LABELS, **options))
    page.request("document")
    return page


def paint(page: AnnotatorPage, x: float, y: float = 5.5, radius: float = 2.0, add: bool = True) -> None:
    page.apply("brush", points=[[x, y]], radius=radius, add=add)


def areas(page: AnnotatorPage) -> dict[str, int]:
    assert page.matches_session()
    return {one.label: int(one.mask.sum()) for one in page.widget.instances}


def test_a_chosen_class_finishes_the_drawing_and_takes_pixels() -> None:
    page = open_semantic()
    page.apply("click", x=1, y=1, positive=True)
    page.apply("relabel", label="sky")
    assert page.widget.label == "sky" and areas(page) == {"road": LEFT_HALF.sum()}
    paint(page, 5.5)
    sky = page.widget.mask.copy()
    expected = np.where(LEFT_HALF, 1, 0)
    expected[sky] = 2
    assert (page.widget.label_map == expected).all()  # Also before the drawing is finished.
    page.apply("accept")
    assert (page.widget.label_map == expected).all() and areas(page) == {"road": (LEFT_HALF & ~sky).sum(), "sky": sky.sum()}
    paint(page, 12.5)
    page.apply("accept")
    assert len(page.widget.instances) == 2
    for _ in range(3):
        page.request("undo")
    assert areas(page) == {"road": LEFT_HALF.sum(), "sky": sky.sum()} and page.widget.label == "sky"  # The drawing is separate again.
    while page.widget.can_undo:
        page.request("undo")
    assert areas(page) == {} and page.widget.label == "road"
    while page.widget.can_redo:
        page.request("redo")
    assert list(areas(page)) == ["road", "sky"]


def test_a_stroke_separates_the_classes_in_one_undo_step(tmp_path: Path) -> None:
    Image.fromarray(IMAGE).save(path := tmp_path / "a.png")
    both = np.ones_like(LEFT_HALF)
    page = AnnotatorPage(Annotator(path, ScriptedPredictor(both, both, LEFT_HALF, RIGHT_HALF), mode="semantic", labels=LABELS))
    page.request("document")
    page.apply("stroke", points=[[2.5, 4.5], [2.5, 9.5]], positive=True, radius=1)
    page.apply("relabel", label="sky")
    page.apply("stroke", points=[[15.5, 4.5], [15.5, 9.5]], positive=True, radius=1)
    separate = {"road": LEFT_HALF.sum(), "sky": RIGHT_HALF.sum()}
    assert areas(page) == separate and (page.widget.label_map == np.where(LEFT_HALF, 1, 2 * RIGHT_HALF)).all()
    page.request("undo")
    assert areas(page) == {"road": both.sum()} and page.widget.label == "sky"
    page.request("redo")
    assert areas(page) == separate and not page.widget.can_redo
    again = Annotator(path, ScriptedPredictor(LEFT_HALF), mode="semantic", labels=LABELS)  # Also after a restart it is one step.
    again.undo()
    assert {one.label: int(one.mask.sum()) for one in again.instances} == {"road": both.sum()}


def test_erasing_without_a_drawing_removes_pixels_of_every_class_in_one_step() -> None:
    page = open_semantic(instances=[Instance(LEFT_HALF, "road"), Instance(RIGHT_HALF, "sky")])
    before = areas(page)
    paint(page, 8.5, radius=4.0, add=False)
    after = areas(page)
    assert after["road"] < before["road"] and after["sky"] < before["sky"] and page.widget.label == "road"
    page.request("undo")
    assert areas(page) == before and not page.widget.can_undo
    page.request("redo")
    assert areas(page) == after and not page.widget.can_redo
    paint(page, 8.5)
    paint(page, 8.5, add=False)  # Now it corrects the drawing.
    assert areas(page) == after


def test_selecting_another_class_finishes_the_drawing() -> None:
    page = open_semantic(instances=[Instance(LEFT_HALF, "road"), Instance(RIGHT_HALF, "sky")])
    paint(page, 12.5, radius=1.0)
    page.apply("select", instance=1)
    assert page.widget.selected == 1 and areas(page)["road"] > LEFT_HALF.sum() and len(page.widget.instances) == 2
    paint(page, 9.5, radius=40.0)
    page.apply("select", instance=2)  # Nothing is left of it.
    assert list(areas(page)) == ["road"]


def test_a_drawing_is_finished_when_another_image_is_shown_and_saved(tmp_path: Path) -> None:
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for number, path in enumerate(paths):
        Image.fromarray(np.roll(IMAGE, number, axis=0)).save(path)
    page = open_semantic(paths)
    paint(page, 5.5)
    page.apply("relabel", label="sky")
    paint(page, 7.5)
    page.request("go", step=1)
    page.request("document")
    assert page.widget.label == "sky"
    paint(page, 9.5)
    page.widget.goto(0)
    assert len(page.widget.session.state.entries) == 3 and not page.widget.mask.any()
    expected = page.widget.label_map
    page.widget.save(mask := tmp_path / "mask.png")
    with Image.open(mask) as file:
        assert file.mode == "P" and (np.asarray(file) == expected).all() and set(np.unique(expected)) == {0, 1, 2}
        assert tuple(file.getpalette()[3:6]) == (0x3B, 0x82, 0xF6)
    page.widget.save(folder := tmp_path / "voc", format="voc")
    saved = read("voc", folder)
    assert [[one.label for one in item.instances] for item in saved] == [["road", "sky"], ["sky"]]
    again = Annotator(paths, ScriptedPredictor(LEFT_HALF), mode="semantic", labels=LABELS)
    assert (again.label_map == expected).all() and again.session.can_undo


def test_drawings_of_no_class_remove_pixels_and_other_objects_without_a_class_stay(tmp_path: Path) -> None:
    given = [Item(tmp_path / f"{name}.png", instances=[Instance(LEFT_HALF)]) for name in "ab"]
    for item in given:
        Image.fromarray(IMAGE).save(item.path)
    page = open_semantic(given)
    page.apply("select", instance=1)
    for leave in ({"op": "go", "step": 1}, {"op": "go", "step": -1}):
        page.request(**leave)
        page.request("document")
        assert areas(page) == {"": LEFT_HALF.sum()}
    page.apply("accept")
    assert areas(page) == {"": LEFT_HALF.sum()} and page.widget.label == "road" and not page.widget.mask.any()
    page.apply("select", instance=1)
    page.apply("relabel", label="sky")  # It gets the class that is chosen.
    assert areas(page) == {"sky": LEFT_HALF.sum()} and page.widget.label == "sky"
    page.apply("relabel", label="")
    paint(page, 3.5)
    page.widget.save(tmp_path / "mask.png")
    assert list(areas(page)) == ["sky"] and 0 < areas(page)["sky"] < LEFT_HALF.sum()  # The page knows it too.


def test_a_mask_that_was_given_or_made_by_a_script_is_not_erased(tmp_path: Path) -> None:
    widget = open_semantic(mask=LEFT_HALF).widget
    widget.save(tmp_path / "mask.png")
    assert (widget.mask == LEFT_HALF).all()
    widget = open_semantic([IMAGE, IMAGE]).widget
    widget.session.apply(Click(1, 1))
    widget.next()
    widget.previous()
    assert [one.label for one in widget.instances] == [""]


def test_a_listener_gets_the_index_of_the_image_whose_drawing_is_finished() -> None:
    page, found = open_semantic([IMAGE, IMAGE]), {}
    paint(page, 5.5)
    page.widget.on_change(lambda w: found.update({w.index: [one.label for one in w.instances]}))
    page.widget.next()
    assert found == {0: ["road"], 1: []}


def test_pasted_objects_are_added_to_their_classes_in_one_step() -> None:
    page = open_semantic(instances=[Instance(LEFT_HALF, "road"), Instance(RIGHT_HALF, "sky")])
    band, corner = np.zeros_like(LEFT_HALF), np.zeros_like(LEFT_HALF)
    band[2:4], corner[:3, :3] = True, True
    page.widget.apply(Paste.of([Instance(band, "sky"), Instance(corner, "road"), Instance(corner, "tree"), Instance(corner)]))
    expected = np.where(LEFT_HALF, 1, 2 * RIGHT_HALF)
    expected[2:4] = 2
    expected[:3, :3] = 3
    found = areas(page)
    assert found == {"road": (expected == 1).sum(), "sky": (expected == 2).sum(), "tree": 9, "": 9}
    page.request("undo")
    assert areas(page) == {"road": LEFT_HALF.sum(), "sky": RIGHT_HALF.sum()} and not page.widget.can_undo
    page.request("redo")
    assert areas(page) == found


def test_a_drawing_is_finished_before_objects_are_pasted_and_a_covered_class_goes() -> None:
    page = open_semantic()
    paint(page, 5.5)
    page.widget.apply(Paste.of([Instance(np.ones_like(LEFT_HALF), "sky")]))
    assert areas(page) == {"sky": LEFT_HALF.size} and not page.widget.mask.any()
    page.request("undo")
    assert list(areas(page)) == ["road"]


def test_an_unknown_class_is_refused_if_classes_are_closed() -> None:
    widget = open_semantic(closed_labels=True).widget
    for action in (AddToClass("rode"), AddToClass(next="rode")):
        with pytest.raises(ValueError, match="did you mean 'road'|unknown label"):
            widget.apply(action)


def test_semantic_mode_needs_classes() -> None:
    with pytest.raises(ValueError, match="needs the classes"):
        Annotator(IMAGE, ScriptedPredictor(LEFT_HALF), mode="semantic")


def test_objects_that_are_merged_take_no_number_of_others() -> None:
    page = open_semantic(instances=[Instance(LEFT_HALF, "road")])
    corner = np.zeros_like(LEFT_HALF)
    corner[-3:, -3:] = True
    page.widget.apply(Paste.of([Instance(LEFT_HALF, "road"), Instance(corner, "sky")]))
    page.widget.select()
    page.apply("accept")
    page.apply("relabel", label="road")
    paint(page, 5.5)
    page.apply("accept")
    assert areas(page)["sky"] == 9


def followed(mask: np.ndarray, label: str) -> Paste:
    return Paste.of([Instance(mask, label, confirmed=False)])


def confirmed(page: AnnotatorPage) -> dict[str, bool]:
    return {one.label: one.confirmed for one in page.widget.instances}


def test_followed_objects_take_no_pixels_and_are_not_confirmed_by_drawings_next_to_them() -> None:
    page = open_semantic(instances=[Instance(LEFT_HALF, "road")])
    page.widget.apply(followed(np.ones_like(LEFT_HALF), "sky"))
    assert areas(page)["road"] == LEFT_HALF.sum() and confirmed(page) == {"road": True, "sky": False}
    page.apply("relabel", label="road")
    paint(page, 12.5)
    page.apply("accept")
    assert confirmed(page) == {"road": True, "sky": False}


def test_a_followed_object_is_confirmed_by_finishing_or_drawing_but_not_by_looking_at_it() -> None:
    page = open_semantic()
    page.widget.apply(followed(RIGHT_HALF, "sky"))
    sky = page.widget.instances[0].id
    page.apply("select", instance=sky)
    page.apply("select")
    assert confirmed(page) == {"sky": False}
    page.apply("select", instance=sky)
    page.apply("accept")
    assert confirmed(page) == {"sky": True}
    page.request("undo")
    page.apply("select")
    page.apply("relabel", label="sky")
    paint(page, 12.5)
    page.apply("accept")
    assert confirmed(page) == {"sky": True} and len(page.widget.instances) == 1
