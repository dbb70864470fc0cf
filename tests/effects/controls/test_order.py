"""The same rows in another order give the same answer."""

import numpy as np
import polars as pl
import pytest

from tasks.effects.controls.order import order_rows
from tasks.effects.table.estimate import estimate_table
from tasks.effects.table.question import ask


def draw(seed: int, n: int = 300) -> pl.DataFrame:
    """Rows of `x`, `town` (a tenth absent), `note`, `user`, `d` and `y`; the effect is 0.5."""
    rng = np.random.default_rng(seed)
    x, user = rng.normal(size=n).round(2), rng.integers(0, 80, n)
    d = (x + rng.normal(size=n) > 0).astype(int)
    town = rng.choice(["a", "b", "c"], n)
    return pl.DataFrame({
        "x": x, "town": pl.Series(town).set(pl.Series(rng.random(n) < 0.1), None),
        "note": rng.choice(["hot soup", "cold tea", "soup and tea", ""], n), "user": user,
        "d": d, "y": 0.5 * d + x + rng.normal(size=n),
    })  # fmt: skip


def shuffle(frame: pl.DataFrame, seed: int) -> pl.DataFrame:
    return frame[np.random.default_rng(seed).permutation(frame.height)]


def take_order(frame: pl.DataFrame) -> list[int]:
    return [int(place) for place in order_rows(list(frame))]


def test_order_is_of_what_rows_hold():
    frame, mixed = draw(0), shuffle(draw(0), 1)
    assert frame[take_order(frame)].equals(mixed[take_order(mixed)])
    assert take_order(frame) != list(range(frame.height))
    stored = frame.with_columns(
        pl.col("y") * 100, pl.col("user").cast(pl.Float64), pl.col("town").cast(pl.Categorical)
    )
    assert take_order(stored) == take_order(frame)
    assert take_order(frame.with_columns(pl.col("y").shuffle(0))) != take_order(frame)


def test_order_mixes_what_is_sorted():
    """Of rows sorted by one number the places of neighbours go together by nothing."""
    place = np.array(take_order(pl.DataFrame({"x": np.arange(5_000.0)})))
    assert abs(np.corrcoef(place[1:], place[:-1])[0, 1]) < 0.06  # 4 deviations of chance
    assert abs(np.corrcoef(place, np.arange(5_000))[0, 1]) < 0.06


def test_rows_that_are_alike_keep_their_order():
    frame = pl.DataFrame({"x": [2.0, 1.0] * 20, "y": [None, True] * 20})
    order = take_order(frame)
    assert sorted(order[:20]) == order[:20]
    assert sorted(order[20:]) == order[20:]
    assert len({place % 2 for place in order[:20]}) == 1


@pytest.mark.parametrize("cluster", [None, "user"])
def test_a_table_in_another_order_gets_the_same_answer(cluster: str | None):
    frame = draw(1)
    vectors = np.random.default_rng(2).normal(size=(frame.height, 6))
    frame = frame.with_columns(pl.Series("row", np.arange(frame.height)))
    answers = []
    for table in (frame, shuffle(frame, 3), frame.sort("y")):
        answers.append(
            estimate_table(
                table, outcome="y", treatment="d", controls=["x", "town"], cluster=cluster,
                estimators=["plr", "diff"], vectors={"note": vectors[table["row"].to_numpy()]},
                is_checked=False,
            )
        )  # fmt: skip
    assert answers[0] == answers[1] == answers[2]


@pytest.mark.slow
def test_learners_and_effects_of_rows_go_by_no_order():
    frame = draw(4)
    answers = [
        estimate_table(
            table, outcome="y", treatment="d", controls=["x", "town"],
            estimators=["irm", "balance"], has_effects=True,
        )
        for table in (frame, shuffle(frame, 5))
    ]  # fmt: skip
    places = np.random.default_rng(5).permutation(frame.height)
    first, second = ([one["cate"] for one in answer.pop("cate")] for answer in answers)
    assert [first[place] for place in places] == second
    assert answers[0] == answers[1]


def test_a_question_names_the_places_of_its_rows():
    frame = draw(6).with_columns(
        y=pl.when(pl.int_range(pl.len()) % 7 == 0).then(None).otherwise("y")
    )
    question = ask(
        frame, outcome="y", treatment="d", controls=["x"], cluster=None, folds=5, max_levels=20
    )
    raw = frame["y"].to_numpy()[question.row]
    assert np.allclose(question.raw_outcome, raw - raw.mean())
    assert np.array_equal(question.is_treated, frame["d"].to_numpy()[question.row])
