"""Numbers, dates and counts read as a person would write them."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.report.model import EffectRow
from tasks.report.words import (
    effect_decimals,
    end_sentence,
    format_date,
    format_interval,
    format_number,
    format_plural,
    format_seconds,
    format_share,
    format_weekday,
    join_words,
    name_window,
    tell_plural,
    write_minus,
)

MINUS = "\N{MINUS SIGN}"


@pytest.mark.parametrize(
    ("value", "text"),
    [(-0.934, f"{MINUS}0.93"), (0.934, "+0.93"), (-0.001, "0.00"), (0.0, "0.00"),
     (None, "no result"), (-1234.5, f"{MINUS}1,234.50")],
)  # fmt: skip
def test_signed_numbers_have_a_true_minus_and_rounded_zero_has_no_sign(
    value: float | None, text: str
) -> None:
    assert format_number(value, is_signed=True) == text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("the difference -0.24 lies", f"the difference {MINUS}0.24 lies"),
        ("-1 (-.5 to -0.1)", f"{MINUS}1 ({MINUS}.5 to {MINUS}0.1)"),
        ("2024-03-01, u-7, 1-2, 1e-9, --context, a - 1", "2024-03-01, u-7, 1-2, 1e-9, --context, a - 1"),
    ],
)  # fmt: skip
def test_negative_numbers_in_sentences_have_a_true_minus(text: str, written: str) -> None:
    assert write_minus(text) == written


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_can_be_written_in_few_characters(value: float) -> None:
    assert 0 < len(format_number(value, is_signed=True)) <= 17


def test_an_interval_names_both_ends_or_nothing() -> None:
    assert format_interval(-1.02, -0.84) == f"{MINUS}1.02 to {MINUS}0.84"
    assert format_interval(None, 1.0) == ""


def test_narrow_intervals_get_more_decimals() -> None:
    base = {"source": "s", "attribute": "a", "verdict": "credible"}
    wide = EffectRow.model_validate({**base, "ci_low": -1.0, "ci_high": 1.0})
    narrow = EffectRow.model_validate({**base, "ci_low": 0.0021, "ci_high": 0.0025})
    assert (effect_decimals(wide), effect_decimals(narrow)) == (2, 4)


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(0, 10, "0.0%"), (1, 100_000, "under 0.1%"), (412, 10_261, "4.0%"), (1, 2, "50%"),
     (0, 0, "no result")],
)  # fmt: skip
def test_a_share_of_something_is_never_shown_as_nothing(part: int, whole: int, text: str) -> None:
    assert format_share(part, whole) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.42, "0.42 s"), (12.3, "12 s"), (200, "3 min 20 s"), (3900, "1 h 05 min")],
)
def test_durations_read_as_people_say_them(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text


def test_a_duration_that_was_not_measured_is_no_zero() -> None:
    assert "0" not in format_seconds(None)


def test_dates_are_written_out() -> None:
    assert format_date(date(2024, 3, 4)) == "4 March 2024"
    assert format_weekday(date(2024, 3, 14)) == "Thursday, 14 March 2024"


def test_counts_agree_with_their_nouns() -> None:
    assert format_plural(1, "row") == "1 row"
    assert format_plural(1200, "row") == "1,200 rows"
    assert tell_plural(3, "check") == "three checks"
    assert tell_plural(12, "check") == "12 checks"


def test_lists_are_joined_as_in_a_sentence() -> None:
    assert join_words([]) == ""
    assert join_words(["a", "b", "c"]) == "a, b and c"


def test_sentences_end_once() -> None:
    assert end_sentence("it broke") == "It broke."
    assert end_sentence("Why?") == "Why?"


def test_windows_are_named_with_their_dates() -> None:
    row = {"source": "s", "attribute": "a", "verdict": "weak", "window_end": "2024-03-14"}
    everything = EffectRow.model_validate({**row, "window": "all"})
    month = EffectRow.model_validate({**row, "window": "28d", "window_start": "2024-02-16"})
    assert name_window(everything) == "All history to 14 March 2024"
    assert name_window(month) == "Last 28 days (16 February 2024 to 14 March 2024)"
