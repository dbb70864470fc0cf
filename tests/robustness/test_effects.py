"""Damage to conclusions, on a conclusion that can be worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from tasks.robustness.behaviour import ATTACKS, forge
from tasks.robustness.effects import (
    Conclusion,
    Smallest,
    find_smallest,
    is_inside,
    measure_damage,
)
from tasks.robustness.profiles import Aim
from tests.robustness.worlds import MeanTarget, toy_corpus


def contradict(rows: int, *, tale="contradict"):
    corpus = toy_corpus()
    aim = Aim((), "push", "price", tale)
    return forge(ATTACKS["fake-reviews"], corpus, aim, rows, np.random.default_rng(2))


def test_shift_is_counted_in_clean_standard_errors():
    target = MeanTarget(toy_corpus())
    clean = target.conclude()["price"]
    fakes = contradict(20)
    damage = measure_damage(target, "price", fakes)
    after = target.conclude(fakes)["price"]
    assert damage.shift == pytest.approx((after.estimate - clean.estimate) / clean.std_error)
    assert damage.shift < 0
    assert damage.share == pytest.approx(20 / toy_corpus().n)


def test_the_smallest_attack_is_the_first_that_flips_by_brute_force():
    target = MeanTarget(toy_corpus())
    clean, fakes = target.conclude()["price"], contradict(150)
    first = next(
        rows
        for rows in range(1, 151)
        if target.conclude(fakes.head(rows))["price"].side != clean.side
    )
    target.asked = 0
    found = find_smallest(target, "price", fakes, clean={"price": clean})
    assert found.rows == first
    assert found.not_below == pytest.approx((first - 1) / toy_corpus().n)
    assert found.attacked.side == "no clear effect"
    assert target.asked == found.tried < 20
    assert found == find_smallest(target, "price", fakes, clean={"price": clean})


def test_where_nothing_flips_it_is_said_up_to_which_size():
    found = find_smallest(MeanTarget(toy_corpus()), "price", contradict(40, tale="agree"))
    assert found.rows is None
    assert found.share is None
    assert found.looked_to == found.not_below == pytest.approx(40 / toy_corpus().n)
    assert found.sentence == f"not below {found.looked_to:.1%} of the data"


def test_one_review_that_flips_a_conclusion_is_told_as_one():
    raised, none = Conclusion("credible", 0.2, 0.05, 0.1, 0.3), Conclusion("weak", 0.1)
    found = Smallest("price", 0.002, 1, 0.0, 0.16, 9, raised, none)
    assert found.sentence == "0.20% of the data (1 review) turns 'raises' into 'no clear effect'"
    assert "(2 reviews) turn '" in replace(found, rows=2).sentence


def test_signs_and_verdicts_flip_apart():
    target = MeanTarget(toy_corpus())
    shaken = measure_damage(target, "price", contradict(60))
    turned = measure_damage(target, "price", contradict(400))
    assert shaken.is_flipped
    assert not shaken.is_reversed
    assert turned.is_sign_flipped
    assert turned.is_flipped
    assert turned.is_reversed


def test_only_a_credible_effect_away_from_zero_has_a_side():
    assert Conclusion("credible", 1.0, 0.1, 0.8, 1.2).side == "raises"
    assert Conclusion("credible", -1.0, 0.1, -1.2, -0.8).side == "lowers"
    assert Conclusion("credible", 0.1, 0.1, -0.1, 0.3).side == "no clear effect"
    assert Conclusion("weak", 1.0, 0.1, 0.8, 1.2).side == "no clear effect"
    assert Conclusion("no result").side == "no clear effect"


def test_no_result_is_never_inside_an_interval():
    clean = Conclusion("credible", 1.0, 0.1, 0.8, 1.2)
    assert is_inside(Conclusion("credible", 1.1, 0.1, 0.9, 1.3), clean)
    assert not is_inside(Conclusion("credible", 1.3, 0.1, 1.1, 1.5), clean)
    assert not is_inside(Conclusion("no result"), clean)


def test_damage_is_followed_over_all_sizes_up_to_the_largest():
    target, fakes = MeanTarget(toy_corpus()), contradict(150)
    found = find_smallest(target, "price", fakes)
    sizes = [share for share, _ in found.curve]
    assert sizes == sorted(sizes)
    assert sizes[-1] == pytest.approx(150 / toy_corpus().n)
    clean = target.conclude()["price"]
    last = target.conclude(fakes)["price"]
    assert found.curve[-1][1] == pytest.approx((last.estimate - clean.estimate) / clean.std_error)
    assert abs(found.curve[-1][1]) > abs(found.curve[0][1])
