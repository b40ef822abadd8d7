"""The networks behind the overall score, fitted on masks that were spoilt on purpose; run it by `cdwidget fit-scores`."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator, Sequence

import cv2
import numpy as np
import torch
from scipy.stats import spearmanr
from torch.nn import functional as F
from tqdm import tqdm

from cdwidget.items import Instance
from cdwidget.predictor import Predictor
from cdwidget.review.scoring.border import HERE, INSIDE, OUTSIDE, profiles, softmax, summed
from cdwidget.review.scoring.network import FAR, WEIGHTS, Network, save
from cdwidget.review.scoring.overall import PLAIN, blend, general, table
from cdwidget.review.scoring.subject import Scene, Subject
from cdwidget.review.scoring.table import SCORES, measure
from cdwidget.train.score_quality import BAD, auroc
from cdwidget.train.spoilt import CLEAN, Spoilt, spoilt_images

FOLDS = 5  # by images: what one network is made of, another has not seen
POINTS = 80  # of a border, that the networks are fitted on
TOLERANCE = 2.0, 0.03  # pixels of the crop, and share of the square root of the mask's area, that a border may be off
IOUS = 0.4, 1.0  # of the faults that are fitted on: slight ones too
PEAK = 3e-3  # learning rate
ASKING = ("agreement", "edit", "stability", "heads")  # the scores that ask the predictor
SIZE = ("area", "pixels")  # what the network that knows its answers is told besides
ALONE = ("duplicate", "overlap")  # the scores that hang on the image's other instances


@dataclass(frozen=True, eq=False)
class Example:
    """One mask and what was measured about it. inputs: of the border networks, by name, (n, d). side: HERE, INSIDE or OUTSIDE of each.

    measures: of all scores that ask no predictor, but for the border networks'. alone: those of them that are others when it is the only
    one of its image. said: measures of the scores that ask a predictor; empty without.
    """

    group: str
    image: str
    kind: str
    iou: float
    measures: dict[str, float]
    alone: dict[str, float]
    said: dict[str, float]
    inputs: dict[str, np.ndarray]
    side: np.ndarray

    @property
    def fold(self) -> int:
        """Which of the FOLDS its image is in."""
        return zlib.crc32(self.image.encode()) % FOLDS


def examine(images: Iterable[Spoilt], predictor: Predictor | None) -> Iterator[Example]:
    """Measure the masks of spoilt images."""
    unasked = [name for name in SCORES if name not in (*ASKING, "border")]
    for spoilt in images:
        instances = [Instance(mask, id=index) for index, mask in enumerate(spoilt.masks)]
        scene = Scene(spoilt.image, instances, predictor)
        for index, (kind, iou) in spoilt.faults.items():
            subject, alone = Subject(scene, index), Subject(Scene(spoilt.image, [instances[index]]), index)
            measures = {**general(subject), **_measures(subject, unasked)}
            seen = profiles(subject)
            some = np.linspace(0, len(seen.points) - 1, min(POINTS, len(seen.points))).round().astype(int)
            inputs = {name: values[some] for name, values in seen.inputs().items()}
            side = _side(subject, spoilt.truth[index], seen.points[some])
            said = _measures(subject, ASKING)
            yield Example(spoilt.group, spoilt.name, kind, iou, measures, _measures(alone, ALONE), said, inputs, side)


def _measures(subject: Subject, names: Sequence[str]) -> dict[str, float]:
    return {key: value for one in measure(subject, names).values() for key, value in one.measures.items()}


def _side(subject: Subject, truth: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Where the true border is, seen from points of the mask's: INSIDE means that the point lies out of the object."""
    inside = subject.cropped(truth) >= 0.5
    within, beyond = (cv2.distanceTransform(part.astype(np.uint8), cv2.DIST_L2, 5) for part in (inside, ~inside))
    there = (within - beyond)[points[:, 1], points[:, 0]]
    tolerance = max(TOLERANCE[0], TOLERANCE[1] * float(np.sqrt(subject.inside.sum())))
    return np.where(there > tolerance, OUTSIDE, np.where(there < -tolerance, INSIDE, HERE))


def fit_scores(
    folders: Sequence[Path], predictor: Predictor, out: Path = WEIGHTS, answered: int = 900, plain: int = 6000, seed: int = 1
) -> str:
    """Fit the networks on masks of images that are trained on, write them, and say how good they are on folds of those.

    answered: masks that the predictor is asked about, 1 s each on two cores. plain: masks that it is not asked about, 0.1 s each.
    """
    with tqdm(total=answered + plain, unit="mask", disable=None) as bar:

        def examined(count: int, seed: int, predictor: Predictor | None) -> list[Example]:
            found = []
            for example in examine(spoilt_images(folders, count, seed, held=False, ious=IOUS), predictor):
                found.append(example)
                bar.update()
            return found

        examples = examined(plain, seed + 1, None), examined(answered, seed, predictor)
    networks, guesses = fit(*examples)
    save(networks, out)
    iou = np.array([example.iou for example in examples[1]])
    return (
        f"wrote {out}; on images that the networks of a fold have not seen: AUROC {auroc(-guesses, iou < BAD):.3f} for IoU < {BAD}, "
        f"Spearman {spearmanr(guesses, iou).statistic:.3f}, mean error {np.abs(guesses - iou).mean():.3f}"
    )


def fit(plain: Sequence[Example], answered: Sequence[Example]) -> tuple[dict[str, Network], np.ndarray]:
    """Fit all networks; return them, and the IoU of each of `answered` as networks estimate it that have not seen its image.

    plain: examples without a predictor's answers; answered: with them. What an overall network is given by others is what they say of
    images that they have not seen, as it will be in use.
    """
    rows = [Row(example, {**example.measures}, {**example.said}) for example in (*plain, *answered)]
    networks: dict[str, Network] = {}
    networks["border picture"], chances = _crossed(rows, partial(_fit_border, "picture"), partial(_chances, "picture"))
    for row, found in zip(rows, chances):
        row.measures.update(summed("picture", found))
    asked = rows[len(plain) :]
    networks["border answers"], chances = _crossed(asked, partial(_fit_border, "answers"), partial(_chances, "answers"))
    for row, found in zip(asked, chances):
        row.said.update(summed("answers", found))
    rows += [Row(row.example, {**row.measures, **row.example.alone}, row.said) for row in rows]
    networks["overall picture"], unaided = _crossed(rows, partial(_fit_overall, WIDE), _guess)
    asked = [
        Row(row.example, {**row.said, PLAIN: guess, **{name: row.measures[name] for name in SIZE}}, row.said)
        for row, guess in zip(rows, unaided) if row.said
    ]  # fmt: skip
    networks["overall answers"], aided = _crossed(asked, partial(_fit_overall, NARROW), _guess)
    both = np.array([row.measures[PLAIN] for row in asked]), np.array(aided)
    return networks, 1 / (1 + np.exp(-blend(*both)[: len(answered)]))


@dataclass(frozen=True, eq=False)
class Row:
    """An example and what is measured of it so far: measures without a predictor, and said by one."""

    example: Example
    measures: dict[str, float]
    said: dict[str, float]


def _crossed(
    rows: Sequence[Row], make: Callable[[Sequence[Row]], Network], use: Callable[[Network, Row], Any]
) -> tuple[Network, list[Any]]:
    """Make a network of all rows, and use on each row one made of the rows of other folds."""
    found = {}
    for fold in range(FOLDS):
        network = make([row for row in rows if row.example.fold != fold])
        found.update({row: use(network, row) for row in rows if row.example.fold == fold})
    return make(rows), [found[row] for row in rows]


def _fit_border(name: str, rows: Sequence[Row]) -> Network:
    inputs = np.concatenate([row.example.inputs[name] for row in rows])
    sides = torch.from_numpy(np.concatenate([row.example.side for row in rows]))
    return train_network(inputs, sides, F.cross_entropy, 3, BORDER, ())


def _chances(name: str, network: Network, row: Row) -> np.ndarray:
    return softmax(network(row.example.inputs[name]))


def _fit_overall(shape: Shape, rows: Sequence[Row]) -> Network:
    names = tuple(sorted({name for row in rows for name in row.measures}))
    good = [row.measures for row in rows if row.example.kind == CLEAN]
    usual = np.array([np.median([one[name] for one in good if name in one] or [0.0]) for name in names], np.float32)
    inputs = np.array([[row.measures.get(name, middle) for name, middle in zip(names, usual)] for row in rows], np.float32)
    ious = torch.tensor([[row.example.iou] for row in rows], dtype=torch.float32)
    return train_network(inputs, ious, F.binary_cross_entropy_with_logits, 1, shape, names, usual)


def _guess(network: Network, row: Row) -> float:
    return float(network(table([row.measures], network))[0, 0])


@dataclass(frozen=True)
class Shape:
    """A network and how it is trained."""

    hidden: tuple[int, ...]
    members: int
    steps: int
    batch: int
    dropout: float
    decay: float


BORDER = Shape((48, 32), 1, 2500, 512, 0.2, 1e-3)
WIDE = Shape((32, 16), 12, 2400, 128, 0.2, 0.05)
NARROW = Shape((12,), 12, 400, 128, 0.4, 0.3)  # it has few masks to learn from


def train_network(
    inputs: np.ndarray, targets: torch.Tensor, loss: Callable[..., torch.Tensor], outputs: int, shape: Shape, names: tuple[str, ...],
    usual: np.ndarray | None = None,
) -> Network:  # fmt: skip
    """Train the members of a network side by side, each on batches of its own."""
    generator = torch.Generator().manual_seed(0)
    centre, scale = inputs.mean(0), inputs.std(0) + 1e-3
    known = torch.from_numpy((inputs - centre) / scale).float().clamp(-FAR, FAR)
    sizes = (inputs.shape[1], *shape.hidden, outputs)
    weights = [torch.randn(shape.members, a, b, generator=generator) * (2 / a) ** 0.5 for a, b in zip(sizes, sizes[1:])]
    biases = [torch.zeros(shape.members, 1, b) for b in sizes[1:]]
    parameters = [one.requires_grad_() for one in (*weights, *biases)]
    optimiser = torch.optim.AdamW(parameters, PEAK, weight_decay=shape.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK, total_steps=shape.steps)
    for _ in range(shape.steps):
        chosen = torch.randint(len(known), (shape.members, shape.batch), generator=generator)
        values = known[chosen]
        for number, (weight, bias) in enumerate(zip(weights, biases)):
            if number:
                kept = torch.rand(values.shape, generator=generator) >= shape.dropout
                values = values.relu() * kept / (1 - shape.dropout)
            values = torch.baddbmm(bias, values, weight)
        optimiser.zero_grad()
        loss(values.flatten(0, 1), targets[chosen].flatten(0, 1)).backward()
        optimiser.step()
        schedule.step()
    layers = [tuple(one.detach().numpy() for one in many) for many in (weights, biases)]
    return Network(names, centre if usual is None else usual, centre, scale, *layers)
