"""Small worlds to attack, and a conclusion simple enough to work out by hand."""

import datetime as dt
from collections.abc import Mapping
from functools import cache

import numpy as np
import polars as pl

from flows.attacks.target import MomentsTarget, make_target
from tasks.ingest.sample import ATTRIBUTE_NAMES, WorldSpec, simulate
from tasks.robustness.corpus import SAYS, Corpus, make_corpus
from tasks.robustness.effects import Conclusion

START = dt.date(2024, 3, 1)


@cache
def toy_corpus(*, n_users: int = 60, n_items: int = 20, n_days: int = 28, seed: int = 0) -> Corpus:
    """Random reviews: items differ by up to a star, users write 2 to 8 reviews, praise adds half a star."""
    rng = np.random.default_rng(seed)
    user = np.repeat(np.arange(n_users), rng.integers(2, 9, n_users))
    n = len(user)
    item = np.minimum(rng.geometric(0.12, n) - 1, n_items - 1)
    says = rng.integers(-1, 2, n)
    mean = 3 + np.linspace(-0.5, 0.5, n_items)[item] + 0.5 * says
    rating = np.clip(np.round(mean + rng.normal(0, 0.5, n)), 1, 5)
    days = rng.integers(n_days, size=n)
    frame = pl.DataFrame(
        {
            "review_id": [f"r{at:04d}" for at in range(n)],
            "user_id": [f"u{code:03d}" for code in user],
            "item_id": [f"i{code:03d}" for code in item],
            "event_date": [START + dt.timedelta(days=int(day)) for day in days],
            "rating": rating,
            "text": [f"{rng.integers(10**12)} {rng.integers(10**12)}" for _ in range(n)],
            "is_verified": rng.random(n) < 0.5,
            f"{SAYS}price": says,
        }
    )
    return make_corpus(frame, ["price"])


class MeanTarget:
    """Mean rating where the price is praised, less that where it is blamed; no controls."""

    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus
        self.asked = 0

    def conclude(self, fakes: pl.DataFrame | None = None, weights=None) -> Mapping[str, Conclusion]:
        self.asked += 1
        rows = self.corpus.frame if fakes is None else pl.concat([self.corpus.frame, fakes])
        w = np.ones(rows.height) if weights is None else weights
        y, s = rows["rating"].to_numpy(), rows[f"{SAYS}price"].to_numpy()
        means, variances = [], []
        for side in (1, -1):
            own = w * (s == side)
            mean = (own @ y) / own.sum()
            means.append(mean)
            variances.append((own @ (y - mean) ** 2) / own.sum() ** 2)
        gap, error = means[0] - means[1], float(np.sqrt(sum(variances)))
        return {"price": Conclusion("credible", gap, error, gap - 2 * error, gap + 2 * error)}

    def gradient(self, attribute, candidates, fakes=None):
        rows = self.corpus.frame if fakes is None else pl.concat([self.corpus.frame, fakes])
        y, s = candidates["rating"].to_numpy(), candidates[f"{SAYS}price"].to_numpy()
        pull = np.zeros(len(y))
        for side in (1, -1):
            own = rows.filter(pl.col(f"{SAYS}price") == side)["rating"]
            pull += np.where(s == side, side * (y - own.mean()) / len(own), 0.0)
        return pull


@cache
def sample_target(seed: int = 7, n_days: int = 30) -> MomentsTarget:
    """The sample world, its attributes as they truly are."""
    world = simulate(WorldSpec(seed=seed, n_days=n_days))
    reviews = world.reviews.select(
        pl.format("r{}", pl.int_range(pl.len()).cast(pl.String).str.zfill(7)).alias("review_id"),
        "user_id", "item_id",
        (pl.lit(world.spec.first_date) + pl.duration(days="day")).alias("event_date"),
        pl.col("rating").cast(pl.Float64), "text", pl.lit(True).alias("is_verified"),
        *(pl.col(name).alias(SAYS + name) for name in ATTRIBUTE_NAMES),
    )  # fmt: skip
    features = pl.struct("segment", "strictness").struct.json_encode().alias("features")
    return make_target(
        reviews, attributes=ATTRIBUTE_NAMES, items=world.items,
        users=world.users.select("user_id", features),
    )  # fmt: skip
