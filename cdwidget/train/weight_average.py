"""Moving averages of the weights during training."""

from __future__ import annotations

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class WeightAverage:
    """Exponential moving average of weights and batch statistics.

    Args:
        model: The network.
        decay: Decay per optimizer step.
    """

    def __init__(self, model: nn.Module, decay: float):
        self.decay = decay
        self.weights = {name: value.detach().clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module, updates: int) -> None:
        """Move the average toward the current weights.

        Args:
            model: The network.
            updates: Number of optimizer steps so far.
        """
        decay = min(self.decay, (1 + updates) / (10 + updates))  # The average starts with a short memory.
        values = model.state_dict()
        averaged = [name for name, value in values.items() if value.is_floating_point()]
        get_ema_multi_avg_fn(decay)([self.weights[name] for name in averaged], [values[name] for name in averaged], updates)
        for name in values.keys() - averaged:
            self.weights[name].copy_(values[name])
