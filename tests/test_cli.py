"""The command line, as a user types it."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import cdwidget
from cdwidget.cli.app import app
from cdwidget.model.cdnet import CDNet, CDNetConfig
from cdwidget.model.checkpoint import load_checkpoint, save_checkpoint
from cdwidget.train import RECIPES, Recipe


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures of a red rectangle on green, with its mask."""
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    for index in range(2):
        mask = np.zeros((48, 64), bool)
        mask[12:36, 16 + index : 48] = True
        Image.fromarray(np.where(mask[:, :, None], (220, 60, 50), (40, 90, 40)).astype(np.uint8)).save(tmp_path / "images" / f"{index}.png")
        Image.fromarray(mask.astype(np.uint8) * 255).save(tmp_path / "masks" / f"{index}.png")
    return tmp_path


def invoke(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "400"})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def test_version_through_the_console_script() -> None:
    script = Path(sys.executable).with_name("cdwidget")
    assert subprocess.check_output([script, "--version"], text=True) == f"cdwidget {cdwidget.__version__}\n"


def test_benchmark_on_a_folder(folder: Path) -> None:
    out = folder / "figures.json"
    code, output = invoke("benchmark", "--data", folder, "--methods", "grabcut", "--out", out, "--limit", 1, "--max-clicks", 3)
    assert code == 0, output
    assert "NoC90" in output and "grabcut" in output
    content = json.loads(out.read_text())
    assert content["methods"]["grabcut"]["objects"] == 1 and content["methods"]["grabcut"]["max_clicks"] == 3
    assert content["cdwidget"] == cdwidget.__version__


@pytest.mark.parametrize("plain", [[], ["--plain"]])
def test_benchmark_of_the_default_model(folder: Path, plain: list[str]) -> None:
    code, output = invoke("benchmark", "--data", folder, "--methods", "cdnet, grabcut", "--limit", 1, "--max-clicks", 2, *plain)
    assert code == 0, output
    noc_table, _ = output.split("\n\n", 1)
    assert [line.split()[0] for line in noc_table.splitlines() if line.startswith(("cdnet", "grabcut"))] == ["cdnet", "grabcut"]


@pytest.mark.parametrize(("options", "repeats"), [([], 10), (["--repeats", 2], 2)])
def test_benchmark_of_human_clicks(folder: Path, options: list[object], repeats: int) -> None:
    command = ["benchmark", "--data", folder, "--methods", "random-walker", "--mode", "human", "--limit", 1, "--max-clicks", 1, *options]
    code, output = invoke(*command)
    assert code == 0, output
    header, row = output.strip().splitlines()[-2:]
    assert "NoC90 ± SD" in header and row.split()[:2] == ["random-walker", str(repeats)]


def test_latency(tmp_path: Path) -> None:
    out = tmp_path / "latency.json"
    code, output = invoke("benchmark", "--latency", "--methods", "grabcut", "--size", "40x32", "--out", out)
    assert code == 0, output
    assert "40x32" in output and "NoC" not in output
    (latency,) = json.loads(out.read_text())["latency"]
    assert latency["method"] == "grabcut" and latency["click_ms"]["p95"] > 0


def test_benchmark_of_held_out_objects_with_a_custom_predictor(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "mine.py").write_text("from cdwidget.benchmark.methods import GrabCut as Mine\n")
    monkeypatch.chdir(folder)
    held = [n for n in range(2000) if crc32(str(n).encode()) % 20 == 0][:2]
    for number in held:
        for kind in ("images", "masks"):
            (folder / kind / f"{number}.png").write_bytes((folder / kind / "0.png").read_bytes())
    labels = np.full((48, 64), 1, np.uint8)
    labels[:, :30] = 0
    for path in (folder / "masks").iterdir():
        Image.fromarray(labels).save(path)
    options = ["--held-out", "--objects", 2, "--mode", "edit", "--max-clicks", 2]
    code, output = invoke("benchmark", "--data", folder, "--methods", "mine:Mine", *options, "--out", "mine.json")
    assert code == 0, output
    runs = json.loads(Path("mine.json").read_text())["methods"]["mine:Mine"]["runs"]
    assert sorted(run["name"] for run in runs) == sorted(f"{number}#0" for number in held)
    assert all(0.75 <= run["start"] < 0.85 for run in runs)


def test_ablate_reports_the_difference_to_the_model(folder: Path) -> None:
    weights, out = folder / "small.safetensors", folder / "ablation.json"
    save_checkpoint(weights, CDNet(CDNetConfig(backbone="lite0", size=64, channels=32)))
    code, output = invoke("ablate", "--data", folder, "--model", weights, "--limit", 1, "--max-clicks", 1, "--out", out)
    assert code == 0, output
    first, *others = (name.removeprefix(str(weights)) for name in json.loads(out.read_text())["methods"])
    assert first == "" and {"@pdm-0", "@flip", "@zoom-off", "@no-previous-mask"} <= set(others)
    assert "@zoom-2.0" not in others and "@pdm-10" not in others  # These are the model's own settings.
    assert f"difference to {weights}" in output


def test_ablate_trains_one_change_at_a_time_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = {"cdnet": {}, "fdm-off": {"fdm": "off"}, "clicks-distance": {"click_encoding": "distance"}}
    monkeypatch.setattr("cdwidget.train.ablations.CHANGES", changes)
    model = CDNetConfig(backbone="lite0", size=64, channels=32)
    monkeypatch.setitem(RECIPES, "small", Recipe(model, batch=4, rounds=1, views=2, holdout=10**9))
    out = folder / "trained.json"
    command = ("ablate", "--data", folder, "--model", "small", "--train", 2, "--limit", 1, "--max-clicks", 1, "--out", out)
    code, output = invoke(*command)
    assert code == 0, output
    assert list(json.loads(out.read_text())["methods"]) == list(changes) and "difference to cdnet" in output
    written = {name: (folder / "trained.weights" / f"{name}.safetensors").stat().st_mtime_ns for name in changes}
    assert load_checkpoint(folder / "trained.weights" / "fdm-off.safetensors").config == replace(model, fdm="off")
    assert invoke(*command)[0] == 0
    assert written == {name: (folder / "trained.weights" / f"{name}.safetensors").stat().st_mtime_ns for name in changes}
    assert "--train needs --out" in invoke(*command[:-2])[1]


def test_ablate_trains_without_data_sets(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = CDNetConfig(backbone="lite0", size=64, channels=32)
    monkeypatch.setitem(RECIPES, "small", Recipe(model, batch=4, rounds=1, views=2, holdout=10**9))
    first, second, out = folder / "first", folder / "second", folder / "left-out.json"
    for data in (first, second):
        data.symlink_to(folder)
    command = ("ablate", "--data", first, "--data", second, "--model", "small", "--limit", 1, "--max-clicks", 1, "--out", out)
    leave_out = ("--leave-out", "first", "--leave-out", "second")
    code, output = invoke(*command, "--train", 1, *leave_out)
    assert code == 0, output
    assert list(json.loads(out.read_text())["methods"]) == ["all-sets", "other-seed", "without-first", "without-second"]
    assert "mIoU@1/mIoU@3" in output
    assert "--leave-out needs --train" in invoke(*command, *leave_out)[1]
    assert "no data set named 'third'" in invoke(*command, "--train", 1, "--leave-out", "third")[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--data DIR, --latency or both"),
        (["--data", "nowhere"], "a benchmark folder holds images/ and masks/"),
        (["--latency", "--methods", " , "], "name at least one method"),
        (["--latency", "--size", "wide"], "'wide' is not a size; write WIDTHxHEIGHT"),
        (["--latency", "--size", "8x8"], "each at least 16"),
        (["--latency", "--methods", "grabcutt"], "did you mean 'grabcut'?"),
        (["--latency", "--methods", "grabcut", "--out", "nowhere/out.json"], "does not exist"),
        (["--latency", "--methods", "cdnet@brrs"], "did you mean 'brs'?"),
        (["--latency", "--methods", "nowhere:Thing"], "cannot be imported"),
        (["--latency", "--methods", "nowhere.safetensors"], "nowhere.safetensors"),
        (["--latency", "--mode", "clik"], "did you mean 'click'?"),
    ],
)
def test_a_wrong_option_is_explained(arguments: list[str], message: str) -> None:
    code, output = invoke("benchmark", *arguments)
    assert code == 2 and message in output
