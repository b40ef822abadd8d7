"""Workers on this machine: this process itself, or several."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any

import cv2
import numpy as np

from cdwidget.batch.jobs import Job, Outcome, attempt
from cdwidget.catalogue import Catalogue, CatalogueItem

THREADS = "OMP_NUM_THREADS"
PATIENCE = 5.0  # seconds that a worker has to end by itself


def run_local(
    job: Job, catalogue: Catalogue, ids: np.ndarray, workers: int, address: str | None
) -> Generator[tuple[CatalogueItem, Outcome], Any, None]:
    """Yield the items with their outcomes, as they come; with one worker, all is done in this process."""
    if address is not None:
        raise ValueError(f"address is {address!r}, and workers on this machine have none; leave it out, or use backend='ray'")
    items = catalogue.items(ids)
    if workers > 1:
        yield from _run_apart(job, items, min(workers, len(ids)))
        return
    work = job.start()
    for item in items:
        yield item, attempt(work, item)


class _Member:
    """A worker process. item: what it is busy with; None while it starts, and when nothing is left for it."""

    def __init__(self, job: Job, threads: int) -> None:
        context = get_context("spawn")  # a fork of a process that has threads is not safe
        self.link, theirs = context.Pipe()
        self.item: CatalogueItem | None = None
        self.started = False
        self.process = context.Process(target=_serve, args=(job, theirs, threads), daemon=True)
        self.process.start()
        theirs.close()

    def receive(self) -> Outcome | None:
        """Return the outcome of its item, None when it has only just started; EOFError when it is dead. Raises what its start raised."""
        answer = self.link.recv()
        if isinstance(answer, Exception):
            raise answer
        self.started = True
        outcome: Outcome | None = answer
        return outcome

    def give(self, item: CatalogueItem | None) -> None:
        """Send the next item; None: there is none."""
        self.item = item
        if item is None:
            self.link.close()  # it ends
        else:
            with suppress(ConnectionError):  # where it has just died, `receive` says so next time
                self.link.send(item)

    def end(self, patience: float = 0.0) -> int | None:
        """Wait so many seconds for its end, then make it; return its exit code."""
        self.link.close()
        self.process.join(patience)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        return self.process.exitcode


def _run_apart(job: Job, items: Iterator[CatalogueItem], workers: int) -> Iterator[tuple[CatalogueItem, Outcome]]:
    threads = max(1, (os.cpu_count() or 1) // workers)
    with _threads(threads):
        team = [_Member(job, threads) for _ in range(workers)]
        try:
            while busy := {member.link: member for member in team if not member.link.closed}:
                for link in wait(list(busy)):
                    member = busy[link]  # type: ignore[index]
                    item = member.item
                    try:
                        outcome = member.receive()
                    except (EOFError, ConnectionError):
                        code = member.end(PATIENCE)
                        if not member.started:
                            raise RuntimeError(f"a worker process ended with code {code} before it was ready; it says why above") from None
                        team.remove(member)
                        team.append(_Member(job, threads))
                        outcome = Outcome(error=_death(code))
                    else:
                        member.give(next(items, None))  # before the answer is written down, so that it is never idle
                    if item is not None and outcome is not None:
                        yield item, outcome
            for member in team:
                member.end(PATIENCE)
        finally:
            for member in team:
                member.end()


def _death(code: int | None) -> str:
    why = "; the system does so when memory runs out" if code == -signal.SIGKILL else ""
    return f"the worker process ended with code {code} while it was at it{why}"


def _serve(job: Job, link: Connection, threads: int) -> None:
    """Be a worker: take items until there are no more, or nobody is there to take the answers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who started this
    cv2.setNumThreads(threads)
    try:
        try:
            work = job.start()
        except Exception as error:
            link.send(error)
            return
        link.send(None)
        while True:
            link.send(attempt(work, link.recv()))
    except (EOFError, ConnectionError):
        return


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Let processes that are started meanwhile have so many threads each; numeric libraries read this once, when they are loaded."""
    before = os.environ.get(THREADS)
    os.environ[THREADS] = before or str(count)
    try:
        yield
    finally:
        if before is None:
            del os.environ[THREADS]
