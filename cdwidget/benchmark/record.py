"""A file of finished runs, so that a rerun measures only those that are missing."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from cdwidget._version import __version__

RECORD_VERSION = 2  # Increases when a run gets a new figure, so that recorded runs without it are measured again.

Case = TypeVar("Case", bound=Hashable)
RunT = TypeVar("RunT")  # a dataclass of numbers, strings and tuples of them


def run_missing(
    settings: Mapping[Case, tuple[object, ...]],
    measure: Callable[[Sequence[Case]], Iterable[tuple[Case, RunT]]],
    run_type: type[RunT],
    record: Path | None,
) -> list[RunT]:
    """Measure the runs that a record lacks, and add each to it as soon as it is finished.

    Args:
        settings: For each case the name of its method, and then everything else that its run depends on.
        measure: Yields the runs of some of the cases, in any order.
        run_type: The dataclass of the runs.
        record: JSONL file with one line per finished run, or None to record nothing.

    Returns:
        The runs of all cases, in the order of `settings`.
    """
    keys = {case: _key(setting) for case, setting in settings.items()}
    recorded = {} if record is None else _read(record)
    done = {case: _restore(run_type, recorded[key]) for case, key in keys.items() if key in recorded}
    if done:
        tqdm.write(f"{len(done)} of {len(keys)} runs are already in {record}; delete that file to measure them again", sys.stderr)
    with tqdm(total=len(keys), initial=len(done), unit="run", disable=None) as bar:
        for case, run in measure([case for case in keys if case not in done]):
            done[case] = run
            method = settings[case][0]
            if record is not None:
                with record.open("a") as file:
                    file.write(json.dumps({"key": keys[case], "method": method, **asdict(run)}) + "\n")  # type: ignore[call-overload]
            bar.set_postfix_str(str(method))
            bar.update()
    return [done[case] for case in keys]


def _key(setting: tuple[object, ...]) -> str:
    return hashlib.sha256(repr((RECORD_VERSION, __version__, *setting)).encode()).hexdigest()[:16]


def _read(record: Path) -> dict[str, dict[str, Any]]:
    """Return the lines of a record by key; an incomplete last line, left by a killed process, is removed from the file."""
    lines = record.read_text().splitlines(keepends=True) if record.exists() else []
    if lines and not lines[-1].endswith("\n"):
        record.write_text("".join(lines[:-1]))
        del lines[-1]
    entries = [json.loads(line) for line in lines]
    return {entry["key"]: entry for entry in entries}


def _restore(run_type: type[RunT], entry: dict[str, Any]) -> RunT:
    values = {field.name: entry[field.name] for field in fields(run_type)}  # type: ignore[arg-type]
    return run_type(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})
