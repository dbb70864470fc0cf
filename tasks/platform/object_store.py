"""An S3-compatible object store as the place of the warehouse's data.

Where it is comes from the settings; its keys come from the environment alone (AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN), so that they are in no file, log or report.
"""

import os
from typing import Final
from urllib.parse import urlsplit

import duckdb
from pydantic import BaseModel, ConfigDict

from tasks.platform.errors import ConfigError


class ObjectStore(BaseModel):
    """Where an S3-compatible store is; with no endpoint it is Amazon's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoint: str | None = None
    region: str = "us-east-1"
    url_style: str = "vhost"


AMAZON: Final = ObjectStore()
"""Amazon's own store, in its usual region."""


def connect_store(connection: duckdb.DuckDBPyConnection, store: ObjectStore) -> None:
    """Let `connection` read and write s3:// URLs of `store`.

    The extension httpfs must be loaded. Raises ConfigError for half a key or an endpoint that is none.
    """
    key, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
    if bool(key) != bool(secret):
        raise ConfigError(
            "only one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is in the environment; "
            "set both, or none for a store that needs no keys"
        )
    parts = {"REGION": store.region, "URL_STYLE": store.url_style}
    if store.endpoint:
        parts |= _split_endpoint(store.endpoint)
    if key and secret:
        parts |= {"KEY_ID": key, "SECRET": secret}
        if token := os.environ.get("AWS_SESSION_TOKEN"):
            parts["SESSION_TOKEN"] = token
    # CREATE SECRET takes no parameters; its names are those above, its values are quoted
    given = ", ".join(
        f"{name} '{value.replace(chr(39), chr(39) * 2)}'" for name, value in parts.items()
    )
    connection.execute(f"CREATE OR REPLACE SECRET whyrec_store (TYPE s3, {given})")


def _split_endpoint(endpoint: str) -> dict[str, str]:
    """What DuckDB wants of "http://host:9000": the host, and whether it speaks TLS."""
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.path.strip("/"):
        raise ConfigError(
            f"warehouse.s3_endpoint is {endpoint!r}; write it as 'https://host' or 'http://host:9000'"
        )
    return {"ENDPOINT": parts.netloc, "USE_SSL": str(parts.scheme == "https").lower()}
