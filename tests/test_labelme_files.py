"""LabelMe files of several programs: everything in them comes back, and their images are found."""

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cdwidget
from cdwidget.items import Instance
from support.image_files import SQUARE, TWO_PARTS_MASK, item

TRIANGLE = [[0.25, 0.5], [5.75, 0.75], [3.1, 4.9]]


def shape(label: str, points: object, kind: str = "polygon", **fields: object) -> dict[str, Any]:
    return {"label": label, "points": points, "group_id": None, "shape_type": kind, "flags": {}, **fields}


def write(folder: Path, *shapes: dict[str, Any], image: bool = True, name: str = "a", **content: object) -> Path:
    if image:
        item(folder, name=f"{name}.png")
    folder.mkdir(parents=True, exist_ok=True)
    whole = {"version": "3.16.7", "flags": {"night": True}, "shapes": shapes, "imagePath": "a.png", "imageHeight": 5, "imageWidth": 6}
    (folder / f"{name}.json").write_text(json.dumps({**whole, **content}))
    return folder


def rewritten(folder: Path, change: Any = list) -> dict[str, Any]:
    """Read the folder, change its instances, write it, and return the new file's content."""
    (found,) = cdwidget.read("labelme", folder)
    cdwidget.write("labelme", [replace(found, instances=change(found.instances))], folder / "out")
    content: dict[str, Any] = json.loads((folder / "out/a.json").read_text())
    return content


SHAPES = [
    shape("cat", TRIANGLE, group_id=7, description="left ear", flags={"blurred": True}, difficult=False),
    shape("cat", [[0, 0], [1, 0], [1, 1]], group_id=7),
    shape("dog", [[1, 1], [4, 3]], "rectangle", score=0.5, attributes={"breed": "pug"}),
    shape("disk", [[3, 2], [3, 4]], "circle"),
]


def test_untouched_files_are_the_same_after_reading_and_writing(tmp_path: Path) -> None:
    folder = write(tmp_path, *SHAPES, lineColor=[0, 255, 0, 128])
    before, after = json.loads((folder / "a.json").read_text()), rewritten(folder)
    assert after.pop("imagePath") == "../a.png" and after.pop("imageData") is None
    assert after == {name: value for name, value in before.items() if name != "imagePath"}


def test_points_and_lines_are_kept(tmp_path: Path) -> None:
    nose = shape("nose", [[2, 2]], "point", description="tip")
    with pytest.warns(UserWarning, match=r"annotation 1 \('nose'\): a point has no area, so it is no instance; `write` keeps it"):
        content = rewritten(write(tmp_path, nose, SHAPES[2]))
    assert content["shapes"] == [SHAPES[2], nose]


def test_fields_of_a_changed_mask_are_kept(tmp_path: Path) -> None:
    def change(instances: Any) -> list[Instance]:
        cat, dog, disk = instances
        return [replace(cat, mask=SQUARE, label="tiger"), replace(dog, attributes={"breed": "poodle"}, score=None), disk]

    tiger, dog, disk = rewritten(write(tmp_path, *SHAPES), change)["shapes"]
    assert (tiger["label"], tiger["group_id"], tiger["description"], tiger["flags"]) == ("tiger", 7, "left ear", {"blurred": True})
    assert tiger["points"] == [[1, 1], [4, 1], [4, 3], [1, 3]]
    assert (dog["shape_type"], dog["attributes"]) == ("rectangle", {"breed": "poodle"}) and disk == SHAPES[3]


def test_new_groups_differ_from_those_of_the_file(tmp_path: Path) -> None:
    taken = shape("cat", TRIANGLE, group_id=1)
    content = rewritten(write(tmp_path, taken), lambda instances: [*instances, Instance(TWO_PARTS_MASK, "cat")])
    assert [each["group_id"] for each in content["shapes"]] == [1, 2, 2]


def test_attributes_scores_and_tracks_come_back(tmp_path: Path) -> None:
    source = item(tmp_path, Instance(TWO_PARTS_MASK, "cat", attributes={"size": 2.5, "seen": [True, None]}, score=0.25, track_id=3))
    (again,) = cdwidget.read("labelme", cdwidget.write("labelme", [source], tmp_path / "a.json"))[0].instances
    assert (again.attributes, again.score, again.track_id) == ({"size": 2.5, "seen": [True, None]}, 0.25, 3)


@pytest.mark.parametrize(
    ("kind", "points"),
    [
        ("rectangle", [[1, 1], [4, 3]]),
        ("rectangle", [[4, 3], [1, 1]]),
        ("rectangle", [[1, 1], [4, 1], [4, 3], [1, 3]]),
        ("rotation", [[1, 1], [4, 1], [4, 3], [1, 3]]),
        ("quadrilateral", [[1, 1], [4, 1], [4, 3], [1, 3]]),
    ],
)
def test_rectangles_of_two_and_of_four_corners(tmp_path: Path, kind: str, points: object) -> None:
    (found,) = cdwidget.read("labelme", write(tmp_path, shape("cat", points, kind)))
    assert np.array_equal(found.instances[0].mask, SQUARE)


@pytest.mark.parametrize("image_path", ["IMG_0001.png", "D:\\set\\photo.png", "/home/me/photo.jpg", None, 3])
def test_the_image_next_to_the_file_is_found(tmp_path: Path, image_path: object) -> None:
    (found,) = cdwidget.read("labelme", write(tmp_path, name="photo", imagePath=image_path))
    assert Path(found.path) == tmp_path / "photo.png"


def test_an_image_inside_of_the_file_is_saved(tmp_path: Path) -> None:
    source = item(tmp_path / "photos")
    data = base64.b64encode(Path(source.path).read_bytes()).decode()
    for name, image_path in (("a", "../a.png"), ("b", "D:\\x\\b.png"), ("c", "c")):
        write(tmp_path / "set", image=False, name=name, imagePath=image_path, imageData=data)
    found = cdwidget.read("labelme", tmp_path / "set")
    assert all(np.array_equal(each.read_image(), source.read_image()) for each in found)
    assert sorted(path.name for path in (tmp_path / "set").glob("*.png")) == ["a.png", "b.png", "c.png"]
    assert cdwidget.read("labelme", tmp_path / "set")[0].path == found[0].path


def test_other_files_in_the_folder_cost_nothing(tmp_path: Path) -> None:
    write(tmp_path, SHAPES[2])
    for name, text in {"config": "{}", "coco": '{"images": []}', "broken": "{", "deep": "[" * 100_000}.items():
        (tmp_path / f"{name}.json").write_text(text)
    write(tmp_path, SHAPES[2], image=False, name="odd", imageHeight=2.5, imagePath="gone.png")
    with pytest.warns(UserWarning, match="5 problems"):
        dataset = cdwidget.read("labelme", tmp_path)
    assert [Path(each.path).name for each in dataset] == ["a.png"]
    messages = [f"{Path(problem.file).name} {problem.message}" for problem in dataset.problems]
    assert [message.split(" ")[0] for message in messages] == ["broken.json", "coco.json", "config.json", "deep.json", "odd.json"]
    assert "is not JSON" in messages[0] and "is not a LabelMe file" in messages[1] and "nested too deeply" in messages[3]
    assert "imageHeight and imageWidth are [2.5, 6]; they must be whole pixels" in messages[4]


@pytest.mark.parametrize("side", [100_000, 2**40])
def test_a_file_with_an_image_of_an_impossible_size_costs_only_itself(tmp_path: Path, side: int) -> None:
    write(tmp_path, SHAPES[2])
    write(tmp_path, SHAPES[2], name="b", imageHeight=side, imageWidth=side)
    with pytest.warns(UserWarning, match=r"b\.json: its image has .* pixels; the limit is 178,956,970"):
        assert len(cdwidget.read("labelme", tmp_path)) == 1


def test_the_size_of_a_file_without_one_is_its_image(tmp_path: Path) -> None:
    (found,) = cdwidget.read("labelme", write(tmp_path, SHAPES[2], imageHeight=None, imageWidth=None))
    assert found.instances[0].mask.shape == (5, 6)
