"""What changed since the previous night, and whether it is real."""

from typing import Any

import pytest

from tasks.report.changes import are_overlapping, compare_nights
from tasks.report.model import EffectRow

TOLERANCE = 1e-12  # one subtraction of two doubles near 1


def make_effect(**changes: Any) -> EffectRow:
    row = {"source": "s", "attribute": "a", "estimate": 1.0, "ci_low": 0.9, "ci_high": 1.1,
           "verdict": "credible"}  # fmt: skip
    return EffectRow.model_validate({**row, **changes})


def test_a_shift_within_the_intervals_is_steady() -> None:
    (change,) = compare_nights(
        [make_effect()], [make_effect(estimate=1.15, ci_low=1.05, ci_high=1.25)]
    )
    assert change.kind == "steady"
    assert change.is_overlapping is True
    assert change.difference == pytest.approx(0.15, abs=TOLERANCE)


def test_disjoint_intervals_are_a_move() -> None:
    (change,) = compare_nights(
        [make_effect()], [make_effect(estimate=0.5, ci_low=0.4, ci_high=0.6)]
    )
    assert change.kind == "moved"
    assert change.difference == pytest.approx(-0.5, abs=TOLERANCE)


def test_intervals_that_touch_overlap() -> None:
    assert are_overlapping(make_effect(), make_effect(ci_low=1.1, ci_high=1.2)) is True
    assert are_overlapping(make_effect(ci_low=1.1, ci_high=1.2), make_effect()) is True


def test_a_changed_verdict_comes_before_a_larger_move() -> None:
    before = [make_effect(), make_effect(attribute="b")]
    now = [
        make_effect(estimate=9.0, ci_low=8.9, ci_high=9.1),
        make_effect(attribute="b", verdict="weak"),
    ]
    kinds = [(change.attribute, change.kind) for change in compare_nights(before, now)]
    assert kinds == [("b", "verdict changed"), ("a", "moved")]


def test_new_and_gone_effects_have_no_difference() -> None:
    changes = compare_nights([make_effect(attribute="old")], [make_effect(attribute="new")])
    assert {(c.attribute, c.kind, c.difference) for c in changes} == {
        ("old", "gone", None),
        ("new", "new", None),
    }


def test_an_effect_without_a_result_cannot_have_moved() -> None:
    (change,) = compare_nights([make_effect()], [make_effect(estimate=None, verdict="no result")])
    assert (change.kind, change.difference, change.is_overlapping) == (
        "verdict changed", None, None
    )  # fmt: skip


def test_only_the_headline_contrast_is_compared() -> None:
    rows = [make_effect(), make_effect(contrast="negative"), make_effect(estimator="diff")]
    assert len(compare_nights(rows, rows)) == 1
