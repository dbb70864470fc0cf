import numpy as np
import pytest

from tasks.recommend.cluster import cluster_factors, find_factors
from tests.recommend.test_models import random_model


def blobs(n_groups: int, n: int = 60) -> np.ndarray:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(n_groups, 4)) * 8
    sizes = np.repeat(np.arange(n_groups), n // n_groups + np.arange(n_groups))
    return centres[sizes] + rng.normal(size=(len(sizes), 4)) * 0.3


@pytest.mark.parametrize("n_groups", [2, 4])
def test_the_number_of_groups_that_parts_best_is_found_and_the_largest_is_first(n_groups):
    clusters = cluster_factors(blobs(n_groups), seed=0)
    assert clusters.n == n_groups
    assert max(clusters.silhouettes, key=clusters.silhouettes.__getitem__) == n_groups
    counts = np.bincount(clusters.labels)
    assert (np.diff(counts) <= 0).all()


def test_alike_rows_are_one_group():
    clusters = cluster_factors(np.ones((30, 3)), seed=0)
    assert clusters.n == 1
    assert clusters.silhouettes == {}


def test_rows_without_ratings_are_put_to_the_nearest_group():
    factors = blobs(2)
    rows = np.setdiff1d(np.arange(len(factors)), [0])
    labels = cluster_factors(factors, seed=0, rows=rows).labels
    assert labels[0] == labels[1]


def test_the_distance_of_factors_is_that_of_predictions():
    """With other-side columns uncorrelated, |f_u − f_v|² is the mean squared gap of predictions."""
    model = random_model()
    factors = find_factors(model, "user")
    a, b = model.find_towers()
    gap = (a[3, 2:] - a[8, 2:]) * b[:, 2:]
    assert ((factors[3] - factors[8]) ** 2).sum() == pytest.approx((gap**2).mean(axis=0).sum())
