"""Ratings and what is known of their users and items."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from tasks.platform.errors import InputError

if TYPE_CHECKING:
    import polars as pl

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
_USER_NAMES: Final = ("user", "user_id", "userid", "reviewerid")
_ITEM_NAMES: Final = ("item", "item_id", "itemid", "movieid", "movie_id", "asin")
_RATING_NAMES: Final = ("rating", "score", "overall", "stars")
_ISO: Final = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$"
_TIME_NAMES: Final = ("timestamp", "time", "date", "datetime", "unixreviewtime")


@dataclass(frozen=True)
class Ratings:
    """Ratings as codes: `users`, `items` and `ratings` have shape (n,).

    Codes index `user_ids` and `item_ids`, and the rows of `user_features` (users, a) and
    `item_features` (items, b); a or b is 0 where nothing is known. `scale` is the lowest and highest
    rating that exists. The names of the feature columns are `trait:level` for one-hot ones; there may
    be none. `n_repeated` earlier ratings of pairs that were rated again are left out.
    """

    users: Codes
    items: Codes
    ratings: Floats
    user_ids: tuple[str, ...]
    item_ids: tuple[str, ...]
    user_features: Floats
    item_features: Floats
    scale: tuple[float, float] = (1.0, 5.0)
    user_feature_names: tuple[str, ...] = ()
    item_feature_names: tuple[str, ...] = ()
    n_repeated: int = 0

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of users and of items."""
        return len(self.user_ids), len(self.item_ids)

    def __len__(self) -> int:
        return len(self.ratings)

    def take(self, rows: Codes | npt.NDArray[np.bool_]) -> "Ratings":
        """The same users and items, some of the ratings."""
        return replace(
            self, users=self.users[rows], items=self.items[rows], ratings=self.ratings[rows]
        )

    def keep_users(self, chosen: Codes) -> "Ratings":
        """The ratings of the `chosen` users, as though there were no others."""
        kept = np.unique(chosen)
        part = self.take(np.isin(self.users, kept))
        return replace(
            part,
            users=np.searchsorted(kept, part.users),
            user_ids=tuple(self.user_ids[user] for user in kept),
            user_features=self.user_features[kept],
        )


def from_matrix(
    values: Floats, users: Floats, items: Floats, *, scale: tuple[float, float] | None = None
) -> Ratings:
    """Ratings of a dense matrix (users, items) in which 0 stands for unrated; 1 to 5 unless told."""
    rows, columns = np.nonzero(values)
    found = values[rows, columns]
    ratings = Ratings(
        rows.astype(np.int64),
        columns.astype(np.int64),
        found,
        tuple(map(str, range(values.shape[0]))),
        tuple(map(str, range(values.shape[1]))),
        users,
        items,
        scale=scale or (1.0, 5.0),
    )
    return check_ratings(ratings)


def check_ratings(ratings: Ratings) -> Ratings:
    """The ratings; raises InputError when there are none or some lie outside the scale."""
    low, high = ratings.scale
    if len(ratings) == 0:
        raise InputError("there are no ratings; nothing can be learned or evaluated")
    outside = ~((ratings.ratings >= low) & (ratings.ratings <= high))
    if outside.any():
        example = ratings.ratings[outside][0]
        raise InputError(
            f"{int(outside.sum()):,} of {len(ratings):,} ratings lie outside [{low:g}, {high:g}] "
            f"(such as {example:g}); correct them, or say what the scale is where it is another (the "
            "recommend commands take --scale 1,10)"
        )
    return ratings


def from_frame(
    frame: "pl.DataFrame", name: object, *, scale: tuple[float, float] | None = None
) -> Ratings:
    """Ratings of a table; of a pair rated twice the last counts.

    The last by the one column of time, where it holds numbers, dates or ISO text, else by place.
    `name` is what messages call the table. Without `scale` it is taken to be 1 to 5, or 0.5 to 5
    where there are halves. Raises InputError.
    """
    import polars as pl

    columns = [
        _find_column(frame.columns, names, name)
        for names in (_USER_NAMES, _ITEM_NAMES, _RATING_NAMES)
    ]
    times = [column for column in frame.columns if column.lower() in _TIME_NAMES]
    try:
        table = frame.select(
            pl.col(columns[0]).cast(pl.String).alias("user"),
            pl.col(columns[1]).cast(pl.String).alias("item"),
            _as_number(frame[columns[2]]).alias("rating"),
        )
    except pl.exceptions.PolarsError as error:
        raise InputError(
            f"{', '.join(columns)} of {name} hold {[str(frame.schema[c]) for c in columns]}, which are no "
            f"ids and ratings ({str(error).splitlines()[0][:100]}); give text and numbers"
        ) from error
    if bad := int(sum(table.null_count().row(0))):
        raise InputError(f"{bad:,} cells of {name} are empty or no number; drop those rows")
    when = _read_time(frame[times[0]]) if len(times) == 1 else None
    if when is not None:
        table = table.with_columns(when.alias("time")).sort("time", maintain_order=True)
    once = table.unique(["user", "item"], keep="last", maintain_order=True)
    users, user_ids = encode(once["user"])
    items, item_ids = encode(once["item"])
    values = once["rating"].to_numpy().astype(np.float64)
    low = 0.5 if len(values) and (values == np.floor(values)).mean() < 1 else 1.0
    nothing = np.zeros((len(user_ids), 0)), np.zeros((len(item_ids), 0))
    return check_ratings(
        Ratings(
            users, items, values, user_ids, item_ids, *nothing, scale=scale or (low, 5.0),
            n_repeated=table.height - once.height,
        )
    )  # fmt: skip


def take_ratings(frame: "pl.DataFrame", name: object) -> Floats:
    """The column of ratings of a table, shape (n,); raises InputError for cells that are no number."""
    column = frame[_find_column(frame.columns, _RATING_NAMES, name)]
    values = _as_number(column)
    if bad := values.null_count():
        raise InputError(f"{bad:,} ratings of {name} are empty or no number; drop those rows")
    found: Floats = values.to_numpy().astype(np.float64)
    return found


def _as_number(values: "pl.Series") -> "pl.Series":
    """Numbers, null where there is none; text and categories are read as what they say."""
    import polars as pl

    plain = values if values.dtype.is_numeric() else values.cast(pl.String)
    return plain.cast(pl.Float64, strict=False).fill_nan(None)


def _read_time(values: "pl.Series") -> "pl.Series | None":
    """Times that sort as they passed; None for text that is neither numbers nor ISO throughout."""
    import polars as pl

    if values.dtype.is_temporal() or values.dtype.is_integer():
        return values
    if values.dtype.is_float():
        return values.fill_nan(None)
    if values.dtype != pl.String:
        return None
    numbers = values.cast(pl.Float64, strict=False).fill_nan(None)
    if numbers.null_count() == values.null_count():
        return numbers
    is_iso = values.drop_nulls().str.contains(_ISO)
    return values if is_iso.all() and values.drop_nulls().str.len_chars().n_unique() == 1 else None


def encode(values: "pl.Series", known: Sequence[str] = ()) -> tuple[Codes, tuple[str, ...]]:
    """Codes of strings and the sorted ids they index, those of `known` among them."""
    import polars as pl

    ids = pl.concat([values.unique(), pl.Series(known, dtype=pl.String)]).unique().sort()
    codes = values.cast(pl.Enum(ids)).to_physical().to_numpy().astype(np.int64)
    return codes, tuple(ids.to_list())


def one_hot(columns: "pl.DataFrame", *, min_rows: int = 20) -> tuple[Floats, list[str]]:
    """0/1 columns `name:level` of every column of strings; levels of fewer rows become one, `rare`.

    An absent value is the level `absent`; a colon in a column's own name becomes a blank.
    """
    import polars as pl

    blocks, names = [], []
    for name in columns.columns:
        values = columns[name].cast(pl.String).fill_null("absent")
        counts = dict(values.rename("level").value_counts().iter_rows())
        kept = [level if counts[level] >= min_rows else "rare" for level in values.to_list()]
        codes, levels = encode(pl.Series(kept, dtype=pl.String))
        blocks.append(np.eye(len(levels))[codes])
        names += [f"{name.replace(':', ' ')}:{level}" for level in levels]
    empty = np.zeros((columns.height, 0))
    return (np.hstack(blocks) if blocks else empty), names


def name_groups(features: Floats, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Levels of each trait, of one-hot columns named `trait:level`."""
    groups: dict[str, tuple[str, ...]] = {}
    traits = dict.fromkeys(name.split(":")[0] for name in names if ":" in name)
    for trait in traits:
        columns = [k for k, name in enumerate(names) if name.split(":")[0] == trait]
        levels = [names[k].split(":", 1)[1] for k in columns]
        groups[trait] = tuple(levels[k] for k in features[:, columns].argmax(axis=1))
    return groups


def _find_column(columns: Sequence[str], names: Sequence[str], table: object) -> str:
    found = [column for column in columns if column.lower() in names]
    if len(found) > 1:
        raise InputError(f"{table} has {' and '.join(found)} for {names[0]}; leave one of them")
    if found:
        return found[0]
    raise InputError(
        f"{table} has no column for {names[0]} (one of {', '.join(names)}); "
        f"it has {', '.join(columns[:20])}"
    )
