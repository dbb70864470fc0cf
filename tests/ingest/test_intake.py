"""Rows of a file as streams: bounded in bytes, whatever the rows are like."""

from collections.abc import Iterator

import pyarrow as pa
import pytest

from tasks.ingest.intake import HANDED_BYTES, HANDED_ROWS, RUN_BYTES, Feed
from tasks.ingest.lines import make_problem_batch
from tasks.platform.errors import InputError


def make_batches(*sizes: tuple[int, int]) -> Iterator[pa.RecordBatch]:
    """Batches of (rows, bytes of each row)."""
    for count, size in sizes:
        yield make_problem_batch([(n, b"x" * size, "") for n in range(count)])


def read_runs(feed: Feed) -> list[tuple[int, int]]:
    """(rows, rows handed on at once) of every run."""
    return [(run.open().read_all().num_rows, run.n_handed) for run in feed.iter_runs()]


def test_rows_that_grow_long_are_handed_on_fewer_at_a_time() -> None:
    feed = Feed([], make_batches((900, 100), (900, 120), (0, 0), (10, 2_000_000), (900, 100)))
    runs = read_runs(feed)
    assert runs[0] == (1800, HANDED_ROWS)
    assert runs[1][1] == HANDED_BYTES // 2_000_021
    assert sum(rows for rows, _ in runs) == feed.rows == 2710


def test_one_statement_reads_no_more_than_its_share_of_a_file() -> None:
    feed = Feed([], make_batches(*[(10, 1_000_000)] * 9))
    runs = read_runs(feed)
    assert [rows for rows, _ in runs] == [70, 20]
    assert RUN_BYTES <= 7 * 10_000_000


def test_run_is_read_again_from_its_first_row_whoever_has_stopped_where() -> None:
    run = next(Feed([], make_batches((3, 10), (4, 10), (5, 10))).iter_runs())
    stopped = run.open()
    assert stopped.read_next_batch().num_rows == 3
    again = run.open()
    assert again.read_next_batch().num_rows == 3
    assert stopped.read_next_batch().num_rows == 4
    assert [batch.num_rows for batch in again] == [4, 5]
    assert run.open().read_all().num_rows == 12


def test_error_met_while_reading_is_raised_as_it_is() -> None:
    def read() -> Iterator[pa.RecordBatch]:
        yield from make_batches((3, 10))
        raise InputError("the disk is gone")

    feed = Feed([], read())
    with pytest.raises(InputError, match="the disk is gone"):
        read_runs(feed)
    assert feed.rows == 3
