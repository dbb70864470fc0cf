"""Words of example sentences, each underlined by what it did: escaped, and readable without colour."""

import pytest

from tasks.report.model import MAX_PIECES, Example, NightReport
from tasks.report.render import render_html
from tests.report.conftest import make_attributes, make_night
from tests.report.page import Page


def explain(*words: tuple[str, float]) -> dict[str, object]:
    return {
        "review_id": "r1", "text": "x", "start": 0, "end": 1, "polarity": 1,
        "words": [{"text": text, "share": share} for text, share in words],
    }  # fmt: skip


def show(example: dict[str, object]) -> str:
    rows = make_attributes()
    rows[0] = {**rows[0], "examples": [example]}
    return render_html(make_night(attributes=rows))


def test_strength_is_measured_by_the_strongest_word() -> None:
    example = Example(**explain(("great", 2.0), (" ", 0.0), ("food", 0.7), ("not", -1.4)))
    assert [level for _, level in example.levels] == [3, 0, 1, -2]


def test_words_are_underlined_by_strength_with_numbers_beside() -> None:
    html = show(explain(("great", 2.0), (" ", 0.0), ("food", -0.7)))
    assert (
        '<mark class="words"><span class="w-3" title="+2.00">great</span> '
        '<span class="w-against-1" title="-0.70">food</span></mark>'
    ) in html
    assert '<p class="muted weights">great +2.00</p>' in html
    assert "a dotted line spoke against it" in html


def test_words_of_strangers_cannot_become_markup() -> None:
    html = show(explain(("<script>alert(1)</script>", 1.0), ("\u202e", 0.5)))
    assert "<script>alert(1)" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert "\u202e" not in html


@pytest.mark.parametrize(
    "words", [[], [("great", 0.0)], [("a", 1.0)] * (MAX_PIECES + 1)], ids=["none", "nil", "many"]
)
def test_a_span_without_strengths_is_marked_as_a_whole(words: list[tuple[str, float]]) -> None:
    html = show(explain(*words))
    assert "<mark>x</mark>" in html
    assert 'class="words"' not in html
    assert "a dotted line" not in html


def test_a_report_without_words_reads_back_as_it_was() -> None:
    report = make_night()
    again = NightReport.model_validate_json(report.model_dump_json())
    assert again.attributes == report.attributes


def test_a_probe_is_shown_with_its_teacher_and_how_well_they_agree() -> None:
    text = " ".join(Page(render_html(make_night())).text.split())
    assert "read by a probe that clauses-1 taught on 800 reviews" in text
    assert "agrees with 93.9% of the teacher's answers; it is sure of 95.2%" in text
