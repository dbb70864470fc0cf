"""Profiles of fake accounts: which items they rate, and how."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from tasks.platform.errors import ConfigError
from tasks.robustness.corpus import Corpus, Flags, Floats, Ints

Mode = Literal["push", "nuke"]
Tale = Literal["agree", "contradict"]
Rate = Callable[[Corpus, Ints, float, np.random.Generator], Floats]
"""(corpus, filler items, rating of the targets, randomness) -> ratings of the filler items."""

DAYS: Final = 7
MIN_PROFILE: Final = 2
POPULAR_SHARE: Final = 0.05
"""Items, the most rated, that a bandwagon jumps on."""
SELECTED_SHARE: Final = 0.5
"""Share of the filler that goes to selected items, where an attack selects some."""


@dataclass(frozen=True)
class Aim:
    """What an attack is for.

    `items` are codes of target items (none: wherever genuine reviews are, in proportion), which
    "push" rates highest and "nuke" lowest. Texts on them speak of `attribute`: praise beside high
    ratings and blame beside low ones ("agree": its effect grows), or the reverse ("contradict").
    Reviews are dated in the last `days`.
    """

    items: tuple[int, ...]
    mode: Mode = "push"
    attribute: str | None = None
    tale: Tale = "agree"
    days: int = DAYS


@dataclass(frozen=True, eq=False)
class Draft:
    """Fake ratings, each part of shape (m,).

    Code of the account (from 0, in order), of the item, the rating, and whether the row serves the
    aim.
    """

    account: Ints
    item: Ints
    rating: Floats
    is_target: Flags

    def head(self, rows: int) -> "Draft":
        """The first `rows`."""
        return Draft(
            self.account[:rows], self.item[:rows], self.rating[:rows], self.is_target[:rows]
        )


def profile_size(corpus: Corpus) -> int:
    """Reviews of a fake account: the median of genuine accounts, at least two."""
    return max(int(np.median(np.bincount(corpus.user))), MIN_PROFILE)


def find_neighbours(corpus: Corpus, targets: tuple[int, ...]) -> Ints:
    """Items that users of the targets also rated highly, most often first, as many as are popular."""
    is_of = np.isin(corpus.item, targets)
    raters = np.unique(corpus.user[is_of])
    liked = np.isin(corpus.user, raters) & (corpus.rating >= np.median(corpus.rating)) & ~is_of
    counts = np.bincount(corpus.item[liked], minlength=len(corpus.items))
    order = np.lexsort((np.arange(len(counts)), -corpus.item_counts, -counts))
    most = max(round(POPULAR_SHARE * len(corpus.items)), 1)
    return order[~np.isin(order, targets)][:most].astype(np.int64)


@dataclass(frozen=True, eq=False)
class _Plan:
    """What one profile is made of."""

    targets: Ints
    selected: Ints
    extreme: float
    size: int
    filler: Rate


def draw_profiles(
    corpus: Corpus,
    aim: Aim,
    rows: int,
    rng: np.random.Generator,
    *,
    filler: Rate,
    selected: Ints | None = None,
    size: int | None = None,
) -> Draft:
    """Profiles of targets, selected items (rated like targets) and filler, one after the other."""
    if not aim.items:
        raise ConfigError("this attack needs target items; name some, or use fake-reviews")
    plan = _Plan(
        targets=np.array(aim.items, dtype=np.int64),
        selected=np.zeros(0, dtype=np.int64) if selected is None else selected,
        extreme=corpus.highest if aim.mode == "push" else corpus.lowest,
        size=size or profile_size(corpus),
        filler=filler,
    )
    parts: list[tuple[Ints, Floats, Flags]] = []
    while sum(len(part[0]) for part in parts) < rows:
        parts.append(_draw_profile(corpus, plan, rng))
    sizes = [len(part[0]) for part in parts]
    return Draft(
        account=np.repeat(np.arange(len(parts)), sizes),
        item=np.concatenate([part[0] for part in parts]),
        rating=np.concatenate([part[1] for part in parts]),
        is_target=np.concatenate([part[2] for part in parts]),
    )


def _draw_profile(
    corpus: Corpus, plan: _Plan, rng: np.random.Generator
) -> tuple[Ints, Floats, Flags]:
    n_targets = min(len(plan.targets), max(plan.size // 2, 1))
    targets = rng.permutation(plan.targets)[:n_targets]
    room = plan.size - n_targets
    chosen = rng.permutation(plan.selected[~np.isin(plan.selected, plan.targets)])
    chosen = chosen[: round(SELECTED_SHARE * room)]
    others = np.setdiff1d(np.arange(len(corpus.items)), np.concatenate([plan.targets, chosen]))
    fill = rng.permutation(others)[: max(room - len(chosen), 0)]
    item = np.concatenate([targets, chosen, fill]).astype(np.int64)
    extremes = np.full(n_targets + len(chosen), plan.extreme)
    rating = np.concatenate([extremes, plan.filler(corpus, fill, plan.extreme, rng)])
    return item, rating, np.arange(len(item)) < n_targets


def draw_items(corpus: Corpus, size: int, rng: np.random.Generator) -> Ints:
    """Distinct items at random."""
    return rng.permutation(len(corpus.items))[:size].astype(np.int64)


def rate_around_all(
    corpus: Corpus, items: Ints, _extreme: float, rng: np.random.Generator
) -> Floats:
    """Filler ratings around the mean of all."""
    spread = float(corpus.rating.std())
    return _round(corpus, rng.normal(corpus.rating.mean(), spread, len(items)))


def rate_around_item(
    corpus: Corpus, items: Ints, _extreme: float, rng: np.random.Generator
) -> Floats:
    """Filler ratings around each item's own mean."""
    residual = float((corpus.rating - corpus.item_means[corpus.item]).std())
    return _round(corpus, rng.normal(corpus.item_means[items], residual))


def rate_opposite(corpus: Corpus, items: Ints, extreme: float, _rng: np.random.Generator) -> Floats:
    """Filler ratings at the other extreme than the targets."""
    other = corpus.lowest if extreme == corpus.highest else corpus.highest
    return np.full(len(items), other)


def _round(corpus: Corpus, values: Floats) -> Floats:
    clipped: Floats = np.clip(np.round(values), corpus.lowest, corpus.highest)
    return clipped
