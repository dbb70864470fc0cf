"""The automations are ones that Prefect takes, go to a server once, and tell of a run that failed."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prefect.events.schemas.automations import AutomationCore

from flows.catalogue import list_offers
from tasks.platform.settings import ServeSettings
from tests.flows.conftest import start_server

FOLDER = Path(__file__).parents[3] / "deployments" / "automations"
TEMPLATES = sorted(FOLDER.glob("*.yaml"))
SECRET = "tok3n-of-the-hook"
FAILING = """
from prefect import flow
@flow(name="nightly", flow_run_name="night 2024-03-01")
def nightly():
    raise ValueError("the gate was broken")
try:
    nightly()
except ValueError:
    pass
"""


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_a_template_is_an_automation_as_prefect_has_it(path: Path) -> None:
    document = yaml.safe_load(path.read_text())
    automation = AutomationCore.model_validate(document, strict=False)
    (event,) = automation.trigger.expect  # type: ignore[union-attr]
    assert event.removeprefix("prefect.flow-run.").lower() == path.stem
    assert automation.actions[0].type == "send-notification"
    assert set(document) <= set(AutomationCore.model_fields)
    assert set(document["trigger"]) <= set(type(automation.trigger).model_fields)
    assert set(document["actions"][0]) <= set(type(automation.actions[0]).model_fields)
    document["trigger"]["posture"] = "Relaxed"
    with pytest.raises(ValueError, match="posture"):
        AutomationCore.model_validate(document)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_a_template_tells_of_every_run_that_nobody_waits_for(path: Path) -> None:
    trigger = yaml.safe_load(path.read_text())["trigger"]
    scheduled = {offer.flow.name for offer in list_offers(ServeSettings()) if offer.cron}
    assert scheduled <= set(trigger["match_related"]["prefect.resource.name"])


def test_there_is_one_for_runs_that_failed_crashed_or_are_late() -> None:
    assert [path.stem for path in TEMPLATES] == ["crashed", "failed", "late"]


@pytest.fixture
def posts() -> Iterator[tuple[str, list[tuple[str, dict[str, Any]]]]]:
    found: list[tuple[str, dict[str, Any]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.append((self.path, json.loads(body)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/{SECRET}", found
    server.shutdown()
    server.server_close()


@pytest.fixture
def acting(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Iterator[str]:
    """A server that acts on what happens."""
    process = start_server(tmp_path_factory, tmp_path / "server.url", has_services=True)
    yield (tmp_path / "server.url").read_text()
    process.terminate()
    process.wait(30)


def list_told(found: list[tuple[str, dict[str, Any]]]) -> list[tuple[str, str]]:
    """Posts about the run of this module."""
    return [(path, body["text"]) for path, body in found if "the gate was broken" in body["text"]]


@pytest.mark.slow
def test_applied_twice_they_are_there_once_and_tell_of_a_failed_run(
    acting: str, posts: tuple[str, list[tuple[str, dict[str, Any]]]], tmp_path: Path
) -> None:
    address, found = posts
    environment = os.environ | {
        "PREFECT_API_URL": acting,
        "PREFECT_HOME": str(tmp_path),
        "WHYREC_ALERTS__WEBHOOK_URL": address,
    }
    said = ""
    for _ in range(2):
        command = [sys.executable, str(FOLDER / "apply.py"), "--allow-private"]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        said += done.stdout + done.stderr
    answer = httpx.post(f"{acting}/automations/filter", json={}, timeout=30)
    names = [automation["name"] for automation in answer.json()]
    assert sorted(names) == ["whyrec run crashed", "whyrec run failed", "whyrec run late"]
    subprocess.run(
        [sys.executable, "-c", FAILING],
        env=environment,
        timeout=120,
        check=True,
        capture_output=True,
    )
    deadline = time.monotonic() + 60
    while not (told := list_told(found)) and time.monotonic() < deadline:
        time.sleep(0.2)
    (path, text), *more = told
    assert path == f"/{SECRET}"
    assert "night 2024-03-01 failed" in text
    assert not more
    assert SECRET not in said + answer.text
