"""The model behind the sample world: who is there, what is shown, clicked, rated and said.

`tasks.ingest.sample` states the model in words and works out the bias of the naive difference.
Everything of one day comes from generators seeded by (seed, stream, day): a day is the same
whatever the number of days, and days can be made one at a time.
"""

import json
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tasks.ingest.sample_text import write_reviews
from tasks.platform.errors import ConfigError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BRANDS: Final = ("Norvik", "Tamaro", "Belden", "Quorra", "Ostara", "Lumeo", "Halden", "Savant")
BRAND_QUALITY: Final = np.array([-0.40, -0.40, -0.25, -0.10, 0.10, 0.25, 0.40, 0.40])
CATEGORIES: Final = ("headphones", "speaker", "radio", "soundbar", "microphone", "turntable")
CATEGORY_QUALITY: Final = np.array([0.10, 0.06, 0.02, -0.02, -0.06, -0.10])
SEGMENTS: Final = ("casual", "enthusiast", "professional", "gift")
SEGMENT_SHARES: Final = np.array([0.35, 0.30, 0.20, 0.15])
SEGMENT_MOOD: Final = np.array([0.10, -0.05, -0.10, 0.05])
SEGMENT_TASTE: Final = np.array(
    [
        [0.3, 0.5, 0.2, -0.1, -0.5, -0.4],
        [0.4, -0.1, -0.4, 0.1, 0.0, 0.5],
        [0.2, 0.1, -0.5, -0.3, 0.5, 0.0],
        [0.0, 0.4, 0.5, -0.2, -0.4, -0.3],
    ]
)
"""Taste of segment s for category c, in [-0.5, 0.5]: what is shown, clicked and reviewed."""
STRICTNESS_LEVELS: Final = 21
"""Strictness takes the values 0, 0.05, … 1."""
PRICE_RANGE_USD: Final = (20.0, 200.0)
PRICE_REACH: Final = 0.20
STRICTNESS_REACH: Final = 0.15
USER_REACH: Final = 0.10
NOISE_REACH: Final = 0.099
"""Half-widths, in rating points, of what each adds to the expected rating."""
MAX_LOGIT: Final = 2.5
NEUTRAL_SHARE: Final = 0.015
STRICTNESS_TALK: Final = 0.25

EXAMINATION: Final = np.array([1.0, 0.8, 0.65, 0.5, 0.4])
"""Chance that a shopper looks at slots 1 … 5 of a slate: the position effect on clicks."""
N_SLOTS: Final = len(EXAMINATION)
POLICIES: Final = ("uniform", "popularity", "personalised")
POLICY_SHARES: Final = np.array([0.10, 0.30, 0.60])
SLOT_TEMPERATURE: Final = np.linspace(0.8, 1.6, N_SLOTS)
"""Top slots are greedier, so better items stand higher: positions are confounded by appeal."""
CONVERSION_RATE: Final = 0.15
LAUNCH_DAYS: Final = 30
LATE_ITEM_SHARE: Final = 0.10
LATE_USER_SHARE: Final = 0.20
WEEKDAY_FACTOR: Final = (0.92, 0.92, 0.92, 0.92, 0.92, 1.2, 1.2)
SECONDS_PER_DAY: Final = 86_400

_STREAMS: Final = {
    "items": 1, "users": 2, "reviews": 3, "texts": 4, "exposures": 5, "faults": 6,
    "withdrawn": 7, "attack": 8,
}  # fmt: skip


@dataclass(frozen=True)
class AttributeModel:
    """How one attribute comes about and what it does.

    `positive` and `negative` are the effects on the rating, in points, against not mentioned or
    neutral. `mention` is the chance of an opinion for a reviewer of average strictness. The
    log-odds that an opinion is positive are `offset` plus the other fields times the components
    of `Cells.components`, each in [-1, 1], clipped to ±`MAX_LOGIT`.
    """

    name: str
    positive: float
    negative: float
    mention: float
    offset: float
    brand: float
    category: float
    price: float
    segment: float
    strictness: float

    @property
    def slopes(self) -> Floats:
        """Slopes on brand, category, price, segment, strictness, shape (5,)."""
        return np.array([self.brand, self.category, self.price, self.segment, self.strictness])


ATTRIBUTES: Final = (
    AttributeModel("price", 0.15, -0.30, 0.38, 0.0, -2.2, -0.2, -1.5, -0.3, -0.2),
    AttributeModel("sound_quality", 0.25, -0.30, 0.42, 0.2, 1.5, 0.3, 0.8, 0.2, 0.6),
    AttributeModel("durability", 0.05, -0.30, 0.34, 0.0, 1.6, 0.2, 0.6, 0.2, 0.5),
    AttributeModel("ease_of_use", 0.0, 0.0, 0.36, 0.1, 2.0, 0.5, 0.8, 0.8, 1.0),
    AttributeModel("size_fit", 0.05, -0.15, 0.32, 0.1, 1.0, 0.6, 0.8, 0.4, 0.6),
    AttributeModel("shipping", 0.05, -0.10, 0.34, 0.2, -1.6, 0.0, -1.2, -0.3, -0.6),
)
ATTRIBUTE_NAMES: Final = tuple(model.name for model in ATTRIBUTES)
_POSITIVE: Final = np.array([model.positive for model in ATTRIBUTES])
_NEGATIVE: Final = np.array([model.negative for model in ATTRIBUTES])

CONFOUNDER_REACH: Final = float(
    BRAND_QUALITY.max() + CATEGORY_QUALITY.max() + PRICE_REACH + SEGMENT_MOOD.max()
    + STRICTNESS_REACH
)  # fmt: skip
BASE_RATING: Final = float(1.0 + CONFOUNDER_REACH + USER_REACH + 0.1 - _NEGATIVE.sum())
"""3.30: lowest possible mean 1.001, highest 4.999, so a rating never needs clipping."""


@dataclass(frozen=True)
class AttackSpec:
    """A burst of shill reviews: new users praise `n_items` items of the worst brands."""

    first_day: int = 24
    n_days: int = 3
    reviews_per_day: int = 60
    n_items: int = 3
    n_accounts: int = 40
    rating: int = 5
    praised: str = "sound_quality"


@dataclass(frozen=True)
class WorldSpec:
    """Size and faults of a sample world; everything else follows from `seed`.

    Counts per day are expectations (Poisson, weekends 1.3 times a weekday). `malformed_per_day`
    and `duplicates_per_day` hold for each of the two event tables. `correction_day` (counted from
    0, None for never) is first delivered with `n_misrated` wrong ratings, `n_textless` texts left
    out and `n_withdrawn` reviews that should not be there; `write_correction` delivers it again.
    """

    n_users: int = 1500
    n_items: int = 200
    n_days: int = 30
    first_date: date = date(2024, 3, 1)
    reviews_per_day: int = 300
    exposures_per_day: int = 600
    seed: int = 7
    malformed_per_day: int = 4
    duplicates_per_day: int = 3
    correction_day: int | None = 10
    n_misrated: int = 8
    n_textless: int = 4
    n_withdrawn: int = 5
    typo_rate: float = 0.0
    attack: AttackSpec | None = None

    def __post_init__(self) -> None:
        """Raise ConfigError for sizes that make no world."""
        lowest = {"n_users": 1, "n_items": 2 * N_SLOTS, "n_days": 1, "seed": 0} | dict.fromkeys(
            ("reviews_per_day", "exposures_per_day", "malformed_per_day", "duplicates_per_day",
             "n_misrated", "n_textless", "n_withdrawn"), 0,
        )  # fmt: skip
        for name, low in lowest.items():
            if getattr(self, name) < low:
                raise ConfigError(
                    f"{name} of a sample world is {getattr(self, name)}; use {low} or more"
                )
        if not 0 <= self.typo_rate <= 1:
            raise ConfigError(f"typo_rate is {self.typo_rate}; use a share from 0 to 1")

    def date_of(self, day: int) -> date:
        """Calendar date of day `day`, counted from 0."""
        return self.first_date + timedelta(days=day)


def make_rng(spec: WorldSpec, stream: str, day: int = 0) -> np.random.Generator:
    """Generator of one stream of one day."""
    return np.random.default_rng([spec.seed, _STREAMS[stream], day])


@dataclass(frozen=True)
class Catalogue:
    """Users and items; codes index the tuples above, `*_day` is the day on which each appears.

    Item arrays have shape (n_items,), user arrays (n_users,); `strictness` is a level in
    0 … `STRICTNESS_LEVELS` - 1, `price_usd` in dollars, `user_effect` in rating points.
    """

    spec: WorldSpec
    brand: Ints
    category: Ints
    price_usd: Floats
    popularity: Floats
    item_day: Ints
    segment: Ints
    strictness: Ints
    user_effect: Floats
    user_day: Ints


def make_catalogue(spec: WorldSpec) -> Catalogue:
    """Draw users and items; dearer brands are better brands."""
    rng = make_rng(spec, "items")
    n = spec.n_items
    brand = rng.permutation(np.arange(n) % len(BRANDS))
    category = rng.permutation(np.arange(n) % len(CATEGORIES))
    quality = BRAND_QUALITY[brand] / BRAND_QUALITY.max()
    level = 0.5 + 0.2 * quality + 0.3 * rng.uniform(-1, 1, n)
    low, high = PRICE_RANGE_USD
    popularity = 0.5 * quality + 0.5 * rng.uniform(-1, 1, n)
    item_day = _draw_launch(rng, n, LATE_ITEM_SHARE)
    item_day[: 2 * N_SLOTS] = 0  # every shelf holds two items from the first day on
    rng = make_rng(spec, "users")
    m = spec.n_users
    user_day = _draw_launch(rng, m, LATE_USER_SHARE)
    user_day[0] = 0
    return Catalogue(
        spec=spec,
        brand=brand,
        category=category,
        price_usd=np.round(low + (high - low) * level, 2),
        popularity=popularity,
        item_day=item_day,
        segment=rng.choice(len(SEGMENTS), size=m, p=SEGMENT_SHARES),
        strictness=rng.integers(STRICTNESS_LEVELS, size=m),
        user_effect=rng.uniform(-USER_REACH, USER_REACH, m),
        user_day=user_day,
    )


def _draw_launch(rng: np.random.Generator, n: int, late_share: float) -> Ints:
    late = rng.random(n) < late_share
    return np.where(late, rng.integers(1, LAUNCH_DAYS, size=n), 0)


def scale_components(
    *, brand: Ints, category: Ints, price_usd: Floats, segment: Ints, strictness: Ints
) -> Floats:
    """Confounders as brand, category, price, segment, strictness, each in [-1, 1]; shape (..., 5).

    Price and strictness enter by half a sine wave, which a spline of a few knots spans.
    """
    low, high = PRICE_RANGE_USD
    price = np.sin(np.pi * ((price_usd - low) / (high - low) - 0.5))
    strict = -np.sin(np.pi * (strictness / (STRICTNESS_LEVELS - 1) - 0.5))
    parts = [
        BRAND_QUALITY[brand] / BRAND_QUALITY.max(),
        CATEGORY_QUALITY[category] / CATEGORY_QUALITY.max(),
        price,
        SEGMENT_MOOD[segment] / SEGMENT_MOOD.max(),
        strict,
    ]
    return np.stack(np.broadcast_arrays(*parts), axis=-1)


REACHES: Final = np.array(
    [BRAND_QUALITY.max(), CATEGORY_QUALITY.max(), PRICE_REACH, SEGMENT_MOOD.max(), STRICTNESS_REACH]
)


def state_chances(components: Floats) -> tuple[Floats, Floats]:
    """Chance of a positive and of a negative mention per attribute; shapes (..., attributes).

    Given the confounders the attributes are independent of one another and of the noise.
    """
    slopes = np.stack([model.slopes for model in ATTRIBUTES], axis=-1)
    offsets = np.array([model.offset for model in ATTRIBUTES])
    logit = np.clip(components @ slopes + offsets, -MAX_LOGIT, MAX_LOGIT)
    talk = 1.0 - STRICTNESS_TALK * components[..., 4:5]
    opinion = np.array([model.mention for model in ATTRIBUTES]) * talk
    positive = opinion / (1.0 + np.exp(-logit))
    return positive, opinion - positive


def review_weights(catalogue: Catalogue, day: int) -> Floats:
    """Chance that a review by segment s is of item i; shape (segments, items), rows sum to 1."""
    taste = SEGMENT_TASTE[:, catalogue.category]
    weights = np.exp(0.7 * catalogue.popularity + taste) * (catalogue.item_day <= day)
    total: Floats = weights / weights.sum(axis=1, keepdims=True)
    return total


@dataclass(frozen=True)
class Reviews:
    """n reviews of one day in order of time.

    `user`, `item` are indices, `second` of the day, `polarity` and `is_mentioned` (n, attributes),
    `expected` is the mean rating given everything but noise and rounding; `titles` and `texts` are
    empty when the texts were not asked for.
    """

    user: Ints
    item: Ints
    second: Ints
    rating: Ints
    expected: Floats
    polarity: NDArray[np.int8]
    is_mentioned: NDArray[np.bool_]
    helpful: Ints
    votes: Ints
    is_verified: NDArray[np.bool_]
    titles: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)


def simulate_reviews(catalogue: Catalogue, day: int, *, is_written: bool = True) -> Reviews:
    """All true reviews of one day."""
    spec = catalogue.spec
    rng = make_rng(spec, "reviews", day)
    n = int(rng.poisson(spec.reviews_per_day * WEEKDAY_FACTOR[spec.date_of(day).weekday()]))
    text_rng = make_rng(spec, "texts", day) if is_written else None
    return draw_reviews(catalogue, day, n=n, rng=rng, text_rng=text_rng)


def draw_reviews(
    catalogue: Catalogue,
    day: int,
    *,
    n: int,
    rng: np.random.Generator,
    text_rng: np.random.Generator | None,
) -> Reviews:
    """Draw who reviews what, what is said, and the rating; then write, given a `text_rng`."""
    user = rng.choice(np.flatnonzero(catalogue.user_day <= day), size=n)
    item = _draw_by_row(review_weights(catalogue, day), catalogue.segment[user], rng)
    components = _components_of(catalogue, user, item)
    polarity, is_mentioned = _draw_states(components, rng)
    expected = BASE_RATING + components @ REACHES + catalogue.user_effect[user]
    expected += (polarity > 0) @ _POSITIVE + (polarity < 0) @ _NEGATIVE
    noisy = expected + rng.uniform(-NOISE_REACH, NOISE_REACH, n)
    votes = rng.poisson(1.5, n)
    titles, texts = (
        ([], []) if text_rng is None
        else write_reviews(polarity, is_mentioned, attributes=ATTRIBUTE_NAMES, rng=text_rng,
                           typo_rate=catalogue.spec.typo_rate)
    )  # fmt: skip
    return Reviews(
        user=user, item=item, second=np.sort(rng.integers(SECONDS_PER_DAY, size=n)),
        rating=np.floor(noisy + rng.random(n)).astype(np.int64), expected=expected,
        polarity=polarity, is_mentioned=is_mentioned, helpful=rng.binomial(votes, 0.6),
        votes=votes, is_verified=rng.random(n) < 0.85, titles=titles, texts=texts,
    )  # fmt: skip


def _components_of(catalogue: Catalogue, user: Ints, item: Ints) -> Floats:
    return scale_components(
        brand=catalogue.brand[item],
        category=catalogue.category[item],
        price_usd=catalogue.price_usd[item],
        segment=catalogue.segment[user],
        strictness=catalogue.strictness[user],
    )


def _draw_states(
    components: Floats, rng: np.random.Generator
) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
    """Polarity (n, attributes) and whether the attribute is mentioned at all."""
    positive, negative = state_chances(components)
    draw = rng.random(positive.shape)
    polarity = np.where(draw < positive, 1, np.where(draw < positive + negative, -1, 0))
    is_mentioned = draw < positive + negative + NEUTRAL_SHARE
    return polarity.astype(np.int8), is_mentioned


def _draw_by_row(weights: Floats, rows: Ints, rng: np.random.Generator) -> Ints:
    """One column per entry of `rows`, drawn from that row of `weights` (rows sum to 1)."""
    draw = rng.random(len(rows))
    picks = np.empty(len(rows), dtype=np.int64)
    for row in range(len(weights)):
        places = np.flatnonzero(rows == row)
        allowed = np.flatnonzero(weights[row] > 0)
        bounds = np.cumsum(weights[row, allowed])[:-1]
        picks[places] = allowed[np.searchsorted(bounds, draw[places], side="right")]
    return picks


@dataclass(frozen=True)
class Exposures:
    """n logged slots of one day; codes index `POLICIES`, `position` counts from 1.

    `propensity` is the exact chance that this policy shows this item to this user in this slot.
    """

    request: Ints
    user: Ints
    item: Ints
    second: Ints
    policy: Ints
    position: Ints
    propensity: Floats
    is_clicked: NDArray[np.bool_]
    is_converted: NDArray[np.bool_]


def policy_table(catalogue: Catalogue, policy: str, day: int) -> Floats:
    """Chance that `policy` shows item i in slot p to segment s; shape (slots, segments, items).

    Items stand on as many shelves as a slate has slots (item i on shelf i mod 5). A slate shows one
    item of every shelf, the shelves rotated by a random step, so slot and shelf are independent
    and the chance is exact: 1/5 times a softmax within the item's shelf. Sums to 1 over items.
    """
    if policy not in POLICIES:
        raise ConfigError(f"policy {policy!r} is not one of {', '.join(POLICIES)}")
    taste = 2.0 * SEGMENT_TASTE[:, catalogue.category]
    score = {
        "uniform": np.zeros_like(taste),
        "popularity": np.broadcast_to(catalogue.popularity, taste.shape),
        "personalised": catalogue.popularity + taste,
    }[policy]
    table = np.exp(score[None] / SLOT_TEMPERATURE[:, None, None]) * (catalogue.item_day <= day)
    for shelf in range(N_SLOTS):
        table[..., shelf::N_SLOTS] /= table[..., shelf::N_SLOTS].sum(axis=-1, keepdims=True)
    result: Floats = table / N_SLOTS
    return result


def click_appeal(catalogue: Catalogue) -> Floats:
    """Chance that segment s clicks item i once it looks; shape (segments, items), in [0.1, 0.5]."""
    taste = 3.0 * SEGMENT_TASTE[:, catalogue.category]
    quality = BRAND_QUALITY[catalogue.brand] / BRAND_QUALITY.max()
    return np.asarray(0.1 + 0.4 / (1.0 + np.exp(-(taste + quality - 0.3))))


def simulate_exposures(catalogue: Catalogue, day: int) -> Exposures:
    """The log of one day: requests, the policy of each, its slate, clicks and conversions."""
    spec = catalogue.spec
    rng = make_rng(spec, "exposures", day)
    factor = WEEKDAY_FACTOR[spec.date_of(day).weekday()]
    n = int(rng.poisson(spec.exposures_per_day / N_SLOTS * factor))
    asker = rng.choice(np.flatnonzero(catalogue.user_day <= day), size=n)
    policy = rng.choice(len(POLICIES), size=n, p=POLICY_SHARES)
    second = np.sort(rng.integers(SECONDS_PER_DAY, size=n))
    rotation = rng.integers(N_SLOTS, size=n)
    request = np.repeat(np.arange(n), N_SLOTS)
    slot = np.tile(np.arange(N_SLOTS), n)
    segment = catalogue.segment[asker[request]]
    shelf = (rotation[request] + slot) % N_SLOTS
    item, propensity = _fill_slots(
        catalogue, day, policy=policy[request], slot=slot, segment=segment, shelf=shelf, rng=rng
    )
    chance = EXAMINATION[slot] * click_appeal(catalogue)[segment, item]
    is_clicked = rng.random(len(item)) < chance
    is_converted = is_clicked & (rng.random(len(item)) < CONVERSION_RATE)
    return Exposures(
        request=request, user=asker[request], item=item, second=second[request],
        policy=policy[request], position=slot + 1, propensity=propensity,
        is_clicked=is_clicked, is_converted=is_converted,
    )  # fmt: skip


def _fill_slots(
    catalogue: Catalogue,
    day: int,
    *,
    policy: Ints,
    slot: Ints,
    segment: Ints,
    shelf: Ints,
    rng: np.random.Generator,
) -> tuple[Ints, Floats]:
    """Item and its propensity for every slot."""
    item = np.empty(len(slot), dtype=np.int64)
    propensity = np.empty(len(slot))
    row = (slot * len(SEGMENTS) + segment) * N_SLOTS + shelf
    for code, name in enumerate(POLICIES):
        places = np.flatnonzero(policy == code)
        table = policy_table(catalogue, name, day)
        on_shelf = np.arange(len(catalogue.brand)) % N_SLOTS == np.arange(N_SLOTS)[:, None]
        rows = (table[:, :, None, :] * on_shelf * N_SLOTS).reshape(-1, table.shape[-1])
        item[places] = _draw_by_row(rows, row[places], rng)
        propensity[places] = table[slot[places], segment[places], item[places]]
    return item, propensity


@dataclass(frozen=True)
class Truth:
    """What an analysis of the drops should find.

    `effects[attribute][contrast]`: causal effect on the rating in points, against not mentioned
    or neutral (`positive`, `negative`) and of a negative turned positive (`negative_to_positive`).
    `naive`: what the plain difference of mean ratings converges to; `naive_bias` = naive - effects.
    `position_effect`: per slot, chance to be looked at, click rate under the uniform policy, and
    that rate less the first slot's. `policy_values`: clicks per exposure over the window.
    """

    effects: dict[str, dict[str, float]]
    naive: dict[str, dict[str, float]]
    naive_bias: dict[str, dict[str, float]]
    position_effect: dict[str, list[float]]
    policy_values: dict[str, float]
    conversion_rate: float

    def to_json(self) -> str:
        """JSON text, keys as the fields."""
        return json.dumps(asdict(self), indent=2) + "\n"


def work_out_truth(catalogue: Catalogue) -> Truth:
    """Exact expectations over the users, items and days of this world (no sampling)."""
    effects = {model.name: _contrasts(model.positive, model.negative, 0.0) for model in ATTRIBUTES}
    naive = _work_out_naive(catalogue)
    bias = {
        name: {key: naive[name][key] - value for key, value in row.items()}
        for name, row in effects.items()
    }
    rates, values = _work_out_clicks(catalogue)
    return Truth(
        effects=effects,
        naive=naive,
        naive_bias=bias,
        position_effect={
            "examination": EXAMINATION.tolist(),
            "click_rate_uniform": rates,
            "click_rate_difference": [rate - rates[0] for rate in rates],
        },
        policy_values=values,
        conversion_rate=CONVERSION_RATE,
    )


def _contrasts(positive: float, negative: float, reference: float) -> dict[str, float]:
    return {
        "positive": positive - reference,
        "negative": negative - reference,
        "negative_to_positive": positive - negative,
    }


def _work_out_naive(catalogue: Catalogue) -> dict[str, dict[str, float]]:
    """Limits of the differences of means, summed over all cells of user type and item."""
    weight, user_effect = _weigh_cells(catalogue)
    levels = np.arange(STRICTNESS_LEVELS)
    components = scale_components(
        brand=catalogue.brand, category=catalogue.category, price_usd=catalogue.price_usd,
        segment=np.arange(len(SEGMENTS))[:, None, None], strictness=levels[:, None],
    )  # fmt: skip
    positive, negative = state_chances(components)
    own = positive * _POSITIVE + negative * _NEGATIVE
    others = own.sum(axis=-1, keepdims=True) - own
    mean = BASE_RATING + (components @ REACHES + user_effect)[..., None] + others
    states = {1: positive, -1: negative, 0: 1.0 - positive - negative}
    effect = {1: _POSITIVE, -1: _NEGATIVE, 0: np.zeros(len(ATTRIBUTES))}
    axes = (0, 1, 2)
    rated = {
        side: effect[side]
        + (weight[..., None] * chance * mean).sum(axis=axes)
        / (weight[..., None] * chance).sum(axis=axes)
        for side, chance in states.items()
    }
    return {
        name: _contrasts(*(float(rated[side][at]) for side in (1, -1, 0)))
        for at, name in enumerate(ATTRIBUTE_NAMES)
    }


def _weigh_cells(catalogue: Catalogue) -> tuple[Floats, Floats]:
    """Expected share of reviews, and mean user effect, per (segment, strictness level, item)."""
    total = np.zeros((len(SEGMENTS), STRICTNESS_LEVELS, catalogue.spec.n_items))
    effect = np.zeros_like(total)
    for day, factor in _stages(catalogue.spec):
        chosen = factor * review_weights(catalogue, day)[:, None, :]
        total += _share_users(catalogue, day)[..., None] * chosen
        effect += _share_users(catalogue, day, weigh=True)[..., None] * chosen
    return total / total.sum(), np.divide(effect, total, out=effect, where=total > 0)


def _stages(spec: WorldSpec) -> list[tuple[int, float]]:
    """(day, expected share of the window's events) with days after the last launch pooled."""
    shares = np.zeros(min(spec.n_days, LAUNCH_DAYS))
    for day in range(spec.n_days):
        factor = WEEKDAY_FACTOR[spec.date_of(day).weekday()]
        shares[min(day, len(shares) - 1)] += factor
    return [(day, float(share)) for day, share in enumerate(shares / shares.sum())]


def _share_users(catalogue: Catalogue, day: int, *, weigh: bool = False) -> Floats:
    """Share of users there on `day` per (segment, strictness level), or summed user effects."""
    there = catalogue.user_day <= day
    code = catalogue.segment[there] * STRICTNESS_LEVELS + catalogue.strictness[there]
    weights = catalogue.user_effect[there] if weigh else None
    counts = np.bincount(code, weights, minlength=len(SEGMENTS) * STRICTNESS_LEVELS)
    return np.asarray(counts.reshape(len(SEGMENTS), -1) / there.sum())


def _work_out_clicks(catalogue: Catalogue) -> tuple[list[float], dict[str, float]]:
    """Click rate per slot under the uniform policy, and clicks per exposure of every policy."""
    appeal = click_appeal(catalogue)
    rates = {name: np.zeros(N_SLOTS) for name in POLICIES}
    for day, share in _stages(catalogue.spec):
        users = _share_users(catalogue, day).sum(axis=1)
        for name in POLICIES:
            shown = (policy_table(catalogue, name, day) * appeal).sum(axis=-1) @ users
            rates[name] += share * EXAMINATION * shown
    values = {name: float(rate.mean()) for name, rate in rates.items()}
    return [float(rate) for rate in rates["uniform"]], values
