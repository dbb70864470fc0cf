"""The control basis: frozen, hashed, the same for every day."""

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.effects.basis import Basis, BasisSpec, discover_spec, fit_basis
from tasks.platform.errors import ConfigError, EstimationError, InputError

SPEC = BasisSpec(
    numeric=("price", "day"), categorical=("brand",), log1p=("price",), unclipped=("day",)
)


def make_frame(rng: np.random.Generator, rows: int = 400) -> pl.DataFrame:
    price = rng.lognormal(3, 1, rows)
    return pl.DataFrame(
        {
            "price": [None if i % 10 == 0 else float(p) for i, p in enumerate(price)],
            "day": rng.integers(0, 365, rows),
            "brand": rng.choice(["a", "b", "c", "rare"], rows, p=[0.5, 0.3, 0.19, 0.01]),
        }
    )


def column(basis: Basis, frame: pl.DataFrame, name: str) -> np.ndarray:
    """One raw column: before centring and scaling."""
    at = basis.names.index(name)
    return basis.transform(frame)[:, at] * basis.scale[at] + basis.centre[at]


def test_columns_are_centred_and_scaled_on_the_rows_of_the_fit():
    frame = make_frame(np.random.default_rng(1))
    basis = fit_basis(frame, SPEC)
    matrix = basis.transform(frame)
    assert matrix.shape == (400, len(basis.names))
    np.testing.assert_allclose(matrix.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(matrix.std(axis=0), 1, rtol=1e-12)


def test_a_row_is_transformed_alike_alone_and_among_others():
    frame = make_frame(np.random.default_rng(2))
    basis = fit_basis(frame, SPEC)
    alone = np.vstack([basis.transform(frame[i : i + 1]) for i in range(50)])
    np.testing.assert_array_equal(alone, basis.transform(frame)[:50])


def test_json_round_trip_keeps_every_bit_and_the_hash():
    frame = make_frame(np.random.default_rng(3))
    basis = fit_basis(frame, SPEC)
    back = Basis.from_json(basis.to_json())
    assert back == basis
    assert back.sha256 == basis.sha256
    assert len(basis.sha256) == 64
    np.testing.assert_array_equal(back.transform(frame), basis.transform(frame))


def test_another_fit_has_another_hash():
    rng = np.random.default_rng(4)
    one, other = (fit_basis(make_frame(rng), SPEC) for _ in range(2))
    assert one.sha256 != other.sha256


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"spec": {"numeric": 1}}', "null"])
def test_what_is_no_basis_is_refused(text: str):
    with pytest.raises(InputError, match="not a basis"):
        Basis.from_json(text)


def test_splines_are_straight_beyond_the_outer_knots():
    frame = pl.DataFrame({"x": np.linspace(0, 1, 200)})
    basis = fit_basis(frame, BasisSpec(numeric=("x",), unclipped=("x",)))
    far = basis.transform(pl.DataFrame({"x": [2.0, 3.0, 4.0, -1.0, -2.0, -3.0]}))
    np.testing.assert_allclose(far[0] - far[1], far[1] - far[2], atol=1e-9)
    np.testing.assert_allclose(far[3] - far[4], far[4] - far[5], atol=1e-9)
    assert basis.names == ("x", "x:s1", "x:s2")


def test_splines_follow_a_curve_that_a_line_cannot():
    x = np.random.default_rng(5).uniform(-2, 2, 2000)
    frame = pl.DataFrame({"x": x})
    matrix = np.column_stack(
        [np.ones(2000), fit_basis(frame, BasisSpec(numeric=("x",))).transform(frame)]
    )
    curve = x**2
    fitted = matrix @ np.linalg.lstsq(matrix, curve, rcond=None)[0]
    assert np.mean((curve - fitted) ** 2) < 0.02 * np.var(curve)


def test_an_absurd_value_of_a_later_day_is_held_at_the_range_of_the_fit():
    basis = fit_basis(make_frame(np.random.default_rng(6)), SPEC)
    row = {"price": [1e30], "day": [10], "brand": ["a"]}
    assert np.abs(basis.transform(pl.DataFrame(row))).max() < 60


def test_missing_values_have_an_indicator_and_a_frozen_fill():
    frame = make_frame(np.random.default_rng(7))
    basis = fit_basis(frame, SPEC)
    later = pl.DataFrame(
        {"price": [None, float("nan"), float("inf"), 5.0], "day": [1] * 4, "brand": ["a"] * 4}
    )
    assert column(basis, later, "price:missing").round(9).tolist() == [1, 1, 1, 0]
    filled = column(basis, later, "price")
    median = np.median(np.log1p(frame["price"].drop_nulls().to_numpy()))
    np.testing.assert_allclose(filled[:3], median)
    np.testing.assert_allclose(filled[3], np.log1p(5.0))


def test_rare_and_unseen_levels_share_one_column():
    basis = fit_basis(make_frame(np.random.default_rng(8)), SPEC)
    later = pl.DataFrame({"price": [1.0] * 4, "day": [1] * 4, "brand": ["a", "b", "rare", "new"]})
    assert [n for n in basis.names if n.startswith("brand")] == [
        "brand=b",
        "brand=c",
        "brand=(other)",
    ]
    assert column(basis, later, "brand=(other)").round(9).tolist() == [0, 0, 1, 1]
    assert column(basis, later, "brand=b").round(9).tolist() == [0, 1, 0, 0]


def test_no_more_levels_than_allowed():
    frame = pl.DataFrame({"brand": [f"b{i % 50}" for i in range(2000)]})
    basis = fit_basis(frame, BasisSpec(categorical=("brand",), max_levels=7))
    assert len(basis.names) == 7  # six of the seven kept levels, and the rest
    assert basis.names[-1] == "brand=(other)"


def test_whole_numbers_and_their_floats_are_one_level():
    basis = fit_basis(pl.DataFrame({"tier": ["1", "2"] * 50}), BasisSpec(categorical=("tier",)))
    later = basis.transform(pl.DataFrame({"tier": [1.0, 2.0]}))
    np.testing.assert_array_equal(later, basis.transform(pl.DataFrame({"tier": ["1", "2"]})))


def test_columns_that_do_not_vary_are_dropped_by_name():
    frame = pl.DataFrame({"x": [3.0] * 30, "z": range(30), "nothing": [None] * 30})
    spec = BasisSpec(numeric=("x", "z", "nothing"))
    basis = fit_basis(frame, spec)
    assert basis.names[0] == "z"
    assert {"x", "x:missing", "z:missing", "nothing", "nothing:missing"} <= set(basis.dropped)


def test_optional_columns_may_be_absent_later_but_others_may_not():
    frame = pl.DataFrame({"a": [1.0, None] * 50, "b": ["x", "y"] * 50})
    spec = BasisSpec(numeric=("a",), categorical=("b",), optional=("a",))
    basis = fit_basis(frame, spec)
    assert column(basis, frame.select("b"), "a:missing").round(9).min() == 1
    with pytest.raises(InputError, match=r"\['b'\]"):
        basis.transform(frame.select("a"))


def test_types_are_discovered():
    frame = pl.DataFrame(
        {
            "n": [1, 2], "f": [0.5, 1.5], "b": [True, False], "s": ["x", "y"],
            "d": [dt.date(2024, 1, 1), dt.date(2024, 1, 3)],
            "t": [dt.datetime(2024, 1, 1, tzinfo=dt.UTC), dt.datetime(2024, 1, 2, tzinfo=dt.UTC)],
        }
    )  # fmt: skip
    spec = discover_spec(frame, frame.columns)
    assert spec.numeric == ("n", "f", "b", "d", "t")
    assert spec.categorical == ("s",)
    basis = fit_basis(frame, spec)
    assert column(basis, frame, "d").tolist() == [19723, 19725]
    np.testing.assert_allclose(column(basis, frame, "t"), [19723, 19724])


def test_a_name_given_twice_is_refused():
    with pytest.raises(ConfigError, match="twice"):
        BasisSpec(numeric=("a",), categorical=("a",))


def test_no_rows_is_an_error():
    with pytest.raises(EstimationError, match="found none"):
        fit_basis(pl.DataFrame({"a": []}), BasisSpec(numeric=("a",)))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.none() | st.floats(allow_nan=True, allow_infinity=True),
            st.none() | st.text(max_size=8),
        ),
        min_size=1,
        max_size=40,
    ),
    st.lists(st.tuples(st.none() | st.floats(), st.none() | st.text(max_size=8)), max_size=20),
)
def test_any_values_become_finite_numbers(fitted, later):
    schema = {"x": pl.Float64, "s": pl.String}
    spec = BasisSpec(numeric=("x",), categorical=("s",), log1p=("x",), min_level_rows=2)
    basis = fit_basis(pl.DataFrame(fitted, schema=schema, orient="row"), spec)
    matrix = basis.transform(pl.DataFrame(later, schema=schema, orient="row"))
    assert matrix.shape == (len(later), len(basis.names))
    assert np.isfinite(matrix).all()


def test_numbers_that_stand_for_missing_are_missing_where_they_may():
    values = np.random.default_rng(0).normal(40, 10, 400).round(1)
    values[:40] = -999
    frame = pl.DataFrame({"age": values})
    basis = fit_basis(frame, BasisSpec(numeric=("age",), coded=("age",)))
    lacking = pl.DataFrame({"age": [None, -999.0, 40.0]}, schema={"age": pl.Float64})
    made = basis.transform(lacking)
    np.testing.assert_array_equal(made[0], made[1])
    assert basis.names[-1] == "age:missing"
    assert made[1, -1] > 0 > made[2, -1]
    assert basis.terms[0].low > 0
    plain = fit_basis(frame, BasisSpec(numeric=("age",)))
    assert plain.terms[0].low == -999
    assert Basis.from_json(basis.to_json()) == basis


def test_a_price_below_zero_is_missing_and_a_dear_item_is_none():
    rng = np.random.default_rng(1)
    price = rng.uniform(5, 40, 500).round(2)
    price[:25], price[25:50] = -1, 400
    frame = pl.DataFrame({"price": price})
    basis = fit_basis(frame, BasisSpec(numeric=("price",), log1p=("price",), coded=("price",)))
    assert basis.terms[0].codes == ()
    made = basis.transform(pl.DataFrame({"price": [-1.0, None, 0.0]}))
    np.testing.assert_array_equal(made[0], made[1])
    assert made[0, -1] != made[2, -1]
    price[25:50] = 99999
    frame = pl.DataFrame({"price": price})
    basis = fit_basis(frame, BasisSpec(numeric=("price",), log1p=("price",), coded=("price",)))
    assert basis.terms[0].codes == (99999,)
