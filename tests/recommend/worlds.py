"""Small worlds whose truth is known."""

import os
from pathlib import Path

import numpy as np
import pytest

from tasks.recommend.data import Ratings, from_matrix

DATA = Path(os.environ.get("WHYREC_REAL_DATA", "../shared/data"))


def find_real_data(name: str) -> Path:
    if not (DATA / name).exists():
        pytest.skip(f"{DATA / name} is absent; set WHYREC_REAL_DATA to the folder that holds it")
    return DATA / name


def selected_world(seed: int = 0) -> tuple[Ratings, np.ndarray]:
    """All ratings are 2 or 4, equally often; 4s are rated with chance .8, 2s with .2.

    Truth: the mean of all pairs is 3.0; that of the rated ones is .8*4 + .2*2 = 3.6. The second
    answer are the propensities of the rated pairs, (n,).
    """
    rng = np.random.default_rng(seed)
    truth = np.where(rng.random((60, 60)) < 0.5, 4.0, 2.0)
    propensities = np.where(truth == 4, 0.8, 0.2)
    seen = rng.random(truth.shape) < propensities
    ratings = plain_ratings(np.where(seen, truth, 0))
    return ratings, propensities[ratings.users, ratings.items]


def plain_ratings(values: np.ndarray) -> Ratings:
    """Ratings without features; 0 stands for unrated."""
    return from_matrix(values, np.zeros((values.shape[0], 0)), np.zeros((values.shape[1], 0)))


def rich_ratings(seed: int = 0, shape: tuple[int, int] = (30, 20), rate: float = 0.4) -> Ratings:
    """Ratings with three features of users and two of items."""
    rng = np.random.default_rng(seed)
    seen = rng.random(shape) < rate
    values = np.where(seen, rng.integers(1, 6, shape), 0).astype(float)
    return from_matrix(values, rng.normal(size=(shape[0], 3)), rng.normal(size=(shape[1], 2)))
