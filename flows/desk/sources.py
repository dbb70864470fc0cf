"""Where a command's table comes from: a file, or a table of the warehouse."""

from pathlib import Path
from typing import Final

import polars as pl

from tasks.effects.read import read_table
from tasks.platform.errors import InputError
from tasks.platform.schema import TABLES
from tasks.platform.settings import load_settings
from tasks.platform.site import resolve_site

WAREHOUSE_TABLES: Final = (
    *(f"clean.{table}" for table in TABLES), "marts.review_attributes", "marts.effects",
)  # fmt: skip


def read_source(name: str, config: str | None) -> pl.DataFrame:
    """A CSV, TSV, Parquet or Stata file, or a table of the warehouse by name: "clean.exposures".

    Raises InputError when there is neither, and ConfigError for a `config` that is none, also where
    a file needs nothing of it.
    """
    settings = None if config is None else load_settings(config)
    if name not in WAREHOUSE_TABLES:
        if not Path(name).exists() and name.split(".")[0] in ("clean", "marts"):
            raise InputError(
                f"{name} is no table of the warehouse; there are {', '.join(WAREHOUSE_TABLES)}"
            )
        return read_table(name)
    warehouse = resolve_site(settings or load_settings()).warehouse
    warehouse.prepare()
    with warehouse.connect() as connection:
        return connection.table(name).pl()
