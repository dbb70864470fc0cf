"""The text features by which a recommender knows its items, moved within a radius.

Predictions are affine in an item's features: the slope of user u's is b + zᵤᵀW + tᵤ
(`tasks.recommend.models`). Who writes an item's description moves it for all users at once, along
their mean slope.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt
import polars as pl

from tasks.recommend.checkpoint import Checkpoint
from tasks.recommend.models import Recommender
from tasks.robustness.embedding import Method, Norm, perturb
from tasks.robustness.reader_rows import make_reader_row, skip_reader
from tasks.robustness.rows import AttackRow

Floats = npt.NDArray[np.float64]
K: Final = 10
MOST_USERS: Final = 2000
TEXT: Final = "text_"
SUBJECT: Final = "item texts"
NO_MODEL: Final = "there is no recommender of this source to attack"
NO_TEXTS: Final = "the recommender knows no texts of items, or gives them no weight"


@dataclass(frozen=True, eq=False)
class FeatureDamage:
    """Items one at a time moved by `epsilon`, what all users are predicted of them.

    `shift` is the mean rise of their expected ratings, `hits` (items,) the share of users with the
    moved item in their top `K`, `mse` the error of the known ratings when all items are moved, None
    where none is known.
    """

    epsilon: float
    shift: float
    hits: Floats
    mse: float | None

    @property
    def hit_rate(self) -> float:
        """Mean over items."""
        return float(self.hits.mean())


def attack_features(
    checkpoint: Checkpoint | None,
    ratings: pl.DataFrame,
    *,
    source: str,
    method: str,
    epsilons: Sequence[float],
    norm: Norm,
    seed: int,
) -> AttackRow:
    """The attack on one source as a row: hit rates, and the curve over sizes."""
    named: dict[str, Any] = {
        "source": source, "surface": "embedding", "attack": method, "target": "recommender",
        "subject": SUBJECT, "seed": seed,
    }  # fmt: skip
    if checkpoint is None:
        return skip_reader(**named, reason=NO_MODEL)
    places = find_texts(checkpoint)
    if not places.size:
        return skip_reader(**named, reason=NO_TEXTS)
    clean, found = measure_features(
        checkpoint, ratings, places, method=cast(Method, method), epsilons=epsilons, norm=norm,
        seed=seed,
    )  # fmt: skip
    last, n = found[-1], len(checkpoint.names.items)
    risen = int((last.hits > clean.hits).sum())
    return make_reader_row(
        **named, measure="hit_rate_at_10", clean=clean.hit_rate, attacked=last.hit_rate,
        attempted=n, succeeded=risen, failed=n - risen, skipped={}, not_attempted={}, queries=None,
        detail={
            "norm": norm, "size_name": f"radius ({norm}; rows of features have mean length 1)",
            "damage_name": "rise of the hit rate",
            "curve": [[one.epsilon, one.hit_rate - clean.hit_rate] for one in found],
            "prediction_shift": last.shift, "mse": [clean.mse, last.mse],
        },
    )  # fmt: skip


def find_texts(checkpoint: Checkpoint) -> npt.NDArray[np.int64]:
    """Columns of item features that come from texts, none where the model gives them no weight."""
    names = checkpoint.names.item_columns
    places = np.array([k for k, name in enumerate(names) if name.startswith(TEXT)], dtype=np.int64)
    if not places.size:
        return places
    slopes = find_slopes(checkpoint.model, places)
    return places if np.abs(slopes).max() > 0 else places[:0]


def find_slopes(model: Recommender, places: npt.NDArray[np.int64]) -> Floats:
    """By how much each user's prediction rises per unit of each item feature, (users, features)."""
    known: Mapping[str, Floats] = model.parameters
    n_users, _ = model.inputs.shape
    slopes = np.zeros((n_users, model.inputs.item_features.shape[1]))
    if "item_features" in known:
        slopes = slopes + known["item_features"]
    if "cross" in known:
        slopes = slopes + model.inputs.user_features @ known["cross"]
    if "taste" in known:
        slopes = slopes + known["taste"]
    return np.asarray(slopes[:, places], dtype=np.float64)


def measure_features(
    checkpoint: Checkpoint,
    ratings: pl.DataFrame,
    places: npt.NDArray[np.int64],
    *,
    method: Method,
    epsilons: Sequence[float],
    norm: Norm,
    seed: int,
) -> tuple[FeatureDamage, list[FeatureDamage]]:
    """What is predicted undisturbed, and at each size; at most `MOST_USERS` users are asked."""
    model, names = checkpoint.model, checkpoint.names
    rng = np.random.default_rng(seed)
    asked = np.sort(rng.permutation(len(names.users))[:MOST_USERS])
    a, b = model.find_towers()
    grid, slopes = a[asked] @ b.T, find_slopes(model, places)[asked]
    known = code_ratings(checkpoint, ratings)
    vectors = np.asarray(model.inputs.item_features[:, places], dtype=np.float64)
    mean = slopes.mean(axis=0)
    all_slopes = find_slopes(model, places)
    found = []
    for number, epsilon in enumerate([0.0, *sorted(epsilons)]):
        moved = vectors
        if epsilon > 0:
            moved = perturb(
                vectors, lambda at: np.broadcast_to(mean, at.shape), lambda at: at @ mean,
                method=method, epsilon=epsilon, norm=norm,
                rng=np.random.default_rng([seed, number]),
            )  # fmt: skip
        rise = slopes @ (moved - vectors).T
        errors = None
        if len(known[0]):
            users, items, values = known
            own = ((moved - vectors)[items] * all_slopes[users]).sum(axis=1)
            errors = float(np.mean((model.predict(users, items) + own - values) ** 2))
        hits = count_hits(grid, rise)
        found.append(FeatureDamage(float(epsilon), float(rise.mean()), hits, errors))
    return found[0], found[1:]


def count_hits(grid: Floats, rise: Floats) -> Floats:
    """Share of users (items,) in whose top `K` each item stands when it alone is raised."""
    k = min(K, grid.shape[1])
    order = np.sort(grid, axis=1)
    last = order[:, -k][:, None]
    # an item of the top k competes with the one that would come in for it
    rival = order[:, -k - 1][:, None] if grid.shape[1] > k else np.full_like(last, -np.inf)
    bar = np.where(grid >= last, rival, last)
    return np.asarray((grid + rise > bar).mean(axis=0), dtype=np.float64)


def code_ratings(
    checkpoint: Checkpoint, ratings: pl.DataFrame
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Floats]:
    """Codes and values of the ratings of users and items that the recommender knows."""
    names = checkpoint.names
    sides = [
        pl.DataFrame(
            {key: list(ids), place: range(len(ids))}, schema={key: pl.String, place: pl.Int64}
        )
        for key, place, ids in (("user_id", "u", names.users), ("item_id", "i", names.items))
    ]
    joined = ratings.select("user_id", "item_id", "rating")
    for key, side in zip(("user_id", "item_id"), sides, strict=True):
        joined = joined.join(side, on=key, how="inner", maintain_order="left")
    return joined["u"].to_numpy(), joined["i"].to_numpy(), joined["rating"].to_numpy()
