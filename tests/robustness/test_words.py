"""Words of texts, misspellings and neighbours."""

from pathlib import Path
from unicodedata import normalize

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tasks.platform.errors import InputError
from tasks.robustness.text.rewrites import SwapIdentity, load_names, load_opposites
from tasks.robustness.text.substitution import choose_vocabulary, find_neighbours
from tasks.robustness.text.typos import Keyboard, Misspell, SwapNeighbours, load_slips
from tasks.robustness.text.words import count_changed_words, match_case, split_words
from tests.text.conftest import find_real_data


@given(st.text())
@example("\u0a59 cafe\u0301")
def test_a_text_with_no_word_changed_is_itself(text: str) -> None:
    words = split_words(text)
    assert words.change({}) == text
    same = words.change({at: words.word(at) for at in range(len(words))})
    # a word is given with its accents as one letter, or as two where Unicode has no one letter
    assert normalize("NFC", same) == normalize("NFC", text)


def test_changed_words_keep_everything_between_them() -> None:
    words = split_words("So  good, isn’t it?\nYes <b>3</b>!")
    assert [words.word(at) for at in range(len(words))] == [
        "So", "good", "isn’t", "it", "Yes", "b", "b",
    ]  # fmt: skip
    assert words.change({1: "bad", 4: "No"}) == "So  bad, isn’t it?\nNo <b>3</b>!"
    assert split_words("was not good").change({1: ""}) == "was good"


@given(st.text(alphabet="abAB", min_size=1, max_size=8))
def test_swaps_are_other_words_of_the_same_letters(word: str) -> None:
    for variant in SwapNeighbours().variants(word):
        assert variant != word
        assert sorted(variant) == sorted(word)


def test_keys_next_to_the_right_one_are_hit() -> None:
    assert "goid" in Keyboard().variants("good")
    assert all(one[0] == "g" and one != "good" for one in Keyboard().variants("good"))


def test_words_are_misspelt_as_people_do_in_their_own_capitals() -> None:
    assert "Definately" in Misspell().variants("Definitely")
    assert "recieve" in Misspell().variants("receive")
    assert Misspell(slips={}).variants("belief")[0] == "beleif"


def test_a_list_of_misspellings_is_read_from_a_file_and_a_bad_one_refused(tmp_path: Path) -> None:
    file = tmp_path / "slips"
    file.write_text("luck lock lucke\nalone\n")
    assert Misspell(slips=load_slips(file)).variants("Luck") == ["Lock", "Lucke"]
    (tmp_path / "bare").write_text("alone\n")
    with pytest.raises(InputError, match="word slip slip"):
        load_slips(tmp_path / "bare")
    with pytest.raises(InputError, match="cannot read"):
        load_slips(tmp_path / "none")


def test_natural_misspellings_of_real_data_are_read() -> None:
    folder = find_real_data()
    if folder is None:
        pytest.skip("no real data")
    slips = load_slips(folder / "typo_noise" / "en.natural")
    assert "definately" in slips["definitely"]


def test_names_by_group_are_read_from_a_file_and_exchanged(tmp_path: Path) -> None:
    file = tmp_path / "names.json"
    file.write_text('{"a": ["Ann"], "b": ["Omar"], "note": "by hand", "none": []}')
    assert SwapIdentity(load_names(file)).rewrite(["Ann was here."]) == [["Omar was here."]]
    (tmp_path / "bad.json").write_text('{"a": ["Ann"]}')
    with pytest.raises(InputError, match="no two groups"):
        load_names(tmp_path / "bad.json")


def test_capitals_are_kept_and_changed_words_counted() -> None:
    assert [match_case("bad", like) for like in ("good", "Good", "GOOD", "G")] == [
        "bad", "Bad", "BAD", "Bad",
    ]  # fmt: skip
    assert count_changed_words("a b c d", "a x c d") == 1
    assert count_changed_words("a b c d", "b c d e f") == 3
    assert count_changed_words("", "") == 0


def test_neighbours_leave_out_opposites_forms_and_the_far_away() -> None:
    vocabulary = choose_vocabulary(["[CLS]", "##s", "nice", "decent", "bad", "goods", "dog", "the"])
    assert vocabulary == ["nice", "decent", "bad", "goods", "dog"]
    space = np.array([[1, 0], [0.8, 0.6], [1, 0], [1, 0], [0, 1]], dtype=np.float32)
    words = np.array([[1, 0], [0.1, 1], [1, 0]], dtype=np.float32)
    found = find_neighbours(["good", "cat", "cup"], words, vocabulary=vocabulary, space=space)
    # a judging word only becomes one that judges alike, and no other becomes a judging one
    assert found == {"good": ("nice", "decent"), "cat": ("dog",), "cup": ("goods",)}


def test_opposites_of_opposites_judge_as_the_word_itself() -> None:
    opposites = load_opposites()
    assert opposites["good"] == "bad"
    assert opposites["bad"] == "good"
    assert all(word != other for word, other in opposites.items())
