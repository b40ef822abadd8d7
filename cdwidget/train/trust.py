"""Which changes of its own a model may believe, fitted on simulated clicks on training images; run it by `cdwidget fit-trust`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Iterator, Sequence

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from tqdm import tqdm

from cdwidget.clicks import next_click
from cdwidget.faults import faulty_mask
from cdwidget.formats.sets import LARGEST, SMALLEST
from cdwidget.model.cdnet import CDNet
from cdwidget.model.checkpoint import save_checkpoint
from cdwidget.model.predictor import CDNetPredictor, Rectangle
from cdwidget.model.trust import TRUSTED, Changes, Trust
from cdwidget.prompts import Click
from cdwidget.session import Session
from cdwidget.train.spoilt import in_turns

CLICKS = 8  # on an object
EDITED = 3  # every so many objects start from a faulty mask
KEPT = 300  # changed pixels of a click that are fitted on, at most
STEPS, BATCH, RATE = 6000, 1024, 3e-3


@dataclass(frozen=True, eq=False)
class Judged:
    """One click. measures: float32 (n, MEASURES) of some pixels that it would change; right: bool (n,); weight: of each, in the loss."""

    measures: np.ndarray
    right: np.ndarray
    weight: float


class Observed(CDNetPredictor):
    """A predictor that keeps what the newest prompt would change, and in which part of the image."""

    seen: tuple[Rectangle, Changes] | None = None

    def _changes(self, box: Rectangle, *answer: Any) -> Changes | None:
        found = super()._changes(box, *answer)
        self.seen = None if found is None else (box, found)
        return found


def fit_trust(model: CDNet, folders: Sequence[Path], out: Path, objects: int, seed: int = 0) -> str:
    """Fit what a model believes of its own changes, by clicks on so many objects of training images, and write it; say how good the fit is.

    For the first half of the objects every change is believed, for the second those that a fit on the first half believes, as in use.
    """
    model.config, model.trust = replace(model.config, trust=True), Trust()
    predictor = Observed(model)
    halves: tuple[list[Judged], list[Judged]] = [], []
    for number, target in enumerate(tqdm(_targets(folders, objects, seed), total=objects, unit="object", disable=None)):
        later = number >= objects // 2
        if number == objects // 2:
            model.trust = fit(halves[0], seed)
        halves[later].extend(_click(predictor, *target, np.random.default_rng((seed, number)), number % EDITED == 0))
    said = _checked(model.trust, halves[1])
    model.trust = fit(halves[0] + halves[1], seed)
    save_checkpoint(out, model, {"trust": f"{objects} objects, seed {seed}"})
    return f"wrote {out}; fitted on the first half of the objects, on the second {said}"


def fit(clicks: Sequence[Judged], seed: int) -> Trust:
    """Fit a network to say which changed pixels are right."""
    measures = torch.from_numpy(np.concatenate([one.measures for one in clicks]))
    right = torch.from_numpy(np.concatenate([one.right for one in clicks])).float()
    weights = torch.from_numpy(np.concatenate([np.full(len(one.right), one.weight / len(one.right)) for one in clicks])).float()
    trust = Trust()
    trust.centre, trust.scale = measures.mean(0), measures.std(0) + 1e-3
    optimiser = torch.optim.AdamW(trust.parameters(), RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=STEPS)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(STEPS):
        chosen = torch.multinomial(weights, BATCH, replacement=True, generator=generator)
        optimiser.zero_grad()
        F.binary_cross_entropy_with_logits(trust(measures[chosen]), right[chosen]).backward()
        optimiser.step()
        schedule.step()
    return trust.eval()


def _targets(folders: Sequence[Path], count: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Image, object and ignored pixels, one object of an image, all sets in turn."""
    rng, found = np.random.default_rng(seed), 0
    for _, source in in_turns(folders, False, seed):
        image, masks, valid = source.load()
        fitting = [mask for mask in masks if SMALLEST <= mask.mean() <= LARGEST]
        if found < count and fitting:
            found += 1
            yield image, fitting[rng.integers(len(fitting))] & valid, ~valid


def _click(
    predictor: Observed, image: np.ndarray, gt: np.ndarray, ignore: np.ndarray, rng: np.random.Generator, edited: bool
) -> Iterator[Judged]:
    """Cut an object out, or mend a faulty mask of it, click by click."""
    try:
        session = Session(image, predictor, mask=faulty_mask(image, gt, rng, ignore) if edited else None)
    except ValueError:  # too small to be spoilt so
        return
    clicks: list[Click] = []
    for _ in range(CLICKS):
        click = next_click(gt, session.mask, ignore, clicks)
        if click is None:
            return
        predictor.seen = None
        session.apply(click)
        clicks.append(click)
        if predictor.seen is not None and len((judged := _judged(*predictor.seen, gt, ignore, click.positive, rng)).right):
            yield judged


def _judged(box: Rectangle, found: Changes, gt: np.ndarray, ignore: np.ndarray, adding: bool, rng: np.random.Generator) -> Judged:
    """Look up which of the changes are right, in the part of the image that they were made in."""
    x0, y0, x1, y1 = box
    size = found.pixels.shape[::-1]
    wanted, counts = (
        cv2.resize(part[y0:y1, x0:x1].astype(np.float32), size, interpolation=cv2.INTER_AREA)[found.pixels] for part in (gt, ~ignore)
    )
    some = rng.permutation(np.flatnonzero(counts > 0.5))[:KEPT]
    share = np.count_nonzero(counts > 0.5) / max(1.0, gt[y0:y1, x0:x1].mean() * found.pixels.size)
    return Judged(found.measures[some], (wanted[some] > 0.5) == adding, float(np.sqrt(share)))


def _checked(trust: Trust, clicks: Sequence[Judged]) -> str:
    with torch.inference_mode():
        believed = [(trust(torch.from_numpy(one.measures)).sigmoid() > TRUSTED).numpy() for one in clicks]
    right = np.concatenate([one.right for one in clicks])
    chosen = np.concatenate(believed)
    return (
        f"{right.mean():.0%} of the changes are right; {chosen.mean():.0%} are believed, and of these {right[chosen].mean():.0%} are right"
    )
