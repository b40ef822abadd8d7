"""The conditional affinity of FDM with its source elsewhere: the tokens of example objects, in this image or in another one.

A_ij = S_j exp(s u_i . u_j) / sum_j' S_j' exp(s u_i . u_j') is the fraction of token i's information that comes from source token j. The
tokens u are encoder features without the mean of their image, normalized to length 1. The sum of A_ij over the foreground sources is the
similarity of token i to the examples: 1 on tokens like the examples, 0 on tokens like their background.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

import cv2
import numpy as np

from cdwidget.masks import crop
from cdwidget.predictor import Tokens

SHARPNESS = 10.0  # s: factor of the cosines in the exponent
MIN_COVERAGE = 0.5  # A token is a source if the object covers this fraction of the token, relative to the best covered token.


@dataclass(frozen=True, eq=False)
class Sources:
    """Tokens that information comes from, with their weights S in both branches.

    Attributes:
        tokens: Normalized tokens, float32 (M, C).
        foreground: Weight of each token as foreground, float32 (M,), at least 0.
        background: Weight of each token as background, float32 (M,), at least 0.
    """

    tokens: np.ndarray
    foreground: np.ndarray
    background: np.ndarray


def normalized_tokens(tokens: Tokens, center: np.ndarray) -> np.ndarray:
    """Return tokens without the mean of their image, of length 1, float32 (rows * columns, C).

    Args:
        tokens: The tokens of a view.
        center: The mean token of the whole image, float32 (C,).
    """
    found = tokens.features.reshape(-1, tokens.features.shape[-1]) - center
    return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-6)


def token_weights(mask: np.ndarray, tokens: Tokens) -> np.ndarray:
    """Return the fraction of each token that a mask of the image, bool (H, W), covers; see `view_token_weights`."""
    return view_token_weights(crop(mask, tokens.box), tokens)


def view_token_weights(mask: np.ndarray, tokens: Tokens) -> np.ndarray:
    """Return the fraction of each token that a mask of the view, bool (h, w) of any size, covers, float32 (rows * columns,).

    Tokens that the object covers much less than its best covered token have weight 0.
    """
    rows, columns = tokens.features.shape[:2]
    coverage = cv2.resize(mask.astype(np.float32), (columns, rows), interpolation=cv2.INTER_AREA).ravel()
    return np.where(coverage >= MIN_COVERAGE * coverage.max(), coverage, 0).astype(np.float32)


def example_sources(tokens: Tokens, center: np.ndarray, foreground: np.ndarray, background: np.ndarray) -> Sources:
    """Return the tokens of an example object and of its background as sources; the weights of each branch add up to 1.

    Args:
        tokens: The tokens of a view that shows the example.
        center: The mean token of the whole image, float32 (C,).
        foreground: Mask of the example, bool (H, W).
        background: Mask of pixels that do not belong to such objects, bool (H, W); it may be empty.
    """
    weights = branch_weights(tokens, foreground, background)
    used = weights.any(0)
    return Sources(normalized_tokens(tokens, center)[used], *weights[:, used])


def branch_weights(tokens: Tokens, foreground: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Return the weight S of each token in both branches, float32 (2, rows * columns); the arguments are those of `example_sources`."""
    weights = np.stack([token_weights(mask, tokens) for mask in (foreground, background)])
    return weights / np.maximum(weights.sum(1, keepdims=True), 1e-6)


def join_sources(sources: Sequence[Sources]) -> Sources:
    """Return the sources of several examples as one; each has the same weight."""
    return Sources(*(np.concatenate([getattr(one, name) for one in sources]) for name in ("tokens", "foreground", "background")))


def affinity(units: np.ndarray, sources: Sources) -> np.ndarray:
    """Return A_ij of both branches: the fraction of token i's information that comes from source token j.

    Args:
        units: Normalized tokens, float32 (N, C), see `normalized_tokens`.
        sources: The source tokens.

    Returns:
        float32 (2, N, M), foreground then background; the sum over both and over j is 1.
    """
    logits = SHARPNESS * (units @ sources.tokens.T)  # (N, C) @ (C, M) -> (N, M)
    weights = np.exp(logits - logits.max(1, keepdims=True))
    branches = np.stack([weights * sources.foreground, weights * sources.background])
    return branches / np.maximum(branches.sum((0, 2), keepdims=True), 1e-12)


def similarity(tokens: Tokens, center: np.ndarray, sources: Sources) -> np.ndarray:
    """Return the similarity of each token to the examples.

    Args:
        tokens: The tokens of a view of any image.
        center: The mean token of that whole image, float32 (C,).
        sources: The tokens of the examples.

    Returns:
        float32 (rows, columns) in [0, 1].

    Example:
        >>> predictor.set_image(image)
        >>> tokens = predictor.tokens((0, 0, width, height))
        >>> center = tokens.features.mean((0, 1))
        >>> sources = example_sources(tokens, center, mask, ring_around(mask))
        >>> similarity(tokens, center, sources)
    """
    return affinity(normalized_tokens(tokens, center), sources)[0].sum(1).reshape(tokens.features.shape[:2])
