"""What a staged partition of reviews must satisfy before it is published."""

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
    ExpectFewRepeatedTexts,
    ExpectInRange,
    ExpectLength,
    ExpectNoLargeShareOfDay,
    ExpectNoNulls,
    ExpectNotEmptyText,
    ExpectPartOf,
    ExpectPattern,
)

MAX_EMPTY_SHARE = 0.5
"""A rating without words is a valid row, but it tells nothing about its causes."""
MAX_REPEATED_SHARE = 0.4
"""Short praise repeats by itself: of real gift-card reviews, a third."""
MAX_USER_SHARE = 0.05
MIN_ROWS_OF_DAY = 200
"""On smaller days a busy but honest person exceeds the share."""
MIN_ROWS_TO_VARY = 30

LIKE_BEFORE = (
    "dated_on_day", "dated_as_usual", "rows_new", "ids_swapped", "users_known", "items_known",
    "hours_as_usual", "ratings_differ", "ratings_as_usual", "one_user", "top_user_as_usual",
    "top_item_as_usual", "top_text_as_usual", "texts_there", "empty_as_usual", "garbled_as_usual",
    "words_as_usual",
)  # fmt: skip
"""Figures that are compared with those of earlier days."""


def build_suite(inputs: SuiteInputs) -> gx.ExpectationSuite:
    """Suite for one staged partition of `reviews`."""
    expectations = [
        *expect_shape("reviews", inputs),
        *expect_key("reviews"),
        *expect_filled(
            ["user_id", "item_id"],
            breaks="the row joins no user or item, and falls out of every estimate unseen",
        ),
        *expect_dates(inputs, moment_column="reviewed_at"),
        *_expect_ratings(inputs),
        *_expect_texts(),
        *_expect_honest_crowd(),
        *expect_row_count(inputs),
        *expect_like_before(inputs, LIKE_BEFORE),
    ]
    return gx.ExpectationSuite(name="clean.reviews", expectations=expectations)


def _expect_ratings(inputs: SuiteInputs) -> list[Expectation]:
    few_rows = f"fewer than {MIN_ROWS_TO_VARY} rows"
    return [
        state(
            ExpectNoNulls,
            name="rating_present",
            severity="critical",
            sentence="every review has a rating",
            allowed="no null",
            breaks="the rating is the outcome of every effect of this table",
            advice="check the rating column of the delivered file",
            column="rating",
        ),
        expect_finite("rating", breaks="one such rating makes every effect of its window NaN"),
        state(
            ExpectInRange,
            name="rating_range",
            severity="critical",
            sentence="every rating lies between 1 and 5",
            allowed="1 to 5",
            breaks="effects are stated in stars; one rating of 50 outweighs hundreds",
            advice="check whether the sender changed the scale; map it in the settings of the source",
            column="rating",
            min_value=1,
            max_value=5,
        ),
        state(
            ExpectColumnUniqueValueCountToBeBetween,
            name="rating_varies",
            severity="warning",
            sentence="ratings are not all the same",
            allowed="at least 2 different ratings",
            breaks="an outcome that never varies has no causes to find",
            advice="check whether the sender filled ratings with a default",
            skip_reason=few_rows if inputs.n_rows < MIN_ROWS_TO_VARY else None,
            column="rating",
            min_value=2,
        ),
    ]


def _expect_texts() -> list[Expectation]:
    return [
        state(
            ExpectNoNulls,
            name="text_present",
            severity="critical",
            sentence="no text is null",
            allowed='no null ("" is allowed)',
            breaks="the embedding and the attributes of the row cannot be computed",
            advice="this is written by the ingest step; report it as a defect",
            column="text",
        ),
        state(
            ExpectNoNulls,
            name="text_sha256_present",
            severity="critical",
            sentence="every text has its hash",
            allowed="no null",
            breaks="embeddings are stored by this hash; without it the text is never embedded",
            advice="this is written by the ingest step; report it as a defect",
            column="text_sha256",
        ),
        state(
            ExpectPattern,
            name="text_sha256_shape",
            severity="critical",
            sentence="every text_sha256 is 64 hexadecimal digits",
            allowed="^[0-9a-f]{64}$",
            breaks="embeddings are found by this hash; a malformed one finds none or another's",
            advice="this is written by the ingest step; report it as a defect",
            column="text_sha256",
            pattern="^[0-9a-f]{64}$",
        ),
        state(
            ExpectLength,
            name="review_id_length",
            severity="critical",
            sentence="every review_id is 32 characters long",
            allowed="32 characters",
            breaks="attributes are joined to reviews by this id",
            advice="this is written by the ingest step; report it as a defect",
            column="review_id",
            value=32,
        ),
        state(
            ExpectNotEmptyText,
            name="text_mostly_filled",
            severity="warning",
            sentence="most reviews have words",
            allowed=f"at most {MAX_EMPTY_SHARE:.0%} empty texts",
            breaks="attributes rest on the few reviews that have words, a different kind of person",
            advice="check that the text column is mapped to the right field",
            column="text_sha256",
            mostly=1 - MAX_EMPTY_SHARE,
        ),
    ]


def _expect_honest_crowd() -> list[Expectation]:
    return [
        state(
            ExpectFewRepeatedTexts,
            name="texts_repeated",
            severity="warning",
            sentence="most texts are written once",
            allowed=f"at most {MAX_REPEATED_SHARE:.0%} repeat another",
            breaks="copied texts count as so many opinions, in the direction the copier wants",
            advice="look at the most frequent texts of this day: boilerplate, or an attack",
            column="text_sha256",
            max_share=MAX_REPEATED_SHARE,
        ),
        state(
            ExpectNoLargeShareOfDay,
            name="user_concentration",
            severity="warning",
            sentence="no user writes a large part of a day's reviews",
            allowed=f"at most {MAX_USER_SHARE:.0%} of a day of {MIN_ROWS_OF_DAY} reviews or more",
            breaks="one person's taste is taken for everybody's, and intervals are too narrow",
            advice="look at what this user wrote: a shared account, an import, or an attack",
            group_column="user_id",
            min_rows=MIN_ROWS_OF_DAY,
            max_share=MAX_USER_SHARE,
        ),
        state(
            ExpectPartOf,
            name="helpful_votes_part_of_total",
            severity="warning",
            sentence="helpful votes are at least 0 and at most all votes",
            allowed="0 to total_votes",
            breaks="shares of helpful votes above 1 or below 0 reach the controls",
            advice="check whether the two vote columns are swapped in the delivery",
            column="helpful_votes",
            limit_column="total_votes",
        ),
    ]
