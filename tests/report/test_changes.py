"""What changed since the previous night, and whether it is real."""

from typing import Any

import pytest

from tasks.report.change_rows import MovedRow
from tasks.report.changes import (
    EffectChange,
    are_overlapping,
    compare_before,
    compare_nights,
    count_words,
    explain_flip,
)
from tasks.report.model import EffectRow
from tasks.report.todo import phrase_move
from tests.report.conftest import make_night

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


def make_moved(**changes: Any) -> MovedRow:
    row = {"source": "s", "window": "all", "attribute": "a", "contrast": "negative_to_positive",
           "recomputed": 1.0, "change": 0.02, "std_error": 0.01, "ci_low": 0.0, "ci_high": 0.04,
           "p_value": 0.06, "q_value": 0.2, "n_gained": 300}  # fmt: skip
    return MovedRow.model_validate({**row, **changes})


def compare(now: EffectRow, moved: MovedRow, before: EffectRow | None = None) -> EffectChange:
    (change,) = compare_nights([before or make_effect()], [now], [moved])
    return change


def test_a_small_change_is_told_in_decimals_that_show_it() -> None:
    now = make_effect(estimate=0.4741, ci_low=0.44, ci_high=0.51)
    before = make_effect(estimate=0.4662, ci_low=0.43, ci_high=0.5)
    change = compare(now, make_moved(change=0.0079, ci_low=0.004, ci_high=0.0118, q_value=0.001),
                     before)  # fmt: skip
    assert change.word == "likely real"
    assert phrase_move(change, make_night()) == "from +0.466 to +0.474 stars"


def test_a_change_with_an_interval_of_its_own_is_real_though_the_effects_overlap() -> None:
    now = make_effect(estimate=1.05, ci_low=0.95, ci_high=1.15)
    moved = make_moved(change=0.05, ci_low=0.03, ci_high=0.07, q_value=0.001)
    change = compare(now, moved)
    assert (change.word, change.kind, change.is_overlapping) == ("likely real", "moved", True)
    assert change.revision == pytest.approx(0.0, abs=TOLERANCE)
    assert change.shown_revision is None


def test_a_change_that_does_not_survive_the_count_of_changes_is_noise() -> None:
    now = make_effect(estimate=1.05, ci_low=0.95, ci_high=1.15)
    moved = make_moved(change=0.05, ci_low=0.03, ci_high=0.07, p_value=0.01, q_value=0.08)
    assert (compare(now, moved).word, compare(now, moved).kind) == ("within noise", "steady")


def test_an_earlier_figure_that_is_another_today_is_called_revised() -> None:
    now = make_effect(estimate=0.80, ci_low=0.7, ci_high=0.9)
    change = compare(now, make_moved(recomputed=0.79, change=0.01))
    assert (change.word, change.kind) == ("revised", "moved")
    assert change.shown_revision == pytest.approx(-0.21, abs=TOLERANCE)


def test_without_an_interval_of_the_change_overlap_leaves_it_open() -> None:
    (change,) = compare_nights(
        [make_effect()], [make_effect(estimate=1.15, ci_low=1.0, ci_high=1.3)]
    )
    assert (change.word, change.kind) == ("cannot be said", "steady")
    (change,) = compare_nights(
        [make_effect()], [make_effect(estimate=0.5, ci_low=0.4, ci_high=0.6)]
    )
    assert change.word == "likely real"


def test_a_fallen_verdict_is_explained_by_what_is_new_and_a_risen_one_by_what_is_gone() -> None:
    old = make_effect(reasons=["the naive difference +0.20 lies above the interval"])
    new = make_effect(verdict="weak", reasons=["not stable: +0.02 in the one half, +0.19 in the other",
                                               "the naive difference +0.31 lies above the interval"])  # fmt: skip
    fallen, risen = explain_flip(old, new), explain_flip(new, old)
    assert fallen == "Because not stable: +0.02 in the one half, +0.19 in the other."
    assert risen.startswith("No longer: not stable")
    assert explain_flip(old, old) == ""


def test_effects_that_appear_vanish_or_never_were_have_words_of_their_own() -> None:
    none = make_effect(estimate=None, verdict="no result")
    words = [
        compare_nights(before, now)[0].word
        for before, now in (
            ([], [make_effect()]), ([none], [make_effect()]), ([make_effect()], []),
            ([make_effect()], [none]), ([none], [none]),
        )
    ]  # fmt: skip
    assert words == ["new", "new", "gone", "gone", "no result"]


def test_every_change_is_counted_under_one_word() -> None:
    night = make_night()
    changes = compare_before(night)
    assert sum(count_words(changes).values()) == len(changes) == 16
    assert count_words(changes)["likely real"] == 1
