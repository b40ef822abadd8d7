"""Scores without ground truth: which masks to look at first, why, and where."""

from cdwidget.scoring.population import Population
from cdwidget.scoring.registry import SCORES, score_item

__all__ = ["SCORES", "Population", "score_item"]
