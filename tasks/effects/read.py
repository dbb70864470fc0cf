"""Tables in files: CSV, TSV, Parquet and Stata, read into one frame."""

from pathlib import Path
from typing import Any, Final

import polars as pl

from tasks.platform.errors import ConfigError, InputError

SUFFIXES: Final = (".csv", ".csv.gz", ".tsv", ".parquet", ".dta")
_NULLS: Final = ["", "NA", "N/A", "NaN", "nan", "null", "NULL"]


def read_table(path: str | Path) -> pl.DataFrame:
    """Read a CSV, TSV, Parquet or Stata file.

    Raises InputError when there is no such file or it cannot be read as what it is called,
    ConfigError for another suffix. Of Stata's labelled columns, those with more than two values
    become text, so that codes are not taken for amounts.
    """
    path = Path(path)
    name = path.name.lower()
    if not path.exists():
        raise InputError(f"there is no file {path}; check the path")
    if not path.is_file():
        raise InputError(f"{path} is not a file; name a single file ({', '.join(SUFFIXES)})")
    if not name.endswith(SUFFIXES):
        raise ConfigError(f"{path.name} is of an unknown kind; allowed are {', '.join(SUFFIXES)}")
    try:
        return _read_known(path, name)
    except Exception as error:
        text = f"{type(error).__name__}: {error}"[:200]
        raise InputError(f"{path} could not be read ({text}); is it whole?") from error


def _read_known(path: Path, name: str) -> pl.DataFrame:
    if name.endswith(".parquet"):
        return pl.read_parquet(path)
    if name.endswith(".dta"):
        return _read_stata(path)
    return pl.read_csv(
        path,
        separator="\t" if name.endswith(".tsv") else ",",
        infer_schema_length=None,
        null_values=_NULLS,
        encoding="utf8-lossy",
    )


def _read_stata(path: Path) -> pl.DataFrame:
    from pandas.io.stata import StataReader

    with StataReader(path, convert_categoricals=False) as reader:
        table: Any = reader.read()  # type: ignore[attr-defined]
        labels = reader.value_labels()
        named = dict(zip(table.columns, getattr(reader, "_lbllist", []), strict=False))
    for column, label in named.items():
        codes = labels.get(label) if label else None
        present = table[column].dropna().unique()
        if codes and len(present) > 2 and all(value in codes for value in present):
            table[column] = table[column].map(codes)
    frame: pl.DataFrame = pl.from_pandas(table)
    return frame
