"""A treatment dealt to groups is told where rows are counted one by one, and only where it matters."""

import numpy as np
import polars as pl
import pytest

from tests.effects.confounded import ask, says


def draw_users(
    seed: int, *, apart: float = 1.0, by_row: bool = False, users: int = 150
) -> pl.DataFrame:
    """Ten rows a user, who is treated in all of them; outcomes of a user lie `apart` from others'."""
    rng = np.random.default_rng(seed)
    user = np.repeat(np.arange(users), 10)
    age, own, dealt = rng.normal(size=users), rng.normal(size=users), rng.random(users) < 0.5
    z = rng.normal(size=len(user))
    d = (rng.random(len(user)) < 0.5 if by_row else dealt[user]).astype(int)
    y = 0.3 * d + age[user] + apart * own[user] + z + rng.normal(size=len(user))
    return pl.DataFrame(
        {"user": [f"u{one}" for one in user], "age": age[user], "z": z, "d": d, "y": y}
    )


def test_a_treatment_by_user_is_told_where_no_cluster_is_named():
    frame = draw_users(0)
    answer = ask(frame, ["age", "z"])
    assert answer["verdict"] == "weak"
    assert says(answer, "rows of the same user (150 of them) were treated alike")
    assert says(answer, "name it by --cluster user")
    assert says(ask(frame, ["z"], is_experiment=True, estimators=["lin"]), "by --cluster user")
    clustered = ask(frame, ["age", "z"], cluster="user")
    assert not says(clustered, "treated alike")
    widths = [one["estimates"][0]["std_error"] for one in (clustered, answer)]
    assert widths[0] > 1.8 * widths[1]


def test_a_control_that_tells_users_stands_in_for_them():
    answer = ask(draw_users(0).drop("user"), ["age", "z"])
    assert answer["verdict"] == "weak"
    assert says(answer, "name what tells such rows by --cluster (as age does)")


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("how", [{"apart": 0.0}, {"by_row": True}])
def test_groups_that_do_not_narrow_an_interval_are_not_accused(seed: int, how: dict[str, float]):
    assert not says(ask(draw_users(seed, **how), ["age", "z"]), "treated alike")


def test_what_followed_the_treatment_tells_no_groups():
    rng = np.random.default_rng(3)
    frame = draw_users(3, apart=0.0)
    spent = rng.integers(1, 40, frame.height)
    paid = frame.with_columns(
        paid=pl.col("d") * spent,
        y=pl.col("y") + 0.2 * pl.col("d") * spent,
        tags=pl.lit(["a", "b"]),
        raw=pl.lit(b"x"),
    ).with_columns(grade=(6 * pl.col("y")).round())
    assert not says(ask(paid, ["age", "z"]), "treated alike")
