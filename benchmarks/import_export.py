"""Measure the CPU time of importing a large COCO file into a catalogue, and of exporting it again.

python benchmarks/import_export.py                               # 100,000 polygons on 10,000 images
python benchmarks/import_export.py --source . --source ../older  # compare checkouts, in turns
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 480, 640  # px
RUN = """
import sys, time, cdwidget
import cdwidget.formats
from pathlib import Path
file, folder = Path(sys.argv[1]), Path(sys.argv[2])
def measured(call):
    start = time.process_time()
    result = call()
    print(time.process_time() - start, flush=True)
    return result
catalogue = cdwidget.Catalogue(folder / "labels.db")
measured(lambda: catalogue.import_("coco", file, progress=False))
measured(lambda: catalogue.export("coco", folder / "out.json"))
assert catalogue.count(of="instances") == int(sys.argv[3])
"""


def write_data(folder: Path, annotations: int, per_image: int) -> Path:
    """Write a COCO file like that of COCO 2017: polygons of 8 to 40 points with two decimals; return its path."""
    random = np.random.default_rng(0)
    first = folder / "0.jpg"
    Image.fromarray(random.integers(0, 255, (HEIGHT // 16, WIDTH // 16, 3), np.uint8)).resize((WIDTH, HEIGHT)).save(first)
    images = [{"id": number, "file_name": f"{number}.jpg", "height": HEIGHT, "width": WIDTH} for number in range(annotations // per_image)]
    for image in images[1:]:
        os.link(first, folder / str(image["file_name"]))
    records = []
    for number in range(annotations):
        angles = np.linspace(0, 2 * np.pi, random.integers(8, 40), endpoint=False)
        radius = random.uniform(5, 60) * random.uniform(0.7, 1.0, angles.size)
        x, y = random.uniform(60, WIDTH - 60) + radius * np.cos(angles), random.uniform(60, HEIGHT - 60) + radius * np.sin(angles)
        polygon = np.stack([x, y], axis=1).round(2)
        (left, top), (right, bottom) = polygon.min(axis=0), polygon.max(axis=0)
        box = [round(value, 2) for value in (left, top, right - left, bottom - top)]
        records.append({
            "segmentation": [polygon.ravel().tolist()], "area": round(box[2] * box[3] * 0.7, 4), "iscrowd": 0,
            "image_id": number // per_image, "bbox": box, "category_id": int(random.integers(1, 80)), "id": number + 1,
        })  # fmt: skip
    categories = [{"supercategory": "thing", "id": number, "name": f"class {number}"} for number in range(1, 80)]
    file = folder / "annotations.json"
    file.write_text(json.dumps({"images": images, "annotations": records, "categories": categories}))
    return file


def measure(source: Path, file: Path, annotations: int) -> list[float]:
    """Return the CPU seconds of import and export by the checkout `source`."""
    environment = {**os.environ, "PYTHONPATH": str(source.resolve()), "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        command = [sys.executable, "-c", RUN, str(file), folder, str(annotations)]
        output = subprocess.run(command, env=environment, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [float(line) for line in output.split()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, action="append", help="checkout of cdwidget; may be given several times")
    parser.add_argument("--annotations", type=int, default=100_000)
    parser.add_argument("--per-image", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    sources = options.source or [Path(__file__).parents[1]]
    times: dict[Path, list[list[float]]] = {source: [] for source in sources}
    with tempfile.TemporaryDirectory() as folder:
        file = write_data(Path(folder), options.annotations, options.per_image)
        print(f"{options.annotations:,} polygons, {file.stat().st_size / 1e6:.0f} MB; CPU seconds, best of {options.repeats}", flush=True)
        for _ in range(options.repeats):
            for source in sources:
                times[source].append(measure(source, file, options.annotations))
    for source, found in times.items():
        imported, exported = np.min(found, axis=0)
        print(f"{source}: import {imported:.2f}, export {exported:.2f}")


if __name__ == "__main__":
    main()
