"""What the classes of a data set look like, so that a mask which looks like another class stands out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Iterable, Sequence

import numpy as np

from cdwidget.formats.coco import Crowd
from cdwidget.items import Item
from cdwidget.predictor import Critic
from cdwidget.scoring.network import softmax

FEWEST = 12  # of a class that is known
SHRINK = 0.6  # of the covariance, towards that of independent features: a mask that it was fitted on must not explain itself
MISLABELLED = 0.05  # share of the labels that are taken to be wrong before anything is looked at
TEMPERATURES = tuple(np.geomspace(1, 100, 25).tolist())


@dataclass(frozen=True, eq=False)
class Appearance:
    """Linear discriminant analysis of looks, those of `Critic.look`. weights: float64 (D, C), offset: (C,), one column a label."""

    labels: tuple[str, ...]
    weights: np.ndarray
    offset: np.ndarray

    @classmethod
    def of(cls, items: Iterable[Item], critic: Critic) -> Appearance | None:
        """Learn it from masks that are mostly right; images that cannot be read are passed over. None with fewer than two classes."""
        looks, labels, images = [], [], []
        for number, item in enumerate(items):
            try:
                image, instances = item.read_image(), list(item.instances)
            except Exception:  # whatever it is, whoever scores that item says so
                continue
            critic.set_image(image)
            for instance in instances:
                if instance.label and not isinstance(instance, Crowd) and instance.mask.shape == image.shape[:2] and instance.mask.any():
                    looks.append(critic.look(instance.mask))
                    labels.append(instance.label)
                    images.append(number)
        return cls.fit(np.array(looks, float), labels, images)

    @classmethod
    def fit(cls, looks: np.ndarray, labels: Sequence[str], images: Sequence[int]) -> Appearance | None:
        """Fit it to looks, float (N, D), their labels, and the numbers of their images; of fewer than FEWEST of a class nothing is learned.

        How sure it is hangs on how well what each half of the images says holds in the other (temperature scaling, Guo et al. 2017):
        features that go together would make it too sure.
        """
        names = np.array(labels, object)
        whole = _discriminants(looks, names, FEWEST)
        first = np.random.default_rng(0).random(max(images, default=0) + 1)[np.array(images, int)] < 0.5
        held = [_held(looks, names, half) for half in (first, ~first)]
        if whole is None or not all(map(len, held)):
            return None
        heat = TEMPERATURES[int(np.argmax(np.sum(held, 0)))]
        return replace(whole, weights=whole.weights / heat, offset=whole.offset / heat)

    def other(self, look: np.ndarray, label: str) -> tuple[str, float]:
        """Return which other class a look is most like, and how many times as likely as the label, as a logarithm."""
        odds = look @ self.weights + self.offset
        own = self.labels.index(label)
        odds -= odds[own]
        odds[own] = -np.inf
        best = int(np.argmax(odds))
        return self.labels[best], float(odds[best])


def _held(looks: np.ndarray, labels: np.ndarray, half: np.ndarray) -> list[float]:
    """How well what a half of the looks says holds in the rest, at each temperature: log-likelihoods; none where it says nothing."""
    known = _discriminants(looks[half], labels[half], 1)
    if known is None:
        return []
    rest = np.flatnonzero(~half & np.isin(labels, known.labels))
    odds, own = looks[rest] @ known.weights + known.offset, [known.labels.index(label) for label in labels[rest]]
    chances = [(1 - MISLABELLED) * softmax(odds / heat)[np.arange(len(rest)), own] for heat in TEMPERATURES]
    return [float(np.log(one + MISLABELLED / len(known.labels)).sum()) for one in chances]


def _discriminants(looks: np.ndarray, labels: np.ndarray, fewest: int) -> Appearance | None:
    """Linear discriminants of the classes of which there are so many; None where those are fewer than two."""
    names, count = np.unique(labels, return_counts=True)
    enough = np.isin(labels, names[count >= fewest])
    names, which, count = np.unique(labels[enough], return_inverse=True, return_counts=True)
    if len(names) < 2:
        return None
    centre, scale = looks[enough].mean(0), looks[enough].std(0) + 1e-3
    known = (looks[enough] - centre) / scale
    means = np.stack([known[which == number].mean(0) for number in range(len(names))])
    rest = known - means[which]
    covariance = (1 - SHRINK) * rest.T @ rest / len(rest) + SHRINK * np.eye(len(scale))
    directions = np.linalg.solve(covariance, means.T)
    weights = directions / scale[:, None]
    offset = np.log(count / count.sum()) - (means.T * directions).sum(0) / 2 - centre @ weights
    return Appearance(tuple(names.tolist()), weights, offset)
