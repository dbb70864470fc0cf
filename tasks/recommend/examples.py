"""Users to show in a report, their recommendations, and why: in parts and in sentences."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from tasks.recommend.data import Codes, Ratings

N_USERS = 3
N_ITEMS = 3
N_REASONS = 2


def choose_users(ratings: Ratings, groups: Codes) -> Codes:
    """One user of each of the largest groups: who has rated as many items as the group's median.

    `groups` (users,) number each user's group, 0 the largest. With fewer groups than users wanted, the
    largest are asked again. Ties go to the first id.
    """
    counts = np.bincount(ratings.users, minlength=ratings.shape[0])
    chosen: list[int] = []
    for turn in range(N_USERS):
        group = turn % (int(groups.max()) + 1)
        own = np.flatnonzero((groups == group) & (counts > 0))
        own = np.setdiff1d(own, chosen)
        if not len(own):
            continue
        middle = np.median(counts[own])
        chosen.append(int(own[np.argmin(np.abs(counts[own] - middle))]))
    return np.array(chosen, dtype=np.int64)


def summarise_mentions(attributes: pl.DataFrame, reviews: pl.DataFrame) -> pl.DataFrame:
    """What reviews say of each item: one row per item and attribute that reviews of any item speak of.

    Silence counts: without its row an item that nobody praises would be taken for one of the mean.
    `attributes` holds review_id, attribute, is_mentioned, polarity, confidence, span_start, span_end;
    `reviews` review_id and item_id. Columns: item_id, attribute, n_reviews (of the item), n_positive,
    n_negative, and review_id and span of the most confident praise, null where there is none.
    """
    totals = reviews.group_by("item_id").agg(pl.len().alias("n_reviews"))
    said = attributes.filter("is_mentioned").join(
        reviews.select("review_id", "item_id"), on="review_id"
    )
    praise = said.filter(pl.col("polarity") > 0).sort(
        ["item_id", "attribute", "confidence", "review_id"], descending=[False, False, True, False]
    )
    best = praise.unique(["item_id", "attribute"], keep="first", maintain_order=True).select(
        "item_id", "attribute", "review_id", "span_start", "span_end"
    )
    counts = said.group_by("item_id", "attribute").agg(
        (pl.col("polarity") > 0).sum().cast(pl.Int64).alias("n_positive"),
        (pl.col("polarity") < 0).sum().cast(pl.Int64).alias("n_negative"),
    )
    spoken = totals.join(said.select("attribute").unique(), how="cross")
    joined = spoken.join(counts, on=["item_id", "attribute"], how="left").with_columns(
        pl.col("n_positive", "n_negative").fill_null(0)
    )
    joined = joined.join(best, on=["item_id", "attribute"], how="left")
    return joined.sort("item_id", "attribute")


def list_reasons(
    item: str, mentions: pl.DataFrame, effects: Mapping[tuple[str, str], float]
) -> list[dict[str, Any]]:
    """Attributes that the item's reviews praise and that raise ratings, largest contribution first.

    The contribution is the causal effect of praise times the share of the item's reviews that
    praise it, in rating points.
    """
    rows = mentions.filter((pl.col("item_id") == item) & (pl.col("n_positive") > 0))
    reasons = [
        {
            "attribute": row["attribute"],
            "effect": effects[row["attribute"], "positive"],
            "share": row["n_positive"] / row["n_reviews"],
            "n_reviews": row["n_reviews"],
            "review_id": row["review_id"],
            "span": [row["span_start"], row["span_end"]],
        }
        for row in rows.iter_rows(named=True)
        if effects.get((row["attribute"], "positive"), 0.0) > 0
    ]
    reasons.sort(key=lambda reason: (-reason["effect"] * reason["share"], reason["attribute"]))
    return reasons[:N_REASONS]


def cut_sentence(text: str, span: Sequence[int]) -> str:
    """The part of a review that a reason points at, at most 200 characters."""
    return text[span[0] : span[1]].strip()[:200]
