"""Measure a gallery of a million instances in the kernel: seconds to open, milliseconds per page, memory.

python benchmarks/gallery.py --out benchmarks/results/review/gallery.json
python benchmarks/gallery.py --build --catalogue big/labels.db    # only creates the catalogue, for example to open it in a browser
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import sqlite3
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any, Callable, Iterator

import numpy as np
import skimage.data
from PIL import Image

from cdwidget import Catalogue, Gallery, Instance, Item
from cdwidget.catalogue import AddResult
from cdwidget.catalogue.adding import insert_items
from cdwidget.catalogue.records import EncodedItem, Record, encode_items

PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "immunohistochemistry", "retina", "rocket")
INSTANCES_PER_IMAGE = 100
PAGE_ROWS = 120  # rows per browser request
REPEATS = 40  # pages per measurement
SCORES = ("overall", "agreement", "edges", "fragments", "shape")
STATUSES = {"new": 0.75, "accepted": 0.15, "rejected": 0.04, "skipped": 0.06}
ORDERS = ("-score", "score", "-edges", "label", "-area", "id")
FILTERS: dict[str, dict[str, Any]] = {
    "new": {"status": ["new"]},
    "new or skipped": {"status": ["new", "skipped"]},
    "one class": {"filter_labels": ["class 7"]},
    "a class, new, edges above 0.9": {"filter_labels": ["class 7"], "status": ["new"], "order_by": "-edges", "min_score": 0.9},
    "text in few paths": {"text": "image-0001234"},
    "text in all paths": {"text": "image-"},
    "1000 items": {"only": list(range(1, 2001, 2))},
}


def main(arguments: list[str] | None = None) -> None:
    """Build the catalogue in a separate process, whose memory is not measured, then measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--catalogue", type=Path, help="catalogue file, created if missing; default: in a temporary folder")
    parser.add_argument("--instances", type=int, default=1_000_000)
    parser.add_argument("--build", action="store_true", help="create the catalogue and stop")
    parser.add_argument("--out", type=Path, help="the JSON file to write")
    options = parser.parse_args(arguments)
    with TemporaryDirectory() as folder:
        path = options.catalogue or Path(folder) / "labels.db"
        if options.build:
            build(path, options.instances)
            return
        if not path.exists():
            given = ["--catalogue", str(path), "--instances", str(options.instances)]
            subprocess.run([sys.executable, __file__, "--build", *given], check=True)
        found = {"instances": options.instances, **measure(path)}
    text = json.dumps(found, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


def build(path: Path, instances: int) -> None:
    """Create a catalogue of links to a few photographs, each with INSTANCES_PER_IMAGE randomly scored ellipses."""
    rng = np.random.default_rng(0)
    images = path.parent / "images"
    images.mkdir(parents=True)
    recorded = {}
    for name in PHOTOGRAPHS:
        pixels = getattr(skimage.data, name)()
        Image.fromarray(pixels).save(path.parent / f"{name}.jpg", quality=90)
        recorded[name] = encode_items([Item(f"{name}.jpg", [ellipse(rng, *pixels.shape[:2]) for _ in range(INSTANCES_PER_IMAGE)])], "new")[
            0
        ]
    catalogue, added = Catalogue(path), AddResult()
    with catalogue.database.transaction() as connection:
        indices = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL").fetchall()
        for name, _ in indices:
            connection.execute(f"DROP INDEX {name}")  # Creating the indices at the end is ten times as fast.
        items = (link(images, number, recorded, rng) for number in range(-(-instances // INSTANCES_PER_IMAGE)))
        insert_items(connection, items, added, "new", [], path.parent)  # type: ignore[arg-type]
        connection.executemany("INSERT INTO scores VALUES (?, ?, ?, ?, NULL)", scores(rng, added.instances))
        connection.execute("UPDATE instances SET score = (SELECT value FROM scores WHERE instance = id AND name = 'overall')")
        connection.execute("UPDATE items SET score = (SELECT max(score) FROM instances WHERE item = items.id)")
        for _, sql in indices:
            connection.execute(sql)
    catalogue.close()


def ellipse(rng: np.random.Generator, height: int, width: int) -> Instance:
    """Return a randomly placed filled ellipse."""
    y, x = np.ogrid[:height, :width]
    radius = rng.uniform(8, min(height, width) / 4, 2)
    center = rng.uniform(0, 1, 2) * (height, width)
    return Instance(((y - center[0]) / radius[0]) ** 2 + ((x - center[1]) / radius[1]) ** 2 < 1, f"class {rng.integers(80)}")


def link(images: Path, number: int, recorded: dict[str, EncodedItem], rng: np.random.Generator) -> EncodedItem:
    """Return one more image, a link to a photograph, with its instances and random statuses."""
    name = PHOTOGRAPHS[number % len(PHOTOGRAPHS)]
    path = images / f"image-{number:07}.jpg"
    os.link(images.parent / f"{name}.jpg", path)
    statuses = rng.choice(list(STATUSES), INSTANCES_PER_IMAGE, p=list(STATUSES.values()))
    records: list[Record] = [one._replace(status=str(status)) for one, status in zip(recorded[name].records, statuses)]
    return replace(recorded[name], item=Item(path), records=records)


def scores(rng: np.random.Generator, count: int) -> Iterator[tuple[int, str, float, str]]:
    """Yield the rows of the table of scores: every score of every instance."""
    values = rng.random((count, len(SCORES)))
    for number in range(count):
        for name, value in zip(SCORES, values[number].tolist()):
            yield number + 1, name, value, f"{value:.0%} of the mask looks wrong"


def measure(path: Path) -> dict[str, Any]:
    """Open a gallery and request pages, as its front end does."""
    started = perf_counter()
    catalogue = Catalogue(path)
    before = memory()
    cpu = process_time()
    gallery, opened = timed(lambda: Gallery(catalogue))
    cpu = process_time() - cpu
    found: dict[str, Any] = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}",
        "load": f"load average {os.getloadavg()[0]:.1f}",
        "open_seconds": {"wall": round(opened, 3), "cpu": round(cpu, 3)},
        "memory_mb": {"imported": before, "opened": memory()},
        "orders": {order: listed(gallery, {"order_by": order}) for order in ORDERS},
        "filters": {name: listed(gallery, {"order_by": "-score", **traits}) for name, traits in FILTERS.items()},
    }
    found["memory_mb"]["after all lists"] = memory()
    found["thumbnails_ms"] = thumbnails(gallery)
    found["decision_ms"] = per_call(lambda number: gallery.set_status([int(gallery.ids[number])], "accepted"), 20)
    found["undo_ms"] = per_call(lambda number: gallery.undo(), 20)
    _, many = timed(lambda: gallery.set_status(gallery.ids[:10_000].tolist(), "accepted"))
    _, back = timed(gallery.undo)
    found["of_10000_seconds"] = {"decision": round(many, 2), "undo": round(back, 2)}
    found["memory_mb"]["peak"] = memory()
    found["seconds"] = round(perf_counter() - started, 1)
    return found


def listed(gallery: Gallery, traits: dict[str, Any]) -> dict[str, Any]:
    """Change order and filters, and request pages at the beginning, middle and end of the list."""
    plain = {name: gallery.trait_defaults(name) for name in ("order_by", "status", "filter_labels", "text", "min_score", "only")}
    with gallery.hold_trait_notifications():
        for name, value in {**plain, **traits}.items():
            setattr(gallery, name, value)
    _, seconds = timed(gallery.refresh)
    count = len(gallery.ids)
    last = max(0, count - PAGE_ROWS * REPEATS)
    pages = {}
    for where, first in (("first", 0), ("middle", last // 2), ("last", last)):

        def page(number: int, first: int = first) -> None:
            start = min(first + number * PAGE_ROWS, max(0, count - PAGE_ROWS))
            gallery.requests.page(gallery.listing.key, start, start + PAGE_ROWS)

        pages[where] = per_call(page, REPEATS)
    return {"rows": count, "list_seconds": round(seconds, 3), "page_ms": pages}


def thumbnails(gallery: Gallery) -> dict[str, float]:
    """Return milliseconds per thumbnail, for random groups of 12."""
    rng = np.random.default_rng(1)
    found = per_call(lambda number: gallery.requests.thumbs(rng.choice(gallery.ids, 12).tolist(), 160), REPEATS)
    return {name: round(value / 12, 2) for name, value in found.items()}


def per_call(call: Callable[[int], Any], count: int) -> dict[str, float]:
    """Call with 0, 1, ... and return milliseconds per call: median, 95th percentile, maximum and processor time."""
    cpu = process_time()
    times = [1000 * timed(partial(call, number))[1] for number in range(count)]
    cpu = 1000 * (process_time() - cpu) / count
    p50, p95 = np.percentile(times, [50, 95])
    return {"p50": round(p50, 2), "p95": round(p95, 2), "max": round(max(times), 2), "cpu": round(cpu, 2)}


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """Return the result of a call and its seconds."""
    started = perf_counter()
    return call(), perf_counter() - started


def memory() -> int:
    """Return the peak memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    main()
