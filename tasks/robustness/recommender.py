"""What an attack does to a recommender: the target's ratings and rank, and who pays for it."""

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import polars as pl

from tasks.platform.errors import InputError
from tasks.robustness.corpus import Corpus, Flags, Floats, Ints, join_rows

K: Final = 10
HELD_OUT: Final = 0.2


class Fitted(Protocol):
    """A trained recommender."""

    def score_all(self, users: Ints) -> Floats:
        """Expected ratings of every item by each of `users`, shape (users, items)."""


class Recommender(Protocol):
    """What is attacked: it sees codes and ratings alone."""

    def fit(
        self, users: Ints, items: Ints, ratings: Floats, *, n_users: int, n_items: int
    ) -> Fitted:
        """Train on n ratings of `n_users` users and `n_items` items."""


@dataclass(frozen=True, eq=False)
class Split:
    """Genuine ratings for training (`is_train`, shape (n,)) and for judging."""

    corpus: Corpus
    is_train: Flags


@dataclass(frozen=True)
class Standing:
    """How a recommender stands, over the genuine users.

    `prediction`: mean expected rating of the targets by users who have not rated them. `hit_rate`:
    share of them with a target among their top `K`. `ndcg`: at `K`, of held-out ratings (gain: 1
    from the median rating up), over `ndcg_users`, None without any. `users` are counted.
    """

    prediction: float
    hit_rate: float
    ndcg: float | None
    users: int
    ndcg_users: int


@dataclass(frozen=True)
class RecommenderDamage:
    """A recommender before and after an attack.

    `displaced` is the share of the genuine top-`K` places that went to other genuine items.
    """

    clean: Standing
    attacked: Standing
    displaced: float

    @property
    def prediction_shift(self) -> float:
        """Stars by which the targets' expected rating moved."""
        return self.attacked.prediction - self.clean.prediction

    @property
    def hit_rate_lift(self) -> float:
        """Change of the targets' hit rate."""
        return self.attacked.hit_rate - self.clean.hit_rate


@dataclass(frozen=True, eq=False)
class Served:
    """What genuine users are shown.

    `scores` (users, items), items they rated at -inf, and the `top` `K`, best first (users, K).
    """

    scores: Floats
    top: Ints


def split_ratings(corpus: Corpus, rng: np.random.Generator) -> Split:
    """Hold a fifth of the genuine ratings out."""
    return Split(corpus, rng.random(corpus.n) >= HELD_OUT)


def serve(
    recommender: Recommender,
    split: Split,
    fakes: pl.DataFrame | None = None,
    keep: Flags | None = None,
) -> Served:
    """Train on the genuine training ratings and `fakes`, then rank for the genuine users.

    `keep` (genuine rows, then fakes) leaves rows out.
    """
    corpus = split.corpus
    n_fakes = 0 if fakes is None else fakes.height
    trained = np.concatenate([split.is_train, np.ones(n_fakes, dtype=bool)])
    used = np.flatnonzero(trained if keep is None else trained & keep)
    users, items, ratings, n_users = _code_rows(corpus, fakes)
    fitted = recommender.fit(
        users[used], items[used], ratings[used], n_users=n_users, n_items=len(corpus.items)
    )
    scores = fitted.score_all(np.arange(len(corpus.users)))
    train = split.is_train
    scores[corpus.user[train], corpus.item[train]] = -np.inf
    return Served(scores, np.argsort(-scores, axis=1, kind="stable")[:, :K].astype(np.int64))


def judge_standing(served: Served, split: Split, targets: tuple[int, ...]) -> Standing:
    """How the targets and the held-out ratings fare."""
    scores = served.scores[:, list(targets)]
    is_open = np.isfinite(scores)
    hits = np.isin(served.top, targets).max(axis=1)[is_open.max(axis=1)]
    gains = _ndcg(served, split)
    return Standing(
        prediction=float(scores[is_open].mean()),
        hit_rate=float(hits.mean()),
        ndcg=float(gains.mean()) if len(gains) else None,
        users=len(hits),
        ndcg_users=len(gains),
    )


def check_open(served: Served, targets: tuple[int, ...]) -> None:
    """Raise InputError where every genuine user has rated the targets: they are shown to nobody."""
    if not np.isfinite(served.scores[:, list(targets)]).any():
        raise InputError(
            "every account has rated the item that it is for, so that it is shown to nobody; an attack "
            "on a recommender needs accounts that have not"
        )


def compare(
    clean: Served, attacked: Served, split: Split, targets: tuple[int, ...]
) -> RecommenderDamage:
    """Damage of an attack."""
    places = [
        np.setdiff1d(before, [*after, *targets]).size
        for before, after in zip(clean.top, attacked.top, strict=True)
    ]
    return RecommenderDamage(
        clean=judge_standing(clean, split, targets),
        attacked=judge_standing(attacked, split, targets),
        displaced=float(np.mean(places)) / clean.top.shape[1],
    )


def _code_rows(corpus: Corpus, fakes: pl.DataFrame | None) -> tuple[Ints, Ints, Floats, int]:
    """Codes of all rows; fake accounts come after the genuine users."""
    if fakes is None or fakes.height == 0:
        return corpus.user, corpus.item, corpus.rating, len(corpus.users)
    both = join_rows(corpus, fakes)
    names = {name: code for code, name in enumerate(corpus.users)}
    new = [name for name in both.users if name not in names]
    names |= {name: len(corpus.users) + at for at, name in enumerate(new)}
    recoded = np.array([names[name] for name in both.users], dtype=np.int64)
    items = np.searchsorted(np.array(corpus.items), np.array(both.items)).astype(np.int64)
    return recoded[both.user], items[both.item], both.rating, len(names)


def _ndcg(served: Served, split: Split) -> Floats:
    """NDCG at K of each genuine user with a held-out rating worth showing."""
    corpus = split.corpus
    liked = ~split.is_train & (corpus.rating >= np.median(corpus.rating))
    gains = np.zeros(served.scores.shape, dtype=bool)
    gains[corpus.user[liked], corpus.item[liked]] = True
    discounts = 1 / np.log2(np.arange(2, served.top.shape[1] + 2))
    found = np.take_along_axis(gains, served.top, axis=1) @ discounts
    counts = np.minimum(gains.sum(axis=1), len(discounts))
    best = np.concatenate([[0.0], np.cumsum(discounts)])[counts]
    ratio: Floats = found[best > 0] / best[best > 0]
    return ratio
