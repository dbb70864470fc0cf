"""What a position does to the click, from published exposures, as rows beside the other effects."""

import math
from typing import Any, Final

import polars as pl

from tasks.effects.estimate import Row, Window
from tasks.effects.moments import stable_bucket
from tasks.effects.ope.position import estimate_position_bias
from tasks.platform.errors import WhyrecError

OUTCOME: Final = "is_clicked"
MAX_ROWS: Final = 100_000
"""More exposures than these are thinned by a hash of their user, so that users stay whole."""
_EVEN: Final = 1.5
_MIN_RANDOM: Final = 20_000
"""A policy drew at random if its chances differ by no more than this, over so many exposures."""


def estimate_positions(exposures: pl.DataFrame, *, window: Window, confidence: float) -> list[Row]:
    """Effect of every position against the first, in clicks per exposure, as rows of marts.effects.

    The policy that chose is a context: it decides both what is shown and where. Where one policy
    drew at random, only its exposures are used, and nothing needs to be assumed. No rows where the
    exposures have no positions or too few of them.
    """
    kept = exposures.filter(pl.col("position").is_not_null())
    kept = thin_users(pick_random(kept), MAX_ROWS)
    if kept.height == 0 or kept["position"].n_unique() < 2:
        return []
    context = ["policy"] if kept["policy"].drop_nulls().n_unique() > 1 else []
    try:
        found = estimate_position_bias(
            kept, action="item_id", reward=OUTCOME, position="position", cluster="user_id",
            propensity="propensity" if kept["propensity"].null_count() == 0 else None,
            context=context, confidence=confidence,
        )  # fmt: skip
    except WhyrecError:
        return []
    return [_to_row(one, window) for one in found]


def pick_random(exposures: pl.DataFrame) -> pl.DataFrame:
    """Exposures of the policy that drew at random, if there is one with enough of them.

    Its chances are all but equal (they change as items come and go) and are given as equal.
    """
    if exposures.height == 0 or exposures["propensity"].null_count():
        return exposures
    spread = exposures.group_by("policy").agg(
        pl.len().alias("n"),
        (pl.col("propensity").max() / pl.col("propensity").min()).alias("ratio"),
    )
    even = spread.filter((pl.col("ratio") < _EVEN) & (pl.col("n") >= _MIN_RANDOM))
    even = even.sort("n", "policy")  # of two equally large ones always the same
    if even.height == 0:
        return exposures
    drawn = exposures.filter(pl.col("policy").eq_missing(even["policy"][-1]))
    return drawn.with_columns(propensity=pl.lit(drawn["propensity"].median()))


def thin_users(exposures: pl.DataFrame, most: int) -> pl.DataFrame:
    """A fixed share of the users, so that about `most` rows are left."""
    if exposures.height <= most:
        return exposures
    parts = math.ceil(exposures.height / most)
    return exposures.filter(pl.Series(stable_bucket(exposures["user_id"], parts) == 0))


def _to_row(found: dict[str, Any], window: Window) -> Row:
    numbers = (
        "estimate", "std_error", "ci_low", "ci_high", "naive", "naive_ci_low", "naive_ci_high",
        "p_value",
    )  # fmt: skip
    return {
        "source": window.source,
        "window": window.name,
        "window_start": window.start,
        "window_end": window.end,
        "outcome": OUTCOME,
        "attribute": f"position {found['position']}",
        "contrast": f"against position {found['reference']}",
        "estimator": "aipw",
        "estimand": "ate",
        **{name: found[name] for name in numbers},
        "n": found["n"] + found["n_reference"],
        "n_positive": found["n"],
        "n_negative": found["n_reference"],
        "q_value": None,
        "robustness_value": None,
        "variance_left": None,
        "effective_clusters": None,
        "verdict": found["verdict"],
        "reasons": found["reasons"],
    }
