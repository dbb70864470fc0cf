"""Where ratings come from, and what they are evaluated on.

`coat` is the folder of Schnabel et al. 2016 (https://www.cs.cornell.edu/~schnabts/mnar/), `movielens`
a folder (or file) of ratings.csv or u.data, `open-bandit` a folder of logs of two policies of Saito et
al. 2021 (https://arxiv.org/abs/2008.07146), `table` any CSV or Parquet file of user, item, rating.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from tasks.platform.errors import ConfigError, InputError
from tasks.recommend.data import (
    Floats,
    Ratings,
    check_ratings,
    encode,
    from_frame,
    from_matrix,
    name_groups,
    one_hot,
    take_ratings,
)

if TYPE_CHECKING:
    import polars as pl

Kind = Literal["coat", "movielens", "open-bandit", "table"]
KINDS: Final = ("coat", "movielens", "open-bandit", "table")
_MOVIELENS: Final = ("user", "item", "rating", "time")


@dataclass(frozen=True)
class Source:
    """What an evaluation stands on.

    `propensities` are what the source gives: of all pairs, (users, items), or of the training rows,
    (n,). `groups` names a trait of users and gives each user's level; `providers` likewise for items.
    `is_random_test` says whether the test was exposed at random; where it was not, its figures share
    the bias of the training ratings. From `relevant` on a rating counts as relevant.
    """

    name: str
    train: Ratings
    test: Ratings
    propensities: Floats | None = None
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    providers: dict[str, tuple[str, ...]] = field(default_factory=dict)
    is_random_test: bool = True
    relevant: float = 3.0


@dataclass(frozen=True)
class Options:
    """What is said of a file beyond its kind: lowest and highest rating, and what counts as relevant.

    Without `relevant`, ratings from the middle of the scale on are (3 of 1 to 5).
    """

    scale: tuple[float, float] | None = None
    relevant: float | None = None

    def __post_init__(self) -> None:
        if not np.isfinite([*(self.scale or ()), self.relevant or 0.0]).all():
            raise ConfigError("--scale and --relevant take finite numbers, as in --scale 1,10")
        if self.scale is not None and not self.scale[0] < self.scale[1]:
            raise ConfigError(
                f"a scale of {self.scale[0]:g} to {self.scale[1]:g}: the lowest rating must be "
                "below the highest, as in --scale 1,10"
            )


PLAIN: Final = Options()


def load_source(kind: str, path: str | Path, *, seed: int = 0, options: Options = PLAIN) -> Source:
    """Read a source; raises InputError for an absent file or one that is not what it is called."""
    place = _find_place(kind, path)
    source = _load_tested(kind, place, options)
    if source is None:
        source = split_source(kind, load_whole(kind, place, options), seed=seed)
    relevant = options.relevant
    if relevant is None and options.scale is not None:
        relevant = sum(options.scale) / 2
    low, high = source.train.scale
    if relevant is not None and not low < relevant <= high:
        raise ConfigError(
            f"--relevant {relevant:g}: ratings lie in [{low:g}, {high:g}], of which none or all would "
            "be relevant; give a rating above the lowest"
        )
    return source if relevant is None else replace(source, relevant=relevant)


def load_training(
    kind: str, path: str | Path, *, options: Options = PLAIN
) -> tuple[Ratings, Floats | None]:
    """All ratings to learn from and the propensities given with them; a random test is none of them."""
    place = _find_place(kind, path)
    source = _load_tested(kind, place, options)
    if source is None:
        return load_whole(kind, place, options), None
    return source.train, source.propensities


def _find_place(kind: str, path: str | Path) -> Path:
    place = Path(path).expanduser()
    if kind not in KINDS:
        raise InputError(f"there is no source {kind!r}; choose one of {', '.join(KINDS)}")
    if not place.exists():
        raise InputError(f"there is nothing at {place}; check the path")
    return place


def _load_tested(kind: str, place: Path, options: Options) -> Source | None:
    """A source that brings a test of its own; None for one that has to be split."""
    if kind == "coat":
        return load_coat(place, scale=options.scale)
    if kind == "open-bandit":
        if options.scale is not None:
            raise ConfigError("clicks of open-bandit are 0 and 1; leave --scale out")
        return load_open_bandit(place)
    return None


def load_whole(kind: str, place: Path, options: Options) -> Ratings:
    """All ratings of a source without a random test."""
    if kind == "movielens":
        return load_movielens(place, scale=options.scale)
    return load_table(place, scale=options.scale)


def split_source(name: str, ratings: Ratings, *, seed: int, share: float = 0.2) -> Source:
    """Hold out a random `share` of the ratings; the test is then no random exposure."""
    order = np.random.default_rng(seed).permutation(len(ratings))
    n_test = round(share * len(ratings))
    if n_test < 1 or len(ratings) - n_test < 2:
        raise InputError(f"{len(ratings)} ratings cannot be split in training and test; give more")
    test, train = np.sort(order[:n_test]), np.sort(order[n_test:])
    return Source(name, ratings.take(train), ratings.take(test), is_random_test=False)


def load_coat(folder: Path, *, scale: tuple[float, float] | None = None) -> Source:
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
    item_names = _read_names(folder / "item_features_map.txt", items.shape[1])
    rated = [
        replace(
            from_matrix(values, users, items, scale=scale),
            user_feature_names=tuple(names), item_feature_names=tuple(item_names),
        )
        for values in (train, test)
    ]  # fmt: skip
    return Source(
        "coat", rated[0], rated[1], propensities, name_groups(users, names),
        name_groups(items, item_names),
    )  # fmt: skip


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


def load_movielens(place: Path, *, scale: tuple[float, float] | None = None) -> Ratings:
    """ratings.csv (userId,movieId,rating,…) or u.data (tabs, no header)."""
    names = ("ratings.csv", "u.data")
    found = [place / name for name in names if (place / name).is_file()]
    file = place if place.is_file() else (found[0] if found else None)
    if file is None:
        raise InputError(f"{place} holds neither ratings.csv nor u.data; give a MovieLens folder")
    if file.name != "u.data":
        return load_table(file, scale=scale)
    frame = _read_table(file, separator="\t", has_header=False, infer_schema=False)
    if frame.width != len(_MOVIELENS):
        raise InputError(
            f"{file} has {frame.width} columns; u.data holds four, with tabs between them: "
            f"{', '.join(_MOVIELENS)}"
        )
    return from_frame(
        frame.rename(dict(zip(frame.columns, _MOVIELENS, strict=True))), file, scale=scale
    )


def load_table(file: Path, *, scale: tuple[float, float] | None = None) -> Ratings:
    """A CSV or Parquet file with columns for user, item and rating. Ids of a CSV file are text."""
    return from_frame(_read_table(file, infer_schema=False), file, scale=scale)


def read_values(file: Path) -> Floats:
    """The ratings of a CSV or Parquet file, whoever gave them; raises InputError."""
    return take_ratings(_read_table(file, infer_schema=False), file)


def _read_table(file: Path, **how: Any) -> "pl.DataFrame":
    import polars as pl

    if not file.is_file():
        raise InputError(f"{file} is no file; give a CSV or Parquet file")
    try:
        if file.suffix == ".parquet":
            return pl.read_parquet(file)
        return pl.read_csv(file, **{"infer_schema_length": None, **how})
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0][:200]
        raise InputError(
            f"{file} could not be read ({reason}); it must be CSV in UTF-8 (u.data with tabs, "
            "others with commas) with as many cells in every line as in the first, or Parquet"
        ) from error


def load_open_bandit(folder: Path) -> Source:
    """Clicks logged under a policy (`bts`) to learn from, and under random choice to test on.

    The data have no users: a user is a combination of the four user features. The slot is left out:
    the logs of both policies fill all slots alike. Raises InputError.
    """
    import polars as pl

    logs = {name: _read_log(folder / name) for name in ("bts", "random")}
    frame = pl.concat([log.with_columns(pl.lit(name).alias("log")) for name, log in logs.items()])
    traits = [f"user_feature_{k}" for k in range(4)]
    frame = frame.with_columns(pl.concat_str(traits, separator="|").alias("user"))
    users, user_ids = encode(frame["user"])
    items, item_ids = encode(frame["item_id"])
    first = frame.unique("user").sort("user").select(traits)
    user_features, names = one_hot(first)
    kinds = [f"item_feature_{k}" for k in range(1, 4)]
    item_table = _read_table(next(iter(sorted((folder / "random").rglob("item_context.csv")))))
    item_table = item_table.with_columns(pl.col("item_id").cast(pl.String)).filter(
        pl.col("item_id").is_in(item_ids)
    ).unique("item_id", keep="last").sort("item_id")  # fmt: skip
    if absent := sorted(set(item_ids) - set(item_table["item_id"])):
        raise InputError(
            f"item_context.csv of {folder / 'random'} lacks {len(absent):,} of the {len(item_ids):,} "
            f"items of the logs, such as {absent[0]}; give the one that belongs to them"
        )
    item_features, item_names = one_hot(item_table.select(kinds), min_rows=2)
    both = Ratings(
        users, items, frame["click"].to_numpy().astype(np.float64), user_ids, item_ids,
        user_features, item_features, scale=(0.0, 1.0), user_feature_names=tuple(names),
        item_feature_names=tuple(item_names),
    )  # fmt: skip
    is_train = (frame["log"] == "bts").to_numpy()
    chances = frame["propensity_score"].to_numpy().astype(np.float64)
    return Source(
        "open-bandit", check_ratings(both.take(is_train)), check_ratings(both.take(~is_train)),
        chances[is_train], name_groups(user_features, names),
        name_groups(item_features, item_names), relevant=1.0,
    )  # fmt: skip


def _read_log(folder: Path) -> "pl.DataFrame":
    import polars as pl

    found = sorted(p for p in folder.rglob("*.csv") if p.name != "item_context.csv")
    if len(found) != 1 or not list(folder.rglob("item_context.csv")):
        raise InputError(
            f"{folder} must hold the log of one campaign and item_context.csv, found "
            f"{len(found)} logs; give the folder that holds bts/ and random/"
        )
    wanted = ["item_id", "click", "propensity_score", *(f"user_feature_{k}" for k in range(4))]
    frame = _read_table(found[0])
    if absent := sorted(set(wanted) - set(frame.columns)):
        raise InputError(f"{found[0]} lacks the columns {', '.join(absent)}")
    return frame.select(wanted).with_columns(pl.col("item_id").cast(pl.String))


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
