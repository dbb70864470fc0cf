"""The same night with its wide stages on a Dask cluster, one of whose two workers is killed."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.flows.conftest import SMALL, Shop
from tests.flows.nights import read_run, read_tables, site_of

pytestmark = pytest.mark.long

pytest.importorskip("prefect_dask", reason="the extra 'cluster' is not installed")
DASK = {"WHYREC_RUN__RUNNER": "dask", "WHYREC_RUN__DASK_WORKERS": "2"}
START_S = 400


def list_workers(pid: int) -> list[psutil.Process]:
    """Processes of Dask's workers below a command."""
    found = []
    for process in psutil.Process(pid).children(recursive=True):
        try:
            if "spawn_main" in " ".join(process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def read_events(shop: Shop) -> list[dict[str, Any]]:
    runs = Path(site_of(shop).reports_root) / "runs"
    return [
        json.loads(line)
        for path in runs.glob("*/events.jsonl")
        for line in path.read_text().splitlines()
    ]


def test_a_night_on_a_cluster_that_loses_a_worker_is_that_of_one_machine(
    fresh: Shop, tmp_path: Path
) -> None:
    small = fresh.copy(tmp_path / "small")
    (small.folder / "whyrec.toml").write_text(SMALL)
    alone = small.copy(tmp_path / "alone")
    undisturbed = alone.run("nightly")
    shop = small.copy(tmp_path / "cluster")
    shop.extra = dict(DASK)
    process = shop.start("nightly", "--json")
    deadline = time.monotonic() + START_S
    while not any(event["stage"] == "text" for event in read_events(shop)):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    workers = list_workers(process.pid)
    assert len(workers) == 2
    os.kill(workers[0].pid, signal.SIGKILL)
    out, error = process.communicate(timeout=900)
    assert process.returncode == 0, error[-3000:]
    document = json.loads(out)
    assert read_tables(shop) == read_tables(alone)
    assert document["rows"] == undisturbed["rows"]
    events = read_run(shop, document)["events"]
    names = [event["name"] for event in events]
    assert sorted(set(names)) == sorted({event["name"] for event in undisturbed["events"]})
    assert not [event for event in events if event["state"] == "failed"]
