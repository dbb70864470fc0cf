"""What the commands share: options that all have, and how their texts are read."""

from datetime import UTC, date, datetime
from typing import Annotated

import typer

from tasks.platform.errors import ConfigError

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")]
Config = Annotated[
    str | None, typer.Option("--config", help="Settings file (default ./whyrec.toml).")
]


def parse_date(text: str | None) -> date | None:
    """A date option; raises ConfigError for anything but YYYY-MM-DD."""
    if text is None:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        raise ConfigError(f"{text!r} is not a date; write it as 2024-03-01") from None


def split_names(text: str | None) -> tuple[str, ...]:
    """A comma-separated option as names."""
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())
