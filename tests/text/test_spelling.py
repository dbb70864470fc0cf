import pytest

from tasks.text.spelling import Speller

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
    assert Speller(WORDS).correct(written) == meant


@pytest.mark.parametrize("word", ["noise", "qualify", "severe", "retentive", "services", "café"])
def test_other_words_are_left_alone(word: str) -> None:
    """Short words, another first letter, another consonant or another ending: words of their own."""
    assert Speller(WORDS).correct(word) == word


def test_a_known_word_is_never_changed() -> None:
    assert Speller([*WORDS, "dissapointed"]).correct("dissapointed") == "dissapointed"


def test_the_guess_does_not_depend_on_the_order_of_the_words() -> None:
    words = ["carbonate", "carbonite"]
    assert Speller(words).correct("carbonate") == "carbonate"
    assert Speller(words).correct("carbonute") == Speller(words[::-1]).correct("carbonute")
