"""What a staged partition of exposures must satisfy before it is published."""

import great_expectations as gx
from great_expectations.expectations.core.expect_column_unique_value_count_to_be_between import (
    ExpectColumnUniqueValueCountToBeBetween,
)
from great_expectations.expectations.expectation import Expectation

from expectations.common import (
    expect_dates,
    expect_filled,
    expect_finite,
    expect_key,
    expect_like_before,
    expect_row_count,
    expect_shape,
    state,
)
from expectations.inputs import SuiteInputs
from expectations.rules import (
    ExpectInRange,
    ExpectJsonObject,
    ExpectNoLargeShareOfDay,
    ExpectNoNulls,
    ExpectTrueOnlyWhere,
)

MIN_PROPENSITY_SHARE = 0.99
"""The few a logger loses; below this the loss is no longer by chance."""
MAX_USER_SHARE = 0.05
MIN_ROWS_OF_DAY = 1_000
MIN_ROWS_TO_VARY = 5_000
"""At one click in a thousand, 5,000 exposures without any have odds below 1 in 100."""

LIKE_BEFORE = (
    "dated_on_day", "dated_as_usual", "rows_new", "ids_swapped", "users_known", "items_known",
    "hours_as_usual",
)  # fmt: skip
"""Figures that are compared with those of earlier days."""


def build_suite(inputs: SuiteInputs) -> gx.ExpectationSuite:
    """Suite for one staged partition of `exposures`."""
    expectations = [
        *expect_shape("exposures", inputs),
        *expect_key("exposures"),
        *expect_filled(
            ["user_id", "item_id"],
            breaks="the row joins no user or item, and falls out of every estimate unseen",
        ),
        *expect_dates(inputs, moment_column="exposed_at"),
        *_expect_policy(),
        *_expect_clicks(inputs),
        *expect_row_count(inputs),
        *expect_like_before(inputs, LIKE_BEFORE),
    ]
    return gx.ExpectationSuite(name="clean.exposures", expectations=expectations)


def _expect_policy() -> list[Expectation]:
    return [
        expect_finite("propensity", breaks="one such propensity makes a policy's value NaN"),
        state(
            ExpectInRange,
            name="propensity_range",
            severity="critical",
            sentence="every recorded propensity is above 0 and at most 1",
            allowed="above 0, at most 1",
            breaks="policies are valued by dividing by it; 0 divides by zero, above 1 is no chance",
            advice="check whether the sender logs percentages, or scores instead of probabilities",
            column="propensity",
            min_value=0,
            max_value=1,
            strict_min=True,
        ),
        state(
            ExpectNoNulls,
            name="propensity_present",
            severity="warning",
            sentence="nearly every exposure has a propensity",
            allowed=f"at least {MIN_PROPENSITY_SHARE:.0%} of rows",
            breaks="rows without one cannot be reweighted; policy values rest on the others",
            advice="ask the team that logs exposures to record the probability of each choice",
            column="propensity",
            mostly=MIN_PROPENSITY_SHARE,
        ),
        state(
            ExpectInRange,
            name="position_range",
            severity="critical",
            sentence="every recorded position is 1 or more",
            allowed="1 or more",
            breaks="position is a control for attention; 0-based and 1-based logs must not mix",
            advice="check whether the sender began to count positions from 0",
            column="position",
            min_value=1,
        ),
        state(
            ExpectJsonObject,
            name="context_object",
            severity="critical",
            sentence="every recorded context is a JSON object",
            allowed="a JSON object or null",
            breaks="controls are read out of it; what does not parse is silently no control",
            advice="see the lines named below in the delivered file",
            column="context",
        ),
        state(
            ExpectNoLargeShareOfDay,
            name="user_concentration",
            severity="warning",
            sentence="no user makes up a large part of a day's exposures",
            allowed=f"at most {MAX_USER_SHARE:.0%} of a day of {MIN_ROWS_OF_DAY:,} rows or more",
            breaks="one account's behaviour, often a robot's, is taken for everybody's",
            advice="look at this user's rows: a crawler, a click farm, or a default user id",
            group_column="user_id",
            min_rows=MIN_ROWS_OF_DAY,
            max_share=MAX_USER_SHARE,
        ),
    ]


def _expect_clicks(inputs: SuiteInputs) -> list[Expectation]:
    few_rows = f"fewer than {MIN_ROWS_TO_VARY:,} rows"
    return [
        state(
            ExpectNoNulls,
            name="is_clicked_present",
            severity="critical",
            sentence="every exposure says whether it was clicked",
            allowed="no null",
            breaks="the click is the outcome of every effect of this table",
            advice="check the click column, and whether the click log was joined at all",
            column="is_clicked",
        ),
        state(
            ExpectColumnUniqueValueCountToBeBetween,
            name="is_clicked_varies",
            severity="warning",
            sentence="some exposures are clicked and some are not",
            allowed="both values",
            breaks="an outcome that never varies has no causes to find",
            advice="check that the click log of this day arrived and was joined",
            skip_reason=few_rows if inputs.n_rows < MIN_ROWS_TO_VARY else None,
            column="is_clicked",
            min_value=2,
        ),
        state(
            ExpectTrueOnlyWhere,
            name="converted_only_if_clicked",
            severity="warning",
            sentence="what converted was clicked",
            allowed="no conversion without a click",
            breaks="conversions are credited to exposures that did not cause them",
            advice="check how the sender attributes conversions to exposures",
            column="is_converted",
            other_column="is_clicked",
        ),
    ]
