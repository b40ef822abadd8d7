"""Which images a catalogue opens: its own folder's, those that the user added, and others only with consent."""

import os
import pickle
import zipfile
from pathlib import Path

import fsspec
import numpy as np
import pytest
from PIL import Image

import cdwidget
from cdwidget import Catalogue, Instance, Item
from cdwidget.images import remote

URLS = ("memory://b.png", "http://127.0.0.1:9/b.png", "simplecache::ftp://127.0.0.1:9/b.png", "zip://b.png::http://127.0.0.1:9/b.zip")


def write_image(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((20, 30, 3), 90, np.uint8)).save(path)
    return path


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a catalogue as somebody else may send it: it names an image in its folder, one elsewhere, and servers."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = tmp_path / "foreign" / "labels.db"
    paths = [str(write_image(path.parent / "a.png")), str(write_image(tmp_path / "elsewhere" / "b.png")), *URLS[1:]]
    catalogue = Catalogue(path)
    catalogue.add([Item(one, [Instance(np.ones((20, 30), bool), "cat")]) for one in paths])
    catalogue.close()
    (tmp_path / "state" / "cdwidget" / "image-folders.json").unlink()  # On the computer of the other user.
    return path


def test_a_foreign_catalogue_opens_no_image_elsewhere(foreign: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(*arguments: object, **options: object) -> None:
        raise AssertionError("opened unasked")

    monkeypatch.setattr(fsspec, "open", connect)
    catalogue = Catalogue(foreign)
    assert [problem.description.partition(":")[0] for problem in catalogue.check()] == ["blocked"] * 4
    assert ["trust this catalogue" in one.error for one in catalogue.thumbnails(range(1, 6))] == [False, True, True, True, True]
    for item in (2, 3, 4, 5):
        for read in (catalogue.session, lambda id: catalogue.item(id).read_image()):
            with pytest.raises(PermissionError, match="external=True"):
                read(item)
    with pytest.warns(UserWarning, match="4 items were not exported"):
        written = catalogue.export("png", tmp_path / "out")
    assert [Path(item.path).name for item in cdwidget.read("png", written)] == ["a.png"]
    catalogue.subset().without_duplicates()
    report = cdwidget.run(cdwidget.Score(["edges"], None), catalogue)
    assert report.done == 1 and len(report.failed) == 4


@pytest.mark.parametrize("name", ["link.png", "stack.tif", "stack.tif#1", "archive.zip"])
def test_a_link_in_the_folder_of_a_foreign_catalogue_leads_nowhere_else(foreign: Path, tmp_path: Path, name: str) -> None:
    stack = tmp_path / "elsewhere" / "stack.tif"
    Image.new("L", (30, 20)).save(stack, save_all=True, append_images=[Image.new("L", (30, 20))])
    with zipfile.ZipFile(tmp_path / "elsewhere" / "archive.zip", "w") as archive:
        archive.write(stack, "a.tif")
    link = foreign.parent / name.partition("#")[0]
    link.symlink_to(tmp_path / "elsewhere" / ("b.png" if name == "link.png" else link.name))
    path = f"zip://a.tif::{link}" if name == "archive.zip" else foreign.parent / name
    catalogue = Catalogue(foreign)
    catalogue.add([path])
    assert Catalogue(foreign).item(6).read_image().shape == (20, 30, 3), "the user added the link"
    (tmp_path / "state" / "cdwidget" / "image-folders.json").unlink()
    for read in (Catalogue(foreign).session, lambda id: Catalogue(foreign).item(id).read_image()):
        with pytest.raises(PermissionError, match="external=True"):
            read(6)
    assert Catalogue(foreign, external=True).item(6).read_image().shape == (20, 30, 3)
    target = link.readlink()
    link.unlink()
    link.symlink_to(target.rename(foreign.parent / "target"))
    assert Catalogue(foreign).item(6).read_image().shape == (20, 30, 3), "the file is in the folder of the catalogue"


@pytest.mark.parametrize("name", ["link/../b.png", "file://{folder}/link/../b.png", "file://~/b.png", "local://~/b.png"])
def test_the_spelling_of_a_path_leads_nowhere_else(foreign: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (tmp_path / "elsewhere" / "inner").mkdir()
    (foreign.parent / "link").symlink_to(tmp_path / "elsewhere" / "inner")
    monkeypatch.setenv("HOME", str(tmp_path / "elsewhere"))
    monkeypatch.chdir(foreign.parent)
    path = name.format(folder=foreign.parent)
    catalogue = Catalogue(foreign)
    catalogue.database.write(lambda connection: connection.execute("UPDATE items SET path = ? WHERE id = 2", (path,)))
    with pytest.raises(PermissionError, match="external=True"):
        catalogue.item(2).read_image()
    assert Catalogue(foreign, external=True).item(2).read_image().shape == (20, 30, 3)


def test_a_path_that_no_file_can_have_costs_only_its_image(foreign: Path) -> None:
    catalogue = Catalogue(foreign)
    catalogue.database.write(lambda connection: connection.execute("UPDATE items SET path = 'a' || char(0) || '/../b.png' WHERE id = 2"))
    assert [one.item for one in catalogue.check()][:1] == [2] and len(catalogue.query(of="instances", limit=None)) == 5
    assert [bool(one.error) for one in catalogue.thumbnails([1, 2])] == [False, True]
    with pytest.raises(PermissionError, match="trust this catalogue"):
        catalogue.item(2).read_image()
    for id in (1, 2):
        assert len(catalogue.item(id).instances) == 1
    assert "is not a file path" in str(catalogue.add(["a\0/../b.png"]).problems)


def test_consent_opens_all_images(foreign: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(fsspec, "open", lambda url, *a, **k: opened.append(url))
    catalogue = pickle.loads(pickle.dumps(Catalogue(foreign, external=True)))
    assert catalogue.item(2).read_image().shape == (20, 30, 3) and len(catalogue.check()) == 3 and len(opened) == 3


def test_images_that_the_user_added_are_opened(tmp_path: Path) -> None:
    fsspec.filesystem("memory").pipe("/b.png", write_image(tmp_path / "b.png").read_bytes())
    outside = write_image(tmp_path / "photos" / "a.png")
    catalogue = Catalogue(tmp_path / "own" / ".." / "labels.db")
    (tmp_path / "labels").mkdir()
    catalogue = Catalogue(tmp_path / "labels" / "labels.db")
    catalogue.add([outside, URLS[0]])
    for found in (catalogue, pickle.loads(pickle.dumps(catalogue))):
        assert found.check() == [] and found.item(2).read_image().shape == (20, 30, 3)
    (later,) = Catalogue(catalogue.path).items([1])
    assert later.read_image().shape == (20, 30, 3), "its folder is known on this computer"


@pytest.mark.parametrize("given", ["photos", "photos/*.png", "photos/**/*.png", "list"])
def test_folders_and_patterns_are_expanded(tmp_path: Path, given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("photos/b.png", "photos/a.png", "photos/deep/c.png", "photos/.hidden/d.png"):
        write_image(tmp_path / name)
    (tmp_path / "photos" / "notes.txt").write_text("no image")
    catalogue = Catalogue("labels.db")
    catalogue.add(["photos", "photos/a.png"] if given == "list" else given)
    names = [os.path.relpath(row.path, tmp_path) for row in catalogue.query()]
    assert names == ["photos/a.png", "photos/b.png", *([] if given == "photos/*.png" else ["photos/deep/c.png"])]
    assert catalogue.add(["missing/*.png", "a[1].png"]).items == 1
    with pytest.raises(FileNotFoundError, match=r"there are no images in photos/\*.gif"):
        catalogue.add("photos/*.gif")


def test_a_marked_path_stays_marked() -> None:
    path = remote.BlockedPath("/a.png")
    assert all(isinstance(one, remote.BlockedPath) for one in (str(path), os.fspath(path), pickle.loads(pickle.dumps(path))))
