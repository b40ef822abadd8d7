"""What a run learns from is drawn ahead by other processes, so that the one that learns need not wait."""

from __future__ import annotations

import os
from multiprocessing import get_all_start_methods, get_context
from typing import Any, Callable, Iterator, TypeVar

import cv2
import torch
from torch.utils.data import DataLoader, Dataset

from cdwidget.train.data import Sampler

MOST = 16  # processes

T = TypeVar("T")


class _Steps(Dataset):
    def __init__(self, draw: Callable[[int], Any], steps: range):
        self.draw, self.steps = draw, steps

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, number: int) -> Any:
        return self.draw(self.steps[number])


def drawn_ahead(draw: Callable[[int], T], steps: range, processes: int) -> Iterator[T]:
    """What is drawn for one step after the other, by other processes or, with none, here and now."""
    context = None
    if processes:  # no copies of this one, whose threads may hold locks, but of one that has imported what takes seconds
        context = get_context("forkserver" if "forkserver" in get_all_start_methods() else "spawn")  # Windows has none
        context.set_forkserver_preload([__name__, Sampler.__module__])
    return iter(
        DataLoader(
            _Steps(draw, steps), batch_size=None, collate_fn=_as_it_is, num_workers=processes, worker_init_fn=_begin,
            multiprocessing_context=context, generator=torch.Generator(),  # for the processes, so that the run's own numbers stay the same
        )
    )  # fmt: skip


def helpers(device: torch.device, ranks: int = 1) -> int:
    """How many processes should draw: beside a GPU one for each processor of this rank's, save one; a CPU has other things to do."""
    return 0 if device.type == "cpu" else min(MOST, max(1, (os.cpu_count() or 1) // ranks - 1))


def _as_it_is(drawn: Any) -> Any:
    return drawn


def _begin(number: int) -> None:
    cv2.setNumThreads(0)
