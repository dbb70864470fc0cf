"""A file of reviews as what is attacked: its columns named, ratings and dates read, rows left out counted."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Final

import numpy as np
import polars as pl

from flows.attacks.sources import (
    Account,
    Columns,
    Loaded,
    TextReader,
    add_says,
    make_recipe,
)
from flows.attacks.target import ITEM_COLUMNS, make_target
from flows.desk.texts import list_ids, list_reviews, read_texts
from tasks.effects.controls.columns import read_column
from tasks.platform.errors import ConfigError, InputError
from tasks.platform.labels import UNDECIDED, read_labels, to_sides
from tasks.platform.settings import load_settings

Labels = dict[str, np.ndarray[tuple[int], np.dtype[np.int64]]]
EARLIEST: Final = 365 * 86_400
"""Seconds since 1970 that a date has at least: smaller numbers count something else."""
_UNITS: Final = ((1e11, 1), (1e14, 1_000), (1e17, 1_000_000), (np.inf, 1_000_000_000))
"""(Numbers below it, so many a second): seconds reach the year 5138 at 1e11."""


def load_file(
    path: str, columns: Columns, *, attributes: Sequence[str], config: str | None
) -> Loaded:
    """Reviews of a file: attributes are columns of labels, or are read from the text.

    Rows without a user, an item, a rating or a date (where a column of dates is named) are left out
    and counted. Raises InputError when a column is not there or does not hold what it should.
    """
    settings = load_settings(config)
    frame = read_texts(path)
    check_names(path, frame, columns)
    reviews = name_columns(frame, columns)
    labels = find_labels(frame, columns, attributes)
    reader = None
    if labels is not None:
        reviews, origin = add_labels(reviews, labels), tell_labels(columns, attributes)
    elif columns.text is None:
        raise ConfigError(
            f"{path} has no columns for {', '.join(attributes)}; name the text they can be "
            "read from with --text"
        )
    else:
        bodies = [body for _, body in list_reviews(frame, columns.text)]
        reader = TextReader(tuple(attributes), config, tuple(bodies), tuple(list_ids(frame, None)))
        says, why = reader.read(bodies)
        reviews = add_says(reviews, says, attributes).with_columns(
            why=pl.Series(why, dtype=pl.String)
        )
        origin = tell_texts(frame, columns, attributes, reader.reader.name)
    kept, account = leave_out(reviews)
    target = make_target(
        kept, attributes=attributes, items=find_items(frame, columns.item),
        recipe=make_recipe(settings.effects),
    )  # fmt: skip
    return Loaded(path, target, reader, account=account, origin=origin)


def check_names(path: str, frame: pl.DataFrame, columns: Columns) -> None:
    """Raise InputError for columns that are not there."""
    named = asdict(columns).values()
    absent = [name for name in named if name is not None and name not in frame.columns]
    if absent:
        raise InputError(
            f"{path} has no column {', '.join(map(repr, absent))}; it has "
            f"{', '.join(frame.columns[:20])}"
        )


def find_labels(frame: pl.DataFrame, columns: Columns, attributes: Sequence[str]) -> Labels | None:
    """Labels of the columns that are called as the attributes, None where texts are to be read.

    With a text at hand, columns that hold something else than labels (a price, say), or no
    judgement, are no labels. Raises InputError for them without one.
    """
    if not all(name in frame.columns for name in attributes):
        return None
    try:
        found = {name: read_labels(frame[name]) for name in attributes}
    except InputError:
        if columns.text is None:
            raise
        return None
    has_judgements = all((to_sides(labels) != 0).any() for labels in found.values())
    return found if has_judgements or columns.text is None else None


def add_labels(reviews: pl.DataFrame, labels: Labels) -> pl.DataFrame:
    """`reviews` with what labels say; where one is undecided, what the review says is not known."""
    is_open = np.zeros(reviews.height, dtype=bool)
    for found in labels.values():
        is_open |= found == UNDECIDED
    says = [to_sides(found) for found in labels.values()]
    table = np.column_stack(says).astype(np.int8) if says else np.zeros((reviews.height, 0), "i1")
    why = pl.when(pl.Series(is_open)).then(pl.lit("no decided label")).otherwise(None)
    return add_says(reviews, table, list(labels)).with_columns(why=why)


def tell_labels(columns: Columns, attributes: Sequence[str]) -> str:
    """That labels say it, in words; empty where no attribute is asked for."""
    if not attributes:
        return ""
    unread = "" if columns.text is None else f"; {columns.text} is not read"
    return f"labels in the columns {', '.join(attributes)}{unread}"


def tell_texts(
    frame: pl.DataFrame, columns: Columns, attributes: Sequence[str], reader: str
) -> str:
    """That texts say it, in words, and which columns of the attributes' names are no labels."""
    told = f"texts of {columns.text}, read by the {reader} extractor"
    beside = [name for name in attributes if name in frame.columns]
    if not beside:
        return told
    why = "hold no labels" if len(beside) == len(attributes) else "are not there for all"
    return f"{told}; columns of that name ({', '.join(beside)}) {why} and are not used"


def leave_out(reviews: pl.DataFrame) -> tuple[pl.DataFrame, Account]:
    """Rows that have a user, an item, a date and a rating, and what became of all.

    Raises InputError when there are none.
    """
    with_id = reviews.drop_nulls(["user_id", "item_id"])
    dated = with_id.drop_nulls("event_date")
    rated = dated.drop_nulls("rating")
    account = Account(
        reviews.height,
        no_id=reviews.height - with_id.height,
        no_date=with_id.height - dated.height,
        no_rating=dated.height - rated.height,
    )
    if rated.height == 0:
        raise InputError(
            f"none of the {account.read:,} rows can be used: {account.no_id:,} lack a user or item, "
            f"{account.no_date:,} a date, {account.no_rating:,} a rating"
        )
    reasons = Counter(rated["why"].drop_nulls().to_list())
    kept = rated.with_columns(is_read=pl.col("why").is_null()).drop("why")
    return kept, replace(account, not_read=reasons.total(), reasons=dict(reasons.most_common()))


def find_items(frame: pl.DataFrame, item: str) -> pl.DataFrame:
    """What a file of reviews says of its items, in `ITEM_COLUMNS`: the first of what each has.

    Raises InputError for prices that are text.
    """
    known = [
        name for name in ITEM_COLUMNS if name in frame.columns and name not in ("item_id", item)
    ]
    for name in (name for name in known if ITEM_COLUMNS[name].is_numeric()):
        values = pl.Series(name, read_column(frame[name], name)).fill_nan(None)
        frame = frame.with_columns(values)
    named = frame.select(pl.col(item).cast(pl.String).alias("item_id"), *known).drop_nulls(
        "item_id"
    )
    return named.group_by("item_id").agg(pl.col(name).drop_nulls().first() for name in known)


def name_columns(frame: pl.DataFrame, columns: Columns) -> pl.DataFrame:
    """The columns of reviews; raises InputError for ratings that are text and dates that are none."""
    dates = pl.lit(0, dtype=pl.Int32).cast(pl.Date)
    if columns.date is not None:
        dates = pl.lit(read_dates(frame[columns.date]))
    text = pl.lit("") if columns.text is None else pl.col(columns.text).cast(pl.String)
    ratings = pl.Series(read_column(frame[columns.rating], columns.rating)).fill_nan(None)
    return frame.select(
        pl.format("r{}", pl.int_range(pl.len()).cast(pl.String).str.zfill(9)).alias("review_id"),
        pl.col(columns.user).cast(pl.String).alias("user_id"),
        pl.col(columns.item).cast(pl.String).alias("item_id"),
        dates.alias("event_date"),
        pl.lit(ratings).alias("rating"),
        text.alias("text"),
    )


def read_dates(values: pl.Series) -> pl.Series:
    """Dates of a column of dates, times, text, or seconds since 1970 or thousandths of them.

    Raises InputError when they cannot be read.
    """
    if values.dtype in (pl.Date, pl.Datetime):
        return values.cast(pl.Date)
    if values.dtype.is_numeric():
        return read_stamps(values)
    found = values.cast(pl.String, strict=False).str.slice(0, 10)
    dates = found.str.to_date("%Y-%m-%d", strict=False)
    n_lost = dates.null_count() - values.null_count()
    if n_lost > 0:
        raise InputError(f"{n_lost:,} values of {values.name} are no dates; {_HOW}")
    return dates


_HOW: Final = "write them as 2024-03-01 or as seconds since 1970"


def read_stamps(values: pl.Series) -> pl.Series:
    """Dates of numbers since 1970: seconds, or by their size milli-, micro- or nanoseconds."""
    numbers = values.cast(pl.Float64).fill_nan(None)
    largest = numbers.abs().max()
    if not isinstance(largest, float):
        return pl.Series(values.name, [None] * len(values), dtype=pl.Date)
    per_second = next(per for bound, per in _UNITS if largest < bound or bound == np.inf)
    seconds = numbers / per_second
    n_early = int((seconds < EARLIEST).sum())
    if n_early or largest / per_second >= _UNITS[0][0]:
        told = f"{n_early:,} values" if n_early else "some values"
        raise InputError(
            f"{told} of {values.name} are no seconds since 1970 of a date after 1970, such as "
            f"{_pick_stray(numbers, seconds):.15g}; {_HOW}"
        )
    return (seconds / 86_400).floor().cast(pl.Int32).cast(pl.Date)


def _pick_stray(numbers: pl.Series, seconds: pl.Series) -> float:
    """The first of the numbers whose seconds are none of a date that can be."""
    is_stray = (seconds < EARLIEST) | (seconds >= _UNITS[0][0])
    return float(numbers.filter(is_stray)[0])
