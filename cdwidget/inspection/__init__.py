"""Why a click spread where it did: every map of the two diffusions, rebuilt from what one prediction recorded. Needs no torch."""

from cdwidget.inspection.affinity import Affinity, Branch, Kind, added
from cdwidget.inspection.diagnosis import Finding, diagnose, given
from cdwidget.inspection.heads import disagreement, focus_change, heads
from cdwidget.inspection.pixels import OFFSETS, PixelDiffusion
from cdwidget.inspection.view import View

__all__ = [
    "OFFSETS",
    "Affinity",
    "Branch",
    "Finding",
    "Kind",
    "PixelDiffusion",
    "View",
    "added",
    "diagnose",
    "disagreement",
    "focus_change",
    "given",
    "heads",
]
