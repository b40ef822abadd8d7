"""Training: recipes, samples, losses and the loop; run it by `cdwidget train`."""

from cdwidget.formats.dataset_folders import find_sets
from cdwidget.train.ablations import train_ablations
from cdwidget.train.config import RECIPES, Distillation, Recipe, SetOptions, reweighted
from cdwidget.train.trainer import train

__all__ = ["RECIPES", "Distillation", "Recipe", "SetOptions", "find_sets", "reweighted", "train", "train_ablations"]
