"""Verdicts: each reason has a case that brings it out and one that does not."""

import numpy as np
import pytest
from scipy.stats import false_discovery_control

from tasks.effects.credibility import (
    Rules,
    adjust_p_values,
    check_discovery,
    check_fit,
    check_naive,
    decide_verdict,
)
from tasks.effects.intervals import Interval, make_interval
from tasks.effects.plr import Fit


def make_fit(**changes) -> Fit:
    """A healthy fit of one treatment: effect 0.5, standard error 0.05."""
    given = {
        "treatments": ("a",), "theta": np.array([0.5]), "influence": np.full((25, 1), 0.01),
        "bread": np.array([[1 / 400.0]]), "outcome_ss": 5000.0, "residual_ss": np.array([4900.0]),
        "variance_left": np.array([0.9]), "effective_clusters": np.array([24.0]), "clusters": 25,
        "n": 5000,
    }  # fmt: skip
    return Fit(**(given | changes))


def judge(fit: Fit, n_columns: int = 10) -> tuple[str, list[str]]:
    one = np.ones(1)
    findings = check_fit(fit, one, fit.interval(one), n_columns=n_columns, rules=Rules())
    return decide_verdict(findings)


def test_a_healthy_fit_is_credible():
    assert judge(make_fit()) == ("credible", [])


@pytest.mark.parametrize(
    ("changes", "verdict", "word"),
    [
        ({"variance_left": np.array([0.05])}, "weak", "5.0% of its variance"),
        ({"variance_left": np.array([0.005])}, "not credible", "0.5% of its variance"),
        ({"effective_clusters": np.array([6.0])}, "weak", "few users"),
        ({"effective_clusters": np.array([2.0])}, "not credible", "few users"),
        ({"bread": np.array([[1 / 0.4]])}, "weak", "unobserved confounder"),
        ({"n": 49}, "weak", "49 rows for 10 columns"),
    ],
)
def test_each_weakness_is_named(changes, verdict, word):
    found, reasons = judge(make_fit(**changes))
    assert found == verdict
    assert word in reasons[0]


def test_an_effect_of_nothing_is_not_called_fragile():
    fit = make_fit(theta=np.array([0.001]), bread=np.array([[1 / 0.4]]))
    assert judge(fit)[0] == "credible"


def test_a_naive_figure_far_off_informs_and_does_not_fail():
    interval = make_interval(0.5, 0.1, degrees=30, confidence=0.95)
    naive = Interval(1.5, 0.1, 1.3, 1.7, 0.0)
    ((verdict, reason),) = check_naive(interval, naive)
    assert verdict == "credible"
    assert "+1.50 lies above" in reason
    assert check_naive(interval, Interval(0.5, 0.1, 0.3, 0.7, 0.0)) == []


def test_a_chance_find_among_many_is_weak():
    interval = make_interval(0.3, 0.1, degrees=30, confidence=0.95)
    assert check_discovery(interval, 0.04, confidence=0.95) == []
    assert check_discovery(interval, 0.2, confidence=0.95)[0][0] == "weak"


def test_q_values_equal_scipy():
    p = np.random.default_rng(1).uniform(size=50) ** 3
    np.testing.assert_allclose(adjust_p_values(list(p)), false_discovery_control(p), rtol=1e-12)
    assert adjust_p_values([]) == []


def test_the_worst_verdict_wins_and_reasons_are_listed_once_worst_first():
    found = [("weak", "b"), ("credible", "c"), ("not credible", "a"), ("weak", "b")]
    assert decide_verdict(found) == ("not credible", ["a", "b", "c"])
    assert decide_verdict([]) == ("credible", [])
