"""`cdwidget convert`."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from cdwidget.cli.catalogue import with_problems
from cdwidget.cli.options import FORMAT_NAMES, ClassFile, ProblemFile, checked, echo, read_class_file, write_problems


def convert(
    source: Annotated[Path, typer.Argument(help="File or folder of the data set.")],
    target: Annotated[Path, typer.Argument(help="File or folder to write.")],
    to: Annotated[str, typer.Option("--to", help=f"Format to write: {FORMAT_NAMES}.")],
    from_: Annotated[
        str, typer.Option("--from", help=f"Format of the data set: {FORMAT_NAMES}; by default recognized by the content.")
    ] = "auto",
    images: Annotated[Path | None, typer.Option(help="Image folder, if not where the data set has them.")] = None,
    classes: ClassFile = None,
    problems: ProblemFile = None,
) -> None:
    """Convert a data set to another format. Entries that cannot be read are left out and listed."""
    echo(checked("convert", _convert, source, target, from_, to, images, classes, problems))


def _convert(
    source: Path, target: Path, from_: str, to: str, images: Path | None, classes: Path | None, problems: Path | None
) -> str:  # fmt: skip
    from cdwidget.formats import FORMATS, load, write
    from cdwidget.formats.instances import InstanceWarning
    from cdwidget.registry import lookup

    options: dict[str, Any] = {}
    if lookup(FORMATS, to, "format").has_class_ids:
        if classes is not None:
            options["labels"] = read_class_file(classes)
    elif classes is not None:
        numbered = ", ".join(name for name, format in FORMATS.items() if format.has_class_ids)
        raise ValueError(f"{to} does not number its classes, so --classes has no effect; it is for {numbered}")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        dataset = load(from_, source, images)
        written = write(to, dataset, target, **options)
    write_problems(problems, dataset.problems)
    count = sum(len(item.instances) for item in dataset)
    others = [str(warning.message) for warning in caught if not issubclass(warning.category, InstanceWarning)]  # Those are problems, too.
    summary = f"{dataset.format}: wrote {written}: {len(dataset)} images, {count} instances"
    return with_problems(summary, [*others, *map(str, dataset.problems)], dataset.problems.total + len(others))
