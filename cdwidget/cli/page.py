"""`cdwidget export-html`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cdwidget.cli.options import ClassFile, checked, echo, read_class_file


def export_html(
    source: Annotated[Path, typer.Argument(help="Image, folder of images, data set of one file (.json) or catalogue (.db).")],
    out: Annotated[Path, typer.Argument(help="Page to write (.html).")],
    classes: ClassFile = None,
    view_only: Annotated[bool, typer.Option(help="Only show the objects; the page has no model and is small.")] = False,
) -> None:
    """Write a page for labeling images in a browser, offline and without Python. It saves one COCO file, which `import` reads."""
    echo(checked("export-html", _export_html, source, out, classes, view_only))


def _export_html(source: Path, out: Path, classes: Path | None, view_only: bool) -> str:
    from cdwidget import export_html
    from cdwidget.catalogue import Catalogue
    from cdwidget.formats import read

    traits: dict[str, Any] = {"view_only": view_only}
    if classes is not None:
        traits["labels"] = read_class_file(classes)
    if source.suffix == ".db":
        with Catalogue(source) as catalogue:
            written = export_html(catalogue, out, **traits)
    elif source.suffix == ".json":
        dataset = read(source)
        written = export_html(dataset, out, **{"labels": list(dataset.classes), **traits})
    else:
        written = export_html(source, out, **traits)
    return f"wrote {written}, {written.stat().st_size / 1e6:.1f} MB"
