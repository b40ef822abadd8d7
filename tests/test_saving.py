"""No labels are lost: by saving over a file, by a wrong path, or in a read-only folder."""

from __future__ import annotations

import errno
import os
import pickle
import threading
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from PIL import Image
from traitlets import TraitError

from cdwidget.formats import FORMATS, read, write
from cdwidget.formats.io import open_replacement
from cdwidget.items import Instance, Item
from cdwidget.prompts import Click
from cdwidget.session import Session
from cdwidget.tools import Brush
from cdwidget.widget.annotator import Annotator, image_list
from support.scripted_predictor import IMAGE, LEFT_HALF, RIGHT_HALF, ScriptedPredictor
from support.widget_page import WidgetPage

DOT = Brush(((9.0, 9.0),), 2.0)


def photo(folder: Path, name: str = "photo.png") -> Path:
    Image.fromarray(IMAGE).save(folder / name)
    return folder / name


def annotator(image: Any, **options: Any) -> Annotator:
    return Annotator(image, ScriptedPredictor(LEFT_HALF), **options)


def areas(items: list[Item]) -> dict[str, list[int]]:
    return {Path(item.path).name: [int(instance.mask.sum()) for instance in item.instances] for item in items}


def test_saving_keeps_items_that_were_not_opened(tmp_path: Path) -> None:
    paths = [photo(tmp_path, name) for name in ("a.png", "b.png", "c.png")]
    file = tmp_path / "annotations.json"
    write("coco", [Item(path, [Instance(LEFT_HALF, "cat")]) for path in paths], file)
    widget = annotator(read("coco", file))
    widget.apply(DOT)
    widget.save(file)
    assert {name: len(found) for name, found in areas(read("coco", file)).items()} == {"a.png": 2, "b.png": 1, "c.png": 1}


def test_a_file_with_labels_of_other_images_is_not_replaced(tmp_path: Path) -> None:
    paths = [photo(tmp_path, name) for name in ("a.png", "b.png")]
    file = write("coco", [Item(paths[0], [Instance(LEFT_HALF, "cat")])], tmp_path / "annotations.json")
    before = file.read_bytes()
    widget = annotator(paths[1])
    widget.apply(DOT)
    for target in (file, tmp_path):
        with pytest.raises(FileExistsError, match="labels of 1 other images, such as .*a.png.*would be lost; save to another file"):
            widget.save(target)
    assert file.read_bytes() == before
    both = annotator([*read("coco", file), paths[1]])
    assert len(read("coco", both.save(file))[0].instances) == 1
    for format in (name for name, one in FORMATS.items() if one.file_name):
        file = write(format, [Item(paths[0], [Instance(LEFT_HALF, "cat")])], tmp_path / format)
        before = file.read_bytes()
        for target in (file, tmp_path / format):
            with pytest.raises(FileExistsError, match=f"labels of 1 other images.*would be lost.*read\\('{format}'"):
                widget.save(target, format=format)
        assert file.read_bytes() == before


def test_saving_keeps_labels_of_an_earlier_kernel(tmp_path: Path) -> None:
    paths = [photo(tmp_path, name) for name in ("a.png", "b.png", "c.png")]
    monday = annotator(paths)
    monday.next()
    monday.apply(Click(1, 1))
    monday.close()
    tuesday = annotator(paths)
    assert areas(tuesday.items) == {"a.png": [], "b.png": [LEFT_HALF.sum()]}
    other = annotator(paths[1])
    other.apply(Brush(((15.0, 7.0),), 1.0))
    assert areas(tuesday.items)["b.png"] == [other.mask.sum()] and other.apply(DOT)  # It was only read here, and may still be edited there.
    paths[1].unlink()
    paths[1].write_bytes(b"no image")
    with pytest.warns(UserWarning, match="b.png cannot be read"):
        assert areas(annotator(paths).items) == {"a.png": []}


def test_edits_that_are_not_in_the_given_items_are_reported(tmp_path: Path) -> None:
    paths = [photo(tmp_path, name) for name in ("a.png", "b.png")]
    monday = annotator(paths)
    monday.next()
    monday.apply(Click(1, 1))
    file = monday.save(tmp_path / "annotations.json")
    assert areas(annotator(read("coco", file)).items)["b.png"] == [LEFT_HALF.sum()]
    monday.apply(DOT)  # After saving.
    with pytest.warns(UserWarning, match="b.png"):
        assert areas(annotator(read("coco", file)).items)["b.png"] == [LEFT_HALF.sum()]


def test_an_image_edited_elsewhere_is_shown_with_those_edits(tmp_path: Path) -> None:
    path = photo(tmp_path, "a.png")
    widget = annotator([path, photo(tmp_path, "b.png"), path])
    widget.apply(DOT)
    elsewhere = annotator(path)
    elsewhere.apply(Click(1, 1))
    assert areas(widget.items)["a.png"] == [elsewhere.mask.sum()]
    widget.next()
    widget.previous()
    assert (widget.mask == elsewhere.mask).all()
    widget.undo()  # Edited here again.
    widget.next()
    widget.next()  # The same file at its second position.
    widget.redo()
    assert [int(item.instances[0].mask.sum()) for item in widget.items if item.path == path] == [elsewhere.mask.sum()] * 2


def test_a_file_that_is_not_a_journal_is_not_changed(tmp_path: Path) -> None:
    path = photo(tmp_path)
    file = annotator(path, instances=[Instance(LEFT_HALF, "cat")], autosave=False).save(tmp_path / "annotations.json")
    for victim in (file, path):
        before = victim.read_bytes()
        with pytest.raises(ValueError, match=r"is not a journal, so it was not changed.*\.jsonl"):
            annotator(IMAGE, autosave=victim)
        assert victim.read_bytes() == before
    with pytest.raises(TypeError, match="allowed are True, False"):
        annotator(IMAGE, autosave=None)


def test_a_journal_in_a_read_only_folder_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_list, "MAX_OPEN_SESSIONS", 1)
    paths = [photo(tmp_path, name) for name in ("a.png", "b.png")]
    annotator(paths).apply(Click(1, 1))
    journal = tmp_path / ".cdwidget" / "a.png.jsonl"
    saved = journal.read_bytes()
    monkeypatch.setattr(image_list, "can_write", lambda path: False)
    widget = annotator(paths)
    assert (widget.mask == LEFT_HALF).all() and widget.can_undo and "cannot be written to" in WidgetPage(widget).trait("_notice")
    widget.apply(DOT)
    drawn = widget.mask
    widget.next()
    widget.previous()
    assert areas(widget.items)["a.png"] == [drawn.sum()] and journal.read_bytes() == saved


def test_an_unreadable_journal_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = photo(tmp_path)
    annotator(path).apply(Click(1, 1))
    monkeypatch.setattr(image_list.os, "access", lambda path, how: False)
    with pytest.warns(UserWarning, match="may not read it"):
        widget = annotator(path)
    assert widget.apply(DOT) and "cannot be written to" in WidgetPage(widget).trait("_notice")


def test_an_error_names_the_unwritable_file(tmp_path: Path) -> None:
    target = tmp_path / "out.npz"
    target.mkdir()
    with pytest.raises(OSError, match=r"so the previous file is kept: '.*out\.npz'"):
        write("npz", [Item(photo(tmp_path), [Instance(LEFT_HALF)])], target)
    assert not list(tmp_path.glob(".*.tmp"))


def test_an_error_names_the_file_also_if_closing_it_fails(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"No space left.*a\.json"), open_replacement(tmp_path / "a.json") as file:
        file.write(b"1")
        os.close(file.fileno())  # So that the file cannot be closed either, as on a full disk.
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert not list(tmp_path.iterdir())


def test_a_deleted_journal_loses_no_edits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_list, "MAX_OPEN_SESSIONS", 1)
    widget = annotator([photo(tmp_path, name) for name in ("a.png", "b.png")])
    widget.apply(Click(1, 1))
    widget.next()
    (tmp_path / ".cdwidget" / "a.png.jsonl").unlink()
    assert areas(widget.items)["a.png"] == [LEFT_HALF.sum()]
    widget.previous()
    assert areas(widget.items)["a.png"] == [LEFT_HALF.sum()]
    widget.apply(DOT)
    assert (tmp_path / ".cdwidget" / "a.png.jsonl").exists()


@pytest.mark.parametrize(
    ("traits", "error"),
    [
        ({"label_names": ["cup"]}, TypeError),
        ({"tool": "brsh"}, TraitError),
        ({"label": 3}, TraitError),
        ({"selected": 99}, ValueError),
    ],
)
def test_a_failed_annotator_leaves_the_image_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, traits: dict[str, Any], error: type[Exception]
) -> None:
    path = photo(tmp_path)
    with pytest.raises(error) as raised:  # Like IPython, `raised` keeps the traceback and with it the failed widget.
        annotator(path, **traits)
    known = set(threading.enumerate())
    failures: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", failures.append)
    widget = annotator(path)
    for thread in set(threading.enumerate()) - known:
        thread.join()
    widget.apply(DOT)
    assert not failures and raised.value and widget.session.can_undo and widget._notice == image_list.SAVED_NOTICE


def test_a_wrong_trait_does_not_take_the_image_from_another_annotator(tmp_path: Path) -> None:
    path = photo(tmp_path)
    widget = annotator(path)
    with pytest.raises(TraitError):
        annotator(path, tool="brsh")
    widget.apply(DOT)
    assert widget.mask.any()


def test_a_name_too_long_for_a_journal(tmp_path: Path) -> None:
    widget = annotator(photo(tmp_path, "c" * 250 + ".png"))
    widget.apply(Click(1, 1))
    assert "cannot be written to" in WidgetPage(widget).trait("_notice")


def test_existing_images_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    theirs = tmp_path / "images" / "image-1.png"
    Image.fromarray(255 - IMAGE).save(theirs)
    before = theirs.read_bytes()
    widget = annotator(IMAGE, mask=RIGHT_HALF)
    with pytest.raises(FileExistsError, match="another image"):
        widget.save(tmp_path)
    assert theirs.read_bytes() == before
    assert widget.save(tmp_path / "mine") and widget.save(tmp_path / "mine")  # The same image may be written again.


def test_two_widgets_step_through_the_same_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes the journals over from the other in its own thread, and neither waits for the other."""
    monkeypatch.setattr(image_list, "MAX_OPEN_SESSIONS", 1)
    paths = [photo(tmp_path, f"{number}.png") for number in range(3)]
    widgets = [annotator(paths) for _ in range(2)]

    def page(widget: Annotator) -> None:
        for number in range(60):
            (widget.previous if widget.index == 2 or (widget.index and number % 3 == 0) else widget.next)()

    threads = [Thread(target=page, args=(widget,), daemon=True) for widget in widgets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)


def test_wrong_arguments_are_named(tmp_path: Path) -> None:
    path, one = photo(tmp_path), Instance(LEFT_HALF, "cat")
    for wrong in (one, ["cat"]):
        with pytest.raises(TypeError, match="instances are cdwidget.Instance.mask, label. in a list"):
            Session(IMAGE, instances=wrong)
        with pytest.raises(TypeError, match="instances are cdwidget.Instance.mask, label. in a list"):
            annotator(IMAGE, instances=wrong)
    with pytest.raises(TypeError, match="load_predictor"):
        Session(IMAGE, "cdnet")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="3 is no image"):
        annotator([path, 3])
    with pytest.raises(TypeError, match="give a list of them"):
        write("coco", Item(path, [one]), tmp_path)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="one 2-D mask"):
        annotator(IMAGE, mask="mask.png")
    picture = Image.fromarray(LEFT_HALF * np.uint8(255))
    assert (annotator(IMAGE, mask=picture).mask == LEFT_HALF).all()


def test_a_long_list_of_items_stays_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_list, "MAX_OPEN_SESSIONS", 1)
    widget = annotator([photo(tmp_path, name) for name in ("a.png", "b.png")])
    widget.apply(Click(1, 1))
    widget.next()
    first = widget.items[0]
    packed = pickle.dumps(first)
    assert not isinstance(first.instances, list) and len(first.instances) == 1 and LEFT_HALF.tobytes() not in packed
    assert (pickle.loads(packed).instances[0].mask == LEFT_HALF).all()
