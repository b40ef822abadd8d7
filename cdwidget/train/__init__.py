"""Training: recipes, samples, losses and the loop; run it by `cdwidget train`."""

from cdwidget.formats.sets import find_sets
from cdwidget.train.config import RECIPES, Recipe, SetOptions
from cdwidget.train.loop import train

__all__ = ["RECIPES", "Recipe", "SetOptions", "find_sets", "train"]
