"""Groups of users, or of items, that a recommender treats alike: k-means on its latent factors."""

from dataclasses import dataclass

import numpy as np

from tasks.recommend.data import Codes, Floats
from tasks.recommend.models import Recommender

MAX_SILHOUETTE_ROWS = 2000


@dataclass(frozen=True)
class Clusters:
    """`labels` (n,) from 0, `silhouettes` by number of groups tried, `map` (n, 2) to draw them on.

    Group 0 is the largest. One group of all where the factors do not differ.
    """

    labels: Codes
    silhouettes: dict[int, float]
    map: Floats

    @property
    def n(self) -> int:
        """Number of groups."""
        return int(self.labels.max()) + 1


def find_factors(model: Recommender, side: str) -> Floats:
    """What makes users, or items, differ in whom they suit: columns of the tower but the main effects.

    Columns are scaled by the size of the other side's, so that a distance is one of predictions:
    |f_u − f_v|² is the mean squared difference of the two users' predictions over items, main effects
    left out (columns of the other side taken as uncorrelated).
    """
    a, b = model.find_towers()
    own, other = (a[:, 2:], b[:, 2:]) if side == "user" else (b[:, 2:], a[:, 2:])
    factors: Floats = own * np.sqrt((other**2).mean(axis=0))
    return factors


def cluster_factors(
    factors: Floats, *, seed: int, largest: int = 8, rows: Codes | None = None
) -> Clusters:
    """K-means with the number of groups from 2 to `largest` that has the largest mean silhouette.

    Rousseeuw 1987, https://doi.org/10.1016/0377-0427(87)90125-7, on at most 2,000 rows. The groups
    are made of `rows` (those with ratings) and all are then put to the nearest.
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    known = np.arange(len(factors)) if rows is None else rows
    plane = _project(factors, known)
    distinct = len(np.unique(factors[known].round(9), axis=0)) if len(known) else 0
    alone = Clusters(np.zeros(len(factors), dtype=np.int64), {}, plane)
    if distinct < 3:
        return alone
    draw = np.random.default_rng(seed).permutation(known)[:MAX_SILHOUETTE_ROWS]
    found, best = {}, None
    for k in range(2, min(largest, distinct - 1) + 1):
        model = KMeans(k, n_init=5, random_state=seed).fit(factors[known])
        labels = model.predict(factors[draw])
        if len(np.unique(labels)) < 2:
            continue
        found[k] = float(silhouette_score(factors[draw], labels))
        if best is None or found[k] > found[best[0]]:
            best = k, model
    if best is None:
        return alone
    return Clusters(_order(best[1].predict(factors)), found, plane)


def _order(labels: Codes) -> Codes:
    """Labels such that larger groups have smaller numbers."""
    _, index, counts = np.unique(labels, return_inverse=True, return_counts=True)
    rank = np.empty(len(counts), dtype=np.int64)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    ordered: Codes = rank[index]
    return ordered


def _project(factors: Floats, rows: Codes) -> Floats:
    """First two principal components, the sign such that the largest loading is positive."""
    found = np.zeros((len(factors), 2))
    if not factors.shape[1] or len(rows) < 2:
        return found
    centred = factors - factors[rows].mean(axis=0)
    _, _, axes = np.linalg.svd(centred[rows], full_matrices=False)
    for k, axis in enumerate(axes[:2]):
        sign = np.sign(axis[np.argmax(np.abs(axis))]) or 1.0
        found[:, k] = centred @ axis * sign
    return found
