"""Groups of expectations that several suites share, and the words each of them carries."""

from collections.abc import Sequence
from typing import Any, Literal

from great_expectations.expectations.core.expect_table_columns_to_match_set import (
    ExpectTableColumnsToMatchSet,
)
from great_expectations.expectations.core.expect_table_row_count_to_be_between import (
    ExpectTableRowCountToBeBetween,
)
from great_expectations.expectations.expectation import Expectation
from great_expectations.expectations.metadata_types import FailureSeverity

from expectations.inputs import SuiteInputs
from expectations.rules import (
    ExpectFinite,
    ExpectInRange,
    ExpectInSet,
    ExpectNoNulls,
    ExpectNoRepeats,
    ExpectNotBlank,
    ExpectUtcDateOf,
)
from tasks.platform.schema import KEYS, SCHEMAS, TableName

Severity = Literal["critical", "warning"]
_NO_HISTORY = (
    "nothing to compare with: a bulk import, a table without dates, or fewer than 7 earlier days"
)


def state(
    kind: type[Expectation],
    *,
    name: str,
    severity: Severity,
    sentence: str,
    allowed: str,
    breaks: str,
    advice: str,
    skip_reason: str | None = None,
    **arguments: Any,
) -> Expectation:
    """Build one expectation with what a person needs when it fails.

    `name` is unique in its suite; `sentence` says what is expected, `allowed` the bound in a few
    words, `breaks` what goes wrong downstream, `advice` what to do. With a `skip_reason` the gate
    reports the expectation as not applicable instead of running it.
    """
    meta = {
        "name": name,
        "sentence": sentence,
        "allowed": allowed,
        "breaks": breaks,
        "advice": advice,
        "skip_reason": skip_reason,
    }
    return kind(severity=FailureSeverity(severity), meta=meta, **arguments)


def expect_shape(table: TableName, inputs: SuiteInputs) -> list[Expectation]:
    """All canonical columns are there, and every row is of the source that sent the drop."""
    columns = SCHEMAS[table].names
    return [
        state(
            ExpectTableColumnsToMatchSet,
            name="columns",
            severity="critical",
            sentence=f"all {len(columns)} columns of {table} are present",
            allowed=", ".join(columns),
            breaks="every later stage reads these columns by name",
            advice="look for a renamed or dropped column in the delivery, or fix the mapping",
            column_set=columns,
            exact_match=False,
        ),
        state(
            ExpectNoNulls,
            name="source_present",
            severity="critical",
            sentence="every row names its source",
            allowed="no null",
            breaks="a row without a source belongs to no partition and would never be replaced",
            advice="this is written by the ingest step; report it as a defect",
            column="source",
        ),
        state(
            ExpectInSet,
            name="source_matches",
            severity="critical",
            sentence="every row belongs to the source of this drop",
            allowed=inputs.source,
            breaks="publishing would overwrite or double another source's rows",
            advice="check that the drop lies in its own source's folder",
            column="source",
            value_set=[inputs.source],
        ),
    ]


def expect_key(table: TableName) -> list[Expectation]:
    """The key of `table` is present in every row, not blank, and occurs once."""
    key = KEYS[table]
    return [
        *expect_filled([key], breaks="rows without a key can be neither joined nor replaced"),
        state(
            ExpectNoRepeats,
            name=f"{key}_unique",
            severity="critical",
            sentence=f"every {key} occurs once",
            allowed="no repeats",
            breaks="joins on it multiply rows, so that effects count some people twice",
            advice="look for a file that was delivered twice within this drop under two names",
            column=key,
        ),
    ]


def expect_filled(columns: Sequence[str], *, breaks: str) -> list[Expectation]:
    """Each of `columns` holds a value that is more than spaces."""
    return [
        state(
            kind,
            name=f"{column}_{suffix}",
            severity="critical",
            sentence=f"no {column} is {word}",
            allowed=f"no {word} value",
            breaks=breaks,
            advice=f"see the lines named below in the delivered file: their {column} is {word}",
            column=column,
        )
        for column in columns
        for kind, suffix, word in (
            (ExpectNoNulls, "present", "null"),
            (ExpectNotBlank, "not_blank", "blank"),
        )
    ]


def expect_finite(column: str, *, breaks: str) -> Expectation:
    """Values of a numeric `column` are numbers; nulls are another expectation's business."""
    return state(
        ExpectFinite,
        name=f"{column}_finite",
        severity="critical",
        sentence=f"every {column} is a finite number",
        allowed="no NaN, no infinity",
        breaks=breaks,
        advice="check how the sender writes a missing number",
        column=column,
    )


def expect_dates(inputs: SuiteInputs, *, moment_column: str) -> list[Expectation]:
    """`event_date` is present, within the drop's bounds, and the UTC date of `moment_column`."""
    bounds = f"{inputs.earliest} to {inputs.latest}"
    return [
        state(
            ExpectNoNulls,
            name="event_date_present",
            severity="critical",
            sentence="every row has an event_date",
            allowed="no null",
            breaks="a row without a date belongs to no partition",
            advice="check the date column and its format in the delivered file",
            column="event_date",
        ),
        state(
            ExpectInRange,
            name="event_date_range",
            severity="critical",
            sentence="every event_date lies in the dates this drop may hold",
            allowed=bounds,
            breaks="rows from the future or of another day enter windows that must not see them",
            advice="check the clock and time zone of the sender, and the folder the drop lies in",
            column="event_date",
            min_value=inputs.earliest,
            max_value=inputs.latest,
        ),
        state(
            ExpectUtcDateOf,
            name="event_date_agrees",
            severity="critical",
            sentence=f"every event_date is the UTC date of {moment_column}",
            allowed=f"the UTC date of {moment_column}",
            breaks="rows are published under the wrong day, and controls read the future",
            advice="this is written by the ingest step; report it as a defect",
            column="event_date",
            moment_column=moment_column,
        ),
    ]


def expect_row_count(inputs: SuiteInputs) -> list[Expectation]:
    """The number of rows is like that of the days before; without history, at least one row."""
    history = inputs.history
    reason = None if history else _NO_HISTORY
    usual = "" if history is None else f"; usual is {history.usual:,.0f} ({history.basis})"
    warn = (1, None) if history is None else (history.warn_min, history.warn_max)
    critical = (0, None) if history is None else (history.critical_min, history.critical_max)
    advice = "ask the sender whether the delivery is complete; deliver it again to replace it"
    return [
        state(
            ExpectTableRowCountToBeBetween,
            name="row_count_far_out",
            severity="critical",
            sentence="the number of rows is not far from that of earlier days",
            allowed=_name_range(critical) + usual,
            breaks="a torn or flooded delivery would shift every estimate that uses this day",
            advice=advice,
            skip_reason=reason,
            min_value=critical[0],
            max_value=critical[1],
        ),
        state(
            ExpectTableRowCountToBeBetween,
            name="row_count_unusual",
            severity="warning",
            sentence="the number of rows is like that of earlier days"
            if history
            else "there is at least one row",
            allowed=_name_range(warn) + usual,
            breaks="intervals are wider than usual, or the mix of users differs from other days",
            advice=advice,
            min_value=warn[0],
            max_value=warn[1],
        ),
    ]


def _name_range(bounds: tuple[int, int | None]) -> str:
    low, high = bounds
    return f"at least {low:,} rows" if high is None else f"{low:,} to {high:,} rows"
