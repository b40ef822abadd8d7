"""The affinity matrix of FDM, one row or column at a time.

The N x N matrix is never in memory.

A_ij is the fraction of token i's new features that comes from token j. Before re-weighting it measures similarity,
softmax_j(q_i . k_j / sqrt C) (without the root in v1 and v3). After re-weighting, for each branch b (CDNet, ICCV 2021, section 3.2;
the variants are those of `cdwidget.model.fdm`):

    log      A_ij = D_i (S_j + floor) exp(q_i . k_j / sqrt C) / sum_j' (S_j' + floor) exp(q_i . k_j' / sqrt C)
    v1, v3   A_ij = D_i softmax_j(S_j q_i . k_j)
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from cdwidget.predictor import Factors

Branch = Literal["foreground", "background"]
Variant = Literal["log", "v1", "v3"]
MIN_SOURCE = 1e-3  # The floor of the formula, as in the model.
V3_SOURCE_GATE = 0.8  # In v3, tokens with a larger gate are also sources.
BLOCK_ROWS = 256  # Rows of the matrix that are in memory at the same time.


class Affinity:
    """The affinity matrix of one prediction.

    Tokens are counted row by row over the grid. Maps are float32 (rows, columns) of the grid.

    Args:
        factors: The recorded factors of a prediction.
        variant: The variant of FDM; None for the model's variant.

    Raises:
        ValueError: If there is no such variant.

    Example:
        >>> affinity = Affinity(session.prompt_result().factors)
        >>> affinity.row(500, "foreground")
    """

    def __init__(self, factors: Factors, variant: str | None = None):
        self.variant = variant or factors.variant
        if self.variant not in get_args(Variant):
            raise ValueError(f"there is no variant {self.variant!r} of FDM; there are {', '.join(get_args(Variant))}")
        self.grid = factors.grid
        self._q, self._k = factors.q, factors.k
        self._row_sums: dict[Branch | None, tuple[np.ndarray, np.ndarray]] = {}
        gate, clicks = factors.gate.reshape(-1), factors.clicks
        self._source, self._destination = clicks, np.stack([gate, 1 - gate])
        if self.variant == "v1":
            self._source, self._destination = 0.9 * self._source + 0.1, 0.9 * self._destination + 0.1
        elif self.variant == "v3":
            self._source = np.minimum(clicks + (self._destination > V3_SOURCE_GATE), 1)

    def source(self, branch: Branch) -> np.ndarray:
        """Return S in [0, 1]: the weight of each token as a source of a branch."""
        return self._source[_index(branch)].reshape(self.grid)

    def destination(self, branch: Branch) -> np.ndarray:
        """Return D in [0, 1]: the weight of each token as a destination of a branch."""
        return self._destination[_index(branch)].reshape(self.grid)

    def row(self, token: int, branch: Branch | None = None) -> np.ndarray:
        """Return A_ij for all j: the tokens that token i receives information from.

        Args:
            token: Index i.
            branch: The branch; None for the matrix before re-weighting.

        Returns:
            float32 (rows, columns); its sum is 1 before re-weighting, else D_i.
        """
        weights = np.exp(self._shifted_logits(self._q[token : token + 1], branch)[0])
        fractions = weights / weights.sum(axis=-1, keepdims=True)
        if branch is not None:
            fractions = fractions * self._destination[_index(branch), token]
        return fractions.reshape(self.grid)

    def column(self, tokens: int | np.ndarray, branch: Branch | None = None) -> np.ndarray:
        """Return A_ij for all i: the tokens that receive information from token j.

        Args:
            tokens: Index j, or several, whose columns are added.
            branch: The branch; None for the matrix before re-weighting.

        Returns:
            float32 (rows, columns).
        """
        columns = np.atleast_1d(tokens)
        largest, sums = self._sums_of_rows(branch)
        fractions = np.exp(self._logits(self._q, branch, columns) - largest[:, None]).sum(axis=1) / sums
        if branch is not None:
            fractions = fractions * self._destination[_index(branch)]
        return fractions.reshape(self.grid)

    def _logits(self, q: np.ndarray, branch: Branch | None, columns: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Return the input of the softmax over j, (rows of q, columns)."""
        logits = q @ self._k[columns].T  # (R, C) @ (C, N) -> (R, N)
        if self.variant == "log":
            logits *= q.shape[1] ** -0.5
        if branch is None:
            return logits
        source = self._source[_index(branch)][columns]
        return logits + np.log(source + np.float32(MIN_SOURCE)) if self.variant == "log" else logits * source

    def _shifted_logits(self, q: np.ndarray, branch: Branch | None) -> np.ndarray:
        logits = self._logits(q, branch)
        return logits - logits.max(axis=1, keepdims=True)

    def _sums_of_rows(self, branch: Branch | None) -> tuple[np.ndarray, np.ndarray]:
        """Return the largest logit and the sum of shifted exponentials of each row, (N,) each."""
        if branch not in self._row_sums:
            largest, sums = [], []
            for start in range(0, len(self._q), BLOCK_ROWS):
                logits = self._logits(self._q[start : start + BLOCK_ROWS], branch)
                largest.append(logits.max(axis=1))
                sums.append(np.exp(logits - largest[-1][:, None]).sum(axis=1))
            self._row_sums[branch] = np.concatenate(largest), np.concatenate(sums)
        return self._row_sums[branch]


def relative_change(factors: Factors, branch: Branch | None = None) -> np.ndarray:
    """Return how much FDM changes each token: the norm of its output relative to its input.

    Args:
        factors: The recorded factors of a prediction.
        branch: The branch; None for the sum of both.

    Returns:
        float32 (rows, columns).
    """
    change = factors.added.sum(axis=0) if branch is None else factors.added[_index(branch)]
    ratio = np.linalg.norm(change, axis=1) / (np.linalg.norm(factors.features, axis=1) + 1e-8)
    return ratio.reshape(factors.grid).astype(np.float32)


def _index(branch: Branch) -> int:
    if branch not in get_args(Branch):
        raise ValueError(f"there is no branch {branch!r}; there are {', '.join(get_args(Branch))}")
    return get_args(Branch).index(branch)
