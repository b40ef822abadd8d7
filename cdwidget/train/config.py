"""Recipes: the network, the mixture of data sets and the schedule of a training run. A checkpoint holds the recipe it was trained with.

The data sets of the shipped weights are not code: `datasets.json`, next to the weights, holds their sampling weights and options.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from math import isfinite
from pathlib import Path
from typing import Iterable

from cdwidget.formats.dataset_folders import HOLDOUT_INTERVAL
from cdwidget.formats.map_classes import MapClasses
from cdwidget.model import WEIGHTS
from cdwidget.model.cdnet import CDNetConfig
from cdwidget.registry import lookup

DATASETS_FILE = WEIGHTS / "datasets.json"


@dataclass(frozen=True)
class SetOptions:
    """Sampling options of one data set.

    Attributes:
        weight: Sampling frequency of its images, relative to the other sets.
        whole: Probability that the union of all objects is the target (a dressed person, not a sleeve).
        union: Probability that the union of two objects is the target.
    """

    weight: float = 1.0
    whole: float = 0.0
    union: float = 0.1


@dataclass(frozen=True)
class DatasetSettings:
    """Settings by data-set name; sets that are not named use defaults.

    Attributes:
        segmentation: Sampling options for training CDNet.
        quality: Sampling weights for training the quality model.
        matching: Sampling weights for training the matcher.
        classes: Classes of the objects in label maps.
    """

    segmentation: dict[str, SetOptions]
    quality: dict[str, float]
    matching: dict[str, float]
    classes: MapClasses

    @classmethod
    def read(cls, path: Path = DATASETS_FILE) -> DatasetSettings:
        """Read settings from a JSON file."""
        content = json.loads(path.read_text())
        segmentation = {name: SetOptions(**options) for name, options in content["segmentation"].items()}
        class_maps, sorted_maps = (tuple(content[name]) for name in ("class_maps", "sorted_maps"))
        return cls(segmentation, content["quality"], content["matching"], MapClasses(class_maps, content["map_classes"], sorted_maps))


@dataclass(frozen=True)
class Distillation:
    """Weights of the distillation losses, relative to the losses of the true masks.

    Attributes:
        logits: Loss of the mask logits.
        gate: Loss of FDM's gate.
        features: Loss of the encoder's features, if the encoder is trained.
    """

    logits: float = 1.0
    gate: float = 0.4
    features: float = 1.0


@dataclass(frozen=True)
class Recipe:
    """One training run.

    Attributes:
        model: Configuration of the network.
        sets: Sampling options by data-set name.
        left_out: Names of data sets that are not trained on. The others keep their views, and so their cached features.
        steps: Number of batches.
        batch: Targets per batch.
        per_image: Maximum number of targets in one view of an image.
        rounds: A batch is used for 1 to `rounds` prompts; each prompt is one optimizer step.
        rate: Learning rate of the head.
        encoder_rate: Learning rate of the encoder relative to `rate`; 0 freezes it, in evaluation mode.
        fixed_statistics: Whether batch normalization keeps the statistics of the weights that the run starts from. Those of a small batch
            are noisy.
        focus_round: Whether the last prompts of a batch are used once more, in their focus views, for one further optimizer step.
        weight_decay: Weight decay of AdamW.
        warmup: Optimizer steps over which the learning rate rises at the start.
        decay: Fraction of the steps at the end over which it falls linearly to zero.
        ema: Decay of the exponential moving average of the weights.
        blend: Share of the trained weights in the result. The rest are the weights that the run starts from: a mean of both is often better
            than either, on new images and on old ones (Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022).
        edits: Fraction of the samples that start from a corrupted mask.
        crops: Fraction of the views that are zoomed in.
        boxes: Fraction of the targets whose first prompt is a box.
        strokes: Fraction of the prompts that are strokes.
        shallow: Fraction of the clicks that may lie near the border of the error, as people's do.
        views: Number of different views in the run, so that a frozen encoder runs once for each; 0 draws a new view for every sample.
        distillation: Loss weights for distillation, used if a teacher is given.
        holdout: One image in `holdout` is never used.
        seed: Random seed.
    """

    model: CDNetConfig = field(default_factory=CDNetConfig)
    sets: dict[str, SetOptions] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    steps: int = 1500
    batch: int = 16
    per_image: int = 3
    rounds: int = 4
    rate: float = 1e-3
    encoder_rate: float = 0.0
    fixed_statistics: bool = False
    focus_round: bool = False
    weight_decay: float = 0.01
    warmup: int = 200
    decay: float = 0.3
    ema: float = 0.998
    blend: float = 1.0
    edits: float = 0.2
    crops: float = 0.55
    boxes: float = 0.1
    strokes: float = 0.15
    shallow: float = 0.0
    views: int = 0
    distillation: Distillation = field(default_factory=Distillation)
    holdout: int = HOLDOUT_INTERVAL
    seed: int = 0

    @property
    def target_size(self) -> int:
        """Side T of the true masks in pixels: only focus views need that of the view."""
        return self.model.size if self.focus_round else self.model.size // 2


def reweighted(recipe: Recipe, weights: Iterable[str], names: Iterable[str]) -> Recipe:
    """Return a recipe with other sampling weights.

    Args:
        recipe: The recipe.
        weights: Weights of data sets, such as "photos=2.5".
        names: The names of the available data sets.

    Returns:
        The changed recipe.

    Raises:
        ValueError: If a text is not of this form, a weight is not a positive number, or a name is not among `names`.
    """
    sets, known = dict(recipe.sets), dict.fromkeys(names)
    for text in weights:
        name, _, number = text.rpartition("=")
        try:
            weight = float(number) if name else 0.0
        except ValueError:
            weight = 0.0
        if not (isfinite(weight) and weight > 0):
            raise ValueError(f"{text!r} is not a weight; write SET=NUMBER with a number above 0, such as {next(iter(known))}=2.5")
        lookup(known, name, "data set")
        sets[name] = replace(sets.get(name, SetOptions()), weight=weight)
    return replace(recipe, sets=sets)


_SETS = DatasetSettings.read().segmentation
_TINY_CONFIG = CDNetConfig(backbone="tinyvit", pdm_steps=0, quality=True)  # On held-out images, PDM saves this model no clicks.

# cdnet-tiny trains encoder and head and needs a GPU: one minute there is three hours on two CPU cores.
# cdnet-tiny-head trains the head alone, also on a CPU, because the frozen encoder runs only once per view.
# cdnet-tiny-refined improves the head of trained weights: every view is new, it learns in focus views, too, and the result is the mean of
# the weights before and after.
# cdnet-tiny-128 does as cdnet-tiny-head for small views and with fewer channels, for comparisons such as ablations.
# cdnet-lite trains the head of cdnet-tiny after `cdwidget round` has quantized all weights to 3 and 4 bits. At 448 px, the attention
# windows of TinyViT need no padding, which saves a third of the time.
RECIPES: dict[str, Recipe] = {
    "cdnet-tiny": Recipe(
        _TINY_CONFIG, _SETS, steps=2000, batch=64, rounds=5, rate=1e-3, encoder_rate=0.1, warmup=100, decay=0.7, ema=0.999, edits=0.25
    ),
    "cdnet-tiny-head": Recipe(_TINY_CONFIG, _SETS, steps=900, rate=1.2e-3, warmup=40, decay=0.4, views=4000),
    "cdnet-tiny-refined": Recipe(
        _TINY_CONFIG,
        _SETS,
        steps=440,
        rounds=5,
        rate=2e-4,
        fixed_statistics=True,
        focus_round=True,
        warmup=40,
        decay=0.95,
        ema=0.997,
        edits=0.25,
        shallow=0.5,
        blend=0.5,
    ),
    "cdnet-tiny-128": Recipe(
        replace(_TINY_CONFIG, size=128, channels=64), _SETS, steps=40, batch=8, rounds=3, rate=1.2e-3, warmup=20, decay=0.4, views=4000
    ),
    "cdnet-lite": Recipe(replace(_TINY_CONFIG, size=448, bits=4), _SETS, steps=200, rate=3e-4, warmup=40, decay=0.8, ema=0.99, views=1000),
    "cdnet-r34": Recipe(
        CDNetConfig(backbone="resnet34", size=384, channels=128), _SETS, steps=60000, batch=32, rate=5e-4, encoder_rate=0.1
    ),
}
