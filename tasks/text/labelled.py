"""Labels in a table, and the reviews that they are of."""

import codecs
from collections import Counter
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from tasks.platform.errors import ConfigError, InputError
from tasks.platform.labels import UNDECIDED, read_labels

ROW_KEY: Final = "row"
ID_KEY: Final = "review_id"
TEXT: Final = "text"
Labels = npt.NDArray[np.int64]


class UntaughtError(InputError):
    """There are too few labels of these reviews to learn from; of others there may be enough."""


def read_label_file(path: Path, *, name: str | None = None) -> pl.DataFrame:
    """The table of a CSV, Parquet or JSON-lines file; `name` is what it was called, with its suffix.

    Raises InputError when it is absent or cannot be read as what it is called.
    """
    called = (name or path.name).lower()
    if not path.is_file():
        raise InputError(f"there is no file {path}; check the path of the labels")
    try:
        if called.endswith(".parquet"):
            return pl.read_parquet(path)
        if called.endswith(".csv"):
            return pl.read_csv(path, infer_schema_length=None)
        return read_json_lines(path)
    except (Exception, pl.exceptions.PanicException) as error:  # polars raises a dozen classes
        first = str(error).splitlines()[0][:200]
        raise InputError(
            f"{path} could not be read ({first}); labels are a .csv, .parquet or .jsonl file"
        ) from error


def read_json_lines(path: Path) -> pl.DataFrame:
    """Rows of a file of JSON lines, without the mark of UTF-8 that Windows sets before the first.

    Raises what polars does.
    """
    with path.open("rb") as file:
        is_marked = file.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8
        content = BytesIO(file.read()) if is_marked else None
    return pl.read_ndjson(content or path, infer_schema_length=None)


def check_column(frame: pl.DataFrame, name: str, *, file: str = "the file") -> None:
    """Raise InputError, with what there is, when a column is not there."""
    if name not in frame.columns:
        raise InputError(f"there is no column {name!r}; {file} has {', '.join(frame.columns[:20])}")


def name_columns(names: Sequence[str], columns: Sequence[str]) -> list[str]:
    """Columns of the labels: `columns` one by one, or one pattern with {}, or the names themselves."""
    if not columns:
        return list(names)
    if len(columns) == 1 and "{}" in columns[0]:
        return [columns[0].replace("{}", name) for name in names]
    if len(columns) != len(names):
        raise ConfigError(
            f"--columns names {len(columns)} columns for {len(names)} attributes; name one for each, "
            "or give a pattern as {}_label"
        )
    return list(columns)


def take_columns(
    table: pl.DataFrame, names: Sequence[str], columns: Sequence[str]
) -> dict[str, Labels]:
    """Labels of each attribute from its column (see `name_columns`), shape (rows of table,).

    Raises InputError when a column is missing or holds what is no label.
    """
    wanted = name_columns(names, columns)
    for column in wanted:
        check_column(table, column)
    return {name: read_labels(table[column]) for name, column in zip(names, wanted, strict=True)}


def join_labels(
    table: pl.DataFrame,
    ids: Sequence[str],
    *,
    names: Sequence[str],
    columns: Sequence[str] = (),
) -> dict[str, Labels]:
    """Labels of each attribute for the reviews with these ids, UNDECIDED where there are none.

    `table` has a column review_id, else row, which then counts the reviews from 0. Raises
    InputError when a column is missing, a review stands there twice, an id is that of several texts or
    none is known.
    """
    places = find_places(table, ids)
    found = {}
    for name, known in take_columns(table, names, columns).items():
        values = np.full(len(ids), UNDECIDED, dtype=np.int64)
        values[places[places >= 0]] = known[places >= 0]
        found[name] = values
    return found


def find_places(table: pl.DataFrame, ids: Sequence[str]) -> npt.NDArray[np.int64]:
    """The review that each line of `table` is about, -1 where there is none; shape (lines,).

    A line without an id is of none, and so is a review. Ids of figures that were read as numbers on one
    side ("007" is 7 in a CSV file of such ids alone) are found by their value.
    """
    column = ID_KEY if ID_KEY in table.columns else ROW_KEY
    if column not in table.columns:
        raise InputError(
            f"the labels have no column {ID_KEY} and none called {ROW_KEY}; add either"
        )
    named = table[column].drop_nulls()
    if named.is_duplicated().any():
        twice = named.filter(named.is_duplicated())[0]
        raise InputError(f"{column} {twice!r} is labelled more than once; leave one line of it")
    asked = table[column]
    if column == ROW_KEY and asked.dtype.is_float():
        asked = asked.cast(pl.Int64, strict=False)  # "487.0", as spreadsheets and pandas write it
    known: list[str | None] = list(ids) if column == ID_KEY else list(map(str, range(len(ids))))
    wanted = asked.cast(pl.String).to_list()
    short = [_drop_zeros(value) for value in wanted]
    is_apart = len(set(short)) == len(set(wanted))
    if asked.dtype.is_integer() or (is_apart and not any(map(_has_zeros, known))):
        known, wanted = [_drop_zeros(value) for value in known], short
    _check_ambiguous(wanted, known)
    rows = {value: row for row, value in enumerate(known) if value is not None}
    places = [rows.get(value, -1) for value in wanted]
    if not any(place >= 0 for place in places):
        raise UntaughtError(
            f"none of the {table.height} labelled lines is of a review that is read; "
            f"their {column} should say which"
        )
    return np.array(places, dtype=np.int64)


def _has_zeros(value: str | None) -> bool:
    """Whether an id of figures begins with zeros, which a number would not."""
    return value != _drop_zeros(value)


def _drop_zeros(value: str | None) -> str | None:
    """An id of figures as a number is written; any other as it is."""
    is_figures = value is not None and value.isascii() and value.isdigit()
    return (value.lstrip("0") or "0") if value is not None and is_figures else value


def _check_ambiguous(asked: Sequence[str | None], known: Sequence[str | None]) -> None:
    """Raise InputError when a labelled review's id stands for several texts."""
    counts = Counter(known)
    shared = [value for value in asked if value is not None and counts[value] > 1]
    if shared:
        raise InputError(
            f"{len(shared)} of the {len(asked)} labelled ids stand for several texts, such as "
            f"{shared[0]!r} for {counts[shared[0]]}, so that a label could be of any of them; give each "
            "text an id of its own, or leave one row of each"
        )


def match_lesson(
    table: pl.DataFrame,
    reviews: Sequence[tuple[str, str]],
    *,
    names: Sequence[str],
    columns: Sequence[str] = (),
) -> tuple[list[str], dict[str, Labels]]:
    """Texts and labels to learn from: the table's own texts, else those of `reviews` (id, text)."""
    if ID_KEY not in table.columns and ROW_KEY not in table.columns and TEXT in table.columns:
        texts = table[TEXT].cast(pl.String).fill_null("").to_list()
        return texts, take_columns(table, names, columns)
    joined = join_labels(table, [one for one, _ in reviews], names=names, columns=columns)
    return [text for _, text in reviews], joined
