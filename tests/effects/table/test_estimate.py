"""One question of any table: right numbers, clear refusals."""

import datetime as dt
import json
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest
import statsmodels.api as sm

from tasks.effects.read import read_table
from tasks.effects.table.estimate import estimate_table
from tasks.effects.table.question import ask as make_question
from tasks.platform.errors import ConfigError, EstimationError, InputError

ROWS = 3000


def make_table(rng: np.random.Generator, rows: int = ROWS) -> pl.DataFrame:
    """Treatment t raises y by exactly 2; x confounds it, g is a group of rows with a common shock."""
    x, g = rng.normal(size=rows), rng.integers(0, rows // 10, rows)
    t = (0.6 * x + rng.normal(size=rows) > 0).astype(int)
    y = 2 * t + 1.5 * x + rng.normal(size=rows // 10)[g] + rng.normal(size=rows)
    return pl.DataFrame(
        {"y": y, "t": t, "x": x, "g": g, "dose": t * 3.0 + rng.normal(size=rows),
         "colour": rng.choice(["red", "green", "blue"], rows)}
    )  # fmt: skip


def ask(frame: pl.DataFrame, **given) -> dict:
    asked = {
        "outcome": "y", "treatment": "t", "controls": ["x"], "estimators": ("plr", "diff"),
        "is_checked": False,
    }  # fmt: skip
    return estimate_table(frame, **(asked | given))


def test_the_answer_has_the_promised_shape_and_is_json():
    answer = ask(make_table(np.random.default_rng(1)), cluster="g")
    assert json.loads(json.dumps(answer, allow_nan=False)) == answer
    assert set(answer) >= {
        "outcome", "treatment", "n", "naive", "estimates", "overlap", "verdict", "reasons",
    }  # fmt: skip
    assert set(answer["naive"]) >= {"estimate", "ci_low", "ci_high"}
    for estimate in answer["estimates"]:
        assert set(estimate) >= {
            "estimator", "estimand", "estimate", "std_error", "ci_low", "ci_high", "n",
        }  # fmt: skip
    assert {"min_propensity", "max_propensity", "effective_sample_size"} <= set(answer["overlap"])


def test_plr_finds_the_truth_and_the_difference_does_not():
    answer = ask(make_table(np.random.default_rng(2)), cluster="g")
    plr, diff = answer["estimates"]
    assert (plr["estimator"], diff["estimator"]) == ("plr", "diff")
    assert plr["ci_low"] < 2 < plr["ci_high"]
    assert plr["std_error"] < 0.1
    assert diff["ci_low"] > 2.8
    assert answer["verdict"] == "credible"


def test_the_difference_is_that_of_the_means_with_clustered_errors():
    frame = make_table(np.random.default_rng(3))
    answer = ask(frame, cluster="g", estimators=["diff"])
    means = frame.group_by("t").agg(pl.col("y").mean()).sort("t")["y"]
    assert answer["naive"]["estimate"] == pytest.approx(means[1] - means[0], rel=1e-9)
    peer = sm.OLS(frame["y"].to_numpy(), sm.add_constant(frame["t"].to_numpy())).fit(
        cov_type="cluster", cov_kwds={"groups": frame["g"].to_numpy()}
    )
    # the jackknife of 300 clusters is a little wider than the first-order sandwich
    assert answer["estimates"][0]["std_error"] == pytest.approx(peer.bse[1], rel=0.03)


def test_rows_without_a_cluster_column_are_clusters_of_their_own():
    frame = make_table(np.random.default_rng(4))
    answer = ask(frame, estimators=["diff"])
    hc3 = sm.OLS(frame["y"].to_numpy(), sm.add_constant(frame["t"].to_numpy())).fit(cov_type="HC3")
    error = answer["estimates"][0]["std_error"]
    assert error == pytest.approx(hc3.bse[1], rel=1e-3)
    alone = ask(frame.with_row_index("row"), estimators=["diff"], cluster="row")
    assert alone["estimates"][0]["std_error"] == pytest.approx(error, rel=1e-12)


def test_a_numeric_treatment_has_an_effect_per_unit():
    rng = np.random.default_rng(5)
    x = rng.normal(size=ROWS)
    dose = 100 + 7 * x + rng.normal(scale=5, size=ROWS)
    frame = pl.DataFrame(
        {"x": x, "dose": dose, "y": 1e4 + 30 * dose - 90 * x + rng.normal(size=ROWS)}
    )
    answer = ask(frame, treatment="dose")
    assert answer["estimates"][0]["estimate"] == pytest.approx(30, abs=0.1)
    assert answer["overlap"]["min_propensity"] is None


def test_a_curved_confounder_is_accounted_for():
    rng = np.random.default_rng(6)
    x = rng.uniform(-2, 2, ROWS)
    t = (x**2 + rng.normal(size=ROWS) > 1.3).astype(int)
    frame = pl.DataFrame({"x": x, "t": t, "y": t + 2 * x**2 + rng.normal(size=ROWS)})
    plr = ask(frame)["estimates"][0]
    assert plr["estimate"] == pytest.approx(1.0, abs=0.2)


def test_an_effect_that_is_the_same_for_all_is_seldom_said_to_differ():
    said = 0
    for seed in range(30):
        answer = ask(make_table(np.random.default_rng(seed), rows=800), cluster="g")
        said += answer["verdict"] != "credible" and "puts the average" in answer["reasons"][0]
    assert said <= 3


def test_units_do_not_matter():
    frame = make_table(np.random.default_rng(7))
    other = frame.with_columns(y=pl.col("y") * 1e6 + 1e9, t=pl.col("t") + 5)
    one, two = (ask(table)["estimates"][0] for table in (frame, other))
    for key in ("estimate", "std_error", "ci_low"):
        assert two[key] == pytest.approx(1e6 * one[key], rel=1e-6)


def test_missing_rows_are_dropped_and_counted():
    frame = make_table(np.random.default_rng(8)).with_columns(
        y=pl.when(pl.int_range(pl.len()) < 7).then(None).otherwise("y"),
        t=pl.when(pl.int_range(pl.len()).is_between(5, 9)).then(None).otherwise("t"),
        x=pl.when(pl.int_range(pl.len()) % 4 == 0).then(float("nan")).otherwise("x"),
    )
    answer = ask(frame)
    assert answer["n"] == ROWS - 10
    assert "7 rows without y were dropped" in answer["reasons"]
    assert "3 rows without t were dropped" in answer["reasons"]


def test_text_controls_become_levels_and_booleans_treat():
    frame = make_table(np.random.default_rng(9)).with_columns(t=pl.col("t") == 1)
    answer = ask(frame, controls=["x", "colour"])
    assert answer["estimates"][0]["estimate"] == pytest.approx(2, abs=0.2)


def test_no_overlap_is_not_credible_and_says_what_to_ask_instead():
    rng = np.random.default_rng(10)
    x = np.r_[rng.normal(3, 0.7, 150), rng.normal(0, 1, 2000)]
    t = np.r_[np.ones(150), np.zeros(2000)]
    frame = pl.DataFrame({"x": x, "t": t, "y": x + t + rng.normal(size=2150)})
    answer = ask(frame)
    assert answer["verdict"] == "not credible"
    assert "no overlap" in answer["reasons"][0]
    assert "effect on the treated" in answer["reasons"][0]


def test_without_controls_it_is_weak_unless_it_was_an_experiment():
    frame = make_table(np.random.default_rng(11)).with_columns(
        t=pl.Series(np.random.default_rng(1).integers(0, 2, ROWS))
    )
    assert ask(frame, controls=[])["verdict"] == "weak"
    assert ask(frame, controls=[], is_experiment=True)["verdict"] == "credible"


def test_an_effect_that_differs_between_rows_is_said():
    rng = np.random.default_rng(12)
    x = rng.normal(size=6000)
    t = (rng.random(6000) < 1 / (1 + np.exp(-2 * x))).astype(int)
    frame = pl.DataFrame({"x": x, "t": t, "y": t * (1 + 2 * x**2) + rng.normal(size=6000)})
    answer = ask(frame)  # the average effect is 3, among the undecided it is less
    assert answer["verdict"] == "weak"
    said = answer["reasons"][0].partition("puts the average at ")[2]
    assert 2.7 < float(said) < 3.2


def test_the_answer_does_not_depend_on_other_columns_or_on_when_it_is_asked():
    frame = make_table(np.random.default_rng(13))
    assert ask(frame) == ask(frame.select("y", "t", "x"))


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"outcome": "yy"}, InputError, "'yy'.*did you mean"),
        ({"controls": ["nowhere"]}, InputError, "nowhere"),
        ({"cluster": "nowhere"}, InputError, "nowhere"),
        ({"cluster": ""}, InputError, "no column ''"),
        ({"treatment": "y"}, ConfigError, "both outcome and treatment"),
        ({"controls": ["t"]}, ConfigError, "treatment t is named as a control"),
        ({"controls": ["y"]}, ConfigError, "outcome y is named as a control"),
        ({"outcome": "colour"}, InputError, "must be numbers or ISO dates, found String such as"),
        ({"estimators": ["magic"]}, ConfigError, "allowed are plr, dml, irm"),
        ({"estimators": []}, ConfigError, "allowed are plr, dml, irm"),
        ({"estimand": "att"}, ConfigError, "none of"),
    ],
)
def test_wrong_arguments_are_refused_with_what_is_right(given, error, words):
    with pytest.raises(error, match=words):
        ask(make_table(np.random.default_rng(14), rows=100), **given)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"t": pl.lit(1)}, "t is 1 in all 100 rows"),
        ({"y": pl.lit(3.5)}, "y is 3.5 in all 100 rows"),
        ({"y": pl.lit(None, dtype=pl.Float64)}, "0 of 100 rows have both"),
        ({"y": pl.lit(float("nan"))}, "0 of 100 rows have both"),
        ({"x": pl.col("t")}, "fully explained by the controls"),
        ({"x": 5 - 2 * pl.col("t")}, "fully explained by the controls"),
        ({"x": pl.col("t").cast(pl.String)}, "fully explained by the controls"),
    ],
)
def test_questions_without_an_answer_are_refused(changes, words):
    frame = make_table(np.random.default_rng(15), rows=100).with_columns(**changes)
    with pytest.raises(EstimationError, match=words):
        ask(frame)


def test_one_cluster_is_refused():
    frame = make_table(np.random.default_rng(16), rows=100).with_columns(g=pl.lit("only"))
    with pytest.raises(EstimationError, match="share one g"):
        ask(frame, cluster="g")


@pytest.mark.parametrize("rows", [10, 13, 40])
def test_small_tables_never_look_credible(rows: int):
    rng = np.random.default_rng(17)
    frame = pl.DataFrame(
        {"t": [i % 2 for i in range(rows)], "x": rng.normal(size=rows), "y": rng.normal(size=rows)}
    )
    answer = ask(frame)
    assert answer["verdict"] in ("weak", "not credible")
    json.dumps(answer, allow_nan=False)


def test_fewer_clusters_than_folds_are_managed_and_marked():
    frame = make_table(np.random.default_rng(18)).with_columns(g=pl.int_range(pl.len()) % 3)
    answer = ask(frame, cluster="g")
    assert answer["verdict"] in ("weak", "not credible")
    assert any("few users" in reason or "few clusters" in reason for reason in answer["reasons"])


def test_an_arm_of_three_rows_is_not_credible():
    frame = make_table(np.random.default_rng(19), rows=400)
    frame = frame.with_columns(t=(pl.int_range(pl.len()) % 140 == 1).cast(pl.Int64))
    assert ask(frame)["verdict"] == "not credible"


@pytest.mark.slow
def test_intervals_cover_in_small_samples():
    covered = []
    for seed in range(80):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=120)
        t = (x + rng.normal(size=120) > 0.8).astype(int)
        frame = pl.DataFrame({"x": x, "t": t, "y": t + x + rng.normal(size=120) * (1 + t)})
        plr = ask(frame, estimators=["plr"])["estimates"][0]
        covered.append(plr["ci_low"] <= 1 <= plr["ci_high"])
    assert 0.90 < np.mean(covered) < 0.995


def test_csv_parquet_and_stata_give_one_answer(tmp_path: Path):
    frame = make_table(np.random.default_rng(20), rows=300)
    frame.write_csv(tmp_path / "a.csv")
    frame.write_csv(tmp_path / "a.tsv", separator="\t")
    frame.write_parquet(tmp_path / "a.parquet")
    frame.to_pandas().to_stata(tmp_path / "a.dta", write_index=False)
    answers = [
        ask(read_table(tmp_path / f"a.{kind}"), controls=["x", "colour"], cluster="g")
        for kind in ("csv", "tsv", "parquet", "dta")
    ]
    plr = [answer["estimates"][0]["estimate"] for answer in answers]
    np.testing.assert_allclose(plr, plr[0], rtol=1e-9)


def test_labels_of_stata_become_levels_but_two_valued_ones_stay_numbers(tmp_path: Path):
    table = pd.DataFrame(
        {
            "arm": pd.Categorical(["control", "treated"] * 5),
            "town": pd.Categorical(list("abcde") * 2),
        }
    )
    table.to_stata(tmp_path / "a.dta", write_index=False)
    frame = read_table(tmp_path / "a.dta")
    assert frame["arm"].dtype.is_numeric()
    assert frame["town"].to_list() == list("abcde") * 2


def test_missing_marks_of_a_csv_are_missing(tmp_path: Path):
    (tmp_path / "a.csv").write_text("y,t\n1.5,0\nNA,1\n,1\nnan,0\n2,1\n")
    assert read_table(tmp_path / "a.csv")["y"].null_count() == 3


def test_what_cannot_be_read_is_refused_by_name(tmp_path: Path):
    (tmp_path / "a.parquet").write_bytes(b"PAR1 not really")
    (tmp_path / "a.dta").write_bytes(b"\x00" * 50)
    (tmp_path / "empty.csv").write_bytes(b"")
    (tmp_path / "a.xlsx").write_bytes(b"")
    for name, error, words in (
        ("none.csv", InputError, "there is no file"),
        ("a.parquet", InputError, "could not be read"),
        ("a.dta", InputError, "could not be read"),
        ("empty.csv", InputError, "could not be read"),
        ("a.xlsx", ConfigError, "allowed are .csv"),
        ("", InputError, "not a file"),
    ):
        with pytest.raises(error, match=words):
            read_table(tmp_path / name)


def test_dates_may_be_controls():
    frame = make_table(np.random.default_rng(21), rows=400).with_columns(
        day=pl.lit(dt.date(2024, 1, 1)) + pl.duration(days=pl.int_range(pl.len()) % 90)
    )
    assert ask(frame, controls=["x", "day"])["estimates"][0]["estimate"] is not None


def make_stores(rng: np.random.Generator, *, stores: int, rows: int) -> pl.DataFrame:
    """No effect; how good a store is moves both treatment and outcome."""
    store, quality = rng.integers(0, stores, rows), rng.normal(size=stores)
    is_treated = rng.random(rows) < 1 / (1 + np.exp(-1.2 * quality[store]))
    y = quality[store] + rng.normal(size=rows)
    return pl.DataFrame({"store": [f"S{at}" for at in store], "d": is_treated, "y": y})


def test_category_of_many_levels_is_adjusted_for_where_the_table_is_large_enough():
    hits = []
    for seed in range(6):
        frame = make_stores(np.random.default_rng(seed), stores=60, rows=2400)
        answer = estimate_table(
            frame,
            outcome="y",
            treatment="d",
            controls=["store"],
            estimators=["plr"],
            is_checked=False,
        )
        found = answer["estimates"][0]
        assert abs(found["estimate"]) < 0.15 < 0.5 < found["naive"]
        assert not any("adjusted for in part" in reason for reason in answer["reasons"])
        hits.append(found["ci_low"] <= 0 <= found["ci_high"])
    assert sum(hits) >= 4


def test_category_that_is_adjusted_for_in_part_makes_an_estimate_less_credible():
    frame = make_stores(np.random.default_rng(1), stores=400, rows=2400)
    asked = {"outcome": "y", "treatment": "d", "controls": ["store"]}
    answer = estimate_table(frame, **asked, estimators=["plr"], is_checked=False)
    assert answer["verdict"] == "not credible", (
        "the others differ by more than the interval is wide"
    )
    said = [reason for reason in answer["reasons"] if "adjusted for in part" in reason]
    assert len(said) == 1
    assert "levels, with 84%" in said[0]
    few = frame.with_columns(store=pl.col("store").str.head(2))  # S1 to S9
    answer = estimate_table(few, **asked, estimators=["plr"], is_checked=False)
    assert not any("adjusted for in part" in reason for reason in answer["reasons"])


def test_control_of_which_every_level_is_rare_is_said_to_adjust_for_nothing():
    rng = np.random.default_rng(10)
    frame = pl.DataFrame(
        {"id": [f"k{i}" for i in range(300)], "d": np.arange(300) % 2, "y": rng.normal(size=300)}
    )
    answer = estimate_table(frame, outcome="y", treatment="d", controls=["id"], estimators=["diff"])
    assert any("id adjusts for nothing" in note and "300" in note for note in answer["reasons"])


def test_a_control_may_be_called_count():
    rng = np.random.default_rng(0)
    frame = make_table(rng).with_columns(count=pl.Series([f"c{at}" for at in range(ROWS)]))
    reasons = ask(frame, controls=["count"], estimators=["plr"])["reasons"]
    assert any("control count adjusts for nothing" in reason for reason in reasons)


def test_a_difference_beside_controls_is_no_credible_effect():
    plr, diff = ask(make_table(np.random.default_rng(31)))["estimates"]
    assert (plr["verdict"], diff["verdict"]) == ("credible", "weak")
    assert "adjusts for no control" in diff["reasons"][0]
    randomised = make_table(np.random.default_rng(31)).with_columns(
        t=pl.Series(np.random.default_rng(1).integers(0, 2, ROWS))
    )
    answer = ask(randomised, is_experiment=True, estimators=["diff"])
    assert answer["estimates"][0]["verdict"] == "credible"


@pytest.mark.parametrize(
    ("clusters", "verdict"), [(2, "not credible"), (5, "weak"), (300, "credible")]
)
def test_every_estimator_needs_clusters_enough(clusters: int, verdict: str):
    rng = np.random.default_rng(32)
    frame = make_table(rng).with_columns(g=pl.int_range(pl.len()) % clusters)
    frame = frame.with_columns(t=pl.Series(rng.integers(0, 2, ROWS)))
    answer = ask(frame, cluster="g", is_experiment=True, estimators=["diff", "lin"])
    assert {one["verdict"] for one in answer["estimates"]} == {verdict}


def test_a_stray_code_in_a_treatment_is_said():
    frame = make_table(np.random.default_rng(33)).with_columns(
        t=pl.when(pl.int_range(pl.len()) % 100 == 7).then(9).otherwise("t")
    )
    answer = ask(frame)
    assert answer["verdict"] == "weak"
    (said,) = (reason for reason in answer["reasons"] if "values from" in reason)
    assert "3 values from 0 to 9: the effect is the slope" in said
    assert "9 in 30 rows" in said


def test_a_dose_of_many_values_is_no_code():
    answer = ask(make_table(np.random.default_rng(34)), treatment="dose")
    assert answer["verdict"] == "credible"
    assert any("straight line per unit" in reason for reason in answer["reasons"])


def test_flags_of_experiments_ask_for_one():
    frame = make_table(np.random.default_rng(35), rows=100)
    with pytest.raises(ConfigError, match=r"--expected-share .* add --experiment"):
        ask(frame, expected_share=0.5)
    with pytest.raises(ConfigError, match=r"lin: .* --experiment"):
        ask(frame, estimators=["lin"])


def test_doses_that_were_dealt_out_by_chance_need_no_controls():
    rng = np.random.default_rng(0)
    d = rng.integers(0, 3, 2_000)
    frame = pl.DataFrame({"d": d, "y": 0.5 * d + rng.normal(size=2_000)})
    asked = {"outcome": "y", "treatment": "d"}
    answer = estimate_table(frame, **asked, is_experiment=True)
    assert (answer["headline"], answer["verdict"]) == ("diff", "credible")
    assert not any("no controls" in reason for reason in answer["reasons"])
    assert any("no controls" in reason for reason in estimate_table(frame, **asked)["reasons"])
    with pytest.raises(ConfigError, match="of two values, and this one has 3"):
        estimate_table(frame, **asked, is_experiment=True, expected_share=0.5)


def test_an_outcome_too_fine_for_arithmetic_is_refused():
    frame = make_table(np.random.default_rng(36), rows=100)
    with pytest.raises(EstimationError, match="in another unit"):
        ask(frame.with_columns(y=pl.col("y") * 1e-300))


def test_infinite_outcomes_are_dropped_by_name():
    frame = make_table(np.random.default_rng(37), rows=200).with_columns(
        y=pl.when(pl.int_range(pl.len()) < 3).then(float("inf"))
        .when(pl.int_range(pl.len()) < 5).then(None).otherwise("y")
    )  # fmt: skip
    assert "5 rows without y were dropped, of them 3 where it is infinite" in ask(frame)["reasons"]


def test_clusters_that_are_no_number_are_dropped_and_counted():
    frame = make_table(np.random.default_rng(38), rows=400).with_columns(
        g=pl.when(pl.int_range(pl.len()) % 2 == 0)
        .then(float("nan"))
        .otherwise(pl.col("g").cast(float))
    )
    answer = ask(frame, cluster="g")
    assert answer["n"] == 200
    assert "200 rows without g were dropped" in answer["reasons"]


@pytest.mark.parametrize("kind", [pl.Float64, pl.String])
def test_a_control_that_is_missing_in_many_rows_makes_an_estimate_weak(kind):
    frame = make_table(np.random.default_rng(39))
    half = frame.with_columns(
        x=pl.when(pl.int_range(pl.len()) % 2 == 0).then("x").round(0).cast(kind)
    )
    answer = ask(half, estimators=["plr"])
    assert answer["verdict"] == "weak"
    assert any("x is missing in 50% of the rows" in reason for reason in answer["reasons"])
    few = frame.with_columns(
        x=pl.when(pl.int_range(pl.len()) % 50 != 0).then("x").round(0).cast(kind)
    )
    answer = ask(few, estimators=["plr"])
    assert answer["verdict"] == "credible"
    assert any("x is missing in 2.0% of the rows" in reason for reason in answer["reasons"])


def test_a_column_that_is_there_twice_is_refused_where_it_is_asked_for(tmp_path: Path):
    (tmp_path / "a.csv").write_text("y,t,x,x\n" + "1.5,0,1,2\n2,1,2,1\n" * 10)
    frame = read_table(tmp_path / "a.csv")
    with pytest.raises(InputError, match="x is there more than once"):
        ask(frame)
    assert ask(frame, controls=[], estimators=["diff"])["n"] == 20


def test_dates_of_a_csv_are_dates(tmp_path: Path):
    (tmp_path / "a.csv").write_text(
        "day,at,bad,us,name\n"
        "2024-01-31,2024-01-31T10:00,2024-02-30,01/31/2024,2024-01-31 or so\n"
        ",2024-02-01 10:00,2024-01-31,02/01/2024,\n"
    )
    frame = read_table(tmp_path / "a.csv")
    assert frame["day"].to_list() == [dt.date(2024, 1, 31), None]
    assert frame["at"].dtype == pl.Datetime("us", "UTC")
    assert frame["at"].null_count() == 0
    assert {frame[name].dtype for name in ("bad", "us", "name")} == {pl.String}


def test_quotes_in_the_name_of_a_column_are_single(tmp_path: Path):
    (tmp_path / "a.csv").write_text('"my ""x"" col",y\n1,2\n')
    assert read_table(tmp_path / "a.csv").columns == ['my "x" col', "y"]


@pytest.mark.parametrize(("sign", "word"), [(";", "semicolons"), ("\t", "tabs"), ("|", "bars")])
def test_another_separator_is_named(tmp_path: Path, sign: str, word: str):
    (tmp_path / "a.csv").write_text(sign.join("ytx") + "\n" + sign.join("123") + "\n")
    with pytest.raises(InputError, match=f"is it separated by {word}"):
        read_table(tmp_path / "a.csv")


@pytest.mark.slow
def test_untreated_who_never_are_treated_do_not_speak_against_the_effect_on_the_treated():
    rng = np.random.default_rng(40)
    x = np.r_[rng.normal(size=550), rng.normal(-8, 0.5, 550)]  # over 1,000 rows are dealt once
    t = (rng.random(1100) < 1 / (1 + np.exp(-x))).astype(int)
    frame = pl.DataFrame({"x": x, "t": t, "y": x + t + rng.normal(size=1100)})
    question = make_question(
        frame, outcome="y", treatment="t", controls=["x"], cluster=None, folds=5, max_levels=20
    )
    asked = {"estimators": ["irm", "forest", "ipw"], "question": question}
    for one in ask(frame, estimand="att", **asked)["estimates"]:
        assert not any("chance of treatment" in reason for reason in one["reasons"])
        assert one["clipped"] == 0
    for one in ask(frame, **asked)["estimates"]:
        assert any("have a chance of treatment beyond" in reason for reason in one["reasons"])


def test_an_experiment_on_users_is_not_called_broken_for_their_many_rows():
    """Rows alone would say p = 2e-25 of the ratio, and 7e-22 of the balance."""
    rng = np.random.default_rng(39)
    user = np.repeat(np.arange(200), rng.integers(5, 60, 200))
    arm, z, mood = rng.integers(0, 2, 200), rng.normal(size=200), rng.normal(size=200)
    x = z[user] + 0.3 * rng.normal(size=len(user))
    y = x + 0.3 * arm[user] + mood[user] + rng.normal(size=len(user))
    frame = pl.DataFrame({"y": y, "d": arm[user], "x": x, "user": user})
    answer = estimate_table(
        frame, outcome="y", treatment="d", controls=["x"], cluster="user", is_experiment=True,
        expected_share=0.5,
    )  # fmt: skip
    assert answer["verdict"] == "credible"


def test_an_experiment_on_users_needs_no_covariates():
    rng = np.random.default_rng(0)
    user = np.repeat(np.arange(60), 5)
    d = rng.integers(0, 2, 60)[user]
    frame = pl.DataFrame({"user": user, "d": d, "y": d + rng.normal(size=300)})
    asked = {"outcome": "y", "treatment": "d", "cluster": "user", "is_experiment": True}
    answer = estimate_table(frame, **asked)
    assert (answer["headline"], answer["verdict"]) == ("lin", "credible")


@pytest.mark.parametrize("role", ["controls", "cluster", "outcome", "treatment"])
@pytest.mark.parametrize(
    "kind", [pl.List(pl.Float64), pl.Array(pl.Float64, 2), pl.Struct({"a": pl.Float64})]
)
def test_a_column_of_lists_or_fields_is_refused_by_name(role: str, kind: pl.DataType) -> None:
    frame = make_table(np.random.default_rng(0), rows=200)
    tags = [{"a": 1.0}] * 200 if kind == pl.Struct else [[1.0, 2.0]] * 200
    frame = frame.with_columns(tags=pl.Series(tags, dtype=kind))
    with pytest.raises(
        InputError, match=r"column tags holds (List|Array|Struct)\(.*one number or text a row"
    ):
        ask(frame, **{role: ["tags"] if role == "controls" else "tags"})


def test_bytes_that_are_text_are_read_as_text_and_others_are_refused(tmp_path: Path) -> None:
    frame = make_table(np.random.default_rng(0), rows=200).with_columns(
        kind=pl.Series([b"caf\xc3\xa9", b"bar"] * 100), blob=pl.Series([b"\xff\x00"] * 200)
    )
    frame.write_parquet(tmp_path / "a.parquet")
    read = read_table(tmp_path / "a.parquet")
    assert read["kind"].unique().sort().to_list() == ["bar", "café"]
    with pytest.raises(InputError, match="column blob holds Binary"):
        ask(read, controls=["blob"])


@pytest.mark.parametrize("unit", ["us", "ms", "ns"])
def test_lengths_of_time_are_seconds(tmp_path: Path, unit: str) -> None:
    rng = np.random.default_rng(0)
    d = rng.integers(0, 2, 400)
    stay = 90.5 * d + rng.normal(600, 20, 400).round(1)
    frame = pl.DataFrame({"d": d, "stay": stay})
    whole = pl.col("stay").mul(1e6).round().cast(pl.Int64).cast(pl.Duration("us"))
    frame.with_columns(whole.cast(pl.Duration(unit))).write_parquet(tmp_path / "a.parquet")
    read = read_table(tmp_path / "a.parquet")
    assert read["stay"].to_list() == pytest.approx(stay.tolist(), abs=1e-9)
    naive = estimate_table(read, outcome="stay", treatment="d", estimators=["diff"])["naive"]
    assert naive["ci_low"] < 90.5 < naive["ci_high"] < 100


@pytest.mark.parametrize(
    ("zero", "one"),
    [("no", "yes"), ("N", "Y"), (" False", "TRUE "), ("control", "Treatment"), ("f", "t")],
)
def test_words_for_nought_and_one_are_read_as_such(zero: str, one: str):
    frame = make_table(np.random.default_rng(9), 500).with_columns(
        buy=(pl.col("y") > 1).cast(pl.Int64)
    )
    said = frame.with_columns(
        pl.when(pl.col(name) == 1).then(pl.lit(one)).otherwise(pl.lit(zero)).alias(name)
        for name in ("t", "buy")
    )
    answer, known = ask(said, outcome="buy"), ask(frame, outcome="buy")
    assert [row["estimate"] for row in answer["estimates"]] == [
        row["estimate"] for row in known["estimates"]
    ]
    told = f"of t, {one.strip().lower()!r} is read as 1 and {zero.strip().lower()!r} as 0"
    assert told in answer["reasons"]


@pytest.mark.parametrize("words", [("no", "yes", "maybe"), ("control", "yes"), ("red", "blue")])
def test_other_words_are_refused(words: tuple[str, ...]):
    frame = make_table(np.random.default_rng(9), 500)
    said = frame.with_columns(t=pl.Series([words[row % len(words)] for row in range(500)]))
    with pytest.raises(InputError, match="must be numbers or ISO dates"):
        ask(said)


def test_one_word_of_a_pair_is_a_treatment_that_does_not_vary():
    frame = make_table(np.random.default_rng(9), 500).with_columns(t=pl.lit("yes"))
    with pytest.raises(EstimationError, match="t is 1"):
        ask(frame)


def test_a_parquet_file_that_polars_panics_on_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    duckdb.sql(f"COPY (SELECT 1 AS d, INTERVAL 1 DAY AS stay) TO '{path}'")
    with pytest.raises(InputError, match=r"a\.parquet could not be read"):
        read_table(path)
