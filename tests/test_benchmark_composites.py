"""The composites benchmark, on two small objects."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SCRIPT = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "composites.py"))


def test_mattes_and_colors_are_better_than_the_hard_mask(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for number, cutout in enumerate(SCRIPT["drawn_objects"](2, hair=False)):
        Image.fromarray(cutout).crop((96, 96, 288, 288)).save(tmp_path / f"{number}.png")
    SCRIPT["main"](["--cutouts", str(tmp_path), "--out", str(tmp_path / "found.json")])
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["objects"] == 2 and "| band | mae hard | mae |" in capsys.readouterr().out
    means = found["means"]["8 px"]
    assert means["mae"] < means["mae hard"] and means["gradient"] < means["gradient hard"]
    assert means["color"] < means["color naive"] < means["color hard"]


def test_equal_alphas_have_no_gradient_error() -> None:
    alpha = np.tile(np.arange(0, 250, 10, dtype=np.uint8), (9, 1))
    assert SCRIPT["gradient_error"](alpha, alpha) == 0
