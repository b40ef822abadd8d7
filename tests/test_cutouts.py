"""Cut-outs of a catalogue: good masks become files, doubtful ones are left for the gallery."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
    assert str(found) == "4 cut-outs, 6 doubtful masks left for the gallery, 1 image has problems"
    assert (np.asarray(Image.open(found.files[1])) == composite(PHOTO, mask(3), "white")).all()
    strict = cut_out(catalogue, tmp_path / "out", max_score=0.1, label="class 1", progress=False)
    assert strict.files == [] and strict.doubtful == [1, 6, 11]
    again = cut_out(catalogue, tmp_path / "out", max_score=0.7, label="class 2", progress=False)
    assert Image.open(again.files[0]).mode == "RGBA" and len(list((tmp_path / "out").iterdir())) == 6


def test_an_object_or_image_that_cannot_be_cut_out_costs_no_other(tmp_path: Path) -> None:
    Image.fromarray(PHOTO).save(photo := tmp_path / f"{'long' * 60}.png")
    dot = np.zeros((HEIGHT, WIDTH), bool)
    dot[5, 5] = True
    catalogue = Catalogue(tmp_path / "labels.db")
    catalogue.add([Item(photo, [Instance(dot), Instance(mask(2))])])
    Image.fromarray(PHOTO).save(tmp_path / "replaced.png")
    catalogue.add([Item(tmp_path / "replaced.png", [Instance(mask(2))])])
    Image.fromarray(PHOTO[:50]).save(tmp_path / "replaced.png")
    catalogue.set_status([1, 2], "accepted")
    for margin in (None, 5):
        found = cut_out(catalogue, tmp_path / "out", "white", border=3, margin=margin, progress=False)
        assert [file.name for file in found.files] == [f"{'long' * 50}-1-2.png"]
        assert [problem.item for problem in found.problems] == [1, 2] and str(found).endswith("2 images have problems")
        assert found.problems[0].description.startswith("instance 1: ") and "80x50" in found.problems[1].description
    assert len(cut_out(catalogue, tmp_path / "out", limit=1, margin=0, progress=False).files) == 1


@pytest.mark.parametrize("options", [{"background": "beach.pgn"}, {"shadow": 2}, {"max_score": 5}])
def test_wrong_options_are_refused_before_any_image_is_read(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        cut_out(Catalogue(tmp_path / "labels.db"), tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


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
    assert "2 cut-outs, 0 doubtful masks left for the gallery, 1 image has problems" in result.output and "broken.png" in result.output
    assert np.asarray(Image.open(tmp_path / "out" / "a-1-3.png"))[0, 0].tolist() == [245] * 3
    wrong = CliRunner().invoke(app, [*arguments[:3], "--background", "beach.pgn"], env={"COLUMNS": "400"})
    assert wrong.exit_code == 2 and "the background is 'beach.pgn'" in wrong.output
