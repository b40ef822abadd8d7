"""Every format: items that are written are read back the same, as far as the format can store them."""

import os
import pickle
import re
import tempfile
import unicodedata
from dataclasses import dataclass, replace
from inspect import signature
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

import cdwidget
from cdwidget.cli.options import FORMAT_NAMES
from cdwidget.formats import FORMATS
from cdwidget.items import Instance, Item

LABELS = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=8) | st.sampled_from(
    ["", "cat", "quo\"te's", "a:b,c", "# no", "on", "null", "1", " dog ", "кот 猫 🐈", "../up", "x" * 300]
)
ATTRIBUTES = st.dictionaries(
    st.sampled_from(["occluded", "kind of", "größe"]), st.booleans() | st.sampled_from(["", "a<b", "ü"]), max_size=2
)
NAMES = ["a.png", "b/a.png", "c/a.jpg", "c/A.png", "ü 'x' \".png", "x" * 200 + ".png"]
GRAY_STEP = 40  # Gray levels between two images.


@dataclass(frozen=True)
class Stored:
    """The data that a format stores in addition to masks and labels."""

    ids: bool = False
    alpha: bool = False
    empty: bool = True  # Instances without pixels.
    overlap: bool = True
    equal: bool = True  # An instance with the label and the pixels of another one.
    order: bool = True  # The painting order.
    values: bool = False  # Attributes, score and track.
    default_score: float | None = None  # Of an instance without one.


STORED_BY_FORMAT = {
    "cityscapes": Stored(empty=False, overlap=False, order=False),
    "coco": Stored(ids=True, values=True),
    "coco_results": Stored(ids=True, values=True, default_score=1.0),
    "cvat": Stored(ids=True, empty=False, values=True),
    "datumaro": Stored(ids=True, values=True),
    "geojson": Stored(ids=True, empty=False, values=True),
    "huggingface": Stored(ids=True, values=True),
    "itag": Stored(ids=True, empty=False, values=True),
    "label_studio": Stored(ids=True, alpha=True, empty=False, values=True),
    "labelme": Stored(empty=False, values=True),
    "mots": Stored(empty=False, overlap=False, order=False),
    "npz": Stored(ids=True, alpha=True, values=True),
    "panoptic": Stored(ids=True, empty=False, overlap=False),
    "png": Stored(ids=True, values=True),
    "rgba": Stored(ids=True, alpha=True, values=True),
    "sa1b": Stored(ids=True, values=True),
    "via": Stored(ids=True, empty=False, values=True),
    "voc": Stored(empty=False, overlap=False),
    "yolo": Stored(empty=False, equal=False),
}


@st.composite
def drawn_instances(draw: st.DrawFn, height: int, width: int) -> list[Instance]:
    masks = draw(st.lists(hnp.arrays(bool, (height, width)), max_size=4))
    found = []
    for number, mask in enumerate(masks, 1):
        alpha = None
        if draw(st.booleans()):
            soft = draw(hnp.arrays(np.uint8, (height, width)))
            alpha = np.where(mask, soft | 128, soft & 127).astype(np.uint8)
        score = draw(st.none() | st.sampled_from([0.0, 0.5, 0.123456789, 1.0]))
        track = draw(st.none() | st.integers(0, 9))
        found.append(Instance(mask, draw(LABELS), number, alpha, draw(ATTRIBUTES), score, track))
    return found


@st.composite
def drawn_sets(draw: st.DrawFn) -> list[tuple[str, tuple[int, int], list[Instance]]]:
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=4))
    found = []
    for name in names:
        size = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
        found.append((name, size, draw(drawn_instances(*size))))
    return found


def items_in(folder: Path, drawn: list[tuple[str, tuple[int, int], list[Instance]]]) -> list[Item]:
    items, ids = [], 0
    for number, (name, (height, width), instances) in enumerate(drawn):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((height, width, 3), GRAY_STEP * number, np.uint8)).save(folder / name)
        numbered = [replace(each, id=ids + (each.id or 0)) for each in instances]
        ids += len(instances)
        items.append(Item(folder / name, numbered))
    return items


def number_of(item: Item) -> int:
    """Return the index of the drawn image that an item shows, independent of its file name."""
    return round(item.read_image().mean() / GRAY_STEP)


def in_front(instances: list[Instance]) -> list[Instance]:
    """Return the visible part of each instance, not covered by later ones."""
    seen, covered = [], np.False_
    for instance in reversed(instances):
        seen.append(replace(instance, mask=instance.mask & ~covered))
        covered = covered | instance.mask
    return seen[::-1]


@pytest.mark.parametrize("format", FORMATS)
@settings(max_examples=15)
@given(drawn=drawn_sets())
def test_round_trip(format: str, drawn: list) -> None:
    stored = STORED_BY_FORMAT[format]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        items = items_in(folder / "from", drawn)
        written = cdwidget.write(format, items, folder / "to")
        if not items and format not in ("coco", "coco_results"):
            return
        found = {number_of(item): item for item in cdwidget.read(format, written)}
        assert found.keys() == {number_of(item) for item in items}
        assert not [path for path in (folder / "to").rglob("*") if path.name.endswith(".tmp")]
        for item in items:
            expected = list(item.instances) if stored.overlap else in_front(list(item.instances))
            expected = [each for each in expected if stored.empty or each.mask.any()]
            if not stored.equal:
                expected = list(dict(zip(summary(expected), expected)).values())
            mine = found[number_of(item)]
            assert mine.read_image().shape == item.read_image().shape
            assert sorted(summary(mine.instances)) == sorted(summary(expected))
            assert not stored.order or summary(mine.instances) == summary(expected)
            for instance, theirs in zip(mine.instances, expected):
                assert instance.mask.dtype == bool and instance.mask.shape == theirs.mask.shape
                if stored.values:
                    assert instance.attributes == theirs.attributes
                    score = stored.default_score if theirs.score is None else theirs.score
                    assert (instance.score, instance.track_id) == (score, theirs.track_id)
                if stored.ids:
                    assert instance.id == theirs.id
                if stored.alpha and theirs.alpha is not None and ((theirs.alpha > 0) & (theirs.alpha < 255)).any():
                    assert np.array_equal(instance.alpha, theirs.alpha)
                else:
                    assert instance.alpha is None


@pytest.mark.parametrize("format", FORMATS)
def test_equal_instances_are_kept_by_all_formats_that_can(format: str, tmp_path: Path) -> None:
    mask = np.eye(3, 4, dtype=bool)
    items = items_in(tmp_path / "from", [("a.png", (3, 4), [Instance(mask, "cat", 1), Instance(mask, "cat", 2)])])
    (item,) = cdwidget.read(format, cdwidget.write(format, items, tmp_path / "to"))
    stored = STORED_BY_FORMAT[format]
    assert len(item.instances) == (2 if stored.equal and (stored.overlap or stored.empty) else 1)


def summary(instances: list[Instance]) -> list[tuple[str, bytes]]:
    return [(instance.label, instance.mask.tobytes()) for instance in instances]


@pytest.mark.parametrize("format", FORMATS)
def test_writing_over_the_files_that_are_read(format: str, tmp_path: Path) -> None:
    items = items_in(tmp_path / "from", [("a.png", (3, 4), [Instance(np.eye(3, 4, dtype=bool), "cat", 1)]), ("b/a.png", (2, 2), [])])
    cdwidget.write(format, items, tmp_path / "one")
    again = cdwidget.read(format, tmp_path / "one")
    cdwidget.write(format, again, tmp_path / "one")  # Masks are read while their files are replaced.
    last = cdwidget.read(format, tmp_path / "one")
    assert [summary(item.instances) for item in last] == [summary(item.instances) for item in items]
    assert [Path(item.path) for item in last] == [Path(item.path) for item in again]
    assert all(Path(item.path).is_file() for item in last)


@pytest.mark.parametrize("format", FORMATS)
def test_the_properties_of_a_format_are_true(format: str, tmp_path: Path) -> None:
    items = items_in(tmp_path / "from", [("a.png", (3, 4), [Instance(np.eye(3, 4, dtype=bool), "cat")])])
    cdwidget.write(format, items, tmp_path / "to")
    (item,) = cdwidget.read(format, tmp_path / "to")
    assert FORMATS[format].copies_images == Path(item.path).resolve().is_relative_to(tmp_path / "to")
    assert FORMATS[format].has_class_ids == ("labels" in signature(FORMATS[format].write).parameters)


@pytest.mark.parametrize("format", FORMATS)
def test_images_in_another_folder(format: str, tmp_path: Path) -> None:
    items = items_in(tmp_path / "from", [("a.png", (3, 4), [Instance(np.eye(3, 4, dtype=bool), "cat")])])
    cdwidget.write(format, items, tmp_path / "to")
    (tmp_path / "from").rename(tmp_path / "moved")
    (item,) = cdwidget.read(format, tmp_path / "to", images=str(tmp_path / "moved"))
    assert item.path == tmp_path / "moved" / "a.png"
    assert item.instances[0].label == "cat"


@pytest.mark.parametrize("format", [name for name, format in FORMATS.items() if not format.copies_images])
def test_images_that_are_not_found_are_one_warning(format: str, tmp_path: Path) -> None:
    masks = [Instance(np.eye(3, 4, dtype=bool), "cat")]
    cdwidget.write(format, items_in(tmp_path / "from", [(name, (3, 4), masks) for name in ("a.png", "b.png")]), tmp_path / "to")
    (tmp_path / "from").rename(tmp_path / "moved")
    with pytest.warns(UserWarning, match=r"2 images were not found \(.*a\.png, .*b\.png\)") as caught:
        assert len(cdwidget.read(format, tmp_path / "to")) == 2
    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize("format", [name for name, format in FORMATS.items() if not format.copies_images])
def test_images_are_found_in_the_usual_places(format: str, tmp_path: Path) -> None:
    items = items_in(tmp_path / "from", [("ü 1.PNG", (3, 4), [Instance(np.eye(3, 4, dtype=bool), "cat")])])
    cdwidget.write(format, items, tmp_path / "set" / "annotations")
    (tmp_path / "set" / "images").mkdir()
    place = tmp_path / "set" / "images" / unicodedata.normalize("NFD", "ü 1.png")
    (tmp_path / "from" / "ü 1.PNG").rename(place)
    (item,) = cdwidget.read(format, tmp_path / "set" / "annotations")
    assert Path(item.path).samefile(place)


@pytest.mark.parametrize("format", FORMATS)
def test_instances_are_decoded_on_access(format: str, tmp_path: Path) -> None:
    instances = [Instance(np.eye(3, 4, k=k, dtype=bool), f"n{k}", k + 1) for k in range(3)]
    cdwidget.write(format, items_in(tmp_path / "from", [("a.png", (3, 4), instances)]), tmp_path / "to")
    (item,) = pickle.loads(pickle.dumps(cdwidget.read(format, tmp_path / "to")))  # Items are sent to other processes.
    assert len(item.instances) == 3 and "3 instances" in repr(item.instances)
    assert summary([item.instances[1]]) == summary(instances[1:2])
    assert summary([item.instances[-1]]) == summary(instances[2:])
    assert summary(item.instances[1:]) == summary(instances[1:])
    with pytest.raises(IndexError):
        item.instances[3]


@pytest.mark.parametrize("format", FORMATS)
def test_a_mask_of_another_size_is_named_and_nothing_is_written(format: str, tmp_path: Path) -> None:
    (item,) = items_in(tmp_path / "from", [("a.png", (3, 4), [Instance(np.ones((4, 3), bool), "cat")])])
    with pytest.raises(ValueError, match=r"a\.png, instance 1 \('cat'\): the mask has shape \(4, 3\), the image needs \(3, 4\)"):
        cdwidget.write(format, [item], tmp_path / "to")
    assert not [path for path in tmp_path.rglob("*") if "tmp" in path.suffix or path.suffix in (".json", ".npz", ".txt")]


@pytest.mark.parametrize("format", [name for name, format in FORMATS.items() if format.copies_images])
def test_another_image_of_the_same_name_is_not_overwritten(format: str, tmp_path: Path) -> None:
    items = items_in(tmp_path / "from", [("a.png", (3, 4), []), ("b/a.png", (5, 6), [])])
    cdwidget.write(format, items[:1], tmp_path / "to")
    with pytest.raises(FileExistsError, match=r"a(_leftImg8bit)?\.png is another image than .*b.a\.png"):
        cdwidget.write(format, items[1:], tmp_path / "to")


@pytest.mark.parametrize("format", FORMATS)
def test_masks_of_a_rotated_photograph_are_upright(format: str, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (4, 2)).save(tmp_path / "a.jpg", exif=exif)
    mask = np.eye(4, 2, dtype=bool)
    cdwidget.write(format, [Item(tmp_path / "a.jpg", [Instance(mask, "cat")])], tmp_path / "to")
    (item,) = cdwidget.read(format, tmp_path / "to")
    assert item.read_image().shape[:2] == item.instances[0].mask.shape == (4, 2)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("call", [cdwidget.read, lambda format, path: cdwidget.write(format, [Item("nowhere.png")], path)])
def test_missing_files(format: str, call, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no"):
        call(format, tmp_path / "absent")


def test_unknown_formats_and_arguments_that_are_not_items(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no format named 'cocoo' \(did you mean 'coco'\?\); there are: cityscapes, coco, coco_results"):
        cdwidget.read("cocoo", tmp_path)
    with pytest.raises(TypeError, match="items are Item"):
        cdwidget.write("coco", ["a.png"], tmp_path)


def test_a_data_frame_of_instances(tmp_path: Path) -> None:
    ring = np.ones((4, 5), bool)
    ring[1, 1] = ring[2, 3] = False
    two = np.zeros((4, 5), bool)
    two[0, 0] = two[3, 4] = True
    items = [Item("a.png", [Instance(ring, "ring", 7), Instance(two)]), Item("b.png")]
    frame = cdwidget.to_frame(items)
    assert frame.drop(columns="id").to_dict("records") == [
        {"path": "a.png", "label": "ring", "area": 18, "bbox": (0, 0, 5, 4), "parts": 1, "holes": 2},
        {"path": "a.png", "label": "", "area": 2, "bbox": (0, 0, 5, 4), "parts": 2, "holes": 0},
    ]
    assert list(frame.columns)[:3] == ["path", "id", "label"]
    assert frame["id"][0] == 7 and frame["id"].isna().tolist() == [False, True]
    assert list(cdwidget.to_frame([]).columns) == list(frame.columns)


@pytest.mark.parametrize("format", FORMATS)
def test_a_format_is_recognized_by_its_content(format: str, tmp_path: Path) -> None:
    items = items_in(tmp_path / "from", [("a.png", (3, 4), [Instance(np.eye(3, 4, dtype=bool), "cat")]), ("b.png", (3, 4), [])])
    written = cdwidget.write(format, items, tmp_path / "to")
    for dataset in (cdwidget.read(written), cdwidget.read("auto", tmp_path / "to")):
        assert dataset.format == format and len(dataset) == 2
    (tmp_path / "notes.txt").write_text("images, annotations, shapes")
    (tmp_path / "notes.json").write_text("{}")
    for other in (tmp_path / "from", tmp_path / "notes.txt", tmp_path / "notes.json", tmp_path):
        with pytest.raises(ValueError, match=r"looks like no format that can be read; name the format: cityscapes, coco, "):
            cdwidget.read(other)
    with pytest.raises(FileNotFoundError, match="there is no file or folder .*nothing"):
        cdwidget.read(tmp_path / "nothing")


def test_a_folder_of_two_formats_needs_the_name_of_one(tmp_path: Path) -> None:
    items = items_in(tmp_path / "from", [("a.png", (3, 4), [Instance(np.eye(3, 4, dtype=bool), "cat")])])
    for format in ("coco", "png"):
        cdwidget.write(format, items, tmp_path / "to")
    with pytest.raises(ValueError, match="looks like coco and png; name the format"):
        cdwidget.read(tmp_path / "to")
    assert cdwidget.read("coco", tmp_path / "to").format == "coco"


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_name_that_is_not_unicode_is_kept_or_named_in_the_error(format: str, tmp_path: Path) -> None:
    image = tmp_path / os.fsdecode(b"caf\xe9.png")
    mask = np.zeros((8, 10), bool)
    mask[2:5, 3:7] = True
    with image.open("wb") as file:
        Image.new("RGB", (10, 8)).save(file, "PNG")
    items = [Item(image, [Instance(mask, "cup")])]
    if format == "cvat":  # XML cannot hold it.
        with pytest.raises(ValueError, match=r"caf\\udce9.png.*rename the file"):
            cdwidget.write(format, items, tmp_path / "out")
        assert not (tmp_path / "out").exists()
        return
    (found,) = cdwidget.read(format, cdwidget.write(format, items, tmp_path / "out"))
    assert found.read_image().shape == (8, 10, 3)
    assert [(each.label or "cup", each.mask.tolist()) for each in found.instances] == [("cup", mask.tolist())]


DOCUMENTATION = Path(__file__).parents[1] / "docs" / "guide" / "formats.md"


def documented_rows() -> dict[str, list[str]]:
    """Return the cells of each format's row in the documentation's table."""
    lines = [line for line in DOCUMENTATION.read_text().splitlines() if line.startswith("| `") and line.count("|") == 8]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {name.strip("`"): cells for name, *cells in rows if name.strip("`") in FORMATS}


@pytest.mark.parametrize("format", FORMATS)
def test_the_table_of_the_documentation_is_true(format: str, tmp_path: Path) -> None:
    overlap, ids, values, alpha, _, images = documented_rows()[format]
    first = np.zeros((8, 9), bool)
    first[2:6, 2:6] = True
    soft = np.where(first, np.uint8(200), np.uint8(10))
    second = np.roll(first, 1, axis=1)
    instances = [
        Instance(first, "cat", 7, soft, {"wet": True}, 0.25, 3),
        Instance(second, "dog", 5),
        Instance(np.zeros_like(first), "fly", 9),
    ]
    (item,) = items_in(tmp_path / "from", [("a.png", (8, 9), [])])
    cdwidget.write(format, [Item(item.path, instances)], tmp_path / "to")
    (found,) = cdwidget.read(format, tmp_path / "to")
    cat, dog, *empty = found.instances
    assert overlap.startswith("yes") == bool((cat.mask & dog.mask).any())
    assert ids.startswith("yes") == ((cat.id, dog.id) == (7, 5))
    assert values.startswith("yes") == ((cat.attributes, cat.score, cat.track_id) == ({"wet": True}, 0.25, 3))
    assert alpha.startswith("yes") == (cat.alpha is not None)
    assert images == ("copied" if FORMATS[format].copies_images else "referenced")
    (sentence,) = [line for line in DOCUMENTATION.read_text().split("\n\n") if line.startswith("Instances without a pixel are left out by")]
    assert (f"`{format}`" in sentence) != bool(empty)
    assert STORED_BY_FORMAT[format] == Stored(
        ids=ids.startswith("yes"),
        alpha=alpha.startswith("yes"),
        empty=bool(empty),
        overlap=overlap.startswith("yes"),
        equal=STORED_BY_FORMAT[format].equal,
        order=STORED_BY_FORMAT[format].order,
        values=values.startswith("yes"),
        default_score=STORED_BY_FORMAT[format].default_score,
    )


def test_the_documentation_lists_all_formats_and_their_files() -> None:
    text = DOCUMENTATION.read_text()
    assert documented_rows().keys() == FORMATS.keys() == set(re.findall(r"\w+", FORMAT_NAMES)) - {"or"}
    files = text.split("The files of each format:")[1].split("```")[1]
    assert {line.split()[0] for line in files.splitlines()[1:] if line[:1].strip()} == FORMATS.keys()
