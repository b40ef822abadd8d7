"""Do a job on a catalogue: workers make the results, and this process alone writes them down, each as soon as it is there."""

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
from cdwidget.catalogue.job_state import Work
from cdwidget.registry import lookup
from cdwidget.session.autosave import FOLDER

Outcomes = Generator[tuple[CatalogueItem, Outcome], Any, None]
Backend = Callable[[Job, Catalogue, np.ndarray, int, "str | None"], Outcomes]
BACKENDS: dict[str, Backend] = {
    "local": run_local,
    "ray": run_on_ray,
}


@dataclass
class Report:
    """What a run did.

    done: items whose result is in the catalogue. skipped: that had been done before, or had nothing to be done. changed: by somebody else
    meanwhile, so that nothing was written; the next run takes them. failed: what went wrong with which item; the next run tries again.
    startup: seconds until the first item was begun. seconds: from then to the end.
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
        more = f", {self.changed} changed meanwhile (run it again)" if self.changed else ""
        return f"{self.done} items done, {self.skipped} skipped{more}, {len(self.failed)} failed; {times}"


def run(
    job: Job, catalogue: Catalogue, ids: Iterable[int] | None = None, *, backend: str = "local", workers: int = 1,
    address: str | None = None, progress: bool | None = None, again: bool = False,
) -> Report:  # fmt: skip
    """Do a job on all items of a catalogue, or on those of `ids` in their order.

    What has been done is not done again, also when it was ended by a kill or a full disk: give the same call again. Of a job, only one run
    at a time; people may work on the catalogue meanwhile. An item that cannot be done is listed, and its image's fault noted as by `check`.

    backend: "local", in this process or in as many as there are `workers`, or "ray". Each worker loads the model once. address: of a Ray
    cluster, such as "auto", of which this machine is a node; None starts Ray here, and ends it. progress: show a bar; None: only on a
    terminal or in a notebook. again: do also what has been done. Raises ValueError for an argument that is not allowed, OSError when the
    catalogue cannot be written or the job is being done elsewhere.

    >>> print(cdwidget.run(cdwidget.Score(), catalogue, workers=2))
    """
    execute = lookup(BACKENDS, backend, "backend")
    if workers < 1:
        raise ValueError(f"workers is {workers}; at least 1 is needed")
    began = perf_counter()
    job = job.prepare(catalogue)
    work = catalogue.work(job.name, job.setting())
    chosen = None if ids is None else [int(id) for id in ids]
    with _alone(catalogue, job):
        if again:
            work.forget(chosen)
        left = work.left(chosen)
        report = Report(skipped=(len(catalogue) if chosen is None else len(chosen)) - len(left))
        if not len(left):
            return report
        job = job.survey(catalogue, progress)
        hidden = None if progress is None else not progress
        with (
            closing(execute(job, catalogue, left, workers, address)) as outcomes,
            tqdm(total=len(left), unit="item", desc=job.name, disable=hidden) as bar,
        ):
            for number, (item, outcome) in enumerate(outcomes):
                if number == 0:
                    report.startup = max(0.0, perf_counter() - began - outcome.seconds)
                try:
                    _keep(job, catalogue, work, item, outcome, report)
                except OSError as error:
                    raise OSError(f"{error} {report.done} of {len(left)} items are done and kept; the same call goes on there.") from error
                bar.set_postfix_str(f"{len(report.failed)} failed" if report.failed else "", refresh=False)
                bar.update()
        report.seconds = perf_counter() - began - report.startup
        if report.failed:
            catalogue.check(decode=True, progress=False, ids=[problem.item for problem in report.failed])
    return report


def _keep(job: Job, catalogue: Catalogue, work: Work, item: CatalogueItem, outcome: Outcome, report: Report) -> None:
    """Write one result, and that it is there, in one transaction."""
    if outcome.error is not None:
        report.failed.append(Problem(item.id, str(item.path), outcome.error))
    elif outcome.result is None:
        report.skipped += 1
    else:
        try:
            with catalogue.transaction():
                kept = job.keep(catalogue, item, outcome.result)
                if kept:
                    work.mark(item.id, job.lasting)
        except ValueError as error:
            report.failed.append(Problem(item.id, str(item.path), str(error)))
            return
        report.done += kept
        report.changed += not kept


@contextmanager
def _alone(catalogue: Catalogue, job: Job) -> Iterator[None]:
    """Hold the lock of a job on a catalogue; the system takes it from a process that was killed."""
    path = catalogue.path.parent / FOLDER / catalogue.path.name / f"{job.name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(path, timeout=0):
            yield
    except Timeout as error:
        raise OSError(
            f"another process is doing the job {job.name!r} on {catalogue.path}; wait until it has ended, or end it, "
            "and run this again to do what is left (more workers make one run faster)"
        ) from error
