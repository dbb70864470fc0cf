"""Rows of a user go together: intervals that count them one by one are too narrow, and say so."""

import numpy as np
import polars as pl
import pytest

from tasks.effects.ope.evaluate import evaluate_policy


def make_log(seed: int, *, name: str, spread: float = 1.5, rows: int = 3000) -> pl.DataFrame:
    """Rows of 150 users, told by the column `name`, of whom some click more; ten actions alike."""
    rng = np.random.default_rng(seed)
    user = rng.integers(0, 150, rows)
    action = rng.integers(0, 10, rows)
    score = -1.0 + 0.1 * action + spread * rng.normal(size=150)[user]
    return pl.DataFrame(
        {
            "item_id": action,
            "click": (rng.random(rows) < 1 / (1 + np.exp(-score))).astype(int),
            "propensity": np.full(rows, 0.1),
            "target": np.where(action < 5, 0.15, 0.05),
            name: user,
        }
    )


def says(answer: dict) -> bool:
    return any("go together" in reason for reason in answer["reasons"])


@pytest.mark.parametrize("target", ["uniform", "column:target"])
@pytest.mark.parametrize("name", ["memberId", "session", "SHOP_USER", "acct", "customerid", "uid"])
def test_rows_of_a_user_under_another_name_make_a_value_weak(name: str, target: str):
    frame = make_log(1, name=name)
    answer = evaluate_policy(frame, target=target)
    assert answer["verdict"] == "weak"
    assert any(f"name it by --cluster {name}" in reason for reason in answer["reasons"])
    named = evaluate_policy(frame, target=target, cluster=name)
    assert named["verdict"] == "credible"
    width = [one["target"]["ci_high"] - one["target"]["ci_low"] for one in (answer, named)]
    assert width[1] > 1.2 * width[0]


def test_users_that_were_set_aside_are_told():
    frame = make_log(2, name="user_id")
    assert says(evaluate_policy(frame, target="uniform", cluster="none"))
    assert not says(evaluate_policy(frame, target="uniform"))


def test_rows_that_chance_alone_brought_together_are_not_accused():
    for seed in range(20):
        frame = make_log(seed, name="session", spread=0.0)
        assert not says(evaluate_policy(frame, target="uniform", estimators=["ips"]))


def test_what_goes_along_with_rewards_but_draws_no_log_is_no_cluster():
    assert not says(evaluate_policy(make_log(3, name="age"), target="uniform"))


def test_rows_without_a_user_stand_alone():
    frame = make_log(4, name="visitor", spread=0.0)
    rng = np.random.default_rng(4)
    is_odd = pl.Series(rng.random(frame.height) < 0.1)
    more = pl.Series(rng.integers(0, 2, frame.height))  # those without a visitor click more often
    unknown = frame.with_columns(
        click=pl.when(is_odd).then(more).otherwise("click"),
        visitor=pl.when(~is_odd).then("visitor"),
    )
    assert not says(evaluate_policy(unknown, target="uniform"))
