"""The warehouse: DuckLake tables behind one connection factory.

Readers connect when they like and never block a writer. Writers go through `Warehouse.commit`:
one file lock around one transaction, tried again when another host won the race. Every commit is a
snapshot that can be read again later with `Warehouse.connect(snapshot=n)`.
"""

import json
import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from tempfile import gettempdir
from typing import Any, Final, TypeVar

import duckdb

from tasks.platform.catalog import explain_unreached, show_catalog
from tasks.platform.errors import ConfigError, InputError, WarehouseBusyError
from tasks.platform.locks import hold_lock
from tasks.platform.migrations import bring_forward, find_tables, is_current, read_version
from tasks.platform.object_store import AMAZON, ObjectStore, connect_store
from tasks.platform.shared_lock import LOCK_DATABASE, hold_shared_lock
from tasks.platform.sql import read_sql

T = TypeVar("T")

_ENGINES: dict[tuple[int, str, str], duckdb.DuckDBPyConnection] = {}
_ENGINES_GUARD = threading.Lock()

ATTEMPTS: Final = 12
_SORTED_WRITES: Final = {
    "partitioned_write_flush_threshold": "50000",
    "partitioned_write_max_open_files": "2",
}
"""For rows that come sorted by partition: what is written is let go of early. DuckDB else holds half a
million rows of a hundred partitions, which goes to disk and back where memory is short (twice the
processor's time for two gigabytes of reviews)."""
_MOVED_MARK: Final = "does not match existing data path"
_DAMAGED_MARKS: Final = ("file is not a database", "database disk image is malformed")
_CHECKED: Final[set[tuple[str, int, int]]] = set()
"""Extensions whose signature this process has seen: path, time of change (ns), bytes."""
_BUSY_MARKS: Final = ("database is locked", "conflict", "could not serialize", "busy")


def find_extension(name: str) -> str:
    """What `LOAD` can take for a DuckDB extension: its packaged, signed file.

    Raises ConfigError naming the package to install when it is absent.
    """
    package = f"duckdb_extension_{name}"
    try:
        root = Path(str(resources.files(package)))
    except ModuleNotFoundError:
        raise ConfigError(
            f"DuckDB's extension {name} is not installed; "
            f"run: pip install duckdb-extension-{name.replace('_', '-')}=={duckdb.__version__}"
        ) from None
    found = sorted(root.rglob(f"v{duckdb.__version__}/{name}.duckdb_extension"))
    if not found:
        raise ConfigError(
            f"package {package} holds no build for DuckDB {duckdb.__version__}; "
            f"run: pip install duckdb-extension-{name.replace('_', '-')}=={duckdb.__version__}"
        )
    return str(found[0])


def connect_with(extensions: Sequence[str]) -> duckdb.DuckDBPyConnection:
    """A new engine in memory with these extensions loaded.

    DuckDB checks the signature of each whenever it is loaded, 0.2 s of the processor's time for
    30 MB: here it checks a file once a process, and again when the file is another one.
    """
    paths = [find_extension(name) for name in extensions]
    files = {(path, (found := Path(path).stat()).st_mtime_ns, found.st_size) for path in paths}
    connection = duckdb.connect(config={"allow_unsigned_extensions": files <= _CHECKED})
    for path in paths:
        connection.execute(f"LOAD {quote_literal(path)}")
    connection.execute("SET allow_unsigned_extensions = false")
    _CHECKED.update(files)
    return connection


def quote_literal(text: str) -> str:
    """An SQL string literal; for the few statements (ATTACH, LOAD) that take no parameters."""
    return "'" + text.replace("'", "''") + "'"


def fetch_dicts(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: Any = None
) -> list[dict[str, Any]]:
    """All rows of a query as dictionaries."""
    cursor = (
        connection.execute(sql, parameters) if parameters is not None else connection.execute(sql)
    )
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@dataclass(frozen=True)
class Warehouse:
    """Where the catalog and the data are. `catalog` is "sqlite:<file>" or "postgres:<dsn>"."""

    catalog: str
    data: str
    lock_timeout_s: float = 300.0
    store: ObjectStore = AMAZON

    @property
    def catalog_path(self) -> Path | None:
        """The file of an SQLite catalog; None for any other."""
        kind, _, target = self.catalog.partition(":")
        return Path(target) if kind == "sqlite" else None

    @property
    def is_absent(self) -> bool:
        """Whether its catalog would be a file, and there is none yet."""
        return self.catalog_path is not None and not self.catalog_path.is_file()

    @property
    def data_folder(self) -> str:
        """The data's place as a catalog keeps it: with one slash at its end."""
        return self.data.rstrip("/") + "/"

    @property
    def lock_path(self) -> Path | None:
        """The lock file beside an SQLite catalog; None for a catalog that many hosts share."""
        kind, _, target = self.catalog.partition(":")
        return Path(f"{target}.lock") if kind == "sqlite" else None

    @property
    def spill_path(self) -> Path:
        """Folder for what does not fit into memory: beside an SQLite catalog, else where the system says.

        Of this process alone: DuckDB makes it when it is needed, and takes it away.
        """
        kind, _, target = self.catalog.partition(":")
        name = f"spill-{os.getpid()}"
        return Path(f"{target}.{name}" if kind == "sqlite" else f"{gettempdir()}/whyrec-{name}")

    def _open(self) -> duckdb.DuckDBPyConnection:
        kind, _, target = self.catalog.partition(":")
        extensions = {"sqlite": "sqlite_scanner", "postgres": "postgres_scanner"}
        if kind not in extensions or not target:
            raise ConfigError(
                f"warehouse.catalog is {show_catalog(self.catalog)!r}; allowed are 'sqlite:<file>' and 'postgres:<libpq string>'"
            )
        if kind == "sqlite":
            Path(target).parent.mkdir(parents=True, exist_ok=True)
        is_remote = "://" in self.data
        connection = connect_with(
            [extensions[kind], "ducklake", *(["httpfs"] if is_remote else [])]
        )
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET enable_progress_bar = false")
        connection.execute(f"SET temp_directory = {quote_literal(str(self.spill_path))}")
        if is_remote:
            connect_store(connection, self.store)
        if kind == "postgres":
            attach = f"ATTACH {quote_literal(target)} AS {LOCK_DATABASE} (TYPE postgres)"
            try:
                connection.execute(attach)
            except duckdb.Error as error:
                raise explain_unreached(self.catalog, error) or error from None
        return connection

    def _attach(self, connection: duckdb.DuckDBPyConnection, snapshot: int | None) -> None:
        options = [f"DATA_PATH {quote_literal(self.data_folder)}"]
        if snapshot is not None:
            options.append(f"SNAPSHOT_VERSION {int(snapshot)}")
        attach = f"ATTACH {quote_literal('ducklake:' + self.catalog)} AS wh ({', '.join(options)})"
        try:
            connection.execute(attach)
        except duckdb.Error as error:
            if told := explain_unreached(self.catalog, error):
                raise told from None
            if any(mark in str(error) for mark in _DAMAGED_MARKS):
                raise ConfigError(
                    f"{self.catalog_path} is no catalog, or a damaged one ({_last_words(error)}); if it was "
                    "one, move it aside and put a backup back ('whyrec restore'), else name another place in "
                    "[warehouse] catalog or [paths] home"
                ) from error
            if _MOVED_MARK not in str(error):
                raise
            self._follow_move()
            connection.execute(attach)
        connection.execute("USE wh")

    def _follow_move(self) -> None:
        """Let a catalog whose folder was moved or copied look for its data where it now lies.

        Raises ConfigError when the data does not lie there whole.
        """
        path = self.catalog_path
        if path is not None and "://" not in self.data:
            on_disk = {file.name for file in Path(self.data).rglob("*.parquet")}
            with closing(sqlite3.connect(path, timeout=30)) as catalog, catalog:
                rows = catalog.execute(read_sql("catalog/files_select")).fetchall()
                if all(Path(row[0]).name in on_disk for row in rows):
                    catalog.execute(read_sql("catalog/data_path_update"), [self.data_folder])
                    return
        raise ConfigError(
            f"the warehouse's data is not in {self.data}, where the settings look for it; if the folder was "
            "moved, move all of it; else set [paths] home or [warehouse] data to where it was"
        )

    @contextmanager
    def connect(self, *, snapshot: int | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection to read with, at the newest state or at an older `snapshot`.

        Raises InputError when there is no such snapshot (any more).
        """
        if snapshot is not None:
            with self._connect_past(snapshot) as connection:
                yield connection
            return
        connection = self._share().cursor()
        try:
            with self._explain_lost():
                connection.execute("USE wh")
                yield connection
        finally:
            connection.close()

    @contextmanager
    def _explain_lost(self) -> Iterator[None]:
        """Tell of a database that was lost meanwhile in words: those of DuckDB hold its password."""
        try:
            yield
        except duckdb.Error as error:
            if told := explain_unreached(self.catalog, error):
                raise told from None
            raise

    @contextmanager
    def read_together(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection all of whose questions see one state, whoever writes meanwhile."""
        with self.connect() as connection:
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("ROLLBACK")

    @contextmanager
    def _connect_past(self, snapshot: int) -> Iterator[duckdb.DuckDBPyConnection]:
        connection = self._open()
        try:
            _retry_busy(lambda: self._attach(connection, snapshot))
            with self._explain_lost():
                yield connection
        except duckdb.Error as error:
            if "snapshot" in str(error).lower():
                raise InputError(
                    f"snapshot {snapshot} is not in this warehouse; it was expired or never existed"
                ) from error
            raise
        finally:
            connection.close()

    @contextmanager
    def connect_alone(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection of its own, closed for good afterwards; for copies of a catalog."""
        connection = self._open()
        try:
            _retry_busy(lambda: self._attach(connection, None))
            with self._explain_lost():
                yield connection
        finally:
            connection.close()

    @property
    def _engine_key(self) -> tuple[int, str, str]:
        return os.getpid(), self.catalog, self.data

    def _share(self) -> duckdb.DuckDBPyConnection:
        """This process's engine for this warehouse; loading the extensions costs too much each time."""
        key = self._engine_key
        with _ENGINES_GUARD:
            if key not in _ENGINES:
                connection = self._open()
                _retry_busy(lambda: self._attach(connection, None))
                self._use_write_ahead_log()
                read_version(connection, find_tables(connection))
                _ENGINES[key] = connection
            return _ENGINES[key]

    def merge_files(self) -> list[dict[str, Any]]:
        """Make few files of many small ones; snapshots stay, and so do the old files for who reads them.

        One row a merge: schema_name, table_name, files_processed, files_created. Every commit leaves
        files behind, and every question looks at all of a table's: after a year of nights without
        this a question takes twice as long.
        """

        def attempt() -> list[dict[str, Any]]:
            with self.connect() as connection:
                return fetch_dicts(connection, read_sql("raw/files_merge"))

        with self.hold_writers():
            return _retry_busy(attempt)

    def let_go(self) -> None:
        """Give back what this process's engine holds; the next use opens another, in a tenth of a second.

        An engine keeps a little of every commit (6 MB a night, measured), so that whoever makes many
        nights in one process lets it go now and then. Connections that are open stay so.
        """
        with _ENGINES_GUARD:
            _ENGINES.pop(self._engine_key, None)

    def _use_write_ahead_log(self) -> None:
        """Let readers and a writer of an SQLite catalog work at the same time."""
        kind, _, target = self.catalog.partition(":")
        if kind == "sqlite":
            with closing(sqlite3.connect(target, timeout=30)) as catalog:
                catalog.execute("PRAGMA journal_mode = WAL")

    def prepare(self) -> None:
        """Create what is missing of the catalog and its tables, and bring older tables up to date.

        Cheap when all is there. Raises ConfigError when a newer whyrec made the warehouse.
        """
        if not self._is_prepared():
            self.commit(bring_forward, message="tables brought up to date")

    def _is_prepared(self) -> bool:
        kind, _, target = self.catalog.partition(":")
        if kind == "sqlite" and not Path(target).is_file():
            return False
        with self.connect() as connection:
            return is_current(connection)

    @contextmanager
    def hold_writers(self) -> Iterator[None]:
        """Keep other writers waiting: by a file lock, or by the database of a catalog of many hosts."""
        path = self.lock_path
        if path is not None:
            held = hold_lock(path, timeout_s=self.lock_timeout_s)
        else:
            held = hold_shared_lock(self._share().cursor(), timeout_s=self.lock_timeout_s)
        with self._explain_lost(), held:
            yield

    def commit(
        self,
        write: Callable[[duckdb.DuckDBPyConnection], T],
        *,
        message: str,
        extra: Mapping[str, Any] | None = None,
        memory_limit: str | None = None,
    ) -> T:
        """Run `write(connection)` in one transaction; all of it is published, or nothing.

        `message` and `extra` are stored with the snapshot. `write` may be called again when another
        writer won, so it must do nothing but read and write this connection. With `memory_limit`
        ("512MB") what needs more goes to disk, and many rows are best written sorted by partition; it
        holds meanwhile for whatever else this process asks of the warehouse. Raises
        WarehouseBusyError when the lock or the race stays lost.
        """

        def attempt() -> T:
            with self.connect() as connection:
                connection.execute("BEGIN")
                answer = write(connection)
                connection.execute(
                    "CALL wh.set_commit_message('whyrec', ?, extra_info => ?)",
                    [message, json.dumps(dict(extra or {}), sort_keys=True, default=str)],
                )
                connection.execute("COMMIT")
                return answer

        with self.hold_writers(), self._spare_memory(memory_limit):
            return _retry_busy(attempt)

    @contextmanager
    def _spare_memory(self, limit: str | None) -> Iterator[None]:
        if limit is None:
            yield
            return
        settings = {"memory_limit": limit, **_SORTED_WRITES}
        with self.connect() as connection:
            for name, value in settings.items():
                connection.execute(f"SET GLOBAL {name} = {quote_literal(value)}")
            try:
                yield
            finally:
                for name in settings:
                    connection.execute(f"RESET GLOBAL {name}")

    def read_snapshot(self) -> int:
        """Number of the newest snapshot."""
        with self.connect() as connection:
            return read_snapshot(connection)


def read_snapshot(connection: duckdb.DuckDBPyConnection) -> int:
    """Number of the newest snapshot that `connection` sees."""
    row = connection.execute("FROM ducklake_current_snapshot('wh')").fetchone()
    return int(row[0]) if row else 0


def _last_words(error: duckdb.Error) -> str:
    """What an error ends with: the words of whom DuckDB asked."""
    return str(error).rsplit(": ", 1)[-1][:200]


def _is_busy(error: duckdb.Error) -> bool:
    text = str(error).lower()
    return any(mark in text for mark in _BUSY_MARKS)


def _retry_busy(attempt: Callable[[], T]) -> T:
    """Call `attempt` again, later and later, while another writer is in the way."""
    jitter = random.Random(threading.get_ident() ^ time.monotonic_ns())  # noqa: S311
    for number in range(ATTEMPTS):
        try:
            return attempt()
        except duckdb.Error as error:
            if not _is_busy(error):
                raise
            last = error
            time.sleep(min(2.0, 0.05 * 2**number) * (0.5 + jitter.random()))
    raise WarehouseBusyError(
        f"the warehouse stayed busy through {ATTEMPTS} attempts ({last}); run again when other writers are done"
    )
