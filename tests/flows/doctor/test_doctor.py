"""The doctor finds each fault that is made here, names it, and says what to do."""

import json
import os
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from flows.doctor import places as doctor_places
from flows.doctor import server as doctor_server
from flows.doctor import setup as doctor_setup
from flows.doctor.run import examine
from flows.doctor.setup import Finding, check_packages
from tasks.platform.errors import ConfigError
from tasks.platform.settings import Settings, load_settings
from tasks.platform.site import resolve_site
from tests.flows.published import publish


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("WHYREC_", "PREFECT_API_", "PREFECT_SERVER_")):
            monkeypatch.delenv(name)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "whyrec.toml"
    path.write_text('[paths]\nhome = "home"\n')
    return path


def look(config: Path, subject: str, *more: str) -> Finding:
    if more:
        config.write_text('[paths]\nhome = "home"\n' + "\n".join(more))
    found = {finding.subject: finding for finding in examine(str(config), [subject])}
    return found.get(subject, found["settings"])


def wrong(finding: Finding, *words: str) -> None:
    assert not finding.is_well, finding
    assert finding.advice
    for word in words:
        assert word in finding.found + " " + finding.advice


def answer(replies: dict[str, Any], *, login: str = "") -> Iterator[str]:
    """A local server that answers these paths with JSON, and any other with a page.

    With `login` all but its health is for those who log in by that.
    """
    wanted = f"Basic {b64encode(login.encode()).decode()}" if login else None

    class Handler(BaseHTTPRequestHandler):
        def reply(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = replies.get(self.path)
            text = "<html></html>" if body is None else json.dumps(body)
            is_open = wanted in (None, self.headers.get("Authorization"))
            if not is_open and not self.path.endswith("/health"):
                self.send_response(401)
                self.end_headers()
                self.wfile.write(b'{"exception_message": "Unauthorized"}')
                return
            self.send_response(200)
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = reply  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def other() -> Iterator[str]:
    yield from answer({})


@pytest.fixture
def older() -> Iterator[str]:
    stuck = [{"id": "1234", "name": "night 2024-03-01"}]
    yield from answer(
        {
            "/api/health": True,
            "/api/admin/version": "3.0.1",
            "/api/flow_runs/filter": stuck,
        }
    )


def test_a_healthy_place_has_nothing_wrong(config: Path) -> None:
    findings = examine(str(config), [s for s in doctor_all() if s not in ("encoder", "port")])
    assert [f for f in findings if not f.is_well] == []
    assert not (config.parent / "home").exists(), "looking changes nothing"


def doctor_all() -> list[str]:
    from flows.doctor.run import CHECKS

    return list(CHECKS)


def test_a_package_that_is_missing_or_too_new_is_named() -> None:
    wrong(check_packages(lambda name: "0.170.0" if name == "fastapi" else version(name)),
          "fastapi 0.170.0", "<0.15", "fails to start")  # fmt: skip

    def lack(name: str) -> str:
        if name == "polars":
            raise PackageNotFoundError(name)
        return version(name)

    wrong(check_packages(lack), "polars is not installed", "pip install")


def test_a_missing_extension_is_named_with_the_package(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lack(name: str) -> str:
        raise ConfigError(f"run: pip install duckdb-extension-{name}")

    monkeypatch.setattr(doctor_setup, "find_extension", lack)
    wrong(look(config, "extensions"), "pip install duckdb-extension-ducklake")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("[effects]\nfold = 3", "effects.fold"),
        ("[effects]\nfolds = 1", "greater than or equal to 2, found 1"),
        ("[effects", "not valid TOML"),
    ],
)
def test_a_settings_file_that_cannot_be_used_is_explained(
    config: Path, line: str, words: str
) -> None:
    wrong(look(config, "disk", line), words, "whyrec.example.toml")


def test_an_unknown_variable_is_named(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHYREC_EFECTS__FOLDS", "3")
    wrong(look(config, "disk"), "WHYREC_EFECTS__FOLDS sets nothing")


def test_a_place_that_cannot_be_written_is_named(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, _mode: path != config.parent)
    wrong(look(config, "writing"), "cannot be written by user", str(config.parent))
    monkeypatch.undo()
    (config.parent / "home").write_text("a file where a folder should be")
    wrong(look(config, "writing"), "cannot be written")


def test_a_full_disk_is_said_with_what_is_free(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor_places.shutil, "disk_usage", lambda _: SimpleNamespace(free=2**29))
    wrong(look(config, "disk"), "0.5 GiB free", "whyrec prune")


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs"])
def test_locks_on_a_network_file_system_are_not_trusted(
    config: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    mounts = config.with_name("mounts")
    deep = f"server:/x {config.parent.resolve()} {kind} rw 0 0"
    mounts.write_text(f"{deep}\n/dev/sda / ext4 rw 0 0\n")
    monkeypatch.setattr(doctor_places, "MOUNTS", mounts)
    wrong(look(config, "locks"), f"({kind})", "PostgreSQL")
    mounts.write_text(f"/dev/sda / ext4 rw 0 0\nserver:/x /elsewhere {kind} rw 0 0\n")
    assert look(config, "locks").is_well


def test_a_warehouse_older_or_newer_than_the_code_is_told_apart(config: Path) -> None:
    publish(config.parent, "toy")
    assert look(config, "warehouse").mark == "ok"
    warehouse = resolve_site(load_settings(config)).warehouse
    with warehouse.connect() as connection:
        connection.execute("DELETE FROM raw.migrations WHERE version > 2")
    found = look(config, "warehouse")
    assert (found.mark, "tables of version 2" in found.found) == ("note", True)
    assert "whyrec backup" in found.advice
    with warehouse.connect() as connection:
        connection.execute("INSERT INTO raw.migrations BY NAME SELECT 999 AS version")
    wrong(look(config, "warehouse"), "tables of version 999")


def test_nights_that_were_killed_are_counted(config: Path) -> None:
    run = config.parent / "home" / "reports" / "runs" / "abc"
    run.mkdir(parents=True)
    events = run / "events.jsonl"
    events.write_text(
        '{"stage": "text", "name": "text.embed_shard", "state": "ran", "seconds": 1}\n'
    )
    assert look(config, "runs").mark == "ok", "it may be at work"
    past = time.time() - 2 * 86_400
    os.utime(events, (past, past))
    found = look(config, "runs")
    assert (found.mark, "1 runs were killed" in found.found) == ("note", True)


def test_a_model_that_is_not_there_is_said_with_what_keeps_it_away(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong(look(config, "encoder", '[text]\nmodel = "no/such-model"'), "is_remote_allowed")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    more = '[text]\nmodel = "no/such-model"\nis_remote_allowed = true'
    wrong(look(config, "encoder", more), "HF_HUB_OFFLINE is set")
    wrong(look(config, "encoder", '[text]\nmodel = "./nowhere"'), "does not exist")


def test_a_tier_that_falls_back_is_a_note(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    note = ("fastest was asked for, fast is used: int8 is below its bar here",)
    monkeypatch.setattr("tasks.text.task.describe_encoder", lambda _: ("openvino", note))
    found = look(config, "encoder")
    assert (found.mark, note[0] in found.found) == ("note", True)


def test_a_language_model_that_is_not_there_is_named(config: Path) -> None:
    more = '[extract]\nextractor = "llm"\n[extract.llm]\nmodel = "./nowhere.gguf"'
    wrong(look(config, "extractor", more), "nowhere.gguf", "whyrec[llm]")


def test_gold_labels_that_match_nothing_are_told(config: Path) -> None:
    gold = config.with_name("gold.csv")
    more = '[extract]\ngold = "gold.csv"\n[[extract.attributes]]\nname = "price"\nseeds = ["price"]'
    wrong(look(config, "gold labels", more), "gold.csv")
    gold.write_text("review_id,colour\nx,Positive\n")
    wrong(look(config, "gold labels"), "price", "review_id and a column per attribute")
    publish(config.parent, "toy")
    gold.write_text("review_id,price\n" + "".join(f"other-{n},Positive\n" for n in range(40)))
    wrong(
        look(config, "gold labels", more), "0 of 40 labelled reviews are published", "clean.reviews"
    )


SOURCE = '[[sources]]\nname = "shop"\nkind = "{kind}"\npath = "drops"\n'


def test_a_source_that_is_not_there_is_named(config: Path) -> None:
    wrong(look(config, "sources", SOURCE.format(kind="amazon-2018")), "source shop", "no folder")
    (config.parent / "drops").mkdir()
    wrong(look(config, "sources"), "source shop: no drop found in", "YYYY-MM-DD")
    wrong(look(config, "sources", SOURCE.format(kind="mapping")), "source shop", "no mapping file")


def test_a_source_without_a_drop_is_named_beside_one_that_delivers(config: Path) -> None:
    for path in ("drops/2024-03-01", "typo"):
        (config.parent / path).mkdir(parents=True)
    (config.parent / "drops" / "2024-03-01" / "reviews.jsonl").write_text("{}")
    one = SOURCE.format(kind="amazon-2018")
    other = one.replace("shop", "second").replace("drops", "typo")
    wrong(look(config, "sources", one + other), "source second: no drop found in", "YYYY-MM-DD")
    off = look(config, "sources", (one + other).replace("path", "is_enabled = false\npath"))
    assert (off.mark, off.found) == ("ok", "all are switched off (is_enabled = false)")


def test_a_drop_of_which_nothing_is_read_is_named(config: Path) -> None:
    folder = config.parent / "drops" / "2024-03-01"
    (folder / "reviews.parquet").mkdir(parents=True)
    (folder / "reviews.csv.zip").touch()
    found = look(config, "sources", SOURCE.format(kind="amazon-2018"))
    wrong(found, "drop shop 2024-03-01 can be read (reviews.csv.zip, reviews.parquet/)", "again")


def test_published_drops_that_left_their_source_are_a_note(config: Path) -> None:
    drops = config.parent / "drops" / "2024-03-01"
    drops.mkdir(parents=True)
    (drops / "reviews.jsonl").write_text("{}")
    assert look(config, "sources", SOURCE.format(kind="amazon-2018")).mark == "ok"
    warehouse = resolve_site(load_settings(config)).warehouse
    warehouse.prepare()
    warehouse.commit(
        lambda connection: connection.execute(
            "INSERT INTO raw.drops BY NAME SELECT 'shop' AS source, 'reviews' AS table_name, "
            "day::VARCHAR AS drop_id, day AS drop_date FROM (VALUES (DATE '2024-03-01'), "
            "(DATE '2024-03-02')) AS days (day)"
        ),
        message="two drops",
    )
    found = look(config, "sources")
    assert (found.mark, found.is_well) == ("note", True)
    assert "one published drop is no longer at its source (shop 2024-03-02)" in found.found
    assert "deleting a drop takes nothing back" in found.advice


def test_secrets_that_are_missing_or_open_to_all_are_told(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail = '[alerts]\nemail_to = ["a@b"]\nemail_from = "c@d"\nsmtp_host = "m"\nsmtp_user = "u"\n'
    wrong(look(config, "alerts", mail), "there is no password", "WHYREC_ALERTS__SMTP_PASSWORD")
    config.chmod(0o644)
    found = look(config, "alerts", mail + 'smtp_password = "hidden"')
    wrong(found, "alerts.smtp_password is in", "chmod 600", "WHYREC_ALERTS__SMTP_PASSWORD")
    other = config.rename(config.with_name("shop.toml"))
    wrong(look(other, "alerts"), f"alerts.smtp_password is in {other}", "chmod 600")
    other.rename(config)
    assert "hidden" not in found.found + found.advice
    config.chmod(0o600)
    assert look(config, "alerts").mark == "ok"
    config.chmod(0o644)
    catalog = '[warehouse]\ncatalog = "postgres:host=127.0.0.1 port=9 password=hidden"'
    found = look(config, "alerts", catalog)
    wrong(found, "warehouse.catalog is in", "WHYREC_WAREHOUSE__CATALOG")
    unreached = look(config, "warehouse", catalog)
    wrong(unreached, "cannot be had", "port=9")
    assert "hidden" not in str(found) + str(unreached)
    config.chmod(0o600)
    assert look(config, "alerts", "[text]").mark == "note", "nobody is told"


def test_a_server_that_is_another_program_or_version_is_told_apart(
    config: Path, monkeypatch: pytest.MonkeyPatch, other: str, older: str
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    wrong(look(config, "server"), "ConnectError", "start it")
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9")
    wrong(look(config, "server"), "does not end in /api")
    monkeypatch.setenv("PREFECT_API_URL", f"{other}/api")
    wrong(look(config, "server"), "another program")
    monkeypatch.setenv("PREFECT_API_URL", f"{older}/api")
    wrong(look(config, "server"), "is Prefect 3.0.1", version("prefect"))
    wrong(look(config, "stuck runs"), "night 2024-03-01", "cancel 1234")


@pytest.fixture
def guarded() -> Iterator[str]:
    replies = {
        "/api/health": True, "/api/admin/version": version("prefect"), "/api/flow_runs/filter": [],
    }  # fmt: skip
    yield from answer(replies, login="anna:secret")


def test_a_server_that_asks_for_a_log_in_is_given_it_or_named(
    config: Path, monkeypatch: pytest.MonkeyPatch, guarded: str
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", f"{guarded}/api")
    wrong(look(config, "server"), "asks for a log-in", "PREFECT_API_AUTH_STRING")
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "anna:secret")
    assert look(config, "server").mark == "ok"
    assert look(config, "stuck runs").found == "none"


def test_a_port_that_another_program_has_is_named(
    config: Path, monkeypatch: pytest.MonkeyPatch, other: str, older: str
) -> None:
    monkeypatch.setenv("PREFECT_SERVER_API_PORT", other.rpartition(":")[2])
    wrong(look(config, "port"), "taken by another program", "PREFECT_SERVER_API_PORT")
    monkeypatch.setenv("PREFECT_SERVER_API_PORT", older.rpartition(":")[2])
    found = look(config, "port")
    assert (found.mark, "PREFECT_API_URL" in found.advice) == ("note", True)
    monkeypatch.setenv("PREFECT_SERVER_API_PORT", "9")
    assert look(config, "port").mark == "ok"


def test_a_proxy_does_not_answer_for_this_machine(
    config: Path, monkeypatch: pytest.MonkeyPatch, other: str, older: str
) -> None:
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, other)
    monkeypatch.setenv("PREFECT_SERVER_API_PORT", "9")
    assert look(config, "port").mark == "ok"
    monkeypatch.setenv("PREFECT_API_URL", f"{older}/api")
    wrong(look(config, "server"), "is Prefect 3.0.1")
    wrong(look(config, "stuck runs"), "night 2024-03-01")


@pytest.mark.parametrize(
    ("cron", "zone", "words"),
    [
        ("30 2 * * *", "Europe/Berlni", "is no time zone"),
        ("30 25 * * *", "Etc/UTC", "is no cron line"),
        ("nightly", "Etc/UTC", "is no cron line"),
    ],
)
def test_a_schedule_that_cannot_be_is_told(cron: str, zone: str, words: str) -> None:
    wrong(doctor_server.judge_schedule(cron, zone), words)
    assert doctor_server.judge_schedule("30 2 * * *", "Europe/Berlin").is_well


def test_the_schedule_of_the_settings_is_looked_at(config: Path) -> None:
    wrong(look(config, "schedule", '[serve]\ncron = "30 25 * * *"'), "30 25 * * *")
    wrong(look(config, "schedule", '[serve]\nsweep_cron = "61 4 * * 1"'), "61 4 * * 1")
    wrong(look(config, "schedule", '[serve]\ntimezone = "Europe/Berlni"'), "serve.timezone")


def test_a_check_that_breaks_is_a_finding_itself(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_settings: Settings, _site: Any) -> Finding:
        raise RuntimeError("odd")

    monkeypatch.setattr("flows.doctor.run.CHECKS", {"disk": fail})
    wrong(look(config, "disk"), "RuntimeError: odd")
