"""What `cdwidget prelabel` and `score` do once their options are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Sequence

from cdwidget.batch.jobs import Job
from cdwidget.batch.run import run
from cdwidget.catalogue import Catalogue

SHOWN = 20  # failures; more are counted


def run_job(database: Path, job: Job, status: Sequence[str], label: Sequence[str], tag: Sequence[str], **options: Any) -> str:
    """Do a job on the items of a catalogue, all or some; say what was done, and what could not be. options: as for `run`."""
    if not database.is_file():
        raise FileNotFoundError(f"there is no catalogue {database} (looked in {Path.cwd()}); cdwidget import makes one")
    filters: dict[str, Any] = {name: list(given) for name, given in (("status", status), ("label", label), ("tag", tag)) if given}
    with Catalogue(database) as catalogue:
        report = run(job, catalogue, catalogue.ids(**filters) if filters else None, **options)
    more = [f"... and {len(report.failed) - SHOWN} more"] if len(report.failed) > SHOWN else []
    return "\n".join([str(report), *(f"item {one.item}, {one.path}: {one.what}" for one in report.failed[:SHOWN]), *more])
