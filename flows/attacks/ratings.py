"""Ratings to attack from the data sets that recommenders are evaluated on: no texts, no dates."""

from typing import Final

import numpy as np
import polars as pl

from flows.attacks.sources import Loaded
from flows.attacks.target import make_target
from flows.attacks.victim import SURROGATE, VICTIMS, NightlyRecommender, plan_victim
from tasks.platform.errors import ConfigError
from tasks.recommend.data import Floats
from tasks.recommend.sources import load_training
from tasks.robustness.recommender import Recommender
from tasks.robustness.surrogate import RidgeFactors

KINDS: Final = ("coat", "movielens")


def load_ratings(kind: str, path: str) -> Loaded:
    """All training ratings of a data set, with the features that it gives of users and items.

    Raises ConfigError for a kind that has no ratings to attack, InputError for what is not there.
    """
    if kind not in KINDS:
        raise ConfigError(
            f"with a file or folder, --source says what it is: {' or '.join(KINDS)}, not {kind!r}; "
            "leave it out for a table of reviews, or leave the file out for the warehouse"
        )
    ratings, _ = load_training(kind, path)
    frame = pl.DataFrame(
        {
            "user_id": np.array(ratings.user_ids)[ratings.users],
            "item_id": np.array(ratings.item_ids)[ratings.items],
            "rating": ratings.ratings,
        }
    )
    target = make_target(frame, attributes=())
    users = pick_rows(ratings.user_ids, ratings.user_features, target.corpus.users)
    items = pick_rows(ratings.item_ids, ratings.item_features, target.corpus.items)
    return Loaded(kind, target, None, features=(users, items))


def pick_rows(ids: tuple[str, ...], features: Floats, wanted: tuple[str, ...]) -> Floats:
    """Features of the `wanted` ids, in their order."""
    place = {name: row for row, name in enumerate(ids)}
    rows = [place[name] for name in wanted]
    return np.asarray(features[rows], dtype=np.float64)


def choose_victim(name: str, loaded: Loaded, *, seed: int) -> Recommender:
    """The recommender that --victim names: the surrogate, or a model of the recommend room."""
    if name == SURROGATE:
        return RidgeFactors()
    if name not in VICTIMS:
        raise ConfigError(f"--victim is {name!r}; use {', '.join(VICTIMS)}")
    target = loaded.target
    found: NightlyRecommender = plan_victim(
        target.corpus, name, items=target.items, users=target.users, features=loaded.features,
        seed=seed,
    )  # fmt: skip
    return found
