"""A target that looks at the context, its chances of all actions given as columns of the log."""

import numpy as np
import polars as pl
import pytest

from tasks.effects.ope.evaluate import evaluate_policy
from tasks.effects.ope.log import find_columns, read_log
from tasks.effects.ope.policy import make_policy
from tasks.effects.ope.reward import fit_rewards
from tasks.platform.errors import ConfigError, InputError
from tests.effects.logged import POSITIONS, SEGMENTS, World, draw_log, make_world
from tests.effects.ope.test_evaluate import rows_of

ACTIONS = 6
MODELS = ("dm", "dr", "dros")


def make_target(seed: int) -> np.ndarray:
    """Chances (3, 4, 6) that differ between positions and segments."""
    score = np.random.default_rng(seed).normal(size=(POSITIONS, SEGMENTS, ACTIONS))
    chance = np.exp(score)
    return chance / chance.sum(axis=2, keepdims=True)


def make_log(
    seed: int = 1, rows: int = 6000, target: np.ndarray | None = None
) -> tuple[World, pl.DataFrame]:
    """A log of a policy that looks at the segment, with the target's chances in columns p_0 to p_5."""
    rng = np.random.default_rng(seed)
    world = make_world(rng, actions=ACTIONS, rate=0.2, greed=0.7, is_personal=True)
    frame = draw_log(world, world.logging, rows, rng)
    segment = np.searchsorted(list("abcd"), frame["segment"].to_numpy())
    chances = (make_target(seed) if target is None else target)[
        frame["position"].to_numpy() - 1, segment
    ]
    return world, frame.with_columns(
        pl.Series(f"p_{action}", chances[:, action]) for action in range(ACTIONS)
    )


def answer_of(frame: pl.DataFrame, target: str = "columns:p_{}", **given) -> dict:
    return evaluate_policy(frame, target=target, **({"context": ["segment"]} | given))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_estimator_finds_what_a_target_that_looks_at_the_context_would_earn(seed: int):
    world, frame = make_log(seed, rows=8000)
    answer, truth = answer_of(frame), world.value(make_target(seed))
    rows = rows_of(answer)
    for name, row in rows.items():
        assert abs(row["estimate"] - truth) < 3.5 * row["std_error"], name
    assert answer["target"]["estimator"] == "dr"
    assert answer["overlap"]["unsupported_share"] == 0


def test_chances_that_do_not_differ_between_rows_are_those_of_uniform():
    _, frame = make_log(target=np.full((POSITIONS, SEGMENTS, ACTIONS), 1 / ACTIONS))
    named, known = rows_of(answer_of(frame)), rows_of(answer_of(frame, "uniform"))
    for name, row in named.items():
        for key in ("estimate", "std_error", "ci_low", "ci_high"):
            assert row[key] == pytest.approx(known[name][key], rel=1e-9), (name, key)


def test_models_play_what_the_target_plays_in_each_row():
    """Told row by row, it is worth what it is when told once for each position and segment."""
    _, frame = make_log(rows=3000)
    strata = {"context": ["segment"], "target_context": ["segment"]}
    log = read_log(frame, find_columns(frame, **strata))
    policy = make_policy(log, "columns:p_{}")
    first = [int(np.flatnonzero(log.stratum == one)[0]) for one in range(len(log.strata))]
    known = fit_rewards(log, policy.table[first])
    told = fit_rewards(log, policy.table, policy.place)
    assert told.target == pytest.approx(known.target, rel=1e-12)
    assert told.target_slope == pytest.approx(known.target_slope, rel=1e-9)
    dm = rows_of(answer_of(frame, **strata))["dm"]
    assert dm["estimate"] == pytest.approx(known.target.mean(), rel=1e-12)


def test_weights_are_those_of_the_logged_actions_chance_by_column():
    _, frame = make_log()
    picked = [frame[f"p_{action}"][row] for row, action in enumerate(frame["item_id"])]
    one = rows_of(answer_of(frame.with_columns(chance=pl.Series(picked)), "column:chance"))
    every = rows_of(answer_of(frame))
    for name in ("ips", "snips"):
        assert every[name]["estimate"] == pytest.approx(one[name]["estimate"], rel=1e-12)
    assert all(one[name]["estimate"] is None and every[name]["estimate"] for name in MODELS)


def test_the_order_of_the_columns_does_not_count():
    _, frame = make_log(rows=2000)
    turned = frame.select(sorted(frame.columns, reverse=True))
    assert rows_of(answer_of(turned)) == rows_of(answer_of(frame))


def test_an_action_that_was_never_logged_is_mass_that_no_row_speaks_of():
    _, frame = make_log()
    scaled = frame.with_columns(
        *(pl.col(f"p_{action}") * 0.7 for action in range(ACTIONS)), p_new=pl.lit(0.3)
    )
    answer = answer_of(scaled)
    assert answer["overlap"]["unsupported_share"] == pytest.approx(0.3)
    assert answer["verdict"] == "not credible"


def test_an_action_that_is_logged_elsewhere_only_is_unsupported_where_it_is_played():
    _, frame = make_log()
    gone = frame.filter(~((pl.col("position") == 2) & (pl.col("item_id") == 4)))
    place = gone["position"].to_numpy() == 2
    played = np.where(place, gone["p_4"].to_numpy(), 0.0).mean()
    found = answer_of(gone)["overlap"]["unsupported_share"]
    assert found == pytest.approx(played)


def test_chances_with_two_digits_are_scaled_to_sum_to_one():
    world, frame = make_log(rows=8000)
    rounded = frame.with_columns(pl.col(f"p_{action}").round(2) for action in range(ACTIONS))
    sums = rounded.select(pl.sum_horizontal(f"p_{action}" for action in range(ACTIONS)))
    assert sums.to_series().n_unique() > 1
    row = rows_of(answer_of(rounded))["dr"]
    assert abs(row["estimate"] - world.value(make_target(1))) < 3.5 * row["std_error"]


@pytest.mark.parametrize(
    ("change", "target", "error", "text"),
    [
        ({}, "columns:p", ConfigError, "must stand in it once"),
        ({}, "columns:{}_{}", ConfigError, "must stand in it once"),
        ({}, "column:p_{}", ConfigError, "say columns:p_{}"),
        ({}, "columns:q_{}", InputError, "such as q_"),
        ({"p_3": None}, "columns:p_{}", InputError, "no column is called after 3"),
        ({"p_3": pl.lit(0.9)}, "columns:p_{}", InputError, "do not sum to 1"),
        ({"p_3": pl.lit(-0.1)}, "columns:p_{}", InputError, "[0, 1]"),
        ({"p_3": pl.lit("x")}, "columns:p_{}", InputError, "must be numbers"),
        ({"p_total": pl.lit(1.0)}, "columns:p_{}", InputError, "from 2 to 2"),
    ],
)
def test_chances_that_cannot_be_are_explained(change: dict, target: str, error: type, text: str):
    _, frame = make_log(rows=500)
    for name, value in change.items():
        frame = frame.drop(name) if value is None else frame.with_columns(value.alias(name))
    with pytest.raises(error) as caught:
        answer_of(frame, target)
    assert text in str(caught.value)
