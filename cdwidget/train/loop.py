"""The training loop of the quality model and of the matcher: AdamW, a cosine schedule, averaged weights and a log."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from math import cos, pi
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn
from tqdm import tqdm

from cdwidget.train.weight_average import WeightAverage

MAX_GRADIENT_NORM = 2.0
SAVE_INTERVAL = 100  # steps

Batch = TypeVar("Batch")
Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class LoopRecipe:
    """The settings that the recipes of both networks share.

    Attributes:
        sets: Sampling weights by data-set name; other sets are not used.
        steps: Number of batches.
        rate: Learning rate.
        warmup: Steps over which the learning rate rises.
        ema: Decay of the moving average of the weights.
        weight_decay: Weight decay of AdamW.
        seed: Random seed.
    """

    sets: dict[str, float]
    steps: int
    rate: float
    warmup: int
    ema: float
    weight_decay: float = 0.02
    seed: int = 0

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of a step: after the warmup, it falls to 0 along a cosine."""
        return self.rate * min(1.0, (step + 1) / self.warmup) * 0.5 * (1 + cos(pi * step / self.steps))


def train_batches(
    network: Network, recipe: LoopRecipe, batches: Iterable[Batch], loss: Callable[[Batch], tuple[Tensor, dict[str, float]]],
    out: Path, save: Callable[[Network, Path, dict[str, str]], None], file_format: str,
) -> None:  # fmt: skip
    """Train a network, and write its averaged weights and, next to them, a log (.jsonl).

    Args:
        network: The network, trained in place.
        recipe: The recipe, stored in the weights file.
        batches: One batch for each step of the recipe.
        loss: Returns the loss of a batch, and further values for the log.
        out: The .safetensors file to write.
        save: Writes the weights with metadata.
        file_format: Name of the file format, stored in the weights file.
    """
    average = WeightAverage(network, recipe.ema)
    optimizer = torch.optim.AdamW(network.parameters(), recipe.rate, weight_decay=recipe.weight_decay)
    with out.with_suffix(".jsonl").open("w", buffering=1) as log:
        for step, batch in enumerate(tqdm(batches, total=recipe.steps, unit="batch", disable=None)):
            for group in optimizer.param_groups:
                group["lr"] = recipe.learning_rate(step)
            value, others = loss(batch)
            optimizer.zero_grad(set_to_none=True)
            value.backward()
            nn.utils.clip_grad_norm_(network.parameters(), MAX_GRADIENT_NORM)
            optimizer.step()
            average.update(network, step + 1)
            log.write(json.dumps({"step": step + 1, "loss": round(value.item(), 4), **others}) + "\n")
            if (step + 1) % SAVE_INTERVAL == 0 or step + 1 == recipe.steps:
                averaged = type(network)()
                averaged.load_state_dict(average.weights)
                save(averaged, out, {"format": file_format, "recipe": json.dumps(asdict(recipe)), "step": str(step + 1)})
