"""Ratings and features of one source, from tables of the warehouse."""

import json
from collections.abc import Sequence

import numpy as np
import polars as pl

from tasks.recommend.data import Floats, Ratings, check_ratings, encode, one_hot

MIN_LEVEL_ROWS = 5
"""Users or items that share a level before it gets a column of its own."""
TEXT_COMPONENTS = 16
MAX_LEVELS = 50


def gather_ratings(
    reviews: pl.DataFrame,
    users: pl.DataFrame,
    items: pl.DataFrame,
    texts: pl.DataFrame | None = None,
    *,
    is_rated_only: bool = False,
) -> Ratings:
    """Ratings with features; a pair rated twice keeps its last rating.

    `reviews` holds user_id, item_id, rating, reviewed_at; `users` user_id and features, a JSON
    object whose strings are traits; `items` item_id, brand, category, price_usd; `texts` item_id and
    vector. Users and items without a rating are there too, unless `is_rated_only`: then what was
    rated by a day is the same whoever joined later. Raises InputError when nothing is rated.
    """
    last = (
        reviews.drop_nulls(["user_id", "item_id", "rating"])
        .sort("reviewed_at", maintain_order=True)
        .unique(["user_id", "item_id"], keep="last", maintain_order=True)
        .sort("user_id", "item_id")
    )
    if is_rated_only:
        users = users.join(last, on="user_id", how="semi")
        items = items.join(last, on="item_id", how="semi")
        texts = None if texts is None else texts.join(last, on="item_id", how="semi")
    user_codes, user_ids = encode(last["user_id"], users["user_id"].drop_nulls().to_list())
    item_codes, item_ids = encode(last["item_id"], items["item_id"].drop_nulls().to_list())
    user_features, user_names = describe_users(user_ids, users)
    item_features, item_names = describe_items(item_ids, items, texts)
    return check_ratings(
        Ratings(
            user_codes, item_codes, last["rating"].to_numpy().astype(np.float64), user_ids, item_ids,
            user_features, item_features,
            user_feature_names=tuple(user_names), item_feature_names=tuple(item_names),
        )
    )  # fmt: skip


def describe_users(ids: Sequence[str], users: pl.DataFrame) -> tuple[Floats, list[str]]:
    """One-hot traits of users; numbers and traits of more levels than are told apart are left out."""
    known = dict(zip(users["user_id"], users["features"], strict=True))
    rows = [_read_traits(known.get(user)) for user in ids]
    names = sorted({name for row in rows for name in row})
    frame = pl.DataFrame(
        {name: pl.Series([row.get(name) for row in rows], dtype=pl.String) for name in names}
    )
    return _encode_levels(frame, len(ids))


def _read_traits(features: str | None) -> dict[str, str]:
    document = json.loads(features) if features else {}
    return {name: value for name, value in document.items() if isinstance(value, str)}


def describe_items(
    ids: Sequence[str], items: pl.DataFrame, texts: pl.DataFrame | None
) -> tuple[Floats, list[str]]:
    """Category and brand, one-hot; the logarithm of the price; components of the text vectors."""
    own = pl.DataFrame({"item_id": list(ids)}).join(
        items.unique("item_id", keep="last", maintain_order=True), on="item_id", how="left"
    )
    levels, names = _encode_levels(own.select("category", "brand"), len(ids))
    price = own["price_usd"].cast(pl.Float64).to_numpy().astype(np.float64)
    blocks = [levels, _standardise(np.log1p(np.maximum(price, 0.0)))]
    names += ["price_usd"]
    if texts is not None and texts.height > TEXT_COMPONENTS:
        components = _reduce_texts(ids, texts)
        blocks.append(components)
        names += [f"text_{k}" for k in range(components.shape[1])]
    return np.hstack(blocks), names


def _encode_levels(frame: pl.DataFrame, n_rows: int) -> tuple[Floats, list[str]]:
    kept = [name for name in frame.columns if 1 < frame[name].n_unique() <= MAX_LEVELS]
    if not kept:
        return np.zeros((n_rows, 0)), []
    return one_hot(frame.select(kept), min_rows=MIN_LEVEL_ROWS)


def _standardise(values: Floats) -> Floats:
    """Mean 0 and deviation 1; what is absent counts as the mean. Shape (n, 1)."""
    known = values[np.isfinite(values)]
    if not len(known) or known.std() == 0:
        return np.zeros((len(values), 1))
    scaled: Floats = np.nan_to_num((values - known.mean()) / known.std(), nan=0.0)
    return scaled[:, None]


def _reduce_texts(ids: Sequence[str], texts: pl.DataFrame) -> Floats:
    """Principal components of text vectors, together of mean length 1; an item without text has zeros."""
    vectors = texts.unique("item_id", keep="last", maintain_order=True).sort("item_id")
    places = {item: row for row, item in enumerate(vectors["item_id"])}
    values = vectors["vector"].to_numpy().astype(np.float64)
    centred = values - values.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    scores = centred @ axes[:TEXT_COMPONENTS].T
    size = np.sqrt((scores**2).sum(axis=1).mean())
    found = np.zeros((len(ids), scores.shape[1]))
    for row, item in enumerate(ids):
        if item in places:
            found[row] = scores[places[item]] / (size or 1.0)
    return found
