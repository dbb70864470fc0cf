"""`whyrec up` in a process of its own, on a home and on ports of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import polars as pl

from tests.flows.conftest import ROOT

START_S = 150
BUSY_S = 30
CONFIG = """
[paths]
home = "home"
[extract]
[[extract.attributes]]
name = "price"
seeds = ["price", "expensive", "cheap"]
[effects]
windows_days = [0]
basis_min_rows = 60
item_text_min_items = 10
buckets = 10
min_mentions = 5
graph_rows = 0
second_opinions = []
segments = []
[recommend]
is_on = false
[robustness]
is_on = false
[[sources]]
name = "sample"
kind = "sample"
path = "drops"
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Served:
    """A folder with a whyrec.toml, and the `whyrec up` that serves it."""

    folder: Path
    port: int = field(default_factory=free_port)
    reports_port: int = field(default_factory=free_port)
    process: "subprocess.Popen[str] | None" = None
    news: dict[str, Any] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        hidden = ("WHYREC_", "PREFECT_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
        return kept | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}

    @property
    def ui(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def api(self) -> str:
        return f"{self.ui}/api"

    def call(self, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "flows.cli", *arguments], cwd=self.folder,
            env=self.environment | variables, capture_output=True, text=True, timeout=START_S,
        )  # fmt: skip

    def start(self) -> dict[str, Any]:
        command = [
            sys.executable, "-m", "flows.cli", "up", "--json", "--port", str(self.port),
            "--reports-port", str(self.reports_port), "--timezone", "Europe/Paris",
        ]  # fmt: skip
        out = (self.folder / "up.out").open("w+")
        error = (self.folder / "up.err").open("w")
        self.process = subprocess.Popen(
            command, cwd=self.folder, env=self.environment, stdout=out, stderr=error, text=True
        )
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self.process.poll() is None:
            text = (self.folder / "up.out").read_text()
            if text.endswith("}\n"):
                self.news = json.loads(text)
                return self.news
            time.sleep(0.1)
        raise AssertionError(self.read_logs())

    def read_logs(self) -> str:
        paths = [self.folder / "up.err", *(self.folder / "home" / "prefect").glob("*.log")]
        return "\n".join(
            f"== {path}\n{path.read_text()[-3000:]}" for path in paths if path.exists()
        )

    def stop(self, kind: int = signal.SIGTERM) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(kind)
        return self.process.wait(90)

    def ask(self, path: str, document: Any = None) -> Any:
        """What the server answers; while its database is busy (503) it is asked again, as by Prefect."""
        deadline = time.monotonic() + BUSY_S
        with httpx.Client(base_url=self.api, timeout=30) as client:
            while True:
                answer = client.get(path) if document is None else client.post(path, json=document)
                if (
                    answer.status_code != httpx.codes.SERVICE_UNAVAILABLE
                    or time.monotonic() > deadline
                ):
                    answer.raise_for_status()
                    return answer.json()
                time.sleep(0.5)

    def find_deployment(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask(f"/deployments/name/{name}/{name}")
        return found

    def wait_for_state(self, run_id: str, kind: str, *, within_s: float = 180) -> dict[str, Any]:
        deadline = time.monotonic() + within_s
        while True:
            run: dict[str, Any] = self.ask(f"/flow_runs/{run_id}")
            if run["state"]["type"] == kind:
                return run
            assert time.monotonic() < deadline, (run["state"], self.read_logs())
            time.sleep(0.2)


@contextmanager
def serve(folder: Path) -> Iterator[Served]:
    """A settings file, a table to ask of, and `whyrec up` for as long as the body works."""
    write_trial(folder / "trial.csv")
    (folder / "whyrec.toml").write_text(CONFIG)
    served = Served(folder)
    try:
        served.start()
        yield served
    finally:
        served.stop()


def write_trial(path: Path) -> None:
    """400 rows in which `promoted` adds 1 to `rating`, beside what `price` does."""
    rows = pl.DataFrame({"row": range(400)}).with_columns(
        price=(pl.col("row") * 7 % 11).cast(pl.Float64),
        promoted=(pl.col("row") * 13 % 17 > 8).cast(pl.Int8),
    )
    rows.with_columns(
        rating=pl.col("promoted") + 0.2 * pl.col("price") + (pl.col("row") * 5 % 13) / 13
    ).write_csv(path)
