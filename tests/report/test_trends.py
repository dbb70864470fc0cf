"""Effects over time: same scale, gaps stay gaps, at most eight little charts."""

import re
from typing import Any
from xml.etree import ElementTree

import pytest

from tasks.report.charts import Layout
from tasks.report.effects import group_effects
from tasks.report.model import NightReport
from tasks.report.multiples import Panel, Point, draw_multiples, find_panel_domain, split_runs
from tasks.report.render import render_html
from tasks.report.trends import MAX_PANELS, TrendView, tell_trend, view_trend
from tests.report.conftest import make_effects, make_night, make_trends
from tests.report.page import Page

POINTS = (Point(0, 1.0, 0.8, 1.2), Point(7, 1.1, 0.9, 1.3), Point(14, None, None, None),
          Point(21, 0.9, 0.7, 1.1))  # fmt: skip


def view(report: NightReport, *, most_rows: int = 300) -> TrendView | None:
    (group, *_) = group_effects(report.effects)
    return view_trend(group, report, most_rows=most_rows, is_drawn=True)


def draw(panels: list[Panel], layout: Layout = "wide") -> str:
    return str(
        draw_multiples(panels, layout=layout, days=28, ends=("1 Mar", "28 Mar"), title="<t>",
                       description="<d>")
    )  # fmt: skip


def test_a_line_is_not_drawn_across_a_gap() -> None:
    assert [len(run) for run in split_runs(POINTS)] == [2, 1]
    assert split_runs([Point(0, None, None, None)]) == []


def test_all_little_charts_share_one_scale_with_zero_on_it() -> None:
    low, high = find_panel_domain([Panel("a", POINTS), Panel("b", (Point(0, -3.0, -3.1, -2.9),))])
    assert low <= -3.1
    assert high >= 1.3


@pytest.mark.parametrize("layout", ["wide", "narrow"])
def test_names_with_markup_are_text_in_the_drawing(layout: Layout) -> None:
    svg = draw([Panel('<script>&"x', POINTS, reference=1.0)], layout)
    texts = [t for node in ElementTree.fromstring(svg).iter("text") for t in node.itertext()]
    assert '<script>&"x' in texts
    assert {"1 Mar", "28 Mar"} <= set(texts)
    assert "<script" not in svg
    assert not re.search(r"href|url\(|http|<style|<image|\son\w+=", svg)


def test_a_point_without_an_estimate_gets_no_mark() -> None:
    dots = draw([Panel("a", POINTS)]).count('fill="var(--accent)" stroke="var(--paper)"')
    assert dots == 3


def test_the_reference_is_dashed() -> None:
    assert "stroke-dasharray" in draw([Panel("a", POINTS, reference=1.0)])
    assert "stroke-dasharray" not in draw([Panel("a", POINTS)])


def test_attributes_without_a_result_are_told_and_not_drawn(night: NightReport) -> None:
    found = view(night)
    assert found is not None
    assert (found.n_attributes, found.n_drawn, found.n_silent) == (7, 7, 1)
    assert "No result in any week for one attribute." in tell_trend(found)


def test_at_most_eight_attributes_are_drawn_and_the_rest_is_told() -> None:
    trends = [
        {**row, "attribute": f"{row['attribute']} {n}"} for n in range(3) for row in make_trends()
    ]
    found = view(make_night(trends=trends))
    assert found is not None
    assert found.n_drawn == MAX_PANELS == 8
    assert "The first 8 of 21 attributes; the others are in the JSON" in tell_trend(found)


def test_long_histories_are_told_by_month() -> None:
    rows = [{**row, "start": f"2023-{at + 1:02}-01", "end": f"2023-{at + 1:02}-28"}
            for at, row in enumerate(make_trends()[:5])]  # fmt: skip
    found = view(make_night(trends=rows))
    assert found is not None
    assert found.stretch == "month"


@pytest.mark.parametrize("trends", [[], make_trends(weeks=1)])
def test_one_stretch_is_no_trend(trends: list[dict[str, Any]]) -> None:
    night = make_night(trends=trends)
    assert view(night) is None
    assert "Effect over time" not in Page(render_html(night)).text


def test_trends_of_another_source_are_not_shown() -> None:
    trends = [{**row, "source": "other"} for row in make_trends()]
    assert view(make_night(trends=trends, effects=make_effects())) is None


def test_the_table_gives_interval_and_reviews_and_no_result(night: NightReport) -> None:
    table = render_html(night).split('id="trend-1"')[1].split("</table>")[0]
    assert "+1.24" in table
    assert "+1.13 to +1.35" in table
    assert "1,800" in table
    assert "no result" in table


def test_rows_beyond_the_limit_are_counted(night: NightReport) -> None:
    found = view(night, most_rows=10)
    assert found is not None
    assert (len(found.rows), found.n_hidden_rows) == (10, 25)
