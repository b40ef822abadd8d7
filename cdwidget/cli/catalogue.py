"""What `cdwidget import`, `export` and `stats` do once their options are read."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Sequence

from cdwidget.catalogue.catalogue import Catalogue

SHOWN = 20  # problems; more are counted


def import_set(database: Path, format: str, path: Path, images: Path | None, status: str, tags: Sequence[str]) -> str:
    """Add a data set to a catalogue, which is made where there is none; say what was added."""
    with Catalogue(database) as catalogue:
        added = catalogue.import_(format, path, images, status=status, tags=tags)
    return _lines(str(added), added.problems)


def export_set(
    database: Path, format: str, path: Path, status: Sequence[str], label: Sequence[str], tag: Sequence[str], rejected: bool
) -> str:
    """Write the items of a catalogue, all or some, as a data set; say where it is and what was left out."""
    with _existing(database) as catalogue, warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", UserWarning)
        filters = {name: list(given) for name, given in (("status", status), ("label", label), ("tag", tag)) if given}
        written = catalogue.export(format, path, rejected=rejected, **filters)
    return _lines(f"wrote {written}", [str(one.message) for one in said if issubclass(one.category, UserWarning)])


def count(database: Path, check: bool) -> str:
    """Say how many there are of what in a catalogue; check: look for every image first, and list what is wrong."""
    with _existing(database) as catalogue:
        problems = [f"item {one.item}: {one.what}" for one in catalogue.check()] if check else []
        return _lines(str(catalogue.stats()), problems)


def _existing(database: Path) -> Catalogue:
    if not database.is_file():
        raise FileNotFoundError(f"there is no catalogue {database} (looked in {Path.cwd()}); cdwidget import makes one")
    return Catalogue(database)


def _lines(first: str, problems: Sequence[str]) -> str:
    more = [f"... and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else []
    return "\n".join([first, *problems[:SHOWN], *more])
