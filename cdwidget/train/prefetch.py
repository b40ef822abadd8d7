"""Worker processes that prepare the next batches while the current one is trained on."""

from __future__ import annotations

import os
from multiprocessing import get_all_start_methods, get_context
from typing import Any, Callable, Iterator, TypeVar

import cv2
import torch
from torch.utils.data import DataLoader, Dataset

from cdwidget.train.data import Sampler

MAX_WORKERS = 16

T = TypeVar("T")


def prefetch(draw: Callable[[int], T], steps: range, workers: int) -> Iterator[T]:
    """Yield the batches of successive steps.

    Args:
        draw: Returns the batch of a step; it must be picklable if there are workers.
        steps: The steps.
        workers: Number of worker processes; 0 draws in this process.

    Yields:
        One batch per step, in order.
    """
    context = None
    if workers:
        # Forked copies of this process could inherit locked locks; the fork server is clean, and has imported the slow modules once.
        context = get_context("forkserver" if "forkserver" in get_all_start_methods() else "spawn")  # Windows has only spawn.
        context.set_forkserver_preload([__name__, Sampler.__module__])
    generator = torch.Generator()  # For the loader alone, so that it does not advance the random state of the run.
    return iter(
        DataLoader(
            _StepDataset(draw, steps), batch_size=None, collate_fn=_identity, num_workers=workers, worker_init_fn=_init_worker,
            multiprocessing_context=context, generator=generator,
        )
    )  # fmt: skip


def worker_count(device: torch.device, world_size: int = 1) -> int:
    """Return a good number of workers: all CPU cores but one, or none if the CPU trains.

    Args:
        device: The training device.
        world_size: Number of training processes on this machine.
    """
    return 0 if device.type == "cpu" else min(MAX_WORKERS, max(1, (os.cpu_count() or 1) // world_size - 1))


class _StepDataset(Dataset):
    """The batches of a range of steps."""

    def __init__(self, draw: Callable[[int], Any], steps: range):
        self.draw, self.steps = draw, steps

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, index: int) -> Any:
        return self.draw(self.steps[index])


def _identity(batch: Any) -> Any:
    return batch


def _init_worker(worker: int) -> None:
    cv2.setNumThreads(0)
