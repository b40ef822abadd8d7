"""Masks predicted from boxes, coarse masks and points, and object proposals."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image, ImageDraw
from scipy.ndimage import binary_fill_holes, label

import cdwidget
from cdwidget import Catalogue, Instance, Item, Prelabel
from cdwidget.batch import Report
from cdwidget.batch.points import read_points
from cdwidget.batch.proposals import DUPLICATE_IOU, Search
from cdwidget.formats.coco import Crowd
from cdwidget.masks import iou
from support.batch_programs import SIDE, BrightModel, catalogue_of, log_of, square


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    return catalogue_of(tmp_path, 3)


def prelabel(catalogue: Catalogue, from_: str, **options: object) -> Report:
    ids = options.pop("ids", None)
    return cdwidget.run(Prelabel(from_, BrightModel(str(log_of(catalogue))), **options), catalogue, ids)  # type: ignore[arg-type]


def masks(catalogue: Catalogue, item: int) -> list[np.ndarray]:
    return [one.mask for one in catalogue.item(item).instances]


@pytest.mark.parametrize("from_", ["boxes", "masks", "points"])
def test_instances_are_refined_and_it_can_be_undone(catalogue: Catalogue, from_: str) -> None:
    catalogue.put_scores(1, [cdwidget.catalogue.ScoreValue(1, "overall", 0.7)])
    assert prelabel(catalogue, from_).done == 3
    (one,) = catalogue.item(1).instances
    assert (one.mask == square()).all() and (one.label, one.id) == ("box", 1)
    assert not catalogue.scores(1), "scores of the old mask are removed"
    (past,) = catalogue.history(1)
    assert (past.action, past.user, past.detail) == ("prelabel", "ana", {"from": from_})
    assert catalogue.rows([1])[0].status == "new"
    assert prelabel(catalogue, from_).skipped == 3, "finished items are skipped"
    assert catalogue.undo(1) and (masks(catalogue, 1)[0] == square(10, 24)).all()
    assert prelabel(catalogue, from_).skipped == 3, "an undone result is not predicted again"


@pytest.mark.parametrize("from_", ["boxes", "masks", "points"])
def test_a_prediction_has_a_confidence_and_keeps_the_other_fields(catalogue: Catalogue, from_: str) -> None:
    (one,) = catalogue.item(1).instances
    catalogue.update(1, [replace(one, attributes={"occluded": True}, track_id=3, extra={"coco": {"id": 9}})])
    prelabel(catalogue, from_)
    (found,) = catalogue.item(1).instances
    assert (found.mask == square()).all() and found.score is not None and 0.5 < found.score <= 1
    assert (found.attributes, found.track_id, found.extra) == ({"occluded": True}, 3, {"coco": {"id": 9}})


def test_reviewed_masks_stay_unless_overwritten(catalogue: Catalogue) -> None:
    for item, status in ((1, "accepted"), (2, "rejected"), (3, "skipped")):
        catalogue.set_status(item, status)
    catalogue.update(3, [*catalogue.item(3).instances, Instance(square(0, 40), "big")])
    report = prelabel(catalogue, "boxes")
    assert (report.done, report.skipped) == (1, 2)
    assert [(masks(catalogue, item)[0] == square(10, 24)).all() for item in (1, 2, 3)] == [True] * 3
    assert (masks(catalogue, 3)[1] == square()).all()
    assert prelabel(catalogue, "boxes", overwrite=True).done == 3 and (masks(catalogue, 1)[0] == square()).all()
    assert catalogue.rows([1])[0].status == "new"


def test_a_crowd_stays(catalogue: Catalogue) -> None:
    image = catalogue.path.parent / "4.png"
    Image.fromarray(np.full((SIDE, SIDE, 3), 4, np.uint8)).save(image)
    catalogue.add([Item(image, [Crowd(square(), "people")])])
    assert prelabel(catalogue, "boxes", ids=[4]).skipped == 1


def test_an_empty_prediction_changes_nothing(catalogue: Catalogue) -> None:
    Image.fromarray(np.full((SIDE, SIDE, 3), 1, np.uint8)).save(catalogue.path.parent / "1.png")
    assert prelabel(catalogue, "boxes", ids=[1]).done == 1
    assert (masks(catalogue, 1)[0] == square(10, 24)).all() and not catalogue.history(1)


def test_points_of_a_file_become_instances(catalogue: Catalogue) -> None:
    for item in (1, 2, 3):
        catalogue.update(item, [])
    file = catalogue.path.with_name("points.csv")
    file.write_text(f"path,x,y,label\n1.png,20.5,20,cat\n{catalogue.path.parent / '2.png'},20,20,\n")
    report = prelabel(catalogue, "points", points=file, label="thing")
    assert (report.done, report.skipped) == (2, 1)
    assert [one.label for item in (1, 2) for one in catalogue.item(item).instances] == ["cat", "thing"]
    assert (masks(catalogue, 1)[0] == square()).all()
    file.write_text(file.read_text() + "3.png,20,20,dog\n")
    assert prelabel(catalogue, "points", points=file, label="thing").done == 3
    assert [len(masks(catalogue, item)) for item in (1, 2, 3)] == [1, 1, 1], "existing objects are not added again"


def test_points_are_grouped(tmp_path: Path) -> None:
    given = {"a.jpg": [[1, 2], [3, 4, "cat"], [5, 6, "", "x"], [7, 8, "dog", "x", False]]}
    (tmp_path / "p.json").write_text(json.dumps(given))
    (tmp_path / "p.csv").write_text(
        "positive,object,label,y,x,path\n,,,2,1,a.jpg\n1,,cat,4,3,a.jpg\ntrue,x,,6,5,a.jpg\n0,x,dog,8,7,a.jpg\n", encoding="utf-8-sig"
    )
    points = read_points(given)
    assert points == read_points(tmp_path / "p.json") == read_points(str(tmp_path / "p.csv"))
    assert [point.positive for point in points["a.jpg"]] == [True, True, True, False]


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ({"9.png": [[1, 2]]}, "points of 9.png match no single item"),
        ({"1.png": [[1, "left"]]}, "write x and y as numbers"),
        ({"1.png": [[1]]}, "write x and y as numbers"),
        ({"1.png": [[1, float("nan")]]}, "finite"),
        ({"1.png": [[1, 2, "a", 1, True, "more"]]}, "more"),
        ("nowhere.csv", "nowhere.csv"),
    ],
)
def test_wrong_points_are_explained(catalogue: Catalogue, points: object, message: str) -> None:
    with pytest.raises((ValueError, OSError), match=message):
        prelabel(catalogue, "points", points=points)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.json", b"{"),
        ("p.json", b"\xff"),
        ("p.json", b"[" * 100_000),
        ("p.json", b"[[1, 2]]"),
        ("p.json", b'{"a.png": 3}'),
        ("p.json", b'{"a.png": {"x": 1}}'),
        ("p.json", b'{"a.png": [5]}'),
        ("p.json", b'{"a.png": [[1, 1' + b"0" * 400 + b"]]}"),
        ("p.csv", b"path,x,y\na.png,1,\xff\n"),
        ("p.csv", b"path,x,y\n" + b"a" * 200_000 + b",1,2\n"),
        ("p.csv", b"path,x,y\na.png,1\n"),
    ],
)
def test_a_broken_file_of_points_is_named(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(name)):
        read_points(tmp_path / name)


def test_a_json_file_of_points_may_start_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_bytes(b'\xef\xbb\xbf{"a.png": [[1, 2]]}')
    assert read_points(tmp_path / "p.json") == {"a.png": [(1.0, 2.0, "", None, True)]}


def test_a_point_outside_the_image_fails_only_its_item(catalogue: Catalogue) -> None:
    job = Prelabel("points", points={"1.png": [[20, 20]], "2.png": [[480, 20]]})
    report = cdwidget.run(job, catalogue)
    assert [one.item for one in report.failed] == [2] and "outside the image" in report.failed[0].description


def test_proposals_find_the_coins_of_a_photograph(tmp_path: Path) -> None:
    photo = skimage.data.coins()[80:220]
    Image.fromarray(photo).save(tmp_path / "a.png")
    parts, count = label(binary_fill_holes(photo > 115))
    coins = [parts == part for part in range(1, count + 1) if (parts == part).sum() > 700]
    catalogue = Catalogue(tmp_path / "labels.db")
    catalogue.add([tmp_path / "a.png"])
    search = Search(grid=6, cells=1)
    assert cdwidget.run(Prelabel("proposals", search=search, label="coin"), catalogue).done == 1
    found = catalogue.item(1).instances
    assert sum(max(iou(one.mask, coin) for coin in coins) > 0.9 for one in found) >= 6
    areas = [record.area for record in catalogue.item(1).records]
    assert areas == sorted(areas, reverse=True), "small ones are painted above"
    assert {one.label for one in found} == {"coin"} and catalogue.item(1).status == "new"
    assert all(iou(a.mask, b.mask) < DUPLICATE_IOU for n, a in enumerate(found) for b in list(found)[:n])
    catalogue.set_status(1, "accepted")
    cdwidget.run(Prelabel("proposals", search=search, label="coin"), catalogue, again=True)
    assert catalogue.item(1).status == "accepted" and len(catalogue.item(1).records) == len(areas), "nothing new is found"


def test_the_real_model_segments_the_object_in_a_box(tmp_path: Path) -> None:
    image = Image.new("RGB", (160, 120), (30, 90, 40))
    ImageDraw.Draw(image).ellipse((30, 20, 110, 100), fill=(230, 40, 30))
    image.save(tmp_path / "a.png")
    truth = np.array(image)[:, :, 0] == 230
    box = np.zeros((120, 160), bool)
    box[20:101, 30:111] = True
    catalogue = Catalogue(tmp_path / "labels.db")
    catalogue.add([Item(tmp_path / "a.png", [Instance(box, "ball")])])
    for from_ in ("boxes", "points", "masks"):
        assert cdwidget.run(Prelabel(from_), catalogue).done == 1
        assert iou(catalogue.item(1).instances[0].mask, truth) > 0.9
