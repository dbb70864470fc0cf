"""The page: self-contained, small, valid, accessible, and safe whatever is put in."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.report.index import render_index
from tasks.report.limits import MAX_BYTES
from tasks.report.model import NightReport
from tasks.report.nights import IndexNight
from tasks.report.render import make_index_night, render_html, render_json
from tests.report.conftest import (
    AS_OF,
    SVG,
    make_attributes,
    make_checks,
    make_drops,
    make_effects,
    make_graph,
    make_moved,
    make_night,
    make_positions,
    make_previous,
    make_refutations,
    make_segments,
    make_trends,
    make_usual,
)
from tests.report.page import Page, assert_inert

HOSTILE = (
    "<script>alert(1)</script>", "</style><img src=x onerror=alert(1)>", '"><svg onload=alert(1)>',
    "{{ 7 * 7 }}{% raw %}", "'; DROP TABLE reviews; --",
    "\u202egnp.exe", "\u2067a\u2069", "\x00\x1b[2J",
    "javascript:alert(1)", "&lt;b&gt;", "https://evil.example/x.js", "\ud800", "]]>", "<!--",
    "a\u0301" * 200, "x" * 1_000_000,
)  # fmt: skip


def put_in_every_text(value: Any, text: str) -> Any:
    """`value` with `text` for every string that the model does not choose from a list."""
    chosen = {"verdict", "state", "status", "severity", "contrast", "as_of", "previous_as_of",
              "window_start", "window_end", "newest_drop", "newest", "result", "start", "end"}  # fmt: skip
    if isinstance(value, dict):
        return {
            (key if not isinstance(item, int | str | list) or key in KNOWN else text):
            item if key in chosen else put_in_every_text(item, text)
            for key, item in value.items()
        }  # fmt: skip
    if isinstance(value, list):
        return [put_in_every_text(item, text) for item in value]
    return text if isinstance(value, str) else value


def list_keys(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value) | {name for item in value.values() for name in list_keys(item)}
    return (
        {name for item in value for name in list_keys(item)} if isinstance(value, list) else set()
    )


KNOWN = list_keys(make_night().model_dump(mode="json")) - {
    "python", "whyrec", "duckdb", "not valid JSON", "rating outside 1 to 5", "size_fit",
}  # fmt: skip


def make_hostile_night(text: str) -> NightReport:
    content = make_night().model_dump(mode="json")
    content["effects"] = [row for row in content["effects"] if row["window"] == "all"]
    hostile = put_in_every_text({k: v for k, v in content.items() if k != "units"}, text)
    for row in hostile["attributes"]:
        row["examples"] = [
            {"review_id": text, "text": f"before {text} after", "start": 7, "end": 7 + len(text),
             "polarity": polarity, "words": [{"text": text, "share": 1.0}] * (polarity == 0)}
            for polarity in (-1, 0, 1)
        ]  # fmt: skip
    hostile["graphs"] = [
        {**graph, "svg_wide": text, "svg_narrow": f"<svg>{text}</svg>"}
        for graph in hostile["graphs"]
    ]
    return NightReport.model_validate({**hostile, "notes": [text]})


def test_a_full_night_is_inert_valid_and_small(night: NightReport) -> None:
    html = render_html(night)
    page = Page(html)
    assert_inert(page, html)
    assert len(html.encode()) < 250_000
    assert html.startswith('<!DOCTYPE html>\n<html lang="en">')


@pytest.mark.parametrize("make", [render_html, render_json])
def test_the_same_night_gives_the_same_bytes(make: Callable[[NightReport], str]) -> None:
    assert make(make_night()) == make(make_night())


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:12]))
def test_hostile_text_in_every_field_stays_text(text: str) -> None:
    night = make_hostile_night(text)
    html = render_html(night)
    page = Page(html)
    assert_inert(page, html)
    assert len(html.encode("utf-8")) < MAX_BYTES
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", html)
    content = render_json(night)
    assert len(content.encode("utf-8")) < MAX_BYTES
    json.loads(content)


@cache
def list_plain_tags() -> set[str]:
    return {tag for tag, _ in Page(render_html(make_hostile_night("plain"))).elements}


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(st.characters(), max_size=400))
def test_any_text_in_every_field_leaves_the_page_whole(text: str) -> None:
    html = render_html(make_hostile_night(text))
    page = Page(html)
    assert_inert(page, html)
    assert {tag for tag, _ in page.elements} <= list_plain_tags()
    json.loads(render_json(make_hostile_night(text)))


def test_templates_in_reviews_are_not_carried_out() -> None:
    text = Page(render_html(make_hostile_night("{{ 7 * 7 }}"))).text
    assert "{{ 7 * 7 }}" in text
    assert "49" not in re.sub(r"\d,\d|0\.\d+|49\d|\d49|\d\.\d+", "", text)


def test_the_span_is_marked_and_its_surroundings_are_escaped(night: NightReport) -> None:
    html = render_html(night)
    assert "<mark>cannot make sense of the instructions</mark> &lt;script&gt;alert(1)" in html


def test_outside_text_is_isolated_from_the_direction_of_the_page() -> None:
    hebrew = "\u05d0\u05d1\u05d2"
    page = Page(render_html(make_hostile_night(hebrew)))
    places = [
        set(place) for text, place in zip(page.texts, page.places, strict=True) if hebrew in text
    ]
    assert len(places) > 50
    assert all(place & {"bdi", "blockquote", "svg", "title"} for place in places)


def test_a_huge_night_is_capped_and_says_so() -> None:
    effects = [
        {**row, "source": f"source {n}", "reasons": ["a reason " * 40] * 50}
        for n in range(30)
        for row in make_effects()
    ]
    attributes = [
        {**row, "attribute": f"{row['attribute']} {n}", "examples": row["examples"] * 50}
        for n in range(100)
        for row in make_attributes()
    ]
    night = make_night(
        effects=effects,
        attributes=attributes,
        drops=make_drops() * 500,
        checks=make_checks() * 500,
        quarantine=[{"reason": "&" * 9_000, "raw": '"' * 9_000, "source": "<" * 999}] * 1_000,
        tasks=[{"stage": f"s{n % 90}", "name": "&" * 999, "state": "ran"} for n in range(4_000)],
        reproducibility={
            "run_id": "r", "versions": {f"p{n}": "<" * 500 for n in range(5_000)},
            "seeds": {f"s{n}": n for n in range(5_000)},
        },
    )  # fmt: skip
    html = render_html(night)
    assert len(html.encode()) < MAX_BYTES
    text = Page(html).text
    for section in ("drops", "checks", "effects", "attributes", "tasks", "quarantined rows"):
        assert re.search(rf"Showing [\d,]+ of [\d,]+ {section}", text), section
    content = render_json(night)
    assert len(content.encode()) < MAX_BYTES
    assert {cap["section"] for cap in json.loads(content)["capped"]} >= {"drops", "tasks"}


def test_capping_rows_leaves_the_totals_alone() -> None:
    html = Page(render_html(make_night(drops=make_drops() * 2_000))).text
    assert "3,686,000" in html
    assert "All 8,000 drops were published" in html


def test_troubled_drops_and_failed_checks_survive_the_caps() -> None:
    bad_drop = {**make_drops()[0], "source": "lossy", "rows_published": 1}
    bad_check = {**make_checks()[0], "is_success": False, "expectation": "the one that failed"}
    night = make_night(
        drops=[*make_drops() * 500, bad_drop], checks=[*make_checks() * 500, bad_check]
    )
    html = render_html(night)
    assert "lossy" in html.split('id="drops-table"')[1].split("</table>")[0]
    assert "the one that failed" in html.split('id="critical-table"')[1].split("</table>")[0]


def test_accounting_that_does_not_close_is_said_loudly() -> None:
    drops = make_drops()
    drops[0]["rows_published"] -= 7
    html = render_html(make_night(drops=drops))
    page = Page(html)
    assert 'class="alarm"' in html
    assert html.index('class="alarm"') < html.index('class="lede"')
    assert "Do not rely on this night: 7 rows cannot be explained" in page.text
    assert "No: 7 rows missing" in page.text
    assert "Nothing, until what stands under" in page.text


def test_accounting_that_closes_raises_no_alarm(night: NightReport) -> None:
    html = render_html(night)
    assert 'class="alarm"' not in html
    assert "On this night that adds up for all 4 drops" in Page(html).text


def test_a_stopped_gate_shows_the_check_and_keeps_yesterday(held_night: NightReport) -> None:
    text = Page(render_html(held_night)).text
    assert "Partly held at the gate" in text
    assert "1 critical check failed: what it guards was not published" in text
    assert "what was published before stays as it was" in text
    assert "41 of 310 rows at fault" in text


def test_reviews_that_nothing_was_read_from_are_said(night: NightReport) -> None:
    assert night.text_cost is not None
    assert "no attributes were read" not in render_html(night)
    cost = night.text_cost.model_copy(update={"n_skipped": 7})
    page = render_html(night.model_copy(update={"text_cost": cost}))
    assert "From 7 reviews no attributes were read" in page


def test_languages_refusals_and_tokens_of_reading_are_said(night: NightReport) -> None:
    assert night.text_cost is not None
    told = {
        "n_skipped": 3, "skipped": {"language de is not read": 3}, "languages": {"de": 3, "en": 90},
        "n_tokens": 5_120, "n_read_new": 93, "n_read_tokens": 77_000, "read_seconds": 12.0,
    }  # fmt: skip
    page = render_html(
        night.model_copy(update={"text_cost": night.text_cost.model_copy(update=told)})
    )
    text = Page(page).text
    assert "3 language de is not read" in text
    assert "Reviews by language: de 3, en 90." in text
    assert "5,120 tokens" in text
    assert "93 reviews" in text
    assert "77,000 tokens through a language model" in text


def test_an_empty_night_has_no_zeros(empty_night: NightReport) -> None:
    text = Page(render_html(empty_night)).text
    body = text.split("Morning report")[1]
    assert "Nothing arrived" in body
    assert not re.search(r"\b0\b", body)
    assert "no effect was estimated" in body


def test_no_result_is_never_shown_as_zero(night: NightReport) -> None:
    html = render_html(night)
    row = re.search(
        r'<tr><th scope="row"><bdi>quality</bdi></th>\s*<td class="n strong">(.*?)</td>', html
    )
    assert row is not None
    assert row[1] == "no result"


def test_estimates_stand_with_interval_sample_size_and_naive_figure(night: NightReport) -> None:
    html = render_html(night)
    row = next(r for r in night.effects if r.attribute == "durability" and r.window == "all")
    cells = Page(html).text
    assert f"+{row.estimate:.2f}+{row.ci_low:.2f} to +{row.ci_high:.2f}" in cells
    assert f"+{row.naive:.2f}+{row.naive_ci_low:.2f} to" in cells
    assert "10,261" in cells


def test_a_simulated_world_shows_its_truth_and_a_real_one_does_not(night: NightReport) -> None:
    sample, real = Page(render_html(night)).text, Page(render_html(make_night(truth=()))).text
    assert "lies inside 7 of 7 intervals, and inside none of the naive ones" in sample
    assert "true effect" in sample
    assert "true effect" not in real


def test_headings_landmarks_tables_and_images_have_names(night: NightReport) -> None:
    page = Page(render_html(night))
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert len(page.find("main")) == 1
    assert all(nav.get("aria-label") for nav in page.find("nav"))
    ids = [a["id"] for _, a in page.elements if a.get("id")]
    assert len(ids) == len(set(ids))
    for _, attributes in page.elements:
        if label := attributes.get("aria-labelledby"):
            assert label in ids
        if (href := attributes.get("href") or "").startswith("#"):
            assert href[1:] in ids
    tables, captions = page.find("table"), page.find("caption")
    assert len(tables) == len(captions) > 5
    assert all(a.get("scope") for a in page.find("th"))
    images = [a for a in page.find("svg") if a.get("role") == "img"]
    assert len(images) == 14  # seven drawings, each wide and narrow
    assert all(a.get("role") == "img" or a.get("aria-hidden") == "true" for a in page.find("svg"))
    regions = [a for a in page.find("div") if a.get("role") == "region"]
    assert len(regions) == len(tables)
    assert all(a.get("tabindex") == "0" for a in regions)


def contrast(first: str, second: str) -> float:
    """Contrast ratio of WCAG 2.2, success criterion 1.4.3."""

    def luminance(color: str) -> float:
        digits = color.lstrip("#")
        digits = "".join(c * 2 for c in digits) if len(digits) == 3 else digits
        parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        r, g, b = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_text_is_readable_in_light_dark_and_print(night: NightReport) -> None:
    html = render_html(night)
    palettes = [dict(re.findall(r"--(\w[\w-]*): (#\w+);", block)) for block in
                re.findall(r":root \{[^}]*--paper[^}]*\}", html)]  # fmt: skip
    assert len(palettes) == 3
    for palette in palettes:
        for name in ("ink", "muted", "accent", "good", "care", "bad"):
            assert contrast(palette[name], palette["paper"]) >= 4.5, (name, palette)
        for name in ("ink", "muted", "bad", "accent"):
            assert contrast(palette[name], palette["bad-wash"]) >= 4.5, (name, palette)
        assert contrast(palette["ink"], palette["mark"]) >= 4.5


def test_json_holds_what_the_page_shows(night: NightReport) -> None:
    content = json.loads(render_json(night))
    assert content["headline"] == "Use with care: 2 things to look at"
    assert content["as_of"] == "2024-03-14"
    assert content["totals"]["read"] == 1_843
    assert len(content["effects"]) == len(night.effects)
    assert [c["kind"] for c in content["changes"][:2]] == ["verdict changed", "moved"]
    missing = next(r for r in content["effects"] if r["attribute"] == "quality")
    assert missing["estimate"] is None
    page = Page(render_html(night)).text
    assert all(sentence in page for sentence in content["lede"])


def test_json_holds_every_new_part(night: NightReport) -> None:
    content = json.loads(render_json(night))
    for part in ("positions", "refutations", "segments", "trends", "graphs"):
        assert len(content[part]) == len(getattr(night, part)) > 0, part
    assert any("did not stand up to its checks" in sentence for sentence in content["lede"])


def test_links_to_the_parts_of_a_chapter_are_those_that_are_there(night: NightReport) -> None:
    def list_parts(report: NightReport) -> list[str]:
        links = [a["href"] or "" for a in Page(render_html(report)).find("a")]
        return [link for link in links if "-title-" in link]

    assert list_parts(night) == [
        "#credibility-title-1", "#windows-title-1", "#trend-title-1", "#segments-title-1",
    ]  # fmt: skip
    bare = make_night(effects=make_effects(), refutations=[], segments=[], trends=[])
    assert list_parts(bare) == []


def test_a_night_of_many_sources_and_attributes_stays_small() -> None:
    names = [f"s{n}" for n in range(8)]
    wide = [{**row, "attribute": f"{row['attribute']} {n}"} for n in range(4) for row in
            make_effects()]  # fmt: skip
    night = make_night(
        effects=[{**row, "source": name} for name in names for row in wide],
        refutations=[{**row, "source": name, "attribute": f"{row['attribute']} {n}"}
                     for name in names for n in range(4) for row in make_refutations()],
        segments=[{**row, "source": name, "level": f"{row['level']} {n}"}
                  for name in names for n in range(20) for row in make_segments()],
        trends=[{**row, "source": name} for name in names for row in make_trends(weeks=36)],
        positions=[{**row, "source": name} for name in names for row in make_positions() * 9],
        graphs=[make_graph(svg_wide=SVG.format("x" * 90_000))] * 40,
    )  # fmt: skip
    html = render_html(night)
    assert len(html.encode()) < MAX_BYTES
    text = Page(html).text
    for section in ("refutations", "segments", "positions", "trends", "graphs"):
        assert re.search(rf"Showing [\d,]+ of [\d,]+ {section}", text), section
    assert len(render_json(night).encode()) < MAX_BYTES


def test_hundreds_of_sources_and_attributes_that_all_changed_stay_small() -> None:
    before, now, moved = make_previous(), make_effects(), make_moved()
    names = [f"source {n}" for n in range(150)]
    many = {
        key: [{**row, "source": name, "attribute": f"{row['attribute']} {n}", "verdict": verdict}
              if verdict else {**row, "source": name, "attribute": f"{row['attribute']} {n}"}
              for name in names for n in range(2) for row in rows]
        for key, rows, verdict in (("previous_effects", before[:24], "weak"),
                                   ("effects", now, "credible"), ("moved", moved[:7], ""))
    }  # fmt: skip
    usual = [{**row, "source": name} for name in names for row in make_usual()]
    night = make_night(**many, usual=usual, truth=[], refutations=[], segments=[], trends=[])
    html, content = render_html(night), json.loads(render_json(night))
    assert len(html.encode()) < MAX_BYTES
    text = Page(html).text
    assert "Showing 60 of 2,400 changes" in text
    assert re.search(r"Showing 60 of \d+ data changes", text)
    assert len(content["changes"]) == len(content["data_changes"]) == 60
    assert sum(content["words"].values()) == 2_400
    assert len(content["todo"]) == 3


def test_the_index_links_nights_latest_first(night: NightReport, held_night: NightReport) -> None:
    older = held_night.model_copy(update={"as_of": AS_OF - timedelta(days=1)})
    html = render_index(
        [
            make_index_night(older, href="2024-03-13/report.html"),
            make_index_night(night, href="2024-03-14/report.html"),
        ]
    )
    page = Page(html)
    links = [a["href"] for a in page.find("a") if a["href"] != "#main"]
    assert links == ["2024-03-14/report.html", "2024-03-13/report.html", "nights-2024-03.html"]
    assert "Needs a look" in page.text
    assert "stopped" in page.text
    assert "5 of 7 credible" in page.text


@pytest.mark.parametrize(
    "href",
    ["https://evil.example", "//evil.example", "javascript:alert(1)", "../secret", "/etc/passwd",
     "a/../../b", "data:text/html,x", "a\\..\\b", "", "x" * 400],
)  # fmt: skip
def test_the_index_never_links_out_of_its_folder(href: str) -> None:
    night = IndexNight(as_of=AS_OF, href=href, verdict="good", headline="<b>")
    links = [a["href"] or "" for a in Page(render_index([night])).find("a")]
    for link in links:
        assert not re.match(r"[a-z]+:|/|\.\.", link)
        assert "\\" not in link


def test_an_index_without_nights_says_so() -> None:
    assert "No night has run yet." in Page(render_index([])).text


def test_an_index_of_many_years_stays_small() -> None:
    nights = [
        IndexNight(as_of=AS_OF - timedelta(days=n), href=f"{n}/r.html", verdict="&" * 999,
                   headline="<" * 9_999)
        for n in range(5_000)
    ]  # fmt: skip
    html = render_index(nights)
    assert len(html.encode()) < MAX_BYTES
    assert "Showing the latest" in Page(html).text


def test_warnings_of_a_drop_that_was_stopped_are_not_called_published(
    held_night: NightReport,
) -> None:
    page = render_html(held_night)
    assert "1 warning:</strong> worth a look; it stops nothing." in page
    assert "1,790 of them distinct within the days, months or parts" in page, "not of all texts"
