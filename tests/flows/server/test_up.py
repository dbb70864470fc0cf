"""`whyrec up` brings everything up, keeps it up, and leaves nothing behind."""

import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from flows.catalogue import list_offers
from tasks.platform.settings import ServeSettings
from tests.flows.served import CONFIG, Served, serve

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("up")
    (folder / "drops").mkdir()
    with serve(folder) as served:
        yield served


def find_children(served: Served) -> list[psutil.Process]:
    assert served.process is not None
    return psutil.Process(served.process.pid).children(recursive=True)


def wait_until(is_so: Any, *, within_s: float = 90) -> None:
    deadline = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.1)


def leave_running(served: Served) -> str:
    """A run that the server believes to be running, as a killed process leaves it."""
    deployment = served.find_deployment("estimate")
    run = served.ask(
        f"/deployments/{deployment['id']}/create_flow_run",
        {
            "parameters": {"table": "x", "outcome": "y", "treatment": "z"},
            "state": {"type": "PAUSED"},
        },
    )
    served.ask(f"/flow_runs/{run['id']}/set_state", {"state": {"type": "RUNNING"}, "force": True})
    found: str = run["id"]
    return found


def test_up_says_where_everything_is_and_what_comes_next(served: Served) -> None:
    news = served.news
    assert news["serving"]["ui"] == served.ui
    assert news["deployments"] == [offer.name for offer in list_offers(ServeSettings())]
    assert "T02:30:00" in news["next"]["nightly"].replace(" ", "T")
    assert httpx.get(f"{served.ui}/", follow_redirects=True).status_code == 200
    assert (served.folder / "home" / "prefect" / "prefect.db").is_file()
    deployment = served.find_deployment("nightly")
    assert deployment["schedules"][0]["schedule"]["timezone"] == "Europe/Paris"
    assert deployment["parameters"] == {"config": str(served.folder / "whyrec.toml")}


def test_a_second_up_says_what_already_runs_and_where(served: Served) -> None:
    second = served.call("up")
    assert second.returncode == 0
    assert served.ui in second.stdout
    assert "is up since" in second.stdout
    assert served.call("up", "--status").returncode == 0


def test_reports_can_be_read_and_nothing_else(served: Served) -> None:
    folder = served.folder / "home" / "reports" / "2024-03-01"
    folder.mkdir(parents=True)
    (folder / "report.html").write_text("the report")
    base = f"http://127.0.0.1:{served.reports_port}"
    assert httpx.get(f"{base}/2024-03-01/report.html").text == "the report"
    assert httpx.get(f"{base}/2024-03-01/").status_code == 404
    assert httpx.post(f"{base}/2024-03-01/report.html").status_code == 501


def test_a_command_finds_the_server_and_its_run_is_kept(served: Served) -> None:
    done = served.call("import", "absent.json", "--source", "amazon-2014")
    assert done.returncode == 2
    runs = served.ask("/flow_runs/filter", {"flows": {"name": {"any_": ["import"]}}})
    assert [run["name"] for run in runs] == ["import absent.json as amazon-2014"]
    assert "absent.json" in runs[0]["state"]["message"]


def test_what_dies_is_started_again_and_what_it_left_behind_is_closed(served: Served) -> None:
    left = leave_running(served)
    children = find_children(served)
    runner = next(one for one in children if "flows.server.serving" in one.cmdline())
    server = next(one for one in children if "server" in one.cmdline())
    runner.kill()
    crashed = served.wait_for_state(left, "CRASHED", within_s=120)
    assert "run it again" in crashed["state"]["message"]
    server.kill()
    wait_until(lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE)
    wait_until(lambda: is_up(served))
    assert "starting it again" in (served.folder / "up.out").read_text()


def is_up(served: Served) -> bool:
    try:
        return httpx.get(f"{served.api}/health", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def test_killed_or_stopped_it_leaves_no_process_and_no_port_behind(served: Served) -> None:
    left = leave_running(served)
    children = find_children(served)
    assert len(children) >= 2
    assert served.stop(signal.SIGKILL) == -signal.SIGKILL
    psutil.wait_procs(children, timeout=60)
    assert not [one for one in children if one.is_running()]
    assert served.start()["crashed"]
    assert served.ask(f"/flow_runs/{left}")["state"]["type"] == "CRASHED"
    children = find_children(served)
    assert served.call("down").returncode == 0
    assert served.process is not None
    assert served.process.wait(5) == 0
    assert not [one for one in children if one.is_running()]
    for port in (served.port, served.reports_port):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
    assert served.call("down").returncode == 2


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--timezone", "Mars/Olympus", "is no time zone"),
        ("--port", "4201", "choose another for one"),
        ("--cron", "often", "is no schedule"),
        ("--status", "--port=4321", "--port: of what is to be served; leave that out"),
    ],
)
def test_a_wrong_option_is_said_in_words(
    tmp_path: Path, option: str, value: str, words: str
) -> None:
    (tmp_path / "whyrec.toml").write_text(CONFIG)
    done = Served(tmp_path).call("up", option, value)
    assert words in done.stderr
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_port_in_use_is_said_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "whyrec.toml").write_text(CONFIG)
    shop = Served(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", shop.port))
        taken.listen()
        done = shop.call("up", "--port", str(shop.port))
    assert done.returncode == 2
    assert f"port {shop.port} of 127.0.0.1 cannot be had" in done.stderr
    assert "--port" in done.stderr
    assert not (tmp_path / "home" / "prefect" / "up.json").exists()
