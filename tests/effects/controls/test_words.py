"""Words chosen as controls: what confounds is found, what does not is left alone."""

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from tasks.effects.controls.words import (
    Text,
    choose_columns,
    make_splitter,
    measure_length,
    measure_numbers,
)
from tasks.effects.table.estimate import estimate_table

ROWS = 800
WORDS = [f"word{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(80)]


def make_texts(seed: int) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Texts of 12 random words, embeddings that say nothing of them, and who says the first word."""
    rng = np.random.default_rng(seed)
    texts = [" ".join(rng.choice(WORDS, 12)) for _ in range(ROWS)]
    said = np.array([WORDS[0] in text.split() for text in texts], dtype=np.float64)
    return texts, rng.normal(size=(ROWS, 20)), said


def choose(texts: list[str], vectors: np.ndarray, *targets: np.ndarray):
    nothing = np.zeros((len(texts), 0))
    return choose_columns(Text(texts, vectors), vectors, nothing, vectors, targets)


def test_word_that_foretells_only_one_of_the_two_is_chosen_whichever_it_is():
    texts, vectors, said = make_texts(1)
    noise = np.random.default_rng(2).normal(size=(2, ROWS))
    for targets in ((said + 0.5 * noise[0], noise[1]), (noise[1], said + 0.5 * noise[0])):
        assert WORDS[0] in choose(texts, vectors, *targets).words


def test_topic_and_bend_of_an_embedding_are_chosen_where_they_foretell():
    texts, vectors, _ = make_texts(3)
    noise = np.random.default_rng(4).normal(size=(2, ROWS))
    bent = vectors[:, 0] ** 2
    chosen = choose(texts, vectors, bent + 0.3 * noise[0], noise[1])
    explained = chosen.columns @ np.linalg.lstsq(chosen.columns, bent, rcond=None)[0]
    assert chosen.others > 0
    assert np.corrcoef(explained, bent)[0, 1] > 0.8


def test_no_more_columns_are_chosen_than_one_for_fifteen_rows():
    texts, vectors, _ = make_texts(5)
    target = np.array([len(set(text)) for text in texts], dtype=np.float64)
    chosen = choose(texts, vectors, target, np.random.default_rng(6).normal(size=ROWS))
    assert chosen.columns.shape[1] <= ROWS // 15


def test_empty_texts_offer_nothing():
    target = np.random.default_rng(7).normal(size=100)
    chosen = choose([""] * 100, np.zeros((100, 3)), target, target)
    assert chosen.columns.shape == (100, 0)
    assert not measure_length([""] * 100).any()


@pytest.mark.parametrize("look", [lambda t: t.count("!") > 0, lambda t: len(t.split()) > 14])
def test_effect_confounded_by_how_a_text_looks_is_recovered(look: Callable[[str], bool]):
    rng = np.random.default_rng(10)
    texts = [
        " ".join(rng.choice(WORDS, rng.integers(8, 20))) + "!" * int(rng.random() < 0.4)
        for _ in range(ROWS)
    ]
    looks = np.array([look(text) for text in texts])
    d = (rng.random(ROWS) < np.where(looks, 0.8, 0.3)).astype(int)
    frame = pl.DataFrame({"text": texts, "d": d, "y": d + 3.0 * looks + rng.normal(size=ROWS)})
    answer = estimate_table(
        frame, outcome="y", treatment="d", vectors={"text": rng.normal(size=(ROWS, 20))},
        estimators=["plr"],
        is_checked=False,
    )  # fmt: skip
    one = answer["estimates"][0]
    assert abs(one["estimate"] - 1) < 3 * one["std_error"] < 0.4


def test_effect_confounded_by_a_word_that_embeddings_miss_is_recovered():
    # the naive difference is off by 3 (E[said | treated] - E[said | untreated]), about 0.8
    texts, vectors, said = make_texts(8)
    rng = np.random.default_rng(9)
    d = (rng.random(ROWS) < np.where(said == 1, 0.8, 0.3)).astype(int)
    frame = pl.DataFrame({"text": texts, "d": d, "y": 1.0 * d + 3.0 * said + rng.normal(size=ROWS)})
    answer = estimate_table(
        frame,
        outcome="y",
        treatment="d",
        vectors={"text": vectors},
        estimators=["plr"],
        is_checked=False,
    )
    one = answer["estimates"][0]
    assert abs(answer["naive"]["estimate"] - 1) > 3 * one["std_error"]
    assert abs(one["estimate"] - 1) < 3 * one["std_error"]
    assert any("words that foretell" in note and WORDS[0] in note for note in answer["reasons"])


def test_numbers_in_texts_are_read_as_numbers() -> None:
    texts = ["I came 3 times", "bought 10 for 2.50", "none", "flat B12 of 2019x"] * 10
    columns = measure_numbers(texts)
    assert columns.shape == (40, 3)
    has_any, first, most = columns[:4].T
    assert has_any[0] == has_any[1] > has_any[2] == has_any[3]
    assert first[0] < first[2] < first[1], "texts without one lie in between"
    assert most[1] > most[0]
    assert measure_numbers(["no number here"] * 40).shape == (40, 0)
    assert measure_numbers(["it is 5"] * 40).shape == (40, 0), "all the same"
    assert np.isfinite(measure_numbers(["9" * 12, "1"] * 20)).all()


def test_a_number_in_a_text_that_confounds_is_controlled_for() -> None:
    rng = np.random.default_rng(3)
    times = rng.integers(1, 13, 900)
    z = (times - times.mean()) / times.std()
    treated = rng.random(900) < 1 / (1 + np.exp(-1.5 * z))
    texts = [
        f"I have bought here {n} times, and the weather is {w}."
        for n, w in zip(times, rng.choice(["fine", "bad"], 900), strict=True)
    ]
    frame = pl.DataFrame(
        {"y": treated + 1.5 * z + rng.normal(size=900), "d": treated.astype(int), "text": texts}
    )
    answer = estimate_table(
        frame, outcome="y", treatment="d", vectors={"text": rng.normal(size=(900, 16))},
        estimators=["plr", "diff"], is_checked=False,
    )  # fmt: skip
    assert answer["estimates"][0]["ci_low"] < 1 < answer["estimates"][0]["ci_high"]
    assert answer["naive"]["ci_low"] > 2


@pytest.mark.parametrize(
    ("with_it", "without", "name"),
    [
        ("walks 😀 home", "walks 😡 home", "😀"),
        ("gets grade a here", "gets grade b here", "a"),
        ("毎日は筋肉です", "毎日は怠惰です", "筋肉"),
        ("ผมฟิตแล้ว", "ผมขี้เกียจแล้ว", "ฟิ"),
    ],
)
def test_sign_or_letters_that_confound_are_told_where_no_space_sets_them_apart(
    with_it: str, without: str, name: str
):
    rng = np.random.default_rng(12)
    said = rng.random(ROWS) < 0.5
    texts = [with_it if one else without for one in said]
    words = choose(texts, rng.normal(size=(ROWS, 20)), said + rng.normal(size=ROWS)).words
    split = make_splitter(texts)
    assert name in split(with_it)
    assert set(words) & (set(split(with_it)) ^ set(split(without)))


def test_marks_stay_with_their_letters_and_parts_of_an_emoji_make_no_empty_words():
    texts = ["हिन्दी भाषा", "cafe\u0301 ❤️", "don't"]
    split = make_splitter(texts)
    assert [split(text) for text in texts] == [
        ["हिन्दी", "भाषा"], ["cafe\u0301", "❤"], ["don", "'", "t"],
    ]  # fmt: skip


def test_a_column_may_be_a_category_and_a_text_at_once():
    rng = np.random.default_rng(13)
    said, noise = rng.random(ROWS) < 0.5, rng.normal(size=ROWS)
    d = (rng.random(ROWS) < 0.3 + 0.4 * said).astype(int)
    frame = pl.DataFrame(
        {"city": np.where(said, "Lille", "Lyon"), "d": d, "y": d + 2 * said + noise}
    )
    found = estimate_table(
        frame, outcome="y", treatment="d", controls=["city"], estimators=["plr"],
        is_checked=False, vectors={"city": rng.normal(size=(ROWS, 5))},
    )["estimates"][0]  # fmt: skip
    assert found["ci_low"] < 1 < found["ci_high"]
