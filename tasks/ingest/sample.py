"""The sample world: users, items, exposures, clicks, ratings and written reviews of known causes.

The rating of user u for item i, written before anything is rounded, is

    m(u, i) = 3.30 + g(u, i) + e_u + sum over attributes a of (positive_a P_a + negative_a N_a)
    g(u, i) = brand + category + price curve of i + mood of u's segment + strictness curve of u

with |g| <= 0.95. P_a and N_a say whether the review praises or faults attribute a (neither: not
mentioned, or a neutral remark); e_u is a user's own level, |e_u| <= 0.10; noise is uniform,
|noise| <= 0.099. The coefficients are such that 1 < m + noise < 5 in every case, and the rating is
floor(m + noise + U), U uniform on [0, 1): an integer from 1 to 5 whose mean is exactly m. No rating
is ever clipped, so `positive_a` and `negative_a` are the causal effects on the integer rating.

Confounders. Brand and category (one-hot), price (half a sine wave over 20 to 200 dollars), segment
(one-hot) and strictness (half a sine wave over 0 to 1) are all in the items and users that are
delivered: a regression on one-hots and splines of a few knots is unbiased. They also decide what
reviews speak of: an opinion on a comes with chance mention_a (1 + 0.25 strictness curve), and is
praise with a logistic chance in the same components. Given the confounders, attributes are
independent of one another, of e_u and of the noise. Every state keeps a chance of 0.018 or more.

The bias of the naive difference. Write w for the chance of a cell x of confounders among reviews,
p_a(x) and n_a(x) for the chances of praise and fault there. Those who praise a rate on average

    E[R | P_a] = 3.30 + positive_a + sum_x w p_a (g + h_a) / sum_x w p_a
    h_a(x)     = sum over b != a of (positive_b p_b + negative_b n_b)

and the same with n_a and negative_a, or with 1 - p_a - n_a and 0 (and the mean e_u of the users of
each cell, which is next to nothing). The naive contrast of praise and fault is the difference of
two such means: the true effect, plus the difference in what g and the *other* attributes add among
those who praise a and among those who fault it. Every sum is over the finitely many cells, so
`Truth.naive` is exact. In the default world, from fault to praise:

    attribute       true   naive    bias
    price           0.45   -0.28   -0.73
    sound_quality   0.55    1.04    0.49
    durability      0.35    0.87    0.52
    ease_of_use     0.00    0.62    0.62
    size_fit        0.20    0.68    0.48
    shipping        0.15   -0.46   -0.61

Good brands are easy to use: reviews that praise ease of use rate 0.62 points higher, and ease of
use does nothing at all. Those who find an item expensive rate it higher than those who find it
cheap (it is the better item), and yet the complaint costs 0.45 points.

Exposures. A request is served by one policy, drawn for that request alone: `uniform` (10%),
`popularity` (30%) or `personalised` (60%). Five slots show one item from each of five shelves, the
shelves in random rotation, so the recorded propensity, the chance that this policy shows this item
to this user in this slot, is exact. A click has chance examination(slot) x appeal(segment, item),
examination = 1, 0.8, 0.65, 0.5, 0.4. The policies that are not uniform put better items in higher
slots, so their click rates overstate the position effect; the uniform slice does not.

Reviews come from all purchases, the log shows some of the shop's traffic: a review need not have
an exposure in it.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tasks.ingest.sample_drops import (
    ATTACK_FILE,
    MANIFEST_FILE,
    TRUTH_FILE,
    name_item,
    name_user,
    write_correction,
    write_drops,
)
from tasks.ingest.sample_world import (
    ATTRIBUTE_NAMES,
    BRANDS,
    CATEGORIES,
    POLICIES,
    SEGMENTS,
    STRICTNESS_LEVELS,
    AttackSpec,
    Catalogue,
    Exposures,
    Floats,
    Ints,
    Reviews,
    Truth,
    WorldSpec,
    make_catalogue,
    policy_table,
    simulate_exposures,
    simulate_reviews,
    work_out_truth,
)

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "ATTACK_FILE",
    "ATTRIBUTE_NAMES",
    "MANIFEST_FILE",
    "POLICIES",
    "TRUTH_FILE",
    "AttackSpec",
    "Truth",
    "World",
    "WorldSpec",
    "simulate",
    "target_propensities",
    "write_correction",
    "write_drops",
]


@dataclass(frozen=True)
class World:
    """A sample world in memory, as it truly is: no faults, no attack, the correction applied.

    `users`: user_id, segment, strictness [0, 1], first_day. `items`: item_id, brand, category,
    price_usd, first_day. `reviews`: user_id, item_id, day, second, rating (1-5), expected (mean
    rating before noise), title, text (empty when not written), and per attribute `<name>` (-1, 0,
    1) and `<name>__is_mentioned`. `exposures`: user_id, item_id, day, second, policy, position
    (1-5), propensity, is_clicked, is_converted. Days count from 0.
    """

    spec: WorldSpec
    users: "pl.DataFrame"
    items: "pl.DataFrame"
    reviews: "pl.DataFrame"
    exposures: "pl.DataFrame"
    truth: Truth


def simulate(spec: WorldSpec, *, is_written: bool = True) -> World:
    """The whole world of `spec`; `is_written=False` leaves out titles and texts, and is faster."""
    import polars as pl

    catalogue = make_catalogue(spec)
    days = range(spec.n_days)
    reviews = [
        _frame_reviews(day, simulate_reviews(catalogue, day, is_written=is_written)) for day in days
    ]
    exposures = [_frame_exposures(day, simulate_exposures(catalogue, day)) for day in days]
    return World(
        spec=spec,
        users=_frame_users(catalogue),
        items=_frame_items(catalogue),
        reviews=pl.concat(reviews),
        exposures=pl.concat(exposures),
        truth=work_out_truth(catalogue),
    )


def target_propensities(world: World, policy: str) -> Floats:
    """Chance that `policy` would have filled each logged slot with the item that was shown.

    Shape (rows of `world.exposures`,), in [0, 1]. Divided by the logged propensity this is the
    weight of inverse-propensity scoring. Raises ConfigError for an unknown policy.
    """
    catalogue = make_catalogue(world.spec)
    log = world.exposures
    segment = catalogue.segment[_index_ids(log["user_id"])]
    item = _index_ids(log["item_id"])
    slot = log["position"].to_numpy() - 1
    day = log["day"].to_numpy()
    result = np.empty(len(log))
    for today in range(world.spec.n_days):
        at = np.flatnonzero(day == today)
        table = policy_table(catalogue, policy, today)
        result[at] = table[slot[at], segment[at], item[at]]
    return result


def _index_ids(ids: "pl.Series") -> Ints:
    return np.asarray(ids.str.slice(1).cast(int).to_numpy() - 1)


def _frame_users(catalogue: Catalogue) -> "pl.DataFrame":
    import polars as pl

    return pl.DataFrame(
        {
            "user_id": [name_user(at) for at in range(len(catalogue.segment))],
            "segment": [SEGMENTS[code] for code in catalogue.segment],
            "strictness": catalogue.strictness / (STRICTNESS_LEVELS - 1),
            "first_day": catalogue.user_day,
        }
    )


def _frame_items(catalogue: Catalogue) -> "pl.DataFrame":
    import polars as pl

    return pl.DataFrame(
        {
            "item_id": [name_item(at) for at in range(len(catalogue.brand))],
            "brand": [BRANDS[code] for code in catalogue.brand],
            "category": [CATEGORIES[code] for code in catalogue.category],
            "price_usd": catalogue.price_usd,
            "first_day": catalogue.item_day,
        }
    )


def _frame_reviews(day: int, reviews: Reviews) -> "pl.DataFrame":
    import polars as pl

    n = len(reviews.user)
    columns: dict[str, object] = {
        "user_id": [name_user(int(user)) for user in reviews.user],
        "item_id": [name_item(int(item)) for item in reviews.item],
        "day": np.full(n, day),
        "second": reviews.second,
        "rating": reviews.rating,
        "expected": reviews.expected,
        "title": reviews.titles or [""] * n,
        "text": reviews.texts or [""] * n,
    }
    for at, name in enumerate(ATTRIBUTE_NAMES):
        columns[name] = reviews.polarity[:, at]
        columns[f"{name}__is_mentioned"] = reviews.is_mentioned[:, at]
    strings = dict.fromkeys(("user_id", "item_id", "title", "text"), pl.String)
    return pl.DataFrame(columns, schema_overrides=strings)


def _frame_exposures(day: int, log: Exposures) -> "pl.DataFrame":
    import polars as pl

    return pl.DataFrame(
        {
            "user_id": [name_user(int(user)) for user in log.user],
            "item_id": [name_item(int(item)) for item in log.item],
            "day": np.full(len(log.user), day),
            "second": log.second,
            "policy": [POLICIES[code] for code in log.policy],
            "position": log.position,
            "propensity": log.propensity,
            "is_clicked": log.is_clicked,
            "is_converted": log.is_converted,
        },
        schema_overrides=dict.fromkeys(("user_id", "item_id", "policy"), pl.String),
    )
