"""A classifier of masked regions that finds wrong labels and masks of wrong objects."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Iterable, Sequence

import numpy as np

from cdwidget.formats.coco import Crowd
from cdwidget.items import Item
from cdwidget.predictor import QualityModel
from cdwidget.scoring.network import softmax

MIN_CLASS_INSTANCES = 12  # Smaller classes are not modeled.
COVARIANCE_SHRINKAGE = 0.6  # Shrinkage toward independent features, against overfitting to the masks of the fit.
MISLABEL_PRIOR = 0.05  # Assumed fraction of wrong labels.
TEMPERATURES = tuple(np.geomspace(1, 100, 25).tolist())


@dataclass(frozen=True, eq=False)
class AppearanceClassifier:
    """Linear discriminant analysis of `QualityModel.embed`: C classes, D features.

    Attributes:
        labels: The classes, sorted.
        weights: Weights of the log odds, float64 (D, C).
        offset: Offset of the log odds, float64 (C,).
    """

    labels: tuple[str, ...]
    weights: np.ndarray
    offset: np.ndarray

    @classmethod
    def from_items(cls, items: Iterable[Item], quality_model: QualityModel) -> AppearanceClassifier | None:
        """Fit the classifier to the masks of items; most masks must be right.

        Args:
            items: Images with labeled instances. Crowds, empty masks and unreadable images are skipped.
            quality_model: The model that embeds the masked regions.

        Returns:
            The classifier; None if fewer than two classes have enough instances.
        """
        embeddings, labels, images = [], [], []
        for number, item in enumerate(items):
            try:
                image, instances = item.read_image(), list(item.instances)
            except Exception:  # Scoring the item reports the error.
                continue
            quality_model.set_image(image)
            for instance in instances:
                if instance.label and not isinstance(instance, Crowd) and instance.mask.shape == image.shape[:2] and instance.mask.any():
                    embeddings.append(quality_model.embed(instance.mask))
                    labels.append(instance.label)
                    images.append(number)
        return cls.fit(np.array(embeddings, float), labels, images)

    @classmethod
    def fit(cls, embeddings: np.ndarray, labels: Sequence[str], images: Sequence[int]) -> AppearanceClassifier | None:
        """Fit the classifier to embeddings.

        Its confidence is calibrated by fitting each half of the images and testing on the other (temperature scaling, Guo et al. 2017),
        because correlated features would make it too confident.

        Args:
            embeddings: The embeddings, float (N, D).
            labels: The label of each embedding. Classes with fewer than `MIN_CLASS_INSTANCES` are left out.
            images: The index of each embedding's image.

        Returns:
            The classifier; None if fewer than two classes have enough instances.
        """
        names = np.array(labels, object)
        classifier = _fit_discriminants(embeddings, names, MIN_CLASS_INSTANCES)
        first_half = np.random.default_rng(0).random(max(images, default=0) + 1)[np.array(images, int)] < 0.5
        likelihoods = [_cross_validate(embeddings, names, half) for half in (first_half, ~first_half)]
        if classifier is None or not all(map(len, likelihoods)):
            return None
        temperature = TEMPERATURES[int(np.argmax(np.sum(likelihoods, 0)))]
        return replace(classifier, weights=classifier.weights / temperature, offset=classifier.offset / temperature)

    def best_other_class(self, embedding: np.ndarray, label: str) -> tuple[str, float]:
        """Return the most likely class other than the label, and its log odds against the label.

        Args:
            embedding: Embedding of the region, float (D,).
            label: A label of `labels`.
        """
        odds = embedding @ self.weights + self.offset
        own = self.labels.index(label)
        odds -= odds[own]
        odds[own] = -np.inf
        best = int(np.argmax(odds))
        return self.labels[best], float(odds[best])


def _cross_validate(embeddings: np.ndarray, labels: np.ndarray, half: np.ndarray) -> list[float]:
    """Fit one half of the data and return the log likelihood of the other half at each temperature.

    Returns an empty list if the fitted half has fewer than two classes.
    """
    classifier = _fit_discriminants(embeddings[half], labels[half], 1)
    if classifier is None:
        return []
    rest = np.flatnonzero(~half & np.isin(labels, classifier.labels))
    odds = embeddings[rest] @ classifier.weights + classifier.offset
    own = [classifier.labels.index(label) for label in labels[rest]]
    probabilities = [(1 - MISLABEL_PRIOR) * softmax(odds / heat)[np.arange(len(rest)), own] for heat in TEMPERATURES]
    return [float(np.log(one + MISLABEL_PRIOR / len(classifier.labels)).sum()) for one in probabilities]


def _fit_discriminants(embeddings: np.ndarray, labels: np.ndarray, min_instances: int) -> AppearanceClassifier | None:
    """Fit linear discriminants; None if fewer than two classes have enough instances."""
    names, count = np.unique(labels, return_counts=True)
    enough = np.isin(labels, names[count >= min_instances])
    names, which, count = np.unique(labels[enough], return_inverse=True, return_counts=True)
    if len(names) < 2:
        return None
    center, scale = embeddings[enough].mean(0), embeddings[enough].std(0) + 1e-3
    normalized = (embeddings[enough] - center) / scale
    means = np.stack([normalized[which == number].mean(0) for number in range(len(names))])
    residuals = normalized - means[which]
    covariance = (1 - COVARIANCE_SHRINKAGE) * residuals.T @ residuals / len(residuals) + COVARIANCE_SHRINKAGE * np.eye(len(scale))
    directions = np.linalg.solve(covariance, means.T)
    weights = directions / scale[:, None]
    offset = np.log(count / count.sum()) - (means.T * directions).sum(0) / 2 - center @ weights
    return AppearanceClassifier(tuple(names.tolist()), weights, offset)
