"""What a staged delivery of users must satisfy before it is published."""

import great_expectations as gx

from expectations.common import expect_key, expect_row_count, expect_shape, state
from expectations.inputs import SuiteInputs
from expectations.rules import ExpectJsonObject, ExpectNoNulls

MIN_FEATURES_SHARE = 0.5


def build_suite(inputs: SuiteInputs) -> gx.ExpectationSuite:
    """Suite for one staged delivery of `users`."""
    expectations = [
        *expect_shape("users", inputs),
        *expect_key("users"),
        state(
            ExpectJsonObject,
            name="features_object",
            severity="critical",
            sentence="features of every user are a JSON object",
            allowed="a JSON object or null",
            breaks="user controls are read out of it; what does not parse is silently no control",
            advice="see the lines named below in the delivered file",
            column="features",
        ),
        state(
            ExpectNoNulls,
            name="features_mostly_present",
            severity="warning",
            sentence="most users have features",
            allowed=f"at least {MIN_FEATURES_SHARE:.0%} of users",
            breaks="effects are adjusted for what few users have told",
            advice="check that the features field is mapped",
            column="features",
            mostly=MIN_FEATURES_SHARE,
        ),
        *expect_row_count(inputs),
    ]
    return gx.ExpectationSuite(name="clean.users", expectations=expectations)
