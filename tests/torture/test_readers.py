"""Attacks on readers: every file that cdwidget reads is damaged at random, and costs an error or a problem that names it."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import cdwidget
from cdwidget.batch.points import read_points
from cdwidget.catalogue import ScoreValue
from cdwidget.formats import FORMATS
from cdwidget.items import Instance, Item
from cdwidget.limits import Limits
from cdwidget.model.cdnet import CDNet, CDNetConfig
from cdwidget.model.checkpoint import load_checkpoint, save_checkpoint
from cdwidget.model.onnx import OnnxCDNet
from support import attack_counts
from support.attack_budget import attack_reader
from support.damage import damaged, with_odd_value

LIMITS = Limits(max_pixels=1_000_000, max_points=10_000, max_edge_length=1_000_000, max_file_bytes=2**24)


# ---- attacks --------------------------------------------------------------------------------------------------------


def damaged_file(path: Path, random: Random) -> bytes:
    """Return a damaged copy of a file's content; that of JSON often stays JSON."""
    data = path.read_bytes()
    if path.suffix in (".json", ".geojson") and random.random() < 0.7:
        return json.dumps(with_odd_value(json.loads(data), random)).encode()
    return damaged(data, random)


def attack(name: str, folder: Path, read: Callable[[], bool], count: int, targets: Callable[[Path], bool] = lambda path: True) -> None:
    """Damage a file of a folder and read, again and again, and count the results.

    Args:
        name: Name of the reader.
        folder: The folder; it is the same again at the end.
        read: Reads the folder and returns whether it reports problems; it may raise ValueError or OSError with the name of a file in it.
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
                attack_counts.count(name, "read in part" if read() else "read")
        except (ValueError, OSError) as error:
            assert any(name in str(error) for name in names), f"seed {seed}, {target.name}: no file in {error!r}"
            attack_counts.count(name, "named errors")
        except BaseException as error:
            error.add_note(f"seed {seed}, {target.name}") if hasattr(error, "add_note") else None
            raise
        finally:
            target.write_bytes(whole)


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

    def read() -> bool:
        dataset = cdwidget.read(name, content, limits=LIMITS)
        for item in dataset:
            for instance in item.instances:
                assert instance.mask.dtype == bool and instance.mask.ndim == 2 and isinstance(instance.label, str)
                assert instance.alpha is None or instance.alpha.shape == instance.mask.shape
                json.dumps([instance.id, dict(instance.attributes), instance.score, instance.track_id, dict(instance.extra)])
        for problem in dataset.problems:
            assert str(folder) in problem.file, problem
            assert problem.message
        return bool(dataset.problems)

    read()
    is_annotation = {path for path in content.rglob("*") if path.is_file() and (content / "images") not in path.parents}
    attack(name, content, read, count, is_annotation.__contains__)


@pytest.mark.parametrize("name", FORMATS)
def test_a_damaged_data_set_costs_an_error_that_names_the_file(name: str, tmp_path: Path) -> None:
    attack_reader(attack_format, name, tmp_path, few=30)


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

    def read() -> bool:
        image = cdwidget.read_image(path)
        assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3
        return False

    read()
    attack(f"image {suffix}", content, read, count)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp", ".gif", ".bmp", ".npy"])
def test_a_damaged_image_costs_an_error_that_names_the_file(suffix: str, tmp_path: Path) -> None:
    attack_reader(attack_image, suffix, tmp_path, few=15)


POINT_FILES = {
    ".json": json.dumps({"a.png": [[1, 2], [3, 4, "cat", "x", False]], "b.png": [[5.5, 6]]}),
    ".csv": "path,x,y,label,object,positive\na.png,1,2,cat,x,1\nb.png,3.5,4,,,0\n",
}


def attack_points(suffix: str, folder: Path, count: int) -> None:
    content = folder / "points"
    content.mkdir()
    path = content / f"clicks{suffix}"
    path.write_text(POINT_FILES[suffix])

    def read() -> bool:
        for points in read_points(path).values():
            assert np.isfinite([[point.x, point.y] for point in points]).all()
        return False

    assert len(read_points(path)) == 2
    attack(f"points {suffix}", content, read, count)


@pytest.mark.parametrize("suffix", POINT_FILES)
def test_a_damaged_file_of_points_costs_an_error_that_names_it(suffix: str, tmp_path: Path) -> None:
    attack_reader(attack_points, suffix, tmp_path, few=30)


def attack_checkpoint(folder: Path, count: int) -> None:
    content = folder / "weights"
    content.mkdir()
    path = content / "model.safetensors"
    model = CDNet(CDNetConfig(backbone="lite0", size=64, channels=32))
    save_checkpoint(path, model)
    attack("weights", content, lambda: not isinstance(load_checkpoint(path), CDNet), count // 2)
    config = asdict(model.config)
    for seed in range(count // 2):
        other = with_odd_value(config, Random(seed))
        save_file({"a": torch.zeros(1)}, path, metadata={"config": json.dumps(other)})
        with pytest.raises(ValueError, match=r"model\.safetensors"):
            load_checkpoint(path)
        attack_counts.count("weights", "named errors")


def test_damaged_weights_cost_an_error_that_names_the_file(tmp_path: Path) -> None:
    attack_reader(attack_checkpoint, tmp_path, few=20)


def attack_graph(folder: Path, count: int) -> None:
    onnx = pytest.importorskip("onnx")
    content = folder / "graphs"
    content.mkdir()
    path = content / "head.onnx"
    one, three = ([onnx.TensorProto.FLOAT, [1, channels, 8, 8]] for channels in (1, 3))
    graph = onnx.helper.make_graph(
        [
            onnx.helper.make_node("Add", ["level0", "maps"], ["sum"]),
            onnx.helper.make_node("ReduceMean", ["sum", "axes"], ["logits"]),
            onnx.helper.make_node("ReduceMean", ["maps", "axes"], ["gate"]),
        ],
        "head",
        [onnx.helper.make_tensor_value_info(name, *three) for name in ("level0", "maps")],
        [onnx.helper.make_tensor_value_info(name, *one) for name in ("logits", "gate")],
        [onnx.helper.make_tensor("axes", onnx.TensorProto.INT64, [1], [1])],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=8)
    onnx.helper.set_model_props(model, {"cdwidget": json.dumps(asdict(CDNetConfig(backbone="lite0", size=8, channels=32)))})
    onnx.save(model, path)
    zeros = torch.zeros(1, 3, 8, 8)

    def read() -> bool:
        graph = OnnxCDNet(path)
        return graph(graph.encode(zeros), zeros).logits is None

    read()
    attack("onnx", content, read, count)


def test_a_damaged_graph_costs_an_error_that_names_the_file(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    attack_reader(attack_graph, tmp_path, few=100)


# ---- catalogues -----------------------------------------------------------------------------------------------------


def attack_catalogue(folder: Path, count: int) -> None:
    content = folder / "labels"
    content.mkdir()
    path = content / "labels.db"
    catalogue = cdwidget.Catalogue(path)
    for item in items(folder / "images"):
        catalogue.add([item])
    first = catalogue.ids(of="instances").tolist()
    catalogue.put_scores(1, [ScoreValue(first[0], "edge", 0.5)])
    catalogue.tag(1, "night")
    catalogue.set_status(first[:1], "accepted", of="instances")
    catalogue.close()
    for left in content.glob("labels.db-*"):
        left.unlink()

    def read() -> bool:
        try:
            found = cdwidget.Catalogue(path)
            try:
                for of in ("items", "instances"):
                    found.query(of=of, limit=None)
                for item in found.items():
                    for instance in item.instances:
                        assert instance.mask.dtype == bool and isinstance(instance.label, str)
                found.thumbnails(found.ids(of="instances")[:4], 32)
                found.tags(), found.history(1), found.statuses([1, 2])
            finally:
                found.close()
        finally:
            for left in content.glob("labels.db?*"):
                left.unlink()
        return False

    read()
    attack("catalogue", content, read, count)


def test_a_damaged_catalogue_costs_an_error_that_names_the_file(tmp_path: Path) -> None:
    attack_reader(attack_catalogue, tmp_path, few=30)
