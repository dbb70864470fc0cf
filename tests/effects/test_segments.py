"""Effects by segment: the numbers of the rows, joint errors, and a test that holds its size.

The world: user u has a taste t_u ~ N(0, 1), review x = t_u + N(0, 0.5^2), segment l of L at random
by review (`by="item"`) or by user, treatment d = [0.8 x + 0.5 l + N(0, 1) > 1.5], outcome

    y = 3 + 0.6 x + 0.7 l + (effect_l + s_u) d + m_u + N(0, 1),  s_u ~ N(0, 0.3^2), m_u ~ N(0, 0.5^2)

so that the effect in segment l is effect_l. The naive difference also carries x: 0.8 x + N(0, 1)
has variance 1.8 and covariance 1 with x, so that in segment 0, where 13.2% are treated, it is off by
0.6 (1 / 1.34) phi(1.12) / (0.132 0.868) = +0.83, and over segments by what l adds to that.
"""

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import Ridge

from tasks.effects.basis import MISSING, OTHER, BasisSpec, fit_basis
from tasks.effects.moments import Moments, compute_moments, panel_moments, sum_moments
from tasks.effects.segments import (
    SegmentFits,
    SegmentMoments,
    choose_levels,
    encode_levels,
    estimate_segments,
    split_moments,
    split_panel_moments,
    sum_segments,
)
from tasks.platform.errors import EstimationError, InputError
from tests.effects.worlds import make_world

PEER_TOLERANCE = 1e-8
"""Relative: the same arithmetic in another order."""
FOLDS, BUCKETS, PENALTY = 5, 40, 1.0
Rows = tuple[np.ndarray, np.ndarray, np.ndarray]


def make_rows(
    seed: int,
    effects: list[float],
    *,
    by: str = "item",
    rows: int = 4000,
    concentration: float = 0.5,
    slope_spread: float = 0.3,
) -> Rows:
    """Z = [1, x, dummies of all segments but the first, d, y], buckets and segments."""
    rng, n_levels, users = np.random.default_rng(seed), len(effects), 500
    share = np.arange(1, users + 1) ** -concentration
    user = rng.choice(users, rows, p=share / share.sum())
    level = (
        rng.integers(0, n_levels, users)[user] if by == "user" else rng.integers(0, n_levels, rows)
    )
    x = rng.normal(size=users)[user] + rng.normal(scale=0.5, size=rows)
    d = (0.8 * x + 0.5 * level + rng.normal(size=rows) > 1.5).astype(float)
    slope = np.asarray(effects)[level] + rng.normal(scale=slope_spread, size=users)[user]
    mood = rng.normal(scale=0.5, size=users)[user]
    y = 3 + 0.6 * x + 0.7 * level + slope * d + mood + rng.normal(size=rows)
    dummies = [(level == i) - 1 / n_levels for i in range(1, n_levels)]
    bucket = (rng.permutation(users) % BUCKETS)[user]
    return np.column_stack([np.ones(rows), x, *dummies, d, y]), bucket, level


def name_columns(n_levels: int) -> tuple[str, ...]:
    return ("1", "x", *(f"s{i}" for i in range(1, n_levels)), "d", "y")


def split(rows: Rows, n_levels: int) -> SegmentMoments:
    return split_moments(
        *rows, columns=name_columns(n_levels), levels=[f"l{i}" for i in range(n_levels)],
        n_buckets=BUCKETS,
    )  # fmt: skip


def estimate(segments: SegmentMoments, **options) -> SegmentFits:
    columns = segments.moments.columns
    given = {"treatments": ["d"], "outcome": "y", "controls": columns[1:-2], "penalty": PENALTY}
    return estimate_segments(segments, **(given | options))


def test_effects_and_joint_errors_are_those_of_the_rows():
    """Pooled ridges by fold, a regression per segment, and refits without each bucket."""
    design, bucket, level = rows = make_rows(1, [0.2, 0.9, 0.5], rows=1500)
    x, targets, residual = design[:, 1:-2], design[:, -2:], np.empty((1500, 2))
    for k in range(FOLDS):
        held = bucket % FOLDS == k
        fit = Ridge(alpha=PENALTY).fit(x[~held], targets[~held])
        residual[held] = targets[held] - fit.predict(x[held])
    for code in range(3):
        residual[level == code] -= residual[level == code].mean(axis=0)

    def regress(kept: np.ndarray) -> list[float]:
        parts = [residual[kept & (level == code)] for code in range(3)]
        return [float(d @ y / (d @ d)) for d, y in (part.T for part in parts)]

    theta = np.array(regress(np.ones(1500, dtype=bool)))
    moved = np.array([regress(bucket != b) for b in range(BUCKETS)]) - theta
    fits = estimate(split(rows, 3)).fits
    ours = np.column_stack([fits[f"l{i}"].influence for i in range(3)])
    np.testing.assert_allclose([f.theta[0] for f in fits.values()], theta, rtol=PEER_TOLERANCE)
    expected = (BUCKETS - 1) / BUCKETS * moved.T @ moved
    np.testing.assert_allclose(ours.T @ ours, expected, rtol=1e-6, atol=1e-12)


def test_levels_sum_to_the_moments_of_all_rows():
    design, bucket, level = make_rows(2, [0.0, 1.0])
    segments = split((design, bucket, level), 2)
    whole = compute_moments(design, bucket, columns=name_columns(2), n_buckets=BUCKETS)
    np.testing.assert_allclose(segments.pooled.packed, whole.packed, rtol=1e-12, atol=1e-9)
    assert segments.pooled.rows.tolist() == whole.rows.tolist()
    second = compute_moments(
        design[level == 1], bucket[level == 1], columns=name_columns(2), n_buckets=BUCKETS
    )
    assert (segments.of_level("l1").packed == second.packed).all()


def test_days_of_segments_add_up_and_read_back():
    design, bucket, level = make_rows(3, [0.0, 1.0], rows=900)
    days = [split((design[i::3], bucket[i::3], level[i::3]), 2) for i in range(3)]
    back = [SegmentMoments.from_bytes(day.to_bytes()) for day in days]
    whole = split((design, bucket, level), 2)
    np.testing.assert_allclose(
        sum_segments(back).moments.packed, whole.moments.packed, rtol=1e-12, atol=1e-10
    )
    assert back[0].levels == ("l0", "l1")
    assert back[0].to_bytes() == days[0].to_bytes()


def test_moments_that_are_split_are_not_taken_for_whole_ones_nor_the_reverse():
    segments = split(make_rows(4, [0.0, 1.0], rows=300), 2)
    with pytest.raises(InputError, match="split by segment"):
        Moments.from_bytes(segments.to_bytes())
    with pytest.raises(InputError, match="not split"):
        SegmentMoments.from_bytes(segments.pooled.to_bytes())


def test_moments_of_other_levels_do_not_add():
    one = split(make_rows(5, [0.0, 1.0], rows=300), 2)
    other = SegmentMoments(("l0", "other"), one.moments)
    with pytest.raises(EstimationError, match="freeze the levels"):
        sum_segments([one, other])


def test_true_effects_are_recovered_and_told_apart():
    truth = [0.0, 0.5, 1.0]
    found = estimate(split(make_rows(6, truth, rows=12_000), 3)).compare({"d": 1.0})
    for effect, value in zip(found.effects, truth, strict=True):
        assert abs(effect.interval.estimate - value) < 3 * effect.interval.std_error
        assert effect.interval.std_error < 0.1
    assert found.heterogeneity.p_value < 1e-4
    assert sum(effect.n for effect in found.effects) == 12_000


def test_a_segment_confounds_nothing_though_its_dummies_are_not_controls():
    """Segment 2 has both more treated rows and higher outcomes; all effects are 0.5."""
    segments = split(make_rows(7, [0.5] * 3, rows=12_000), 3)
    for effect in estimate(segments, controls=["x"]).compare({"d": 1.0}).effects:
        assert abs(effect.interval.estimate - 0.5) < 3 * effect.interval.std_error


def test_errors_of_a_difference_count_users_who_are_in_both_segments():
    """A few users' own slopes move both segments alike, and cancel in the difference."""
    rows = make_rows(8, [0.5, 0.5], rows=20_000, concentration=1.0, slope_spread=1.5)
    segments = estimate(split(rows, 2))
    first, second = (fit.influence[:, 0] for fit in segments.fits.values())
    assert ((first - second) ** 2).sum() < 0.3 * ((first**2).sum() + (second**2).sum())
    assert segments.compare({"d": 1.0}).heterogeneity.p_value > 0.01


def test_the_test_of_two_segments_is_the_t_test_of_their_difference():
    segments = estimate(split(make_rows(9, [0.5, 0.6]), 2))
    first, second = segments.fits["l0"], segments.fits["l1"]
    moved = (second.influence - first.influence)[:, 0]
    t = float((second.theta - first.theta)[0] / np.sqrt(moved @ moved))
    test = segments.compare({"d": 1.0}).heterogeneity
    assert test.statistic == pytest.approx(t**2)
    assert test.degrees[0] == 1
    assert 20 < test.degrees[1] < BUCKETS


def test_the_test_of_many_segments_is_hotellings():
    """T² v / (v - q + 1) of their differences, with the degrees that the working variances carry."""
    from scipy import stats

    from tasks.effects.segments import _count_degrees

    segments = estimate(split(make_rows(9, [0.5, 0.6, 0.4, 0.7]), 4))
    fits = list(segments.fits.values())
    restrict = np.column_stack([-np.ones(3), np.eye(3)])
    apart = restrict @ np.array([fit.theta[0] for fit in fits])
    moved = np.column_stack([fit.influence[:, 0] for fit in fits]) @ restrict.T
    wald = apart @ np.linalg.inv(moved.T @ moved) @ apart
    own = np.column_stack([segments.squares[level][:, 0, 0] for level in segments.levels])
    sigma2 = [fit.residual_ss[0] / fit.n for fit in fits]
    degrees = _count_degrees(own / own.sum(axis=0) ** 2 * sigma2, restrict)
    test = segments.compare({"d": 1.0}).heterogeneity
    assert test.degrees == pytest.approx((3, degrees - 2))
    assert test.statistic == pytest.approx(wald * (degrees - 2) / (3 * degrees))
    assert test.p_value == pytest.approx(stats.f.sf(test.statistic, 3, degrees - 2))


def test_degrees_of_freedom_are_those_of_equal_buckets():
    """B buckets that weigh the same carry B - 1, whatever the number of restrictions."""
    from tasks.effects.segments import _count_degrees

    restrict = np.column_stack([-np.ones(3), np.eye(3)])
    assert _count_degrees(np.ones((24, 4)), restrict) == pytest.approx(23)
    heavy = np.ones((24, 4))
    heavy[0] = 24
    assert _count_degrees(heavy, restrict) < 5


@pytest.mark.parametrize("by", ["item", "user"])
def test_intervals_cover_and_equal_effects_are_rarely_told_apart(by):
    """A loose band for 80 worlds; tests/benchmarks/bench_coverage.py runs 200."""
    covered, found = [], []
    for seed in range(80):
        rows = make_rows(seed, [0.5] * 4, by=by, rows=3000, concentration=0.8)
        result = estimate(split(rows, 4)).compare({"d": 1.0})
        covered += [e.interval.ci_low <= 0.5 <= e.interval.ci_high for e in result.effects]
        found.append(result.heterogeneity.p_value < 0.05)
    assert 0.91 < np.mean(covered) < 0.985
    assert np.mean(found) < 0.125


def test_a_segment_without_rows_or_variation_has_a_reason_and_no_number():
    design, bucket, level = make_rows(10, [0.5] * 4)
    design[level == 1, -2] = 0.0
    level[level == 2] = 3
    found = estimate(split((design, bucket, level), 4)).compare({"d": 1.0})
    reasons = [effect.reason for effect in found.effects]
    assert reasons[0] is None
    assert reasons[3] is None
    assert "does not vary" in reasons[1]
    assert "no rows" in reasons[2]
    assert found.effects[1].interval is None
    assert found.heterogeneity.degrees[0] == 1


def test_a_segment_carried_by_one_group_of_users_has_no_number():
    design, bucket, level = make_rows(11, [0.5, 0.5])
    level[:] = 0
    level[bucket == 7] = 1
    found = estimate(split((design, bucket, level), 2)).compare({"d": 1.0})
    assert "one group of users" in found.effects[1].reason
    assert found.heterogeneity is None


def test_a_panel_is_split_by_its_column():
    frame = make_world(np.random.default_rng(12), rows=600).frame()
    names = np.array(["tea", "mug", None, "hat"])[np.arange(600) % 4]
    frame = frame.with_columns(segment=pl.Series(names.tolist(), dtype=pl.String))
    basis = fit_basis(frame, BasisSpec(numeric=("x1", "x2")))
    given = {"treatments": ["sound__positive"], "outcome": "rating", "n_buckets": BUCKETS}
    levels = ("tea", "mug", OTHER, MISSING)
    parts = split_panel_moments(
        frame, basis, segment="segment", levels=levels, block_rows=100, **given
    )
    whole = panel_moments(frame, basis, **given)
    np.testing.assert_allclose(parts.pooled.packed, whole.packed, rtol=1e-9, atol=1e-9)
    assert [parts.of_level(level).n for level in levels] == [150, 150, 150, 150]
    tea = panel_moments(frame.filter(pl.col("segment") == "tea"), basis, **given)
    np.testing.assert_allclose(parts.of_level("tea").packed, tea.packed, rtol=1e-9, atol=1e-9)


def test_the_most_frequent_levels_are_kept_and_the_rest_shares_one():
    values = pl.Series(["b", "a", "c", "a", "b", None])
    levels = choose_levels(values, max_levels=2)
    assert levels == ("a", "b", OTHER, MISSING)
    later = pl.Series(["a", "new", None])
    assert encode_levels(later, levels).tolist() == [0, 2, 3]
    with pytest.raises(InputError, match="other"):
        encode_levels(later, ("a", "b"))


def test_a_penalty_may_be_chosen():
    fits = estimate(split(make_rows(13, [0.5, 0.5]), 2), penalty="auto")
    assert fits.penalties.shape == (FOLDS, 2)
    assert (fits.penalties != PENALTY).any()


def test_micro_batches_of_segments_leave_the_stored_total_alone():
    design, bucket, level = make_rows(14, [0.5, 0.5], rows=600)
    stored = split((design[:500], bucket[:500], level[:500]), 2)
    before = stored.moments.packed.copy()
    batch = split((design[500:], bucket[500:], level[500:]), 2)
    ours = estimate(sum_segments([stored, batch])).compare({"d": 1.0})
    fresh = estimate(split((design, bucket, level), 2)).compare({"d": 1.0})
    for mine, other in zip(ours.effects, fresh.effects, strict=True):
        assert mine.interval.estimate == pytest.approx(other.interval.estimate, rel=1e-10)
    assert (stored.moments.packed == before).all()
    assert sum_moments([stored.moments]).n == 500


def test_segments_whose_outcome_never_varies_are_not_tested_for_being_alike():
    design, bucket, level = make_rows(14, [0.5, 0.5])
    design[:, -1] = 0.0
    found = estimate(split((design, bucket, level), 2)).compare({"d": 1.0})
    assert found.heterogeneity is None
