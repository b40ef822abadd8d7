"""`cdwidget follow` and `cdwidget benchmark --mode follow`, with CDNet on small sequences."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
from typer.testing import CliRunner

import cdwidget
from cdwidget.cli import app
from cdwidget.items import Instance, Item
from cdwidget.masks import iou

SIDE = 96


def frame(shift: int) -> tuple[np.ndarray, np.ndarray]:
    """Return an image with a red disk on a textured ground, and the disk."""
    rng = np.random.default_rng(0)
    image = cv2.GaussianBlur(rng.integers(0, 255, (SIDE, SIDE, 3)).astype(np.uint8), (0, 0), 2) // 3 + 70
    y, x = np.mgrid[:SIDE, :SIDE]
    mask = (x - 40 - shift) ** 2 + (y - 45) ** 2 < 20**2
    image[mask] = np.array([220, 40, 50]) + np.roll(rng.integers(0, 30, (SIDE, SIDE)), shift, 1)[mask][:, None]
    return image.astype(np.uint8), mask


def write_frames(folder: Path, count: int) -> None:
    folder.mkdir()
    for number in range(count):
        cv2.imwrite(str(folder / f"{number}.png"), frame(2 * number)[0][..., ::-1])


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    return result.output


def test_objects_are_followed_into_a_coco_file(tmp_path: Path) -> None:
    write_frames(tmp_path / "frames", 4)
    (tmp_path / "frames" / "2.png").write_bytes(b"no image")
    cdwidget.write("coco", [Item(tmp_path / "frames" / "0.png", [Instance(frame(0)[1], "cup", id=7)])], tmp_path / "first.json")
    output = run(
        "follow", tmp_path / "frames", "--instances", tmp_path / "first.json", "-o", tmp_path / "out.json",
        "--problems", tmp_path / "problems.csv",
    )  # fmt: skip
    assert "3 images, 3 instances" in output and "2.png" in output
    dataset = cdwidget.read("coco", tmp_path / "out.json")
    assert [Path(item.path).name for item in dataset] == ["0.png", "1.png", "3.png"]
    records = json.loads((tmp_path / "out.json").read_text())["annotations"]
    assert len({record["track_id"] for record in records}) == 1
    found = dataset[2].instances[0]
    assert found.label == "cup" and iou(found.mask, frame(6)[1]) > 0.8 and (found.score or 0) > 0.9
    assert "2.png" in (tmp_path / "problems.csv").read_text()


def test_a_lost_object_is_reported_once_and_not_written(tmp_path: Path) -> None:
    write_frames(tmp_path / "frames", 1)
    for number in (1, 2):  # It is out of sight, and stays lost.
        cv2.imwrite(str(tmp_path / "frames" / f"{number}.png"), frame(-2 * SIDE)[0][..., ::-1])
    cdwidget.write("coco", [Item(tmp_path / "frames" / "0.png", [Instance(frame(0)[1], "cup")])], tmp_path / "first.json")
    output = run(
        "follow", tmp_path / "frames", "--instances", tmp_path / "first.json", "-o", tmp_path / "out.json", "--min-certainty", "0.99",
    )  # fmt: skip
    assert output.count("'cup' is lost") == 1 and "1.png" in output and "3 images, 1 instances" in output


def test_the_first_image_needs_objects(tmp_path: Path) -> None:
    write_frames(tmp_path / "frames", 2)
    items = [Item(tmp_path / "frames" / "1.png", [Instance(frame(2)[1])]), Item(tmp_path / "other.png", [Instance(frame(2)[1])])]
    cv2.imwrite(str(tmp_path / "other.png"), frame(0)[0])
    cdwidget.write("coco", items, tmp_path / "first.json")
    result = CliRunner().invoke(app, ["follow", str(tmp_path / "frames"), "--instances", str(tmp_path / "first.json"), "-o", "out.json"])
    assert result.exit_code == 2 and "no objects" in result.output


def test_the_benchmark_compares_with_copying_and_optical_flow(tmp_path: Path) -> None:
    for name in ("images", "masks"):
        (tmp_path / "set" / name).mkdir(parents=True)
    image, mask = frame(0)
    cv2.imwrite(str(tmp_path / "set" / "images" / "a.png"), image[..., ::-1])
    cv2.imwrite(str(tmp_path / "set" / "masks" / "a.png"), mask * np.uint8(255))
    output = run("benchmark", "--data", tmp_path / "set", "--mode", "follow", "--frames", 3, "--out", tmp_path / "figures.json")
    assert "copy previous" in output and "clicks/100" in output
    figures = json.loads((tmp_path / "figures.json").read_text())["figures"]
    assert set(figures) == {"follow", "optical flow", "copy previous"}
    assert figures["follow"]["frames"] == 2 and figures["follow"]["mean_iou"] > figures["copy previous"]["mean_iou"]
