"""Distillation: a small CDNet learns from what a trained one says of the same views and prompts, with labels or without.

What the teacher's encoder says hangs on the view alone, so it is computed once a view and kept on disk; only its head runs at every prompt.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cdwidget.model.cdnet import CDNet, Output
from cdwidget.model.checkpoint import load_checkpoint
from cdwidget.model.encoders import BACKBONES
from cdwidget.model.prompt_maps import click_maps
from cdwidget.prompts import Click
from cdwidget.train.config import Recipe
from cdwidget.train.data import Sample
from cdwidget.train.features import Features


class Teacher(nn.Module):
    """A trained CDNet, frozen, beside the layers by which a student's features are compared with its own; only those learn.

    checkpoint: of a network with a late encoder; it is shown views of the student's size. folder, views: where and by which words its
    features are kept (see Features). Raises ValueError when teacher and student do not go together.
    """

    def __init__(self, checkpoint: Path, recipe: Recipe, folder: Path, views: str, device: torch.device):
        super().__init__()
        model = load_checkpoint(checkpoint)
        theirs, own = model.config, recipe.model
        student = BACKBONES[own.backbone]
        if not model.late or student.stem:
            raise ValueError(f"{theirs.backbone} cannot teach {own.backbone}: both encoders must run before the first prompt (late fusion)")
        model.config = replace(theirs, size=own.size)  # nothing in it hangs on the size
        self.weights, self.device = recipe.distil, device
        self._model = [model.requires_grad_(False).to(device)]  # in a list, so that it is no part of this module's weights
        self._features = Features(model, folder, views)
        channels = BACKBONES[theirs.backbone].channels
        self.adapters = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in zip(student.channels, channels)).to(device)
        for parameter in self.adapters.parameters():
            nn.init.zeros_(parameter)  # a student's first features are of any size; so the error begins at about 1

    @property
    def model(self) -> CDNet:
        """The frozen network."""
        return self._model[0]

    def look(self, samples: list[Sample]) -> tuple[Tensor, ...]:
        """Its encoder's features of the samples' views, one (len(samples), C, h, w) tensor a level."""
        return self._features.of([sample.view for sample in samples])

    @torch.no_grad()
    def answer(self, levels: tuple[Tensor, ...], maps: Tensor) -> Output:
        """What it answers to maps (B, 3, S, S), given its features of each one's view."""
        with torch.autocast(self.device.type, torch.bfloat16):
            return self.model(tuple(lateral(x) for lateral, x in zip(self.model.laterals, levels)), maps)

    def targets(self, samples: list[Sample], levels: tuple[Tensor, ...]) -> list[Sample]:
        """The samples, those without labels with what the teacher says is at the places where they ask it."""
        return [
            sample if sample.asked is None else replace(sample, targets=self._at(sample.asked, sample.targets.shape[-1], i, levels))
            for i, sample in enumerate(samples)
        ]

    def _at(self, points: np.ndarray, grid: int, view: int, levels: tuple[Tensor, ...]) -> np.ndarray:
        size, radius = self.model.config.size, self.model.config.click_radius
        maps = torch.zeros(len(points), 3, size, size)
        for row, (x, y) in zip(maps, points.tolist()):
            row[:2] = torch.from_numpy(click_maps([Click(x, y)], (0, 0, grid, grid), size, radius))
        levels = tuple(x[view : view + 1].expand(len(points), -1, -1, -1) for x in levels)
        logits = self.answer(levels, maps.to(self.device)).logits[:, :1].float()
        return (F.interpolate(logits, size=grid, mode="bilinear")[:, 0] > 0).cpu().numpy()

    def loss(self, student: Output, features: tuple[Tensor, ...], owner: Tensor, levels: tuple[Tensor, ...], maps: Tensor) -> Tensor:
        """How far a student's answer to maps is from the teacher's, a scalar.

        Cross entropy with the teacher's probabilities of all heads that both have, and of the gate; and of the features (none of a frozen
        encoder) the squared error that remains behind a 1x1 convolution, as a share of their variance. owner: the view of each answer.
        """
        taught = self.answer(tuple(x[owner] for x in levels), maps)
        heads = min(taught.logits.shape[1], student.logits.shape[1])
        total = self.weights.logits * _cross_entropy(student.logits[:, :heads], taught.logits[:, :heads])
        gate = F.interpolate(taught.gate.float(), size=student.gate.shape[2:], mode="bilinear")
        total = total + self.weights.gate * _cross_entropy(student.gate, gate)
        for adapter, own, theirs in zip(self.adapters, features, levels):
            theirs = theirs.float()
            error = (adapter(own.float()) - theirs).square().mean() / theirs.var().clamp(min=1e-6)
            total = total + self.weights.features * error / len(levels)
        return total


def _cross_entropy(logits: Tensor, taught: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits.float(), taught.float().sigmoid())
