"""Refutation of a question of a table: what is true survives, each flaw is found."""

import numpy as np
import polars as pl
import pytest

from tasks.effects.credibility import Rules
from tasks.effects.table.answer import Options
from tasks.effects.table.estimate import estimate_table
from tasks.effects.table.question import ask
from tasks.effects.table.refute import deal_anew, refute_question

OPTIONS = Options("ate", 0.95, 1.0, is_experiment=False, rules=Rules())


def make_table(rng, n=2000, *, effect=0.5):
    """x1 causes treatment and outcome; the naive slope is off by 2 cov(x1, d) / var(d)."""
    x1, x2 = rng.normal(size=(2, n))
    d = (0.6 * x1 + rng.normal(size=n) > 0).astype(int)
    y = effect * d + 2 * x1 + rng.normal(size=n)
    day, user = np.arange(n) % 30, rng.integers(0, 200, n)
    return pl.DataFrame({"x1": x1, "x2": x2, "d": d, "y": y, "day": day, "user": user})


def refuted(frame, *, time=None, negatives=(), cluster=None, controls=("x1", "x2")):
    question = ask(
        frame, outcome="y", treatment="d", controls=list(controls), cluster=cluster, folds=5,
        max_levels=20,
    )  # fmt: skip
    answer = refute_question(
        question,
        OPTIONS,
        time=None if time is None else frame[time].to_numpy().astype(float)[question.row],
        negatives={name: frame[name].to_numpy().astype(float)[question.row] for name in negatives},
    )
    return answer, {line["refuter"]: line for line in answer["refutations"]}


def test_a_true_effect_survives_every_refuter():
    frame = make_table(np.random.default_rng(1))
    answer, lines = refuted(frame, time="day", cluster="user")
    assert answer["verdict"] == "credible"
    assert {line["result"] for name, line in lines.items() if name != "negative_control"} == {
        "passed"
    }
    assert abs(lines["placebo"]["refuted"]) < 0.1
    assert lines["random_cause"]["refuted"] == pytest.approx(
        answer["estimate"]["estimate"], abs=0.02
    )


def test_a_confounder_left_out_moves_a_negative_control():
    frame = make_table(np.random.default_rng(2)).with_columns(
        before=pl.col("x1") + 0.1 * pl.col("x2")
    )
    answer, lines = refuted(frame, controls=("x2",), negatives=("before",))
    assert lines["negative_control"]["result"] == "failed"
    assert answer["verdict"] == "not credible"
    _, lines = refuted(frame, controls=("x1", "x2"), negatives=("before",))
    assert lines["negative_control"]["result"] == "passed"


def test_an_effect_that_turns_over_in_time_is_weak():
    frame = make_table(np.random.default_rng(3)).with_columns(
        y=pl.col("y") - 2 * pl.col("d") * (pl.col("day") > 14)
    )
    answer, lines = refuted(frame, time="day", cluster="user")
    assert lines["time"]["result"] == "weak"
    assert "earlier half" in lines["time"]["reason"]
    assert answer["verdict"] == "weak"


def test_two_waves_of_unequal_size_are_told_apart_in_time():
    """Six tenths are of the second wave: the median is that wave, and no row is later."""
    frame = make_table(np.random.default_rng(4))
    frame = frame.with_columns(wave=(pl.col("day") >= 12).cast(pl.Int64), one=1)
    turned = frame.with_columns(y=pl.col("y") - pl.col("wave") * pl.col("d"))
    _, lines = refuted(turned, time="wave", cluster="user")
    assert (lines["time"]["result"], lines["time"]["refuted"]) == (
        "weak", pytest.approx(-1.0, abs=0.3),
    )  # fmt: skip
    _, lines = refuted(frame, time="one", cluster="user")
    assert lines["time"]["note"] == "all rows are of one time"


def test_copies_of_rows_pass_the_placebo_when_they_are_one_cluster():
    """Every row ten times over, with its treatment: dealt out whole, as they were."""
    frame = pl.concat([make_table(np.random.default_rng(4), n=150)] * 10)
    frame = frame.with_columns(copy=pl.Series(np.arange(1500) % 150))
    _, lines = refuted(frame, cluster="copy")
    assert lines["placebo"]["result"] == "passed"


def test_treatments_of_whole_clusters_are_dealt_out_whole():
    rng = np.random.default_rng(5)
    frame = make_table(rng).with_columns(d=pl.col("user") % 2)
    question = ask(
        frame, outcome="y", treatment="d", controls=["x1"], cluster="user", folds=5, max_levels=20
    )
    dealt = deal_anew(question, rng)
    per_user = (
        pl.DataFrame({"user": frame["user"].to_numpy()[question.row], "d": dealt})
        .group_by("user")
        .agg(pl.col("d").n_unique())
    )
    assert per_user["d"].max() == 1
    assert not np.array_equal(dealt, question.treatment)


def test_sensitivity_names_the_control_that_matters():
    _, lines = refuted(make_table(np.random.default_rng(6)))
    assert lines["sensitivity"]["benchmarks"][0]["control"] == "x1"
    assert "x1" in lines["sensitivity"]["reason"]
    _, lines = refuted(make_table(np.random.default_rng(6)), controls=())
    assert lines["sensitivity"]["result"] == "not applicable"


def test_what_cannot_be_tried_says_why():
    _, lines = refuted(make_table(np.random.default_rng(7)))
    assert lines["time"]["note"] == "no time column was named"
    assert lines["negative_control"]["note"] == "no negative control was named"
    frame = make_table(np.random.default_rng(7)).with_columns(gap=pl.lit(None, dtype=pl.Float64))
    _, lines = refuted(frame, negatives=("gap",))
    assert "gaps" in lines["negative_control"]["note"]


def test_what_speaks_against_an_estimate_speaks_against_one_that_is_tried():
    frame = make_table(np.random.default_rng(21))
    randomised = frame.with_columns(d=pl.Series(np.random.default_rng(1).integers(0, 2, 2000)))
    answer, lines = refuted(randomised, controls=())
    assert "failed" not in {line["result"] for line in lines.values()}
    assert answer["verdict"] == "weak"
    assert any("no controls" in reason for reason in answer["reasons"])
    few = randomised.with_columns(user=pl.int_range(pl.len()) % 2)
    assert refuted(few, cluster="user")[0]["verdict"] == "not credible"


def test_what_learners_say_against_an_estimate_counts_where_all_refuters_passed():
    frame = make_table(np.random.default_rng(1))
    question = ask(
        frame, outcome="y", treatment="d", controls=["x1", "x2"], cluster=None, folds=5,
        max_levels=20,
    )  # fmt: skip
    held = []

    def disagree(main, options):
        held.append((main.interval, options))
        return [("weak", "balance disagrees")]

    answer = refute_question(question, OPTIONS, check=disagree)
    assert (answer["verdict"], answer["reasons"][0]) == ("weak", "balance disagrees")
    assert vars(held[0][0]) == pytest.approx(answer["estimate"])
    assert held[0][1] is OPTIONS
    agreed = refute_question(question, OPTIONS, check=lambda *_: [("credible", "balance agrees")])
    assert agreed["verdict"] == "credible"
    assert "balance agrees" in agreed["reasons"]
    known = ask(
        frame.with_columns(before=pl.col("x1")), outcome="y", treatment="d", controls=["x2"],
        cluster=None, folds=5, max_levels=20,
    )  # fmt: skip
    before = frame["x1"].to_numpy()[known.row]
    failed = refute_question(known, OPTIONS, negatives={"before": before}, check=disagree)
    assert failed["verdict"] == "not credible"
    assert len(held) == 1


def test_a_control_with_holes_weighs_on_what_is_tried_as_on_what_is_estimated():
    """x1 is missing in a third of the rows, which are adjusted for in part."""
    frame = make_table(np.random.default_rng(1)).with_columns(
        x1=pl.when(pl.int_range(pl.len()) % 3 == 0).then(None).otherwise(pl.col("x1"))
    )
    said = estimate_table(
        frame, outcome="y", treatment="d", controls=["x1", "x2"], estimators=["plr"]
    )
    answer, _ = refuted(frame)
    assert said["verdict"] == answer["verdict"] == "weak"
    assert set(said["reasons"]) <= set(answer["reasons"])
