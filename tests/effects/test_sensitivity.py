"""Benchmarks of sensitivity, against regressions run row by row with numpy."""

import numpy as np
import pytest

from tasks.effects.sensitivity import _bound, benchmark_controls, group_controls

ROWS = 4000
EXACT = 1e-4
"""The scaled ridge of 1e-6 that keeps collinear controls solvable moves shares by less."""


DARFUR = [(1, 0.009164, 0.124641), (2, 0.018329, 0.249324), (3, 0.027493, 0.374050)]
"""Bounds at 1, 2 and 3 times "female", as sensemakr gives them for Cinelli & Hazlett's example; the
partial shares of "female" itself follow from the first."""


def make_rows(rng, *, strength=0.5):
    x = rng.normal(size=(ROWS, 3))
    d = strength * x[:, 0] + 0.2 * x[:, 1] + rng.normal(size=ROWS)
    y = 0.4 * d + strength * x[:, 0] + 0.2 * x[:, 1] + rng.normal(size=ROWS)
    return np.column_stack([np.ones(ROWS), x, d, y])


def residual_ss(target, others):
    left = target - others @ np.linalg.lstsq(others, target, rcond=None)[0]
    return float(left @ left)


def benchmarks_of(z, **options):
    groups = {f"x{i}": np.array([i]) for i in (1, 2, 3)}
    found = benchmark_controls(
        z.T @ z, intercept=0, groups=groups, treatments=np.array([4]), outcome=5,
        weights=np.ones(1), **options,
    )  # fmt: skip
    return {one.control: one for one in found}


def test_strengths_are_partial_shares_of_variance():
    z = make_rows(np.random.default_rng(1))
    one = benchmarks_of(z)["x1"]
    controls, fewer = z[:, :4], z[:, [0, 2, 3]]
    share_d = 1 - residual_ss(z[:, 4], controls) / residual_ss(z[:, 4], fewer)
    assert one.r2_treatment == pytest.approx(share_d / (1 - share_d), abs=EXACT)


def test_leaving_a_confounder_out_moves_the_effect_by_no_more_than_its_benchmark():
    z = make_rows(np.random.default_rng(2))
    one = benchmarks_of(z)["x1"]
    with_it = np.linalg.lstsq(z[:, :5], z[:, 5], rcond=None)[0][4]
    without = np.linalg.lstsq(z[:, [0, 2, 3, 4]], z[:, 5], rcond=None)[0][3]
    assert abs(without - with_it) <= one.bias <= 2 * abs(without - with_it)


@pytest.mark.parametrize(("strength", "treatment", "outcome"), DARFUR)
def test_the_bound_of_a_published_example_is_met(strength, treatment, outcome):
    bound = _bound("female", 0.0090811, 0.1090339, scale=1.0, strength=strength)
    assert bound.r2_treatment == pytest.approx(treatment, abs=2e-5)
    assert bound.r2_outcome == pytest.approx(outcome, abs=2e-5)


def test_the_strongest_control_comes_first_and_noise_can_do_nothing():
    z = make_rows(np.random.default_rng(3))
    found = benchmarks_of(z)
    assert list(found) == ["x1", "x2", "x3"]
    assert found["x3"].bias < 0.02
    assert found["x1"].bias > 5 * found["x2"].bias


def test_a_confounder_twice_as_strong_does_more():
    z = make_rows(np.random.default_rng(4))
    assert benchmarks_of(z, strength=2.0)["x1"].bias > 1.5 * benchmarks_of(z)["x1"].bias


def test_cancelling_is_told_from_leaving_something():
    z = make_rows(np.random.default_rng(5))
    one = benchmarks_of(z)["x1"]
    assert one.cancels(0.9 * one.bias)
    assert not one.cancels(-1.1 * one.bias)


def test_columns_of_one_control_are_one_group():
    names = ["c__price", "c__price:s1", "c__price:missing", "c__brand=A:1", "c__brand=(other)"]
    assert group_controls(names) == {"c__price": names[:3], "c__brand": names[3:]}
