"""The index of nights: the latest in full, all by month, no page ever long."""

import json
import shutil
from datetime import timedelta
from pathlib import Path

from tasks.platform.settings import Settings
from tasks.platform.site import resolve_site
from tasks.platform.task import RunContext
from tasks.report.index import INDEX, INDEX_JSON, LATEST, render_pages
from tasks.report.nights import IndexNight
from tasks.report.render import make_index_night
from tasks.report.task import write_index
from tests.report.conftest import AS_OF, make_night
from tests.report.page import Page

VERDICTS = ("good", "good", "care", "held", "failed")


def make_lines(count: int) -> list[IndexNight]:
    return [
        IndexNight(
            as_of=AS_OF - timedelta(days=n), href=f"{AS_OF - timedelta(days=n)}/report.html",
            verdict=VERDICTS[n % 5], headline="Use with care", topline="Since yesterday, little.",
            is_gate_passed=n % 5 != 3, rows_published=100, rows_quarantined=n % 3, n_credible=5,
            n_weak=1, n_not_credible=0, n_no_result=2, n_effects=8, n_flipped=n % 7 == 0,
            n_real=n % 11 == 0,
        )
        for n in range(count)
    ]  # fmt: skip


def list_links(html: str) -> list[str]:
    return [link for a in Page(html).find("a") if not (link := a["href"] or "").startswith("#")]


def test_every_one_of_many_nights_is_two_links_away() -> None:
    pages = render_pages(make_lines(1_500))
    reached = {link for name, html in pages.items() if name.startswith("nights-")
               for link in list_links(html) if link.endswith("/report.html")}  # fmt: skip
    assert len(reached) == 1_500
    months = {link for link in list_links(pages[INDEX]) if link.startswith("nights-")}
    assert months == {name for name in pages if name.startswith("nights-")}
    assert all(len(html.encode()) < 80_000 for name, html in pages.items() if name != INDEX_JSON)


def test_the_first_page_holds_the_latest_nights_and_says_of_how_many() -> None:
    page = Page(render_pages(make_lines(400))[INDEX])
    links = [link for a in page.find("a") if (link := a["href"] or "").endswith("/report.html")]
    assert links[0] == "2024-03-14/report.html"
    assert len(links) == LATEST
    assert "400 nights, the latest first. Showing the latest 31" in page.text


def test_a_month_is_summed_by_how_its_nights_ended() -> None:
    text = Page(render_pages(make_lines(14))[INDEX]).text
    assert "March 202414" in text
    assert "6 ✓ all clear, 3 ! needs a look, 3 ■ gate stopped, 2 ✕ failed" in text


def test_months_lead_to_their_neighbours() -> None:
    pages = render_pages(make_lines(80))
    links = list_links(pages["nights-2024-02.html"])
    assert links[:3] == ["index.html", "nights-2024-03.html", "nights-2024-01.html"]


def test_the_json_holds_every_line_with_nulls_for_what_is_not_known() -> None:
    known = [*make_lines(40), IndexNight(as_of=AS_OF + timedelta(1), verdict="completed")]
    nights = json.loads(render_pages(known)[INDEX_JSON])["nights"]
    assert len(nights) == 41
    assert (nights[0]["verdict"], nights[0]["n_flipped"], nights[0]["rows_published"]) == (
        "completed", None, None,
    )  # fmt: skip


def test_a_line_says_what_the_report_says() -> None:
    line = make_index_night(make_night(), href="x/report.html")
    assert (line.n_credible, line.n_weak, line.n_not_credible, line.n_no_result) == (5, 1, 1, 1)
    assert (line.n_flipped, line.n_real) == (1, 1)
    assert (line.rows_published, line.rows_quarantined) == (1_586, 12)  # not finefood's of the 13th
    text = Page(render_pages([line])[INDEX]).text
    assert "1 verdict changed, 1 effect moved" in text
    first = make_index_night(make_night(previous_as_of=None), href="x/report.html")
    assert (first.n_flipped, first.n_real) == (None, None)
    assert "nothing to compare" in Page(render_pages([first])[INDEX]).text


def test_the_page_of_a_month_goes_with_its_last_night(tmp_path: Path) -> None:
    site = resolve_site(Settings(root=tmp_path))
    run = RunContext(run_id="r", events=str(tmp_path / "e"), site=site, text=Settings().text)
    lines = make_lines(40)
    for line in lines:
        site.night_folder(line.as_of).mkdir(parents=True)
        (site.night_folder(line.as_of) / "line.json").write_text(line.model_dump_json())
    write_index(run)
    root, last = Path(site.reports_root), lines[-1].as_of
    assert (root / f"nights-{last:%Y-%m}.html").is_file()
    for line in lines:
        if line.as_of.month == last.month:
            shutil.rmtree(site.night_folder(line.as_of))
    write_index(run)
    assert not (root / f"nights-{last:%Y-%m}.html").exists()
    assert (root / f"nights-{AS_OF:%Y-%m}.html").is_file()
