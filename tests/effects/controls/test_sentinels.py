"""Numbers that stand for "missing" are told from numbers."""

import numpy as np
import polars as pl
import pytest

from tasks.effects.sentinels import find_sentinels
from tests.effects.confounded import answer_by, ask, says


def draw_ages(seed: int, *, share: float) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    z = rng.normal(size=1200)
    age = np.where(rng.random(1200) < share, -999, (10 * z + 50).round(1))
    return answer_by(rng, 0.8 * z, age=age)


def test_a_number_that_stands_for_missing_is_read_as_missing():
    answer = ask(draw_ages(0, share=0.2), ["age"])
    assert answer["verdict"] == "weak"
    assert says(answer, "control age is -999 in ")
    assert says(answer, "this was read as missing")
    assert says(answer, "control age is missing in ")
    assert not says(ask(draw_ages(0, share=0), ["age"]), "read as missing")


def test_a_few_codes_do_not_bend_what_the_others_say():
    answer = ask(draw_ages(1, share=0.02), ["age"])
    first = answer["estimates"][0]
    assert first["ci_low"] < 1 < first["ci_high"]
    assert says(answer, "this was read as missing")


@pytest.mark.parametrize(
    ("others", "code", "is_found"),
    [
        ("age", -999, True), ("age", -99, True), ("age", 999, True), ("age", -1, False),
        ("age", 95, False), ("income", 0, False), ("income", -999_999, True), ("rating", 99, True),
        ("flag", 9, True), ("flag", 2, False), ("rating", 40, False), ("few", 0, False),
    ],
)  # fmt: skip
def test_codes_for_missing_are_told_from_rare_values(others: str, code: float, is_found: bool):
    rng = np.random.default_rng(0)
    values = {
        "age": lambda: rng.normal(45, 14, 1000).clip(18, 90).round(),
        "income": lambda: rng.uniform(1_000, 50_000, 1000),
        "few": lambda: rng.uniform(30_000, 35_000, 1000),
        "rating": lambda: rng.integers(1, 6, 1000).astype(float),
        "flag": lambda: rng.integers(0, 2, 1000).astype(float),
    }[others]()
    values[:50] = code
    assert find_sentinels(values) == ([code] if is_found else [])


def test_two_codes_at_one_end_are_both_found_and_an_outlier_is_none():
    values = np.random.default_rng(0).normal(size=1000)
    values[:100] = np.repeat([-998.0, -999.0], 50)
    assert find_sentinels(values) == [-999, -998]
    values[:100] = 0.0
    values[0] = 999
    assert find_sentinels(values) == []
