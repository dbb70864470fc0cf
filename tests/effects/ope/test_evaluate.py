"""Value of another policy: known truths, invariances, and intervals that hold with few clicks."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from tasks.effects.ope.evaluate import evaluate_policy
from tasks.effects.ope.log import find_columns, read_log
from tasks.effects.ope.policy import make_policy
from tasks.effects.ope.reward import Rewards, fit_rewards
from tasks.effects.ope.scores import (
    choose_shrinkages,
    score_ips,
    score_shrunk,
    score_snips,
    shrink_weights,
)
from tests.effects.logged import World, draw_log, make_world, uniform

EXACT = 1e-12
"""Same sums in another order."""


def answer_of(frame: pl.DataFrame, target: str = "uniform", **given) -> dict:
    return evaluate_policy(frame, target=target, **given)


def rows_of(answer: dict) -> dict[str, dict]:
    return {row["estimator"]: row for row in answer["estimates"]}


def some_log(seed: int = 1, rows: int = 4000, **world) -> tuple[World, pl.DataFrame]:
    rng = np.random.default_rng(seed)
    made = make_world(rng, **({"rate": 0.2, "greed": 0.7} | world))
    return made, draw_log(made, made.logging, rows, rng)


def test_the_answer_has_the_promised_shape_and_is_json():
    world, frame = some_log()
    other = draw_log(world, uniform(world), 500, np.random.default_rng(2))
    answer = answer_of(frame, "other.csv", target_log=other)
    assert json.loads(json.dumps(answer, allow_nan=False)) == answer
    assert set(answer) >= {
        "n", "actions", "positions", "behaviour", "target", "target_on_policy", "estimates",
        "overlap", "verdict", "reasons",
    }  # fmt: skip
    assert (answer["n"], answer["actions"], answer["positions"]) == (4000, 10, 3)
    for row in answer["estimates"]:
        assert set(row) >= {
            "estimator", "estimate", "std_error", "ci_low", "ci_high", "n",
            "effective_sample_size", "lift",
        }  # fmt: skip
        assert row["ci_low"] < row["estimate"] < row["ci_high"]
    assert {"effective_sample_size", "effective_share", "max_weight", "mean_weight",
            "unsupported_share"} <= set(answer["overlap"])  # fmt: skip


def test_ips_and_snips_are_the_textbook_sums():
    frame = pl.DataFrame(
        {"action": ["a", "a", "b", "b"] * 20, "reward": [1.0, 0.0, 2.0, 3.0] * 20,
         "propensity": [0.5, 0.8, 0.5, 0.2] * 20}
    )  # fmt: skip
    w, r = 0.5 / frame["propensity"].to_numpy(), frame["reward"].to_numpy()
    rows = rows_of(answer_of(frame, estimators=["ips", "snips"]))
    assert rows["ips"]["estimate"] == pytest.approx((w * r).mean(), rel=EXACT)
    assert rows["snips"]["estimate"] == pytest.approx((w * r).sum() / w.sum(), rel=EXACT)
    n = len(r)
    error = (w * r).std(ddof=1) / np.sqrt(n)
    assert rows["ips"]["std_error"] == pytest.approx(error, rel=EXACT)
    assert rows["ips"]["effective_sample_size"] == pytest.approx(w.sum() ** 2 / (w**2).sum())


def test_every_estimator_finds_the_true_value_of_uniform():
    world, frame = some_log(3, rows=20_000)
    answer = answer_of(frame, context=["segment"])
    truth, own = world.value(uniform(world)), world.value(world.logging)
    assert own > 1.15 * truth
    for name, row in rows_of(answer).items():
        assert abs(row["estimate"] - truth) < 3 * row["std_error"], name
        assert row["std_error"] < 0.02
        assert abs(row["lift"]["estimate"] - (truth - own)) < 3 * row["lift"]["std_error"], name
        assert row["lift"]["ci_high"] < 0
    assert answer["verdict"] == "credible"


def test_every_estimator_finds_the_true_value_of_one_action_always():
    world, frame = some_log(4, rows=20_000)
    commonest = frame["item_id"].value_counts(sort=True)["item_id"][0]
    policy = np.eye(10)[commonest]
    for row in answer_of(frame, f"always:{commonest}")["estimates"]:
        assert abs(row["estimate"] - world.value(policy)) < 3.5 * row["std_error"]


def test_a_target_known_by_column_is_answered_by_the_ips_family_only():
    _, frame = some_log(5)
    frame = frame.with_columns(p_new=pl.lit(0.1))
    answer, full = answer_of(frame, "column:p_new"), answer_of(frame)
    rows = rows_of(answer)
    assert rows["snips"]["estimate"] == pytest.approx(rows_of(full)["snips"]["estimate"], rel=EXACT)
    for name in ("dm", "dr", "dros"):
        assert rows[name]["estimate"] is None
        assert "whole" in rows[name]["reason"]
    assert answer["target"]["estimator"] == "snips"
    alone = answer_of(frame, "column:p_new", estimators=["dm"])
    assert alone["verdict"] == "no result"
    assert alone["target"]["value"] is None


def test_uniform_on_a_uniform_log_is_the_logs_own_mean():
    world, _ = some_log()
    frame = draw_log(world, uniform(world), 3000, np.random.default_rng(6))
    answer = answer_of(frame)
    for name in ("ips", "snips"):
        row = rows_of(answer)[name]
        assert row["estimate"] == pytest.approx(frame["click"].mean(), rel=EXACT)
        assert row["lift"]["std_error"] == 0
        assert row["ci_low"] == pytest.approx(answer["behaviour"]["ci_low"], rel=1e-9)
    assert rows_of(answer)["dr"]["estimate"] == pytest.approx(frame["click"].mean(), rel=0.02)
    assert answer["overlap"]["effective_sample_size"] == pytest.approx(3000)


def test_snips_does_not_care_for_the_scale_of_propensities_and_follows_that_of_rewards():
    _, frame = some_log(7)
    first = rows_of(answer_of(frame, estimators=["ips", "snips"]))
    halved = frame.with_columns(pl.col("propensity_score") / 2)
    second = rows_of(answer_of(halved, estimators=["ips", "snips"]))
    assert second["snips"]["estimate"] == pytest.approx(first["snips"]["estimate"], rel=EXACT)
    assert second["ips"]["estimate"] == pytest.approx(2 * first["ips"]["estimate"], rel=EXACT)
    tripled = rows_of(answer_of(frame.with_columns(pl.col("click") * 3)))
    for key in ("estimate", "std_error"):
        assert tripled["snips"][key] == pytest.approx(3 * first["snips"][key], rel=1e-9)


def test_wrong_propensities_are_noticed():
    _, frame = some_log(8)
    answer = answer_of(frame.with_columns(pl.col("propensity_score") / 2))
    assert answer["verdict"] == "not credible"
    assert any("propensities do not fit" in reason for reason in answer["reasons"])


def make_rewards(log, policy, logged: np.ndarray, target: np.ndarray) -> Rewards:
    """Rewards that were given, not fitted: no row pulls on them."""
    blank = fit_rewards(log, policy.table)
    return Rewards(
        logged, target, blank.by_level, blank.level, blank.design * 0, blank.slope,
        blank.target_slope * 0, blank.inverse, log.reward - logged,
    )  # fmt: skip


def test_dr_is_right_when_either_the_model_or_the_propensities_are():
    world, frame = some_log(9, rows=40_000)
    truth = world.value(uniform(world))
    for wrong in ("model", "propensity"):
        given = frame
        if wrong == "propensity":
            given = frame.with_columns((pl.col("propensity_score") * 0.3 + 0.2).alias("p"))
            given = given.drop("propensity_score").rename({"p": "propensity_score"})
        log = read_log(given, find_columns(given))
        policy = make_policy(log, "uniform")
        at = (frame["position"].to_numpy() - 1, frame["segment"].to_physical().to_numpy()
              if frame["segment"].dtype != pl.String
              else frame["segment"].replace_strict(dict(zip("abcd", range(4), strict=True))).to_numpy())  # fmt: skip
        logged, target = world.mean[*at, frame["item_id"].to_numpy()], world.mean[at].mean(axis=1)
        if wrong == "model":
            logged, target = np.full(log.n, 0.5), np.full(log.n, 0.5)
        rewards = make_rewards(log, policy, logged, target)
        score = score_shrunk(log, policy, rewards, shrinkage=np.inf)
        error = float(np.sqrt((score.influence**2).sum()))
        assert abs(score.estimate - truth) < 3 * error, wrong
        direct = score_shrunk(log, policy, rewards, shrinkage=0.0).estimate
        ips = (log.reward * policy.chance / log.propensity).mean()
        assert abs((direct if wrong == "model" else ips) - truth) > 10 * error, wrong


def test_dros_runs_from_dm_to_dr():
    _, frame = some_log(10, greed=1.3)
    log = read_log(frame, find_columns(frame))
    policy = make_policy(log, "uniform")
    rewards = fit_rewards(log, policy.table)
    rows = rows_of(answer_of(frame))
    weights = policy.chance / log.propensity
    ends = [score_shrunk(log, policy, rewards, shrinkage=s).estimate for s in (0.0, np.inf)]
    assert ends == pytest.approx([rows["dm"]["estimate"], rows["dr"]["estimate"]], rel=EXACT)
    near = [score_shrunk(log, policy, rewards, shrinkage=s).estimate for s in (1e-9, 1e12)]
    assert near == pytest.approx(ends, rel=1e-6)
    errors = [
        (score_shrunk(log, policy, rewards, shrinkage=s).influence ** 2).sum()
        for s in choose_shrinkages(weights)
    ]
    assert min(errors) < errors[-1]
    assert rows["dros"]["std_error"] <= rows["dr"]["std_error"] * (1 + 1e-9)


def test_shrunk_weights_and_their_slope_are_the_papers():
    w = np.array([0.1, 1.0, 5.0, 50.0])
    shrunk, slope = shrink_weights(w, 4.0)
    assert shrunk == pytest.approx(4 * w / (w**2 + 4))
    step = (shrink_weights(w + 1e-6, 4.0)[0] - shrink_weights(w - 1e-6, 4.0)[0]) / 2e-6
    assert slope == pytest.approx(step, rel=1e-5)
    assert (shrunk <= np.minimum(w, np.sqrt(4.0) / 2 + 1e-12)).all()


def test_the_pull_of_a_row_is_what_leaving_it_out_does_to_the_direct_method():
    _, frame = some_log(11, rows=300, rate=0.5)
    base = rows_of(answer_of(frame, estimators=["dm"], folds=2))["dm"]
    moved = []
    for row in range(0, 300, 15):  # each row twice as heavy, approximately: append a copy
        more = pl.concat([frame] * 2 + [frame[row : row + 1]])
        twice = pl.concat([frame] * 2)
        columns = find_columns(more)
        values = [
            fit_rewards(log, make_policy(log, "uniform").table).target.mean()
            for log in (read_log(more, columns), read_log(twice, columns))
        ]
        moved.append(values[0] - values[1])
    # 20 of 300 rows: their spread stands for all; folds differ, so this is rough
    rough = np.std(moved) * 600 / np.sqrt(300)
    assert 0.4 < rough / base["std_error"] < 2.5


def test_a_target_counted_from_a_log_covers_and_widens_the_interval():
    world, _ = some_log(12)
    rng = np.random.default_rng(13)
    frame = draw_log(world, uniform(world), 4000, rng)
    long, short = (draw_log(world, world.logging, rows, rng) for rows in (200_000, 300))
    wide = rows_of(answer_of(frame, "short", target_log=short))
    sharp = rows_of(answer_of(frame, "long", target_log=long))
    for name in wide:
        assert wide[name]["std_error"] > 1.05 * sharp[name]["std_error"]
        for rows in (wide, sharp):
            found = rows[name]
            assert abs(found["estimate"] - world.value(world.logging)) < 3 * found["std_error"]


@pytest.mark.parametrize("shrinkage", [None, 0.0, 3.0, np.inf])
def test_gradients_in_the_targets_chances_are_those_of_small_steps(shrinkage: float | None):
    _, frame = some_log(20, rows=600)
    log = read_log(frame, find_columns(frame))
    policy = make_policy(log, "uniform")
    assert policy.table is not None

    def score(table: np.ndarray):
        moved = replace(policy, table=table, chance=table[log.stratum, log.action])
        if shrinkage is None:
            return [score_ips(log, moved, None), score_snips(log, moved, None)]
        return [score_shrunk(log, moved, fit_rewards(log, table), shrinkage=shrinkage)]

    for s, a in ((0, 1), (2, 7)):
        step = np.zeros_like(policy.table)
        step[s, a] = 1e-6
        pairs = zip(score(policy.table + step), score(policy.table - step), strict=True)
        for base, (up, down) in zip(score(policy.table), pairs, strict=True):
            slope = (up.estimate - down.estimate) / 2e-6
            assert base.gradient[s, a] == pytest.approx(slope, rel=1e-4, abs=1e-9)


@pytest.mark.parametrize("smoothing", [1.0, 200.0])
def test_the_counting_error_of_a_target_is_that_of_a_bootstrap(smoothing: float):
    world, _ = some_log(14)
    rng = np.random.default_rng(15)
    frame, other = (
        draw_log(world, p, n, rng) for p, n in ((uniform(world), 3000), (world.logging, 250))
    )
    log = read_log(frame, find_columns(frame))
    columns = find_columns(other)

    def value(sample: pl.DataFrame) -> float:
        policy = make_policy(
            log, "other", target_log=sample, target_columns=columns, smoothing=smoothing
        )
        return float((log.reward * policy.chance / log.propensity).mean())

    policy = make_policy(
        log, "other", target_log=other, target_columns=columns, smoothing=smoothing
    )
    gradient = log.tabulate(log.reward / log.propensity) / log.n
    assert policy.source is not None
    error = np.sqrt((policy.source.influence(gradient) ** 2).sum())
    draws = [value(other[rng.integers(0, 250, 250)]) for _ in range(200)]
    assert error == pytest.approx(np.std(draws), rel=0.15)


def test_the_targets_own_log_is_the_check():
    world, frame = some_log(16)
    rng = np.random.default_rng(17)
    same = draw_log(world, uniform(world), 4000, rng)
    answer = answer_of(frame, "other", target_log=same)
    check = answer["target_on_policy"]
    assert check["value"] == pytest.approx(same["click"].mean())
    assert check["difference"]["ci_low"] < 0 < check["difference"]["ci_high"]
    richer = same.with_columns(click=pl.lit(1) - pl.col("click"))
    answer = answer_of(frame, "other", target_log=richer)
    assert any("own log disagrees" in reason for reason in answer["reasons"])
    assert answer_of(frame, "o", target_log=same.drop("click"))["target_on_policy"] is None


def test_rows_of_a_target_without_an_action_or_a_user_are_counted():
    world, _ = some_log()
    frame, other = (
        draw_log(world, uniform(world), 4_000, np.random.default_rng(seed)) for seed in (1, 2)
    )
    rows = pl.int_range(pl.len())
    target = other.with_columns(
        item_id=pl.when(rows >= 400).then("item_id"), user_id=pl.when(rows < 3_600).then(rows)
    )
    log = frame.with_columns(user_id=rows)
    answer = answer_of(log, "other", target_log=target, estimators=["ips"])
    assert answer["verdict"] == "weak"
    told = "\n".join(answer["reasons"])
    assert "400 of 4,000 rows without item_id in the target's log were dropped" in told
    assert "400 of 4,000 rows without user_id in the target's log were dropped" in told


def test_clusters_widen_intervals_of_repeated_rows():
    _, frame = some_log(18, rows=1000)
    four = pl.concat([frame.with_row_index("user_id")] * 4)
    by_user, by_row = answer_of(four), answer_of(four, cluster="none")
    for name in ("ips", "snips", "dr"):
        ratio = rows_of(by_user)[name]["std_error"] / rows_of(by_row)[name]["std_error"]
        assert ratio == pytest.approx(2.0, rel=0.03)
    assert by_user["behaviour"]["std_error"] == pytest.approx(
        answer_of(frame)["behaviour"]["std_error"], rel=1e-9
    )


def test_the_answer_does_not_depend_on_row_order_of_clusters_or_names_of_actions():
    _, frame = some_log(19)
    frame = frame.with_row_index("user_id")
    first = rows_of(answer_of(frame))
    named = frame.with_columns(item_id="x" + pl.col("item_id").cast(pl.String))
    mixed = rows_of(answer_of(named.sample(fraction=1, shuffle=True, seed=1)))
    for name, row in first.items():
        assert mixed[name]["estimate"] == pytest.approx(row["estimate"], rel=1e-6)


@pytest.mark.parametrize("greed", [0.0, 0.8])
@pytest.mark.slow
def test_95_percent_intervals_hold_with_about_twenty_clicks(greed: float):
    """120 worlds: a true 95% falls below 89.5% about once in a hundred times."""
    hits = []
    for seed in range(120):
        rng = np.random.default_rng(1000 + seed)
        world = make_world(rng, rate=0.02, greed=greed)
        frame = draw_log(world, world.logging, 1500, rng)
        rows = rows_of(answer_of(frame, estimators=["ips", "snips"]))
        truth = world.value(uniform(world))
        hits.append([row["ci_low"] <= truth <= row["ci_high"] for row in rows.values()])
    assert (np.mean(hits, axis=0) > 0.895).all()


def test_a_rows_own_reward_never_enters_its_prediction():
    _, frame = some_log(21, rows=300)
    log = read_log(frame, find_columns(frame))
    table = make_policy(log, "uniform").table
    flipped = replace(log, reward=np.where(log.fold == 0, 1 - log.reward, log.reward))
    first, second = (fit_rewards(one, table).logged for one in (log, flipped))
    assert (first == second)[log.fold == 0].all()
    assert (first != second)[log.fold != 0].all()


def draw_tastes(seed: int, rows: int = 1500) -> tuple[pl.DataFrame, float]:
    """A log of who likes what: an action's reward rises with x or falls; and the value of uniform."""
    rng = np.random.default_rng(seed)
    x, arms = rng.normal(size=rows), np.linspace(-1.5, 1.5, 4)
    chance = np.exp(0.8 * np.outer(x, arms))
    chance /= chance.sum(axis=1, keepdims=True)
    action = (rng.random((rows, 1)) > chance.cumsum(axis=1)[:, :-1]).sum(axis=1)
    means = np.clip(0.3 + 0.08 * np.outer(x, arms), 0.01, 0.95)
    click = rng.random(rows) < means[np.arange(rows), action]
    frame = pl.DataFrame({
        "x": x, "item_id": action, "click": click.astype(int),
        "propensity_score": chance[np.arange(rows), action],
    })  # fmt: skip
    return frame, float(means.mean())


def test_who_likes_what_is_learned_from_the_context():
    found: dict[str, list[float]] = {"dm": [], "dr": [], "ips": []}
    for seed in range(25):
        frame, truth = draw_tastes(seed)
        answer = evaluate_policy(frame, target="uniform", context=["x"])
        for row in answer["estimates"]:
            if row["estimator"] in found:
                found[row["estimator"]].append(row["estimate"] - truth)
    spread = {name: float(np.std(values)) for name, values in found.items()}
    assert abs(np.mean(found["dm"])) < 0.02
    assert spread["dr"] < 1.1 * spread["ips"]


@pytest.mark.slow
def test_the_interval_of_shrunk_weights_allows_for_the_choice_of_how_far():
    held = []
    for seed in range(60):
        world, frame = some_log(seed, rows=3000, rate=0.1, greed=1.6, is_personal=True)
        row = rows_of(answer_of(frame, estimators=["dros"]))["dros"]
        held.append(row["ci_low"] <= world.value(uniform(world)) <= row["ci_high"])
    assert np.mean(held) >= 0.93, "by the least variance and bias alone 0.88"
