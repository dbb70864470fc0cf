"""The tone of whole texts: sides, negation, hostile input, and agreement with people's stars."""

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tasks.text.tone import measure_tones

DATA = Path(os.environ.get("WHYREC_REAL_DATA", "../shared/data"))


def test_praise_and_blame_are_told_apart_and_negation_turns_them_round():
    good, bad, turned, mixed, nothing = measure_tones(
        ["Great food.", "Terrible food.", "The food is not good.", "Great food. Terrible wait.", ""]
    )
    assert good[0] > 0
    assert good[1] == 0 < good[2]
    assert bad[0] == 0 < bad[1]
    assert bad[2] < 0
    assert turned[0] == 0 < turned[1]
    assert mixed[0] > 0 < mixed[1]
    assert not nothing.any()


@pytest.mark.parametrize(
    "text", ["good " * 20_000, "\u202e\ud800", "<b>good</b>", "今日は", "😀" * 50]
)
def test_any_string_has_a_finite_tone(text: str):
    assert np.isfinite(measure_tones([text])).all()


def test_no_texts_have_no_tones():
    assert measure_tones([]).shape == (0, 3)


def test_tone_follows_the_stars_that_people_gave():
    path = DATA / "cebab_observational/reviews.jsonl"
    if not path.is_file():
        pytest.skip(
            f"{path} is absent; set WHYREC_REAL_DATA to the folder that holds cebab_observational"
        )
    reviews = pl.read_ndjson(path).with_columns(
        stars=pl.col("review_majority").cast(pl.String).cast(pl.Float64, strict=False)
    ).drop_nulls("stars")  # fmt: skip
    tones = measure_tones(reviews["description"].to_list())
    signs = [np.corrcoef(column, reviews["stars"].to_numpy())[0, 1] for column in tones.T]
    assert signs[0] > 0.6
    assert signs[1] < -0.6
    assert signs[2] > 0.8
