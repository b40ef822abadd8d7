"""`cdwidget follow`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cdwidget.cli.catalogue import with_problems
from cdwidget.cli.options import FORMAT_NAMES, ModelName, ProblemFile, checked, echo, write_problems

if TYPE_CHECKING:
    from cdwidget.formats.dataset import Dataset
    from cdwidget.items import Instance, Item


def follow(
    frames: Annotated[str, typer.Argument(help='The sequence: a folder, a pattern such as "frames/*.jpg", or a file of several pages.')],
    instances: Annotated[Path, typer.Option(help="Data set with the objects of the first image, in any format.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File or folder to write.")],
    to: Annotated[str, typer.Option("--to", help=f"Format to write: {FORMAT_NAMES}.")] = "coco",
    from_: Annotated[str, typer.Option("--from", help="Format of --instances; by default recognized by the content.")] = "auto",
    model: ModelName = "cdnet",
    min_certainty: Annotated[
        float | None, typer.Option(min=0, max=1, help="An object is lost when its certainty falls below this. Default: 0.5.")
    ] = None,
    problems: ProblemFile = None,
) -> None:
    """Follow the objects of the first image through a sequence. Objects that are lost, and images that cannot be read, are listed."""
    echo(checked("follow", _follow, frames, instances, out, to, from_, model, min_certainty, problems))


def _follow(
    frames: str, instances: Path, out: Path, to: str, from_: str, model: str, min_certainty: float | None, problems: Path | None
) -> str:  # fmt: skip
    from tqdm import tqdm

    from cdwidget.examples.follow import MIN_CERTAINTY
    from cdwidget.examples.follow import follow as run
    from cdwidget.formats import FORMATS, load, write
    from cdwidget.formats.dataset import Problems
    from cdwidget.images import list_images
    from cdwidget.model.variants import load_variant
    from cdwidget.registry import lookup

    lookup(FORMATS, to, "format")
    paths = list_images(frames)
    dataset = load(from_, instances)
    first = _item_of(paths[0], dataset)
    found, items = Problems(), []
    threshold = MIN_CERTAINTY if min_certainty is None else min_certainty
    followed = run(paths, list(first.instances), load_variant(model), min_certainty=threshold)
    reported: set[int | None] = set()
    for path, frame in zip(paths, tqdm(followed, total=len(paths), unit="frame", disable=None)):
        if frame.problem:
            found.add(frame.problem, file=os.fspath(path), advice="the objects were followed on from the image before it")
            continue
        items.append(_item(path, frame.instances))
        for one in frame.lost:
            if one.track_id not in reported:
                reported.add(one.track_id)
                message = f"object {one.track_id} {one.label!r} is lost (certainty {one.score or 0:.2f})"
                found.add(
                    message, file=os.fspath(path), annotation=one.track_id, advice="correct it here, and follow it on from this image"
                )
    written = write(to, items, out)
    write_problems(problems, found)
    count = sum(len(item.instances) for item in items)
    return with_problems(
        f"wrote {written}: {len(items)} images, {count} instances", [*map(str, dataset.problems), *map(str, found)],
        dataset.problems.total + found.total,
    )  # fmt: skip


def _item_of(path: str | os.PathLike[str], dataset: Dataset) -> Item:
    """Return the item of a data set that belongs to an image: the one of this name, or the only one.

    Raises:
        ValueError: If there is none, or it has no objects.
    """
    named = [item for item in dataset if Path(item.path).name == Path(path).name] or (list(dataset) if len(dataset) == 1 else [])
    if len(named) != 1 or not named[0].instances:
        raise ValueError(f"{dataset.path} has {'no objects' if not named else 'several entries'} for the first image, {Path(path).name}")
    return named[0]


def _item(path: str | os.PathLike[str], instances: Sequence[Instance]) -> Item:
    """Return an item whose masks are packed, so that a long sequence needs little memory."""
    from cdwidget.formats.instances import LazyInstances
    from cdwidget.items import Item
    from cdwidget.masks import pack

    packed = [(replace(one, mask=one.mask[:0]), one.mask.shape, pack(one.mask.astype("uint8"))) for one in instances]
    return Item(path, LazyInstances(len(packed), partial(_unpacked, packed)))


def _unpacked(packed: Sequence[tuple[Instance, Any, bytes]], indices: Iterable[int]) -> Iterator[Instance]:
    from cdwidget.masks import unpack

    for index in indices:
        instance, shape, mask = packed[index]
        yield replace(instance, mask=unpack(mask, *shape) > 0)
