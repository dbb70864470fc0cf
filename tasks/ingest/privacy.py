"""Privacy rules: contacts in text are masked, user ids may be replaced by a keyed hash.

Reviewer names need no rule: no adapter reads them, and the raw text of refused rows has them struck
out (`hide_values`). Expressions run in automata of linear time, since review text is hostile.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tasks.platform.sql import read_sql

EMAIL_MASK: Final = "[email]"
PHONE_MASK: Final = "[phone]"
HIDDEN: Final = "[hidden]"

_BLOCK_BYTES: Final = 64

_EMAIL: Final = r"[\p{L}\p{N}._%+-]+ ?@ ?[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)*\.\p{L}{2,24}"
_PHONE: Final = (
    r"(^|[^\w.+$€£-])(?:"
    r"(?:\+|00)[1-9][0-9]{0,2}[ .-]?(?:\(0?[0-9]{1,4}\)[ .-]?)?(?:[0-9]{2,4}[ .-]?){2,4}[0-9]{2,4}"
    r"|(?:1[ .-]?)?(?:\([0-9]{3}\) ?|[0-9]{3}[.-])[0-9]{3}[ .-][0-9]{4}"
    r"|[0-9]{3} [0-9]{3}[ -][0-9]{4}"
    r"|0[0-9]{2} [0-9]{4} [0-9]{4}|0[0-9]{3} [0-9]{3} [0-9]{4}|0[0-9]{4} [0-9]{3} ?[0-9]{3}"
    r")\b"
)
_SPOKEN_PHONE: Final = (
    r"(?i)(\b(?:call|phone|telephone|tel|text|txt|mobile|cell|whatsapp|fax|contact|reach)"
    r"(?:\s+(?:me|us|him|her|them|now|today|at|on|is|number|no|nr))*[\s:.#-]{1,3})"
    r"\+?[0-9][0-9 ().-]{5,16}[0-9]\b"
)
_MIN_DIGITS: Final = 7
_DIGITS_SPAN: Final = 20
"""A phone number has at least seven digits; these seven stand within so many bytes."""

_NAMES: Final = (
    r"(?:reviewer|profile|user|customer|author|buyer|first|last|full|nick|screen|display)"
    r"[ _-]?name"
)
_NAME_COLUMN: Final = re.compile(rf"^{_NAMES}$", re.IGNORECASE)
_VALUE: Final = r"""(?:"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?|\[[^\]]*\]?|\{[^}]*\}?|[^,}\s]+)"""


def mask_contacts(values: pa.StringArray) -> pa.StringArray:
    """Replace e-mail addresses by `[email]` and phone numbers by `[phone]`; nulls stay.

    A phone number has a country code, an area code set off by brackets, dashes, dots or blanks, or
    stands behind a word such as "call" or "phone"; bare runs of digits (model numbers, ISBNs,
    prices, years, frequency ranges) are left alone. Only texts with an "@" or with seven digits
    close together are looked at more closely, which few are.
    """
    is_suspect = _find_suspects(values)
    if not is_suspect.any():
        return values
    import polars as pl

    suspects = pl.Series(values.filter(pa.array(is_suspect)))
    masked = (
        suspects.str.replace_all(_EMAIL, EMAIL_MASK)
        .str.replace_all(_PHONE, f"${{1}}{PHONE_MASK}")
        .str.replace_all(_SPOKEN_PHONE, f"${{1}}{PHONE_MASK}")
    )
    replacements = masked.to_arrow().cast(pa.string())
    return pc.replace_with_mask(values, pa.array(is_suspect), replacements)


def _find_suspects(values: pa.StringArray) -> NDArray[np.bool_]:
    """True for texts that may hold a contact; shape (len(values),)."""
    found = np.zeros(len(values), np.bool_)
    _, offsets, data = values.buffers()
    if data is None or not len(values):
        return found
    ends = np.frombuffer(offsets, np.int32)[values.offset : values.offset + len(values) + 1]
    text = np.frombuffer(data, np.uint8)[ends[0] : ends[-1]]
    signs = np.flatnonzero(text == ord("@"))
    digits = np.flatnonzero((text - np.uint8(ord("0"))) < 10)
    last, first = digits[_MIN_DIGITS - 1 :], digits[: max(len(digits) - _MIN_DIGITS + 1, 0)]
    places = np.concatenate([signs, first[last - first < _DIGITS_SPAN]])
    if len(places):
        found[np.searchsorted(ends, places + ends[0], side="right") - 1] = True
    return found


def hash_user_ids(values: Sequence[str | None], key: bytes) -> list[str | None]:
    """HMAC-SHA256 of every id under `key`: 32 hex digits, equal ids to equal hashes; nulls stay.

    Source: RFC 2104, worked as two nested hashes (`sql/staging/macro_hash_user.sql`) so that a
    whole column is hashed at once.
    """
    import duckdb

    inner, outer = derive_pads(key)
    table = pa.table({"value": pa.array(list(values), pa.string())})
    with duckdb.connect() as connection:
        connection.execute(read_sql("staging/macro_hash_user"))
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


def hide_values(lines: pa.StringArray, columns: Iterable[str]) -> pa.StringArray:
    """Strike the values of persons' names, and of `columns`, out of lines of JSON.

    It holds for broken lines as well: a value that never closes is struck out to the end of the
    line. Keys are matched in any case.
    """
    import polars as pl

    keys = "|".join([_NAMES, *(re.escape(column) for column in sorted(columns))])
    pattern = rf"""(?is)(["'](?:{keys})["']\s*:\s*){_VALUE}"""
    struck = pl.Series(lines).str.replace_all(pattern, f'${{1}}"{HIDDEN}"')
    return struck.to_arrow().cast(pa.string())
