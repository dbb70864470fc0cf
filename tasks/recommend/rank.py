"""The best items of every user, those already rated left out."""

from dataclasses import dataclass

import numpy as np

from tasks.recommend.data import Codes, Floats, Ratings
from tasks.recommend.models import Recommender, make_inputs

BLOCK_PAIRS = 4_000_000
"""Pairs scored at once: 32 MB of float64."""


@dataclass(frozen=True)
class Tops:
    """Lists of the asked users: `items` and `scores` (users, k), best first.

    k is smaller than asked for where there are fewer items; a user who has rated nearly all is
    listed rated ones again at the end, with the score -inf.
    """

    items: Codes
    scores: Floats

    @property
    def listed(self) -> Codes:
        """Items of all lists in one row, those left out that were rated."""
        found: Codes = self.items[np.isfinite(self.scores)]
        return found


def pick_top(
    model: Recommender,
    seen: Ratings,
    *,
    top_k: int,
    users: Codes | None = None,
    uplift: Floats | None = None,
    mix: float = 0.0,
) -> Tops:
    """Top items by prediction, by `uplift` (items,) of what is shown, or by a mix of both.

    The score is (1 - mix) · prediction + mix · uplift, both in rating points.
    """
    a, b = model.find_towers()
    asked = np.arange(len(a)) if users is None else users
    top_k = min(top_k, len(b))
    items = np.empty((len(asked), top_k), dtype=np.int64)
    scores = np.empty((len(asked), top_k))
    order = np.argsort(seen.users, kind="stable")
    starts = np.searchsorted(seen.users[order], np.arange(len(a) + 1))
    extra = np.zeros(len(b)) if uplift is None else mix * uplift
    step = max(1, BLOCK_PAIRS // max(len(b), 1))
    for start in range(0, len(asked), step):
        block = asked[start : start + step]
        grid = (1 - mix) * (a[block] @ b.T) + extra
        for row, user in enumerate(block):
            grid[row, seen.items[order[starts[user] : starts[user + 1]]]] = -np.inf
        best = _sort_best(grid, top_k)
        items[start : start + step] = best
        scores[start : start + step] = np.take_along_axis(grid, best, axis=1)
    return Tops(items, scores)


def pick_popular(seen: Ratings, *, top_k: int) -> Codes:
    """Items of lists of the most rated items, those left out that their user rated, in one row."""
    counts = np.bincount(seen.items, minlength=seen.shape[1]).astype(np.float64)
    popularity = Recommender({"mean": np.array(0.0), "item": counts}, make_inputs(seen))
    return pick_top(popularity, seen, top_k=top_k).listed


def _sort_best(grid: Floats, top_k: int) -> Codes:
    """Columns of the `top_k` largest of every row, largest first, ties by column."""
    if top_k < grid.shape[1]:
        near = np.sort(np.argpartition(-grid, top_k - 1, axis=1)[:, :top_k], axis=1)
    else:
        near = np.broadcast_to(np.arange(grid.shape[1]), grid.shape)
    order = np.argsort(-np.take_along_axis(grid, near, axis=1), axis=1, kind="stable")
    return np.take_along_axis(near, order, axis=1)
