"""Intake: which files a drop has, how each is laid out, and its rows as a counted stream."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import count, islice
from pathlib import Path
from threading import Lock
from typing import Any, Final

import pyarrow as pa

from tasks.ingest.drift import Census
from tasks.ingest.files import Source, check_source, find_format, iter_blocks
from tasks.ingest.formats import FIELDS, REQUIRED, Adapter, TableFormat
from tasks.ingest.lines import (
    BAD_ENCODING,
    BATCH_SCHEMA,
    SAVE_AS_UTF8,
    iter_chunks,
    make_line_batch,
)
from tasks.ingest.peek import peek_columns
from tasks.ingest.privacy import derive_pads, is_name_column
from tasks.ingest.records import (
    iter_parquet_batches,
    iter_record_batches,
    iter_records,
    read_parquet_columns,
)
from tasks.platform.errors import InputError, SchemaError
from tasks.platform.schema import EVENT_TABLES, TableName

_DELIMITERS: Final = (";", "\t", "|", ",")
_PACKING_TABLES: Final[tuple[TableName, ...]] = ("exposures", "users")
_USER_TABLES: Final[tuple[TableName, ...]] = ("reviews", "exposures", "users")
_DAY_MICROS: Final = 86_400_000_000
HANDED_BYTES: Final = 8 << 20
"""Bytes of rows that are handed on at once, about: what bounds memory."""
HANDED_ROWS: Final = 16_384
RUN_BYTES: Final = 64 << 20
"""Bytes of rows per statement. One costs 15 ms before its first row, and keeps what it read in memory
until its last (measured with DuckDB 1.5.5: 0.9 GB after 1 GB)."""
_MANY_TIMES: Final = 4
"""A run ends before rows so many times longer, on average, than its batches were made for."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class IngestOptions:
    """What is allowed in, and what is hidden.

    `max_bad_share` in [0, 1]; rows dated before `earliest` or after `latest` (UTC days, inclusive)
    are refused; with `user_id_key` user ids become keyed hashes.
    """

    max_bad_share: float
    max_line_bytes: int
    earliest: date
    latest: date
    mask_contacts: bool
    user_id_key: bytes | None


@dataclass(frozen=True)
class Delivery:
    """One file of the drop: its place in it, how it is laid out, and what is seen in it.

    `name` is the last part of its path, or all of it where two files share the last part.
    """

    place: int
    source: Source
    name: str
    format: TableFormat
    census: Census


@dataclass(frozen=True)
class Identity:
    """Whose rows these are, and the rules they are read by."""

    adapter: Adapter
    table: TableName
    source: str
    drop_id: str
    options: IngestOptions


class Meter:
    """Adds up bytes over the files of a drop and tells the caller."""

    def __init__(self, deliveries: Sequence[Delivery], progress: Progress | None) -> None:
        self._total = sum(each.source.size for each in deliveries)
        self._done = 0
        self._progress = progress

    def add(self, count: int) -> None:
        """Count bytes that were read."""
        self._done += count
        if self._progress is not None:
            self._progress(self._done, max(self._total, self._done))


class Feed:
    """The rows of one file in runs, counted; `columns` are what their cells hold.

    A run is a stream that one statement reads: RUN_BYTES, or less where rows grow much longer, since
    of long ones fewer are handed on at a time.
    """

    def __init__(self, columns: Sequence[str], batches: Iterator[pa.RecordBatch]) -> None:
        self.columns = columns
        self.rows = 0
        self._batches = batches
        self._held: pa.RecordBatch | None = None
        self._error: Exception | None = None

    def iter_runs(self) -> Iterator["Run"]:
        """Runs, each to be read whole before the next.

        What goes wrong while a file is read ends the run, whoever reads it, and is raised when
        the next one is asked for.
        """
        self._advance()
        while self._held is not None:
            n_rows = max(1, min(HANDED_ROWS, int(HANDED_BYTES / _measure_rows(self._held))))
            longest = _MANY_TIMES * HANDED_BYTES / n_rows
            yield Run(self._iter_run(longest), n_rows)
        if self._error is not None:
            raise self._error

    def _iter_run(self, longest: float) -> Iterator[pa.RecordBatch]:
        size = 0
        while self._held is not None and (
            not size or (size < RUN_BYTES and _measure_rows(self._held) <= longest)
        ):
            batch = self._held
            self.rows += batch.num_rows
            size += batch.nbytes
            yield batch
            self._advance()

    def _advance(self) -> None:
        """Hold the next batch with rows; None at the end of the file, or of what can be read."""
        try:
            self._held = next((batch for batch in self._batches if batch.num_rows), None)
        except Exception as error:  # raised by iter_runs: DuckDB would make it one of its own
            self._held, self._error = None, error


class Run:
    """Rows that one statement reads, `n_handed` of them handed on at once.

    A statement that failed may read them again from the first: they are kept. Its threads may still
    be reading then, hence the lock; nothing that they take is lost.
    """

    def __init__(self, batches: Iterator[pa.RecordBatch], n_handed: int) -> None:
        self.n_handed = n_handed
        self._batches = batches
        self._kept: list[pa.RecordBatch] = []
        self._lock = Lock()

    def open(self) -> pa.RecordBatchReader:
        """All rows, from the first."""
        return pa.RecordBatchReader.from_batches(BATCH_SCHEMA, self._iter_kept())

    def _iter_kept(self) -> Iterator[pa.RecordBatch]:
        for place in count():
            with self._lock:
                if place == len(self._kept):
                    self._kept += islice(self._batches, 1)
                if place == len(self._kept):
                    return
                batch = self._kept[place]
            yield batch


def _measure_rows(batch: pa.RecordBatch) -> float:
    """Mean bytes of the rows of a batch."""
    n_bytes, n_rows = int(batch.nbytes), int(batch.num_rows)
    return n_bytes / n_rows


def describe_files(
    files: Sequence[Path | str], adapter: Adapter, table: TableName
) -> list[Delivery]:
    """The files of a drop, checked. Raises InputError for the first that cannot be read."""
    if table not in adapter.formats:
        raise InputError(
            f"{adapter.kind!r} has no {table}; it has {', '.join(adapter.formats)}: "
            "choose another kind of source or add the table to the mapping"
        )
    if not files:
        raise InputError(f"no file of {table} to read; name at least one")
    sources = [check_source(file) for file in files]
    names = [each.name for each in sources]
    if len({str(each.location) for each in sources}) < len(sources):
        raise InputError(f"a file is named twice among {', '.join(names)}; name each once")
    return [
        Delivery(
            place=place,
            source=each,
            name=each.name if names.count(each.name) == 1 else str(files[place]),
            format=_choose_format(each, adapter, table),
            census=Census(),
        )
        for place, each in enumerate(sources)
    ]


def _choose_format(source: Source, adapter: Adapter, table: TableName) -> TableFormat:
    if find_format(source.name) == "parquet" and adapter.kind != "mapping":
        raise InputError(
            f"{source.name!r} is a Parquet file, which {adapter.kind!r} sources are not made of; "
            "name its columns in a mapping file and import it as 'mapping'"
        )
    formats = adapter.formats[table]
    if len(formats) == 1:
        return formats[0]
    return adapter.choose_format(table, peek_columns(source, delimiter=adapter.delimiter))


def open_feed(each: Delivery, identity: Identity, meter: Meter) -> Feed:
    """The rows of one file, and the columns that their cells hold.

    Raises InputError for a header that cannot be read, SchemaError for one that lacks columns.
    """
    kind = find_format(each.source.name)
    if kind == "json":
        return Feed(each.format.list_columns(), _iter_json(each, identity.options, meter))
    if kind == "parquet":
        columns = _take_header(each, read_parquet_columns(each.source), identity)
        return Feed(columns, iter_parquet_batches(each.source, columns=columns))
    return _open_csv(each, identity, meter, is_tabbed=kind == "tsv")


def _iter_json(each: Delivery, options: IngestOptions, meter: Meter) -> Iterator[pa.RecordBatch]:
    limit = options.max_line_bytes
    blocks = iter_blocks(each.source, on_read=meter.add)
    for chunk in iter_chunks(blocks, max_line_bytes=limit):
        each.census.count_chunk(chunk)
        yield make_line_batch(chunk, max_line_bytes=limit, is_literal=each.format.is_literal)


def _open_csv(each: Delivery, identity: Identity, meter: Meter, *, is_tabbed: bool) -> Feed:
    delimiter = "\t" if is_tabbed else identity.adapter.delimiter
    records = iter_records(
        iter_blocks(each.source, on_read=meter.add),
        delimiter=delimiter,
        max_line_bytes=identity.options.max_line_bytes,
    )
    head = next(records, None)
    if head is None:
        return Feed([], iter(()))
    if head.cells is None:
        problem = head.problem or ""
        advice = SAVE_AS_UTF8 if problem.startswith(BAD_ENCODING) else "mend it"
        raise InputError(f"the header of {each.name!r} cannot be read ({problem}); {advice}")
    header = [name.strip() for name in head.cells]
    columns = _take_header(each, header, identity)
    batches = iter_record_batches(
        records,
        header=header,
        columns=columns,
        struck=find_struck(header, each.format, identity.options),
        delimiter=delimiter,
    )
    return Feed(columns, batches)


def _take_header(each: Delivery, header: Sequence[str], identity: Identity) -> list[str]:
    """The columns of a table that are read.

    Raises SchemaError when required ones are missing, or one is there twice.
    """
    each.census.count_columns(header)
    missing = [
        name
        for name in REQUIRED[identity.table]
        if not set(each.format.list_sources(name)) & set(header)
    ]
    if missing:
        raise refuse_columns(each, identity, missing)
    columns = [column for column in each.format.list_columns() if column in set(header)]
    if twice := [repr(column) for column in columns if list(header).count(column) > 1]:
        raise SchemaError(
            f"{each.name!r} has more than one column called {' and '.join(twice)}, and which of them to "
            "read is not known: leave one, or give the others another name"
        )
    return columns


def refuse_columns(each: Delivery, identity: Identity, missing: Sequence[str]) -> SchemaError:
    """The error of a file without columns for the required fields `missing`."""
    found = [name[:60] for name in sorted(each.census.columns)]
    shown = ", ".join(found[:30]) + (" …" if len(found) > 30 else "") or "none"
    needed = "; ".join(
        f"{name} from {' or '.join(map(repr, each.format.list_sources(name)))}" for name in missing
    )
    return SchemaError(
        f"{each.name!r} lacks columns that {identity.table} of {identity.adapter.kind!r} need: "
        f"{needed}. Found: {shown}. "
        + (
            _suppose_delimiter(list(each.census.columns), identity.adapter.delimiter)
            or "Check the kind of the source, or name the columns in a mapping"
        )
    )


def _suppose_delimiter(columns: Sequence[str], delimiter: str) -> str:
    """What to do about a header that was not parted; empty for one that was."""
    mark = next((each for each in _DELIMITERS if len(columns) == 1 and each in columns[0]), None)
    if mark is None or mark == delimiter:
        return ""
    return (
        f"The file looks parted by {mark!r} and was read as parted by {delimiter!r}: write delimiter = "
        f"{json.dumps(mark)} at the top of its mapping"
    )


def list_hidden(each: TableFormat, options: IngestOptions) -> set[str]:
    """Columns, besides persons' names, that refused rows must not show: user ids when hashed."""
    names = ("user_id", "exposure_id") if options.user_id_key else ()
    return {each.columns[name] for name in names if name in each.columns}


def find_struck(columns: Sequence[str], each: TableFormat, options: IngestOptions) -> list[int]:
    """Places among `columns` (from 0) of what refused rows must not show."""
    hidden = list_hidden(each, options)
    return [at for at, name in enumerate(columns) if is_name_column(name) or name in hidden]


def bind_read(each: Delivery, columns: Sequence[str], identity: Identity) -> dict[str, Any]:
    """Parameters of `<table>_read` for rows whose cells are `columns`, in that order."""
    table, options = identity.table, identity.options
    bound: dict[str, Any] = {
        "pointers": [make_pointer(column) for column in columns],
        "column_names": list(columns),
        "hidden_places": [at + 1 for at in find_struck(columns, each.format, options)],
    }
    for name in FIELDS[table]:
        column = each.format.columns.get(name)
        bound[name] = columns.index(column) + 1 if column in columns else None
    if table in EVENT_TABLES:
        bound["time_format"] = each.format.time_format
        bound["earliest_us"] = count_micros(options.earliest)
        bound["latest_us"] = count_micros(options.latest) + _DAY_MICROS
    if table in _USER_TABLES:
        key = options.user_id_key
        bound["inner_pad"], bound["outer_pad"] = derive_pads(key) if key else (None, None)
    if table == "exposures":
        bound["source"] = identity.source
    if table in _PACKING_TABLES:
        packed = [column for column in each.format.packed if column in columns]
        bound["packed_names"] = packed
        bound["packed_places"] = [columns.index(column) + 1 for column in packed]
    return bound


def make_pointer(column: str) -> str:
    """The JSON pointer (RFC 6901) of a member of the top-level object."""
    return "/" + column.replace("~", "~0").replace("/", "~1")


def count_micros(day: date) -> int:
    """Microseconds from 1970 to the beginning of a day, UTC."""
    moment = datetime.combine(day, time(), UTC)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
