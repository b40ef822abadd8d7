"""Training of the detail branch: views with the network's own errors, nothing else changes, and runs that continue where they ended."""

import json
from dataclasses import replace
from pathlib import Path
from zlib import crc32

import cv2
import numpy as np
import pytest
import torch

from cdwidget.formats.sets import HOLDOUT
from cdwidget.model.cdnet import CDNet, CDNetConfig
from cdwidget.model.checkpoint import load_checkpoint, save_checkpoint
from cdwidget.train import focus_views
from cdwidget.train.detail import DETAIL, detail_loss, prepare, read, train_detail


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("model") / "small.safetensors"
    save_checkpoint(file, CDNet(CDNetConfig(backbone="lite0", size=64, channels=32, pdm_steps=0)))
    return file


@pytest.fixture(scope="module")
def prepared(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("squares")
    (folder / "images").mkdir()
    (folder / "masks").mkdir()
    rng = np.random.default_rng(0)
    for stem in [stem for stem in map(str, range(40)) if crc32(stem.encode()) % HOLDOUT]:
        labels = np.zeros((120, 160), np.uint8)
        x, y = rng.integers(10, 50, 2)
        labels[y : y + 60, x : x + 80] = 1
        cv2.imwrite(str(folder / "images" / f"{stem}.png"), np.dstack([60 + 120 * labels] * 3))
        cv2.imwrite(str(folder / "masks" / f"{stem}.png"), labels)
    views = folder / "views"
    with pytest.MonkeyPatch.context() as patch:  # of a network with random weights hardly any change is small enough for a focus view
        patch.setattr("cdwidget.model.predictor.focus_box", lambda *_: (20, 20, 84, 84))
        views.mkdir()
        focus_views._collect(model, [folder], views, 12, 0, 1, 0)
    prepare(model, views, folder / "prepared")
    return folder / "prepared"


def test_views_hold_what_the_network_saw_and_the_truth(prepared: Path) -> None:
    files = sorted(prepared.glob("*.safetensors"))
    assert len(files) >= 12
    batch = read(files[:3])
    assert batch["image"].shape == batch["maps"].shape == (3, 3, 64, 64) and batch["logits"].shape == (3, 1, 16, 16)
    assert batch["truth"].shape == batch["valid"].shape == (3, 1, 64, 64) and 0 < batch["truth"].mean() < 1 and batch["valid"].all()


def test_only_the_detail_branch_learns_and_a_run_continues_where_it_ended(model: Path, prepared: Path, tmp_path: Path) -> None:
    recipe = replace(DETAIL, steps=4, batch=4, warmup=1)
    whole = load_checkpoint(train_detail(model, prepared, tmp_path / "whole.safetensors", recipe))
    base = load_checkpoint(model)
    for name, value in base.state_dict().items():
        assert torch.equal(whole.state_dict()[name], value), name
    assert whole.config.detail and whole.detail is not None and whole.detail.out[-1].weight.abs().sum() > 0
    log = [json.loads(line) for line in (tmp_path / "whole.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in log] == [1, 2, 3, 4] and log[0]["loss"] == pytest.approx(log[0]["loss without"], abs=1e-4)
    again = load_checkpoint(train_detail(model, prepared, tmp_path / "whole.safetensors", recipe, resume=True))
    assert torch.equal(again.detail.out[-1].weight, whole.detail.out[-1].weight)


def test_the_loss_weighs_thin_parts() -> None:
    target, valid, maps = torch.zeros(1, 1, 64, 64), torch.ones(1, 1, 64, 64), torch.zeros(1, 3, 128, 128)
    target[..., 20:50, 20:50] = 1
    target[..., 30:32, 50:60] = 1  # a leg
    logits = 8 * (2 * target - 1)
    without_leg, without_core = logits.clone(), logits.clone()
    without_leg[..., 30:32, 52:60] = -8
    without_core[..., 34:36, 31:39] = -8  # as many pixels in the middle
    losses = [detail_loss(one, maps, target, valid) for one in (logits, without_core, without_leg)]
    assert losses[0] < losses[1] < losses[2]
