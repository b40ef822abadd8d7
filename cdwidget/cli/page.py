"""`cdwidget export-html` and `serve`: pages for labeling images in a browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from cdwidget.cli.catalogue import open_existing
from cdwidget.cli.options import ClassFile, check_out, checked, echo, read_class_file

Source = Annotated[Path, typer.Argument(help="Image, folder of images, data set of one file (.json) or catalogue (.db).")]


def export_html(
    source: Source,
    out: Annotated[Path, typer.Argument(help="Page to write (.html).")],
    classes: ClassFile = None,
    view_only: Annotated[bool, typer.Option(help="Only show the objects; the page has no model and is small.")] = False,
) -> None:
    """Write a page for labeling images in a browser, offline and without Python. It saves one COCO file, which `import` reads."""
    echo(checked("export-html", _export_html, source, out, classes, view_only))


def serve(
    source: Source,
    classes: ClassFile = None,
    out: Annotated[Path | None, typer.Option(help="File or folder of labels (COCO), written when an image is submitted.")] = None,
    view_only: Annotated[bool, typer.Option(help="Only show the objects.")] = False,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 lets other computers in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for any free one.")] = 8765,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
) -> None:
    """Show the annotator, or the gallery of a catalogue, in a page without a notebook. Every change is saved. Ctrl+C stops it."""
    check_out(out)
    checked("serve", partial(_serve, out=out, host=host, port=port, browser=browser), source, classes, view_only)


def _export_html(source: Path, out: Path, classes: Path | None, view_only: bool) -> str:
    from cdwidget import export_html

    with _opened(source, classes) as (images, traits):
        written = export_html(images, out, view_only=view_only, **traits)
    return f"wrote {written}, {written.stat().st_size / 1e6:.1f} MB"


def _serve(source: Path, classes: Path | None, view_only: bool, **options: Any) -> None:
    from cdwidget import serve

    if source.suffix == ".db" and classes is not None:
        raise ValueError("a catalogue has its own classes; leave --classes out")
    with _opened(source, classes) as (images, traits):
        serve(images, title=source.resolve().stem, view_only=view_only, **options, **traits)


@contextmanager
def _opened(source: Path, classes: Path | None) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Open the images or the catalogue of a source, with the classes of a file, else of the data set, as a keyword argument."""
    from cdwidget.formats import read

    traits: dict[str, Any] = {} if classes is None else {"labels": read_class_file(classes)}
    if source.suffix == ".db":
        with open_existing(source) as catalogue:
            yield catalogue, traits
    elif source.suffix == ".json":
        dataset = read(source)
        yield dataset, {"labels": list(dataset.classes), **traits}
    else:
        yield source, traits
