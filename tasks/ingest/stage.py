"""Staging: delivered files in, accepted rows and refused rows out, every row accounted for.

A file streams through a DuckDB statement (`sql/staging/<table>_read.sql`), which extracts
and checks whole columns, then have their text masked and hashed, and go straight into Parquet; only
lines that are odd are looked at one by one. Keys are compared afterwards in the file that was
written (DuckDB spills to disk if they are many), so memory does not grow with the files. If keys
repeat, the file is copied once more without the rows that later ones replace.

For every drop `rows_read = rows_staged + rows_duplicate + rows_quarantined`. The left side is
counted while reading, the right side while writing; a difference raises.

What counts as a row: a line of JSON that is not blank, a CSV record, a row of a Parquet file. A file
that is known not to be whole (a gzip stream or a Parquet file that is cut or corrupt) is refused.
Of lines longer than `max_line_bytes` the quarantine keeps up to 16 MiB, with length and SHA-256.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.ingest.ahead import iter_ahead
from tasks.ingest.drift import describe_drift
from tasks.ingest.finish import finish_refused, finish_rows
from tasks.ingest.formats import REQUIRED, Adapter
from tasks.ingest.intake import (
    Delivery,
    Feed,
    Identity,
    IngestOptions,
    Meter,
    Progress,
    Run,
    bind_read,
    describe_files,
    list_hidden,
    open_feed,
    refuse_columns,
)
from tasks.ingest.lines import BAD_ENCODING, SAVE_AS_UTF8
from tasks.ingest.profile import Profile, measure_profile
from tasks.ingest.rows import RowWriter, copy_rows_except, count_rows
from tasks.platform.errors import StorageError, TooManyBadRowsError
from tasks.platform.schema import EVENT_TABLES, QUARANTINE, TableName, staged_schema
from tasks.platform.sql import read_sql

__all__ = ["FEW_ROWS", "IngestOptions", "Staged", "stage_files"]

FEW_ROWS: Final = 20
"""So many refused rows never stop a drop of which some rows are good: of three rows one bad one is
a third, which says little about the source."""

MEMORY_LIMIT: Final = "512MB"
"""Of DuckDB; what exceeds it (keys of very large drops) spills into the work folder."""

N_AHEAD: Final = 2
"""Parts of a file that wait for their last touch at once, of HANDED_BYTES each."""

_QUERY_ERRORS: Final = (duckdb.Error, pa.ArrowException, OSError)
"""What a statement fails with, by the way that its rows are fetched."""
_REFUSED: Final = pa.schema(
    [QUARANTINE.field(name) for name in ("file", "line", "reason", "raw_text")]
)
_SESSION: Final = ("session_utc", "session_flush", "session_flush_bulk", "session_buffer")
_MACROS: Final = (
    "macro_hash_user",
    "macro_review_key",
    "macro_read_number",
    "macro_read_flag",
    "macro_mend_time",
    "macro_read_time",
    "macro_read_key",
    "macro_read_cells",
    "macro_show_value",
    "macro_show_cells",
    "macro_is_nested",
    "macro_explain_time",
    "macro_explain_count",
    "macro_pack_members",
)


_REMEDIES: Final = {
    SAVE_AS_UTF8: (BAD_ENCODING,),
    "write one JSON object a line, where the file holds a list of them or objects over several lines "
    "(pandas: to_json(orient='records', lines=True)), and call it .csv where it is one": (
        "not valid JSON",
        "not a JSON object",
    ),
}
"""What to do about a file of which most refused rows are refused for these kinds of reasons."""


@dataclass(frozen=True)
class Staged:
    """The account of one staged drop.

    `reasons` counts refused rows by kind; `drift` are sentences; `dates` maps an event date (ISO) to
    its accepted rows and is empty for items and users; `profile` is what `measure_profile` gives.
    """

    rows_read: int
    rows_staged: int
    rows_duplicate: int
    rows_quarantined: int
    reasons: dict[str, int]
    drift: tuple[str, ...]
    dates: dict[str, int]
    profile: Profile


def stage_files(
    files: Sequence[Path | str],
    *,
    adapter: Adapter,
    table: TableName,
    source: str,
    drop_id: str,
    options: IngestOptions,
    staged_path: Path,
    quarantine_path: Path,
    work_dir: Path,
    progress: Progress | None = None,
) -> Staged:
    """Stage one table of one drop.

    `staged_path` gets the accepted rows (Parquet, columns of `staged_schema(table)`, in the order of
    the files), `quarantine_path` the refused ones (columns of QUARANTINE); the same input gives the
    same bytes. Of rows with the same key the last is kept; earlier ones are duplicates, or refused
    where they contradict it (another rating; another click or position). `progress(done, total)`
    counts bytes on disk.

    Raises InputError for a file that cannot be read as what it should be, SchemaError when a file
    has no column for a required field, TooManyBadRowsError when more than `max_bad_share` of the
    rows (and more than FEW_ROWS, or all) are refused. `quarantine_path` is written before the last
    two, except when a table's header alone shows that columns are missing.
    """
    identity = Identity(adapter, table, source, drop_id, options)
    deliveries = describe_files(files, adapter, table)
    try:
        with TemporaryDirectory(prefix=".rows-", dir=work_dir) as scratch:
            sorter = _Sorter(identity, deliveries, Path(scratch))
            with closing(sorter):
                rows_read = sorter.read(Meter(deliveries, progress))
                staged = sorter.write(rows_read, staged_path, quarantine_path)
                sorter.check_columns()
    except _QUERY_ERRORS as error:
        raise StorageError(
            f"rows of {source} could not be staged in {str(work_dir)!r}: {error}; "
            "see to the disk and run again"
        ) from error
    _check_share(staged, deliveries, options)
    return staged


class _Sorter:
    """Sorts the rows of one drop into accepted, repeated and refused ones."""

    def __init__(self, identity: Identity, deliveries: list[Delivery], scratch: Path) -> None:
        self._identity = identity
        self._deliveries = deliveries
        self._accepted = scratch / "accepted.parquet"
        self._refused = scratch / "refused.parquet"
        self._present: dict[int, Counter[str]] = {each.place: Counter() for each in deliveries}
        self._rows: Counter[int] = Counter()
        self._is_careful = False
        self._connection = _connect(scratch)

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()

    def read(self, meter: Meter) -> int:
        """Bring accepted rows into one draft and refused ones into another; the rows read."""
        schema = staged_schema(self._identity.table)
        with (
            RowWriter(self._accepted, schema) as accepted,
            RowWriter(self._refused, _REFUSED) as refused,
        ):
            for each in self._deliveries:
                self._rows[each.place] = self._read_file(each, meter, accepted, refused)
        return self._rows.total()

    def _read_file(
        self, each: Delivery, meter: Meter, accepted: RowWriter, refused: RowWriter
    ) -> int:
        feed = open_feed(each, self._identity, meter)
        bound = bind_read(each, feed.columns, self._identity)
        self._is_careful = False
        # One thread reads and queries (DuckDB has more of its own) while this one finishes rows.
        for rows in iter_ahead(self._iter_feed(feed, bound), N_AHEAD):
            self._take_rows(each, rows, accepted, refused)
        return feed.rows

    def _iter_feed(self, feed: Feed, bound: dict[str, Any]) -> Iterator[pa.Table]:
        for run in feed.iter_runs():
            yield from self._iter_rows(run, bound)

    def _iter_rows(self, run: Run, bound: dict[str, Any]) -> Iterator[pa.Table]:
        """What the statement makes of a run, in its order; a line that ends it makes it careful.

        It stays so for the rest of the file: such a line seldom comes alone.
        """
        n_handed = 0
        try:
            for rows in self._query_rows(run, bound):
                n_handed += rows.num_rows
                yield rows
        except _QUERY_ERRORS:
            if self._is_careful:
                raise
            self._is_careful = True
            for rows in self._query_rows(run, bound):
                n_known = min(n_handed, rows.num_rows)
                n_handed -= n_known
                yield rows.slice(n_known)

    def _query_rows(self, run: Run, bound: dict[str, Any]) -> Iterator[pa.Table]:
        self._connection.register("batches", run.open())
        query = read_sql(f"staging/{self._identity.table}_read")
        bound = bound | {"is_careful": self._is_careful}
        rows = self._connection.execute(query, bound).to_arrow_reader(run.n_handed)
        for batch in rows:
            yield pa.Table.from_batches([batch])
        self._connection.unregister("batches")

    def _take_rows(
        self, each: Delivery, rows: pa.Table, accepted: RowWriter, refused: RowWriter
    ) -> None:
        table, options = self._identity.table, self._identity.options
        origin = {
            "source": self._identity.source,
            "drop_id": self._identity.drop_id,
            "file": each.name,
        }
        for name, value in origin.items():
            rows = rows.append_column(name, pa.repeat(value, rows.num_rows))
        for name in REQUIRED[table]:
            self._present[each.place][name] += rows.num_rows - rows.column(name).null_count
        reasons = rows.column("reason")
        if reasons.null_count < rows.num_rows:
            is_good = pc.is_null(reasons)
            bad = rows.filter(pc.invert(is_good)).select(_REFUSED.names)
            hidden = list_hidden(each.format, options)
            refused.write(finish_refused(bad, hidden, is_masked=options.mask_contacts))
            rows = rows.filter(is_good)
        if rows.num_rows:
            accepted.write(finish_rows(rows, table, is_masked=options.mask_contacts))

    def write(self, rows_read: int, staged_path: Path, quarantine_path: Path) -> Staged:
        """Write both files and close the account."""
        table = self._identity.table
        draft = {"draft": str(self._accepted)}
        self._create_files()
        self._connection.execute(read_sql("staging/refused_table"), {"path": str(self._refused)})
        self._connection.execute(read_sql(f"staging/{table}_repeats"), draft)
        if table in EVENT_TABLES:
            self._connection.execute(read_sql(f"staging/{table}_contradicted"), draft)
        refused = self._fetch_count(
            "refused_staged",
            {
                "source": self._identity.source,
                "drop_id": self._identity.drop_id,
                "table_name": table,
                "path": str(quarantine_path),
            },
        )
        staged = Staged(
            rows_read=rows_read,
            rows_staged=self._keep_rows(staged_path),
            rows_duplicate=self._fetch_count("repeats_count", {}),
            rows_quarantined=refused,
            reasons=dict(self._connection.execute(read_sql("staging/refused_reasons")).fetchall()),
            drift=tuple(self._list_drift(staged_path)),
            dates=self._count_dates(staged_path) if table in EVENT_TABLES else {},
            profile=measure_profile(
                self._connection, str(staged_path), table=table, drop_id=self._identity.drop_id
            ),
        )
        _check_account(staged)
        return staged

    def _create_files(self) -> None:
        names = pa.table(
            {
                "place": pa.array([each.place for each in self._deliveries], pa.int32()),
                "name": pa.array([each.name for each in self._deliveries], pa.string()),
            }
        )
        self._connection.from_arrow(names).create("files")

    def _keep_rows(self, staged_path: Path) -> int:
        """The draft without repeated rows becomes the staged file; its number of rows."""
        query = read_sql("staging/repeats_select")
        repeats = self._connection.execute(query).fetchnumpy()["ordinal"]
        if len(repeats):
            return copy_rows_except(self._accepted, staged_path, np.asarray(repeats, np.int64))
        self._accepted.replace(staged_path)
        return count_rows(staged_path)

    def _fetch_count(self, name: str, bound: dict[str, Any]) -> int:
        row = self._connection.execute(read_sql(f"staging/{name}"), bound).fetchone()
        return int(row[0]) if row else 0

    def _count_dates(self, staged_path: Path) -> dict[str, int]:
        query = read_sql("staging/event_dates")
        rows = self._connection.execute(query, {"path": str(staged_path)}).fetchall()
        return {day.isoformat(): count for day, count in rows}

    def _list_drift(self, staged_path: Path) -> list[str]:
        sentences = []
        for each in self._deliveries:
            if not self._rows[each.place]:
                sentences.append(f"empty file: {each.name} holds no rows")
            sentences += describe_drift(each.census, each.format, each.name)
        if self._identity.table == "items":
            query = read_sql("staging/items_prices")
            row = self._connection.execute(query, {"path": str(staged_path)}).fetchone()
            if row and row[1]:
                sentences.append(f"{row[1]:,} of {row[0]:,} items have no readable price")
        return sentences

    def check_columns(self) -> None:
        """Raise SchemaError for a file of JSON lines no row of which has a required column."""
        for each in self._deliveries:
            missing = [
                name
                for name in REQUIRED[self._identity.table]
                if not set(each.format.list_sources(name)) & each.census.columns.keys()
                and not self._present[each.place][name]
            ]
            if each.census.rows and missing:
                raise refuse_columns(each, self._identity, missing)


def _connect(scratch: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(
        config={"memory_limit": MEMORY_LIMIT, "temp_directory": str(scratch / "spill")}
    )
    for name in (*_SESSION, *_MACROS):
        connection.execute(read_sql(f"staging/{name}"))
    return connection


def _check_account(staged: Staged) -> None:
    told = staged.rows_staged + staged.rows_duplicate + staged.rows_quarantined
    if told != staged.rows_read:
        raise StorageError(
            f"{staged.rows_read:,} rows were read but {told:,} accounted for "
            f"({staged.rows_staged:,} staged, {staged.rows_duplicate:,} duplicate, "
            f"{staged.rows_quarantined:,} quarantined); nothing was published: stage the drop again"
        )


def _check_share(staged: Staged, deliveries: Sequence[Delivery], options: IngestOptions) -> None:
    """Raise TooManyBadRowsError when too many rows were refused to trust the rest."""
    bad, read = staged.rows_quarantined, staged.rows_read
    is_hopeless = bad == read
    if not bad or bad <= options.max_bad_share * read or (bad <= FEW_ROWS and not is_hopeless):
        return
    kinds = ", ".join(f"{kind} ({count:,})" for kind, count in list(staged.reasons.items())[:5])
    remedy = next(
        (
            words
            for words, parts in _REMEDIES.items()
            if sum(staged.reasons.get(kind, 0) for kind in parts) > bad / 2
        ),
        "have the source deliver again",
    )
    names = ", ".join(each.name for each in deliveries[:5])
    raise TooManyBadRowsError(
        f"{bad:,} of {read:,} rows of {names} are malformed ({bad / read:.1%}; at most "
        f"{options.max_bad_share:.1%} are allowed): {kinds}. None of the file is published; "
        f"{remedy}, or raise ingest.max_bad_share to publish the rest"
    )
