"""Options that several commands share, how wrong values become messages, and how results are printed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from cdwidget.formats.dataset import ReadProblem

Value = TypeVar("Value")

# Text, since an import of the formats takes 0.3 s.
FORMAT_NAMES = (
    "cityscapes, coco, coco_results, cvat, datumaro, geojson, huggingface, itag, label_studio, "
    "labelme, mots, npz, panoptic, png, rgba, sa1b, via, voc or yolo"
)
SCORING_MODEL = "cdnet@no-cascade"  # The variant that the weights of the overall score were fitted with.

Database = Annotated[Path, typer.Argument(help="The catalogue file, such as labels.db.")]
Data = Annotated[list[Path], typer.Option(help="Folder with images/ and masks/, or a folder of such folders. Repeatable.")]
Tags = Annotated[list[str], typer.Option("--tag", help="Only items with this tag. Repeatable.")]
Statuses = Annotated[list[str], typer.Option("--status", help="Only items with this status. Repeatable.")]
Labels = Annotated[list[str], typer.Option("--label", help="Only items that contain an instance with this label. Repeatable.")]
External = Annotated[
    bool, typer.Option("--external", help="Also open images on servers and in folders from which you have not added images here.")
]
ProblemFile = Annotated[
    Path | None, typer.Option("--problems", help="CSV file to write: the entries that could not be read, and what to do.")
]
ClassFile = Annotated[Path | None, typer.Option("--classes", help="Text file with a class per line, in the order of their numbers.")]
Seed = Annotated[int, typer.Option(help="Random seed.")]
ModelName = Annotated[str, typer.Option(help="Model name, optionally with @variant, or a weights file.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, or auto: a GPU if there is one.")]


def checked(option: str, read: Callable[..., Value], *args: object) -> Value:
    """Call `read`; a wrong value becomes a message about the option instead of a traceback."""
    try:
        return read(*args)
    except (ValueError, OSError, ImportError) as error:
        raise typer.BadParameter(printable(str(error)), param_hint=option) from error


def printable(text: str) -> str:
    r"""Return a text for a terminal: characters that would control it are written as escapes such as \x1b."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def echo(text: str) -> None:
    """Print a result, which may hold labels, paths and tags of any origin."""
    typer.echo(printable(text))


def read_class_file(path: Path) -> list[str]:
    """Return the classes of a text file, one per line; raise ValueError if there are none, or one occurs twice."""
    from cdwidget.formats.io import read_text

    labels = [line.strip() for line in read_text(path).splitlines() if line.strip()]
    if not labels or len(set(labels)) != len(labels):
        raise ValueError(f"{path} needs a different class on every line; it has {len(labels)} names, {len(set(labels))} of them different")
    return labels


def write_problems(path: Path | None, problems: Iterable[ReadProblem]) -> None:
    """Write the problems of a data set into a CSV file; None for none."""
    if path is not None:
        from cdwidget.tables import write_csv

        write_csv(path, ("file", "image", "annotation", "message", "advice"), map(astuple, problems))


def check_out(out: Path | None) -> None:
    """Refuse an output file whose folder does not exist, before any work is done."""
    if out is not None and not out.absolute().parent.is_dir():
        raise typer.BadParameter(f"the folder {out.absolute().parent} does not exist", param_hint="--out")
