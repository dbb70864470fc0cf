"""What may give a fake account or a fake review away: numbers per review and per account.

No signal looks at an id, at a label, or at whether a review is verified; each is large for what is
suspicious. Those of accounts follow the attributes of profiles in Burke, Mobasher, Williams &
Bhaumik 2006 ("Classification features for attack detection in collaborative recommender systems"):
deviation from the item's mean, similarity to neighbours, choice of items; with the timing of
CopyCatch (Beutel et al. 2013) and near-duplicate text. Sums over the k reviews of an account are
divided by the root of k, so that accounts of any length are comparable.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tasks.robustness.corpus import PRIOR_RATINGS, Corpus, Floats, Ints

BURST_DAYS: Final = 3
NEIGHBOURS: Final = 10
MAX_NEIGHBOUR_USERS: Final = 30_000
_FLOOR: Final = 1e-300


@dataclass(frozen=True, eq=False)
class Signals:
    """Signals of reviews, `of_rows` (n, row signals), and of accounts, `of_users` (users, user signals).

    `left_out` says which could not be computed, and why.
    """

    row_names: tuple[str, ...]
    of_rows: Floats
    user_names: tuple[str, ...]
    of_users: Floats
    left_out: tuple[str, ...]


def measure_signals(corpus: Corpus) -> Signals:
    """All signals that the columns of `corpus` allow."""
    from tasks.robustness.near_text import nearest_texts

    rows: dict[str, Floats] = {"surprise": measure_surprise(corpus)}
    left_out: list[str] = []
    if corpus.day.max() > BURST_DAYS:
        rows["item burst"] = measure_item_bursts(corpus)
    else:
        left_out.append("item burst, account pace: all reviews are of the same days")
    texts = corpus.frame["text"].to_list()
    if any(texts):
        rows["copied text"] = nearest_texts(texts, corpus.user)
    else:
        left_out.append("copied text: there are no texts")
    users = {name: _sum_over_users(corpus, values) for name, values in rows.items()}
    users["deviation"] = measure_deviation(corpus)
    users["extreme ratings"] = measure_extremes(corpus)
    users["choice of items"] = measure_popularity(corpus)
    if "item burst" in rows:
        users["account pace"] = measure_pace(corpus)
    if len(corpus.users) <= MAX_NEIGHBOUR_USERS:
        users["company"] = measure_company(corpus)
    else:
        left_out.append(f"company: more than {MAX_NEIGHBOUR_USERS:,} accounts")
    return Signals(
        tuple(rows), np.column_stack(list(rows.values())),
        tuple(users), np.column_stack(list(users.values())), tuple(left_out),
    )  # fmt: skip


def measure_surprise(corpus: Corpus) -> Floats:
    """How far each rating lies from what the item, the account and the text let expect; (n,).

    Absolute residual of a least-squares fit on the mean of the item's and of the account's other
    ratings (shrunk) and, where texts were read, on what they say.
    """
    others = [leave_out_means(corpus, codes) for codes in (corpus.item, corpus.user)]
    says = corpus.says.astype(np.float64)
    x = np.column_stack([np.ones(corpus.n), *others, says > 0, says < 0])
    fitted = x @ np.linalg.lstsq(x, corpus.rating, rcond=None)[0]
    residual: Floats = np.abs(corpus.rating - fitted)
    return residual


def leave_out_means(corpus: Corpus, codes: Ints) -> Floats:
    """Mean of the other ratings with the same code, shrunk to the mean of all; (n,)."""
    counts = np.bincount(codes)[codes]
    sums = np.bincount(codes, corpus.rating)[codes]
    means: Floats = (sums - corpus.rating + PRIOR_RATINGS * corpus.rating.mean()) / (
        counts - 1 + PRIOR_RATINGS
    )
    return means


def measure_item_bursts(corpus: Corpus) -> Floats:
    """How unlikely the crowd around each review is, on its item within `BURST_DAYS`; (n,).

    -log10 of the chance of as many other reviews or more, if the item's reviews came as those of
    all items do (Poisson).
    """
    from scipy.stats import poisson

    span = int(corpus.day.max()) + 1
    daily = np.zeros((len(corpus.items), span))
    np.add.at(daily, (corpus.item, corpus.day), 1)
    near = _around(daily)
    share = _around(daily.sum(axis=0)[None])[0] / corpus.n
    others = near[corpus.item, corpus.day] - 1
    expected = (corpus.item_counts[corpus.item] - 1) * share[corpus.day]
    chance = poisson.sf(others - 1, np.maximum(expected, 1e-9))
    result: Floats = np.where(others > 0, -np.log10(np.maximum(chance, _FLOOR)), 0.0)
    return result


def measure_deviation(corpus: Corpus) -> Floats:
    """Distance of each account's ratings from those that others gave the items; (users,).

    The weighted deviation from mean agreement of Burke et al.: rarely rated items count for more
    (here by the root of their ratings), for it is there that few fakes move much.
    """
    gap = np.abs(corpus.rating - leave_out_means(corpus, corpus.item))
    return _sum_over_users(corpus, gap / np.sqrt(corpus.item_counts[corpus.item]))


def measure_extremes(corpus: Corpus) -> Floats:
    """Excess of lowest and highest ratings of each account, in binomial standard errors; (users,)."""
    is_extreme = (corpus.rating == corpus.lowest) | (corpus.rating == corpus.highest)
    return _sum_over_users(corpus, is_extreme.astype(np.float64))


def measure_popularity(corpus: Corpus) -> Floats:
    """How unusual the items of each account are, popular or obscure alike; (users,)."""
    counts = np.log(corpus.item_counts[corpus.item].astype(np.float64))
    return np.abs(_sum_over_users(corpus, counts))


def measure_pace(corpus: Corpus) -> Floats:
    """How unlikely it is that an account's reviews lie so close in time; (users,).

    -log10 of the chance that k reviews dropped at random among all span no more: with s the share
    of all reviews inside the span, k s^(k-1) - (k-1) s^k (the range of k uniforms).
    """
    order = np.bincount(corpus.day)
    upto = np.cumsum(order)
    first = np.full(len(corpus.users), np.iinfo(np.int64).max)
    last = np.zeros(len(corpus.users), dtype=np.int64)
    np.minimum.at(first, corpus.user, corpus.day)
    np.maximum.at(last, corpus.user, corpus.day)
    k = np.bincount(corpus.user).astype(np.float64)
    s = (upto[last] - upto[first] + order[first]) / corpus.n
    chance = np.where(k > 1, k * s ** (k - 1) - (k - 1) * s**k, 1.0)
    result: Floats = -np.log10(np.clip(chance, _FLOOR, 1.0))
    return result


def measure_company(corpus: Corpus) -> Floats:
    """Likeness of each account to its nearest others; (users,).

    Mean cosine of its deviations from the items' means to those of the `NEIGHBOURS` accounts most
    like it. Rarely rated items weigh more: that two accounts meet on one says more.
    """
    from scipy.sparse import csr_matrix

    rarity = np.log(1 + corpus.n / corpus.item_counts)
    left = corpus.rating - corpus.item_means[corpus.item]
    left = np.sign(left) * np.maximum(np.abs(left), 0.25) * rarity[corpus.item]
    shape = (len(corpus.users), len(corpus.items))
    profiles = csr_matrix((left, (corpus.user, corpus.item)), shape=shape)
    norms = np.sqrt(np.asarray(profiles.multiply(profiles).sum(axis=1)).ravel())
    profiles = csr_matrix(profiles.multiply(1 / np.maximum(norms, 1e-12)[:, None]))
    found = np.zeros(shape[0])
    for start in range(0, shape[0], 2_000):
        block = (profiles[start : start + 2_000] @ profiles.T).toarray()
        rows = np.arange(len(block))
        block[rows, start + rows] = 0.0
        most = min(NEIGHBOURS, block.shape[1])
        found[start : start + len(block)] = np.sort(block, axis=1)[:, -most:].mean(axis=1)
    return found


def _around(daily: Floats) -> Floats:
    """Sums over the days within `BURST_DAYS`, shape as given."""
    padded = np.pad(daily, ((0, 0), (BURST_DAYS + 1, BURST_DAYS)))
    upto = np.cumsum(padded, axis=1)
    width = 2 * BURST_DAYS + 1
    sums: Floats = upto[:, width:] - upto[:, :-width]
    return sums


def _sum_over_users(corpus: Corpus, values: NDArray[np.float64]) -> Floats:
    """Sum of an account's centred values over the root of their number, in standard deviations."""
    spread = float(values.std()) or 1.0
    scaled = (values - values.mean()) / spread
    sums: Floats = np.bincount(corpus.user, scaled) / np.sqrt(np.bincount(corpus.user))
    return sums
