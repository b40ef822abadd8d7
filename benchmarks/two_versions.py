"""Compare the times of two versions of cdwidget: clicks, strokes, and pages and thumbnails of a gallery.

Each version runs in a process of its own, and they take turns, so that a busy machine slows both down alike. Ratios of CPU time are
comparable on any machine.

git worktree add ../older COMMIT
python benchmarks/two_versions.py ../older
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Queue
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

import numpy as np

ROUNDS = 30
SIDE_PX = 1000  # of the image
RADIUS_PX = 150  # of the predicted mask
GALLERY_IMAGES, INSTANCES_PER_IMAGE = 200, 100
PAGE_ROWS = 120


class BlobPredictor:
    """Predicts a blob with a wavy outline around the newest click, without a network."""

    def set_image(self, image: np.ndarray) -> None:
        self._shape = image.shape[:2]
        y, x = np.ogrid[-RADIUS_PX:RADIUS_PX, -RADIUS_PX:RADIUS_PX]
        self._blob = np.hypot(y, x) < RADIUS_PX - 20 + 10 * np.sin(np.arctan2(y, x) * 12)

    def predict(self, prompts: Sequence[Any], prior: np.ndarray | None = None) -> Any:
        from cdwidget.predictor import Prediction

        row, column = prompts[-1].pixel
        mask = np.zeros(self._shape, bool)
        inside = np.s_[row - RADIUS_PX : row + RADIUS_PX, column - RADIUS_PX : column + RADIUS_PX]
        mask[inside] = self._blob
        return Prediction(mask, mask.astype(np.float32))


def send(widget: Any, **request: Any) -> Any:
    """Deliver a message of the page to a widget, and return its result."""
    replies: Queue[dict[str, Any]] = Queue()
    widget.send = lambda content, buffers=None: replies.put(content)
    widget._handle_custom_msg({"id": "1", **request}, [])
    while (reply := replies.get(timeout=60))["id"] != "1":  # A notification.
        continue
    assert reply["ok"], reply
    return reply["result"]


def annotator_actions() -> dict[str, Callable[[int], Any]]:
    """Return a click and a stroke in an annotator with ten objects."""
    from cdwidget import Instance
    from cdwidget.widget import Annotator

    rng = np.random.default_rng(0)
    objects = []
    for number in range(10):
        mask = np.zeros((SIDE_PX, SIDE_PX), bool)
        mask[number * 90 : number * 90 + 80, 10:200] = True
        objects.append(Instance(mask, "cat"))
    widget = Annotator(rng.integers(0, 255, (SIDE_PX, SIDE_PX, 3), np.uint8), BlobPredictor(), instances=objects)
    send(widget, op="document")

    def click(number: int) -> None:
        x, y = 400 + 37 * number % 400, 200 + 53 * number % 600
        send(widget, op="apply", action={"type": "click", "x": x, "y": y, "positive": not bool(widget.mask[y, x])})

    def stroke(number: int) -> None:
        points = [[300 + 31 * number % 500 + step, 300 + 17 * number % 500] for step in range(60)]
        send(widget, op="apply", action={"type": "brush", "points": points, "radius": 12, "add": number % 2 == 0})

    return {"click, without a network": click, "stroke of the brush": stroke}


def network_actions() -> dict[str, Callable[[int], Any]]:
    """Return the first click on an object, with cdnet-tiny."""
    import skimage.data

    from cdwidget import Session, load_predictor
    from cdwidget.prompts import Click

    image = np.repeat(np.repeat(skimage.data.astronaut(), 2, 0), 2, 1)[:SIDE_PX, :SIDE_PX].copy()
    session = Session(image, load_predictor("cdnet-tiny"))
    session.encode()

    def click(number: int) -> None:
        session.apply(Click(150 + 97 * number % 700, 150 + 71 * number % 700))
        session.undo()

    return {"first click, cdnet-tiny": click}


def gallery_actions(folder: Path) -> dict[str, Callable[[int], Any]]:
    """Return pages and thumbnails of a gallery of 20,000 objects."""
    from PIL import Image

    from cdwidget import Catalogue, Gallery, Instance, Item

    rng = np.random.default_rng(0)
    catalogue, items = Catalogue(folder / "labels.db"), []
    for number in range(GALLERY_IMAGES):
        path = folder / f"{number}.png"
        Image.fromarray(rng.integers(0, 255, (100, 100, 3), np.uint8)).save(path)
        masks = np.zeros((INSTANCES_PER_IMAGE, 100, 100), bool)
        for index, mask in enumerate(masks):
            mask[index // 10 * 10 : index // 10 * 10 + 8, index % 10 * 10 : index % 10 * 10 + 8] = True
        items.append(Item(path, [Instance(mask, f"class {index % 20}") for index, mask in enumerate(masks)]))
    catalogue.add(items)
    gallery = Gallery(catalogue)
    while not gallery._query or not send(gallery, op="page", key=gallery._query["key"], start=0, stop=1):
        continue

    def page(number: int) -> None:
        start = 997 * number % 19_000
        send(gallery, op="page", key=gallery._query["key"], start=start, stop=start + PAGE_ROWS)

    def thumbs(number: int) -> None:
        ids = [1 + (131 * number + step) % 20_000 for step in range(24)]
        send(gallery, op="thumbs", ids=ids, size=128)

    return {"page of a gallery": page, "24 thumbnails": thumbs}


def serve() -> None:
    """Run the actions that the other process names, a line each, and print their wall and CPU seconds."""
    with TemporaryDirectory() as folder:
        actions = {**annotator_actions(), **gallery_actions(Path(folder)), **network_actions()}
        print(json.dumps(list(actions)), flush=True)
        for number, line in enumerate(sys.stdin):
            wall, cpu = perf_counter(), process_time()
            actions[line.rstrip("\n")](number)
            print(json.dumps([perf_counter() - wall, process_time() - cpu]), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("older", type=Path, help="the root of a checkout of the older version")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    roots = {"older": options.older.resolve(), "this": Path(__file__).resolve().parents[1]}
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    processes = {
        name: subprocess.Popen(
            [sys.executable, __file__, "--serve"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**environment, "PYTHONPATH": str(root)},
        )
        for name, root in roots.items()
    }  # fmt: skip

    def ask(name: str, line: str | None = None) -> Any:
        process = processes[name]
        assert process.stdin and process.stdout
        if line is not None:
            process.stdin.write(line + "\n")
            process.stdin.flush()
        return json.loads(process.stdout.readline())

    actions = [ask(name) for name in roots][0]
    for action in actions:
        times: dict[str, list[list[float]]] = {name: [] for name in roots}
        for number in range(options.rounds):
            for name in sorted(roots, reverse=number % 2 == 1):
                times[name].append(ask(name, action))
        wall, cpu = ({name: 1e3 * median(one[kind] for one in times[name]) for name in roots} for kind in (0, 1))
        print(
            f"{action:26} wall {wall['older']:8.2f} → {wall['this']:8.2f} ms ({wall['this'] / wall['older']:.2f} times)"
            f"   CPU {cpu['older']:8.2f} → {cpu['this']:8.2f} ms ({cpu['this'] / cpu['older']:.2f} times)"
        )
    for process in processes.values():
        assert process.stdin
        process.stdin.close()
        process.wait()


if __name__ == "__main__":
    serve() if "--serve" in sys.argv else main()
