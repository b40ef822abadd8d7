"""Training samples of the detail branch: focus views as the network itself reaches them, with the errors that it makes there."""

from __future__ import annotations

import os
import zlib
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Iterator, Sequence

import cv2
import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from cdwidget.clicks import next_click
from cdwidget.formats.sets import LARGEST, SMALLEST, Source, find_sets, held_out, read_set
from cdwidget.masks import iou
from cdwidget.model import load_predictor
from cdwidget.model.predictor import CDNetPredictor, Look
from cdwidget.prompts import Click, Prompt
from cdwidget.session import Session

OBJECTS_PER_IMAGE = 2
MAX_CLICKS = 7
DONE_IOU = 0.98
HUMAN_SHARE = 0.5  # fraction of the clicks anywhere in the error region, at least HUMAN_DEPTH as deep as its core
HUMAN_DEPTH = 0.1
FACTOR_RANGE, FRACTION_RANGE = (1.8, 3.5), (0.35, 0.6)  # of `Focus`, so that its settings can change after training
MAX_IMAGES_PER_SAMPLE = 4  # after so many images for each sample that was asked for, there are no more to be had
SET_WEIGHTS = {  # sets with exact outlines and thin parts more often, sets with coarse polygons less
    "VOC": 3.0,
    "EndangeredAnimals": 2.5,
    "ECSSD": 1.5,
    "CCP": 1.5,
    "CamVid": 0.8,
    "ImageNetParts": 0.7,
    "FeralCats": 0.7,
    "CarParts": 0.7,
    "BuildingFacade": 0.7,
    "LabelMeFacade": 0.6,
    "PennFudan": 0.5,
    "COCOmini": 0.5,
    "COCO128": 0.3,
}


class Recorder(CDNetPredictor):
    """A predictor that keeps the newest focus view: its box, the network's input, and the encoded image."""

    recorded: Look | None = None

    def _focused(self, look: Look, before: np.ndarray | None, prompts: Sequence[Prompt]) -> Look | None:
        self.recorded = super()._focused(look, before, prompts)
        return self.recorded


def collect(model: Path, folders: Sequence[Path], out: Path, count: int, processes: int = 1, seed: int = 0) -> None:
    """Click on objects of training images until `count` samples are in the folder `out`, a file each; held-out images are left out.

    What is there already counts, so that an interrupted call can be repeated. There may be fewer samples where there are too few images.
    """
    out.mkdir(parents=True, exist_ok=True)
    threads = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"  # each process has a core of its own
    try:
        with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
            list(pool.map(_collect, *zip(*[(model, folders, out, count, number, processes, seed) for number in range(processes)])))
    finally:
        os.environ.pop("OMP_NUM_THREADS")
        if threads is not None:
            os.environ["OMP_NUM_THREADS"] = threads


def _collect(model: Path, folders: Sequence[Path], out: Path, count: int, number: int, processes: int, seed: int) -> None:
    cv2.setNumThreads(1)
    predictor = Recorder(load_predictor(model).model)
    for turn, (name, source) in enumerate(_images(folders, seed)):
        if turn >= MAX_IMAGES_PER_SAMPLE * count:
            return
        if turn % processes != number:
            continue
        if len(list(out.glob("*.safetensors"))) >= count:
            return
        rng = np.random.default_rng((seed, turn))
        image, masks, valid = source.load()
        sizes = (masks & valid).mean((1, 2))
        fitting = [i for i in range(len(masks)) if SMALLEST <= sizes[i] <= LARGEST]
        for index in rng.permutation(fitting)[:OBJECTS_PER_IMAGE].tolist():
            file = f"{name}-{zlib.crc32(source.image.stem.encode()):08x}-{index}"
            if not any(out.glob(f"{file}-*")):
                for click, sample in _samples(image, masks[index] & valid, ~valid, predictor, rng):
                    save_file(sample, out / f".{file}-{click}.{number}")
                    os.replace(out / f".{file}-{click}.{number}", out / f"{file}-{click}.safetensors")


def _images(folders: Sequence[Path], seed: int) -> Iterator[tuple[str, Source]]:
    """Yield images without end, each set as often as its weight says, in a seeded order without repetition within a set."""
    sets = [(folder.name, [source for source in read_set(folder) if not held_out(source)]) for folder in find_sets(folders)]
    shares = np.array([SET_WEIGHTS.get(name, 1.0) for name, _ in sets])
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(len(sources)) for _, sources in sets]
    turns = [0] * len(sets)
    while True:
        i = int(rng.choice(len(sets), p=shares / shares.sum()))
        name, sources = sets[i]
        yield name, sources[orders[i][turns[i] % len(sources)]]
        turns[i] += 1


def _samples(
    image: np.ndarray, truth: np.ndarray, ignore: np.ndarray, predictor: Recorder, rng: np.random.Generator
) -> Iterator[tuple[int, dict[str, Tensor]]]:
    """Click on one object in a session and yield the focus view of each corrective click, with the number of the click."""
    session = Session(image, predictor)
    clicks: list[Click] = []
    for number in range(MAX_CLICKS):
        factor, fraction = rng.uniform(*FACTOR_RANGE), rng.uniform(*FRACTION_RANGE)
        assert predictor.focus is not None
        predictor.focus = replace(predictor.focus, factor=float(factor), max_fraction=float(fraction), max_change=float(fraction))
        predictor.recorded = None
        human = rng.random() < HUMAN_SHARE
        click = next_click(truth, session.mask, ignore, clicks, rng if human else None, HUMAN_DEPTH)
        if click is None or iou(truth, session.mask & ~ignore) > DONE_IOU:
            return
        session.apply(click)
        clicks.append(click)
        if predictor.recorded is not None:
            yield number, _sample(predictor.recorded, truth, ignore)


def _sample(look: Look, truth: np.ndarray, ignore: np.ndarray) -> dict[str, Tensor]:
    """Return image uint8 (S, S, 3), the maps and the truth uint8 (S, S) each, and the encoded levels in fp16."""
    x0, y0, x1, y1 = look.view.box
    size = len(look.maps[0])

    def scaled(mask: np.ndarray) -> Tensor:
        return torch.from_numpy(cv2.resize(mask[y0:y1, x0:x1].astype(np.uint8) * 255, (size, size), interpolation=cv2.INTER_LINEAR))

    maps = torch.from_numpy((look.maps * 255).round().astype(np.uint8))
    levels = {f"level{i}": level[0].half().contiguous() for i, level in enumerate(look.view.encoded)}
    return {"image": torch.from_numpy(look.view.pixels), "maps": maps, "truth": scaled(truth), "ignore": scaled(ignore), **levels,
            "box": torch.tensor([x0, y0, x1, y1])}  # fmt: skip
