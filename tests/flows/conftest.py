"""A small sample world and a Prefect server, for tests that run whole nights in processes of their own."""

import contextlib
import fcntl
import json
import os
import pickle
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from unittest import mock

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings
from typer.testing import CliRunner

from flows.cli import app
from tasks.ingest.sample import WorldSpec
from tasks.ingest.sample_drops import write_drops

ROOT = Path(__file__).parents[2]
SPEC = WorldSpec(
    n_users=80,
    n_items=30,
    n_days=3,
    reviews_per_day=40,
    exposures_per_day=30,
    seed=3,
    correction_day=1,
)
CONFIG = """
[paths]
home = "home"
[effects]
windows_days = [0]
basis_min_rows = 60
item_text_min_items = 10
buckets = 10
min_mentions = 5
[[sources]]
name = "sample"
kind = "sample"
path = "drops"
"""
SMALL = (
    CONFIG.replace("[effects]", "[effects]\ngraph_rows = 0\nsecond_opinions = []")
    + """
[text]
precision = "static"
[recommend]
is_on = false
[robustness]
is_on = false
"""
)
"""For tests of how tasks and nights are put to work, not of what they conclude."""
START_S = 240
KEPT = frozenset({"PYTEST_CURRENT_TEST", "PREFECT_HOME"})
"""Of the environment of a test, what stays as it is while a command runs in its process."""


@dataclass
class Shop:
    """A folder with drops and a whyrec.toml, and the command run on it."""

    folder: Path
    api_url: str
    code: Path = ROOT
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("WHYREC_")}
        return (
            kept
            | {
                "PREFECT_API_URL": self.api_url,
                "PREFECT_HOME": str(self.folder / "prefect"),
                "PYTHONPATH": str(self.code),
                "PYTHONDONTWRITEBYTECODE": "1",
                "OMP_NUM_THREADS": "1",
            }
            | self.extra
        )

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "flows.cli", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        process = self.start(*arguments, "--json")
        out, error = process.communicate(timeout=600)
        assert process.returncode == code, error[-3000:]
        assert "Traceback" not in error
        document: dict[str, Any] = json.loads(out)
        return document

    def call(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        """As `run`, in this process, which has loaded what a new one takes its time to load."""
        kept = {name: os.environ[name] for name in os.environ.keys() & KEPT}
        with (
            mock.patch.dict(os.environ, self.environment | kept, clear=True),
            contextlib.chdir(self.folder),
            temporary_settings({PREFECT_API_URL: self.api_url}),
        ):
            result = CliRunner().invoke(app, [*arguments, "--json"])
        assert result.exit_code == code, result.output[-3000:]
        assert "Traceback" not in result.stderr
        document: dict[str, Any] = json.loads(result.stdout)
        return document

    def copy(self, folder: Path) -> "Shop":
        shutil.copytree(self.folder, folder)
        return Shop(folder, self.api_url, self.code, dict(self.extra))


def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of a suite share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Prefect server that the workers of a suite share: who comes first starts it.

    It is started and stopped under one lock, and whoever uses it has a part in another: who started
    it stops it once nobody else has.
    """
    folder = shared_folder(tmp_path_factory)
    address = folder / "server.url"
    with (folder / "server.change").open("w") as change, (folder / "server.use").open("w") as use:
        fcntl.flock(change, fcntl.LOCK_EX)
        process = None if address.is_file() else start_server(tmp_path_factory, address)
        fcntl.flock(use, fcntl.LOCK_SH)
        fcntl.flock(change, fcntl.LOCK_UN)
        yield address.read_text()
        fcntl.flock(use, fcntl.LOCK_UN)
        if process is not None:
            lock_unused(change, use)
            process.terminate()
            process.wait(30)
            address.unlink()


def lock_unused(change: IO[str], use: IO[str]) -> None:
    """Hold both locks, as soon as nobody uses what they guard."""
    while True:
        fcntl.flock(change, fcntl.LOCK_EX)
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(use, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        fcntl.flock(change, fcntl.LOCK_UN)
        time.sleep(0.2)


def start_server(
    tmp_path_factory: pytest.TempPathFactory, address: Path, *, has_services: bool = False
) -> "subprocess.Popen[bytes]":
    """Start a server without the interface and wait until it answers; its address into a file.

    Its services, which schedule runs and act on events, are asked for nothing in most tests.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    home = tmp_path_factory.mktemp("prefect")
    environment = os.environ | {
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_API_HOST": "127.0.0.1",
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_SERVER_UI_ENABLED": "false",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    command = [sys.executable, "-m", "prefect", "server", "start"]
    command += [] if has_services else ["--no-services"]
    url = f"http://127.0.0.1:{port}/api"
    with (home / "server.log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    deadline = time.monotonic() + START_S
    while True:
        try:
            urllib.request.urlopen(f"{url}/health", timeout=2).read()
            break
        except OSError:
            assert process.poll() is None, (home / "server.log").read_text()
            assert time.monotonic() < deadline, (home / "server.log").read_text()
            time.sleep(0.2)
    address.write_text(url)
    return process


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory, server: str) -> Shop:
    """Drops delivered, nothing run yet; copy it before use."""
    folder = tmp_path_factory.mktemp("shop") / "fresh"
    write_drops(SPEC, folder / "drops")
    (folder / "whyrec.toml").write_text(CONFIG)
    return Shop(folder, server)


@dataclass(frozen=True)
class Night:
    """A night that ran undisturbed: where, what it said, and the tables that it left."""

    shop: Shop
    document: dict[str, Any]
    tables: dict[str, list[Any]]


@pytest.fixture(scope="session")
def done(fresh: Shop, tmp_path_factory: pytest.TempPathFactory) -> Night:
    """The last night run once. The workers of a suite share it: who comes first runs it.

    Only the tests of one module may change its shop, as others run beside them.
    """
    from tests.flows.nights import read_tables  # which needs the Shop of this module

    folder = shared_folder(tmp_path_factory) / "done"
    folder.mkdir(exist_ok=True)
    shop = Shop(folder / "shop", fresh.api_url)
    left = folder / "left.pickle"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not left.is_file():
            shutil.rmtree(shop.folder, ignore_errors=True)
            document = fresh.copy(shop.folder).call("nightly")
            left.write_bytes(pickle.dumps((document, read_tables(shop))))
    return Night(shop, *pickle.loads(left.read_bytes()))
