"""A first look at a file: which columns it has, so that its layout or its table can be told."""

from collections.abc import Iterator
from itertools import islice
from typing import Final

from tasks.ingest.drift import Census
from tasks.ingest.files import DamagedFileError, Source, find_format, iter_blocks
from tasks.ingest.records import iter_records, read_parquet_columns

PEEK_LINES: Final = 200
_PEEK_BYTES: Final = 64 << 20


def peek_columns(source: Source, *, delimiter: str) -> list[str]:
    """Column names of a table, or of the first JSON lines; empty when there are none to see.

    Raises InputError when the file is neither text nor gzip nor, by its name, Parquet.
    """
    kind = find_format(source.name)
    if kind == "parquet":
        return read_parquet_columns(source)
    if kind == "json":
        census = Census()
        first = next(_iter_readable(source), b"")
        census.count_lines(
            first.removeprefix(b"\xef\xbb\xbf").split(b"\n", PEEK_LINES)[:PEEK_LINES]
        )
        return list(census.columns)
    records = iter_records(
        islice(_iter_readable(source), 8),
        delimiter="\t" if kind == "tsv" else delimiter,
        max_line_bytes=_PEEK_BYTES,
    )
    head = next(records, None)
    return [name.strip() for name in head.cells] if head and head.cells else []


def _iter_readable(source: Source) -> Iterator[bytes]:
    try:
        yield from iter_blocks(source)
    except DamagedFileError:
        return
