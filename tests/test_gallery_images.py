"""Images without objects in a Gallery: found, decided on, and given the objects that are missing."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cdwidget import Catalogue, Gallery, Item
from cdwidget.prompts import Click
from support.gallery_page import GalleryPage, catalogue_of, square
from support.scripted_predictor import ScriptedPredictor


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    """Two images with two objects each, then three without any; one of these cannot be read."""
    catalogue = catalogue_of(tmp_path, 2)
    for name in ("a.jpg", "b.png", "broken.png"):
        Image.fromarray(np.full((30, 40, 3), 90, np.uint8)).save(tmp_path / name)
    catalogue.add([tmp_path / "a.jpg", Item(tmp_path / "b.png"), tmp_path / "broken.png"], tags=["night"])
    (tmp_path / "broken.png").write_bytes(b"no image")
    return catalogue


@pytest.fixture
def page(catalogue: Catalogue) -> GalleryPage:
    return GalleryPage(Gallery(catalogue, ScriptedPredictor(square(3, 4)), without_objects=True))


def listed(page: GalleryPage) -> dict[int, str]:
    """Return the status of each listed tile."""
    page.wait_for_list()
    rows = page.request("page", key=page.key, start=0, stop=99)["result"]["rows"]
    assert all(row["label"] == "" and row["objects"] is not None for row in rows)
    return {row["id"]: row["status"] for row in rows}


def test_images_without_objects_are_counted_and_listed(page: GalleryPage, catalogue: Catalogue) -> None:
    assert page.request("more_choices")["result"]["without_objects"] == 3
    assert listed(page) == {-3: "new", -4: "new", -5: "new"} and page.widget.ids.tolist() == [-3, -4, -5]
    for traits, found in (
        ({"text": "B.PNG"}, [-4]),
        ({"text": "", "only": [1, 3]}, [-3]),
        ({"only": [], "tag": ["day"]}, []),
        ({"tag": ["night"], "status": ["accepted"]}, []),
    ):
        page.widget.set_trait("text", "")
        for name, value in traits.items():
            page.widget.set_trait(name, value)
        assert page.widget.ids.tolist() == found
    page.widget.without_objects = False
    page.widget.set_trait("tag", [])
    page.widget.set_trait("status", [])
    assert sorted(page.widget.ids.tolist()) == [1, 2, 3, 4]


def test_their_tiles_show_the_whole_image_or_why_not(page: GalleryPage) -> None:
    reply, buffers = page.exchange("thumbs", ids=[-3, -4, -5, -9], size=20)
    sizes = [(one["width"], one["height"], bool(one["error"])) for one in reply["result"]["thumbs"]]
    assert sizes == [(20, 15, False), (20, 15, False), (0, 0, True), (0, 0, True)]
    assert base64.b64decode(buffers[0].partition(b",")[2])[:2] == b"\xff\xd8" and buffers[1] == b""
    assert page.request("heat", instance=-3)["result"] is None
    Path(page.widget.catalogue.item(3).path).unlink()
    (missing,) = page.exchange("thumbs", ids=[-3], size=20)[0]["result"]["thumbs"]
    assert "if the images were moved, call catalogue.relocate(old, new)" in missing["error"]


def test_decisions_on_them_can_be_undone(page: GalleryPage, catalogue: Catalogue) -> None:
    assert page.request("status", ids=[-3, -4, -99], status="accepted")["result"] == {"changed": 2}
    assert listed(page) == {-3: "accepted", -4: "accepted", -5: "new"}
    assert page.progress["by_status"]["accepted"] == 2 and catalogue.item(3).status == "accepted"
    assert page.request("add_tag", ids=[-3], tag="empty")["result"] == {"changed": 1} and "empty" in catalogue.item(3).tags
    assert page.request("label", ids=[-3], label="cat")["result"] == {"changed": 0}
    for _ in range(3):
        page.request("undo")
    assert listed(page) == dict.fromkeys([-3, -4, -5], "new") and "empty" not in catalogue.item(3).tags
    assert page.progress["by_status"]["accepted"] == 0


def test_missing_objects_are_drawn_in_the_editor(page: GalleryPage, catalogue: Catalogue) -> None:
    assert page.request("edit", instance=-3)["result"] == {"id": -3, "index": 0}
    assert page.widget.editor is not None
    page.widget.editor.apply(Click(5, 6))
    assert page.request("accept")["result"]["id"] == -4
    assert [(one.label, one.mask.sum()) for one in catalogue.item(3).instances] == [("", 64)]
    assert [row.status for row in catalogue.query(of="instances", where=[("item", "=", 3)])] == ["accepted"]
    rows = page.notifications[-1]["changed"]
    assert {row["id"]: row["objects"] for row in rows}[-3] == 1
    assert page.request("reject")["result"]["id"] is None  # The image after it cannot be read.
    assert "broken.png" in page.notice
    assert catalogue.item(4).status == "rejected"
    page.request("undo")
    page.request("undo")
    assert catalogue.count(where=[("instances", "=", 0)]) == 3 and listed(page) == dict.fromkeys([-3, -4, -5], "new")
