"""`cdwidget cut-out`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cdwidget.cli.catalogue import open_existing, with_problems
from cdwidget.cli.options import Database, External, checked, echo


def cut_out(
    database: Database,
    folder: Annotated[Path, typer.Argument(help="Folder of the PNG files to write.")],
    background: Annotated[str | None, typer.Option(help="A color, an image file, or blur; default: transparent.")] = None,
    border: Annotated[float, typer.Option(help="Half the width of the band in which alpha is estimated, in pixels.")] = 0.0,
    shadow: Annotated[float, typer.Option(help="Opacity of the shadow, 0 to 1.")] = 0.0,
    margin: Annotated[int | None, typer.Option(help="Pixels around the object that are kept; default: the whole image.")] = None,
    max_score: Annotated[float, typer.Option(help="Highest overall score of a new mask.")] = 0.5,
    label: Annotated[list[str], typer.Option(help="Only instances with this label. Repeatable.")] = [],  # noqa: B006
    external: External = False,
) -> None:
    """Write a cut-out of every accepted mask, and of new ones with a good score. The gallery shows the doubtful ones."""
    options = {"border": border, "shadow": shadow, "margin": margin, "max_score": max_score, "label": label or None}
    echo(checked("cut-out", _cut_out, database, folder, background, options, external))


def _cut_out(database: Path, folder: Path, background: str | None, options: dict[str, Any], external: bool) -> str:
    from cdwidget import cut_out

    with open_existing(database, external) as catalogue:
        found = cut_out(catalogue, folder, background, **options)
    return with_problems(str(found), [f"  {one.path}: {one.description}" for one in found.problems])
