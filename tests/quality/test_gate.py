"""The gate: verdicts, errors inside the library, odd files, threads, and silence."""

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from expectations.inputs import SuiteInputs
from tasks.platform.errors import InputError, OutOfMemoryError, StorageError
from tasks.platform.schema import TABLES, TableName
from tasks.quality import gate
from tasks.quality.gate import CheckResult, GateReport, run_gate
from tests.expectations.staged import DAY, SOURCE, USUAL, drop, fill, judge, make_staged, put

MAX_IMPORT_S = 2.0  # a fresh interpreter with this module alone; the library takes 3 s and more


def find(report: GateReport, name: str) -> CheckResult:
    return next(check for check in report.checks if check.name == name)


def test_report_counts_shares_and_names_rows_by_file_line_and_key(tmp_path: Path) -> None:
    frame = fill("rating", 7.0, share=41 / 300)(make_staged("reviews"))
    report = judge(frame, tmp_path, "reviews")
    check = find(report, "rating_range")
    assert not report.is_passed
    assert (check.n_unexpected, check.n_rows) == (41, 300)
    assert check.observed == "41 of 300 rows (13.67%)"
    assert check.allowed == "1 to 5"
    assert len(check.examples) == 5
    assert check.examples[0] == f"drop.jsonl.gz:0 {0:032x} rating = 7.0"
    assert check.breaks
    assert check.advice
    assert [c.name for c in report.failures] == ["rating_range"]


def test_examples_show_no_text(tmp_path: Path) -> None:
    secret = "call me at home"
    frame = put("user_id", "  ")(put("context", secret)(make_staged("exposures")))
    report = judge(frame, tmp_path, "exposures")
    check = find(report, "context_object")
    assert check.examples == ("drop.jsonl.gz:3 e3",)
    assert secret not in json.dumps(report.to_dict())


def test_long_hostile_keys_are_cut_to_one_short_line(tmp_path: Path) -> None:
    frame = put("rating", 9.0)(put("review_id", "<b>\n" * 100)(make_staged("reviews")))
    examples = find(judge(frame, tmp_path, "reviews"), "rating_range").examples
    assert "\n" not in examples[0]
    assert len(examples[0]) < 130


def test_report_survives_json(tmp_path: Path) -> None:
    report = judge(put("rating", 9.0)(make_staged("reviews")), tmp_path, "reviews")
    again = GateReport.from_dict(json.loads(json.dumps(report.to_dict())))
    assert again == report
    assert {field.name for field in fields(CheckResult)} == set(report.to_dict()["checks"][0])


def test_nothing_after_as_of_passes_even_within_the_bounds(tmp_path: Path) -> None:
    bounds = (DAY - timedelta(days=9), DAY + timedelta(days=9))
    day_before = DAY - timedelta(days=1)
    report = judge(
        make_staged("reviews"), tmp_path, "reviews", as_of=day_before, date_bounds=bounds
    )
    check = find(report, "event_date_range")
    assert check.n_unexpected == 300
    assert check.allowed == "2024-02-27 to 2024-03-06"
    assert judge(make_staged("reviews"), tmp_path, "reviews", date_bounds=bounds).is_passed


@pytest.mark.parametrize("table", TABLES)
def test_no_rows_give_no_result_and_the_row_count_speaks(table: TableName, tmp_path: Path) -> None:
    report = judge(make_staged(table).head(0), tmp_path, table)
    decided = {c.name for c in report.checks if c.skip_reason is None}
    assert decided == {"columns", "row_count_far_out", "row_count_unusual"}
    assert {c.name for c in report.checks if not c.is_success} == {
        "row_count_far_out",
        "row_count_unusual",
    }
    assert not report.is_passed
    assert all("no result" in c.observed for c in report.checks if c.skip_reason == "no rows")


def test_no_rows_without_history_is_a_warning_not_a_stop(tmp_path: Path) -> None:
    report = judge(make_staged("users").head(0), tmp_path, "users", history=None)
    assert report.is_passed
    assert [c.name for c in report.warnings] == ["row_count_unusual"]
    assert find(report, "row_count_far_out").skip_reason is not None


@pytest.mark.parametrize(
    ("n_rows", "failed"),
    [
        (89, {"row_count_far_out", "row_count_unusual"}),
        (90, {"row_count_unusual"}),
        (149, {"row_count_unusual"}),
        (150, set()),
        (9_000, set()),
        (9_001, {"row_count_unusual"}),
        (27_001, {"row_count_far_out", "row_count_unusual"}),
    ],
)
def test_row_count_is_judged_against_history_at_its_exact_bounds(
    n_rows: int, failed: set[str], tmp_path: Path
) -> None:
    report = judge(make_staged("users", n_rows), tmp_path, "users", history=USUAL)
    assert {c.name for c in report.checks if not c.is_success} == failed
    assert report.is_passed == ("row_count_far_out" not in failed)


def test_missing_column_stops_the_drop_and_leaves_its_own_checks_undecided(tmp_path: Path) -> None:
    report = judge(drop("rating")(make_staged("reviews")), tmp_path, "reviews")
    assert [c.name for c in report.failures] == ["columns"]
    assert find(report, "rating_range").skip_reason == "column rating is missing"
    assert find(report, "text_sha256_shape").is_success


def test_file_without_lineage_columns_is_judged_without_places(tmp_path: Path) -> None:
    frame = put("rating", 9.0)(make_staged("reviews")).drop("file", "line", "drop_id")
    report = judge(frame, tmp_path, "reviews")
    assert find(report, "rating_range").examples == (f"{3:032x} rating = 9.0",)


def test_expectation_that_raises_fails_the_gate_and_only_itself(tmp_path: Path) -> None:
    """A rating stored as text: the comparison with 1 and 5 raises inside DuckDB."""
    frame = make_staged("reviews").with_columns(rating=pl.lit("five stars"))
    report = judge(frame, tmp_path, "reviews")
    errors = {c.name for c in report.checks if c.is_error}
    assert errors == {"rating_finite", "rating_range"}
    assert not report.is_passed
    check = find(report, "rating_range")
    assert check.severity == "critical"
    assert not check.is_success
    assert "could not be computed" in check.observed
    assert len(check.observed) < 400
    assert find(report, "text_sha256_shape").is_success
    assert find(report, "text_mostly_filled").n_unexpected == 12


@pytest.mark.parametrize(
    "change",
    [
        {"column": "brand"},  # a text compared with a number raises in DuckDB
        {"max_value": "not a number"},  # the library itself raises, before any query
    ],
)
def test_warning_that_raises_is_critical_all_the_same(
    change: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = gate._load_suite

    def load(table: TableName, inputs: SuiteInputs) -> list[Any]:
        return [
            rule.copy(update=change) if gate._name(rule) == "price_usd_plausible" else rule
            for rule in real(table, inputs)
        ]

    monkeypatch.setattr(gate, "_load_suite", load)
    report = judge(make_staged("items"), tmp_path, "items")
    errors = [(c.name, c.severity, c.is_success) for c in report.checks if c.is_error]
    assert errors == [("price_usd_plausible", "critical", False)]
    assert find(report, "price_usd_not_negative").is_success
    assert not report.is_passed


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MemoryError("no more"), OutOfMemoryError),
        (OSError("no such device"), StorageError),
        (
            SimpleNamespace(
                exception_info={
                    "raised_exception": True,
                    "exception_message": "(_duckdb.OutOfMemoryException) Out of Memory Error: full",
                }
            ),
            OutOfMemoryError,
        ),
    ],
)
def test_want_of_memory_or_disk_is_worth_a_retry_and_no_verdict(
    error: object, kind: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "_ask", lambda *_: {"columns": error})
    with pytest.raises(kind, match="run it again"):
        judge(make_staged("users"), tmp_path, "users")


def test_result_the_library_never_gave_fails_the_gate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "_ask", lambda *_: {})
    report = judge(make_staged("users"), tmp_path, "users")
    assert not report.is_passed
    assert all(c.is_error for c in report.checks)


@pytest.mark.parametrize(
    "info",
    [
        {"raised_exception": True, "exception_message": "flat", "exception_traceback": ""},
        {"('metric', (), ())": {"raised_exception": True, "exception_message": "flat"}},
        {
            "a": {"raised_exception": False},
            "b": {"raised_exception": True, "exception_message": "flat"},
        },
    ],
)
def test_errors_are_found_in_both_shapes_the_library_stores_them_in(
    info: dict[str, object],
) -> None:
    assert gate._error_of(SimpleNamespace(exception_info=info)) == "flat"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name",
    [
        "it's.parquet",
        'say "x".parquet',
        "at :noon.parquet",
        "wa*.parquet",
        "wa?.parquet",
        "w[a]x.parquet",
        "br{a}ce%s$x;--.parquet",
        "back\\slash.parquet",
        "spaß und grün.parquet",
        "x' ) UNION SELECT * FROM read_text('*') --.parquet",
    ],
)
def test_any_file_name_is_read_as_that_file_only(name: str, tmp_path: Path) -> None:
    put("rating", 9.0)(make_staged("reviews")).write_parquet(tmp_path / "wax.parquet")
    frame = make_staged("reviews", 200)
    report = judge(frame, tmp_path, "reviews", file_name=name.replace("/", ""))
    assert report.is_passed
    assert report.n_rows == 200
    assert find(report, "row_count_unusual").observed == "rows: 200"


def test_source_name_is_data_not_sql(tmp_path: Path) -> None:
    name = "o'brien:x'; DROP TABLE x --"
    frame = make_staged("users").with_columns(source=pl.lit(name))
    assert judge(frame, tmp_path, "users", source=name).is_passed


def test_missing_and_broken_files_are_named_with_what_to_do(tmp_path: Path) -> None:
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 this is not parquet")
    for path, words in ((tmp_path / "no.parquet", "is missing"), (broken, "not readable Parquet")):
        with pytest.raises(InputError, match=words):
            run_gate(
                path,
                table="users",
                source=SOURCE,
                drop_id="x",
                as_of=DAY,
                history=None,
                date_bounds=(DAY, DAY),
            )


@pytest.mark.slow
def test_two_threads_judge_many_files_and_agree_with_one(tmp_path: Path) -> None:
    """Good, bad and raising files in turn; every verdict is its own file's."""
    frames = {
        "good": make_staged("reviews"),
        "bad": put("rating", 9.0)(make_staged("reviews")),
        "raises": make_staged("reviews").with_columns(rating=pl.lit("five")),
    }
    expected = {"good": [], "bad": ["rating_range"], "raises": ["rating_finite", "rating_range"]}

    def run(i: int) -> tuple[str, list[str]]:
        kind = list(frames)[i % 3]
        report = judge(frames[kind], tmp_path, "reviews", file_name=f"{i}.parquet")
        return kind, [c.name for c in report.failures]

    with ThreadPoolExecutor(2) as pool:
        for kind, failed in pool.map(run, range(6)):
            assert failed == expected[kind]


def test_importing_the_gate_does_not_import_the_library() -> None:
    code = (
        "import sys, tasks.quality.gate, tasks.quality.page, tasks.quality.history\n"
        "heavy = {'great_expectations', 'sqlalchemy', 'duckdb', 'jinja2', 'pandas'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert time.perf_counter() - started < MAX_IMPORT_S


_SCRIPT = """
import logging, sys, threading
logging.basicConfig(level=logging.INFO)
from datetime import date
from tasks.quality.gate import run_gate
def go(path):
    return run_gate(path, table="reviews", source="shop", drop_id="d", as_of=date(2024, 3, 7),
                    history=None, date_bounds=(date(2024, 3, 7), date(2024, 3, 7)))
for path in sys.argv[1:]:
    thread = threading.Thread(target=go, args=(path,)); thread.start(); thread.join()
    print(go(path).is_passed)
"""


@pytest.mark.slow
def test_a_process_that_ran_gates_says_nothing_of_its_own(tmp_path: Path) -> None:
    """No progress bars, no log of raised checks, no noise at exit, no files, with warnings on."""
    good, bad = tmp_path / "good.parquet", tmp_path / "raises.parquet"
    make_staged("reviews").write_parquet(good)
    make_staged("reviews").with_columns(rating=pl.lit("five")).write_parquet(bad)
    home = tmp_path / "home"
    home.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, str(good), str(bad)],
        capture_output=True,
        text=True,
        check=True,
        cwd=home,
        env={"PATH": "", "HOME": str(home), "PYTHONPATH": str(Path(gate.__file__).parents[2])},
    )
    assert done.stdout == "True\nFalse\n"
    assert done.stderr == ""
    assert list(home.rglob("*")) == []
