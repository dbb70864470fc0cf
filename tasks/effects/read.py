"""Tables in files: CSV, TSV, Parquet and Stata, read into one frame."""

import codecs
import csv
import gzip
from pathlib import Path
from typing import Any, Final

import polars as pl

from tasks.platform.errors import ConfigError, InputError

SUFFIXES: Final = (".csv", ".csv.gz", ".tsv", ".parquet", ".dta")
TWICE: Final = "_duplicated_0"
"""What follows the name of a column that a CSV file has a second time."""
_ISO: Final = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?)?$"
_STRAY: Final = 0.01
"""Share of lines that may hold bytes which are no UTF-8, in a file that is not in another encoding."""
NULLS: Final = ["", "NA", "N/A", "NaN", "nan", "null", "NULL"]


def read_table(path: str | Path) -> pl.DataFrame:
    """Read a CSV, TSV, Parquet or Stata file.

    Raises InputError when there is no such file or it cannot be read as what it is called,
    ConfigError for another suffix. Of Stata's labelled columns, those with more than two values
    become text, so that codes are not taken for amounts. Lengths of time in Parquet files become
    seconds.
    """
    path = Path(path)
    name = path.name.lower()
    if not path.exists():
        raise InputError(f"there is no file {path}; check the path")
    if not path.is_file():
        raise InputError(f"{path} is not a file; name a single file ({', '.join(SUFFIXES)})")
    if not name.endswith(SUFFIXES):
        raise ConfigError(f"{path.name} is of an unknown kind; allowed are {', '.join(SUFFIXES)}")
    check_encoding(path)
    try:
        return _read_known(path, name)
    except InputError as error:
        raise InputError(f"{path} could not be read: {error}") from None
    except (Exception, pl.exceptions.PanicException) as error:  # polars panics on some files
        first = next(iter(str(error).splitlines()), "")
        told = _find_ragged(path, name) or f"{type(error).__name__}: {first}"[:200]
        raise InputError(f"{path} could not be read ({told}); is it whole?") from error


def check_encoding(path: Path) -> None:
    """Raise InputError for a text file in UTF-16, which begins with a mark of its own."""
    with path.open("rb") as file:
        mark = file.read(2)
    if mark in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        raise InputError(f"{path} is written in UTF-16; save it as UTF-8")


def check_utf8(path: Path, *, stray: float = _STRAY) -> str | None:
    """What is lost of a text file of which a few lines are no UTF-8, None where all are.

    Raises InputError, with the line and what to do, when the first line or more than a share of `stray`
    are none: the file is then in another encoding.
    """
    bad: list[tuple[int, int]] = []
    number = 0
    with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                bad.append((number, line[error.start]))
    if not bad:
        return None
    where, byte = bad[0]
    if where == 1 or len(bad) > stray * number:
        raise InputError(
            f"line {where:,} of {path} is not valid UTF-8 (byte 0x{byte:02x}); save the file as UTF-8 (of "
            "Windows-1252, as spreadsheets export it: iconv -f WINDOWS-1252 -t UTF-8)"
        )
    return (
        f"{len(bad):,} of {number:,} lines of {path} hold bytes that are no UTF-8 (the first: line "
        f"{where:,}, byte 0x{byte:02x}); they are read as \N{REPLACEMENT CHARACTER}"
    )


def _find_ragged(path: Path, name: str) -> str | None:
    """The first record of a CSV file that has more fields than its header, in words."""
    if not name.endswith((".csv", ".tsv")):
        return None
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        records = csv.reader(file, delimiter=_separate(name))
        try:
            header = next(records, [])
            if len(header) == 1 and (sign := _find_separator(header[0])):
                return f"its header {header[0][:60]!r} seems separated by {sign}, not by commas"
            width = len(header)
            for record in records:
                if len(record) > width:
                    return f"line {records.line_num:,} has {len(record)} fields, the header {width}"
        except csv.Error as error:
            return f"line {records.line_num:,}: {error}"
    return None


def _separate(name: str) -> str:
    return "\t" if name.endswith(".tsv") else ","


def _read_known(path: Path, name: str) -> pl.DataFrame:
    if name.endswith(".parquet"):
        frame = pl.read_parquet(path)
        return frame.with_columns(
            _read_bytes(frame[c]) if kind == pl.Binary else frame[c].dt.total_microseconds() / 1e6
            for c, kind in frame.schema.items()
            if kind in (pl.Binary, pl.Duration)
        )
    if name.endswith(".dta"):
        return _read_stata(path)
    frame = pl.read_csv(
        path,
        separator=_separate(name),
        infer_schema_length=None,
        null_values=NULLS,
        encoding="utf8-lossy",
    )
    if len(frame.columns) == 1 and (sign := _find_separator(frame.columns[0])):
        raise InputError(
            f"its only column is {frame.columns[0][:60]!r}: is it separated by {sign}? "
            "Separate it by commas (or by tabs, and call it .tsv)"
        )
    frame = frame.rename({c: c.replace('""', '"') for c in frame.columns if '""' in c})
    return frame.with_columns(
        _read_dates(frame[c]) for c in frame.columns if _holds_dates(frame[c])
    )


def _find_separator(header: str) -> str | None:
    """The sign that seems to part the names of a header that was read as one."""
    known = {";": "semicolons", "\t": "tabs", "|": "bars"}
    return next((word for sign, word in known.items() if sign in header), None)


def _holds_dates(series: pl.Series) -> bool:
    """Whether a column of text holds ISO dates, or dates and times, and nothing else."""
    if series.dtype != pl.String or series.null_count() == series.len():
        return False
    return bool(series.drop_nulls().str.contains(_ISO).all())


def _read_bytes(series: pl.Series) -> pl.Series:
    """Bytes as the text that some writers mean by them, as they are where one value is no UTF-8."""
    try:
        return series.cast(pl.String)
    except pl.exceptions.PolarsError:
        return series


def _read_dates(series: pl.Series) -> pl.Series:
    """ISO text as dates or times, as it was where one of them is none (2023-02-30)."""
    is_dated = not series.drop_nulls().str.contains("[T ]").any()
    try:
        if is_dated:
            return series.str.to_date("%Y-%m-%d")
        return series.str.to_datetime(time_unit="us", time_zone="UTC")
    except pl.exceptions.PolarsError:
        return series


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
