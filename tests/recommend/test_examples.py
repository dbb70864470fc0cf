import numpy as np
import polars as pl

from tasks.recommend.examples import choose_users, cut_sentence, list_reasons, summarise_mentions
from tests.recommend.worlds import plain_ratings

ATTRIBUTES = pl.DataFrame({
    "review_id": ["r1", "r2", "r3", "r3"], "attribute": ["sound", "sound", "sound", "price"],
    "is_mentioned": [True, True, True, False], "polarity": [1, 1, -1, 0],
    "confidence": [0.6, 0.9, 0.9, 0.0], "span_start": [0, 4, 0, None], "span_end": [5, 9, 3, None],
})  # fmt: skip
REVIEWS = pl.DataFrame({"review_id": ["r1", "r2", "r3", "r4"], "item_id": ["a", "a", "a", "b"]})


def test_mentions_are_counted_by_item_and_the_surest_praise_is_kept():
    table = summarise_mentions(ATTRIBUTES, REVIEWS)
    assert table.to_dicts() == [
        {"item_id": "a", "attribute": "sound", "n_positive": 2, "n_negative": 1, "n_reviews": 3,
         "review_id": "r2", "span_start": 4, "span_end": 9},
        {"item_id": "b", "attribute": "sound", "n_positive": 0, "n_negative": 0, "n_reviews": 1,
         "review_id": None, "span_start": None, "span_end": None},
    ]  # fmt: skip


def test_reasons_are_praised_attributes_that_raise_ratings():
    table = summarise_mentions(ATTRIBUTES, REVIEWS)
    (reason,) = list_reasons("a", table, {("sound", "positive"): 0.3})
    assert (reason["review_id"], reason["share"]) == ("r2", 2 / 3)
    assert list_reasons("a", table, {("sound", "positive"): -0.3}) == []
    assert list_reasons("b", table, {("sound", "positive"): 0.3}) == []


def test_example_users_are_typical_of_the_largest_groups():
    values = np.zeros((6, 6))
    for user, n in enumerate([1, 3, 6, 2, 5, 0]):
        values[user, :n] = 3
    chosen = choose_users(plain_ratings(values), np.array([0, 0, 0, 1, 1, 0]))
    assert chosen.tolist() == [1, 3, 0], "medians of 1, 3, 6 and of 2, 5; then group 0 again"


def test_a_sentence_is_cut_out_and_is_never_long():
    assert cut_sentence("so warm sound", [3, 7]) == "warm"
    assert len(cut_sentence("x" * 900, [0, 900])) == 200
