"""What rows without a control keep of its confounding, read from moments."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from tasks.effects.basis import Basis, fit_basis
from tasks.effects.estimate import Row, Window, estimate_effects
from tasks.effects.holes import find_holes, weigh_holes
from tasks.effects.moments import Moments, panel_moments
from tasks.effects.panel import panel_spec, treatment_names

WINDOW = Window("shop", "28d", dt.date(2024, 3, 1), dt.date(2024, 3, 28))
ROWS = 6_000
TRUTH = 1.0


def draw_panel(seed: int, *, confounds: float, **lacking: float) -> pl.DataFrame:
    """A panel in which the price moves praise, blame and rating; columns lack in shares of the rows."""
    rng = np.random.default_rng(seed)
    price = np.exp(rng.normal(3, 0.5, ROWS))
    z = (np.log1p(price) - 3) * 2
    side = np.clip(np.round(rng.normal(size=ROWS) * 0.7 + 0.5 * confounds * z), -1, 1)
    frame = pl.DataFrame({
        "user_id": rng.integers(0, 900, ROWS).astype(str),
        "c__price_usd": price,
        "c__user__age": rng.normal(40, 10, ROWS),
        "c__user__height": rng.normal(170, 10, ROWS),
        "c__user_rating": rng.normal(4, 0.5, ROWS),
        "c__brand": rng.choice(["acme", "bolt", "core"], ROWS),
        "food__positive": (side == 1).astype(float),
        "food__negative": (side == -1).astype(float),
        "rating": 3 + TRUTH / 2 * side + confounds * z + rng.normal(size=ROWS),
    })  # fmt: skip
    for name, share in lacking.items():
        lacks = pl.Series(np.random.default_rng(seed + 1).random(ROWS) < share)
        frame = frame.with_columns(pl.when(lacks).then(None).otherwise(pl.col(name)).alias(name))
    return frame


def sum_panel(panel: pl.DataFrame) -> tuple[Basis, Moments]:
    basis = fit_basis(panel, panel_spec(panel))
    treatments = treatment_names(["food"])
    return basis, panel_moments(panel, basis, treatments=treatments, outcome="rating", n_buckets=60)


def estimate(panel: pl.DataFrame) -> Row:
    basis, moments = sum_panel(panel)

    def fit(left_out=()) -> list[Row]:
        return estimate_effects(moments, window=WINDOW, attributes=["food"], left_out=left_out)

    return weigh_holes(fit(), find_holes(basis, moments), fit)[0]


def test_a_hole_that_moves_an_effect_makes_it_weak() -> None:
    row = estimate(draw_panel(1, confounds=1.5, c__price_usd=0.3))
    whole = estimate(draw_panel(1, confounds=1.5))
    assert row["ci_low"] > TRUTH  # the effect is off by what the hole lets through
    assert row["verdict"] == "weak"
    (said,) = [one for one in row["reasons"] if "is missing in" in one]
    assert said.startswith("control price_usd is missing in ")
    foretold = float(said.split("by ")[1].split(",")[0])
    assert foretold == pytest.approx(row["estimate"] - whole["estimate"], rel=0.2)


@pytest.mark.parametrize(("confounds", "share"), [(0.0, 0.3), (0.8, 0.0), (0.8, 0.004)])
def test_a_hole_that_moves_nothing_is_no_fault(confounds: float, share: float) -> None:
    row = estimate(draw_panel(2, confounds=confounds, c__price_usd=share))
    assert row["ci_low"] < TRUTH < row["ci_high"]
    assert not [one for one in row["reasons"] if "is missing in" in one]
    assert row["verdict"] == "credible"


def test_what_lacks_together_is_one_hole_and_no_history_is_none() -> None:
    lacking = {"c__user__age": 0.2, "c__user__height": 0.2, "c__user_rating": 0.4, "c__brand": 0.1}
    holes = find_holes(*sum_panel(draw_panel(3, confounds=0.0, **lacking)))
    assert [hole.names for hole in holes] == [("age", "height"), ("brand",)]
    assert [round(hole.share, 1) for hole in holes] == [0.2, 0.1]
    assert "c__user__age" in holes[0].columns
    assert not [name for hole in holes for name in hole.columns if "missing" in name]
    assert find_holes(*sum_panel(draw_panel(3, confounds=0.0, c__price_usd=0.003))) == []


def test_left_out_controls_are_not_adjusted_for() -> None:
    basis, moments = sum_panel(draw_panel(4, confounds=0.8))
    everything = [name for name in basis.names if name.startswith("c__price_usd")]
    rows = estimate_effects(moments, window=WINDOW, attributes=["food"], left_out=everything)
    assert rows[0]["estimate"] == pytest.approx(rows[0]["naive"], abs=0.05)
    assert rows[0]["estimate"] > 1.5
