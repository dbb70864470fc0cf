"""Position bias: the simulated examination is found, also where good actions stand on top."""

import json

import numpy as np
import polars as pl
import pytest

from tasks.effects.ope.position import estimate_position_bias, find_positions
from tasks.platform.errors import EstimationError, InputError
from tests.effects.logged import EXAMINED, TASTE, draw_log, make_world, uniform

ROWS = 20_000


def sort_log(seed: int, *, rows: int = ROWS) -> tuple[pl.DataFrame, np.ndarray]:
    """A log whose ranking puts appealing actions on top, and the true mean per position.

    The naive ratio of the third to the first position is too small: it mixes examination with
    appeal. The truth averages examination times the log's own mix of actions and segments.
    """
    rng = np.random.default_rng(seed)
    world = make_world(rng, rate=0.3)
    appeal = world.mean[0, 0]
    frame = draw_log(world, uniform(world), 3 * rows, rng).drop("click", "propensity_score")
    place = frame["position"].to_numpy()
    rank = appeal.argsort().argsort()[frame["item_id"].to_numpy()] / 9
    keep = rng.random(3 * rows) < np.where(place == 1, 0.15 + 0.7 * rank, 0.85 - 0.35 * (place - 1) * rank)  # fmt: skip
    frame = frame.filter(pl.Series(keep))
    segment = frame["segment"].replace_strict(dict(zip("abcd", range(4), strict=True))).to_numpy()
    at = frame["item_id"].to_numpy()
    chance = world.mean[frame["position"].to_numpy() - 1, segment, at]
    frame = frame.with_columns(click=pl.Series((rng.random(frame.height) < chance).astype(int)))
    return frame, world.mean[:, segment, at].mean(axis=1)


def test_examination_is_found_where_actions_were_drawn_at_random():
    world = make_world(np.random.default_rng(1), rate=0.2)
    frame = draw_log(world, uniform(world), ROWS, np.random.default_rng(2))
    rows = estimate_position_bias(frame, context=["segment"])
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    assert [row["position"] for row in rows] == ["2", "3"]
    for row, truth in zip(rows, EXAMINED[1:], strict=True):
        reach = 1.5 * np.log(row["ratio_ci_high"] / row["ratio"])  # three standard errors
        assert abs(np.log(row["ratio"] / truth)) < reach < 0.2
        rows_of = frame.group_by("position").agg(pl.col("click").sum()).sort("position")["click"]
        plain = np.sqrt(1 / rows_of[0] + 1 / rows_of[int(row["position"]) - 1])
        assert reach / 3 == pytest.approx(plain, rel=0.15)  # log of a ratio of two counts
        assert row["naive_ci_low"] < row["estimate"] < row["naive_ci_high"]
        assert row["verdict"] == "credible"
        assert any("drawn at random" in reason for reason in row["reasons"])


def test_what_stands_on_top_is_not_mistaken_for_where_it_stands():
    frame, means = sort_log(3)
    for k, row in enumerate(estimate_position_bias(frame, context=["segment"]), start=1):
        assert abs(row["estimate"] - (means[k] - means[0])) < 3 * row["std_error"]
        assert row["ratio_ci_low"] < means[k] / means[0] < row["ratio_ci_high"]
        assert row["naive_ci_high"] < means[k] - means[0]
        assert row["naive_ratio"] < row["ratio_ci_low"]
        assert any("causal only if" in reason for reason in row["reasons"])


def test_without_context_and_chance_it_is_weak():
    frame, _ = sort_log(4)
    rows = estimate_position_bias(frame)
    assert {row["verdict"] for row in rows} == {"weak"}


def test_a_ranking_that_never_drew_is_not_called_random():
    """A ranker without chance logs a propensity of 1 everywhere: alike, and not drawn."""
    frame, _ = sort_log(3, rows=6_000)
    for chance in (1.0, 100.0, 0.0):
        for row in estimate_position_bias(frame.with_columns(propensity_score=pl.lit(chance))):
            assert row["verdict"] == "weak"
            assert not any("drawn at random" in reason for reason in row["reasons"])


def test_without_overlap_it_is_not_credible():
    frame, _ = sort_log(5)
    own = frame.filter((pl.col("item_id") % 3 + 1) == pl.col("position"))
    rows = estimate_position_bias(own, context=["segment"])
    assert {row["verdict"] for row in rows} == {"not credible"}
    assert any("weak overlap" in reason for reason in rows[0]["reasons"])


def test_amounts_are_compared_like_clicks():
    world = make_world(np.random.default_rng(6), rate=0.2)
    frame = draw_log(world, uniform(world), ROWS, np.random.default_rng(7), scale=10.0)
    rows = estimate_position_bias(frame, context=["segment"])
    truth = 10 * (world.mean.mean(axis=(1, 2))[1:] - world.mean[0].mean())
    for row, value in zip(rows, truth, strict=True):
        assert abs(row["estimate"] - value) < 3 * row["std_error"]


def test_repeated_rows_of_a_user_widen_the_interval():
    frame, _ = sort_log(8, rows=1500)
    four = pl.concat([frame.with_row_index("user_id")] * 4)
    wide = estimate_position_bias(four, context=["segment"])
    plain = estimate_position_bias(four, context=["segment"], cluster="none")
    for a, b in zip(wide, plain, strict=True):
        assert a["std_error"] == pytest.approx(2 * b["std_error"], rel=0.1)
        assert a["naive_ci_low"] < b["naive_ci_low"]


def test_ranks_are_ordered_as_numbers_and_thin_ones_set_aside():
    series = pl.Series("rank", [2] * 40 + [10] * 40 + [1] * 40 + [11] * 5)
    full, thin = find_positions(series)
    assert [name for name, _ in full] == ["1", "2", "10"]
    assert thin == [("11", 5)]
    assert find_positions(series.rename("count"))[1] == thin
    frame, _ = sort_log(9, rows=1500)
    more = pl.concat([frame, frame[:5].with_columns(position=pl.lit(9, dtype=frame["position"].dtype))])  # fmt: skip
    last = estimate_position_bias(more)[-1]
    assert (last["position"], last["verdict"], last["estimate"]) == ("9", "no result", None)


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_rows_without_a_position_are_counted_and_make_it_weak(missing):
    world = make_world(np.random.default_rng(1), rate=0.2)
    frame = draw_log(world, uniform(world), 4_000, np.random.default_rng(2))
    place = pl.col("position").cast(pl.Float64)
    cut = pl.when(pl.int_range(pl.len()) < 1_000).then(missing).otherwise(place)
    rows = estimate_position_bias(frame.with_columns(position=cut), context=["segment"])
    kept = estimate_position_bias(frame[1_000:], context=["segment"])
    assert [row["position"] for row in rows] == ["2", "3"]
    for row, other in zip(rows, kept, strict=True):
        assert (row["n"], other["verdict"], row["verdict"]) == (other["n"], "credible", "weak")
        assert row["reasons"][0].startswith("1,000 of 4,000 rows without position were dropped")


def test_few_clicks_are_said():
    world = make_world(np.random.default_rng(10), rate=0.002)
    frame = draw_log(world, uniform(world), 6000, np.random.default_rng(11))
    assert all(
        any("rows with click" in reason for reason in row["reasons"])
        for row in estimate_position_bias(frame)
    )


def test_questions_without_an_answer_are_explained():
    frame, _ = sort_log(12, rows=500)
    with pytest.raises(EstimationError, match="positions with at least"):
        estimate_position_bias(frame.with_columns(position=pl.lit(1)))
    with pytest.raises(InputError, match="looks like the position"):
        estimate_position_bias(frame.drop("position"))
    with pytest.raises(InputError, match="cannot be context"):
        estimate_position_bias(frame, context=["position"])


def test_tastes_of_segments_average_one():
    assert pytest.approx(1.0) == TASTE.mean()
