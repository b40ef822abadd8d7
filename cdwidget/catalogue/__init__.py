"""A catalogue of images and masks in one SQLite file, for review and repair."""

from cdwidget._deprecated import renamed_names
from cdwidget.catalogue.adding import AddResult
from cdwidget.catalogue.catalogue import Catalogue
from cdwidget.catalogue.rows import OVERALL_SCORE, CatalogueItem, HistoryEntry, InstanceRow, ItemRow, Problem, ScoreValue
from cdwidget.catalogue.schema import STATUSES
from cdwidget.catalogue.statistics import Stats
from cdwidget.catalogue.subset import Duplicate, Split, Subset
from cdwidget.catalogue.writer import Conflict

__all__ = [
    "OVERALL_SCORE",
    "STATUSES",
    "AddResult",
    "Catalogue",
    "CatalogueItem",
    "Conflict",
    "Duplicate",
    "HistoryEntry",
    "InstanceRow",
    "ItemRow",
    "Problem",
    "ScoreValue",
    "Split",
    "Stats",
    "Subset",
]

__getattr__ = renamed_names(
    "cdwidget.catalogue",
    {
        "OVERALL": "OVERALL_SCORE",
        "Added": "AddResult",
        "LeftOut": "Duplicate",
        "Past": "HistoryEntry",
        "Score": "ScoreValue",
    },
)
