"""MOTS: objects that keep their number through sequences of 16-bit PNG files."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import cdwidget
from cdwidget.items import Instance, Item

LEFT, RIGHT = np.arange(8).reshape(2, 4) % 4 < 2, np.arange(8).reshape(2, 4) % 4 >= 2


def images(folder: Path, *names: str) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.new("RGB", (4, 2)).save(folder / name)
    return [folder / name for name in names]


def values(path: Path) -> list[list[int]]:
    with Image.open(path) as file:
        assert file.mode.startswith("I")
        return np.asarray(file).tolist()


def kitti(folder: Path) -> Path:
    """Write two sequences as KITTI MOTS has them, and return their folder."""
    for sequence, name in (("0000", "000000"), ("0000", "000001"), ("0002", "000000")):
        images(folder / "image_02" / sequence, f"{name}.png")
        (folder / "instances" / sequence).mkdir(parents=True, exist_ok=True)
        pixels = np.where(LEFT, 1000 if name == "000000" else 2005, 10_000).astype(np.uint16)
        Image.fromarray(pixels).save(folder / "instances" / sequence / f"{name}.png")
    return folder


def test_the_sequences_of_kitti_are_read_with_their_tracks(tmp_path: Path) -> None:
    dataset = cdwidget.read(kitti(tmp_path))
    assert dataset.format == "mots" and dataset.classes == {"car": 1, "pedestrian": 2}
    assert [Path(item.path).relative_to(tmp_path / "image_02").as_posix() for item in dataset] == [
        "0000/000000.png", "0000/000001.png", "0002/000000.png"
    ]  # fmt: skip
    found = [(one.label, one.track_id, one.mask.tolist()) for item in dataset for one in item.instances]
    assert found == [("car", 1000, LEFT.tolist()), ("pedestrian", 2005, LEFT.tolist()), ("car", 1000, LEFT.tolist())]
    cdwidget.write("mots", dataset, tmp_path / "out")
    assert values(tmp_path / "out/instances/0000/000001.png") == np.where(LEFT, 2005, 0).tolist()
    assert (tmp_path / "out/images/0002/000000.png").is_file()


def test_tracks_become_numbers_of_their_class_and_stay_the_same(tmp_path: Path) -> None:
    paths = images(tmp_path, "0.png", "1.png", "2.png")
    items = [
        Item(paths[0], [Instance(LEFT, "cup", track_id=7), Instance(RIGHT, "cup")]),
        Item(paths[1], [Instance(RIGHT, "cup", track_id=1001), Instance(LEFT, "plate", track_id=7)]),
        Item(paths[2], [Instance(LEFT, "cup", track_id=70_000), Instance(RIGHT, "cup", track_id=7)]),
    ]
    cdwidget.write("mots", items, tmp_path / "out")
    numbers = [values(tmp_path / f"out/instances/{number}.png")[0] for number in range(3)]
    assert numbers == [[1007, 1007, 1002, 1002], [2007, 2007, 1001, 1001], [1003, 1003, 1007, 1007]]
    assert json.loads((tmp_path / "out/classes.json").read_text()) == {"cup": 1, "plate": 2}
    again = cdwidget.read("mots", tmp_path / "out")
    assert [[(one.label, one.track_id) for one in item.instances] for item in again][2] == [("cup", 1003), ("cup", 1007)]


def test_followed_objects_are_converted_with_their_tracks(tmp_path: Path) -> None:
    paths = images(tmp_path, "0.png", "1.png")
    cdwidget.write("coco", [Item(path, [Instance(LEFT, "pedestrian", track_id=3)]) for path in paths], tmp_path / "a.json")
    cdwidget.write("mots", cdwidget.read(tmp_path / "a.json"), tmp_path / "out", labels=["car", "pedestrian"])
    assert [values(tmp_path / f"out/instances/{number}.png")[0][0] for number in range(2)] == [2003, 2003]


def test_bad_entries_cost_only_themselves(tmp_path: Path) -> None:
    folder = kitti(tmp_path) / "instances" / "0000"
    Image.new("I;16", (5, 2)).save(folder / "000000.png")
    Image.fromarray(np.array([[7, 7, 1002, 1002]] * 2, np.uint16)).save(folder / "000001.png")
    Image.new("I;16", (4, 2)).save(folder / "000009.png")
    with pytest.warns(UserWarning, match="3 problems"):
        dataset = cdwidget.read("mots", tmp_path)
    assert [len(item.instances) for item in dataset] == [0, 1, 1]
    text = str(dataset.problems)
    assert "5x2 pixels" in text and "the value 7" in text and "holds no image" in text


def test_too_many_objects_or_a_broken_class_file_are_errors(tmp_path: Path) -> None:
    paths = images(tmp_path, "0.png")
    many = [Instance(LEFT, "cup", track_id=number) for number in range(1, 1003)]
    with pytest.raises(ValueError, match="'cup' has more than 999 objects"):
        cdwidget.write("mots", [Item(paths[0], many)], tmp_path / "out")
    with pytest.raises(ValueError, match="'cup' has number 66"):
        cdwidget.write("mots", [Item(paths[0], many[:1])], tmp_path / "out", labels={"cup": 66})
    (kitti(tmp_path) / "classes.json").write_text('{"car": 0}')
    with pytest.raises(ValueError, match="whole number from 1"):
        cdwidget.read("mots", tmp_path)


def test_a_class_without_a_number_of_mots_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    items = [Item(path, [Instance(LEFT, "cup")]) for path in images(tmp_path / "in", "a.png")]
    with pytest.raises(ValueError, match=r"the class 'cup' has number 0; MOTS numbers classes from 1, so give labels=\[...\]"):
        cdwidget.write("mots", items, tmp_path / "out", labels={"cup": 0})
    assert not (tmp_path / "out").exists()
