"""Where what is attacked comes from: the warehouse, or a file of reviews."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from flows.attack_target import ITEM_COLUMNS, MomentsTarget, Recipe, make_target
from flows.desk import list_reviews, open_desk, open_reader, read_attributes, read_texts
from flows.tables import number_rows
from tasks.effects.estimate import Method
from tasks.platform.errors import ConfigError, InputError
from tasks.platform.labels import read_labels, to_sides
from tasks.platform.refs import FileRef
from tasks.platform.runs import read_json
from tasks.platform.settings import EffectsSettings, load_settings
from tasks.platform.site import Site, resolve_site
from tasks.platform.sql import read_sql
from tasks.robustness.corpus import SAYS, join_says
from tasks.robustness.scorecard import Reader


@dataclass(frozen=True)
class Columns:
    """Names of a file's columns; `date` and `text` may be absent."""

    user: str = "user_id"
    item: str = "item_id"
    rating: str = "rating"
    date: str | None = None
    text: str | None = None


@dataclass(frozen=True, eq=False)
class Loaded:
    """What is attacked: reviews with what is known of them, and exposures, if any.

    `reader` is how their texts were read, None where labels were given. `features` of users and items
    are there where a data set gives them, by the codes of the corpus.
    """

    source: str
    target: MomentsTarget
    reader: Reader | None
    exposures: pl.DataFrame | None = None
    features: (
        tuple[np.ndarray[Any, np.dtype[np.float64]], np.ndarray[Any, np.dtype[np.float64]]] | None
    ) = None


def load_file(
    path: str, columns: Columns, *, attributes: Sequence[str], config: str | None
) -> Loaded:
    """Reviews of a file: attributes are columns of labels, or are read from the text.

    Raises InputError when a column is not there.
    """
    settings = load_settings(config)
    frame = read_texts(path)
    named = asdict(columns)
    absent = [name for name in named.values() if name is not None and name not in frame.columns]
    if absent:
        raise InputError(
            f"{path} has no column {', '.join(map(repr, absent))}; it has "
            f"{', '.join(frame.columns[:20])}"
        )
    reviews = name_columns(frame, columns)
    reader = None
    if all(name in frame.columns for name in attributes):
        reviews = reviews.with_columns(
            pl.Series(SAYS + name, to_sides(read_labels(frame[name])), dtype=pl.Int8)
            for name in attributes
        )
    else:
        if columns.text is None:
            raise ConfigError(
                f"{path} has no columns for {', '.join(attributes)}; name the text they can be "
                "read from with --text"
            )
        reader = make_reader(attributes, config)
        says, is_read = read_says(reviews["text"].fill_null("").to_list(), attributes, config)
        reviews = add_says(reviews, says, attributes).with_columns(is_read=pl.Series(is_read))
    kept = reviews.drop_nulls(["user_id", "item_id", "rating"])
    target = make_target(
        kept, attributes=attributes, items=find_items(frame, columns.item),
        recipe=make_recipe(settings.effects),
    )  # fmt: skip
    return Loaded(path, target, reader)


def find_items(frame: pl.DataFrame, item: str) -> pl.DataFrame:
    """What a file of reviews says of its items, in `ITEM_COLUMNS`: the first of what each has."""
    known = [name for name in ITEM_COLUMNS if name in frame.columns and name != item]
    named = frame.select(pl.col(item).cast(pl.String).alias("item_id"), *known).drop_nulls(
        "item_id"
    )
    return named.group_by("item_id").agg(pl.col(name).drop_nulls().first() for name in known)


def name_columns(frame: pl.DataFrame, columns: Columns) -> pl.DataFrame:
    """The columns of reviews, dates read from dates, times, text or seconds since 1970."""
    dates = pl.lit(0, dtype=pl.Int32).cast(pl.Date)
    if columns.date is not None:
        dates = read_dates(frame[columns.date])
    text = pl.lit("") if columns.text is None else pl.col(columns.text).cast(pl.String)
    return frame.select(
        pl.format("r{}", pl.int_range(pl.len()).cast(pl.String).str.zfill(9)).alias("review_id"),
        pl.col(columns.user).cast(pl.String).alias("user_id"),
        pl.col(columns.item).cast(pl.String).alias("item_id"),
        dates.alias("event_date"),
        pl.col(columns.rating).cast(pl.Float64, strict=False).alias("rating"),
        text.alias("text"),
    )


def read_dates(values: pl.Series) -> pl.Expr:
    """Dates of a column; raises InputError when they cannot be read."""
    if values.dtype.is_integer():
        return pl.from_epoch(pl.lit(values), time_unit="s").cast(pl.Date)
    if values.dtype == pl.String:
        found = values.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
        if found.null_count() > values.null_count():
            raise InputError(
                f"{found.null_count() - values.null_count():,} values of {values.name} are no "
                "dates; write them as 2024-03-01 or as seconds since 1970"
            )
        return pl.lit(found)
    return pl.lit(values).cast(pl.Date)


def add_says(
    reviews: pl.DataFrame, says: np.ndarray[Any, np.dtype[np.int8]], attributes: Sequence[str]
) -> pl.DataFrame:
    """`reviews` with a column for each attribute of `says` (n, attributes)."""
    return reviews.with_columns(
        pl.Series(SAYS + name, says[:, at], dtype=pl.Int8) for at, name in enumerate(attributes)
    )


Says = np.ndarray[Any, np.dtype[np.int8]]


def make_reader(attributes: Sequence[str], config: str | None) -> Reader:
    """The configured extractor, as what says of each attribute what a text says of it."""
    return lambda texts: read_says(texts, attributes, config)[0]


def read_says(
    texts: Sequence[str], attributes: Sequence[str], config: str | None
) -> tuple[Says, np.ndarray[Any, np.dtype[np.bool_]]]:
    """What texts say of each attribute (n, attributes), and which of them were read at all (n,)."""
    frame = pl.DataFrame({"text": list(texts)}, schema={"text": pl.String})
    reviews = list_reviews(frame, "text")
    desk = open_desk(attributes, config)
    reader = open_reader(desk, None, reviews, [row for row, _ in reviews])
    found = read_attributes(desk, reader, reviews)
    said = number_rows(found.frame).filter(pl.col("is_mentioned"))
    says = np.zeros((len(texts), len(attributes)), dtype=np.int8)
    place = {name: at for at, name in enumerate(attributes)}
    columns = [place[name] for name in said["attribute"]]
    says[said["row"].to_numpy(), columns] = said["polarity"].to_numpy()
    is_read = np.ones(len(texts), dtype=bool)
    is_read[number_rows(found.skipped)["row"].to_numpy()] = False
    return says, is_read


def list_unread(site: Site, until: date) -> list[str]:
    """Ids of the reviews that the newest night up to a day could not read, by its run.json."""
    nights = sorted(Path(site.reports_root).glob("????-??-??/run.json"), reverse=True)
    newest = next((path for path in nights if path.parent.name <= until.isoformat()), None)
    document = None if newest is None else read_json(newest)
    files = [FileRef(**ref) for ref in (document or {}).get("files", [])]
    unread = [ref for ref in files if ref.path.startswith("unread/") and site.lake.is_intact(ref)]
    return [name for ref in unread for name in site.lake.read_frame(ref)["review_id"].to_list()]


def load_warehouse(
    *, source: str | None, attributes: Sequence[str], as_of: date | None, config: str | None
) -> Loaded:
    """Published reviews of one source, with what the nights read in them.

    Raises InputError when there are none, or several sources and none is named.
    """
    settings = load_settings(config)
    names = tuple(attributes) or settings.extract.names
    site = resolve_site(settings)
    site.warehouse.prepare()
    until = as_of or date.max
    with site.warehouse.connect() as connection:
        found = connection.execute(read_sql("clean/partitions_select"), {"as_of": until}).fetchall()
        chosen = choose_source([row[1] for row in found if row[0] == "reviews"], source)
        scope = {"source": chosen, "start_date": date.min, "end_date": until}
        tables = {
            name: connection.execute(read_sql(statement), scope).pl()
            for name, statement in (
                ("reviews", "clean/reviews_select"), ("items", "clean/items_select"),
                ("users", "clean/users_select"), ("exposures", "clean/exposures_select"),
                ("read", "marts/review_attributes_select"),
            )
        }  # fmt: skip
    reviews = join_says(tables["reviews"], tables["read"], names, unread=list_unread(site, until))
    target = make_target(
        reviews, attributes=names, items=tables["items"], users=tables["users"],
        recipe=make_recipe(settings.effects),
    )  # fmt: skip
    exposures = tables["exposures"].with_columns(pl.col("is_clicked").cast(pl.Boolean))
    return Loaded(chosen, target, make_reader(names, config), exposures)


def choose_source(known: Sequence[str], wanted: str | None) -> str:
    """The source to attack."""
    names = sorted(set(known))
    if not names:
        raise InputError(
            "no reviews are published; run 'whyrec nightly' or 'whyrec import' first, or name a "
            "file"
        )
    if wanted is None and len(names) > 1:
        raise ConfigError(f"there are several sources; name one with --source: {', '.join(names)}")
    if wanted is not None and wanted not in names:
        raise ConfigError(f"no reviews of source {wanted!r}; there are {', '.join(names)}")
    return wanted or names[0]


def make_recipe(own: EffectsSettings) -> Recipe:
    """How the effects room concludes, by its settings."""
    return Recipe(
        method=Method(
            folds=own.folds,
            penalty=own.penalty,
            confidence=own.confidence,
            min_mentions=own.min_mentions,
        ),
        buckets=own.buckets,
        history_days=own.history_days,
        max_levels=own.max_levels,
    )
