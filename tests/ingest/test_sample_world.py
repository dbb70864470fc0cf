"""The sample world's stated truth is what an independent analysis of its rows finds (about 10 s).

Oracle here: statsmodels least squares on the true attribute states with one-hots and splines of the
delivered confounders, clustered by user; numpy means for the naive difference; inverse-propensity
weighting written out for the policies.
"""

import re
from functools import cache

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.preprocessing import SplineTransformer

from tasks.ingest import sample
from tasks.ingest.sample import ATTRIBUTE_NAMES, POLICIES, World, WorldSpec, simulate
from tasks.ingest.sample_world import (
    ATTRIBUTES,
    BASE_RATING,
    CONFOUNDER_REACH,
    EXAMINATION,
    NEUTRAL_SHARE,
    NOISE_REACH,
    USER_REACH,
    make_catalogue,
    policy_table,
    simulate_exposures,
    simulate_reviews,
)
from tasks.platform.errors import ConfigError

MAX_SE = 3.0  # a true value lies this many standard errors away in 0.3% of draws
MAX_SE_OF_54 = 3.7  # the same where 54 values are looked at
EXACT = 1e-12  # float64 sums of some hundred terms of order one
DOCSTRING_DIGITS = 0.00501  # the table is printed to two digits
MIN_NAIVE_SE = 5.0  # "clearly does not cover": twice the reach of a 95% interval


@cache
def default_world() -> World:
    """The embedded default, without texts."""
    return simulate(WorldSpec(), is_written=False)


@cache
def large_world() -> World:
    """Enough rows for limits to show: 50,000 reviews, 200,000 exposures."""
    spec = WorldSpec(n_days=10, reviews_per_day=5000, exposures_per_day=20_000, seed=11)
    return simulate(spec, is_written=False)


def fit_oracle(world: World) -> dict[str, tuple[float, float]]:
    """Estimate and standard error of every `<attribute>/<contrast>`, controls observed."""
    frame = world.reviews.join(world.users, on="user_id").join(world.items, on="item_id")
    states = [frame[name].to_numpy() for name in ATTRIBUTE_NAMES]
    treatments = np.column_stack([state == side for state in states for side in (1, -1)])
    one_hots = frame.select("brand", "category", "segment").to_dummies(drop_first=True).to_numpy()
    smooth = SplineTransformer(n_knots=5, include_bias=False).fit_transform(
        frame.select("price_usd", "strictness").to_numpy()
    )
    design = np.column_stack([treatments, one_hots, smooth, np.ones(len(frame))]).astype(float)
    users = frame["user_id"].cast(pl.Categorical).to_physical().to_numpy()
    fit = sm.OLS(frame["rating"].to_numpy().astype(float), design).fit(
        cov_type="cluster", cov_kwds={"groups": users}
    )
    found = {}
    for at, name in enumerate(ATTRIBUTE_NAMES):
        for contrast, weights in (
            ("positive", (1, 0)), ("negative", (0, 1)), ("negative_to_positive", (1, -1)),
        ):  # fmt: skip
            row = np.zeros(design.shape[1])
            row[2 * at : 2 * at + 2] = weights
            found[f"{name}/{contrast}"] = (
                float(row @ fit.params),
                float(np.sqrt(row @ fit.cov_params() @ row)),
            )
    return found


def measure_naive(world: World, name: str, contrast: str) -> tuple[float, float]:
    """Difference of mean ratings and its standard error."""
    rating, state = world.reviews["rating"].to_numpy(), world.reviews[name].to_numpy()
    upper, lower = {"positive": (1, 0), "negative": (-1, 0), "negative_to_positive": (1, -1)}[
        contrast
    ]
    a, b = rating[state == upper], rating[state == lower]
    return float(a.mean() - b.mean()), float(np.sqrt(a.var() / len(a) + b.var() / len(b)))


def flatten(table: dict[str, dict[str, float]]) -> dict[str, float]:
    return {f"{name}/{key}": value for name, row in table.items() for key, value in row.items()}


@pytest.mark.parametrize("world", [default_world, large_world], ids=["default", "large"])
def test_regression_on_delivered_confounders_recovers_every_true_effect(world):
    found = fit_oracle(world())
    truth = flatten(world().truth.effects)
    far = {key: (*found[key], true) for key, true in truth.items()
           if abs(found[key][0] - true) > MAX_SE * found[key][1]}  # fmt: skip
    assert set(found) == set(truth)
    assert not far


@pytest.mark.parametrize("name", ATTRIBUTE_NAMES)
def test_naive_difference_of_praise_and_fault_is_far_from_the_truth(name):
    estimate, error = measure_naive(default_world(), name, "negative_to_positive")
    true = default_world().truth.effects[name]["negative_to_positive"]
    assert abs(estimate - true) > MIN_NAIVE_SE * error


@pytest.mark.parametrize("contrast", ["positive", "negative", "negative_to_positive"])
@pytest.mark.parametrize("name", ATTRIBUTE_NAMES)
def test_naive_difference_converges_to_the_worked_out_one(name, contrast):
    estimate, error = measure_naive(large_world(), name, contrast)
    assert abs(estimate - large_world().truth.naive[name][contrast]) < MAX_SE * error


@pytest.mark.parametrize(("n_users", "seed"), [(2, 1), (3, 3), (5, 10)])
def test_naive_difference_of_a_world_of_few_users_is_that_of_these_users(n_users, seed):
    spec = WorldSpec(n_users=n_users, n_items=10, n_days=4, reviews_per_day=40_000, seed=seed)
    world = simulate(spec, is_written=False)
    for key, true in flatten(world.truth.naive).items():
        estimate, error = measure_naive(world, *key.split("/"))
        assert abs(estimate - true) < MAX_SE_OF_54 * error, key


def test_neutral_mentions_are_rare_and_every_state_is_common():
    reviews = large_world().reviews
    for name in ATTRIBUTE_NAMES:
        neutral = reviews.filter(pl.col(name) == 0)[f"{name}__is_mentioned"].sum() / len(reviews)
        assert neutral == pytest.approx(NEUTRAL_SHARE, abs=0.0017)  # 3 standard errors
        assert reviews.filter(pl.col(name) != 0)[f"{name}__is_mentioned"].all()
        assert min((reviews[name] == 1).mean(), (reviews[name] == -1).mean()) > 0.1


def test_docstring_table_is_the_truth_of_the_default_world():
    number = r"\s+(-?\d\.\d\d)"
    rows = re.findall(rf"^    (\w+){number}{number}{number}$", sample.__doc__, flags=re.MULTILINE)
    truth = default_world().truth
    assert [row[0] for row in rows] == list(ATTRIBUTE_NAMES)
    for name, *numbers in rows:
        parts = (truth.effects, truth.naive, truth.naive_bias)
        exact = [part[name]["negative_to_positive"] for part in parts]
        assert [float(text) for text in numbers] == pytest.approx(exact, abs=DOCSTRING_DIGITS)


def test_one_attribute_does_nothing_and_two_point_the_wrong_way():
    truth = default_world().truth
    assert truth.effects["ease_of_use"]["negative_to_positive"] == 0
    assert truth.naive["ease_of_use"]["negative_to_positive"] > 0.5
    for name in ("price", "shipping"):
        assert truth.effects[name]["negative_to_positive"] > 0.1
        assert truth.naive[name]["negative_to_positive"] < -0.2


def test_no_combination_of_causes_leaves_the_scale():
    lowest = BASE_RATING - CONFOUNDER_REACH - USER_REACH - NOISE_REACH
    highest = BASE_RATING + CONFOUNDER_REACH + USER_REACH + NOISE_REACH
    assert lowest + sum(model.negative for model in ATTRIBUTES) > 1.0
    assert highest + sum(model.positive for model in ATTRIBUTES) < 5.0


def test_integer_rating_has_exactly_the_expected_mean_at_every_level():
    reviews = large_world().reviews
    assert set(reviews["rating"].unique()) <= {1, 2, 3, 4, 5}
    for part in reviews.sort("expected").iter_slices(len(reviews) // 10 + 1):
        gap = (part["rating"] - part["expected"]).to_numpy()
        assert abs(gap.mean()) < 3.5 * gap.std() / np.sqrt(len(gap))  # ten looks at once


def test_attributes_are_tied_to_one_another_by_confounders_only():
    world = large_world()
    frame = world.reviews.join(world.users, on="user_id").join(world.items, on="item_id")
    cell = frame.select(pl.struct("item_id", "segment", "strictness").rank("dense")).to_series()
    residuals = [
        (frame[name] - frame.select(pl.col(name).mean().over(cell)).to_series()).to_numpy()
        for name in ATTRIBUTE_NAMES
    ]
    off_diagonal = np.corrcoef(residuals)[np.triu_indices(len(ATTRIBUTE_NAMES), k=1)]
    assert np.abs(off_diagonal).max() < 4 / np.sqrt(len(frame) - cell.n_unique())  # fifteen pairs


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("day", [0, 12, 40])
def test_propensities_sum_to_one_over_the_items_on_sale(policy, day):
    catalogue = make_catalogue(WorldSpec(n_items=53))
    table = policy_table(catalogue, policy, day)
    np.testing.assert_allclose(table.sum(axis=-1), 1.0, atol=EXACT)
    assert np.array_equal((table > 0).all(axis=(0, 1)), catalogue.item_day <= day)


@pytest.mark.parametrize("policy", POLICIES)
def test_items_are_shown_as_often_as_the_recorded_propensities_say(policy):
    catalogue = make_catalogue(WorldSpec(exposures_per_day=400_000, n_items=23, seed=3))
    log = simulate_exposures(catalogue, 40)
    table = policy_table(catalogue, policy, 40)
    for slot, segment in ((0, 0), (4, 1)):
        shown = (log.policy == POLICIES.index(policy)) & (log.position == slot + 1)
        shown &= catalogue.segment[log.user] == segment
        counts = np.bincount(log.item[shown], minlength=23)
        assert stats.chisquare(counts, table[slot, segment] * shown.sum()).pvalue > 0.001
        assert np.array_equal(log.propensity[shown], table[slot, segment][log.item[shown]])


def test_a_slate_shows_five_different_items_to_one_user():
    log = simulate_exposures(make_catalogue(WorldSpec(n_items=10)), 3)
    slates = log.item.reshape(-1, 5)
    assert all(len(set(slate)) == 5 for slate in slates.tolist())
    assert (log.user.reshape(-1, 5) == log.user[::5, None]).all()


def weigh_policy(world: World, target: str, logged: str) -> tuple[float, float]:
    """Inverse-propensity value of `target` from the slice of `logged`, and its standard error."""
    weight = sample.target_propensities(world, target) / world.exposures["propensity"].to_numpy()
    gain = weight * world.exposures["is_clicked"].to_numpy()
    gain = gain[(world.exposures["policy"] == logged).to_numpy()]
    return float(gain.mean()), float(gain.std() / np.sqrt(len(gain)))


@pytest.mark.parametrize("target", POLICIES)
@pytest.mark.parametrize("logged", POLICIES)
def test_inverse_propensity_weighting_recovers_the_policy_value(target, logged):
    value, error = weigh_policy(large_world(), target, logged)
    assert abs(value - large_world().truth.policy_values[target]) < MAX_SE * error


def measure_slots(world: World, policy: str) -> tuple[np.ndarray, np.ndarray]:
    """Click rate and standard error of slots 1 to 5."""
    table = (
        world.exposures.filter(pl.col("policy") == policy)
        .group_by("position").agg(pl.col("is_clicked").mean(), pl.len().alias("n")).sort("position")
    )  # fmt: skip
    rate = table["is_clicked"].to_numpy()
    return rate, np.sqrt(rate * (1 - rate) / table["n"].to_numpy())


def test_uniform_slice_recovers_the_position_effect():
    world = large_world()
    rate, error = measure_slots(world, "uniform")
    stated = world.truth.position_effect
    assert np.abs((rate - stated["click_rate_uniform"]) / error).max() < MAX_SE
    np.testing.assert_allclose(stated["click_rate_uniform"] / rate.clip(1e-9), 1.0, atol=0.1)
    assert stated["examination"] == EXAMINATION.tolist()
    np.testing.assert_allclose(
        np.diff(stated["click_rate_difference"]), np.diff(stated["click_rate_uniform"]), atol=EXACT
    )


def test_personalised_slice_overstates_the_position_effect():
    rate, error = measure_slots(large_world(), "personalised")
    ratio = rate[-1] / rate[0]
    ratio_error = ratio * np.sqrt((error[-1] / rate[-1]) ** 2 + (error[0] / rate[0]) ** 2)
    assert EXAMINATION[-1] - ratio > MIN_NAIVE_SE * ratio_error


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), day=st.integers(0, 400), n_days=st.integers(1, 500))
def test_a_day_is_the_same_whatever_the_number_of_days(seed, day, n_days):
    small = WorldSpec(n_users=40, n_items=12, reviews_per_day=20, exposures_per_day=50, seed=seed)
    other = make_catalogue(WorldSpec(**{**vars(small), "n_days": n_days}))
    first, second = (simulate_reviews(make_catalogue(small), day), simulate_reviews(other, day))
    assert first.texts == second.texts
    assert np.array_equal(first.rating, second.rating)
    logs = [simulate_exposures(make_catalogue(small), day), simulate_exposures(other, day)]
    assert np.array_equal(logs[0].propensity, logs[1].propensity)


def test_seeds_make_different_worlds_and_one_seed_the_same():
    small = {"n_users": 50, "n_items": 20, "n_days": 3}
    first, again, other = (simulate(WorldSpec(**small, seed=seed)) for seed in (1, 1, 2))
    assert first.reviews.equals(again.reviews)
    assert first.exposures.equals(again.exposures)
    assert not first.reviews.equals(other.reviews)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [({"n_items": 9}, "n_items"), ({"n_users": 0}, "n_users"), ({"typo_rate": 1.5}, "typo_rate")],
)
def test_sizes_that_make_no_world_are_refused_by_name(wrong, says):
    with pytest.raises(ConfigError, match=says):
        WorldSpec(**wrong)


def test_an_unknown_policy_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match="uniform, popularity, personalised"):
        sample.target_propensities(default_world(), "best")
