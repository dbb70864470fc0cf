"""What controls leave in the effect of an attribute is told as it is of any treatment; harmless ones are not accused."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from tasks.effects.basis import FloatArray
from tasks.effects.drivers import estimate_drivers

N = 1200
TRUE = 0.5
"""From a complaint about food to praise of it."""


def review(rng: np.random.Generator, moves: FloatArray, **columns: Any) -> pl.DataFrame:
    """`moves` (n,) moves both whether food is praised and the rating; service follows nothing."""
    n = len(moves)
    is_good = rng.random(n) < 1 / (1 + np.exp(-1.5 * moves))
    food = np.where(rng.random(n) < 0.6, np.where(is_good, 1, -1), 0)
    service = rng.choice([-1, 0, 1], n, p=[0.25, 0.5, 0.25])
    stars = 3 + TRUE / 2 * food + 0.2 * service + 0.6 * moves + rng.normal(size=n)
    return pl.DataFrame({"stars": stars, "food": food, "service": service, **columns})


def drive(frame: pl.DataFrame, *controls: str, **how: Any) -> dict[str, dict[str, Any]]:
    rows = estimate_drivers(
        frame, outcome="stars", attributes=["food", "service"], controls=controls, **how
    )
    return {row["attribute"]: row for row in rows}


def says(row: dict[str, Any], text: str) -> bool:
    return any(text in reason for reason in row["reasons"])


@pytest.mark.parametrize("items", [40, 400])
def test_numbers_of_items_as_a_control_make_the_effect_that_they_confound_weak(items: int) -> None:
    rng = np.random.default_rng(1)
    item, liking = rng.integers(0, items, N), rng.normal(size=items)
    number = 1000 + 17 * rng.permutation(items)
    found = drive(review(rng, liking[item], item=number[item]), "item")
    assert found["food"]["ci_low"] > TRUE, "what is liked about an item is not adjusted for"
    assert found["food"]["verdict"] == "weak"
    assert says(found["food"], "look like codes: mention and outcome have means by value")
    assert found["service"]["verdict"] == "credible", "nobody speaks of service by item"


@pytest.mark.parametrize("seed", range(8))
def test_numbers_of_items_that_move_the_rating_alone_are_no_fault(seed: int) -> None:
    rng = np.random.default_rng(seed)
    item, liking = rng.integers(0, 40, N), rng.normal(size=40)
    frame = review(rng, np.zeros(N), item=(1000 + 17 * rng.permutation(40))[item])
    frame = frame.with_columns(stars=pl.col("stars") + pl.Series(liking[item]))
    for row in drive(frame, "item").values():
        assert not says(row, "look like codes")


def draw_shops(seed: int, *, confounds: float) -> pl.DataFrame:
    """A tenth of the reviews are of 30 small shops."""
    rng = np.random.default_rng(seed)
    is_small = rng.random(N) < 0.1
    shop = np.where(is_small, 8 + rng.integers(0, 30, N), rng.integers(0, 8, N))
    moves = rng.normal(size=38)[shop] * np.where(is_small, confounds, 0.2)
    return review(rng, moves, shop=[f"s{one}" for one in shop])


def test_small_shops_that_confound_within_their_shared_column_are_found() -> None:
    found = [drive(draw_shops(seed, confounds=3.0), "shop")["food"] for seed in range(4)]
    assert np.mean([row["estimate"] for row in found]) > TRUE + 0.15
    assert sum(says(row, "told apart, they move the estimate by -") for row in found) >= 3
    assert all(says(row, "told apart") == (row["verdict"] != "credible") for row in found)


def test_small_shops_that_do_not_confound_are_not_accused() -> None:
    for seed in range(10):
        for row in drive(draw_shops(seed, confounds=0.0), "shop").values():
            assert not says(row, "these differ")


def draw_hole(seed: int, *, share: float, confounds: float) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=N)
    frame = review(rng, confounds * x, x=x, gone=rng.random(N) < share)
    return frame.with_columns(x=pl.when("gone").then(None).otherwise("x"))


@pytest.mark.parametrize(
    ("share", "confounds", "is_told"),
    [(0.08, 1.8, True), (0.08, 0.1, False), (0.005, 1.8, False)],
)
def test_a_hole_in_a_control_counts_by_what_it_may_leave_in(
    share: float, confounds: float, is_told: bool
) -> None:
    found = drive(draw_hole(2, share=share, confounds=confounds), "x")
    assert says(found["food"], "this may move the estimate by") == is_told
    assert found["food"]["verdict"] == ("weak" if is_told else "credible")
    assert found["service"]["verdict"] == "credible"


def test_what_others_say_beside_is_no_hole_of_a_control() -> None:
    rng = np.random.default_rng(3)
    frame = review(rng, np.zeros(N), x=rng.normal(size=N), gone=rng.random(N) < 0.08)
    food = frame["food"].to_numpy()
    service = np.where(rng.random(N) < 0.8, food, frame["service"].to_numpy())
    frame = frame.with_columns(
        service=pl.Series(service), stars=pl.col("stars") + 2.0 * pl.Series(service),
        x=pl.when("gone").then(None).otherwise("x"),
    )  # fmt: skip
    row = drive(frame, "x")["food"]
    assert row["naive"] > 3, "food stands for service"
    assert not says(row, "this may move the estimate by")


def test_reviews_that_are_there_twice_make_effects_weak_where_no_cluster_names_them() -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(size=N)
    once = review(rng, 0.5 * x, x=x, number=np.arange(N)).with_columns(pl.col("stars").round())
    twice = pl.concat([once] * 2)
    for row in drive(twice, "x").values():
        assert row["verdict"] == "weak"
        assert says(row, "2,400 of 2,400 rows (100%) equal another row in outcome, attributes and")
    for frame, how in ((twice, {"cluster": "number"}), (once, {})):
        assert not any(says(row, "equal another") for row in drive(frame, "x", **how).values())


def test_reviews_of_few_levels_that_meet_by_chance_are_not_accused() -> None:
    for seed in range(10):
        rng = np.random.default_rng(seed)
        city, price = rng.integers(0, 5, N), rng.integers(0, 30, N)
        frame = review(rng, 0.3 * (city - 2), city=city, price=price)
        frame = frame.with_columns(pl.col("stars").round().clip(1, 5))
        for row in drive(frame, "city", "price").values():
            assert not says(row, "equal another")
