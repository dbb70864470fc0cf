"""Known experiments and corpora: found figures are held against published ones.

The data is never part of the project; the tests look for it at `WHYREC_REAL_DATA`, by default
`../shared/data`, and are skipped where it is absent.
"""

import os
from pathlib import Path

import polars as pl
import pytest

from tasks.effects.drivers import estimate_drivers
from tasks.effects.read import read_table
from tasks.effects.table.estimate import estimate_table

DATA = Path(os.environ.get("WHYREC_REAL_DATA", "../shared/data"))
LALONDE_CONTROLS = ["age", "educ", "black", "hisp", "marr", "nodegree", "re74", "re75"]
HILLSTROM_CONTROLS = ["recency", "history", "mens", "womens", "zip_code", "newbie", "channel"]


def find(name: str) -> Path:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{path} is absent; set WHYREC_REAL_DATA to the folder that holds {name}")
    return path


def test_lalonde_experiment_covers_its_1794_dollars():
    frame = read_table(find("lalonde/nsw_mixtape.dta"))
    answer = estimate_table(
        frame, outcome="re78", treatment="treat", controls=LALONDE_CONTROLS, is_experiment=True,
        estimators=("plr", "lin", "cuped", "diff"),
    )  # fmt: skip
    assert answer["naive"]["estimate"] == pytest.approx(1794.34, abs=0.01)
    for estimate in answer["estimates"]:
        assert estimate["ci_low"] < 1794 < estimate["ci_high"]
        assert estimate["ci_low"] > 0
    assert answer["verdict"] == "credible"


@pytest.mark.parametrize(("mail", "points"), [("Mens E-Mail", 7.66), ("Womens E-Mail", 4.52)])
def test_hillstrom_visits_rise_by_the_published_points(mail: str, points: float):
    frame = read_table(find("hillstrom/hillstrom.csv"))
    arms = frame.filter(pl.col("segment").is_in([mail, "No E-Mail"]))
    arms = arms.with_columns(is_mailed=pl.col("segment") == mail)
    answer = estimate_table(
        arms, outcome="visit", treatment="is_mailed", controls=HILLSTROM_CONTROLS,
        is_experiment=True, expected_share=0.5, estimators=("plr", "lin", "cuped", "diff"),
    )  # fmt: skip
    assert 100 * answer["naive"]["estimate"] == pytest.approx(points, abs=0.005)
    for estimate in answer["estimates"]:
        assert 100 * estimate["ci_low"] < points < 100 * estimate["ci_high"]
        assert 100 * estimate["std_error"] < 0.4
    assert answer["verdict"] == "credible"


def test_labelled_aspects_of_restaurant_reviews_move_less_than_naive_differences_say():
    frame = pl.read_ndjson(find("cebab_observational/reviews.jsonl"), infer_schema_length=None)
    aspects = ["food", "service", "ambiance", "noise"]
    frame = frame.rename({f"{name}_aspect_majority": name for name in aspects}).with_columns(
        pl.col("review_majority").replace("no majority", None).cast(pl.Float64, strict=False)
    )
    rows = estimate_drivers(frame, outcome="review_majority", attributes=aspects)
    naive = {row["attribute"]: row["naive"] for row in rows}
    assert naive == pytest.approx(
        {"food": 2.3, "service": 2.4, "ambiance": 2.0, "noise": 2.0}, abs=0.15
    )
    effects = {row["attribute"]: row["estimate"] for row in rows}
    assert all(0.3 < effects[name] < naive[name] - 0.3 for name in aspects)
    assert max(effects, key=lambda name: effects[name]) == "food"


def test_curved_simulated_effects_are_called_out():
    covariates = pl.read_csv(find("acic2016/x.csv"), infer_schema_length=None)
    outcome = pl.read_csv(find("acic2016/zymu_1.csv"), infer_schema_length=None)
    frame = covariates.hstack(outcome.select("z")).with_columns(
        y=pl.Series(outcome.select(pl.when(pl.col("z") == 1).then("y1").otherwise("y0")))
    )
    answer = estimate_table(
        frame, outcome="y", treatment="z", controls=covariates.columns, estimators=("plr",)
    )
    truth = float((outcome["mu1"] - outcome["mu0"]).mean())
    assert answer["verdict"] == "not credible"
    assert abs(answer["estimates"][0]["estimate"] - truth) < abs(
        answer["naive"]["estimate"] - truth
    )
