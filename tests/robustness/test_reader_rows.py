"""Attacks on readers become rows without losing a denominator."""

import json

import pytest

from tasks.robustness.reader_rows import follow_words, skip_reader, to_curve_row, to_text_rows


def make_attempts() -> list[dict[str, object]]:
    lost = {"status": "failed", "original": "bad", "perturbed": None, "before": "negative",
            "after": None, "n_changed_words": None, "n_queries": 9}  # fmt: skip
    won = [
        {"status": "succeeded", "original": "good", "perturbed": "godo", "before": "positive",
         "after": "negative", "n_changed_words": words, "n_queries": 3}
        for words in (1, 1, 3)
    ]  # fmt: skip
    return [lost, *won, {**lost, "status": "skipped"}]


SUMMARY = {
    "attack": "swaps", "attribute": "price", "attempted": 4, "succeeded": 3, "failed": 1,
    "skipped": {"no text": 1}, "not_attempted": {"the budget ran out": 2}, "success_rate": 0.75,
    "ci_low": 0.3, "ci_high": 0.95, "queries": 18, "queries_per_success": 6.0, "refused": {},
}  # fmt: skip


def test_attempted_skipped_and_left_over_are_apart_with_their_reasons() -> None:
    row, examples = to_text_rows(SUMMARY, make_attempts(), source="shop", seed=0, budget=20)
    assert (row.attempted, row.succeeded, row.failed, row.skipped, row.not_attempted) == (
        4,
        3,
        1,
        1,
        2,
    )
    assert row.skip_reason == "1 no text; 2 not attempted: the budget ran out"
    assert [(one.outcome, one.after_answer) for one in examples] == [("succeeded", "negative")] * 2


def test_a_failure_is_shown_where_nothing_succeeded() -> None:
    _, examples = to_text_rows(SUMMARY, make_attempts()[:1], source="shop", seed=0, budget=20)
    assert [(one.outcome, one.after_text, one.after_answer) for one in examples] == [
        ("failed", None, "negative")
    ]


def test_the_curve_counts_texts_broken_by_so_many_words_or_fewer() -> None:
    assert follow_words(make_attempts()) == [[1.0, 0.5], [3.0, 0.75]]
    assert follow_words([]) == []


def test_vectors_are_counted_at_the_largest_radius_and_followed_over_all() -> None:
    points = [{"epsilon": e, "n": 10, "flipped": f, "accuracy": (10 - f) / 12, "shift": 0.1}
              for e, f in ((0.1, 2), (0.4, 9))]  # fmt: skip
    curve = {"method": "pgd", "reason": None, "points": points, "clean_accuracy": 10 / 12,
             "n_skipped": 2, "median_flip": 0.4}  # fmt: skip
    row = to_curve_row(curve, source="shop", attribute="price", norm="l2", seed=0)
    assert (row.attempted, row.succeeded, row.failed, row.skipped) == (10, 9, 1, 2)
    assert row.shift == pytest.approx(-0.75)
    assert json.loads(row.detail)["curve"] == [[0.1, 0.2], [0.4, 0.9]]


def test_what_cannot_be_tried_is_a_skip_with_its_reason() -> None:
    curve = {"method": "fgsm", "reason": "constant", "points": [], "n_skipped": 5}
    row = to_curve_row(curve, source="shop", attribute="price", norm="l2", seed=0)
    assert (row.attempted, row.skipped, row.skip_reason) == (0, 5, "5 constant")
    row = skip_reader(
        source="shop", surface="embedding", attack="fgsm", target="extractor", subject="all",
        reason="no probe", seed=0,
    )  # fmt: skip
    assert (row.attempted, row.skipped, row.clean) == (0, 1, None)
