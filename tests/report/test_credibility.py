"""The credibility table: every mark has a word, the worst line speaks, nothing is made up."""

import re
from typing import Any

from tasks.report.credibility import REFUTERS, CredibilityView, find_refuted, view_credibility
from tasks.report.effects import group_effects
from tasks.report.model import NightReport
from tasks.report.render import render_html
from tests.report.conftest import make_night, make_refutations
from tests.report.page import Page


def view(report: NightReport) -> CredibilityView | None:
    return view_credibility(group_effects(report.effects)[0], report)


def read_marks(report: NightReport) -> dict[tuple[str, str], tuple[str, str]]:
    """(attribute, refuter) to (sign, word)."""
    found = view(report)
    assert found is not None
    return {
        (effect.row.attribute, name): (cell.mark.sign, cell.mark.word)
        for effect in found.effects
        for name, cell in zip(REFUTERS, effect.cells, strict=False)
    }


def change(attribute: str, refuter: str, **changes: Any) -> NightReport:
    rows = [
        row | changes if (row["attribute"], row["refuter"]) == (attribute, refuter) else row
        for row in make_refutations()
    ]
    return make_night(refutations=rows)


def test_marks_are_told_apart_without_colour(night: NightReport) -> None:
    marks = read_marks(night)
    assert marks["durability", "placebo"] == ("✓", "passed")
    assert marks["size_fit", "placebo"] == ("✗", "failed")
    assert marks["shipping", "subset"] == ("!", "weak")
    assert marks["price", "negative_control"] == ("–", "not applicable")


def test_every_mark_has_a_text_for_screen_readers(night: NightReport) -> None:
    page = Page(render_html(night))
    signs = [a for a in page.find("span") if (a.get("class") or "").startswith("sign ")]
    named = [a for a in signs if a.get("role") == "img"]
    assert len(named) == 7 * 6
    assert all(a["aria-label"] and a["title"] == a["aria-label"] for a in named)
    assert all(a.get("aria-hidden") == "true" for a in signs if a not in named)
    labels = " ".join(a["aria-label"] or "" for a in named)
    assert "failed: treatments dealt out at random still move the outcome" in labels
    assert "passed; estimate 0.00 (\N{MINUS SIGN}0.03 to +0.04), p = 0.82" in labels
    assert "difference 0.00" in labels  # of two halves


def test_each_effect_stands_with_interval_and_sample_size(night: NightReport) -> None:
    table = render_html(night).split('id="credibility-1"')[1].split("</table>")[0]
    row = table.split("durability")[1].split("</tr>")[0]
    assert re.search(r"\+1\.\d\d \(\+1\.\d\d to \+1\.\d\d\)", row)
    assert "n 10,261" in row
    assert "5 of 5 passed" in row


def test_the_worst_of_several_lines_speaks_for_a_refuter() -> None:
    extra = {"source": "sample", "window": "all", "attribute": "price",
             "refuter": "negative_control", "estimate": 0.2}  # fmt: skip
    rows = [*make_refutations(), {**extra, "result": "passed"}, {**extra, "result": "failed"},
            {**extra, "result": "weak"}]  # fmt: skip
    marks = read_marks(make_night(refutations=rows))
    assert marks["price", "negative_control"] == ("✗", "failed")


def test_a_confounder_that_could_take_all_of_an_effect_is_no_pass() -> None:
    night = change("price", "sensitivity", refuted=-0.01, reason="could bring it to 0")
    assert read_marks(night)["price", "sensitivity"] == ("!", "could be explained away")


def test_an_effect_that_may_be_zero_has_nothing_to_be_explained_away() -> None:
    night = change("price", "sensitivity", refuted=-0.01)
    rows = [
        {**row, "ci_low": -0.1} if row["attribute"] == "price" else row
        for row in night.model_dump()["effects"]
    ]
    marks = read_marks(night.model_copy(update={"effects": make_night(effects=rows).effects}))
    assert marks["price", "sensitivity"] == ("–", "not applicable")


def test_a_refuter_that_was_not_tried_is_not_said_to_have_passed() -> None:
    rows = [row for row in make_refutations() if row["refuter"] != "time"]
    night = make_night(refutations=rows)
    assert read_marks(night)["price", "time"] == ("–", "not tried")
    assert "4 of 4 passed" in Page(render_html(night)).text


def test_the_sensitivity_sentence_stands_once_per_effect(night: NightReport) -> None:
    text = Page(render_html(night)).text
    said = "an unobserved confounder as strong as item rating would leave at least +1.15"
    assert text.count(f"Durability: {said}.") == 1


def test_a_sensitivity_sentence_is_not_repeated_beside_the_verdict() -> None:
    said = "an unobserved confounder as strong as item rating would leave at least +1.15"
    effects = make_night().model_dump()["effects"]
    for row in effects:
        if row["attribute"] == "durability":
            row["reasons"] = [said, "the naive difference lies above"]
    main = render_html(make_night(effects=effects)).split('id="effects-1"')[1].split("</table>")[0]
    assert said not in main
    assert "the naive difference lies above" in main


def test_what_did_not_pass_is_told_with_its_reason_failures_first(night: NightReport) -> None:
    found = view(night)
    assert found is not None
    assert [attribute for attribute, _ in found.findings] == ["size_fit", "shipping"]
    assert found.findings[1][1] == (
        "subset weak: not stable: +0.02 in the one half, +0.19 in the other"
    )
    assert found.not_applied == (
        "Negative control not applied to 7 effects: no negative control is configured",
    )


def test_each_refuter_is_explained_in_one_sentence(night: NightReport) -> None:
    text = Page(render_html(night)).text
    for name, meaning in REFUTERS.values():
        assert f"{name}{meaning}" in text
        assert meaning.count(".") == 1
        assert meaning.endswith(".")


def test_refutations_of_other_windows_and_contrasts_do_not_count() -> None:
    others = [
        *make_refutations(window="28d"),
        *make_refutations(source="other"),
        *({**row, "contrast": "positive"} for row in make_refutations()),
        *({**row, "outcome": "returns"} for row in make_refutations()),
    ]
    assert view(make_night(refutations=others)) is None


def test_a_night_without_refutations_has_no_table() -> None:
    html = render_html(make_night(refutations=[]))
    assert "credibility-1" not in html
    assert "Can these effects be proved wrong" not in html


def test_refuted_effects_are_named_with_the_refuters_they_failed(night: NightReport) -> None:
    (group, *_) = group_effects(night.effects)
    assert find_refuted(group, night) == [("size and fit", ("placebo",))]
    without = make_night(refutations=[])
    assert find_refuted(group, without) == [("size and fit", ())]


def test_a_refuter_this_page_has_no_words_for_gets_a_column() -> None:
    extra = [{**row, "refuter": "moon_phase"} for row in make_refutations()[:1]]
    found = view(make_night(refutations=[*make_refutations(), *extra]))
    assert found is not None
    assert found.columns[-1] == ("Moon phase", "")
