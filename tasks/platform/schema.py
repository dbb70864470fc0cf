"""Canonical tables: one row, one fact; every source maps into these.

Published `clean.*` tables have exactly these columns, followed by `drop_id`.
Staged files have them followed by the lineage columns `drop_id`, `file`, `line`.
"""

from typing import Final, Literal

import pyarrow as pa

TableName = Literal["reviews", "exposures", "items", "users"]
TABLES: Final[tuple[TableName, ...]] = ("items", "users", "reviews", "exposures")
EVENT_TABLES: Final[tuple[TableName, ...]] = ("reviews", "exposures")
"""Tables partitioned by `event_date`; the others hold the latest state per key."""

_UTC = pa.timestamp("us", tz="UTC")


def _field(name: str, kind: pa.DataType, *, required: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable=not required)


SCHEMAS: Final[dict[TableName, pa.Schema]] = {
    "reviews": pa.schema(
        [
            _field("review_id", pa.string(), required=True),
            _field("source", pa.string(), required=True),
            _field("user_id", pa.string(), required=True),
            _field("item_id", pa.string(), required=True),
            _field("reviewed_at", _UTC, required=True),
            _field("event_date", pa.date32(), required=True),
            _field("rating", pa.float64(), required=True),
            _field("title", pa.string()),
            _field("text", pa.string(), required=True),
            _field("text_sha256", pa.string(), required=True),
            _field("helpful_votes", pa.int64()),
            _field("total_votes", pa.int64()),
            _field("is_verified", pa.bool_()),
        ]
    ),
    "exposures": pa.schema(
        [
            _field("exposure_id", pa.string(), required=True),
            _field("source", pa.string(), required=True),
            _field("user_id", pa.string(), required=True),
            _field("item_id", pa.string(), required=True),
            _field("exposed_at", _UTC, required=True),
            _field("event_date", pa.date32(), required=True),
            _field("policy", pa.string()),
            _field("position", pa.int32()),
            _field("propensity", pa.float64()),
            _field("is_clicked", pa.bool_(), required=True),
            _field("is_converted", pa.bool_()),
            _field("context", pa.string()),  # JSON object of numeric and categorical context
        ]
    ),
    "items": pa.schema(
        [
            _field("item_id", pa.string(), required=True),
            _field("source", pa.string(), required=True),
            _field("title", pa.string()),
            _field("description", pa.string()),
            _field("brand", pa.string()),
            _field("category", pa.string()),
            _field("price_usd", pa.float64()),
        ]
    ),
    "users": pa.schema(
        [
            _field("user_id", pa.string(), required=True),
            _field("source", pa.string(), required=True),
            _field("features", pa.string()),  # JSON object: name -> number or category
        ]
    ),
}

KEYS: Final[dict[TableName, str]] = {
    "reviews": "review_id",
    "exposures": "exposure_id",
    "items": "item_id",
    "users": "user_id",
}
"""The column that identifies a row within one source."""

LINEAGE: Final[pa.Schema] = pa.schema(
    [
        _field("drop_id", pa.string(), required=True),
        _field("file", pa.string(), required=True),
        _field("line", pa.int64(), required=True),
    ]
)

QUARANTINE: Final[pa.Schema] = pa.schema(
    [
        _field("source", pa.string(), required=True),
        _field("drop_id", pa.string(), required=True),
        _field("table_name", pa.string(), required=True),
        _field("file", pa.string(), required=True),
        _field("line", pa.int64(), required=True),
        _field("reason", pa.string(), required=True),
        _field("raw_text", pa.string(), required=True),
    ]
)


def staged_schema(table: TableName) -> pa.Schema:
    """Columns of a staged file of `table`: the canonical ones, then lineage."""
    return pa.schema([*SCHEMAS[table], *LINEAGE])
