"""Heterogeneity: differences are told where they are beyond chance, and only there."""

from typing import Any

import pytest

from tasks.report.effects import group_effects
from tasks.report.model import NightReport
from tasks.report.render import render_html
from tasks.report.segments import SegmentView, view_segments
from tasks.report.words import format_chance, name_segment
from tests.report.conftest import make_night, make_segments
from tests.report.page import Page


def view(report: NightReport) -> SegmentView:
    (group, *_) = group_effects(report.effects)
    (found,) = view_segments(group, report, most=6, is_drawn=True)
    return found


@pytest.mark.parametrize(
    ("column", "name"),
    [("c__category", "category"), ("c__user__segment", "segment"), ("plain_name", "plain name"),
     ("c__", "c__")],
)  # fmt: skip
def test_segments_are_named_as_people_call_them(column: str, name: str) -> None:
    assert name_segment(column) == name


def test_an_effect_that_differs_is_told_with_its_q_value(night: NightReport) -> None:
    found = view(night)
    assert found.sentences == (
        "Effects of durability differ by category (q = 0.01).",
        "One other differs no more than by chance.",
    )
    assert [test.attribute for test in found.different] == ["durability"]
    assert [test.attribute for test in found.others] == ["price"]


@pytest.mark.parametrize(("q_value", "is_different"), [(0.049, True), (0.05, False)])
def test_the_night_s_confidence_decides_what_differs(q_value: float, *, is_different: bool) -> None:
    found = view(make_night(segments=make_segments(q_durability=q_value)))
    assert bool(found.different) is is_different
    assert (found.wide is not None) is is_different


def test_no_difference_beyond_chance_is_said_plainly() -> None:
    night = make_night(segments=make_segments(q_durability=0.31))
    assert view(night).sentences == (
        "No difference by category beyond chance in the two effects tested (smallest q = 0.31).",
    )
    assert "No difference by category beyond chance" in Page(render_html(night)).text


def test_an_effect_that_was_not_tested_neither_differs_nor_agrees() -> None:
    rows = [{**row, "q_value": None, "p_value": None} for row in make_segments()]
    night = make_night(segments=rows)
    assert view(night).sentences == (
        "No result: too few reviews to tell whether effects differ by category.",
    )
    assert "not tested" in Page(render_html(night)).text


def test_the_drawing_shows_all_levels_together_and_each_level(night: NightReport) -> None:
    drawing = str(view(night).wide)
    for label in ("all together", "Guitars", "Drums", "(other)", "Harps", "n 3,000", "no result"):
        assert f">{label}<" in drawing, label
    assert drawing.count('fill="var(--accent)"') == 1  # all levels together are filled


def test_a_level_without_an_estimate_gives_its_reason_and_no_number(night: NightReport) -> None:
    table = render_html(night).split('id="differ-1-1"')[1].split("</table>")[0]
    row = table.split("Harps")[1].split("</tr>")[0]
    assert "no result" in row
    assert "fewer than 10 mentions on a side" in row
    assert "+1.10 to +1.50" in table


def test_segments_of_shorter_windows_are_left_to_the_json() -> None:
    rows: list[dict[str, Any]] = [{**row, "window": "28d"} for row in make_segments()]
    assert "By category" not in Page(render_html(make_night(segments=rows))).text


def test_a_night_without_segments_says_nothing_of_them() -> None:
    assert "By category" not in Page(render_html(make_night(segments=[]))).text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "q unknown"), (0.0001, "q < 0.001"), (0.0042, "q = 0.004"), (0.31, "q = 0.31")],
)
def test_chances_are_never_shown_as_zero(value: float | None, text: str) -> None:
    assert format_chance("q", value) == text
