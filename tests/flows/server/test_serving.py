"""The small parts of serving: stale runs, reports over HTTP, artifacts, forms, endings."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect import flow
from prefect.exceptions import ParameterTypeError

from flows.artifact_rows import MAX_ROWS, cap, list_accounts, list_checks, make_cell, make_plain
from flows.artifacts import find_address
from flows.conduct import conduct, describe_end, label_night
from flows.estimates import estimate
from flows.imports import import_history
from flows.running import Serving, claim_home, find_serving, is_claimed, reach_directly
from flows.server.api import ask_server
from flows.server.reports import serve_reports
from flows.server.stale import crash_stale, show_alive, skip_missed
from flows.server.up import Keeper, make_environment, refuse_odd_cron
from tasks.platform.errors import ConfigError, GateError
from tasks.platform.settings import ServeSettings, Settings, load_settings
from tests.flows.served import Served, free_port

HOSTILE = "<script>x</script> [click](http://evil) \u202e *b* `c` | d"


# -- a server that remembers what it was told


class FakeServer(BaseHTTPRequestHandler):
    runs: list[dict[str, Any]]
    told: list[tuple[str, dict[str, Any]]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer: Any = {}
        if self.path.endswith("/flow_runs/filter"):
            answer = type(self).runs if body["offset"] == 0 else []
        else:
            type(self).told.append((self.path, body))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def fake() -> Iterator[tuple[str, type[FakeServer]]]:
    handler = type("Fake", (FakeServer,), {"runs": [], "told": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/api", handler
    server.shutdown()
    server.server_close()


def run_of(name: str, **changes: Any) -> dict[str, Any]:
    run = {"id": name, "name": name, "deployment_id": None, "work_pool_name": None}
    return run | {"auto_scheduled": True} | changes


def test_only_runs_whose_process_is_gone_are_closed(
    fake: tuple[str, type[FakeServer]], tmp_path: Path
) -> None:
    url, handler = fake
    handler.runs = [
        run_of("by hand, alive"),
        run_of("by hand, killed"),
        run_of("by hand, never seen"),
        run_of("served, alive", deployment_id="d"),
        run_of("served, killed", deployment_id="d"),
        run_of("of a worker elsewhere", deployment_id="d", work_pool_name="pool"),
    ]
    (tmp_path / "alive").mkdir()
    (tmp_path / "alive" / "by hand, killed.lock").touch()
    with (
        show_alive(tmp_path, "by hand, alive"),
        show_alive(tmp_path, "served, alive"),
        ask_server(url) as server,
    ):
        closed = crash_stale(server, tmp_path)
    assert closed == ["by hand, killed", "served, killed"]
    assert [body["state"]["type"] for _, body in handler.told] == ["CRASHED", "CRASHED"]
    assert not list((tmp_path / "alive").iterdir())


def test_of_missed_nights_the_latest_alone_is_made_up_for(
    fake: tuple[str, type[FakeServer]],
) -> None:
    url, handler = fake
    handler.runs = [
        run_of("second", expected_start_time="2024-03-02T02:30:00Z"),
        run_of("first", expected_start_time="2024-03-01T02:30:00Z"),
        run_of("asked for", expected_start_time="2024-02-01T02:30:00Z", auto_scheduled=False),
    ]
    with ask_server(url) as server:
        assert skip_missed(server, "d") == 1
    assert [(path, body["state"]["type"]) for path, body in handler.told] == [
        ("/api/flow_runs/first/set_state", "CANCELLED")
    ]


# -- who serves a home


def make_serving(**changes: Any) -> Serving:
    given = {"pid": 1, "host": "127.0.0.1", "port": 1, "reports_port": 2, "config": ""}
    return Serving(**{**given, "started_at": "now", **changes})


def test_a_home_is_served_once_and_free_again_after(tmp_path: Path) -> None:
    assert find_serving(tmp_path) is None
    with claim_home(tmp_path, make_serving()):
        assert find_serving(tmp_path) == make_serving()
        with (
            pytest.raises(ConfigError, match="another 'whyrec up'"),
            claim_home(tmp_path, make_serving()),
        ):
            pass
    assert not is_claimed(tmp_path)


def test_what_listens_everywhere_is_reached_on_this_machine() -> None:
    assert make_serving(host="0.0.0.0", port=4200).ui == "http://127.0.0.1:4200"
    assert make_serving(host="::1", port=4200).ui == "http://[::1]:4200"


def test_the_server_keeps_its_things_at_home_and_forgets_old_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "whyrec.toml").write_text("[serve]\nkeep_runs_days = 2\nport = 4999\n")
    settings = load_settings(tmp_path / "whyrec.toml")
    made = make_environment(
        settings, {"PREFECT_API_URL": "http://elsewhere", "PREFECT_PROFILE": "x"}
    )
    assert made["PREFECT_HOME"] == str(tmp_path / "var" / "prefect")
    assert made["PREFECT_API_URL"] == "http://127.0.0.1:4999/api"
    assert made["PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD"] == "172800"
    assert "flow_runs" in made["PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED"]
    assert "PREFECT_PROFILE" not in made


def test_no_proxy_stands_before_a_server_of_this_machine() -> None:
    settings = Settings(serve=ServeSettings(host="10.1.2.3"))
    proxy = {"HTTP_PROXY": "http://proxy:3128", "no_proxy": "intranet, 127.0.0.1"}
    made = make_environment(settings, proxy)
    expected = "intranet,127.0.0.1,localhost,::1,10.1.2.3"
    assert (made["NO_PROXY"], made["no_proxy"]) == (expected, expected)
    assert made["HTTP_PROXY"] == "http://proxy:3128"
    everything = {"NO_PROXY": "*"}
    reach_directly(everything)
    assert everything == {"NO_PROXY": "*"}, "no_proxy=*,... would mean less to some who read it"


@pytest.mark.slow
def test_a_night_behind_a_proxy_finds_the_server_that_it_starts(tmp_path: Path) -> None:
    served = Served(tmp_path)
    (tmp_path / "whyrec.toml").write_text('[paths]\nhome = "home"\n')
    proxy = "http://127.0.0.1:9"
    ended = served.call("nightly", HTTP_PROXY=proxy, http_proxy=proxy)
    assert ended.returncode == 2, ended.stderr
    assert "there is nothing to read" in ended.stderr


@pytest.mark.parametrize("cron", ["30 2 * * *", "*/5 0-6 1,15 jan mon", "@daily", "0 4 * * 0"])
def test_a_schedule_is_taken(cron: str) -> None:
    refuse_odd_cron(cron)


@pytest.mark.parametrize(
    "cron", ["", "often", "30 2 * *", "30 2 * * * ; rm", "61 2 * * *", "5 2 * * 8"]
)
def test_what_is_no_schedule_is_refused(cron: str) -> None:
    with pytest.raises(ConfigError, match="is no schedule"):
        refuse_odd_cron(cron)


# -- reports over HTTP


@pytest.fixture
def reports(tmp_path: Path) -> Iterator[str]:
    root = tmp_path / "reports"
    (root / "2024-03-01").mkdir(parents=True)
    (root / "2024-03-01" / "report.html").write_text("report")
    (root / "index.html").write_text("nights")
    (root / ".hidden.html").write_text("hidden")
    (root / "key.pem").write_text("secret")
    (tmp_path / "outside.html").write_text("outside")
    (root / "link.html").symlink_to(tmp_path / "outside.html")
    port = free_port()
    with serve_reports(root, "127.0.0.1", port):
        yield f"http://127.0.0.1:{port}"


def test_pages_are_served_and_kept_to_themselves(reports: str) -> None:
    assert httpx.get(f"{reports}/").text == "nights"
    page = httpx.get(f"{reports}/2024-03-01/report.html")
    assert page.text == "report"
    assert page.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    ["/2024-03-01/", "/.hidden.html", "/key.pem", "/link.html", "/..%2foutside.html", "/%2e%2e/outside.html", "/x.html"],
)  # fmt: skip
def test_nothing_else_is_served(reports: str, path: str) -> None:
    assert httpx.get(f"{reports}{path}").status_code == 404


def test_another_name_for_this_machine_is_refused(reports: str) -> None:
    assert httpx.get(f"{reports}/", headers={"Host": "evil.example"}).status_code == 421


def test_a_report_has_an_address_where_it_is_served(tmp_path: Path) -> None:
    (tmp_path / "whyrec.toml").write_text("")
    settings = load_settings(tmp_path / "whyrec.toml")
    page = str(tmp_path / "var" / "reports" / "2024-03-01" / "report.html")
    assert find_address(page, settings) is None
    with claim_home(tmp_path / "var", make_serving(reports_port=4201)):
        assert find_address(page, settings) == "http://127.0.0.1:4201/2024-03-01/report.html"
    (tmp_path / "whyrec.toml").write_text('[serve]\nreports_url = "https://r.example/w/"\n')
    settings = load_settings(tmp_path / "whyrec.toml")
    assert find_address(page, settings) == "https://r.example/w/2024-03-01/report.html"
    assert find_address(str(tmp_path / "elsewhere.html"), settings) is None


# -- artifacts


def test_text_from_data_is_harmless_in_markdown_and_in_a_cell() -> None:
    assert "<script>" not in make_plain(HOSTILE).replace("\\<", "").replace("\\>", "")
    assert "](" not in make_cell(HOSTILE)
    assert "\u202e" not in make_cell(HOSTILE)
    assert (make_cell(None), make_cell(True), make_cell(0.123456)) == ("", "yes", 0.1235)


def test_what_went_wrong_comes_first_and_what_is_left_out_is_counted() -> None:
    account = {"source": "s", "table": "reviews", "drop_id": "d", "rows_read": 1, "message": ""}
    rows = list_accounts(
        {"accounts": [{**account, "status": "published"}, {**account, "status": "failed"}]}
    )
    assert [row["status"] for row in rows] == ["failed", "published"]
    check = dict.fromkeys(
        ("source", "table", "drop_id", "expectation", "observed", "allowed", "breaks"), "x"
    )
    checks = [
        {**check, "is_success": True, "severity": "critical", "skip_reason": ""},
        {**check, "is_success": False, "severity": "warning", "skip_reason": ""},
    ]
    assert [row["result"] for row in list_checks({"checks": checks})] == ["FAILED", "passed"]
    capped = cap([{"a": n, "b": n} for n in range(MAX_ROWS + 7)])
    assert capped[-1] == {"a": "and 7 more rows", "b": ""}


# -- how a run ends


@pytest.mark.slow
def test_a_run_that_the_gate_stopped_says_so_in_a_sentence(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    (tmp_path / "whyrec.toml").write_text("")

    def stop(_settings: Any) -> dict[str, Any]:
        raise GateError("shop/2024-03-01/reviews was not published: 3 of 4 ratings are missing")

    @flow
    def guarded() -> Any:
        return conduct(str(tmp_path / "whyrec.toml"), stop)

    with temporary_settings({PREFECT_API_URL: server}):
        state = guarded(return_state=True)
        assert state.name == "Stopped by gate"
        assert state.is_failed()
        assert state.message.startswith("shop/2024-03-01/reviews was not published")
        with pytest.raises(GateError, match="was not published"):
            guarded()


def test_a_run_that_went_well_says_what_came_out() -> None:
    rows = {"read": 1_200, "published": 1_100, "quarantined": 60, "duplicate": 40}
    assert describe_end({"rows": rows}).startswith("1,200 rows read: 1,100 published")
    assert describe_end({"rows": rows, "headline": "Good to use"}) == "Good to use"
    answer = {"treatment": "mail", "outcome": "visit", "verdict": "credible", "headline": "plr"}
    assert describe_end(answer) == "mail on visit: credible"


def test_a_field_that_was_emptied_again_holds_nothing() -> None:
    asked = {"table": "t.csv", "outcome": "y", "treatment": "d", "cluster": "", "config": ""}
    found = estimate.validate_parameters(asked)
    assert (found["cluster"], found["config"]) == (None, None)
    given = {"path": "f.csv", "source": "mapping", "name": "", "items": "", "mapping": ""}
    told = import_history.validate_parameters(given)
    assert (told["name"], told["items"], told["mapping"]) == (None, None, None)
    with pytest.raises(ParameterTypeError, match="at least 1 character"):
        import_history.validate_parameters({**given, "path": ""})


def test_a_night_is_named_by_date_and_purpose() -> None:
    assert label_night("2024-03-30", is_forced=False) == "night 2024-03-30"
    assert label_night("2024-03-30", is_forced=True) == "night 2024-03-30, forced"


def test_an_address_of_ipv6_stands_in_brackets_wherever_it_is_asked() -> None:
    settings = Settings(serve=ServeSettings(host="::1", port=4321))
    expected = "http://[::1]:4321/api"
    assert make_environment(settings, {})["PREFECT_API_URL"] == expected
    assert Keeper(settings, None, print).api == expected
