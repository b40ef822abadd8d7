"""`cdwidget prelabel` and `score`: jobs over a catalogue."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Sequence

import typer

from cdwidget.cli.catalogue import given_filters, open_existing, with_problems
from cdwidget.cli.options import SCORING_MODEL, Database, External, Labels, ModelName, Statuses, Tags, checked, echo

if TYPE_CHECKING:
    from cdwidget.batch import Job

BackendName = Annotated[str, typer.Option(help="local, or ray, which needs the extra of that name.")]
Workers = Annotated[int, typer.Option(min=1, help="Number of workers, each with its own model; local workers are processes.")]
Address = Annotated[str | None, typer.Option(help="Ray cluster that this machine belongs to, such as auto.")]
Again = Annotated[bool, typer.Option("--again", help="Also process items that are already done.")]


def prelabel(
    database: Database,
    from_: Annotated[str, typer.Option("--from", help="boxes, masks, points, proposals, example (see --label)")] = "boxes",
    points: Annotated[Path | None, typer.Option(help="CSV (path,x,y,label,object,positive) or JSON; default: instance cores.")] = None,
    label: Annotated[str, typer.Option(help="Label of new instances that have none, and of the examples.")] = "",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Also replace accepted, rejected and skipped instances.")] = False,
    status: Statuses = [],  # noqa: B006
    tag: Tags = [],  # noqa: B006
    model: ModelName = "cdnet", backend: BackendName = "local", workers: Workers = 1, address: Address = None, again: Again = False,
    external: External = False,
) -> None:  # fmt: skip
    """Predict masks from boxes, coarse masks or points, or propose objects, also by examples. An interrupted run resumes."""
    from cdwidget.batch import Prelabel

    job = Prelabel(from_, model, points, label, overwrite)
    start = partial(run_job, external=external, backend=backend, workers=workers, address=address, again=again)
    echo(checked("prelabel", start, database, job, status, [], tag))


def score(
    database: Database,
    names: Annotated[str, typer.Option(help="Comma-separated names of cdwidget.scoring.SCORES, and overall; default: all.")] = "",
    status: Statuses = [],  # noqa: B006
    label: Labels = [],  # noqa: B006
    tag: Tags = [],  # noqa: B006
    model: ModelName = SCORING_MODEL,
    quick: Annotated[bool, typer.Option("--quick", help="Use the quality model only, without predicting masks from clicks.")] = False,
    backend: BackendName = "local", workers: Workers = 1, address: Address = None, again: Again = False, external: External = False,
) -> None:  # fmt: skip
    """Score all masks without ground truth, so that the worst can be reviewed first. An interrupted run resumes."""
    from cdwidget.batch import Score

    job = Score([name.strip() for name in names.split(",") if name.strip()] or None, None if quick else model, quick or None)
    start = partial(run_job, external=external, backend=backend, workers=workers, address=address, again=again)
    echo(checked("score", start, database, job, status, label, tag))


def run_job(
    database: Path, job: Job, status: Sequence[str], label: Sequence[str], tag: Sequence[str], external: bool = False, **options: Any
) -> str:  # fmt: skip
    """Run a job on the selected items of a catalogue and return its report.

    Args:
        database: The catalogue file.
        job: The job.
        status: Only items with one of these statuses; all if empty.
        label: Only items with one of these labels; all if empty.
        tag: Only items with one of these tags; all if empty.
        external: Open all images, see `Catalogue`.
        **options: Keyword arguments of `cdwidget.run`.
    """
    from cdwidget.batch import run

    filters = given_filters(status, label, tag)
    with open_existing(database, external) as catalogue:
        report = run(job, catalogue, catalogue.ids(**filters) if filters else None, **options)
    return with_problems(str(report), [f"item {failure.item}, {failure.path}: {failure.description}" for failure in report.failed])
