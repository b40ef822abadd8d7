"""Training: recipes, samples, losses and the loop; run by `cdwidget train`."""

from cdwidget._deprecated import renamed_names
from cdwidget.formats.dataset_folders import find_datasets
from cdwidget.train.ablations import data_ablations, network_ablations, train_ablations
from cdwidget.train.config import RECIPES, Distillation, Recipe, SetOptions, reweighted
from cdwidget.train.trainer import train

__all__ = [
    "RECIPES",
    "Distillation",
    "Recipe",
    "SetOptions",
    "data_ablations",
    "find_datasets",
    "network_ablations",
    "reweighted",
    "train",
    "train_ablations",
]

__getattr__ = renamed_names("cdwidget.train", {"find_sets": "find_datasets"})
