"""The messages between a Gallery and its page, without a browser: the list and its tiles."""

import gc
import io
import json
import weakref
from pathlib import Path
from threading import Event
from typing import Any
from urllib.request import urlopen

import numpy as np
import pytest
from PIL import Image
from traitlets import TraitError

import cdwidget
from cdwidget import Catalogue, Gallery, Instance, Item
from cdwidget.catalogue import ScoreValue
from cdwidget.formats.dataset import MAX_KEPT_PROBLEMS, Dataset
from support.gallery_page import GalleryPage, catalogue_of, scored
from support.svg_paths import loops
from support.widget_page import wait_until

ODD_NAMES = ['it\'s "quoted".png', "<img src=x onerror=alert(1)>.png", "🐈‍⬛ ünï.png", "x" * 250 + ".png"]
LONG_LABEL = "<script>'\"🐈" + "ä" * 290


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    """6 images with a cat and a dog each; the cats are worse, the later images are worse."""
    return scored(catalogue_of(tmp_path, 6))


@pytest.fixture
def page(catalogue: Catalogue) -> GalleryPage:
    return GalleryPage(Gallery(catalogue))


def test_the_worst_come_first(page: GalleryPage) -> None:
    assert page.rows(0, 3) == [("cat", 6), ("cat", 5), ("cat", 4)] and page.query["count"] == 12
    (row, *_) = page.request("page", key=page.key, start=0, stop=1)["result"]["rows"]
    assert row == {
        "id": 11, "item": 6, "drawn": 0, "number": 1, "label": "cat", "status": "new", "score": 0.6, "confidence": None, "name": "5.png",
        "objects": None,
        "chips": [{"name": "edges", "value": 0.3, "reason": "frayed"}, {"name": "holes", "value": 0.2, "reason": ""},
                  {"name": "size", "value": 0.1, "reason": "small"}],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("traits", "first", "count"),
    [
        ({"order_by": "id"}, ("cat", 1), 12),
        ({"order_by": "-id"}, ("dog", 6), 12),
        ({"order_by": "score"}, ("dog", 1), 12),
        ({"order_by": "-holes"}, ("cat", 6), 6),
        ({"filter_labels": ["dog"]}, ("dog", 6), 6),
        ({"filter_labels": ["dog", "cow"]}, ("dog", 6), 6),
        ({"status": ["skipped"]}, ("dog", 3), 1),
        ({"status": ["skipped", "rejected"]}, ("cat", 3), 2),
        ({"tag": ["night"]}, ("cat", 2), 4),
        ({"text": "5.PNG"}, ("cat", 6), 2),
        ({"text": "do"}, ("dog", 6), 6),
        ({"min_score": 0.5}, ("cat", 6), 2),
        ({"max_score": 0.1}, ("dog", 2), 3),
        ({"min_score": 0.19, "max_score": 0.21, "order_by": "-holes"}, ("cat", 6), 6),
        ({"only": [2, 4]}, ("cat", 4), 4),
        ({"only": [2], "filter_labels": ["dog"], "text": "1"}, ("dog", 2), 1),
    ],
)
def test_the_list_has_the_queried_instances(catalogue: Catalogue, traits: dict[str, Any], first: Any, count: int) -> None:
    (cat, dog), *_ = [[row.id for row in catalogue.query(of="instances", where=[("item", "=", 3)])]]
    catalogue.set_status(cat, "rejected", of="instances")
    catalogue.set_status(dog, "skipped", of="instances")
    catalogue.tag([1, 2], "night")
    opened, changed = GalleryPage(Gallery(catalogue, **traits)), GalleryPage(Gallery(catalogue))
    for name, value in traits.items():  # As the page sets them.
        changed.widget.set_state({name: value})
    for page in (opened, changed):
        assert (page.rows(0, 1), len(page.widget.ids)) == ([first], count)
        assert sum(page.progress["by_status"].values()) == page.progress["total"] == count
    assert changed.query["count"] == count and changed.key > 1
    assert changed.progress["by_status"] == opened.progress["by_status"]


def test_a_page_of_another_list_is_empty(page: GalleryPage) -> None:
    old = page.key
    page.widget.text = "0.png"
    page.wait_for_list()
    answer = page.request("page", key=old, start=0, stop=2)["result"]
    assert answer == {"key": page.key, "start": 0, "rows": []} and page.key > old
    assert "a page is up to" in page.request("page", key=page.key, start=0, stop=10**6)["error"]


def test_a_tile_has_a_picture_and_a_mask(page: GalleryPage) -> None:
    answer, buffers = page.exchange("thumbs", ids=[11, 99, 2], size=200)
    assert [(one["id"], bool(one["error"])) for one in answer["result"]["thumbs"]] == [(11, False), (99, True), (2, False)]
    pictures, masks = [Image.open(urlopen(address.decode())) for address in buffers[::2]], buffers[1::2]
    assert [(one.format, one.mode, one.size) for one in pictures] == [("JPEG", "RGB", (40, 30))] * 2
    (square,) = loops(masks[0].decode())
    assert np.abs(square.min(0) - (3, 4)).max() < 0.1 and np.abs(square.max(0) - (11, 12)).max() < 0.1
    answer, (heat,) = page.exchange("heat", instance=11)
    assert answer["result"] == {"id": 11, "name": "edges", "width": 40, "height": 30}
    assert np.asarray(Image.open(io.BytesIO(heat)))[4:12, 3:11].min() == 200
    assert page.request("heat", instance=2)["result"] is None


def test_a_picture_is_numbered_by_the_changes_of_its_masks(page: GalleryPage, catalogue: Catalogue) -> None:
    def drawn() -> tuple[int, int]:
        picture = page.exchange("thumbs", ids=[11], size=50)[0]["result"]["thumbs"][0]["drawn"]
        return picture, page.widget.requests.rows([11])[0]["drawn"]

    before = drawn()
    page.widget.set_status(11, "accepted")
    assert drawn() == before
    item = catalogue.item(catalogue.rows([11], of="instances")[0].item)
    catalogue.update(item.id, [Instance(np.roll(one.mask, 3, 0), one.label, one.id) for one in item.instances])
    assert drawn() == (before[0] + 1, before[1] + 1)


def test_instances_are_filtered_by_confidence_and_attributes(tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    Image.new("RGB", (40, 30)).save(picture)
    catalogue = Catalogue(tmp_path / "labels.db")
    mask = np.ones((30, 40), bool)
    values = [(0.2, {"occluded": True, "pose": "left"}), (0.6, {"occluded": True}), (None, {"occluded": False}), (0.9, {})]
    catalogue.add([Item(picture, [Instance(mask, "cat", attributes=attributes, score=score) for score, attributes in values])])
    page = GalleryPage(Gallery(catalogue))
    assert page.trait("_choices")["has_confidence"] and "confidence" in page.trait("_choices")["scores"]
    found = page.request("more_choices")["result"]
    assert found == {"attributes": {"occluded": [False, True], "pose": ["left"]}, "without_objects": 0}
    page.widget.min_confidence = 0.3
    assert sorted(page.widget.ids.tolist()) == [2, 4]
    page.widget.set_trait("max_confidence", 0.7)
    assert sorted(page.widget.ids.tolist()) == [2]
    page.widget.min_confidence = page.widget.max_confidence = None
    page.widget.attributes = {"occluded": True}
    assert sorted(page.widget.ids.tolist()) == [1, 2]
    page.widget.attributes = {"occluded": True, "pose": "left"}
    assert sorted(page.widget.ids.tolist()) == [1]
    page.widget.attributes = {}
    page.widget.order_by = "-confidence"
    assert page.widget.ids.tolist() == [4, 2, 1]
    with pytest.raises(TraitError, match="attributes"):
        page.widget.attributes = {"occluded": [True]}


def test_two_galleries_share_a_catalogue(catalogue: Catalogue) -> None:
    one, other = GalleryPage(Gallery(catalogue)), GalleryPage(Gallery(catalogue, status=["new"]))
    one.request("status", ids=[1], status="accepted")
    other.request("status", ids=[3], status="rejected")
    assert one.request("undo")["result"]["undone"]["ids"] == [1] and catalogue.count("rejected", of="instances") == 1
    assert one.request("undo")["result"] == {"undone": None}, "a gallery undoes only its own steps"
    one.widget.refresh()
    assert one.progress["by_status"]["rejected"] == 1


def test_an_error_is_a_reply_and_changes_nothing(page: GalleryPage, catalogue: Catalogue) -> None:
    for fields, expected in [
        ({"op": "status", "ids": [99], "status": "accepted"}, "None of these instances"),
        ({"op": "status", "ids": [1], "status": "fine"}, "no status named 'fine'"),
        ({"op": "stats"}, "did you mean 'status'"),
        ({"op": "accept"}, "no instance is open"),
        ({"op": "edit", "instance": 99}, "not in the catalogue any more"),
        ({"op": "thumbs", "ids": list(range(1000)), "size": 100}, "at most 200"),
        ({"op": "page"}, "missing"),
    ]:
        answer = page.request(**fields)
        assert not answer["ok"] and expected in answer["error"]
    assert catalogue.history(1) == [] and not page.widget.busy and page.request("undo")["result"] == {"undone": None}


def test_a_query_that_fails_leaves_the_list(page: GalleryPage, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise OSError("the drive is gone")

    monkeypatch.setattr(Catalogue, "ids", broken)
    page.widget.text = "cat"
    assert len(page.widget.ids) == 12
    wait_until(lambda: "drive is gone" in page.query["error"])
    assert page.rows(0, 1) == [("cat", 6)], "and it is not busy any more"


def test_only_the_newest_of_several_queries_is_listed(page: GalleryPage) -> None:
    for length in range(1, 6):
        page.widget.set_state({"text": "5.png"[:length]})
    assert len(page.widget.ids) == 2
    wait_until(lambda: page.query["count"] == 2 and not page.widget.busy)


def test_a_gallery_is_busy_until_the_newest_list_is_shown(page: GalleryPage, monkeypatch: pytest.MonkeyPatch) -> None:
    is_showing = Event()
    ids, tags = Catalogue.ids, Catalogue.tags

    def slow_ids(*args: Any, **filters: Any) -> Any:
        is_showing.wait()
        return ids(*args, **filters)

    def slow_tags(catalogue: Catalogue) -> list[str]:
        is_showing.set()  # The old list is being shown while the new query finishes.
        page.widget.listing.wait()
        return tags(catalogue)

    monkeypatch.setattr(Catalogue, "ids", slow_ids)
    page.widget.text = "5.png"
    monkeypatch.setattr(Catalogue, "tags", slow_tags)
    with page.widget.lock:  # The new list is shown after the assertion.
        page.widget._show_list("")
        assert page.widget.busy and page.query["count"] == 12
    assert page.rows(0, 1) == [("cat", 6)] and page.query["count"] == 2


def test_view_only_refuses(catalogue: Catalogue) -> None:
    page = GalleryPage(Gallery(catalogue, view_only=True))
    for message in ({"op": "status", "ids": [1], "status": "accepted"}, {"op": "undo"}, {"op": "accept"}):
        assert "viewing only" in page.request(**message)["error"]
    assert page.request("edit", instance=1)["ok"] and page.widget.editor.view_only


def test_unknown_keywords_and_values_are_refused(catalogue: Catalogue) -> None:
    with pytest.raises(TypeError, match="Gallery has no keyword 'lables'"):
        Gallery(catalogue, lables=["cat"])
    with pytest.raises(ValueError, match="no order named 'edge'.*did you mean 'edges'"):
        Gallery(catalogue, order_by="-edge")
    with pytest.raises(ValueError, match="no command named 'acept'"):
        Gallery(catalogue, shortcuts={"acept": ["X"]})
    with pytest.raises(TraitError):
        Gallery(catalogue, status=["fine"])
    widget = Gallery(catalogue, shortcuts={"accept": ["X"]})
    assert widget.shortcuts["accept"] == ["X"] and widget.shortcuts["reject"] == ["N"]
    with pytest.raises(ValueError, match="no order named 'nothing'"):
        widget.order_by = "nothing"
    assert cdwidget.Gallery is Gallery


def test_names_are_data(tmp_path: Path) -> None:
    for name in ODD_NAMES:
        Image.fromarray(np.full((30, 40, 3), 90, np.uint8)).save(tmp_path / name)
    mask = np.ones((30, 40), bool)
    catalogue = Catalogue(tmp_path / "labels.db")
    catalogue.add([Item(tmp_path / name, [Instance(mask, LONG_LABEL)]) for name in ODD_NAMES])
    catalogue.put_scores(1, [ScoreValue(1, LONG_LABEL, 0.5, LONG_LABEL)])
    catalogue.tag(1, LONG_LABEL)
    page = GalleryPage(Gallery(catalogue, order_by="id", filter_labels=[LONG_LABEL]))
    rows = page.request("page", key=page.key, start=0, stop=4)["result"]["rows"]
    assert [row["name"] for row in rows] == ODD_NAMES and {row["label"] for row in rows} == {LONG_LABEL}
    assert rows[0]["chips"] == [{"name": LONG_LABEL, "value": 0.5, "reason": LONG_LABEL}]
    assert json.loads(json.dumps(page.trait("_choices")))["labels"] == [LONG_LABEL] and page.trait("_choices")["tags"] == [LONG_LABEL]
    answer, buffers = page.exchange("thumbs", ids=[1, 2, 3, 4], size=100)
    assert len(buffers) == 8
    page.widget.text = LONG_LABEL[:11]
    assert len(page.widget.ids) == 4
    page.widget.text = ODD_NAMES[0]
    assert len(page.widget.ids) == 1


def test_an_empty_catalogue_is_shown(tmp_path: Path) -> None:
    page = GalleryPage(Gallery(Catalogue(tmp_path / "labels.db")))
    assert page.query["count"] == 0 and page.rows(0, 5) == []
    assert page.request("undo")["result"] == {"undone": None}
    assert page.widget._draw_snapshot().shape[2] == 3


def test_a_reader_without_a_kernel_sees_tiles(page: GalleryPage) -> None:
    sheet = page.widget._draw_snapshot().astype(int)
    assert sheet.shape == (2 * 44, 6 * 44, 3)
    assert ((sheet[:, :, 2] - sheet[:, :, 0]) > 40).sum() > 12 * 50, "the masks are drawn"


def test_a_deleted_instance_keeps_its_place(page: GalleryPage, catalogue: Catalogue) -> None:
    catalogue.update(6, [])
    rows = page.request("page", key=page.key, start=0, stop=2)["result"]["rows"]
    assert [row["id"] for row in rows] == [11, 9] and rows[0]["name"] == "no longer there"
    assert page.request("status", ids=[11, 9], status="accepted")["result"] == {"changed": 1}


def test_ids_equal_the_rows_of_the_query(catalogue: Catalogue) -> None:
    catalogue.set_status([1, 2], "accepted")
    catalogue.tag([2, 3], "night")
    filtered: list[dict[str, Any]] = [
        {},
        {"status": "new"},
        {"status": ["new", "accepted"], "label": ["cat", "cow"]},
        {"tag": "night", "label": "dog"},
        {"where": [("text", "contains", "D")]},
        {"where": [("holes", ">", 0.1), ("item", "in", [2, 3, 77])], "status": ["new", "skipped"]},
    ]
    for order in ("id", "-id", "score", "-score", "status", "-label", "area", "holes", "-edges"):
        for filters in filtered:
            rows = catalogue.query(of="instances", order_by=order, limit=None, **filters)
            assert catalogue.ids(of="instances", order_by=order, **filters).tolist() == [row.id for row in rows]


def test_a_closed_gallery_is_collected(catalogue: Catalogue) -> None:
    page = GalleryPage(Gallery(catalogue))
    page.request("edit", instance=1)
    gone = weakref.ref(page.widget)
    page.widget.close()
    del page
    gc.collect()
    assert gone() is None


def test_the_deprecated_name_of_filter_labels_still_works(catalogue: Catalogue) -> None:
    with pytest.warns(DeprecationWarning, match="filter_labels"):
        gallery = Gallery(catalogue, labels=["dog"])
    assert gallery.filter_labels == ["dog"] and len(gallery.ids) == 6
    with pytest.warns(DeprecationWarning, match="Gallery.filter_labels"):
        gallery.labels = ["cat", "dog"]
    with pytest.warns(DeprecationWarning, match="Gallery.filter_labels"):
        assert gallery.labels == ["cat", "dog"] and len(gallery.ids) == 12


def test_problems_of_an_import_are_listed_and_dismissed(page: GalleryPage, catalogue: Catalogue) -> None:
    assert page.widget._choices["problems"] == 0
    dataset = Dataset()
    for number in range(12_000):
        dataset.problems.add("it is damaged", file="/data/labels.json", image=f"{number}.jpg", annotation=7, advice="export it again")
    catalogue.add(dataset)
    page.widget.refresh()
    assert page.widget._choices["problems"] == MAX_KEPT_PROBLEMS == 10_000
    (first, second) = page.request("problems", start=0, stop=2)["result"]["problems"]
    expected = {"file": "/data/labels.json", "annotation": "7", "message": "it is damaged", "advice": "export it again"}
    assert first == {**expected, "image": "0.jpg"}
    assert page.request("dismiss_problems", problems=[first])["result"] == {"dismissed": 1}
    assert page.request("problems", start=0, stop=1)["result"]["problems"] == [second]
    assert "a page is up to" in page.request("problems", start=0, stop=10**6)["error"]
    page.widget.view_only = True
    assert "viewing only" in page.request("dismiss_problems")["error"]
    page.widget.view_only = False
    key = page.query["key"]
    assert page.request("dismiss_problems")["result"] == {"dismissed": 9_999}
    assert page.query["key"] == key and not page.widget.busy
    assert catalogue.problems() == [] and page.widget._choices["problems"] == 0
