"""What is attacked is what was published and read."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from flows.attacks.sources import TextReader, load_warehouse
from tasks.platform.errors import ConfigError, InputError
from tasks.robustness.corpus import SAYS
from tests.flows.published import publish
from tests.robustness.worlds import toy_corpus
from tests.text.conftest import build_tiny_model


def load(config: str, **options):
    given = {"source": None, "attributes": ("price",), "as_of": None} | options
    return load_warehouse(config=config, **given)


def test_published_reviews_and_what_was_read_in_them_are_attacked(tmp_path):
    loaded = load(publish(tmp_path, "shop"))
    corpus = loaded.target.corpus
    assert loaded.source == "shop"
    assert corpus.n == toy_corpus().n
    expected = (
        toy_corpus()
        .frame.with_row_index("row")
        .select(
            "review_id",
            pl.when(pl.col("row") < 100).then(f"{SAYS}price").otherwise(0).alias("says"),
        )
    )
    joined = corpus.frame.join(expected, on="review_id")
    assert (joined["says"] == joined[f"{SAYS}price"]).all()
    assert set(loaded.target.items["brand"]) == {"acme"}


def test_days_after_as_of_are_not_seen(tmp_path):
    config = publish(tmp_path, "shop")
    last = dt.date(2024, 3, 10)
    assert load(config, as_of=last).target.corpus.frame["event_date"].max() <= last


def test_one_source_is_attacked_at_a_time(tmp_path):
    config = publish(tmp_path, "shop", "mall")
    with pytest.raises(ConfigError, match="name one with --source: mall, shop"):
        load(config)
    assert load(config, source="mall").source == "mall"
    with pytest.raises(ConfigError, match="no reviews of source 'kiosk'"):
        load(config, source="kiosk")


def test_an_empty_warehouse_says_what_to_do(tmp_path):
    with pytest.raises(InputError, match="run 'whyrec nightly'"):
        load(publish(tmp_path))


def test_names_are_those_that_were_given_and_no_two_are_one():
    reader = TextReader(("Battery Life", "price"), None)
    says, _ = reader(["The battery life is great, the price is awful."])
    assert says.tolist() == [[1, -1]]
    with pytest.raises(ConfigError, match="some are one"):
        TextReader(("battery life", "battery_life"), None)(["The battery life is great."])


def test_a_taught_extractor_reads_fakes_as_it_read_the_genuine_and_learns_nothing_of_them(tmp_path):
    build_tiny_model(tmp_path / "encoder")
    config = tmp_path / "whyrec.toml"
    config.write_text(
        f'[text]\nmodel = "{tmp_path / "encoder"}"\nbackend = "torch"\ndevice = "cpu"\n'
        '[extract]\nextractor = "distilled"\n[extract.distilled]\nsample = 50\n'
    )
    said = ("the food was great", "the food was bad", "slow service", "we had food")
    genuine = [f"{said[n % 4]}, day {n}" for n in range(60)]
    reader = TextReader(("food",), str(config), tuple(genuine), tuple(map(str, range(60))))
    before = reader(genuine)[0]
    assert {-1, 1} <= set(before.ravel().tolist())
    assert (reader(genuine[:2])[0] == before[:2]).all()


def test_fakes_are_read_by_the_extractor_that_reads_reviews():
    german = "Das Gerät ist wirklich ausgezeichnet, aber der Versand war leider viel zu langsam."
    says, is_read = TextReader(("price", "shipping"), None)(
        ["The price is excellent.", "What an awful shipping.", "I keep it on my desk.", german]
    )
    assert says.dtype == np.int8
    assert says.tolist() == [[1, 0], [0, -1], [0, 0], [0, 0]]
    assert is_read.tolist() == [True, True, True, False]
