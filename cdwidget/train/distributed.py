"""Training in several processes at once: `torchrun --nproc-per-node 2 --no-python cdwidget train ...` works as one with the same batch.

Each rank takes its rows of every batch; batch statistics and gradients are averaged over all of them, so that all keep the same weights.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Iterator, Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn


@dataclass(frozen=True)
class Ranks:
    """Which of how many processes this is; number 0 writes the files."""

    number: int = 0
    count: int = 1

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors, of the same shapes on every rank, by their means over the ranks, in one message."""
        if self.count == 1:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        dist.all_reduce(flat)
        for tensor, mean in zip(tensors, (flat / self.count).split([tensor.numel() for tensor in tensors])):
            tensor.copy_(mean.view_as(tensor))


def device_of(name: str) -> torch.device:
    """Where to compute: "auto" is a GPU where there is one.

    Raises ValueError for another name than "auto", "cpu" and "cuda", or for "cuda" where PyTorch finds no GPU.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise ValueError(f"the device is {name!r}; allowed are auto, cpu and cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("PyTorch finds no GPU; train on the device cpu, or install a PyTorch build with CUDA")
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)


@contextmanager
def join(device: str) -> Iterator[tuple[Ranks, torch.device]]:
    """This process alone, or among those that torchrun started; and where it computes, as `device_of`, on a GPU of its own."""
    where = device_of(device)
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        yield Ranks(), where
        return
    if where.type == "cuda":
        where = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(where)
    dist.init_process_group("nccl" if where.type == "cuda" else "gloo")
    try:
        yield Ranks(dist.get_rank(), dist.get_world_size()), where
    finally:
        dist.destroy_process_group()


def share_statistics(model: nn.Module) -> None:
    """Let every batch normalisation of a model see the batches of all ranks (PyTorch's own does so on GPUs alone)."""
    for module in model.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = SharedBatchNorm


class SharedBatchNorm(nn.BatchNorm2d):
    """Batch normalisation with mean and variance over all ranks, each of which has as many pixels as any other."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        y = x.float()
        count = y.numel() // y.shape[1] * dist.get_world_size()
        mean = _Sum.apply(y.sum((0, 2, 3))) / count
        y = y - mean[:, None, None]
        variance = _Sum.apply(y.square().sum((0, 2, 3))) / count
        assert self.running_mean is not None and self.running_var is not None and self.momentum is not None
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)
        y = y * (self.weight * (variance + self.eps).rsqrt())[:, None, None] + self.bias[:, None, None]
        return y.to(x.dtype)


class _Sum(torch.autograd.Function):
    """The sum of a tensor over all ranks; every rank's loss has its share in each rank's gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        dist.all_reduce(total)
        return total
