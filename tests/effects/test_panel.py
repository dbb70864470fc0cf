"""The design panel: what precedes a review, and nothing else."""

import datetime as dt
import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.effects.basis import Basis, fit_basis
from tasks.effects.moments import panel_moments, sum_moments
from tasks.effects.panel import (
    PRIOR_RATING,
    PRIOR_REVIEWS,
    build_panel,
    panel_spec,
    treatment_names,
)
from tasks.platform.errors import InputError

START = dt.date(2024, 3, 1)
NAMES = ("sound", "price")
ATTRIBUTE_SCHEMA = {
    "review_id": pl.String, "attribute": pl.String, "is_mentioned": pl.Boolean, "polarity": pl.Int8,
}  # fmt: skip


def make_reviews(rows: list[tuple[str, str, int, float]]) -> pl.DataFrame:
    """Reviews from (user, item, day, rating); ids count up."""
    return pl.DataFrame(
        {
            "review_id": [f"r{i:04d}" for i in range(len(rows))],
            "user_id": [row[0] for row in rows],
            "item_id": [row[1] for row in rows],
            "event_date": [START + dt.timedelta(days=row[2]) for row in rows],
            "rating": [float(row[3]) for row in rows],
            "is_verified": [True for _ in rows],
            "title": ["t" for _ in rows],
            "text": ["some text" for _ in rows],
        }
    )


def make_items(ids: list[str]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "item_id": ids,
            "brand": ["acme" for _ in ids],
            "category": ["mic" for _ in ids],
            "price_usd": [9.5 for _ in ids],
        }
    )


def make_users(features: dict[str, str | None]) -> pl.DataFrame:
    return pl.DataFrame(
        {"user_id": list(features), "features": list(features.values())},
        schema={"user_id": pl.String, "features": pl.String},
    )


def make_attributes(rows: list[tuple[str, str, bool, int]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=ATTRIBUTE_SCHEMA, orient="row")


def make_panel(reviews: pl.DataFrame, **given) -> pl.DataFrame:
    frames = {
        "history": reviews,
        "items": make_items(sorted(set(reviews["item_id"]))),
        "users": make_users({}),
        "attributes": make_attributes([]),
    } | given
    days = frames.pop("history_days", 30)
    return build_panel(reviews, **frames, attribute_names=NAMES, history_days=days)


def test_history_counts_only_strictly_earlier_dates():
    reviews = make_reviews([("u", "a", 0, 5), ("u", "b", 0, 1), ("u", "a", 1, 3), ("v", "a", 2, 2)])
    panel = make_panel(reviews)
    assert panel["c__user_reviews"].to_list() == [0, 0, 2, 0]
    assert panel["c__item_reviews"].to_list() == [0, 0, 1, 2]
    shrunk = (6 + PRIOR_REVIEWS * PRIOR_RATING) / (2 + PRIOR_REVIEWS)
    assert panel["c__user_rating"].to_list() == [None, None, pytest.approx(shrunk), None]


def test_the_own_rating_and_those_of_the_day_and_after_leave_no_trace_in_the_controls():
    rng = np.random.default_rng(1)
    rows = [
        (f"u{rng.integers(5)}", f"i{rng.integers(4)}", int(rng.integers(10)), rng.integers(1, 6))
        for _ in range(120)
    ]
    reviews = make_reviews(rows)
    panel = make_panel(reviews)
    controls = [name for name in panel.columns if name.startswith("c__")]
    for day in range(10):
        date = START + dt.timedelta(days=day)
        changed = reviews.with_columns(
            rating=pl.when(pl.col("event_date") >= date)
            .then(6 - pl.col("rating"))
            .otherwise("rating")
        )
        again = make_panel(changed)
        before = pl.col("event_date") <= date
        assert panel.filter(before).select(controls).equals(again.filter(before).select(controls))


def test_controls_hold_nothing_of_the_review_itself():
    reviews = make_reviews([("u", "a", 0, 5), ("v", "a", 3, 1)])
    other = reviews.with_columns(
        text=pl.lit("a very much longer text " * 50), title=pl.lit(None, dtype=pl.String)
    )
    assert make_panel(reviews).equals(make_panel(other))


def test_a_review_that_was_not_read_has_no_row_and_is_history_all_the_same():
    reviews = make_reviews([("u", "a", 0, 5), ("u", "b", 1, 2), ("v", "a", 2, 3)])
    users = make_users({"u": '{"age": 30}', "v": '{"tier": "gold"}'})
    whole = make_panel(reviews, users=users)
    panel = make_panel(reviews, users=users, unread=["r0001"])
    assert panel["review_id"].to_list() == ["r0000", "r0002"]
    assert panel.equals(whole.filter(pl.col("review_id") != "r0001"))
    longer = make_reviews([("u", "a", 0, 5), ("u", "b", 1, 2), ("u", "c", 2, 3)])
    assert make_panel(longer, unread=["r0001"])["c__user_reviews"].to_list() == [0, 2]


def test_where_no_review_was_read_the_panel_is_empty_and_its_moments_add():
    reviews = make_reviews([("u", "a", 0, 5), ("v", "b", 1, 2), ("w", "a", 2, 3)])
    panel = make_panel(reviews)
    basis = fit_basis(panel, panel_spec(panel))
    empty = make_panel(reviews, unread=reviews["review_id"].to_list())
    assert empty.height == 0
    both = [
        panel_moments(part, basis, treatments=treatment_names(NAMES), outcome="rating", n_buckets=4)
        for part in (panel, empty)
    ]
    assert both[1].n == 0
    assert sum_moments(both).to_bytes() == both[0].to_bytes()


def test_the_look_back_ends_where_it_should():
    reviews = make_reviews([("u", "a", 0, 5), ("u", "b", 7, 4), ("u", "b", 8, 4)])
    counts = make_panel(reviews, history_days=7)["c__user_reviews"].to_list()
    assert counts == [0, 1, 1]  # day 7 sees day 0; day 8 sees day 7 but no longer day 0


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("uvw"), st.sampled_from("abc"), st.integers(0, 12),
            st.sampled_from([1.0, 2.5, 3.3, 5.0]),
        ),
        min_size=1,
        max_size=40,
    ),
    st.integers(1, 9),
)  # fmt: skip
def test_history_equals_a_plain_loop(rows, days):
    reviews = make_reviews(rows)
    panel = make_panel(reviews, history_days=days).sort("review_id")
    for (user, item, day, _), seen in zip(rows, panel.iter_rows(named=True), strict=True):
        for subject, value, at in (("user", user, 0), ("item", item, 1)):
            past = [r[3] for r in rows if r[at] == value and day - days <= r[2] < day]
            assert seen[f"c__{subject}_reviews"] == len(past)
            mean = (sum(past) + PRIOR_REVIEWS * PRIOR_RATING) / (len(past) + PRIOR_REVIEWS)
            assert seen[f"c__{subject}_rating"] == (pytest.approx(mean) if past else None)


def test_panels_of_days_hold_the_rows_of_the_panel_of_the_month():
    rng = np.random.default_rng(2)
    rows = [
        (f"u{rng.integers(9)}", f"i{rng.integers(6)}", int(rng.integers(30)), rng.integers(1, 6))
        for _ in range(300)
    ]
    reviews = make_reviews(rows)
    whole = make_panel(reviews, history_days=10)
    parts = []
    for day in range(30):
        date = START + dt.timedelta(days=day)
        first = date - dt.timedelta(days=10)
        own = reviews.filter(pl.col("event_date") == date)
        wanted = pl.col("user_id").is_in(own["user_id"].to_list()) | pl.col("item_id").is_in(
            own["item_id"].to_list()
        )
        history = reviews.filter(pl.col("event_date").is_between(first, date) & wanted)
        parts.append(make_panel(own, history=history, history_days=10))
    assert pl.concat(parts).equals(whole)


def test_the_order_of_the_inputs_does_not_matter():
    rng = np.random.default_rng(3)
    rows = [(f"u{i % 7}", f"i{i % 5}", int(rng.integers(9)), i % 5 + 1) for i in range(80)]
    reviews = make_reviews(rows)
    shuffled = reviews.sample(fraction=1, shuffle=True, seed=1)
    assert make_panel(reviews).equals(make_panel(shuffled, history=shuffled.reverse()))


def test_polarities_become_two_columns_and_neutral_is_neither():
    reviews = make_reviews([("u", "a", i, 5) for i in range(4)])
    attributes = make_attributes(
        [
            ("r0000", "sound", True, 1), ("r0000", "price", False, 0),
            ("r0001", "sound", True, -1), ("r0001", "price", True, 0),
            ("r0002", "sound", False, 1), ("r0002", "unasked", True, 1),
        ]
    )  # fmt: skip
    panel = make_panel(reviews, attributes=attributes)
    assert panel["sound__positive"].to_list() == [1, 0, 0, 0]
    assert panel["sound__negative"].to_list() == [0, 1, 0, 0]
    assert panel["price__positive"].sum() == panel["price__negative"].sum() == 0
    assert panel.columns[-5:] == [*treatment_names(NAMES), "rating"]


def test_user_features_become_columns_by_their_type():
    features = {"u": json.dumps({"age": 31, "tier": "gold"}), "v": json.dumps({"age": 40.5})}
    panel = make_panel(
        make_reviews([("u", "a", 0, 5), ("v", "a", 1, 4), ("w", "a", 2, 3)]),
        users=make_users(features),
    )
    assert panel["c__user__age"].to_list() == [31.0, 40.5, None]
    assert panel["c__user__tier"].to_list() == ["gold", None, None]


def test_a_feature_of_numbers_stays_one_where_some_users_have_none():
    ages = {"u": 31, "v": "", "w": "NA", "x": None, "y": 40}
    features = {user: json.dumps({"age": age, "region": "NA"}) for user, age in ages.items()}
    features["z"] = json.dumps({"age": " ", "region": "EU"})
    rows = [(user, "a", day, 5) for day, user in enumerate(features)]
    panel = make_panel(make_reviews(rows), users=make_users(features))
    assert panel["c__user__age"].to_list() == [31.0, None, None, None, 40.0, None]
    assert panel["c__user__region"].to_list() == ["NA"] * 5 + ["EU"]


@pytest.mark.parametrize(
    "hostile",
    ["[1]", "{", "null", '"x"', '{"a": [1]}', "[" * 100_000, '{"a": NaN}', '{"a": 1e999}'],
)
def test_hostile_features_count_as_missing(hostile: str):
    panel = make_panel(make_reviews([("u", "a", 0, 5)]), users=make_users({"u": hostile}))
    assert panel.height == 1


def test_features_of_absent_users_and_unknown_items_do_no_harm():
    panel = make_panel(
        make_reviews([("u", "a", 0, 5)]),
        items=make_items(["b"]),
        users=make_users({"z": '{"k": 1}'}),
    )
    assert panel["c__price_usd"].to_list() == [None]
    assert "c__user__k" not in panel.columns


def test_repeated_ids_are_refused():
    reviews = make_reviews([("u", "a", 0, 5)])
    with pytest.raises(InputError, match=r"items: 1 of 2 rows repeat item_id"):
        make_panel(reviews, items=make_items(["a", "a"]))
    with pytest.raises(InputError, match="attributes"):
        make_panel(reviews, attributes=make_attributes([("r0000", "sound", True, 1)] * 2))


def test_an_empty_period_has_an_empty_panel_with_all_columns():
    empty = make_panel(make_reviews([("u", "a", 0, 5)]).clear(), items=make_items(["a"]))
    assert empty.height == 0
    assert "sound__positive" in empty.columns
    assert "c__user_rating" in empty.columns


def test_the_basis_of_a_panel_survives_features_that_come_and_go():
    rows = [(f"u{i % 25}", f"i{i % 5}", i % 25, i % 5 + 1) for i in range(200)]
    features = {f"u{i}": json.dumps({"age": 20 + i, "tier": "ab"[i % 2]}) for i in range(25)}
    panel = make_panel(make_reviews(rows), users=make_users(features))
    basis = fit_basis(panel, panel_spec(panel))
    assert "c__user__age" in basis.names
    assert "c__user__tier=b" in basis.names
    without = make_panel(make_reviews(rows), users=make_users({}))
    assert np.isfinite(basis.transform(without)).all()


def test_only_the_most_common_features_become_controls():
    rows = [(f"u{i}", "a", 0, 5) for i in range(30)]
    features = {f"u{i}": json.dumps({"common": i, f"odd{i}": 1}) for i in range(30)}
    panel = make_panel(make_reviews(rows), users=make_users(features))
    spec = panel_spec(panel, max_features=1)
    assert [n for n in spec.numeric if n.startswith("c__user__")] == ["c__user__common"]


def test_few_whole_numbers_of_users_are_levels():
    n = 600
    rows = [(f"u{i}", f"i{i % 5}", i % 25, i % 5 + 1) for i in range(n)]
    features = {
        f"u{i}": json.dumps({"job": i % 21, "age": i % 22, "is_new": i % 2, "score": i % 7 / 2})
        for i in range(n)
    }
    panel = make_panel(make_reviews(rows), users=make_users(features))
    spec = panel_spec(panel)
    assert [n for n in spec.categorical if n.startswith("c__user__")] == ["c__user__job"]
    numbers = {n for n in spec.numeric if n.startswith("c__user__")}
    assert numbers == {f"c__user__{name}" for name in ("age", "is_new", "score")}
    basis = fit_basis(panel, spec)
    levels = [i for i, name in enumerate(basis.names) if name.startswith("c__user__job=")]
    columns = np.column_stack([np.ones(n), basis.transform(panel)[:, levels]])
    jobs = np.arange(n) % 21
    spikes = (jobs == 7).astype(float) - 2 * (jobs == 20)
    order = [int(r[1:]) for r in panel["review_id"]]
    fitted = columns @ np.linalg.lstsq(columns, spikes[order], rcond=None)[0]
    np.testing.assert_allclose(fitted, spikes[order], atol=1e-9)
    later = panel.with_columns(pl.lit("14").alias("c__user__job"))
    assert np.isfinite(basis.transform(later)).all()


def test_a_number_for_missing_among_levels_is_missing():
    n = 400
    rows = [(f"u{i}", f"i{i % 5}", i % 25, i % 5 + 1) for i in range(n)]
    jobs = [-999 if i % 8 == 0 else i % 5 for i in range(n)]
    features = {f"u{i}": json.dumps({"job": job}) for i, job in enumerate(jobs)}
    panel = make_panel(make_reviews(rows), users=make_users(features))
    basis = fit_basis(panel, panel_spec(panel))
    (term,) = (term for term in basis.terms if term.name == "c__user__job")
    assert term.codes == (-999.0,)
    missing = basis.transform(panel)[:, basis.names.index("c__user__job=(missing)")] > 0
    assert missing.sum() == n / 8
    assert missing.tolist() == (panel["c__user__job"] == -999).to_list()
    assert "c__user__job=-999" not in basis.names
    assert Basis.from_json(basis.to_json()) == basis
