import json
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from tasks.platform.errors import InputError
from tasks.recommend.gather import gather_ratings
from tasks.recommend.ratings_file import decode_ratings, encode_ratings

START = datetime(2024, 3, 1, tzinfo=UTC)


def tables(n: int = 12) -> dict[str, pl.DataFrame]:
    reviews = pl.DataFrame({
        "user_id": [f"u{k % 4}" for k in range(n)],
        "item_id": [f"i{k % 6}" for k in range(n)],
        "rating": [float(1 + k % 5) for k in range(n)],
        "reviewed_at": [START + timedelta(hours=k) for k in range(n)],
    })  # fmt: skip
    users = pl.DataFrame({
        "user_id": [f"u{k}" for k in range(12)],
        "features": [json.dumps({"segment": "ab"[k % 2], "age": 30 + k}) for k in range(11)] + [None],
    })  # fmt: skip
    items = pl.DataFrame({
        "item_id": [f"i{k}" for k in range(12)], "brand": ["x", "y"] * 6, "category": ["c"] * 12,
        "price_usd": [10.0 * k if k else None for k in range(12)],
    })  # fmt: skip
    return {"reviews": reviews, "users": users, "items": items}


def test_users_and_items_without_a_rating_are_there_with_their_features():
    ratings = gather_ratings(**tables())
    assert ratings.shape == (12, 12)
    assert len(ratings) == 12
    assert ratings.user_feature_names == ("segment:a", "segment:b", "segment:rare")
    assert ratings.user_features[0].tolist() == [1, 0, 0]
    names = list(ratings.item_feature_names)
    assert {"brand:x", "brand:y", "price_usd"} <= set(names)
    assert not any(name.startswith("category") for name in names), "one level tells nothing"
    price = ratings.item_features[:, names.index("price_usd")]
    assert price[ratings.item_ids.index("i0")] == 0.0
    assert price.std() == pytest.approx(1.0, abs=0.05)


def test_a_pair_rated_twice_keeps_the_later_rating_whatever_the_order_of_rows():
    own = tables()
    for reviews in (own["reviews"], own["reviews"].reverse()):
        twice = pl.concat([reviews, reviews.with_columns(
            pl.col("reviewed_at") + timedelta(days=9), pl.lit(5.0).alias("rating")
        )])  # fmt: skip
        ratings = gather_ratings(twice, own["users"], own["items"])
        assert len(ratings) == 12
        assert set(ratings.ratings) == {5.0}


def test_texts_become_components_and_an_item_without_text_has_zeros():
    own, rng = tables(), np.random.default_rng(0)
    vectors = rng.normal(size=(40, 24)).astype(np.float32)
    texts = pl.DataFrame(
        {"item_id": [f"i{k}" for k in range(1, 41)], "vector": vectors},
        schema_overrides={"vector": pl.Array(pl.Float32, 24)},
    )
    ratings = gather_ratings(**own, texts=texts)
    columns = [k for k, name in enumerate(ratings.item_feature_names) if name.startswith("text_")]
    assert len(columns) == 16
    assert (ratings.item_features[ratings.item_ids.index("i0")][columns] == 0).all()
    assert np.abs(ratings.item_features[ratings.item_ids.index("i5")][columns]).max() > 0


def test_nothing_rated_is_refused():
    own = tables()
    with pytest.raises(InputError, match="no ratings"):
        gather_ratings(own["reviews"].clear(), own["users"], own["items"])


def test_ratings_survive_their_file_and_equal_ratings_make_equal_bytes():
    ratings = gather_ratings(**tables())
    again = decode_ratings(encode_ratings(ratings))
    assert encode_ratings(again) == encode_ratings(ratings)
    assert again.user_ids == ratings.user_ids
    assert again.scale == (1.0, 5.0)
    assert (again.items == ratings.items).all()
    assert again.item_features == pytest.approx(ratings.item_features, abs=1e-6)


def test_rated_users_and_items_only_are_the_same_whoever_joins_later():
    own = tables()
    late = pl.DataFrame({"user_id": ["u99"], "features": ['{"segment": "new"}']})
    more = {**own, "users": pl.concat([own["users"], late])}
    before, after = (gather_ratings(**part, is_rated_only=True) for part in (own, more))
    assert before.shape == (4, 6)
    assert encode_ratings(before) == encode_ratings(after)
    assert encode_ratings(gather_ratings(**own)) != encode_ratings(gather_ratings(**more))
