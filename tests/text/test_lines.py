"""Breaks that wrap a line are blanks; breaks of lists and of short lines are kept."""

import pytest

from tasks.text.lines import SOFT, unwrap_lines
from tasks.text.segments import parse_text

WRAPPED = [
    "The service\nwas not\ngood.",
    "I thought the camera was\nterrible and the screen was\ngreat.",
    "We had a very friendly\r\nwaiter who brought us bread.",
    "We went to the\nItalian place.",
    "When we finally got a table the friendly\nwaiter brought us bread and told us of\neverything.",
]
KEPT = [
    "Pros:\nthe pool\nthe staff\nCons:\nthe bed",
    "good food\nbad service\nloud music",
    "The food was great.\nthe service was bad",
    "We liked this place\nThe service was bad",
    "we had\n- pasta\n- soup",
    "things of note\n1. pasta\n2. soup",
    "we ate\n\nand left",
]


@pytest.mark.parametrize("text", WRAPPED)
def test_wrapped_lines_are_one_sentence(text: str) -> None:
    assert "\n" not in unwrap_lines(text)
    assert len(unwrap_lines(text)) == len(text)
    assert len({segment.sentence for segment in parse_text(text).segments}) == 1


@pytest.mark.parametrize("text", KEPT)
def test_lists_and_short_lines_keep_their_breaks(text: str) -> None:
    assert unwrap_lines(text) == text


def test_a_long_line_without_a_mark_ends_in_no_more_than_a_pause() -> None:
    text = "we had some soup and bread\nthe bread that we all had in the end came late"
    assert unwrap_lines(text) == text.replace("\n", SOFT)
    assert len({segment.sentence for segment in parse_text(text).segments}) == 1
