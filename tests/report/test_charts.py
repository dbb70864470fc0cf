"""The forest plot: right places, right scale, nothing that loads or runs."""

import re
from xml.etree import ElementTree

import pytest

from tasks.report.charts import MAX_STRETCH, ForestRow, Layout, draw_forest, find_domain

PIXEL = 0.51  # vl-convert rounds positions of rules to whole pixels and centres them on half ones


def make_row(label: str = "durability", **changes: float | None) -> ForestRow:
    numbers: dict[str, float | None] = {
        "estimate": 1.0, "low": 0.9, "high": 1.1, "naive": 1.6, "naive_low": 1.5,
        "naive_high": 1.7, "truth": 1.02, **changes,
    }  # fmt: skip
    return ForestRow(label=label, verdict="credible", **numbers)


def draw(rows: list[ForestRow], layout: Layout = "wide") -> str:
    return str(
        draw_forest(rows, layout=layout, axis_title="stars", title="a <b>", description='c & "d"')
    )


def read_texts(svg: str) -> list[str]:
    return [text for node in ElementTree.fromstring(svg).iter("text") for text in node.itertext()]


@pytest.mark.parametrize("layout", ["wide", "narrow"])
def test_a_plot_is_an_image_with_a_name_and_a_description(layout: Layout) -> None:
    root = ElementTree.fromstring(draw([make_row()], layout))
    assert root.attrib["role"] == "img"
    assert [node.text for node in list(root)[:2]] == ["a <b>", 'c & "d"']
    assert [node.tag for node in list(root)[:2]] == ["title", "desc"]


def test_marks_stand_where_their_numbers_say() -> None:
    rows = [make_row(), make_row("price", estimate=-1.0, low=-1.2, high=-0.8, naive=0.5)]
    svg = draw(rows)
    low, high = find_domain(rows)
    causal = r'<path transform="translate\(([\d.]+),[\d.]+\)"[^>]*fill="var\(--accent\)"'
    spots = [float(x) for x in re.findall(causal, svg)]
    wanted = [160 + (value - low) / (high - low) * (740 - 160) for value in (1.0, -1.0)]
    assert spots == pytest.approx(wanted, abs=PIXEL)


def test_shape_and_fill_tell_causal_from_naive_without_colour() -> None:
    svg = draw([make_row()])
    assert 'fill="var(--accent)"' in svg  # filled
    assert 'fill="var(--paper)" stroke="var(--muted)"' in svg  # hollow
    circle, diamond = "A", "L"  # path commands: arcs of a circle, lines of a diamond
    paths = re.findall(r'<path[^>]*\bd="([^"]+)"', svg)
    assert any(circle in path for path in paths)
    assert any(diamond in path and circle not in path for path in paths)


def test_rows_without_an_estimate_keep_their_name_and_get_no_mark() -> None:
    nothing = dict.fromkeys(
        ("estimate", "low", "high", "naive", "naive_low", "naive_high", "truth")
    )
    svg = draw([make_row("silent", **nothing)])
    assert "silent" in read_texts(svg)
    assert "var(--accent)" not in svg


def test_zero_always_lies_on_the_scale() -> None:
    low, high = find_domain([make_row()])
    assert low < 0 < high


def test_one_endless_interval_does_not_flatten_the_others() -> None:
    rows = [make_row(), make_row("wild", low=-500.0, high=700.0)]
    low, high = find_domain(rows)
    assert high < 1.1 * MAX_STRETCH * 1.6 + 0.5
    assert low > -4


def test_names_with_markup_are_text_in_the_drawing() -> None:
    svg = draw([make_row('<script>&"x')])
    assert '<script>&"x' in read_texts(svg)
    assert "<script" not in svg


@pytest.mark.parametrize("layout", ["wide", "narrow"])
def test_a_plot_loads_and_runs_nothing(layout: Layout) -> None:
    svg = draw([make_row()], layout)
    assert not re.search(r"href|url\(|http|<script|<style|<image|\son\w+=", svg)


def test_the_same_rows_give_the_same_drawing() -> None:
    assert draw([make_row()]) == draw([make_row()])


def test_an_empty_plot_is_a_scale_without_a_mark() -> None:
    empty = draw([])
    assert "0" in read_texts(empty)
    assert "var(--accent)" in draw([make_row()])
    assert "var(--accent)" not in empty
