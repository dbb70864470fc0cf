"""The probability that a pair was rated, P(o=1): given, by popularity, naive Bayes, or logistic."""

from dataclasses import dataclass

import numpy as np

from tasks.platform.errors import ConfigError, InputError
from tasks.recommend.data import Floats, Ratings


@dataclass(frozen=True)
class Propensities:
    """`values` (users, items) in [floor, 1]; `n_clipped` of the rated pairs lay below the floor."""

    values: Floats
    n_clipped: int
    floor: float


def clip_propensities(values: Floats, ratings: Ratings, *, floor: float) -> Propensities:
    """Raise what is below `floor`; raises ConfigError for a bad floor, InputError for bad values."""
    if not 0 < floor < 1:
        raise ConfigError(f"the floor of propensities must lie in (0, 1), found {floor}")
    if values.shape != ratings.shape or not ((values >= 0) & (values <= 1)).all():
        raise InputError(f"propensities must be of shape {ratings.shape} and lie in [0, 1]")
    n_clipped = int((values[ratings.users, ratings.items] < floor).sum())
    return Propensities(np.maximum(values, floor), n_clipped, floor)


def estimate_popularity(ratings: Ratings, *, floor: float = 0.01) -> Propensities:
    """Share of users that rated the item, the same for all users."""
    counts = np.bincount(ratings.items, minlength=ratings.shape[1]) / ratings.shape[0]
    values = np.broadcast_to(counts, ratings.shape).astype(np.float64)
    return clip_propensities(values, ratings, floor=floor)


def estimate_naive_bayes(ratings: Ratings, sample: Floats, *, floor: float = 0.01) -> Propensities:
    """P(o=1 | r) = P(r | o=1) P(o=1) / P(r), P(r) from `sample`: ratings exposed at random.

    Unrated pairs get the mean rate. Schnabel et al. 2016, https://arxiv.org/abs/1602.05352, section
    5. The sample must not be the test. Raises InputError when it is empty.
    """
    if len(sample) == 0:
        raise InputError("naive Bayes needs a sample of randomly exposed ratings; it is empty")
    rate = len(ratings) / float(np.prod(ratings.shape))
    levels = np.unique(np.concatenate([ratings.ratings, sample]))
    seen, free = (
        np.array([(part == level).sum() + 1.0 for level in levels]) / (len(part) + len(levels))
        for part in (ratings.ratings, sample)
    )
    values = np.full(ratings.shape, rate)
    values[ratings.users, ratings.items] = np.minimum(
        1.0, (rate * seen / free)[np.searchsorted(levels, ratings.ratings)]
    )
    return clip_propensities(values, ratings, floor=floor)


def estimate_logistic(ratings: Ratings, *, floor: float = 0.01, c: float = 1.0) -> Propensities:
    """Logistic regression of being rated on user, item and user x item features, over all pairs."""
    from sklearn.linear_model import LogisticRegression

    users, items = ratings.user_features, ratings.item_features
    if not users.size or not items.size:
        raise InputError("logistic propensities need user and item features; use popularity")
    n, m = ratings.shape
    cross = np.einsum("ua,ib->uiab", users, items).reshape(n * m, -1)
    columns = np.hstack([np.repeat(users, m, axis=0), np.tile(items, (n, 1)), cross])
    seen = np.zeros(ratings.shape)
    seen[ratings.users, ratings.items] = 1
    model = LogisticRegression(C=c, max_iter=200).fit(columns.astype(np.float32), seen.ravel())
    values = model.predict_proba(columns.astype(np.float32))[:, 1].reshape(n, m)
    return clip_propensities(values.astype(np.float64), ratings, floor=floor)
