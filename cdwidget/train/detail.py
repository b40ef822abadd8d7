"""Training of the detail branch on recorded focus views; the rest of the network stays as it is."""

from __future__ import annotations

import json
import os
import time
import zlib
from dataclasses import dataclass, replace
from math import cos, pi
from pathlib import Path
from typing import Any, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from cdwidget.model.cdnet import CDNet
from cdwidget.model.checkpoint import load_checkpoint, save_checkpoint
from cdwidget.model.detail import Detail
from cdwidget.model.precision import precision
from cdwidget.train.learner import Average
from cdwidget.train.losses import click_loss, dice_loss, focal_loss

VALIDATION_SHARE = 12  # one photograph in so many of the training set is kept for the curve
BAND_CELLS, BAND_WEIGHT = 2, 3.0  # pixels this near the true border weigh this much more in the boundary term
THIN_CELLS, THIN_WEIGHT = 3, 3.0  # so do parts and gaps that an opening or closing of this radius removes
BOUNDARY_WEIGHT = 2.0  # of the boundary term
MIRRORED_SHARE = 0.5
FEATURES = ("decoded", "level0", "level1", "tokens")


@dataclass(frozen=True)
class DetailRecipe:
    """One training run of the detail branch. steps: batches of `batch` focus views. rate: peak learning rate, which follows a cosine."""

    steps: int = 1500
    batch: int = 12
    rate: float = 2e-3
    weight_decay: float = 0.01
    warmup: int = 50
    ema: float = 0.99
    seed: int = 0


DETAIL = DetailRecipe()


def with_detail(model: CDNet) -> CDNet:
    """Return the model with a new detail branch, which changes no answer yet."""
    if model.detail is not None:
        return model
    extended = CDNet(replace(model.config, detail=True))
    extended.load_state_dict({**extended.state_dict(), **model.state_dict()})
    return extended.eval()


@torch.no_grad()
def prepare(base: Path, samples: Path, out: Path) -> None:
    """Decode all samples of a folder once by the checkpoint `base` and write what the detail branch reads to `out`, a file each."""
    model = load_checkpoint(base)
    out.mkdir(parents=True, exist_ok=True)
    for file in sorted(samples.glob("*.safetensors")):
        if (out / file.name).exists():
            continue
        sample = load_file(file)
        levels = tuple(sample[f"level{i}"][None].float() for i in range(len(model.laterals)))
        with precision():
            decoded, tokens, _, _ = model._decode(levels, sample["maps"][None].float() / 255)
            logits = model._main_head(decoded)
        kept = {name: sample[name] for name in ("image", "maps", "truth", "ignore", "level0", "level1")}
        found = {"decoded": decoded, "tokens": tokens, "logits": logits}
        kept |= {name: value[0].half().contiguous() for name, value in found.items()}
        save_file(kept, out / f".{file.name}")
        os.replace(out / f".{file.name}", out / file.name)


def train_detail(base: Path, samples: Path, out: Path, recipe: DetailRecipe = DETAIL, *, resume: bool = False) -> Path:
    """Train the detail branch of the checkpoint `base` on the files of `prepare` and write a checkpoint with it to `out`.

    A log (`.jsonl`) and the state (`.state`), from which `resume` continues, are written next to it.
    """
    torch.manual_seed(recipe.seed)
    model = with_detail(load_checkpoint(base))
    detail = model.detail
    assert detail is not None
    detail.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = Average(detail, recipe.ema)
    optimizer = torch.optim.AdamW(detail.parameters(), lr=recipe.rate, weight_decay=recipe.weight_decay)
    state_file, log_file = out.with_suffix(".state"), out.with_suffix(".jsonl")
    start = 0
    if resume and state_file.is_file():
        state = torch.load(state_file, weights_only=True)
        detail.load_state_dict(state["detail"])
        optimizer.load_state_dict(state["optimizer"])
        average.weights, start = state["average"], state["step"]
    logged = log_file.read_text().splitlines(keepends=True) if start else []
    log_file.write_text("".join(logged[:start]))  # steps after the state was written are done again
    learning, validation = split(sorted(samples.glob("*.safetensors")))
    for step in range(start, recipe.steps):
        began = time.perf_counter()
        rng = np.random.default_rng((recipe.seed, step))
        batch = read([learning[i] for i in rng.choice(len(learning), recipe.batch, replace=False)])
        if rng.random() < MIRRORED_SHARE:
            batch = {name: value.flip(-1) for name, value in batch.items()}
        rate = recipe.rate * min(1.0, (step + 1) / recipe.warmup) * (0.5 + 0.5 * cos(pi * step / recipe.steps))
        for group in optimizer.param_groups:
            group["lr"] = rate
        target, valid = F.avg_pool2d(batch["truth"], 2).round(), (F.avg_pool2d(batch["valid"], 2) > 0.5).float()
        loss = detail_loss(_answer(detail, batch), batch["maps"], target, valid)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(detail.parameters(), 5.0)
        optimizer.step()
        average.update(detail, step + 1)
        with torch.no_grad():
            untrained = detail_loss(F.interpolate(batch["logits"], scale_factor=2, mode="bilinear"), batch["maps"], target, valid)
        entry: dict[str, Any] = {
            "step": step + 1,
            "loss": float(loss.detach()),
            "loss without": float(untrained),
            "seconds": time.perf_counter() - began,
        }
        if (step + 1) % 50 == 0 or step + 1 == recipe.steps:
            learned = {name: value.clone() for name, value in detail.state_dict().items()}
            state = {"detail": learned, "optimizer": optimizer.state_dict(), "average": average.weights, "step": step + 1}
            torch.save(state, state_file.with_suffix(".partial"))
            os.replace(state_file.with_suffix(".partial"), state_file)
            detail.load_state_dict(average.weights)
            if validation:
                entry["validation"] = _validated(detail, validation)
            save_checkpoint(out, model, {"detail_step": str(step + 1), "detail_recipe": repr(recipe)})
            detail.load_state_dict(learned)
        with log_file.open("a") as log:
            log.write(json.dumps(entry) + "\n")
    return out


def read(files: Sequence[Path]) -> dict[str, Tensor]:
    """Read prepared samples as one batch: image, maps float32 (B, 3, S, S) in 0..1, truth, valid (B, 1, S, S), logits and features."""
    loaded = [load_file(file) for file in files]
    batch = {name: torch.stack([sample[name] for sample in loaded]).float() for name in loaded[0]}
    batch["image"] = batch["image"].permute(0, 3, 1, 2) / 255
    batch["maps"] = batch["maps"] / 255
    batch["truth"] = (batch["truth"][:, None] > 127).float()
    batch["valid"] = (batch.pop("ignore")[:, None] < 128).float()
    return {name: value.contiguous(memory_format=torch.channels_last) for name, value in batch.items()}


def split(files: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Split sample files into those to learn from and those for the curve, by photograph."""
    kept = {file for file in files if zlib.crc32(file.name.rsplit("-", 2)[0].encode()) % VALIDATION_SHARE == 0}
    return [file for file in files if file not in kept], [file for file in files if file in kept]


def _answer(detail: Detail, batch: dict[str, Tensor]) -> Tensor:
    return detail(batch["image"], batch["maps"], tuple(batch[name] for name in FEATURES), batch["logits"])


def detail_loss(logits: Tensor, maps: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Normalized focal loss, Dice loss, click loss and a cross entropy that weighs borders and thin parts, the mean; (B, 1, h, w) each."""
    band = _dilated(target, BAND_CELLS) - _eroded(target, BAND_CELLS)
    opened = _dilated(_eroded(target, THIN_CELLS), THIN_CELLS)
    closed = _eroded(_dilated(target, THIN_CELLS), THIN_CELLS)
    weight = valid * (1 + BAND_WEIGHT * band + THIN_WEIGHT * ((target - opened).clamp(min=0) + (closed - target).clamp(min=0)))
    entropy = weight * F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    edge = entropy.sum((1, 2, 3)) / weight.sum((1, 2, 3)).clamp(min=1)
    clicks = F.interpolate(maps[:, :2], size=logits.shape[-2:], mode="area")
    whole = focal_loss(logits, target, valid) + dice_loss(logits, target, valid) + click_loss(logits, clicks)
    return (whole[:, 0] + BOUNDARY_WEIGHT * edge).mean()


def _dilated(mask: Tensor, radius: int) -> Tensor:
    return F.max_pool2d(mask, 2 * radius + 1, 1, radius)


def _eroded(mask: Tensor, radius: int) -> Tensor:
    return 1 - _dilated(1 - mask, radius)


def _ious(prob: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    guess, truth = (prob > 0.5) & (valid > 0), (target > 0) & (valid > 0)
    return (guess & truth).sum((1, 2, 3)) / (guess | truth).sum((1, 2, 3)).clamp(min=1)


@torch.no_grad()
def _validated(detail: Detail, files: Sequence[Path]) -> dict[str, float]:
    """Return the mean IoU in the focus view of the prior, of the answer without the detail branch, and with it."""
    found: dict[str, list[float]] = {"prior": [], "without": [], "with": []}
    for i in range(0, len(files), 12):
        batch = read(files[i : i + 12])
        truth, valid = batch["truth"], batch["valid"]
        found["prior"] += _ious(batch["maps"][:, 2:], truth, valid).tolist()
        found["without"] += _ious(_upsampled(batch["logits"], truth), truth, valid).tolist()
        found["with"] += _ious(_upsampled(_answer(detail, batch), truth), truth, valid).tolist()
    return {name: float(np.mean(values)) for name, values in found.items()} | {"views": len(files)}


def _upsampled(logits: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(logits, size=like.shape[-2:], mode="bilinear").sigmoid()
