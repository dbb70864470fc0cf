"""Second opinions stand beside the main estimate and never in its place."""

from typing import Any

from tasks.report.effects import group_effects
from tasks.report.model import EffectRow, NightReport
from tasks.report.opinions import OpinionsView, judge_opinion, view_opinions
from tasks.report.render import render_html
from tests.report.conftest import make_effects, make_night
from tests.report.page import Page

SHIFTS = {"price": 1.0}


def make_opinions(name: str = "irm") -> list[dict[str, Any]]:
    """Another estimator on all history; it is far off on price."""
    rows = [row for row in make_effects() if row["contrast"] == "negative_to_positive"]
    for row in rows:
        row |= {"estimator": name, "reasons": []}
        shift = SHIFTS.get(row["attribute"], 0.01)
        for number in ("estimate", "ci_low", "ci_high"):
            row[number] = None if row[number] is None else row[number] + shift
    return rows


def make_asked(*opinions: dict[str, Any]) -> NightReport:
    return make_night(effects=[*make_effects(), *make_effects(window="28d"), *opinions])


def view(report: NightReport) -> OpinionsView | None:
    return view_opinions(group_effects(report.effects), report)


def test_estimates_of_others_stand_beside_the_main_one() -> None:
    html = render_html(make_asked(*make_opinions(), *make_opinions("forest")))
    table = html.split('id="opinions-1"')[1].split("</table>")[0]
    row = table.split("durability")[1].split("</tr>")[0]
    assert row.count("n 10,261") == 3
    assert "✓" in row
    assert "agrees" in row
    for name in ("plr", "irm", "forest"):
        assert f'<th scope="col" class="n"><bdi>{name}</bdi></th>' in table


def test_disagreement_is_told_with_both_estimates_and_stands_first() -> None:
    found = view(make_asked(*make_opinions()))
    assert found is not None
    assert found.opinions[0].first.attribute == "price"
    assert [one.is_disputed for one in found.opinions].count(True) == 1
    assert found.sentence.startswith(
        "Other estimators disagree on one of seven estimates: price, plr +0.2"
    )
    assert "but irm +1.2" in found.sentence


def test_agreement_of_all_is_said() -> None:
    found = view(make_asked(*(r for r in make_opinions() if r["attribute"] != "price")))
    assert found is not None
    assert found.sentence == "All six estimates made again by other estimators agree."


def test_the_reason_of_the_verdict_marks_disagreement() -> None:
    base = {"source": "s", "attribute": "a", "verdict": "weak", "estimate": 1.0, "ci_low": 0.5,
            "ci_high": 1.5}  # fmt: skip
    main = EffectRow.model_validate({**base, "reasons": ["irm disagrees: +0.60, beyond"]})
    other = EffectRow.model_validate({**base, "estimator": "irm"})
    assert judge_opinion(main, other) == "disagrees"
    assert judge_opinion(EffectRow.model_validate(base), other) == "agrees"


def test_an_opinion_without_a_number_says_nothing() -> None:
    rows = [{**r, "estimate": None, "verdict": "no result"} for r in make_opinions()]
    found = view(make_asked(*rows))
    assert found is not None
    assert found.sentence == "Other estimators gave no result to compare."
    assert judge_opinion(None, found.opinions[0].first) == "cannot be said"


def test_the_main_forest_and_table_go_on_showing_the_main_estimator() -> None:
    plain, asked = (render_html(make_asked(*rows)) for rows in ([], make_opinions()))
    first = [html.split('id="effects-1"')[1].split("</table>")[0] for html in (plain, asked)]
    drawn = [html.split("<figure>")[1].split("</figure>")[0] for html in (plain, asked)]
    assert first[0] == first[1]
    assert drawn[0] == drawn[1]


def test_other_estimators_are_not_listed_among_further_contrasts() -> None:
    html = render_html(make_asked(*make_opinions()))
    assert "irm" not in html.split('id="others-1"')[1].split("</table>")[0]


def test_a_night_with_one_estimator_has_no_second_opinions(night: NightReport) -> None:
    assert view(night) is None
    assert "Second opinions" not in Page(render_html(night)).text
