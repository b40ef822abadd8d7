"""Processes of their own for attacks that would end or slow down the process of the tests."""

from __future__ import annotations

import multiprocessing
import os
import resource
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from random import Random
from typing import Any

from support import attack_counts

CONTEXT = multiprocessing.get_context("forkserver")  # Its processes start from one without threads, in a few milliseconds.
LIBRARIES = ["pymatting", "pytest", "skimage.segmentation.slic_superpixels"]  # Tools import them at their first use, which takes seconds.
CONTEXT.set_forkserver_preload(["cdwidget.catalogue", "cdwidget.formats", "cdwidget.session", *LIBRARIES])
MAX_KILL_DELAY_S = 0.005  # after the newest acknowledged step


def run_in_process(target: Callable[..., None], *arguments: Any, memory_bytes: int = resource.RLIM_INFINITY) -> None:
    """Call a function in a process of its own and add its counts of attacks; the process must not fail.

    Args:
        target: The function.
        arguments: Its arguments.
        memory_bytes: Limit of the process's address space.
    """
    receiver, sender = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=_send_counts, args=(sender, memory_bytes, target, *arguments))
    process.start()
    sender.close()
    with suppress(EOFError):
        attack_counts.merge(*receiver.recv())
    process.join()
    assert process.exitcode == 0


def _send_counts(sender: Connection, memory_bytes: int, target: Callable[..., None], *arguments: Any) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    try:
        target(*arguments)
    finally:
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        sender.send((attack_counts.COUNTS, {attack: peak_mb for attack, _ in attack_counts.COUNTS}))


class Killed:
    """A process that acknowledges its steps and is killed.

    Args:
        target: Called with a function that acknowledges a step, then with the arguments. It works until it is killed.
    """

    def __init__(self, target: Callable[..., None], *arguments: Any) -> None:
        self._receiver, sender = CONTEXT.Pipe(duplex=False)
        self._process = CONTEXT.Process(target=_acknowledge_steps, args=(sender, target, *arguments), daemon=True)
        self._process.start()
        sender.close()
        self.steps = 0

    def wait(self, steps: int) -> None:
        """Wait until the process has acknowledged a number of steps."""
        while self.steps < steps:
            self._receiver.recv_bytes()
            self.steps += 1

    def kill(self) -> int:
        """Kill the process and return the number of acknowledged steps."""
        self._process.kill()
        self._process.join()
        try:
            while True:
                self._receiver.recv_bytes()
                self.steps += 1
        except EOFError:
            return self.steps


def kill_at_random(random: Random, max_steps: int, *processes: Killed) -> list[int]:
    """Kill processes at a random moment, and return the number of steps that each acknowledged."""
    processes[0].wait(random.randrange(max_steps))
    time.sleep(random.random() * MAX_KILL_DELAY_S)
    return [process.kill() for process in processes]


def _acknowledge_steps(sender: Connection, target: Callable[..., None], *arguments: Any) -> None:
    target(lambda: sender.send_bytes(b"1"), *arguments)


def slow_down_disk(random: Random) -> None:
    """Make every `os.fsync` of this process take a few milliseconds."""
    fsync = os.fsync

    def slow_fsync(file: Any) -> None:
        time.sleep(random.random() / 500)
        fsync(file)
        time.sleep(random.random() / 500)

    os.fsync = slow_fsync
