"""Data sets that a process writes when it is killed: all of the new files or all of the old ones, and no drafts."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import cdwidget
from cdwidget import Instance, Item
from cdwidget.formats import replacement

IMAGES = 3


def items(folder: Path, label: str, side: int) -> list[Item]:
    folder.mkdir(exist_ok=True)
    mask = np.zeros((30, 40), bool)
    mask[5 : 5 + side, 5 : 5 + side] = True
    found = []
    for number in range(IMAGES):
        path = folder / f"{number}.png"
        Image.fromarray(np.full((30, 40, 3), 90, np.uint8)).save(path)
        found.append(Item(path, [Instance(mask, label)]))
    return found


def sizes(format: str, path: Path) -> list[int]:
    return [instance.area for item in cdwidget.read(format, path) for instance in item.instances]


def killed(write: Callable[[], Any], name: str, call: int) -> bool:
    """Write in a process that is killed at a call of a function of `os`; return whether it got there."""
    pid = os.fork()
    if pid == 0:
        calls = 0
        original = getattr(os, name)

        def counted(*arguments: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls > call:
                os._exit(9)
            return original(*arguments)

        setattr(replacement.os, name, counted)
        try:
            write()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9


def drafts(folder: Path) -> list[Path]:
    return [path for path in folder.rglob(".*") if path.name.startswith(replacement.LOG_PREFIX) or path.suffix == ".tmp"]


@pytest.mark.parametrize("format", ["coco", "labelme", "npz", "png", "voc", "yolo"])
@pytest.mark.parametrize("name", ["fsync", "replace"])
def test_a_killed_export_leaves_the_old_or_the_new_data_set(tmp_path: Path, format: str, name: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    path = {"coco": out / "a.json"}.get(format, out)
    old, new = items(tmp_path / "images", "cat", 10), items(tmp_path / "images", "cat", 20)
    for call in range(30):
        cdwidget.write(format, old, path)
        if not killed(lambda: cdwidget.write(format, new, path), name, call):
            break
        assert drafts(out)
        found = set(sizes(format, path))
        assert found == {400} if name == "replace" else found in ({100}, {400})
        assert not drafts(out)
    assert call >= 1 and sizes(format, path) == [400] * IMAGES and not drafts(out)


def test_files_that_cannot_be_renamed_are_replaced_by_the_next_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = items(tmp_path / "images", "cat", 10), items(tmp_path / "images", "cat", 20)
    cdwidget.write("npz", old, tmp_path / "out")

    def refuse(draft: Path, path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(draft))

    with monkeypatch.context() as patch, pytest.raises(OSError, match=r"Permission denied.*0\.npz"):
        patch.setattr(replacement.os, "replace", refuse)
        cdwidget.write("npz", new, tmp_path / "out")
    assert sizes("npz", tmp_path / "out") == [400] * IMAGES and not drafts(tmp_path / "out")


def test_the_next_export_removes_drafts(tmp_path: Path) -> None:
    files = {tmp_path / "a": b"1", tmp_path / "b": b"2"}
    with pytest.raises(AssertionError), replacement.replacing() as unfinished:
        unfinished.draft(tmp_path / "a").write_bytes(b"0")
        with replacement.replacing() as other:  # Another process that writes at the same time is left alone.
            for path, content in files.items():
                other.draft(path).write_bytes(content)
        assert len(drafts(tmp_path)) == 2
        raise AssertionError
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == files


@pytest.mark.parametrize(("owner", "name"), [(Path, "unlink"), (os, "replace")])
def test_an_interrupted_export_changes_no_later_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> None:
    """Ctrl+C, pressed twice while an export renames its files; the notebook keeps the error, and with it the locked log."""

    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    cats, dogs = items(tmp_path / "images", "cat", 10), items(tmp_path / "images", "dog", 20)
    out = cdwidget.write("png", cats, tmp_path / "out")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt) as kept:
        patch.setattr(owner, name, interrupt)
        cdwidget.write("png", dogs, out)
    cdwidget.write("png", cats[::-1], out)
    assert kept.tb and not drafts(out)
    del kept
    assert sizes("png", out) == [100] * IMAGES


def test_a_killed_export_removes_the_masks_of_earlier_objects(tmp_path: Path) -> None:
    out = cdwidget.write("png", items(tmp_path / "images", "cat", 10), tmp_path / "out")
    new = items(tmp_path / "images", "dog", 20)
    assert killed(lambda: cdwidget.write("png", new, out), "replace", 0) and len(list((out / "masks").rglob("*_cat.png"))) == IMAGES
    assert sizes("png", out) == [400] * IMAGES and not drafts(out)


@pytest.mark.parametrize("last", ['"complete"\n', ""])
def test_the_log_of_a_foreign_data_set_changes_no_other_files(tmp_path: Path, last: str) -> None:
    path = cdwidget.write("npz", items(tmp_path / "images", "cat", 10), tmp_path / "out")
    other, draft, own = tmp_path / "other" / "keys", f".{0:032x}.tmp", tmp_path / "out" / "note"
    other.parent.mkdir()
    (path / "link").symlink_to(other.parent)
    for file in (other, other.parent / "draft", path / draft, path / "new", own):
        file.write_text(file.name)
    lines = [["new", "../other/keys"], ["../other/draft", "../other/keys"], [draft, "link/keys"], [None, "link/keys"]]
    lines += [[None, "../other/keys"], [None, str(other)], [None, "note"]]
    log = path / f"{replacement.LOG_PREFIX}1{replacement.LOG_SUFFIX}"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines) + last)
    assert sizes("npz", path) == [100] * IMAGES
    assert {file.name: file.read_text() for file in other.parent.iterdir()} == {"keys": "keys", "draft": "draft"}
    assert not log.exists() and (path / draft).exists() and own.exists() == (not last)


@pytest.mark.parametrize("content", [b"\xff\n", b'[1, 2]\n"complete"\n', b"[" * 100_000 + b'\n"complete"\n', None])
def test_a_damaged_log_is_no_obstacle(tmp_path: Path, content: bytes | None) -> None:
    log = tmp_path / f"{replacement.LOG_PREFIX}1{replacement.LOG_SUFFIX}"
    if content is None:
        os.mkfifo(log)
    else:
        log.write_bytes(content)
    path = cdwidget.write("npz", items(tmp_path / "images", "cat", 10), tmp_path)
    assert sizes("npz", path) == [100] * IMAGES
