"""Where what is attacked comes from: the warehouse (for a file see `flows.attacks.files`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from flows.attacks.target import MomentsTarget, Recipe, make_target
from flows.desk.reading import number_rows
from flows.desk.texts import Desk, open_desk, open_reader, read_attributes
from flows.desk.texts import Reader as TaughtReader
from tasks.effects.estimate import Method
from tasks.platform.errors import ConfigError, InputError
from tasks.platform.refs import FileRef
from tasks.platform.runs import read_json
from tasks.platform.settings import EffectsSettings, load_settings
from tasks.platform.site import Site, resolve_site
from tasks.platform.sql import read_sql
from tasks.robustness.corpus import SAYS, Flags, join_says
from tasks.robustness.scorecard import Reader


@dataclass(frozen=True)
class Columns:
    """Names of a file's columns; `date` and `text` may be absent."""

    user: str = "user_id"
    item: str = "item_id"
    rating: str = "rating"
    date: str | None = None
    text: str | None = None


@dataclass(frozen=True)
class Account:
    """Rows: `read` = those of the corpus + `no_id` + `no_date` + `no_rating`.

    Of the corpus `not_read` are unread, in all by `reasons`: no effect rests on them.
    """

    read: int
    no_id: int = 0
    no_date: int = 0
    no_rating: int = 0
    not_read: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Loaded:
    """What is attacked: reviews with what is known of them, and exposures, if any.

    `reader` is how their texts were read, None where labels were given; `origin` says in words where
    what texts say is known from. `features` of users and items are there where a data set gives
    them, by the codes of the corpus.
    """

    source: str
    target: MomentsTarget
    reader: Reader | None
    exposures: pl.DataFrame | None = None
    features: (
        tuple[np.ndarray[Any, np.dtype[np.float64]], np.ndarray[Any, np.dtype[np.float64]]] | None
    ) = None
    account: Account | None = None
    origin: str = ""


def add_says(
    reviews: pl.DataFrame, says: np.ndarray[Any, np.dtype[np.int8]], attributes: Sequence[str]
) -> pl.DataFrame:
    """`reviews` with a column for each attribute of `says` (n, attributes)."""
    return reviews.with_columns(
        pl.Series(SAYS + name, says[:, at], dtype=pl.Int8) for at, name in enumerate(attributes)
    )


Says = np.ndarray[Any, np.dtype[np.int8]]


@dataclass(frozen=True)
class TextReader:
    """The configured extractor, as what says of each attribute what a text says of it.

    One that has to be taught is taught once, on the genuine `texts`, whose labels call them `ids`.
    """

    attributes: tuple[str, ...]
    config: str | None
    texts: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()

    @cached_property
    def desk(self) -> Desk:
        """What it works with; raises ConfigError where two of the attributes are one."""
        desk = open_desk(self.attributes, self.config)
        if len(desk.names) < len(self.attributes):
            raise ConfigError(f"{', '.join(self.attributes)}: some are one; name each once")
        return desk

    @cached_property
    def reader(self) -> TaughtReader:
        """The extractor, opened when first asked."""
        reviews = [(str(row), text) for row, text in enumerate(self.texts)]
        return open_reader(self.desk, None, reviews, self.ids)

    def __call__(self, texts: Sequence[str]) -> tuple[Says, Flags]:
        """What texts say of each attribute (n, attributes), and which were read (n,)."""
        says, why = self.read(texts)
        return says, np.array([reason is None for reason in why], dtype=np.bool_)

    def read(self, texts: Sequence[str]) -> tuple[Says, list[str | None]]:
        """What texts say of each attribute (n, attributes), and why some were not read (n,)."""
        reviews = [(str(row), text) for row, text in enumerate(texts)]
        found = read_attributes(self.desk, self.reader, reviews)
        said = number_rows(found.frame).filter(pl.col("is_mentioned"))
        says = np.zeros((len(texts), len(self.attributes)), dtype=np.int8)
        place = {name: at for at, name in enumerate(self.desk.names)}
        columns = [place[name] for name in said["attribute"]]
        says[said["row"].to_numpy(), columns] = said["polarity"].to_numpy()
        why: list[str | None] = [None] * len(texts)
        for row, reason in number_rows(found.skipped).iter_rows():
            why[row] = reason
        return says, why


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
    account = Account(reviews.height, not_read=int((~reviews["is_read"]).sum()))
    target = make_target(
        reviews, attributes=names, items=tables["items"], users=tables["users"],
        recipe=make_recipe(settings.effects),
    )  # fmt: skip
    exposures = tables["exposures"].with_columns(pl.col("is_clicked").cast(pl.Boolean))
    genuine = tables["reviews"]
    reader = TextReader(
        tuple(names), config, tuple(genuine["text"]), tuple(genuine["review_id"])
    )  # fmt: skip
    return Loaded(
        chosen, target, reader, exposures, account=account,
        origin="what the nights read",
    )  # fmt: skip


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
