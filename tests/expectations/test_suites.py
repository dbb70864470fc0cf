"""Every suite has a passing fixture, and a failing one for each of its expectations."""

import importlib
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from pathlib import Path

import polars as pl
import pytest

from expectations.inputs import SuiteInputs
from tasks.platform.schema import KEYS, TABLES, TableName
from tasks.quality.gate import GateReport
from tests.expectations.staged import (
    BREAKS,
    DAY,
    SOURCE,
    UNLIKE,
    fill,
    judge,
    judge_apart,
    judge_broken,
    judge_day,
    judge_unlike,
    list_rules,
    make_staged,
    put,
)

CASES = [(table, name) for table in TABLES for name in BREAKS[table]]
UNLIKE_CASES = [(table, name) for table in TABLES for name in UNLIKE[table]]


@pytest.mark.parametrize("table", TABLES)
def test_every_expectation_has_a_failing_fixture_and_every_fixture_an_expectation(
    table: TableName,
) -> None:
    assert set(list_rules(table)) == set(BREAKS[table]) | set(UNLIKE[table])
    assert not set(BREAKS[table]) & set(UNLIKE[table])


@pytest.mark.parametrize("table", TABLES)
def test_names_are_unique_and_every_expectation_says_what_breaks(table: TableName) -> None:
    inputs = SuiteInputs(SOURCE, 100, DAY, DAY, None)
    suite = importlib.import_module(f"expectations.clean.{table}").build_suite(inputs)
    names = [rule.meta["name"] for rule in suite.expectations]
    assert len(set(names)) == len(names)
    for rule in suite.expectations:
        assert rule.severity in ("critical", "warning")
        assert all(rule.meta[word] for word in ("sentence", "allowed", "breaks", "advice"))


@pytest.mark.parametrize("table", TABLES)
def test_a_good_table_passes_without_a_warning(table: TableName, tmp_path: Path) -> None:
    report = judge(make_staged(table), tmp_path, table)
    assert report.is_passed
    assert [c.name for c in report.checks if not c.is_success] == []
    assert report.n_rows == 300


@pytest.mark.parametrize(("table", "name"), CASES)
def test_broken_table_fails_the_expectation_with_its_severity(table: TableName, name: str) -> None:
    report = judge_broken(table)[name]
    check = next(c for c in report.checks if c.name == name)
    severity = list_rules(table)[name].severity
    assert not check.is_success
    assert not check.is_error
    assert check.severity == severity
    failed_critical = [c.name for c in report.failures]
    if severity == "critical":
        assert not report.is_passed
        assert name in failed_critical
    else:
        assert report.is_passed
        assert failed_critical == []


@pytest.mark.parametrize(("table", "name"), UNLIKE_CASES)
def test_a_day_unlike_those_before_fails_the_expectation_in_words(
    table: TableName, name: str
) -> None:
    report = judge_unlike(table)
    check = next(c for c in report.checks if c.name == name)
    assert not check.is_success
    assert not check.is_error
    assert check.severity == list_rules(table)[name].severity
    assert any(word in check.allowed for word in ("usual", "earlier days"))
    assert any(mark in check.observed for mark in ("%", "index"))


@pytest.mark.parametrize("table", ["reviews", "exposures"])
def test_a_day_like_those_before_passes_and_a_first_day_is_not_compared(
    table: TableName, tmp_path: Path
) -> None:
    report = judge_day(make_staged(table), tmp_path, table)
    assert [c.name for c in report.checks if not c.is_success] == []
    assert [c.name for c in report.checks if c.name in UNLIKE[table] and c.skip_reason] == []
    first = judge(make_staged(table), tmp_path, table)
    skipped = {c.name for c in first.checks if c.skip_reason}
    assert skipped >= set(UNLIKE[table])


EDGES: list[tuple[TableName, str, object, str]] = [
    ("reviews", "rating", float("-inf"), "rating_finite"),
    ("reviews", "rating", float("inf"), "rating_range"),
    ("reviews", "rating", 0.999, "rating_range"),
    ("reviews", "event_date", DAY - timedelta(days=1), "event_date_range"),
    ("reviews", "text_sha256", "a" * 63, "text_sha256_shape"),
    ("reviews", "text_sha256", "a" * 64 + "\n", "text_sha256_shape"),
    ("reviews", "helpful_votes", -1, "helpful_votes_part_of_total"),
    ("reviews", "reviewed_at", None, "event_date_agrees"),
    ("exposures", "propensity", float("inf"), "propensity_finite"),
    ("exposures", "propensity", 1.0001, "propensity_range"),
    ("exposures", "propensity", -0.5, "propensity_range"),
    ("exposures", "context", "null", "context_object"),
    ("exposures", "context", "", "context_object"),
    ("items", "price_usd", float("inf"), "price_usd_finite"),
    ("users", "features", '"text"', "features_object"),
    ("users", "features", "[]", "features_object"),
]


@cache
def judge_edges(table: TableName) -> Mapping[int, GateReport]:
    """Reports of the `EDGES` of a table, by where they stand in the list."""
    cases = {
        at: (name, put(column, value))
        for at, (where, column, value, name) in enumerate(EDGES)
        if where == table
    }
    return judge_apart(table, cases)


@pytest.mark.parametrize("at", range(len(EDGES)), ids=lambda at: "-".join(map(repr, EDGES[at])))
def test_edge_values_are_caught(at: int) -> None:
    table, _, _, name = EDGES[at]
    check = next(c for c in judge_edges(table)[at].checks if c.name == name)
    assert not check.is_success
    assert check.n_unexpected == 1


ALLOWED: dict[TableName, list[tuple[str, object]]] = {
    "reviews": [("rating", 1.0), ("text", ""), ("helpful_votes", None)],
    "exposures": [
        ("propensity", 1.0),
        ("propensity", 1e-12),
        ("position", None),
        ("is_converted", None),
        ("context", "{}"),
    ],
    "items": [("price_usd", 0.0), ("price_usd", None)],
    "users": [("features", '{"a": {"b": [1]}}')],
}


@pytest.mark.parametrize("table", TABLES)
def test_values_at_the_edge_of_what_is_allowed_pass(table: TableName, tmp_path: Path) -> None:
    """Each in a row of its own."""
    frame = make_staged(table)
    for at, (column, value) in enumerate(ALLOWED[table], start=3):
        frame = put(column, value, at=at)(frame)
        assert frame[column][at] == value
    report = judge(frame, tmp_path, table)
    assert [c.name for c in report.checks if not c.is_success] == []


def test_repeats_are_counted_by_the_library_and_nulls_are_not_repeats(tmp_path: Path) -> None:
    frame = make_staged("reviews")
    frame = put("review_id", f"{0:032x}")(frame)
    frame = put("review_id", None, at=10)(put("review_id", None, at=11)(frame))
    report = judge(frame, tmp_path, "reviews")
    found = {c.name: c for c in report.checks}
    assert found["review_id_unique"].n_unexpected == 2  # both rows of the pair
    assert sorted(found["review_id_unique"].examples) == [
        f"drop.jsonl.gz:0 {0:032x}",
        f"drop.jsonl.gz:3 {0:032x}",
    ]
    assert found["review_id_present"].n_unexpected == 2


def test_user_concentration_is_judged_by_the_day_and_names_the_user(tmp_path: Path) -> None:
    """300 rows of two days: 13 of the first day's 200 are by one user; of all rows 4.3%."""
    frame = make_staged("reviews")
    other_day = pl.int_range(pl.len()) >= 200
    frame = frame.with_columns(
        user_id=pl.when(pl.int_range(pl.len()) < 13)
        .then(pl.lit("copier"))
        .otherwise(pl.col("user_id")),
        event_date=pl.when(other_day)
        .then(pl.lit(DAY - timedelta(days=1)))
        .otherwise(pl.col("event_date")),
        reviewed_at=pl.when(other_day)
        .then(pl.col("reviewed_at") - timedelta(days=1))
        .otherwise(pl.col("reviewed_at")),
    )
    bounds = (DAY - timedelta(days=1), DAY)
    report = judge(frame, tmp_path, "reviews", date_bounds=bounds)
    check = next(c for c in report.checks if c.name == "user_concentration")
    assert not check.is_success
    assert check.observed == "13 of 200 rows of 2024-03-07 (6.5%) are by one"
    assert check.examples == ("copier",)
    assert report.is_passed


def test_a_busy_user_of_a_small_day_is_no_warning(tmp_path: Path) -> None:
    frame = fill("user_id", "fan", share=0.3)(make_staged("reviews", 199))
    report = judge(frame, tmp_path, "reviews")
    assert next(c for c in report.checks if c.name == "user_concentration").is_success


@pytest.mark.parametrize(("n_rows", "is_fine"), [(15, True), (16, False)])
def test_user_share_is_of_the_whole_day_not_of_the_smallest_one(
    n_rows: int, is_fine: bool, tmp_path: Path
) -> None:
    frame = fill("user_id", "fan", share=n_rows / 300)(make_staged("reviews"))
    report = judge(frame, tmp_path, "reviews")
    assert next(c for c in report.checks if c.name == "user_concentration").is_success == is_fine


def test_constant_ratings_of_a_handful_of_rows_are_not_judged(tmp_path: Path) -> None:
    frame = fill("rating", 5.0)(make_staged("reviews", 29))
    report = judge(frame, tmp_path, "reviews", history=None)
    check = next(c for c in report.checks if c.name == "rating_varies")
    assert check.skip_reason == "fewer than 30 rows"
    assert check.is_success


def test_repeated_empty_texts_are_not_repeats(tmp_path: Path) -> None:
    frame = make_staged("reviews").with_columns(
        text_sha256=pl.lit("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    )
    report = judge(frame, tmp_path, "reviews")
    found = {c.name: c for c in report.checks}
    assert found["texts_repeated"].observed == "no texts"
    assert not found["text_mostly_filled"].is_success


@pytest.mark.parametrize("table", TABLES)
def test_key_of_the_schema_is_what_the_suite_checks(table: TableName) -> None:
    assert f"{KEYS[table]}_unique" in list_rules(table)
