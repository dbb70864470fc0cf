"""Text controls that say nothing: empty in some rows, in all of them, or the same."""

import numpy as np
import polars as pl
import pytest

from tasks.effects.table.estimate import estimate_table

ROWS = 900
LEFT_IN = 0.3
"""Share of the rows whose text is empty and leaves their confounding in."""


def estimate(texts: list[str | None], said: np.ndarray, seed: int = 3) -> dict:
    """A text whose word confounds by about 1.5; the effect is 1."""
    rng = np.random.default_rng(seed)
    d = (rng.random(ROWS) < np.where(said, 0.8, 0.2)).astype(int)
    y = d + 1.5 * said + rng.normal(size=ROWS)
    frame = pl.DataFrame(
        {"text": pl.Series(texts, dtype=pl.String), "d": d, "y": y, "x": rng.normal(size=ROWS)}
    )
    return estimate_table(
        frame, outcome="y", treatment="d", controls=["x"], estimators=["plr"], is_checked=False,
        vectors={"text": np.zeros((ROWS, 4))},
    )  # fmt: skip


@pytest.mark.parametrize("empty", [None, "", "  \n"])
def test_rows_without_a_text_that_confounds_are_told_and_speak_against_the_estimate(empty):
    rng = np.random.default_rng(1)
    said = rng.random(ROWS) < 0.5
    lack = rng.random(ROWS) < LEFT_IN
    texts = [
        empty if no else "sings daily" if one else "talks daily"
        for one, no in zip(said, lack, strict=True)
    ]
    answer = estimate(texts, said)
    assert answer["estimates"][0]["ci_low"] > 1
    assert answer["verdict"] == "weak"
    assert any(
        f"text is missing in {lack.mean():.0%} of the rows" in one for one in answer["reasons"]
    )
    assert any("may move the estimate" in one for one in answer["reasons"])


def test_few_rows_without_a_text_are_a_note():
    said = np.random.default_rng(2).random(ROWS) < 0.5
    texts = [
        None if i < 9 else "sings daily" if one else "talks daily" for i, one in enumerate(said)
    ]
    answer = estimate(texts, said)
    assert answer["verdict"] == "credible"
    assert any("text is missing in 1.0% of the rows" in one for one in answer["reasons"])


def test_emptiness_that_confounds_is_adjusted_for():
    said = np.random.default_rng(4).random(ROWS) < 0.5
    found = estimate([None if one else "talks daily" for one in said], said)["estimates"][0]
    assert found["ci_low"] < 1 < found["ci_high"]


def test_texts_that_are_the_same_or_all_empty_control_for_nothing_and_are_said_so():
    said = np.random.default_rng(5).random(ROWS) < 0.5
    same, none = estimate(["talks daily"] * ROWS, said), estimate([None] * ROWS, said)
    assert "control text does not vary" in same["reasons"]
    assert none["verdict"] == "weak"
    assert any("text is missing in 100% of the rows" in one for one in none["reasons"])
    assert not any("components" in one for one in same["reasons"] + none["reasons"])
