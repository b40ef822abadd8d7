"""Entries that tools and scripts write in other forms than the references: labels, sizes, names, masks and compressed files."""

import base64
import gzip
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import cdwidget
from cdwidget.formats import recognize
from cdwidget.formats.dataset import Dataset
from cdwidget.rle import encode
from support.image_files import SQUARE, item, write_gray

CORNERS = [[1, 1], [4, 1], [4, 3], [1, 3]]  # Of `SQUARE`, 6x5 pixels.
OUTSIDE = [[11, 1], [14, 1], [14, 3], [11, 3]]
PERCENT = [[x / 6 * 100, y / 5 * 100] for x, y in CORNERS]
SHAPE = {"label": "cat", "points": CORNERS, "shape_type": "polygon"}


def save(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def labels_of(dataset: Dataset) -> list[str]:
    """Return the labels of the only item's instances, all of them `SQUARE`."""
    (only,) = dataset
    assert all(np.array_equal(instance.mask, SQUARE) for instance in only.instances)
    return [instance.label for instance in only.instances]


# ---- LabelMe ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "label"),
    [
        ({"shapes": [{**SHAPE, "label": None}]}, ""),
        ({"shapes": [{**SHAPE, "shape_type": "Polygon"}]}, "cat"),
        ({"imageHeight": "5", "imageWidth": "6"}, "cat"),
        ({"imageHeight": 0, "imageWidth": 0}, "cat"),
        ({"imageHeight": None, "imageWidth": 6}, "cat"),
    ],
    ids=["label-null", "type-in-upper-case", "size-as-text", "size-zero", "size-half"],
)
def test_labelme_files_of_scripts_are_read(tmp_path: Path, content: dict[str, Any], label: str) -> None:
    item(tmp_path)
    file = save(tmp_path / "a.json", {"shapes": [SHAPE], "imagePath": "a.png", **content})
    assert labels_of(cdwidget.read("labelme", file, strict=True)) == [label]


def test_an_image_in_a_data_url_is_saved(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (6, 5)).save(buffer, "PNG")
    data = f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    save(tmp_path / "a.json", {"shapes": [SHAPE], "imagePath": "../gone/a.png", "imageData": data})
    assert labels_of(cdwidget.read("labelme", tmp_path, strict=True)) == ["cat"]


def test_files_in_subfolders_find_the_images_next_to_them(tmp_path: Path) -> None:
    for name, side in (("day1", 6), ("day2", 8)):
        (tmp_path / name).mkdir()
        Image.new("RGB", (side, 5)).save(tmp_path / name / "a.png")
        save(tmp_path / name / "a.JSON", {"shapes": [SHAPE], "imagePath": "a.png"})
    dataset = cdwidget.read(tmp_path, strict=True)
    assert dataset.format == "labelme" and [found.instances[0].mask.shape for found in dataset] == [(5, 6), (5, 8)]


# ---- Label Studio, CVAT, GeoJSON, COCO panoptic ----------------------------------------------------------------------


def test_json_min_of_label_studio_is_read(tmp_path: Path) -> None:
    item(tmp_path)
    size = {"original_width": 6, "original_height": 5}
    rectangle = {"x": PERCENT[0][0], "y": PERCENT[0][1], "width": 50, "height": 40, "rotation": 0, "rectanglelabels": ["dog"], **size}
    task = {"id": 7, "image": "/data/upload/1/a1b2c3d4-a.png", "label": [{"points": PERCENT, "polygonlabels": ["cat"], **size}, rectangle]}
    item(tmp_path, name="b.png")
    dataset = cdwidget.read(save(tmp_path / "tasks.json", [{**task, "quality": "good"}, {"id": 8, "image": "b.png"}]), strict=True)
    assert dataset.format == "label_studio" and Path(dataset[1].path) == tmp_path / "b.png" and not dataset.pop().instances
    assert labels_of(dataset) == ["cat", "dog"]
    written = json.loads(cdwidget.write("label_studio", dataset, tmp_path / "out.json").read_text())
    assert written[0]["data"] == {"image": "/data/upload/1/a1b2c3d4-a.png", "quality": "good"}


@pytest.mark.parametrize(("key", "is_list"), [("annotations", False), ("completions", True)])
def test_one_task_and_old_exports_of_label_studio_are_read(tmp_path: Path, key: str, is_list: bool) -> None:
    item(tmp_path)
    result = {"id": "r", "type": "polygonlabels", "value": {"points": PERCENT, "polygonlabels": ["cat"]}}
    task = {"data": {"image": "a.png"}, key: [{"result": [result]}]}
    assert labels_of(cdwidget.read("label_studio", save(tmp_path / "t.json", [task] if is_list else task), strict=True)) == ["cat"]


def test_the_only_cvat_file_of_a_folder_is_read_and_its_masks_are_cut_off(tmp_path: Path) -> None:
    item(tmp_path)
    shapes = '<polygon label="cat" points="1,1;4,1;4,3;1,3"/><mask label="dog" rle="0, 8" left="-1" top="1" width="4" height="2"/>'
    save(tmp_path / "job_7.xml", f'<annotations><image id="0" name="a.png">{shapes}</image></annotations>')
    save(tmp_path / "photo.xml", "<metadata/>")
    (found,) = cdwidget.read(tmp_path, strict=True)
    edge = np.zeros_like(SQUARE)
    edge[1:3, :3] = True
    assert np.array_equal(found.instances[0].mask, SQUARE) and np.array_equal(found.instances[1].mask, edge)


@pytest.mark.parametrize("name", ["a.geojson", "a.png.geojson"])
def test_a_class_in_geojson_may_be_a_number(tmp_path: Path, name: str) -> None:
    item(tmp_path)
    geometry = {"type": "Polygon", "coordinates": [[*CORNERS, CORNERS[0]]]}
    feature = {"type": "Feature", "geometry": geometry, "properties": {"class": 3}}
    dataset = cdwidget.read("geojson", save(tmp_path / name, {"type": "FeatureCollection", "features": [feature]}), strict=True)
    assert labels_of(dataset) == ["3"]
    cdwidget.write("geojson", dataset, tmp_path / "out")
    (file,) = (tmp_path / "out").iterdir()
    assert json.loads(file.read_text())["features"][0]["properties"]["class"] == 3


def test_a_name_in_geojson_goes_before_a_number(tmp_path: Path) -> None:
    item(tmp_path)
    geometry = {"type": "Polygon", "coordinates": [[*CORNERS, CORNERS[0]]]}
    feature = {"type": "Feature", "geometry": geometry, "properties": {"class": 3, "class_name": "cat"}}
    file = save(tmp_path / "a.geojson", {"type": "FeatureCollection", "features": [feature]})
    assert labels_of(cdwidget.read("geojson", file, strict=True)) == ["cat"]


def test_segments_of_scripts_are_read_and_those_without_pixels_reported(tmp_path: Path) -> None:
    item(tmp_path)
    (tmp_path / "panoptic").mkdir()
    Image.fromarray(np.dstack([SQUARE * np.uint8(7), *[np.zeros((5, 6), np.uint8)] * 2])).save(tmp_path / "panoptic/a.png")
    segments = [{"id": 7.0, "category_id": 1.0}, {"id": 9, "category_id": 1}]
    content = {"images": [{"id": 1, "file_name": "a.png"}], "categories": [{"id": 1, "name": "cat"}]}
    annotation = {"image_id": 1, "file_name": "a.jpg", "segments_info": segments}
    save(tmp_path / "panoptic.json", {**content, "annotations": [annotation]})
    dataset = cdwidget.read("panoptic", tmp_path)
    with pytest.warns(UserWarning, match="annotation 9: no pixel has its id"):
        assert labels_of(dataset) == ["cat"]


@pytest.mark.parametrize(
    ("text", "place"), [('{"images": [\n {"id": 1,}\n]}', "line 2 column 10"), ('[{"data": {}},\n\n]', "line 1 column 14")]
)
@pytest.mark.parametrize("name", ["coco", "label_studio", "labelme"])
def test_a_comma_too_many_in_json_is_named(tmp_path: Path, name: str, text: str, place: str) -> None:
    with pytest.raises(ValueError, match=rf"a.json is not JSON: there is a comma before a closing bracket; remove it: {place}"):
        cdwidget.read(name, save(tmp_path / "a.json", text))


def test_other_errors_of_json_are_named_as_they_are(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a.json is not JSON: Expecting ',' delimiter: line 1 column 12"):
        cdwidget.read("coco", save(tmp_path / "a.json", '{"a": ",]" "b"}'))


# ---- COCO ------------------------------------------------------------------------------------------------------------


def test_ids_of_one_number_are_not_confused(tmp_path: Path) -> None:
    images = [{"id": 7, "file_name": "a.png"}, {"id": "007", "file_name": "b.png"}, {"id": 8, "file_name": "c.png"}]
    for image in images:
        item(tmp_path, name=str(image["file_name"]))
    polygon = [[value for point in CORNERS for value in point]]
    ids = [(7, 1), ("007", "01"), ("08", "2"), ("7.0", 1)]
    annotations = [{"image_id": image, "category_id": category, "segmentation": polygon} for image, category in ids]
    categories = [{"id": 1, "name": "cat"}, {"id": "01", "name": "dog"}, {"id": 2, "name": "cow"}]
    with pytest.warns(UserWarning, match="number 4: it belongs to image '7.0', which is not in the file"):
        dataset = cdwidget.read(save(tmp_path / "a.json", {"images": images, "annotations": annotations, "categories": categories}))
    assert [labels_of(Dataset([each])) for each in dataset] == [["cat"], ["dog"], ["cow"]]


@pytest.mark.parametrize("shape", [{"segmentation": [[11, 1, 14, 1, 14, 3], [-3, 1, 0, 1, 0, 3]]}, {"bbox": [1, -4, 3, 4]}])
def test_polygons_outside_the_image_are_problems_of_coco(tmp_path: Path, shape: dict[str, Any]) -> None:
    item(tmp_path)
    polygon = [[value for point in CORNERS for value in point], OUTSIDE[0] + OUTSIDE[1] + OUTSIDE[2]]
    annotations = [
        {"id": number, "image_id": 1, "category_id": 1, **own} for number, own in enumerate([{"segmentation": polygon}, shape], 1)
    ]
    content = {"images": [{"id": 1, "file_name": "a.png"}], "categories": [{"id": 1, "name": "cat"}], "annotations": annotations}
    with pytest.warns(UserWarning, match="annotation 2: it has no pixel in the image of 6x5 pixels; its points lie from "):
        assert labels_of(cdwidget.read("coco", save(tmp_path / "a.json", content))) == ["cat"]


# ---- Pascal VOC's boxes, lists of Segment Anything -------------------------------------------------------------------


@pytest.mark.parametrize("has_masks", [False, True])
def test_boxes_of_voc_are_read_with_the_masks_of_their_objects(tmp_path: Path, has_masks: bool) -> None:
    item(tmp_path / "JPEGImages")
    box = "<bndbox><xmin>2</xmin><ymin>2</ymin><xmax>4</xmax><ymax>3</ymax></bndbox>"
    broken = "<bndbox><xmin>4</xmin><ymin>2</ymin><xmax>2</xmax></bndbox>"
    objects = f"<object><name>cat</name>{box}</object><object><name>dog</name>{broken}</object>"
    save(tmp_path / "Annotations/a.xml", f"<annotation><filename>old.jpg</filename><size><width>6</width></size>{objects}</annotation>")
    if has_masks:
        write_gray(tmp_path / "SegmentationObject/a.png", SQUARE * 1)
    with pytest.warns(UserWarning, match="annotation 2: "):
        dataset = cdwidget.read(tmp_path)
        assert dataset.format == "voc" and labels_of(dataset) == ["cat"]


def test_a_box_file_that_names_another_image_belongs_to_its_own(tmp_path: Path) -> None:
    for stem in ("a", "b"):
        item(tmp_path / "JPEGImages", name=f"{stem}.png")
        box = "<bndbox><xmin>2</xmin><ymin>2</ymin><xmax>4</xmax><ymax>3</ymax></bndbox>"
        objects = f"<object><name>{stem}</name>{box}</object>"
        save(tmp_path / f"Annotations/{stem}.xml", f"<annotation><filename>a.png</filename>{objects}</annotation>")
    with pytest.warns(UserWarning, match="b.xml: it names the image a.png; its objects are those of b.png"):
        dataset = cdwidget.read("voc", tmp_path)
    assert [(Path(each.path).stem, labels_of(Dataset([each]))) for each in dataset] == [("a", ["a"]), ("b", ["b"])]


def test_a_list_of_segment_anything_is_read(tmp_path: Path) -> None:
    item(tmp_path)
    runs = {"size": [5, 6], "counts": encode(SQUARE)}
    found = [{"segmentation": runs, "area": 6, "bbox": [1, 1, 3, 2], "predicted_iou": 0.9, "stability_score": 0.95}]
    dataset = cdwidget.read(save(tmp_path / "a.json", found), strict=True)
    assert dataset.format == "sa1b" and labels_of(dataset) == [""] and dataset[0].instances[0].score == 0.9


# ---- objects outside the image, mask files, compressed files ---------------------------------------------------------


@pytest.mark.parametrize("name", ["labelme", "geojson", "via", "cvat", "yolo"])
def test_a_shape_outside_the_image_is_one_problem(tmp_path: Path, name: str) -> None:
    item(tmp_path)
    points = ";".join(f"{x},{y}" for x, y in OUTSIDE)
    region = {"name": "polygon", "all_points_x": [x for x, _ in OUTSIDE], "all_points_y": [y for _, y in OUTSIDE]}
    geometry = {"type": "Polygon", "coordinates": [[*OUTSIDE, OUTSIDE[0]]]}
    files: dict[str, tuple[str, object]] = {
        "labelme": ("a.json", {"shapes": [{**SHAPE, "points": OUTSIDE}], "imagePath": "a.png"}),
        "geojson": ("a.geojson", {"features": [{"type": "Feature", "geometry": geometry, "properties": {}}]}),
        "via": ("via_project.json", {"a": {"filename": "a.png", "regions": [{"shape_attributes": region, "region_attributes": {}}]}}),
        "cvat": ("annotations.xml", f'<annotations><image name="a.png"><polygon label="cat" points="{points}"/></image></annotations>'),
        "yolo": ("a.txt", "0 1.2 0.2 1.8 0.2 1.8 0.6 1.2 0.6\n"),
    }
    save(tmp_path / files[name][0], files[name][1])
    (found,) = cdwidget.read(name, tmp_path)
    with pytest.warns(UserWarning, match="it has no pixel in the image of 6x5 pixels"):
        assert list(found.instances) == []


def test_masks_in_other_forms_are_read(tmp_path: Path) -> None:
    layers = np.zeros((5, 6, 4), np.uint8)
    layers[SQUARE, 3] = 255
    opaque = np.zeros((5, 6, 4), np.uint8)
    opaque[:, :, 3] = 255
    masks: dict[str, np.ndarray] = {"black.png": layers, "empty.png": opaque, "probable.tif": np.where(SQUARE, 0.9, 0.2).astype(np.float32)}
    (tmp_path / "masks").mkdir()
    for name, values in masks.items():
        item(tmp_path / "images", name=f"{Path(name).stem}.png")
        Image.fromarray(values).save(tmp_path / "masks" / name)
    for name in ("mask_front.png", "double.png.png"):
        item(tmp_path / "images", name=name.removeprefix("mask_").removesuffix(".png").removesuffix(".png") + ".png")
        write_gray(tmp_path / "masks" / name, SQUARE * 255)
    dataset = cdwidget.read("png", tmp_path, strict=True)
    found = {Path(each.path).stem: [np.array_equal(instance.mask, SQUARE) for instance in each.instances] for each in dataset}
    assert found == {"black": [True], "empty": [], "probable": [True], "front": [True], "double": [True]}


@pytest.mark.parametrize(
    ("images", "masks"), [("images/train", "masks/train"), ("imgs", "labels"), ("images", "annotations"), ("images", "gt")]
)
def test_folders_of_masks_with_other_names_are_found(tmp_path: Path, images: str, masks: str) -> None:
    item(tmp_path / images)
    write_gray(tmp_path / masks / "a.png", SQUARE * 255)
    dataset = cdwidget.read(tmp_path, strict=True)
    assert dataset.format == "png" and labels_of(dataset) == [""]


def test_the_mask_of_another_number_is_not_taken(tmp_path: Path) -> None:
    item(tmp_path / "images", name="v1.png")
    write_gray(tmp_path / "masks/v1.5.png", SQUARE * 255)
    with pytest.warns(UserWarning, match="v1.5.png: .*images holds no image for it"):
        (found,) = cdwidget.read("png", tmp_path)
    assert not found.instances


def test_probabilities_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    item(tmp_path / "images")
    (tmp_path / "masks").mkdir()
    np.save(tmp_path / "masks/a.npy", np.where(SQUARE, np.nan, 0.2))
    with pytest.warns(UserWarning, match="a.npy has values that are not finite"):
        (found,) = cdwidget.read("png", tmp_path)
    assert not found.instances


@pytest.mark.parametrize(("folder", "name", "text"), [("labels", "yolo", "0 0.5 0.5 0.5 0.4\n"), ("annotations", "coco", '{"images": []')])
def test_pictures_next_to_label_files_are_no_masks(tmp_path: Path, folder: str, name: str, text: str) -> None:
    item(tmp_path / "images")
    save(tmp_path / folder / ("a.txt" if name == "yolo" else "a.json"), text if name == "yolo" else f'{text}, "annotations": []}}')
    write_gray(tmp_path / folder / "a.png", SQUARE * 255)
    assert recognize(tmp_path) == name


def test_masks_in_numpy_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    for name, values in (("one", SQUARE), ("two", np.stack([SQUARE, SQUARE]))):
        item(tmp_path / "images", name=f"{name}.png")
        np.save(tmp_path / f"masks/{name}.npy", values)
    dataset = cdwidget.read("png", tmp_path, strict=True)
    assert [[np.array_equal(instance.mask, SQUARE) for instance in found.instances] for found in dataset] == [[True], [True, True]]


def test_compressed_files_are_refused_with_a_way_out(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("annotations.json", "{}")
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(b"{}"))
    for name, kind in (("set.zip", "ZIP"), ("a.json.gz", "gzip")):
        for arguments in ((tmp_path / name,), ("coco", tmp_path / name)):
            with pytest.raises(ValueError, match=f"is a {kind} file; unpack it, and give the file or folder in it"):
                cdwidget.read(*arguments)
