"""Moments: additive, stable, exact."""

import itertools
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
    _multiply,
    _multiply_on_gpu,
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

COLUMNS = make_world(np.random.default_rng(0), rows=2).columns


def make_moments(rng: np.random.Generator, rows: int = 300) -> Moments:
    return make_world(rng, rows=rows).moments()


def reduce_rows(design: np.ndarray, bucket: np.ndarray) -> Moments:
    return compute_moments(design, bucket, columns=COLUMNS, n_buckets=40)


def assert_same_sums(ours: Moments, fresh: Moments) -> None:
    """Equal to SUM_TOLERANCE, relative to the largest a sum of products can be."""
    assert ours.rows.tolist() == fresh.rows.tolist()
    root = np.sqrt(np.einsum("bii->bi", fresh.grams))
    bound = SUM_TOLERANCE * root[:, :, None] * root[:, None, :]
    assert (np.abs(ours.grams - fresh.grams) <= bound + 1e-300).all()


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


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(1, 120), min_size=2, max_size=6),
    st.integers(0, 5),
    st.sampled_from(["replace", "delete", "add"]),
    st.integers(0, 2**32 - 1),
)
def test_any_change_of_a_day_equals_a_fresh_computation(sizes, at, change, seed):
    """Fresh means from the rows: one pass over those that the window holds after the change."""
    rng = np.random.default_rng(seed)
    world, late = make_world(rng, rows=sum(sizes) + 20), make_world(rng, rows=60)
    edges = np.cumsum([0, *sizes])
    days = [(world.design[a:b], world.bucket(40)[a:b]) for a, b in itertools.pairwise(edges)]
    stored = [reduce_rows(*day) for day in days]
    at, new = at % len(days), (late.design, late.bucket(40))
    days[at : at + (change != "add")] = [] if change == "delete" else [new]
    stored[at : at + (change != "add")] = [] if change == "delete" else [reduce_rows(*new)]
    fresh = reduce_rows(*(np.concatenate(parts) for parts in zip(*days, strict=True)))
    assert_same_sums(sum_moments(stored), fresh)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=8), st.integers(0, 2**32 - 1))
def test_micro_batches_added_to_a_stored_total_equal_a_fresh_computation(sizes, seed):
    """A day arriving in pieces: only the window's sum and the new rows are read."""
    world = make_world(np.random.default_rng(seed), rows=300 + sum(sizes))
    bucket = world.bucket(40)
    total = reduce_rows(world.design[:300], bucket[:300])
    before = total.packed.copy()
    running, start = total, 300
    for size in sizes:
        rows = slice(start, start + size)
        running = sum_moments([running, reduce_rows(world.design[rows], bucket[rows])])
        start += size
    assert_same_sums(running, reduce_rows(world.design, bucket))
    assert (total.packed == before).all()


@pytest.mark.parametrize("rows", [0, 1, 700])
def test_torch_multiplies_as_numpy_does(rows: int):
    """On the GPU where there is one, else the same torch code on the processor."""
    torch = pytest.importorskip("torch")
    world = make_world(np.random.default_rng(13), rows=max(rows, 2))
    design, bucket = world.design[:rows], world.bucket(40)[:rows]
    order, counts = np.argsort(bucket, kind="stable"), np.bincount(bucket, minlength=40)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    ours = _multiply(design, order, counts)
    theirs = _multiply_on_gpu(design, order, counts, device=device)
    assert theirs.dtype == np.float64
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(theirs, ours, rtol=SUM_TOLERANCE, atol=1e-11)


def test_a_gpu_that_is_not_there_is_refused_and_auto_does_without():
    torch = pytest.importorskip("torch")
    world = make_world(np.random.default_rng(14), rows=50)
    given_rows = (world.design, world.bucket(40))
    options = {"columns": world.columns, "n_buckets": 40}
    auto = compute_moments(*given_rows, device="auto", **options)
    assert_same_sums(auto, compute_moments(*given_rows, **options))
    if not torch.cuda.is_available():
        with pytest.raises(EstimationError, match="device to cpu or auto"):
            compute_moments(*given_rows, device="cuda", **options)


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
