"""A fast predictor that logs every image, and programs that run a job with it until they are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

import numpy as np
from PIL import Image

import cdwidget
from cdwidget import Catalogue, Instance, Item
from cdwidget.batch import Report
from cdwidget.predictor import Prediction
from cdwidget.prompts import Prompt

SIDE = 48


@dataclass
class BrightModel:
    """Builds a predictor that segments bright pixels; the gray value of the first pixel is the image's number, which is logged.

    seconds: time per image. raises, dies: images on which it raises or kills its process. unloadable: it cannot be built.
    """

    log: str
    seconds: float = 0.0
    raises: tuple[int, ...] = ()
    dies: tuple[int, ...] = ()
    unloadable: bool = False

    def __call__(self) -> BrightModel:
        if self.unloadable:
            raise ValueError("these are no weights")
        return BrightPredictor(**vars(self))


class BrightPredictor(BrightModel):
    """The predictor that `BrightModel` builds."""

    def set_image(self, image: np.ndarray) -> None:
        number = int(image[0, 0, 0])
        with open(self.log, "a") as file:  # One write call: lines of several processes do not mix.
            file.write(f"{number} {os.getpid()}\n")
        time.sleep(self.seconds)
        if number in self.raises:
            raise RuntimeError("the model failed")
        if number in self.dies:
            os._exit(7)
        self.mask = image[:, :, 0] > 200

    def predict(self, prompts: Sequence[Prompt], prior: np.ndarray | None = None) -> Prediction:
        return Prediction(self.mask, self.mask.astype(np.float32))


def square(x: int = 12, side: int = 20) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), bool)
    mask[12 : 12 + side, x : x + side] = True
    return mask


def catalogue_of(folder: Path, count: int = 6) -> Catalogue:
    """Images 1, 2, ... with a bright square each, and an instance that is a little larger."""
    folder.mkdir(parents=True, exist_ok=True)
    catalogue = Catalogue(folder / "labels.db", user="ana")
    for number in range(1, count + 1):
        image = np.full((SIDE, SIDE, 3), number, np.uint8)
        image[square()] = 230
        Image.fromarray(image).save(folder / f"{number}.png")
    catalogue.add([Item(folder / f"{number}.png", [Instance(square(10, 24), "box")]) for number in range(1, count + 1)])
    return catalogue


def score(catalogue: Catalogue, backend: str = "local", workers: int = 1, address: str | None = None, **model: object) -> Report:
    job = cdwidget.Score(model=BrightModel(str(log_of(catalogue)), **model), quality=False)  # type: ignore[arg-type]
    return cdwidget.run(job, catalogue, backend=backend, workers=workers, address=address, progress=False)


def log_of(catalogue: Catalogue) -> Path:
    return catalogue.path.with_name("calls.txt")


def calls(catalogue: Catalogue) -> Counter[int]:
    """Return how often each image was started."""
    lines = log_of(catalogue).read_text().splitlines() if log_of(catalogue).exists() else []
    return Counter(int(line.split()[0]) for line in lines)


def scored(catalogue: Catalogue) -> set[int]:
    return {row.id for row in catalogue.query(limit=None) if row.score is not None}


def start_scoring(catalogue: Catalogue, backend: str, workers: int, seconds: float, before: str = "") -> subprocess.Popen[str]:
    """Start scoring in a separate process."""
    code = f"""
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # It is ignored when a shell runs the tests in the background.
from cdwidget import Catalogue
from support.batch_programs import score
{before}
print(score(Catalogue({str(catalogue.path)!r}), {backend!r}, {workers}, seconds={seconds}))
"""
    paths = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def wait_for(catalogue: Catalogue, count: int, process: subprocess.Popen[str]) -> None:
    """Wait until `count` items are scored."""
    while len(scored(catalogue)) < count:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)


def kill_while_scoring(catalogue: Catalogue, backend: str, workers: int, seconds: float, at: int = 3) -> set[int]:
    """Kill a scoring program with SIGKILL once `at` items are done; return the finished items after all its workers have exited."""
    process = start_scoring(catalogue, backend, workers, seconds)
    wait_for(catalogue, at, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    wait_for_end_of_workers(catalogue)
    return scored(catalogue)


def wait_for_end_of_workers(catalogue: Catalogue) -> None:
    pids = {int(line.split()[1]) for line in log_of(catalogue).read_text().splitlines()} - {os.getpid()}
    while any(is_running(pid) for pid in pids):
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
