import polars as pl
import pytest

from tasks.recommend.examples import summarise_mentions
from tasks.recommend.uplift import score_uplift

MENTIONS = pl.DataFrame({
    "item_id": ["a", "b"], "attribute": ["sound", "sound"], "n_reviews": [90, 10],
    "n_positive": [90, 0], "n_negative": [0, 5],
})  # fmt: skip


def test_praised_items_are_lifted_by_the_effect_and_their_share_shrunk_to_the_mean():
    found = score_uplift(["a", "b", "c"], MENTIONS, {("sound", "positive"): 0.5})
    assert found[0] == pytest.approx(0.5 * ((90 + 10 * 0.9) / 100 - 0.9))
    assert found[1] == pytest.approx(0.5 * ((0 + 10 * 0.9) / 20 - 0.9))
    assert found[2] == 0.0


def test_blame_counts_by_its_own_effect():
    found = score_uplift(["a", "b"], MENTIONS, {("sound", "negative"): -1.0})
    assert found[1] < 0 < found[0]


def test_attributes_without_a_credible_effect_count_nothing():
    assert score_uplift(["a", "b"], MENTIONS, {}).tolist() == [0.0, 0.0]


def test_an_item_that_is_praised_stands_above_one_of_which_nobody_speaks():
    """Of twenty reviews each: one, none and nineteen praise the sound."""
    reviews = pl.DataFrame({
        "review_id": [f"r{n}" for n in range(60)], "item_id": ["a"] * 20 + ["b"] * 20 + ["c"] * 20,
    })  # fmt: skip
    praise = reviews.with_columns(
        attribute=pl.lit("sound"), is_mentioned=True, polarity=1, confidence=0.9, span_start=0,
        span_end=4,
    )[[0, *range(40, 59)]]  # fmt: skip
    mentions = summarise_mentions(praise, reviews)
    found = score_uplift(["a", "b", "c"], mentions, {("sound", "positive"): 0.3})
    assert found[1] < found[0] < 0 < found[2]
    assert found.sum() == pytest.approx(0.0, abs=1e-12), "as many reviews each: about their mean"
