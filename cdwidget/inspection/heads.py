"""The latent heads: the readings of a prompt that the model did not choose."""

from __future__ import annotations

import cv2
import numpy as np

from cdwidget.predictor import Factors


def heads(factors: Factors) -> np.ndarray:
    """What each head answers before pixel diffusion, float32 (1 + latent heads, h, w) in [0, 1]; the main head first."""
    return _sigmoid(factors.logits)


def disagreement(factors: Factors) -> np.ndarray:
    """How far apart the latent heads are, largest minus smallest probability, float32 (h, w) in [0, 1]; 0 with fewer than two."""
    latent = heads(factors)[1:]
    return latent.max(axis=0) - latent.min(axis=0) if len(latent) else np.zeros_like(factors.logits[0])


def focus_change(factors: Factors) -> np.ndarray:
    """Return how much the focus view changed the probability, float32 (h, w) in [-1, 1]; 0 where there was no focus view."""
    if factors.focus is None:
        return np.zeros_like(factors.logits[0])
    after = _sigmoid(factors.focus.logits)
    return after - cv2.resize(factors.focus.prior, after.shape[::-1], interpolation=cv2.INTER_AREA)


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return (0.5 * np.tanh(0.5 * logits) + 0.5).astype(np.float32)
