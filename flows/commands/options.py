"""What the commands share: options that all have, and how their texts are read."""

from datetime import UTC, date, datetime
from typing import Annotated, Final

import typer

from tasks.platform.errors import ConfigError

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")]
Config = Annotated[
    str | None, typer.Option("--config", help="Settings file (default ./whyrec.toml).")
]

Texts = Annotated[str, typer.Argument(help="CSV, JSON lines or Parquet file of texts.")]
TextColumn = Annotated[str, typer.Option("--text", help="Column of the text.")]
Attributes = Annotated[str, typer.Option("--attributes", help="Attributes to read, a,b,c.")]
ExtractorName = Annotated[
    str | None,
    typer.Option("--extractor", help="clauses, llm or distilled; default that of the settings."),
]
Teacher = Annotated[
    str | None,
    typer.Option("--teacher", help="Who teaches the distilled extractor: clauses, llm or labels."),
]
TeachingLabels = Annotated[
    str | None,
    typer.Option(
        "--labels", help="File of labelled reviews (review_id, row or text) that teach it."
    ),
]
LabelColumns = Annotated[
    str | None,
    typer.Option(
        "--columns", help="Columns of labels, a,b,c or {}_label; default the attributes' names."
    ),
]
Key = Annotated[
    str | None, typer.Option("--id", help="Column of the texts that review_id is found in.")
]
Sample = Annotated[
    int | None,
    typer.Option("--sample", help="Reviews that the teacher of the distilled extractor reads."),
]


_FIRST: Final = date(1900, 1, 1)
_LAST: Final = date(2199, 12, 31)


def parse_date(text: str | None) -> date | None:
    """A date option; raises ConfigError for anything but YYYY-MM-DD from 1900 to 2199."""
    if text is None:
        return None
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        raise ConfigError(f"{text!r} is not a date; write it as 2024-03-01") from None
    if not _FIRST <= day <= _LAST:
        raise ConfigError(f"{text} lies far off; allowed are dates from {_FIRST} to {_LAST}")
    return day


def split_names(text: str | None) -> tuple[str, ...]:
    """A comma-separated option as names."""
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())
