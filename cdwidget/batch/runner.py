"""Run a job on a catalogue: workers compute, and this process alone saves each result as soon as it arrives."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Callable, Generator, Iterable, Iterator

import numpy as np
from filelock import FileLock, Timeout
from tqdm.auto import tqdm

from cdwidget.batch.jobs import Job, Outcome
from cdwidget.batch.local import run_local
from cdwidget.batch.ray import run_on_ray
from cdwidget.catalogue import Catalogue, CatalogueItem, Problem
from cdwidget.catalogue.job_state import JobState
from cdwidget.registry import lookup
from cdwidget.session.files import FOLDER

Outcomes = Generator[tuple[CatalogueItem, Outcome], Any, None]
Backend = Callable[[Job, Catalogue, np.ndarray, int, "str | None"], Outcomes]
BACKENDS: dict[str, Backend] = {
    "local": run_local,
    "ray": run_on_ray,
}


@dataclass
class Report:
    """The summary of a run.

    Attributes:
        done: Items whose result was saved.
        skipped: Items that were done before, or had nothing to do.
        changed: Items that were edited during the run; nothing was saved for them, and the next run processes them.
        failed: Items that failed, with the reason; the next run retries them.
        startup: Seconds until the first item was started.
        seconds: Seconds from then to the end.
    """

    done: int = 0
    skipped: int = 0
    changed: int = 0
    failed: list[Problem] = field(default_factory=list)
    startup: float = 0.0
    seconds: float = 0.0

    def __str__(self) -> str:
        rate = f" ({self.done / self.seconds:.2f} items/s)" if self.done and self.seconds else ""
        times = f"{self.startup:.1f} s to start, then {self.seconds:.1f} s{rate}"
        more = f", {self.changed} changed during the run (run it again)" if self.changed else ""
        return f"{self.done} items done, {self.skipped} skipped{more}, {len(self.failed)} failed; {times}"


def run(
    job: Job, catalogue: Catalogue, ids: Iterable[int] | None = None, *, backend: str = "local", workers: int = 1,
    address: str | None = None, progress: bool | None = None, again: bool = False,
) -> Report:  # fmt: skip
    """Run a job on all items of a catalogue, or on the items in `ids`.

    Finished items are not processed again, so an interrupted run resumes when the same call is repeated. Only one run of a job is possible
    at a time; the catalogue can be edited during it. Items that fail are listed, and problems of their images are recorded as by `check`.

    Args:
        job: `Score`, `Prelabel`, `Embed` or a job of your own.
        catalogue: The catalogue to read from and save to.
        ids: Ids of the items, processed in this order; None for all.
        backend: "local", in this process or in `workers` processes, or "ray".
        workers: Number of workers; each loads the model once.
        address: Ray cluster that this machine is a node of, such as "auto"; None starts Ray here and stops it at the end.
        progress: Show a progress bar; None: only on a terminal or in a notebook.
        again: Also process finished items.

    Returns:
        Counts, failures and seconds.

    Raises:
        TypeError: If `catalogue` is no catalogue.
        ValueError: If an argument is not allowed.
        OSError: If the catalogue cannot be written, or the same job is already running on it.

    Example:
        >>> print(cdwidget.run(cdwidget.Score(), catalogue, workers=2))
    """
    if not isinstance(catalogue, Catalogue):
        raise TypeError(f"run takes a job and a catalogue, run(Score(), catalogue); its second argument is a {type(catalogue).__name__}")
    execute = lookup(BACKENDS, backend, "backend")
    if workers < 1:
        raise ValueError(f"workers is {workers}; at least 1 is needed")
    started = perf_counter()
    job = job.prepare(catalogue)
    state = catalogue.job_state(job.name, job.setting())
    chosen = None if ids is None else [int(id) for id in ids]
    with _job_lock(catalogue, job):
        if again:
            state.reset(chosen)
        left = state.pending(chosen)
        report = Report(skipped=(len(catalogue) if chosen is None else len(chosen)) - len(left))
        if not len(left):
            return report
        job = job.survey(catalogue, progress)
        hide_bar = None if progress is None else not progress
        with (
            closing(execute(job, catalogue, left, workers, address)) as outcomes,
            tqdm(total=len(left), unit="item", desc=job.name, disable=hide_bar) as bar,
        ):
            for number, (item, outcome) in enumerate(outcomes):
                if number == 0:
                    report.startup = max(0.0, perf_counter() - started - outcome.seconds)
                try:
                    _save(job, catalogue, state, item, outcome, report)
                except OSError as error:
                    raise OSError(f"{error} {report.done} of {len(left)} items are done and saved; repeat the call to resume.") from error
                bar.set_postfix_str(f"{len(report.failed)} failed" if report.failed else "", refresh=False)
                bar.update()
        report.seconds = perf_counter() - started - report.startup
        if report.failed:
            catalogue.check(decode=True, progress=False, ids=[problem.item for problem in report.failed])
    return report


def _save(job: Job, catalogue: Catalogue, state: JobState, item: CatalogueItem, outcome: Outcome, report: Report) -> None:
    """Save one result and mark its item as done, in one transaction."""
    if outcome.error is not None:
        report.failed.append(Problem(item.id, str(item.path), outcome.error))
    elif outcome.result is None:
        report.skipped += 1
    else:

        def keep(_: Any) -> bool:
            is_kept = job.keep(catalogue, item, outcome.result)
            if is_kept:
                state.mark_done(item.id, job.lasting)
            return is_kept

        try:
            kept = catalogue.database.write(keep)
        except ValueError as error:
            report.failed.append(Problem(item.id, str(item.path), str(error)))
            return
        report.done += kept
        report.changed += not kept


@contextmanager
def _job_lock(catalogue: Catalogue, job: Job) -> Iterator[None]:
    """Hold the lock of a job on a catalogue; the operating system releases it if the process is killed."""
    path = catalogue.path.parent / FOLDER / catalogue.path.name / f"{job.name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(path, timeout=0):
            yield
    except Timeout as error:
        raise OSError(
            f"another process is running the job {job.name!r} on {catalogue.path}; wait for it or stop it, then run this again "
            "to process the remaining items (more workers make one run faster)"
        ) from error
