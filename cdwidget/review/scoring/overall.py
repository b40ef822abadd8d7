"""The overall score: 1 - the IoU that a mask probably has with the truth, from what all scores measured."""

from __future__ import annotations

from typing import Mapping

import numpy as np

from cdwidget.review.scoring.subject import Finding


def overall(findings: Mapping[str, Finding]) -> Finding:
    """Combine what the scores found."""
    worst = sorted(findings.values(), key=lambda one: -one.value)[:3]
    return Finding(float(np.mean([one.value for one in worst])), worst[0].reason, worst[0].heat)
