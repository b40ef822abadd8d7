"""The training loop: batches drawn ahead, a log with its curve, and checkpoints from which a run goes on exactly where it was killed."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Sequence

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from cdwidget.model.cdnet import CDNet
from cdwidget.model.checkpoint import load_encoder, load_parts, save_checkpoint
from cdwidget.train.ahead import drawn_ahead, helpers
from cdwidget.train.check import read_sets, without_bad
from cdwidget.train.config import Recipe
from cdwidget.train.curve import plot
from cdwidget.train.data import Sampler
from cdwidget.train.distill import Teacher
from cdwidget.train.features import Features
from cdwidget.train.learner import Learner
from cdwidget.train.ranks import join


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
