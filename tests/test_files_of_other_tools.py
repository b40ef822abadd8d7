"""Files as other tools and scripts leave them: encodings, layouts, names and values that differ from the references."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import cdwidget
from cdwidget.catalogue import Catalogue
from cdwidget.formats.dataset import Dataset
from cdwidget.formats.image_finder import match_stems
from cdwidget.formats.text_encoding import encoding_of
from cdwidget.images.orientation import EXIF_ORIENTATION
from cdwidget.rle import encode
from support.image_files import SQUARE, item, write_gray

CORNERS = [[1, 1], [4, 1], [4, 3], [1, 3]]  # Of `SQUARE`.
FLAT_CORNERS = [1, 1, 4, 1, 4, 3, 1, 3]
RUNS = {"size": [5, 6], "counts": encode(SQUARE)}
ROW = "0 0.166667 0.2 0.666667 0.2 0.666667 0.6 0.166667 0.6\n"
RECTANGLE = {"shape_attributes": {"name": "rect", "x": 1, "y": 1, "width": 3, "height": 2}, "region_attributes": {"label": "cat"}}


def save(path: Path, content: object, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((content if isinstance(content, str) else json.dumps(content)).encode(encoding))
    return path


def coco(image: dict[str, Any] | None = None, **annotation: object) -> dict[str, Any]:
    """Return a COCO file of one image and one annotation with these fields."""
    return {
        "images": [{"id": 1, "file_name": "a.png", "width": 6, "height": 5, **(image or {})}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": [FLAT_CORNERS], **annotation}],
        "categories": [{"id": 1, "name": "cat"}],
    }


def labelme(*shapes: dict[str, Any], **content: object) -> dict[str, Any]:
    own = [{"label": "cat", "points": CORNERS, "shape_type": "polygon", **each} for each in shapes]
    return {"version": "5.4.1", "shapes": own, "imagePath": "a.png", "imageHeight": 5, "imageWidth": 6, **content}


def are_squares(dataset: Dataset, count: int = 1) -> bool:
    """Return whether the only item has this number of instances, all of them `SQUARE`."""
    (only,) = dataset
    masks = [instance.mask for instance in only.instances]
    return len(masks) == count and all(np.array_equal(mask, SQUARE) for mask in masks)


def sideways_photo(path: Path, orientation: int = 6) -> Path:
    """Write a photo, stored with 6x5 pixels, that is shown turned by 90 degrees and is white in `SQUARE` as stored."""
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.dstack([SQUARE * np.uint8(255)] * 3)).save(path, exif=exif.tobytes())
    return path


def brightness(found: cdwidget.Item) -> list[float]:
    """Return the mean of the pixels under each mask."""
    return [float(found.read_image()[instance.mask].mean()) for instance in found.instances]


# ---- text ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_other_forms_of_unicode_are_read(tmp_path: Path, encoding: str) -> None:
    item(tmp_path)
    save(tmp_path / "annotations.json", coco(), encoding)
    dataset = cdwidget.read(tmp_path)
    assert dataset.format == "coco" and are_squares(dataset)


def test_xml_in_utf_16_is_read(tmp_path: Path) -> None:
    item(tmp_path)
    shape = '<polygon label="cat" points="1,1;4,1;4,3;1,3"/>'
    image = f'<image id="0" name="a.png" width="6" height="5">{shape}</image>'
    save(tmp_path / "annotations.xml", f'<?xml version="1.0" encoding="utf-16"?><annotations>{image}</annotations>', "utf-16")
    assert are_squares(cdwidget.read("cvat", tmp_path))


@pytest.mark.parametrize(
    ("label", "encoding"),
    [
        ("汽车牌照", "gbk"),
        ("自動車", "shift_jis"),
        ("カメラ", "shift_jis"),
        ("자동차 번호판 사람 건물 도로 나무", "cp949"),
        ("façade", "cp1252"),
        ("été", "latin-1"),
    ],
)
def test_texts_in_older_encodings_are_read_with_a_warning(tmp_path: Path, label: str, encoding: str) -> None:
    item(tmp_path / "images")
    save(tmp_path / "labels/a.txt", ROW)
    save(tmp_path / "classes.txt", f"{label}\r\n", encoding)
    with pytest.warns(UserWarning, match=r"classes.txt is not UTF-8 text and was read in the encoding"):
        dataset = cdwidget.read("yolo", tmp_path)
    assert are_squares(dataset) and dataset[0].instances[0].label == label


@pytest.mark.parametrize(("label", "encoding"), [("собака", "cp1251"), ("кошка машина", "cp1251"), ("γάτα", "cp1253"), ("חתול", "cp1255")])
def test_texts_in_other_alphabets_are_refused_not_read_wrongly(tmp_path: Path, label: str, encoding: str) -> None:
    item(tmp_path / "images")
    save(tmp_path / "labels/a.txt", ROW)
    save(tmp_path / "classes.txt", f"{label}\r\n", encoding)
    with pytest.raises(ValueError, match=r"classes.txt is not UTF-8 text: .*; save it in UTF-8"):
        cdwidget.read("yolo", tmp_path)


@pytest.mark.parametrize("encoding", ["gbk", "shift_jis", "iso-8859-1"])
def test_xml_is_read_in_the_encoding_that_it_declares(tmp_path: Path, encoding: str) -> None:
    item(tmp_path)
    label = "é" if encoding == "iso-8859-1" else "車"
    shape = f'<polygon label="{label}" points="1,1;4,1;4,3;1,3"/>'
    text = f'<?xml version="1.0" encoding="{encoding}"?><annotations><image id="0" name="a.png">{shape}</image></annotations>'
    dataset = cdwidget.read("cvat", save(tmp_path / "annotations.xml", text, encoding).parent)
    assert are_squares(dataset) and dataset[0].instances[0].label == label


def test_a_wrong_declaration_of_xml_does_not_matter(tmp_path: Path) -> None:
    for declared in ("utf-16", "rot13", "no-such-encoding"):
        assert encoding_of(f'<?xml version="1.0" encoding="{declared}"?><annotations/>'.encode()) == "utf-8-sig"


def test_bytes_that_are_no_text_are_one_problem(tmp_path: Path) -> None:
    item(tmp_path)
    save(tmp_path / "a.json", labelme({}))
    (tmp_path / "b.json").write_bytes(bytes(range(128, 256)))
    with pytest.warns(UserWarning, match="b.json is not UTF-8 text: .* save it in UTF-8"):
        dataset = cdwidget.read("labelme", tmp_path)
    assert are_squares(dataset) and len(dataset.problems) == 1


# ---- COCO ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        coco(image_id="1", category_id="1"),
        coco({"id": "1"}, category_id=1),
        coco(segmentation=[CORNERS]),
        coco(segmentation=[[*CORNERS, CORNERS[0]]]),
        coco({"width": "6", "height": "5"}),
        coco({"file_name": "a"}),
        coco({"id": "0001"}),
        coco(category_id=1.0, image_id="01"),
        coco(segmentation=CORNERS),
        coco(segmentation=[[CORNERS]]),
        coco(segmentation=[[{"x": x, "y": y} for x, y in CORNERS]]),
        coco(segmentation=[[9, 9], FLAT_CORNERS]),
        coco(segmentation=[list(map(str, FLAT_CORNERS))]),
        coco(segmentation=[], bbox=["1", "1", "3", "2"]),
        coco(segmentation=[RUNS]),
        coco(segmentation={**RUNS, "counts": str(RUNS["counts"].encode())}),
        coco(segmentation={"size": [5.0, 6.0], "counts": [6.0, 2, 3, 2, 3, 2, 12]}),
        coco(segmentation={"size": [5, 6], "counts": "[6, 2, 3, 2, 3, 2, 12]"}),
    ],
)
def test_coco_files_of_scripts_are_read(tmp_path: Path, content: dict[str, Any]) -> None:
    image = item(tmp_path).path
    dataset = cdwidget.read("coco", save(tmp_path / "annotations.json", content), strict=True)
    assert are_squares(dataset) and Path(dataset[0].path) == Path(image)


def test_classes_of_a_file_without_categories_are_numbered(tmp_path: Path) -> None:
    item(tmp_path)
    content = coco(category_id=3)
    del content["categories"]
    with pytest.warns(UserWarning, match="the file has no categories, so its classes are called class_3"):
        dataset = cdwidget.read("coco", save(tmp_path / "annotations.json", content))
    assert are_squares(dataset) and dataset[0].instances[0].label == "class_3" and dataset.classes == {"class_3": 3}


def test_a_missing_image_does_not_become_a_file_with_another_suffix(tmp_path: Path) -> None:
    write_gray(tmp_path / "masks/a.png", np.zeros((5, 6)))
    save(tmp_path / "annotations/a.json", coco({"file_name": "a.jpg"}))
    with pytest.warns(UserWarning, match="1 image was not found"):
        (found,) = cdwidget.read("coco", tmp_path / "annotations/a.json")
    assert Path(found.path).suffix == ".jpg"


def test_folders_for_parts_of_a_split_are_found_or_named(tmp_path: Path) -> None:
    item(tmp_path / "train")
    save(tmp_path / "train/_annotations.coco.json", coco())
    assert are_squares(cdwidget.read("coco", tmp_path))
    save(tmp_path / "valid/_annotations.coco.json", coco())
    with pytest.raises(ValueError, match=r"several data sets: .*train.*, .*valid.*; give the path of one"):
        cdwidget.read("coco", tmp_path)


# ---- LabelMe and VIA -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "label"), [({"label": 1}, "1"), ({"shape_type": None}, "cat"), ({"shape_type": "oriented_rectangle"}, "cat")]
)
def test_labelme_shapes_of_scripts_are_read(tmp_path: Path, shape: dict[str, Any], label: str) -> None:
    item(tmp_path)
    dataset = cdwidget.read("labelme", save(tmp_path / "a.json", labelme(shape)), strict=True)
    assert are_squares(dataset) and dataset[0].instances[0].label == label


def test_an_empty_group_id_joins_no_shapes(tmp_path: Path) -> None:
    item(tmp_path)
    dataset = cdwidget.read("labelme", save(tmp_path / "a.json", labelme({"group_id": ""}, {"group_id": ""})))
    assert are_squares(dataset, 2)


def test_the_only_via_file_of_a_folder_is_read_and_recognized(tmp_path: Path) -> None:
    item(tmp_path)
    save(tmp_path / "via_region_data.json", {"a.png1": {"filename": "a.png", "size": 1, "regions": {"0": RECTANGLE}}})
    save(tmp_path / "settings.json", {})
    dataset = cdwidget.read(tmp_path)
    assert dataset.format == "via" and are_squares(dataset)


def test_broken_entries_of_via_and_label_studio_cost_only_themselves(tmp_path: Path) -> None:
    item(tmp_path)
    via = save(tmp_path / "v.json", {"a": {"filename": "a.png", "regions": [RECTANGLE]}, "b": {"regions": []}, "c": 5})
    task = {"data": {"image": "a.png"}, "annotations": [{"result": []}]}
    tasks = save(tmp_path / "t.json", [task, {"id": 7}, 5])
    for name, path, first in (("via", via, "of image 2"), ("label_studio", tasks, "task 7")):
        with pytest.warns(UserWarning, match="2 problems"):
            dataset = cdwidget.read(name, path)
        assert len(dataset) == 1 and dataset.problems[0].annotation == first
    save(via, {"a": {"filename": "a.png"}, "b": {"filename": "a.png", "regions": [RECTANGLE]}})
    assert [len(each.instances) for each in cdwidget.read("via", via, strict=True)] == [0, 1]


def test_label_studio_regions_without_a_size_are_read(tmp_path: Path) -> None:
    item(tmp_path)
    value = {"points": [[x / 6 * 100, y / 5 * 100] for x, y in CORNERS], "polygonlabels": ["cat"]}
    result = {"id": "r", "type": "polygonlabels", "value": value}
    tasks = [{"data": {"image": "a.png"}, "predictions": [{"result": [result]}]}]
    assert are_squares(cdwidget.read("label_studio", save(tmp_path / "t.json", tasks), strict=True))


# ---- YOLO ------------------------------------------------------------------------------------------------------------


def test_a_number_of_classes_without_names_names_them(tmp_path: Path) -> None:
    item(tmp_path / "images")
    save(tmp_path / "labels/a.txt", ROW)
    save(tmp_path / "data.yaml", "train: images\nnc: 2\n")
    dataset = cdwidget.read("yolo", tmp_path, strict=True)
    assert are_squares(dataset) and dataset.classes == {"class_0": 0, "class_1": 1}


@pytest.mark.parametrize("count", ["0", "1000000000000", "two"])
def test_an_unusable_number_of_classes_is_an_error(tmp_path: Path, count: str) -> None:
    item(tmp_path / "images")
    save(tmp_path / "data.yaml", f"train: images\nnc: {count}\n")
    with pytest.raises(ValueError, match="names no classes"):
        cdwidget.read("yolo", tmp_path)


def test_class_names_are_text_also_where_yaml_reads_other_values(tmp_path: Path) -> None:
    item(tmp_path / "images")
    save(tmp_path / "data.yaml", "train: images\nnames: [yes, no, 007, null]\n")
    dataset = cdwidget.read("yolo", tmp_path)
    assert list(dataset.classes) == ["yes", "no", "007", "null"]
    out = cdwidget.write("yolo", dataset, tmp_path / "out")
    assert list(cdwidget.read("yolo", out).classes) == ["yes", "no", "007", "null"]


def test_a_split_called_validation_is_read(tmp_path: Path) -> None:
    item(tmp_path / "images")
    save(tmp_path / "labels/a.txt", ROW)
    save(tmp_path / "data.yaml", "validation: images\nnames: [cat]\n")
    assert are_squares(cdwidget.read("yolo", tmp_path))


@pytest.mark.parametrize("line", ["images\\a.png", "D:\\set\\images\\a.png", "/home/me/set/images/a.png", "./images/a.png"])
def test_lists_of_images_of_other_machines_are_followed(tmp_path: Path, line: str) -> None:
    item(tmp_path / "images")
    save(tmp_path / "labels/a.txt", ROW)
    save(tmp_path / "data.yaml", "train: train.txt\nnames: [cat]\n")
    save(tmp_path / "train.txt", f"\ufeff{line}\r\n")
    assert are_squares(cdwidget.read("yolo", tmp_path, strict=True))


def test_images_of_a_list_that_are_not_there_are_one_problem(tmp_path: Path) -> None:
    item(tmp_path / "images")
    save(tmp_path / "data.yaml", "train: train.txt\nnames: [cat]\n")
    save(tmp_path / "train.txt", "images/a.png\nimages/b.png\nimages/c.png\n")
    with pytest.warns(UserWarning, match=r"train.txt: 2 of its 3 images are not there, such as .*b\.png"):
        assert len(cdwidget.read("yolo", tmp_path)) == 3


def test_jfif_images_are_read_and_copied(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    Image.new("RGB", (6, 5)).save(tmp_path / "images/a.jfif", "JPEG")
    save(tmp_path / "labels/a.txt", ROW)
    save(tmp_path / "data.yaml", "train: images\nnames: [cat]\n")
    dataset = cdwidget.read("yolo", tmp_path)
    assert are_squares(dataset)
    assert (cdwidget.write("yolo", dataset, tmp_path / "out") / "images/a.jfif").is_file()


# ---- mask files ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stem", ["a", "A", "a_mask", "a-seg", "A_Masks", "a_cp_masks"])
def test_masks_find_images_of_another_stem(tmp_path: Path, stem: str) -> None:
    item(tmp_path / "images")
    write_gray(tmp_path / f"masks/{stem}.png", SQUARE * 255)
    assert are_squares(cdwidget.read("png", tmp_path, strict=True))
    item(tmp_path / "JPEGImages")
    write_gray(tmp_path / f"SegmentationClass/{stem}.png", SQUARE * 8)
    assert are_squares(cdwidget.read("voc", tmp_path, strict=True))


def test_stems_match_one_to_one() -> None:
    assert match_stems(["a_mask", "a"], ["a"]) == {"a": "a"}  # The same stem first.
    assert match_stems(["a_mask", "b"], ["a", "A"]) == {}  # Two images could be meant.
    assert match_stems(["\u00e9"], ["e\u0301"]) == {"\u00e9": "e\u0301"}
    assert match_stems(["mask"], ["mask"]) == {"mask": "mask"}


def test_negative_values_are_void(tmp_path: Path) -> None:
    item(tmp_path / "images")
    values = SQUARE.astype(np.int32)
    values[0] = -1
    (tmp_path / "masks").mkdir()
    Image.fromarray(values).save(tmp_path / "masks/a.tif")
    assert are_squares(cdwidget.read("png", tmp_path))


# ---- photos with an EXIF orientation ---------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_mask_files_of_sideways_photos_are_turned(tmp_path: Path, orientation: int) -> None:
    sideways_photo(tmp_path / "images/a.png", orientation)
    write_gray(tmp_path / "masks/a.png", SQUARE * 255)
    sideways_photo(tmp_path / "JPEGImages/a.png", orientation)
    write_gray(tmp_path / "SegmentationClass/a.png", SQUARE * 8)
    (tmp_path / "layers").mkdir()
    sideways_photo(tmp_path / "layers/images/a.png", orientation)
    write_gray(tmp_path / "layers/masks/a/001_cat.png", SQUARE * 255)
    for name, folder in (("png", tmp_path), ("voc", tmp_path), ("png", tmp_path / "layers")):
        (found,) = cdwidget.read(name, folder, strict=True)
        assert brightness(found) == [255]


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_labelme_shapes_of_sideways_photos_are_turned_and_written_upright(tmp_path: Path, orientation: int) -> None:
    sideways_photo(tmp_path / "a.png", orientation)
    ring = SQUARE.copy()
    ring[1, 2] = False  # In the border: the mask stays one part, and is no rectangle.
    point = {"points": [[3.5, 2.5]], "shape_type": "point"}
    corners = {"points": [CORNERS[0], CORNERS[2]], "shape_type": "rectangle"}
    save(tmp_path / "a.json", labelme({}, corners, mask_shape(ring), point))
    with pytest.warns(UserWarning, match="a point has no area"):
        dataset = cdwidget.read("labelme", tmp_path)
    assert brightness(dataset[0]) == [255, 255, 255]
    assert [int(instance.mask.sum()) for instance in dataset[0].instances] == [6, 6, 5]
    cdwidget.write("labelme", dataset, tmp_path / "out")
    content = json.loads((tmp_path / "out/a.json").read_text())
    assert (content["imageHeight"], content["imageWidth"]) == (6, 5)
    ((x, y),) = content["shapes"][-1]["points"]
    assert dataset[0].read_image()[int(y), int(x)].tolist() == [255] * 3


def mask_shape(mask: np.ndarray) -> dict[str, Any]:
    """Return a mask in the box of `SQUARE` as a shape of LabelMe."""
    buffer = io.BytesIO()
    Image.fromarray(mask[1:3, 1:4]).save(buffer, "PNG")
    return {"shape_type": "mask", "points": [[1, 1], [3, 2]], "mask": base64.b64encode(buffer.getvalue()).decode()}


def test_sideways_photos_reach_the_catalogue(tmp_path: Path) -> None:
    sideways_photo(tmp_path / "a.png")
    save(tmp_path / "a.json", labelme({}))
    catalogue = Catalogue(tmp_path / "c.db")
    catalogue.import_("labelme", tmp_path)
    assert brightness(catalogue.item(1)) == [255]
