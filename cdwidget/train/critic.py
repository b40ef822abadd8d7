"""Training of the critic: views whose features are computed once, with masks that are spoilt anew each time; `cdwidget train-critic`."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from math import cos, pi
from pathlib import Path
from typing import Iterable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from cdwidget.faults import FAULTS, spoil
from cdwidget.formats.sets import SMALLEST, find_sets, read_set
from cdwidget.masks import iou
from cdwidget.model import MODELS
from cdwidget.model.cdnet import CDNet, CDNetConfig
from cdwidget.model.checkpoint import load_checkpoint
from cdwidget.model.critic import CELL, GRID, SIZE, CriticNetwork, fold_norms, load_critic, save_critic, shown
from cdwidget.model.precision import precision
from cdwidget.train.ahead import drawn_ahead, helpers
from cdwidget.train.config import Recipe, SetOptions
from cdwidget.train.data import Sampler, View
from cdwidget.train.features import Features
from cdwidget.train.learner import Average
from cdwidget.train.ranks import device_of
from cdwidget.train.spoilt import reserved

QUICK = ("grown", "shrunk", "cut", "shifted", "merged", "wrong object")  # faults of the other masks of an image
MISTAKE = "wrong object"
SEEN = 16  # pixels of an object that has any
ROOM = 64  # cells that are added to those of a mask, lest a small one counts for all
SAVED = 100  # steps
VISITS = 3  # what a generator is for, beside those of train/data.py


@dataclass(frozen=True)
class CriticRecipe:
    """One training run: each step looks at `images` views with `masks` masks each, `clean` of them as they should be. first: the number of
    the first step, by which a run that goes on from the weights of another draws other masks.

    ious: of the faults whose extent can be chosen. alone, good: share of the masks with which nothing is known of the others of the view,
    and with which all of those are as they should be; elsewhere `spoilt` of them are not, and `twins` of the good masks are others' too.
    views: which, and how they are drawn.
    """

    views: Recipe
    steps: int = 2500
    first: int = 0
    images: int = 16
    masks: int = 5
    clean: int = 2
    ious: tuple[float, float] = (0.4, 1.0)
    alone: float = 0.25
    good: float = 0.2
    spoilt: float = 0.4
    twins: float = 0.1
    rate: float = 1e-3
    weight_decay: float = 0.02
    warmup: int = 40
    ema: float = 0.99


CRITIC = CriticRecipe(
    Recipe(
        CDNetConfig(backbone="tinyvit"),
        {
            "BSDS500regions": SetOptions(2.0),
            "CCP": SetOptions(2.0),
            "ImageNetParts": SetOptions(2.0),
            "COCOmini": SetOptions(1.5),
            "CarParts": SetOptions(1.2),
            "ECSSD": SetOptions(1.0),
            "FeralCats": SetOptions(0.6),
            "WeizmannHorses": SetOptions(0.6),
            "HumanSeg290": SetOptions(0.6),
            "PennFudan": SetOptions(0.5),
        },
        crops=0.75,
    )
)


Given = tuple[np.ndarray, list[np.ndarray], np.ndarray]  # a mask, the others of its view, and the mask as it should be


@dataclass(frozen=True)
class Lesson:
    """One view and masks in it. maps: float16 (N, 3, T, T) as of `shown`. truth: bool (N, T, T). iou: float32 (N,)."""

    view: View
    maps: np.ndarray
    truth: np.ndarray
    iou: np.ndarray


class Lessons:
    """Draws lessons; the same for the same recipe, sets, step and number."""

    def __init__(self, recipe: CriticRecipe, folders: Iterable[Path]):
        self.recipe = recipe
        sets = [(folder.name, [source for source in read_set(folder) if not reserved(source)]) for folder in find_sets(folders)]
        self.sampler = Sampler(recipe.views, sets)

    def batch(self, step: int) -> list[Lesson]:
        """All of a step."""
        return [self.draw(step, number) for number in range(self.recipe.images)]

    def draw(self, step: int, number: int) -> Lesson:
        """One view with `masks` masks of the object that it was chosen for."""
        rng = np.random.default_rng((self.recipe.views.seed, VISITS, step, number))
        view, objects = self._view(rng)
        masks = [self._mask(view, objects, i >= self.recipe.clean, rng) for i in range(self.recipe.masks)]
        maps = np.stack([shown(mask, others) for mask, others, _ in masks]).astype(np.float16)
        ious = np.array([iou(mask, truth) for mask, _, truth in masks], np.float32)
        return Lesson(replace(view, masks=view.masks[:0]), maps, np.stack([truth for *_, truth in masks]), ious)

    def _view(self, rng: np.random.Generator) -> tuple[View, np.ndarray]:
        """A view, and the objects in it, bool (N, T, T), the one that it was chosen for first."""
        while True:
            view, _ = self.sampler.look(rng)
            if view is None:
                continue
            objects = view.masks & view.valid
            first, rest = objects[view.anchor], np.delete(objects, view.anchor, axis=0)
            if first.mean() >= SMALLEST:
                return view, np.concatenate([first[None], rest[rest.sum((1, 2)) >= SEEN]])

    def _mask(self, view: View, objects: np.ndarray, bad: bool, rng: np.random.Generator) -> Given:
        """A mask of the first object, the other masks of the view as they are given, and the true mask."""
        recipe, image = self.recipe, np.ascontiguousarray(view.image[::2, ::2])
        chance = rng.random()
        others = [] if chance < recipe.alone else list(objects[1:])
        mask = truth = objects[0]
        swapped = None  # of the others, the one whose mask is the first object's too
        kinds = list(FAULTS) if bad else []
        rng.shuffle(kinds)
        for kind in kinds:
            if kind == MISTAKE and others:
                swapped = int(rng.integers(len(others)))
                truth, others[swapped] = others[swapped], mask
                break
            strangers = kind == MISTAKE or (kind == "merged" and len(objects) == 1)
            company = self._view(rng)[1][:1] if strangers else objects[1:]
            with suppress(ValueError):
                mask = spoil(kind, image, truth, company, rng, recipe.ious)
                break
        if chance < recipe.alone + recipe.good:
            return mask, others, truth
        for i in range(len(others)):
            if i != swapped and rng.random() < recipe.spoilt:
                with suppress(ValueError):
                    others[i] = spoil(str(rng.choice(QUICK)), image, others[i], np.delete(objects, i + 1, axis=0), rng, recipe.ious)
        if not bad and others and rng.random() < recipe.twins:
            others[rng.integers(len(others))] = mask
        return mask, others, truth


def train_critic(
    folders: Iterable[Path], out: Path, recipe: CriticRecipe = CRITIC, features: Path | None = None, start_from: Path | None = None,
    device: str = "auto",
) -> str:  # fmt: skip
    """Train the critic on images that are neither held out nor reserved; write its weights, and a log beside them.

    features: the folder where what the encoder says is kept when the recipe has a number of views, by default `.features/` beside `out`.
    start_from: weights of another run to begin with, whose batches were others if `first` says so. device: "cpu", "cuda" or "auto". Says
    where the weights are.
    """
    where = device_of(device)
    torch.manual_seed(recipe.views.seed)
    lessons = Lessons(recipe, folders)
    whole = load_checkpoint(MODELS["cdnet-tiny"])
    network = CriticNetwork()
    if start_from is None:
        begin_with(network, whole)
    else:
        network.load_state_dict(load_critic(start_from).network.state_dict())
    looked = Features(whole.to(where), features or out.with_suffix(".features"), lessons.sampler.views())
    network.train().to(where).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = Average(network, recipe.ema)
    optimiser = torch.optim.AdamW(network.parameters(), recipe.rate, weight_decay=recipe.weight_decay)
    drawn = drawn_ahead(lessons.batch, range(recipe.first, recipe.first + recipe.steps), helpers(where))
    with out.with_suffix(".jsonl").open("w", buffering=1) as log:
        for step, batch in enumerate(tqdm(drawn, total=recipe.steps, unit="batch", disable=None)):
            for group in optimiser.param_groups:
                group["lr"] = recipe.rate * min(1.0, (step + 1) / recipe.warmup) * 0.5 * (1 + cos(pi * step / recipe.steps))
            loss, off = lesson_loss(network, looked, batch, where)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 2.0)
            optimiser.step()
            average.update(network, step + 1)
            log.write(json.dumps({"step": step + 1, "loss": round(loss.item(), 4), "off": round(off, 4)}) + "\n")
            if (step + 1) % SAVED == 0 or step + 1 == recipe.steps:
                averaged = CriticNetwork()
                averaged.load_state_dict(average.weights)
                save_critic(averaged, out, {"format": "cdwidget-critic-1", "recipe": json.dumps(asdict(recipe)), "step": str(step + 1)})
    return f"wrote {out}"


def lesson_loss(network: CriticNetwork, looked: Features, batch: Sequence[Lesson], where: torch.device) -> tuple[Tensor, float]:
    """How wrong the critic is about the IoU, by itself and by what it takes to be missed and taken; and by how much of IoU it is off."""
    parts = zip(*((one.maps, one.truth, one.iou) for one in batch))
    maps, truth, ious = (torch.from_numpy(np.concatenate(part)).to(where).float() for part in parts)
    levels = [level.repeat_interleave(len(batch[0].maps), 0) for level in looked.of([one.view for one in batch])]
    with precision(where.type):
        opinion = network(levels, F.interpolate(maps, size=(SIZE, SIZE)))
    mask, right = maps[:, 2:], truth[:, None]
    wrong = torch.cat([right * (1 - mask), mask * (1 - right)], 1)
    shares, cells = (F.avg_pool2d(one, CELL * GRID // SIZE) for one in (wrong, mask))
    pixels = F.binary_cross_entropy_with_logits(opinion.wrong, shares, reduction="none").sum((1, 2, 3)) / (cells.sum((1, 2, 3)) + ROOM)
    judged = F.binary_cross_entropy_with_logits(opinion.iou, ious)
    loss = judged + 0.5 * pixels.mean() + 0.5 * (opinion.soft - ious).abs().mean()
    return loss, float((opinion.iou.detach().sigmoid() - ious).abs().mean())


def begin_with(network: CriticNetwork, whole: CDNet) -> None:
    """Take over what cdnet-tiny has of the same name and shape, its norms folded in."""
    for part in (whole.laterals, whole.context, whole.smooth):
        fold_norms(part)
    given = {name.replace("narrow.1.", "narrow.").replace("smooth.1.", "smooth.0."): value for name, value in whole.state_dict().items()}
    own = network.state_dict()
    network.load_state_dict({**own, **{name: value for name, value in given.items() if name in own and own[name].shape == value.shape}})
    torch.nn.init.constant_(network.get_parameter("wrong.bias"), -3.0)
