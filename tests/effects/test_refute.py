"""Refuters on worlds whose truth is known: true effects survive, and each flaw is found by its own."""

from datetime import date

import numpy as np
import pytest

from tasks.effects.basis import fit_basis
from tasks.effects.estimate import Method, Window, estimate_effects
from tasks.effects.judge import compare_opinions, judge_effects
from tasks.effects.moments import compute_moments, panel_moments, sum_moments
from tasks.effects.panel import treatment_names
from tasks.effects.refute import (
    RANDOM_CAUSE,
    REFUTERS,
    Case,
    RefuteRules,
    apply_refuter,
    change_panel,
    describe_benchmarks,
)
from tasks.effects.sensitivity import Benchmark
from tests.effects.worlds import CONTROLS, TRUTH, make_world

WINDOW = Window("shop", "all", date(2024, 1, 1), date(2024, 1, 31))
TREATMENTS = treatment_names(list(TRUTH))


def make_case(moments, **rules):
    rows = estimate_effects(moments, window=WINDOW, attributes=list(TRUTH))
    return Case(tuple(rows), tuple(TRUTH), "rating", Method(), RefuteRules(**rules))


def changed_moments(world, change, seed=0):
    panel = change_panel(
        world.frame(), change, treatments=TREATMENTS, rng=np.random.default_rng(seed)
    )
    columns = ["x1", "x2", *([RANDOM_CAUSE] if change == "random_cause" else [])]
    design = np.column_stack(
        [
            np.ones(panel.height),
            *(panel[name].to_numpy() for name in (*columns, *TREATMENTS, "rating")),
        ]
    )
    return compute_moments(
        design, world.bucket(40), columns=("1", *columns, *TREATMENTS, "rating"), n_buckets=40
    )


def results(lines):
    return {(line["attribute"], line["contrast"]): line for line in lines}


@pytest.mark.parametrize("refuter", ["placebo", "random_cause", "subset", "time", "sensitivity"])
def test_true_effects_survive(refuter):
    worlds = [make_world(np.random.default_rng(seed)) for seed in (1, 2)]
    days = [world.moments() for world in worlds]
    case = make_case(sum_moments(days))
    changed = (
        [changed_moments(world, refuter, seed=7) for world in worlds]
        if refuter in ("placebo", "random_cause")
        else days
    )
    lines = apply_refuter(case, refuter, changed)
    assert len(lines) == len(case.tried) == 9
    assert {line["result"] for line in lines} == {"passed"}


def test_placebos_move_nothing_and_noise_leaves_effects_where_they_are():
    world = make_world(np.random.default_rng(3))
    case = make_case(world.moments())
    truth = {(row["attribute"], row["contrast"]): row for row in case.rows}
    placebo = results(apply_refuter(case, "placebo", [changed_moments(world, "placebo")]))
    noisy = results(apply_refuter(case, "random_cause", [changed_moments(world, "random_cause")]))
    key = ("sound", "negative_to_positive")
    assert abs(truth[key]["estimate"]) > 1
    assert abs(placebo[key]["refuted"]) < 0.3
    assert noisy[key]["refuted"] == pytest.approx(truth[key]["estimate"], abs=0.01)


def test_a_placebo_that_works_fails_its_effect():
    """Treatments that were not dealt out anew are the flaw that the refuter must see."""
    world = make_world(np.random.default_rng(4))
    case = make_case(world.moments())
    lines = results(apply_refuter(case, "placebo", [world.moments()]))
    line = lines["sound", "negative_to_positive"]
    assert line["result"] == "failed"
    assert "intervals promise too much" in line["reason"]
    assert lines["shipping", "positive"]["result"] == "passed"


def test_dealing_out_keeps_treatments_of_a_review_together():
    world = make_world(np.random.default_rng(5))
    frame = world.frame()
    dealt = change_panel(frame, "placebo", treatments=TREATMENTS, rng=np.random.default_rng(1))
    assert dealt["rating"].equals(frame["rating"])
    assert not dealt["sound__positive"].equals(frame["sound__positive"])
    before, after = (f.select(TREATMENTS).to_numpy() for f in (frame, dealt))
    np.testing.assert_array_equal(before.T @ before, after.T @ after)


def test_an_effect_that_turns_over_in_time_is_weak():
    rng = np.random.default_rng(12)
    first, second = make_world(rng), make_world(rng)
    second.y[:] = second.y - 3 * second.d[:, 0]
    days = [first.moments(), second.moments()]
    case = make_case(sum_moments(days))
    lines = results(apply_refuter(case, "time", days))
    assert lines["sound", "positive"]["result"] == "weak"
    assert "not stable" in lines["sound", "positive"]["reason"]
    assert lines["price", "negative"]["result"] == "passed"
    assert results(apply_refuter(case, "subset", days))["sound", "positive"]["result"] == "passed"


def test_users_that_differ_are_found_apart():
    world = make_world(np.random.default_rng(13))
    block = world.bucket(40) // 5 % 2
    world.y[:] = world.y + 3 * world.d[:, 0] * block
    case = make_case(world.moments())
    lines = results(apply_refuter(case, "subset", [world.moments()]))
    assert lines["sound", "positive"]["result"] == "weak"
    assert "half of users" in lines["sound", "positive"]["reason"]


def test_one_period_cannot_be_judged_in_time_and_says_so():
    world = make_world(np.random.default_rng(14))
    case = make_case(world.moments())
    (line, *_) = apply_refuter(case, "time", [world.moments()])
    assert (line["result"], line["reason"]) == ("not applicable", "")
    assert "one period" in line["note"]


def test_a_half_too_thin_to_judge_is_said_and_does_not_fail():
    days = [
        make_world(np.random.default_rng(15), rows=5, users=2).moments(),
        make_world(np.random.default_rng(16)).moments(),
    ]
    case = make_case(sum_moments(days))
    lines = apply_refuter(case, "time", days)
    assert {line["result"] for line in lines} == {"not applicable"}
    assert "too thin" in lines[0]["note"]


def test_a_negative_control_that_moves_fails_and_one_that_does_not_passes():
    """x1 is a cause of mentions: as an outcome, left out of the controls, it is associated."""
    world = make_world(np.random.default_rng(17))
    case = make_case(world.moments())
    lines = results(apply_refuter(case, "negative_control", [world.moments()], ("x1",)))
    assert lines["sound", "negative_to_positive"]["result"] == "failed"
    noisy = changed_moments(world, "random_cause")
    clean = apply_refuter(make_case(noisy), "negative_control", [noisy], (RANDOM_CAUSE,))
    assert {line["result"] for line in clean} == {"passed"}


def test_negative_controls_that_are_not_there_are_named():
    world = make_world(np.random.default_rng(18))
    case = make_case(world.moments())
    (line, *_) = apply_refuter(case, "negative_control", [world.moments()], ("c__absent",))
    assert line["result"] == "not applicable"
    assert "c__absent" in line["note"]
    (line, *_) = apply_refuter(case, "negative_control", [world.moments()])
    assert "no negative control" in line["note"]


def test_placebos_fail_no_more_often_than_set():
    """9 contrasts in 40 worlds at 1% a family: expect 0.4 failing worlds; four would be 1 in 1,000."""
    failed, without_zero = 0, 0
    for seed in range(40):
        world = make_world(np.random.default_rng(200 + seed), rows=1500, users=200)
        case = make_case(world.moments())
        lines = apply_refuter(case, "placebo", [changed_moments(world, "placebo", seed)])
        failed += any(line["result"] == "failed" for line in lines)
        passed = [line for line in lines if line["result"] == "passed"]
        explained = [
            line for line in passed if "by chance; of 9 it fails below p = 0.001" in line["note"]
        ]
        assert explained == [li for li in passed if not li["ci_low"] <= 0 <= li["ci_high"]]
        without_zero += len(explained)
    assert failed <= 3
    assert without_zero


def test_sensitivity_speaks_of_the_strongest_control():
    said = describe_benchmarks(0.8, [Benchmark("c__price_usd", 0.1, 0.1, 0.3)])
    assert said == (
        "an unobserved confounder as strong as price usd, the strongest control, would leave at "
        "least +0.50"
    )
    said = describe_benchmarks(-0.2, [Benchmark("c__item_rating", 0.1, 0.1, 0.3)])
    assert said == "an unobserved confounder as strong as item rating could bring it to 0"


def test_no_estimate_is_not_tried():
    world = make_world(np.random.default_rng(19), rows=60, users=20)
    case = make_case(world.moments())
    assert case.tried == []
    assert [apply_refuter(case, refuter, [world.moments()]) for refuter in REFUTERS] == [[]] * 6


def test_verdicts_heed_refutations_and_only_their_own():
    world = make_world(np.random.default_rng(20))
    case = make_case(world.moments())
    lines = apply_refuter(case, "placebo", [world.moments()])
    judged = {(row["attribute"], row["contrast"]): row for row in judge_effects(case.rows, lines)}
    assert judged["sound", "negative_to_positive"]["verdict"] == "not credible"
    assert "promise too much" in judged["sound", "negative_to_positive"]["reasons"][0]
    assert judged["shipping", "positive"]["verdict"] == "credible"


def test_false_discovery_control_runs_over_all_windows_together():
    """A find at p = 0.04 stands among two, and falls among many nulls of other windows."""
    world = make_world(np.random.default_rng(21))
    (row, *_) = make_case(world.moments()).rows
    find = row | {"p_value": 0.04, "ci_low": 0.1, "verdict": "credible", "reasons": []}
    null = find | {"p_value": 0.9, "ci_low": -1.0, "window": "7d"}
    assert judge_effects([find], [])[0]["verdict"] == "credible"
    judged = judge_effects([find, *[null] * 9], [])
    assert judged[0]["q_value"] == pytest.approx(0.4)
    assert judged[0]["verdict"] == "weak"


def test_opinions_beyond_both_intervals_are_said_to_disagree():
    row = {"estimate": 0.5, "ci_low": 0.3, "ci_high": 0.7}
    near = {"estimator": "irm", "estimate": 0.8, "ci_low": 0.6, "ci_high": 1.0}
    far = {"estimator": "irm", "estimate": 1.5, "ci_low": 1.2, "ci_high": 1.8}
    assert compare_opinions(row, near) == [("credible", "irm agrees: +0.80")]
    ((verdict, reason),) = compare_opinions(row, far)
    assert verdict == "weak"
    assert reason.startswith("irm disagrees: +1.50")
    silent = far | {"estimate": None, "reasons": ["too few labels"]}
    assert compare_opinions(row, silent) == [("credible", "irm: no result, too few labels")]
    assert compare_opinions(row | {"estimate": None}, far) == []


def test_the_random_cause_travels_through_a_frozen_basis():
    """In the night the noise enters beside the basis: it must be a control there, not a treatment."""
    from tasks.effects.basis import BasisSpec

    world = make_world(np.random.default_rng(22))
    frame = world.frame()
    basis = fit_basis(frame, BasisSpec(numeric=CONTROLS))
    changed = change_panel(
        frame, "random_cause", treatments=TREATMENTS, rng=np.random.default_rng(1)
    )
    noisy = panel_moments(
        changed, basis, treatments=(*TREATMENTS, RANDOM_CAUSE), outcome="rating", n_buckets=40
    )
    plain = panel_moments(frame, basis, treatments=TREATMENTS, outcome="rating", n_buckets=40)
    lines = apply_refuter(make_case(plain), "random_cause", [noisy])
    assert {line["result"] for line in lines} == {"passed"}
    assert {line["estimate"] == line["refuted"] for line in lines} == {False}
