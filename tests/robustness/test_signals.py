"""Each signal is large for what it is about, and for nothing else."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from tasks.robustness.corpus import make_corpus
from tasks.robustness.near_text import nearest_texts
from tasks.robustness.signals import (
    BURST_DAYS,
    measure_company,
    measure_deviation,
    measure_extremes,
    measure_item_bursts,
    measure_pace,
    measure_signals,
    measure_surprise,
)
from tests.robustness.worlds import START, toy_corpus

MAX_SE = 4.0


def build(rows: list[tuple[str, str, int, float]], **columns):
    frame = pl.DataFrame(
        {
            "user_id": [row[0] for row in rows],
            "item_id": [row[1] for row in rows],
            "event_date": [START + dt.timedelta(days=row[2]) for row in rows],
            "rating": [row[3] for row in rows],
            **columns,
        }
    )
    return make_corpus(frame)


def test_pace_is_the_chance_of_so_short_a_span():
    rng = np.random.default_rng(0)
    n, draws = 400, 4000
    day = np.arange(n) % 40
    rows = [(f"u{at}", "a", int(day[at]), 3.0) for at in range(n)]
    rows[0], rows[1], rows[2] = (("x", "a", d, 3.0) for d in (4, 6, 7))
    corpus = build(rows)
    pace = measure_pace(corpus)[corpus.users.index("x")]
    spans = np.ptp(rng.random((draws, 3)), axis=1)
    chance = (spans <= 4 / 40).mean()
    assert 10**-pace == pytest.approx(chance, abs=MAX_SE * np.sqrt(chance / draws) + 0.003)


def test_an_account_of_one_review_has_no_pace():
    corpus = build([("x", "a", 0, 3.0), ("y", "a", 9, 3.0), ("y", "b", 9, 3.0)])
    assert measure_pace(corpus)[corpus.users.index("x")] == 0


def test_a_crowd_on_one_item_bursts_and_a_busy_day_does_not():
    rng = np.random.default_rng(0)
    rows = [(f"u{at}", f"i{at % 20}", int(rng.integers(60)), 3.0) for at in range(600)]
    rows += [(f"v{at}", f"i{at % 20}", 30, 3.0) for at in range(100)]
    quiet = measure_item_bursts(build(rows)).max()
    crowd = [(f"w{at}", "i3", 45 + at % BURST_DAYS, 3.0) for at in range(20)]
    corpus = build(rows + crowd)
    bursts = measure_item_bursts(corpus)
    assert bursts[-20:].min() > 2 * quiet


def test_surprise_heeds_what_the_text_says():
    corpus = toy_corpus()
    deaf = make_corpus(corpus.frame)
    assert measure_surprise(corpus).mean() < 0.95 * measure_surprise(deaf).mean()


def test_accounts_that_rate_the_same_rare_items_alike_keep_company():
    rng = np.random.default_rng(0)
    rows = [
        (f"u{at // 5}", f"i{rng.integers(60)}", 0, float(rng.integers(1, 6))) for at in range(600)
    ]
    gang = [(f"g{at}", f"i{item}", 0, 5.0) for at in range(12) for item in (50, 51, 52, 53)]
    corpus = build(rows + gang)
    company = measure_company(corpus)
    is_gang = np.array([name.startswith("g") for name in corpus.users])
    assert company[is_gang].min() > np.quantile(company[~is_gang], 0.95)


def test_extremes_grow_with_their_number():
    rows = [(f"u{at}", "a", 0, 3.0) for at in range(100)]
    rows += [("x", f"b{at}", 0, 5.0) for at in range(9)] + [("y", "b0", 0, 1.0)]
    corpus = build(rows)
    extremes = measure_extremes(corpus)
    x, y = corpus.users.index("x"), corpus.users.index("y")
    assert extremes[x] == pytest.approx(3 * extremes[y])


def test_deviation_counts_for_more_on_rarely_rated_items():
    rng = np.random.default_rng(0)
    rows = [(f"u{at}", "common", 0, float(rng.integers(2, 5))) for at in range(300)]
    rows += [(f"v{at}", "rare", 0, 3.0) for at in range(3)]
    corpus = build([*rows, ("x", "common", 0, 5.0), ("y", "rare", 0, 5.0), ("z", "common", 0, 3.0)])
    found = dict(zip(corpus.users, measure_deviation(corpus), strict=True))
    assert found["y"] > 3 * abs(found["x"])
    assert found["x"] > found["z"]


def test_copied_text_is_another_accounts_text():
    texts = [
        "this tuner holds its tuning for weeks", "this tuner holds its tuning for weeks!",
        "lovely strap with soft padding", "lovely strap with soft padding",
        "a plain cable that does the job",
    ] + [f"unrelated words number {at} zebra{at}" for at in range(60)]  # fmt: skip
    user = np.array([0, 1, 2, 2, 3, *range(4, 64)])
    near = nearest_texts(texts, user)
    assert near[:2].min() > 0.9
    assert near[2:5].max() < 0.5


def test_texts_without_words_copy_nothing():
    assert not nearest_texts(["", "", "1"], np.arange(3)).any()


def test_what_cannot_be_computed_is_said():
    corpus = make_corpus(toy_corpus().frame.select("user_id", "item_id", "rating"))
    signals = measure_signals(corpus)
    assert len(signals.left_out) == 2
    assert "item burst" not in signals.user_names
    assert signals.of_users.shape == (len(corpus.users), len(signals.user_names))
    assert np.isfinite(signals.of_users).all()
