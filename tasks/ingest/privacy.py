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

from tasks.ingest.phones import MIN_DIGITS, mask_phones
from tasks.platform.sql import read_sql

EMAIL_MASK: Final = "[email]"
PHONE_MASK: Final = "[phone]"
HIDDEN: Final = "[hidden]"

_BLOCK_BYTES: Final = 64
_NON_ASCII: Final = 0x80

_AT: Final = r"(?:[@＠]| [@＠] )"
_LATIN_EMAIL: Final = rf"[\p{{Latin}}\p{{Mn}}0-9._%+-]+{_AT}[\p{{Latin}}0-9-]+(?:\.[\p{{Latin}}0-9-]+)*\.\p{{Latin}}{{2,24}}"
"""Looked for first: where words have no blanks between, the letters around are no part of it."""
_EMAIL: Final = rf"[\p{{L}}\p{{M}}\p{{N}}._%+-]+{_AT}[\p{{L}}\p{{M}}\p{{N}}-]+(?:[.。][\p{{L}}\p{{M}}\p{{N}}-]+)*[.。]\p{{L}}{{2,24}}"
_DOT: Final = r"(?: ?[(\[{] ?dot ?[)\]}] ?| dot )"
_SPELT_EMAIL: Final = (
    rf"(?i)[\p{{L}}0-9._%+-]+(?:{_DOT}[\p{{L}}0-9._%+-]+){{0,3}}(?:"
    rf" ?[(\[{{] ?(?:at|@) ?[)\]}}] ?[\p{{L}}0-9-]+(?:(?:{_DOT}|\.)[\p{{L}}0-9-]+){{0,3}}(?:{_DOT}|\.)\p{{L}}{{2,24}}"
    rf"| at [\p{{L}}0-9-]+(?:{_DOT}[\p{{L}}0-9-]+){{0,3}}{_DOT}\p{{L}}{{2,24}})"
)
_SPELT_SIGN: Final = r"(?i)[(\[{] ?at ?[)\]}]|[ (\[{]dot[ )\]}]"
"""What a text with a spelt-out address has in it."""
_DIGITS_SPAN: Final = 20
"""Seven digits of a phone number stand within so many bytes (twice as many where one takes two)."""

_PIECE_BYTES: Final = 1 << 18
_SEEN_BYTES: Final = 8
"""More than a character of UTF-8 takes, and a whole word, so that masks stay aligned."""

_NAMES: Final = (
    r"(?:reviewer|profile|user|customer|author|buyer|first|last|full|nick|screen|display)"
    r"[ _-]?name"
)
_NAME_COLUMN: Final = re.compile(rf"^{_NAMES}$", re.IGNORECASE)
_VALUE: Final = r"""(?:"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?|\[[^\]]*\]?|\{[^}]*\}?|[^,}\s]+)"""


def mask_contacts(values: pa.StringArray) -> pa.StringArray:
    """Replace e-mail addresses by `[email]` and phone numbers by `[phone]`; nulls stay.

    What counts as a phone number is said in `phones.py`; bare runs of digits (model numbers, ISBNs,
    prices, years, frequency ranges) are left alone. Only texts with an "@", a spelt-out address or
    seven digits close together are looked at more closely, which few are.
    """
    has_digits, has_sign = _find_suspects(values)
    is_suspect = has_digits | has_sign
    if not is_suspect.any():
        return values
    masked = np.array(values.filter(pa.array(is_suspect)).to_pylist(), object)
    signed = np.flatnonzero(has_sign[is_suspect])
    masked[signed] = _mask_emails(masked[signed].tolist())
    for row in np.flatnonzero(has_digits[is_suspect]):
        masked[row] = mask_phones(masked[row], PHONE_MASK)
    return pc.replace_with_mask(values, pa.array(is_suspect), pa.array(masked, pa.string()))


def _mask_emails(texts: list[str]) -> list[str]:
    import polars as pl

    series = pl.Series(texts, dtype=pl.String)
    masked = (
        series.str.replace_all(_LATIN_EMAIL, EMAIL_MASK)
        .str.replace_all(_EMAIL, EMAIL_MASK)
        .str.replace_all(_SPELT_EMAIL, EMAIL_MASK)
    )
    return masked.to_list()


def _find_suspects(values: pa.StringArray) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Texts that may hold a phone number, and that may hold an address; shapes (len(values),)."""
    import polars as pl

    has_digits, has_sign = np.zeros(len(values), np.bool_), np.zeros(len(values), np.bool_)
    _, offsets, data = values.buffers()
    if data is None or not len(values):
        return has_digits, has_sign
    ends = np.frombuffer(offsets, np.int32)[values.offset : values.offset + len(values) + 1]
    digits, signs, span = _find_marks(np.frombuffer(data, np.uint8)[ends[0] : ends[-1]])
    last, first = digits[MIN_DIGITS - 1 :], digits[: max(len(digits) - MIN_DIGITS + 1, 0)]
    for found, places in ((has_digits, first[last - first < span]), (has_sign, signs)):
        found[np.searchsorted(ends, places + ends[0], side="right") - 1] = True
    # Three times as fast as Arrow's: its engine skips to the few places where a match can begin.
    spelt = pl.Series(values).str.contains(_SPELT_SIGN).fill_null(False)
    return has_digits, has_sign | spelt.to_numpy()


def _find_marks(text: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Where in `text` digits and where at-signs stand, and within how many bytes a phone number does.

    Piece by piece, since of what the processor's cache holds the masks cost next to nothing; from its
    second on a piece sees the bytes before it, which a character of its first ones may begin with.
    """
    digits, signs, span = [], [], _DIGITS_SPAN
    for start in range(0, len(text), _PIECE_BYTES):
        n_seen = min(start, _SEEN_BYTES)
        piece = text[start - n_seen : start + _PIECE_BYTES]
        is_digit, is_sign = (piece - np.uint8(ord("0"))) < 10, piece == ord("@")
        if piece.max() >= _NON_ASCII:
            is_digit |= _find_other_digits(piece)
            is_sign[2:] |= (piece[:-2] == 0xEF) & (piece[1:-1] == 0xBC) & (piece[2:] == 0xA0)
            span = 2 * _DIGITS_SPAN
        digits.append(np.flatnonzero(is_digit[n_seen:]) + start)
        signs.append(np.flatnonzero(is_sign[n_seen:]) + start)
    nowhere = np.zeros(0, np.int64)
    return np.concatenate([nowhere, *digits]), np.concatenate([nowhere, *signs]), span


def _find_other_digits(text: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """True for the last byte of what may be a digit of another script, in UTF-8; shape (len(text),).

    Digits of two bytes are Arabic or Persian, those of three Indic, Thai or full-width. A few
    letters are taken for digits, which only costs a closer look.
    """
    found = np.zeros(len(text), np.bool_)
    low = text & 0xF
    before, lead = text[1:-1], text[:-2]
    is_arabic = ((text[:-1] == 0xD9) & (text[1:] >> 4 == 0xA)) | (
        (text[:-1] == 0xDB) & (text[1:] >> 4 == 0xB)
    )
    found[1:] = is_arabic & (low[1:] < 10)
    is_indic = (lead == 0xE0) & (before >= 0xA5) & (before <= 0xBB)
    is_wide = (lead == 0xEF) & (before == 0xBC)
    found[2:] |= is_indic & (text[2:] >= 0x90)
    found[2:] |= is_wide & (text[2:] >= 0x90) & (text[2:] <= 0x99)
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
