"""Training of the critic on masks that are spoilt anew each time, seen as it will see them; `cdwidget train-critic`."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from math import cos, pi
from pathlib import Path
from typing import Iterable, Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from cdwidget.formats.dataset_folders import LARGEST, SMALLEST, find_sets, read_set
from cdwidget.mask_errors import FAULTS, spoil
from cdwidget.masks import Bbox, iou
from cdwidget.model import MODELS
from cdwidget.model.cdnet import CDNet
from cdwidget.model.checkpoint import load_checkpoint
from cdwidget.model.quality import CELL, GRID, SIZE, CriticNetwork, fold_norms, in_view, load_critic, save_critic, shown, view_of
from cdwidget.model.quantization import precision
from cdwidget.predictor import BAD
from cdwidget.train.corruption import resized, taught_on
from cdwidget.train.data import jitter_colour
from cdwidget.train.distributed import device_of
from cdwidget.train.prefetch import drawn_ahead, helpers
from cdwidget.train.trainer import Average

QUICK = ("grown", "shrunk", "cut", "shifted", "merged", "wrong object")  # faults of the other masks of an image
AMONG_OTHERS = ("merged", "wrong object")  # the faults that take another object
OTHERS = 5  # masks of an image that are spoilt besides those that are judged, at most
SEEN = 16  # pixels of an object that has any
ROOM = 64  # cells that are added to those of a mask, lest a small one counts for all
SAVED = 100  # steps
TRIED = 1000  # images, for one with an object that is neither too small nor too large
FORMAT = "cdwidget-critic-2"
WIDER, OFF = (-0.15, 0.3), 0.08  # logarithm of how much wider a view is than usual, and how far off, as a share of its sides


@dataclass(frozen=True)
class CriticRecipe:
    """One training run: each step looks at `images` images and `masks` masks in each, `clean` of them as they should be. first: the number
    of the first step, by which a run that goes on from the weights of another draws other masks.

    sets: how often each is drawn from, relative to the others. ious: of the faults whose extent can be chosen. alone, good: share of the
    masks with which nothing is known of the others of the image, and with which all of those are as they should be; elsewhere at most
    `spoilt` of them are not. twins: share of the good masks that are given to another object too.
    """

    sets: dict[str, float]
    steps: int = 2500
    first: int = 0
    images: int = 16
    masks: int = 5
    clean: int = 2
    ious: tuple[float, float] = (0.4, 1.0)
    alone: float = 0.2
    good: float = 0.2
    spoilt: float = 0.7
    twins: float = 0.1
    rate: float = 1e-3
    weight_decay: float = 0.02
    warmup: int = 100
    ema: float = 0.998
    seed: int = 0


CRITIC = CriticRecipe(
    {
        "BSDS500regions": 2.0,
        "CCP": 2.0,
        "ImageNetParts": 2.0,
        "COCOmini": 1.5,
        "CarParts": 1.2,
        "ECSSD": 1.0,
        "FeralCats": 0.6,
        "WeizmannHorses": 0.6,
        "HumanSeg290": 0.6,
        "PennFudan": 0.5,
    }
)


@dataclass(frozen=True)
class Lesson:
    """One image and masks in it, each in its own view, as the critic will see it.

    image: uint8 (H, W, 3). views: of each mask. maps: float16 (N, 3, GRID, GRID) as of `shown`. truth: bool (N, GRID, GRID). iou: float32
    (N,).
    """

    image: np.ndarray
    views: list[Bbox]
    maps: np.ndarray
    truth: np.ndarray
    iou: np.ndarray


@dataclass(frozen=True)
class Scene:
    """An image, uint8 (H, W, 3), its valid pixels, bool (H, W), and its objects, bool (N, H, W).

    given: the objects' masks, some of them spoilt. fitting: the indices of those that are neither too small nor too large to be judged.
    """

    image: np.ndarray
    valid: np.ndarray
    objects: np.ndarray
    given: list[np.ndarray]
    fitting: np.ndarray


class Lessons:
    """Draws lessons; the same for the same recipe, sets, step and number."""

    def __init__(self, recipe: CriticRecipe, folders: Iterable[Path]):
        self.recipe = recipe
        folders = find_sets(folders)
        self.sets = [[source for source in read_set(folder) if taught_on(source)] for folder in folders]
        weights = np.array([recipe.sets.get(folder.name, 1.0) if sources else 0 for folder, sources in zip(folders, self.sets)])
        if not weights.any():
            raise ValueError("all images are held out or reserved; training needs some that are not")
        self.shares = weights / weights.sum()

    def batch(self, step: int) -> list[Lesson]:
        """All of a step."""
        return [self.draw(step, number) for number in range(self.recipe.images)]

    def draw(self, step: int, number: int) -> Lesson:
        """One image with `masks` masks of its objects."""
        rng = np.random.default_rng((self.recipe.seed, step, number))
        scene = self._scene(rng)
        views, maps, truths, ious = [], [], [], []
        for i in range(self.recipe.masks):
            mask, others, truth = self._mask(scene, i >= self.recipe.clean, rng)
            view = view_of(mask, float(np.exp(rng.uniform(*WIDER))), tuple(rng.uniform(-OFF, OFF, 2)))
            x0, y0, x1, y1 = view
            views.append(view)
            maps.append(shown(in_view(mask, view), [in_view(other, view) for other in others if other[y0:y1, x0:x1].any()]))
            truths.append(in_view(truth | (mask & ~scene.valid), view))
            ious.append(iou(mask & scene.valid, truth))
        return Lesson(scene.image, views, np.stack(maps).astype(np.float16), np.stack(truths), np.array(ious, np.float32))

    def _load(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """An image, its objects, its valid pixels, and which of the objects are neither too small nor too large."""
        for _ in range(TRIED):
            sources = self.sets[rng.choice(len(self.sets), p=self.shares)]
            image, objects, valid = sources[rng.integers(len(sources))].load()
            objects = objects & valid
            objects = objects[objects.sum((1, 2)) >= SEEN]
            share = objects.mean((1, 2))
            fitting = np.flatnonzero((share >= SMALLEST) & (share <= LARGEST))
            if len(fitting):
                return image, objects, valid, fitting
        raise ValueError(
            f"none of {TRIED} images has an object that fills {SMALLEST:.1%} to {LARGEST:.0%} of it; the critic needs such to learn from"
        )

    def _scene(self, rng: np.random.Generator) -> Scene:
        """An image with its colours changed, perhaps mirrored, and some of its masks spoilt."""
        image, objects, valid, fitting = self._load(rng)
        image = jitter_colour(image, rng)
        if rng.random() < 0.5:
            image, objects, valid = (np.ascontiguousarray(part) for part in (image[:, ::-1], objects[..., ::-1], valid[:, ::-1]))
        given, share = list(objects), rng.uniform(0, self.recipe.spoilt)
        for i in rng.permutation(fitting)[:OTHERS]:
            if len(objects) > 1 and rng.random() < share:
                with suppress(ValueError):
                    given[i] = spoil(str(rng.choice(QUICK)), image, objects[i], np.delete(objects, i, axis=0), rng, self.recipe.ious)
        return Scene(image, valid, objects, given, fitting)

    def _mask(self, scene: Scene, bad: bool, rng: np.random.Generator) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
        """A mask of an object, the other masks of the image as they are given, and the true mask."""
        recipe, chance = self.recipe, rng.random()
        i = int(rng.choice(scene.fitting))
        mask = truth = scene.objects[i]
        company = np.delete(scene.objects, i, axis=0)
        if chance < recipe.alone:
            others = []
        elif chance < recipe.alone + recipe.good:
            others = list(company)
        else:
            others = scene.given[:i] + scene.given[i + 1 :]
        kinds = list(FAULTS) if bad else []
        rng.shuffle(kinds)
        for kind in kinds:
            strangers = kind in AMONG_OTHERS and not (len(company) if kind == "merged" else len(others))
            with suppress(ValueError):
                mask = spoil(kind, scene.image, truth, self._strangers(truth.shape, rng) if strangers else company, rng, recipe.ious)
                break
        if not bad and others and rng.random() < recipe.twins:
            others[rng.integers(len(others))] = mask
        return mask, others, truth

    def _strangers(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """Objects of another image."""
        return resized(self._load(rng)[1], shape)


def train_critic(
    folders: Iterable[Path], out: Path, recipe: CriticRecipe = CRITIC, start_from: Path | None = None, device: str = "auto"
) -> str:
    """Train the critic on images that are neither held out nor reserved; write its weights, and a log beside them.

    start_from: weights of another run to begin with, whose batches were others if `first` says so. device: "cpu", "cuda" or "auto". Says
    where the weights are.
    """
    where = device_of(device)
    torch.manual_seed(recipe.seed)
    lessons = Lessons(recipe, folders)
    whole = load_checkpoint(MODELS["cdnet-tiny"])
    network = CriticNetwork()
    if start_from is None:
        begin_with(network, whole)
    else:
        network.load_state_dict(load_critic(start_from).network.state_dict())
    network.train().to(where).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    encoder = whole.backbone.to(where).eval()
    average = Average(network, recipe.ema)
    optimiser = torch.optim.AdamW(network.parameters(), recipe.rate, weight_decay=recipe.weight_decay)
    drawn = drawn_ahead(lessons.batch, range(recipe.first, recipe.first + recipe.steps), helpers(where))
    with out.with_suffix(".jsonl").open("w", buffering=1) as log:
        for step, batch in enumerate(tqdm(drawn, total=recipe.steps, unit="batch", disable=None)):
            for group in optimiser.param_groups:
                group["lr"] = recipe.rate * min(1.0, (step + 1) / recipe.warmup) * 0.5 * (1 + cos(pi * step / recipe.steps))
            loss, off = lesson_loss(network, encoder, batch)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 2.0)
            optimiser.step()
            average.update(network, step + 1)
            log.write(json.dumps({"step": step + 1, "loss": round(loss.item(), 4), "off": round(off, 4)}) + "\n")
            if (step + 1) % SAVED == 0 or step + 1 == recipe.steps:
                averaged = CriticNetwork()
                averaged.load_state_dict(average.weights)
                save_critic(averaged, out, {"format": FORMAT, "recipe": json.dumps(asdict(recipe)), "step": str(step + 1)})
    return f"wrote {out}"


def lesson_loss(network: CriticNetwork, encoder: nn.Module, batch: Sequence[Lesson]) -> tuple[Tensor, float]:
    """How wrong the critic is about the IoU, by itself, as good or not, and by what it takes to be missed and taken; and by how much of
    IoU it is off.
    """
    where = next(network.parameters()).device
    parts = zip(*((one.maps, one.truth, one.iou) for one in batch))
    maps, truth, ious = (torch.from_numpy(np.concatenate(part)).to(where).float() for part in parts)
    images = torch.cat([pixels for one in batch for pixels in _in_views(one, where)])
    with precision(where.type):
        with torch.no_grad():
            levels = encoder(images.contiguous(memory_format=torch.channels_last))
        opinion = network(levels, F.interpolate(maps, size=(SIZE, SIZE)))
    mask, right = maps[:, 2:], truth[:, None]
    wrong = torch.cat([right * (1 - mask), mask * (1 - right)], 1)
    shares, cells = (F.avg_pool2d(one, CELL * GRID // SIZE) for one in (wrong, mask))
    pixels = F.binary_cross_entropy_with_logits(opinion.wrong, shares, reduction="none").sum((1, 2, 3)) / (cells.sum((1, 2, 3)) + ROOM)
    judged = F.binary_cross_entropy_with_logits(opinion.iou, ious)
    good = F.binary_cross_entropy_with_logits(opinion.good, (ious >= BAD).float())
    loss = judged + 0.5 * good + 0.5 * pixels.mean() + 0.5 * (opinion.soft - ious).abs().mean()
    return loss, float((opinion.iou.detach().sigmoid() - ious).abs().mean())


def _in_views(lesson: Lesson, where: torch.device) -> Iterator[Tensor]:
    """The image as each mask's view shows it, (1, 3, SIZE, SIZE) in 0..1."""
    image = torch.from_numpy(lesson.image).to(where).permute(2, 0, 1)[None].float().div_(255)
    for x0, y0, x1, y1 in lesson.views:
        yield F.interpolate(image[..., y0:y1, x0:x1], (SIZE, SIZE), mode="bilinear", antialias=True)


def begin_with(network: CriticNetwork, whole: CDNet) -> None:
    """Take over what cdnet-tiny has of the same name and shape, its norms folded in."""
    for part in (whole.laterals, whole.context, whole.smooth):
        fold_norms(part)
    given = {name.replace("narrow.1.", "narrow.").replace("smooth.1.", "smooth.0."): value for name, value in whole.state_dict().items()}
    own = network.state_dict()
    network.load_state_dict({**own, **{name: value for name, value in given.items() if name in own and own[name].shape == value.shape}})
    torch.nn.init.constant_(network.get_parameter("wrong.bias"), -3.0)
