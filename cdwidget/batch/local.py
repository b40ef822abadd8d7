"""Workers on this machine: this process itself, or several processes."""

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

from cdwidget.batch.jobs import Job, Outcome, process
from cdwidget.catalogue import Catalogue, CatalogueItem

THREADS = "OMP_NUM_THREADS"
EXIT_TIMEOUT = 5.0  # seconds before a worker process is killed


def run_local(
    job: Job, catalogue: Catalogue, ids: np.ndarray, workers: int, address: str | None
) -> Generator[tuple[CatalogueItem, Outcome], Any, None]:
    """Yield items with their outcomes as they finish; one worker runs in this process."""
    if address is not None:
        raise ValueError(f"address={address!r} is for Ray; leave it out, or use backend='ray'")
    items = catalogue.items(ids)
    if workers > 1:
        yield from _run_processes(job, items, min(workers, len(ids)))
        return
    worker = job.start()
    for item in items:
        yield item, process(worker, item)


class _WorkerProcess:
    """A worker process, and the item it works on: None while it starts and when no item is left."""

    def __init__(self, job: Job, threads: int) -> None:
        context = get_context("spawn")  # Forking a process that has threads is not safe.
        self.link, theirs = context.Pipe()
        self.item: CatalogueItem | None = None
        self.started = False
        self.process = context.Process(target=_serve, args=(job, theirs, threads), daemon=True)
        self.process.start()
        theirs.close()

    def receive(self) -> Outcome | None:
        """Return the outcome of its item, or None when it has just started; raises EOFError if it died, or the exception of its start."""
        message = self.link.recv()
        if isinstance(message, Exception):
            raise message
        self.started = True
        outcome: Outcome | None = message
        return outcome

    def send(self, item: CatalogueItem | None) -> None:
        """Send the next item; None ends the process."""
        self.item = item
        if item is None:
            self.link.close()  # The process ends when its pipe closes.
        else:
            with suppress(ConnectionError):  # If it has just died, the next `receive` reports it.
                self.link.send(item)

    def end(self, timeout: float = 0.0) -> int | None:
        """Wait for the process to exit, kill it after the timeout, and return its exit code."""
        self.link.close()
        self.process.join(timeout)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        return self.process.exitcode


def _run_processes(job: Job, items: Iterator[CatalogueItem], workers: int) -> Iterator[tuple[CatalogueItem, Outcome]]:
    threads = max(1, (os.cpu_count() or 1) // workers)
    with _limit_threads(threads):
        processes = [_WorkerProcess(job, threads) for _ in range(workers)]
        try:
            while busy := {worker.link: worker for worker in processes if not worker.link.closed}:
                for link in wait(list(busy)):
                    worker = busy[link]  # type: ignore[index]
                    item = worker.item
                    try:
                        outcome = worker.receive()
                    except (EOFError, ConnectionError):
                        code = worker.end(EXIT_TIMEOUT)
                        if not worker.started:
                            raise RuntimeError(
                                f"a worker process exited with code {code} while starting; its error is printed above"
                            ) from None
                        processes.remove(worker)
                        processes.append(_WorkerProcess(job, threads))
                        outcome = Outcome(error=_exit_message(code))
                    else:
                        worker.send(next(items, None))  # Before the result is saved, so that the worker is never idle.
                    if item is not None and outcome is not None:
                        yield item, outcome
            for worker in processes:
                worker.end(EXIT_TIMEOUT)
        finally:
            for worker in processes:
                worker.end()


def _exit_message(code: int | None) -> str:
    reason = "; the system kills processes when memory runs out" if code == -signal.SIGKILL else ""
    return f"the worker process exited with code {code} while processing this item{reason}"


def _serve(job: Job, link: Connection, threads: int) -> None:
    """Process items until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is handled by the parent process.
    cv2.setNumThreads(threads)
    try:
        try:
            worker = job.start()
        except Exception as error:
            link.send(error)
            return
        link.send(None)
        while True:
            link.send(process(worker, link.recv()))
    except (EOFError, ConnectionError):
        return


@contextmanager
def _limit_threads(count: int) -> Iterator[None]:
    """Give processes that start inside this block `count` threads each; numeric libraries read the variable when they are loaded."""
    before = os.environ.get(THREADS)
    os.environ[THREADS] = before or str(count)
    try:
        yield
    finally:
        if before is None:
            del os.environ[THREADS]
