"""Accepted and rejected instances of a catalogue as examples, for the job that proposes objects like the accepted ones."""

from __future__ import annotations

from typing import NamedTuple, Sequence, cast

from cdwidget import rle
from cdwidget.catalogue import Catalogue, InstanceRow
from cdwidget.examples import ExamplePredictor
from cdwidget.images import Window
from cdwidget.images.remote import load_image
from cdwidget.predictor import Predictor

MAX_EXAMPLES = 20  # accepted and rejected ones each. More cost time, and hardly change the proposals.


class StoredExample(NamedTuple):
    """An accepted or rejected instance.

    Attributes:
        path: The path of its image.
        counts: Its mask as compressed run lengths.
        size: Height and width in pixels.
        window: Intensity window of its image; None for an automatic one.
        is_accepted: Whether it is accepted; a rejected one is an example of other objects.
    """

    path: str
    counts: str
    size: tuple[int, int]
    window: Window | None
    is_accepted: bool


def collect_examples(catalogue: Catalogue, label: str) -> tuple[StoredExample, ...]:
    """Return accepted and rejected instances with a label, at most MAX_EXAMPLES each, the largest first.

    Raises:
        ValueError: If none is accepted.
    """
    accepted = _instances(catalogue, label, "accepted")
    if not accepted:
        raise ValueError(f"{catalogue.path} has no accepted instance with the label {label!r} as an example; accept one first")
    return (*accepted, *_instances(catalogue, label, "rejected"))


def _instances(catalogue: Catalogue, label: str, status: str) -> list[StoredExample]:
    rows = catalogue.query(status, label, "-area", where=[("area", ">", 0)], limit=MAX_EXAMPLES, of="instances")
    found = []
    for row in cast(list[InstanceRow], rows):
        item = catalogue.item(row.item)
        counts = [record.counts for record in item.records if record.number == row.number]  # Empty if it was deleted since.
        found += [StoredExample(str(item.path), each, item.size, item.window, status == "accepted") for each in counts if item.size]
    return found


def load_examples(predictor: Predictor, stored: Sequence[StoredExample]) -> ExamplePredictor:
    """Return a predictor with the examples, whose images are read and encoded.

    Examples without a readable image are left out.

    Raises:
        ValueError: If no accepted one can be read.
    """
    examples, problems = ExamplePredictor(predictor), []
    for one in stored:
        add = examples.add if one.is_accepted else examples.add_other
        try:
            add(load_image(one.path, one.window), rle.decode(one.counts, *one.size))
        except (OSError, ValueError) as error:
            problems += [f"{one.path}: {error}"] if one.is_accepted else []
    if len(problems) == sum(one.is_accepted for one in stored):
        raise ValueError(f"no example can be read ({'; '.join(problems[:1])}); restore its image, or accept another instance")
    return examples
