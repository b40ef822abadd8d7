"""Distillation: a small CDNet learns from the predictions of a trained one on the same views and prompts, with or without labels.

The teacher's encoder output depends only on the view, so it is computed once per view and cached; its head runs for every prompt.
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
from cdwidget.model.prompt_maps import prompt_maps
from cdwidget.prompts import Click
from cdwidget.train.config import Recipe
from cdwidget.train.data import Sample, TrainingView
from cdwidget.train.features import FeatureCache


class Teacher(nn.Module):
    """A frozen CDNet, and trainable adapters that map a student's features to its own.

    Args:
        checkpoint: A network with late fusion; it gets views of the student's size.
        recipe: The student's recipe.
        folder: Folder of the feature cache.
        views: Description of the views, see `FeatureCache`.
        device: The device.

    Raises:
        ValueError: If teacher or student uses early fusion.
    """

    def __init__(self, checkpoint: Path, recipe: Recipe, folder: Path, views: str, device: torch.device):
        super().__init__()
        model = load_checkpoint(checkpoint)
        config, student_config = model.config, recipe.model
        student = BACKBONES[student_config.backbone]
        if not model.late or student.stem:
            raise ValueError(
                f"{config.backbone} cannot teach {student_config.backbone}: both encoders must run before the first prompt (late fusion)"
            )
        model.config = replace(config, size=student_config.size)  # The network works at any size.
        self.weights, self.device = recipe.distillation, device
        self._model = [model.requires_grad_(False).to(device)]  # In a list, so that it is not part of this module's weights.
        self._features = FeatureCache(model, folder, views)
        channels = BACKBONES[config.backbone].channels
        self.adapters = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in zip(student.channels, channels)).to(device)
        for parameter in self.adapters.parameters():
            nn.init.zeros_(parameter)  # The error then starts near 1 at any scale of the student's features.

    @property
    def model(self) -> CDNet:
        """The frozen network."""
        return self._model[0]

    def encode(self, views: list[TrainingView]) -> tuple[Tensor, ...]:
        """Return the teacher's features of views, (len(views), C, h, w) per level."""
        return self._features.encode(views)

    @torch.no_grad()
    def predict(self, levels: tuple[Tensor, ...], maps: Tensor) -> Output:
        """Predict masks.

        Args:
            levels: The teacher's features, (B, C, h, w) per level.
            maps: Prompt maps (B, 3, S, S).
        """
        with torch.autocast(self.device.type, torch.bfloat16):
            return self.model(tuple(lateral(x) for lateral, x in zip(self.model.laterals, levels)), maps)

    def label(self, samples: list[Sample], levels: tuple[Tensor, ...]) -> list[Sample]:
        """Set the targets of unlabeled samples to the teacher's predictions at their points.

        Args:
            samples: Labeled and unlabeled samples.
            levels: The teacher's features of their views.
        """
        return [
            sample
            if sample.query_points is None
            else replace(sample, targets=self._predict_at(sample.query_points, sample.targets.shape[-1], i, levels))
            for i, sample in enumerate(samples)
        ]

    def loss(self, student: Output, features: tuple[Tensor, ...], owner: Tensor, levels: tuple[Tensor, ...], maps: Tensor) -> Tensor:
        """Compute the distillation loss.

        It is the cross entropy with the teacher's probabilities for all heads that both have and for the gate, and the squared error of the
        adapted features relative to their variance.

        Args:
            student: Output of the student for B prompts.
            features: The student's encoder features; empty if its encoder is frozen.
            owner: Index of the view of each prompt, (B,).
            levels: The teacher's features of the views.
            maps: Prompt maps (B, 3, S, S).

        Returns:
            A scalar.
        """
        teacher = self.predict(tuple(x[owner] for x in levels), maps)
        heads = min(teacher.logits.shape[1], student.logits.shape[1])
        total = self.weights.logits * _cross_entropy(student.logits[:, :heads], teacher.logits[:, :heads])
        gate = F.interpolate(teacher.gate.float(), size=student.gate.shape[2:], mode="bilinear")
        total = total + self.weights.gate * _cross_entropy(student.gate, gate)
        for adapter, own, target in zip(self.adapters, features, levels):
            target = target.float()
            error = (adapter(own.float()) - target).square().mean() / target.var().clamp(min=1e-6)
            total = total + self.weights.features * error / len(levels)
        return total

    def _predict_at(self, points: np.ndarray, grid: int, view: int, levels: tuple[Tensor, ...]) -> np.ndarray:
        """Predict the objects at points (N, 2) of one view, bool (N, grid, grid)."""
        size, radius = self.model.config.size, self.model.config.click_radius
        maps = torch.zeros(len(points), 3, size, size)
        for row, (x, y) in zip(maps, points.tolist()):
            row[:2] = torch.from_numpy(prompt_maps([Click(x, y)], (0, 0, grid, grid), size, radius))
        levels = tuple(x[view : view + 1].expand(len(points), -1, -1, -1) for x in levels)
        logits = self.predict(levels, maps.to(self.device)).logits[:, :1].float()
        return (F.interpolate(logits, size=grid, mode="bilinear")[:, 0] > 0).cpu().numpy()


def _cross_entropy(logits: Tensor, target_logits: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits.float(), target_logits.float().sigmoid())
