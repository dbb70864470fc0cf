"""The page of a gate: its first sentence, its parts, and text from outside as text only."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from tasks.quality.gate import CheckResult, GateReport
from tasks.quality.page import group_quarantine, render_gate_page

HOSTILE = "<script>alert(1)</script>'\"><img src=x onerror=alert(1)>{{ 7*7 }}{% raw %}&amp;"

GOOD = CheckResult(
    table="reviews",
    expectation="every review has a rating",
    column="rating",
    severity="critical",
    is_success=True,
    observed="0 of 300 rows",
    allowed="no null",
    n_unexpected=0,
    n_rows=300,
    examples=(),
    breaks="the rating is the outcome",
    advice="check the rating column",
    name="rating_present",
)
BAD = replace(
    GOOD,
    expectation="every rating lies between 1 and 5",
    is_success=False,
    observed="41 of 300 rows (13.67%)",
    allowed="1 to 5",
    n_unexpected=41,
    examples=("drop.jsonl.gz:7 0abc rating = 7.0",),
    name="rating_range",
)
WARNING = replace(BAD, severity="warning", expectation="most reviews have words", n_unexpected=200)
SKIPPED = replace(
    GOOD, expectation="ratings vary", observed="no result: no rows", skip_reason="no rows"
)
ERROR = replace(
    BAD, is_error=True, observed="the check could not be computed: boom", n_unexpected=None
)


def make_report(*checks: CheckResult) -> GateReport:
    is_passed = all(c.is_success or c.severity == "warning" for c in checks)
    return GateReport("reviews", "shop", "2024-03-07", 300, is_passed, checks, 0.2)


def render(report: GateReport, **options: Any) -> str:
    return render_gate_page(report, **{"quarantine_examples": [], **options})


def read_heading(page: str) -> str:
    found = re.search(r"<h1>(.*?)</h1>", page, re.DOTALL)
    assert found
    return found[1]


class Reader(HTMLParser):
    """Collects tags, attributes and text of a page as a browser would see them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def test_first_sentence_says_what_was_stopped_and_the_second_what_stays() -> None:
    page = render(make_report(GOOD, BAD, WARNING))
    assert read_heading(page) == (
        "Drop 2024-03-07 of source shop (reviews) was not published: 41 of 300 rows break the "
        "rule “every rating lies between 1 and 5”."
    )
    assert "What was published before stays as it was" in page


def test_first_sentence_names_the_widest_failure_and_counts_the_others() -> None:
    other = replace(BAD, expectation="every id occurs once", n_unexpected=2)
    assert "41 of 300" in read_heading(render(make_report(other, BAD)))
    assert "1 more critical check failed." in read_heading(render(make_report(other, BAD)))
    assert "2 more critical checks failed." in read_heading(render(make_report(other, BAD, other)))


def test_a_check_that_could_not_be_computed_is_said_first() -> None:
    heading = read_heading(render(make_report(BAD, ERROR)))
    assert "could not be computed" in heading
    assert "not published" in heading


def test_a_rule_about_the_table_is_named_with_what_was_found() -> None:
    rows = replace(
        BAD,
        expectation="the number of rows is usual",
        observed="12",
        n_unexpected=None,
        column=None,
    )
    assert "is broken (found 12)" in read_heading(render(make_report(rows)))


@pytest.mark.parametrize(
    ("warnings", "words"),
    [
        ((), "without warnings"),
        ((WARNING,), "with 1 warning:"),
        ((WARNING,) * 2, "with 2 warnings:"),
    ],
)
def test_a_passed_drop_is_not_called_stopped(warnings: tuple[CheckResult, ...], words: str) -> None:
    page = render(make_report(GOOD, *warnings))
    assert words in read_heading(page)
    assert "not published" not in page
    assert "Why it was stopped" not in page


def test_each_failure_shows_found_allowed_what_breaks_and_what_to_do() -> None:
    text = Reader(render(make_report(BAD))).text
    for part in (BAD.observed, BAD.allowed, BAD.breaks, BAD.advice, BAD.examples[0]):
        assert part in text


def test_warnings_passed_and_inapplicable_checks_are_told_apart() -> None:
    page = render(make_report(GOOD, BAD, WARNING, SKIPPED))
    assert "failed: 1 · warnings: 1 · not applicable: 1" in page
    assert "Passed: 1" in page
    assert "Not applicable: 1" in page
    folded = page[page.index("Other checks") :]
    assert GOOD.expectation in folded
    assert BAD.expectation not in folded


def test_everything_from_outside_stays_text() -> None:
    check = replace(
        BAD,
        expectation=HOSTILE,
        observed=HOSTILE,
        allowed=HOSTILE,
        breaks=HOSTILE,
        advice=HOSTILE,
        column=HOSTILE,
        examples=(HOSTILE,),
    )
    report = replace(make_report(check, replace(check, severity="warning")), source=HOSTILE)
    report = replace(report, drop_id=HOSTILE)
    rows = [{"reason": HOSTILE, "file": HOSTILE, "line": 3, "raw_text": HOSTILE}]
    page = render(report, quarantine_examples=rows)
    seen = Reader(page)
    assert not {"script", "img", "iframe", "link", "base", "form"} & set(seen.tags)
    assert not [name for name, _ in seen.attributes if name.startswith("on")]
    assert HOSTILE in seen.text
    assert "49" not in seen.text.replace("149", "")  # no template was evaluated


def test_page_needs_no_network() -> None:
    page = render(make_report(GOOD, BAD))
    assert not re.search(r"https?:|//|url\(|@import|src=|href=", page)
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page


def test_quarantine_is_grouped_most_frequent_first_with_three_examples_each() -> None:
    rows = [
        {"reason": "rating is not a number", "file": "a", "line": i, "raw_text": f"row {i}"}
        for i in range(5)
    ] + [{"reason": "no date", "file": "b", "line": 9, "raw_text": "x"}]
    counts = {"rating is not a number": 7, "no date": 1_200, "unseen": 2}
    groups = group_quarantine(rows, counts)
    assert [(g.reason, g.n_rows, len(g.examples)) for g in groups] == [
        ("no date", 1_200, 1),
        ("rating is not a number", 7, 3),
        ("unseen", 2, 0),
    ]
    page = render(make_report(BAD), quarantine_examples=rows, quarantine_counts=counts)
    assert "Rows set aside before the checks: 1,209" in page


def test_a_sample_of_quarantine_claims_no_totals() -> None:
    rows = [{"reason": "no date", "file": "b", "line": 9, "raw_text": "x"}]
    page = render(make_report(BAD), quarantine_examples=rows)
    assert "Rows set aside before the checks</h2>" in page
    assert "1 × no date" not in page


def test_raw_text_is_cut_and_its_control_characters_are_shown() -> None:
    raw = "a\x00b\u202ec\x1b[31m" + "d" * 1_000
    rows = [{"reason": "r", "file": "f", "line": 1, "raw_text": raw}]
    ((_, shown),) = group_quarantine(rows, None)[0].examples
    assert len(shown) == 201
    assert shown.startswith("a\ufffdb\ufffdc\ufffd[31m")
    assert "\x00" not in render(make_report(BAD), quarantine_examples=rows)
