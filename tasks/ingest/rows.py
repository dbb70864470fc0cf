"""Rows on their way out: Parquet files whose bytes depend on the rows and their order alone."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

GROUP_ROWS: Final = 50_000
"""Rows per row group, however they arrive."""
_MAX_PENDING_BYTES: Final = 256 << 20
_REPEATING: Final = ("source", "drop_id", "file", "item_id", "policy", "category", "brand")
"""Columns worth a dictionary; texts, keys and hashes are not."""
_RANDOM: Final = ("review_id", "text_sha256")
_TEXTS: Final = (
    "raw_text",
    "reason",
    "text",
    "title",
    "description",
    "text_sha256",
    "context",
    "features",
)


class RowWriter:
    """Writes tables as one Parquet file of row groups of GROUP_ROWS rows each.

    A context manager. Encoding happens in a thread of its own, one group at a time. Groups end early
    where their rows are huge (256 MiB), to bound memory.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._schema = schema
        self._pending: list[pa.Table] = []
        self._pending_rows = 0
        self._pending_bytes = 0
        self._writer = pq.ParquetWriter(
            path,
            schema,
            compression={name: "none" if name in _RANDOM else "snappy" for name in schema.names},
            use_dictionary=[name for name in _REPEATING if name in schema.names],
            write_statistics=[name for name in schema.names if name not in _TEXTS],
        )
        self._thread = ThreadPoolExecutor(1)
        self._job: Future[None] | None = None

    def __enter__(self) -> "RowWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._flush(self._pending_rows)
                self._await()
        finally:
            self._thread.shutdown(wait=True)
            self._writer.close()

    def write(self, rows: pa.Table) -> None:
        """Append rows; columns are taken by name."""
        columns = [rows.column(field.name).cast(field.type) for field in self._schema]
        self._pending.append(pa.table(columns, schema=self._schema))
        self._pending_rows += rows.num_rows
        self._pending_bytes += rows.nbytes
        if self._pending_rows >= GROUP_ROWS:
            self._flush(self._pending_rows - self._pending_rows % GROUP_ROWS)
        elif self._pending_bytes > _MAX_PENDING_BYTES:
            self._flush(self._pending_rows)

    def _flush(self, count: int) -> None:
        if not count:
            return
        rows = pa.concat_tables(self._pending)
        self._await()
        self._job = self._thread.submit(self._encode, rows.slice(0, count))
        self._pending = [rows.slice(count)] if count < rows.num_rows else []
        self._pending_rows = rows.num_rows - count
        self._pending_bytes = sum(table.nbytes for table in self._pending)

    def _encode(self, rows: pa.Table) -> None:
        self._writer.write_table(rows, row_group_size=GROUP_ROWS)

    def _await(self) -> None:
        if self._job is not None:
            self._job.result()
            self._job = None


def count_rows(path: Path) -> int:
    """Rows of a Parquet file, from its footer."""
    return int(pq.read_metadata(path).num_rows)


def copy_rows_except(source: Path, target: Path, dropped: NDArray[np.int64]) -> int:
    """Copy a Parquet file without the rows numbered `dropped` (ascending); the rows that remain."""
    with pq.ParquetFile(source) as file, RowWriter(target, file.schema_arrow) as writer:
        for at, batch in _number_batches(file):
            low, high = np.searchsorted(dropped, [at, at + batch.num_rows])
            keep = np.ones(batch.num_rows, np.bool_)
            keep[dropped[low:high] - at] = False
            writer.write(pa.Table.from_batches([batch.filter(pa.array(keep))]))
    return count_rows(target)


def _number_batches(file: pq.ParquetFile) -> Iterator[tuple[int, pa.RecordBatch]]:
    at = 0
    for batch in file.iter_batches(8192):
        yield at, batch
        at += batch.num_rows
