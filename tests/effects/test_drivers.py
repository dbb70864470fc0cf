"""What moves the rating, from one table."""

import numpy as np
import polars as pl
import pytest

from tasks.effects.agreement import check_sample
from tasks.effects.drivers import estimate_drivers
from tasks.effects.estimate import Method
from tasks.platform.errors import ConfigError, EstimationError, InputError
from tests.effects.worlds import TRUTH, make_world


def make_table(rng: np.random.Generator, rows: int = 6000) -> pl.DataFrame:
    world = make_world(rng, rows=rows)
    words = {1: "Positive", -1: "Negative", 0: "unknown"}
    polarity = {
        name: [words[int(v)] for v in world.d[:, 2 * a] - world.d[:, 2 * a + 1]]
        for a, name in enumerate(TRUTH)
    }
    return world.frame().select("x1", "x2", "rating", "user_id").with_columns(**{
        name: pl.Series(values) for name, values in polarity.items()
    })  # fmt: skip


def drive(frame: pl.DataFrame, **given) -> list[dict]:
    options = {"outcome": "rating", "attributes": list(TRUTH), "controls": ["x1", "x2"]}
    return estimate_drivers(frame, **(options | given))


def test_drivers_hold_the_truth_where_the_naive_difference_does_not():
    rows = drive(make_table(np.random.default_rng(1)), cluster="user_id")
    assert [row["attribute"] for row in rows] == list(TRUTH)
    for row in rows:
        positive, negative = TRUTH[row["attribute"]]
        assert row["contrast"] == "negative_to_positive"
        assert abs(row["estimate"] - (positive - negative)) < 3 * row["std_error"]
        assert row["naive"] > positive - negative + 1
        assert (row["n"], row["n_positive"], row["n_negative"]) == (6000, 480, 480)


def test_more_clusters_than_memory_allows_share_buckets(monkeypatch):
    frame = make_table(np.random.default_rng(2))
    exact = drive(frame)
    monkeypatch.setattr("tasks.effects.drivers._MAX_CELLS", 200 * 14**2)
    coarse = drive(frame)
    for one, other in zip(exact, coarse, strict=True):
        assert other["estimate"] == pytest.approx(one["estimate"], abs=one["std_error"] / 3)
        assert other["std_error"] == pytest.approx(one["std_error"], rel=0.25)


def test_undecided_and_incomplete_rows_are_dropped_and_counted():
    frame = make_table(np.random.default_rng(3)).with_columns(
        sound=pl.when(pl.int_range(pl.len()) < 5).then(pl.lit("no majority")).otherwise("sound"),
        rating=pl.when(pl.int_range(pl.len()) > 5990).then(None).otherwise("rating"),
    )
    row = drive(frame)[0]
    assert row["n"] == 6000 - 5 - 9
    assert "5 rows with 'no majority' on an attribute were dropped" in row["reasons"]
    assert "9 rows without rating were dropped" in row["reasons"]


def test_an_attribute_with_few_mentions_has_no_result():
    frame = make_table(np.random.default_rng(4)).with_columns(sound=pl.lit("unknown"))
    row = drive(frame)[0]
    assert row["verdict"] == "no result"
    assert row["estimate"] is None


def test_min_mentions_is_heeded():
    frame = make_table(np.random.default_rng(5))
    assert all(r["estimate"] is None for r in drive(frame, method=Method(min_mentions=500)))


def test_roles_are_checked():
    frame = make_table(np.random.default_rng(6), rows=100)
    with pytest.raises(ConfigError, match="twice"):
        drive(frame, controls=["sound"])
    with pytest.raises(ConfigError, match="no attributes"):
        drive(frame, attributes=[])
    with pytest.raises(InputError, match="colour"):
        drive(frame, attributes=["colour"])


def make_misread(rng: np.random.Generator, rows: int = 1500) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A table whose attributes are read wrong in a fifth of the cells, and labels of 200 rows."""
    frame = make_table(rng, rows=rows)
    sample = np.sort(rng.choice(rows, 200, replace=False))
    gold = frame[sample].select(*TRUTH).with_columns(row=pl.Series(sample))
    for name in TRUTH:
        labels = frame[name].replace_strict({"Positive": 1, "Negative": -1, "unknown": 0})
        is_wrong = rng.random(rows) < 0.3
        read = np.where(is_wrong, rng.integers(-1, 2, rows), labels.to_numpy())
        sure = np.where(read == 0, np.nan, np.where(is_wrong, 0.5, 0.8))
        frame = frame.with_columns(
            pl.Series(read).alias(name),
            pl.Series(sure).fill_nan(None).alias(f"{name}__confidence"),
        )
    return frame, gold


def test_gold_labels_correct_what_misreading_does():
    frame, gold = make_misread(np.random.default_rng(12))
    rows = drive(frame, gold=gold)
    for row in rows:
        positive, negative = TRUTH[row["attribute"]]
        assert abs(row["estimate"] - (positive - negative)) < 3 * row["std_error"]
        assert any(
            said.startswith("corrected for misreading with 200 labelled reviews,")
            for said in row["reasons"]
        )
        assert row["uncorrected"] == pytest.approx(
            next(r["estimate"] for r in drive(frame) if r["attribute"] == row["attribute"])
        )
    shrunk = [abs(row["uncorrected"]) < abs(row["estimate"]) for row in rows]
    assert sum(shrunk) >= len(rows) - 1


def test_gold_rows_that_cannot_be_used_are_counted():
    frame, gold = make_misread(np.random.default_rng(13))
    first = int(gold["row"][0])
    name = next(iter(TRUTH))
    frame = frame.with_columns(
        rating=pl.when(pl.int_range(pl.len()) == first).then(None).otherwise("rating")
    )
    gold = gold.with_columns(
        pl.when(pl.int_range(pl.len()) == 1).then(pl.lit("no majority")).otherwise(name).alias(name)
    )
    reasons = drive(frame, gold=gold)[0]["reasons"]
    assert "gold: 1 rows with 'no majority' on an attribute were dropped" in reasons
    assert "gold: 1 labelled reviews are not among the rows that are used" in reasons
    assert any(
        said.startswith("corrected for misreading with 198 labelled reviews,") for said in reasons
    )


def test_gold_rows_are_rows_of_the_table_each_once():
    frame, gold = make_misread(np.random.default_rng(14))
    with pytest.raises(InputError, match="labelled twice"):
        drive(frame, gold=pl.concat([gold, gold[:1]]))
    with pytest.raises(InputError, match="the table has rows 0 to 1499"):
        drive(frame, gold=gold.with_columns(row=pl.col("row") + 1000))


def test_without_controls_no_effect_is_credible():
    frame = make_table(np.random.default_rng(15))
    assert {row["verdict"] for row in drive(frame)} == {"credible"}
    for row in drive(frame, controls=[]):
        assert row["verdict"] == "weak"
        assert "no controls that vary" in row["reasons"][0]


def test_a_control_that_is_adjusted_for_in_part_makes_effects_weak():
    frame = make_table(np.random.default_rng(16)).with_columns(
        shop=pl.int_range(pl.len()).mod(3000).cast(pl.String)
    )
    rows = drive(frame, controls=["x1", "x2", "shop"])
    assert {row["verdict"] for row in rows} == {"weak"}
    assert all("control shop" in row["reasons"][0] for row in rows)


def test_labels_on_the_row_beside_their_own_are_seen():
    frame, gold = make_misread(np.random.default_rng(17))
    inner = gold.filter(pl.col("row").is_between(1, 1498))
    with pytest.raises(InputError, match=r"with the row before in [789].%.*subtract 1"):
        drive(frame, gold=inner.with_columns(row=pl.col("row") + 1))
    with pytest.raises(InputError, match=r"with the row after in [789].%.*add 1"):
        drive(frame, gold=inner.with_columns(row=pl.col("row") - 1))


@pytest.mark.slow
def test_labels_that_belong_to_other_rows_make_no_effect_credible():
    frame, gold = make_misread(np.random.default_rng(18))
    strays = gold.with_columns(row=pl.col("row").shuffle(seed=1))
    for row in drive(frame, gold=strays):
        assert row["verdict"] == "not credible"
        assert "are they on the rows of their own reviews?" in row["reasons"][0]
    few = strays[:30]
    assert {row["verdict"] for row in drive(frame, gold=few)} <= {
        "weak",
        "not credible",
        "no result",
    }


def test_columns_may_be_named_with_a_prefix_that_is_not_shown():
    frame = make_table(np.random.default_rng(19))
    renamed = frame.rename({name: f"read:{name}" for name in TRUTH})
    assert drive(renamed, prefix="read:") == drive(frame)
    alone = renamed.with_columns(pl.lit("unknown").alias("read:sound"))
    reason = next(r for r in drive(alone, prefix="read:") if r["attribute"] == "sound")["reasons"][
        0
    ]
    assert reason.startswith("sound is mentioned")


def test_a_control_that_does_not_vary_is_none():
    frame = make_table(np.random.default_rng(20)).with_columns(shop=pl.lit("only"), one=pl.lit(1))
    for row in drive(frame, controls=["shop", "one"]):
        assert row["verdict"] == "weak"
        assert any("no controls that vary" in reason for reason in row["reasons"])


def test_effects_say_how_strong_a_confounder_would_have_to_be():
    for row in drive(make_table(np.random.default_rng(21))):
        is_told = any("an unobserved confounder explaining" in reason for reason in row["reasons"])
        assert is_told == (not row["ci_low"] <= 0 <= row["ci_high"])


def test_unread_rows_are_left_out_and_labels_keep_their_places():
    frame, gold = make_misread(np.random.default_rng(22))
    first = int(gold["row"][0])
    rows = drive(frame, gold=gold, unread=[0, first])
    assert {row["n"] for row in rows} == {1498 - (first == 0)}
    reasons = rows[0]["reasons"]
    assert not any("without rating" in reason for reason in reasons)
    assert "gold: 1 labelled reviews are not among the rows that are used" in reasons


@pytest.mark.slow
def test_labels_of_a_part_of_the_reviews_make_no_effect_credible():
    frame, _ = make_misread(np.random.default_rng(23))
    true = make_table(np.random.default_rng(23), rows=1500).select(*TRUTH)
    rng = np.random.default_rng(1)
    happy = np.flatnonzero(frame["rating"].to_numpy() > frame["rating"].median())
    for rows, is_part in ((happy, True), (np.arange(1500), False)):
        sample = np.sort(rng.choice(rows, 200, replace=False))
        found = drive(frame, gold=true[sample].with_columns(row=pl.Series(sample)))
        for row in found:
            assert any("no random sample" in reason for reason in row["reasons"]) == is_part
            assert (row["verdict"] == "not credible") == is_part


def test_labels_of_reviews_that_mention_something_are_no_random_sample():
    frame, _ = make_misread(np.random.default_rng(25))
    true = make_table(np.random.default_rng(25), rows=1500).select(*TRUTH)
    told = frame.select(pl.any_horizontal(pl.col(name) != 0 for name in TRUTH)).to_series()
    rng = np.random.default_rng(1)
    mentioned = np.flatnonzero(told.fill_null(value=False).to_numpy())
    for rows, is_part in ((mentioned, True), (np.arange(1500), False)):
        sample = np.sort(rng.choice(rows, 200, replace=False))
        for row in drive(frame, gold=true[sample].with_columns(row=pl.Series(sample))):
            assert any("no random sample" in reason for reason in row["reasons"]) == is_part


def test_one_rating_for_all_is_said_and_nothing_is_estimated():
    frame = make_table(np.random.default_rng(3), rows=300).with_columns(rating=pl.lit(5.0))
    with pytest.raises(EstimationError, match="rating is 5 in all 300 rows"):
        drive(frame)


def test_random_samples_are_seldom_called_odd():
    rng = np.random.default_rng(2)
    outcome, controls = rng.integers(1, 6, 3000).astype(float), rng.normal(size=(3000, 12))
    odd = sum(
        bool(check_sample(rng.choice(3000, 200, replace=False), outcome, controls))
        for _ in range(200)
    )
    assert odd <= 6


def test_labels_with_their_signs_reversed_make_no_effect_credible():
    frame, gold = make_misread(np.random.default_rng(24))
    swapped = gold.with_columns(
        pl.col(name).replace({"Positive": "Negative", "Negative": "Positive"}) for name in TRUTH
    )
    for row in drive(frame, gold=swapped):
        assert row["verdict"] == "not credible"
        assert any("are the signs of the labels reversed?" in reason for reason in row["reasons"])


@pytest.mark.parametrize("kind", ["together", "bent"])
def test_what_controls_do_together_or_in_bends_is_taken_out(kind):
    rng = np.random.default_rng(0)
    quality, taste = rng.normal(size=(2, 4000))
    moves = quality * np.sign(taste) if kind == "together" else np.cos(3 * quality)
    chance = 1 / (1 + np.exp(-1.5 * moves))
    said = np.where(rng.random(4000) < 0.6, np.where(rng.random(4000) < chance, 1, -1), 0)
    stars = 3 + 0.25 * said + 0.6 * moves + rng.normal(size=4000)
    (row,) = estimate_drivers(
        pl.DataFrame({"stars": stars, "quality": quality, "taste": taste > 0, "food": said}),
        outcome="stars", attributes=["food"], controls=["quality", "taste"],
    )  # fmt: skip
    assert row["ci_low"] < 0.5 < row["ci_high"]
    assert row["naive"] > 0.8
