import polars as pl
import pytest

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
