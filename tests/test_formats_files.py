"""Each format's own ways: files that other tools write, the layout that they expect, and what is said of broken ones."""

import base64
import io
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis.extra import numpy as hnp
from PIL import Image

import cdwidget
from cdwidget.formats.folders import read_targets
from cdwidget.formats.voc import palette
from cdwidget.formats.yolo import bridged
from cdwidget.items import Instance, Item
from cdwidget.polygons import fill

RING = np.ones((5, 6), bool)
RING[2, 3] = False
TWO = np.zeros((5, 6), bool)
TWO[0, :2] = TWO[4, 3:] = True
SQUARE = np.zeros((5, 6), bool)
SQUARE[1:3, 1:4] = True


def item(folder: Path, *instances: Instance, name: str = "a.png", height: int = 5, width: int = 6) -> Item:
    folder.mkdir(parents=True, exist_ok=True)
    ramp = np.arange(height * width * 3, dtype=np.uint8).reshape(height, width, 3) + 1
    Image.fromarray(ramp).save(folder / name)
    return Item(folder / name, instances)


def grey(path: Path, values: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(values, np.uint8)).save(path)


# --- VOC -------------------------------------------------------------------------------------------------------------------------


def test_voc_files_are_what_the_devkit_expects(tmp_path: Path) -> None:
    cdwidget.write("voc", [item(tmp_path, Instance(SQUARE, "dog"), Instance(TWO, "cat"))], tmp_path / "v")
    with Image.open(tmp_path / "v/SegmentationClass/a.png") as file:
        assert file.mode == "P"
        assert file.getpalette()[:15] == [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0, 0, 0, 128]
        assert np.array_equal(np.asarray(file), SQUARE * 1 + TWO * 2)
    assert (tmp_path / "v/JPEGImages/a.png").read_bytes() == (tmp_path / "a.png").read_bytes()
    lines = (tmp_path / "v/labelmap.txt").read_text().splitlines()
    assert lines == ["# label:color_rgb:parts:actions", "background:0,0,0::", "dog:128,0,0::", "cat:0,128,0::"]
    assert (tmp_path / "v/ImageSets/Segmentation/default.txt").read_text() == "a\n"


def test_the_palette_is_that_of_voc() -> None:
    colours = palette()
    assert colours[[1, 8, 15, 20, 255]].tolist() == [[128, 0, 0], [64, 0, 0], [192, 128, 128], [0, 64, 128], [224, 224, 192]]
    assert len(np.unique(colours, axis=0)) == 256


def test_a_void_border_is_drawn_when_asked_for_and_belongs_to_nobody(tmp_path: Path) -> None:
    big = np.zeros((12, 12), bool)
    big[2:10, 2:10] = True
    cdwidget.write("voc", [item(tmp_path, Instance(big, "dog"), height=12, width=12)], tmp_path / "v", border=2)
    for folder in ("SegmentationClass", "SegmentationObject"):
        values = np.asarray(Image.open(tmp_path / "v" / folder / "a.png"))
        assert (values == 255).sum() == 64 - 16 and (values[4:8, 4:8] == 1).all() and (values[~big] == 0).all()
    (again,) = cdwidget.read("voc", tmp_path / "v")
    assert len(again.instances) == 1 and again.instances[0].mask.sum() == 16


def test_the_original_voc_needs_no_label_map_and_maybe_no_objects(tmp_path: Path) -> None:
    item(tmp_path / "JPEGImages", height=2, width=3, name="x.jpg")
    grey(tmp_path / "SegmentationClass/x.png", [[0, 15, 255], [8, 15, 8]])
    first, second = cdwidget.read("voc", tmp_path)[0].instances
    assert [(first.label, first.id, first.mask.sum()), (second.label, second.id, second.mask.sum())] == [
        ("cat", None, 2),
        ("person", None, 2),
    ]
    grey(tmp_path / "SegmentationObject/x.png", [[0, 1, 255], [2, 1, 3]])
    assert [(each.label, each.id) for each in cdwidget.read("voc", tmp_path)[0].instances] == [("person", 1), ("cat", 2), ("cat", 3)]


def test_class_numbers_are_stable(tmp_path: Path) -> None:
    for labels in (("dog", "cat"), ("cat", "bird")):
        instances = [Instance(mask, label) for mask, label in zip((SQUARE, TWO), labels)]
        for format in ("voc", "yolo"):
            cdwidget.write(format, [item(tmp_path, *instances)], tmp_path / format)
    assert [line.split(":")[0] for line in (tmp_path / "voc/labelmap.txt").read_text().splitlines()[1:]] == [
        "background",
        "dog",
        "cat",
        "bird",
    ]
    assert yaml.safe_load((tmp_path / "yolo/data.yaml").read_text())["names"] == {0: "dog", 1: "cat", 2: "bird"}
    cdwidget.write("yolo", [item(tmp_path)], tmp_path / "yolo", labels=["bird", "cow"])
    assert yaml.safe_load((tmp_path / "yolo/data.yaml").read_text())["names"] == {0: "dog", 1: "cat", 2: "bird", 3: "cow"}
    cdwidget.write("voc", [item(tmp_path, Instance(SQUARE, "cat"))], tmp_path / "other", labels={"cat": 3})
    assert [each.label for each in cdwidget.read("voc", tmp_path / "other")[0].instances] == ["cat"]


@pytest.mark.parametrize(
    ("instances", "said"),
    [
        ([Instance(SQUARE, "a\nb")], r"a\.png: instance 1 is of class 1, 'a\\nb'.*no line break"),
        ([Instance(SQUARE, str(n)) for n in range(255)], "instance 255 is of class 255, '254'; VOC numbers"),
        ([Instance(SQUARE, "a")] * 255, "instance 255 is of class 1"),
    ],
)
def test_what_voc_cannot_hold(tmp_path: Path, instances: list[Instance], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        cdwidget.write("voc", [item(tmp_path, *instances)], tmp_path / "v")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: grey(folder / "SegmentationObject/a.png", [[1]]), r"a\.png is 1x1 pixels and its image is 6x5"),
        (lambda folder: grey(folder / "SegmentationClass/a.png", SQUARE * 9), "object 1 is of class 9; labelmap.txt has 1"),
        (lambda folder: grey(folder / "SegmentationClass/a.png", [[9]]), "of different sizes"),
        (lambda folder: (folder / "labelmap.txt").write_text("dog\n"), "the line 'dog' is not label:red,green,blue"),
        (lambda folder: (folder / "SegmentationClass/a.png").write_bytes(b"no"), "cannot be read as an image"),
        (lambda folder: (folder / "JPEGImages/a.png").rename(folder / "JPEGImages/b.png"), "holds no image for .*a.png"),
        (lambda folder: (folder / "JPEGImages/a.png").unlink(), "JPEGImages is empty"),
    ],
)
def test_broken_voc_folders(tmp_path: Path, spoil, said: str) -> None:
    cdwidget.write("voc", [item(tmp_path, Instance(SQUARE, "dog"))], tmp_path / "v")
    spoil(tmp_path / "v")
    with pytest.raises((ValueError, FileNotFoundError), match=said):
        list(cdwidget.read("voc", tmp_path / "v")[0].instances)


# --- YOLO ------------------------------------------------------------------------------------------------------------------------


@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=14)).filter(np.any))
def test_bridges_have_no_area(mask: np.ndarray) -> None:
    height, width = mask.shape
    assert np.array_equal(fill([bridged(mask)], height, width), mask)
    written = np.round(bridged(mask) / (width, height), 6) * (width, height)
    assert np.array_equal(fill([written], height, width), mask)


def test_a_reader_that_draws_borders_sees_holes_and_parts_too() -> None:
    ring = np.zeros((200, 300), np.uint8)
    cv2.circle(ring, (100, 100), 80, 1, -1)
    cv2.circle(ring, (100, 100), 30, 0, -1)
    cv2.circle(ring, (250, 100), 30, 1, -1)
    drawn = cv2.fillPoly(np.zeros_like(ring), [bridged(ring.astype(bool)).astype(np.int32)], 1)
    assert (drawn & ring).sum() / (drawn | ring).sum() > 0.95


def test_yolo_files_are_what_trainers_expect(tmp_path: Path) -> None:
    cdwidget.write("yolo", [item(tmp_path, Instance(SQUARE, "dog"), Instance(RING, "cat"), name="b.jpg")], tmp_path / "y")
    assert yaml.safe_load((tmp_path / "y/data.yaml").read_text()) == {
        "path": ".",
        "train": "images",
        "val": "images",
        "names": {0: "dog", 1: "cat"},
    }
    assert (tmp_path / "y/images/b.jpg").is_file()
    first, second = (tmp_path / "y/labels/b.txt").read_text().splitlines()
    assert first == "0 0.166667 0.200000 0.666667 0.200000 0.666667 0.600000 0.166667 0.600000"
    assert second.startswith("1 ") and len(second.split()) % 2 == 1


def test_a_data_set_with_splits_and_lists(tmp_path: Path) -> None:
    for name in ("images/train/a.png", "images/val/sub/b.png", "more/images/c.png", "images/train/empty.png"):
        item((tmp_path / name).parent, name=Path(name).name)
    for name in ("labels/train/a.txt", "labels/val/sub/b.txt", "more/labels/c.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("\n1 0 0 1 0 1 1 0 1\n")
    (tmp_path / "list.txt").write_text("more/images/c.png\n")
    (tmp_path / "data.yaml").write_text(
        "path: somewhere/else\ntrain: images/train\nval:\n - images/val\ntest: list.txt\nnc: 2\nnames: [dog, cat]\n"
    )
    found = cdwidget.read("yolo", tmp_path / "data.yaml")
    assert [Path(each.path).name for each in found] == ["a.png", "empty.png", "b.png", "c.png"]
    assert [len(each.instances) for each in found] == [1, 0, 1, 1]
    assert found[2].instances[0].label == "cat" and found[2].instances[0].mask.all()


def test_a_data_set_of_boxes_as_roboflow_leaves_it(tmp_path: Path) -> None:
    item(tmp_path / "train" / "images")
    (tmp_path / "train" / "labels").mkdir()
    (tmp_path / "train" / "labels" / "a.txt").write_text("0 0.5 0.5 0.333333 0.4\n")
    (tmp_path / "data.yaml").write_text("train: ../train/images\nnc: 1\nnames: ['cup']\n")
    ((instance,),) = (each.instances for each in cdwidget.read("yolo", tmp_path))
    expected = np.zeros((5, 6), bool)
    expected[2:4, 2:4] = True  # rows 1.5 to 3.5: centres on the border belong to what is below it
    assert instance.label == "cup" and instance.mask[2].tolist() == expected[2].tolist() and instance.mask.sum() == 4


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("0 0.5 0.5", "line 2: 3 numbers are no polygon"),
        ("0 0 0 1 0 1 1 1", "line 2: 8 numbers are no polygon"),
        ("7 0 0 1 0 1 1", r"line 2: there is no class 7; data\.yaml has 0"),
        ("-1 0 0 1 0 1 1", "line 2: there is no class -1"),
        ("0 0 0 x 0 1 1", "line 2: could not convert"),
        ("0 0 0 nan 0 1 1", "line 2: .*fractions"),
        ("0 0 0 60 0 60 50", "line 2: coordinates from 0 to 60; they are fractions"),
    ],
)
def test_broken_yolo_lines_are_named(tmp_path: Path, line: str, said: str) -> None:
    cdwidget.write("yolo", [item(tmp_path, Instance(SQUARE, "dog"))], tmp_path / "y")
    file = tmp_path / "y/labels/a.txt"
    file.write_text(file.read_text() + line)
    with pytest.raises(ValueError, match=rf"a\.txt, {said}"):
        list(cdwidget.read("yolo", tmp_path / "y")[0].instances)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("names: [a", "is not YAML"),
        ("- a", "names no classes"),
        ("train: images", "names no classes"),
        ("names: {a: b}\ntrain: images", "needs a different label for every class"),
        ("names: [a, a]\ntrain: images", "needs a different label for every class"),
        ("names: [a]", "lists no image"),
        ("names: [a]\ntrain: nowhere", "there is no folder .*nowhere"),
    ],
)
def test_broken_yolo_folders(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "data.yaml").write_text(text)
    with pytest.raises((ValueError, FileNotFoundError), match=said):
        cdwidget.read("yolo", tmp_path)


# --- LabelMe ---------------------------------------------------------------------------------------------------------------------


def test_labelme_shapes(tmp_path: Path) -> None:
    source = item(tmp_path / "photos", Instance(SQUARE, "dog"), Instance(TWO, "cat"), Instance(RING, "ring"))
    cdwidget.write("labelme", [source], tmp_path / "out")
    content = json.loads((tmp_path / "out/a.json").read_text())
    assert [content[key] for key in ("imagePath", "imageData", "imageHeight", "imageWidth")] == ["../photos/a.png", None, 5, 6]
    dog, *cats, ring = content["shapes"]
    assert (dog["shape_type"], dog["group_id"], dog["points"]) == ("polygon", None, [[1, 1], [4, 1], [4, 3], [1, 3]])
    assert [(cat["shape_type"], cat["group_id"], cat["label"]) for cat in cats] == [("polygon", 2, "cat")] * 2
    assert (ring["shape_type"], ring["points"]) == ("mask", [[0, 0], [5, 4]])
    with Image.open(io.BytesIO(base64.b64decode(ring["mask"]))) as png:
        assert np.array_equal(np.asarray(png).astype(bool), RING)


def labelme(folder: Path, *shapes: object, **content: object) -> Path:
    whole = {"version": "5.5.0", "shapes": shapes, "imagePath": "..\\p\\a.png", "imageHeight": 5, "imageWidth": 6, **content}
    (folder / "a.json").write_text(json.dumps(whole))
    return folder / "a.json"


def test_shapes_of_other_tools(tmp_path: Path) -> None:
    item(tmp_path / "p")
    (tmp_path / "j").mkdir()
    shapes = [
        {"label": "r", "points": [[4, 3], [1, 1]], "shape_type": "rectangle"},
        {"label": "c", "points": [[3, 2], [3, 4]], "shape_type": "circle"},
        {"label": "p", "points": [[0, 0], [3, 0], [3, 5], [0, 5]], "group_id": 1},
        {"label": "p", "points": [[2, 0], [4, 0], [4, 5], [2, 5]], "group_id": 1, "shape_type": "polygon"},
    ]
    (found,) = cdwidget.read("labelme", labelme(tmp_path / "j", *shapes))
    rectangle, circle, both = found.instances
    assert np.array_equal(rectangle.mask, SQUARE) and rectangle.label == "r"
    assert circle.mask.sum() == 12 and circle.mask[1, 1:5].all()
    assert both.mask[:, :4].all() and not both.mask[:, 4:].any(), "shapes of a group are added up"
    assert found.read_image().shape == (5, 6, 3)


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ({"label": "x", "points": [[1, 1]], "shape_type": "point"}, r"shape 1 \('x'\) is a point, which has no area; allowed are polygon"),
        ({"label": "x"}, "shape 1 needs a label and points"),
        ({"points": []}, "shape 1 needs a label and points"),
        ({"label": "x", "points": [[1, 1], [2, 2]]}, "'x' cannot be read: a polygon of 2 points"),
        ({"label": "x", "points": [[1, 1], [2, 2], ["a", 0]]}, "'x' cannot be read"),
        ({"label": "x", "points": [[0, 0], [9, 9]], "shape_type": "mask", "mask": None}, "'x' cannot be read"),
        ({"label": "x", "points": [[0, 0], [9, 9]], "shape_type": "mask", "mask": "AAAA"}, "'x' cannot be read"),
        ({"label": "x", "points": [[1, 1]], "shape_type": "circle"}, "'x' cannot be read"),
    ],
)
def test_broken_labelme_shapes_are_named(tmp_path: Path, shape: object, said: str) -> None:
    with pytest.raises(ValueError, match=rf"a\.json: .*{said}"):
        list(cdwidget.read("labelme", labelme(tmp_path, shape))[0].instances)


def test_a_mask_that_leaves_the_image(tmp_path: Path) -> None:
    cdwidget.write("labelme", [item(tmp_path, Instance(RING, "ring"))], tmp_path / "a.json")
    content = json.loads((tmp_path / "a.json").read_text())
    content["imageWidth"] = 4
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="in an image of 4x5"):
        list(cdwidget.read("labelme", tmp_path / "a.json")[0].instances)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"shapes": [], "imagePath": "a.png", "imageHeight": 1.5, "imageWidth": 2}'])
def test_files_that_are_not_labelme(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ValueError, match=r"a\.json.*(is not JSON|is not a LabelMe file|must be whole pixels)"):
        cdwidget.read("labelme", tmp_path)


# --- PNG and RGBA ----------------------------------------------------------------------------------------------------------------


def test_a_png_an_instance(tmp_path: Path) -> None:
    source = item(tmp_path, Instance(SQUARE, "dog/../é"), Instance(RING, "x" * 300))
    cdwidget.write("png", [source], tmp_path / "p")
    files = sorted((tmp_path / "p/masks/a").iterdir())
    assert [file.name for file in files] == ["001_dog_é.png", f"002_{'x' * 40}.png"]
    assert np.array_equal(np.asarray(Image.open(files[0])), SQUARE * np.uint8(255))
    cdwidget.write("png", [Item(source.path, source.instances[1:])], tmp_path / "p")  # one fewer: the last does not stay behind
    assert [each.label for each in cdwidget.read("png", tmp_path / "p")[0].instances] == ["x" * 300]


def test_a_png_an_image_is_a_benchmark_folder(tmp_path: Path) -> None:
    items = [item(tmp_path, Instance(SQUARE, "dog"), Instance(TWO, "cat")), item(tmp_path, name="b.png")]
    cdwidget.write("png", items[:1], tmp_path / "p", one="image")
    (target,) = read_targets(tmp_path / "p")
    assert np.array_equal(target.load()[1], SQUARE | TWO)
    cdwidget.write("png", items, tmp_path / "p", one="image")
    first, second = cdwidget.read("png", tmp_path / "p")
    assert np.array_equal(first.instances[0].mask, SQUARE | TWO) and len(second.instances) == 0
    with pytest.raises(ValueError, match="one='all'; allowed are 'instance' and 'image'"):
        cdwidget.write("png", items, tmp_path / "p", one="all")
    cdwidget.write("png", items, tmp_path / "q")
    with pytest.raises(FileExistsError, match="a file an instance from an earlier export"):
        cdwidget.write("png", items, tmp_path / "q", one="image")


def test_label_maps_are_read_with_their_ids(tmp_path: Path) -> None:
    item(tmp_path / "images")
    grey(tmp_path / "masks/a.png", SQUARE * 3 + TWO * 255)
    (found,) = cdwidget.read("png", tmp_path)
    assert [(each.id, each.mask.sum()) for each in found.instances] == [(3, 6)]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: grey(folder / "masks/a/001_dog.png", SQUARE * 7), r"holds the values \[0, 7\]; a mask holds 0 and 255"),
        (lambda folder: grey(folder / "masks/a/001_dog.png", [[255]]), "is 1x1 pixels and its image is 6x5"),
        (lambda folder: (folder / "masks/a/001_dog.png").write_bytes(b"no"), "001_dog.png cannot be read as an image"),
        (lambda folder: (folder / "masks/a").rename(folder / "masks/b"), "no image for 'b'"),
        (lambda folder: (folder / "images/a.png").unlink(), "images is empty"),
    ],
)
def test_broken_png_folders(tmp_path: Path, spoil, said: str) -> None:
    cdwidget.write("png", [item(tmp_path, Instance(SQUARE, "dog"))], tmp_path / "p")
    spoil(tmp_path / "p")
    with pytest.raises((ValueError, FileNotFoundError), match=said):
        list(cdwidget.read("png", tmp_path / "p")[0].instances)


def test_a_cut_out_shows_the_object_and_hides_the_rest(tmp_path: Path) -> None:
    alpha = np.where(SQUARE, 200, 0).astype(np.uint8)
    alpha[4, 5] = 40
    source = item(tmp_path, Instance(SQUARE, "soft", alpha=alpha), Instance(TWO, "hard"))
    cdwidget.write("rgba", [source], tmp_path / "r")
    soft, hard = (np.asarray(Image.open(file)) for file in sorted((tmp_path / "r/cutouts/a").iterdir()))
    assert np.array_equal(soft[:, :, 3], alpha) and np.array_equal(hard[:, :, 3], TWO * 255)
    image = source.read_image()
    assert np.array_equal(soft[alpha > 0, :3], image[alpha > 0]) and not soft[alpha == 0].any()


def test_a_file_that_is_no_cut_out(tmp_path: Path) -> None:
    cdwidget.write("rgba", [item(tmp_path, Instance(SQUARE, "dog"))], tmp_path / "r")
    grey(tmp_path / "r/cutouts/a/001_dog.png", SQUARE * 255)
    with pytest.raises(ValueError, match=r"001_dog.png has shape \(5, 6\); a cut-out is an RGBA file"):
        list(cdwidget.read("rgba", tmp_path / "r")[0].instances)


# --- NumPy and all ---------------------------------------------------------------------------------------------------------------


def test_npz_is_plain_numpy(tmp_path: Path) -> None:
    path = cdwidget.write("npz", [item(tmp_path, Instance(SQUARE, "dog", 4), Instance(TWO))], tmp_path / "a.npz")
    with np.load(path) as arrays:
        assert sorted(arrays) == ["ids", "image", "labels", "masks"]
        assert arrays["masks"].dtype == bool and np.array_equal(arrays["masks"], [SQUARE, TWO])
        assert arrays["labels"].tolist() == ["dog", ""] and arrays["ids"].tolist() == [4, -1] and str(arrays["image"]) == "a.png"


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "cannot be read as .npz"), (b"PK\x03\x04broken", "cannot be read as .npz"), (None, "holds x; it needs masks, labels")],
)
def test_broken_npz(tmp_path: Path, content: bytes | None, said: str) -> None:
    if content is None:
        np.savez(tmp_path / "a.npz", x=1)
    else:
        (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(ValueError, match=rf"a\.npz {said}"):
        cdwidget.read("npz", tmp_path / "a.npz")


def test_npz_of_masks_of_another_kind(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", masks=np.zeros((1, 2, 2)), labels=["x"], ids=[1], image="a.png")
    with pytest.raises(ValueError, match=r"masks float64 \(1, 2, 2\), 1 labels, 1 ids; masks are bool"):
        list(cdwidget.read("npz", tmp_path / "a.npz")[0].instances)


@pytest.mark.parametrize("format", ["labelme", "npz"])
def test_one_file_for_several_images(tmp_path: Path, format: str) -> None:
    suffix = {"labelme": "json", "npz": "npz"}[format]
    with pytest.raises(ValueError, match="holds one image, and there are 2 items; give a folder"):
        cdwidget.write(format, [item(tmp_path), item(tmp_path, name="b.png")], tmp_path / f"x.{suffix}")


def test_what_images_cannot_be_kept(tmp_path: Path) -> None:
    (tmp_path / "a.xyz").write_bytes(b"")
    with pytest.raises(ValueError, match=r"a\.xyz ends in '\.xyz'; this format keeps images ending in"):
        cdwidget.write("yolo", [Item(tmp_path / "a.xyz")], tmp_path / "y")
    (tmp_path / "b.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"b\.png cannot be read as an image"):
        cdwidget.write("coco", [Item(tmp_path / "b.png")], tmp_path / "y")


def test_an_alpha_that_does_not_fit(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a\.png, instance 1 \(''\): its alpha is float64 \(5, 6\), not uint8 \(5, 6\)"):
        cdwidget.write("npz", [item(tmp_path, Instance(SQUARE, alpha=SQUARE * 1.0))], tmp_path / "n")


@pytest.mark.parametrize("format", ["png", "rgba"])
def test_a_file_that_ends_early_is_named(tmp_path: Path, format: str) -> None:
    cdwidget.write(format, [item(tmp_path, Instance(SQUARE, "dog"))], tmp_path / "p")
    (file,) = (tmp_path / "p").rglob("001_dog.png")
    file.write_bytes(file.read_bytes()[:-30])
    with pytest.raises(ValueError, match=r"001_dog\.png cannot be read as an image"):
        list(cdwidget.read(format, tmp_path / "p")[0].instances)


def test_damaged_exif_does_not_spoil_the_size(tmp_path: Path) -> None:
    Image.new("RGB", (6, 5)).save(tmp_path / "odd.jpg", exif=b"Exif\0\0no tags here at all")
    path = cdwidget.write("coco", [Item(tmp_path / "odd.jpg", [Instance(SQUARE)])], tmp_path)
    assert np.array_equal(cdwidget.read("coco", path)[0].instances[0].mask, SQUARE)
