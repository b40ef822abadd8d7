"""The layout of Cityscapes: instances, classes and polygons are read, and written as its own tools do."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import cdwidget
from cdwidget import Instance, Item
from cdwidget.formats.cityscapes import _number_of
from cdwidget.formats.coco import Crowd

HEIGHT, WIDTH = 20, 30
ROAD, CAR, PERSON = 7, 26, 24


def block(x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[y0:y1, x0:x1] = True
    return mask


@pytest.fixture
def city(tmp_path: Path) -> Path:
    """A street with two cars, a group of cars, a person and a license plate, as in gtFine."""
    values = np.zeros((HEIGHT, WIDTH), np.uint16)
    values[10:] = ROAD
    values[12:15, 2:8], values[12:15, 10:16], values[12:15, 20:28] = CAR * 1000, CAR * 1000 + 1, CAR
    values[5:12, 18:20] = PERSON * 1000
    values[14, 4:6] = 65535
    classes = np.where(values == 65535, 255, np.where(values >= 1000, values // 1000, values)).astype(np.uint8)
    for folder in ("leftImg8bit", "gtFine"):
        (tmp_path / folder / "val" / "ulm").mkdir(parents=True)
    Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / "leftImg8bit/val/ulm/ulm_000_leftImg8bit.png")
    Image.fromarray(values).save(tmp_path / "gtFine/val/ulm/ulm_000_gtFine_instanceIds.png")
    Image.fromarray(classes).save(tmp_path / "gtFine/val/ulm/ulm_000_gtFine_labelIds.png")
    car = {"label": "car", "polygon": [[2, 12], [8, 12], [8, 15], [2, 15]]}
    objects = [
        car,
        {**car, "label": "cargroup"},
        {**car, "label": "out of roi"},
        {**car, "deleted": 1},
        {"label": "car", "polygon": [[1, 2]]},
    ]
    content = {"imgHeight": HEIGHT, "imgWidth": WIDTH, "objects": objects}
    (tmp_path / "gtFine/val/ulm/ulm_000_gtFine_polygons.json").write_text(json.dumps(content))
    return tmp_path


def described(folder: Path) -> list[tuple[str, int | None, int, bool]]:
    (item,) = cdwidget.read(folder)
    return [(one.label, one.id, one.area, isinstance(one, Crowd)) for one in item.instances]


def test_instances_are_read(city: Path) -> None:
    dataset = cdwidget.read(city)
    assert dataset.format == "cityscapes" and dataset.classes["road"] == ROAD
    assert Path(dataset[0].path) == city / "leftImg8bit/val/ulm/ulm_000_leftImg8bit.png"
    cars = [("car", 26, 24, True), ("car", 26000, 16, False), ("car", 26001, 18, False)]
    assert described(city) == [("road", 7, 300 - 24 - 18 - 18 - 4, False), cars[0], ("person", 24000, 14, False), *cars[1:]]


def test_classes_or_polygons_are_read_if_there_is_nothing_better(city: Path) -> None:
    (city / "gtFine/val/ulm/ulm_000_gtFine_instanceIds.png").unlink()
    assert described(city) == [("road", 7, 236, False), ("person", 24, 14, False), ("car", 26, 58, False)]
    (city / "gtFine/val/ulm/ulm_000_gtFine_labelIds.png").unlink()
    with pytest.warns(UserWarning, match="annotation 5: its polygon has 1 points"):
        assert described(city) == [("car", 1, 18, False), ("car", 2, 18, True)]


def test_a_round_trip_keeps_masks_labels_and_numbers(city: Path, tmp_path: Path) -> None:
    dataset = cdwidget.read(city)
    before = described(city)
    written = cdwidget.write("cityscapes", dataset, tmp_path / "out")
    assert described(written) == before
    again = cdwidget.read("cityscapes", written)
    assert all(np.array_equal(one.mask, two.mask) for one, two in zip(dataset[0].instances, again[0].instances))
    assert (written / "leftImg8bit/val/ulm/ulm_000_leftImg8bit.png").is_file()
    values = np.asarray(Image.open(written / "gtFine/val/ulm/ulm_000_gtFine_color.png"))
    assert values[19, 0].tolist() == [128, 64, 128]


def test_further_classes_are_numbered_and_named(tmp_path: Path) -> None:
    Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / "a.png")
    instances = [Instance(block(0, 0, 5, 5), "cup", 3), Instance(block(10, 0, 15, 5), "cup"), Instance(block(20, 0, 25, 5), "jug")]
    written = cdwidget.write("cityscapes", [Item(tmp_path / "a.png", instances)], tmp_path / "out", labels={"jug": 50})
    assert described(written) == [("jug", 50000, 25, False), ("cup", 51000, 25, False), ("cup", 51001, 25, False)]
    assert (written / "leftImg8bit/train/city/a_leftImg8bit.png").is_file()
    with pytest.raises(ValueError, match="its numbers end at 64; give the classes in use"):
        cdwidget.write("cityscapes", [Item(tmp_path / "a.png", instances)], tmp_path / "more", labels=[*map(str, range(31)), "cup"])


def test_numbers_that_mean_something_else_in_cityscapes_are_replaced(tmp_path: Path) -> None:
    Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / "a.png")
    instances = [Instance(block(5 * x, 0, 5 * x + 5, 5), label) for x, label in enumerate(("cup", "jug", "car", "pan"))]
    numbers = {"cup": 0, "jug": 26, "car": 40, "pan": 700}
    written = cdwidget.write("cityscapes", [Item(tmp_path / "a.png", instances)], tmp_path / "out", labels=numbers)
    assert described(written) == [
        ("car", 26000, 25, False),
        *((label, 34000 + 1000 * at, 25, False) for at, label in enumerate(("cup", "jug", "pan"))),
    ]


def test_images_whose_names_differ_by_the_ending_keep_their_objects(tmp_path: Path) -> None:
    items = []
    for at, name in enumerate(("a.png", "a_leftImg8bit.png")):
        Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / name)
        items.append(Item(tmp_path / name, [Instance(block(0, 0, 5, 5 + at), "car")]))
    dataset = cdwidget.read(cdwidget.write("cityscapes", items, tmp_path / "out"))
    assert sorted(item.instances[0].area for item in dataset) == [25, 30]


def test_an_image_with_fine_and_coarse_annotations_is_read_once(city: Path) -> None:
    (city / "gtCoarse/val/ulm").mkdir(parents=True)
    Image.fromarray(np.full((HEIGHT, WIDTH), 11, np.uint16)).save(city / "gtCoarse/val/ulm/ulm_000_gtCoarse_instanceIds.png")
    assert described(city)[0][0] == "road"
    for file in (city / "gtFine/val/ulm").iterdir():
        file.unlink()
    assert described(city) == [("building", 11, HEIGHT * WIDTH, False)]


def test_a_class_of_a_thousand_objects_next_to_another_is_refused_in_words() -> None:
    drawn = {*range(26000, 26999), 27000}
    assert _number_of(Instance(block(0, 0, 1, 1)), 26, drawn) == 26999
    with pytest.raises(ValueError, match="more than 1000 objects"):
        _number_of(Instance(block(0, 0, 1, 1)), 26, {*drawn, 26999})


def test_a_damaged_file_costs_no_other(city: Path) -> None:
    other = city / "gtFine/val/ulm/ulm_001_gtFine_instanceIds.png"
    other.write_bytes(b"no image")
    Image.new("RGB", (WIDTH, HEIGHT)).save(city / "leftImg8bit/val/ulm/ulm_001_leftImg8bit.png")
    with pytest.warns(UserWarning, match="ulm_001_gtFine_instanceIds.png"):
        assert len(cdwidget.read(city)) == 1
