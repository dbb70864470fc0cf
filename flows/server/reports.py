"""The reports folder over HTTP, to be read and nothing else."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from flows.running import ANY_ADDRESS, LOOPBACK

SHOWN = frozenset({".html", ".json", ".svg", ".css", ".png", ".csv"})
POLL_S = 0.05


class ReportHandler(SimpleHTTPRequestHandler):
    """Answers GET and HEAD for pages below the folder; lists no folder, follows no link out of it.

    A server that listens on this machine alone answers only who asks for this machine: a page of
    another site cannot read reports by pointing its own name here.
    """

    server_version = "whyrec"
    sys_version = ""

    def send_head(self) -> BytesIO | BinaryIO | None:
        """The head of an answer, and the file that follows it."""
        if not self._is_own_host():
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST, "ask for this machine by its name")
            return None
        path = Path(self.translate_path(self.path))
        page = path / "index.html" if path.is_dir() else path
        if not self._is_shown(page):
            self.send_error(HTTPStatus.NOT_FOUND, "there is no such page")
            return None
        return super().send_head()

    def end_headers(self) -> None:
        """Headers that keep a page to itself."""
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-cache")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: a reader of reports is no event."""

    def _is_shown(self, page: Path) -> bool:
        root = Path(self.directory).resolve()
        return (
            page.suffix in SHOWN
            and page.is_file()
            and page.resolve().is_relative_to(root)
            and not any(part.startswith(".") for part in page.relative_to(self.directory).parts)
        )

    def _is_own_host(self) -> bool:
        bound = self.server.host if isinstance(self.server, ReportServer) else ""
        if bound in ANY_ADDRESS:
            return True
        asked = self.headers.get("Host", "")
        name = asked.rsplit(":", 1)[0].strip("[]") if not asked.endswith("]") else asked.strip("[]")
        return name in {bound, *LOOPBACK}


class ReportServer(ThreadingHTTPServer):
    """One thread a reader; none keeps the process from ending."""

    daemon_threads = True

    def __init__(self, root: Path, host: str, port: int) -> None:
        """Listen; raises OSError when the port is taken."""
        self.host = host
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), partial(ReportHandler, directory=str(root)))


@contextmanager
def serve_reports(root: Path, host: str, port: int) -> Iterator[None]:
    """Serve the folder `root` while the body runs; raises OSError when the port is taken."""
    root.mkdir(parents=True, exist_ok=True)
    server = ReportServer(root, host, port)
    thread = threading.Thread(
        target=server.serve_forever, args=(POLL_S,), name="reports", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
