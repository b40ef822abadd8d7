"""Measure how the cost of editing grows: an action among many objects, reopening many actions, opening a large image.

All times are CPU times of one process, so that they are comparable on a busy machine.

python benchmarks/session_growth.py            # 10 and 5,000 objects, 20,000 strokes, 12 MP with 1,000 objects
python benchmarks/session_growth.py --quick    # a tenth of it
"""

from __future__ import annotations

import argparse
import resource
import statistics
import tempfile
from pathlib import Path
from time import process_time

import numpy as np

from cdwidget.items import Instance
from cdwidget.session import Session
from cdwidget.session.autosave import FileJournal
from cdwidget.tools import Brush


def small_objects(count: int, height: int, width: int) -> list[Instance]:
    """Return `count` squares of 4 x 4 pixels."""
    found = []
    columns = width // 6
    for number in range(count):
        mask = np.zeros((height, width), bool)
        row, column = divmod(number, columns)
        mask[row * 6 : row * 6 + 4, column * 6 : column * 6 + 4] = True
        found.append(Instance(mask, "cell"))
    return found


def opened(path: Path, image: np.ndarray, instances: list[Instance]) -> Session:
    session = Session(image, instances=instances)
    FileJournal(path).resume(session)
    return session


def time_actions(folder: Path, counts: tuple[int, ...], repeats: int) -> list[float]:
    """Return the median seconds of an action among each number of objects, measured in turns."""
    image = np.zeros((500, 500, 3), np.uint8)
    sessions = [opened(folder / f"{count}.jsonl", image, small_objects(count, 500, 500)) for count in counts]
    times: list[list[float]] = [[] for _ in counts]
    for number in range(repeats):
        for session, seconds in zip(sessions, times):
            start = process_time()
            session.apply(Brush(((number % 480 + 5.0, 490.0),), 3.0))
            session.relabel(f"cat {number}")
            session.accept()
            session.select(1 + number % 5)
            session.select()
            seconds.append((process_time() - start) / 5)
    return [statistics.median(seconds) for seconds in times]


def time_reopening(folder: Path, count: int) -> tuple[float, float, int]:
    """Return the seconds of `count` strokes one by one, of reopening them, and the bytes of the file."""
    image, path = np.zeros((500, 500, 3), np.uint8), folder / "many.jsonl"
    session = opened(path, image, [])
    random = np.random.default_rng(0)
    start = process_time()
    for _ in range(count):
        x, y = random.uniform(5, 495, 2)
        session.apply(Brush(((x, y), (x + 4, y + 4)), 3.0, bool(random.random() < 0.7)))
    drawn = process_time() - start
    start = process_time()
    again = opened(path, image, [])
    seconds = process_time() - start
    assert np.array_equal(again.mask, session.mask) and again.can_undo
    return drawn, seconds, path.stat().st_size


def measure_opening(count: int, height: int, width: int) -> tuple[float, float]:
    """Return the seconds and megabytes of opening an image with `count` objects and reading them one by one."""
    image = np.zeros((height, width, 3), np.uint8)

    def instances():  # type: ignore[no-untyped-def]
        for number in range(count):
            mask = np.zeros((height, width), bool)
            row, column = divmod(number, 40)
            mask[row * 60 : row * 60 + 50, column * 60 : column * 60 + 50] = True
            yield Instance(mask, "cell")

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = process_time()
    session = Session(image, instances=instances())
    assert sum(one.mask.any() for one in session.instances) == count
    return process_time() - start, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    scale = 10 if parser.parse_args().quick else 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        few, many = time_actions(folder, (10, 5000 // scale), 200 // scale)
        print(f"action: {1e3 * few:.2f} ms with 10 objects, {1e3 * many:.2f} ms with {5000 // scale}: {many / few:.2f} times")
        drawn, seconds, size = time_reopening(folder, 20_000 // scale)
        print(f"{20_000 // scale} strokes: {1e3 * drawn / 20_000 * scale:.2f} ms each, {size / 1e6:.1f} MB, reopened in {seconds:.2f} s")
        seconds, megabytes = measure_opening(1000 // scale, 3000, 4000)
        print(f"12 MP with {1000 // scale} objects: opened and read in {seconds:.1f} s, {megabytes:.0f} MB")


if __name__ == "__main__":
    main()
