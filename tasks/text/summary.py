"""Attributes of a source in numbers, with sentences that show what was read."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from tasks.text.examples import pick_examples

COUNTS = ("n_mentioned", "n_positive", "n_negative")


def summarise_attributes(
    found: pl.DataFrame, reviews: pl.DataFrame, *, per_side: int
) -> list[dict[str, Any]]:
    """One row per attribute of a period: attribute, n_mentioned, n_positive, n_negative, examples.

    `found` are extractions (mentioned ones), `reviews` have review_id, text and rating. Examples
    are up to `per_side` of either polarity: review_id, text, start, end, polarity, rating,
    confidence. Ratings are only shown beside the sentence; they play no part in what was read.
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
                "confidence": example.confidence,
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


def merge_summaries(
    summaries: Sequence[Iterable[Mapping[str, Any]]], *, per_side: int
) -> list[dict[str, Any]]:
    """One summary of several periods, given in the order of time.

    Counts add. Of the sentences the surest come first, among equals those of the newest period.
    """
    merged: dict[str, dict[str, Any]] = {}
    for summary in reversed(summaries):
        for row in summary:
            whole = merged.setdefault(
                row["attribute"],
                {"attribute": row["attribute"], **dict.fromkeys(COUNTS, 0), "examples": []},
            )
            for name in COUNTS:
                whole[name] += row[name]
            whole["examples"] += row["examples"]
    for whole in merged.values():
        whole["examples"].sort(key=lambda example: -example["confidence"])
        whole["examples"] = [
            example
            for polarity in (1, -1)
            for example in _pick_distinct(whole["examples"], polarity, per_side)
        ]
    return [merged[name] for name in sorted(merged)]


def _pick_distinct(
    examples: Sequence[dict[str, Any]], polarity: int, count: int
) -> list[dict[str, Any]]:
    """The first `count` examples of a polarity whose spans read differently."""
    picked: dict[str, dict[str, Any]] = {}
    for example in examples:
        span = example["text"][example["start"] : example["end"]].casefold()
        if example["polarity"] == polarity and len(picked) < count:
            picked.setdefault(span, example)
    return list(picked.values())
