"""The product's own recommender under attack: what a night would train on genuine and fake ratings.

Nothing is told to it of who is fake. Propensities are estimated anew from all ratings; power and
penalty are chosen once, on the genuine ones, as a night takes them over from the week's full fit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from tasks.platform.errors import ConfigError
from tasks.recommend.data import Ratings
from tasks.recommend.evaluate import MODELS
from tasks.recommend.fit import Plan, fit_recommender
from tasks.recommend.gather import describe_items, describe_users
from tasks.recommend.models import Recommender
from tasks.robustness.corpus import Corpus

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
SURROGATE: Final = "surrogate"
VICTIMS: Final = (SURROGATE, *MODELS)


@dataclass(frozen=True, eq=False)
class Scores:
    """A fitted recommender, as attacks ask it."""

    model: Recommender

    def score_all(self, users: Ints) -> Floats:
        """Expected ratings of every item by each of `users`, shape (users, items)."""
        a, b = self.model.find_towers()
        return np.asarray(a[users] @ b.T, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class NightlyRecommender:
    """Trains a model of `tasks.recommend`; fake accounts come after the genuine and have no features.

    `user_features` (genuine users, a) and `item_features` (items, b) are by code.
    """

    plan: Plan
    user_features: Floats
    item_features: Floats
    scale: tuple[float, float] = (1.0, 5.0)

    def fit(
        self, users: Ints, items: Ints, ratings: Floats, *, n_users: int, n_items: int
    ) -> Scores:
        """Train on n ratings; of a pair rated twice the last counts, as in a night."""
        if self.plan.power is None:
            raise ConfigError("the plan of a victim has its power and penalty; use plan_victim")
        found = make_ratings(
            users, items, ratings, (n_users, n_items), self.user_features, self.item_features,
            self.scale,
        )  # fmt: skip
        return Scores(fit_recommender(found, self.plan).model)


def make_ratings(
    users: Ints, items: Ints, ratings: Floats, shape: tuple[int, int], user_features: Floats,
    item_features: Floats, scale: tuple[float, float],
) -> Ratings:  # fmt: skip
    """Ratings by code, accounts without features at 0 in all."""
    last = {pair: row for row, pair in enumerate(zip(users.tolist(), items.tolist(), strict=True))}
    kept = np.array(sorted(last.values()), dtype=np.int64)
    extra = np.zeros((shape[0] - len(user_features), user_features.shape[1]))
    return Ratings(
        users[kept], items[kept], ratings[kept], tuple(f"{k:09d}" for k in range(shape[0])),
        tuple(f"{k:09d}" for k in range(shape[1])), np.vstack([user_features, extra]),
        item_features, scale=scale,
    )  # fmt: skip


def plan_victim(
    corpus: Corpus,
    model: str,
    *,
    items: pl.DataFrame | None = None,
    users: pl.DataFrame | None = None,
    features: tuple[Floats, Floats] | None = None,
    seed: int = 0,
) -> NightlyRecommender:
    """The recommender of a corpus, power and penalty chosen on its ratings.

    Features are those that a night reads out of `items` and `users` (texts of items left out), or
    are given. Raises ConfigError for a model that there is not.
    """
    if model not in MODELS:
        raise ConfigError(f"there is no model {model!r}; choose of {', '.join(VICTIMS)}")
    own, other = features or (
        read_features(corpus.users, users, "user"), read_features(corpus.items, items, "item"),
    )  # fmt: skip
    scale = (min(corpus.lowest, 1.0), max(corpus.highest, 5.0))
    shape = (len(corpus.users), len(corpus.items))
    ratings = make_ratings(
        corpus.user, corpus.item, corpus.rating, shape, own, other, scale
    )  # fmt: skip
    card = fit_recommender(ratings, Plan(model, seed)).card
    plan = replace(Plan(model, seed), power=card["power"], penalty=card["penalty"])
    return NightlyRecommender(plan, own, other, scale)


def read_features(ids: Sequence[str], frame: pl.DataFrame | None, side: str) -> Floats:
    """Features of users or items as a night has them; none where nothing is known of them."""
    if frame is None or frame.height == 0:
        return np.zeros((len(ids), 0))
    if side == "user":
        return describe_users(ids, frame)[0]
    return describe_items(ids, frame, None)[0]
