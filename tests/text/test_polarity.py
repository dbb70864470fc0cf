"""Praise and blame, with negation, wishes and excess."""

import pytest
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from tasks.text.polarity import (
    PhraseIndex,
    find_opinions,
    is_noncommittal,
    load_lexicon,
    score_opinions,
)
from tasks.text.segments import parse_text

CLEAR = 0.15
"""Scores of clear praise and blame lie beyond this; one mild word of valence 1 gives 0.38."""

GOOD = """
not bad|not bad at all|no complaints|no complaints at all|it won't break|works as advertised
never had a problem|I have never had any issues|can't go wrong|you can't beat it|couldn't be happier
nothing but praise|without a hitch|could not be better|never sounded better|nothing beats it
did not disappoint|does not disappoint|not only good but great|no regrets|pretty good|very well made
I will definitely return|exceeded my expectations|works like a charm|good enough|hard to beat
no hum or buzz|worth every penny|it's not too bad|I can't complain|don't hesitate, it is excellent
it isn’t terrible|not disappointed|so far so good
nothing short of spectacular|nothing less than perfect|without a doubt the best|no doubt the best in town
never fails to impress|there is no lack of good soup|they were kind|kind people|one of a kind
there is no question that it is great
"""
BAD = """
too small|too big for me|not good|not very good|isn't good|wasn't great|never works|waste of money
what a waste of time|do not buy|don't buy this|not worth it|could have been better|should be better
I wish it were better|left a lot to be desired|fell apart|stopped working|does not work|not impressed
I expected better|nothing special|hardly usable and poor|no longer good|not as good as the old one
way too salty|too expensive|food was not good at all|barely edible and cold|isn’t comfortable
would not recommend|I don't recommend it|never again|not sturdy|I was hoping for great sound
it lacks quality|far from perfect|doesn't fit|nobody came
never fails to disappoint|less than perfect|nothing short of awful|without a good reason
"""
NEITHER = "we ordered two of them|it comes in a box|about average|the same as the other one|me too|this kind of soup"


def score(text: str) -> float:
    forms = [word.form for word in parse_text(text).words]
    return score_opinions(find_opinions(forms, 0, len(forms)))


def table(text: str) -> list[str]:
    return [phrase for line in text.strip().splitlines() for phrase in line.split("|")]


@pytest.mark.parametrize("text", table(GOOD))
def test_praise_is_read_as_praise(text: str) -> None:
    assert score(text) > CLEAR


@pytest.mark.parametrize("text", table(BAD))
def test_blame_is_read_as_blame(text: str) -> None:
    assert score(text) < -CLEAR


@pytest.mark.parametrize("text", table(NEITHER))
def test_plain_statements_have_no_polarity(text: str) -> None:
    assert score(text) == 0


def test_boosters_and_softeners_move_the_score_in_their_direction() -> None:
    assert score("very good") > score("good") > score("somewhat good") > 0
    assert score("very bad") < score("bad") < score("slightly bad") < 0


def test_more_praise_scores_higher_and_never_reaches_one() -> None:
    scores = [score("great " * n) for n in (1, 2, 5, 200)]
    assert scores == sorted(scores)
    assert scores[-1] < 1


def test_negation_reaches_three_words_and_not_beyond() -> None:
    assert score("not one bit good") < 0
    assert score("not the thing that one man called good") > 0


def test_own_valences_win_over_general_ones() -> None:
    own = PhraseIndex({("loud",): -2.0, ("cold",): 2.0})
    forms = ["cold", "beer"]
    assert find_opinions(forms, 0, 2)[0].valence < 0
    assert find_opinions(forms, 0, 2, own=own)[0].valence > 0


def test_longer_phrases_win_over_the_words_in_them() -> None:
    forms = ["no", "complaints"]
    assert [(o.first, o.last) for o in find_opinions(forms, 0, 2)] == [(0, 2)]
    index = PhraseIndex({("a",): 1, ("a", "b", "c"): 3})
    assert index.find(["a", "b", "c"], 0, 3) == (3, 3)
    assert index.find(["a", "b", "c"], 0, 2) == (1, 1)
    assert index.find(["b"], 0, 1) is None


def test_non_committal_statements_are_known() -> None:
    assert is_noncommittal(["the", "price", "is", "about", "average"])
    assert not is_noncommittal(["the", "price", "is", "great"])


def test_signs_agree_with_vader_on_the_words_both_know() -> None:
    """VADER itself as the reference, on words that the review lists do not overrule."""
    analyzer = SentimentIntensityAnalyzer()
    phrases = load_lexicon().phrases
    words = [w for w, v in analyzer.lexicon.items() if w.isalpha() and abs(v) > 2.5]
    same = [
        w for w in words if (found := phrases.find([w], 0, 1)) and found[1] == analyzer.lexicon[w]
    ]
    assert len(same) > 300
    for template in ("it is {}", "it is not {}", "it is very {}"):
        for word in same[::7]:
            text = template.format(word)
            compound = analyzer.polarity_scores(text)["compound"]
            assert compound * score(text) > 0, text


@pytest.mark.parametrize(
    ("text", "valence"),
    [
        ("5.0 out of 5 stars", 3.0),
        ("1.0 out of 5.0 stars", -3.0),
        ("I give it 2.5 out of 5", -0.75),
        ("1,5 out of five", -2.25),
        ("1.5 stars", -2.25),
        ("a 4.5-star place", 2.25),
        ("4 1/2 stars", 2.25),
        ("2\u00bd Stars", -0.75),
        ("2 of 5 stars", -1.5),
        ("10 out of 10", 3.0),
    ],
)
def test_a_mark_is_read_to_its_part_of_a_point(text: str, valence: float) -> None:
    parsed = parse_text(text)
    forms = [word.form for word in parsed.words]
    (opinion,) = find_opinions(forms, 0, len(forms))
    assert opinion.valence == pytest.approx(valence)


@pytest.mark.parametrize(
    "text", ["it cost 2.5 dollars", "1,500 out of 10", "on 4.5 stars", "3 of 5 stars"]
)
def test_amounts_counts_and_the_middle_of_a_scale_say_nothing(text: str) -> None:
    assert score(text) == 0


@pytest.mark.parametrize(
    "text",
    [
        "does not even deserve one star",
        "didn't deserve 1 star",
        "not even one star",
        "I would give it less than 1 star",
        "I can't give zero stars",
    ],
)
def test_what_is_denied_the_lowest_mark_is_blamed(text: str) -> None:
    assert score(text) < -CLEAR
    assert score("it does not deserve five stars") < -CLEAR
