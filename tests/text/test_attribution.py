"""Words that moved a vector: they add up, and a word that decides is found."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tasks.text.attribution import MAX_GAP, Attribution, attribute_words, open_gradients
from tasks.text.encoder import Encoder
from tasks.text.explain import cut_words, explain_examples, mark_spans

Embed = Callable[[Sequence[str]], npt.NDArray[np.float32]]
SENTENCES = (
    "The food was absolutely wonderful.",
    "Terrible service and a rude waiter, never again!",
    "it was unbelievably noisy",
)
SAME_VECTOR = 1e-5
"""Two ways to run the same fp32 network differ in the last bits."""


@pytest.fixture(scope="module")
def praise(embed: Embed) -> npt.NDArray[np.float64]:
    good = embed(["it is wonderful", "I love it"]).mean(axis=0)
    bad = embed(["it is terrible", "I hate it"]).mean(axis=0)
    return (good - bad).astype(np.float64)


@pytest.mark.parametrize("sentence", SENTENCES)
def test_words_add_up_to_the_difference_that_they_explain(
    sentence: str, minilm: Encoder, praise: npt.NDArray[np.float64]
) -> None:
    found = attribute_words(sentence, praise, open_gradients(minilm.folder))
    total = sum(word.share for word in found.words)
    difference = found.output - found.baseline
    assert abs(total - difference) <= MAX_GAP * abs(difference)
    assert found.gap <= MAX_GAP


@pytest.mark.parametrize("sentence", SENTENCES)
def test_the_output_is_that_of_the_encoder(
    sentence: str, minilm: Encoder, embed: Embed, praise: npt.NDArray[np.float64]
) -> None:
    found = attribute_words(sentence, praise, open_gradients(minilm.folder))
    assert found.output == pytest.approx(float(embed([sentence])[0] @ praise), abs=SAME_VECTOR)


def test_the_word_of_praise_or_blame_decides(
    minilm: Encoder, praise: npt.NDArray[np.float64]
) -> None:
    gradients = open_gradients(minilm.folder)
    for sentence, word, sign in (
        ("The table was wonderful.", "wonderful", 1),
        ("The table was terrible.", "terrible", -1),
    ):
        found = attribute_words(sentence, praise * sign, gradients)
        first = max(found.words, key=lambda one: one.share)
        assert sentence[first.start : first.end] == word


def test_pieces_of_a_word_are_one_word(minilm: Encoder, praise: npt.NDArray[np.float64]) -> None:
    text = "unputdownable!"
    found = attribute_words(text, praise, open_gradients(minilm.folder))
    assert [text[word.start : word.end] for word in found.words] == ["unputdownable", "!"]


@pytest.mark.parametrize("text", ["", "\U0001f600", "<b>x</b>", "\ud800", "a" * 3000])
def test_any_text_has_an_attribution(
    text: str, tiny_model: Path, praise: npt.NDArray[np.float64]
) -> None:
    gradients = open_gradients(tiny_model, max_tokens=32)
    found = attribute_words(text, praise[:16], gradients)
    assert isinstance(found, Attribution)
    assert "".join(piece["text"] for piece in cut_words(text, found)) == text


def test_example_sentences_get_words_that_join_to_the_span(embed: Embed, minilm: Encoder) -> None:
    from tasks.text.distilled import fit_distilled, take_labels
    from tasks.text.extract import name_attributes
    from tests.text.toy import write_reviews

    texts, truth = write_reviews(60, seed=0)
    attributes = name_attributes(["food", "noise"])
    labels = {"food": truth[:, 0], "noise": truth[:, 1]}
    lesson = take_labels(texts, labels, name="labels")
    probe = fit_distilled(lesson, attributes, embed, threshold=0.6, base=None).probe
    text = "Well. The food was great."
    example = {"text": text, "start": 6, "end": 24, "polarity": 1}
    rows = [{"attribute": "food", "examples": [example, example]}]
    done = explain_examples(
        rows, probe, attributes, embed=embed, gradients=open_gradients(minilm.folder)
    )[0]["examples"]
    assert "".join(piece["text"] for piece in done[0]["words"]) == "The food was great"
    shares = {piece["text"]: piece["share"] for piece in done[0]["words"]}
    assert min(shares["food"], shares["great"]) > max(shares["The"], shares["was"])
    assert "words" not in done[1]


def test_spans_are_marked_in_the_text_even_when_they_meet() -> None:
    text = "good food, bad noise"
    assert mark_spans(text, [(0, 9), (11, 20)]) == "[1: good food], [2: bad noise]"
    assert mark_spans(text, [(0, 9), (0, 9)]) == "[1: good food], bad noise"
    assert mark_spans(text, [(0, 20), (11, 20)]) == "[1: good food, [2: bad noise]]"
    assert mark_spans(text, []) == text
