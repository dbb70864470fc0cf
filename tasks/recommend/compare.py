"""Is a debiased recommender better than the naive one, and what can the test not tell?"""

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tasks.recommend.data import Floats, Ratings
from tasks.recommend.propensity import Propensities

if TYPE_CHECKING:
    from tasks.recommend.sources import Source

FEW_TEST: Final = 100
FEW_USERS: Final = 20
MUCH_CLIPPED: Final = 0.1
ROUNDING: Final = 1e-6


def compare_errors(
    found: Floats, naive: Floats, test: Ratings, *, can_tell: bool = True
) -> dict[str, Any]:
    """How much less the squared errors `found` are than the `naive` ones, both (n,) of `test`.

    `mse_gain` with its 95% interval, by ratio estimation over users as clusters (Cochran 1977,
    Sampling Techniques, section 6.3) with as many degrees of freedom less one, and a `verdict`:
    better, worse, or no difference; "cannot tell" where `can_tell` says that the test does not show
    what debiasing gains. No interval of fewer than two users. What is less than a millionth of the
    scale, squared, is rounding: models are fitted in single precision.
    """
    from scipy.special import stdtrit

    gains = naive - found
    width = test.scale[1] - test.scale[0]
    gains = np.where(np.abs(gains) < (ROUNDING * width) ** 2, 0.0, gains)
    gain = float(gains.mean())
    users, codes = np.unique(test.users, return_inverse=True)
    n = len(users)
    told = {} if can_tell else {"verdict": "cannot tell"}
    if n < 2:
        return {"mse_gain": gain, "low": None, "high": None, "verdict": "no difference"} | told
    sums = np.bincount(codes, gains - gain)
    error = float(np.sqrt(n / (n - 1) * (sums**2).sum()) / len(gains))
    half = float(stdtrit(n - 1, 0.975)) * error
    low, high = gain - half, gain + half
    verdict = "better" if low > 0 else "worse" if high < 0 else "no difference"
    return {"mse_gain": gain, "low": low, "high": high, "verdict": verdict} | told


def can_tell(source: "Source") -> bool:
    """Whether the test shows what debiasing gains: exposed at random, and of enough ratings and users."""
    return source.is_random_test and _say_few(source.test) is None


def doubt_propensities(method: str) -> list[str]:
    """What propensities by `method` (see `find_propensities`) do not correct for, in words.

    Popularity and features foretell who rates what; a selection by the rating itself takes ratings that were
    not selected to be seen (Schnabel et al. 2016, https://arxiv.org/abs/1602.05352, section 5).
    """
    if method not in ("popularity", "logistic"):
        return []
    by = "a logistic model of features" if method == "logistic" else "popularity"
    return [
        f"propensities by {by} do not see where ratings are given because they are high or low: "
        "predictions stay as far off as that makes them; ratings exposed at random (--random-sample) would tell"
    ]


def list_doubts(
    source: "Source",
    propensities: Propensities,
    *,
    top_k: int,
    lacks_features: bool = False,
    n_sample: int | None = None,
) -> list[str]:
    """What the figures of an evaluation cannot say, in words.

    `lacks_features`: models of features are asked of a source that has none. `n_sample` ratings
    exposed at random were given to estimate propensities by.
    """
    train, test = source.train, source.test
    doubts = []
    if not source.is_random_test:
        doubts.append(
            "the test was chosen by the users as the training ratings were: it cannot show what "
            "debiasing gains"
        )
    if few := _say_few(test):
        doubts.append(f"the test has {few}: too few to tell models apart")
    if np.ptp(train.ratings) == 0:
        doubts.append(
            f"all training ratings are {train.ratings[0]:g}: they say nothing of what is liked more, and "
            "lists are in no order; of clicks alone give pairs that were shown and not clicked, as 0"
        )
    clipped = propensities.n_clipped / len(train)
    if clipped > MUCH_CLIPPED:
        doubts.append(
            f"{propensities.n_clipped:,} of {len(train):,} propensities lay below "
            f"{propensities.floor:.2g} and were raised to it: weights say little of who rated what"
        )
    if lacks_features:
        doubts.append(
            "nothing is known of users and items: models of features are factor models here"
        )
    if n_sample is not None and source.propensities is not None:
        doubts.append("the source gives propensities: the random sample was left aside")
    elif n_sample is not None and n_sample < FEW_TEST:
        doubts.append(
            f"the random sample has {n_sample:,} ratings: propensities of so few are mostly chance"
        )
    shared = 0 if propensities.is_of_rows else _count_shared(train, test)
    if shared:
        doubts.append(
            f"{shared:,} of {len(test):,} test ratings are of pairs in the training ratings: their "
            "error is that of what was learned by heart"
        )
    if (short := _share_short(test, top_k)) > 0.5:
        doubts.append(
            f"{short:.0%} of the users have at most {top_k} items in the test: recall at {top_k} is 1 "
            "for them whatever the order"
        )
    return doubts


def _say_few(test: Ratings) -> str | None:
    if len(test) < FEW_TEST:
        return f"{len(test):,} ratings"
    n_users = len(np.unique(test.users))
    return f"{n_users:,} users" if n_users < FEW_USERS else None


def _count_shared(train: Ratings, test: Ratings) -> int:
    width = train.shape[1]
    return int(np.isin(test.users * width + test.items, train.users * width + train.items).sum())


def _share_short(test: Ratings, top_k: int) -> float:
    pairs = np.unique(test.users * test.shape[1] + test.items)
    _, counts = np.unique(pairs // test.shape[1], return_counts=True)
    return float((counts <= top_k).mean())
