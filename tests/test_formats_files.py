"""LabelMe, PNG, RGBA and NumPy: files written by other tools, and the errors for broken files."""

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import cdwidget
from cdwidget.formats.dataset_folders import read_benchmark_objects
from cdwidget.formats.image_finder import ImageFinder
from cdwidget.formats.io import parse_json, read_json, to_json_bytes
from cdwidget.items import Instance, Item
from cdwidget.limits import Limits
from support.image_files import RING_MASK, SQUARE, TWO_PARTS_MASK, item, write_gray

# --- LabelMe ---------------------------------------------------------------------------------------------------------------------


def test_labelme_shapes_match_labelme_files(tmp_path: Path) -> None:
    source = item(tmp_path / "photos", Instance(SQUARE, "dog"), Instance(TWO_PARTS_MASK, "cat"), Instance(RING_MASK, "ring"))
    cdwidget.write("labelme", [source], tmp_path / "out")
    content = json.loads((tmp_path / "out/a.json").read_text())
    assert [content[key] for key in ("imagePath", "imageData", "imageHeight", "imageWidth")] == ["../photos/a.png", None, 5, 6]
    dog, *cats, ring = content["shapes"]
    assert (dog["shape_type"], dog["group_id"], dog["points"]) == ("polygon", None, [[1, 1], [4, 1], [4, 3], [1, 3]])
    assert [(cat["shape_type"], cat["group_id"], cat["label"]) for cat in cats] == [("polygon", 1, "cat")] * 2
    assert (ring["shape_type"], ring["points"]) == ("mask", [[0, 0], [5, 4]])
    with Image.open(io.BytesIO(base64.b64decode(ring["mask"]))) as png:
        assert np.array_equal(np.asarray(png).astype(bool), RING_MASK)


def labelme(folder: Path, *shapes: object, **content: object) -> Path:
    whole = {"version": "5.5.0", "shapes": shapes, "imagePath": "..\\p\\a.png", "imageHeight": 5, "imageWidth": 6, **content}
    item(folder)
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
    assert both.mask[:, :4].all() and not both.mask[:, 4:].any(), "the shapes of a group are one mask"
    assert found.read_image().shape == (5, 6, 3)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"label": "x", "points": [[1, 1]], "shape_type": "point"}, r"annotation 1 \('x'\): a point has no area, so it is no instance"),
        ({"label": "x"}, r"annotation 1 \('x'\): it needs a label and points"),
        ({"points": []}, "annotation 1: it needs a label and points"),
        ({"label": "x", "points": [], "shape_type": []}, r"its shape_type is \[\]; allowed are polygon, rotation"),
        ({"label": "x", "points": [[1, 1], [2, 2]]}, "a polygon of 2 points"),
        ({"label": "x", "points": [[1, 1], [2, 2], ["a", 0]]}, "could not convert"),
        ({"label": "x", "points": [[1, 1], [2, 2], [float("inf"), 0]]}, "points must be finite numbers"),
        ({"label": "x", "points": [[1, 1]], "shape_type": "circle"}, "a circle of 1 points; it needs 2"),
    ],
)
def test_broken_labelme_shapes_cost_only_themselves(tmp_path: Path, shape: object, message: str) -> None:
    good = {"label": "good", "points": [[1, 1], [4, 3]], "shape_type": "rectangle"}
    file = labelme(tmp_path, shape, good)
    with pytest.raises(ValueError, match=rf"a\.json, image .*{message}"):
        cdwidget.read("labelme", file, strict=True)
    with pytest.warns(UserWarning, match=message):
        (found,) = cdwidget.read("labelme", file)
    assert [(each.label, each.area) for each in found.instances] == [("good", 6)]


@pytest.mark.parametrize("mask", [None, "AAAA", 3])
def test_a_broken_labelme_mask_is_named(tmp_path: Path, mask: object) -> None:
    shape = {"label": "x", "points": [[0, 0], [9, 9]], "shape_type": "mask", "mask": mask}
    with pytest.raises(ValueError, match=r"a\.json, annotation 'x': its mask is not a PNG file in base64"):
        list(cdwidget.read("labelme", labelme(tmp_path, shape), strict=True)[0].instances)


def test_a_labelme_mask_is_cut_off_at_the_border_of_the_image(tmp_path: Path) -> None:
    cdwidget.write("labelme", [item(tmp_path, Instance(RING_MASK, "ring"))], tmp_path / "a.json")
    content = json.loads((tmp_path / "a.json").read_text())
    (left, top), (right, bottom) = content["shapes"][0]["points"]
    for x, y in ((-1, 0), (0, 2), (3, 0)):
        content["shapes"][0]["points"] = [[left + x, top + y], [right + x, bottom + y]]
        (tmp_path / "a.json").write_text(json.dumps(content))
        (found,) = cdwidget.read("labelme", tmp_path / "a.json", strict=True)[0].instances
        large = np.pad(RING_MASK, 6)
        assert np.array_equal(found.mask, np.roll(large, (y, x), (0, 1))[6:-6, 6:-6])
    content["shapes"][0]["points"] = [[left + 50, top], [right + 50, bottom]]
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="lies outside the image of 6x5 pixels"):
        list(cdwidget.read("labelme", tmp_path / "a.json", strict=True)[0].instances)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"shapes": [], "imagePath": "b.png", "imageHeight": 1.5, "imageWidth": 2}'])
def test_files_that_are_not_labelme(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ValueError, match=r"a\.json.*(is not JSON|is not a LabelMe file|must be whole pixels)"):
        cdwidget.read("labelme", tmp_path)


# --- PNG and RGBA ----------------------------------------------------------------------------------------------------------------


def test_one_png_per_instance(tmp_path: Path) -> None:
    source = item(tmp_path, Instance(SQUARE, "dog/../é"), Instance(RING_MASK, "x" * 300))
    cdwidget.write("png", [source], tmp_path / "p")
    files = sorted((tmp_path / "p/masks/a").iterdir())
    assert [file.name for file in files] == ["001_dog_é.png", f"002_{'x' * 40}.png"]
    assert np.array_equal(np.asarray(Image.open(files[0])), SQUARE * np.uint8(255))
    # With one instance fewer, the surplus file is deleted.
    cdwidget.write("png", [Item(source.path, source.instances[1:])], tmp_path / "p")
    assert [each.label for each in cdwidget.read("png", tmp_path / "p")[0].instances] == ["x" * 300]


def test_one_png_per_image_is_a_benchmark_folder(tmp_path: Path) -> None:
    items = [item(tmp_path, Instance(SQUARE, "dog"), Instance(TWO_PARTS_MASK, "cat")), item(tmp_path, name="b.png")]
    cdwidget.write("png", items[:1], tmp_path / "p", file_per="image")
    (target,) = read_benchmark_objects(tmp_path / "p")
    assert np.array_equal(target.load()[1], SQUARE | TWO_PARTS_MASK)
    cdwidget.write("png", items, tmp_path / "p", file_per="image")
    first, second = cdwidget.read("png", tmp_path / "p")
    assert np.array_equal(first.instances[0].mask, SQUARE | TWO_PARTS_MASK) and len(second.instances) == 0
    with pytest.raises(ValueError, match="file_per='all'; allowed are 'instance' and 'image'"):
        cdwidget.write("png", items, tmp_path / "p", file_per="all")
    cdwidget.write("png", items, tmp_path / "q")
    with pytest.raises(FileExistsError, match="a file per instance from an earlier export"):
        cdwidget.write("png", items, tmp_path / "q", file_per="image")


def test_the_old_name_of_file_per_warns(tmp_path: Path) -> None:
    with pytest.warns(DeprecationWarning, match="use file_per="):
        cdwidget.write("png", [item(tmp_path, Instance(SQUARE))], tmp_path / "p", one="image")
    assert (tmp_path / "p/masks/a.png").is_file()


def test_label_maps_are_read_with_their_ids(tmp_path: Path) -> None:
    item(tmp_path / "images")
    write_gray(tmp_path / "masks/a.png", SQUARE * 3 + TWO_PARTS_MASK * 255)
    (found,) = cdwidget.read("png", tmp_path)
    assert [(each.id, each.mask.sum()) for each in found.instances] == [(3, 6)]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: write_gray(folder / "masks/a/001_dog.png", SQUARE * 7), r"holds the values \[0, 7\]; a mask holds 0 and 255"),
        (lambda folder: write_gray(folder / "masks/a/001_dog.png", [[255]]), "is 1x1 pixels and its image is 6x5"),
        (lambda folder: (folder / "masks/a/001_dog.png").write_bytes(b"no"), "001_dog.png cannot be read as an image"),
        (lambda folder: (folder / "masks/a").rename(folder / "masks/b"), "masks.b: .*holds no image for it"),
        (lambda folder: (folder / "images/a.png").unlink(), "images is empty"),
    ],
)
def test_broken_png_folders(tmp_path: Path, damage, message: str) -> None:
    cdwidget.write("png", [item(tmp_path, Instance(SQUARE, "dog"))], tmp_path / "p")
    damage(tmp_path / "p")
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        list(cdwidget.read("png", tmp_path / "p", strict=True)[0].instances)


def test_a_cut_out_shows_the_object_and_hides_the_rest(tmp_path: Path) -> None:
    alpha = np.where(SQUARE, 200, 0).astype(np.uint8)
    alpha[4, 5] = 40
    source = item(tmp_path, Instance(SQUARE, "soft", alpha=alpha), Instance(TWO_PARTS_MASK, "hard"))
    cdwidget.write("rgba", [source], tmp_path / "r")
    soft, hard = (np.asarray(Image.open(file)) for file in sorted((tmp_path / "r/cutouts/a").iterdir()))
    assert np.array_equal(soft[:, :, 3], alpha) and np.array_equal(hard[:, :, 3], TWO_PARTS_MASK * 255)
    image = source.read_image()
    assert np.array_equal(soft[alpha > 0, :3], image[alpha > 0]) and not soft[alpha == 0].any()


def test_a_cut_out_without_alpha_channel(tmp_path: Path) -> None:
    cdwidget.write("rgba", [item(tmp_path, Instance(SQUARE, "dog"))], tmp_path / "r")
    write_gray(tmp_path / "r/cutouts/a/001_dog.png", SQUARE * 255)
    with pytest.raises(ValueError, match=r"has shape \(5, 6\); a cut-out is an RGBA file"):
        list(cdwidget.read("rgba", tmp_path / "r", strict=True)[0].instances)


# --- NumPy and all formats ---------------------------------------------------------------------------------------------------------------


def test_npz_is_plain_numpy(tmp_path: Path) -> None:
    path = cdwidget.write("npz", [item(tmp_path, Instance(SQUARE, "dog", 4), Instance(TWO_PARTS_MASK))], tmp_path / "a.npz")
    with np.load(path) as arrays:
        assert sorted(arrays) == ["ids", "image", "labels", "masks"]
        assert arrays["masks"].dtype == bool and np.array_equal(arrays["masks"], [SQUARE, TWO_PARTS_MASK])
        assert arrays["labels"].tolist() == ["dog", ""] and arrays["ids"].tolist() == [4, -1] and str(arrays["image"]) == "a.png"


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "cannot be read as .npz"), (b"PK\x03\x04broken", "cannot be read as .npz"), (None, "holds x; it needs masks, labels")],
)
def test_broken_npz(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is None:
        np.savez(tmp_path / "a.npz", x=1)
    else:
        (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(ValueError, match=rf"a\.npz {message}"):
        cdwidget.read("npz", tmp_path / "a.npz")


def test_npz_with_masks_of_another_dtype(tmp_path: Path) -> None:
    item(tmp_path)
    np.savez(tmp_path / "a.npz", masks=np.zeros((1, 2, 2)), labels=["x"], ids=[1], image="a.png")
    with pytest.raises(ValueError, match=r"masks float64 \(1, 2, 2\), 1 labels, 1 ids; masks are bool"):
        list(cdwidget.read("npz", tmp_path / "a.npz", strict=True)[0].instances)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"labels": np.array("x")}, r"its labels have shape \(\)"),
        ({"ids": np.array([["a"]])}, "1 ids; masks are bool"),
        ({"alpha": np.zeros((2, 5, 6), np.uint8)}, r"its alpha is uint8 \(2, 5, 6\)"),
        ({"scores": np.zeros(7)}, r"its scores is float64 \(7,\)"),
        ({"attributes": np.array(["{"])}, "annotation 0: "),
    ],
)
def test_npz_arrays_of_other_shapes(tmp_path: Path, changed: dict[str, np.ndarray], message: str) -> None:
    arrays = {"masks": SQUARE[None], "labels": np.array(["x"]), "ids": np.array([1]), "image": np.array("a.png")}
    item(tmp_path)
    np.savez(tmp_path / "a.npz", **{**arrays, **changed})
    with pytest.raises(ValueError, match=rf"a\.npz.*{message}"):
        list(cdwidget.read("npz", tmp_path / "a.npz", strict=True)[0].instances)


def test_npz_files_that_grow_in_memory_are_refused(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", masks=np.zeros((1, 1000, 1000), bool), labels=["x"], ids=[1], image="a.png")
    with pytest.raises(ValueError, match=r"bytes after decompression; the limit is 100,000\. If you trust its source"):
        cdwidget.read("npz", tmp_path / "a.npz", limits=Limits(max_file_bytes=100_000))


@pytest.mark.parametrize("format", ["labelme", "npz"])
def test_one_file_for_several_images(tmp_path: Path, format: str) -> None:
    suffix = {"labelme": "json", "npz": "npz"}[format]
    with pytest.raises(ValueError, match="holds one image, and there are 2 items; give a folder"):
        cdwidget.write(format, [item(tmp_path), item(tmp_path, name="b.png")], tmp_path / f"x.{suffix}")


def test_images_that_cannot_be_stored(tmp_path: Path) -> None:
    (tmp_path / "a.xyz").write_bytes(b"")
    with pytest.raises(ValueError, match=r"a\.xyz ends in '\.xyz'; this format keeps images ending in"):
        cdwidget.write("yolo", [Item(tmp_path / "a.xyz")], tmp_path / "y")
    (tmp_path / "b.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"b\.png cannot be read as an image"):
        cdwidget.write("coco", [Item(tmp_path / "b.png")], tmp_path / "y")


def test_an_alpha_matte_of_another_dtype(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a\.png, instance 1 \(''\): its alpha is float64 \(5, 6\), not uint8 \(5, 6\)"):
        cdwidget.write("npz", [item(tmp_path, Instance(SQUARE, alpha=SQUARE * 1.0))], tmp_path / "n")


@pytest.mark.parametrize("format", ["png", "rgba"])
def test_a_truncated_file_is_named(tmp_path: Path, format: str) -> None:
    cdwidget.write(format, [item(tmp_path, Instance(SQUARE, "dog"))], tmp_path / "p")
    (file,) = (tmp_path / "p").rglob("001_dog.png")
    file.write_bytes(file.read_bytes()[:-30])
    with pytest.raises(ValueError, match=r"001_dog\.png cannot be read as an image"):
        list(cdwidget.read(format, tmp_path / "p", strict=True)[0].instances)


def test_damaged_exif_data_is_ignored(tmp_path: Path) -> None:
    Image.new("RGB", (6, 5)).save(tmp_path / "odd.jpg", exif=b"Exif\0\0no tags here at all")
    path = cdwidget.write("coco", [Item(tmp_path / "odd.jpg", [Instance(SQUARE)])], tmp_path)
    assert np.array_equal(cdwidget.read("coco", path)[0].instances[0].mask, SQUARE)


# --- JSON ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["18446744073709551616", "[0.12345678901234567890123]", "1e999", '"\\ud800"', "-0.0", "-0", '{"a": {"a": 1}, "a": 2}']
)
def test_json_is_read_as_the_standard_library_reads_it(text: str) -> None:
    value = parse_json(text)
    assert value == json.loads(text) and repr(value) == repr(json.loads(text))


def test_json_with_errors_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"images": [1,]}')
    with pytest.raises(ValueError, match=r"a\.json is not JSON: .*line 1 column 1\d"):
        read_json(tmp_path / "a.json")


@pytest.mark.parametrize("indent", [False, True])
def test_json_of_any_value_can_be_written(indent: bool) -> None:
    values = {"large": 2**70, "name": "\udcff.png", "numpy": [np.float32(0.5), np.arange(3)], "é": {1: None}}
    for value in ({"é": values["numpy"]}, values):
        plain = json.loads(to_json_bytes(value, indent=indent))
        assert plain == json.loads(json.dumps(value, default=lambda each: each.tolist()))
    numbers = {"nan": float("nan"), "inf": [np.inf], "large": 2**70}
    assert json.loads(to_json_bytes(numbers, indent=indent)) == {"nan": None, "inf": [None], "large": 2**70}
    with pytest.raises(TypeError, match="type set cannot be written as JSON"):
        to_json_bytes({1, 2})


def test_an_image_that_is_not_found_keeps_its_name(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    finder = ImageFinder(tmp_path / "a.json")
    Image.new("RGB", (6, 5)).save(tmp_path / "photos" / "one.png")
    assert finder.leads_to("photos\\one.png", tmp_path / "photos" / "one.png")
    assert finder.leads_to("lost.png", tmp_path / "lost.png")
    assert not finder.leads_to("one.png", tmp_path / "photos" / "one.png")
    assert not ImageFinder(tmp_path / "far" / "a.json").leads_to("one.png", tmp_path / "photos" / "one.png")
