"""Records of CSV and Parquet files as Arrow batches with the cells that an adapter reads.

CSV follows RFC 4180: a quoted field may hold line breaks; a record's number is that of its first
line. A stray quote costs the line it stands on, not the rest of the file.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from tasks.ingest.files import Source, open_source
from tasks.ingest.lines import (
    BAD_ENCODING,
    BATCH_SCHEMA,
    RAW_BYTES,
    Chunk,
    clip_bytes,
    describe_encoding,
    is_utf8,
    iter_chunks,
    make_problem_batch,
)
from tasks.ingest.privacy import HIDDEN
from tasks.platform.errors import InputError

BATCH_ROWS: Final = 20_000
_NO_CLOSE: Final = "not valid CSV: a quote opened on this line is never closed"

_BY_VALUE: Final = (
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_fixed_size_binary,
    pa.types.is_nested,
)
"""Kinds of columns that are written as text value by value."""
_LONE_RETURN: Final = (
    "a carriage return alone ends a line: save the file with line ends of LF or CRLF"
)


@dataclass(frozen=True)
class Record:
    """One CSV record from line `line` on: its `cells`, or the `problem` that it has."""

    line: int
    raw: bytes
    cells: list[str] | None = None
    problem: str | None = None


class _Line(NamedTuple):
    number: int
    data: bytes
    problem: str | None

    @property
    def is_turning(self) -> bool:
        """An odd number of quotes: the line opens a quoted break, or closes it."""
        return self.data.count(b'"') % 2 == 1


class _Lines:
    """Physical lines that can be put back."""

    def __init__(self, chunks: Iterable[Chunk]) -> None:
        self._source = self._split(chunks)
        self._returned: list[_Line] = []

    @staticmethod
    def _split(chunks: Iterable[Chunk]) -> Iterator[_Line]:
        for chunk in chunks:
            if chunk.problem is not None:
                yield _Line(chunk.first, chunk.data, chunk.problem)
                continue
            for at, data in enumerate(chunk.data[: chunk.size - 1].split(b"\n")):
                yield _Line(chunk.first + at, data, None)

    def take(self) -> _Line | None:
        return self._returned.pop() if self._returned else next(self._source, None)

    def put_back(self, lines: Iterable[_Line]) -> None:
        self._returned.extend(reversed(list(lines)))


def iter_records(
    blocks: Iterable[bytes], *, delimiter: str, max_line_bytes: int
) -> Iterator[Record]:
    """Records of a CSV file, the header first; lines of white space are no records.

    A record that does not close within `max_line_bytes`, or whose lines together are not well
    formed, is given up at its first line; reading goes on with the second.
    """
    # what is refused is parsed, too: as text an odd byte is four characters long
    csv.field_size_limit(max(csv.field_size_limit(), max_line_bytes, 4 * RAW_BYTES))
    lines = _Lines(iter_chunks(blocks, max_line_bytes=max_line_bytes))
    width = 0
    while (line := lines.take()) is not None:
        if line.problem is not None:
            yield Record(line.number, line.data, problem=line.problem)
            continue
        if not line.data.strip():
            continue
        taken, is_closed = _gather_lines(line, lines, max_line_bytes)
        data = b"\n".join(part.data for part in taken)
        record = (
            _parse_record(line.number, data, delimiter, width, max_line_bytes)
            if is_closed
            else Record(line.number, line.data, problem=_NO_CLOSE)
        )
        if record.problem is not None and len(taken) > 1:
            lines.put_back(taken[1:])
            record = Record(line.number, line.data, problem=record.problem)
        width = width or len(record.cells or ())
        yield record


def _gather_lines(first: _Line, lines: _Lines, max_line_bytes: int) -> tuple[list[_Line], bool]:
    """The lines of one record, and whether its last quote closes."""
    taken, size = [first], len(first.data)
    if not first.is_turning:
        return taken, True
    while size <= max_line_bytes:
        line = lines.take()
        if line is None:
            return taken, False
        if line.problem is not None:
            lines.put_back([line])
            return taken, False
        taken.append(line)
        size += len(line.data)
        if line.is_turning:
            return taken, True
    return taken, False


def _parse_record(
    number: int, data: bytes, delimiter: str, width: int, max_line_bytes: int
) -> Record:
    """Cells of one record; `width` is the number of columns, 0 for the header."""
    if len(data) > max_line_bytes:
        problem = f"line too long: {len(data):,} bytes, at most {max_line_bytes:,} are allowed"
        return Record(number, data, problem=problem)
    if b"\0" in data:
        problem = "NUL bytes: the line holds bytes of value zero"
        return Record(number, data, problem=problem)
    try:
        text = data.rstrip(b"\r").decode()
        rows = list(csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except UnicodeDecodeError as error:
        return Record(number, data, problem=describe_encoding(error))
    except csv.Error as error:
        return Record(number, data, problem=f"not valid CSV: {error}")
    if len(rows) > 1:
        return Record(number, data, problem=_LONE_RETURN)
    cells = rows[0] if rows else []
    if width and len(cells) != width:
        problem = f"wrong number of fields: {len(cells)}, the header has {width}"
        return Record(number, data, problem=problem)
    return Record(number, data, cells=cells)


def iter_record_batches(
    records: Iterator[Record],
    *,
    header: Sequence[str],
    columns: Sequence[str],
    struck: Sequence[int],
    delimiter: str,
) -> Iterator[pa.RecordBatch]:
    """Batches from the records behind a header; `cells` holds `columns` in their order.

    Cells in the places `struck` (from 0) are struck out of the raw text.
    """
    places = [header.index(column) for column in columns]
    kept: list[Record] = []
    for record in records:
        kept.append(record)
        if len(kept) == BATCH_ROWS:
            yield from _make_batches(kept, places, struck, delimiter)
            kept = []
    if kept:
        yield from _make_batches(kept, places, struck, delimiter)


def _make_batches(
    records: list[Record], places: list[int], struck: Sequence[int], delimiter: str
) -> Iterator[pa.RecordBatch]:
    bad = [
        (record.line, strike_cells(record, struck, delimiter).encode(), record.problem)
        for record in records
        if record.problem is not None
    ]
    if bad:
        yield make_problem_batch(bad)
    good = [(record, record.cells) for record in records if record.cells is not None]
    if good:
        yield pa.record_batch(
            [
                pa.array([record.line for record, _ in good], pa.int64()),
                pa.array([strike_cells(record, struck, delimiter) for record, _ in good]),
                pa.array([[cells[at] for at in places] for _, cells in good]),
                pa.nulls(len(good), pa.string()),
            ],
            schema=BATCH_SCHEMA,
        )


def strike_cells(record: Record, struck: Sequence[int], delimiter: str) -> str:
    """Raw text of a record without the cells that may not be stored."""
    text = clip_bytes(record.raw)
    if not struck:
        return text
    cells = record.cells
    if cells is None:
        rows = list(csv.reader(StringIO(text.replace("\0", ""), newline=""), delimiter=delimiter))
        cells = rows[0] if rows else []
    out = StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="").writerow(
        [HIDDEN if at in struck else cell for at, cell in enumerate(cells)]
    )
    return out.getvalue()


def read_parquet_columns(source: Source) -> list[str]:
    """Column names of a Parquet file. Raises InputError when it is not one."""
    import pyarrow.parquet as pq

    try:
        with open_source(source) as handle:
            return [str(name) for name in pq.read_schema(handle).names]
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _refuse_parquet(source, error) from error


def iter_parquet_batches(source: Source, *, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Batches of a Parquet file; `line` is the number of the row, and there is no raw text.

    Raises InputError when the file is damaged.
    """
    import pyarrow.parquet as pq

    first = 1
    try:
        with open_source(source) as handle:
            # Threads of Arrow that still hold a file of Python's when the process ends abort it
            # (apache/arrow#33975); DuckDB's share the work that comes after.
            file = pq.ParquetFile(handle)
            for batch in file.iter_batches(BATCH_ROWS, columns=list(columns), use_threads=False):
                yield _make_table_batch(batch, columns, first)
                first += batch.num_rows
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _refuse_parquet(source, error) from error


def _refuse_parquet(source: Source, error: Exception) -> InputError:
    return InputError(f"{source.name!r} is not a whole Parquet file ({error}); deliver it again")


def _make_table_batch(batch: pa.RecordBatch, columns: Sequence[str], first: int) -> pa.RecordBatch:
    count = batch.num_rows
    cells = [format_cells(batch.column(name)) for name in columns]
    cells, raw, problems = _repair_cells(cells, columns)
    texts = pa.concat_arrays(cells)
    order = np.arange(len(columns) * count).reshape(len(columns), count).T.ravel()
    offsets = np.arange(0, len(order) + 1, max(len(columns), 1), dtype=np.int32)
    return pa.record_batch(
        [
            pa.array(np.arange(first, first + count)),
            raw,
            pa.ListArray.from_arrays(offsets, texts.take(pa.array(order))),
            problems,
        ],
        schema=BATCH_SCHEMA,
    )


def _repair_cells(
    cells: list[pa.StringArray], columns: Sequence[str]
) -> tuple[list[pa.StringArray], pa.StringArray, pa.StringArray]:
    """Columns of text without bytes that are none, and the raw text and the problem of rows with such.

    Who wrote the file is trusted to have written UTF-8 by its format, not by what is in it.
    """
    count = len(cells[0])
    if not (bad := [at for at, column in enumerate(cells) if not is_utf8(column)]):
        return cells, pa.nulls(count, pa.string()), pa.nulls(count, pa.string())
    raw: list[str | None] = [None] * count
    problems: list[str | None] = [None] * count
    texts = [column.cast(pa.binary()).to_pylist() for column in cells]
    for row in range(count):
        for at in bad:
            try:
                (texts[at][row] or b"").decode()
            except UnicodeDecodeError as error:
                byte = error.object[error.start]
                problems[row] = f"{BAD_ENCODING}: byte 0x{byte:02x} in {columns[at]!r}"
        if problems[row] is not None:
            shown = {name: _format_object(texts[at][row]) for at, name in enumerate(columns)}
            raw[row] = json.dumps(shown)
    mended = [
        pa.array([_format_object(value) for value in values], pa.string()) for values in texts
    ]
    return mended, pa.array(raw, pa.string()), pa.array(problems, pa.string())


def format_cells(values: pa.Array) -> pa.StringArray:
    """A column of any type as text: times as ISO 8601 in UTC, nested values as JSON, UUIDs as usual."""
    kind = values.type
    if isinstance(kind, pa.UuidType):
        return pa.array([value and str(value) for value in values.to_pylist()], pa.string())
    if pa.types.is_dictionary(kind):
        return format_cells(values.dictionary_decode())
    if pa.types.is_timestamp(kind):
        return _format_times(values)
    if any(is_kind(kind) for is_kind in _BY_VALUE):
        return pa.array([_format_object(value) for value in values.to_pylist()], pa.string())
    return values.cast(pa.string())


def _format_times(values: pa.Array) -> pa.StringArray:
    import pyarrow.compute as pc

    # Microseconds as text are read exactly; finer parts are below what a review can mean.
    micros = values.cast(pa.timestamp("us", values.type.tz), safe=False)
    naive = micros.cast(pa.int64()).cast(pa.timestamp("us"))
    return pc.strftime(naive, format="%Y-%m-%dT%H:%M:%SZ").cast(pa.string())


def _format_object(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    return json.dumps(value, default=str)
