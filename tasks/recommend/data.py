"""Ratings and what is known of their users and items, read from files.

`coat` is the folder of Schnabel et al. 2016 (https://www.cs.cornell.edu/~schnabts/mnar/), `movielens`
a folder (or file) of ratings.csv or u.data, `table` any CSV or Parquet file of user, item, rating.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from tasks.platform.errors import InputError

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Kind = Literal["coat", "movielens", "table"]
KINDS: Final = ("coat", "movielens", "table")
_USER_NAMES: Final = ("user", "user_id", "userid", "reviewerid")
_ITEM_NAMES: Final = ("item", "item_id", "itemid", "movieid", "movie_id", "asin")
_RATING_NAMES: Final = ("rating", "score", "overall", "stars")


@dataclass(frozen=True)
class Ratings:
    """Ratings as codes: `users`, `items` and `ratings` have shape (n,).

    Codes index `user_ids` and `item_ids`, and the rows of `user_features` (users, a) and
    `item_features` (items, b); a or b is 0 where nothing is known. `scale` is the lowest and highest
    rating that exists.
    """

    users: Codes
    items: Codes
    ratings: Floats
    user_ids: tuple[str, ...]
    item_ids: tuple[str, ...]
    user_features: Floats
    item_features: Floats
    scale: tuple[float, float] = (1.0, 5.0)

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


@dataclass(frozen=True)
class Source:
    """What an evaluation stands on.

    `propensities` (users, items) in (0, 1], when the source gives them; `groups` names a trait of
    users and gives each user's level. `is_random_test` says whether the test was exposed at random;
    where it was not, its figures share the bias of the training ratings.
    """

    name: str
    train: Ratings
    test: Ratings
    propensities: Floats | None = None
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    is_random_test: bool = True


def load_source(kind: str, path: str | Path, *, seed: int = 0) -> Source:
    """Read a source; raises InputError for an absent file or one that is not what it is called."""
    place = Path(path).expanduser()
    if kind not in KINDS:
        raise InputError(f"there is no source {kind!r}; choose one of {', '.join(KINDS)}")
    if not place.exists():
        raise InputError(f"there is nothing at {place}; check the path")
    if kind == "coat":
        return load_coat(place)
    ratings = load_movielens(place) if kind == "movielens" else load_table(place)
    return split_source(kind, ratings, seed=seed)


def split_source(name: str, ratings: Ratings, *, seed: int, share: float = 0.2) -> Source:
    """Hold out a random `share` of the ratings; the test is then no random exposure."""
    order = np.random.default_rng(seed).permutation(len(ratings))
    n_test = round(share * len(ratings))
    if n_test < 1 or len(ratings) - n_test < 2:
        raise InputError(f"{len(ratings)} ratings cannot be split in training and test; give more")
    test, train = np.sort(order[:n_test]), np.sort(order[n_test:])
    return Source(name, ratings.take(train), ratings.take(test), is_random_test=False)


def load_coat(folder: Path) -> Source:
    """Self-selected training ratings, uniformly random test ratings, features and propensities."""
    train, test = (read_matrix(folder / f"{name}.ascii") for name in ("train", "test"))
    if train.shape != test.shape:
        raise InputError(
            f"train.ascii is {train.shape} and test.ascii {test.shape}; they must agree"
        )
    n_users, n_items = train.shape
    users = _read_features(folder / "user_features.ascii", n_users)
    items = _read_features(folder / "item_features.ascii", n_items)
    given = folder / "propensities.ascii"
    propensities = read_matrix(given) if given.is_file() else None
    if propensities is not None and propensities.shape != train.shape:
        raise InputError(f"{given} is {propensities.shape}, the ratings {train.shape}")
    names = _read_names(folder / "user_features_map.txt", users.shape[1])
    return Source(
        "coat",
        from_matrix(train, users, items),
        from_matrix(test, users, items),
        propensities,
        name_groups(users, names),
    )


def read_matrix(file: Path) -> Floats:
    """A dense matrix written as text; raises InputError naming what is wrong."""
    if not file.is_file():
        raise InputError(
            f"{file.parent} has no {file.name}; a coat folder holds train.ascii, test.ascii"
        )
    try:
        values = np.loadtxt(file, ndmin=2, dtype=np.float64)
    except ValueError as error:
        raise InputError(f"{file} is no matrix of numbers ({str(error)[:200]})") from error
    if values.size == 0 or not np.isfinite(values).all():
        raise InputError(f"{file} is empty or holds values that are no finite numbers")
    return values


def from_matrix(values: Floats, users: Floats, items: Floats) -> Ratings:
    """Ratings of a dense matrix (users, items) in which 0 stands for unrated."""
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
            f"(such as {example:g}); rescale them or drop them"
        )
    return ratings


def load_movielens(place: Path) -> Ratings:
    """ratings.csv (userId,movieId,rating,…) or u.data (tabs, no header)."""
    import polars as pl

    names = ("ratings.csv", "u.data")
    found = [place / name for name in names if (place / name).is_file()]
    file = place if place.is_file() else (found[0] if found else None)
    if file is None:
        raise InputError(f"{place} holds neither ratings.csv nor u.data; give a MovieLens folder")
    if file.name != "u.data":
        return load_table(file)
    columns = ["user", "item", "rating", "time"]
    try:
        frame = pl.read_csv(file, separator="\t", has_header=False, new_columns=columns)
    except Exception as error:
        raise InputError(f"{file} could not be read ({str(error)[:200]})") from error
    return from_frame(frame, file)


def load_table(file: Path) -> Ratings:
    """A CSV or Parquet file with columns for user, item and rating."""
    import polars as pl

    try:
        is_parquet = file.suffix == ".parquet"
        frame = pl.read_parquet(file) if is_parquet else pl.read_csv(file, infer_schema_length=None)
    except Exception as error:
        raise InputError(
            f"{file} could not be read ({str(error).splitlines()[0][:200]})"
        ) from error
    return from_frame(frame, file)


def from_frame(frame: "object", file: Path) -> Ratings:
    """Ratings of a table; a pair rated twice keeps its last rating. Raises InputError."""
    import polars as pl

    if not isinstance(frame, pl.DataFrame):
        raise InputError(f"{file} is no table")
    columns = [
        _find_column(frame.columns, names, file)
        for names in (_USER_NAMES, _ITEM_NAMES, _RATING_NAMES)
    ]
    table = frame.select(
        pl.col(columns[0]).cast(pl.String).alias("user"),
        pl.col(columns[1]).cast(pl.String).alias("item"),
        pl.col(columns[2]).cast(pl.Float64, strict=False).alias("rating"),
    )
    if bad := int(sum(table.null_count().row(0))):
        raise InputError(f"{bad:,} cells of {file} are empty or no number; drop those rows")
    table = table.unique(["user", "item"], keep="last", maintain_order=True)
    users, user_ids = _encode(table["user"].to_list())
    items, item_ids = _encode(table["item"].to_list())
    values = table["rating"].to_numpy().astype(np.float64)
    low = 0.5 if len(values) and (values == np.floor(values)).mean() < 1 else 1.0
    nothing = np.zeros((len(user_ids), 0)), np.zeros((len(item_ids), 0))
    return check_ratings(
        Ratings(users, items, values, user_ids, item_ids, *nothing, scale=(low, 5.0))
    )


def name_groups(features: Floats, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Levels of each trait, of one-hot columns named `trait:level`."""
    groups: dict[str, tuple[str, ...]] = {}
    traits = dict.fromkeys(name.split(":")[0] for name in names if ":" in name)
    for trait in traits:
        columns = [k for k, name in enumerate(names) if name.split(":")[0] == trait]
        levels = [names[k].split(":", 1)[1] for k in columns]
        groups[trait] = tuple(levels[k] for k in features[:, columns].argmax(axis=1))
    return groups


def _encode(values: Sequence[str]) -> tuple[Codes, tuple[str, ...]]:
    ids, codes = np.unique(np.asarray(values, dtype=object).astype(str), return_inverse=True)
    return codes.astype(np.int64), tuple(map(str, ids))


def _find_column(columns: Sequence[str], names: Sequence[str], file: Path) -> str:
    for column in columns:
        if column.lower() in names:
            return column
    raise InputError(
        f"{file} has no column for {names[0]} (one of {', '.join(names)}); "
        f"it has {', '.join(columns[:20])}"
    )


def _read_features(file: Path, n_rows: int) -> Floats:
    if not file.is_file():
        return np.zeros((n_rows, 0))
    values = read_matrix(file)
    if len(values) != n_rows:
        raise InputError(f"{file} has {len(values)} rows where the ratings have {n_rows}")
    return values


def _read_names(file: Path, n_columns: int) -> list[str]:
    if not file.is_file():
        return []
    names = [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    return names if len(names) == n_columns else []
