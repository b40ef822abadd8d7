"""Cut-outs of a catalogue: good masks become files, doubtful ones are left for the gallery."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from cdwidget import Catalogue, Instance, Item, composite, cut_out
from cdwidget.catalogue import ScoreValue
from cdwidget.cli.app import app

HEIGHT, WIDTH = 60, 80
PHOTO = np.random.default_rng(1).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
SCORES = {1: 0.2, 2: 0.7, 3: 0.9, 4: 0.1}  # By number of the instance; the fifth has none.
STATUSES = {3: "accepted", 4: "rejected"}


def mask(number: int) -> np.ndarray:
    found = np.zeros((HEIGHT, WIDTH), bool)
    found[10:30, 12 * number : 12 * number + 10] = True
    return found


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    """Two images with five objects each, and a broken one."""
    catalogue = Catalogue(tmp_path / "labels.db")
    for name in ("a", "b", "broken"):
        Image.fromarray(PHOTO).save(tmp_path / f"{name}.png")
        catalogue.add([Item(tmp_path / f"{name}.png", [Instance(mask(number), f"class {number}") for number in range(1, 6)])])
    for item in (1, 2, 3):
        catalogue.put_scores(item, [ScoreValue(number, "overall", score) for number, score in SCORES.items()])
        for number, status in STATUSES.items():
            catalogue.set_status(5 * (item - 1) + number, status, of="instances")
    (tmp_path / "broken.png").write_bytes(b"no image")
    return catalogue


def test_good_masks_are_written_and_doubtful_ones_listed(catalogue: Catalogue, tmp_path: Path) -> None:
    found = cut_out(catalogue, tmp_path / "out", "white", progress=False)
    assert [file.name for file in found.files] == ["a-1-1.png", "a-1-3.png", "b-2-1.png", "b-2-3.png"]
    assert found.doubtful == [2, 5, 7, 10, 12, 15] and [problem.item for problem in found.problems] == [3]
    assert str(found) == "4 cut-outs, 6 doubtful masks left for the gallery, 1 images failed"
    assert (np.asarray(Image.open(found.files[1])) == composite(PHOTO, mask(3), "white")).all()
    strict = cut_out(catalogue, tmp_path / "out", max_score=0.1, label="class 1", progress=False)
    assert strict.files == [] and strict.doubtful == [1, 6, 11]
    again = cut_out(catalogue, tmp_path / "out", max_score=0.7, label="class 2", progress=False)
    assert Image.open(again.files[0]).mode == "RGBA" and len(list((tmp_path / "out").iterdir())) == 6


@pytest.mark.parametrize("margin", [0, 5, 500])
def test_a_margin_keeps_the_surroundings_of_the_object(catalogue: Catalogue, tmp_path: Path, margin: int) -> None:
    options = {"border": 3, "shadow": 0.5}
    (file, *_) = cut_out(catalogue, tmp_path / "out", "white", margin=margin, label="class 3", progress=False, **options).files
    whole = composite(PHOTO, mask(3), "white", **options)
    x0, y0, x1, y1 = max(0, 36 - margin), max(0, 10 - margin), min(WIDTH, 46 + margin), min(HEIGHT, 30 + margin)
    part = np.asarray(Image.open(file)).astype(int)
    assert part.shape == (y1 - y0, x1 - x0, 3) and np.abs(part - whole[y0:y1, x0:x1]).mean() < 4
    with pytest.raises(ValueError, match="margin is -1"):
        cut_out(catalogue, tmp_path, margin=-1)


def test_the_command(catalogue: Catalogue, tmp_path: Path) -> None:
    arguments = ["cut-out", str(catalogue.path), str(tmp_path / "out"), "--background", "#f5f5f5", "--label", "class 3", "--margin", "2"]
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "400"})
    assert result.exit_code == 0, result.output
    assert "2 cut-outs, 0 doubtful masks left for the gallery, 1 images failed" in result.output and "broken.png" in result.output
    assert np.asarray(Image.open(tmp_path / "out" / "a-1-3.png"))[0, 0].tolist() == [245] * 3
    wrong = CliRunner().invoke(app, [*arguments[:3], "--background", "beach.pgn"], env={"COLUMNS": "400"})
    assert wrong.exit_code == 2 and "the background is 'beach.pgn'" in wrong.output
