"""Modes, held-out objects, several processes, resuming: with a predictor that segments by brightness."""

import json
from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

import cv2
import numpy as np
import pytest

from cdwidget.benchmark import MODES, Method, Options, baseline, import_method, run_all
from cdwidget.benchmark.protocol import benchmark, segment
from cdwidget.benchmark.results import Run, bootstrap_interval
from cdwidget.cli.benchmark import measure, read_objects
from cdwidget.formats.dataset_folders import HOLDOUT_INTERVAL, is_held_out, read_dataset
from cdwidget.mask_errors import MAX_FLIP_IOU, MIN_FLIP_IOU, flip_superpixels
from cdwidget.masks import iou
from cdwidget.predictor import Prediction
from cdwidget.prompts import Box, Click, Prompt, Stroke

prompt_log: list[tuple[Prompt, ...]] = []
images = 0


class Honest:
    """Segments all pixels as bright as the first pixel of a positive prompt."""

    def set_image(self, image: np.ndarray) -> None:
        global images
        images += 1
        self.image = image[..., 0] // 64

    def predict(self, prompts: Sequence[Prompt], prior: np.ndarray | None = None) -> Prediction:
        prompt_log.append(tuple(prompts))
        mask = np.zeros(self.image.shape, bool) if prior is None else prior > 0.5
        for prompt in prompts:
            if isinstance(prompt, Box):
                y, x = int((prompt.y0 + prompt.y1) / 2), int((prompt.x0 + prompt.x1) / 2)
            else:
                x, y = (int(v) for v in (prompt.points[0] if isinstance(prompt, Stroke) else (prompt.x, prompt.y)))
            equal = self.image == self.image[y, x]
            mask = mask | equal if isinstance(prompt, Box) or prompt.positive else mask & ~equal
        return Prediction(mask, mask.astype(np.float32))


BRIGHTNESS_METHOD = Method("honest", Honest, "honest 1")


@pytest.fixture
def sets(tmp_path: Path) -> Path:
    """Two training sets of bright squares, ids 1 and 2; of the six images of each two are held out."""
    rng = np.random.default_rng(0)
    for name in ("one", "two"):
        for part in ("images", "masks"):
            (tmp_path / name / part).mkdir(parents=True)
        stems = [f"{name}{number}" for number in range(200)]
        kept = [stem for stem in stems if crc32(stem.encode()) % HOLDOUT_INTERVAL][:4]
        for stem in kept + [stem for stem in stems if crc32(stem.encode()) % HOLDOUT_INTERVAL == 0][:2]:
            labels = np.zeros((40, 60), np.uint8)
            x = int(rng.integers(2, 8))
            labels[10:30, x : x + 16], labels[8:28, 34:50] = 1, 2
            image = np.choose(labels, [20, 100, 200]).astype(np.uint8)
            cv2.imwrite(str(tmp_path / name / "images" / f"{stem}.png"), np.repeat(image[..., None], 3, 2))
            cv2.imwrite(str(tmp_path / name / "masks" / f"{stem}.png"), labels)
    return tmp_path


def test_training_never_draws_held_out_objects(sets: Path) -> None:
    targets = read_objects([sets], held_out=True, objects=6)
    stems = {source.image.stem for name in ("one", "two") for source in read_dataset(sets / name) if is_held_out(source)}
    assert {target.name.partition("#")[0] for target in targets} <= stems and {target.group for target in targets} == {"one", "two"}
    assert targets == read_objects([sets], held_out=True, objects=6) != read_objects([sets], held_out=True, objects=6, seed=1)
    image, gt, ignore = targets[0].load()
    assert image.shape == (40, 60, 3) and gt.sum() == 320 and not ignore.any()
    with pytest.raises(ValueError, match=f"only {2 * len(stems)} of 500 objects are held out"):
        read_objects([sets], held_out=True, objects=500)


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_cuts_the_object_out(mode: str, sets: Path) -> None:
    (target,) = read_objects([sets], held_out=True, objects=1)
    prompt_log.clear()
    run = segment(target, Honest(), Options(mode))
    assert run.ious[-1] == 1.0 and len(run.encode) == 1 and len(run.predict) == len(prompt_log) > 0
    kinds = {"click": Click, "human": Click, "box": Box, "stroke": Stroke, "edit": Click}
    assert isinstance(prompt_log[0][0], kinds[mode])
    assert (MIN_FLIP_IOU <= run.start < MAX_FLIP_IOU) if mode == "edit" else run.start == 0
    assert segment(target, Honest(), Options(mode)).ious == run.ious


def test_a_first_click_that_worsens_the_mask_to_edit_is_a_drop() -> None:
    assert Run("a", (0.7, 0.9), 1.0, start=0.8).drops == 1


def test_an_unknown_mode_lists_the_choices() -> None:
    with pytest.raises(ValueError, match="did you mean 'stroke'"):
        Options("strokes")


@pytest.mark.parametrize("side", [4, 12, 90])
def test_corrupted_masks_have_the_requested_iou(side: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (150, 200, 3), np.uint8)
    gt, ignore = np.zeros((150, 200), bool), np.zeros((150, 200), bool)
    gt[30 : 30 + side, 80 : 80 + side] = True
    ignore[:, 79:81] = True
    masks = [flip_superpixels(image, gt, np.random.default_rng(seed), ignore) for seed in (0, 0, 1)]
    assert all(MIN_FLIP_IOU <= iou(mask & ~ignore, gt & ~ignore) < MAX_FLIP_IOU for mask in masks)
    assert np.array_equal(masks[0], masks[1]) and not np.array_equal(masks[0], masks[2])


def test_an_object_of_two_pixels_cannot_be_corrupted() -> None:
    gt = np.zeros((20, 20), bool)
    gt[3, 4:6] = True
    with pytest.raises(ValueError, match="an object of 2 pixels is too small"):
        flip_superpixels(np.zeros((20, 20, 3), np.uint8), gt, np.random.default_rng(0))


def figures(runs: Sequence[Run]) -> list[tuple]:
    """Runs without their seconds."""
    return [(run.group, run.name, run.start, run.ious) for run in runs]


def test_a_rerun_does_only_what_is_missing(sets: Path, tmp_path: Path) -> None:
    global images
    targets, record = read_objects([sets], held_out=True, objects=4), tmp_path / "r.jsonl"
    (whole,) = run_all([BRIGHTNESS_METHOD], targets, Options(), record=record)
    record.write_text("".join(record.read_text().splitlines(keepends=True)[:2]) + '{"key": "cut o')  # killed while it wrote
    images = 0
    (again,) = run_all([BRIGHTNESS_METHOD], targets, Options(), record=record)
    assert images == 2 and figures(again.runs) == figures(whole.runs)
    assert [json.loads(line)["method"] for line in record.read_text().splitlines()] == ["honest"] * 4
    run_all([BRIGHTNESS_METHOD], targets, Options(), record=record)
    assert images == 2
    for method, options in (
        (Method("honest", Honest, "honest 2"), Options()),
        (BRIGHTNESS_METHOD, Options(seed=1)),
        (BRIGHTNESS_METHOD, Options("box")),
    ):
        images = 0
        run_all([method], targets, options, record=record)
        assert images == 4


def test_several_processes_find_the_same(sets: Path) -> None:
    targets = read_objects([sets / "one"], limit=2)
    methods = [baseline("grabcut"), import_method(f"{__name__}:Honest")]
    alone, together = (run_all(methods, targets, Options(max_clicks=2), jobs=jobs) for jobs in (1, 2))
    assert [result.method for result in together] == ["grabcut", f"{__name__}:Honest"]
    for one, other in zip(alone, together):
        assert figures(one.runs) == figures(other.runs)


def test_a_failed_import_names_the_method() -> None:
    with pytest.raises(ValueError, match="'nowhere:Thing' cannot be imported"):
        import_method("nowhere:Thing")
    with pytest.raises(ValueError, match="no attribute 'Nobody'"):
        import_method(f"{__name__}:Nobody")


def test_all_files_and_tables_of_a_run(sets: Path, tmp_path: Path) -> None:
    targets = read_objects([sets], held_out=True, objects=4)
    out = tmp_path / "held-out.json"
    text = measure(
        [BRIGHTNESS_METHOD, baseline("grabcut")], targets, Options(max_clicks=3), sizes=[(32, 24)], out=out, compare=True, title="squares"
    )
    noc, groups, ious, tolerant, boundary, differences, latency = text.split("\n\n")
    assert noc.splitlines()[1].split()[:3] == ["honest", "4", "1.00"]
    assert [line.split()[0] for line in groups.splitlines()] == ["NoC85/NoC90", "one", "two"]
    assert [line.split()[:3] for line in ious.splitlines()[1:]] == [
        [name, count, "1.000/1.000"] for name, count in (("one", "2"), ("two", "2"), ("all", "4"))
    ]
    # A square of 16 x 20 pixels has an IoU of 320 / (18 * 22) with itself grown.
    assert [line.split()[:-2] for line in tolerant.splitlines()[1:]] == [["not", "tolerant", "4"]]
    assert boundary.splitlines()[1].split()[:4] == ["honest", "1.000", "1.000", "1.000"]
    assert differences.splitlines()[1].startswith("grabcut")
    assert "32x24" in latency and "peak memory MB" in latency
    content = json.loads(out.read_text())
    assert content["title"] == "squares" and content["kind"] == "ablation" and content["mode"] == "click"
    assert content["methods"]["honest"]["noc_by_set"]["two"]["0.9"] == 1
    assert content["methods"]["honest"]["boundary_iou_at"]["5"] == {"iou": 1.0, "2%": 1.0, "2px": 1.0}
    assert content["methods"]["honest"]["tolerant"]["objects"] == 0 and "spread" not in content
    assert content["latency"][0]["peak_bytes"] is None or content["latency"][0]["peak_bytes"] > content["latency"][0]["loaded_bytes"] / 2
    assert {path.suffix for path in tmp_path.glob("held-out.*")} == {".json", ".jsonl", ".csv", ".png"}


def test_human_clicks_are_repeated_with_other_seeds(sets: Path, tmp_path: Path) -> None:
    targets, out = read_objects([sets], held_out=True, objects=2), tmp_path / "human.json"
    prompt_log.clear()
    text = measure([BRIGHTNESS_METHOD], targets, Options("human", max_clicks=1), out=out, repeats=3)
    clicks = [prompts[0] for prompts in prompt_log]
    assert len(clicks) == 6 and len(set(clicks[::2])) > 1, "each run clicks elsewhere"
    assert text.split("\n\n")[-1].splitlines()[1].split() == ["honest", "3", *["1.00", "±", "0.00", "0.0%"] * 3]
    content = json.loads(out.read_text())
    assert content["repeats"] == 3 and content["seed"] == 0
    assert content["spread"]["honest"]["0.9"] == {"mean": 1.0, "standard_deviation": 0.0, "spread": 0.0}


def test_human_clicks_are_anywhere_in_the_error_region() -> None:
    gt = np.zeros((50, 50), bool)
    gt[5:45, 5:45] = True  # The core is 20 px deep; human clicks are at least 2 px deep, those of training at least 10 px.
    rng = np.random.default_rng(0)
    clicks = [MODES["human"].prompt(gt, ~gt & gt, ~gt & gt, (), rng) for _ in range(300)]
    depths = [min(click.x - 4, 45 - click.x, click.y - 4, 45 - click.y) for click in clicks if isinstance(click, Click)]
    assert len(depths) == 300 and min(depths) == 2 and max(depths) > 10
    assert all(click.positive for click in clicks if isinstance(click, Click))


def test_an_interval_holds_the_mean_and_is_the_same_every_time() -> None:
    values = np.array([1, 1, 1, 2, 2, 20])
    low, high = bootstrap_interval(values)
    assert 1 <= low < values.mean() < high <= 20 and bootstrap_interval(values) == (low, high)
    assert bootstrap_interval(np.array([3, 3, 3])) == (3, 3)


def test_benchmark_takes_any_predictor(sets: Path) -> None:
    result = benchmark("honest", read_objects([sets / "one"], limit=1), Honest())
    assert result.noc(0.9) == 1 and [run.group for run in result.runs] == ["one", "one"]
