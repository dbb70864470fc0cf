"""Moments: additive, stable, exact."""

import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.effects.basis import BasisSpec, fit_basis
from tasks.effects.moments import (
    Moments,
    build_design,
    compute_moments,
    halve_moments,
    panel_moments,
    stable_bucket,
    sum_moments,
)
from tasks.platform.errors import EstimationError, InputError
from tests.effects.worlds import make_world

SUM_TOLERANCE = 1e-12
"""Relative: the same products, added in another order."""


def make_moments(rng: np.random.Generator, rows: int = 300) -> Moments:
    return make_world(rng, rows=rows).moments()


def test_days_add_up_to_the_whole():
    world = make_world(np.random.default_rng(1), rows=1000)
    bucket = world.bucket(40)
    day = np.random.default_rng(2).integers(0, 7, 1000)
    parts = [
        compute_moments(
            world.design[day == k], bucket[day == k], columns=world.columns, n_buckets=40
        )
        for k in range(7)
    ]
    total = sum_moments(parts)
    np.testing.assert_allclose(total.packed, world.moments().packed, rtol=SUM_TOLERANCE, atol=1e-10)
    assert total.rows.tolist() == world.moments().rows.tolist()


def test_replacing_a_day_equals_a_fresh_computation():
    rng = np.random.default_rng(3)
    days = [make_moments(rng) for _ in range(5)]
    corrected = make_moments(rng)
    replaced = sum_moments([*days[:2], corrected, *days[3:]])
    fresh = days[0].packed + days[1].packed + corrected.packed + days[3].packed + days[4].packed
    np.testing.assert_allclose(replaced.packed, fresh, rtol=SUM_TOLERANCE)


def test_summing_leaves_the_batches_untouched():
    rng = np.random.default_rng(4)
    days = [make_moments(rng) for _ in range(3)]
    before = [day.packed.copy() for day in days]
    sum_moments(days)
    assert all((day.packed == old).all() for day, old in zip(days, before, strict=True))


def test_gram_matrices_are_those_of_the_rows():
    world = make_world(np.random.default_rng(5), rows=500)
    bucket = world.bucket(40)
    moments = world.moments()
    for b in range(40):
        rows = world.design[bucket == b]
        np.testing.assert_allclose(moments.grams[b], rows.T @ rows, rtol=1e-13, atol=1e-11)


def test_bytes_are_deterministic_and_read_back_exactly():
    moments = make_moments(np.random.default_rng(6))
    blob = moments.to_bytes()
    back = Moments.from_bytes(blob)
    assert blob == back.to_bytes() == moments.to_bytes()
    assert back.columns == moments.columns
    assert (back.packed == moments.packed).all()
    assert (back.rows == moments.rows).all()


@pytest.mark.parametrize("blob", [b"", b"\x00" * 8, b"no moments at all, but rather long text"])
def test_foreign_bytes_are_refused(blob: bytes):
    with pytest.raises(InputError, match="not moments"):
        Moments.from_bytes(blob)


def test_truncated_bytes_are_refused():
    blob = make_moments(np.random.default_rng(7)).to_bytes()
    with pytest.raises(InputError, match="not moments"):
        Moments.from_bytes(blob[:-9])


def test_buckets_are_those_of_the_documented_algorithm():
    # echo -n alice | md5sum = 6384e2b2184bcbf5...
    assert stable_bucket(pl.Series(["alice"]), 40).tolist() == [0x6384E2B2184BCBF5 % 40]


def test_buckets_are_the_same_in_another_process():
    code = (
        "import polars as pl; from tasks.effects.moments import stable_bucket;"
        "print(stable_bucket(pl.Series(['a', 'b', 'ü', '']), 1000).tolist())"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert seen == {str(stable_bucket(pl.Series(["a", "b", "ü", ""]), 1000).tolist()) + "\n"}


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(max_size=20), max_size=40), st.integers(1, 50), st.randoms())
def test_a_user_has_one_bucket_wherever_the_rows_stand(ids, n_buckets, random):
    buckets = dict(zip(ids, stable_bucket(pl.Series(ids, dtype=pl.String), n_buckets), strict=True))
    shuffled = random.sample(ids, len(ids))
    again = stable_bucket(pl.Series(shuffled, dtype=pl.String), n_buckets)
    assert [buckets[i] for i in shuffled] == again.tolist()
    assert all(0 <= b < n_buckets for b in again)


def test_buckets_are_even():
    buckets = stable_bucket(pl.Series([f"u{i}" for i in range(20_000)]), 40)
    counts = np.bincount(buckets)
    assert counts.min() > 400
    assert counts.max() < 600


def test_a_missing_user_is_refused():
    with pytest.raises(EstimationError, match="1 rows have no user id"):
        stable_bucket(pl.Series(["a", None]), 10)


def test_missing_values_are_named_not_summed():
    design = np.ones((3, 2))
    design[1, 1] = np.nan
    with pytest.raises(EstimationError, match=r"\['y'\]"):
        compute_moments(design, np.zeros(3, dtype=np.int64), columns=["1", "y"], n_buckets=2)


def test_moments_of_two_bases_do_not_add():
    one = make_moments(np.random.default_rng(8))
    other = Moments(one.columns, one.packed, one.rows, "another")
    with pytest.raises(EstimationError, match="two control bases"):
        sum_moments([one, other])


def test_moments_of_other_columns_do_not_add():
    one = make_moments(np.random.default_rng(8))
    other = Moments((*one.columns[:-1], "clicks"), one.packed, one.rows)
    with pytest.raises(EstimationError, match="do not add"):
        sum_moments([one, other])


def test_no_batches_is_an_error_not_zero():
    with pytest.raises(EstimationError, match="no moments"):
        sum_moments([])


def test_a_panel_in_blocks_has_the_moments_of_the_whole():
    frame = make_world(np.random.default_rng(9), rows=700).frame()
    basis = fit_basis(frame, BasisSpec(numeric=("x1", "x2")))
    args = {"treatments": ["sound__positive"], "outcome": "rating", "n_buckets": 40}
    whole = panel_moments(frame, basis, **args)
    blocks = panel_moments(frame, basis, block_rows=64, **args)
    np.testing.assert_allclose(whole.packed, blocks.packed, rtol=1e-9, atol=1e-9)
    assert whole.basis_sha256 == basis.sha256
    assert whole.columns == ("1", *basis.names, "sound__positive", "rating")


def test_an_empty_panel_has_moments_that_add():
    frame = make_world(np.random.default_rng(10), rows=100).frame()
    basis = fit_basis(frame, BasisSpec(numeric=("x1",)))
    args = {"treatments": ["sound__positive"], "outcome": "rating", "n_buckets": 40}
    whole = panel_moments(frame, basis, **args)
    empty = panel_moments(frame.clear(), basis, **args)
    assert empty.n == 0
    assert (sum_moments([empty, whole]).packed == whole.packed).all()


def test_halves_are_cut_nearest_to_half_the_rows():
    rng = np.random.default_rng(11)
    days = [make_moments(rng, rows=n) for n in (100, 100, 100, 280)]
    halves = halve_moments(days)
    assert halves is not None
    assert [half.n for half in halves] == [300, 280]
    assert halve_moments(days[:1]) is None


def test_an_absent_treatment_is_named():
    frame = make_world(np.random.default_rng(12), rows=50).frame()
    basis = fit_basis(frame, BasisSpec(numeric=("x1",)))
    with pytest.raises(InputError, match="nonsense"):
        build_design(frame, basis, treatments=["nonsense"], outcome="rating")
