"""The widget without a browser: its messages are given and taken by hand."""

from __future__ import annotations

import base64
import io
import sys
import zlib
from pathlib import Path
from threading import Thread
from time import sleep
from typing import Any, Callable

import numpy as np
import pytest
from PIL import Image
from traitlets import TraitError

from cdwidget.formats import read
from cdwidget.items import Instance, Item
from cdwidget.prompts import Click
from cdwidget.session import Session
from cdwidget.widget import Annotator, album
from cdwidget.widget.picture import encode_image
from scripted import HEIGHT, IMAGE, LEFT, RIGHT, WIDTH, Scripted


class Page:
    """What a browser does: it sends requests, keeps the answers, and pastes patches into the masks it knows."""

    def __init__(self, widget: Annotator) -> None:
        self.widget = widget
        self.messages: list[tuple[dict[str, Any], list[bytes]]] = []
        self.masks: dict[int, np.ndarray] = {}
        self.revision = 0
        widget.send = lambda content, buffers=None: self.hear(content, buffers or [])  # type: ignore[method-assign]

    def hear(self, content: dict[str, Any], buffers: list[bytes]) -> None:
        self.messages.append((content, buffers))
        document = (content.get("result") or {}).get("document")
        if not document:
            return
        assert document["whole"] or document["revision"] == self.revision + 1
        self.revision = document["revision"]
        known = {} if document["whole"] else self.masks
        empty = np.zeros((self.widget.session.height, self.widget.session.width), bool)
        self.masks = {entry["id"]: known.get(entry["id"], empty).copy() for entry in document["instances"]}
        patches, soft = document["patches"], [patch for patch in document["patches"] if patch["soft"]]
        for patch, bits in zip(patches, buffers[: len(patches)], strict=True):
            x0, y0, x1, y1 = patch["box"]
            size = (y1 - y0) * (x1 - x0)
            self.masks[patch["id"]][y0:y1, x0:x1] = np.unpackbits(np.frombuffer(bits, np.uint8), count=size).reshape(y1 - y0, x1 - x0)
        self.alphas = [(patch["box"], np.frombuffer(alpha, np.uint8)) for patch, alpha in zip(soft, buffers[len(patches) :], strict=True)]

    def ask(self, op: str, **fields: Any) -> dict[str, Any]:
        self.widget._handle_custom_msg({"id": f"test-{len(self.messages)}", "op": op, **fields}, [])
        return self.messages[-1][0]

    def apply(self, kind: str, **fields: Any) -> dict[str, Any]:
        return self.ask("apply", action={"type": kind, **fields})

    def agrees(self) -> bool:
        session = self.widget.session
        seen = {instance.id: instance.mask for instance in session.instances}
        return (
            set(self.masks) == {entry.id for entry in session.state.entries}
            and all((mask == seen.get(number, np.zeros_like(mask))).all() for number, mask in self.masks.items())
            and [self.widget.selected, self.widget.label] == [session.selected, session.label]
            and [self.widget.can_undo, self.widget.can_redo] == [session.can_undo, session.can_redo]
        )


def open_page(*answers: np.ndarray, **traits: Any) -> Page:
    page = Page(Annotator(IMAGE, Scripted(*answers), **traits))
    assert page.ask("document")["ok"]
    return page


def test_the_browser_knows_what_the_session_holds_after_every_message() -> None:
    page = open_page(LEFT, RIGHT, LEFT)
    steps = [
        lambda: page.apply("click", x=1, y=1, positive=True),
        lambda: page.apply("relabel", label="cat"),
        lambda: page.apply("accept"),
        lambda: page.apply("click", x=WIDTH - 1, y=1, positive=True),
        lambda: page.apply("select", instance=1),
        lambda: page.apply("delete"),
        lambda: page.ask("undo"),
        lambda: page.ask("undo"),
        lambda: page.ask("redo"),
        lambda: page.apply("select", instance=None),
    ]
    for step in steps:
        assert step()["ok"] and page.agrees()
    assert len(page.widget.instances) == 2


def test_the_browser_is_told_how_much_of_a_pixel_is_the_objects() -> None:
    ramp = np.tile(np.linspace(0, 255, WIDTH).astype(np.uint8), (HEIGHT, 1))
    page = open_page(instances=[Instance(RIGHT), Instance(ramp > 127, alpha=ramp)])
    ((box, alpha),) = page.alphas
    assert box[2] == WIDTH and (alpha.reshape(HEIGHT, -1) == ramp[:, box[0] :]).all()
    page.apply("select", instance=2)
    page.apply("brush", points=[[3.5, 3.5]], radius=0.5, add=True)
    assert page.agrees() and [(box, bytes(alpha)) for box, alpha in page.alphas] == [((3, 3, 4, 4), b"\xff")]
    page.ask("undo")
    assert page.agrees() and page.alphas[0][1] == [ramp[3, 3]]


def test_python_tells_the_browser() -> None:
    page = open_page(LEFT)
    widget = page.widget
    widget.apply(Click(1, 1))
    assert page.messages[-1][0]["id"] is None and page.agrees() and widget.mask.any()
    widget.undo()
    assert page.agrees() and not widget.mask.any()
    widget.redo()
    widget.session.relabel("dog")  # past the widget: it notices after the cell, or with the next message
    widget.refresh()
    assert page.agrees() and widget.label == "dog"
    widget.session.accept()
    page.ask("undo")
    assert page.agrees()
    assert widget.redo() and widget.redo() is None


def test_label_and_selected_are_ways_to_the_session() -> None:
    page = open_page(LEFT, label="cat", labels=["cat", "dog"])
    widget = page.widget
    assert widget.session.label == "cat"
    widget.apply(Click(1, 1))
    widget.label = "dog"
    assert widget.session.instances[0].label == "dog" and page.agrees()
    page.apply("accept")
    widget.selected = 1
    assert widget.session.selected == 1 and page.agrees()
    with pytest.raises(ValueError, match="no instance 7"):
        widget.selected = 7
    assert widget.selected == 1


def test_an_error_is_an_answer_and_changes_nothing() -> None:
    page = open_page(LEFT)
    for message, expected in [
        ({"op": "apply", "action": {"type": "click", "x": 999, "y": 1, "positive": True}}, "outside"),
        ({"op": "apply", "action": {"type": "paint"}}, "paint"),
        ({"op": "aply"}, "did you mean 'apply'"),
        ({"op": "apply"}, "action"),
        ({}, "operation"),
    ]:
        page.widget._handle_custom_msg({"id": "x", **message}, [])
        answer = page.messages[-1][0]
        assert answer["id"] == "x" and not answer["ok"] and expected in answer["error"]
    assert page.agrees() and not page.widget.can_undo and not page.widget.busy


def test_an_interrupted_kernel_answers_too() -> None:
    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    page = open_page(LEFT)
    page.widget.session.apply = interrupted  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        page.apply("accept")
    assert "KeyboardInterrupt" in page.messages[-1][0]["error"]


def test_a_model_that_fails_says_so_and_is_tried_again() -> None:
    class Broken(Scripted):
        def set_image(self, image: np.ndarray) -> None:
            raise RuntimeError("no memory")

    page = Page(Annotator(IMAGE, Broken(LEFT)))
    page.ask("document")
    assert "no memory" in page.apply("click", x=1, y=1, positive=True)["error"]
    Broken.set_image = Scripted.set_image  # type: ignore[method-assign]
    assert page.apply("click", x=1, y=1, positive=True)["ok"] and page.agrees()


def test_a_peek_records_nothing() -> None:
    page = open_page(LEFT)
    answer = page.ask("peek", action={"type": "click", "x": 1, "y": 1, "positive": True})
    assert answer["result"]["box"] == page.widget.session.peek(Click(1, 1)).bbox and not page.widget.can_undo and not page.widget.mask.any()


def test_view_only_refuses() -> None:
    page = open_page(LEFT, view_only=True)
    assert "view_only" in page.apply("click", x=1, y=1, positive=True)["error"]
    page.widget.apply(Click(1, 1))  # Python may
    assert "view_only" in page.ask("undo")["error"]


def test_unknown_keywords_and_keys_are_refused() -> None:
    with pytest.raises(TypeError, match="no keyword lables"):
        Annotator(IMAGE, Scripted(LEFT), lables=["cat"])
    with pytest.raises(ValueError, match="did you mean 'undo'"):
        Annotator(IMAGE, Scripted(LEFT), shortcuts={"udo": ["U"]})
    with pytest.raises(TraitError):
        Annotator(IMAGE, Scripted(LEFT), tool="hammer")
    with pytest.raises(TraitError, match="'blurple' is no colour"):
        Annotator(IMAGE, Scripted(LEFT), colors=["#ff0000", "blurple"])
    with pytest.raises(ValueError, match="brings its own predictor"):
        Annotator(Session(IMAGE, Scripted(LEFT)), Scripted(LEFT))
    widget = Annotator(IMAGE, Scripted(LEFT), shortcuts={"next": ["ArrowRight"]})
    assert widget.shortcuts["next"] == ["ArrowRight"] and widget.shortcuts["undo"] == ["Ctrl+Z"]


def test_a_session_is_shown_as_it_is() -> None:
    session = Session(IMAGE, Scripted(RIGHT), mask=LEFT)
    page = Page(Annotator(session))
    page.ask("document")
    assert page.agrees() and page.widget.session is session and (page.masks[1] == LEFT).all()


def test_the_image_is_sent_as_a_file() -> None:
    page = open_page(LEFT)
    answer = page.ask("image")
    file = page.messages[-1][1][0]
    assert answer["result"]["mime"] == "image/png"
    assert (np.asarray(Image.open(io.BytesIO(file))) == IMAGE).all()

    file, mime = encode_image(np.zeros((3000, 8000, 3), np.uint8))
    width, height = Image.open(io.BytesIO(file)).size
    assert mime == "image/jpeg" and width * height <= 16_010_000 and abs(width / height - 8 / 3) < 0.01


def test_the_repr_holds_a_small_png() -> None:
    widget = Annotator(np.full((600, 800, 3), 90, np.uint8), Scripted(np.tri(600, 800, dtype=bool)))
    widget.apply(Click(1, 500))
    bundle = widget._repr_mimebundle_()
    assert bundle is not None and "application/vnd.jupyter.widget-view+json" in bundle[0]
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(bundle[0]["image/png"]))).convert("RGB"))
    assert picture.shape == (300, 400, 3)
    assert np.ptp(picture[10, 300]) < 8 and np.ptp(picture[290, 10]) > 40  # grey outside, tinted inside


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


def wait_until(holds: Callable[[], bool]) -> None:
    for _ in range(1000):
        if holds():
            return
        sleep(0.01)
    raise AssertionError("waited for too long")


def photo(folder: Path, name: str = "photo.png") -> Path:
    Image.fromarray(IMAGE).save(folder / name)
    return folder / name


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


def answer_to(page: Page, op: str, **fields: Any) -> tuple[dict[str, Any], list[bytes]]:
    """Ask what is answered from a thread, and wait for it."""
    count = len(page.messages)
    page.widget._handle_custom_msg({"id": op, "op": op, **fields}, [])
    for _ in range(1000):
        found = [message for message in page.messages[count:] if message[0]["id"] == op]
        if found:
            return found[0]
        sleep(0.01)
    raise AssertionError(f"no answer to {op}")


def test_what_the_tools_ask_for() -> None:
    page = open_page(LEFT)
    answer, (packed,) = answer_to(page, "superpixels", count=20)
    labels = np.frombuffer(zlib.decompress(packed), "<i4").reshape(answer["result"]["height"], answer["result"]["width"])
    assert (labels == page.widget.session.superpixels(20)).all()
    assert page.apply("superpixel", segments=[int(labels[0, 0])], count=20)["ok"] and page.agrees()
    assert "10000" in answer_to(page, "superpixels", count=1)[0]["error"]

    path = page.ask("scissors", points=[[2, 3], [12, 9]], window=64)["result"]["path"]
    assert path[0] == (2, 3) and path[-1] == (12, 9)

    answer, (packed,) = answer_to(page, "sources")
    x0, y0, x1, y1 = answer["result"]["box"]
    sources = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(y1 - y0, x1 - x0)
    assert (sources == page.widget.session.sources[y0:y1, x0:x1]).all() and sources.any()

    answer, (file,) = answer_to(page, "tile", box=[2, 3, 12, 13], width=5, height=5)
    assert Image.open(io.BytesIO(file)).size == (5, 5)
    assert "does not lie" in answer_to(page, "tile", box=[2, 3, 99, 13], width=5, height=5)[0]["error"]


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


def test_page_and_cells_may_write_at_the_same_time() -> None:
    """Where comms run on a subshell, the page's messages are handled in another thread than the cells."""
    widget = Annotator(IMAGE, Scripted(LEFT))
    wrong: list[BaseException] = []

    def run(do: Callable[[int], Any]) -> Thread:
        def work() -> None:
            try:
                for number in range(200):
                    do(number)
            except BaseException as error:
                wrong.append(error)

        thread = Thread(target=work)
        thread.start()
        return thread

    brush = {"type": "brush", "radius": 2.0}
    often = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [
            run(lambda n: widget._handle_custom_msg({"id": "", "op": "apply", "action": {**brush, "points": [[n % 18, n % 14]]}}, [])),
            run(lambda n: widget.set_state({"opacity": n / 200, "tool": ["brush", "wand"][n % 2], "brush_size": 5.0 + n})),
            run(lambda n: setattr(widget, "tolerance", float(n % 50))),
            run(lambda n: widget.undo() if n % 2 else widget.redo()),
            run(lambda n: setattr(widget, "label", f"label {n}")),
        ]
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(often)
    assert not wrong
    page = Page(widget)
    page.ask("document")
    assert page.agrees() and widget.tolerance == 49 and widget.brush_size == 204
