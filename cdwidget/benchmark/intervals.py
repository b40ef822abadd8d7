"""How sure a mean is: bootstrap intervals over objects."""

from __future__ import annotations

import numpy as np

RESAMPLES = 2000


def interval(values: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """The 95 % bootstrap interval of the mean of `values` (n,): objects are drawn anew with replacement, the same way each time."""
    chosen = np.random.default_rng(seed).integers(len(values), size=(RESAMPLES, len(values)))
    low, high = np.percentile(np.asarray(values, float)[chosen].mean(1), (2.5, 97.5))
    return float(low), float(high)
