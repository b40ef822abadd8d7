"""The benchmark of following: a rerun measures only the sequences that its record lacks."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from cdwidget.benchmark import follow
from cdwidget.benchmark.follow import CopyPrevious, FollowRun, benchmark_following
from cdwidget.benchmark.sequences import make_sequence
from cdwidget.formats.dataset_folders import read_benchmark_objects
from support.scripted_predictor import OracleQualityModel, ScriptedPredictor
from support.token_predictor import bright_squares

FRAMES = 3
SIDE_PX = 64


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A set of two photographs, each with one bright square."""
    for name, left in (("a", 8), ("b", 40)):
        image = bright_squares([(left, 24)], SIDE_PX)
        for part, pixels in (("images", image), ("masks", (image[..., 0] > 128).astype(np.uint8) * 255)):
            (tmp_path / "set" / part).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(tmp_path / "set" / part / f"{name}.png"), pixels)
    return tmp_path / "set"


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The methods in the order in which they were built; the two methods keep the mask of the first frame, and frames are small."""
    log: list[str] = []

    def carrier(name: str) -> Any:
        return lambda predictor, quality: log.append(name) or CopyPrevious()  # type: ignore[func-returns-value]

    monkeypatch.setattr(follow, "make_sequence", partial(make_sequence, side=SIDE_PX))
    monkeypatch.setattr(follow, "CARRIERS", {name: carrier(name) for name in ("one", "other")})
    return log


def run(folder: Path, record: Path, **options: Any) -> list[FollowRun]:
    whole = np.ones((SIDE_PX, SIDE_PX), bool)
    predictor, quality = ScriptedPredictor(whole), OracleQualityModel(whole)
    return benchmark_following(read_benchmark_objects(folder), predictor, predictor, quality, FRAMES, record=record, **options)


def test_a_rerun_follows_only_in_missing_sequences(folder: Path, tmp_path: Path, built: list[str]) -> None:
    record = tmp_path / "follow.jsonl"
    runs = run(folder, record)
    assert [(one.method, one.name.partition("/")[2]) for one in runs] == [("one", "a"), ("other", "a"), ("one", "b"), ("other", "b")]
    assert all(len(one.seconds) == FRAMES - 1 for one in runs)
    lines = record.read_text().splitlines(keepends=True)
    record.write_text("".join(lines[:3]) + '{"key": "cut o')  # Killed while it wrote the last one.
    built.clear()
    again = run(folder, record)
    assert built == ["other"] and again[:3] == runs[:3] and again[3].ious == runs[3].ious
    assert [json.loads(line)["name"] for line in record.read_text().splitlines()] == [one.name for one in runs]


@pytest.mark.parametrize("options", [{"seed": 1}, {"fingerprint": "other weights"}])
def test_another_setting_is_measured_again(options: dict[str, Any], folder: Path, tmp_path: Path, built: list[str]) -> None:
    record = tmp_path / "follow.jsonl"
    run(folder, record)
    built.clear()
    run(folder, record, **options)
    assert built == ["one", "other"] * 2
