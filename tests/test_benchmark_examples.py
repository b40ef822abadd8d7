"""The benchmark of showing one object to get all: cases, matching and figures."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from cdwidget.benchmark.examples import (
    Search,
    SearchRun,
    benchmark_across,
    benchmark_examples,
    read_images,
    read_labeled_sets,
    search_table,
    summarize_searches,
)
from cdwidget.benchmark.matching import Found, match_histogram, match_template
from cdwidget.benchmark.results import write_runs
from cdwidget.cli.app import app
from cdwidget.formats.map_classes import MapClasses
from cdwidget.masks import Patch, iou
from support.token_predictor import BrightPredictor

SIDE = 20
CLASSES = MapClasses(names={"squares": "square"})
CORNERS = [(10, 10), (60, 10), (110, 10), (10, 60), (60, 60), (110, 60)]  # (x, y)


def squares(sides: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return an image with textured squares, and a label map of them."""
    rng = np.random.default_rng(0)
    image, labels = rng.integers(90, 100, (100, 160, 3), np.uint8), np.zeros((100, 160), np.uint8)
    texture = rng.integers(0, 255, (SIDE, SIDE, 3), np.uint8)
    for i, ((x, y), side) in enumerate(zip(CORNERS, sides)):
        image[y : y + side, x : x + side] = cv2.resize(texture, (side, side))
        labels[y : y + side, x : x + side] = i + 1
    return image, labels


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A set with one image of six objects and one of two."""
    for part in ("images", "masks"):
        (tmp_path / "squares" / part).mkdir(parents=True)
    for name, sides in (("many", [20, 20, 20, 20, 20, 22]), ("few", [20, 20])):
        image, labels = squares(sides)
        cv2.imwrite(str(tmp_path / "squares" / "images" / f"{name}.png"), image[..., ::-1])
        cv2.imwrite(str(tmp_path / "squares" / "masks" / f"{name}.png"), labels)
    return tmp_path / "squares"


def perfect(image: np.ndarray, mask: np.ndarray) -> list[Found]:
    """Propose all squares but the example, one of them twice, and one false one."""
    _, labels = squares([20, 20, 20, 20, 20, 22])
    truths = [labels == i for i in range(1, 7) if iou(labels == i, mask) < 1]
    false = np.zeros_like(mask)
    false[80:95, 130:150] = True
    return [Found(Patch.of(one), 0.9 - i / 100) for i, one in enumerate([*truths, truths[0]])] + [Found(Patch.of(false), 0.2)]


def test_each_object_is_found_once_and_images_with_few_objects_do_not_count(folder: Path, tmp_path: Path) -> None:
    runs = benchmark_examples({"perfect": perfect, "nothing": lambda image, mask: []}, read_images([folder], held_out=False), CLASSES)
    assert [(run.method, run.name, run.objects) for run in runs] == [(name, "squares/many/square", 5) for name in ("perfect", "nothing")]
    assert runs[0].hits[0] == (True,) * 5 + (False, False)
    figures = summarize_searches(runs)
    assert figures["perfect"]["recall@0.5"] == 1 and figures["perfect"]["precision@0.5"] == pytest.approx(5 / 6)
    assert figures["perfect"]["recall@0.75 at precision 0.8"] == 1
    assert figures["perfect"]["correct objects per click"] == pytest.approx(5 / 3)  # Two clicks, and one for the wrong proposal.
    assert figures["nothing"]["recall@0.5"] == figures["nothing"]["precision@0.5"] == 0
    assert "| squares square | perfect | 1 | 5 |" in search_table(runs)
    write_runs(tmp_path / "out.json", runs, figures, kind="example")
    assert json.loads((tmp_path / "out.json").read_text())["figures"]["perfect"] == figures["perfect"]


@pytest.mark.parametrize("method", [match_template, match_histogram])
def test_the_baselines_find_copies_of_the_example(method: Search) -> None:
    image, labels = squares([20] * 6)
    found = method(image, labels == 1)
    best = [max(iou(labels == i, _mask(one, labels.shape)) for one in found if one.score >= 0.5) for i in range(2, 7)]
    assert min(best) > 0.8
    assert all(iou(labels == 1, _mask(one, labels.shape)) < 0.5 for one in found)


def test_more_examples_come_from_other_images(folder: Path) -> None:
    for name in "abc":  # Label maps with the class 1 only.
        image, labels = squares([20, 20, 20, 20, 20, 22])
        cv2.imwrite(str(folder / "images" / f"{name}.png"), image[..., ::-1])
        cv2.imwrite(str(folder / "masks" / f"{name}.png"), (labels > 0).astype(np.uint8))
    assert read_labeled_sets([folder], [], held_out=False) == []  # The values are no classes.
    (dataset,) = read_labeled_sets([folder], ["squares"], held_out=False)
    assert dataset.classes()[0] == "1"
    tests, others = dataset.split("1")
    names = [image.source.image.stem for image in (*tests, *others)]
    assert sorted(set(names)) == names == ["a", "b", "c", "few", "many"] and len(others) == 1
    runs = benchmark_across(BrightPredictor(), [1, 5], [dataset])
    assert [(run.method, run.objects) for run in runs if run.group == "squares 1"] == [("1 examples", 1)] * 4  # There are no 5 others.
    (folder / "images" / "b.png").write_bytes(b"broken")
    runs = benchmark_across(BrightPredictor(), [1], [dataset])
    assert [run.name for run in runs if run.group == "squares 1"] == [f"squares/{name}/1" for name in ("a", "c", "few")]


def test_each_example_costs_a_click() -> None:
    run = SearchRun("5 examples", "squares/a/1", "squares 1", 5, 3, (0.9, 0.8), ((True, True), (True, False)), 1.0)
    assert summarize_searches([run])["5 examples"]["correct objects per click"] == pytest.approx(2 / 6)  # And one to take all.


def _mask(found: Found, shape: tuple[int, ...]) -> np.ndarray:
    mask = np.zeros(shape, bool)
    found.patch.paste(mask)
    return mask


def test_a_search_across_images_refuses_a_missing_folder_before_it_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cdwidget.cli.benchmark.read_sets_with_classes", lambda *_: [])
    monkeypatch.setattr("cdwidget.cli.benchmark.measure_across", lambda *_: pytest.fail("it has started"))
    arguments = ["benchmark", "--data", str(tmp_path), "--mode", "example", "--examples", "1", "--out", str(tmp_path / "no" / "out.json")]
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "400"})
    assert result.exit_code == 2 and "does not exist" in result.output
