"""The pages in a real browser: accessible, self-contained, usable by keyboard, on a phone, on paper.

Needs Debian's chromium (`apt-get install chromium`); axe-core comes with a package of the tests.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tasks.report.index import INDEX, render_pages
from tasks.report.render import make_index_night, render_html
from tests.browser import CHROMIUM, FLAGS
from tests.report.conftest import AS_OF, make_drops, make_night
from tests.report.test_attacks import make_attack, make_defence
from tests.report.test_index import make_lines

DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
ALL_RULES: dict[str, Any] = {}
COLOURS = {"runOnly": ["color-contrast", "link-in-text-block"]}
LAYOUT = {"rules": {"color-contrast": {"enabled": False}}}

PAGES = (f"{AS_OF}/report.html", f"{AS_OF - timedelta(days=1)}/report.html", INDEX,
         "nights-2024-02.html")  # fmt: skip

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not CHROMIUM, reason="no chromium on this machine; apt-get install chromium"
    ),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Reports as they lie on disk: a night with everything, a failed one, their index."""
    root = tmp_path_factory.mktemp("reports")
    drops = make_drops()
    drops[0]["rows_published"] -= 7
    attacks = {"attacks": [make_attack()], "defences": [make_defence()], "flagged": []}
    nights = {
        AS_OF: make_night(attacks=attacks),
        AS_OF - timedelta(days=1): make_night(drops=drops, as_of=AS_OF - timedelta(days=1)),
    }
    lines = make_lines(70)[2:]
    for day, report in nights.items():
        (root / f"{day}").mkdir()
        (root / f"{day}" / "report.html").write_text(render_html(report), encoding="utf-8")
        lines.append(make_index_night(report, href=f"{day}/report.html"))
    for name, content in render_pages(lines).items():
        (root / name).write_text(content, encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


def open_page(browser: Any, place: Path, *, size: dict[str, int] = DESKTOP, **options: Any) -> Any:
    page = browser.new_context(viewport=size, **options).new_page()
    page.requested = []
    page.on("request", lambda request: page.requested.append(request.url))
    page.on("console", lambda message: page.requested.append(f"console: {message.text}"))
    page.goto(place.as_uri())
    return page


@pytest.mark.parametrize(
    ("size", "scheme", "pages", "rules"),
    [
        (DESKTOP, "light", (PAGES[0], *PAGES[2:]), ALL_RULES),
        (DESKTOP, "dark", PAGES[:3], COLOURS),
        (PHONE, "light", PAGES[::2], LAYOUT),
        (PHONE, "dark", PAGES[2:3], ALL_RULES),
    ],
    ids=["desktop", "desktop-dark", "phone", "phone-dark"],
)
def test_axe_finds_no_serious_violation(
    browser: Any, folder: Path, size: dict[str, int], scheme: str, pages: Sequence[str], rules: Any
) -> None:
    """All rules in the light on a desktop; elsewhere those that colours or widths can break."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = []
    for name in pages:
        page = open_page(browser, folder / name, size=size, color_scheme=scheme, bypass_csp=True)
        page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
        options = {"resultTypes": ["violations"], **rules}
        for broken in axe.run(page, options=options).response["violations"]:
            if broken["impact"] in {"serious", "critical"}:
                found.append((name, broken["id"], broken["nodes"][0]["html"][:200]))
        page.context.close()
    assert found == []


@pytest.mark.parametrize("name", PAGES)
def test_a_page_loads_nothing_else_and_fits_a_phone(browser: Any, folder: Path, name: str) -> None:
    page = open_page(browser, folder / name, size=PHONE)
    assert page.requested == [(folder / name).as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert page.evaluate("getComputedStyle(document.querySelector('h1')).display") == "block"
    page.context.close()


def test_the_keyboard_reaches_the_content_and_moves_between_nights(
    browser: Any, folder: Path
) -> None:
    page = open_page(browser, folder / PAGES[0])
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the report"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("Tab")
    style = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate("document.activeElement.tagName") == "A"
    assert page.evaluate(style) == "solid"
    page.get_by_role("link", name="All nights").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/index.html")
    page.get_by_role("link", name="14 March 2024").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/2024-03-14/report.html")
    page.context.close()


def test_hostile_reviews_run_nothing(browser: Any, folder: Path, tmp_path: Path) -> None:
    hostile = "<img src=x onerror=document.title='owned'><script>document.title='owned'</script>"
    night = make_night(
        notes=[hostile],
        labels={"durability": hostile},
        attacks={"flagged": [{"source": hostile, "user_id": hostile, "reasons": [hostile]}]},
    )
    place = tmp_path / "hostile.html"
    place.write_text(render_html(night), encoding="utf-8")
    page = open_page(browser, place)
    assert page.title() == "14 March 2024: Use with care: 2 things to look at – whyrec"
    assert page.locator("script, img").count() == 0
    assert page.requested == [place.as_uri()]
    page.context.close()


def test_on_paper_nothing_is_hidden_or_cut_off(browser: Any, folder: Path) -> None:
    page = open_page(browser, folder / PAGES[0], size={"width": 720, "height": 1020})
    page.emulate_media(media="print")
    hidden = page.evaluate(
        "[...document.querySelectorAll('details table')].filter(t => !t.getClientRects().length).length"
    )
    wide = page.evaluate(
        "[...document.querySelectorAll('table')].filter(t => t.getClientRects().length"
        " && t.getBoundingClientRect().right > innerWidth + 1).map(t => t.caption.textContent)"
    )
    assert hidden == 0
    assert wide == []
    assert page.pdf(format="A4").startswith(b"%PDF")
    page.context.close()
