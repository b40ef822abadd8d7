"""The training loop: batches that live for a few iterative clicks, an average of the weights, checkpoints that resume exactly."""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from cdwidget.clicks import next_click, stroke_from
from cdwidget.masks import bbox
from cdwidget.model.cdnet import CDNet
from cdwidget.model.checkpoint import load_encoder, load_parts, save_checkpoint
from cdwidget.model.click_maps import click_maps
from cdwidget.prompts import Box, Prompt
from cdwidget.train.config import Recipe
from cdwidget.train.data import Sample, Sampler
from cdwidget.train.features import Features, as_images
from cdwidget.train.losses import cdnet_loss, quality_loss


def train(
    recipe: Recipe, data: list[Path], out: Path, encoder: Path | None = None, resume: bool = False, start_from: Path | None = None,
    save_every: int = 50,
) -> Path:  # fmt: skip
    """Train a recipe and write the averaged weights to `out` (safetensors, fp16), a log beside it (`.jsonl`) and the state (`.state`).

    data: folders of data sets. encoder: pre-trained weights of the backbone. start_from: a checkpoint to begin with instead; parts it does
    not have begin anew. With `resume` the state is read and training goes on as if it had never stopped. A frozen encoder's features are
    kept beside `out` (`.features/`) when the recipe has a number of views. Returns `out`.
    """
    torch.manual_seed(recipe.seed)
    sampler = Sampler(recipe, data)
    model = CDNet(recipe.model)
    if start_from is not None:
        load_parts(model, start_from)
    elif encoder is not None:
        load_encoder(model, encoder)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = _Average(model, recipe.ema)
    optimiser = torch.optim.AdamW(_groups(model, recipe), lr=recipe.rate, weight_decay=recipe.weight_decay)
    frozen = model.late and recipe.encoder_rate == 0
    features = Features(model, out.with_suffix(".features"), sampler.views()) if frozen else None
    state_file, log_file = out.with_suffix(".state"), out.with_suffix(".jsonl")
    start = updates = 0
    if resume:
        if not state_file.is_file():
            raise FileNotFoundError(f"{state_file} is not there, so nothing can be resumed; start without --resume")
        state = torch.load(state_file, weights_only=True)
        model.load_state_dict(state["model"])
        average.weights = state["average"]
        optimiser.load_state_dict(state["optimiser"])
        start, updates = state["step"], state["updates"]
        kept = log_file.read_text().splitlines(keepends=True)[:start]  # what was logged after the state is done again
        log_file.write_text("".join(kept))
    out.parent.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(1) as ahead, open(log_file, "a" if resume else "w") as log:
        future = ahead.submit(sampler.batch, start)
        for step in tqdm(range(start, recipe.steps), initial=start, total=recipe.steps, unit="batch"):
            samples, began = future.result(), time.perf_counter()
            future = ahead.submit(sampler.batch, step + 1)
            rate = recipe.rate * rate_at(step, recipe)
            losses, ious, updates = _live(model, samples, features, recipe, step, rate, optimiser, average, updates)
            entry = {"step": step + 1, "loss": losses, "iou": ious, "rate": rate, "seconds": time.perf_counter() - began}
            log.write(json.dumps({k: _rounded(v) for k, v in entry.items()}) + "\n")
            log.flush()
            if (step + 1) % save_every == 0 or step + 1 == recipe.steps:
                state = {"model": model.state_dict(), "average": average.weights, "optimiser": optimiser.state_dict()}
                _replace(state_file, state | {"step": step + 1, "updates": updates})
                notes = {"recipe": json.dumps(asdict(recipe)), "step": str(step + 1)}
                save_checkpoint(out, _with_weights(recipe, average.weights), notes)
    return out


def rate_at(step: int, recipe: Recipe) -> float:
    """The learning rate at a batch relative to the recipe's: flat, then linear to zero over the last `decay` of the steps."""
    return min(1.0, (recipe.steps - step) / max(1.0, recipe.decay * recipe.steps))


def _live(
    model: CDNet, samples: list[Sample], features: Features | None, recipe: Recipe, step: int, rate: float,
    optimiser: torch.optim.Optimizer, average: _Average, updates: int,
) -> tuple[list[float], list[float], int]:  # fmt: skip
    """Let one batch live: click, predict, learn, and click again where the prediction errs, for 1 to `rounds` rounds."""
    rng = np.random.default_rng((recipe.seed, step, 1))
    owner = torch.tensor([i for i, s in enumerate(samples) for _ in s.targets])
    targets = np.concatenate([s.targets for s in samples])
    valid = np.stack([samples[i].view.valid for i in owner.tolist()])
    prior = torch.from_numpy(np.concatenate([s.start for s in samples]))[:, None]
    target, seen = torch.from_numpy(targets).float()[:, None], torch.from_numpy(valid).float()[:, None]
    size, grid = recipe.model.size, targets.shape[-1]
    maps = torch.zeros(len(targets), 3, size, size)
    model.train()
    if features is not None:
        model.backbone.eval()
        seen_by_encoder = features.of([s.view for s in samples])
    else:
        images = as_images([s.view.image for s in samples])
    losses, ious = [], []
    for _ in range(int(rng.integers(1, recipe.rounds + 1))):
        guess = prior[:, 0].numpy() > 0.5
        for i in range(len(targets)):
            prompt = next_prompt(targets[i], guess[i], valid[i], recipe, rng)
            if prompt is not None:
                painted = click_maps([prompt], (0, 0, grid, grid), size, recipe.model.click_radius)
                maps[i, :2] = torch.maximum(maps[i, :2], torch.from_numpy(painted))
        maps[:, 2:] = F.interpolate(prior, size=size, mode="bilinear")
        for group in optimiser.param_groups:
            group["lr"] = rate * group["scale"] * min(1.0, (updates + 1) / recipe.warmup)
        with torch.autocast("cpu", torch.bfloat16):
            if features is not None:
                encoded = tuple(lateral(x) for lateral, x in zip(model.laterals, seen_by_encoder))
            else:
                encoded = model.encode(images)
            output = model(tuple(x[owner] for x in encoded), maps)
        loss = cdnet_loss(output.logits, output.gate, maps, target, seen)
        if output.quality is not None:
            loss = loss + quality_loss(output.quality, output.logits, target, seen)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimiser.step()
        updates += 1
        average.update(model, updates)
        prob = F.interpolate(output.logits[:, :1].detach().float(), size=grid, mode="bilinear").sigmoid()
        ious.append(_mean_iou(prob, target, seen))
        losses.append(float(loss.detach()))
        # half of the masks the network sees again are hard, as the session hands them back
        hard = torch.from_numpy(rng.random(len(targets)) < 0.5)[:, None, None, None]
        prior = torch.where(hard, (prob > 0.5).float(), prob)
    return losses, ious, updates


def next_prompt(target: np.ndarray, guess: np.ndarray, valid: np.ndarray, recipe: Recipe, rng: np.random.Generator) -> Prompt | None:
    """A box where nothing is there yet, or a click in the core of the larger error, or a stroke from there; None when all is right."""
    kind = rng.random()
    if not guess.any() and kind < recipe.boxes:
        x0, y0, x1, y1 = bbox(target)
        slack = 0.06 * max(x1 - x0, y1 - y0)
        left, top, right, bottom = (float(v) for v in np.array([x0, y0, x1, y1]) + rng.uniform(-slack, slack, 4))
        return Box(left, top, max(right, left + 2), max(bottom, top + 2))
    click = next_click(target, guess, ignore=~valid, rng=rng)
    if click is None or kind < 1 - recipe.strokes:
        return click
    region = (target & ~guess if click.positive else guess & ~target) & valid
    return stroke_from(click, region, float(rng.uniform(1, 5)), rng)


def _mean_iou(prob: Tensor, target: Tensor, valid: Tensor) -> float:
    guess, truth = (prob > 0.5) & (valid > 0), (target > 0) & (valid > 0)
    both, either = (guess & truth).sum((1, 2, 3)), (guess | truth).sum((1, 2, 3))
    return float((both / either.clamp(min=1)).mean())


def _groups(model: CDNet, recipe: Recipe) -> list[dict]:
    encoder = [p for name, p in model.named_parameters() if name.startswith("backbone.")]
    head = [p for name, p in model.named_parameters() if not name.startswith("backbone.")]
    groups = [{"params": head, "scale": 1.0}]
    if recipe.encoder_rate:
        groups.append({"params": encoder, "scale": recipe.encoder_rate})
    else:
        for parameter in encoder:
            parameter.requires_grad_(False)
    return groups


class _Average:
    """Exponential average of the weights; the buffers (batch statistics) are averaged too."""

    def __init__(self, model: nn.Module, decay: float):
        self.decay = decay
        self.weights = {name: value.detach().clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module, updates: int) -> None:
        decay = min(self.decay, (1 + updates) / (10 + updates))  # a short memory at first
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                self.weights[name].lerp_(value, 1 - decay)
            else:
                self.weights[name].copy_(value)


def _with_weights(recipe: Recipe, weights: dict[str, Tensor]) -> CDNet:
    """A model of the recipe with these weights."""
    model = CDNet(recipe.model)
    model.load_state_dict(weights)
    return model


def _replace(path: Path, state: dict) -> None:
    """Write a state so that a kill at any moment leaves the old one or the new one."""
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    os.replace(partial, path)


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return round(value, 5)
    return [_rounded(v) for v in value] if isinstance(value, list) else value
