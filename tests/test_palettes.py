"""Class maps without a list of classes: in colors, of Cityscapes, and with the user's palette."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import cdwidget

ROAD, CAR = (128, 64, 128), (0, 0, 142)


def folder_of(tmp_path: Path, *masks: np.ndarray | Image.Image) -> Path:
    for part in ("images", "masks"):
        (tmp_path / part).mkdir()
    for number, mask in enumerate(masks):
        Image.new("RGB", (6, 4)).save(tmp_path / "images" / f"{number}.png")
        (mask if isinstance(mask, Image.Image) else Image.fromarray(mask)).save(tmp_path / "masks" / f"{number}.png")
    return tmp_path


def colored(*colors: tuple[int, int, int]) -> np.ndarray:
    """Return a class map with two columns of each color, uint8 (4, 6, 3)."""
    return np.repeat(np.broadcast_to(np.array(colors, np.uint8), (4, 3, 3)), 2, axis=1)


def found(folder: Path, palette: Any = None) -> list[list[tuple[str, tuple[int, ...]]]]:
    dataset = cdwidget.read("png", folder, palette=palette)
    return [[(each.label, each.bbox) for each in item.instances] for item in dataset]


LEFT, MIDDLE, RIGHT = (0, 0, 2, 4), (2, 0, 4, 4), (4, 0, 6, 4)


def test_colors_without_a_palette(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, colored(ROAD, (0, 0, 0), CAR), colored(ROAD, (1, 2, 3), (0, 0, 0)))
    assert found(folder) == [[("car", RIGHT), ("road", LEFT)], [("#010203", MIDDLE), ("#804080", LEFT)]]
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)).save(folder / "masks" / "0.png")
    with pytest.warns(UserWarning, match="has 24.. colors, so it is no map of classes"):
        assert [len(each) for each in found(folder)] == [0, 2]


def test_red_masks_are_no_riders(tmp_path: Path) -> None:
    assert found(folder_of(tmp_path, colored((255, 0, 0), (0, 0, 0), (0, 0, 0)))) == [[("#ff0000", LEFT)]]


@pytest.mark.parametrize("palette", ["cityscapes", {"road": 7, "car": 26}])
def test_numbers_with_a_palette(tmp_path: Path, palette: Any) -> None:
    numbers = np.repeat(np.broadcast_to(np.array([7, 26, 0], np.uint8), (4, 3)), 2, axis=1)
    assert found(folder_of(tmp_path, numbers), palette) == [[("road", LEFT), ("car", MIDDLE)]]
    classes = cdwidget.read("png", tmp_path, palette=palette).classes
    assert (classes["road"], classes["car"]) == (7, 26)


def test_a_palette_of_colors(tmp_path: Path) -> None:
    indexed = Image.fromarray(np.repeat(np.broadcast_to(np.array([1, 0, 2], np.uint8), (4, 3)), 2, axis=1))
    indexed.putpalette([0, 0, 0, 9, 9, 9, *ROAD])
    palette = {"sky": (9, 9, 9), "street": ROAD}
    assert [sorted(each) for each in found(folder_of(tmp_path, indexed), palette)] == [[("sky", LEFT), ("street", RIGHT)]]
    with pytest.raises(ValueError, match=r"the palette has \(1, 2\) for 'sky'; allowed are a class number, or \(red, green, blue\)"):
        found(tmp_path, {"sky": (1, 2)})
    for twice in (7, ROAD):
        with pytest.raises(ValueError, match="one number or color for several labels"):
            found(tmp_path, {"sky": twice, "street": twice})
    with pytest.raises(ValueError, match="no palette named 'cityscape'.*did you mean 'cityscapes'"):
        found(tmp_path, "cityscape")


def test_a_number_of_a_palette_may_be_that_of_background_or_void(tmp_path: Path) -> None:
    numbers = np.repeat(np.broadcast_to(np.array([0, 255, 3], np.uint8), (4, 3)), 2, axis=1)
    palette = {"ground": 0, "sea": 255}
    assert found(folder_of(tmp_path, numbers), palette) == [[("ground", LEFT), ("class_3", RIGHT), ("sea", MIDDLE)]]
    assert found(tmp_path, {"sky": 3}) == [[("sky", RIGHT)]]


def test_an_image_of_another_size_is_named(tmp_path: Path) -> None:
    Image.new("RGB", (5, 4)).save(folder_of(tmp_path, colored(ROAD, ROAD, CAR)) / "images" / "0.png")
    with pytest.warns(UserWarning, match="it is 6x4 pixels and its image is 5x4; they must agree"):
        assert found(tmp_path) == [[]]


@pytest.mark.parametrize("palette", ["cityscapes", "ade20k", {"road": 700, "car": 3}, {"road": (1, 2, 3), "car": (9, 9, 9)}])
def test_class_maps_are_written_and_read(tmp_path: Path, palette: Any) -> None:
    Image.new("RGB", (6, 4)).save(tmp_path / "a.png")
    road, car = np.zeros((2, 4, 6), bool)
    road[:, :4], car[1:3, 3:5] = True, True
    item = cdwidget.Item(tmp_path / "a.png", [cdwidget.Instance(road, "road"), cdwidget.Instance(car, "car")])
    cdwidget.write("png", [item], tmp_path / "out", palette=palette)
    (again,) = cdwidget.read("png", tmp_path / "out", palette=palette)
    masks = {one.label: one.mask for one in again.instances}
    assert np.array_equal(masks["road"], road & ~car) and np.array_equal(masks["car"], car)
    unknown = cdwidget.Item(tmp_path / "a.png", [cdwidget.Instance(road, "unicorn")])
    with pytest.raises(ValueError, match="the palette has the number 70000 for 'sky'; allowed are whole numbers from 0 to 65535"):
        cdwidget.write("png", [], tmp_path / "wide", palette={"sky": 70_000})
    with pytest.raises(ValueError, match="the palette has no class 'unicorn'"):
        cdwidget.write("png", [unknown], tmp_path / "other", palette=palette)


def test_the_classes_of_ade20k(tmp_path: Path) -> None:
    numbers = np.repeat(np.broadcast_to(np.array([1, 0, 150], np.uint8), (4, 3)), 2, axis=1)
    assert found(folder_of(tmp_path, numbers), "ade20k") == [[("wall", LEFT), ("flag", RIGHT)]]
    Image.fromarray(colored((140, 140, 140), (0, 0, 0), (92, 0, 255))).save(tmp_path / "masks" / "0.png")
    assert found(tmp_path, "ade20k") == [[("flag", RIGHT), ("road", LEFT)]]
