"""The report accepts the night's tables as they are, and cleans what enters."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.report.fields import MAX_NAME
from tasks.report.model import (
    MAX_SIDE,
    MAX_SPAN,
    CheckRow,
    DropRow,
    EffectRow,
    Example,
    NightReport,
    TaskRow,
)

TEXT = st.text(st.characters(), max_size=600)


def make_drop(**changes: Any) -> DropRow:
    row = {"source": "s", "table": "reviews", "drop_id": "d", "rows_read": 10,
           "rows_published": 7, "rows_quarantined": 2, "rows_duplicate": 1}  # fmt: skip
    return DropRow.model_validate({**row, **changes})


def test_rows_that_add_up_leave_none_unaccounted() -> None:
    assert make_drop().unaccounted == 0


@pytest.mark.parametrize(("published", "missing"), [(6, 1), (9, -2)])
def test_rows_that_do_not_add_up_are_counted_in_both_directions(
    published: int, missing: int
) -> None:
    assert make_drop(rows_published=published).unaccounted == missing


def test_rows_of_a_stopped_drop_are_held_back_and_not_missing() -> None:
    drop = make_drop(status="stopped by gate", rows_published=7)
    assert (drop.published, drop.held_back, drop.unaccounted) == (0, 7, 0)


def test_held_rows_given_by_the_caller_are_checked_like_the_others() -> None:
    assert make_drop(status="stopped by gate", rows_held=5).unaccounted == 2
    assert make_drop(status="stopped by gate", rows_held=7).unaccounted == 0


def test_a_stopped_drop_with_more_bad_rows_than_it_read_does_not_add_up() -> None:
    drop = make_drop(status="failed", rows_quarantined=12)
    assert (drop.held_back, drop.unaccounted) == (0, -3)


def test_columns_of_the_warehouse_are_accepted_under_their_names() -> None:
    check = CheckRow.model_validate(
        {"table_name": "reviews", "column_name": "rating", "expectation": "e", "is_success": True,
         "run_id": "ignored"}
    )  # fmt: skip
    assert (check.table, check.column) == ("reviews", "rating")
    assert TaskRow.model_validate(
        {"stage": "s", "name": "n", "state": "failed", "reason": "why"}
    ).message == "why"  # fmt: skip


@pytest.mark.parametrize("value", [math.nan, math.inf, None])
def test_numbers_that_are_not_finite_become_no_number(value: float | None) -> None:
    row = EffectRow.model_validate(
        {"source": "s", "attribute": "a", "estimate": value, "verdict": "no result",
         "reasons": None}
    )  # fmt: skip
    assert row.estimate is None
    assert not row.is_estimated
    assert row.reasons == ()


def test_a_verdict_that_nobody_defined_is_refused() -> None:
    with pytest.raises(ValidationError, match="verdict"):
        EffectRow.model_validate({"source": "s", "attribute": "a", "verdict": "maybe"})


def test_a_field_that_the_report_does_not_know_is_refused() -> None:
    with pytest.raises(ValidationError, match="effcts"):
        NightReport.model_validate(
            {"as_of": "2024-03-14", "reproducibility": {"run_id": "r"}, "effcts": []}
        )


def test_the_marked_words_are_those_of_the_span() -> None:
    text = "It was fine until  the strap broke\nafter a week."
    start = text.index("the strap")
    example = Example.model_validate({"text": text, "start": start, "end": start + 15})
    assert (example.before, example.marked, example.after) == (
        "It was fine until ", "the strap broke", " after a week."
    )  # fmt: skip


@given(TEXT, st.integers(-5, 700) | st.none(), st.integers(-5, 700) | st.none())
def test_any_span_in_any_text_gives_short_clean_pieces(
    text: str, start: int | None, end: int | None
) -> None:
    example = Example.model_validate({"text": text, "start": start, "end": end})
    assert len(example.marked) <= MAX_SPAN
    assert len(example.before) <= 2 * MAX_SIDE + 1
    assert len(example.after) <= MAX_SIDE + 1
    is_span = start is not None and end is not None and 0 <= start < end <= len(text)
    if not is_span:
        assert not example.marked
        assert not example.after
    again = Example.model_validate(example.model_dump())
    assert (again.marked, again.before.strip()) == (example.marked, example.before.strip())


def test_a_long_review_is_cut_around_its_span_and_not_through_it() -> None:
    text = "a" * 5000 + " BROKE " + "b" * 5000
    example = Example.model_validate({"text": text, "start": 5001, "end": 5006})
    assert example.marked == "BROKE"
    assert example.before.startswith("…a")
    assert example.after.endswith("b…")


def test_a_megabyte_long_name_is_cut() -> None:
    row = make_drop(source="x" * 1_000_000)
    assert len(row.source) == MAX_NAME


def test_a_report_cannot_be_changed_once_it_is_made(night: NightReport) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        night.confidence = 0.9  # type: ignore[misc]
