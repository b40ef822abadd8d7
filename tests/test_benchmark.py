"""The benchmark's figures, checked by hand on predictors that return scripted masks."""

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from PIL import Image

from cdwidget.benchmark import (
    BASELINES,
    Latency,
    Options,
    Result,
    benchmark,
    latency_table,
    measure_latency,
    noc_table,
    write_csv,
    write_json,
)
from cdwidget.benchmark.methods import GrabCut
from cdwidget.benchmark.protocol import MODES, click_through
from cdwidget.formats.dataset_folders import read_benchmark_objects
from cdwidget.predictor import Factors, Prediction
from cdwidget.prompts import Box, Click, Prompt, Stroke

TRUE_MASK = np.zeros((12, 27), bool)
TRUE_MASK[4:8, 1:26] = True  # 100 pixels, so that a part of n pixels has an IoU of n / 100
RNG = np.random.default_rng(0)


def part(pixels: int) -> np.ndarray:
    """The first pixels of TRUE_MASK, column by column."""
    mask = np.zeros_like(TRUE_MASK)
    columns, rows = divmod(pixels, 4)
    mask[4:8, 1 : 1 + columns] = True
    mask[4 : 4 + rows, 1 + columns] = rows > 0
    return mask


class ScriptedPredictor:
    """A predictor that identifies images by color, and predicts the k-th scripted mask of the image for click k."""

    def __init__(self, scripts: Sequence[Sequence[np.ndarray]]) -> None:
        self.scripts = scripts
        self.priors: list[np.ndarray | None] = []

    def set_image(self, image: np.ndarray) -> None:
        self.script = self.scripts[image[0, 0, 0]]

    def predict(self, prompts: Sequence[Prompt], prior: np.ndarray | None = None) -> Prediction:
        self.priors.append(prior)
        mask = self.script[len(prompts) - 1]
        return Prediction(mask=mask, prob=mask.astype(np.float32))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images, colored 0, 1 and 2, each with TRUE_MASK."""
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    for index in range(3):
        Image.new("RGB", TRUE_MASK.shape[::-1], (index, 0, 0)).save(tmp_path / "images" / f"{index}.png")
        Image.fromarray(TRUE_MASK.astype(np.uint8) * 255).save(tmp_path / "masks" / f"{index}.png")
    return tmp_path


@pytest.fixture
def result(folder: Path) -> Result:
    scripts = [
        [part(n) for n in (80, 86, 91, 96, 97)],  # done after click 5, when 0.95 is reached and IoU@5 known
        [part(n) for n in (50, 40, 88, 88, 88, 90)],  # click 2 lowers IoU; 0.90 at the last click, 0.95 never
        [part(100)],  # no error is left after the first click
    ]
    return benchmark("scripted", read_benchmark_objects(folder), ScriptedPredictor(scripts), Options(max_clicks=6, plain=True))


def test_noc_counts_the_first_click_that_reaches_a_threshold(result: Result) -> None:
    assert [result.noc(q) for q in (0.85, 0.90, 0.95)] == pytest.approx([(2 + 3 + 1) / 3, (3 + 6 + 1) / 3, (4 + 6 + 1) / 3])


def test_an_unreached_threshold_differs_from_the_last_click(result: Result) -> None:
    assert [result.nof(q) for q in (0.85, 0.90, 0.95)] == [0, 0, 1]
    assert [result.at_last(q) for q in (0.85, 0.90, 0.95)] == [0, 1, 0]


def test_an_object_that_is_done_keeps_its_iou(result: Result) -> None:
    assert [result.iou_at(k) for k in (1, 3, 5)] == pytest.approx([(0.80 + 0.50 + 1) / 3, (0.91 + 0.88 + 1) / 3, (0.97 + 0.88 + 1) / 3])


def test_drops_and_times(result: Result) -> None:
    assert [len(run.ious) for run in result.runs] == [5, 6, 1]
    assert result.clicks == 12 and result.drop_share == pytest.approx(1 / 12)
    assert len(result.encode_seconds) == 3 and len(result.predict_seconds) == 12
    assert result.spc * 12 == pytest.approx(sum(run.seconds for run in result.runs))
    assert sum(result.encode_seconds) + sum(result.predict_seconds) <= sum(run.seconds for run in result.runs)


def test_the_plain_predictor_gets_its_last_prob_as_prior(folder: Path) -> None:
    predictor = ScriptedPredictor([[part(50), part(100)]] * 3)
    benchmark("scripted", read_benchmark_objects(folder, limit=1), predictor, Options(plain=True))
    first, second = predictor.priors
    assert first is None and second is not None and second.dtype == np.float32 and (second == part(50)).all()


def test_a_session_merges_where_the_plain_predictor_does_not(folder: Path) -> None:
    stray = part(100)
    stray[0, 0:3] = True  # apart from the object: the session's click must leave it out
    predictor = ScriptedPredictor([[stray] * 20] * 3)
    (merged,) = benchmark("session", read_benchmark_objects(folder, limit=1), predictor).runs
    (plain,) = benchmark("plain", read_benchmark_objects(folder, limit=1), predictor, Options(plain=True, max_clicks=1)).runs
    assert merged.ious == (1.0,)
    assert plain.ious == (100 / 103,)


def test_the_best_first_prediction_or_alternative_is_recorded(folder: Path) -> None:
    class Undecided(ScriptedPredictor):
        def predict(self, prompts: Sequence[Prompt], prior: np.ndarray | None = None) -> Prediction:
            return replace(super().predict(prompts, prior), alternatives=(part(90 - 10 * len(prompts)), part(30)))

    result = benchmark("undecided", read_benchmark_objects(folder, limit=1), Undecided([[part(50), part(100)]] * 3), Options(plain=True))
    assert result.iou_at(1) == 0.5 and result.best_at_1 == pytest.approx(0.8)


def test_ignored_pixels_are_neither_clicked_nor_counted() -> None:
    ignore = TRUE_MASK & ~part(40)
    empty = np.zeros_like(TRUE_MASK)
    ious, *_ = click_through(TRUE_MASK & ~ignore, ignore, empty, lambda: lambda click: part(100), 20, MODES["click"], RNG)
    assert ious == (1.0,)


def test_each_click_goes_to_the_core_of_the_larger_error() -> None:
    clicks: list[Click] = []

    def clicker(click: Click) -> np.ndarray:
        clicks.append(click)
        return np.ones_like(TRUE_MASK)

    click_through(TRUE_MASK, np.zeros_like(TRUE_MASK), np.zeros_like(TRUE_MASK), lambda: clicker, 2, MODES["click"], RNG)
    # The object is 4 rows high, so its core is 2 pixels deep: rows 5 and 6, from x = 2 on; ties go to the first in raster order.
    # Then the 4 rows above and below it are wrong, 2 deep as well (the image's border counts): from (1, 1) on.
    assert clicks == [Click(2, 5, True), Click(1, 1, False)]


def test_boundary_iou_is_measured_after_each_click(folder: Path) -> None:
    predictor = ScriptedPredictor([[part(40), part(100)]] * 3)
    (run,) = benchmark("scripted", read_benchmark_objects(folder, limit=1), predictor, Options(plain=True)).runs
    # The object has 4 rows and 25 columns, the first mask 10 of these columns. Boundaries of 1 px (2 % of the diagonal) leave out 2 rows
    # of 23 and of 8 pixels, so they have 54 and 24 pixels. All except two inner pixels of the last mask column are in both.
    assert run.boundary_ious == (pytest.approx(22 / 56), 1.0)
    assert run.narrow_boundary_ious == (pytest.approx(0.4), 1.0)  # No pixel is more than 2 px from the border.
    assert run.grown_iou == pytest.approx(100 / (6 * 27)) and not run.tolerant


def test_max_clicks_must_be_positive() -> None:
    with pytest.raises(ValueError, match="max_clicks is 0"):
        Options(max_clicks=0)


def test_table(result: Result) -> None:
    header, row = noc_table([result]).splitlines()
    cells = dict(zip(header.split(), row.split()))
    assert cells["NoC85"] == "2.00" and cells["NoC90"] == "3.33" and cells["NoF90"] == "0+1" and cells["NoF95"] == "1+0"
    assert cells["mIoU@1"] == "0.767" and cells["drops"] == "8.3%"
    low, _, high = cells["NoC90[95%]"].partition("-")
    assert float(low) < 3.33 < float(high)
    assert header.index("NoC85") + len("NoC85") == row.index("2.00") + len("2.00")


def test_json_holds_all_figures_and_each_run(result: Result, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    write_json(out, [result], [Latency("scripted", 640, 480, (0.2,), (0.1, 0.3), (0.1, 0.2), 2**20, 2**21, (0.4,))], title="somewhere")
    content = json.loads(out.read_text())
    figures = content["methods"]["scripted"]
    assert content["title"] == "somewhere"
    assert figures["noc"]["0.9"] == pytest.approx(10 / 3) and figures["never_reached"]["0.95"] == 1
    assert figures["reached_at_last_click"]["0.9"] == 1 and figures["drop_share"] == pytest.approx(1 / 12)
    assert figures["runs"][1]["name"] == "1" and figures["runs"][1]["ious"] == [0.5, 0.4, 0.88, 0.88, 0.88, 0.9]
    (latency,) = content["latency"]
    assert latency["method"] == "scripted" and latency["click_ms"]["p50"] == pytest.approx(200) and latency["peak_bytes"] == 2**21
    assert latency["focus_click_ms"]["p50"] == pytest.approx(400)
    low, high = figures["noc_interval"]["0.9"]
    assert 1 <= low < figures["noc"]["0.9"] < high <= 6
    assert list(figures["noc_by_set"].values()) == [{"objects": 3, **figures["noc"]}]
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["out.json"]


def test_csv_has_one_line_per_object(result: Result, tmp_path: Path) -> None:
    write_csv(tmp_path / "out.csv", [result])
    first, second, third = list(csv.DictReader((tmp_path / "out.csv").open()))
    assert second["method"] == "scripted" and second["object"] == "1" and second["set"] == tmp_path.name
    assert [second[f"clicks to {q}"] for q in (0.85, 0.9, 0.95)] == ["3", "6", ""]
    assert (second["IoU@1"], second["IoU@5"], second["clicks"], second["drops"]) == ("0.5000", "0.8800", "6", "1")


def test_a_failed_write_leaves_the_old_file(result: Result, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    out.write_text("old")
    with pytest.raises(TypeError):
        write_json(out, [result], about=object())
    assert out.read_text() == "old"


def test_latency_counts_clicks_after_a_warm_up_round() -> None:
    latency = measure_latency("grabcut", GrabCut(), 32, 24, rounds=2)
    assert len(latency.encode) == 2 and len(latency.click) == 16 and len(latency.predict) == 16
    assert "32x24" in latency_table([latency])
    assert latency.focus_click == ()
    with pytest.raises(ValueError, match="allowed are at least 16, 16 and 1"):
        measure_latency("grabcut", GrabCut(), 8, 24)


def test_latency_counts_clicks_with_a_focus_view_separately() -> None:
    class EveryThirdCloser(GrabCut):
        calls = 0

        def predict(self, prompts: Sequence[Prompt], prior: np.ndarray | None = None) -> Prediction:
            self.calls += 1
            factors = SimpleNamespace(focus=None if self.calls % 3 else object())
            return replace(super().predict(prompts, prior), factors=cast(Factors, factors))

    latency = measure_latency("closer", EveryThirdCloser(), 32, 24, rounds=2)  # 24 clicks, 8 of them in the warm-up round
    assert len(latency.focus_click) == 6 and len(latency.click) == 10 and len(latency.predict) == 16


@pytest.fixture
def poppy() -> np.ndarray:
    image = np.full((60, 80, 3), (40, 90, 40), np.uint8)
    image[20:40, 30:60] = (220, 60, 50)
    return image


@pytest.mark.parametrize("name", BASELINES)
def test_peer_predicts_from_clicks(name: str, poppy: np.ndarray) -> None:
    baseline = BASELINES[name]()
    baseline.set_image(poppy)
    first = baseline.predict([Click(45, 30)])
    assert first.mask.dtype == bool and first.prob.dtype == np.float32 and first.mask.shape == first.prob.shape == (60, 80)
    assert first.mask[30, 45] and not first.mask[5, 5]
    second = baseline.predict([Click(45, 30), Click(35, 25, False)], prior=first.prob)
    assert not second.mask[25, 35]
    assert not baseline.predict([Click(5, 5, False)]).mask.any()
    assert (baseline.predict([Click(45, 30)]).mask == first.mask).all()


@pytest.mark.parametrize("name", BASELINES)
def test_peer_predicts_from_boxes_and_strokes(name: str, poppy: np.ndarray) -> None:
    baseline = BASELINES[name]()
    baseline.set_image(poppy)
    truth = (poppy == (220, 60, 50)).all(2)
    boxed = baseline.predict([Box(26, 16, 64, 44), Stroke(((35, 30), (55, 30)), True)]).mask
    assert (boxed & truth).sum() / (boxed | truth).sum() > 0.8 and not boxed[:16].any()
    assert not baseline.predict([Click(45, 22), Stroke(((35, 30), (55, 30)), False, 2)]).mask[30, 35:55].any()


@pytest.mark.parametrize("name", BASELINES)
def test_peer_needs_an_image_of_any_size(name: str) -> None:
    baseline = BASELINES[name]()
    with pytest.raises(ValueError, match="call set_image first"):
        baseline.predict([Click(1, 1)])
    baseline.set_image(np.zeros((16, 16, 3), np.uint8))
    assert baseline.predict([Click(8, 8)], prior=np.ones((16, 16), bool)).mask[8, 8]
    baseline.set_image(np.zeros((700, 2, 3), np.uint8))
    assert baseline.predict([Click(1, 8)]).mask.shape == (700, 2)
