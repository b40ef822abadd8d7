"""The attributes that objects of an Annotator can have: their declaration, the form in the page, saving."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from traitlets import TraitError

from cdwidget.formats import read
from cdwidget.widget import Annotator
from support.annotator_page import AnnotatorPage, open_page
from support.scripted_predictor import IMAGE, LEFT_HALF, ScriptedPredictor

KINDS = {"occluded": bool, "color": ["red", "blue"], "note": str, "count": int, "angle": float}


def attributes_in_page(page: AnnotatorPage) -> dict[int, Any]:
    """Return the attributes that the page shows, by object."""
    return {id: row.get("attributes") for id, row in page.rows.items()}


def test_kinds_are_the_fields_of_a_form() -> None:
    page = open_page(LEFT_HALF, attributes=KINDS)
    assert page.widget.attributes == KINDS
    kinds = [(field["name"], field["kind"], field["choices"]) for field in page.trait("attributes")]
    assert kinds == [
        ("occluded", "flag", []),
        ("color", "choice", ["red", "blue"]),
        ("note", "text", []),
        ("count", "integer", []),
        ("angle", "number", []),
    ]
    page.widget.attributes = {}
    assert page.trait("attributes") == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["occluded"], r"attributes is \['occluded'\]; give a dict such as"),
        ({"occluded": "yes"}, "attribute 'occluded' is 'yes'; allowed are bool, str, int, float and a list of texts"),
        ({"color": []}, "attribute 'color' is"),
        ({"color": ["red", 3]}, "attribute 'color' is"),
        ({"when": dict}, "attribute 'when' is"),
        ({" ": bool}, "names are text"),
    ],
)
def test_other_kinds_are_refused(wrong: Any, message: str) -> None:
    with pytest.raises(TraitError, match=message):
        Annotator(IMAGE, ScriptedPredictor(LEFT_HALF), attributes=wrong)


def test_attributes_set_in_the_page_are_undone_restored_and_saved(tmp_path: Path) -> None:
    Image.fromarray(IMAGE).save(path := tmp_path / "photo.png")
    page = AnnotatorPage(Annotator(path, ScriptedPredictor(LEFT_HALF), labels=["cup"], attributes=KINDS))
    page.request("document")
    page.apply("click", x=1, y=1, positive=True)
    assert attributes_in_page(page) == {1: None}
    page.apply("set_attributes", instance=1, attributes={"occluded": True})
    page.apply("set_attributes", instance=1, attributes={"occluded": True, "color": "red"})
    assert attributes_in_page(page) == {1: {"occluded": True, "color": "red"}}
    page.request("undo")
    assert attributes_in_page(page) == {1: {"occluded": True}}
    page.request("redo")
    page.apply("accept")
    page.widget.close()

    again = Annotator(path, ScriptedPredictor(LEFT_HALF), labels=["cup"], attributes=KINDS)
    assert [one.attributes for one in again.instances] == [{"occluded": True, "color": "red"}]
    frame = again.to_frame()
    assert frame["attributes.occluded"].tolist() == [True] and frame["attributes.color"].tolist() == ["red"]
    again.save(file := tmp_path / "labels.json")
    assert [one.attributes for one in read("coco", file)[0].instances] == [{"occluded": True, "color": "red"}]
