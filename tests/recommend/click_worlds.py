"""Logs of the sample world to learn a recommender from, and what a ranking is truly worth.

A click on item i in slot p has chance examination(p) x appeal(segment of u, i); the appeal is the
truth that a ranking is judged by and no training sees. `value` is the mean appeal of the five items
listed, over users.

The logs, from the mildest to the harshest:
    as it is       the three policies of the sample world. Every policy shows each item in all slots
                   and better items a little higher: a plain click rate per segment and item ranks
                   almost as the truth does, given enough data.
    sold slots     one request in ten is served uniformly; otherwise one item of each shelf is drawn
                   by popularity, and the slots are given in order of bids. Brands bid (and items,
                   half as much), whatever their appeal. A low bidder is looked at less than half as
                   often (0.4 against 1.0): the plain click rate ranks by bid too.
    worst pay      the same, but the worse a brand the more it bids: who sells least by itself
                   advertises most.

Where slots are sold the recorded propensity is the chance that the item is shown at all to this user.
"""

from dataclasses import dataclass

import numpy as np

from tasks.ingest.sample_world import (
    BRAND_QUALITY,
    BRANDS,
    CATEGORIES,
    EXAMINATION,
    N_SLOTS,
    SEGMENTS,
    Catalogue,
    WorldSpec,
    click_appeal,
    make_catalogue,
    simulate_exposures,
)
from tasks.recommend.data import Ratings
from tasks.recommend.models import Recommender

LOGS = ("as it is", "sold slots", "worst pay")
TOP_K = 5


@dataclass(frozen=True)
class Log:
    """n shown items: codes, slot from 0, recorded propensity, click; each of shape (n,)."""

    user: np.ndarray
    item: np.ndarray
    slot: np.ndarray
    propensity: np.ndarray
    is_clicked: np.ndarray


def draw_log(kind: str, spec: WorldSpec) -> tuple[Catalogue, Log]:
    """A catalogue and the log of one of LOGS, of about the same length whichever it is."""
    catalogue = make_catalogue(spec)
    if kind != "as it is":
        rng = np.random.default_rng([spec.seed, 99])
        return catalogue, sell_slots(catalogue, rng, is_adverse=kind == "worst pay")
    days = [simulate_exposures(catalogue, day) for day in range(spec.n_days)]
    user, item, position, propensity, is_clicked = (
        np.concatenate([getattr(day, name) for day in days])
        for name in ("user", "item", "position", "propensity", "is_clicked")
    )
    return catalogue, Log(user, item, position - 1, propensity, is_clicked)


def sell_slots(catalogue: Catalogue, rng: np.random.Generator, *, is_adverse: bool) -> Log:
    """The log of a shop that sells its slots, all items and users there from the first day."""
    spec = catalogue.spec
    n = spec.exposures_per_day * spec.n_days // N_SLOTS
    quality = BRAND_QUALITY[catalogue.brand] / BRAND_QUALITY.max()
    bids = rng.normal(size=spec.n_items) * 0.5 - (quality if is_adverse else 0.0)
    if not is_adverse:
        bids += rng.normal(size=len(BRANDS))[catalogue.brand]
    user = rng.integers(0, spec.n_users, n)
    is_uniform = rng.random(n) < 0.1
    slate, chance = np.empty((n, N_SLOTS), dtype=np.int64), np.empty((n, N_SLOTS))
    for shelf in range(N_SLOTS):
        items = np.arange(shelf, spec.n_items, N_SLOTS)
        weights = np.exp(catalogue.popularity[items])
        known = {False: weights / weights.sum(), True: np.full(len(items), 1 / len(items))}
        for flag, chances in known.items():
            rows = np.flatnonzero(is_uniform == flag)
            picks = rng.choice(len(items), len(rows), p=chances)
            slate[rows, shelf], chance[rows, shelf] = items[picks], chances[picks]
    keys = np.where(is_uniform[:, None], rng.random(slate.shape), -bids[slate])
    slot = keys.argsort(axis=1).argsort(axis=1)
    segment = catalogue.segment[user][:, None]
    looks = rng.random(slate.shape) < EXAMINATION[slot] * click_appeal(catalogue)[segment, slate]
    users = np.repeat(user, N_SLOTS)
    return Log(users, slate.ravel(), slot.ravel(), chance.ravel(), looks.ravel())


def make_ratings(catalogue: Catalogue, log: Log, *, is_corrected: bool) -> Ratings:
    """Clicks as ratings, divided by the chance of a look when `is_corrected`; features of both sides."""
    spec = catalogue.spec
    users = np.hstack([
        np.eye(len(SEGMENTS))[catalogue.segment], (catalogue.strictness / 20 - 0.5)[:, None]
    ])  # fmt: skip
    price = (catalogue.price_usd - catalogue.price_usd.mean()) / catalogue.price_usd.std()
    items = np.hstack([
        np.eye(len(BRANDS))[catalogue.brand], np.eye(len(CATEGORIES))[catalogue.category],
        price[:, None],
    ])  # fmt: skip
    values = log.is_clicked.astype(float)
    if is_corrected:
        values = values / EXAMINATION[log.slot]
    ids = (tuple(map(str, range(size))) for size in (spec.n_users, spec.n_items))
    return Ratings(log.user, log.item, values, *ids, users, items, (0.0, 1 / EXAMINATION.min()))


def find_value(catalogue: Catalogue, scores: np.ndarray) -> float:
    """Mean appeal of the `TOP_K` items with the highest `scores` (users, items), over users."""
    appeal = click_appeal(catalogue)[catalogue.segment]
    tops = np.argsort(-scores, axis=1, kind="stable")[:, :TOP_K]
    return float(np.take_along_axis(appeal, tops, axis=1).mean())


def find_loss(catalogue: Catalogue, model: Recommender) -> float:
    """Share of the oracle's value that the model's ranking loses."""
    best = find_value(catalogue, click_appeal(catalogue)[catalogue.segment])
    return 1 - find_value(catalogue, model.predict_grid()) / best
