"""Attacks on exposures, what they do to click rates, and how their accounts give themselves away.

A frame of exposures has `exposure_id`, `user_id`, `item_id`, `event_date`, `is_clicked` and, where
known, `policy`, `position` and `propensity`; any other columns are copied.
"""

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import polars as pl

from tasks.platform.errors import ConfigError, InputError
from tasks.robustness.corpus import Floats
from tasks.robustness.detect import FENCE, score_accounts

NEEDED: Final = ("user_id", "item_id", "is_clicked")
SIGNALS: Final = ("too many clicks", "too few clicks", "one item", "views a day")


class ClickAttack(Protocol):
    """A way to fake exposures."""

    @property
    def name(self) -> str:
        """What reports call it."""

    def draft(
        self, log: pl.DataFrame, item: str, rows: int, rng: np.random.Generator
    ) -> pl.DataFrame:
        """`rows` exposures copied from the log, with `user_id` and `is_clicked` of bots."""


@dataclass(frozen=True)
class ClickFarm:
    """Bots that look around and click the target wherever it is shown: its rate goes up.

    `target_share` of what they are shown is the target; elsewhere they click like everybody.
    """

    views_per_bot: int = 20
    target_share: float = 0.5
    name: str = "click-farm"

    def draft(
        self, log: pl.DataFrame, item: str, rows: int, rng: np.random.Generator
    ) -> pl.DataFrame:
        """See ClickAttack."""
        fake = _copy(log, item, rows, self.target_share, rng)
        clicked = np.where(fake["item_id"] == item, True, fake["is_clicked"].to_numpy())
        return _give(fake, clicked, self.views_per_bot, rng)


@dataclass(frozen=True)
class ImpressionFraud:
    """Bots that look at the target and never click: its rate goes down, its budget is used up."""

    views_per_bot: int = 20
    target_share: float = 0.9
    name: str = "impression-fraud"

    def draft(
        self, log: pl.DataFrame, item: str, rows: int, rng: np.random.Generator
    ) -> pl.DataFrame:
        """See ClickAttack."""
        fake = _copy(log, item, rows, self.target_share, rng)
        return _give(fake, np.zeros(rows, dtype=bool), self.views_per_bot, rng)


CLICK_ATTACKS: Final[dict[str, ClickAttack]] = {
    attack.name: attack for attack in (ClickFarm(), ImpressionFraud())
}


@dataclass(frozen=True)
class ClickDamage:
    """The target's clicks per exposure before, after, and without the accounts that were flagged.

    `auc` is of accounts, None when nothing could be compared.
    """

    attack: str
    item: str
    rows: int
    clean: float
    attacked: float
    defended: float | None
    auc: float | None
    flagged: int
    hits: int
    fakes: int


def choose_item(log: pl.DataFrame) -> str:
    """The item worth an attack: the median by clicks per exposure among the half most shown."""
    rates = log.group_by("item_id").agg(pl.len().alias("n"), pl.col("is_clicked").mean().alias("r"))
    shown = rates.sort("n", "item_id", descending=[True, False]).head(-(-rates.height // 2))
    ordered: str = shown.sort("r", "item_id")["item_id"][shown.height // 2]
    return ordered


def attack_clicks(
    attack: ClickAttack,
    log: pl.DataFrame,
    rows: int,
    rng: np.random.Generator,
    *,
    fence: float = FENCE,
) -> ClickDamage:
    """Plant `rows` fake exposures on the item chosen by rule, look for their accounts, compare.

    Accounts past `fence` are flagged.
    """
    check_log(log)
    item = choose_item(log)
    fake = attack.draft(log, item, rows, rng)
    both = pl.concat([log, fake])
    users, score, flags = suspect_clickers(both, fence=fence)
    is_fake = np.isin(users, fake["user_id"].unique().to_numpy())
    kept = both.filter(~pl.col("user_id").is_in(users[flags].tolist()))
    return ClickDamage(
        attack=attack.name,
        item=item,
        rows=rows,
        clean=_rate(log, item) or 0.0,
        attacked=_rate(both, item) or 0.0,
        defended=_rate(kept, item),
        auc=_auc(is_fake, score),
        flagged=int(flags.sum()),
        hits=int((flags & is_fake).sum()),
        fakes=int(is_fake.sum()),
    )


def suspect_clickers(
    log: pl.DataFrame, *, fence: float = FENCE
) -> tuple[
    np.ndarray[tuple[int], np.dtype[np.str_]], Floats, np.ndarray[tuple[int], np.dtype[np.bool_]]
]:
    """Accounts, the score of each (`tasks.robustness.detect`) and whether it passes the fence.

    Every account counts alike in what is normal: views a day are themselves a signal.
    """
    signals = measure_clickers(log)
    values = signals.select(SIGNALS).to_numpy().astype(np.float64)
    _, score = score_accounts(values, np.ones(len(values), dtype=np.int64), fence=fence)
    return signals["user_id"].to_numpy().astype(str), score, np.asarray(score > fence)


def measure_clickers(log: pl.DataFrame) -> pl.DataFrame:
    """What may give a bot away: user_id and `SIGNALS`, a row an account, sorted.

    Clicks are compared with the mean rate at the same position, items with the mean share of a
    view's item among all views, both in binomial standard errors.
    """
    place = ["position"] if "position" in log.columns else []
    day = "event_date" if "event_date" in log.columns else pl.lit(0).alias("event_date")
    clicked = pl.col("is_clicked").cast(pl.Float64)
    rows = log.with_columns(day, clicked.alias("clicked")).with_columns(
        (pl.col("clicked").mean().over(place) if place else pl.col("clicked").mean()).alias("rate"),
        (pl.len().over("item_id") / pl.len()).alias("share"),
    )
    spread = (pl.col("rate") * (1 - pl.col("rate"))).sum().sqrt().clip(1e-6)
    excess = ((pl.col("clicked") - pl.col("rate")).sum() / spread).alias("excess")
    most = rows.group_by("user_id", "item_id").agg(pl.len().alias("own"), pl.first("share"))
    most = most.with_columns(pl.col("own").sum().over("user_id").alias("n")).with_columns(
        (
            (pl.col("own") - pl.col("n") * pl.col("share"))
            / (pl.col("n") * pl.col("share") * (1 - pl.col("share"))).sqrt().clip(1e-6)
        ).alias("one item")
    )
    found = rows.group_by("user_id").agg(
        excess,
        (pl.len() / pl.col("event_date").n_unique()).log1p().alias("views a day"),
    )
    found = found.join(most.group_by("user_id").agg(pl.max("one item")), on="user_id")
    return found.select(
        "user_id",
        pl.col("excess").clip(0).alias("too many clicks"),
        (-pl.col("excess")).clip(0).alias("too few clicks"),
        "one item",
        "views a day",
    ).sort("user_id")


def check_log(log: pl.DataFrame) -> None:
    """Raise InputError unless there are exposures with the needed columns."""
    absent = [name for name in NEEDED if name not in log.columns]
    if absent:
        raise InputError(f"exposures lack {', '.join(absent)}; there are {', '.join(log.columns)}")
    if log.height == 0:
        raise InputError("there are no exposures to attack")


def _copy(
    log: pl.DataFrame, item: str, rows: int, share: float, rng: np.random.Generator
) -> pl.DataFrame:
    own = np.flatnonzero((log["item_id"] == item).to_numpy())
    if len(own) == 0:
        raise ConfigError(f"item {item!r} was never shown; name one that was")
    any_row = rng.integers(log.height, size=rows)
    chosen = np.where(rng.random(rows) < share, rng.choice(own, rows), any_row)
    return log.select(pl.all().gather(pl.Series(chosen)))


def _give(
    fake: pl.DataFrame,
    clicked: np.ndarray[tuple[int], np.dtype[np.bool_]],
    views: int,
    rng: np.random.Generator,
) -> pl.DataFrame:
    bots = np.array([f"n{rng.bytes(8).hex()}" for _ in range(-(-fake.height // views))])
    named = fake.with_columns(
        pl.Series("user_id", bots[np.arange(fake.height) // views]).cast(fake["user_id"].dtype),
        pl.Series("is_clicked", clicked).cast(fake["is_clicked"].dtype),
    )
    if "exposure_id" not in fake.columns:
        return named
    ids = [f"f{rng.bytes(8).hex()}" for _ in range(fake.height)]
    return named.with_columns(pl.Series("exposure_id", ids))


def _rate(log: pl.DataFrame, item: str) -> float | None:
    rate = log.filter(pl.col("item_id") == item)["is_clicked"].cast(pl.Float64).mean()
    return None if rate is None else float(rate)  # type: ignore[arg-type]


def _auc(is_fake: np.ndarray[tuple[int], np.dtype[np.bool_]], score: Floats) -> float | None:
    from sklearn.metrics import roc_auc_score

    if is_fake.all() or not is_fake.any():
        return None
    return float(roc_auc_score(is_fake, score))
