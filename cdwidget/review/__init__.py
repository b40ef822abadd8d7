"""Review and repair: a catalogue of images and masks in one SQLite file."""

from cdwidget.review.catalogue import Catalogue
from cdwidget.review.curate import LeftOut, Split, Subset
from cdwidget.review.figures import Stats
from cdwidget.review.rows import OVERALL, CatalogueItem, InstanceRow, ItemRow, Past, Problem, Score
from cdwidget.review.schema import STATUSES
from cdwidget.review.writing import Added, Conflict

__all__ = [
    "OVERALL",
    "STATUSES",
    "Added",
    "Catalogue",
    "CatalogueItem",
    "Conflict",
    "InstanceRow",
    "ItemRow",
    "LeftOut",
    "Past",
    "Problem",
    "Score",
    "Split",
    "Stats",
    "Subset",
]
