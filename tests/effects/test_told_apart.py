"""Levels that share a column, told apart: what confounds is found, what does not is let be."""

from datetime import date

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm

from tasks.effects.basis import Basis, BasisSpec, fit_basis
from tasks.effects.estimate import HEADLINE, Row, Window, estimate_effects
from tasks.effects.gaps import find_gaps
from tasks.effects.moments import panel_moments
from tasks.effects.panel import treatment_names
from tasks.effects.told_apart import tell_apart, weigh_gaps

ATTRIBUTES = ("food", "noise")
SPEC = BasisSpec(numeric=("c__x",), categorical=("c__kind",), max_levels=4)
WINDOW = Window("s", "all", date(2024, 1, 1), date(2024, 3, 30))


def make_panel(seed: int, *, rows: int = 6000, pull: float, kinds: int = 40) -> pl.DataFrame:
    """Praise of food is worth .5 stars, a complaint -.5; `pull`: how far a kind moves both, and the rating."""
    rng = np.random.default_rng(seed)
    kind = np.minimum(rng.geometric(0.08, rows), kinds)
    lean = rng.normal(size=kinds + 1)[kind]
    x = rng.normal(size=rows)
    sides = {}
    for name in ATTRIBUTES:
        score = 0.3 * x + pull * lean + rng.normal(size=rows)
        sides |= {f"{name}__positive": score > 0.7, f"{name}__negative": score < -0.9}
    said = sides["food__positive"].astype(float) - sides["food__negative"]
    rating = 3 + 0.5 * said + 0.4 * x + pull * lean + rng.normal(size=rows)
    return pl.DataFrame(
        {
            "user_id": [f"u{user}" for user in rng.integers(0, rows // 3, rows)],
            "c__x": x, "c__kind": [f"k{one}" for one in kind],
            **{name: values.astype(float) for name, values in sides.items()},
            "rating": rating,
        }
    )  # fmt: skip


def tell(panel: pl.DataFrame, basis: Basis) -> list[Row]:
    return tell_apart(panel, basis, attributes=ATTRIBUTES, outcome="rating")


def conclude(panel: pl.DataFrame, *, told_on: pl.DataFrame | None = None) -> dict[str, Row]:
    """Headline rows by attribute, with what shared levels are found to move in `told_on`."""
    basis = fit_basis(panel, SPEC)
    moments = panel_moments(
        panel, basis, treatments=treatment_names(ATTRIBUTES), outcome="rating", n_buckets=40
    )
    rows = estimate_effects(moments, window=WINDOW, attributes=ATTRIBUTES)
    assert find_gaps(basis, moments), "or there is nothing to tell apart"
    told = tell(panel if told_on is None else told_on, basis)
    weighed = weigh_gaps(rows, basis, moments, told)
    return {row["attribute"]: row for row in weighed if row["contrast"] == HEADLINE}


@pytest.mark.filterwarnings(
    "ignore:The design matrix is rank-deficient"
)  # (other) is the dummies' sum
def test_it_is_what_dummies_of_the_levels_do_to_least_squares():
    panel = make_panel(1, rows=3000, pull=0.3)
    basis = fit_basis(panel, SPEC)
    counts = panel["c__kind"].value_counts()
    kept = panel.filter(
        pl.col("c__kind").is_in(counts.filter(pl.col("count") > 1)["c__kind"].to_list())
    )
    names = list(treatment_names(ATTRIBUTES))
    known = np.column_stack([np.ones(kept.height), kept.select(names), basis.transform(kept)])
    (term,) = [one for one in basis.terms if one.name == "c__kind"]
    small = kept["c__kind"].to_numpy()
    dummies = [small == kind for kind in sorted(set(small) - set(term.levels))]
    y = kept["rating"].to_numpy()
    plain = sm.OLS(y, known).fit().params[1:5]
    apart = sm.OLS(y, np.column_stack([known, *dummies])).fit().params[1:5]
    moved = dict(zip(names, apart - plain, strict=True))
    for row in tell(panel, basis):
        sides = {"positive": moved[f"{row['attribute']}__positive"],
                 "negative": moved[f"{row['attribute']}__negative"]}  # fmt: skip
        sides[HEADLINE] = sides["positive"] - sides["negative"]
        assert row["by"] == pytest.approx(sides[row["contrast"]], rel=1e-8)
        assert (row["n"], row["levels"]) == (kept.height, len(dummies))


def test_small_levels_that_confound_speak_against_the_effects():
    for seed in range(3):
        row = conclude(make_panel(seed, pull=0.6))["food"]
        assert row["estimate"] > 1.1, "the truth is 1, and is missed"
        assert row["verdict"] in ("weak", "not credible")
        assert any("told apart in" in reason and "wide" in reason for reason in row["reasons"])


def test_small_levels_that_do_not_confound_are_let_be():
    for seed in range(3):
        for row in conclude(make_panel(seed, pull=0.0)).values():
            assert row["verdict"] == "credible"
            assert any("change little (" in reason for reason in row["reasons"])


def test_nothing_told_leaves_them_weak():
    panel = make_panel(5, pull=0.0)
    row = conclude(panel, told_on=panel.head(0))["food"]
    assert row["verdict"] == "weak"
    assert any(
        reason.endswith("raise effects.max_levels, or group them") for reason in row["reasons"]
    )


def test_few_reviews_tell_too_little_of_many():
    many = make_panel(6, rows=40_000, pull=0.0)
    row = conclude(many, told_on=make_panel(7, rows=500, pull=0.0))["food"]
    assert row["verdict"] == "weak"
    assert any("too little known beside" in reason for reason in row["reasons"])


def test_what_is_told_is_beyond_chance_as_seldom_as_it_should_be():
    """Levels that do not confound: differences of the size of chance, told by their errors."""
    ratios = []
    for seed in range(40):
        panel = make_panel(100 + seed, rows=1500, pull=0.0)
        found = tell(panel, fit_basis(panel, SPEC))
        ratios += [row["by"] / row["std_error"] for row in found if row["contrast"] == HEADLINE]
    assert len(ratios) == 80
    assert 0.8 < np.std(ratios) < 1.25


def test_a_panel_without_the_control_tells_nothing():
    panel = make_panel(8, rows=600, pull=0.0)
    basis = fit_basis(panel, SPEC)
    assert tell(panel, basis)
    assert tell(panel.head(3), basis) == []
    assert tell(panel.with_columns(c__kind=pl.lit("k1")), basis) == []


def test_levels_of_single_reviews_tell_nothing_of_the_others():
    panel = make_panel(9, rows=3000, pull=0.0)
    basis = fit_basis(panel, SPEC)
    assert tell(panel, basis)
    named = {level for term in basis.terms if term.name == "c__kind" for level in term.levels}
    is_own = pl.col("c__kind").is_in(list(named)) | (pl.int_range(pl.len()) % 3 == 0)
    scattered = panel.with_columns(
        c__kind=pl.when(is_own)
        .then("c__kind")
        .otherwise(pl.concat_str(pl.lit("x"), pl.int_range(pl.len())))
    )
    assert tell(scattered, basis) == []
