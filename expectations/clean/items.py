"""What a staged delivery of items must satisfy before it is published."""

import great_expectations as gx
from great_expectations.expectations.expectation import Expectation

from expectations.common import expect_finite, expect_key, expect_row_count, expect_shape, state
from expectations.inputs import SuiteInputs
from expectations.rules import ExpectInRange, ExpectNoNulls

MAX_PRICE_USD = 1_000_000
"""Above this a price is a placeholder."""
MIN_TITLE_SHARE = 0.5
MIN_CATEGORY_SHARE = 0.5


def build_suite(inputs: SuiteInputs) -> gx.ExpectationSuite:
    """Suite for one staged delivery of `items`."""
    expectations = [
        *expect_shape("items", inputs),
        *expect_key("items"),
        *_expect_prices(),
        _expect_mostly("title", MIN_TITLE_SHARE, breaks="the report names such items by id alone"),
        _expect_mostly(
            "category",
            MIN_CATEGORY_SHARE,
            breaks="the category is a control: without it, effects are compared across categories",
        ),
        *expect_row_count(inputs),
    ]
    return gx.ExpectationSuite(name="clean.items", expectations=expectations)


def _expect_prices() -> list[Expectation]:
    return [
        expect_finite("price_usd", breaks="one such price makes every coefficient NaN"),
        state(
            ExpectInRange,
            name="price_usd_not_negative",
            severity="critical",
            sentence="no price is negative",
            allowed="0 or more",
            breaks="the price is a control and enters as its logarithm, which would not exist",
            advice="check whether discounts or refunds were delivered as prices",
            column="price_usd",
            min_value=0,
        ),
        state(
            ExpectInRange,
            name="price_usd_plausible",
            severity="warning",
            sentence="no price is a placeholder",
            allowed=f"at most {MAX_PRICE_USD:,} dollars",
            breaks="one such price bends the price control of every other item",
            advice="check the currency and whether 'no price' was delivered as a large number",
            column="price_usd",
            max_value=MAX_PRICE_USD,
        ),
    ]


def _expect_mostly(column: str, share: float, *, breaks: str) -> Expectation:
    return state(
        ExpectNoNulls,
        name=f"{column}_mostly_present",
        severity="warning",
        sentence=f"most items have a {column}",
        allowed=f"at least {share:.0%} of items",
        breaks=breaks,
        advice=f"check that the {column} field is mapped, and that item metadata was delivered",
        column=column,
        mostly=share,
    )
