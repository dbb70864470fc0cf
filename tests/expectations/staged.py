"""A staged table that passes its suite, and one way to break each expectation of it."""

import hashlib
import importlib
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import polars as pl

from expectations.inputs import Compared, HistoryBounds, SuiteInputs
from tasks.ingest.profile import Profile, measure_profile
from tasks.platform.schema import KEYS, SCHEMAS, TableName
from tasks.quality.compare import compare_days
from tasks.quality.gate import GateReport, run_gate

DAY = date(2024, 3, 7)
SOURCE = "shop"
USUAL = HistoryBounds(28, "median of 28 earlier days", 300.0, 150, 9_000, 90, 27_000)

Break = Callable[[pl.DataFrame], pl.DataFrame]
K = TypeVar("K")


def make_staged(table: TableName, n_rows: int = 300) -> pl.DataFrame:
    """Rows of `table` as ingest stages them; every expectation of its suite holds."""
    rows = pl.DataFrame({"line": range(n_rows)}).with_columns(
        source=pl.lit(SOURCE), drop_id=pl.lit(f"{DAY}"), file=pl.lit("drop.jsonl.gz")
    )
    columns = _MAKERS[table](n_rows)
    frame = rows.with_columns(**{name: pl.Series(values) for name, values in columns.items()})
    return frame.select([*SCHEMAS[table].names, "drop_id", "file", "line"])


def _reviews(n: int) -> dict[str, list[Any]]:
    texts = ["" if i % 25 == 0 else f"It sounds good, number {i}." for i in range(n)]
    return {
        "review_id": [f"{i:032x}" for i in range(n)],
        **_event(n, "reviewed_at"),
        "rating": [float(i % 5 + 1) for i in range(n)],
        "title": [None if i % 3 else "Good" for i in range(n)],
        "text": texts,
        "text_sha256": [hashlib.sha256(text.encode()).hexdigest() for text in texts],
        "helpful_votes": [None if i % 7 == 0 else i % 3 for i in range(n)],
        "total_votes": [None if i % 11 == 0 else i % 3 + i % 2 for i in range(n)],
        "is_verified": [i % 2 == 0 for i in range(n)],
    }


def _exposures(n: int) -> dict[str, list[Any]]:
    return {
        "exposure_id": [f"e{i}" for i in range(n)],
        **_event(n, "exposed_at"),
        "policy": ["uniform"] * n,
        "position": [i % 3 + 1 for i in range(n)],
        "propensity": [1.0 if i % 10 == 0 else 1 / 34 for i in range(n)],
        "is_clicked": [i % 20 == 0 for i in range(n)],
        "is_converted": [i % 40 == 0 for i in range(n)],
        "context": [None if i % 5 == 0 else '{"hour": 7}' for i in range(n)],
    }


def _items(n: int) -> dict[str, list[Any]]:
    return {
        "item_id": [f"i{i}" for i in range(n)],
        "title": [None if i % 4 == 0 else f"Guitar {i}" for i in range(n)],
        "description": [None] * (n - 1) + ["A guitar"],
        "brand": ["Fender"] * n,
        "category": ["guitars"] * n,
        "price_usd": [None if i % 4 == 0 else i * 1.5 for i in range(n)],
    }


def _users(n: int) -> dict[str, list[Any]]:
    return {
        "user_id": [f"u{i}" for i in range(n)],
        "features": [None if i % 4 == 0 else '{"age": 33, "city": "Rome"}' for i in range(n)],
    }


def _event(n: int, moment: str) -> dict[str, list[Any]]:
    """Users, items, and moments spread over the whole UTC day, its first and last second too."""
    start = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)
    step = 86_399 / max(n - 1, 1)
    return {
        "user_id": [f"u{i % 100}" for i in range(n)],
        "item_id": [f"i{i % 40}" for i in range(n)],
        moment: [start + timedelta(seconds=round(i * step)) for i in range(n)],
        "event_date": [DAY] * n,
    }


_MAKERS: dict[str, Callable[[int], dict[str, list[Any]]]] = {
    "reviews": _reviews,
    "exposures": _exposures,
    "items": _items,
    "users": _users,
}


def put(column: str, value: Any, *, at: int = 3) -> Break:
    """Break one row: write `value` into `column` of row `at`."""

    def change(frame: pl.DataFrame) -> pl.DataFrame:
        kind = frame.schema[column]
        return frame.with_columns(
            pl.when(pl.int_range(pl.len()) == at)
            .then(pl.lit(value, dtype=kind))
            .otherwise(pl.col(column))
            .alias(column)
        )

    return change


def fill(column: str, value: Any, *, share: float = 1.0) -> Break:
    """Break many rows: write `value` into `column` of the first `share` of rows."""

    def change(frame: pl.DataFrame) -> pl.DataFrame:
        kind = frame.schema[column]
        return frame.with_columns(
            pl.when(pl.int_range(pl.len()) < share * pl.len())
            .then(pl.lit(value, dtype=kind))
            .otherwise(pl.col(column))
            .alias(column)
        )

    return change


def drop(column: str) -> Break:
    """Break the file: leave a column out."""
    return lambda frame: frame.drop(column)


def keep(n_rows: int) -> Break:
    """Break the file: keep the first rows only."""
    return lambda frame: frame.head(n_rows)


def grow(n_rows: int, change: Break, table: TableName) -> Break:
    """Break a larger table, for expectations that small ones are spared."""
    return lambda _: change(make_staged(table, n_rows))


def judge(frame: pl.DataFrame, folder: Path, table: TableName, **options: Any) -> GateReport:
    """Stage `frame` as Parquet under `folder` and run the gate on it."""
    path = folder / options.pop("file_name", f"{table}.parquet")
    frame.write_parquet(path)
    arguments: dict[str, Any] = {
        "table": table,
        "source": SOURCE,
        "drop_id": f"{DAY}",
        "as_of": DAY,
        "history": USUAL,
        "date_bounds": (DAY, DAY),
    } | options
    return run_gate(path, **arguments)


_EMPTY = hashlib.sha256(b"").hexdigest()
_SAME = hashlib.sha256(b"great").hexdigest()
_EVENING_BEFORE = datetime(2024, 3, 6, 23, 59, 59, tzinfo=UTC)


def _common(table: TableName, key: str, taken: str) -> dict[str, Break]:
    return {
        "columns": drop(SCHEMAS[table].names[-1]),
        "source_present": put("source", None),
        "source_matches": put("source", "another-shop"),
        f"{key}_present": put(key, None),
        f"{key}_not_blank": put(key, "  "),
        f"{key}_unique": put(key, taken),
        "row_count_far_out": keep(89),
        "row_count_unusual": keep(149),
    }


def _dated(moment: str) -> dict[str, Break]:
    return {
        "user_id_present": put("user_id", None),
        "user_id_not_blank": put("user_id", ""),
        "item_id_present": put("item_id", None),
        "item_id_not_blank": put("item_id", " "),
        "event_date_present": put("event_date", None),
        "event_date_range": put("event_date", DAY + timedelta(days=1)),
        "event_date_agrees": put(moment, _EVENING_BEFORE),
    }


BREAKS: dict[TableName, dict[str, Break]] = {
    "reviews": {
        **_common("reviews", "review_id", f"{0:032x}"),
        **_dated("reviewed_at"),
        "rating_present": put("rating", None),
        "rating_finite": put("rating", float("nan")),
        "rating_range": put("rating", 5.5),
        "rating_varies": fill("rating", 5.0),
        "text_present": put("text", None),
        "text_sha256_present": put("text_sha256", None),
        "text_sha256_shape": put("text_sha256", "Z" * 64),
        "review_id_length": put("review_id", "abc"),
        "text_mostly_filled": fill("text_sha256", _EMPTY, share=0.52),
        "texts_repeated": fill("text_sha256", _SAME, share=0.45),
        "user_concentration": fill("user_id", "copier", share=0.06),
        "helpful_votes_part_of_total": put("helpful_votes", 1_000),
    },
    "exposures": {
        **_common("exposures", "exposure_id", "e0"),
        **_dated("exposed_at"),
        "propensity_finite": put("propensity", float("nan")),
        "propensity_range": put("propensity", 0.0),
        "propensity_present": fill("propensity", None, share=0.02),
        "position_range": put("position", 0),
        "context_object": put("context", "[1, 2]"),
        "user_concentration": grow(1_000, fill("user_id", "robot", share=0.06), "exposures"),
        "is_clicked_present": put("is_clicked", None),
        "is_clicked_varies": grow(5_000, fill("is_clicked", False), "exposures"),
        "converted_only_if_clicked": put("is_converted", True),
    },
    "items": {
        **_common("items", "item_id", "i0"),
        "price_usd_finite": put("price_usd", float("nan")),
        "price_usd_not_negative": put("price_usd", -0.01),
        "price_usd_plausible": put("price_usd", 1_000_001.0),
        "title_mostly_present": fill("title", None, share=0.6),
        "category_mostly_present": fill("category", None, share=0.6),
    },
    "users": {
        **_common("users", "user_id", "u0"),
        "features_object": put("features", "{broken"),
        "features_mostly_present": fill("features", None, share=0.6),
    },
}


def rekey(day: int, table: TableName) -> Break:
    """Give every row the key that it has on the `day`-th day before."""
    key = KEYS[table]
    return lambda frame: frame.with_columns(
        pl.Series(key, [f"{1_000_000 * day + i:032x}" for i in range(frame.height)])
    )


def measure(frame: pl.DataFrame, folder: Path, table: TableName) -> Profile:
    """The profile of a staged file of these rows."""
    path = folder / "measured.parquet"
    frame.write_parquet(path)
    with duckdb.connect() as connection:
        return measure_profile(connection, str(path), table=table, drop_id=f"{DAY}")


@cache
def measure_earlier(table: TableName) -> tuple[Profile, ...]:
    """The profiles of eight good days."""
    good = make_staged(table)
    with tempfile.TemporaryDirectory() as folder:
        return tuple(
            measure(rekey(day, table)(good).with_columns(event_date=DAY), Path(folder), table)
            for day in range(1, 9)
        )


def compare(frame: pl.DataFrame, folder: Path, table: TableName) -> Mapping[str, Compared]:
    """The figures of `frame` beside those of eight good days."""
    return compare_days(measure(frame, folder, table), list(measure_earlier(table)))


def judge_day(frame: pl.DataFrame, folder: Path, table: TableName, **options: Any) -> GateReport:
    """Run the gate on `frame` after eight good days."""
    given: dict[str, Any] = {"date_bounds": (date(2024, 1, 1), DAY)} | options
    if "compared" not in given:
        given["compared"] = compare(frame, folder, table)
    return judge(frame, folder, table, **given)


@cache
def judge_unlike(table: TableName) -> GateReport:
    """One report with the figure of every break of `UNLIKE`, each measured on its own table.

    What compares is given figures and reads no rows, so each figure is judged as it would be alone.
    """
    good = make_staged(table)
    with tempfile.TemporaryDirectory() as folder:
        figures = {
            name: compare(change(good), Path(folder), table)[name]
            for name, change in UNLIKE[table].items()
        }
        return judge_day(good, Path(folder), table, compared=figures)


def list_rules(table: TableName, n_rows: int = 10_000) -> dict[str, Any]:
    """Expectations of a suite by name."""
    inputs = SuiteInputs(SOURCE, n_rows, DAY, DAY, USUAL)
    suite = importlib.import_module(f"expectations.clean.{table}").build_suite(inputs)
    return {rule.meta["name"]: rule for rule in suite.expectations}


def judge_apart(table: TableName, cases: Mapping[K, tuple[str, Break]]) -> Mapping[K, GateReport]:
    """Reports of `cases` (the expectation looked at, the break), several breaks to a table.

    Breaks share a table where each rule looked at reads no column that another of them writes:
    it finds what it would find alone. Critical rules and warnings lie in tables of their own.
    """
    good, rules = make_staged(table), list_rules(table)
    groups: list[tuple[list[K], dict[str, pl.Series], set[str], str]] = []
    reports: dict[K, GateReport] = {}
    with tempfile.TemporaryDirectory() as folder:
        for key, (name, change) in cases.items():
            broken, reads = change(good), _list_read(rules[name])
            if not reads or (broken.shape, broken.columns) != (good.shape, good.columns):
                reports[key] = judge(broken, Path(folder), table)
                continue
            written = {s.name: s for s in broken if not s.equals(good[s.name], null_equal=True)}
            for keys, changes, read, severity in groups:
                is_apart = not (changes.keys() & (reads | written.keys()) or read & written.keys())
                if is_apart and severity == rules[name].severity:
                    keys.append(key)
                    changes.update(written)
                    read |= reads
                    break
            else:
                groups.append(([key], written, set(reads), rules[name].severity))
        for keys, changes, _, _ in groups:
            report = judge(good.with_columns(*changes.values()), Path(folder), table)
            reports |= dict.fromkeys(keys, report)
    return reports


def _list_read(rule: Any) -> set[str]:
    """Columns that a rule about the values of a column reads; none for one about the table."""
    fields = ("column", "moment_column", "limit_column", "other_column")
    read = {getattr(rule, field) for field in fields if hasattr(rule, field)}
    return read if hasattr(rule, "column") else set()


@cache
def judge_broken(table: TableName) -> Mapping[str, GateReport]:
    """Reports of all of `BREAKS`, by the expectation that is broken."""
    return judge_apart(table, {name: (name, change) for name, change in BREAKS[table].items()})


def swap(frame: pl.DataFrame) -> pl.DataFrame:
    """Exchange users and items."""
    return frame.with_columns(user_id=pl.col("item_id"), item_id=pl.col("user_id"))


def prefix(column: str) -> Break:
    """Write other ids than before."""
    return lambda frame: frame.with_columns(
        pl.concat_str(pl.lit("x-"), pl.col(column)).alias(column)
    )


def _unlike(table: TableName, moment: str) -> dict[str, Break]:
    return {
        "dated_on_day": fill("event_date", DAY - timedelta(days=1)),
        "dated_as_usual": fill("event_date", DAY - timedelta(days=1), share=0.5),
        "rows_new": rekey(1, table),
        "ids_swapped": swap,
        "users_known": prefix("user_id"),
        "items_known": prefix("item_id"),
        "hours_as_usual": fill(moment, datetime(2024, 3, 7, 12, tzinfo=UTC), share=0.6),
    }


UNLIKE: dict[TableName, dict[str, Break]] = {
    "reviews": {
        **_unlike("reviews", "reviewed_at"),
        "ratings_differ": fill("rating", 5.0),
        "ratings_as_usual": fill("rating", 5.0, share=0.6),
        "one_user": fill("user_id", "nan"),
        "top_user_as_usual": fill("user_id", "busy", share=0.3),
        "top_item_as_usual": fill("item_id", "pushed", share=0.3),
        "top_text_as_usual": fill("text_sha256", _SAME, share=0.3),
        "texts_there": fill("text", ""),
        "empty_as_usual": fill("text", "", share=0.3),
        "garbled_as_usual": fill("text", "It sounds good, c\u00c3\u00a9.", share=0.3),
        "words_as_usual": fill("text", "Der Klang ist leider nicht gut."),
    },
    "exposures": _unlike("exposures", "exposed_at"),
    "items": {},
    "users": {},
}
"""Ways to be unlike the days before, for expectations that compare."""
