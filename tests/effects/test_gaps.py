"""Frozen controls that adjust in part."""

import numpy as np
import polars as pl

from tasks.effects.basis import Basis, BasisSpec, fit_basis
from tasks.effects.gaps import find_gaps, tell_codes
from tasks.effects.moments import INTERCEPT, Moments, compute_moments

SPEC = BasisSpec(numeric=("c__x",), categorical=("c__brand",), max_levels=3, min_level_rows=1)


def make_frame(rng: np.random.Generator, counts: dict[str, int]) -> pl.DataFrame:
    brand = np.repeat(list(counts), list(counts.values()))
    return pl.DataFrame({"c__x": rng.normal(size=len(brand)), "c__brand": brand})


def sum_frame(frame: pl.DataFrame, basis: Basis) -> Moments:
    design = np.column_stack([np.ones(frame.height), basis.transform(frame)])
    bucket = np.arange(frame.height) % 7
    return compute_moments(design, bucket, columns=(INTERCEPT, *basis.names), n_buckets=7)


def test_a_category_of_which_many_reviews_share_a_column_is_said_with_its_share():
    rng = np.random.default_rng(1)
    fitted = make_frame(rng, {"a": 40, "b": 30, "c": 20, "d": 6, "e": 4})
    basis = fit_basis(fitted, SPEC)
    assert find_gaps(basis, sum_frame(fitted, basis)) == []  # 10 of 100
    later = make_frame(rng, {"a": 40, "b": 30, "d": 6, "f": 24})
    (gap,) = find_gaps(basis, sum_frame(later, basis))
    assert (gap.name, round(gap.share, 3), gap.columns) == ("c__brand", 0.3, 3)
    assert (gap.control, str(gap)[:18]) == ("control brand", "30% of the reviews")
    assert "beyond the 3 largest" in str(gap)


def test_a_category_whose_levels_all_have_columns_is_whole():
    frame = make_frame(np.random.default_rng(2), {"a": 40, "b": 30})
    basis = fit_basis(frame, SPEC)
    assert find_gaps(basis, sum_frame(frame, basis)) == []


def test_numbers_that_stand_for_missing_are_said_and_are_no_fault():
    x = np.random.default_rng(3).normal(40, 10, 400)
    x[:40] = -999
    frame = pl.DataFrame({"c__user__age": x})
    basis = fit_basis(frame, BasisSpec(numeric=("c__user__age",), coded=("c__user__age",)))
    assert find_gaps(basis, sum_frame(frame, basis)) == []
    ((verdict, said),) = tell_codes(basis)
    assert verdict == "credible"
    assert said.startswith("control age: -999 lies far from all its other values")
