"""Results become rows without losing a denominator, and every pair has its night."""

from datetime import date, timedelta

import pytest

from tasks.platform.errors import ConfigError
from tasks.robustness.effects import Conclusion
from tasks.robustness.mart_rows import choose_tonight, to_effect_rows, to_suspect_rows
from tasks.robustness.rows import AttackRow, to_frame
from tasks.robustness.scorecard import Plan, attack_conclusion
from tests.robustness.worlds import MeanTarget, toy_corpus

NIGHT = date(2024, 3, 30)
PAIRS = [(attack, name) for attack in "abc" for name in ("x", "y", "z", "w")]


@pytest.mark.parametrize("budget", [1, 3, 4, 5])
def test_every_pair_has_its_turn_within_a_round_of_nights(budget):
    nights = -(-len(PAIRS) // budget)
    tried = [
        pair
        for night in range(nights)
        for pair in choose_tonight(PAIRS, budget=budget, as_of=NIGHT + timedelta(days=night))
    ]
    assert set(tried) == set(PAIRS)
    assert len(choose_tonight(PAIRS, budget=budget, as_of=NIGHT)) == budget


def test_a_sweep_tries_all_and_a_budget_of_none_nothing():
    assert choose_tonight(PAIRS, budget=None, as_of=NIGHT) == PAIRS
    assert choose_tonight(PAIRS, budget=99, as_of=NIGHT) == PAIRS
    assert choose_tonight(PAIRS, budget=0, as_of=NIGHT) == []
    with pytest.raises(ConfigError, match="budget of -1"):
        choose_tonight(PAIRS, budget=-1, as_of=NIGHT)


def test_a_tried_attack_is_a_row_and_two_defences():
    target = MeanTarget(toy_corpus())
    plan = Plan(share=0.05, looked_to=0.3)
    result = attack_conclusion(target, "fake-reviews", "price", plan, clean=target.conclude())
    (row,), defences = to_effect_rows(result, source="shop", plan=plan)
    assert row.shift == result.damage.shift
    assert row.smallest_share == result.smallest.share
    assert row.attempted == row.succeeded + row.failed == 1
    assert row.skipped == 0
    assert [one.auc is None for one in defences] == [False, True]
    assert defences[0].fakes == result.detection.fakes


def test_a_skipped_attack_is_a_row_with_its_reason_and_no_defence():
    target, plan = MeanTarget(toy_corpus()), Plan()
    result = attack_conclusion(
        target, "random", "price", plan, clean={"price": Conclusion("no result")}
    )
    (row,), defences = to_effect_rows(result, source="shop", plan=plan)
    assert (row.attempted, row.skipped, row.skip_reason) == (0, 1, "there is no result to attack")
    assert defences == []
    assert to_frame([row], AttackRow, NIGHT).height == 1


def test_suspects_are_examples_in_which_nothing_was_planted():
    (row,) = to_suspect_rows([{"user_id": "u1", "score": 3.0, "first_date": NIGHT}], source="shop")
    assert (row.subject, row.outcome, row.attack) == ("u1", "flagged", "none: real data")
    assert '"first_date": "2024-03-30"' in row.note
