"""Privacy rules: contacts in text are masked, user ids may be replaced by a keyed hash.

The rules are DuckDB macros (`sql/staging/macro_*.sql`), so that whole columns are treated at once
while rows are read. Reviewer names need no rule: no adapter reads them, and the raw text of refused
rows has them struck out (`hide_values_pattern`).
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Final

import duckdb
import pyarrow as pa

from tasks.platform.sql import read_sql

EMAIL_MASK: Final = "[email]"
PHONE_MASK: Final = "[phone]"
HIDDEN: Final = "[hidden]"

_MACROS: Final = (
    "macro_mask_emails",
    "macro_mask_phones",
    "macro_mask_contacts",
    "macro_hash_user",
)
_BLOCK_BYTES: Final = 64

_NAME_COLUMN: Final = re.compile(
    r"^(reviewer|profile|user|customer|author|buyer|first|last|full|nick|screen|display)[ _-]?name$",
    re.IGNORECASE,
)


def register_rules(connection: duckdb.DuckDBPyConnection) -> None:
    """Make `mask_contacts(text)` and `hash_user(id, inner_pad, outer_pad)` known to a connection."""
    for name in _MACROS:
        connection.execute(read_sql(f"staging/{name}"))


def mask_contacts(values: Sequence[str | None]) -> list[str | None]:
    """Replace e-mail addresses by `[email]` and phone numbers by `[phone]`.

    A phone number has a country code, an area code set off by brackets, dashes, dots or blanks, or
    stands behind a word such as "call" or "phone"; bare runs of digits (model numbers, ISBNs,
    prices, years, frequency ranges) are left alone.
    """
    table = pa.table({"value": pa.array(list(values), pa.string())})
    with duckdb.connect() as connection:
        register_rules(connection)
        connection.register("texts", table)
        rows = connection.execute(read_sql("staging/mask_texts")).fetchall()
    return [row[0] for row in rows]


def hash_user_ids(values: Sequence[str | None], key: bytes) -> list[str | None]:
    """HMAC-SHA256 of every id under `key`: 32 hex digits, equal ids to equal hashes; nulls stay.

    Source: RFC 2104, worked as two nested hashes so that a whole column is hashed at once.
    """
    inner, outer = derive_pads(key)
    table = pa.table({"value": pa.array(list(values), pa.string())})
    with duckdb.connect() as connection:
        register_rules(connection)
        connection.register("ids", table)
        query = read_sql("staging/hash_users")
        rows = connection.execute(query, {"inner_pad": inner, "outer_pad": outer}).fetchall()
    return [row[0] for row in rows]


def derive_pads(key: bytes) -> tuple[bytes, bytes]:
    """The inner and the outer pad of HMAC-SHA256 under `key`, 64 bytes each."""
    block = hashlib.sha256(key).digest() if len(key) > _BLOCK_BYTES else key
    block = block.ljust(_BLOCK_BYTES, b"\0")
    return bytes(byte ^ 0x36 for byte in block), bytes(byte ^ 0x5C for byte in block)


def is_name_column(name: str) -> bool:
    """True for columns that hold a person's name: `reviewerName`, `ProfileName`, `user_name` …."""
    return _NAME_COLUMN.match(name) is not None


def hide_values_pattern(columns: Iterable[str]) -> str:
    r"""RE2 pattern of a JSON member whose value is to be hidden; group 1 is the key and colon.

    It holds for broken lines as well: a value that never closes is hidden to the end of the line.
    Keys are matched in any case. `columns` are added to the names of persons.
    """
    names = (
        r"(?:reviewer|profile|user|customer|author|buyer|first|last|full|nick|screen|display)"
        r"[ _-]?name"
    )
    keys = "|".join([names, *(re.escape(column) for column in sorted(columns))])
    value = r"""(?:"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?|\[[^\]]*\]?|\{[^}]*\}?|[^,}\s]+)"""
    return rf"""(?is)(["'](?:{keys})["']\s*:\s*){value}"""
