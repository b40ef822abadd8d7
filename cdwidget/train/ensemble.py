"""Training of the small networks behind the overall score: ensembles of multilayer perceptrons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

import numpy as np
import torch

from cdwidget.scoring.network import INPUT_CLIP_STD, Network

PEAK_LEARNING_RATE = 3e-3


@dataclass(frozen=True)
class NetworkRecipe:
    """Size and training of an ensemble of small networks.

    Attributes:
        hidden: Units per hidden layer.
        members: Networks in the ensemble.
        steps: Optimizer steps.
        batch: Rows per step and member.
        dropout: Dropout rate.
        decay: Weight decay.
        targets: Training targets of a mask as a function of its IoU.
        excluded: Measures that are not inputs.
    """

    hidden: tuple[int, ...]
    members: int
    steps: int
    batch: int
    dropout: float
    decay: float
    targets: Callable[[float], tuple[float, ...]]
    excluded: tuple[str, ...] = ()


def train_network(
    inputs: np.ndarray, targets: torch.Tensor, loss: Callable[..., torch.Tensor], outputs: int, recipe: NetworkRecipe,
    names: tuple[str, ...], typical: np.ndarray | None = None,
) -> Network:  # fmt: skip
    """Train an ensemble of small networks in parallel, each on its own random batches.

    Args:
        inputs: (n, d).
        targets: (n, ...).
        loss: Loss of outputs and targets.
        outputs: Number of outputs.
        recipe: Size and training of the networks.
        names: Names of the inputs.
        typical: Typical inputs of good masks, (d,); None for the mean.

    Returns:
        The ensemble.
    """
    generator = torch.Generator().manual_seed(0)
    center, scale = inputs.mean(0), inputs.std(0) + 1e-3
    normalized = torch.from_numpy((inputs - center) / scale).float().clamp(-INPUT_CLIP_STD, INPUT_CLIP_STD)
    sizes = (inputs.shape[1], *recipe.hidden, outputs)
    weights = [torch.randn(recipe.members, a, b, generator=generator) * (2 / a) ** 0.5 for a, b in zip(sizes, sizes[1:])]
    biases = [torch.zeros(recipe.members, 1, b) for b in sizes[1:]]
    parameters = [parameter.requires_grad_() for parameter in (*weights, *biases)]
    optimizer = torch.optim.AdamW(parameters, PEAK_LEARNING_RATE, weight_decay=recipe.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_LEARNING_RATE, total_steps=recipe.steps)
    for _ in range(recipe.steps):
        chosen = torch.randint(len(normalized), (recipe.members, recipe.batch), generator=generator)
        values = normalized[chosen]
        for layer, (weight, bias) in enumerate(zip(weights, biases)):
            if layer:
                is_kept = torch.rand(values.shape, generator=generator) >= recipe.dropout
                values = values.relu() * is_kept / (1 - recipe.dropout)
            values = torch.baddbmm(bias, values, weight)
        optimizer.zero_grad()
        loss(values.flatten(0, 1), targets[chosen].flatten(0, 1)).backward()
        optimizer.step()
        schedule.step()
    layers = [tuple(parameter.detach().numpy() for parameter in group) for group in (weights, biases)]
    return Network(names, center if typical is None else typical, center, scale, *layers)
