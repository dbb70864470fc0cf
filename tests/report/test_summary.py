"""The night in words: verdict, paragraph, what to act on, what to look at."""

from datetime import timedelta
from typing import Any

import pytest

from tasks.report.changes import compare_before
from tasks.report.model import NightReport
from tasks.report.render import render_html
from tasks.report.summary import NightSummary, summarise_night
from tests.report.conftest import (
    AS_OF,
    make_checks,
    make_drops,
    make_effects,
    make_night,
    make_silent,
)
from tests.report.page import Page


def summarise(report: NightReport) -> NightSummary:
    return summarise_night(report, compare_before(report))


def make_calm_night(**changes: Any) -> NightReport:
    drops = [{**drop, "drift": []} for drop in make_drops()]
    return make_night(**{"drops": drops, "checks": make_checks()[:-1], **changes})


def test_a_calm_night_is_good_to_use() -> None:
    summary = summarise(make_calm_night())
    assert summary.verdict == "good"
    assert summary.headline == "Good to use: 5 of 7 effects credible, 1 more without a result"
    assert summary.problems == ()


def test_the_paragraph_says_what_happened_and_what_costs_stars() -> None:
    lede = " ".join(summarise(make_calm_night()).lede)
    assert "All four drops were published (13 March 2024 to 14 March 2024)." in lede
    assert "Of 1,843 rows read, 1,799 were published, 12 quarantined and 32 left out" in lede
    assert "All four checks passed." in lede
    assert "Five of seven effects are credible; one more has no result." in lede
    assert "Complaints about durability cost 0.77 stars" in lede


def test_effects_without_a_result_are_not_counted_as_found_wanting() -> None:
    rows = [
        {**row, "verdict": "no result", "estimate": None, "ci_low": None, "ci_high": None}
        for row in make_effects()
    ]
    summary = summarise(make_calm_night(effects=rows, previous_effects=[], moved=[]))
    assert summary.headline == "Good to use: no effect has a result yet"
    assert "No effects were estimated, for the reasons that stand with them." in summary.lede


def test_an_effect_without_a_result_is_not_said_to_lack_reviews_where_that_is_not_why() -> None:
    rows = [
        {
            **row, "verdict": "no result", "estimate": None, "ci_low": None, "ci_high": None,
            "reasons": ["praise of price cannot be told apart from praise of shipping"],
        }
        for row in make_effects()
    ]  # fmt: skip
    for effects in (rows, [*make_effects()[1:], rows[0]]):
        night = make_calm_night(effects=effects, previous_effects=[], moved=[])
        text = " ".join(summarise(night).lede) + Page(render_html(night)).text
        assert "no result" in text
        assert "cannot be told apart from praise of shipping" in text
        assert "too few" not in text.split("Quality checks")[0]


def test_a_night_without_drops_says_what_was_imported() -> None:
    row = {
        "source": "shop", "table_name": "reviews", "drop_id": "import:old.jsonl#0123abcd",
        "first_date": "2023-01-02", "last_date": "2024-03-01", "rows_read": 1_210,
        "rows_published": 1_200, "rows_quarantined": 3, "rows_duplicate": 7, "n_checks": 44,
        "n_warnings": 2,
    }  # fmt: skip
    items = {**row, "table_name": "items", "first_date": None, "last_date": None, "n_warnings": 0}
    night = make_calm_night(drops=[], imports=[row, {**items, "rows_published": 34}])
    lede = summarise(night).lede
    assert lede[0] == "No drop arrived; 1,234 rows of two imports by hand are read."
    text = Page(render_html(night)).text
    assert (
        "old.jsonl#0123abcd2 January 2023 to 1 March 20241,2101,200372 of 44 gave a warning" in text
    )
    assert "old.jsonl#0123abcd–1,2103437all 44 passed" in text


def test_of_an_import_that_goes_on_after_the_night_only_the_rows_up_to_it_are_said_to_be_read() -> (
    None
):
    row = {
        "source": "shop", "table_name": "reviews", "drop_id": "import:old.jsonl#0123abcd",
        "first_date": "2023-01-02", "rows_read": 1_210, "rows_published": 1_200,
    }  # fmt: skip
    lede = {}
    for last in (AS_OF, AS_OF + timedelta(days=1)):
        night = make_calm_night(drops=[], imports=[{**row, "last_date": last.isoformat()}])
        lede[last] = summarise(night).lede[0]
    assert list(lede.values()) == [
        "No drop arrived; 1,200 rows of one import by hand are read.",
        "No drop arrived; of 1,200 rows of one import by hand those up to 14 March 2024 are read.",
    ]
    assert summarise(make_calm_night(drops=[])).lede[0] == "No drop arrived."


def test_refuted_effects_are_named_with_what_refuted_them() -> None:
    lede = summarise(make_calm_night()).lede
    assert "One effect did not stand up to its checks: size and fit (placebo)." in lede


def test_many_refuted_effects_are_counted_and_the_first_named() -> None:
    rows = [{**row, "verdict": "not credible"} for row in make_effects()]
    (told,) = [s for s in summarise(make_calm_night(effects=rows)).lede if "stand up" in s]
    assert told.startswith("Eight effects did not stand up to their checks: ")
    assert told.endswith(" and five more.")


def test_a_night_without_refuted_effects_tells_of_none() -> None:
    rows = [row for row in make_effects() if row["verdict"] == "credible"]
    assert "stand up" not in " ".join(summarise(make_calm_night(effects=rows)).lede)


def test_totals_are_the_sums_over_drops(night: NightReport) -> None:
    totals = summarise(night).totals
    assert (totals.read, totals.published, totals.quarantined, totals.duplicate) == (
        1_843, 1_799, 12, 32,
    )  # fmt: skip
    assert totals.unaccounted == 0


def test_only_the_longest_window_is_counted_in_the_headline(night: NightReport) -> None:
    summary = summarise(night)
    assert (summary.n_credible, summary.n_effects) == (5, 8)


def test_findings_are_credible_effects_only() -> None:
    weak = [{**row, "verdict": "weak"} for row in make_effects()]
    assert summarise(make_calm_night(effects=weak)).findings == ()


def test_findings_give_interval_reach_and_the_naive_figure(night: NightReport) -> None:
    first = summarise(night).findings[0]
    assert first.subject == "Complaints about durability cost 0.77 stars"
    assert "95% interval" in first.text
    assert "412 of 10,261 reviews (4.0%) complain." in first.text
    assert "A plain comparison of averages would have said \N{MINUS SIGN}1.23." in first.text


def test_a_harmful_praise_is_said_to_cost() -> None:
    rows = [
        {**row, "estimate": -0.5, "ci_low": -0.6, "ci_high": -0.4}
        for row in make_effects()
        if row["contrast"] == "positive" and row["attribute"] == "price"
    ]
    (finding,) = summarise(make_calm_night(effects=rows)).findings
    assert finding.subject == "Praise of price costs 0.50 stars"


def test_sources_are_named_where_there_is_more_than_one() -> None:
    effects = [*make_effects(), *make_effects(source="musical")]
    lede = " ".join(summarise(make_calm_night(effects=effects)).lede)
    assert "10 of 14 effects are credible; two more have no result." in lede
    assert "in musical" in lede


def test_a_warning_or_drift_asks_for_care(night: NightReport) -> None:
    summary = summarise(night)
    assert summary.verdict == "care"
    assert [item.anchor for item in summary.problems] == ["quality", "rows"]


def test_a_stopped_gate_is_told_with_reason_and_consequence(held_night: NightReport) -> None:
    summary = summarise(held_night)
    assert summary.verdict == "held"
    assert summary.headline.startswith("Partly held at the gate")
    assert summary.totals.held_back == 310
    assert summary.totals.unaccounted == 0
    first = summary.problems[0]
    assert "rating lies in 1 to 5" in first.subject
    assert "41 of 310 rows" in first.text
    assert "pulled towards zero" in first.text
    assert "corrected drop" in first.text


REFUSAL = {"stage": "ingest", "name": "ingest.refuse_drop musical/2024-03-14/reviews",
           "state": "failed", "message": "reviews of drop 2024-03-14 was not published"}  # fmt: skip


def test_a_stopped_drop_is_one_thing_to_look_at_and_one_to_do(held_night: NightReport) -> None:
    stopped = {**held_night.model_dump(by_alias=False), "tasks": [REFUSAL], "moved": []}
    summary = summarise(make_calm_night(**{n: stopped[n] for n in ("drops", "checks", "tasks")}))
    assert summary.verdict == "held"
    assert sum("musical" in item.subject for item in summary.problems[:1]) == 1
    assert all("stopped" not in item.text for item in summary.problems), "told by its check"
    assert [item.anchor for item in summary.todo].count("run") == 0
    assert "task" not in " ".join(summary.lede)


def test_a_task_that_failed_to_refuse_a_drop_is_told_as_a_failed_task() -> None:
    busy = {**REFUSAL, "message": "the warehouse was busy"}
    summary = summarise(make_calm_night(tasks=[busy]))
    assert summary.verdict == "failed"
    assert "the warehouse was busy" in summary.problems[0].text


def test_effects_that_are_gone_or_new_are_no_night_without_a_change() -> None:
    lost = summarise(make_night(effects=[], moved=[])).topline
    assert lost == (
        "Since 13 March 2024, 16 effects are gone (durability; ease of use; price; 13 more)."
    )
    one = {**make_effects()[0], "attribute": "battery", "contrast": "negative_to_positive"}
    told = summarise(make_night(effects=[one], previous_effects=[], moved=[])).topline
    assert told == "Since 13 March 2024, one effect is new (battery)."


def test_a_failure_is_not_hidden_by_a_drop_that_the_gate_holds(held_night: NightReport) -> None:
    stopped = held_night.model_dump(by_alias=False)
    lost = {
        "stage": "effects",
        "name": "effects.refute_effects",
        "state": "failed",
        "message": "out",
    }
    held = {name: stopped[name] for name in ("drops", "checks")}
    assert summarise(make_calm_night(**held, tasks=[REFUSAL])).verdict == "held"
    summary = summarise(make_calm_night(**held, tasks=[REFUSAL, lost]))
    assert (summary.verdict, summary.data) == ("failed", "not fit")
    assert not summary.findings


def test_a_held_redelivery_is_told_beside_the_drop_that_stays(held_night: NightReport) -> None:
    drops = [{**drop, "drift": []} for drop in make_drops()]
    drops[2]["message"] = "A newer delivery is held at the gate: rating lies in 1 to 5."
    checks = [row.model_dump() for row in held_night.checks[:1]]
    summary = summarise(make_calm_night(drops=drops, checks=checks, tasks=[REFUSAL]))
    assert summary.headline == "Partly held at the gate: 1 thing to look at"
    assert summary.lede[1].startswith("A newer delivery of one of them is held at the gate")
    assert summary.todo[0].subject == "Ask musical about reviews"


@pytest.mark.parametrize("loss", [7, -7])
def test_lost_rows_outrank_everything_and_withhold_advice(loss: int) -> None:
    drops = make_drops()
    drops[0]["rows_published"] -= loss
    summary = summarise(make_calm_night(drops=drops))
    assert summary.verdict == "failed"
    assert summary.headline == "Do not rely on this night: 7 rows cannot be explained"
    assert summary.findings == ()
    assert "does not close" in summary.lede[0]


def test_losses_in_two_drops_do_not_cancel_out() -> None:
    drops = make_drops()
    drops[0]["rows_published"] -= 7
    drops[1]["rows_published"] += 7
    assert summarise(make_calm_night(drops=drops)).totals.unaccounted == 14


def test_a_failed_task_fails_the_night() -> None:
    tasks = [{"stage": "text", "name": "shard 3", "state": "failed", "message": "out of memory"}]
    summary = summarise(make_calm_night(tasks=tasks))
    assert summary.verdict == "failed"
    assert "out of memory" in summary.problems[0].text


def test_an_old_or_absent_drop_is_a_problem() -> None:
    rows = [
        {"source": "old", "newest_drop": "2024-03-10", "max_age_days": 2},
        {"source": "never", "newest_drop": None},
        {"source": "edge", "newest_drop": "2024-03-12", "max_age_days": 2},
    ]
    problems = summarise(make_calm_night(freshness=rows)).problems
    assert [item.subject for item in problems] == ["old", "never"]
    assert "4 days old, allowed is 2 days" in problems[0].text


def test_a_source_that_delivers_daily_and_did_not_asks_for_care() -> None:
    summary = summarise(make_calm_night(usual=make_silent()))
    assert (summary.verdict, summary.headline) == ("care", "Use with care: 1 thing to look at")
    (problem,) = summary.problems
    assert problem.subject == "coat"
    assert problem.text.startswith(
        "Reviews of 14 March 2024 did not arrive; the newest drop is of 13 March 2024."
    )
    assert summary.todo[0].subject == "Ask coat for its drop of 14 March 2024"


def test_a_night_without_any_drop_of_its_own_date_is_not_called_good() -> None:
    drops = [{**drop, "drop_id": "2024-03-12", "drift": []} for drop in make_drops()]
    summary = summarise(make_calm_night(drops=drops))
    assert summary.verdict == "care"
    assert [item.subject for item in summary.problems] == ["musical", "sample"]
    assert "Items and reviews of 14 March 2024 did not arrive" in summary.problems[1].text
    assert summary.lede[0] == "All four drops were published; none is of 14 March 2024."


def test_a_drop_that_was_withdrawn_is_told_with_who_and_why_and_not_as_missing() -> None:
    drops = [{**drop, "drift": []} for drop in make_drops()]
    count = {name: 0 for name in drops[0] if name.startswith("rows_")}
    why = "9 rows taken back by ana@host on 2024-03-15: a load test"
    drops[0] |= {**count, "status": "withdrawn", "message": why, "reasons": {}}
    summary = summarise(make_calm_night(drops=drops))
    assert summary.verdict == "care"
    (problem,) = summary.problems
    assert problem.subject == f"{drops[0]['source']} 2024-03-14"
    assert problem.text == (
        f"The night's {drops[0]['table']} were withdrawn ({why}). Conclusions rest on what came before."
    )
    assert "three were published and one was withdrawn" in summary.lede[0]


def test_items_that_did_not_change_are_not_missed_beside_reviews() -> None:
    drops = [d for d in make_drops() if d["table"] != "items"]
    summary = summarise(make_calm_night(drops=[{**drop, "drift": []} for drop in drops]))
    assert summary.verdict == "good"


def test_a_source_that_is_too_old_is_told_once() -> None:
    old = [{"source": "coat", "newest_drop": "2024-03-10", "max_age_days": 2}]
    summary = summarise(make_calm_night(usual=make_silent(), freshness=old))
    assert [item.subject for item in summary.problems] == ["coat"]
    assert "4 days old" in summary.problems[0].text


def test_a_skipped_check_neither_passed_nor_failed() -> None:
    skipped = [{**row, "skip_reason": "no history yet"} for row in make_checks()[:-1]]
    summary = summarise(make_calm_night(checks=skipped))
    assert summary.verdict == "good"
    assert "passed" not in " ".join(summary.lede)


def test_an_unchanged_night_says_that_nothing_was_computed() -> None:
    tasks = [{"stage": "text", "name": "shard", "state": "cached"}]
    drops = [{**drop, "status": "unchanged", "drift": []} for drop in make_drops()]
    summary = summarise(make_calm_night(tasks=tasks, drops=drops))
    lede = " ".join(summary.lede)
    assert "four were unchanged" in lede
    assert "Nothing had to be computed again" in lede


def test_an_empty_night_claims_nothing(empty_night: NightReport) -> None:
    summary = summarise(empty_night)
    assert summary.verdict == "empty"
    assert summary.lede == ("No drop arrived.", "No effects were estimated.")
    assert empty_night.as_of == AS_OF


@pytest.mark.parametrize(("state", "verdict"), [("ran", "empty"), ("failed", "failed")])
def test_a_night_of_nothing_is_empty_though_its_tasks_ran(state: str, verdict: str) -> None:
    tasks = [{"stage": "report", "name": "report.gather", "state": state}]
    few: dict[str, Any] = {"drops": [], "effects": [], "checks": [], "usual": [], "freshness": []}
    summary = summarise(make_night(**few, previous_effects=[], moved=[], tasks=tasks))
    assert summary.verdict == verdict
    assert summary.headline.startswith("Nothing arrived" if state == "ran" else "Do not rely")
