"""The overlap alarm."""

import numpy as np
import pytest

from tasks.effects.overlap import check_overlap, fit_propensity, measure_overlap


def judge(controls: np.ndarray, is_treated: np.ndarray) -> list[str]:
    fold = np.arange(len(is_treated)) % 5
    propensity = fit_propensity(controls, is_treated, fold, 5)
    return [verdict for verdict, _ in check_overlap(measure_overlap(propensity, is_treated))]


@pytest.mark.parametrize("share", [0.5, 0.1, 0.02])
def test_a_random_treatment_raises_no_alarm_however_rare(share: float):
    rng = np.random.default_rng(1)
    assert judge(rng.normal(size=(4000, 8)), (rng.random(4000) < share).astype(np.int64)) == []


def test_ordinary_confounding_raises_no_alarm():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(4000, 4))
    chance = 1 / (1 + np.exp(-x @ [0.5, 0.4, -0.3, 0.0]))
    assert judge(x, (rng.random(4000) < chance).astype(np.int64)) == []


def test_two_populations_are_not_credible():
    rng = np.random.default_rng(3)
    x = np.vstack([rng.normal(2.5, 1, size=(150, 2)), rng.normal(0, 1, size=(2500, 2))])
    treated = np.r_[np.ones(150), np.zeros(2500)].astype(np.int64)
    assert "not credible" in judge(x, treated)


def test_propensities_are_the_known_ones():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(20_000, 2))
    chance = 1 / (1 + np.exp(-x @ [1.0, -0.5]))
    treated = (rng.random(20_000) < chance).astype(np.int64)
    fitted = fit_propensity(x, treated, np.arange(20_000) % 5, 5)
    assert np.abs(fitted - chance).max() < 0.05


def test_without_controls_the_propensity_is_the_share():
    treated = np.r_[np.ones(30), np.zeros(70)].astype(np.int64)
    fitted = fit_propensity(np.zeros((100, 0)), treated, np.arange(100) % 5, 5)
    np.testing.assert_allclose(fitted, 0.3, atol=0.02)
    overlap = measure_overlap(fitted, treated)
    assert overlap.effective_treated == pytest.approx(30, rel=0.01)
    assert overlap.effective_sample_size == pytest.approx(100, rel=0.01)


def test_effective_sizes_are_kishs_with_held_weights():
    treated = np.array([1, 1, 1, 0, 0], dtype=np.int64)
    overlap = measure_overlap(np.array([0.5, 0.25, 1e-6, 0.5, 0.2]), treated)
    assert overlap.effective_treated == pytest.approx((2 + 4 + 100) ** 2 / (4 + 16 + 10_000))
    assert overlap.effective_untreated == pytest.approx((2 + 1.25) ** 2 / (4 + 1.25**2))
    assert (overlap.n_treated, overlap.n_untreated) == (3, 2)


def make_trainees(rng, *, shift=1.2):
    """150 treated who are unlike most of 2,500 untreated, but like some of them."""
    x = np.vstack([rng.normal(shift, 0.7, size=(150, 2)), rng.normal(0, 1, size=(2500, 2))])
    treated = np.r_[np.ones(150), np.zeros(2500)].astype(np.int64)
    return fit_propensity(x, treated, np.arange(2650) % 5, 5), treated


def test_the_treated_may_have_their_like_where_everybody_has_not():
    """The classic trap: no average over all, but an effect on the treated can be had."""
    propensity, treated = make_trainees(np.random.default_rng(6))
    verdicts = {
        estimand: {
            v for v, _ in check_overlap(measure_overlap(propensity, treated, estimand=estimand))
        }
        for estimand in ("ate", "att", "atc")
    }
    assert "not credible" in verdicts["ate"]
    assert "not credible" in verdicts["atc"]
    assert "not credible" not in verdicts["att"]


def test_treated_without_any_like_are_not_credible_either_way():
    propensity, treated = make_trainees(np.random.default_rng(7), shift=4.0)
    found = check_overlap(measure_overlap(propensity, treated, estimand="att"))
    assert "not credible" in {verdict for verdict, _ in found}
    assert any("narrow the population to treated rows" in reason for _, reason in found)


def test_advice_is_to_ask_what_the_rows_can_tell():
    """Of the treated where these have their like; of the untreated where those have; else of fewer rows."""
    propensity, treated = make_trainees(np.random.default_rng(6))
    swapped = {1: "(att)", 0: "(atc)"}
    for arm, asked in swapped.items():
        overlap = measure_overlap(
            propensity if arm else 1 - propensity, treated if arm else 1 - treated
        )
        (bad, *_) = (said for verdict, said in check_overlap(overlap) if verdict == "not credible")
        assert asked in bad
    propensity, treated = make_trainees(np.random.default_rng(7), shift=4.0)
    overlap = measure_overlap(propensity, treated)
    assert overlap.instead is None
    said = [said for _, said in check_overlap(overlap)]
    assert any("narrow the population to rows that have their like" in one for one in said)
    alone = check_overlap(measure_overlap(propensity, treated, estimand="att"))
    assert any(verdict == "not credible" for verdict, _ in alone)


def test_shares_without_like_are_the_same_whatever_is_asked():
    propensity, treated = make_trainees(np.random.default_rng(8))
    shares = {
        (found.share_off_support_treated, found.share_off_support_untreated)
        for found in (
            measure_overlap(propensity, treated, estimand=e) for e in ("ate", "att", "atc")
        )
    }
    assert len(shares) == 1


def test_weights_for_the_treated_are_the_odds_of_treatment():
    treated = np.array([1, 0, 0], dtype=np.int64)
    overlap = measure_overlap(np.array([0.5, 0.5, 0.2]), treated, estimand="att")
    assert overlap.effective_treated == 1
    assert overlap.effective_untreated == pytest.approx(1.25**2 / (1 + 0.25**2))


def test_treated_a_little_beyond_the_last_untreated_have_like_and_those_far_beyond_have_none():
    logits = np.concatenate([np.linspace(-3, 1, 400), np.linspace(0, 1.1, 100)])
    is_treated = np.repeat([0, 1], [400, 100])

    def share(shift):
        moved = logits + np.where(is_treated == 1, shift, 0.0)
        return measure_overlap(
            1 / (1 + np.exp(-moved)), is_treated, estimand="att"
        ).share_off_support_treated

    # the fourth largest of 400 untreated logits is .97, a fifth of the deviation within the arms .17
    assert share(0.0) == 0.0
    assert share(0.55) == pytest.approx(0.46, abs=0.03)
    assert share(3.0) == 1.0


def test_many_controls_that_decide_nothing_do_not_make_overlap_look_thin():
    rng = np.random.default_rng(7)
    controls = rng.normal(size=(600, 120))
    is_treated = (rng.random(600) < 0.5).astype(np.int64)
    propensity = fit_propensity(controls, is_treated, np.arange(600) % 5, 5)
    overlap = measure_overlap(propensity, is_treated)
    assert overlap.effective_sample_size > 0.8 * 600
    assert check_overlap(overlap) == []


def test_whole_clusters_that_were_dealt_out_leave_no_trace_in_their_folds_chances():
    """Ten clusters of 60 rows, five treated: by their folds' shares many rows had no like."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(20):
        arms = rng.permutation(np.arange(10) % 2)
        is_treated, fold = np.repeat(arms, 60), np.repeat(np.arange(10) // 2, 60)
        propensity = fit_propensity(rng.normal(size=(600, 1)), is_treated, fold, 5)
        found.append(check_overlap(measure_overlap(propensity, is_treated)))
    assert not any(verdict == "not credible" for one in found for verdict, _ in one)
    assert sum(bool(one) for one in found) <= 4
