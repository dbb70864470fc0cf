"""Faked exposures move the target's click rate, and their accounts are found."""

import numpy as np
import polars as pl
import pytest

from flows.attacks.behaviour import attack_exposures
from tasks.ingest.sample import WorldSpec, simulate
from tasks.platform.errors import ConfigError, InputError
from tasks.robustness.clicks import (
    CLICK_ATTACKS,
    ClickFarm,
    attack_clicks,
    choose_item,
    measure_clickers,
    suspect_clickers,
)
from tasks.robustness.scorecard import Plan

AUC_BAR = 0.95


@pytest.fixture(scope="module")
def log() -> pl.DataFrame:
    world = simulate(WorldSpec(seed=5), is_written=False)
    return world.exposures.with_columns(
        (pl.lit(world.spec.first_date) + pl.duration(days="day")).alias("event_date")
    )


@pytest.mark.parametrize(("name", "sign"), [("click-farm", 1), ("impression-fraud", -1)])
def test_a_click_attack_moves_the_rate_and_its_bots_are_found(log, name, sign):
    found = attack_clicks(
        CLICK_ATTACKS[name], log, round(0.01 * log.height), np.random.default_rng(0)
    )
    assert sign * (found.attacked - found.clean) > 0.05
    assert found.auc > AUC_BAR
    assert abs(found.defended - found.clean) < 0.3 * abs(found.attacked - found.clean)
    assert found.fakes == -(-found.rows // 20)


def test_bots_click_the_target_always_and_are_new(log):
    item = choose_item(log)
    fake = ClickFarm().draft(log, item, 200, np.random.default_rng(0))
    assert fake.filter(pl.col("item_id") == item)["is_clicked"].all()
    assert 0.4 < (fake["item_id"] == item).mean() < 0.6
    assert not set(fake["user_id"]) & set(log["user_id"])
    assert fake.schema == log.schema


@pytest.mark.slow
def test_clickers_are_flagged_past_the_fence_that_is_asked_for(log):
    flagged = [
        sum(one["flagged"] for one in attack_exposures(log, Plan(fence=fence)))
        for fence in (1.5, 2.25, 1_000.0)
    ]
    assert flagged[0] > flagged[1] > flagged[2] == 0


def test_where_nobody_attacks_few_are_flagged(log):
    _, _, flags = suspect_clickers(log)
    assert flags.mean() < 0.05


def test_clicks_are_compared_with_the_rate_at_their_position():
    rows = (
        [("u", "a", 1, True)] * 30
        + [("v", "a", 2, False)] * 30
        + [("w", "b", 1, True), ("w", "b", 2, False)]
    )
    frame = pl.DataFrame(
        rows, schema=["user_id", "item_id", "position", "is_clicked"], orient="row"
    )
    found = measure_clickers(frame)
    assert found["too many clicks"].max() == 0
    apart = measure_clickers(frame.drop("position"))
    assert apart["too many clicks"].to_list()[0] > 2


def test_logs_that_cannot_be_attacked_are_refused():
    frame = pl.DataFrame({"user_id": ["u"], "item_id": ["a"], "is_clicked": [True]})
    with pytest.raises(InputError, match="is_clicked"):
        attack_clicks(ClickFarm(), frame.drop("is_clicked"), 5, np.random.default_rng(0))
    with pytest.raises(InputError, match="no exposures"):
        attack_clicks(ClickFarm(), frame.clear(), 5, np.random.default_rng(0))
    with pytest.raises(ConfigError, match="never shown"):
        ClickFarm().draft(frame, "z", 5, np.random.default_rng(0))
