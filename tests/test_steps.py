"""Undo steps of a widget: changes that a user sees as one are undone and redone as one, also after a restart."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from cdwidget.widget import Annotator
from support.annotator_page import AnnotatorPage
from support.scripted_predictor import IMAGE, LEFT_HALF, ScriptedPredictor

CORNER = LEFT_HALF.copy()
CORNER[7:] = False


def open_photo(path: Path) -> AnnotatorPage:
    predictor = ScriptedPredictor(LEFT_HALF, alternatives=[CORNER])
    page = AnnotatorPage(Annotator(path, predictor, labels=["cup"]))
    page.request("document")
    return page


def test_the_first_click_and_its_label_are_one_step_after_a_restart(tmp_path: Path) -> None:
    Image.fromarray(IMAGE).save(path := tmp_path / "photo.png")
    page = open_photo(path)
    page.apply("click", x=1, y=1, positive=True)
    assert page.widget.label == "cup"
    page.widget.close()
    again = open_photo(path)
    for _ in range(2):
        again.request("undo")
        assert not again.widget.can_undo and not again.widget.mask.any() and again.matches_session()
        again.request("redo")
        assert not again.widget.can_redo and again.widget.session.label == "cup" and again.matches_session()
    again.apply("relabel", label="mug")  # A choice of the user is a step of its own.
    again.request("undo")
    assert again.widget.label == "cup" and again.widget.mask.any()


def test_a_run_of_suggestions_is_one_step(tmp_path: Path) -> None:
    Image.fromarray(IMAGE).save(path := tmp_path / "photo.png")
    page = open_photo(path)
    page.apply("click", x=1, y=1, positive=True)
    for number in (1, 2, 1):
        page.apply("alternative", number=number)
    chosen = page.widget.mask.copy()
    assert (chosen != LEFT_HALF).any()
    page.request("undo")
    assert (page.widget.mask == LEFT_HALF).all() and page.matches_session()
    page.request("redo")
    assert (page.widget.mask == chosen).all() and page.matches_session() and not page.widget.can_redo
    page.apply("brush", points=[[9, 9]], radius=1)
    page.request("undo")
    assert (page.widget.mask == chosen).all()
