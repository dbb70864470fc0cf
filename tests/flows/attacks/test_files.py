"""A file of reviews is attacked for what it holds; what is left out is counted and said."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from flows.attacks.files import load_file, read_dates
from flows.attacks.sources import Columns
from flows.cli import app
from flows.commands.attack import tell_rows
from tasks.platform.errors import InputError
from tasks.robustness.corpus import SAYS
from tests.robustness.worlds import toy_corpus

SAID = {1: "The price is excellent.", -1: "The price is awful.", 0: "I keep it on my desk."}
GERMAN = "Das Essen war hervorragend und der Service sehr freundlich."


def make_frame() -> pl.DataFrame:
    """100 people's reviews with a text that says of the price what is known, in column `price`."""
    frame = toy_corpus(n_users=100).frame.rename({f"{SAYS}price": "price", "event_date": "day"})
    return frame.with_columns(text=pl.col("price").replace_strict(SAID))


def keep(frame: pl.DataFrame, folder: Path) -> str:
    frame.write_csv(folder / "reviews.csv")
    return str(folder / "reviews.csv")


def attack(path: str, *arguments: str, code: int = 0, room: str = "effects") -> str:
    ran = CliRunner().invoke(app, ["attack", room, path, "--attacks", "noise", *arguments])
    assert ran.exit_code == code, ran.output
    return " ".join(ran.output.split())


def test_dates_are_read_from_days_times_and_seconds(tmp_path):
    frame = toy_corpus().frame.rename({f"{SAYS}price": "price"})
    stamps = frame["event_date"].cast(pl.Datetime("us"))
    written = frame.with_columns(
        time=stamps.dt.strftime("%Y-%m-%d %H:%M:%S"), seconds=stamps.dt.epoch("s"),
        thousandths=stamps.dt.epoch("ms"), millionths=stamps.dt.epoch("us"),
    )  # fmt: skip
    written.write_csv(tmp_path / "reviews.csv")
    for name in ("event_date", "time", "seconds", "thousandths", "millionths"):
        loaded = load_file(
            str(tmp_path / "reviews.csv"), Columns(date=name), attributes=("price",), config=None
        )
        assert loaded.target.corpus.frame["event_date"].sort().equals(frame["event_date"].sort())
        assert loaded.reader is None


def test_rows_without_a_rating_are_left_out(tmp_path):
    frame = toy_corpus().frame.rename({f"{SAYS}price": "price"})
    gaps = pl.when(pl.int_range(pl.len()) < 5).then(None).otherwise("rating")
    frame.with_columns(gaps.alias("rating")).write_csv(tmp_path / "reviews.csv")
    loaded = load_file(str(tmp_path / "reviews.csv"), Columns(), attributes=("price",), config=None)
    assert loaded.target.corpus.n == frame.height - 5


@pytest.mark.slow
def test_rows_are_used_left_out_or_unread_and_shares_are_of_those_used(tmp_path):
    frame = make_frame()
    at = pl.int_range(pl.len())
    spoilt = frame.with_columns(
        rating=pl.when(at % 4 == 0).then(None).otherwise("rating"),
        text=pl.when(at % 4 == 1).then(pl.lit(GERMAN)).otherwise("text"),
        user_id=pl.when(at == 3).then(None).otherwise("user_id"),
    ).drop("price")
    path = keep(spoilt, tmp_path)
    no_rating, unread = -(-frame.height // 4), len(range(1, frame.height, 4))
    used = frame.height - no_rating - unread - 1
    asked = ("--attributes", "price", "--text", "text", "--size", "0.1", "--most", "0.1")
    document = json.loads(attack(path, *asked, "--json"))
    assert document["rows"] == {
        "used": used, "read": frame.height, "no_id": 1, "no_date": 0, "no_rating": no_rating,
        "not_read": unread, "reasons": {"language de is not read": unread},
    }  # fmt: skip
    assert document["n"] == used
    (noise,) = document["attacks"]
    assert noise["rows"] == round(0.1 * used)
    assert noise["smallest"]["looked_to"] == pytest.approx(0.1, abs=1 / used)
    assert document["says_from"] == "texts of text, read by the clauses extractor"
    assert tell_rows(document["rows"]) == (
        f"{frame.height:,} reviews read = {used:,} used + 1 without a user or item + {no_rating:,} "
        f"without a rating + {unread:,} not read (language de is not read: {unread:,})"
    )
    document = json.loads(attack(path, "--json", room="behaviour"))
    assert document["rows"]["used"] == document["n"] == frame.height - no_rating - 1


def test_a_rating_that_is_no_number_is_left_out_like_a_missing_one(tmp_path):
    frame = make_frame()
    nan = frame.with_columns(
        rating=pl.when(pl.int_range(pl.len()) == 0).then(np.nan).otherwise("rating")
    )
    nan.write_parquet(tmp_path / "reviews.parquet")
    document = json.loads(
        attack(str(tmp_path / "reviews.parquet"), "--attributes", "price", "--json")
    )
    assert (document["rows"]["no_rating"], document["n"]) == (1, frame.height - 1)


def test_ratings_in_words_and_days_that_are_numbers_are_refused_in_a_sentence(tmp_path):
    frame = make_frame().with_columns(
        stars=pl.col("rating").cast(pl.String) + " stars", number=pl.int_range(pl.len())
    )
    path = keep(frame, tmp_path)
    told = attack(path, "--attributes", "price", "--rating", "stars", code=2)
    assert "stars must be numbers" in told
    told = attack(path, "--attributes", "price", "--date", "number", code=2)
    assert "are no seconds since 1970" in told
    frame.with_columns(price_usd=pl.lit("$12.50")).write_csv(path)
    assert "price_usd must be numbers" in attack(path, "--attributes", "price", code=2)
    frame.with_columns(rating=None).write_csv(path)
    assert "none of the" in attack(path, "--attributes", "price", code=2)


def test_dates_of_whole_and_broken_numbers_by_hand():
    stamps = pl.Series("day", [1_709_251_200.5, None, 1_709_337_600.0])
    assert read_dates(stamps).cast(pl.String).to_list() == ["2024-03-01", None, "2024-03-02"]
    with pytest.raises(InputError, match="write them as 2024-03-01"):
        read_dates(pl.Series("day", [20_240_301, 20_240_302]))
    with pytest.raises(InputError, match=r"1 values of day .* such as 7; write"):
        read_dates(pl.Series("day", [1_709_251_200, 7]))


def test_rows_without_a_date_are_left_out_where_dates_are_named(tmp_path):
    frame = make_frame().with_columns(
        day=pl.when(pl.int_range(pl.len()) < 7).then(None).otherwise("day")
    )
    path = keep(frame, tmp_path)
    loaded = load_file(path, Columns(date="day"), attributes=("price",), config=None)
    assert (loaded.account.no_date, loaded.target.corpus.n) == (7, frame.height - 7)


def test_a_column_of_something_else_than_labels_does_not_stand_for_the_text(tmp_path):
    frame = make_frame()
    priced = frame.with_columns(price=pl.Series(np.linspace(5, 50, frame.height)).round(2))
    path = keep(priced, tmp_path)
    loaded = load_file(path, Columns(text="text"), attributes=("price",), config=None)
    assert loaded.target.corpus.frame[f"{SAYS}price"].to_list() == frame["price"].to_list()
    assert "columns of that name (price) hold no labels" in loaded.origin
    with pytest.raises(InputError, match="allowed are Positive"):
        load_file(path, Columns(), attributes=("price",), config=None)


def test_labels_are_taken_where_a_column_holds_them_and_that_is_said(tmp_path):
    frame = make_frame().with_columns(text=pl.lit(SAID[1]))
    undecided = frame["price"].cast(pl.String).to_list()
    undecided[0] = "no majority"
    path = keep(frame.with_columns(price=pl.Series(undecided)), tmp_path)
    loaded = load_file(path, Columns(text="text"), attributes=("price",), config=None)
    assert loaded.origin == "labels in the columns price; text is not read"
    assert loaded.account.reasons == {"no decided label": 1}
    assert loaded.target.corpus.frame[f"{SAYS}price"].to_list()[1:] == frame["price"].to_list()[1:]


@pytest.mark.slow
def test_a_clean_effect_that_holds_nothing_fixed_is_weak_and_says_why(tmp_path):
    path = keep(make_frame(), tmp_path)
    document = json.loads(attack(path, "--attributes", "price", "--json"))
    (clean,) = document["clean"]
    assert (clean["verdict"], clean["standing"]) == ("credible", "weak")
    assert document["held_fixed"] == []
    assert "unadjusted, and so weak at most" in document["caveats"][0]
    with_days = json.loads(attack(path, "--attributes", "price", "--date", "day", "--json"))
    assert {"day", "item_rating"} <= set(with_days["held_fixed"])
    assert with_days["clean"][0]["standing"] == "credible"
    assert "what kind of item" in with_days["caveats"][0]


def test_items_may_be_named_by_another_column_than_item_id(tmp_path):
    frame = make_frame().with_columns(sku="item_id", brand=pl.lit("Acme"), item_id=pl.lit("x"))
    loaded = load_file(
        keep(frame, tmp_path), Columns(item="sku"), attributes=("price",), config=None
    )
    assert set(loaded.target.items["item_id"]) == set(frame["sku"])
    assert set(loaded.target.items["brand"]) == {"Acme"}
