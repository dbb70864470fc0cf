"""Files that a command writes because it was told to: looked at before the work, written whole after it."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import uuid4

import polars as pl

from tasks.platform.errors import ConfigError, StorageError

TABLES = (".csv", ".parquet")
"""Endings of tables."""


def check_output(name: str, *, option: str = "--out", endings: Sequence[str] = ()) -> Path:
    """Where `option` says to write, its folder made; `~` is the home folder.

    Raises ConfigError before anything is worked out: for another ending than `endings`, and where
    nothing can be written.
    """
    place = Path(name).expanduser()
    if endings and place.suffix.lower() not in endings:
        raise ConfigError(f"{option} {name}: write to a {' or '.join(endings)} file")
    if place.is_dir():
        raise ConfigError(f"{option} {name} is a folder; name a file in it")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{option} {name}: its folder cannot be made ({error})") from error
    if not os.access(place.parent, os.W_OK):
        raise ConfigError(f"{option} {name}: nothing can be written in {place.parent}")
    return place


def write_output(place: Path, write: Callable[[Path], object]) -> None:
    """Have `write` fill a draft that then takes the name `place`: nobody finds half a file there.

    What is no file, as /dev/stdout, is written to as it is. Raises StorageError.
    """
    target = place.resolve()
    is_kept = target.exists() and not target.is_file()
    draft = target if is_kept else target.with_name(f".{uuid4().hex}{target.suffix}")
    try:
        write(draft)
        if not is_kept:
            draft.replace(target)
    except OSError as error:
        raise StorageError(f"{place} could not be written ({error})") from error
    finally:
        if not is_kept:
            draft.unlink(missing_ok=True)


def write_table(rows: pl.DataFrame, place: Path) -> None:
    """Write CSV or Parquet, by the ending of the name."""
    is_parquet = place.suffix.lower() == ".parquet"
    write_output(place, rows.write_parquet if is_parquet else rows.write_csv)
