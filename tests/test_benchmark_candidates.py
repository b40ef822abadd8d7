"""The benchmark of the candidates after one click: their IoU, their order, and whether two are alike."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from cdwidget.benchmark.candidates import CandidateRun, benchmark_candidates, candidates_table, summarize_candidates
from cdwidget.benchmark.methods import Method
from cdwidget.cli.app import app
from cdwidget.formats.dataset_folders import read_benchmark_objects
from cdwidget.masks import iou
from support.scripted_predictor import ScriptedPredictor


def centered_square(half: int) -> np.ndarray:
    mask = np.zeros((64, 64), bool)
    mask[32 - half : 32 + half, 32 - half : 32 + half] = True
    return mask


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A set with one object, the middle one of three nested squares."""
    for name, pixels in (("images", np.full((64, 64, 3), 90, np.uint8)), ("masks", centered_square(12).astype(np.uint8) * 255)):
        (tmp_path / "set" / name).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / "set" / name / "one.png"), pixels)
    return tmp_path / "set"


def test_the_object_is_found_among_the_candidates(folder: Path) -> None:
    whole, middle, part = centered_square(24), centered_square(12), centered_square(6)
    predictor = ScriptedPredictor(middle, alternatives=(part, whole, whole))
    (run,) = benchmark_candidates([Method("squares", lambda: predictor, "")], read_benchmark_objects(folder))
    assert run.areas == (24**2, 48**2, 12**2) and run.ious[0] == 1  # The same square is no second candidate.
    assert run.is_ordered and run.alike == iou(middle, part)


def test_the_best_candidate_counts_not_the_first(folder: Path) -> None:
    predictor = ScriptedPredictor(centered_square(24), alternatives=(centered_square(12),))
    runs = benchmark_candidates([Method("squares", lambda: predictor, "")], read_benchmark_objects(folder))
    figures = summarize_candidates(runs)["squares"]
    assert figures["mIoU@1"] == 0.25 and figures["best"] == 1 and figures["gain"] == 0.75 and figures["candidates"] == 2
    assert "| set | squares | 1 | 0.250 | 1.000 | 0.750 | 2.0 | 100.0% | 0.0% |" in candidates_table(runs)


def test_candidates_out_of_order_or_alike_are_counted() -> None:
    runs = [
        CandidateRun("m", "sorted", "a", (0.5, 0.6, 0.4), (20, 30, 10), alike=0.5),
        CandidateRun("m", "unsorted", "a", (0.5, 0.6, 0.4), (10, 30, 20), alike=0.5),
        CandidateRun("m", "equal", "b", (0.5, 0.5), (10, 10), alike=1.0),
        CandidateRun("m", "single", "b", (0.5,), (10,), alike=0.0),
    ]
    figures = summarize_candidates(runs)["m"]
    assert figures["in order"] == 0.5 and figures["alike"] == 0.25


def test_the_command_writes_all_figures(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    arguments = ["benchmark", "--mode", "candidates", "--data", str(folder), "--methods", "grabcut", "--out", str(out)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    content = json.loads(out.read_text())
    assert content["figures"]["grabcut"]["objects"] == 1 and len(content["runs"][0]["ious"]) == 1  # GrabCut has no alternatives.
    assert "| all | grabcut | 1 |" in result.output
