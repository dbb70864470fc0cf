"""What a place in the list does to the click."""

from tasks.report.model import NightReport
from tasks.report.positions import view_positions
from tasks.report.render import render_html
from tests.report.conftest import make_night, make_positions
from tests.report.page import Page


def test_positions_stand_from_the_top_of_the_list_down(night: NightReport) -> None:
    (found,) = view_positions(night, most=20, most_views=4)
    assert [row.attribute for row in found.rows] == ["position 2", "position 3", "position 12"]


def test_the_steepest_credible_position_is_told_with_interval_and_exposures(
    night: NightReport,
) -> None:
    (found,) = view_positions(night, most=20, most_views=4)
    assert found.sentence == (
        "Standing in position 3, against position 1, costs 0.06 clicks per exposure "
        "(95% interval \N{MINUS SIGN}0.07 to \N{MINUS SIGN}0.05, 4,321 exposures)."
    )


def test_a_position_without_a_result_has_no_number(night: NightReport) -> None:
    table = render_html(night).split('id="positions-table-1"')[1].split("</table>")[0]
    row = table.split("position 12")[1].split("</tr>")[0]
    assert row.count("no result") == 2  # its estimate and its verdict
    assert "\N{MINUS SIGN}0.37" in row  # the naive figure


def test_a_number_under_the_verdict_no_result_is_not_shown() -> None:
    rows = [{**row, "estimate": -7.31, "verdict": "no result"} for row in make_positions()]
    html = render_html(make_night(positions=rows))
    assert "7.31" not in html
    assert "No position has a credible effect" not in html


def test_a_reason_that_all_share_is_said_once(night: NightReport) -> None:
    text = Page(render_html(night)).text
    assert text.count("ausal only if nothing else decided the place") == 1


def test_a_reason_of_one_position_stands_beside_it() -> None:
    rows = make_positions()
    rows[1]["reasons"] = ["its own reason"]
    text = Page(render_html(make_night(positions=rows))).text
    assert text.count("its own reason") == 1
    assert text.count("causal only if nothing else decided the place") == 2


def test_weak_positions_are_not_told_as_effects() -> None:
    rows = [{**row, "verdict": "weak"} for row in make_positions()]
    (found,) = view_positions(make_night(positions=rows), most=20, most_views=4)
    assert found.sentence == "No position has a credible effect."


def test_positions_not_told_from_zero_are_not_told_as_effects() -> None:
    null = {"estimate": -0.001, "ci_low": -0.01, "ci_high": 0.008}
    rows = [{**row, **null, "verdict": "credible"} for row in make_positions()]
    (found,) = view_positions(make_night(positions=rows), most=20, most_views=4)
    assert found.sentence == "No position has an effect that can be told from zero."


def test_a_night_without_exposures_has_no_positions() -> None:
    night = make_night(positions=[])
    assert view_positions(night, most=20, most_views=4) == ()
    assert "place in the list" not in Page(render_html(night)).text


def test_only_the_first_sources_are_drawn() -> None:
    rows = [{**row, "source": f"s{n}"} for n in range(3) for row in make_positions()]
    found = view_positions(make_night(positions=rows), most=20, most_views=2)
    assert [view.wide is not None for view in found] == [True, True, False]
