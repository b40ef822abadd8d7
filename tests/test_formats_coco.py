"""COCO: agreement with pycocotools, the reference implementation, and the errors for broken files."""

import contextlib
import io
import json
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from pycocotools import mask as reference
from pycocotools.coco import COCO

import cdwidget
from cdwidget.formats import coco
from cdwidget.formats.coco_writer import UniqueIds
from cdwidget.items import Instance, Item
from cdwidget.masks import bbox
from cdwidget.polygons import parts
from cdwidget.rle import encode_uncompressed
from cdwidget.session import Session

pytestmark = pytest.mark.filterwarnings("ignore:.*not found .*only the annotations were read")
masks = hnp.arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12)))


def loaded(path: Path) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(path))


@settings(max_examples=50)
@given(st.lists(masks, min_size=1, max_size=4))
def test_pycocotools_sees_the_same_masks(tmp_path_factory: pytest.TempPathFactory, drawn: list[np.ndarray]) -> None:
    folder = tmp_path_factory.mktemp("coco")
    items = [Item(folder / f"{n}.png", [Instance(mask, "a"), Instance(~mask, "b")]) for n, mask in enumerate(drawn)]
    file = loaded(cdwidget.write("coco", items, folder / "a.json"))
    found = cdwidget.read("coco", folder / "a.json")
    for image, item, again in zip(file.loadImgs(file.getImgIds()), items, found):
        assert image["file_name"] == Path(item.path).name and again.path == item.path
        annotations = file.loadAnns(file.getAnnIds(imgIds=image["id"]))
        assert len(annotations) == len(item.instances)
        for annotation, instance, mine in zip(annotations, item.instances, again.instances):
            assert np.array_equal(file.annToMask(annotation), instance.mask)
            assert np.array_equal(mine.mask, instance.mask)
            assert file.loadCats(annotation["category_id"])[0]["name"] == instance.label
            assert annotation["area"] == instance.mask.sum()
            x0, y0, x1, y1 = bbox(instance.mask)
            assert annotation["bbox"] == [x0, y0, x1 - x0, y1 - y0]
            rings = parts(instance.mask)
            if len(rings) != 1 or len(rings[0]) > 1:
                assert isinstance(annotation["segmentation"], dict), "holes and parts need run lengths"


coordinates = st.floats(-3, 15, width=32)
polygons = st.lists(st.lists(coordinates, min_size=6, max_size=14).filter(lambda p: len(p) % 2 == 0), min_size=1, max_size=3)
shapes = st.one_of(
    polygons.map(lambda shape: ("polygons", shape)),
    hnp.arrays(bool, (10, 12)).map(lambda mask: ("uncompressed", encode_uncompressed(mask))),
    hnp.arrays(bool, (10, 12)).map(lambda mask: ("compressed", reference.encode(np.asfortranarray(mask.view(np.uint8))))),
)


@given(shapes, st.booleans())
def test_segmentations_are_read_as_by_pycocotools(tmp_path_factory: pytest.TempPathFactory, drawn, crowd: bool) -> None:
    kind, shape = drawn
    if kind == "compressed":
        shape = {**shape, "counts": shape["counts"].decode()}
    path = write(tmp_path_factory.mktemp("coco"), {"segmentation": shape, "iscrowd": int(crowd)}, 10, 12)
    file = loaded(path)
    dataset = cdwidget.read("coco", path)
    if dataset.problems:  # All polygons lie outside the image.
        assert not dataset[0].instances and not file.annToMask(file.anns[5]).any()
        return
    (instance,) = dataset[0].instances
    assert np.array_equal(instance.mask, file.annToMask(file.anns[5]))
    assert isinstance(instance, coco.Crowd) == crowd
    assert (instance.id, instance.label) == (5, "cat")


def write(folder: Path, annotation: object, height: int = 2, width: int = 3, **content: object) -> Path:
    if isinstance(annotation, dict):
        annotation = {"id": 5, "image_id": 1, "category_id": 90, **annotation}
    whole = {
        "images": [{"id": 1, "file_name": "a.png", "height": height, "width": width}],
        "annotations": [annotation],
        "categories": [{"id": 90, "name": "cat"}],
        **content,
    }
    path = folder / "ann.json"
    path.write_text(json.dumps(whole))
    if not (folder / "a.png").exists():
        Image.new("RGB", (width, height)).save(folder / "a.png")
    return path


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        ({}, "annotation 5: it has neither a segmentation nor a bbox"),
        ({"segmentation": []}, "annotation 5: it has neither"),
        ({"segmentation": None, "bbox": [0, 0, 0, 1]}, "annotation 5: it has neither"),
        ({"segmentation": None, "bbox": [0, 0, "x", 1]}, "annotation 5: it has neither"),
        ({"segmentation": [[1, 2, 3, 4]]}, "annotation 5: it has neither"),
        ({"segmentation": [[1, 2, 3]]}, "annotation 5: it has a polygon that is not a list of at least three points"),
        ({"segmentation": [[1, 2, 3, 4, 5, 6, 7]]}, "annotation 5: it has a polygon"),
        ({"segmentation": [1, 2, 3, 4, 5, 6]}, "annotation 5: it has a polygon"),
        ({"segmentation": [[[[[[[1, 2]]]]]]]}, "annotation 5: it has a polygon"),
        ({"segmentation": [[1, 2], [1, 2, 3, 4, 5, 6, 7]]}, "annotation 5: it has a polygon"),
        ({"segmentation": "x"}, "annotation 5: it has str for a segmentation"),
        ({"segmentation": {"counts": [6]}}, "annotation 5: it has run lengths without size or counts"),
        ({"image_id": 2, "segmentation": [[0, 0, 1, 0, 1, 1]]}, "annotation 5: it belongs to image 2, which is not in the file"),
        ({"image_id": [1], "segmentation": [[0, 0, 1, 0, 1, 1]]}, r"annotation 5: it belongs to image \[1\]"),
        ({"category_id": 1, "segmentation": [[0, 0, 1, 0, 1, 1]]}, "annotation 5: it has category 1, which is not in the file"),
        ([], "annotation number 1: it is not an object"),
    ],
)
def test_a_broken_annotation_is_listed_and_left_out(tmp_path: Path, annotation: object, message: str) -> None:
    path = write(tmp_path, annotation)
    content = json.loads(path.read_text())
    good = {"id": 6, "image_id": 1, "category_id": 90, "segmentation": [[0, 0, 2, 0, 2, 2]]}
    path.write_text(json.dumps({**content, "annotations": [*content["annotations"], good]}))
    with pytest.warns(UserWarning, match=f"1 problem: .*ann.json, {message}"):
        dataset = cdwidget.read("coco", path)
    assert [instance.id for instance in dataset[0].instances] == [6] and len(dataset.problems) == 1
    with pytest.raises(ValueError, match=f"ann.json, {message}"):
        cdwidget.read("coco", path, strict=True)


@pytest.mark.parametrize("nothing", [[], [[]], None, [[1, 1]], [[0, 0, 3, 2]]])
def test_a_box_without_segmentation_is_a_rectangle(tmp_path: Path, nothing: object) -> None:
    (item,) = cdwidget.read("coco", write(tmp_path, {"segmentation": nothing, "bbox": [1, 0, 2.0, 1]}))
    assert item.instances[0].mask.tolist() == [[False, True, True], [False, False, False]] and item.instances[0].label == "cat"


def test_a_polygon_of_two_points_is_skipped(tmp_path: Path) -> None:
    (item,) = cdwidget.read("coco", write(tmp_path, {"segmentation": [[0, 0, 3, 2], [1, 0, 3, 0, 3, 1, 1, 1]], "bbox": [0, 0, 3, 2]}))
    assert item.instances[0].mask.sum() == 2


def test_invalid_and_repeated_ids_are_dropped(tmp_path: Path) -> None:
    path = write(tmp_path, {})
    content = json.loads(path.read_text())
    content["annotations"] = [{"id": id, "image_id": 1, "category_id": 90, "bbox": [0, 0, 1, 1]} for id in (0, 3, 3, "a")]
    path.write_text(json.dumps(content))
    (item,) = cdwidget.read("coco", path)
    assert [instance.id for instance in item.instances] == [None, 3, None, None]
    assert len(Session(np.zeros((2, 3, 3), np.uint8), instances=item.instances).instances) == 4


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"size": [3, 2], "counts": [6]}, r"its size is \[3, 2\], the image is \[2, 3\]"),
        ({"size": [2, 3], "counts": [7]}, "add up to 7"),
        ({"size": [2, 3], "counts": [7, -1]}, "not a whole number"),
        ({"size": [2, 3], "counts": "ooooo"}, "not compressed COCO"),
        ({"size": [2, 3], "counts": "é"}, "not compressed COCO"),
        ({"size": [2, 3], "counts": ""}, "not compressed"),
        ({"size": [2, 3], "counts": "o" * 99 + "0"}, "too long"),
        ({"size": [2, 3], "counts": "99"}, "add up to 18"),
        ({"size": [2, 3], "counts": "O7"}, "negative number"),
        ({"size": 6, "counts": "6"}, ""),
        ({"size": [2, 3], "counts": None}, ""),
        ([[0, 0, 1, 0, "x", 1]], ""),
        ([[0, 0, 1e12, 0, 1e12, 1]], "lies far outside the image of 3x2 pixels"),
        ([[0, 0, float("nan"), 0, 1, 1]], "far outside"),
    ],
)
def test_decoding_names_a_broken_mask(tmp_path: Path, shape: object, message: str) -> None:
    (item,) = dataset = cdwidget.read("coco", write(tmp_path, {"segmentation": shape}))
    with pytest.raises(ValueError, match=f"(?s)ann.json, image a.png, annotation 5: .*{message}"):
        item.instances[0]
    for _ in range(2):
        with warnings.catch_warnings(record=True):
            assert list(item.instances) == []
    (problem,) = dataset.problems
    assert (problem.image, problem.annotation) == ("a.png", "5")
    (item,) = cdwidget.read("coco", tmp_path / "ann.json", strict=True)
    with pytest.raises(ValueError, match="annotation 5"):
        list(item.instances)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "lacks images, annotations, categories"),
        ('{"annotations": [], "categories": []}', "lacks images"),
        ('{"images": [], "categories": []}', "lacks annotations"),
        ('{"images": [{"id": 1, "file_name": "a.png"}]}', "lacks annotations, categories"),
        ('{"images": [{"id": 1}], "annotations": [], "categories": []}', "needs an id and a file_name"),
        ('{"images": [{"id": 1, "file_name": "a", "height": 0, "width": 2}], "annotations": [], "categories": []}', "whole pixels"),
        ('{"images": [{"file_name": "a", "height": 1, "width": 2}], "annotations": [], "categories": []}', "needs an id"),
        ('{"images": [], "annotations": [], "categories": [{"id": 1}]}', "needs a whole number as id, and a name"),
        ("[" * 100_000, "nested too deeply"),
        ('{"images": [' + "9" * 5000 + "]}", "is not JSON"),
    ],
)
def test_files_that_are_not_coco(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "annotations.json").write_text(text)
    with pytest.raises(ValueError, match=f"annotations.json.*{message}"):
        cdwidget.read("coco", tmp_path)


def test_files_that_are_not_text(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="is not UTF-8"):
        cdwidget.read("coco", tmp_path / "a.json")


def categories(path: Path) -> dict[str, int]:
    return {category["name"]: category["id"] for category in json.loads(path.read_text())["categories"]}


def test_category_ids_are_stable(tmp_path: Path) -> None:
    square = np.ones((2, 2), bool)

    def items(*labels: str) -> list[Item]:
        return [Item("a.png", [Instance(square, label) for label in labels])]

    path = cdwidget.write("coco", items("dog", "cat"), tmp_path)
    assert categories(path) == {"dog": 1, "cat": 2}
    cdwidget.write("coco", items("cat", "bird"), tmp_path)
    assert categories(path) == {"dog": 1, "cat": 2, "bird": 3}
    cdwidget.write("coco", items("cat"), tmp_path, labels=["cow", "cat"])
    assert categories(path) == {"dog": 1, "cat": 2, "bird": 3, "cow": 4}
    cdwidget.write("coco", items("cat"), tmp_path, labels={"cat": 9})
    assert categories(path) == {"cat": 9}
    cdwidget.write("coco", items("cat"), tmp_path / "a.json", labels=["bird", "cat"])
    assert categories(tmp_path / "a.json") == {"bird": 1, "cat": 2}
    cdwidget.write("coco", items("cat", "new"), tmp_path / "b.json", labels={"cat": 17})
    assert categories(tmp_path / "b.json") == {"cat": 17, "new": 18}
    assert coco.read_labels(tmp_path / "b.json") == {"cat": 17, "new": 18}
    with pytest.raises(TypeError, match=r"labels is the text 'cat'; give a list of labels: \['cat'\]"):
        cdwidget.write("coco", items("cat"), tmp_path, labels="cat")


def test_annotation_ids_are_unique_and_kept_if_possible(tmp_path: Path) -> None:
    square = np.ones((2, 2), bool)
    items = [Item("a.png", [Instance(square, "", 7), Instance(square)]), Item("b.png", [Instance(square, "", 7), Instance(square, "", 3)])]
    found = cdwidget.read("coco", cdwidget.write("coco", items, tmp_path))
    assert [[instance.id for instance in item.instances] for item in found] == [[7, 8], [9, 3]]


def test_a_hundred_thousand_annotations_are_numbered_quickly() -> None:
    ids = UniqueIds()
    started = time.process_time()
    assert [ids.take(None) for _ in range(100_000)] == list(range(1, 100_001))
    assert time.process_time() - started < 5  # Comparing each id with all others would take minutes.


def test_a_crowd_stays_a_crowd(tmp_path: Path) -> None:
    items = [Item("a.png", [coco.Crowd(np.ones((2, 2), bool), "people")])]
    path = cdwidget.write("coco", items, tmp_path)
    assert json.loads(path.read_text())["annotations"][0]["iscrowd"] == 1
    assert isinstance(cdwidget.read("coco", path)[0].instances[0], coco.Crowd)


def test_score_attributes_and_track_are_kept(tmp_path: Path) -> None:
    mask = np.eye(4, dtype=bool)
    given = [
        Instance(mask, "a", attributes={"occluded": True, "color": "red"}, score=0.25, track_id=7),
        Instance(mask, "a", score=0.0, track_id=0),
        Instance(mask, "a"),
    ]
    path = cdwidget.write("coco", [Item(tmp_path / "a.png", given)], tmp_path)
    (item,) = cdwidget.read("coco", path)
    for old, new in zip(given, item.instances, strict=True):
        assert (new.attributes, new.score, new.track_id) == (old.attributes, old.score, old.track_id)
    record = json.loads(path.read_text())["annotations"][2]
    assert not {"attributes", "score", "track_id"} & record.keys(), "absent fields stay absent"


def test_file_names_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("photos/b").mkdir(parents=True)
    Image.new("RGB", (3, 2)).save("photos/b/a é'.png")
    path = cdwidget.write("coco", [Item("photos/b/a é'.png")], "out/x.json")
    assert json.loads(path.read_text())["images"] == [{"id": 1, "file_name": "../photos/b/a é'.png", "height": 2, "width": 3}]
    (item,) = cdwidget.read("coco", path)
    assert item.read_image().shape == (2, 3, 3)
    (item,) = cdwidget.read("coco", path, images=tmp_path / "photos" / "b")
    assert item.path == tmp_path / "photos" / "b" / "a é'.png"


def test_images_in_a_folder_called_images_and_windows_names(tmp_path: Path) -> None:
    (tmp_path / "images" / "x").mkdir(parents=True)
    Image.new("RGB", (3, 2)).save(tmp_path / "images" / "x" / "a.png")
    image = {"id": 1, "file_name": "x\\a.png", "height": 2, "width": 3}
    (item,) = cdwidget.read("coco", write(tmp_path, {"segmentation": [[0, 0, 2, 0, 2, 2]]}, images=[image]))
    assert item.path == tmp_path / "images" / "x" / "a.png"


def test_names_of_300_characters(tmp_path: Path) -> None:
    name = "ж" * 300 + ".png"
    path = cdwidget.write("coco", [Item(tmp_path / name, [Instance(np.ones((2, 2), bool), "l" * 300)])], tmp_path)
    (item,) = cdwidget.read("coco", path)
    assert Path(item.path).name == name and item.instances[0].label == "l" * 300
    for format in ("labelme", "npz"):
        (item,) = cdwidget.read(format, cdwidget.write(format, [item], tmp_path / format))
        assert Path(item.path).name == name and item.instances[0].label == "l" * 300
