"""A small recommender that an attacker can train by herself: ridge matrix factorisation.

r_ui = mean + p_u . q_i, with a constant among the factors of both sides, so that users and items
have their own means. Alternating ridge regressions (Zhou et al. 2008, "Large-scale parallel
collaborative filtering for the Netflix prize"), each side solved exactly given the other.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from tasks.platform.errors import InputError
from tasks.robustness.corpus import Floats, Ints

RANK: Final = 8
PENALTY: Final = 4.0
SWEEPS: Final = 8


@dataclass(frozen=True, eq=False)
class Factors:
    """A fitted recommender: `user` (users, rank + 2) and `item` (items, rank + 2)."""

    mean: float
    user: Floats
    item: Floats

    def predict(self, users: Ints, items: Ints) -> Floats:
        """Expected ratings of pairs, shape (n,)."""
        scores: Floats = self.mean + (self.user[users] * self.item[items]).sum(axis=1)
        return scores

    def score_all(self, users: Ints) -> Floats:
        """Expected ratings of every item by each of `users`, shape (users, items)."""
        scores: Floats = self.mean + self.user[users] @ self.item.T
        return scores


@dataclass(frozen=True)
class RidgeFactors:
    """Trains `Factors`; deterministic under `seed`."""

    rank: int = RANK
    penalty: float = PENALTY
    sweeps: int = SWEEPS
    seed: int = 0

    def fit(
        self, users: Ints, items: Ints, ratings: Floats, *, n_users: int, n_items: int
    ) -> Factors:
        """Factors of `n_users` and `n_items`, from n ratings; raises InputError for none."""
        if len(ratings) == 0:
            raise InputError("there are no ratings to train on")
        rng = np.random.default_rng(self.seed)
        mean = float(ratings.mean())
        left = ratings - mean
        item = np.column_stack([
            rng.normal(0, 0.1, (n_items, self.rank)), np.ones(n_items), np.zeros(n_items)
        ])  # fmt: skip
        user = np.zeros((n_users, self.rank + 2))
        for _ in range(self.sweeps):
            user = _solve_side(users, items, left, item, n_users, self.penalty, fixed=-1)
            item = _solve_side(items, users, left, user, n_items, self.penalty, fixed=-2)
        return Factors(mean, user, item)


def _solve_side(
    own: Ints, other: Ints, left: Floats, factors: Floats, n: int, penalty: float, *, fixed: int
) -> Floats:
    """Ridge regression of each own row's ratings on the factors of the other side.

    Column `fixed` of the result is 1: the other side's bias is taken as it is.
    """
    width = factors.shape[1]
    free = np.delete(np.arange(width), fixed)
    known = factors[other]
    target = left - known[:, fixed]
    x = known[:, free]
    grams = np.zeros((n, len(free), len(free)))
    cross = np.zeros((n, len(free)))
    order = np.argsort(own, kind="stable")
    ends = np.cumsum(np.bincount(own, minlength=n))
    for at, (start, end) in enumerate(zip(np.r_[0, ends[:-1]], ends, strict=True)):
        rows = order[start:end]
        grams[at] = x[rows].T @ x[rows]
        cross[at] = x[rows].T @ target[rows]
    solved = np.linalg.solve(grams + penalty * np.eye(len(free)), cross[:, :, None])[:, :, 0]
    result = np.ones((n, width))
    result[:, free] = solved
    return result
