"""How many independent rows clustered rows are worth, for each test of a search by itself.

Columns that say something of a cluster as a whole (of a user, say) are worth as many rows as there
are clusters; columns that vary from row to row within it are worth nearly all rows. So each test
counts the rows of what it looks at: what is left of both sides given what is held fixed.
"""

from collections.abc import Sequence

import numpy as np

from tasks.effects.basis import FloatArray
from tasks.effects.moments import IntArray


class RowWorth:
    """Counts what n rows in clusters are worth; what was counted once is remembered.

    `scores` (n, q) are centred; `cluster` (n,) holds codes from 0.
    """

    def __init__(self, scores: FloatArray, cluster: IntArray) -> None:
        self._scores = scores
        self._cluster = cluster
        self._groups = int(cluster.max()) + 1
        self._known: dict[tuple[tuple[int, ...], ...], float] = {}

    def count(self, x: Sequence[int], y: Sequence[int], given: Sequence[int] = ()) -> float:
        """Rows, at most n, for the test of columns `x` against `y` given columns `given`.

        n divided by the mean design effect of the products of residuals: the variance of their sum
        by clusters, over that by rows (Kish, Survey Sampling, 1965, chapter 5), over all pairs of
        whitened columns (the first-order correction of Rao and Scott, On Chi-squared Tests for
        Multiway Contingency Tables, Annals of Statistics 12, 1984).
        """
        key = (*sorted((tuple(x), tuple(y))), tuple(sorted(given)))
        if key not in self._known:
            self._known[key] = self._count(x, y, given)
        return self._known[key]

    def count_pairs(self, blocks: Sequence[Sequence[int]]) -> FloatArray:
        """Rows of each pair of blocks with nothing held fixed, shape (pairs,)."""
        return np.array(
            [
                self.count(first, second)
                for place, first in enumerate(blocks)
                for second in blocks[place + 1 :]
            ]
        )

    def _count(self, x: Sequence[int], y: Sequence[int], given: Sequence[int]) -> float:
        left, right = (_whiten(self._take_out(side, given)) for side in (x, y))
        effects = [
            self._design_effect(a * b) for a in left.T for b in right.T if a.any() and b.any()
        ]
        n = len(self._scores)
        return n / max(float(np.mean(effects)), 1.0) if effects else float(n)

    def _take_out(self, side: Sequence[int], given: Sequence[int]) -> FloatArray:
        values = self._scores[:, list(side)]
        if not given:
            return values
        known = self._scores[:, list(given)]
        left: FloatArray = (
            values - known @ np.linalg.lstsq(known.T @ known, known.T @ values, rcond=1e-10)[0]
        )
        return left

    def _design_effect(self, products: FloatArray) -> float:
        centred = products - products.mean()
        by_cluster = np.bincount(self._cluster, weights=centred, minlength=self._groups)
        return float((by_cluster**2).sum() / max((centred**2).sum(), 1e-12))


def _whiten(values: FloatArray) -> FloatArray:
    """Uncorrelated columns of unit deviation that span the same; no columns where nothing varies."""
    shares, directions = np.linalg.eigh(values.T @ values / len(values))
    is_there = shares > 1e-9
    white: FloatArray = values @ (directions[:, is_there] / np.sqrt(shares[is_there]))
    return white
