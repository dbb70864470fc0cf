"""Forests in groups: lines on one scale, the main one told apart without colour."""

import re
from xml.etree import ElementTree

import pytest

from tasks.report.charts import Layout
from tasks.report.grouped import Line, LineGroup, draw_grouped, find_group_domain

PIXEL = 0.51  # vl-convert rounds positions of rules to whole pixels and centres them on half ones
GROUPS = [
    LineGroup("price", (Line("all", 0.5, 0.4, 0.6, "n 9", is_main=True),
                        Line("7 days", -0.2, -0.4, 0.1, "n 3", short="n3"))),
    LineGroup('<script>&"x', (Line("</svg>", None, None, None, note="no result"),)),
]  # fmt: skip


def draw(groups: list[LineGroup], layout: Layout = "wide") -> str:
    return str(
        draw_grouped(groups, layout=layout, axis_title="stars", title="<t>", description="<d>")
    )


def read_texts(svg: str) -> list[str]:
    return [text for node in ElementTree.fromstring(svg).iter("text") for text in node.itertext()]


@pytest.mark.parametrize("layout", ["wide", "narrow"])
def test_names_with_markup_are_text_in_the_drawing(layout: Layout) -> None:
    svg = draw(GROUPS, layout)
    assert {'<script>&"x', "</svg>"} <= set(read_texts(svg))
    assert "<script" not in svg
    assert not re.search(r"href|url\(|http|<style|<image|\son\w+=", svg)


def test_the_main_line_is_filled_and_the_others_are_hollow() -> None:
    svg = draw(GROUPS)
    assert svg.count('fill="var(--accent)"') == 1
    assert svg.count('fill="var(--paper)" stroke="var(--accent)"') == 1


def test_marks_stand_where_their_numbers_say() -> None:
    svg = draw(GROUPS, "narrow")
    low, high = find_group_domain(GROUPS)
    spots = [float(x) for x in re.findall(r'<path transform="translate\(([\d.]+),', svg)]
    left = 12 + 6.7 * len("7 days n3")
    wanted = [left + (v - low) / (high - low) * (328 - left) for v in (-0.2, 0.5)]
    assert spots == pytest.approx(wanted, abs=PIXEL)


def test_notes_stand_at_the_right_or_beside_the_name_where_there_is_no_room() -> None:
    assert {"n 9", "n 3", "7 days"} <= set(read_texts(draw(GROUPS, "wide")))
    narrow = set(read_texts(draw(GROUPS, "narrow")))
    assert "7 days n3" in narrow
    assert "n 3" not in narrow


def test_zero_always_lies_on_the_scale() -> None:
    low, high = find_group_domain([LineGroup("a", (Line("b", 5.0, 4.9, 5.1),))])
    assert low < 0 < high


def test_an_empty_plot_is_a_scale_without_a_mark() -> None:
    empty = draw([])
    assert "0" in read_texts(empty)
    assert "var(--accent)" in draw(GROUPS)
    assert "var(--accent)" not in empty
