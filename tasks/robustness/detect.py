"""Which accounts look fake, without labels: two unsupervised readings of the signals, combined.

Signals are put on one scale (robust z: distance from the median in interquartile ranges). The first
reading adds up what is suspiciously high, log(1 + sum of squared positive z). The second is an
isolation forest (Liu, Ting & Zhou 2008; scikit-learn's), which also sees odd combinations; it is
grown on the `CORE` of accounts that the first reading finds least suspicious, lest a crowd of fakes
be learnt as normal. Each reading is put on a robust scale, and an account's score is the mean of the
two. Accounts past `FENCE` are flagged, and what is normal is learnt anew from the others, until
that changes next to nothing or `ROUNDS` have passed: a large attack else hides behind its own
weight. An account counts by its reviews in what is normal, lest a flood of accounts with one review
each make itself the norm.

Nothing is trained on labels, and nothing is known of the attack. The fence was set by what it flags
where nobody attacks: 1-4% of the accounts of sample worlds, product reviews and plain ratings.
"""

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from tasks.robustness.corpus import Corpus, Flags, Floats, Ints
from tasks.robustness.signals import Signals, measure_signals

FENCE: Final = 2.25
"""Robust standard deviations above the median account at which one is flagged."""
CORE: Final = 0.8
ROUNDS: Final = 10
SETTLED: Final = 0.002
"""Share of the accounts that may still change sides when no further round is made."""
MIN_NORMAL: Final = 0.5
"""Share of the reviews that must be left to say what is normal."""
MIN_SAMPLE: Final = 512
MAX_Z: Final = 8.0
TREES: Final = 100
SEED: Final = 20240301
MIN_USERS: Final = 20
"""Accounts below which nothing can be called unusual: all score 0."""
_NORMAL_IQR: Final = 1.349


@dataclass(frozen=True, eq=False)
class Suspicion:
    """How suspicious each account is.

    `score` (users,) in robust standard deviations above the median account; `z` (users, signals) is
    what it was made of. Accounts past `fence` are flagged.
    """

    corpus: Corpus
    signals: Signals
    z: Floats
    score: Floats
    fence: float = FENCE

    @property
    def flags(self) -> Flags:
        """Accounts past the fence, shape (users,)."""
        return np.asarray(self.score > self.fence)

    @property
    def row_flags(self) -> Flags:
        """Reviews of flagged accounts, shape (n,)."""
        flags: Flags = self.flags[self.corpus.user]
        return flags

    def explain(self, user: int, *, most: int = 3) -> list[str]:
        """The signals that speak most against an account, strongest first, in robust z."""
        order = np.argsort(-self.z[user], kind="stable")[:most]
        names = self.signals.user_names
        return [f"{names[at]} {self.z[user, at]:+.1f}" for at in order if self.z[user, at] > 1]


def suspect(corpus: Corpus, *, without: tuple[str, ...] = (), fence: float = FENCE) -> Suspicion:
    """Score every account of `corpus`; signals named in `without` are not looked at."""
    signals = measure_signals(corpus)
    used = [at for at, name in enumerate(signals.user_names) if name not in without]
    signals = replace(
        signals,
        user_names=tuple(signals.user_names[at] for at in used),
        of_users=signals.of_users[:, used],
    )
    z, score = score_accounts(signals.of_users, np.bincount(corpus.user), fence=fence)
    return Suspicion(corpus, signals, z, score, fence)


def score_accounts(values: Floats, rows: Ints, *, fence: float = FENCE) -> tuple[Floats, Floats]:
    """Robust z of each signal (users, signals) and the score of each account (users,).

    `rows` (users,) counts what each account wrote.
    """
    if len(values) < MIN_USERS:
        return np.zeros(values.shape), np.zeros(len(values))
    is_normal = np.ones(len(values), dtype=bool)
    for _ in range(ROUNDS):
        z, score = _score_against(values, rows * is_normal)
        found = score <= fence
        is_settled = (found != is_normal).mean() < SETTLED
        if is_settled or rows[found].sum() < MIN_NORMAL * rows.sum():
            break
        is_normal = found
    return z, score


def _score_against(values: Floats, weights: Ints) -> tuple[Floats, Floats]:
    """Robust z and score of all accounts, on scales learnt from those with a weight."""
    z = np.clip(scale_robustly(values, weights), -MAX_Z, MAX_Z)
    summed = np.log1p((np.maximum(z, 0.0) ** 2).sum(axis=1))
    is_core = summed <= quantile(summed[:, None], weights, CORE)[0]
    readings = np.column_stack([summed, _isolate(z, weights * is_core)])
    score: Floats = scale_robustly(readings, weights).mean(axis=1)
    return z, score


def _isolate(z: Floats, weights: Ints) -> Floats:
    """How easily each account is told apart by a forest grown on a weighted sample; (users,)."""
    from sklearn.ensemble import IsolationForest

    rng = np.random.default_rng(SEED)
    grown_on = rng.choice(len(z), size=max(len(z), MIN_SAMPLE), p=weights / weights.sum())
    forest: Any = IsolationForest(n_estimators=TREES, random_state=SEED)
    found: Floats = -forest.fit(z[grown_on]).score_samples(z)
    return found


def scale_robustly(values: Floats, weights: Ints) -> Floats:
    """Distance of each column from its weighted median, in robust standard deviations."""
    low, middle, high = (quantile(values, weights, share) for share in (0.25, 0.5, 0.75))
    spread, deviation = (high - low) / _NORMAL_IQR, values[weights > 0].std(axis=0)
    spread = np.where(spread > 1e-9, spread, np.where(deviation > 0, deviation, 1.0))
    scaled: Floats = (values - middle) / spread
    return scaled


def quantile(values: Floats, weights: Ints, share: float) -> Floats:
    """The least value of each column that `share` of the weight does not exceed, shape (columns,)."""
    order = np.argsort(values, axis=0, kind="stable")
    upto = np.cumsum(weights[order], axis=0) / weights.sum()
    at = np.minimum((upto < share - 1e-12).sum(axis=0), len(values) - 1)
    found: Floats = np.take_along_axis(values, np.take_along_axis(order, at[None], 0), 0)[0]
    return found
