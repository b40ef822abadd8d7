"""Numbers of attacks: a few in `make test`, and as many as fit into a time in `make torture`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import count
from time import monotonic
from typing import Any

from support.processes import run_in_process

SECONDS = float(os.environ.get("CDWIDGET_TORTURE", "0"))  # for each kind of attack; 0 in `make test`
IS_LONG = SECONDS > 0
READER_ATTACKS = 10_000  # on each reader, in a long run
MEMORY_BYTES = 8 * 2**30  # Address space of a reader in a long run; the libraries reserve 3 GB.


def seeds(few: int, tests: int = 1) -> Iterator[int]:
    """Yield the seeds 0, 1, 2, … of random attacks: a fixed number, or in a long run until the time is over.

    Args:
        few: Number of attacks in a short run, and the smallest number in a long one.
        tests: Number of tests that share the time, such as one test for each format.
    """
    end = monotonic() + SECONDS / tests
    for seed in count():
        if seed >= few and (not IS_LONG or monotonic() >= end):
            return
        yield seed


def attack_reader(attacks: Callable[..., None], *arguments: Any, few: int) -> None:
    """Attack a reader `few` times; in a long run 10,000 times, in a process with limited memory, whose death is an error.

    Args:
        attacks: The function that makes the attacks; its last argument is their number.
        arguments: Its other arguments.
        few: Number of attacks in a short run.
    """
    if IS_LONG:
        run_in_process(attacks, *arguments, READER_ATTACKS, memory_bytes=MEMORY_BYTES)
    else:
        attacks(*arguments, few)
