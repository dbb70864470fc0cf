"""Alarms and refusals of off-policy evaluation: what a log cannot answer is said in words."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import typer
from typer.testing import CliRunner

from flows.commands.ope import register
from tasks.effects.ope.evaluate import evaluate_policy
from tasks.effects.ope.skew import skewed_interval
from tasks.platform.errors import ConfigError, EstimationError, InputError
from tests.effects.logged import draw_log, make_world, uniform


def make_log(seed: int = 1, rows: int = 3000, **world) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    made = make_world(rng, **({"rate": 0.2, "greed": 0.5} | world))
    return draw_log(made, made.logging, rows, rng)


def says(answer: dict, text: str) -> bool:
    return any(text in reason for reason in answer["reasons"])


def test_a_greedy_log_raises_the_overlap_alarm():
    frame = make_log(greed=2.5)
    answer = evaluate_policy(frame, target="uniform")
    assert answer["overlap"]["effective_share"] < 0.2
    assert answer["verdict"] != "credible"
    assert says(answer, "weak overlap")
    near = evaluate_policy(make_log(greed=0.2), target="uniform")
    assert near["verdict"] == "credible"
    assert near["overlap"]["effective_share"] > 0.8


def make_rounds(seed: int, *, rows: int = 700) -> pl.DataFrame:
    """A log whose rounds have numbers and a context of many values."""
    rng = np.random.default_rng(seed)
    return make_log(seed, rows=rows).with_columns(
        round=pl.int_range(pl.len()), spent=pl.Series(rng.gamma(2.0, 10.0, rows))
    )


def renumber(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(round=pl.int_range(pl.len()))


@pytest.mark.parametrize("context", [(), ("segment",), ("spent",)])
def test_rounds_that_are_logged_several_times_make_a_value_weak(context: tuple[str, ...]):
    copied = pl.concat([make_rounds(2)] * 3)
    answer = evaluate_policy(copied, target="uniform", context=context)
    assert answer["verdict"] == "weak"
    assert says(answer, "2,100 of 2,100 rows (100%) equal another row in reward")
    named = evaluate_policy(copied, target="uniform", context=context, cluster="round")
    assert not says(named, "equal another row")
    assert named["verdict"] == "credible"


def test_rounds_that_were_numbered_anew_are_told_by_their_context():
    copied = renumber(pl.concat([make_rounds(3)] * 3))
    told = [
        says(
            evaluate_policy(copied, target="uniform", context=[name]),
            "action, propensity and context",
        )
        for name in ("spent", "segment")
    ]
    assert told == [True, False], "four segments are alike by chance"


def test_rows_of_a_log_that_meet_by_chance_are_not_accused():
    for seed in range(20):
        frame = make_log(seed, rows=1500, actions=int(4 + 10 * (seed % 3)))
        for context in ((), ("segment",)):
            answer = evaluate_policy(frame, target="uniform", context=context, estimators=["ips"])
            assert not says(answer, "equal another row")


def test_a_handful_of_rows_is_not_credible():
    answer = evaluate_policy(make_log(rows=60), target="always:3")
    assert answer["verdict"] in ("not credible", "no result")


def test_two_users_are_not_enough():
    frame = make_log().with_columns(user_id=pl.int_range(pl.len()) % 2)
    answer = evaluate_policy(frame, target="uniform")
    assert answer["verdict"] == "not credible"
    assert says(answer, "few user_id")
    width = answer["target"]["ci_high"] - answer["target"]["ci_low"]
    assert width > 0.01


def test_few_clicks_are_called_few():
    answer = evaluate_policy(make_log(rate=0.004), target="uniform")
    assert says(answer, "few rewards")


def test_rows_without_any_reward_give_no_result_and_no_zero():
    frame = make_log().with_columns(
        click=pl.when(pl.col("item_id") == 3).then(0).otherwise(pl.col("click"))
    )
    answer = evaluate_policy(frame, target="always:3")
    assert answer["verdict"] == "no result"
    assert answer["target"]["value"] is None
    assert [row["estimate"] for row in answer["estimates"] if row["estimator"] != "dm"] == [
        None
    ] * 4


def test_actions_that_were_never_logged_are_found():
    frame = make_log()
    target = pl.concat(
        [frame, frame.with_columns(item_id=pl.lit(99, dtype=frame["item_id"].dtype))[:1000]]
    )
    answer = evaluate_policy(frame, target="other", target_log=target)
    assert answer["overlap"]["unsupported_share"] == pytest.approx(0.25, abs=0.02)
    assert answer["verdict"] == "not credible"
    assert says(answer, "never logged")


def test_an_action_never_logged_at_one_position_is_found_there():
    frame = make_log().filter(~((pl.col("item_id") == 2) & (pl.col("position") == 1)))
    answer = evaluate_policy(frame, target="uniform")
    assert answer["overlap"]["unsupported_share"] == pytest.approx(0.1 / 3, abs=0.01)


def test_rare_actions_of_a_wide_catalogue_are_unseen_by_chance_only():
    rng = np.random.default_rng(4)
    frame = pl.DataFrame(
        {"item_id": rng.integers(0, 2000, 3000), "click": rng.integers(0, 2, 3000),
         "propensity": np.full(3000, 1 / 2000)}
    )  # fmt: skip
    answer = evaluate_policy(frame, target="uniform", catalogue=2000)
    assert answer["overlap"]["mean_weight"] == pytest.approx(1.0)
    assert answer["overlap"]["unsupported_share"] > 0.15
    assert answer["verdict"] == "credible"
    assert says(answer, "by chance")
    assert says(evaluate_policy(frame, target="uniform"), "number of actions")


def test_a_log_that_never_explored_is_not_credible():
    frame = make_log().with_columns(propensity_score=pl.lit(1.0))
    answer = evaluate_policy(frame, target="uniform")
    assert answer["verdict"] == "not credible"
    assert says(answer, "never tried")


def test_propensities_can_be_counted_and_are_then_weak():
    frame = make_log(rows=10_000)
    logged = evaluate_policy(frame, target="uniform")
    counted = evaluate_policy(
        frame.drop("propensity_score"), target="uniform", propensity="estimate"
    )
    assert counted["verdict"] == "weak"
    assert says(counted, "not logged but counted")
    gap = counted["target"]["value"] - logged["target"]["value"]
    assert abs(gap) < logged["target"]["ci_high"] - logged["target"]["value"]


def test_rows_without_a_propensity_are_dropped_and_counted():
    frame = make_log().with_row_index().with_columns(
        propensity_score=pl.when(pl.col("index") < 100).then(None).otherwise("propensity_score")
    )  # fmt: skip
    answer = evaluate_policy(frame, target="uniform")
    assert answer["n"] == 2900
    assert says(answer, "100 of 3,000 rows without propensity_score were dropped")
    assert answer["verdict"] == "weak"


@pytest.mark.parametrize(
    ("change", "given", "error", "text"),
    [
        ({"propensity_score": pl.lit(0.0)}, {}, InputError, "3,000 of 3,000 values"),
        ({"propensity_score": pl.col("propensity_score") * 100}, {}, InputError, "not in percent"),
        ({"propensity_score": -pl.col("propensity_score")}, {}, InputError, "(0, 1]"),
        ({"propensity_score": pl.lit("x")}, {}, InputError, "must be numbers"),
        ({"click": pl.lit("perhaps")}, {}, InputError, "must be numbers"),
        ({"click": pl.lit("yes")}, {}, EstimationError, "is 1 in all"),
        ({"click": pl.lit(0)}, {}, EstimationError, "is 0 in all"),
        ({"item_id": pl.lit(1)}, {}, EstimationError, "one action"),
        ({}, {"propensity": "none"}, InputError, "no propensity column"),
        ({}, {"propensity": "p"}, InputError, "no column 'p'"),
        ({}, {"reward": "propensity_score"}, ConfigError, "two roles"),
        ({}, {"context": ["click"]}, ConfigError, "cannot be context"),
        ({}, {"target": "unifrom"}, ConfigError, "allowed are uniform"),
        ({}, {"target": "always:77"}, ConfigError, "never shows '77'"),
        ({}, {"target": "column:q"}, InputError, "no column 'q'"),
        ({}, {"target": "column:position"}, InputError, "[0, 1]"),
        ({}, {"catalogue": 5}, ConfigError, "said to hold 5"),
        ({}, {"catalogue": 50, "target": "always:1"}, ConfigError, "leave --catalogue out"),
        ({}, {"confidence": 95}, ConfigError, "between 0 and 1"),
        ({}, {"estimators": ["magic"]}, ConfigError, "allowed are ips"),
        ({"zero": pl.lit(0.0)}, {"target": "column:zero"}, EstimationError, "never shows"),
    ],
)
def test_bad_inputs_are_explained(change: dict, given: dict, error: type, text: str):
    frame = make_log().with_columns(**change)
    with pytest.raises(error) as caught:
        evaluate_policy(frame, **({"target": "uniform"} | given))
    assert text in str(caught.value)


def test_a_target_log_without_the_position_is_explained():
    frame = make_log()
    with pytest.raises(InputError, match="target's log must have"):
        evaluate_policy(frame, target="other", target_log=frame.drop("position"))


@pytest.mark.parametrize(("events", "low", "high"), [(10, 4.80, 18.39), (46, 33.7, 61.4)])  # fmt: skip
def test_the_interval_of_a_count_is_near_the_exact_poisson_one(events, low, high):
    rows = 100_000
    clicks = np.zeros(rows)
    clicks[:events] = 1.0
    found = skewed_interval(float(events), clicks - clicks.mean())
    assert found.ci_low == pytest.approx(low, rel=0.25)
    assert found.ci_high == pytest.approx(high, rel=0.25)
    assert found.ci_high - events > events - found.ci_low


def test_a_symmetric_influence_gives_the_plain_interval_and_its_p_value():
    pull = np.tile([-0.01, 0.01], 5000)
    found = skewed_interval(2.5, pull)
    assert found.std_error == pytest.approx(1.0, rel=1e-3)
    assert (found.ci_low, found.ci_high) == pytest.approx((2.5 - 1.96, 2.5 + 1.96), abs=0.01)
    assert found.p_value == pytest.approx(0.0124, abs=0.001)


def test_the_p_value_agrees_with_the_interval_about_nothing():
    pull = np.random.default_rng(3).exponential(size=40)
    pull = (pull - pull.mean()) / 40
    end = -skewed_interval(0.0, pull).ci_low
    assert skewed_interval(end, pull).p_value == pytest.approx(0.05, abs=1e-6)
    end = skewed_interval(0.0, pull).ci_high
    assert skewed_interval(-end, pull).p_value == pytest.approx(0.05, abs=1e-6)


def test_the_commands_speak_words_and_json(tmp_path: Path):
    app = typer.Typer()
    register(app)
    world = make_world(np.random.default_rng(1), rate=0.2)
    log, other = tmp_path / "log.csv", tmp_path / "other.csv"
    draw_log(world, world.logging, 500, np.random.default_rng(2)).write_csv(log)
    draw_log(world, uniform(world), 500, np.random.default_rng(3)).write_csv(other)
    run = CliRunner().invoke
    assert '"effective_sample_size"' in run(
        app, ["ope", str(log), "--target-policy", str(other), "--json"]
    ).output  # fmt: skip
    assert "verdict" in run(app, ["ope", str(log), "--target-policy", "uniform"]).output
    assert run(app, ["ope", str(log), "--target-policy", "unifrom"]).exit_code == 2
    assert "ratio" in run(app, ["position", str(log), "--context", "segment"]).output


def make_certain(seed: int, *, share: float = 0.16, rows: int = 2000) -> pl.DataFrame:
    """Five actions, drawn unevenly but for a `share` of the rows, whose users all saw the best."""
    rng = np.random.default_rng(seed)
    chance = np.array([0.005, 0.045, 0.15, 0.3, 0.5])
    is_certain = rng.random(rows) < share
    action = np.where(is_certain, 4, rng.choice(5, rows, p=chance))
    return pl.DataFrame(
        {
            "item_id": action,
            "click": (rng.random(rows) < 0.05 + 0.05 * action).astype(int),
            "propensity_score": np.where(is_certain, 1.0, chance[action]),
            "target": np.full(rows, 0.2),
        }
    )


@pytest.mark.parametrize("target", ["uniform", "column:target"])
def test_where_the_log_was_certain_it_says_nothing_of_other_actions(target: str):
    for seed in range(5):
        frame = make_certain(seed)
        answer = evaluate_policy(frame, target=target)
        assert answer["overlap"]["certain_share"] == pytest.approx(0.16 * 0.8, abs=0.03)
        assert answer["overlap"]["unsupported_share"] == answer["overlap"]["certain_share"]
        assert answer["verdict"] == "not credible"
        assert says(answer, "nothing else could stand there")
        assert not says(answer, "do not fit the log"), "they do; the log has a gap"


def test_a_log_that_was_certain_of_what_the_target_plays_is_fine():
    frame = make_certain(1)
    sure = pl.col("propensity_score") == 1
    same = frame.with_columns(target=pl.when(sure).then(1.0).otherwise("propensity_score"))
    answer = evaluate_policy(same, target="column:target")
    assert answer["overlap"]["unsupported_share"] is None
    assert answer["verdict"] == "credible"


def test_a_long_log_has_rows_enough_of_one_action_in_twenty():
    rng = np.random.default_rng(3)
    frame = pl.DataFrame(
        {"item_id": rng.integers(0, 20, 30_000), "click": rng.integers(0, 2, 30_000),
         "propensity": np.full(30_000, 0.05)}
    )  # fmt: skip
    answer = evaluate_policy(frame, target="always:3")
    assert answer["overlap"]["effective_share"] == pytest.approx(0.05, abs=0.005)
    assert answer["verdict"] == "credible"
    assert not says(answer, "weak overlap")
    assert says(evaluate_policy(frame[:1500], target="always:3"), "weak overlap")


def test_an_even_share_does_not_hide_weights_that_few_rows_carry():
    rng = np.random.default_rng(5)
    is_rare = rng.random(30_000) < 0.001
    frame = pl.DataFrame(
        {"item_id": np.where(is_rare, 1, 0), "click": rng.integers(0, 2, 30_000),
         "propensity": np.where(is_rare, 0.001, 0.999)}
    )  # fmt: skip
    answer = evaluate_policy(frame, target="uniform")
    assert answer["overlap"]["spread_rows"] < 100
    assert says(answer, "weak overlap")
