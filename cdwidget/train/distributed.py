"""Training with several processes: `torchrun --nproc-per-node 2 --no-python cdwidget train ...` equals one process with the same batch.

Each process takes its rows of every batch. Batch statistics and gradients are averaged over all processes, so the weights stay equal.
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
class ProcessGroup:
    """The rank of this process in a group of training processes.

    Attributes:
        rank: Number of this process; rank 0 writes the files.
        world_size: Number of processes.
    """

    rank: int = 0
    world_size: int = 1

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors in place by their means over all processes, in one message.

        Args:
            tensors: Tensors of the same shapes in every process.
        """
        if self.world_size == 1:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        dist.all_reduce(flat)
        for tensor, mean in zip(tensors, (flat / self.world_size).split([tensor.numel() for tensor in tensors])):
            tensor.copy_(mean.view_as(tensor))


def select_device(name: str) -> torch.device:
    """Return the device to train on.

    Args:
        name: "cpu", "cuda", or "auto" for a GPU if there is one.

    Raises:
        ValueError: If the name is another one, or "cuda" and PyTorch finds no GPU.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise ValueError(f"the device is {name!r}; allowed are auto, cpu and cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("PyTorch finds no GPU; train on the device cpu, or install a PyTorch build with CUDA")
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)


@contextmanager
def init_process_group(device: str) -> Iterator[tuple[ProcessGroup, torch.device]]:
    """Join the processes that torchrun started, if any, and leave them at the end.

    Args:
        device: See `select_device`; each process gets its own GPU.

    Yields:
        The group and the device of this process.
    """
    selected = select_device(device)
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        yield ProcessGroup(), selected
        return
    if selected.type == "cuda":
        selected = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(selected)
    dist.init_process_group("nccl" if selected.type == "cuda" else "gloo")
    try:
        yield ProcessGroup(dist.get_rank(), dist.get_world_size()), selected
    finally:
        dist.destroy_process_group()


def synchronize_batch_norms(model: nn.Module) -> None:
    """Compute the batch statistics of a model over all processes, in place."""
    for module in model.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = SynchronizedBatchNorm  # PyTorch's SyncBatchNorm works only on GPUs.


class SynchronizedBatchNorm(nn.BatchNorm2d):
    """Batch normalization over all processes, which must have equally many pixels."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        y = x.float()
        count = y.numel() // y.shape[1] * dist.get_world_size()
        mean = _AllReduceSum.apply(y.sum((0, 2, 3))) / count
        y = y - mean[:, None, None]
        variance = _AllReduceSum.apply(y.square().sum((0, 2, 3))) / count
        assert self.running_mean is not None and self.running_var is not None and self.momentum is not None
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)
        y = y * (self.weight * (variance + self.eps).rsqrt())[:, None, None] + self.bias[:, None, None]
        return y.to(x.dtype)


class _AllReduceSum(torch.autograd.Function):
    """Sum a tensor over all processes, and its gradients, because every process's loss depends on the sum."""

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
