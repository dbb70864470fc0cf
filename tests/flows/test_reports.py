"""Finding a night's report, and telling it in a terminal."""

import json
from datetime import date
from pathlib import Path

import pytest

from flows.reports import find_report, tell_report
from tasks.platform.errors import InputError
from tasks.platform.settings import Settings
from tasks.platform.site import Site, resolve_site
from tasks.report.render import render_json
from tests.report.conftest import AS_OF, make_night


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = resolve_site(Settings(root=tmp_path))
    for day in (AS_OF, date(2024, 3, 13)):
        folder = site.night_folder(day)
        folder.mkdir(parents=True)
        (folder / "report.html").write_text("<!DOCTYPE html>")
        (folder / "report.json").write_text(render_json(make_night(as_of=day)))
        (folder / "run.json").write_text(json.dumps({"status": "completed"}))
    return site


def test_the_newest_night_is_found_with_all_that_its_page_shows(site: Site) -> None:
    found = find_report(site, None)
    assert (found["as_of"], found["status"]) == ("2024-03-14", "completed")
    assert found["content"]["headline"] == "Use with care: 2 things to look at"
    assert len(found["content"]["changes"]) == 16
    assert find_report(site, date(2024, 3, 13))["content"]["as_of"] == "2024-03-13"


def test_a_night_is_told_in_a_few_lines_and_the_last_is_where_it_lies(site: Site) -> None:
    lines = tell_report(find_report(site, None))
    assert lines[0] == "Use with care: 2 things to look at"
    assert lines[1].startswith(
        "Since 13 March 2024, one verdict changed (shipping: credible to weak)"
    )
    assert lines[2].startswith("1. Do not act on shipping for now.")
    assert lines[-1].endswith("2024-03-14/report.html")
    assert len(lines) == 6


def test_a_report_of_an_earlier_version_is_still_found(site: Site) -> None:
    (site.night_folder(AS_OF) / "report.json").unlink()
    assert tell_report(find_report(site, None)) == [str(site.night_folder(AS_OF) / "report.html")]


def test_a_night_without_a_report_is_refused_with_those_that_have_one(site: Site) -> None:
    with pytest.raises(InputError, match="2024-03-13 to 2024-03-14"):
        find_report(site, date(2023, 1, 1))
