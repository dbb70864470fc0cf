"""A private PostgreSQL and an S3-compatible store for tests, on this machine alone."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

USER = "postgres"
"""PostgreSQL refuses to run as root; Debian's package brings this user."""
START_S = 60


def find_postgres() -> Path:
    """Folder of PostgreSQL's programs; skips the test where there are none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    if not found and (on_path := shutil.which("pg_ctl")):
        found.append(Path(on_path))
    if not found:
        pytest.skip("PostgreSQL is not installed; on Debian: apt-get install -y postgresql")
    return found[-1].parent


@contextmanager
def run_postgres(folder: Path) -> Iterator[str]:
    """A fresh cluster that listens on a socket in `folder` alone; its libpq string."""
    programs = find_postgres()
    as_user = {"user": USER, "group": USER} if os.geteuid() == 0 else {}
    if as_user:
        shutil.chown(folder, USER)

    def run(name: str, *arguments: str) -> None:
        with (folder / "commands.log").open("ab") as log:
            subprocess.run(
                [str(programs / name), *arguments],
                cwd=folder,
                check=True,
                stdout=log,
                stderr=log,
                **as_user,
            )

    data = str(folder / "data")
    run("initdb", "-D", data, "-A", "trust", "-N", "-U", "whyrec")
    options = f"-k {folder} -c listen_addresses= -c fsync=off"
    run("pg_ctl", "-D", data, "-w", "-o", options, "-l", str(folder / "log"), "start")
    try:
        yield f"host={folder} user=whyrec dbname=postgres"
    finally:
        run("pg_ctl", "-D", data, "-m", "immediate", "stop")


@contextmanager
def run_store(folder: Path, bucket: str) -> Iterator[str]:
    """An S3-compatible store with an empty bucket; its endpoint."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (folder / "store.log").open("wb") as log:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        process = subprocess.Popen(command, stdout=log, stderr=log)
        endpoint = f"http://127.0.0.1:{port}"
        try:
            _make_bucket(f"{endpoint}/{bucket}", process)
            yield endpoint
        finally:
            process.terminate()
            process.wait(30)


def _make_bucket(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            urllib.request.urlopen(urllib.request.Request(url, method="PUT"), timeout=5).read()
            return
        except OSError:
            assert process.poll() is None, "the store did not start"
            assert time.monotonic() < deadline, "the store did not answer"
            time.sleep(0.2)
