"""Review and repair: a catalogue of images and masks in one SQLite file."""

from cdwidget.catalogue.catalogue import Catalogue
from cdwidget.catalogue.plots import Stats
from cdwidget.catalogue.rows import OVERALL, CatalogueItem, InstanceRow, ItemRow, Past, Problem, Score
from cdwidget.catalogue.storage import STATUSES
from cdwidget.catalogue.subset import LeftOut, Split, Subset
from cdwidget.catalogue.writer import Added, Conflict

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
