"""The decisions and bulk changes of a Gallery, without a browser: each is one undo step."""

from pathlib import Path
from typing import Any

import pytest

from cdwidget import Catalogue, Gallery
from cdwidget.catalogue import Conflict
from cdwidget.widget.gallery.decisions import MAX_DECISION_S, Decisions
from support.gallery_page import GalleryPage, catalogue_of, scored


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    """6 images with a cat and a dog each; the cats are worse, the later images are worse."""
    return scored(catalogue_of(tmp_path, 6))


@pytest.fixture
def page(catalogue: Catalogue) -> GalleryPage:
    return GalleryPage(Gallery(catalogue))


def test_decisions_are_written_and_the_page_is_notified(page: GalleryPage, catalogue: Catalogue) -> None:
    assert page.request("status", ids=[11, 2], status="accepted")["result"] == {"changed": 2}
    assert catalogue.count("accepted", of="instances") == 2
    assert [(row["id"], row["status"]) for row in page.notifications[-1]["changed"]] == [(11, "accepted"), (2, "accepted")]
    assert page.notifications[-1]["progress"] == page.progress
    assert page.progress["by_status"] == {"new": 10, "accepted": 2, "rejected": 0, "skipped": 0}
    assert page.rows(0, 1) == [("cat", 6)], "tiles stay where they are"
    page.widget.status = ["new"]
    assert len(page.widget.ids) == 10 and page.rows(0, 1) == [("cat", 5)]
    page.request("status", ids=[11], status="rejected")
    assert page.progress["by_status"]["new"] == 10, "it is not in the list"


def test_undo_undoes_one_step(page: GalleryPage, catalogue: Catalogue) -> None:
    page.request("status", ids=[1], status="skipped")
    page.request("status", ids=[1, 2, 3, 12], status="accepted")
    page.request("status", ids=[3], status="rejected")

    def statuses() -> list[str]:
        return [row.status for row in catalogue.rows([1, 2, 3, 12], of="instances")]

    assert page.request("undo")["result"] == {"undone": {"ids": [3], "status": "rejected"}}
    assert statuses() == ["accepted"] * 4
    assert page.request("undo")["result"] == {"undone": {"ids": [1, 2, 3, 12], "status": "accepted"}}
    assert statuses() == ["skipped", "new", "new", "new"] and page.progress["done"] == 0
    assert page.notifications[-1]["changed"][0]["status"] == "skipped"
    assert page.request("undo")["result"]["undone"]["ids"] == [1] and statuses() == ["new"] * 4
    assert page.request("undo")["result"] == {"undone": None}


def test_labels_and_tags_of_several_instances_are_one_step_each(page: GalleryPage, catalogue: Catalogue) -> None:
    def labels() -> list[str]:
        return [row.label for row in catalogue.rows([1, 2, 3], of="instances")]

    catalogue.tag(1, "night")
    assert page.request("label", ids=[1, 2, 3], label="bird")["result"] == {"changed": 3}
    assert labels() == ["bird"] * 3 and page.trait("_choices")["labels"] == ["bird", "cat", "dog"]
    changed = [row for notification in page.notifications for row in notification.get("changed", [])]
    assert {(row["id"], row["label"], row["score"]) for row in changed} >= {(1, "bird", None), (3, "bird", None)}
    assert page.request("add_tag", ids=[1, 2, 3], tag="night")["result"] == {"changed": 3}
    assert catalogue.ids(tag="night").tolist() == [1, 2] and page.trait("_choices")["tags"] == ["night"]
    assert page.request("undo")["ok"] and catalogue.ids(tag="night").tolist() == [1], "it was tagged before"
    assert page.request("undo")["ok"] and labels() == ["cat", "dog", "cat"]
    assert page.request("undo")["result"] == {"undone": None}
    assert "text" in page.request("label", ids=[1], label=3)["error"] and "text" in page.request("add_tag", ids=[1], tag="")["error"]
    page.widget.view_only = True
    assert not page.request("label", ids=[1], label="bird")["ok"] and not page.request("add_tag", ids=[1], tag="night")["ok"]


def test_undo_keeps_changes_by_others(page: GalleryPage, catalogue: Catalogue) -> None:
    ben = Catalogue(catalogue.path, user="ben")
    page.request("status", ids=[1, 3], status="accepted")
    ben.set_status(2, "rejected", of="instances")  # On the same item as 1.
    page.request("status", ids=[1], status="skipped")
    assert page.request("undo")["ok"] and [row.status for row in catalogue.rows([1, 2], of="instances")] == ["accepted", "rejected"]
    assert page.request("undo")["result"]["undone"]["ids"] == [1, 3]
    assert [row.status for row in catalogue.rows([1, 2, 3], of="instances")] == ["accepted", "rejected", "new"]
    assert "1 of 2 images have been changed by others and were not undone" in page.notice
    page.request("status", ids=[5], status="accepted")
    ben.set_status(5, "rejected", of="instances")
    assert "was changed since (rejected by ben)" in page.request("undo")["error"]
    assert catalogue.rows([5], of="instances")[0].status == "rejected" and page.request("undo")["result"] == {"undone": None}
    with pytest.raises(Conflict):
        page.widget.set_status(7, "accepted")
        ben.undo(4)
        page.widget.undo()


def test_attributes_of_many_instances_are_set_and_removed_and_can_be_undone(page: GalleryPage, catalogue: Catalogue) -> None:
    def values(name: str) -> list[Any]:
        return [row.attributes.get(name) for row in catalogue.rows([1, 2, 3], of="instances")]  # type: ignore[union-attr]

    assert page.request("attribute", ids=[1, 2, 3, 999], name="occluded", value=True)["result"] == {"changed": 3}
    assert page.request("attribute", ids=[1, 2], name="pose", value="left")["result"] == {"changed": 2}
    assert page.request("attribute", ids=[1], name="occluded", value=True)["result"] == {"changed": 0}
    assert values("occluded") == [True] * 3 and values("pose") == ["left", "left", None]
    assert catalogue.rows([1], of="instances")[0].score is not None  # The mask and label are as before.
    assert page.request("attribute", ids=[1, 2], name="occluded", value=None)["result"] == {"changed": 2}
    assert values("occluded") == [None, None, True] and values("pose") == ["left", "left", None]
    page.request("undo")
    assert values("occluded") == [True] * 3
    page.request("undo")
    assert values("occluded") == [True] * 3 and values("pose") == [None] * 3
    page.request("undo")  # The step that changed nothing is none.
    assert values("occluded") == values("pose") == [None] * 3
    page.request("attribute", ids=[1], name="occluded", value=1)
    assert page.request("attribute", ids=[1], name="occluded", value=True)["result"] == {"changed": 1} and values("occluded")[0] is True
    for name, value in ((" ", True), ("pose", ["left"]), ("pose", float("nan"))):
        assert "an attribute has a name and a text" in page.request("attribute", ids=[1], name=name, value=value)["error"]
    page.widget.view_only = True
    assert "viewing only" in page.request("attribute", ids=[1], name="pose", value="left")["error"]


def test_the_rate_excludes_pauses(catalogue: Catalogue) -> None:
    now = 0.0
    decisions = Decisions(catalogue, lambda: now)
    for ids, wait in (([1], 2.0), ([2], 8.0), ([3, 4], 10_000.0)):
        now += wait
        decisions.set_status(ids, "accepted")
        assert (decisions.per_hour is None) == (now < 5)
    assert decisions.per_hour == pytest.approx(4 * 3600 / (10 + MAX_DECISION_S))
    decisions.undo()
    assert decisions.per_hour == pytest.approx(2 * 3600 / (10 + MAX_DECISION_S))
