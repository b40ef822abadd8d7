"""Training sets: all kinds of masks are read, and bad files are reported before training starts."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools import mask as reference
from typer.testing import CliRunner

import cdwidget
from cdwidget.cli.app import app
from cdwidget.formats.dataset_folders import DatasetImageError, is_held_out, read_dataset
from cdwidget.train import RECIPES, Recipe, SetOptions, data_ablations, reweighted
from cdwidget.train.config import DatasetSettings
from cdwidget.train.data import Sampler, read_sets, remove_unusable
from cdwidget.train.matching import MATCHER_RECIPE
from cdwidget.train.quality import QUALITY_RECIPE

RECIPE = Recipe(batch=4, holdout=10**9, edits=1.0)


@pytest.fixture()
def squares(tmp_path):
    """Six images of 70x90 with two squares each, in a label map with void on top."""
    folder = tmp_path / "squares"
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    for i in range(6):
        labels = np.zeros((70, 90), np.uint8)
        labels[10:40, 5 + i : 40], labels[30:60, 50:80], labels[0] = 1, 2, 255
        cv2.imwrite(str(folder / "images" / f"{i}.png"), np.random.default_rng(i).integers(0, 255, (70, 90, 3), np.uint8))
        cv2.imwrite(str(folder / "masks" / f"{i}.png"), labels)
    return folder


def break_file(folder, problem):
    mask, image = folder / "masks" / "3.png", folder / "images" / "3.png"
    if problem == "missing mask":
        mask.unlink()
    elif problem == "mis-sized mask":
        cv2.imwrite(str(mask), np.ones((10, 10), np.uint8))
    elif problem == "empty mask":
        cv2.imwrite(str(mask), np.full((70, 90), 255, np.uint8))
    elif problem == "unreadable mask":
        mask.write_bytes(mask.read_bytes()[:60])
    else:
        image.write_bytes(b"")


PROBLEMS = ["missing mask", "mis-sized mask", "empty mask", "unreadable mask", "unreadable image"]


@pytest.mark.parametrize("problem", PROBLEMS)
def test_a_bad_file_raises_an_error_or_is_left_out_and_counted(problem, squares):
    break_file(squares, problem)
    sets = read_sets([squares])
    with pytest.raises(ValueError, match=rf"1 of 6 images.*1 {problem} \(3\.png\).*3\.png.*--skip-bad"):
        remove_unusable(sets, skip=False)
    good, report = remove_unusable(sets, skip=True)
    assert [source.image.stem for source in good[0][1]] == ["0", "1", "2", "4", "5"]
    assert f"1 {problem} (3.png)" in report and "left out" in report
    source = sets[0][1][3]
    if problem == "empty mask":
        assert len(source.load()[1]) == 0
    else:
        with pytest.raises(DatasetImageError, match=r"3\.png"):
            source.load()


def test_skipping_counts_by_kind_and_never_leaves_a_set_empty(squares):
    for path in list((squares / "masks").iterdir())[:4]:
        path.unlink()
    (squares / "images" / "5.png").write_bytes(b"no image")
    _, report = remove_unusable(read_sets([squares]), skip=True)
    assert "4 missing mask" in report or "3 missing mask" in report and "1 unreadable image" in report
    for path in (squares / "masks").iterdir():
        path.unlink()
    with pytest.raises(ValueError, match="No usable image is left in squares"):
        remove_unusable(read_sets([squares]), skip=True)
    assert remove_unusable([], skip=False) == ([], "")


def test_the_command_leaves_out_bad_files_and_counts_them(squares, tmp_path, monkeypatch):
    break_file(squares, "empty mask")
    monkeypatch.setitem(RECIPES, "tiny", replace(RECIPE, model=replace(RECIPES["cdnet-r34"].model, backbone="lite0", size=64, channels=32)))
    arguments = ["train", "tiny", "--data", str(squares), "--steps", "1", "--device", "cpu", "--out", str(tmp_path / "m.safetensors")]
    refused = CliRunner().invoke(app, arguments, env={"COLUMNS": "400"})
    assert refused.exit_code == 2 and "1 empty mask (3.png)" in refused.output
    run = CliRunner().invoke(app, [*arguments, "--skip-bad"], env={"COLUMNS": "400"})
    assert run.exit_code == 0 and "they are left out" in run.output and (tmp_path / "m.safetensors").is_file()


def test_values_of_a_label_map_name_its_objects(squares):
    (source, *_) = read_dataset(squares)
    assert source.object_labels() == ["1", "2"] and len(source.load()[1]) == 2


def test_binary_masks_are_objects_with_void(squares):
    for path in (squares / "masks").iterdir():
        mask = np.zeros((70, 90), np.uint8)
        mask[20:50, 30:60], mask[60:] = 255, 128
        cv2.imwrite(str(path), mask)
    _, masks, valid = read_dataset(squares)[0].load()
    assert masks.shape == (1, 70, 90) and masks.sum() == 900 and not valid[60:].any() and valid[:60].all()


def test_coco_polygons_and_run_lengths_of_both_kinds_overlap_and_crowds_are_void(squares):
    masks = np.zeros((70, 90, 3), np.uint8, order="F")
    masks[10:40, 10:40, 0] = masks[20:60, 20:60, 1] = masks[65:, :, 2] = 1
    packed, plain, crowd = reference.encode(masks)
    runs = reference.frPyObjects({"size": [70, 90], "counts": [0, 70 * 90]}, 70, 90)  # The reference converts plain lists so.
    assert reference.area(runs) == 70 * 90
    columns = masks[..., 1].ravel(order="F")
    changes = np.flatnonzero(np.diff(columns)) + 1
    counts = np.diff(np.concatenate([[0], changes, [columns.size]])).tolist()
    shapes = [
        {"size": [70, 90], "counts": packed["counts"].decode()},
        {"size": [70, 90], "counts": counts},
        [[50, 10, 80, 10, 80, 30, 50, 30], [50, 40, 60, 40, 60, 50, 50, 50]],
        {"size": [70, 90], "counts": crowd["counts"].decode()},
    ]
    annotations = [{"id": i, "image_id": 7, "category_id": 1, "iscrowd": int(i == 3), "segmentation": s} for i, s in enumerate(shapes)]
    content = {
        "images": [{"id": 7, "file_name": "0.png", "height": 70, "width": 90}, {"id": 8, "file_name": "1.png", "height": 70, "width": 90}],
        "categories": [{"id": 1, "name": "thing"}],
        "annotations": annotations,
    }
    (squares / "annotations.json").write_text(json.dumps(content))
    (source,) = read_dataset(squares)  # The image without annotations is left out.
    source.check()
    _, found, valid = source.load()
    assert np.array_equal(found[:2], masks[..., :2].transpose(2, 0, 1).astype(bool)) and (found[0] & found[1]).any()
    assert found.shape[0] == 3 and found[2].sum() == 30 * 20 + 100
    assert np.array_equal(~valid, masks[..., 2].astype(bool))
    assert source.object_labels() == ["thing"] * 3
    content["images"][0].update(height=80)
    for annotation in annotations:
        annotation["segmentation"] = {"size": [80, 90], "counts": [80 * 80, 80 * 10]}
    (squares / "annotations.json").write_text(json.dumps(content))
    with pytest.raises(DatasetImageError, match="90x80 pixels and the image 0.png is 90x70"):
        read_dataset(squares)[0].check()
    (squares / "images" / "0.png").unlink()
    with pytest.raises(DatasetImageError, match="no image .*0.png"):
        read_dataset(squares)[0].check()


def test_weights_of_sets_are_given_by_name():
    recipe = Recipe(sets={"a": SetOptions(weight=3, union=0.4)})
    changed = reweighted(recipe, ["a=0.5", "b=2"], ["a", "b", "c"])
    assert changed.sets == {"a": SetOptions(weight=0.5, union=0.4), "b": SetOptions(weight=2)}
    for wrong, message in (("a", "SET=NUMBER"), ("a=-1", "above 0"), ("a=nan", "above 0"), ("d=1", "no data set named 'd'")):
        with pytest.raises(ValueError, match=message):
            reweighted(recipe, [wrong], ["a", "b"])


def test_weights_decide_how_often_a_set_is_drawn(squares, tmp_path):
    other = tmp_path / "other"
    other.symlink_to(squares)
    recipe = replace(RECIPE, sets={"squares": SetOptions(weight=9)})
    assert Sampler(recipe, read_sets([squares, other])).probabilities.tolist() == [0.9, 0.1]


def test_a_set_left_out_is_never_drawn_and_the_others_keep_their_views(squares, tmp_path):
    other = tmp_path / "other"
    other.symlink_to(squares)
    sets, recipe = read_sets([squares, other]), replace(RECIPE, model=replace(RECIPE.model, size=64), edits=0.0, views=20)

    def views_without(*names):
        sampler = Sampler(replace(recipe, left_out=names), sets)
        assert sampler.view_description() == Sampler(recipe, sets).view_description()
        return {sample.view.key: sample.view.image for step in range(20) for sample in sampler.row(step, 0)}

    every, first, second = views_without(), views_without("other"), views_without("squares")
    assert first and second and not first.keys() & second.keys()
    assert all(np.array_equal(every[key], image) for key, image in (first | second).items() if key in every)
    with pytest.raises(ValueError, match="all data sets are left out"):
        views_without("squares", "other")


def test_data_ablations_name_the_sets_that_they_leave_out():
    recipes = data_ablations(RECIPE, ["a", "b, c"], ["a", "b", "c"])
    assert {name: (recipe.left_out, recipe.seed) for name, recipe in recipes.items()} == {
        "all-sets": ((), 0), "other-seed": ((), 1), "without-a": (("a",), 0), "without-b+c": (("b", "c"), 0)
    }  # fmt: skip
    with pytest.raises(ValueError, match="no data set named 'd'"):
        data_ablations(RECIPE, ["a,d"], ["a", "b"])
    with pytest.raises(ValueError, match="'b,a' are all data sets"):
        data_ablations(RECIPE, ["b,a"], ["a", "b"])


def test_half_of_the_edits_begin_with_superpixels_flipped_until_the_iou_fits(squares):
    recipe = replace(RECIPE, model=replace(RECIPE.model, size=256), crops=0.0)
    sampler, again = Sampler(recipe, read_sets([squares])), Sampler(recipe, read_sets([squares]))
    ious = []
    for step in range(12):
        for sample, same in zip(sampler.row(step, 0), again.row(step, 0)):
            assert np.array_equal(sample.start, same.start)
            valid = sample.view.valid
            for target, start in zip(sample.targets & valid, sample.start & valid):
                ious.append((target & start).sum() / (target | start).sum())
    fits = [0.75 <= iou < 0.85 for iou in ious]
    assert len(ious) == 48 and 0.4 < np.mean(fits) < 0.9


def test_a_fully_held_out_set_is_reported(squares):
    sources = [source for source in read_dataset(squares) if is_held_out(source, 1)]
    with pytest.raises(ValueError, match="all images of squares are held out"):
        Sampler(replace(RECIPE, holdout=1), [("squares", sources)])


def test_the_recipes_take_the_data_sets_from_the_file_next_to_the_weights():
    settings = DatasetSettings.read()
    assert all(recipe.sets == settings.segmentation for recipe in RECIPES.values()) and QUALITY_RECIPE.sets == settings.quality
    assert settings.segmentation.keys() > settings.quality.keys() > set(settings.classes.class_maps)
    assert MATCHER_RECIPE.sets == settings.matching and settings.matching.keys() > {*settings.classes.names, *settings.classes.sorted_maps}
    assert MATCHER_RECIPE.classes == settings.classes


def test_no_data_set_is_named_in_the_code():
    settings = DatasetSettings.read()
    names = {*settings.segmentation, *settings.matching}
    package = Path(cdwidget.__file__).parent
    found = [(file.name, name) for file in package.rglob("*.py") for name in names if f'"{name}"' in file.read_text()]
    assert not found
