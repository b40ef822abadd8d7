"""Recipes: what is trained on what, for how long. A recipe is an instance, and the checkpoint holds the model's part of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Iterable

from cdwidget.formats.dataset_folders import HOLDOUT
from cdwidget.model.cdnet import CDNetConfig
from cdwidget.registry import lookup


@dataclass(frozen=True)
class SetOptions:
    """How one data set is drawn from.

    weight: share of the images, relative to the other sets. whole: probability that all its ids together are the target (a dressed person,
    not a sleeve). union: probability that two of its ids together are.
    """

    weight: float = 1.0
    whole: float = 0.0
    union: float = 0.1


@dataclass(frozen=True)
class Distillation:
    """How much what a teacher says counts beside the true masks: its logits, its FDM gate, and its features, where the encoder learns."""

    logits: float = 1.0
    gate: float = 0.4
    features: float = 1.0


@dataclass(frozen=True)
class Recipe:
    """One training run.

    steps: batches; each lives for 1 to `rounds` clicks, and each click is one step of the optimiser. batch: prompts answered at once;
    from one view of one image come at most `per_image`. decay: share of the steps at the end over which the rate falls to zero; warmup:
    optimiser steps at the start over which it rises. encoder_rate: the backbone's learning rate relative to `rate`; 0 keeps it frozen, in
    evaluation mode. edits: share of the samples that start from a damaged mask. crops: share of the views that zoom in. holdout: one
    image in so many is never seen. boxes, strokes: share of the targets that begin with a box, and of the prompts that are strokes. views:
    how many different views there are in all, so that a frozen encoder sees each of them once; 0 draws every view anew. distil: how to
    learn from a teacher, when one is given.
    """

    model: CDNetConfig = field(default_factory=CDNetConfig)
    sets: dict[str, SetOptions] = field(default_factory=dict)
    steps: int = 1500
    batch: int = 16
    per_image: int = 3
    rounds: int = 4
    rate: float = 1e-3
    encoder_rate: float = 0.0
    weight_decay: float = 0.01
    warmup: int = 200
    decay: float = 0.3
    ema: float = 0.998
    edits: float = 0.2
    crops: float = 0.55
    boxes: float = 0.1
    strokes: float = 0.15
    views: int = 0
    distil: Distillation = field(default_factory=Distillation)
    holdout: int = HOLDOUT
    seed: int = 0


def reweighted(recipe: Recipe, weights: Iterable[str], names: Iterable[str]) -> Recipe:
    """The recipe with weights of sets given as "SET=2.5"; ValueError for anything else or a set that is not among `names`."""
    sets, known = dict(recipe.sets), dict.fromkeys(names)
    for text in weights:
        name, _, number = text.rpartition("=")
        try:
            weight = float(number) if name else 0.0
        except ValueError:
            weight = 0.0
        if not (isfinite(weight) and weight > 0):
            raise ValueError(f"{text!r} gives no weight; write SET=NUMBER with a number above 0, like {next(iter(known))}=2.5")
        lookup(known, name, "data set")
        sets[name] = replace(sets.get(name, SetOptions()), weight=weight)
    return replace(recipe, sets=sets)


SETS = {
    "ECSSD": SetOptions(weight=3.0),
    "COCOmini": SetOptions(weight=2.5, union=0.15),
    "ImageNetParts": SetOptions(weight=2.5, union=0.0),
    "BSDS500regions": SetOptions(weight=1.5, union=0.3),
    "CCP": SetOptions(weight=1.2, whole=0.6, union=0.2),
    "WeizmannHorses": SetOptions(weight=0.7),
    "HumanSeg290": SetOptions(weight=0.7),
    "FeralCats": SetOptions(weight=0.7, union=0.0),
    "CarParts": SetOptions(weight=0.6, whole=0.2),
    "PennFudan": SetOptions(weight=0.5),
}

TINY = CDNetConfig(backbone="tinyvit", pdm_steps=0, quality=True)  # held out, PDM saves it no clicks

# All of cdnet-tiny learns, which takes a GPU: a minute there is three hours on two cores. Its head alone learns on a CPU too, where the
# frozen encoder sees each view once. cdnet-lite is cdnet-tiny with weights of 3 and 4 bits, as `cdwidget round` makes it. In views of 448
# pixels the windows of TinyViT fit its tokens without padding, which saves a third of the time. Its encoder stays as it is; the head
# learns to live with rounded weights.
RECIPES: dict[str, Recipe] = {
    "cdnet-tiny": Recipe(
        TINY, SETS, steps=2000, batch=64, rounds=5, rate=1e-3, encoder_rate=0.1, warmup=100, decay=0.7, ema=0.999, edits=0.25
    ),
    "cdnet-tiny-head": Recipe(TINY, SETS, steps=900, rate=1.2e-3, warmup=40, decay=0.4, views=4000),
    "cdnet-lite": Recipe(replace(TINY, size=448, bits=4), SETS, steps=200, rate=3e-4, warmup=40, decay=0.8, ema=0.99, views=1000),
    "cdnet-r34": Recipe(CDNetConfig(backbone="resnet34", size=384, channels=128), SETS, steps=60000, batch=32, rate=5e-4, encoder_rate=0.1),
}
