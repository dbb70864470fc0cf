"""A small world of reviews whose truth is known.

User u has a taste t_u ~ N(0, 1) and a mood m_u ~ N(0, 0.5^2); item i has a quality q_i ~ N(0, 1).
Each review sees x1 = t_u + noise and x2 = q_i + noise (both recorded), and for each attribute a
latent opinion o = 0.8 x1 + 0.6 x2 + N(0, 1.5^2): the top `rate` share mention the attribute
positively, the bottom share negatively. The rating is

    y = 4 + 0.5 x1 + 0.4 x2 + sum_a (theta_a+ positive_a + theta_a- negative_a) + m_u + N(0, 1)

so that theta_a+ - theta_a- is the true effect from negative to positive. The naive difference also
carries E[0.5 x1 + 0.4 x2 | positive] - E[... | negative]: with x1, x2 of variance 1.25 each, o has
variance 0.8^2 1.25 + 0.6^2 1.25 + 2.25 = 3.5 and covariance 0.5 0.8 1.25 + 0.4 0.6 1.25 = 0.8 with
the confounding part, so that it is off by 2 (0.8 / 3.5) E[o | top share] = 2 (0.8 / 1.87) 1.86 =
+1.6 stars at rate 0.08 (each normal tail has mean 1.86 deviations); mentions of the other
attributes, which share x1 and x2, push it further.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.effects.moments import INTERCEPT, Moments, compute_moments, stable_bucket
from tasks.effects.panel import treatment_names

FloatArray = NDArray[np.float64]
TRUTH = {"sound": (0.5, -0.7), "price": (0.2, -0.1), "shipping": (0.0, 0.0)}
CONTROLS = ("x1", "x2")


@dataclass(frozen=True, eq=False)
class World:
    """Rows of one world: `x` (n, 2), `d` (n, 6), `y` (n,), `user` (n,)."""

    x: FloatArray
    d: FloatArray
    y: FloatArray
    user: NDArray[np.int64]

    @property
    def columns(self) -> tuple[str, ...]:
        return (INTERCEPT, *CONTROLS, *treatment_names(list(TRUTH)), "rating")

    @property
    def design(self) -> FloatArray:
        return np.column_stack([np.ones(len(self.y)), self.x, self.d, self.y])

    @property
    def users(self) -> pl.Series:
        return pl.Series("user_id", [f"user-{u}" for u in self.user])

    def bucket(self, n_buckets: int) -> NDArray[np.int64]:
        return stable_bucket(self.users, n_buckets)

    def moments(self, n_buckets: int = 40) -> Moments:
        return compute_moments(
            self.design, self.bucket(n_buckets), columns=self.columns, n_buckets=n_buckets
        )

    def frame(self) -> pl.DataFrame:
        return pl.DataFrame(self.design[:, 1:], schema=list(self.columns[1:])).with_columns(
            self.users
        )


def make_world(
    rng: np.random.Generator,
    *,
    rows: int = 4000,
    users: int = 500,
    rate: float = 0.08,
    concentration: float = 0.5,
) -> World:
    """One world; user k writes a share of the reviews proportional to k ** -concentration."""
    share = np.arange(1, users + 1) ** -concentration
    user = rng.choice(users, rows, p=share / share.sum())
    item = rng.integers(0, 60, rows)
    taste, quality = rng.normal(size=users), rng.normal(size=60)
    x = np.column_stack([taste[user], quality[item]]) + rng.normal(scale=0.5, size=(rows, 2))
    y = 4 + x @ [0.5, 0.4] + rng.normal(scale=0.5, size=users)[user] + rng.normal(size=rows)
    d = np.zeros((rows, 2 * len(TRUTH)))
    for a, (positive, negative) in enumerate(TRUTH.values()):
        opinion = x @ [0.8, 0.6] + rng.normal(scale=1.5, size=rows)
        d[:, 2 * a] = opinion > np.quantile(opinion, 1 - rate)
        d[:, 2 * a + 1] = opinion < np.quantile(opinion, rate)
        y = y + d[:, 2 * a : 2 * a + 2] @ [positive, negative]
    return World(x, d, y, user.astype(np.int64))
