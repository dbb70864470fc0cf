"""Genuine reviews as an attacker and a detector see them, and the rows that an attacker can write.

A frame of reviews has the columns `review_id`, `user_id`, `item_id`, `event_date`, `rating`, `text`,
`is_verified`, `is_read` and, for each attribute, `says__<attribute>`: -1, 0 or 1, what the text says
of it. A review that was never read (another language, no text) says nothing known: it is left out of
what effects are drawn from, and seen by detection and recommenders like any other.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.platform.errors import InputError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

SAYS: Final = "says__"
"""Set before an attribute's name: the column of what a text says of it."""
SCHEMA: Final = pl.Schema(
    {
        "review_id": pl.String,
        "user_id": pl.String,
        "item_id": pl.String,
        "event_date": pl.Date,
        "rating": pl.Float64,
        "text": pl.String,
        "is_verified": pl.Boolean,
        "is_read": pl.Boolean,
    }
)
NEEDED: Final = ("user_id", "item_id", "rating")
PRIOR_RATINGS: Final = 2.0
"""An item's mean starts from this many ratings at the mean of all."""


@dataclass(frozen=True, eq=False)
class Corpus:
    """n reviews, and whose and of what they are, in codes.

    `frame` has `SCHEMA` and a column `says__<a>` for each of `attributes`. `user` and `item`, shape
    (n,), index `users` and `items`, which are sorted.
    """

    frame: pl.DataFrame
    attributes: tuple[str, ...]
    users: tuple[str, ...]
    items: tuple[str, ...]
    user: Ints
    item: Ints

    @property
    def n(self) -> int:
        """Number of reviews."""
        return self.frame.height

    @cached_property
    def n_read(self) -> int:
        """Number of reviews that were read: what effects rest on."""
        return int(self.is_read.sum())

    @cached_property
    def rating(self) -> Floats:
        """Ratings, shape (n,)."""
        return self.frame["rating"].to_numpy().astype(np.float64)

    @cached_property
    def day(self) -> Ints:
        """Days since the first, shape (n,)."""
        dates = self.frame["event_date"].cast(pl.Int32).to_numpy().astype(np.int64)
        days: Ints = dates - dates.min()
        return days

    @cached_property
    def lowest(self) -> float:
        """The lowest rating given."""
        return float(self.rating.min())

    @cached_property
    def highest(self) -> float:
        """The highest rating given."""
        return float(self.rating.max())

    @cached_property
    def item_counts(self) -> Ints:
        """Reviews of each item, shape (items,)."""
        return np.bincount(self.item, minlength=len(self.items)).astype(np.int64)

    @cached_property
    def item_means(self) -> Floats:
        """Mean rating of each item, shrunk to the mean of all; shape (items,)."""
        sums = np.bincount(self.item, self.rating, len(self.items))
        means: Floats = (sums + PRIOR_RATINGS * self.rating.mean()) / (
            self.item_counts + PRIOR_RATINGS
        )
        return means

    @cached_property
    def has_texts(self) -> bool:
        """Some review has a text."""
        return bool((self.frame["text"] != "").any())

    @cached_property
    def is_read(self) -> Flags:
        """Whether what a text says is known, shape (n,)."""
        return self.frame["is_read"].to_numpy().astype(np.bool_)

    @cached_property
    def says(self) -> NDArray[np.int8]:
        """What each text says of each attribute, shape (n, attributes)."""
        columns = [self.frame[SAYS + name].to_numpy() for name in self.attributes]
        return np.column_stack(columns).astype(np.int8) if columns else np.zeros((self.n, 0), "i1")


def make_corpus(frame: pl.DataFrame, attributes: Sequence[str] = ()) -> Corpus:
    """Check reviews and fill in what they lack: no text, one day, unverified, nothing said.

    Raises InputError when a column is missing, when no row is left, or when an id or rating is null.
    """
    absent = [name for name in NEEDED if name not in frame.columns]
    if absent:
        raise InputError(f"reviews lack {', '.join(absent)}; there are {', '.join(frame.columns)}")
    if frame.height == 0:
        raise InputError(
            "there are no reviews to attack; import some, or name a file that has some"
        )
    empty = [name for name in NEEDED if frame[name].null_count() > 0]
    if empty:
        counts = ", ".join(f"{frame[name].null_count():,} of {name}" for name in empty)
        raise InputError(f"values are missing ({counts}); drop those rows or fill them")
    filled = fill_columns(frame, attributes)
    users, user = _code(filled["user_id"])
    items, item = _code(filled["item_id"])
    return Corpus(filled, tuple(attributes), users, items, user, item)


def fill_columns(frame: pl.DataFrame, attributes: Sequence[str]) -> pl.DataFrame:
    """`frame` with the columns of a corpus and no others, in order."""
    defaults = {
        "review_id": pl.int_range(pl.len()).cast(pl.String),
        "event_date": pl.lit(0, dtype=pl.Int32).cast(pl.Date),
        "text": pl.lit(""),
        "is_verified": pl.lit(False),
        "is_read": pl.lit(True),
    }
    says = {SAYS + name: pl.Int8() for name in attributes}
    frame = frame.with_columns(
        **{name: rule for name, rule in defaults.items() if name not in frame.columns},
        **{name: pl.lit(0) for name in says if name not in frame.columns},
    )
    return frame.select(
        *(pl.col(name).cast(kind) for name, kind in SCHEMA.items()),
        *(pl.col(name).cast(kind).fill_null(0) for name, kind in says.items()),
    ).with_columns(
        pl.col("text").fill_null(""),
        pl.col("is_verified").fill_null(False),
        pl.col("is_read").fill_null(True),
    )


def join_says(
    reviews: pl.DataFrame,
    read: pl.DataFrame,
    names: Sequence[str],
    *,
    unread: Collection[str] = (),
) -> pl.DataFrame:
    """`reviews` with what was read of each attribute, one row of `read` per review and attribute.

    `unread` are the ids of reviews that were not read.
    """
    reviews = reviews.with_columns(is_read=~pl.col("review_id").is_in(list(unread)))
    said = read.filter(pl.col("is_mentioned"))
    for name in names:
        part = said.filter(pl.col("attribute") == name).select(
            "review_id", pl.col("polarity").cast(pl.Int8).alias(SAYS + name)
        )
        reviews = reviews.join(part, on="review_id", how="left", maintain_order="left")
    return reviews


def join_rows(corpus: Corpus, fakes: pl.DataFrame) -> Corpus:
    """Genuine reviews and then `fakes`, as one corpus."""
    return make_corpus(pl.concat([corpus.frame, fakes]), corpus.attributes)


def _code(values: pl.Series) -> tuple[tuple[str, ...], Ints]:
    labels, codes = np.unique(values.to_numpy().astype(str), return_inverse=True)
    return tuple(str(label) for label in labels), codes.astype(np.int64)
