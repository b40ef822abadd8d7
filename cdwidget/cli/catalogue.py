"""`cdwidget import`, `export` and `stats`."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Mapping, Sequence

import typer

from cdwidget.cli.options import (
    FORMAT_NAMES,
    ClassFile,
    Database,
    External,
    Labels,
    ProblemFile,
    Statuses,
    Tags,
    checked,
    echo,
    read_class_file,
    write_problems,
)

if TYPE_CHECKING:
    from cdwidget.catalogue import Catalogue

MAX_LISTED_PROBLEMS = 20  # problems printed; the rest is counted
FormatName = Annotated[str, typer.Argument(help=f"{FORMAT_NAMES}.")]


def import_(
    database: Database,
    format: Annotated[str, typer.Argument(help=f"{FORMAT_NAMES}; or auto, to recognize it by the content.")],
    path: Annotated[Path, typer.Argument(help="File or folder of the data set.")],
    images: Annotated[Path | None, typer.Option(help="Image folder, if not where the data set has them.")] = None,
    status: Annotated[str, typer.Option(help="Status of all instances: new, accepted, rejected or skipped.")] = "new",
    tag: Annotated[list[str], typer.Option(help="A tag to give to the items. Repeatable.")] = [],  # noqa: B006
    known: Annotated[
        str | None,
        typer.Option(help="For known images: add the instances that differ, or skip them all. Default: a new data set adds them."),
    ] = None,
    problems: ProblemFile = None,
) -> None:
    """Add a data set to a catalogue, creating it if needed; entries that cannot be read are listed."""
    options = {"status": status, "tags": tag, "known": known}
    echo(checked("import", _import, database, format, path, images, options, problems))


def export(
    database: Database,
    format: FormatName,
    path: Annotated[Path, typer.Argument(help="File or folder to write.")],
    status: Statuses = [],  # noqa: B006
    label: Labels = [],  # noqa: B006
    tag: Tags = [],  # noqa: B006
    rejected: Annotated[bool, typer.Option("--rejected", help="Include rejected instances.")] = False,
    classes: ClassFile = None,
    external: External = False,
) -> None:
    """Write the items of a catalogue as a data set. Imported classes keep their numbers, unless --classes fixes them."""
    echo(checked("export", _export, database, format, path, given_filters(status, label, tag), rejected, classes, external))


def stats(
    database: Database,
    check: Annotated[bool, typer.Option("--check", help="Check every image and list problems.")] = False,
    external: External = False,
) -> None:
    """Show catalogue statistics."""
    echo(checked("stats", _stats, database, check, external))


def open_existing(database: Path, external: bool = False) -> Catalogue:
    """Open a catalogue; raise FileNotFoundError if the file does not exist."""
    from cdwidget.catalogue import Catalogue

    if not database.is_file():
        raise FileNotFoundError(f"there is no catalogue {database} in {Path.cwd()}; create one with `cdwidget import`")
    return Catalogue(database, external=external)


def given_filters(status: Sequence[str], label: Sequence[str], tag: Sequence[str]) -> dict[str, Any]:
    """Return the filters that were given, as keyword arguments of `Catalogue.ids` and `Catalogue.export`."""
    return {name: list(values) for name, values in (("status", status), ("label", label), ("tag", tag)) if values}


def with_problems(summary: str, problems: Sequence[str], total: int = 0) -> str:
    """Append the first problems to a summary, one per line, and the number of further problems.

    Args:
        summary: The summary.
        problems: Descriptions of problems.
        total: Number of problems, also of those that are not described.
    """
    more = max(total, len(problems)) - MAX_LISTED_PROBLEMS
    rest = [f"... and {more:,} more"] if more > 0 else []
    return "\n".join([summary, *problems[:MAX_LISTED_PROBLEMS], *rest])


def _import(
    database: Path, format: str, path: Path, images: Path | None, options: Mapping[str, Any], problems: Path | None
) -> str:  # fmt: skip
    from cdwidget.catalogue import STATUSES, Catalogue
    from cdwidget.catalogue.adding import KNOWN_CHOICES
    from cdwidget.formats import load
    from cdwidget.registry import lookup

    lookup(dict.fromkeys(STATUSES), options["status"], "status")
    if options["known"] is not None:
        lookup(dict.fromkeys(KNOWN_CHOICES), options["known"], "choice for known images")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        dataset = load(format, path, images)  # Before the catalogue is created: a wrong path must leave no empty file.
        with Catalogue(database) as catalogue:
            added = catalogue.add(dataset, **options)
    write_problems(problems, added.problems)
    messages = [*(str(warning.message) for warning in caught), *map(str, added.problems)]
    return with_problems(f"{dataset.format}: {added}", messages, added.problems.total + len(caught))


def _export(
    database: Path, format: str, path: Path, filters: Mapping[str, Any], rejected: bool, classes: Path | None, external: bool
) -> str:  # fmt: skip
    numbered = None if classes is None else read_class_file(classes)
    with open_existing(database, external) as catalogue, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        written = catalogue.export(format, path, rejected=rejected, classes=numbered, **filters)
    return with_problems(f"wrote {written}", [str(warning.message) for warning in caught if issubclass(warning.category, UserWarning)])


def _stats(database: Path, check: bool, external: bool) -> str:
    with open_existing(database, external) as catalogue:
        problems = [f"item {problem.item}: {problem.description}" for problem in catalogue.check()] if check else []
        return with_problems(str(catalogue.stats()), problems)
