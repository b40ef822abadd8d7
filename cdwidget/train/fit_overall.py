"""The networks behind the overall score, fitted on masks that were spoilt on purpose; run it by `cdwidget fit-scores`."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator, Mapping, Sequence

import cv2
import numpy as np
import torch
from scipy.stats import spearmanr
from torch.nn import functional as F
from tqdm import tqdm

from cdwidget.items import Instance
from cdwidget.predictor import BAD, Critic, Predictor
from cdwidget.scoring.context import Scene, Subject
from cdwidget.scoring.contrast import HERE, INSIDE, OUTSIDE, profiles, summed
from cdwidget.scoring.network import FAR, WEIGHTS, Network, save, shipped, softmax
from cdwidget.scoring.overall import BEFORE, PLAIN, Estimate, blend, estimated, general, heard, table
from cdwidget.scoring.population import Population
from cdwidget.scoring.registry import ASKING, JUDGING, OF_CLASS, SCORES, measure
from cdwidget.train.corruption import CLEAN, RESERVED, Choice, Spoilt, populations, reserved, spoilt_images, trained_on
from cdwidget.train.evaluate_overall import auroc

PASSES = 4  # over the images, at most
FOLDS = 5  # by images: what one network is made of, another has not seen
POINTS = 80  # of a border, that the networks are fitted on
TOLERANCE = 2.0, 0.03  # pixels of the crop, and share of the square root of the mask's area, that a border may be off
IOUS = 0.4, 1.0  # of the faults that are fitted on: slight ones too
PEAK = 3e-3  # learning rate
LAST = "overall critic"  # the network that is fitted on what all others say
SIZE = ("area", "pixels")  # what the networks that know the answers of others are told besides
LATE = ("nested", "surplus")  # what the last network alone is told
ALONE = ("duplicate", "overlap")  # the scores that hang on the image's other instances


@dataclass(frozen=True, eq=False)
class Example:
    """One mask and what was measured about it. inputs: of the border networks, by name, (n, d). side: HERE, INSIDE or OUTSIDE of each.

    measures: of all scores that ask no predictor, but for the border networks'. alone: those of them that are others when it is the only
    one of its image. of_class: of the scores that compare it with its class. said: of those that ask a predictor; judged: of
    those that ask the critic, judged_alone: likewise, when it is the only one of its image; empty without.
    """

    group: str
    image: str
    kind: str
    iou: float
    measures: dict[str, float]
    alone: dict[str, float]
    of_class: dict[str, float]
    said: dict[str, float]
    judged: dict[str, float]
    judged_alone: dict[str, float]
    inputs: dict[str, np.ndarray]
    side: np.ndarray

    @property
    def fold(self) -> int:
        """Which of the FOLDS its image is in."""
        return zlib.crc32(self.image.encode()) // RESERVED % FOLDS  # all reserved images leave the same remainder


def examine(
    images: Iterable[Spoilt], known: Mapping[str, Population], predictor: Predictor | None = None, critic: Critic | None = None
) -> Iterator[Example]:
    """Measure the masks of spoilt images. known: what the classes of their sets are like."""
    unasked = [name for name in SCORES if name not in (*ASKING, *JUDGING, *OF_CLASS, "border")]
    for spoilt in images:
        instances = [Instance(mask, label, index) for index, (mask, label) in enumerate(zip(spoilt.masks, spoilt.labels))]
        population = known[spoilt.group]
        scene = Scene(spoilt.image, instances, predictor, population, critic)
        for index, (kind, iou) in spoilt.faults.items():
            subject, alone = Subject(scene, index), Subject(Scene(spoilt.image, [instances[index]], None, population, critic), index)
            measures = {**general(subject), **_measures(subject, unasked)}
            seen = profiles(subject)
            some = np.linspace(0, len(seen.points) - 1, min(POINTS, len(seen.points))).round().astype(int)
            inputs = {name: values[some] for name, values in seen.inputs().items()}
            side = _side(subject, spoilt.truth[index], seen.points[some])
            said = _measures(subject, ASKING)
            judged, judged_alone = _measures(subject, JUDGING), _measures(alone, JUDGING)
            alone_measures, of_class = _measures(alone, ALONE), _measures(subject, OF_CLASS)
            yield Example(
                spoilt.group, spoilt.name, kind, iou, measures, alone_measures, of_class, said, judged, judged_alone, inputs, side
            )


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
    folders: Sequence[Path], predictor: Predictor, critic: Critic, out: Path = WEIGHTS, judged: int = 900, plain: int = 6000, seed: int = 1
) -> str:
    """Fit the networks on masks of images that are trained on, write them, and say how good they are on folds of those.

    judged: masks that predictor and critic are asked about, 1 s each on two cores, of images that the critic was not trained on. plain:
    masks that neither is asked about, 0.1 s each; with 0 only the network that knows what the critic says is fitted, and the others are
    those shipped. Where there are not images enough, they are taken again, with other faults.
    """
    known = populations(folders, critic)
    with tqdm(total=judged + plain, unit="mask", disable=None) as bar:

        def examined(count: int, seed: int, chosen: Choice, *asked: Any) -> list[Example]:
            found: list[Example] = []
            for again in range(PASSES):
                for example in examine(spoilt_images(folders, count - len(found), seed + again, chosen=chosen, ious=IOUS), known, *asked):
                    found.append(example)
                    bar.update()
                if len(found) >= count:
                    break
            return found

        kept = {} if plain else {name: network for name, network in shipped().items() if name != LAST}
        examples = examined(plain, seed + PASSES, trained_on) if plain else [], examined(judged, seed, reserved, predictor, critic)
    networks, found = fit(*examples, kept)
    save(networks, out)
    iou = np.array([example.iou for example in examples[1]])
    return (
        f"wrote {out}; on images that the networks of a fold have not seen: AUROC {auroc(found.score, iou < BAD):.3f} for IoU < {BAD}, "
        f"Spearman {spearmanr(-found.score, iou).statistic:.3f}"
    )


def fit(plain: Sequence[Example], judged: Sequence[Example], kept: Mapping[str, Network]) -> tuple[dict[str, Network], Estimate]:
    """Fit all networks but those kept; return all, and what is estimated of each of `judged` by networks that have not seen its image.

    plain: examples that nobody was asked about; judged: with what predictor and critic say. What an overall network is given by others is
    what they say of images that they have not seen, as it will be in use.
    """
    rows = [Row(example, {**example.measures}, {**example.said}, example.judged) for example in (*plain, *judged)]
    networks: dict[str, Network] = {}

    def fitted(name: str, rows: Sequence[Row], make: Callable[[Sequence[Row]], Network], use: Callable[[Network, Row], Any]) -> list[Any]:
        """Make a network of all rows, and use on each row one made of the rows of other folds; or use the one that is kept."""
        if name in kept:
            networks[name] = kept[name]
            return [use(kept[name], row) for row in rows]
        found = {}
        for fold in range(FOLDS):
            network = make([row for row in rows if row.example.fold != fold])
            found.update({row: use(network, row) for row in rows if row.example.fold == fold})
        networks[name] = make(rows)
        return [found[row] for row in rows]

    for row, found in zip(rows, fitted("border picture", rows, partial(_fit_border, "picture"), partial(_chances, "picture"))):
        row.measures.update(summed("picture", found))
    asked = rows[len(plain) :]
    for row, found in zip(asked, fitted("border answers", asked, partial(_fit_border, "answers"), partial(_chances, "answers"))):
        row.said.update(summed("answers", found))
    rows += [Row(row.example, {**row.measures, **row.example.alone}, row.said, row.example.judged_alone) for row in rows]
    unaided = dict(zip(rows, fitted("overall picture", rows, partial(_fit_overall, WIDE), _logit)))
    asked = [row for row in rows if row.said]
    told = [replace(row, measures={**row.said, PLAIN: unaided[row], **_known(row, SIZE)}) for row in asked]
    aided = fitted("overall answers", told, partial(_fit_overall, NARROW), _logit)
    plain_logits = np.array([unaided[row] for row in asked])
    before = [*blend(plain_logits, np.array(aided)), *plain_logits]  # with the predictor's answers, and without
    guessed = list(zip((*asked, *asked), before))
    told = [_told(row, guess, row.judged) for row, guess in guessed]
    told += [_told(row, guess, {}) for row, guess in guessed]  # without the critic
    told += [
        _told(row, guess, {name: value for name, value in row.judged.items() if name != "appearance"})  # and without labels
        for row, guess in guessed if "appearance" in row.judged
    ]  # fmt: skip
    return networks, estimated(np.array(fitted(LAST, told, partial(_fit_overall, LISTENING), _logits)[: len(judged)]))


def _told(row: Row, guess: float, judged: Mapping[str, float]) -> Row:
    """What the last network is told: the guess of those before, and what the critic says."""
    known = _known(row, {*SIZE, *LATE, *row.example.alone})
    return replace(row, measures={**judged, **heard(judged), BEFORE: float(guess), **row.example.of_class, **known})


def _known(row: Row, names: Iterable[str]) -> dict[str, float]:
    return {name: row.measures[name] for name in names}


@dataclass(frozen=True, eq=False)
class Row:
    """An example and what is measured of it so far: measures without any other network, said by a predictor, and judged by the critic."""

    example: Example
    measures: dict[str, float]
    said: dict[str, float]
    judged: dict[str, float]


def _fit_border(name: str, rows: Sequence[Row]) -> Network:
    inputs = np.concatenate([row.example.inputs[name] for row in rows])
    sides = torch.from_numpy(np.concatenate([row.example.side for row in rows]))
    return train_network(inputs, sides, F.cross_entropy, 3, BORDER, ())


def _chances(name: str, network: Network, row: Row) -> np.ndarray:
    return softmax(network(row.example.inputs[name]))


def _fit_overall(shape: Shape, rows: Sequence[Row]) -> Network:
    names = tuple(sorted({name for row in rows for name in row.measures} - set(shape.untold)))
    good = [row.measures for row in rows if row.example.kind == CLEAN]
    usual = np.array([np.median([one[name] for one in good if name in one] or [0.0]) for name in names], np.float32)
    inputs = np.array([[row.measures.get(name, middle) for name, middle in zip(names, usual)] for row in rows], np.float32)
    targets = torch.tensor([shape.targets(row.example.iou) for row in rows], dtype=torch.float32)
    return train_network(inputs, targets, F.binary_cross_entropy_with_logits, targets.shape[1], shape, names, usual)


def _logits(network: Network, row: Row) -> np.ndarray:
    return network(table([row.measures], network))[0]


def _logit(network: Network, row: Row) -> float:
    return float(_logits(network, row)[0])


def is_iou(iou: float) -> tuple[float, ...]:
    """The IoU itself."""
    return (iou,)


def is_good_and_iou(iou: float) -> tuple[float, ...]:
    """Whether a mask is not bad, 0 or 1, and its IoU."""
    return float(iou >= BAD), iou


@dataclass(frozen=True)
class Shape:
    """A network and how it is trained. targets: what it learns of a mask, by its IoU. untold: measures that it does not get."""

    hidden: tuple[int, ...]
    members: int
    steps: int
    batch: int
    dropout: float
    decay: float
    targets: Callable[[float], tuple[float, ...]] = is_iou
    untold: tuple[str, ...] = ()


BORDER = Shape((48, 32), 1, 2500, 512, 0.2, 1e-3)
WIDE = Shape((32, 16), 12, 2400, 128, 0.2, 0.05, untold=LATE)
NARROW = Shape((12,), 12, 400, 128, 0.4, 0.3)  # it has few masks to learn from
LISTENING = Shape((96, 48), 12, 7200, 128, 0.2, 0.1, is_good_and_iou)  # what it is told says more


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
