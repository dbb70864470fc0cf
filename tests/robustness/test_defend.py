"""Detection is scored as a person would by hand; defences bring conclusions back."""

import numpy as np
import polars as pl
import pytest

from tasks.robustness.behaviour import ATTACKS, forge, size_of
from tasks.robustness.corpus import join_rows
from tasks.robustness.defend import cap_influence, defend_conclusions, score_detection
from tasks.robustness.detect import Suspicion, suspect
from tasks.robustness.poison import poison_conclusion
from tasks.robustness.profiles import Aim
from tasks.robustness.signals import Signals
from tests.robustness.worlds import sample_target, toy_corpus


def test_detection_is_counted_by_hand():
    corpus = toy_corpus()
    n = len(corpus.users)
    score = np.linspace(0, 1, n)
    fakes = corpus.frame.filter(pl.col("user_id").is_in([corpus.users[at] for at in (-1, -2, -30)]))
    empty = Signals((), np.zeros((corpus.n, 0)), (), np.zeros((n, 0)), ())
    suspicion = Suspicion(corpus, empty, np.zeros((n, 0)), score, fence=float(score[-11]))
    found = score_detection(suspicion, fakes, false_alarms=0.1)
    ranks = [n - 2, n - 3, n - 3 - 27]  # genuine accounts below each of the three, of n - 3
    assert found.auc == pytest.approx(
        sum(r - k for r, k in zip(ranks, (1, 0, 0), strict=True)) / (3 * (n - 3))
    )
    assert (found.flagged, found.hits, found.fakes) == (10, 2, 3)
    assert found.false_alarms == 8
    assert found.false_alarm_rate == pytest.approx(8 / (n - 3))
    assert found.recall == pytest.approx(2 / 3)
    assert found.precision == pytest.approx(2 / (2 + 5))


def test_no_account_counts_for_more_than_the_median_one():
    corpus = toy_corpus()
    weights = cap_influence(corpus)
    totals = np.bincount(corpus.user, weights)
    counts = np.bincount(corpus.user)
    assert totals.max() == pytest.approx(np.median(counts))
    assert (totals[counts <= np.median(counts)] == counts[counts <= np.median(counts)]).all()


@pytest.mark.parametrize("share", [0.01, 0.05])
@pytest.mark.slow
def test_without_flagged_rows_effects_are_back_inside_their_clean_intervals(share):
    target = sample_target(5)
    clean = target.conclude()
    fakes = poison_conclusion(
        target, Aim((), "push", "price", "contradict"), size_of(target.corpus, share),
        np.random.default_rng(0),
    )  # fmt: skip
    suspicion = suspect(join_rows(target.corpus, fakes))
    assert abs(target.conclude(fakes)["price"].estimate - clean["price"].estimate) > (
        5 * clean["price"].std_error
    )
    defended = [
        one
        for one in defend_conclusions(target, fakes, suspicion, clean=clean)
        if one.defence == "flagged rows left out"
    ]
    assert len(defended) == len(clean)
    assert all(one.is_back for one in defended)


@pytest.mark.slow
def test_shift_after_defence_is_in_clean_standard_errors():
    target = sample_target(5)
    clean = target.conclude()
    aim = Aim((), "push", "price", "contradict")
    fakes = forge(ATTACKS["fake-reviews"], target.corpus, aim, 60, np.random.default_rng(0))
    suspicion = suspect(join_rows(target.corpus, fakes))
    for one in defend_conclusions(target, fakes, suspicion, clean=clean):
        gap = one.defended.estimate - clean[one.attribute].estimate
        assert one.shift == pytest.approx(gap / clean[one.attribute].std_error)
