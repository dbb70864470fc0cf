"""The design panel: one row a review, with what preceded it as controls.

Every control is known before the review is written: the item and its price, the user, the trend and
the weekday, and what this user and this item had gathered by the day before. The review's own text,
title and length follow from the experience that the attributes describe, and are no controls.

History counts only reviews of strictly earlier *dates*: reviews of the same day have no known order
in most sources, and could otherwise predict one another.
"""

import json
from collections.abc import Collection, Sequence
from typing import Any, Final

import numpy as np
import polars as pl

from tasks.effects.basis import BasisSpec, discover_spec, read_numbers
from tasks.effects.read import NULLS
from tasks.platform.errors import ConfigError, InputError

CONTROL: Final = "c__"
USER_FEATURE: Final = "c__user__"
ITEM_TEXT: Final = "c__item_text"
"""Scores of the item's text, `c__item_text:1` and so on, where there are any."""
ID_COLUMNS: Final = ("review_id", "user_id", "item_id", "event_date")
PRICE: Final = "c__price_usd"
LOG_CONTROLS: Final = (PRICE, "c__user_reviews", "c__item_reviews")
"""Heavy-tailed controls, taken as log(1 + x)."""
TREND: Final = "c__day"
RECORD: Final = ("c__user_rating", "c__item_rating")
"""Missing where there is no earlier review: that is known, and no hole."""
PRIOR_RATING: Final = 4.0
PRIOR_REVIEWS: Final = 2.0
"""A mean of earlier ratings starts from this many reviews of this rating: one bad review of a new
item is little news. Constants, so that no row depends on reviews of other users and items."""

_EXACT: Final = 1_000_000
_SIDES: Final = {"positive": 1, "negative": -1}
_MAX_FEATURE_TEXT: Final = 100


def treatment_names(attributes: Sequence[str]) -> tuple[str, ...]:
    """`a__positive` and `a__negative` for each attribute, in order."""
    return tuple(f"{name}__{side}" for name in attributes for side in _SIDES)


def call_control(name: str) -> str:
    """What a control of the panel is called in words: without the prefixes of its column."""
    return name.removeprefix(USER_FEATURE).removeprefix(CONTROL)


def build_panel(
    reviews: pl.DataFrame,
    history: pl.DataFrame,
    items: pl.DataFrame,
    users: pl.DataFrame,
    attributes: pl.DataFrame,
    *,
    unread: Collection[str] = (),
    attribute_names: Sequence[str],
    history_days: int,
) -> pl.DataFrame:
    """The panel of one period of one source, one row a review, sorted by date and review.

    `reviews` are the period's, `history` the source's reviews (`user_id`, `item_id`, `event_date`,
    `rating`) from `history_days` before the period to its end (those of the period's users and
    items are enough), `items` and `users`
    the latest state per key, `attributes` the extractions of the period's reviews, one row per
    review and attribute (a review without one mentions nothing). The reviews named in `unread` were
    not read: what they mention is not known, so that they have no row; to the history of others they
    belong like any.

    Columns: review_id, user_id, item_id, event_date, controls `c__*`, treatments `<a>__positive`
    and `<a>__negative` (0 or 1), `rating` (1-5). A review's row depends on its own period only
    through `history`, so panels of days and of the months they make up hold the same rows.

    Raises InputError when ids repeat that must not.
    """
    for frame, key, table in ((reviews, "review_id", "reviews"), (items, "item_id", "items"),
                              (users, "user_id", "users")):  # fmt: skip
        _check_unique(frame, [key], table)
    reviews = reviews.filter(~pl.col("review_id").is_in(list(unread)))
    base = reviews.select(*ID_COLUMNS, "is_verified", pl.col("rating").cast(pl.Float64))
    base = base.join(_item_controls(items), on="item_id", how="left", maintain_order="left")
    users = users.join(reviews.select("user_id").unique(), on="user_id", how="semi")
    base = base.join(_user_controls(users), on="user_id", how="left", maintain_order="left")
    base = _add_time(base)
    base = _add_history(base, history, history_days=history_days)
    wide = _pivot_attributes(attributes, attribute_names)
    treatments = treatment_names(attribute_names)
    base = base.join(wide, on="review_id", how="left", maintain_order="left")
    base = base.with_columns(pl.col(treatments).fill_null(0))
    controls = sorted(name for name in base.columns if name.startswith(CONTROL))
    base = base.select(*ID_COLUMNS, *controls, *treatments, "rating")
    return base.sort("event_date", "review_id")


def panel_spec(
    panel: pl.DataFrame, *, max_levels: int = 20, knots: int = 4, max_features: int = 50
) -> BasisSpec:
    """The control basis that a panel asks for, read from its columns.

    Of the user features, the `max_features` that most rows have are controls; those that a later
    period does not have count as missing there. Numbers that may be codes (an occupation, a region)
    are levels, each with a column of its own: no line or bend follows those.
    """
    known = {name: panel.height - panel[name].null_count() for name in panel.columns}
    features = sorted(
        (name for name in panel.columns if name.startswith(USER_FEATURE)),
        key=lambda name: (-known[name], name),
    )
    skipped = set(features[max_features:])
    controls = [n for n in panel.columns if n.startswith(CONTROL) and n not in skipped]
    coded = [pl.col(n).cast(pl.String) for n in features if _may_be_codes(panel[n], max_levels)]
    return discover_spec(
        panel.with_columns(coded),
        controls,
        knots=knots,
        max_levels=max_levels,
        log1p=LOG_CONTROLS,
        linear=[name for name in controls if name.startswith(f"{ITEM_TEXT}:")],
        unclipped=(TREND,),
        optional=features,
        coded=(PRICE, *features),
    )


def _may_be_codes(series: pl.Series, max_levels: int) -> bool:
    """Whole numbers, no more of them than have a column each (one level is compared with)."""
    if not series.dtype.is_numeric():
        return False
    values = read_numbers(series)
    seen = np.unique(values[~np.isnan(values)])
    return 3 <= len(seen) <= max_levels + 1 and bool((seen == np.round(seen)).all())


def _check_unique(frame: pl.DataFrame, keys: list[str], table: str) -> None:
    repeated = frame.height - frame.n_unique(subset=keys) if frame.height else 0
    if repeated:
        raise InputError(
            f"{table}: {repeated} of {frame.height} rows repeat {', '.join(keys)}, which must be "
            "unique within a source; read one source at a time"
        )


def _item_controls(items: pl.DataFrame) -> pl.DataFrame:
    return items.select(
        "item_id",
        pl.col("price_usd").cast(pl.Float64).alias(PRICE),
        pl.col("brand").alias("c__brand"),
        pl.col("category").alias("c__category"),
    )


def _user_controls(users: pl.DataFrame) -> pl.DataFrame:
    """User features, one column each: Float64 where all values are numbers, else text.

    A blank is no value; nor is, among numbers, what stands for none ("NA").
    """
    parsed = [_parse_features(text) for text in users["features"].to_list()]
    names = sorted({name for row in parsed for name in row})
    columns = [_feature_column(name, [row.get(name) for row in parsed]) for name in names]
    return pl.DataFrame([users["user_id"], *columns])


def _parse_features(text: str | None) -> dict[str, Any]:
    """The JSON object of features; anything that is not one counts as no features."""
    try:
        document = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _feature_column(name: str, values: list[Any]) -> pl.Series:
    label = f"{USER_FEATURE}{name}"
    scalars = [
        value if isinstance(value, int | float | str) and str(value).strip() else None
        for value in values
    ]
    present = [value for value in scalars if value is not None and value not in NULLS]
    if all(isinstance(value, int | float) for value in present):
        numbers = [
            None if value is None or value in NULLS else _to_float(value) for value in scalars
        ]
        return pl.Series(label, numbers, dtype=pl.Float64)
    texts = [None if value is None else _to_level(value) for value in scalars]
    return pl.Series(label, texts, dtype=pl.String)


def _to_float(value: float | str) -> float | None:
    try:
        return float(value)
    except OverflowError:
        return None


def _to_level(value: str | float) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)[:_MAX_FEATURE_TEXT]


def _add_time(base: pl.DataFrame) -> pl.DataFrame:
    date = pl.col("event_date").cast(pl.Date)
    return base.with_columns(
        date.alias("event_date"),
        date.cast(pl.Int32).cast(pl.Float64).alias(TREND),
        date.dt.weekday().cast(pl.String).alias("c__weekday"),
        pl.col("is_verified").cast(pl.String).alias("c__is_verified"),
    )


def _add_history(base: pl.DataFrame, history: pl.DataFrame, *, history_days: int) -> pl.DataFrame:
    """Counts and shrunk means of earlier ratings, by user and by item, over the look-back."""
    if history_days < 1:
        raise ConfigError(f"history_days is {history_days}; allowed are 1 and more")
    stars = (pl.col("rating").cast(pl.Float64) * _EXACT).round().cast(pl.Int64)
    daily = history.select("user_id", "item_id", pl.col("event_date").cast(pl.Date), stars)
    for subject in ("user", "item"):
        past = _look_back(base, daily, key=f"{subject}_id", days=history_days)
        mean = (pl.col("sum") / _EXACT + PRIOR_REVIEWS * PRIOR_RATING) / (
            pl.col("count") + PRIOR_REVIEWS
        )
        base = base.hstack(
            past.select(
                pl.col("count").cast(pl.Float64).alias(f"c__{subject}_reviews"),
                pl.when(pl.col("count") > 0).then(mean).alias(f"c__{subject}_rating"),
            )
        )
    return base


def _look_back(base: pl.DataFrame, history: pl.DataFrame, *, key: str, days: int) -> pl.DataFrame:
    """`count` and `sum` of ratings dated in [date - days, date), one row per row of `base`.

    `key` says of whom: the same user or the same item. Sums are whole millionths of a star, so that
    they do not depend on the order of the rows or on where the history begins.
    """
    running = history.group_by(key, "event_date").agg(
        pl.len().cast(pl.Int64).alias("count"), pl.col("rating").sum().alias("sum")
    )
    running = running.sort(key, "event_date")
    running = running.with_columns(pl.col("count", "sum").cum_sum().over(key))
    asked = base.select(key, pl.col("event_date").alias("until")).with_row_index("row")
    asked = asked.with_columns(pl.col("until").dt.offset_by(f"-{days}d").alias("since"))
    until, since = (_running_at(asked, running, key=key, at=at) for at in ("until", "since"))
    return until - since


def _running_at(asked: pl.DataFrame, running: pl.DataFrame, *, key: str, at: str) -> pl.DataFrame:
    """Running totals strictly before the date in column `at`, in the row order of `asked`."""
    found = asked.sort(at, maintain_order=True).join_asof(
        running.sort("event_date"),
        left_on=at,
        right_on="event_date",
        by=key,
        strategy="backward",
        check_sortedness=False,
        allow_exact_matches=False,
    )
    return found.sort("row").select(pl.col("count", "sum").fill_null(0))


def _pivot_attributes(attributes: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """One row a review, 0/1 columns `<a>__positive` and `<a>__negative`."""
    _check_unique(attributes, ["review_id", "attribute"], "attributes")
    mentioned = attributes.filter(pl.col("is_mentioned") & pl.col("attribute").is_in(list(names)))
    sides = [
        ((pl.col("attribute") == name) & (pl.col("polarity") == sign))
        .any()
        .cast(pl.Int8)
        .alias(f"{name}__{side}")
        for name in names
        for side, sign in _SIDES.items()
    ]
    return mentioned.group_by("review_id", maintain_order=True).agg(sides)
