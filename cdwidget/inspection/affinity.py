"""FDM's affinity, one row or column at a time: the N x N matrix is never held.

A_ij is the share of token i's new features that comes from token j. Before re-weighting it is how much the two look alike,
softmax_j(q_i . k_j / sqrt C) (without the root in v1 and v3). After it, for each branch b (CDNet, ICCV 2021, section 3.2; the forms
are those of `cdwidget.model.fdm`):

    log      A_ij = D_i (S_j + floor) exp(q_i . k_j / sqrt C) / sum_j' (S_j' + floor) exp(q_i . k_j' / sqrt C)
    v1, v3   A_ij = D_i softmax_j(S_j q_i . k_j)
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from cdwidget.predictor import Factors

Branch = Literal["foreground", "background"]
Kind = Literal["log", "v1", "v3"]
FLOOR = 1e-3  # of a source, as in the model
SURE = 0.8  # v3: from this gate on a token is a source too
ROWS = 256  # of the matrix that exist at the same time while the sums over all rows are made


class Affinity:
    """The affinity of one prediction, in the form of `kind` (by default the model's own).

    Tokens are counted row by row over the grid. Maps are float32 (rows, columns) of the grid.
    """

    def __init__(self, factors: Factors, kind: str | None = None):
        """Raises ValueError for a kind that there is not."""
        self.kind = kind or factors.variant
        if self.kind not in get_args(Kind):
            raise ValueError(f"there is no form {self.kind!r} of FDM; there are {', '.join(get_args(Kind))}")
        self.grid = factors.grid
        self._q, self._k = factors.q, factors.k
        self._sums: dict[Branch | None, tuple[np.ndarray, np.ndarray]] = {}
        gate, clicks = factors.gate.reshape(-1), factors.clicks
        self._source, self._destination = clicks, np.stack([gate, 1 - gate])
        if self.kind == "v1":
            self._source, self._destination = 0.9 * self._source + 0.1, 0.9 * self._destination + 0.1
        elif self.kind == "v3":
            self._source = np.minimum(clicks + (self._destination > SURE), 1)

    def source(self, branch: Branch) -> np.ndarray:
        """S in [0, 1]: where information of a branch may come from."""
        return self._source[_index(branch)].reshape(self.grid)

    def destination(self, branch: Branch) -> np.ndarray:
        """D in [0, 1]: where information of a branch may go to."""
        return self._destination[_index(branch)].reshape(self.grid)

    def row(self, token: int, branch: Branch | None = None) -> np.ndarray:
        """A_ij over all j for token i: where it takes from. branch None: before re-weighting; then it sums to 1, else to D_i."""
        weights = np.exp(self._shifted(self._q[token : token + 1], branch)[0])
        share = weights / weights.sum(axis=-1, keepdims=True)
        if branch is not None:
            share = share * self._destination[_index(branch), token]
        return share.reshape(self.grid)

    def column(self, tokens: int | np.ndarray, branch: Branch | None = None) -> np.ndarray:
        """A_ij over all i for token j, or summed over several: where their information goes. branch None: before re-weighting."""
        chosen = np.atleast_1d(tokens)
        largest, sums = self._over_rows(branch)
        share = np.exp(self._logits(self._q, branch, chosen) - largest[:, None]).sum(axis=1) / sums
        if branch is not None:
            share = share * self._destination[_index(branch)]
        return share.reshape(self.grid)

    def _logits(self, q: np.ndarray, branch: Branch | None, columns: np.ndarray | slice = slice(None)) -> np.ndarray:
        """What the softmax over j is taken of, (rows of q, columns)."""
        logits = q @ self._k[columns].T  # (R, C) @ (C, N) -> (R, N)
        if self.kind == "log":
            logits *= q.shape[1] ** -0.5
        if branch is None:
            return logits
        source = self._source[_index(branch)][columns]
        return logits + np.log(source + np.float32(FLOOR)) if self.kind == "log" else logits * source

    def _shifted(self, q: np.ndarray, branch: Branch | None) -> np.ndarray:
        logits = self._logits(q, branch)
        return logits - logits.max(axis=1, keepdims=True)

    def _over_rows(self, branch: Branch | None) -> tuple[np.ndarray, np.ndarray]:
        """The largest logit of each row and the sum of its shifted exponentials, (N,) each; made once, in blocks of rows."""
        if branch not in self._sums:
            largest, sums = [], []
            for start in range(0, len(self._q), ROWS):
                logits = self._logits(self._q[start : start + ROWS], branch)
                largest.append(logits.max(axis=1))
                sums.append(np.exp(logits - largest[-1][:, None]).sum(axis=1))
            self._sums[branch] = np.concatenate(largest), np.concatenate(sums)
        return self._sums[branch]


def added(factors: Factors, branch: Branch | None = None) -> np.ndarray:
    """How strongly FDM changes each token: |what it adds| / |X|, float32 (rows, columns); branch None: both together."""
    change = factors.added.sum(axis=0) if branch is None else factors.added[_index(branch)]
    ratio = np.linalg.norm(change, axis=1) / (np.linalg.norm(factors.features, axis=1) + 1e-8)
    return ratio.reshape(factors.grid).astype(np.float32)


def _index(branch: Branch) -> int:
    if branch not in get_args(Branch):
        raise ValueError(f"there is no branch {branch!r}; there are {', '.join(get_args(Branch))}")
    return get_args(Branch).index(branch)
