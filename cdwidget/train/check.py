"""A look at every image and mask before training starts: what is wrong is found now, not in the third hour."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Iterable

from cdwidget.formats.sets import BadImage, Source, read_images, read_set

Sets = list[tuple[str, list[Source]]]  # name and images of each data set
NAMED = 5  # files of a kind that a report names


def read_sets(folders: Iterable[Path], unlabelled: Iterable[Path] = ()) -> Sets:
    """List data sets, and folders of images without masks; ValueError for one that holds no images."""
    return [(folder.name, read_set(folder)) for folder in folders] + [(folder.name, read_images(folder)) for folder in unlabelled]


def without_bad(sets: Sets, skip: bool) -> tuple[Sets, str]:
    """The sets without the images that cannot be trained on, and a report that counts these by kind, "" when there are none.

    Raises ValueError with that report unless `skip`, or when a set would be left with nothing.
    """
    with ThreadPoolExecutor() as pool:
        faults = [(name, list(zip(sources, pool.map(_fault, sources)))) for name, sources in sets]
    bad = [(source, fault) for _, checked in faults for source, fault in checked if fault is not None]
    if not bad:
        return sets, ""
    report = f"{len(bad)} of {sum(len(sources) for _, sources in sets)} images cannot be trained on: {_by_kind(bad)}"
    if not skip:
        raise ValueError(f"{report}. The first: {bad[0][1]}. Mend what is wrong, or leave these images out with --skip-bad")
    good = [(name, [source for source, fault in checked if fault is None]) for name, checked in faults]
    if spent := [name for name, sources in good if not sources]:
        raise ValueError(f"{report}. Nothing is left of {', '.join(spent)}; mend these sets or take them out")
    return good, f"{report}; they are left out"


def _fault(source: Source) -> BadImage | None:
    try:
        source.check()
    except BadImage as fault:
        return fault
    return None


def _by_kind(bad: list[tuple[Source, BadImage]]) -> str:
    names: dict[str, list[str]] = {}
    for source, fault in bad:
        names.setdefault(fault.kind, []).append(source.image.name)
    return "; ".join(f"{len(n)} {kind} ({', '.join(n[:NAMED])}{' ...' if len(n) > NAMED else ''})" for kind, n in names.items())
