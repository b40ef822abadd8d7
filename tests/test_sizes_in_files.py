"""Annotation files that give an image another size than it has."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import cdwidget
from cdwidget.formats import brush_rle
from cdwidget.formats.image_files import image_size
from cdwidget.images.orientation import EXIF_ORIENTATION
from support.image_files import SQUARE

CORNERS = [[1, 1], [4, 1], [4, 3], [1, 3]]  # Of `SQUARE`, 6x5 pixels.


def coco(width: int, height: int) -> str:
    images = [{"id": 1, "file_name": "a.png", "width": width, "height": height}]
    annotations = [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": [sum(CORNERS, [])]}]
    return json.dumps({"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "cat"}]})


def labelme(width: int, height: int) -> str:
    shape = {"label": "cat", "points": CORNERS, "shape_type": "polygon"}
    return json.dumps({"shapes": [shape], "imagePath": "a.png", "imageWidth": width, "imageHeight": height})


def cvat(width: int, height: int) -> str:
    points = ";".join(f"{x},{y}" for x, y in CORNERS)
    image = f'<image id="0" name="a.png" width="{width}.0" height="{height}"><polygon label="cat" points="{points}"/></image>'
    return f"<annotations>{image}</annotations>"


FILES: dict[str, tuple[str, Any]] = {
    "coco": ("annotations.json", coco),
    "cvat": ("annotations.xml", cvat),
    "labelme": ("a.json", labelme),
}


@pytest.mark.parametrize("name", FILES)
def test_a_size_that_the_image_does_not_have_is_one_problem(tmp_path: Path, name: str) -> None:
    file, content = FILES[name]
    Image.new("RGB", (12, 10)).save(tmp_path / "a.png")
    (tmp_path / file).write_text(content(6, 5))
    with pytest.warns(UserWarning, match="the file says that it has 6x5 pixels, and it has 12x10; .* use the image that was annotated"):
        (found,) = cdwidget.read(name, tmp_path / file, strict=True)  # It is read, so it is no error.
    assert np.array_equal(found.instances[0].mask, SQUARE)


@pytest.mark.parametrize("name", FILES)
def test_swapped_sides_are_swapped_back(tmp_path: Path, name: str) -> None:
    file, content = FILES[name]
    Image.new("RGB", (6, 5)).save(tmp_path / "a.png")
    (tmp_path / file).write_text(content(5, 6))
    with pytest.warns(UserWarning, match="5x6 pixels, and it has 6x5; width and height were swapped back"):
        (found,) = cdwidget.read(name, tmp_path / file)
    assert np.array_equal(found.instances[0].mask, SQUARE)


@pytest.mark.parametrize("name", FILES)
def test_the_right_size_is_no_problem(tmp_path: Path, name: str) -> None:
    file, content = FILES[name]
    Image.new("RGB", (6, 5)).save(tmp_path / "a.png")
    (tmp_path / file).write_text(content(6, 5))
    (found,) = cdwidget.read(name, tmp_path / file, strict=True)
    assert np.array_equal(found.instances[0].mask, SQUARE)


def test_points_of_label_studio_are_fractions_of_the_sides_of_any_size(tmp_path: Path) -> None:
    Image.new("RGB", (12, 10)).save(tmp_path / "a.png")
    value = {"points": [[x / 6 * 100, y / 5 * 100] for x, y in CORNERS], "polygonlabels": ["cat"]}
    result = {"id": "r", "type": "polygonlabels", "original_width": 6, "original_height": 5, "value": value}
    (tmp_path / "tasks.json").write_text(json.dumps([{"data": {"image": "a.png"}, "annotations": [{"result": [result]}]}]))
    (found,) = cdwidget.read("label_studio", tmp_path, strict=True)
    assert np.array_equal(found.instances[0].mask, np.kron(SQUARE, np.ones((2, 2), bool)))


def test_an_image_of_label_studio_with_other_proportions_is_a_problem_and_its_brush_is_not_read(tmp_path: Path) -> None:
    Image.new("RGB", (5, 6)).save(tmp_path / "a.png")
    value = {"points": [[x / 6 * 100, y / 5 * 100] for x, y in CORNERS], "polygonlabels": ["cat"]}
    size = {"original_width": 6, "original_height": 5}
    brush = {"format": "rle", "rle": brush_rle.encode(SQUARE * np.uint8(255)), "brushlabels": ["dog"]}
    results = [
        {"id": "p", "type": "polygonlabels", **size, "value": value},
        {"id": "b", "type": "brushlabels", **size, "value": brush},
    ]
    (tmp_path / "tasks.json").write_text(json.dumps([{"data": {"image": "a.png"}, "annotations": [{"result": results}]}]))
    with pytest.warns(UserWarning, match="it was annotated with 6x5 pixels, and it has 5x6; its masks were stretched"):
        dataset = cdwidget.read("label_studio", tmp_path)
    with pytest.warns(UserWarning, match="its brush mask has 6x5 pixels, and the image has 5x6; it cannot be scaled"):
        assert [instance.label for instance in dataset[0].instances] == ["cat"]
    assert dataset.problems.total == 2


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_tiff_file_has_the_size_that_is_shown(tmp_path: Path, orientation: int) -> None:
    """Pillow turns the size of TIFF files, but not that of others."""
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    Image.new("RGB", (6, 5)).save(tmp_path / "a.tif", exif=exif.tobytes())
    assert image_size(tmp_path / "a.tif") == cdwidget.read_image(tmp_path / "a.tif").shape[:2]
