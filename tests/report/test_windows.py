"""Windows side by side: do the last days agree with all history?"""

from typing import Any

from tasks.report.effects import group_effects
from tasks.report.model import NightReport
from tasks.report.render import render_html
from tasks.report.windows import WindowsView, compare_windows
from tests.report.conftest import make_effects, make_night
from tests.report.page import Page


def compare(report: NightReport, *, most: int = 12) -> WindowsView | None:
    groups = group_effects(report.effects)
    return compare_windows(groups, report, most=most, is_drawn=True)


def make_windows(**shifts: float) -> list[dict[str, Any]]:
    """All history, 28 days and 7 days with the same estimates; `shifts` move those of 7 days."""
    rows = make_effects()
    shorter = [{**row, "window": window} for window in ("28d", "7d") for row in rows]
    for row in shorter:
        shift = shifts.get(row["attribute"]) if row["window"] == "7d" else None
        if shift and row["estimate"] is not None:
            row |= {name: row[name] + shift for name in ("estimate", "ci_low", "ci_high")}
    return [*shorter, *rows]


def test_windows_are_compared_with_the_longest_one() -> None:
    view = compare(make_night(effects=make_windows()))
    assert view is not None
    assert view.names == ("all history", "last 28 days", "last 7 days")
    assert view.sentences == (
        "Last 28 days: all seven effects agree with all history.",
        "Last 7 days: all seven effects agree with all history.",
    )


def test_an_effect_that_left_its_interval_is_named_with_both_estimates() -> None:
    view = compare(make_night(effects=make_windows(price=0.5, durability=-0.6)))
    assert view is not None
    month, week = view.sentences
    assert "differs" not in month
    assert "five of seven effects agree with all history" in week
    assert "Durability differs: +0.7" in week
    assert "price differs: +0.7" in week
    assert week.count(" against +") == 2


def test_effects_that_a_short_window_cannot_tell_are_counted() -> None:
    rows = make_windows()
    for row in rows:
        if row["window"] == "7d" and row["attribute"] == "price":
            row |= {"estimate": None, "ci_low": None, "ci_high": None, "verdict": "no result"}
    view = compare(make_night(effects=rows))
    assert view is not None
    assert view.sentences[1] == (
        "Last 7 days: all six effects agree with all history. One has no result here."
    )


def test_a_window_without_any_estimate_claims_no_agreement() -> None:
    rows = make_windows()
    for row in rows:
        if row["window"] == "7d":
            row |= {"estimate": None, "ci_low": None, "ci_high": None, "verdict": "no result"}
    view = compare(make_night(effects=rows))
    assert view is not None
    assert view.sentences[1] == "Last 7 days: no result to compare."


def test_a_single_window_is_compared_with_nothing() -> None:
    night = make_night(effects=make_effects())
    assert compare(night) is None
    assert "Windows side by side" not in Page(render_html(night)).text


def test_the_page_shows_one_forest_and_one_table_for_all_windows() -> None:
    html = render_html(make_night(effects=make_windows()))
    table = html.split('id="windows-1"')[1].split("</table>")[0]
    assert table.count("last 7 days") == table.count("all history") == 8
    assert "10,261" in table
    assert 'id="group-2"' not in html


def test_attributes_without_any_result_are_in_the_table_and_not_drawn() -> None:
    view = compare(make_night(effects=make_windows()))
    assert view is not None
    assert (view.n_drawn, len(view.rows)) == (7, 8)
    assert "quality" not in str(view.wide).replace("sound quality", "")


def test_no_more_attributes_are_drawn_than_allowed() -> None:
    view = compare(make_night(effects=make_windows()), most=2)
    assert view is not None
    assert view.n_drawn == 2
    assert str(view.narrow).count("last 7 days") == 2 * 2  # once drawn, once described


def test_all_history_is_drawn_filled_and_shorter_windows_hollow() -> None:
    view = compare(make_night(effects=make_windows()))
    assert view is not None
    drawing = str(view.wide)
    assert drawing.count('fill="var(--accent)"') == 7
    assert drawing.count('fill="var(--paper)" stroke="var(--accent)"') == 14
