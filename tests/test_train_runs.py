"""`cdwidget train` as a process: killed and resumed, and several processes that share a batch."""

import json
import os
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

LAUNCHER = """
import contextlib
import os

import torch

from cdwidget.cli import main
from cdwidget.model.cdnet import CDNetConfig
from cdwidget.train import RECIPES, Recipe, train

backbone, rate, rounds = "lite0", 1e-3, 2
if "PLAIN" in os.environ:  # float32, SGD, a smooth network, one round: rounding errors must not grow
    torch.autocast = lambda *arguments, **settings: contextlib.nullcontext()
    torch.optim.AdamW, backbone, rate, rounds = torch.optim.SGD, "tinyvit", 0.02, 1
train.__kwdefaults__["save_every"] = 2
model = CDNetConfig(backbone=backbone, size=64, channels=32, quality=True)
RECIPES["small"] = Recipe(model, steps=7, batch=8, rounds=rounds, rate=rate, warmup=2, encoder_rate=1.0, holdout=10**9)
main()
"""


@pytest.fixture()
def launch(tmp_path):
    """Return a function that starts `cdwidget train small` on a set of ellipses; `first` are arguments before the script."""
    folder = tmp_path / "ellipses"
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    for i in range(4):
        mask = cv2.ellipse(np.zeros((60, 80), np.uint8), (30 + 5 * i, 30), (18, 14), 0, 0, 360, 255, -1)
        image = np.random.default_rng(i).integers(0, 90, (60, 80, 3), np.uint8) + mask[..., None] // 2
        cv2.imwrite(str(folder / "images" / f"{i}.png"), image)
        cv2.imwrite(str(folder / "masks" / f"{i}.png"), mask)
    script = tmp_path / "launcher.py"
    script.write_text(LAUNCHER)

    def start(name, *options, first=()):
        arguments = ["train", "small", "--data", folder, "--device", "cpu", "--out", tmp_path / f"{name}.safetensors", *options]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        return subprocess.Popen(
            [str(part) for part in (sys.executable, *first, script, *arguments)], env=environment, stderr=subprocess.DEVNULL
        )

    return start


def read_log(folder, name):
    lines = (folder / f"{name}.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in lines]


def test_a_run_killed_twice_equals_an_uninterrupted_one(launch, tmp_path):
    assert launch("whole").wait() == 0
    log = tmp_path / "parts.jsonl"
    options: tuple[str, ...] = ()
    for lines in (1, 4):  # batches in the log: before the first save, and during a later one
        process = launch("parts", *options)
        while process.poll() is None and not (log.is_file() and len(log.read_text().splitlines()) >= lines):
            time.sleep(0.01)
        process.kill()
        assert process.wait() == -9, "the process must be killed before it ends"
        options = ("--resume",)
    assert launch("parts", *options).wait() == 0
    assert read_log(tmp_path, "parts") == read_log(tmp_path, "whole")
    whole, parts = (load_file(tmp_path / f"{name}.safetensors") for name in ("whole", "parts"))
    assert whole.keys() == parts.keys() and all(torch.equal(parts[name], value) for name, value in whole.items())


def test_two_processes_train_as_one(launch, tmp_path, monkeypatch):
    monkeypatch.setenv("PLAIN", "1")
    assert launch("one", "--steps", 4).wait() == 0
    together = launch("two", "--steps", 4, first=("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"))
    assert together.wait() == 0
    one, two = read_log(tmp_path, "one"), read_log(tmp_path, "two")
    assert [entry["step"] for entry in two] == [1, 2, 3, 4] and [entry["rate"] for entry in one] == [entry["rate"] for entry in two]
    np.testing.assert_allclose(sum((e["loss"] for e in two), []), sum((e["loss"] for e in one), []), rtol=1e-4)
    a, b = (load_file(tmp_path / f"{name}.safetensors") for name in ("one", "two"))
    assert all(torch.allclose(a[name].float(), b[name].float(), rtol=0.01, atol=1e-3) for name in a)
