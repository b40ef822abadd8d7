"""Measure images scored per second for each backend and number of workers, on the same images in a new catalogue each time.

python benchmarks/throughput.py --data TRAIN --out benchmarks/results/review/throughput.json
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import shutil
import tempfile
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Iterator

import torch
from tqdm import tqdm

import cdwidget
from cdwidget import Catalogue, Instance, Item
from cdwidget.batch import BACKENDS
from cdwidget.formats.dataset_folders import find_datasets, read_dataset
from cdwidget.model.variants import fingerprint


@dataclass(frozen=True)
class Run:
    """One measurement.

    Attributes:
        startup: Seconds until the first image was started.
        seconds: Seconds from then to the last image.
        load: Load average of the machine before the run.
    """

    backend: str
    workers: int
    images: int
    instances: int
    failed: int
    startup: float
    seconds: float
    images_per_s: float
    load: float


def fill(database: Path, data: list[Path], images: int, objects: int, seed: int) -> None:
    """Fill a catalogue with `images` images of the training sets, with at most `objects` objects each."""
    sources = [source for folder in find_datasets(data) for source in read_dataset(folder)]
    chosen = random.Random(seed).sample(sources, min(images, len(sources)))

    def items() -> Iterator[Item]:
        for source in tqdm(chosen, "masks", unit="image"):
            yield Item(source.image, [Instance(mask) for mask in source.load()[1][:objects]])

    with Catalogue(database) as catalogue:
        catalogue.add(items(), progress=False)


def measure(source: Path, folder: Path, backend: str, workers: int, job: cdwidget.Score) -> Run:
    """Score a copy of a catalogue."""
    load = os.getloadavg()[0]
    database = folder / f"{backend}-{workers}.db"
    shutil.copy(source, database)
    with Catalogue(database) as catalogue:
        report = cdwidget.run(job, catalogue, backend=backend, workers=workers, progress=True)
        instances = catalogue.count(of="instances")
    rate = round(report.done / report.seconds, 3)
    return Run(backend, workers, report.done, instances, len(report.failed), *(round(s, 1) for s in (report.startup, report.seconds)),
               rate, round(load, 1))  # fmt: skip


def main() -> None:
    """Measure the runs that the output file lacks, and print all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="folders with images/ and masks/, or folders of such folders")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--objects", type=int, default=2, help="objects per image at most")
    parser.add_argument("--backends", nargs="+", default=list(BACKENDS))
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--model", default=cdwidget.Score.model)
    parser.add_argument("--quick", action="store_true", help="use the quality model only")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="JSON file; runs that it already holds are not repeated")
    options = parser.parse_args()

    about = {
        **{name: getattr(options, name) for name in ("images", "objects", "seed")},
        "model": "quality model alone" if options.quick else fingerprint(options.model),
        "cdwidget": cdwidget.__version__,
        "torch": torch.__version__,
        "cores": os.cpu_count(),
        "processor": platform.processor() or platform.machine(),
    }
    known = json.loads(options.out.read_text()) if options.out.exists() else {}
    runs = [Run(**one) for one in known.get("runs", [])] if known.get("about") == about else []
    job = cdwidget.Score(model=None, quality=True) if options.quick else cdwidget.Score(model=options.model)
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "labels.db"
        for backend, workers in product(options.backends, options.workers):
            if not any((one.backend, one.workers) == (backend, workers) for one in runs):
                if not source.exists():
                    fill(source, options.data, options.images, options.objects, options.seed)
                runs.append(measure(source, Path(scratch), backend, workers, job))
                options.out.parent.mkdir(parents=True, exist_ok=True)
                options.out.write_text(json.dumps({"about": about, "runs": [asdict(one) for one in runs]}, indent=1) + "\n")
            print(next(one for one in runs if (one.backend, one.workers) == (backend, workers)), flush=True)


if __name__ == "__main__":
    main()
