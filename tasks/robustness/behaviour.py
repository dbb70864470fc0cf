"""Behaviour attacks: new accounts that write reviews to move items, or what is concluded from them.

Profiles are those of the literature on shilling (Mobasher, Burke, Bhaumik & Williams 2007, "Toward
trustworthy recommender systems", ACM TOIT 7(4)): target items rated to the extreme, filler items
rated so as to pass for genuine, selected items rated to stand close to many users or to some. The
departures: profiles are as long as the median genuine one, and target items are spoken of in words.

An attacker writes ratings, dates and texts of new accounts, on items that exist. Everything is
drawn from the generator given; the first rows of a large attack are the small one.
"""

from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.platform.errors import ConfigError
from tasks.robustness.corpus import SAYS, Corpus
from tasks.robustness.fake_text import Writer, write_templates
from tasks.robustness.profiles import (
    DAYS,
    POPULAR_SHARE,
    Aim,
    Draft,
    Mode,
    draw_items,
    draw_profiles,
    find_neighbours,
    profile_size,
    rate_around_all,
    rate_around_item,
    rate_opposite,
)

Says = NDArray[np.int8]


class Attack(Protocol):
    """A way to fake behaviour."""

    @property
    def name(self) -> str:
        """What reports call it."""

    def draft(self, corpus: Corpus, aim: Aim, rows: int, rng: np.random.Generator) -> Draft:
        """At least `rows` fake ratings."""


@dataclass(frozen=True)
class RandomAttack:
    """Filler items at random, rated around the mean of all ratings."""

    name: str = "random"

    def draft(self, corpus: Corpus, aim: Aim, rows: int, rng: np.random.Generator) -> Draft:
        """See Attack."""
        return draw_profiles(corpus, aim, rows, rng, filler=rate_around_all)


@dataclass(frozen=True)
class AverageAttack:
    """Filler items at random, each rated around its own mean: the attacker knows the items."""

    name: str = "average"

    def draft(self, corpus: Corpus, aim: Aim, rows: int, rng: np.random.Generator) -> Draft:
        """See Attack."""
        return draw_profiles(corpus, aim, rows, rng, filler=rate_around_item)


@dataclass(frozen=True)
class BandwagonAttack:
    """Popular items are rated like the target, to stand close to many; the rest is random filler.

    To nuke, the selected items are those of the lowest means among the well-known.
    """

    name: str = "bandwagon"

    def draft(self, corpus: Corpus, aim: Aim, rows: int, rng: np.random.Generator) -> Draft:
        """See Attack."""
        most = max(round(POPULAR_SHARE * len(corpus.items)), 1)
        popular = np.argsort(-corpus.item_counts, kind="stable")
        if aim.mode == "nuke":
            known = popular[: max(len(popular) // 4, most)]
            popular = known[np.argsort(corpus.item_means[known], kind="stable")]
        return draw_profiles(
            corpus, aim, rows, rng, filler=rate_around_all, selected=popular[:most]
        )


@dataclass(frozen=True)
class LoveHateAttack:
    """Filler items are rated to the other extreme than the target."""

    name: str = "love-hate"

    def draft(self, corpus: Corpus, aim: Aim, rows: int, rng: np.random.Generator) -> Draft:
        """See Attack."""
        return draw_profiles(corpus, aim, rows, rng, filler=rate_opposite)


@dataclass(frozen=True)
class SegmentAttack:
    """Items that users of the targets rate, too, are rated like the target, all others opposite."""

    name: str = "segment"

    def draft(self, corpus: Corpus, aim: Aim, rows: int, rng: np.random.Generator) -> Draft:
        """See Attack."""
        near = find_neighbours(corpus, aim.items)
        return draw_profiles(corpus, aim, rows, rng, filler=rate_opposite, selected=near)


@dataclass(frozen=True)
class NoiseAttack:
    """Any items, any ratings that were ever given: vandalism without a target."""

    name: str = "noise"

    def draft(self, corpus: Corpus, aim: Aim, rows: int, rng: np.random.Generator) -> Draft:
        """See Attack."""
        size = profile_size(corpus)
        size = min(size, len(corpus.items))
        account = np.arange(rows) // size
        levels = np.unique(corpus.rating)
        item = np.concatenate([draw_items(corpus, size, rng) for _ in range(account[-1] + 1)])
        return Draft(account, item[:rows], rng.choice(levels, rows), np.ones(rows, dtype=bool))


@dataclass(frozen=True)
class ReviewAttack:
    """Accounts that write nothing but fake reviews, `per_account` of them each.

    Without target items both sides are written in turn, wherever genuine reviews are: an attack on
    what is concluded of an attribute, not on an item.
    """

    per_account: int = 2
    name: str = "fake-reviews"

    def draft(self, corpus: Corpus, aim: Aim, rows: int, rng: np.random.Generator) -> Draft:
        """See Attack."""
        chances = corpus.item_counts / corpus.n
        pool = np.array(aim.items, dtype=np.int64)
        item = (
            np.resize(pool, rows)
            if len(pool)
            else rng.choice(len(corpus.items), rows, p=chances).astype(np.int64)
        )
        is_high = np.arange(rows) % 2 == 0 if not len(pool) else np.full(rows, aim.mode == "push")
        rating = np.where(is_high, corpus.highest, corpus.lowest)
        each = min(self.per_account, len(pool)) if len(pool) else self.per_account
        return Draft(np.arange(rows) // each, item, rating, np.ones(rows, dtype=bool))


ATTACKS: Final[dict[str, Attack]] = {
    attack.name: attack
    for attack in (
        RandomAttack(), AverageAttack(), BandwagonAttack(), LoveHateAttack(), SegmentAttack(),
        NoiseAttack(), ReviewAttack(),
    )
}  # fmt: skip


def choose_targets(corpus: Corpus, mode: Mode, *, most: int = 1) -> tuple[int, ...]:
    """Items worth attacking, by rule.

    "push": of the items with at least three ratings, those of the lowest mean, then the least
    rated: what nobody would recommend. "nuke": the highest mean among the quarter most rated.
    """
    counts, means = corpus.item_counts, corpus.item_means
    if mode == "push":
        pool = np.flatnonzero(counts >= min(3, counts.max()))
        order = np.lexsort((pool, counts[pool], means[pool]))
    else:
        pool = np.argsort(-counts, kind="stable")[: max(len(counts) // 4, 1)]
        order = np.lexsort((pool, -means[pool]))
    return tuple(int(code) for code in pool[order][:most])


def size_of(corpus: Corpus, share: float, *, is_of_read: bool = False) -> int:
    """Fake rows that make `share` of the genuine ones (that were read), at least 1."""
    if not 0 < share <= 1:
        raise ConfigError(f"an attack of size {share} cannot be; use a share of the data, 0 to 1")
    return max(round(share * (corpus.n_read if is_of_read else corpus.n)), 1)


def forge(
    attack: Attack,
    corpus: Corpus,
    aim: Aim,
    rows: int,
    rng: np.random.Generator,
    *,
    writer: Writer = write_templates,
) -> pl.DataFrame:
    """The attack as `rows` reviews with the columns of the corpus, by account."""
    if aim.attribute is not None and aim.attribute not in corpus.attributes:
        raise ConfigError(
            f"no attribute {aim.attribute!r} to write of; there are {', '.join(corpus.attributes)}"
        )
    draft = attack.draft(corpus, aim, rows, rng).head(rows)
    return write_rows(draft, say(draft, corpus, aim), corpus, rng, days=aim.days, writer=writer)


def write_rows(
    draft: Draft,
    says: Says,
    corpus: Corpus,
    rng: np.random.Generator,
    *,
    days: int = DAYS,
    writer: Writer = write_templates,
) -> pl.DataFrame:
    """Reviews of a draft: names, dates in the last `days`, texts that say `says` (m, attributes).

    They are marked as verified as often as genuine reviews are, and have no text where those have
    none.
    """
    rows = len(draft.account)
    names = np.array([f"n{rng.bytes(8).hex()}" for _ in range(int(draft.account.max()) + 1)])
    last = corpus.frame["event_date"].max()
    back = rng.integers(min(days, int(corpus.day.max()) + 1), size=rows).astype(np.int64)
    texts = writer(says, corpus.attributes, rng) if corpus.has_texts else [""] * rows
    verified = float(corpus.frame["is_verified"].mean() or 0.0)  # type: ignore[arg-type]
    columns: dict[str, Any] = {
        "review_id": [f"f{rng.bytes(8).hex()}" for _ in range(rows)],
        "user_id": names[draft.account],
        "item_id": np.array(corpus.items)[draft.item],
        "event_date": pl.Series([last] * rows, dtype=pl.Date).dt.offset_by(
            pl.Series([f"-{ago}d" for ago in back])
        ),
        "rating": draft.rating,
        "text": texts,
        "is_verified": rng.random(rows) < verified,
        "is_read": [True] * rows,
        **{SAYS + name: says[:, at] for at, name in enumerate(corpus.attributes)},
    }
    return pl.DataFrame(columns, schema=corpus.frame.schema)


def say(draft: Draft, corpus: Corpus, aim: Aim) -> Says:
    """What each row says of each attribute, shape (m, attributes)."""
    says = np.zeros((len(draft.account), len(corpus.attributes)), dtype=np.int8)
    if aim.attribute is not None:
        middle = (corpus.lowest + corpus.highest) / 2
        side = np.where(draft.rating > middle, 1, -1) * (1 if aim.tale == "agree" else -1)
        says[:, corpus.attributes.index(aim.attribute)] = np.where(draft.is_target, side, 0)
    return says
