"""Distillation: a student learns from a frozen teacher, on labeled and unlabeled images."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from cdwidget.model import load_predictor
from cdwidget.model.cdnet import CDNet, CDNetConfig
from cdwidget.model.checkpoint import load_checkpoint, save_checkpoint
from cdwidget.model.encoders import TinyViT
from cdwidget.model.prompt_maps import prompt_maps
from cdwidget.prompts import Click
from cdwidget.train import RECIPES, Distillation, Recipe, train
from cdwidget.train.data import Sampler, read_sets
from cdwidget.train.distill import Teacher

STUDENT = CDNetConfig(backbone="lite0", size=64, channels=32)
RECIPE = Recipe(STUDENT, steps=2, batch=4, rounds=2, warmup=1, encoder_rate=1.0, views=3, holdout=10**9)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    """A folder with a teacher of random weights, a labeled set and unlabeled images."""
    folder = tmp_path_factory.mktemp("distill")
    torch.manual_seed(0)
    save_checkpoint(folder / "teacher.safetensors", CDNet(CDNetConfig(backbone="tinyvit", size=64, channels=32)))
    for name in ("set/images", "set/masks", "more"):
        (folder / name).mkdir(parents=True)
    for i in range(3):
        mask = cv2.ellipse(np.zeros((60, 80), np.uint8), (30 + 5 * i, 30), (18, 14), 0, 0, 360, 255, -1)
        image = np.random.default_rng(i).integers(0, 90, (60, 80, 3), np.uint8) + mask[..., None] // 2
        cv2.imwrite(str(folder / "set" / "images" / f"{i}.png"), image)
        cv2.imwrite(str(folder / "set" / "masks" / f"{i}.png"), mask)
        cv2.imwrite(str(folder / "more" / f"{i}.png"), image[::-1])
    return folder


def test_a_student_trains_on_labeled_and_unlabeled_images_and_resumes(taught, tmp_path, monkeypatch):
    teacher, whole, parts = taught / "teacher.safetensors", tmp_path / "whole.safetensors", tmp_path / "parts.safetensors"
    options = {"teacher": teacher, "unlabeled": [taught / "more"], "device": "cpu"}
    train(RECIPE, [taught / "set"], whole, **options)
    load_predictor(whole).set_image(np.zeros((64, 64, 3), np.uint8))  # The file does not hold the adapters.
    train(replace(RECIPE, decay=0.0, steps=1), [taught / "set"], parts, **options)
    monkeypatch.setattr(TinyViT, "forward", None)  # All views are cached, so the teacher's encoder must not run again.
    (tmp_path / "parts.features").rename(tmp_path / "kept")
    (tmp_path / "whole.features").rename(tmp_path / "parts.features")
    train(RECIPE, [taught / "set"], parts, resume=True, **options)
    a, b = load_file(whole), load_file(parts)
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_the_teacher_labels_the_query_points_of_unlabeled_images(taught, tmp_path):
    sampler = Sampler(RECIPE, read_sets([], [taught / "more"]))
    teacher = Teacher(taught / "teacher.safetensors", RECIPE, tmp_path, "views", CPU)
    samples = sampler.row(0, 0)
    assert all(sample.query_points is not None and not sample.targets.any() for sample in samples)
    levels = teacher.encode([sample.view for sample in samples])
    x, y = samples[0].query_points[1].tolist()
    maps = torch.zeros(1, 3, 64, 64)
    maps[0, :2] = torch.from_numpy(prompt_maps([Click(x, y)], (0, 0, 32, 32), 64, STUDENT.click_radius))
    first = tuple(level[:1] for level in levels)
    teacher.model.heads[-1].bias -= (
        teacher.predict(first, maps).logits[:, 0].float().median()
    )  # About half of the pixels become the object.
    labeled = teacher.label(samples, levels)
    logits = teacher.predict(first, maps).logits[:, :1].float()
    expected = torch.nn.functional.interpolate(logits, size=32, mode="bilinear")[0, 0] > 0
    assert (labeled[0].targets[1] == expected.numpy()).mean() > 0.95  # bf16 rounding depends on the batch.
    assert 0.2 < labeled[0].targets[1].mean() < 0.8


def test_the_loss_is_smallest_at_the_teachers_output(taught, tmp_path):
    recipe = replace(RECIPE, distillation=Distillation(logits=1.0, gate=0.4, features=1.0))
    teacher = Teacher(taught / "teacher.safetensors", recipe, tmp_path, "views", CPU)
    samples = Sampler(recipe, read_sets([taught / "set"])).row(0, 0)
    levels, owner = teacher.encode([sample.view for sample in samples]), torch.zeros(2, dtype=torch.long)
    maps = (torch.rand(2, 3, 64, 64) > 0.97).float()
    same = teacher.predict(tuple(level[owner] for level in levels), maps)
    logits = same.logits.float().requires_grad_()
    at_teacher = teacher.loss(same._replace(logits=logits), (), owner, levels, maps)
    at_teacher.backward()
    assert logits.grad.abs().max() < 1e-6
    elsewhere = teacher.loss(same._replace(logits=logits.detach() + 1), (), owner, levels, maps)
    other_gate = teacher.loss(same._replace(gate=same.gate + 1), (), owner, levels, maps)
    assert elsewhere > at_teacher and other_gate > at_teacher
    student = CDNet(STUDENT)
    features = tuple(level.detach() for level in student.backbone(torch.rand(len(samples), 3, 64, 64)))
    optimizer = torch.optim.Adam(teacher.adapters.parameters(), 1e-2)
    errors = []
    for _ in range(20):
        error = teacher.loss(same, features, owner, levels, maps) - at_teacher.detach()
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
        errors.append(float(error.detach()))
    assert errors[-1] < 0.9 * errors[0]


def test_contradicting_options_are_refused(taught, tmp_path):
    out, teacher = tmp_path / "m.safetensors", taught / "teacher.safetensors"
    with pytest.raises(ValueError, match="name a teacher"):
        train(RECIPE, [taught / "set"], out, unlabeled=[taught / "more"])
    assert Teacher(teacher, replace(RECIPE, model=replace(STUDENT, size=128)), tmp_path, "views", CPU).model.config.size == 128
    with pytest.raises(ValueError, match="tinyvit cannot teach resnet34"):
        train(replace(RECIPE, model=replace(STUDENT, backbone="resnet34")), [taught / "set"], out, teacher=teacher)


def test_cdnet_lite_is_a_small_file_of_a_network_that_cdnet_tiny_can_teach(tmp_path):
    tiny, lite = RECIPES["cdnet-tiny"].model, RECIPES["cdnet-lite"].model
    assert replace(lite, bits=0, size=tiny.size) == tiny
    save_checkpoint(tmp_path / "lite.safetensors", CDNet(lite))
    assert (tmp_path / "lite.safetensors").stat().st_size <= 4e6
    assert load_checkpoint(tmp_path / "lite.safetensors").late
