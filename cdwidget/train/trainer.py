"""What a run changes, and how: a batch lives for a few iterative clicks, and each of them is one step of the optimiser."""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn
from tqdm import tqdm

from cdwidget.click_simulation import next_click, stroke_from
from cdwidget.masks import bbox
from cdwidget.model.cdnet import CDNet
from cdwidget.model.checkpoint import load_encoder, load_parts, save_checkpoint
from cdwidget.model.prompt_maps import click_maps
from cdwidget.model.quantization import quantized
from cdwidget.plotting import plot
from cdwidget.prompts import Box, Prompt
from cdwidget.train.config import Recipe
from cdwidget.train.data import Sample, Sampler, read_sets, without_bad
from cdwidget.train.distill import Teacher
from cdwidget.train.distributed import Ranks, join, share_statistics
from cdwidget.train.features import Features, as_images
from cdwidget.train.losses import cdnet_loss, quality_loss
from cdwidget.train.prefetch import drawn_ahead, helpers

LIVES, PROMPTS = 3, 4  # what a generator is for, as in data.py
ALIKE = 8  # numbers of views that a GPU is shown are multiples of this; it takes seconds to get ready for each that it has not met


class Learner:
    """A network with its optimiser and the average of its weights.

    features: of a frozen encoder; None for one that learns, or that needs the prompts. teacher: None without distillation.
    """

    def __init__(self, model: CDNet, recipe: Recipe, ranks: Ranks, features: Features | None = None, teacher: Teacher | None = None):
        self.model, self.recipe, self.ranks, self.features, self.teacher = model, recipe, ranks, features, teacher
        self.device = next(model.parameters()).device
        if ranks.count > 1:
            share_statistics(model)
        self.hands = ThreadPoolExecutor()  # that click
        self.average = Average(model, recipe.ema)
        groups = _groups(model, recipe)
        if teacher is not None:
            groups.append({"params": list(teacher.adapters.parameters()), "scale": 1.0})
        self.parameters = [parameter for group in groups for parameter in group["params"]]
        self.optimiser = torch.optim.AdamW(groups, lr=recipe.rate, weight_decay=recipe.weight_decay)
        self.updates = 0

    def live(self, samples: list[Sample], step: int) -> tuple[list[float], list[float]]:
        """Let one batch live: click, predict, learn, and click again where the prediction errs, for 1 to `rounds` rounds.

        samples: this rank's share of the batch. Returns the loss and the mean IoU of each round, over all ranks.
        """
        recipe, teacher = self.recipe, self.teacher
        views = [sample.view for sample in samples]
        taught = teacher.look(samples) if teacher else ()
        if teacher:
            samples = teacher.targets(samples, taught)
        owner = torch.tensor([i for i, s in enumerate(samples) for _ in s.targets], device=self.device)
        targets = np.concatenate([s.targets for s in samples])
        valid = np.stack([s.view.valid for s in samples for _ in s.targets])
        start = np.concatenate([s.start for s in samples])
        prior, target, seen = (torch.from_numpy(masks)[:, None].to(self.device).float() for masks in (start, targets, valid))
        count, size, grid = len(targets), recipe.model.size, targets.shape[-1]
        painted = np.zeros((count, 2, size, size), bool)
        first = self.ranks.number * count
        rngs = [np.random.default_rng((recipe.seed, PROMPTS, step, first + i)) for i in range(count)]
        if self.device.type == "cuda":
            views = views + views[: -len(views) % ALIKE]
        looked = self.features.of(views) if self.features else (as_images([view.image for view in views]).to(self.device),)
        self.model.train()
        if self.features is not None:
            self.model.backbone.eval()

        def ask(i: int, guess: np.ndarray) -> None:
            prompt = next_prompt(targets[i], guess, valid[i], recipe, rngs[i])
            if prompt is not None:
                painted[i] |= click_maps([prompt], (0, 0, grid, grid), size, recipe.model.click_radius) > 0

        losses, ious = [], []
        for _ in range(int(np.random.default_rng((recipe.seed, LIVES, step)).integers(1, recipe.rounds + 1))):
            list(self.hands.map(ask, range(count), (prior[:, 0] > 0.5).cpu().numpy()))
            shown = torch.cat([torch.from_numpy(painted).to(self.device).float(), F.interpolate(prior, size=size, mode="bilinear")], 1)
            with quantized(self.model, recipe.model.bits):
                with torch.autocast(self.device.type, torch.bfloat16):
                    levels, encoded = self._encode(looked)
                    output = self.model(tuple(x[owner] for x in encoded), shown)
                loss = cdnet_loss(output.logits, output.gate, shown, target, seen)
                if output.quality is not None:
                    loss = loss + quality_loss(output.quality, output.logits, target, seen)
                if teacher:
                    loss = loss + teacher.loss(output, () if self.features else levels, owner, taught, shown)
                self.optimiser.zero_grad(set_to_none=True)
                loss.backward()
            self._learn(step)
            prob = F.interpolate(output.logits[:, :1].detach().float(), size=grid, mode="bilinear").sigmoid()
            ious.append(_mean_iou(prob, target, seen))
            losses.append(float(loss.detach()))
            # half of the masks the network sees again are hard, as the session hands them back
            hard = torch.tensor([rng.random() < 0.5 for rng in rngs], device=self.device)[:, None, None, None]
            prior = torch.where(hard, (prob > 0.5).float(), prob)
        told = torch.tensor([losses, ious], device=self.device)
        self.ranks.average([told])
        return told[0].tolist(), told[1].tolist()

    def rate(self, step: int) -> float:
        """The learning rate at a batch: flat, then linear to zero over the last `decay` of the steps."""
        steps, decay = self.recipe.steps, self.recipe.decay
        return self.recipe.rate * min(1.0, (steps - step) / max(1.0, decay * steps))

    def state(self) -> dict[str, Any]:
        """All that must be kept for training to go on as if it had never stopped."""
        teacher = {} if self.teacher is None else self.teacher.state_dict()
        parts = {"model": self.model.state_dict(), "average": self.average.weights, "optimiser": self.optimiser.state_dict()}
        return parts | {"teacher": teacher, "updates": self.updates}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state."""
        self.model.load_state_dict(state["model"])
        self.average.weights = state["average"]
        self.optimiser.load_state_dict(state["optimiser"])
        self.updates = state["updates"]
        if self.teacher is not None:
            self.teacher.load_state_dict(state["teacher"])

    def _encode(self, looked: tuple[Tensor, ...]) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Features, nothing for an early encoder, and what the network takes, of a frozen encoder's features or of images."""
        if not self.model.late:
            return (), looked
        levels = looked if self.features else self.model.backbone(*looked)
        return levels, tuple(lateral(x) for lateral, x in zip(self.model.laterals, levels))

    def _learn(self, step: int) -> None:
        """Take one step along the gradients that are there."""
        rate = self.rate(step) * min(1.0, (self.updates + 1) / self.recipe.warmup)
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["scale"]
        self.ranks.average([parameter.grad for parameter in self.parameters if parameter.grad is not None])
        nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
        self.optimiser.step()
        self.updates += 1
        self.average.update(self.model, self.updates)


class Average:
    """Exponential average of the weights; the buffers (batch statistics) are averaged too."""

    def __init__(self, model: nn.Module, decay: float):
        self.decay = decay
        self.weights = {name: value.detach().clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module, updates: int) -> None:
        """Move towards the model's weights."""
        decay = min(self.decay, (1 + updates) / (10 + updates))  # a short memory at first
        values = model.state_dict()
        averaged = [name for name, value in values.items() if value.is_floating_point()]
        get_ema_multi_avg_fn(decay)([self.weights[name] for name in averaged], [values[name] for name in averaged], updates)
        for name in values.keys() - averaged:
            self.weights[name].copy_(values[name])


def next_prompt(target: np.ndarray, guess: np.ndarray, valid: np.ndarray, recipe: Recipe, rng: np.random.Generator) -> Prompt | None:
    """A box where nothing is there yet, or a click in the core of the larger error, or a stroke from there; None when all is right."""
    kind = rng.random()
    if not guess.any() and target.any() and kind < recipe.boxes:
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


# MERGED from train.loop: The training loop: batches drawn ahead, a log with its curve, and checkpoints from which a run goes on exactly where it was killed.


def train(
    recipe: Recipe, data: Sequence[Path], out: Path, *, encoder: Path | None = None, start_from: Path | None = None, resume: bool = False,
    teacher: Path | None = None, unlabelled: Sequence[Path] = (), skip_bad: bool = False, features: Path | None = None,
    device: str = "auto", save_every: int = 50,
) -> Path:  # fmt: skip
    """Train a recipe and write the averaged weights to `out` (safetensors, fp16); beside it a log (`.jsonl`), its curve (`.png`) and the
    state (`.state`).

    data: folders of data sets. encoder: pre-trained weights of the backbone. start_from: a checkpoint to begin with instead; parts it does
    not have begin anew. With `resume` the state is read and training goes on as if it had never stopped. teacher: a checkpoint to learn
    from, as the recipe's `distil` says; unlabelled: folders of images of which the teacher alone knows something. skip_bad: leave out
    images that cannot be used. features: the folder where what frozen encoders say is kept when the recipe has a number of views, by
    default `.features/` beside `out`; runs may share it. device: "cpu", "cuda" or "auto". save_every: batches. Under torchrun each process
    does its share. Returns `out`.

    Raises ValueError for images or masks that cannot be used, and for settings that do not go together.
    """
    if unlabelled and teacher is None:
        raise ValueError("unlabelled images teach nothing by themselves; name a teacher, or leave them out")
    with join(device) as (ranks, where):
        sets, report = without_bad(read_sets(data, unlabelled), skip_bad)
        if report and ranks.number == 0:
            tqdm.write(report)
        sampler = Sampler(recipe, sets)
        torch.manual_seed(recipe.seed)
        model = CDNet(recipe.model)
        if start_from is not None:
            load_parts(model, start_from)
        elif encoder is not None:
            load_encoder(model, encoder)
        model.to(where)
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        kept, views = features or out.with_suffix(".features"), sampler.views()
        looked = Features(model, kept, views) if model.late and recipe.encoder_rate == 0 else None
        guide = None if teacher is None else Teacher(teacher, recipe, kept, views, where)
        _run(Learner(model, recipe, ranks, looked, guide), sampler, out, resume, save_every)
    return out


def _run(learner: Learner, sampler: Sampler, out: Path, resume: bool, save_every: int) -> None:
    recipe, ranks = learner.recipe, learner.ranks
    state_file, log_file = out.with_suffix(".state"), out.with_suffix(".jsonl")
    writes = ranks.number == 0
    start = 0
    if resume:
        if not state_file.is_file():
            raise FileNotFoundError(f"{state_file} is not there, so nothing can be resumed; start without --resume")
        state = torch.load(state_file, weights_only=True, map_location=learner.device)
        learner.restore(state)
        start = state["step"]
    if writes:
        out.parent.mkdir(parents=True, exist_ok=True)
        logged = log_file.read_text().splitlines(keepends=True) if start else []
        log_file.write_text("".join(logged[:start]))  # what was logged after the state is done again
        if not resume:
            _replace(state_file, learner.state() | {"step": 0})
    steps = range(start, recipe.steps)
    drawn = drawn_ahead(partial(sampler.share, ranks), steps, helpers(learner.device, ranks.count))
    with tqdm(total=recipe.steps, initial=start, unit="batch", disable=not writes) as bar:
        for step, samples in zip(steps, drawn):
            began = time.perf_counter()
            losses, ious = learner.live(samples, step)
            if not writes:
                continue
            bar.set_postfix(loss=f"{np.mean(losses):.3f}", iou=f"{ious[-1]:.3f}", refresh=False)
            bar.update()
            entry = {"step": step + 1, "loss": losses, "iou": ious, "rate": learner.rate(step), "seconds": time.perf_counter() - began}
            with open(log_file, "a") as log:
                log.write(json.dumps({k: _rounded(v) for k, v in entry.items()}) + "\n")
            if (step + 1) % save_every == 0 or step + 1 == recipe.steps:
                notes = {"recipe": json.dumps(asdict(recipe)), "step": str(step + 1)}
                save_checkpoint(out, _with_weights(recipe, learner.average.weights), notes)
                plot(log_file, out.with_suffix(".png"))
                _replace(state_file, learner.state() | {"step": step + 1})  # last: what is not done yet when killed is done again


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
