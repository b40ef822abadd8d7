"""Training: it learns, resumes exactly, and its errors name the cause."""

import itertools
import json
from dataclasses import replace
from functools import partial

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from cdwidget.cli.app import app
from cdwidget.model import load_predictor
from cdwidget.model.cdnet import CDNet, CDNetConfig
from cdwidget.model.encoders import TinyViT
from cdwidget.prompts import Box, Click, Stroke
from cdwidget.train import RECIPES, Recipe, SetOptions, find_datasets, train
from cdwidget.train.data import Sampler, deform_mask, read_sets
from cdwidget.train.distributed import ProcessGroup
from cdwidget.train.focus_round import focus_samples
from cdwidget.train.losses import cdnet_loss, focal_loss
from cdwidget.train.prefetch import prefetch
from cdwidget.train.simulated_prompts import next_prompt
from cdwidget.train.trainer import Trainer

MODEL = CDNetConfig(backbone="lite0", size=64, channels=32)
RECIPE = Recipe(MODEL, {"shapes": SetOptions(whole=0.2)}, steps=4, batch=4, per_image=2, warmup=2, encoder_rate=1.0, holdout=10**9)


@pytest.fixture()
def shapes(tmp_path):
    """A data set of bright ellipses on noise, two per image."""
    folder = tmp_path / "data" / "shapes"
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    rng = np.random.default_rng(0)
    for i in range(6):
        labels = np.zeros((70, 90), np.uint8)
        image = rng.integers(0, 90, (70, 90, 3), np.uint8)
        for j in (1, 2):
            center = (int(rng.integers(20 + 30 * (j - 1), 30 + 30 * (j - 1))), int(rng.integers(25, 45)))
            cv2.ellipse(labels, center, (12, 9), 0, 0, 360, j, -1)
        image[labels > 0] += 130
        labels[0] = 255  # void
        cv2.imwrite(str(folder / "images" / f"{i}.jpg"), image)
        cv2.imwrite(str(folder / "masks" / f"{i}.png"), labels)
    return folder


def read_log(path):
    return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in path.with_suffix(".jsonl").read_text().splitlines()]


def test_an_interrupted_run_resumes_exactly(shapes, tmp_path):
    whole, parts = tmp_path / "whole.safetensors", tmp_path / "parts.safetensors"
    train(RECIPE, [shapes], whole)

    class Killed(Exception):
        pass

    draw = Sampler.row

    def killed(sampler, step, number):
        if step == 3:
            raise Killed
        return draw(sampler, step, number)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Sampler, "row", killed)
        with pytest.raises(Killed):
            train(RECIPE, [shapes], parts, save_every=2)
    assert len(read_log(parts)) == 3  # one more than in the saved state
    train(RECIPE, [shapes], parts, resume=True)
    assert read_log(parts) == read_log(whole)
    expected, got = load_file(whole), load_file(parts)
    assert expected.keys() == got.keys() and all(torch.equal(got[name], value) for name, value in expected.items())


def test_the_iou_rises_during_training(shapes, tmp_path):
    out = tmp_path / "m.safetensors"
    train(replace(RECIPE, steps=15, warmup=5), [shapes], out)
    first, last = [np.mean([np.mean(entry["iou"]) for entry in part]) for part in (read_log(out)[:3], read_log(out)[-5:])]
    assert last > first + 0.2
    assert cv2.imread(str(out.with_suffix(".png"))) is not None  # the curve
    load_predictor(out).set_image(np.zeros((64, 64, 3), np.uint8))


def test_resuming_without_a_state_raises_an_error(shapes, tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing can be resumed"):
        train(RECIPE, [shapes], tmp_path / "m.safetensors", resume=True)


def test_batches_depend_only_on_the_step(shapes):
    one, other = Sampler(RECIPE, read_sets([shapes])), Sampler(RECIPE, read_sets([shapes]))
    other.row(3, 0)
    for a, b in zip(one.row(7, 0), other.row(7, 0)):
        assert np.array_equal(a.view.image, b.view.image) and np.array_equal(a.targets, b.targets) and np.array_equal(a.start, b.start)
    assert sum(len(sample.targets) for sample in one.row(0, 0)) == RECIPE.batch


def test_workers_draw_the_same_batches(shapes):
    draw = partial(Sampler(RECIPE, read_sets([shapes])).local_rows, ProcessGroup())
    local, remote = (list(prefetch(draw, range(3, 7), workers)) for workers in (0, 2))
    assert len(local) == len(remote) == 4
    for one, other in zip(itertools.chain(*local), itertools.chain(*remote), strict=True):
        assert np.array_equal(one.view.image, other.view.image) and np.array_equal(one.targets, other.targets)


def test_an_error_in_a_worker_is_raised(shapes):
    broken = partial(Sampler(RECIPE, read_sets([shapes])).local_rows, ProcessGroup(0, 3))
    with pytest.raises(ValueError, match="3 processes cannot share 1 rows"):
        next(prefetch(broken, range(2), 1))


def test_images_held_out_are_never_drawn(shapes):
    names = {source.image.stem for sources, _ in Sampler(replace(RECIPE, holdout=2), read_sets([shapes])).sets for source in sources}
    assert 0 < len(names) < 6


def test_focal_loss_equals_its_formula():
    torch.manual_seed(0)
    logits, target = torch.randn(2, 1, 5, 5), (torch.rand(2, 1, 5, 5) > 0.5).float()
    valid = (torch.rand(2, 1, 5, 5) > 0.2).float()
    p = logits.sigmoid()
    pt = torch.where(target > 0, p, 1 - p)
    beta = (1 - pt) ** 2 * valid
    scale = valid.sum((2, 3), keepdim=True) / beta.sum((2, 3), keepdim=True)
    expected = (-0.5 * scale * beta * pt.log()).sum((2, 3)) / valid.sum((2, 3))
    torch.testing.assert_close(focal_loss(logits, target, valid), expected)


def test_only_the_best_latent_head_gets_gradients():
    target, valid = torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 8, 8)
    target[..., 4:] = 1
    logits = torch.zeros(1, 3, 4, 4)
    logits[0, 1] = -5  # wrong on half
    logits.requires_grad_()
    cdnet_loss(logits, torch.zeros(1, 1, 4, 4), torch.zeros(1, 3, 16, 16), target, valid).backward()
    assert logits.grad[0, 0].any() and logits.grad[0, 2].any() and not logits.grad[0, 1].any()


def test_deformed_masks_still_overlap_the_target():
    rng = np.random.default_rng(0)
    target = np.zeros((64, 64), bool)
    target[16:48, 16:48] = True
    deformed = [deform_mask(target, target, rng) > 0.5 for _ in range(20)]
    ious = [(d & target).sum() / (d | target).sum() for d in deformed]
    assert np.mean([iou < 1 for iou in ious]) > 0.8 and np.mean(ious) > 0.5


def test_sets_are_found_in_and_under_a_folder(shapes, tmp_path):
    assert find_datasets([shapes]) == find_datasets([shapes.parent]) == [shapes]
    with pytest.raises(ValueError, match="no data set"):
        find_datasets([shapes / "masks"])


def test_errors_of_the_command_name_the_cause(shapes, tmp_path):
    run = CliRunner().invoke
    out = str(tmp_path / "m.safetensors")
    assert "there are: cdnet-lite" in run(app, ["train", "cdnet-huge", "--data", str(shapes), "--out", out]).output.replace("\n", " ")
    assert run(app, ["train", "cdnet-tiny", "--data", str(tmp_path / "none"), "--out", out]).exit_code == 2
    unknown = run(app, ["train", "cdnet-tiny", "--data", str(shapes), "--out", out, "--device", "tpu"], env={"COLUMNS": "400"})
    assert "allowed are auto, cpu and cuda" in unknown.output


def test_views_are_encoded_once_and_then_cached(shapes, tmp_path, monkeypatch):
    recipe = replace(RECIPE, model=CDNetConfig(backbone="tinyvit", size=64, channels=32, quality=True), encoder_rate=0.0, views=3, steps=3)
    train(recipe, [shapes], tmp_path / "m.safetensors")
    files = list((tmp_path / "m.features").rglob("*.safetensors"))
    assert 1 <= len(files) <= 3
    views = [sample.view for sample in Sampler(recipe, read_sets([shapes])).row(0, 0)]
    again = [sample.view for sample in Sampler(recipe, read_sets([shapes])).row(0, 0)]
    assert all(a.key == b.key and np.array_equal(a.image, b.image) for a, b in zip(views, again))
    monkeypatch.setattr(TinyViT, "forward", None)  # The frozen encoder must not run again.
    train(replace(recipe, rounds=1), [shapes], tmp_path / "m.safetensors")


def test_training_can_start_from_weights_without_a_part(shapes, tmp_path):
    before, after = tmp_path / "before.safetensors", tmp_path / "after.safetensors"
    train(replace(RECIPE, steps=1), [shapes], before)
    train(replace(RECIPE, steps=1, rate=1e-9, model=replace(MODEL, quality=True)), [shapes], after, start_from=before)
    old, new = load_file(before), load_file(after)
    assert set(old) < set(new) and torch.allclose(old["refine.0.layers.0.0.weight"], new["refine.0.layers.0.0.weight"], atol=1e-3)
    with pytest.raises(ValueError, match="are not in it"):
        train(RECIPE, [shapes], tmp_path / "x.safetensors", start_from=after)


def test_simulated_prompts_are_boxes_strokes_and_clicks_in_the_error():
    rng = np.random.default_rng(0)
    target, nothing, valid = np.zeros((64, 64), bool), np.zeros((64, 64), bool), np.ones((64, 64), bool)
    target[10:50, 20:40] = True
    recipe = replace(RECIPE, boxes=0.4, strokes=0.3)
    prompts = [next_prompt(target, nothing, valid, recipe, rng) for _ in range(60)]
    boxes = [p for p in prompts if isinstance(p, Box)]
    strokes = [p for p in prompts if isinstance(p, Stroke)]
    clicks = [p for p in prompts if isinstance(p, Click)]
    assert boxes and strokes and clicks
    assert all(abs(b.x0 - 20) < 4 and abs(b.x1 - 40) < 4 and abs(b.y0 - 10) < 4 and abs(b.y1 - 50) < 4 for b in boxes)
    assert all(target[int(y), int(x)] for s in strokes for x, y in s.points) and all(c.positive for c in clicks)
    assert not any(isinstance(next_prompt(target, target ^ True, valid, recipe, rng), Box) for _ in range(20))
    assert next_prompt(target, target, valid, recipe, rng) is None


def test_some_clicks_lie_near_the_border_of_the_error():
    target, nothing, valid = np.zeros((64, 64), bool), np.zeros((64, 64), bool), np.ones((64, 64), bool)
    target[10:50, 10:50] = True

    def shallowest(recipe):
        rng = np.random.default_rng(0)
        clicks = [next_prompt(target, nothing, valid, replace(recipe, boxes=0.0, strokes=0.0), rng) for _ in range(200)]
        return min(min(c.x - 9, 50 - c.x, c.y - 9, 50 - c.y) for c in clicks)

    assert shallowest(RECIPE) == 10 and shallowest(replace(RECIPE, shallow=0.5)) == 2  # of 20 px; half and a tenth


def test_fixed_statistics_stay_while_the_weights_learn(shapes, tmp_path):
    before, after = tmp_path / "before.safetensors", tmp_path / "after.safetensors"
    train(replace(RECIPE, steps=1), [shapes], before)
    train(replace(RECIPE, fixed_statistics=True), [shapes], after, start_from=before)
    old, new = load_file(before), load_file(after)
    statistics = [name for name in old if name.endswith(("running_mean", "running_var"))]
    assert statistics and all(torch.equal(old[name], new[name]) for name in statistics)
    assert not torch.equal(old["heads.0.weight"], new["heads.0.weight"])


def test_a_focus_view_shows_the_change_of_the_newest_prompt_enlarged():
    rng = np.random.default_rng(0)
    image, valid = rng.integers(0, 255, (256, 256, 3), np.uint8), np.ones((256, 256), bool)
    target = np.zeros((256, 256), bool)
    target[20:220, 20:160] = True
    target[100:120, 160:200] = True  # a thin part, which the newest click adds
    before, after = target.astype(np.float32), target * np.float32(0.9)
    before[100:120, 160:200] = 0
    prompts = [Click(90, 90), Click(180, 110)]
    (sample,) = focus_samples([image], target[None], valid[None], before[None], after[None], [prompts], 224, 5.0)
    positive, negative, prior = sample.maps
    ys, xs = np.nonzero(positive)
    assert sample.view.image.shape == (224, 224, 3) and negative.sum() == 0
    assert abs(xs.mean() - 112) < 4 and abs(ys.mean() - 112) < 4  # The newest click is in the middle; the other one lies outside.
    assert np.array_equal(prior > 0.5, sample.target) and 0.05 < sample.target.mean() < 0.95
    assert focus_samples([image], target[None], valid[None], before[None] * 0, after[None], [[prompts[0]]], 224, 5.0) == []


def test_a_batch_ends_with_its_focus_views(shapes, tmp_path):
    recipe = replace(RECIPE, model=CDNetConfig(backbone="tinyvit", size=128, channels=16), encoder_rate=0.0, boxes=0.0, edits=1.0, rounds=1)
    out = tmp_path / "m.safetensors"
    train(replace(recipe, focus_round=True), [shapes], out)
    rounds = [entry["focus"] for entry in read_log(out) if "focus" in entry]
    assert rounds and all(1 <= r["views"] <= 4 and r["loss"] > 0 and len(r["iou"]) == 2 for r in rounds)
    train(recipe, [shapes], tmp_path / "other.safetensors")
    assert not any("focus" in entry for entry in read_log(tmp_path / "other.safetensors"))
    with pytest.raises(ValueError, match="start one process"):
        Trainer(CDNet(recipe.model), replace(recipe, focus_round=True), ProcessGroup(0, 2))


def test_the_result_is_a_mean_of_the_weights_before_and_after(shapes, tmp_path):
    before, after, mean = (tmp_path / f"{name}.safetensors" for name in ("before", "after", "mean"))
    train(replace(RECIPE, steps=1), [shapes], before)
    train(RECIPE, [shapes], after, start_from=before)
    train(replace(RECIPE, blend=0.5), [shapes], mean, start_from=before)
    old, new, blended = (load_file(file)["heads.0.weight"].float() for file in (before, after, mean))
    assert not torch.equal(old, new) and torch.allclose(blended, (old + new) / 2, atol=1e-3)


def test_recipes_for_trained_weights_need_weights(shapes, tmp_path):
    assert RECIPES["cdnet-tiny-refined"].blend == 0.5
    for recipe in (replace(RECIPE, blend=0.5), replace(RECIPE, fixed_statistics=True)):
        with pytest.raises(ValueError, match="name the weights to start from"):
            train(recipe, [shapes], tmp_path / "m.safetensors")
