"""Nothing is lost between the lines: what was tried, what was skipped, and why."""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
import pytest

from tasks.platform.errors import ConfigError
from tasks.robustness.behaviour import choose_targets
from tasks.robustness.corpus import SAYS, make_corpus
from tasks.robustness.detect import suspect
from tasks.robustness.effects import Conclusion
from tasks.robustness.recommender import Split
from tasks.robustness.scorecard import (
    Plan,
    Victim,
    attack_conclusion,
    attack_recommender,
    choose_tale,
    list_suspects,
    make_victim,
    read_fakes,
)
from tasks.robustness.surrogate import RidgeFactors
from tests.robustness.worlds import MeanTarget, sample_target, toy_corpus

PLAN = Plan(share=0.05, looked_to=0.5)


@pytest.mark.parametrize("name", ["random", "noise", "fake-reviews", "gradient"])
def test_an_attack_on_a_conclusion_says_all_it_should(name):
    target = MeanTarget(toy_corpus())
    clean = target.conclude()
    found = attack_conclusion(target, name, "price", PLAN, clean=clean)
    assert found.tale == "contradict"
    assert found.damage.rows == round(0.05 * toy_corpus().n)
    # items have room for so many gradient fakes only, and it is said how far was looked
    most = 0.27 if name == "gradient" else 0.5
    assert found.smallest.looked_to == pytest.approx(most, abs=0.01)
    assert found.outcome == ("succeeded" if found.damage.is_flipped else "failed")
    assert {one.defence for one in found.defended} == {"flagged rows left out", "influence capped"}
    again = attack_conclusion(target, name, "price", PLAN, clean=clean)
    assert (again.damage, again.smallest, again.detection) == (
        found.damage,
        found.smallest,
        found.detection,
    )


def test_no_result_is_skipped_and_not_called_robust():
    target = MeanTarget(toy_corpus())
    found = attack_conclusion(
        target, "random", "price", PLAN, clean={"price": Conclusion("no result")}
    )
    assert found.outcome == "skipped"
    assert found.reason == "there is no result to attack"
    assert found.damage is None


def test_tales_go_against_a_clear_effect_and_along_an_unclear_one():
    clear = Conclusion("credible", 1.0, 0.1, 0.8, 1.2)
    assert choose_tale(clear) == "contradict"
    assert choose_tale(replace(clear, estimate=-1.0, ci_low=-1.2, ci_high=-0.8)) == "agree"
    unclear = replace(clear, ci_low=-0.1)
    assert choose_tale(unclear) == "agree"
    assert choose_tale(replace(unclear, estimate=-0.1)) == "contradict"


def test_what_the_reader_misses_is_counted_and_does_not_count():
    corpus = toy_corpus()
    fakes = corpus.frame.head(20).with_columns(text=corpus.frame.head(20)[f"{SAYS}price"].cast(str))
    meant = fakes[f"{SAYS}price"].to_numpy()

    def read(texts):
        says = np.array([[max(int(text), 0)] for text in texts], dtype=np.int8)
        return says, np.ones(len(texts), dtype=bool)

    read_rows, share = read_fakes(fakes, ["price"], read)
    assert read_rows["is_read"].all()
    assert share == pytest.approx((meant >= 0).mean())
    assert (read_rows[f"{SAYS}price"].to_numpy() == np.maximum(meant, 0)).all()
    assert read_fakes(fakes, ["price"], None) == (fakes, None)


@pytest.mark.slow
def test_a_fake_review_that_is_never_read_is_no_row_and_not_as_it_was_meant():
    target = sample_target(5, 10)
    plan = Plan(share=0.05)
    clean = target.conclude()

    def attack(text):
        def read(texts):
            is_read = np.full(len(texts), text is None)
            return np.zeros((len(texts), len(target.corpus.attributes)), dtype=np.int8), is_read

        name = target.corpus.attributes[0]
        return attack_conclusion(target, "random", name, plan, clean=clean, reader=read)

    unread, silent = attack("unread"), attack(None)
    assert (unread.not_read, silent.not_read) == (unread.damage.rows, 0)
    assert unread.read_as_meant == 0.0
    assert unread.damage.shift == 0.0 != silent.damage.shift
    assert unread.smallest.share is None


@pytest.mark.parametrize("name", ["love-hate", "gradient"])
def test_an_attack_on_a_recommender_loses_what_detection_takes(name):
    corpus = sample_target(5, 10).corpus
    victim = make_victim(RidgeFactors(), corpus, Plan(share=0.02, mode="push"))
    found = attack_recommender(victim, name)
    assert found.outcome == "succeeded"
    assert found.damage.prediction_shift > 3 * abs(found.defended.prediction_shift)


@dataclass(frozen=True)
class Tide:
    """Lifts the target by a little once there are fakes, and all other items above it."""

    target: int
    n_genuine: int

    def fit(self, users, items, ratings, *, n_users, n_items):
        scores = np.full(n_items, 3.0)
        scores[self.target] = 4.0
        if len(ratings) > self.n_genuine:
            scores += np.where(np.arange(n_items) == self.target, 0.1, 2.0)
        return Tide.Fitted(scores)

    @dataclass(frozen=True)
    class Fitted:
        scores: np.ndarray

        def score_all(self, users):
            return np.tile(self.scores, (len(users), 1))


def test_a_pushed_item_that_is_shown_to_fewer_is_no_success():
    corpus = toy_corpus(n_items=40)
    plan = Plan(share=0.02, mode="push")
    (target,) = choose_targets(corpus, "push")
    n_genuine = int(make_victim(RidgeFactors(), corpus, plan).split.is_train.sum())
    found = attack_recommender(make_victim(Tide(target, n_genuine), corpus, plan), "love-hate")
    assert found.damage.prediction_shift > 0 > found.damage.hit_rate_lift
    assert found.outcome == "failed"


def test_an_item_that_everybody_has_rated_is_skipped_and_no_failure():
    """Mean rating and hit rate are of users who have not rated it: of nobody they would be no number."""
    frame = pl.DataFrame({"user_id": [f"u{at}" for at in range(30)], "item_id": "x", "rating": 4.0})
    corpus = make_corpus(frame)
    victim = Victim(RidgeFactors(), Split(corpus, np.ones(corpus.n, dtype=bool)), PLAN)
    found = attack_recommender(victim, "noise")
    assert (found.outcome, found.damage, found.curve) == ("skipped", None, ())
    assert "every account has rated the item" in found.reason


def test_suspects_are_listed_for_a_person_most_suspicious_first():
    corpus = sample_target(5, 10).corpus
    suspicion = suspect(corpus)
    listed = list_suspects(suspicion, most=10)
    scores = [one["score"] for one in listed]
    assert len(listed) == min(10, suspicion.flags.sum())
    assert scores == sorted(scores, reverse=True)
    assert all(one["reviews"] > 0 and one["reasons"] for one in listed)
    (first,) = list_suspects(suspicion, most=1)
    assert first["n_flagged"] == suspicion.flags.sum() > 1


def test_unknown_attacks_and_sizes_are_refused():
    with pytest.raises(ConfigError, match="no attack is called sybil; there are random"):
        Plan(attacks=("sybil",))
    with pytest.raises(ConfigError, match="share is 0"):
        Plan(share=0)
    for fence in (0.0, -1.0, float("nan")):
        with pytest.raises(ConfigError, match="use standard deviations above 0"):
            Plan(fence=fence)
