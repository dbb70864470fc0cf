"""The writers' lock of a catalog that many hosts share: PostgreSQL's, which dies with its holder.

A file lock reaches no other host, and DuckLake alone does not see that two transactions both fill the
same empty partition. The lock is held by a transaction of its own on the catalog's database: when the
process or its host is lost, the server ends that transaction and the lock is free.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import duckdb

from tasks.platform.errors import WarehouseBusyError

LOCK_DATABASE: Final = "catalog_lock"
"""Name that the catalog's database is attached under, beside the warehouse."""
_KEY: Final = 7_758_395_012
"""Any number, the same for every whyrec."""


@contextmanager
def hold_shared_lock(connection: duckdb.DuckDBPyConnection, *, timeout_s: float) -> Iterator[None]:
    """Hold the lock for the body through `connection`, which is closed at the end.

    The database must be attached to it as LOCK_DATABASE. Raises WarehouseBusyError after `timeout_s`.
    """
    ask = f"CALL postgres_execute('{LOCK_DATABASE}', ?)"
    try:
        connection.execute("BEGIN")
        connection.execute(ask, [f"SET LOCAL lock_timeout = {int(timeout_s * 1000)}"])
        try:
            connection.execute(ask, [f"SELECT pg_advisory_xact_lock({_KEY})"])
        except duckdb.Error as error:
            if "lock timeout" not in str(error):
                raise
            raise WarehouseBusyError(
                f"another writer held the warehouse for more than {timeout_s:g} s; "
                "wait for that run to end, or raise warehouse.lock_timeout_s"
            ) from error
        yield
    finally:
        connection.close()
