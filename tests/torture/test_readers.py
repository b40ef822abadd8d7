"""Attacks on readers: every file that cdwidget reads is damaged at random, and costs an error or a problem that names it."""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import shutil
import warnings
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import cdwidget
from cdwidget.batch.points import read_points
from cdwidget.formats import FORMATS
from cdwidget.items import Instance, Item
from cdwidget.limits import Limits
from cdwidget.model.cdnet import CDNet, CDNetConfig
from cdwidget.model.checkpoint import load_checkpoint, save_checkpoint
from support.damage import damaged, with_odd_value

TRIES = int(os.environ.get("CDWIDGET_TORTURE", "1"))  # Multiplies the number of random attacks.
FORMAT_ATTACKS, IMAGE_ATTACKS, POINT_ATTACKS, CHECKPOINT_ATTACKS = 30, 15, 30, 6
MEMORY_BYTES = 8 * 2**30  # Address space of a long run; the libraries reserve 3 GB.
LIMITS = Limits(max_pixels=1_000_000, max_points=10_000, max_edge_length=1_000_000, max_file_bytes=2**24)


# ---- attacks --------------------------------------------------------------------------------------------------------


def damaged_file(path: Path, random: Random) -> bytes:
    """Return a damaged copy of a file's content; that of JSON often stays JSON."""
    data = path.read_bytes()
    if path.suffix in (".json", ".geojson") and random.random() < 0.7:
        return json.dumps(with_odd_value(json.loads(data), random)).encode()
    return damaged(data, random)


def attack(folder: Path, read: Callable[[], None], count: int, targets: Callable[[Path], bool] = lambda path: True) -> None:
    """Damage a file of a folder and read, again and again.

    Args:
        folder: The folder; it is the same again at the end.
        read: Reads the folder; it may raise ValueError or OSError with the name of a file in it.
        count: Number of attacks.
        targets: Whether a file may be damaged.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    names = [folder.name, *(path.name for path in files)]
    for seed in range(count):
        random = Random(seed)
        target = random.choice([path for path in files if targets(path)])
        whole = target.read_bytes()
        target.write_bytes(damaged_file(target, random))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                read()
        except (ValueError, OSError) as error:
            assert any(name in str(error) for name in names), f"seed {seed}, {target.name}: no file in {error!r}"
        except BaseException as error:
            error.add_note(f"seed {seed}, {target.name}") if hasattr(error, "add_note") else None
            raise
        finally:
            target.write_bytes(whole)


def run(function: Callable[..., None], *arguments: Any) -> None:
    """Call a function; in a long run in a process with limited memory, whose death is an error."""
    if TRIES == 1:
        function(*arguments)
        return
    process = multiprocessing.get_context("spawn").Process(target=_limited, args=(function, *arguments))
    process.start()
    process.join()
    assert process.exitcode == 0


def _limited(function: Callable[..., None], *arguments: Any) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    function(*arguments)


# ---- data sets ------------------------------------------------------------------------------------------------------


def items(folder: Path) -> list[Item]:
    folder.mkdir()
    found = []
    for number, name in enumerate(["a.png", "b.jpg"]):
        Image.new("RGB", (24, 18), (90 * number, 40, 20)).save(folder / name)
        ring = np.zeros((18, 24), bool)
        ring[2:12, 3:15] = True
        ring[5:8, 6:10] = False
        alpha = np.where(ring, 200, 10).astype(np.uint8)
        box = np.roll(ring, (4, 8), (0, 1))
        instances = [Instance(ring, "cat", 1, alpha, {"occluded": True}, 0.5, 3), Instance(box, "dog", 2)]
        found.append(Item(str(folder / name), instances))
    return found


def attack_format(name: str, folder: Path, count: int) -> None:
    content = folder / "set"
    written = cdwidget.write(name, items(folder / "images"), content)
    assert written.exists()
    if not FORMATS[name].copies_images:
        shutil.copytree(folder / "images", content / "images", dirs_exist_ok=True)

    def read() -> None:
        dataset = cdwidget.read(name, content, limits=LIMITS)
        for item in dataset:
            for instance in item.instances:
                assert instance.mask.dtype == bool and instance.mask.ndim == 2 and isinstance(instance.label, str)
                assert instance.alpha is None or instance.alpha.shape == instance.mask.shape
                json.dumps([instance.id, dict(instance.attributes), instance.score, instance.track_id, dict(instance.extra)])
        for problem in dataset.problems:
            assert str(folder) in problem.file, problem
            assert problem.message

    read()
    is_annotation = {path for path in content.rglob("*") if path.is_file() and (content / "images") not in path.parents}
    attack(content, read, count, is_annotation.__contains__)


@pytest.mark.parametrize("name", FORMATS)
def test_a_damaged_data_set_costs_an_error_that_names_the_file(name: str, tmp_path: Path) -> None:
    run(attack_format, name, tmp_path, FORMAT_ATTACKS * TRIES)


# ---- images, points, weights ----------------------------------------------------------------------------------------


def attack_image(suffix: str, folder: Path, count: int) -> None:
    content = folder / "images"
    content.mkdir()
    path = content / f"photo{suffix}"
    pixels = np.random.default_rng(0).integers(0, 255, (18, 24, 3), np.uint8)
    if suffix == ".npy":
        np.save(path, pixels)
    else:
        Image.fromarray(pixels).save(path)

    def read() -> None:
        image = cdwidget.read_image(path)
        assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3

    read()
    attack(content, read, count)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp", ".gif", ".bmp", ".npy"])
def test_a_damaged_image_costs_an_error_that_names_the_file(suffix: str, tmp_path: Path) -> None:
    run(attack_image, suffix, tmp_path, IMAGE_ATTACKS * TRIES)


def attack_points(folder: Path, count: int) -> None:
    for suffix, content in {
        ".json": json.dumps({"a.png": [[1, 2], [3, 4, "cat", "x", False]], "b.png": [[5.5, 6]]}),
        ".csv": "path,x,y,label,object,positive\na.png,1,2,cat,x,1\nb.png,3.5,4,,,0\n",
    }.items():
        content_folder = folder / f"points{suffix}"
        content_folder.mkdir()
        path = content_folder / f"clicks{suffix}"
        path.write_text(content)
        assert len(read_points(path)) == 2
        attack(content_folder, lambda path=path: check_points(path), count)


def check_points(path: Path) -> None:
    for points in read_points(path).values():
        assert np.isfinite([[point.x, point.y] for point in points]).all()


def test_a_damaged_file_of_points_costs_an_error_that_names_it(tmp_path: Path) -> None:
    run(attack_points, tmp_path, POINT_ATTACKS * TRIES)


def attack_checkpoint(folder: Path, count: int) -> None:
    content = folder / "weights"
    content.mkdir()
    path = content / "model.safetensors"
    model = CDNet(CDNetConfig(backbone="lite0", size=64, channels=32))
    save_checkpoint(path, model)
    attack(content, lambda: assert_model(path), count)
    config = asdict(model.config)
    for seed in range(5 * count):
        other = with_odd_value(config, Random(seed))
        save_file({"a": torch.zeros(1)}, path, metadata={"config": json.dumps(other)})
        with pytest.raises(ValueError, match=r"model\.safetensors"):
            load_checkpoint(path)


def assert_model(path: Path) -> None:
    assert isinstance(load_checkpoint(path), CDNet)


def test_damaged_weights_cost_an_error_that_names_the_file(tmp_path: Path) -> None:
    run(attack_checkpoint, tmp_path, CHECKPOINT_ATTACKS * TRIES)
