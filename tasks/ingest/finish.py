"""The last touch to rows: text is masked, then hashed; refused rows are made fit to be kept."""

from collections.abc import Iterable
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from tasks.ingest.lines import explain_line
from tasks.ingest.privacy import hide_values, mask_contacts
from tasks.platform.schema import TableName

UNREADABLE: Final = "unreadable"
"""Reason, given by the statements that read, of lines that hold no JSON object."""

_TEXTS: Final[dict[TableName, tuple[str, ...]]] = {
    "reviews": ("title", "text"),
    "items": ("title", "description"),
    "exposures": (),
    "users": (),
}
_ID_DIGITS: Final = 32
_SHA_DIGITS: Final = 64


def finish_rows(rows: pa.Table, table: TableName, *, is_masked: bool) -> pa.Table:
    """Accepted rows with their text masked and, for reviews, `review_id` and `text_sha256`."""
    for name in _TEXTS[table] if is_masked else ():
        rows = _set_column(rows, name, mask_contacts(_join_chunks(rows, name)))
    if table != "reviews":
        return rows
    wholes, texts = _write_identities(rows), _join_chunks(rows, "text")
    rows = rows.append_column("review_id", _hash_values(wholes, _ID_DIGITS))
    return rows.append_column("text_sha256", _hash_values(texts, _SHA_DIGITS))


def _write_identities(rows: pa.Table) -> pa.StringArray:
    """What makes a review the same one, as `review_id` hashes it."""
    names = ("source", "user_id", "item_id")
    return pc.binary_join_element_wise(
        *(_join_chunks(rows, name) for name in names),
        _write_times(rows.column("reviewed_at").combine_chunks()),
        pc.fill_null(_join_chunks(rows, "title"), ""),
        _join_chunks(rows, "text"),
        "\x1f",
    )


def _write_times(moments: pa.TimestampArray) -> pa.StringArray:
    """Moments as 2024-03-01T10:00:00.000000Z."""
    # With a zone Arrow takes a hundred times as long, even in UTC.
    written = moments.cast(pa.timestamp("us")).cast(pa.string())
    return pc.binary_join_element_wise(pc.binary_replace_slice(written, 10, 11, "T"), "Z", "")


def _hash_values(values: pa.StringArray, digits: int) -> pa.StringArray:
    """The first `digits` hex digits of the SHA-256 of every value; no nulls.

    DuckDB's own function takes three times as long, and a Python step per row into OpenSSL twice.
    """
    import polars as pl
    import polars_hash

    digest = polars_hash.col("value").chash.sha2_256().str.head(digits)
    found = pl.DataFrame({"value": pl.Series(values)}).select(digest).to_series()
    return found.to_arrow().cast(pa.string())


def finish_refused(rows: pa.Table, hidden: Iterable[str], *, is_masked: bool) -> pa.Table:
    r"""Refused rows whose raw text is fit to be kept, and whose reason is complete.

    Names (and the members `hidden`) are struck out, contacts masked, NULs written as `\\x00`.
    """
    texts = _join_chunks(rows, "raw_text")
    reasons = pa.array(
        [
            explain_line(text.as_py()) if reason.as_py() == UNREADABLE else reason.as_py()
            for reason, text in zip(_join_chunks(rows, "reason"), texts, strict=True)
        ],
        pa.string(),
    )
    texts = pc.replace_substring(pc.utf8_rtrim(texts, "\r\n"), "\0", "\\x00")
    texts = hide_values(texts, hidden)
    if is_masked:
        texts, reasons = mask_contacts(texts), mask_contacts(reasons)
    return _set_column(_set_column(rows, "raw_text", texts), "reason", reasons)


def _join_chunks(rows: pa.Table, name: str) -> pa.Array:
    column = rows.column(name)
    whole = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    return whole.cast(pa.string())


def _set_column(rows: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return rows.set_column(rows.column_names.index(name), name, values)
