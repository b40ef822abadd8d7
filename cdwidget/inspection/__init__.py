"""Maps of the two diffusions in CDNet, rebuilt from the recorded factors of a prediction.

torch is not needed.
"""

from cdwidget._deprecated import renamed_names
from cdwidget.inspection.affinity import Affinity, Branch, Variant, relative_change
from cdwidget.inspection.diagnosis import Finding, click_influence, diagnose
from cdwidget.inspection.view import OFFSETS, PixelDiffusion, View, focus_change, head_disagreement, head_probabilities

__all__ = [
    "OFFSETS",
    "Affinity",
    "Branch",
    "Finding",
    "PixelDiffusion",
    "Variant",
    "View",
    "click_influence",
    "diagnose",
    "focus_change",
    "head_disagreement",
    "head_probabilities",
    "relative_change",
]

__getattr__ = renamed_names(
    __name__,
    {
        "Kind": "Variant",
        "added": "relative_change",
        "disagreement": "head_disagreement",
        "given": "click_influence",
        "heads": "head_probabilities",
    },
)
