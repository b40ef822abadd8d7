"""Scores without ground truth: which masks to review first, why, and where the problem is."""

from cdwidget.scoring.population import Population
from cdwidget.scoring.registry import SCORES, score_item

__all__ = ["SCORES", "Population", "score_item"]
