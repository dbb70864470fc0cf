"""Fakes are found without labels, whoever wrote them; the bar is an AUC of 0.95 at 1%."""

from functools import cache

import numpy as np
import polars as pl
import pytest

from tasks.robustness.behaviour import ATTACKS, choose_targets, forge, size_of
from tasks.robustness.corpus import join_rows, make_corpus
from tasks.robustness.defend import find_fakes, score_detection
from tasks.robustness.detect import FENCE, quantile, scale_robustly, score_accounts, suspect
from tasks.robustness.profiles import Aim
from tests.robustness.worlds import sample_target, toy_corpus

BAR = 0.95
SEED = 5  # not the seed of the world that the fence was looked at on


@cache
def plant(name: str, share: float):
    corpus = sample_target(SEED).corpus
    targets = () if name == "fake-reviews" else choose_targets(corpus, "push", most=3)
    aim = Aim(targets, "push", "price", "contradict")
    fakes = forge(ATTACKS[name], corpus, aim, size_of(corpus, share), np.random.default_rng(1))
    return suspect(join_rows(corpus, fakes)), fakes


@pytest.mark.parametrize("name", ["average", "love-hate", "fake-reviews"])
@pytest.mark.slow
def test_accounts_of_planted_attacks_are_found_at_one_percent(name):
    found = score_detection(*plant(name, 0.01))
    assert found.auc >= BAR
    assert found.recall > 0.8
    assert found.hits == found.fakes
    assert found.false_alarm_rate < 0.05


@pytest.mark.slow
def test_a_large_attack_does_not_hide_behind_its_own_weight():
    found = score_detection(*plant("fake-reviews", 0.05))
    assert found.fakes / found.accounts > 0.1
    assert found.hits > 0.9 * found.fakes


@pytest.mark.slow
def test_where_nobody_attacks_few_are_flagged():
    assert suspect(sample_target(SEED).corpus).flags.mean() < 0.05


def test_scores_do_not_depend_on_names_or_order():
    corpus = toy_corpus()
    score = dict(zip(corpus.users, suspect(corpus).score, strict=True))
    renamed = corpus.frame.with_columns(
        pl.format("z{}", pl.col("user_id").str.reverse()).alias("user_id")
    ).sample(fraction=1, shuffle=True, seed=3)
    again = suspect(make_corpus(renamed, ["price"]))
    for name, value in zip(again.corpus.users, again.score, strict=True):
        assert value == pytest.approx(score[name[1:][::-1]], abs=0.6)


def test_a_signal_can_be_left_out():
    whole, part = suspect(toy_corpus()), suspect(toy_corpus(), without=("copied text",))
    assert "copied text" in whole.signals.user_names
    assert "copied text" not in part.signals.user_names
    assert part.z.shape[1] == whole.z.shape[1] - 1


def test_a_handful_of_accounts_is_never_called_unusual():
    values = np.random.default_rng(0).normal(size=(10, 3))
    z, score = score_accounts(values, np.ones(10, dtype=np.int64))
    assert not score.any()
    assert z.shape == (10, 3)


def test_one_wild_account_is_flagged_and_said_why():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(300, 4))
    values[7] = 12.0
    _, score = score_accounts(values, np.ones(300, dtype=np.int64))
    assert score[7] == score.max()
    assert score[7] > FENCE


def test_scales_come_from_the_normal_part_alone():
    values = np.concatenate([np.linspace(-1, 1, 101), np.full(50, 100.0)])[:, None]
    is_normal = (np.arange(151) < 101).astype(np.int64)
    scaled = scale_robustly(values, is_normal)
    assert scaled[50, 0] == pytest.approx(0.0)
    assert scaled[-1, 0] > 100
    assert scale_robustly(np.ones((30, 1)), np.ones(30, dtype=np.int64)).max() == 0.0


def test_fakes_are_told_by_account():
    suspicion, fakes = plant("average", 0.01)
    is_fake = find_fakes(suspicion.corpus, fakes)
    assert is_fake.sum() == fakes["user_id"].n_unique()
    reasons = suspicion.explain(int(np.flatnonzero(is_fake)[0]))
    assert reasons
    assert all(" +" in reason for reason in reasons)


def test_a_flood_of_accounts_with_one_review_does_not_become_the_norm():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(size=(300, 4)), rng.normal(4.0, 1.0, size=(280, 4))])
    rows = np.concatenate([np.full(300, 20), np.ones(280)]).astype(np.int64)
    _, score = score_accounts(values, rows)
    assert (score[300:] > FENCE).mean() > 0.9
    assert (score[:300] > FENCE).mean() < 0.06


def test_weighted_quantiles_count_a_row_as_often_as_it_weighs():
    rng = np.random.default_rng(0)
    values, weights = rng.normal(size=(50, 2)), rng.integers(0, 5, 50)
    repeated = np.repeat(values, weights, axis=0)
    for share in (0.25, 0.5, 0.8):
        expected = np.quantile(repeated, share, axis=0, method="inverted_cdf")
        assert quantile(values, weights, share) == pytest.approx(expected)
