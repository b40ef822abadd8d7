"""Scores without ground truth: which masks to look at first, why, and where."""

from cdwidget.review.scoring.population import Population
from cdwidget.review.scoring.table import SCORES, score_item

__all__ = ["SCORES", "Population", "score_item"]
