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

from expectations.inputs import Compared, SuiteInputs
from expectations.rules import (
    ExpectFinite,
    ExpectInRange,
    ExpectInSet,
    ExpectLikeBefore,
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


_NOT_COMPARED = "nothing to compare with: a bulk import, fewer than 50 rows, or fewer than 7 earlier days of as many"
_RESEND = "ask the sender for the file of this day; deliver it again to replace this one"
_LIKE_BEFORE: dict[str, tuple[Severity, str, str, str]] = {
    "dated_on_day": (
        "critical",
        "some rows are dated as the drop",
        "the day itself stays empty, and other days change that nobody expects to change",
        f"it looks like the file of another day: {_RESEND}",
    ),
    "dated_as_usual": (
        "warning",
        "as many rows as usual are dated as the drop",
        "the day has fewer rows than its drop, and other days change",
        "look whether a part of another day was delivered, or clocks and time zones changed",
    ),
    "rows_new": (
        "critical",
        "most rows were not delivered before",
        "the day itself stays empty, since every row counts once",
        f"it looks like an earlier day's file under a new date: {_RESEND}",
    ),
    "ids_swapped": (
        "critical",
        "user ids are not those of items",
        "every join by user or item goes astray, and so does every estimate",
        "the columns of users and items look swapped: mend the delivery or the mapping",
    ),
    "users_known": (
        "warning",
        "as many users as usual were seen before",
        "people cannot be followed over time, and a recommender knows none of them",
        "look whether user ids are written or hashed in another way than before",
    ),
    "items_known": (
        "warning",
        "as many items as usual were seen before",
        "rows join no item that is known, and fall out of estimates by category or price",
        "look whether item ids are written in another way than before",
    ),
    "hours_as_usual": (
        "warning",
        "rows are spread over the hours of the day as usual",
        "a part of the day is missing, or times are shifted: controls by time are wrong",
        "look whether the delivery stops early, or the sender's time zone changed",
    ),
    "ratings_differ": (
        "critical",
        "ratings are not all the same where they never were",
        "an outcome that does not vary has no causes, and pulls every estimate to nothing",
        "look whether the sender filled ratings with a default",
    ),
    "ratings_as_usual": (
        "warning",
        "ratings are distributed as on earlier days",
        "averages move for a reason that lies in the delivery, and effects with them",
        "look whether the scale changed, or ratings were added, filled or lost",
    ),
    "one_user": (
        "critical",
        "users are not all one and the same where they never were",
        "one made-up person stands for everybody: nothing can be said by user",
        "look whether user ids were lost (nan, null, 0) on the way",
    ),
    "top_user_as_usual": (
        "warning",
        "no user writes more than the busiest of earlier days",
        "one person's taste is taken for everybody's",
        "look at what this user wrote: a shared account, lost ids, or an attack",
    ),
    "top_item_as_usual": (
        "warning",
        "no item gets more than the most reviewed of earlier days",
        "one item's reviews are taken for the whole range",
        "look at the reviews of this item: a part of the delivery, lost ids, or an attack",
    ),
    "top_text_as_usual": (
        "warning",
        "no text is repeated more than on earlier days",
        "copied texts count as so many opinions",
        "look at the most frequent text: boilerplate, a default, or an attack",
    ),
    "texts_there": (
        "critical",
        "texts are not all empty where they never were",
        "nothing can be read from reviews without words",
        "look whether the text column was renamed or left out",
    ),
    "empty_as_usual": (
        "warning",
        "no more texts than usual are empty",
        "attributes rest on fewer reviews, of a different kind of person",
        "look whether texts were lost on the way",
    ),
    "garbled_as_usual": (
        "warning",
        "no more texts than usual hold garbled letters (Ã©, â€™, �)",
        "words with such letters are not known, and what is said with them is not read",
        "the sender's encoding changed: have the file written as UTF-8, once",
    ),
    "words_as_usual": (
        "warning",
        "the most frequent words are those of earlier days",
        "attributes are read in a language that the reader may not know",
        "look whether texts are in another language, or another field than before",
    ),
}


def expect_like_before(inputs: SuiteInputs, names: Sequence[str]) -> list[Expectation]:
    """The figures `names` of the drop are like those of the days before it."""
    return [_expect_compared(name, inputs.compared.get(name)) for name in names]


def _expect_compared(name: str, compared: Compared | None) -> Expectation:
    severity, sentence, breaks, advice = _LIKE_BEFORE[name]
    found = compared or Compared(skip_reason=_NOT_COMPARED)
    return state(
        ExpectLikeBefore,
        name=name,
        severity=severity,
        sentence=sentence,
        allowed=found.allowed,
        breaks=breaks,
        advice=advice,
        skip_reason=found.skip_reason,
        value=found.value,
        low=found.low,
        high=found.high,
        words=found.observed,
    )
