"""Judge one staged Parquet file with the suite of its table.

Great Expectations asks its questions in SQL of DuckDB, which reads the file in place: nothing is
loaded, nothing is attached, and no database file is locked. Each call has its own context and
its own in-memory DuckDB, so that threads share nothing. Counts of a whole suite are one scan;
rows that broke a rule are looked up only for the rules that failed.

The library is imported on the first call (it takes some seconds), never with this module.
"""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any, Literal, Self

from expectations.inputs import Compared, HistoryBounds, SuiteInputs
from tasks.platform.errors import InputError, OutOfMemoryError, StorageError
from tasks.platform.schema import KEYS, TABLES, TableName
from tasks.platform.sql import read_sql

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from great_expectations import ExpectationSuite
    from great_expectations.core import ExpectationValidationResult
    from great_expectations.core.result_format import ResultFormatUnion
    from great_expectations.datasource.fluent.interfaces import Batch
    from great_expectations.expectations.expectation import Expectation

    _Found = ExpectationValidationResult | Exception

Severity = Literal["critical", "warning"]
MAX_EXAMPLES = 5
MAX_EXAMPLE_CHARS = 80
MAX_ERROR_CHARS = 300
_OUT_OF_MEMORY = ("(_duckdb.OutOfMemoryException)", "(MemoryError)")
_NOT_READ = ("(_duckdb.IOException)", "(OSError)")
_TABLE_LEVEL = frozenset({"columns", "row_count_far_out", "row_count_unusual"})
"""Checks that have an answer for a partition without rows."""


@dataclass(frozen=True)
class CheckResult:
    """What one expectation found.

    `observed` and `allowed` are a few words each. `n_unexpected` counts offending rows, None
    where the check is not of single rows. `examples` name at most five of them by file, line and
    key, never by review text. `skip_reason` is set where the check does not apply; it is then
    neither passed nor failed, and `is_success` is true. `is_error` marks a check that could not
    be computed: it is critical and failed, whatever its severity was.
    """

    table: TableName
    expectation: str
    column: str | None
    severity: Severity
    is_success: bool
    observed: str
    allowed: str
    n_unexpected: int | None
    n_rows: int
    examples: tuple[str, ...]
    breaks: str
    advice: str = ""
    name: str = ""
    skip_reason: str | None = None
    is_error: bool = False


@dataclass(frozen=True)
class GateReport:
    """All checks of one staged file; `is_passed` when no critical one failed."""

    table: TableName
    source: str
    drop_id: str
    n_rows: int
    is_passed: bool
    checks: tuple[CheckResult, ...]
    seconds: float

    @property
    def failures(self) -> tuple[CheckResult, ...]:
        """Critical checks that failed: what stopped publication."""
        return tuple(c for c in self.checks if not c.is_success and c.severity == "critical")

    @property
    def warnings(self) -> tuple[CheckResult, ...]:
        """Other checks that failed: reported, published all the same."""
        return tuple(c for c in self.checks if not c.is_success and c.severity == "warning")

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionaries, lists and scalars, ready for JSON."""
        plain = asdict(self)
        plain["checks"] = [{**c, "examples": list(c["examples"])} for c in plain["checks"]]
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Inverse of `to_dict`."""
        checks = tuple(
            CheckResult(**{**check, "examples": tuple(check["examples"])})
            for check in plain["checks"]
        )
        return cls(**{**plain, "checks": checks})


def run_gate(
    staged_path: Path | str,
    *,
    table: TableName,
    source: str,
    drop_id: str,
    as_of: date,
    history: HistoryBounds | None,
    date_bounds: tuple[date, date],
    compared: Mapping[str, Compared] | None = None,
) -> GateReport:
    """Run the suite of `table` on the Parquet file `staged_path`.

    `date_bounds` are the first and last `event_date` the drop may hold; nothing later than
    `as_of` passes either; `compared` are its figures beside those of earlier days. Raises InputError when the file is missing or is not Parquet; an
    expectation that cannot be computed is a failed critical check, never a pass. Raises
    OutOfMemoryError or StorageError where the machine was at fault, so that a retry can mend it.
    """
    started = time.perf_counter()
    if table not in TABLES:
        raise InputError(f"there is no table {table!r}; known are {', '.join(TABLES)}")
    path = Path(staged_path)
    n_rows, columns, plain = _read_footer(path)
    inputs = SuiteInputs(
        source=source,
        n_rows=n_rows,
        earliest=date_bounds[0],
        latest=min(date_bounds[1], as_of),
        history=history,
        compared=compared or {},
    )
    suite = _load_suite(table, inputs)
    skips = {_name(rule): _skip_reason(rule, n_rows, columns) for rule in suite}
    runnable = [rule for rule in suite if skips[_name(rule)] is None]
    lineage = [c for c in ("file", "line", KEYS[table]) if c in columns]
    with _open_batch(path) as batch:
        results = _validate(batch, runnable, lineage)
    _raise_if_transient(results)
    checks = tuple(
        _skipped(rule, reason, table=table, n_rows=n_rows)
        if (reason := skips[_name(rule)]) is not None
        else _judged(rule, results.get(_name(rule)), table=table, n_rows=n_rows, plain=plain)
        for rule in suite
    )
    report = GateReport(
        table, source, drop_id, n_rows, False, checks, round(time.perf_counter() - started, 3)
    )
    return replace(report, is_passed=not report.failures)


def _read_footer(path: Path) -> tuple[int, frozenset[str], frozenset[str]]:
    """Rows, column names, and the names of columns that cannot hold text, from the footer."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        raise InputError(f"staged file {path} is missing; run the ingest of this drop again")
    try:
        with pq.ParquetFile(path) as file:
            fields = list(file.schema_arrow)
            plain = {f.name for f in fields if pa.types.is_primitive(f.type)}
            return file.metadata.num_rows, frozenset(f.name for f in fields), frozenset(plain)
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"staged file {path} is not readable Parquet ({error}); "
            "delete it and run the ingest of this drop again"
        ) from error


def _find_builder(table: TableName) -> "Callable[[SuiteInputs], ExpectationSuite]":
    """The suite of `table`; imported by name here, so that a cache key sees what it depends on."""
    from expectations.clean import exposures, items, reviews, users

    modules = {"reviews": reviews, "exposures": exposures, "items": items, "users": users}
    build: Callable[[SuiteInputs], ExpectationSuite] = modules[table].build_suite
    return build


def _load_suite(table: TableName, inputs: SuiteInputs) -> Sequence["Expectation"]:
    """Expectations of `table`, in the order of its file."""
    library_log = logging.getLogger("great_expectations")
    library_log.propagate = False  # what it logs as an error is in the report, without a trace
    if not library_log.handlers:
        library_log.addHandler(logging.NullHandler())
    suite = _find_builder(table)(inputs)
    return tuple(suite.expectations)


def _name(rule: "Expectation") -> str:
    return str((rule.meta or {})["name"])


def _columns_of(rule: "Expectation") -> list[str]:
    """Columns a rule reads; empty for one about the whole table."""
    fields = ("column", "moment_column", "limit_column", "other_column", "group_column")
    return [getattr(rule, field) for field in fields if hasattr(rule, field)]


def _skip_reason(rule: "Expectation", n_rows: int, columns: frozenset[str]) -> str | None:
    """Why a rule has no answer for this file, or None."""
    if _name(rule) not in _TABLE_LEVEL and n_rows == 0:
        return "no rows"
    missing = sorted(set(_columns_of(rule)) - columns)
    if missing:
        return f"column {', '.join(missing)} is missing"
    reason: str | None = (rule.meta or {})["skip_reason"]
    return reason


@contextmanager
def _open_batch(path: Path) -> "Iterator[Batch]":
    """One Parquet file as a batch, in a context and a database of its own."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(),
        analytics_enabled=False,
        progress_bars=ProgressBarsConfig(globally=False, metric_calculations=False),
    )
    context = gx.get_context(mode="ephemeral", project_config=config)
    source = context.data_sources.add_sql(  # type: ignore[call-arg]  # kwargs: library's stub lags
        "staged",
        connection_string="duckdb:///:memory:",
        create_temp_table=False,
        kwargs={"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True},
    )
    # without its heading: the library wants a query that begins with SELECT
    statement = read_sql("staging/gate_select").partition("\n")[2]
    query = Template(statement).substitute(path_hex=_spell(path))
    asset = source.add_query_asset("partition", query=query)
    try:
        yield asset.add_batch_definition_whole_table("whole").get_batch()
    finally:
        source.get_execution_engine().close()
        source.get_engine().dispose()


def _spell(path: Path) -> str:
    """Exactly this path, as DuckDB reads it, in hexadecimal.

    Wildcards are bracketed, since DuckDB would expand them into other files; the whole is spelled
    in hexadecimal, so that no character of a path means anything to SQL or to SQLAlchemy, which
    takes a colon for a parameter.
    """
    literal = "".join(f"[{c}]" if c in "[*?" else c for c in str(path.absolute()))
    return literal.encode().hex()


def _validate(
    batch: "Batch", rules: Sequence["Expectation"], lineage: Sequence[str]
) -> dict[str, "_Found"]:
    """Results by rule name: counts for all of them, offending rows for those that failed.

    Counts share one query, so one rule that raises takes all others down with it: then each is
    asked alone, and only the one at fault stays an error.
    """
    results = _ask(batch, rules, "BASIC")
    if any(_error_of(result) for result in results.values()):
        results = {}
        for rule in rules:
            results |= _ask(batch, [rule], "BASIC")
    failed = [rule for rule in rules if _needs_examples(rule, results.get(_name(rule)))]
    if failed and lineage:
        with_rows: ResultFormatUnion = {
            "result_format": "SUMMARY",
            "unexpected_index_column_names": list(lineage),
            "partial_unexpected_count": MAX_EXAMPLES,
        }
        detailed = _ask(batch, failed, with_rows)
        results |= {name: found for name, found in detailed.items() if not _error_of(found)}
    return results


def _ask(
    batch: "Batch", rules: Sequence["Expectation"], result_format: "ResultFormatUnion | str"
) -> dict[str, "_Found"]:
    """Results of `rules` by name; what the library raises instead of reporting stands for all."""
    from great_expectations import ExpectationSuite

    if not rules:
        return {}
    suite = ExpectationSuite(name="gate", expectations=list(rules))
    try:
        verdict = batch.validate(suite, result_format=result_format)  # type: ignore[arg-type]
    except Exception as error:  # whatever the library lets through is an error of these rules
        return dict.fromkeys(map(_name, rules), error)
    return {
        str(result.expectation_config.meta["name"]): result
        for result in verdict.results
        if result.expectation_config is not None
    }


def _needs_examples(rule: "Expectation", found: "_Found | None") -> bool:
    """Whether a rule about rows failed, and rows were counted rather than an error met."""
    if found is None or isinstance(found, Exception) or _error_of(found):
        return False
    return not found.success and getattr(rule, "map_metric", None) is not None


def _error_of(found: "_Found") -> str | None:
    """Message of what an expectation raised, or None.

    The library stores one error flat, or one per metric by the metric's id.
    """
    if isinstance(found, Exception):
        return _trim_error(f"({type(found).__name__}) {found}")
    info = found.exception_info or {}
    entries: Iterable[Any] = [info] if "raised_exception" in info else info.values()
    for entry in entries:
        if entry.get("raised_exception"):
            return _trim_error(str(entry.get("exception_message")))
    return None


def _trim_error(message: str) -> str:
    """The message without the statement it quotes."""
    plain = message.split("[SQL:")[0].split("LINE 1:")[0]
    return _shorten(plain, MAX_ERROR_CHARS)


def _raise_if_transient(results: Mapping[str, "_Found"]) -> None:
    """Raise where a check failed for want of memory or disk: that says nothing about the data."""
    for found in results.values():
        error = _error_of(found) or ""
        if error.startswith(_OUT_OF_MEMORY):
            raise OutOfMemoryError(f"the gate ran out of memory ({error}); run it again")
        if error.startswith(_NOT_READ):
            raise StorageError(f"the gate could not read its file ({error}); run it again")


def _skipped(rule: "Expectation", reason: str, *, table: TableName, n_rows: int) -> CheckResult:
    blank = _blank_check(rule, table=table, n_rows=n_rows)
    return replace(blank, observed=f"no result: {reason}", skip_reason=reason)


def _blank_check(rule: "Expectation", *, table: TableName, n_rows: int) -> CheckResult:
    """A check with the words of its rule and nothing observed yet."""
    meta = rule.meta or {}
    columns = _columns_of(rule)
    return CheckResult(
        table=table,
        expectation=meta["sentence"],
        column=columns[0] if columns else None,
        severity="critical" if rule.severity == "critical" else "warning",
        is_success=True,
        observed="",
        allowed=meta["allowed"],
        n_unexpected=None,
        n_rows=n_rows,
        examples=(),
        breaks=meta["breaks"],
        advice=meta["advice"],
        name=meta["name"],
    )


def _judged(
    rule: "Expectation",
    result: "_Found | None",
    *,
    table: TableName,
    n_rows: int,
    plain: frozenset[str],
) -> CheckResult:
    """A check from the library's result; no result or an error in it is a critical failure."""
    blank = _blank_check(rule, table=table, n_rows=n_rows)
    error = "the library gave no result" if result is None else _error_of(result)
    if result is None or isinstance(result, Exception) or error is not None:
        return replace(
            blank,
            severity="critical",
            is_success=False,
            is_error=True,
            observed=f"the check could not be computed: {error}",
            advice="nothing is known about this rule; report it, with this message, as a defect",
        )
    found: Mapping[str, Any] = result.result or {}
    count = found.get("unexpected_count")
    return replace(
        blank,
        is_success=bool(result.success),
        observed=_describe(found, n_rows, noun="different values" if blank.column else "rows"),
        n_unexpected=None if count is None else int(count),
        examples=_list_examples(found, plain | {"source"}),
    )


def _describe(found: Mapping[str, Any], n_rows: int, *, noun: str) -> str:
    """What was seen, in a few words; `noun` is what a bare number counts."""
    value = found.get("observed_value")
    if isinstance(value, list):
        return _shorten(", ".join(map(str, value)), MAX_ERROR_CHARS)
    if value is not None:
        return f"{noun}: {value:,}" if isinstance(value, int) else str(value)
    count = int(found.get("unexpected_count") or 0)
    share = f" ({count / n_rows:.2%})" if count and n_rows else ""
    return f"{count:,} of {n_rows:,} rows{share}"


def _list_examples(found: Mapping[str, Any], shown: frozenset[str]) -> tuple[str, ...]:
    """Offending rows by "file:line key", with the offending value where `shown` allows it."""
    rows = found.get("partial_unexpected_index_list")
    if rows is None:
        return tuple(_shorten(str(x), MAX_EXAMPLE_CHARS) for x in found.get("examples", ()))
    return tuple(_name_row(row, shown) for row in rows[:MAX_EXAMPLES])


def _name_row(row: Mapping[str, Any], shown: frozenset[str]) -> str:
    place = f"{row['file']}:{row['line']}" if "file" in row and "line" in row else ""
    keys = [str(value) for name, value in row.items() if name in KEYS.values() and value]
    values = [
        f"{name} = {value}"
        for name, value in row.items()
        if name in shown and name not in ("file", "line") and value is not None
    ]
    return " ".join(_shorten(part, MAX_EXAMPLE_CHARS) for part in (place, *keys, *values) if part)


def _shorten(text: str, limit: int) -> str:
    """One line of at most `limit` characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
