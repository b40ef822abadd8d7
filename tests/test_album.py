"""The images that a widget is given: from one to the next, saved as they change, with masks to begin with and results out."""

from __future__ import annotations

from pathlib import Path
from time import sleep
from typing import Callable

import numpy as np
import pytest
from PIL import Image

from cdwidget.formats import read
from cdwidget.items import Instance, Item
from cdwidget.prompts import Click
from cdwidget.session import Session
from cdwidget.widget import Annotator
from cdwidget.widget import image_list as album
from support.annotator_page import Page
from support.scripted_predictor import HEIGHT, IMAGE, LEFT, RIGHT, WIDTH, Scripted


def photo(folder: Path, name: str = "photo.png") -> Path:
    Image.fromarray(IMAGE).save(folder / name)
    return folder / name


def wait_until(holds: Callable[[], bool]) -> None:
    for _ in range(1000):
        if holds():
            return
        sleep(0.01)
    raise AssertionError("waited for too long")


def test_a_list_of_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(album, "OPEN_SESSIONS", 2)
    paths = []
    for number in range(4):
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(np.full((HEIGHT, WIDTH, 3), 10 * number, np.uint8)).save(paths[-1])
    paths[1].write_bytes(b"no image")
    widget = Annotator([str(paths[0]), paths[1], Item(paths[2]), paths[3]], Scripted(LEFT))
    page = Page(widget)
    page.ask("document")
    assert not page.ask("go", step=-1)["ok"] and widget.index == 0

    page.apply("click", x=1, y=1, positive=True)
    page.apply("relabel", label="cat")
    passed = page.ask("go", step=1)["result"]["passed"]
    assert widget.index == 2 and len(passed) == 1 and "1.png" in passed[0]
    page.ask("document")
    assert page.agrees() and not widget.mask.any()
    widget.next()
    with pytest.raises(ValueError, match="last image"):
        widget.next()
    assert widget.index == 3

    assert [(item.path, [i.label for i in item.instances]) for item in widget.items] == [
        (paths[0], ["cat"]),
        (paths[2], []),
        (paths[3], []),
    ]
    widget.previous()
    widget.previous()  # its session was put away; what was done is still there
    page.ask("document")
    assert page.agrees() and [(i.label, i.mask.sum()) for i in widget.instances] == [("cat", LEFT.sum())]


def test_submit_and_skip() -> None:
    widget = Annotator([IMAGE, IMAGE], Scripted(LEFT))
    page = Page(widget)
    page.ask("document")
    seen = []

    @widget.on_submit
    def submitted(sender: Annotator) -> None:
        seen.append(("submit", sender.index, len(sender.instances), sender.selected))

    widget.on_skip(lambda sender: seen.append(("skip", sender.index, 0, 0)))
    assert widget._buttons == ["submit", "skip"] and callable(submitted)
    page.apply("click", x=1, y=1, positive=True)
    page.ask("submit")
    assert widget.index == 1
    page.ask("skip")
    assert widget.index == 1 and seen == [("submit", 0, 1, 2), ("skip", 1, 0, 0)]


def test_nothing_to_show() -> None:
    with pytest.raises(ValueError, match="empty"):
        Annotator([])
    with pytest.raises(FileNotFoundError):
        Annotator("nowhere.jpg")


def test_an_image_file_goes_on_where_it_was_left(tmp_path: Path) -> None:
    path = photo(tmp_path)
    first = Page(Annotator(path, Scripted(LEFT), label="cat"))
    first.ask("document")
    assert first.apply("click", x=1, y=1, positive=True)["ok"] and first.apply("brush", points=[[14, 8]], radius=2.0)["ok"]
    assert (tmp_path / ".cdwidget" / "photo.png.jsonl").exists() and first.widget._notice.startswith("Saved")

    again = Page(Annotator(path, Scripted(RIGHT), label="dog"))  # the cell once more
    again.ask("document")
    assert again.agrees() and (again.widget.mask == first.widget.mask).all() and again.widget.label == "cat"
    wait_until(lambda: "opened again in another cell" in first.widget._notice)
    assert "go on there" in first.apply("brush", points=[[3, 3]], radius=2.0)["error"]
    again.ask("undo")
    again.ask("undo")
    assert again.agrees() and not again.widget.mask.any() and again.widget.can_redo

    unsaved = Annotator(path, Scripted(LEFT), autosave=False)
    assert not unsaved.can_redo and unsaved._notice == "Not saved: autosave is off"


def test_where_things_are_saved(tmp_path: Path) -> None:
    path = photo(tmp_path)
    array = Annotator(IMAGE, Scripted(LEFT), autosave=tmp_path / "mine.jsonl")
    array.apply(Click(1, 1))
    assert (Annotator(IMAGE, Scripted(LEFT), autosave=tmp_path / "mine.jsonl").mask == array.mask).all()
    assert Annotator(IMAGE, Scripted(LEFT))._notice == ""
    with pytest.raises(ValueError, match="one file"):
        Annotator([path, path], Scripted(LEFT), autosave="mine.jsonl")
    with pytest.raises(ValueError, match="its own journal"):
        Annotator(Session(IMAGE), autosave="mine.jsonl")


def test_a_folder_that_cannot_be_written_to_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(album, "can_write", lambda path: False)
    page = Page(Annotator(photo(tmp_path), Scripted(LEFT)))
    page.ask("document")
    assert page.apply("click", x=1, y=1, positive=True)["ok"]
    assert "cannot be written to" in page.widget._notice and not (tmp_path / ".cdwidget").exists()


def test_the_images_of_a_list_keep_their_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(album, "OPEN_SESSIONS", 1)
    paths = [photo(tmp_path, f"{number}.png") for number in range(2)]
    page = Page(Annotator([Item(paths[0], [Instance(RIGHT, "dog")]), paths[1]], Scripted(LEFT)))
    page.ask("document")
    page.apply("click", x=1, y=1, positive=True)
    page.ask("go", step=1)
    page.ask("go", step=-1)  # its session was put away
    page.ask("document")
    assert page.agrees() and page.widget.mask.any() and page.widget.can_undo
    page.ask("undo")
    assert page.agrees() and [instance.label for instance in page.widget.instances] == ["dog"]
    assert page.apply("click", x=1, y=1, positive=True)["ok"]


def test_masks_to_begin_with() -> None:
    page = Page(Annotator(IMAGE, Scripted(LEFT), mask=LEFT, instances=[Instance(RIGHT, "dog")], locked=True, selected=1))
    page.ask("document")
    assert page.agrees() and (page.widget.mask == RIGHT).all() and page.widget.locked
    page.apply("lock", on=False)
    assert not page.widget.locked
    page.ask("undo")
    assert page.widget.locked and page.messages[-1][0]["result"]["document"]["locked"]
    with pytest.raises(ValueError, match="brings its own"):
        Annotator(Session(IMAGE), mask=LEFT)
    with pytest.raises(ValueError, match="Item"):
        Annotator([IMAGE, IMAGE], instances=[Instance(LEFT)])


def test_results_out(tmp_path: Path) -> None:
    path = photo(tmp_path)
    widget = Annotator(path, Scripted(LEFT), labels=["dog", "cat"], instances=[Instance(RIGHT, "cat")], autosave=False)
    widget.apply(Click(1, 1))
    file = widget.save(tmp_path / "out" / "annotations.json")
    assert [(i.label, i.mask.sum()) for i in read("coco", file)[0].instances] == [("cat", RIGHT.sum()), ("", LEFT.sum())]
    content = widget.to_coco()
    assert content["images"][0]["file_name"] == str(path) and [c["name"] for c in content["categories"]][:2] == ["dog", "cat"]
    assert list(widget.to_frame()["area"]) == [RIGHT.sum(), LEFT.sum()]
    assert (np.asarray(Image.open(widget.save(tmp_path / "mask.png"))) == (LEFT | RIGHT) * np.uint8(255)).all()
    assert len(read("npz", widget.save(tmp_path / "all.npz"))[0].instances) == 2
    with pytest.raises(ValueError, match="names no format"):
        widget.save("masks.tiff")


def test_an_image_that_is_no_file_is_written_beside_its_masks(tmp_path: Path) -> None:
    widget = Annotator([IMAGE, Session(255 - IMAGE, mask=RIGHT)], Scripted(LEFT))
    widget.apply(Click(1, 1))
    widget.next()
    items = read("coco", widget.save(tmp_path))
    assert [(np.asarray(item.read_image()) == image).all() for item, image in zip(items, [IMAGE, 255 - IMAGE])] == [True, True]
    assert [item.instances[0].mask.sum() for item in items] == [LEFT.sum(), RIGHT.sum()]
    assert len(read("yolo", widget.save(tmp_path / "yolo", "yolo"))) == 2
    assert list(widget.to_frame()["path"]) == ["image-1.png", "image-2.png"]
