"""Attributes of a source in numbers, with sentences that show what was read."""

from typing import Any

import polars as pl

from tasks.text.examples import pick_examples


def describe_attributes(
    found: pl.DataFrame, reviews: pl.DataFrame, *, per_side: int
) -> list[dict[str, Any]]:
    """One row per attribute: attribute, n_mentioned, n_positive, n_negative, examples.

    `found` are extractions (mentioned ones), `reviews` have review_id, text and rating. Examples
    are up to `per_side` of either polarity: review_id, text, start, end, polarity, rating. Ratings
    are only shown beside the sentence; they play no part in what was read.
    """
    texts = dict(zip(reviews["review_id"], reviews["text"], strict=True))
    ratings = dict(zip(reviews["review_id"], reviews["rating"], strict=True))
    rows = []
    for (attribute,), part in found.sort("attribute").group_by("attribute", maintain_order=True):
        examples = [
            {
                "review_id": example.review_id,
                "text": texts[example.review_id],
                "start": example.span_start,
                "end": example.span_end,
                "polarity": polarity,
                "rating": ratings[example.review_id],
            }
            for polarity in (1, -1)
            for example in pick_examples(
                part, texts, attribute=str(attribute), polarity=polarity, k=per_side
            )
        ]
        rows.append(
            {
                "attribute": attribute,
                "n_mentioned": part.height,
                "n_positive": int((part["polarity"] > 0).sum()),
                "n_negative": int((part["polarity"] < 0).sum()),
                "examples": examples,
            }
        )
    return rows
