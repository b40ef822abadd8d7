"""Modes, held-out objects, several processes, resuming: on a predictor that knows the truth, or nearly."""

import json
from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

import cv2
import numpy as np
import pytest

from cdwidget.benchmark import MODES, Method, Options, carry_out, imported, peer, read_objects, run_all
from cdwidget.benchmark.intervals import interval
from cdwidget.benchmark.noc import Result, Run, benchmark, cut_out
from cdwidget.benchmark.report import spread_figures
from cdwidget.faults import HIGH, LOW, faulty_mask
from cdwidget.formats.sets import HOLDOUT, held_out, read_set
from cdwidget.masks import iou
from cdwidget.predictor import Prediction
from cdwidget.prompts import Box, Click, Prompt, Stroke

asked: list[tuple[Prompt, ...]] = []
images = 0


class Honest:
    """Takes everything as bright as a positive prompt's first pixel for the object."""

    def set_image(self, image: np.ndarray) -> None:
        global images
        images += 1
        self.image = image[..., 0] // 64

    def predict(self, prompts: Sequence[Prompt], prior: np.ndarray | None = None) -> Prediction:
        asked.append(tuple(prompts))
        mask = np.zeros(self.image.shape, bool) if prior is None else prior > 0.5
        for prompt in prompts:
            if isinstance(prompt, Box):
                y, x = int((prompt.y0 + prompt.y1) / 2), int((prompt.x0 + prompt.x1) / 2)
            else:
                x, y = (int(v) for v in (prompt.points[0] if isinstance(prompt, Stroke) else (prompt.x, prompt.y)))
            alike = self.image == self.image[y, x]
            mask = mask | alike if isinstance(prompt, Box) or prompt.positive else mask & ~alike
        return Prediction(mask, mask.astype(np.float32))


HONEST = Method("honest", Honest, "honest 1")


@pytest.fixture
def sets(tmp_path: Path) -> Path:
    """Two training sets of bright squares, ids 1 and 2; of the six images of each two are held out."""
    rng = np.random.default_rng(0)
    for name in ("one", "two"):
        for part in ("images", "masks"):
            (tmp_path / name / part).mkdir(parents=True)
        stems = [f"{name}{number}" for number in range(200)]
        kept = [stem for stem in stems if crc32(stem.encode()) % HOLDOUT][:4]
        for stem in kept + [stem for stem in stems if crc32(stem.encode()) % HOLDOUT == 0][:2]:
            labels = np.zeros((40, 60), np.uint8)
            x = int(rng.integers(2, 8))
            labels[10:30, x : x + 16], labels[8:28, 34:50] = 1, 2
            image = np.choose(labels, [20, 100, 200]).astype(np.uint8)
            cv2.imwrite(str(tmp_path / name / "images" / f"{stem}.png"), np.repeat(image[..., None], 3, 2))
            cv2.imwrite(str(tmp_path / name / "masks" / f"{stem}.png"), labels)
    return tmp_path


def test_held_out_objects_are_those_training_never_draws(sets: Path) -> None:
    targets = read_objects([sets], held_out=True, objects=6)
    stems = {source.image.stem for name in ("one", "two") for source in read_set(sets / name) if held_out(source)}
    assert {target.name.partition("#")[0] for target in targets} <= stems and {target.group for target in targets} == {"one", "two"}
    assert targets == read_objects([sets], held_out=True, objects=6) != read_objects([sets], held_out=True, objects=6, seed=1)
    image, gt, ignore = targets[0].load()
    assert image.shape == (40, 60, 3) and gt.sum() == 320 and not ignore.any()
    with pytest.raises(ValueError, match=f"{2 * len(stems)} objects are held out, fewer than the 500"):
        read_objects([sets], held_out=True, objects=500)


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_cuts_the_object_out(mode: str, sets: Path) -> None:
    (target,) = read_objects([sets], held_out=True, objects=1)
    asked.clear()
    run = cut_out(target, Honest(), Options(mode))
    assert run.ious[-1] == 1.0 and len(run.encode) == 1 and len(run.predict) == len(asked) > 0
    assert len(run.boundary) == len(run.narrow) == len(run.ious) and run.boundary[-1] == run.narrow[-1] == 1.0
    kinds = {"click": Click, "human": Click, "box": Box, "stroke": Stroke, "edit": Click}
    assert isinstance(asked[0][0], kinds[mode])
    assert (LOW <= run.start < HIGH) if mode == "edit" else run.start == 0
    assert cut_out(target, Honest(), Options(mode)).ious == run.ious


def test_a_first_click_that_spoils_the_mask_to_edit_is_a_drop() -> None:
    assert Run("a", (0.7, 0.9), 1.0, start=0.8).drops == 1


def test_an_unknown_mode_lists_the_choices() -> None:
    with pytest.raises(ValueError, match="did you mean 'stroke'"):
        Options("strokes")


@pytest.mark.parametrize("side", [4, 12, 90])
def test_faulty_masks_have_the_iou_asked_for(side: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (150, 200, 3), np.uint8)
    gt, ignore = np.zeros((150, 200), bool), np.zeros((150, 200), bool)
    gt[30 : 30 + side, 80 : 80 + side] = True
    ignore[:, 79:81] = True
    masks = [faulty_mask(image, gt, np.random.default_rng(seed), ignore) for seed in (0, 0, 1)]
    assert all(LOW <= iou(mask & ~ignore, gt & ~ignore) < HIGH for mask in masks)
    assert np.array_equal(masks[0], masks[1]) and not np.array_equal(masks[0], masks[2])


def test_an_object_of_two_pixels_cannot_be_spoiled() -> None:
    gt = np.zeros((20, 20), bool)
    gt[3, 4:6] = True
    with pytest.raises(ValueError, match="an object of 2 pixels is too small"):
        faulty_mask(np.zeros((20, 20, 3), np.uint8), gt, np.random.default_rng(0))


def figures(runs: Sequence[Run]) -> list[tuple]:
    """Runs without their seconds."""
    return [(run.group, run.name, run.start, run.ious) for run in runs]


def test_a_rerun_does_only_what_is_missing(sets: Path, tmp_path: Path) -> None:
    global images
    targets, record = read_objects([sets], held_out=True, objects=4), tmp_path / "r.jsonl"
    (whole,) = run_all([HONEST], targets, Options(), record=record)
    record.write_text("".join(record.read_text().splitlines(keepends=True)[:2]) + '{"key": "cut o')  # killed while it wrote
    images = 0
    (again,) = run_all([HONEST], targets, Options(), record=record)
    assert images == 2 and figures(again.runs) == figures(whole.runs)
    assert [json.loads(line)["method"] for line in record.read_text().splitlines()] == ["honest"] * 4
    run_all([HONEST], targets, Options(), record=record)
    assert images == 2
    for method, options in ((Method("honest", Honest, "honest 2"), Options()), (HONEST, Options(seed=1)), (HONEST, Options("box"))):
        images = 0
        run_all([method], targets, options, record=record)
        assert images == 4


def test_several_processes_find_the_same(sets: Path) -> None:
    targets = read_objects([sets / "one"], limit=2)
    methods = [peer("grabcut"), imported(f"{__name__}:Honest")]
    alone, together = (run_all(methods, targets, Options(max_clicks=2), jobs=jobs) for jobs in (1, 2))
    assert [result.method for result in together] == ["grabcut", f"{__name__}:Honest"]
    for one, other in zip(alone, together):
        assert figures(one.runs) == figures(other.runs)


def test_what_cannot_be_imported_is_named() -> None:
    with pytest.raises(ValueError, match="'nowhere:Thing' cannot be imported"):
        imported("nowhere:Thing")
    with pytest.raises(ValueError, match="no attribute 'Nobody'"):
        imported(f"{__name__}:Nobody")


def test_all_files_and_tables_of_a_run(sets: Path, tmp_path: Path) -> None:
    targets = read_objects([sets], held_out=True, objects=4)
    out = tmp_path / "held-out.json"
    text = carry_out([HONEST, peer("grabcut")], targets, Options(max_clicks=3), sizes=[(32, 24)], out=out, compare=True, title="squares")
    noc, groups, tolerant, boundary, differences, latency = text.split("\n\n")
    assert noc.splitlines()[1].split()[:3] == ["honest", "4", "1.00"]
    assert [line.split()[0] for line in groups.splitlines()] == ["NoC85/NoC90", "one", "two"]
    assert [line.split()[0] for line in tolerant.splitlines()][-1] == "all" and "bIoU2px@5" in boundary
    assert differences.splitlines()[1].startswith("grabcut")
    assert "32x24" in latency and "peak memory MB" in latency
    content = json.loads(out.read_text())
    assert content["title"] == "squares" and content["kind"] == "ablation" and content["mode"] == "click"
    assert content["methods"]["honest"]["noc_by_set"]["two"]["0.9"] == 1
    assert content["methods"]["honest"]["boundary_iou_at"]["5"] == {"2%": 1.0, "2px": 1.0}
    assert content["latency"][0]["peak_bytes"] is None or content["latency"][0]["peak_bytes"] > content["latency"][0]["loaded_bytes"] / 2
    assert {path.suffix for path in tmp_path.glob("held-out.*")} == {".json", ".jsonl", ".csv", ".png"}


def test_human_like_clicks_are_repeated_with_other_seeds(sets: Path, tmp_path: Path) -> None:
    targets, out = read_objects([sets], held_out=True, objects=2), tmp_path / "human.json"
    asked.clear()
    text = carry_out([HONEST], targets, Options("human", max_clicks=1), out=out, repeats=3)
    clicks = [prompts[0] for prompts in asked]
    assert len(clicks) == 6 and len(set(clicks[::2])) > 1, "each run clicks elsewhere"
    row = next(block for block in text.split("\n\n") if block.startswith("human-like clicks")).splitlines()[1].split()
    assert row[:2] == ["honest", "3"] and "0.0%" in row
    spread = json.loads(out.read_text())["spread"]["honest"]["noc"]["0.9"]
    assert spread == {"mean": 1.0, "deviation": 0.0, "spread": 0.0, "best": 1.0, "worst": 1.0}


def test_the_spread_compares_runs_of_the_same_objects() -> None:
    def result(*clicks: int) -> Result:
        return Result("one", 20, tuple(Run(str(i), (0.0,) * (n - 1) + (0.92,), 1.0) for i, n in enumerate(clicks)))

    figures = spread_figures([[result(1, 3)], [result(2, 4)]])["one"]["noc"]["0.9"]
    assert figures == {"mean": 2.5, "deviation": pytest.approx(0.5**0.5), "spread": 0.4, "best": 2.0, "worst": 3.0}


def test_an_interval_holds_the_mean_and_is_the_same_every_time() -> None:
    values = np.array([1, 1, 1, 2, 2, 20])
    low, high = interval(values)
    assert 1 <= low < values.mean() < high <= 20 and interval(values) == (low, high)
    assert interval(np.array([3, 3, 3])) == (3, 3)


def test_benchmark_takes_any_predictor(sets: Path) -> None:
    result = benchmark("honest", read_objects([sets / "one"], limit=1), Honest())
    assert result.noc(0.9) == 1 and [run.group for run in result.runs] == ["one", "one"]
