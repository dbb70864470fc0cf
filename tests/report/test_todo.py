"""At most three things to do, the most urgent first."""

from typing import Any

import pytest

from tasks.report.changes import compare_before
from tasks.report.model import NightReport
from tasks.report.render import render_html
from tasks.report.summary import summarise_night
from tests.report.conftest import make_checks, make_drops, make_effects, make_night, make_previous


def list_subjects(report: NightReport) -> list[str]:
    return [item.subject for item in summarise_night(report, compare_before(report)).todo]


def make_calm(**changes: Any) -> NightReport:
    drops = [{**drop, "drift": []} for drop in make_drops()]
    calm = {"drops": drops, "checks": make_checks()[:-1], "previous_effects": make_effects()}
    return make_night(**{**calm, "effects": make_effects(), "moved": [], **changes})


def test_flips_come_before_moves_and_moves_before_warnings(night: NightReport) -> None:
    assert list_subjects(night) == [
        "Do not act on shipping for now",
        "Find out what changed with durability",
        "Check musical reviews, failed check: rows are as many as usual",
    ]


def test_a_calm_night_asks_for_work_on_the_greatest_lever_only() -> None:
    assert list_subjects(make_calm()) == ["Work on durability"]
    (item,) = summarise_night(make_calm(), ()).todo
    assert item.text.startswith("Complaints about durability cost 0.77 stars. 95% interval")
    assert item.text.endswith("And two more of the kind.")


def test_an_effect_that_becomes_credible_can_be_acted_on() -> None:
    before = [
        {**row, "verdict": "weak", "reasons": ["too few users"]}
        if row["attribute"] == "price"
        else row
        for row in make_effects()
    ]
    report = make_calm(previous_effects=before)
    assert list_subjects(report)[0] == "You can act on price"
    first = summarise_night(report, compare_before(report)).todo[0]
    assert "No longer: too few users." in first.text


def make_null(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "estimate": 0.01, "ci_low": -0.02, "ci_high": 0.04, "verdict": "credible"}


def test_an_effect_that_is_not_told_from_zero_is_nothing_to_work_on_or_act_on() -> None:
    effects = [make_null(row) for row in make_effects()]
    weak = [{**row, "verdict": "weak", "reasons": ["too few users"]} for row in effects]
    night = make_calm(effects=effects, previous_effects=weak)
    assert list_subjects(night) == []
    assert summarise_night(night, ()).findings == ()
    page = render_html(night)
    assert "those that are cannot be told from zero" in page
    assert "add 0.01" not in page


def test_a_failed_night_asks_for_nothing_but_its_repair() -> None:
    drops = make_drops()
    drops[0]["rows_published"] -= 7
    subjects = list_subjects(make_night(drops=drops))
    assert subjects[0] == "Find the rows of sample 2024-03-14"
    assert not any("act on" in subject or "Work on" in subject for subject in subjects)


def test_a_stopped_gate_says_whom_to_ask(held_night: NightReport) -> None:
    assert list_subjects(held_night)[0] == "Ask musical about reviews"


def test_warnings_of_earlier_days_were_told_then() -> None:
    old = [{**row, "drop_id": "2024-03-11"} for row in make_checks()]
    assert list_subjects(make_calm(checks=old)) == ["Work on durability"]
    imported = [{**row, "drop_id": "import:a.json"} for row in make_checks()]
    assert list_subjects(make_calm(checks=imported))[0].startswith("Check musical")


@pytest.mark.parametrize("n", [1, 40])
def test_there_are_never_more_than_three(n: int) -> None:
    stale = [{"source": f"s{k}", "newest_drop": None} for k in range(n)]
    flagged = [{"source": "sample", "user_id": f"u{k}"} for k in range(n)]
    night = make_night(
        freshness=stale, attacks={"flagged": flagged}, previous_effects=make_previous()
    )
    assert len(list_subjects(night)) == 3


def test_accounts_that_look_fake_are_for_a_person_to_judge() -> None:
    for n_flagged, told in ((0, 12), (3_000, 3_000)):
        flagged = [
            {"source": "sample", "user_id": f"u{k}", "n_flagged": n_flagged} for k in range(12)
        ]
        subjects = list_subjects(make_calm(attacks={"flagged": flagged}))
        assert subjects[-1] == f"Have {told:,} accounts of sample looked at"


def test_an_empty_night_asks_for_nothing(empty_night: NightReport) -> None:
    assert list_subjects(empty_night) == []
