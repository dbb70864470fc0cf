"""The few questions to a Prefect server that need no engine: plain HTTP, quick to load."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from tasks.platform.errors import TransientError

TIMEOUT_S = 10.0
PAGE = 200


class ServerError(TransientError):
    """The Prefect server could not be asked, or did not understand."""


@dataclass(frozen=True)
class Server:
    """A Prefect server that is asked."""

    client: httpx.Client

    def post(self, path: str, document: dict[str, Any]) -> Any:
        """Answer to a question; raises ServerError with what went wrong."""
        try:
            answer = self.client.post(path, json=document)
            answer.raise_for_status()
        except httpx.HTTPStatusError as error:
            text = error.response.text[:300]
            raise ServerError(f"the Prefect server refused {path}: {text}") from error
        except httpx.HTTPError as error:
            raise ServerError(
                f"the Prefect server at {self.client.base_url} cannot be reached ({error})"
            ) from error
        return answer.json() if answer.content else None

    def find_runs(self, **filters: Any) -> list[dict[str, Any]]:
        """All flow runs that the filters let through, page by page."""
        found: list[dict[str, Any]] = []
        while True:
            page = self.post(
                "/flow_runs/filter",
                {"flow_runs": filters, "limit": PAGE, "offset": len(found), "sort": "ID_DESC"},
            )
            found += page
            if len(page) < PAGE:
                return found

    def set_state(self, run_id: str, kind: str, message: str) -> None:
        """Put a flow run into a state, whatever state it is in."""
        state = {"type": kind, "name": kind.capitalize(), "message": message}
        self.post(f"/flow_runs/{run_id}/set_state", {"state": state, "force": True})


@contextmanager
def ask_server(api: str) -> Iterator[Server]:
    """A connection to the server at `api` for the body."""
    with httpx.Client(
        base_url=api, timeout=TIMEOUT_S, trust_env=False, auth=find_login()
    ) as client:
        yield Server(client)


def find_login() -> tuple[str, str] | None:
    """User and password that a guarded server asks for, as Prefect's own client finds them; None without."""
    auth = os.environ.get("PREFECT_API_AUTH_STRING")
    user, _, password = (auth or "").partition(":")
    return (user, password) if auth else None


def is_healthy(api: str, *, timeout_s: float = 3.0) -> bool:
    """Whether the server at `api` says that it is well."""
    try:
        with httpx.Client(trust_env=False, timeout=timeout_s) as client:
            return client.get(f"{api}/health").status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False
