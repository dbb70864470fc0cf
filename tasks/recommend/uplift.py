"""What an item's attributes cause: their published effects, times how often its reviews say so."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from tasks.recommend.data import Floats

SHRINKAGE_REVIEWS = 10.0
"""An item with this many reviews stands half by its own, half by the mean of all items."""


def score_uplift(
    item_ids: Sequence[str], mentions: pl.DataFrame, effects: Mapping[tuple[str, str], float]
) -> Floats:
    """Rating points that each item's attributes cause, beyond the mean item's; shape (items,).

    `mentions` holds item_id, attribute, n_reviews (of the item), n_positive and n_negative, a row for
    every item that has reviews; `effects` are causal effects by attribute and contrast ("positive", "negative"), against not
    mentioned. Shares of reviews are shrunk to those of all items, as an item with few reviews says
    little of itself. Attributes without a known effect count nothing.
    """
    total = np.zeros(len(item_ids))
    place = {item: row for row, item in enumerate(item_ids)}
    for side in ("positive", "negative"):
        for (name,), rows in mentions.group_by("attribute"):
            effect = effects.get((str(name), side))
            if effect is None:
                continue
            counts, reviews = rows[f"n_{side}"].to_numpy(), rows["n_reviews"].to_numpy()
            mean = counts.sum() / max(reviews.sum(), 1)
            share = (counts + SHRINKAGE_REVIEWS * mean) / (reviews + SHRINKAGE_REVIEWS) - mean
            for item, own in zip(rows["item_id"], share, strict=True):
                if item in place:
                    total[place[item]] += effect * own
    return total
