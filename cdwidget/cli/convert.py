"""`cdwidget convert`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cdwidget.cli.options import FORMAT_NAMES, ClassFile, checked, echo, read_class_file


def convert(
    source: Annotated[Path, typer.Argument(help="File or folder of the data set.")],
    target: Annotated[Path, typer.Argument(help="File or folder to write.")],
    from_: Annotated[str, typer.Option("--from", help=f"Format of the data set: {FORMAT_NAMES}.")],
    to: Annotated[str, typer.Option("--to", help=f"Format to write: {FORMAT_NAMES}.")],
    images: Annotated[Path | None, typer.Option(help="Image folder, if not where the data set has them.")] = None,
    classes: ClassFile = None,
) -> None:
    """Convert a data set to another format."""
    echo(checked("convert", _convert, source, target, from_, to, images, classes))


def _convert(source: Path, target: Path, from_: str, to: str, images: Path | None, classes: Path | None) -> str:
    from cdwidget.formats import FORMATS, read, write
    from cdwidget.registry import lookup

    options: dict[str, Any] = {}
    if lookup(FORMATS, to, "format").has_class_ids:
        if classes is not None:
            options["labels"] = read_class_file(classes)
    elif classes is not None:
        numbered = ", ".join(name for name, format in FORMATS.items() if format.has_class_ids)
        raise ValueError(f"{to} does not number its classes, so --classes has no effect; it is for {numbered}")
    items = read(from_, source, images)
    written = write(to, items, target, **options)
    return f"wrote {written}: {len(items)} images, {sum(len(item.instances) for item in items)} instances"
