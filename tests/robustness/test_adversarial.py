"""Counterfactuals made by rule, and the gap they are to close."""

import numpy as np
import pytest

from tasks.platform.errors import InputError
from tasks.robustness.adversarial import Gap, augment, measure_gap, share_closed
from tasks.robustness.text.rewrites import Opposites, SwapIdentity


def test_turned_texts_teach_the_opposite_label_and_kept_ones_the_same() -> None:
    texts = ["Good food.", "He was rude.", "It is red.", "A bad day"]
    made = augment(
        texts, np.array([1, -1, 1, 0]), turning=(Opposites(),), keeping=(SwapIdentity(),)
    )
    assert made.texts[4:] == ("Bad food.", "He was friendly.", "She was rude.")
    assert made.labels.tolist() == [1, -1, 1, 0, -1, 1, -1]
    assert made.is_made.tolist() == [False] * 4 + [True] * 3


def test_a_made_text_never_contradicts_a_given_one_and_small_changes_are_left_out() -> None:
    made = augment(["good", "bad"], np.array([1, 1]), turning=(Opposites(),))
    assert made.texts == ("good", "bad")
    made = augment(["good and great"], np.array([1]), turning=(Opposites(),), least_words=3)
    assert not made.is_made.any()
    with pytest.raises(InputError, match="give one each"):
        augment(["a"], np.array([1, 2]))


def test_the_gap_is_the_mean_of_paired_differences_with_an_interval() -> None:
    right = np.array([True] * 90 + [False] * 10)
    gap = measure_gap(right, np.array([True] * 70 + [False] * 30), rng=np.random.default_rng(0))
    assert (gap.original, gap.counterfactual) == (0.9, 0.7)
    assert gap.gap == pytest.approx(0.2)
    assert 0.1 < gap.low < 0.2 < gap.high < 0.3
    with pytest.raises(InputError, match="give pairs"):
        measure_gap(right[:0], right[:0], rng=np.random.default_rng(0))


def test_being_worse_at_the_originals_closes_nothing() -> None:
    before = Gap(100, 0.9, 0.7, 0.2, 0.1, 0.3)
    assert share_closed(before, Gap(100, 0.9, 0.8, 0.1, 0, 0)) == pytest.approx(0.5)
    assert share_closed(before, Gap(100, 0.7, 0.7, 0.0, 0, 0)) == pytest.approx(0.0)
    assert share_closed(Gap(100, 0.7, 0.7, 0.0, 0, 0), before) is None


def test_a_share_of_the_texts_is_turned_and_the_seed_says_which() -> None:
    texts = [f"good day {n}" for n in range(200)]
    labels = np.ones(200, dtype=np.int64)

    def make(seed: int) -> tuple[str, ...]:
        rng = np.random.default_rng(seed)
        return augment(texts, labels, turning=(Opposites(),), share=0.3, rng=rng).texts[200:]

    assert 40 <= len(make(0)) <= 80
    assert make(0) == make(0) != make(1)
