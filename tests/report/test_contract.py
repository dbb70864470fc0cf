"""report.json: documented, and saying what the page says."""

import json
import re
from pathlib import Path

import pytest

from tasks.platform.marts import commit_parts
from tasks.platform.refs import FileRef, ReportRef
from tasks.platform.settings import Settings
from tasks.platform.site import Site, resolve_site
from tasks.platform.task import RunContext
from tasks.report import task as report_room
from tasks.report.contract import CONTRACT, KEYS
from tasks.report.mart_rows import describe_marts
from tasks.report.model import NightReport
from tasks.report.render import make_index_night, render_html, render_json
from tasks.report.words import format_interval, format_number
from tests.report.conftest import AS_OF, make_night
from tests.report.page import Page


def test_every_key_is_documented_and_every_documented_key_is_there(
    night: NightReport, empty_night: NightReport
) -> None:
    for report in (night, empty_night):
        assert set(json.loads(render_json(report))) == set(KEYS)
    assert json.loads(render_json(night))["contract"] == CONTRACT


def test_the_page_shows_the_sentences_and_things_to_do_of_the_json(night: NightReport) -> None:
    content, text = json.loads(render_json(night)), Page(render_html(night)).text
    told = [content["headline"], content["topline"], *content["lede"], *content["attack_changes"]]
    told += [part for item in content["todo"] for part in (item["subject"], item["text"])]
    told += [part for item in content["problems"] for part in (item["subject"], item["text"])]
    assert all(sentence in text for sentence in told)
    assert 1 <= len(content["todo"]) <= 3


def test_the_page_shows_every_change_of_the_json_with_its_figures(night: NightReport) -> None:
    content = json.loads(render_json(night))
    html = render_html(night)
    rows = {
        (name[1], name[2]): Page(f"<table>{row}</table>").text
        for row in re.findall(r"<tr>.*?</tr>", html, flags=re.DOTALL)
        if (name := re.search(r'^<tr><th scope="row"><bdi>([^<]+)</bdi><small class="muted"> '
                              r"<bdi>sample</bdi>, <bdi>([^<]+)</bdi>", row))
    }  # fmt: skip
    assert len(content["changes"]) == len(rows) == 16
    for change in content["changes"]:
        window = "all history" if change["window"] == "all" else "last 28 days"
        name = night.labels.get(change["attribute"]) or change["attribute"].replace("_", " ")
        text = rows[name, window]
        assert change["word"] in text
        assert change["verdict_now"] in text
        assert change["cause"] in text
        if change["estimate_now"] is None:
            assert "no result" in text
            continue
        assert f"{change['estimate_now']:+.2f}".replace("-", "\N{MINUS SIGN}") in text
        assert format_interval(*change["ci_now"]) in text
        assert f"n {change['n_now']:,}" in text
        assert f"naive {format_number(change['naive_now'], is_signed=True)}" in text
    text = Page(html).text
    for row in content["data_changes"]:
        assert row["word"] in text
        assert row["usual"] in text
        assert row["refused"] in text


def test_the_page_shows_every_effect_of_the_json(night: NightReport) -> None:
    text = Page(render_html(night)).text
    for row in json.loads(render_json(night))["effects"]:
        if row["estimate"] is not None and row["contrast"] == "negative_to_positive":
            shown = format_number(row["estimate"], is_signed=True)
            assert f"{shown}{format_interval(row['ci_low'], row['ci_high'])}" in text


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = resolve_site(Settings(root=tmp_path))
    site.warehouse.prepare()
    return site


def put(site: Site, report: NightReport) -> ReportRef:
    line = make_index_night(report, href="")
    text = json.dumps(describe_marts(report, line))
    page = FileRef(path="", sha256="", size=0)
    return ReportRef(
        html=page, json_file=page, marts=site.lake.put_bytes("reports", ".json", text.encode())
    )


def test_the_marts_hold_the_night_and_its_changes_and_publishing_again_replaces(
    tmp_path: Path, site: Site
) -> None:
    run = RunContext(run_id="r", events=str(tmp_path / "e"), site=site, text=Settings().text)
    for report in (make_night(moved=[]), make_night()):
        page = put(site, report)
        assert report_room.has_unpublished(page, AS_OF, run)
        commit_parts(
            site.warehouse, report_room.list_parts(page, AS_OF, run), message="m", extra={}
        )
        assert not report_room.has_unpublished(page, AS_OF, run)
    content = json.loads(render_json(make_night()))
    with site.warehouse.connect() as connection:
        (night,) = connection.execute(
            "SELECT verdict, headline, topline, n_credible, n_flipped, n_real, data_fitness, todo "
            "FROM marts.nights"
        ).fetchall()
        rows = connection.execute(
            "SELECT attribute, window_name, word, kind, by_reviews, by_reviews_ci_low, previous_as_of "
            "FROM marts.effect_changes"
        ).fetchall()
    assert night[:7] == (
        "care", content["headline"], content["topline"], 5, 1, 1, "fit, with care",
    )  # fmt: skip
    assert json.loads(night[7]) == content["todo"]
    told = {
        (c["attribute"], c["window"], c["word"], c["kind"], c["by_reviews"],
         (c["by_reviews_ci"] or [None])[0])
        for c in content["changes"]
    }  # fmt: skip
    assert {row[:6] for row in rows} == told
    assert {str(row[6]) for row in rows} == {content["previous_as_of"]}


def test_a_first_night_has_no_changes_in_the_marts(tmp_path: Path, site: Site) -> None:
    run = RunContext(run_id="r", events=str(tmp_path / "e"), site=site, text=Settings().text)
    parts = report_room.list_parts(put(site, make_night(previous_as_of=None)), AS_OF, run)
    assert [part.table for part in parts] == ["nights"]
