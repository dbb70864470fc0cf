"""Segments and tests of one table."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from flows.desk.questions import estimate_source
from tasks.effects.credibility import Rules
from tasks.effects.learned.nuisance import Nuisances
from tasks.effects.table import segments as table_segments
from tasks.effects.table.answer import Options
from tasks.effects.table.flexible import learn
from tasks.effects.table.pooled import estimate_tests
from tasks.effects.table.question import ask
from tasks.effects.table.segments import estimate_table_segments
from tasks.platform.errors import ConfigError, InputError

OPTIONS = Options("ate", 0.95, 1.0, is_experiment=False, rules=Rules())


def make_table(rng, n=3000, *, effects=(0.2, 0.8)):
    """Effect by group; x causes treatment and outcome, and odd groups start a point higher."""
    group = rng.integers(0, len(effects), n)
    x = rng.normal(size=n)
    d = (x + rng.normal(size=n) > 0.5 * (group % 2)).astype(int)
    y = np.array(effects)[group] * d + x + group % 2 + rng.normal(size=n)
    names = np.array([f"g{i}" for i in range(len(effects))])[group]
    return pl.DataFrame({"x": x, "d": d, "y": y, "group": names})


def segments_of(frame):
    question = ask(
        frame, outcome="y", treatment="d", controls=["x"], cluster=None, folds=5, max_levels=20
    )
    return estimate_table_segments(question, OPTIONS, frame["group"])


def test_effects_of_segments_are_found_and_said_to_differ():
    found = segments_of(make_table(np.random.default_rng(1)))
    levels = {one["level"]: one for one in found["levels"]}
    for name, truth in (("g0", 0.2), ("g1", 0.8)):
        assert levels[name]["ci_low"] < truth < levels[name]["ci_high"]
    assert found["heterogeneity"]["p_value"] < 0.001
    assert found["reason"].startswith("effects differ by group")


def test_equal_effects_are_seldom_said_to_differ():
    """100 worlds at 5%: more than 11 is one in 100."""
    said = 0
    for seed in range(100):
        found = segments_of(make_table(np.random.default_rng(seed), n=400, effects=(0.5, 0.5)))
        said += found["heterogeneity"]["p_value"] < 0.05
    assert said <= 11


def test_rows_that_were_dropped_do_not_shift_the_segments():
    frame = make_table(np.random.default_rng(2))
    holes = frame.with_columns(
        y=pl.when(pl.int_range(pl.len()) < 500).then(None).otherwise(pl.col("y"))
    )
    left = {one["level"]: one["estimate"] for one in segments_of(frame[500:])["levels"]}
    found = {one["level"]: one["estimate"] for one in segments_of(holes)["levels"]}
    assert found == pytest.approx(left, abs=0.05)


def test_one_level_cannot_be_compared():
    found = segments_of(make_table(np.random.default_rng(3), effects=(0.5,)))
    assert found["heterogeneity"] is None
    assert "cannot be compared" in found["reason"]


def make_trials(rng, effects):
    parts = []
    for number, effect in enumerate(effects):
        d = rng.integers(0, 2, 500)
        parts.append(
            pl.DataFrame({"t": f"t{number}", "d": d, "y": effect * d + rng.normal(size=500)})
        )
    return pl.concat(parts)


def test_tests_are_shown_one_by_one_and_pooled():
    frame = make_trials(np.random.default_rng(4), [0.5, 0.5, 0.5, 0.5])
    answer = estimate_tests(frame, "t", outcome="y", treatment="d", is_experiment=True)
    assert [one["test"] for one in answer["tests"]] == ["t0", "t1", "t2", "t3"]
    widths = [one["ci_high"] - one["ci_low"] for one in answer["tests"]]
    pooled = answer["pooled"]
    assert pooled["ci_low"] < 0.5 < pooled["ci_high"]
    assert pooled["ci_high"] - pooled["ci_low"] < 0.6 * min(widths)
    apart = estimate_tests(
        make_trials(np.random.default_rng(5), [-1.0, 1.0, 3.0]), "t", outcome="y", treatment="d",
        is_experiment=True,
    )  # fmt: skip
    assert apart["pooled"]["reason"].startswith("the tests differ")


def test_rows_of_no_test_are_counted():
    frame = make_trials(np.random.default_rng(4), [0.5, 0.5])
    asked = {"outcome": "y", "treatment": "d", "is_experiment": True}
    assert "rows without" not in estimate_tests(frame, "t", **asked)["pooled"]["reason"]
    holed = frame.with_columns(t=pl.when(pl.int_range(pl.len()) % 10 > 0).then("t"))
    answer = estimate_tests(holed, "t", **asked)
    assert answer["pooled"]["reason"].endswith("; 100 rows without t are in none of them")
    assert sum(one["n"] for one in answer["tests"]) == 900


def test_a_test_that_cannot_be_estimated_is_listed_and_not_pooled():
    frame = make_trials(np.random.default_rng(6), [0.5, 0.5]).with_columns(
        pl.col("d").cast(pl.Int64)
    )
    dead = frame.head(50).with_columns(t=pl.lit("dead"), d=pl.lit(1, dtype=pl.Int64))
    answer = estimate_tests(
        pl.concat([frame, dead]), "t", outcome="y", treatment="d", is_experiment=True
    )
    by_name = {one["test"]: one for one in answer["tests"]}
    assert by_name["dead"]["verdict"] == "no result"
    assert by_name["dead"]["estimate"] is None
    assert "nothing to compare" in by_name["dead"]["reasons"][0]
    with pytest.raises(ConfigError, match="pooling needs 2"):
        estimate_tests(frame.head(500), "t", outcome="y", treatment="d", is_experiment=True)
    with pytest.raises(InputError, match="no column"):
        estimate_tests(frame, "trial", outcome="y", treatment="d", is_experiment=True)


def draw_trials(seed: int, *, shares: list[float], levels: list[float]) -> pl.DataFrame:
    """Tests in which the treatment adds 0.3, is dealt to such shares and has such outcomes without it."""
    rng = np.random.default_rng(seed)
    parts = []
    for number, (share, level) in enumerate(zip(shares, levels, strict=True)):
        d = (rng.random(800) < share).astype(int)
        y = level + 0.3 * d + rng.normal(size=800)
        parts.append(pl.DataFrame({"d": d, "t": f"t{number}", "y": y}))
    return pl.concat(parts)


@pytest.mark.parametrize(
    ("shares", "levels", "verdict"),
    [
        ([0.3, 0.7], [0.0, 1.0], "not credible"),
        ([0.5, 0.5], [0.0, 1.0], "credible"),
        ([0.3, 0.7], [0.0, 0.0], "credible"),
    ],
)
def test_tests_that_treat_other_shares_of_other_rows_are_no_one_experiment(
    tmp_path: Path, shares: list[float], levels: list[float], verdict: str
) -> None:
    file = tmp_path / "trials.csv"
    draw_trials(7, shares=shares, levels=levels).write_csv(file)
    answer = estimate_source(
        str(file), {"outcome": "y", "treatment": "d", "controls": (), "cluster": None},
        tests="t", is_experiment=True,
    )  # fmt: skip
    assert answer["pooled"]["ci_low"] < 0.3 < answer["pooled"]["ci_high"]
    assert answer["verdict"] == verdict
    assert {one["verdict"] for one in answer["estimates"]} == {verdict}
    is_said = answer["reasons"][0].startswith("tests differ in how many are treated and in their")
    assert is_said == (verdict != "credible")
    assert (answer["estimates"][0]["ci_low"] > 0.45) == is_said


def test_a_broken_test_that_is_pooled_is_named():
    frame = draw_trials(8, shares=[0.5, 0.5, 0.5], levels=[0.0, 0.0, 0.0])
    how = {"outcome": "y", "treatment": "d", "is_experiment": True, "expected_share": 0.5}
    sound = estimate_tests(frame, "t", **how)["pooled"]
    assert sound["verdict"] == "credible"
    assert "not credible" not in sound["reason"]
    is_lost = (pl.col("t") == "t1") & (pl.col("d") == 1) & (pl.col("y") < 0)
    pooled = estimate_tests(frame.filter(~is_lost), "t", **how)["pooled"]
    assert pooled["verdict"] == "weak"
    assert "pooled, but not credible by itself: t1; find out why" in pooled["reason"]
    alone = estimate_tests(frame, "t", **(how | {"expected_share": 0.9}))["pooled"]
    assert alone["verdict"] == "not credible"


def test_weak_tests_that_are_pooled_are_named_and_weigh_by_their_share():
    frame = draw_trials(8, shares=[0.5, 0.5, 0.5], levels=[0.0, 0.0, 0.0])
    pooled = estimate_tests(frame, "t", outcome="y", treatment="d")["pooled"]  # no controls
    assert pooled["verdict"] == "weak"
    assert "pooled, but weak by itself: t0, t1, t2; weigh" in pooled["reason"]
    how = {"outcome": "y", "treatment": "d", "is_experiment": True}
    small = (pl.col("t") != "t1") | (pl.int_range(pl.len()).over("t") < 45)  # a weak one of 45 rows
    pooled = estimate_tests(frame.filter(small), "t", **how)["pooled"]
    assert pooled["verdict"] == "credible"
    assert "pooled, but weak by itself: t1; weigh" in pooled["reason"]


@pytest.fixture(scope="module")
def varied():
    """Within a group the effect grows with x, and so does the chance of treatment.

    Given are what is said by estimand, and treatment, effects and groups of the rows. What is learned
    hangs on no estimand, and is learned once.
    """
    rng = np.random.default_rng(12)
    n = 1400
    group, x = rng.integers(0, 2, n), rng.normal(size=n)
    d = (rng.random(n) < 1 / (1 + np.exp(-x))).astype(int)
    effect = (1 + group) * (1 + x)
    y = effect * d + x + 2 * group + rng.normal(size=n)
    names = np.where(group == 1, "b", "a")
    frame = pl.DataFrame({"x": x, "d": d, "y": y, "group": names})
    question = ask(
        frame, outcome="y", treatment="d", controls=["x"], cluster=None, folds=5, max_levels=20
    )
    splits = []

    def learn_once(*given):
        if not splits:
            splits.extend(learn(*given))
        return splits

    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table_segments, "learn", learn_once)
        for estimand in ("att", "atc"):
            options = replace(OPTIONS, estimand=estimand)
            found[estimand] = estimate_table_segments(question, options, frame["group"])
    return found, d, effect, names


@pytest.mark.parametrize("estimand", ["att", "atc"])
@pytest.mark.slow
def test_segments_answer_the_average_that_is_asked_for(estimand, varied):
    answers, d, effect, names = varied
    found = answers[estimand]
    assert (found["estimator"], found["estimand"]) == ("irm", estimand)
    is_asked = d == (estimand == "att")
    assert len(found["levels"]) == 2
    for level in found["levels"]:
        truth = effect[is_asked & (names == level["level"])].mean()
        assert abs(level["estimate"] - truth) < 3 * level["std_error"]
        assert level["std_error"] < 0.25
        assert abs(level["estimate"] - (2 if level["level"] == "b" else 1)) > 2 * level["std_error"]
    assert found["heterogeneity"]["p_value"] < 0.01


@pytest.mark.slow
def test_segments_with_equal_effects_on_the_treated_are_not_said_to_differ():
    """Seven differences: in this world errors half or twice as large leave the range."""
    frame = make_table(np.random.default_rng(103), n=800, effects=(0.5,) * 8)
    question = ask(
        frame, outcome="y", treatment="d", controls=["x"], cluster=None, folds=5, max_levels=20
    )
    found = estimate_table_segments(
        question, replace(OPTIONS, estimand="att", repeats=1), frame["group"]
    )
    assert all(level["estimate"] is not None for level in found["levels"])
    assert len(found["levels"]) == 8
    assert 0.05 < found["heterogeneity"]["p_value"] < 0.95


def test_a_segment_whose_arm_is_thin_has_no_effect_on_the_treated():
    """Clusters are two, so that there are two folds to learn."""
    frame = make_table(np.random.default_rng(12), n=100).with_columns(
        shop=pl.int_range(pl.len()) % 2,
        d=pl.when(pl.col("group") == "g1")
        .then(pl.int_range(pl.len()) < 6)
        .otherwise(pl.col("d") == 1)
        .cast(pl.Int64),
    )
    question = ask(
        frame, outcome="y", treatment="d", controls=["x"], cluster="shop", folds=5, max_levels=20
    )
    found = estimate_table_segments(
        question, replace(OPTIONS, estimand="att", repeats=1), frame["group"]
    )
    (thin,) = (level for level in found["levels"] if level["level"] == "g1")
    assert thin["estimate"] is None
    assert "10 are needed" in thin["reason"]
    (other,) = (level for level in found["levels"] if level["level"] == "g0")
    assert other["estimate"] is not None
    assert found["heterogeneity"] is None


def make_answer(estimator, *, low=-10.0, high=10.0):
    """An answer about all rows by one estimator, with an interval."""
    middle = (low + high) / 2
    one = {"estimator": estimator, "estimate": middle, "ci_low": low, "ci_high": high}
    return {"headline": estimator, "estimates": [one]}


def ask_plainly(frame, controls=("x",), cluster=None):
    return ask(
        frame, outcome="y", treatment="d", controls=list(controls), cluster=cluster, folds=5,
        max_levels=20,
    )  # fmt: skip


def test_segments_by_lines_are_adjusted_for_bends_as_the_effect_on_all_rows_is():
    """Treatment and outcome follow cos 2x; without its bend the effect of 1 looks like 2.2."""
    rng = np.random.default_rng(0)
    n = 1200
    x, group = rng.uniform(-3, 3, n), rng.choice(["a", "b"], n)
    wave = np.cos(2 * x)
    d = (rng.random(n) < 1 / (1 + np.exp(-1.5 * wave))).astype(int)
    frame = pl.DataFrame({"y": d + 2 * wave + rng.normal(size=n), "d": d, "x": x})
    found = estimate_table_segments(ask_plainly(frame), OPTIONS, pl.Series("group", group))
    assert len(found["levels"]) == 2
    for level in found["levels"]:
        assert abs(level["estimate"] - 1) < 3 * level["std_error"] < 0.5


def test_segments_by_lines_refuse_a_level_whose_arm_is_thin():
    frame = make_table(np.random.default_rng(12), n=400, effects=(0.2, 0.8, 0.8))
    is_thin = pl.col("group") == "g1"
    frame = frame.with_columns(
        d=pl.when(is_thin).then(is_thin.cum_sum() <= 9).otherwise(pl.col("d") == 1).cast(pl.Int64)
    )
    levels = {one["level"]: one for one in segments_of(frame)["levels"]}
    assert levels["g1"]["estimate"] is None
    assert levels["g1"]["reason"] == "9 rows in the smaller arm; 10 are needed"
    assert levels["g0"]["estimate"] is not None
    assert levels["g2"]["estimate"] is not None
    doses = frame.with_columns(d=pl.col("d") + pl.col("x").round(1))
    assert all(one["estimate"] is not None for one in segments_of(doses)["levels"])


@pytest.fixture
def lopsided(monkeypatch):
    """Where x is over 0.3 the effect is 4 and next to all are treated, else 0 and every other one.

    Levels are pure chance; the average is 1.53, and lines see 0.8. Nothing is learned: the models
    are told the truth.
    """
    rng = np.random.default_rng(5)
    n = 1500
    x, group = rng.normal(size=n), rng.choice(["a", "b"], n)
    chance = np.where(x > 0.3, 0.93, 0.5)
    d = (rng.random(n) < chance).astype(int)
    effect = np.where(x > 0.3, 4.0, 0.0)
    y = x + effect * d + rng.normal(size=n)

    def tell(question, *_):
        ours, theirs = x[question.row] - y.mean(), effect[question.row]
        return [Nuisances(ours, ours + theirs, chance[question.row], {"truth": theirs}, {})]

    monkeypatch.setattr(table_segments, "learn", tell)
    shop = np.where(group == "a", 0, 1 + np.arange(n) % 50)
    return pl.DataFrame({"x": x, "d": d, "y": y, "group": group, "shop": shop}), effect


@pytest.mark.parametrize("name", ["balance", "irm", "forest", "ipw"])
def test_segments_beside_an_average_are_averages(name, lopsided):
    frame, effect = lopsided
    found = estimate_table_segments(
        ask_plainly(frame), OPTIONS, frame["group"], beside=make_answer(name)
    )
    assert (found["estimator"], found["estimand"]) == ("irm", "ate")
    for level in found["levels"]:
        truth = effect[(frame["group"] == level["level"]).to_numpy()].mean()
        assert abs(level["estimate"] - truth) < 3 * level["std_error"] < 0.6


def test_segments_beside_one_effect_for_all_are_lines_and_say_so(lopsided):
    frame, _ = lopsided
    question = ask_plainly(frame)
    lines = estimate_table_segments(question, OPTIONS, frame["group"])
    no_average = make_answer("plr")
    no_average["estimates"].append({"estimator": "balance", "estimate": None})
    for beside in (make_answer("plr"), no_average):
        found = estimate_table_segments(question, OPTIONS, frame["group"], beside=beside)
        assert found["estimator"] == "plr"
        assert found["levels"] == lines["levels"]


def test_a_level_of_one_cluster_has_no_average_and_leaves_the_others_theirs(lopsided):
    frame, _ = lopsided
    question = ask_plainly(frame, cluster="shop")
    found = estimate_table_segments(question, OPTIONS, frame["group"], beside=make_answer("irm"))
    levels = {one["level"]: one for one in found["levels"]}
    assert "2 clusters" in levels["a"]["reason"]
    assert levels["b"]["estimate"] is not None


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(2.0, 3.0, "below"), (-3.0, -2.0, "above"), (0.4, 3.0, None), (-3.0, 0.5, None)],
)
def test_levels_that_all_lie_beyond_the_headline_are_said_to_contradict_it(low, high, said):
    """Effects of 0.5 in both levels."""
    frame = make_table(np.random.default_rng(7), n=2000, effects=(0.5, 0.5))
    beside = make_answer("plr", low=low, high=high)
    reason = estimate_table_segments(ask_plainly(frame), OPTIONS, frame["group"], beside=beside)[
        "reason"
    ]
    assert reason.startswith("effects by group")
    assert ("contradict" in reason) == (said is not None)
    if said:
        assert f"every level lies {said} plr on all rows" in reason


def test_levels_on_both_sides_of_the_headline_contradict_nothing():
    frame = make_table(np.random.default_rng(8), n=2000, effects=(-1.0, 1.0))
    beside = make_answer("plr", low=-0.1, high=0.1)
    found = estimate_table_segments(ask_plainly(frame), OPTIONS, frame["group"], beside=beside)
    assert "contradict" not in found["reason"]


def test_levels_that_are_controls_are_not_learned_anew(lopsided, monkeypatch):
    frame, _ = lopsided
    asked = []
    tell = table_segments.learn
    monkeypatch.setattr(
        table_segments, "learn", lambda *given: asked.append(given[0]) or tell(*given)
    )
    for controls in (("x", "group"), ("x",)):
        question = ask_plainly(frame, controls)
        estimate_table_segments(question, OPTIONS, frame["group"], beside=make_answer("irm"))
        asked.append(question)
    assert asked[0] is asked[1]
    assert asked[2].controls.shape[1] == asked[3].controls.shape[1] + 1
    assert asked[2].memo is not asked[3].memo
