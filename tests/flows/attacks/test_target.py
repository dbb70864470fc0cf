"""An attack on the moments is the attack on the rows."""

import numpy as np
import polars as pl
import pytest

from flows.attacks.target import make_target, sort_reviews
from tasks.platform.errors import EstimationError
from tasks.robustness.behaviour import ATTACKS, forge
from tasks.robustness.corpus import SAYS
from tasks.robustness.profiles import Aim
from tests.robustness.worlds import sample_target, toy_corpus

EXACT = 1e-9  # float64 sums of the same terms in another order
FIRST_ORDER = 0.1  # what one row of 9,000 does beyond its gradient, of the largest move


def forge_sample(rows: int, *, days: int = 1, attribute: str = "price"):
    target = sample_target()
    aim = Aim((), "push", attribute, "contradict", days=days)
    return forge(ATTACKS["fake-reviews"], target.corpus, aim, rows, np.random.default_rng(0))


def test_added_moments_give_the_same_numbers_as_all_rows_estimated_afresh():
    target, fakes = sample_target(), forge_sample(60)
    added = target.conclude(fakes)
    afresh = target.conclude_afresh(pl.concat([target.corpus.frame, fakes]))
    for name, found in added.items():
        assert found.estimate == pytest.approx(afresh[name].estimate, rel=EXACT)
        assert found.std_error == pytest.approx(afresh[name].std_error, rel=EXACT)


def test_genuine_rows_after_a_fake_keep_their_history_and_that_is_little():
    target, fakes = sample_target(), forge_sample(60, days=7)
    clean = target.conclude()["price"]
    added = target.conclude(fakes)["price"]
    afresh = target.conclude_afresh(pl.concat([target.corpus.frame, fakes]))["price"]
    assert abs(added.estimate - afresh.estimate) < 0.5 * clean.std_error


def test_weight_zero_is_leaving_a_row_out():
    target, fakes = sample_target(), forge_sample(60)
    weights = np.concatenate([np.ones(target.corpus.n), np.zeros(60)])
    clean, back = target.conclude(), target.conclude(fakes, weights)
    for name in clean:
        assert back[name].estimate == pytest.approx(clean[name].estimate, rel=EXACT)
        assert back[name].std_error == pytest.approx(clean[name].std_error, rel=EXACT)
    with pytest.raises(EstimationError, match="weights"):
        target.conclude(fakes, weights[:-1])


def test_the_gradient_is_what_one_more_row_does():
    target = sample_target()
    spoken = target.corpus.frame.filter(pl.col(f"{SAYS}price") != 0).tail(30)
    candidates = spoken.with_columns(
        pl.format("n{}", pl.int_range(pl.len())).alias("user_id"),
        pl.format("f{}", pl.int_range(pl.len())).alias("review_id"),
    )
    pull = target.gradient("price", candidates)
    clean = target.conclude()["price"].estimate
    moved = np.array(
        [target.conclude(candidates[at : at + 1])["price"].estimate - clean for at in range(30)]
    )
    assert np.abs(pull - moved).max() < FIRST_ORDER * np.abs(moved).max()


def test_what_has_no_effect_has_no_gradient():
    corpus = toy_corpus()
    quiet = corpus.frame.with_columns(pl.lit(0, dtype=pl.Int8).alias(f"{SAYS}price"))
    target = make_target(quiet, attributes=["price"])
    assert target.conclude()["price"].verdict == "no result"
    with pytest.raises(EstimationError, match="no effect to move"):
        target.gradient("price", quiet.head(5))


def test_the_order_of_reviews_does_not_matter():
    target = sample_target()
    shuffled = target.corpus.frame.sample(fraction=1, shuffle=True, seed=1)
    again = make_target(
        shuffled, attributes=target.corpus.attributes, items=target.items, users=target.users
    )
    assert sort_reviews(shuffled).equals(target.corpus.frame)
    assert again.conclude() == target.conclude()


def test_two_rows_of_weight_one_half_count_as_one():
    target, fakes = sample_target(), forge_sample(60)
    again = fakes.with_columns(pl.concat_str("review_id", pl.lit("b")).alias("review_id"))
    halves = np.concatenate([np.ones(target.corpus.n), np.full(120, 0.5)])
    once, twice = target.conclude(fakes), target.conclude(pl.concat([fakes, again]), halves)
    assert twice["price"].estimate == pytest.approx(once["price"].estimate, rel=EXACT)


def test_reviews_that_were_not_read_have_no_row_and_stay_in_the_history_of_others():
    whole = sample_target()
    frame = whole.corpus.frame
    quiet = pl.all_horizontal(pl.col(f"{SAYS}{name}") == 0 for name in whole.corpus.attributes)
    unread = frame.filter(quiet)["review_id"].to_list()[::2]
    marked = frame.with_columns(is_read=~pl.col("review_id").is_in(unread))
    target = make_target(
        marked, attributes=whole.corpus.attributes, items=whole.items, users=whole.users
    )
    kept = whole.panel.filter(~pl.col("review_id").is_in(unread))
    assert len(unread) > 100
    assert target.panel.equals(kept)
    assert target.corpus.n == whole.corpus.n
    clean = target.conclude()
    same = target.conclude(None, np.ones(target.corpus.n))
    assert same["price"].estimate == pytest.approx(clean["price"].estimate, rel=EXACT)


def test_where_nothing_was_read_there_is_no_effect_to_attack():
    frame = toy_corpus().frame.with_columns(is_read=pl.lit(False))
    with pytest.raises(EstimationError, match=r"none of the \d+ reviews was read"):
        make_target(frame, attributes=["price"]).conclude()
