import numpy as np
import pytest

from tasks.text.polarity import load_lexicon
from tasks.text.spelling import Speller, WordIndex

WORDS = ("disappointed", "excellent", "ridiculously", "attentive", "noisy", "quality", "service")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("dissapointed", "disappointed"),
        ("disapointed", "disappointed"),
        ("excellet", "excellent"),
        ("excelllent", "excellent"),
        ("rediculously", "ridiculously"),
        ("attenitve", "attentive"),
        ("serviice", "service"),
    ],
)
def test_common_misspellings_find_their_word(written: str, meant: str) -> None:
    assert Speller(WordIndex(WORDS)).correct(written) == meant


@pytest.mark.parametrize("word", ["noise", "qualify", "severe", "retentive", "services", "café"])
def test_other_words_are_left_alone(word: str) -> None:
    """Short words, another first letter, another consonant or another ending: words of their own."""
    assert Speller(WordIndex(WORDS)).correct(word) == word


def test_a_known_word_is_never_changed() -> None:
    assert Speller(WordIndex([*WORDS, "dissapointed"])).correct("dissapointed") == "dissapointed"


def test_the_guess_does_not_depend_on_the_order_of_the_words() -> None:
    words = ["carbonate", "carbonite"]
    assert Speller(WordIndex(words)).correct("carbonate") == "carbonate"
    guesses = {
        Speller(*map(WordIndex, parts)).correct("carbonute")
        for parts in ([words], [words[::-1]], [words[:1], words[1:]], [words[1:], words[:1]])
    }
    assert guesses == {"carbonate"}


def test_words_in_two_indexes_are_known_as_in_one() -> None:
    known = sorted(load_lexicon().words)
    rng = np.random.default_rng(0)
    is_first = rng.random(len(known)) < 0.5
    one = Speller(WordIndex(known))
    two = Speller(
        WordIndex(w for w, i in zip(known, is_first, strict=True) if i),
        WordIndex(w for w, i in zip(known, is_first, strict=True) if not i),
    )
    changed = 0
    for word in rng.choice([w for w in known if len(w) > 7], 2_000):
        place = int(rng.integers(1, len(word) - 1))
        written = word[:place] + word[place + 1 :]
        assert two.correct(written) == one.correct(written)
        changed += one.correct(written) != written
    assert changed > 200
