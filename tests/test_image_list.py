"""The list of images of an Annotator: stepping through it, autosave, initial masks and results."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from threading import Event, Thread, get_ident

import numpy as np
import pytest
from PIL import Image

from cdwidget.formats import read
from cdwidget.images import read_image
from cdwidget.items import Instance, Item
from cdwidget.prompts import Click
from cdwidget.session import Session
from cdwidget.widget.annotator import Annotator, image_list
from support.annotator_page import AnnotatorPage
from support.scripted_predictor import HEIGHT, IMAGE, LEFT_HALF, RIGHT_HALF, WIDTH, ScriptedPredictor
from support.widget_page import wait_until


def photo(folder: Path, name: str = "photo.png") -> Path:
    Image.fromarray(IMAGE).save(folder / name)
    return folder / name


def test_a_list_of_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_list, "MAX_OPEN_SESSIONS", 2)
    paths = []
    for number in range(4):
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(np.full((HEIGHT, WIDTH, 3), 10 * number, np.uint8)).save(paths[-1])
    paths[1].write_bytes(b"no image")
    widget = Annotator([str(paths[0]), paths[1], Item(paths[2]), paths[3]], ScriptedPredictor(LEFT_HALF))
    page = AnnotatorPage(widget)
    page.request("document")
    assert not page.request("go", step=-1)["ok"] and widget.index == 0

    page.apply("click", x=1, y=1, positive=True)
    page.apply("relabel", label="cat")
    passed = page.request("go", step=1)["result"]["passed"]
    assert widget.index == 2 and len(passed) == 1 and "1.png" in passed[0]
    page.request("document")
    assert page.matches_session() and not widget.mask.any()
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
    widget.previous()  # Its session was closed; the edits are kept.
    page.request("document")
    assert page.matches_session() and [(i.label, i.mask.sum()) for i in widget.instances] == [("cat", LEFT_HALF.sum())]


def test_submit_and_skip() -> None:
    widget = Annotator([IMAGE, IMAGE], ScriptedPredictor(LEFT_HALF))
    page = AnnotatorPage(widget)
    page.request("document")
    seen = []

    @widget.on_submit
    def submitted(sender: Annotator) -> None:
        seen.append(("submit", sender.index, len(sender.instances), sender.selected))

    widget.on_skip(lambda sender: seen.append(("skip", sender.index, 0, 0)))
    assert page.trait("_buttons") == ["submit", "skip"] and callable(submitted)
    page.apply("click", x=1, y=1, positive=True)
    page.request("submit")
    assert widget.index == 1
    page.request("skip")
    assert widget.index == 1 and seen == [("submit", 0, 1, 2), ("skip", 1, 0, 0)]


def test_no_image_to_show() -> None:
    with pytest.raises(ValueError, match="empty"):
        Annotator([])
    with pytest.raises(FileNotFoundError):
        Annotator("nowhere.jpg")


def test_an_image_file_is_resumed(tmp_path: Path) -> None:
    path = photo(tmp_path)
    first = AnnotatorPage(Annotator(path, ScriptedPredictor(LEFT_HALF), label="cat"))
    first.request("document")
    assert first.apply("click", x=1, y=1, positive=True)["ok"] and first.apply("brush", points=[[14, 8]], radius=2.0)["ok"]
    assert (tmp_path / ".cdwidget" / "photo.png.jsonl").exists() and first.notice.startswith("Saved")

    again = AnnotatorPage(Annotator(path, ScriptedPredictor(RIGHT_HALF), label="dog"))  # The cell is run again.
    again.request("document")
    assert again.matches_session() and (again.widget.mask == first.widget.mask).all() and again.widget.label == "cat"
    wait_until(lambda: "opened again in another cell" in first.notice)
    assert "Continue there" in first.apply("brush", points=[[3, 3]], radius=2.0)["error"]
    again.request("undo")
    again.request("undo")
    assert again.matches_session() and not again.widget.mask.any() and again.widget.can_redo

    unsaved = Annotator(path, ScriptedPredictor(LEFT_HALF), autosave=False)
    assert not unsaved.can_redo and AnnotatorPage(unsaved).notice == "Not saved: autosave is off"


def test_autosave_options(tmp_path: Path) -> None:
    path = photo(tmp_path)
    array = Annotator(IMAGE, ScriptedPredictor(LEFT_HALF), autosave=tmp_path / "mine.jsonl")
    array.apply(Click(1, 1))
    assert (Annotator(IMAGE, ScriptedPredictor(LEFT_HALF), autosave=tmp_path / "mine.jsonl").mask == array.mask).all()
    assert AnnotatorPage(Annotator(IMAGE, ScriptedPredictor(LEFT_HALF))).notice.startswith("Not saved, as this image is not a file")
    assert AnnotatorPage(Annotator(Session(IMAGE, ScriptedPredictor(LEFT_HALF)))).notice == ""
    with pytest.raises(ValueError, match="one file.*give a folder, such as autosave='labels/'"):
        Annotator([path, path], ScriptedPredictor(LEFT_HALF), autosave="mine.jsonl")
    with pytest.raises(ValueError, match="its own journal"):
        Annotator(Session(IMAGE), autosave="mine.jsonl")


def test_a_journal_folder_saves_images_that_are_not_files(tmp_path: Path) -> None:
    file = photo(tmp_path)
    images = [IMAGE, Image.fromarray(IMAGE[::-1].copy()), file, Item(file), {"image": IMAGE[:, ::-1]}]
    folder = tmp_path / "labels"

    def opened(autosave: object = folder) -> Annotator:
        return Annotator(images, ScriptedPredictor(LEFT_HALF), autosave=autosave)  # type: ignore[arg-type]

    first = opened()
    page = AnnotatorPage(first)
    for index in range(len(images)):
        assert first.index == index and page.notice == "Saved after every change"
        first.apply(Click(1 + index, 1))
        if index + 1 < len(images):
            first.next()
    assert sorted(path.name for path in folder.iterdir() if path.suffix == ".jsonl") == [
        "image-1.jsonl",
        "image-2.jsonl",
        "image-5.jsonl",
        "photo.png-2.jsonl",
        "photo.png.jsonl",
    ]
    assert not (tmp_path / ".cdwidget").exists()
    first.close()
    again = opened(f"{folder}/")
    for index in range(len(images)):
        assert [prompt.x for prompt in again.session.prompts] == [1 + index]  # type: ignore[union-attr]
        if index + 1 < len(images):
            again.next()


@pytest.mark.parametrize("name", ["labels", "labels/", "a.b/"])
def test_a_path_without_suffix_or_with_a_slash_is_a_journal_folder(tmp_path: Path, name: str) -> None:
    Annotator(IMAGE, ScriptedPredictor(LEFT_HALF), autosave=f"{tmp_path}/{name}").apply(Click(1, 1))
    assert (tmp_path / name / "image-1.jsonl").is_file()


def test_images_may_be_given_as_a_folder(tmp_path: Path) -> None:
    paths = [photo(tmp_path, f"photo{number}.png") for number in (10, 2, 1)]
    widget = Annotator(str(tmp_path), ScriptedPredictor(LEFT_HALF))
    widget.apply(Click(1, 1))
    widget.next()
    assert widget.session.image.shape == IMAGE.shape and [Path(item.path) for item in widget.items] == [paths[2], paths[1]]


def test_a_url_is_fetched_and_not_taken_for_a_file(tmp_path: Path) -> None:
    url = photo(tmp_path).as_uri()
    widget = Annotator([url, photo(tmp_path, "b.png")], ScriptedPredictor(LEFT_HALF))
    assert np.array_equal(widget.session.image, IMAGE) and AnnotatorPage(widget).notice.startswith("Not saved, as this image is not a file")
    widget.apply(Click(1, 1))
    saved = read("coco", widget.save(tmp_path / "out" / "a.json"))
    assert [(Path(item.path).name, len(item.instances)) for item in saved] == [("image-1.png", 1)]
    assert np.array_equal(saved[0].read_image(), IMAGE)


def test_the_window_and_the_bands_of_all_images_can_be_given(tmp_path: Path) -> None:
    deep = IMAGE.astype(np.uint16) * 10 + 200
    np.save(tmp_path / "a.npy", deep)
    url = photo(tmp_path).as_uri()
    options = {"window": (200, 2750, 2.0), "bands": (2, 1, 0)}
    widget = Annotator([deep, tmp_path / "a.npy", Item(tmp_path / "a.npy"), url], ScriptedPredictor(LEFT_HALF), autosave=False, **options)
    for _ in range(3):
        assert np.array_equal(widget.session.image, read_image(deep, **options))  # type: ignore[arg-type]
        widget.next()
    assert np.array_equal(widget.session.image, read_image(IMAGE, **options))  # type: ignore[arg-type]
    many = np.dstack([deep, deep[:, :, ::-1]])
    widget = Annotator(many, ScriptedPredictor(LEFT_HALF), bands=(5, 4, 3))
    assert "of 1" in repr(widget) and np.array_equal(widget.session.image, read_image(many, bands=(5, 4, 3)))
    with pytest.raises(ValueError, match="the window is 'bright'; allowed are"):
        Annotator(deep, window="bright")
    with pytest.raises(ValueError, match="bands= cannot be given with a Session"):
        Annotator(Session(IMAGE), bands=0)


def test_a_read_only_folder_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_list, "can_write", lambda path: False)
    page = AnnotatorPage(Annotator(photo(tmp_path), ScriptedPredictor(LEFT_HALF)))
    page.request("document")
    assert page.apply("click", x=1, y=1, positive=True)["ok"]
    assert "cannot be written to" in page.notice and not (tmp_path / ".cdwidget").exists()


def test_the_images_of_a_list_keep_their_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_list, "MAX_OPEN_SESSIONS", 1)
    paths = [photo(tmp_path, f"{number}.png") for number in range(2)]
    page = AnnotatorPage(Annotator([Item(paths[0], [Instance(RIGHT_HALF, "dog")]), paths[1]], ScriptedPredictor(LEFT_HALF)))
    page.request("document")
    page.apply("click", x=1, y=1, positive=True)
    page.request("go", step=1)
    page.request("go", step=-1)  # Its session was closed.
    page.request("document")
    assert page.matches_session() and page.widget.mask.any() and page.widget.can_undo
    page.request("undo")
    assert page.matches_session() and [instance.label for instance in page.widget.instances] == ["dog"]
    assert page.apply("click", x=1, y=1, positive=True)["ok"]


def test_initial_masks() -> None:
    page = AnnotatorPage(
        Annotator(IMAGE, ScriptedPredictor(LEFT_HALF), mask=LEFT_HALF, instances=[Instance(RIGHT_HALF, "dog")], locked=True, selected=1)
    )
    page.request("document")
    assert page.matches_session() and (page.widget.mask == RIGHT_HALF).all() and page.widget.locked
    page.apply("lock", on=False)
    assert not page.widget.locked
    page.request("undo")
    assert page.widget.locked and page.messages[-1][0]["result"]["document"]["locked"]
    with pytest.raises(ValueError, match="brings its own"):
        Annotator(Session(IMAGE), mask=LEFT_HALF)
    with pytest.raises(ValueError, match="Item"):
        Annotator([IMAGE, IMAGE], instances=[Instance(LEFT_HALF)])


def test_results_are_saved(tmp_path: Path) -> None:
    path = photo(tmp_path)
    widget = Annotator(path, ScriptedPredictor(LEFT_HALF), labels=["dog", "cat"], instances=[Instance(RIGHT_HALF, "cat")], autosave=False)
    widget.apply(Click(1, 1))
    file = widget.save(tmp_path / "out" / "annotations.json")
    assert [(i.label, i.mask.sum()) for i in read("coco", file)[0].instances] == [("cat", RIGHT_HALF.sum()), ("", LEFT_HALF.sum())]
    content = widget.to_coco()
    assert content["images"][0]["file_name"] == str(path) and [c["name"] for c in content["categories"]][:2] == ["dog", "cat"]
    assert list(widget.to_frame()["area"]) == [RIGHT_HALF.sum(), LEFT_HALF.sum()]
    assert (np.asarray(Image.open(widget.save(tmp_path / "mask.png"))) == (LEFT_HALF | RIGHT_HALF) * np.uint8(255)).all()
    assert len(read("npz", widget.save(tmp_path / "all.npz"))[0].instances) == 2
    with pytest.raises(ValueError, match="names no format"):
        widget.save("masks.tiff")


def test_an_array_without_objects_has_a_size_in_coco() -> None:
    (image,) = Annotator(IMAGE, ScriptedPredictor()).to_coco()["images"]
    assert (image["height"], image["width"]) == IMAGE.shape[:2]


def test_an_array_is_written_next_to_its_masks(tmp_path: Path) -> None:
    widget = Annotator([IMAGE, Session(255 - IMAGE, mask=RIGHT_HALF)], ScriptedPredictor(LEFT_HALF))
    widget.apply(Click(1, 1))
    widget.next()
    items = read("coco", widget.save(tmp_path))
    assert [(np.asarray(item.read_image()) == image).all() for item, image in zip(items, [IMAGE, 255 - IMAGE])] == [True, True]
    assert [item.instances[0].mask.sum() for item in items] == [LEFT_HALF.sum(), RIGHT_HALF.sum()]
    assert len(read("yolo", widget.save(tmp_path / "yolo", "yolo"))) == 2
    assert list(widget.to_frame()["path"]) == ["image-1.png", "image-2.png"]


def test_an_image_is_taken_over_from_another_cell(tmp_path: Path) -> None:
    path = photo(tmp_path)
    first = AnnotatorPage(Annotator(path, ScriptedPredictor(LEFT_HALF)))
    first.request("document")
    first.apply("click", x=1, y=1, positive=True)
    second = AnnotatorPage(Annotator(path, ScriptedPredictor(LEFT_HALF)))
    wait_until(lambda: first.trait("_in_use"))
    assert first.apply("brush", points=[[9, 9]], radius=2)["kind"] == "InUse"
    second.request("undo")
    reply = first.request("take_over")
    assert reply["result"] == {"key": first.trait("_image")["key"]} and not first.trait("_in_use")
    first.request("document")
    assert first.matches_session() and not first.widget.mask.any() and first.request("redo")["ok"] and first.widget.mask.any()
    wait_until(lambda: second.trait("_in_use"))
    second.widget.take_over()
    assert second.widget.mask.any() and not second.trait("_in_use")
    with pytest.raises(ValueError, match="nothing to take over"):
        second.widget.take_over()


class SlowFile(BytesIO):
    """An open file that waits in its first read, and remembers whether another thread read it meanwhile."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.is_entered, self.may_leave = Event(), Event()
        self.reader: int | None = None
        self.is_shared = False

    def read(self, size: int | None = -1) -> bytes:
        self.is_shared |= self.reader is not None and self.reader != get_ident()
        if not self.is_entered.is_set():
            self.reader = get_ident()
            self.is_entered.set()
            self.may_leave.wait(10)
            self.reader = None
        return super().read(size)


def test_a_small_picture_and_the_image_are_not_read_from_one_open_file_at_the_same_time(tmp_path: Path) -> None:
    file = SlowFile(photo(tmp_path).read_bytes())
    widget = Annotator([IMAGE, file], ScriptedPredictor(LEFT_HALF))
    pictures: list[np.ndarray] = []
    threads = [
        Thread(target=lambda: pictures.append(widget.active_image.images.read(1, 64))),
        Thread(target=widget.next),
    ]
    threads[0].start()
    file.is_entered.wait(10)
    threads[1].start()
    threads[1].join(0.1)  # It would read the file by now.
    file.may_leave.set()
    for thread in threads:
        thread.join()
    assert not file.is_shared and widget.index == 1
    assert (widget.session.image == IMAGE).all() and (pictures[0] == IMAGE).all()
