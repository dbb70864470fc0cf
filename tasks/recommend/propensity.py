"""The probability that a pair was rated, P(o=1): given, by popularity, naive Bayes, or logistic."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from tasks.platform.errors import ConfigError, InputError
from tasks.recommend.data import Codes, Floats, Ratings

NEGATIVES_PER_RATING: Final = 3
FLOOR: Final = 0.01
"""Least propensity, unless pairs are rated so seldom that their mean chance is near it."""


@dataclass(frozen=True)
class Propensities:
    """`values` (n,) of the ratings, in [floor, 1]; `n_clipped` of them lay below the floor.

    `is_of_rows`: chances of a row of a log to show this item, not of a pair to be rated at all.
    """

    values: Floats
    n_clipped: int
    floor: float
    is_of_rows: bool = False

    def thin(self, rows: Codes) -> "Propensities":
        """Those of `rows`, codes of a part of the ratings that was drawn at random.

        A pair is then rated and kept, which has that part of the chance; a row of a log keeps its own.
        """
        share = 1.0 if self.is_of_rows else len(rows) / max(len(self.values), 1)
        return replace(self, values=self.values[rows] * share, floor=self.floor * share)


def find_propensities(
    ratings: Ratings,
    *,
    given: Floats | None = None,
    sample: Floats | None = None,
    floor: float = FLOOR,
    seed: int = 0,
) -> tuple[Propensities, str]:
    """Propensities of being rated and the name of the method.

    Those `given`, of all pairs (users, items) or of the rows of a log (n,); else naive Bayes where
    there is a `sample` of randomly exposed ratings; else by features; else by popularity. The floor
    is at most a tenth of the mean rate: a pair that is rated by chance 1 in 100,000 must not weigh as
    100,000, and where that is the mean, not as 100 either.
    """
    n_pairs = int(np.prod(ratings.shape))
    floor = min(floor, max(len(ratings) / n_pairs / 10, 1e-6))
    if given is not None and given.ndim == 1:
        return replace(clip_propensities(given, ratings, floor=floor), is_of_rows=True), "given"
    if given is not None:
        return use_given(given, ratings, floor=floor), "given"
    if sample is not None:
        return estimate_naive_bayes(ratings, sample, floor=floor), "naive Bayes"
    has_features = ratings.user_features.size and ratings.item_features.size
    if has_features and len(ratings) < n_pairs:
        return estimate_logistic(ratings, floor=floor, seed=seed), "logistic"
    return estimate_popularity(ratings, floor=floor), "popularity"


def clip_propensities(values: Floats, ratings: Ratings, *, floor: float) -> Propensities:
    """Raise what is below `floor`; raises ConfigError for a bad floor, InputError for bad values."""
    if not 0 < floor < 1:
        raise ConfigError(f"the floor of propensities must lie in (0, 1), found {floor}")
    if values.shape != (len(ratings),):
        raise InputError(
            f"propensities must be one for each of {len(ratings):,} ratings, found {values.size:,}"
        )
    outside = ~((values >= 0) & (values <= 1))
    if outside.any():
        raise InputError(
            f"{int(outside.sum()):,} of the propensities, one for each of {len(ratings):,} ratings, lie "
            f"outside [0, 1] (such as {values[outside][0]:g}); they are chances, not weights or scores"
        )
    return Propensities(np.maximum(values, floor), int((values < floor).sum()), floor)


def use_given(grid: Floats, ratings: Ratings, *, floor: float) -> Propensities:
    """Given propensities of all pairs (users, items). Raises InputError."""
    if grid.shape != ratings.shape:
        raise InputError(f"propensities are {grid.shape}, users and items {ratings.shape}")
    return clip_propensities(grid[ratings.users, ratings.items], ratings, floor=floor)


def estimate_popularity(ratings: Ratings, *, floor: float = 0.01) -> Propensities:
    """Share of users that rated the item, the same for all users."""
    n_users, n_items = ratings.shape
    shares = np.minimum(np.bincount(ratings.items, minlength=n_items) / n_users, 1.0)
    return clip_propensities(shares[ratings.items], ratings, floor=floor)


def estimate_naive_bayes(ratings: Ratings, sample: Floats, *, floor: float = 0.01) -> Propensities:
    """P(o=1 | r) = P(r | o=1) P(o=1) / P(r), P(r) from `sample`: ratings exposed at random.

    Schnabel et al. 2016, https://arxiv.org/abs/1602.05352, section 5. The sample must not be the
    test. Raises InputError when it is empty or on another scale.
    """
    if len(sample) == 0:
        raise InputError("naive Bayes needs a sample of randomly exposed ratings; it is empty")
    low, high = ratings.scale
    outside = sample[~((sample >= low) & (sample <= high))]
    if len(outside):
        raise InputError(
            f"{len(outside):,} of {len(sample):,} ratings of the random sample lie outside "
            f"[{low:g}, {high:g}] (such as {outside[0]:g}); give them on the scale of the ratings"
        )
    rate = len(ratings) / float(np.prod(ratings.shape))
    levels = np.unique(np.concatenate([ratings.ratings, sample]))
    seen, free = (
        np.array([(part == level).sum() + 1.0 for level in levels]) / (len(part) + len(levels))
        for part in (ratings.ratings, sample)
    )
    values = (rate * seen / free)[np.searchsorted(levels, ratings.ratings)]
    return clip_propensities(np.minimum(1.0, values), ratings, floor=floor)


def estimate_logistic(
    ratings: Ratings, *, floor: float = 0.01, c: float = 1.0, seed: int = 0
) -> Propensities:
    """Logistic regression of being rated on user, item and user x item features.

    Against all unrated pairs where these are few, else against a random draw of them, the intercept
    corrected by the odds of the draw (King & Zeng 2001, https://doi.org/10.1093/oxfordjournals.pan.a004868).
    """
    from sklearn.linear_model import LogisticRegression

    users, items = ratings.user_features, ratings.item_features
    if not users.size or not items.size:
        raise InputError("logistic propensities need user and item features; use popularity")
    rows, columns, share = _draw_unrated(ratings, np.random.default_rng(seed))
    pair_users = np.concatenate([ratings.users, rows])
    pair_items = np.concatenate([ratings.items, columns])
    seen = np.arange(len(pair_users)) < len(ratings)
    x = _cross(users[pair_users], items[pair_items]).astype(np.float32)
    model = LogisticRegression(C=c, max_iter=200).fit(x, seen)
    own = x[: len(ratings)] @ model.coef_[0] + float(model.intercept_[0]) + np.log(share)
    return clip_propensities(1 / (1 + np.exp(-own)), ratings, floor=floor)


def _draw_unrated(ratings: Ratings, rng: np.random.Generator) -> tuple[Floats, Floats, float]:
    """Codes of unrated pairs, and the share of all unrated pairs that they are."""
    n_users, n_items = ratings.shape
    total, rated = n_users * n_items, ratings.users * n_items + ratings.items
    wanted = NEGATIVES_PER_RATING * len(ratings)
    if total <= max(2 * wanted, 50_000):
        pairs = np.setdiff1d(np.arange(total), rated)
    else:
        pairs = np.setdiff1d(rng.integers(0, total, wanted), rated)
    if not len(pairs):
        raise InputError("every user rated every item; there is nothing to estimate, use naive")
    n_unrated = total - len(np.unique(rated))
    return pairs // n_items, pairs % n_items, len(pairs) / n_unrated


def _cross(users: Floats, items: Floats) -> Floats:
    cross = np.einsum("na,nb->nab", users, items).reshape(len(users), -1)
    return np.hstack([users, items, cross])
