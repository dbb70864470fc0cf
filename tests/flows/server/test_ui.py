"""What a person meets in the browser: a form, a button, a run that ends, and what it found.

Real Chromium drives the real server of `whyrec up`. Screenshots are kept in `var/screenshots`, or
where the variable SCREENSHOTS points.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.ingest.sample import WorldSpec
from tasks.ingest.sample_drops import write_drops
from tests.browser import CHROMIUM, FLAGS
from tests.flows.conftest import ROOT
from tests.flows.served import Served, serve

playwright = pytest.importorskip("playwright.sync_api")

SHOTS = Path(os.environ.get("SCREENSHOTS", ROOT / "var" / "screenshots"))
PATIENCE_MS = 60_000
PRESSES = 3
SPEC = WorldSpec(
    n_users=40, n_items=15, n_days=1, reviews_per_day=80, exposures_per_day=20, seed=3, correction_day=0,
)  # fmt: skip

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        CHROMIUM is None, reason="Chromium is not installed (Debian: apt-get install chromium)"
    ),
]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("ui")
    write_drops(SPEC, folder / "drops")
    with serve(folder) as served:
        yield served


@pytest.fixture(scope="module")
def page(served: Served) -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.set_default_timeout(PATIENCE_MS)
        yield page
        browser.close()


def shoot(page: Any, name: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png")


def open_form(page: Any, served: Served, name: str) -> None:
    """The form of a deployment, by the way a person takes."""
    page.goto(f"{served.ui}/v2/deployments")
    page.get_by_role("link", name=name, exact=True).first.click()
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Custom run").click()
    page.get_by_text("Parameters", exact=True).wait_for()


def submit(page: Any, served: Served) -> str:
    """Press the button and open the page of the run that it started; the id of the run.

    A person whose press is refused by a busy server, or only closes an open list, presses again;
    the note of success that carries a link goes by itself after seconds, so nothing hangs on it.
    """
    for _ in range(PRESSES):
        try:
            with page.expect_response("**/create_flow_run", timeout=PATIENCE_MS / PRESSES) as told:
                page.get_by_role("button", name="Submit").click()
        except playwright.TimeoutError:
            continue
        if told.value.ok:
            run_id: str = told.value.json()["id"]
            page.goto(f"{served.ui}/v2/runs/flow-run/{run_id}")
            return run_id
    shoot(page, "0-not-submitted")
    raise AssertionError(f"pressed {PRESSES} times, and no run began; see 0-not-submitted.png")


def open_artifact(page: Any, served: Served, run_id: str, key: str) -> None:
    """The page of one artifact of a run, by the way a person takes: run, card, entry."""
    wanted = {"artifacts": {"flow_run_id": {"any_": [run_id]}, "key": {"any_": [key]}}}
    artifact = served.ask("/artifacts/filter", wanted)[0]
    page.goto(f"{served.ui}/v2/runs/flow-run/{run_id}?tab=Artifacts")
    page.get_by_text(key, exact=True).first.click()
    page.get_by_role("link", name=artifact["id"][:8]).first.click()
    page.wait_for_url(f"**/{artifact['id']}**")


def test_a_night_is_started_from_its_form_and_shows_what_it_found(
    page: Any, served: Served
) -> None:
    open_form(page, served, "nightly")
    for label in ("As of", "Settings file", "Force"):
        page.get_by_text(label).first.wait_for()
    shoot(page, "1-form-of-the-night")
    run_id = submit(page, served)
    run = served.wait_for_state(run_id, "COMPLETED", within_s=300)
    assert run["name"] == "night 2024-03-01"
    assert "effect" in run["state"]["message"]
    page.reload()
    page.get_by_role("tab", name="Artifacts").click()
    page.get_by_text("attack-scorecard").or_(page.get_by_text("row-accounting")).first.wait_for()
    for key in ("quality-checks", "effects", "progress", "summary", "report"):
        page.get_by_text(key, exact=True).first.wait_for()
    shoot(page, "2-artifacts-of-the-night")
    open_artifact(page, served, run_id, "row-accounting")
    page.get_by_text("quarantined").first.wait_for()
    shoot(page, "3-row-accounting")
    open_artifact(page, served, run_id, "report")
    link = page.get_by_role("link", name="Report of 2024-03-01")
    address = link.get_attribute("href")
    assert address == f"http://127.0.0.1:{served.reports_port}/2024-03-01/report.html"
    page.goto(address)
    page.get_by_text("2024-03-01").first.wait_for()
    shoot(page, "4-report")


def test_a_question_is_asked_by_a_form_and_answered_as_a_table(page: Any, served: Served) -> None:
    open_form(page, served, "estimate")
    fill(page, "table", str(served.folder / "trial.csv"))
    fill(page, "outcome", "rating")
    fill(page, "treatment", "promoted")
    page.get_by_role("button", name="Add item").first.click()
    page.locator("textarea").nth(3).fill("price")
    choose(page, "Select Estimand", "ate")
    choose(page, "Select Estimators", "plr")
    page.keyboard.press("Escape")
    shoot(page, "5-form-of-a-question")
    run_id = submit(page, served)
    run = served.wait_for_state(run_id, "COMPLETED")
    assert run["name"] == "estimate promoted on rating"
    assert run["parameters"]["controls"] == ["price"]
    assert run["parameters"]["estimators"] == ["plr"]
    assert run["state"]["message"] == "promoted on rating: credible"
    open_artifact(page, served, run_id, "effects")
    page.get_by_text("naive", exact=True).first.wait_for()
    shoot(page, "6-answer-to-a-question")


def test_what_went_wrong_reads_as_a_sentence_on_the_page_of_the_run(
    page: Any, served: Served
) -> None:
    open_form(page, served, "estimate")
    fill(page, "table", "absent.csv")
    fill(page, "outcome", "rating")
    fill(page, "treatment", "promoted")
    run_id = submit(page, served)
    served.wait_for_state(run_id, "FAILED")
    page.goto(f"{served.ui}/v2/runs/flow-run/{run_id}?tab=Details")
    page.get_by_text("there is no file absent.csv; check the path").first.wait_for()
    shoot(page, "7-a-failure-in-words")


def choose(page: Any, name: str, option: str) -> None:
    """Open a list and take one of its entries; a person whose list closes by itself opens it again.

    The form closes an open list when what it asked the server about a moment ago comes in.
    """
    button = page.get_by_role("button", name=name)
    entry = page.get_by_role("option", name=option, exact=True)
    for _ in range(PRESSES):
        if not entry.is_visible():
            button.click()
        try:
            entry.click(timeout=PATIENCE_MS / PRESSES)
        except playwright.TimeoutError:
            continue
        return
    shoot(page, "0-not-chosen")
    raise AssertionError(f"opened {name!r} {PRESSES} times; see 0-not-chosen.png")


def fill(page: Any, name: str, text: str) -> None:
    """Type into the field of a parameter."""
    places = {"table": 0, "outcome": 1, "treatment": 2}
    page.locator("textarea").nth(places[name]).fill(text)
