"""Position bias: what does it do to a click that the same thing stood lower?

Each position is held against the first by augmented inverse weighting (Robins, Rotnitzky & Zhao
1994): a regression of the reward on action, context and position, and weights for how likely this
action in this context was to stand there, either of which may be wrong. Where each position's rank
was drawn at random this is the effect of the position; else it relies on action and context being
all that decided both place and click. The ratio to the first position is the examination
probability of a position-based click model (Joachims, Swaminathan & Schnabel 2017, "Unbiased
learning-to-rank with biased feedback"), relative to the first.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import polars as pl

from tasks.effects.basis import MISSING, FloatArray, read_levels, read_numbers
from tasks.effects.credibility import Finding, Verdict, decide_verdict
from tasks.effects.intervals import Interval, effective_size
from tasks.effects.moments import IntArray
from tasks.effects.ope.checks import WeightRules, check_clusters
from tasks.effects.ope.log import Log, find_columns, read_log, tell_dropped
from tasks.effects.ope.reward import choose_levels, fit_linear, predict_choice, predict_linear
from tasks.effects.ope.skew import skewed_interval
from tasks.platform.errors import EstimationError, InputError

MAX_POSITIONS: Final = 50
MIN_POSITION_ROWS: Final = 30
_CLIP: Final = 0.01
_OFF_SUPPORT: Final = 0.01


@dataclass(frozen=True, eq=False)
class Places:
    """n rows at K positions, adjusted.

    `names` (K,), the first is the reference; `place` (n,) their codes. `values` (n, K): each row's
    term of the mean reward had all rows stood at that position, in units of the reward. `chance`
    (n, K): chance of each position given action and context, out of fold, at least 0.01.
    """

    names: tuple[str, ...]
    place: IntArray
    values: FloatArray
    chance: FloatArray


def estimate_position_bias(
    frame: pl.DataFrame,
    *,
    action: str | None = None,
    reward: str | None = None,
    position: str | None = None,
    propensity: str | None = None,
    context: Sequence[str] = (),
    cluster: str | None = None,
    confidence: float = 0.95,
    folds: int = 5,
    penalty: float = 1.0,
) -> list[dict[str, Any]]:
    """Effect of each position against the first on the reward, one dict per position.

    Columns that are not named are found by their usual names, "none" does without one. Keys:
    position, reference, n, n_reference, estimate, std_error, ci_low, ci_high, p_value (difference
    of mean rewards), ratio, ratio_ci_low, ratio_ci_high, naive, naive_ci_low, naive_ci_high,
    naive_ratio, effective_sample_size, verdict, reasons. Positions with fewer than 30 rows are set
    aside, with "no result".

    Raises InputError for columns that are absent or not what they should be, EstimationError when
    there are no two positions to compare.
    """
    columns = find_columns(
        frame, action=action, reward=reward, position=position, cluster=cluster, context=context,
        propensity=propensity, needed=("action", "reward", "position"),
    )  # fmt: skip
    if columns.position in context:
        raise InputError(f"{columns.position} is the position; it cannot be context as well")
    is_random = _is_random(frame, columns.propensity)
    names, thin = find_positions(frame[str(columns.position)])
    text = read_levels(frame[str(columns.position)])
    lost = tell_dropped(str(columns.position), int((text == MISSING).sum()), frame.height)
    kept = frame.filter(text.is_in([name for name, _ in names]))
    log = read_log(kept, replace(columns, strata=()), folds=folds, is_weighted=False)
    places = adjust_places(log, [name for name, _ in names], penalty=penalty)
    shared = [*lost, *log.findings, *_check_assumption(log, is_random)]
    rows = [_show(log, places, k, shared, confidence) for k in range(1, len(places.names))]
    return [*rows, *(_show_thin(name, count, places) for name, count in thin)]


def find_positions(
    series: pl.Series,
) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """Positions with enough rows in their order, and those without; each with its rows.

    Numbers are ordered as numbers. Raises EstimationError when fewer than two have enough, or more
    than 50.
    """
    counts = read_levels(series).rename("level").value_counts()
    found = [(str(name), int(count)) for name, count in counts.iter_rows() if name != MISSING]
    number = dict(
        zip(
            [name for name, _ in found],
            read_numbers(pl.Series([name for name, _ in found], dtype=pl.String)),
            strict=True,
        )
    )
    found.sort(key=lambda one: (np.isnan(number[one[0]]), number[one[0]], one[0]))
    full = [one for one in found if one[1] >= MIN_POSITION_ROWS]
    if not 2 <= len(full) <= MAX_POSITIONS:
        raise EstimationError(
            f"{series.name} has {len(full)} positions with at least {MIN_POSITION_ROWS} rows; "
            f"allowed are 2 to {MAX_POSITIONS}: name the column of the rank, or group it"
        )
    return full, [one for one in found if one[1] < MIN_POSITION_ROWS]


def adjust_places(log: Log, names: Sequence[str], *, penalty: float = 1.0) -> Places:
    """Cross-fitted reward and position models, put together row by row."""
    place = _encode_places(log, names)
    level, n_levels = choose_levels(log)
    base = np.zeros((log.n, log.features.shape[1] + n_levels))
    base[:, : log.features.shape[1]] = log.features
    base[np.arange(log.n), log.features.shape[1] + level[log.action]] = 1.0
    values, chance = np.zeros((log.n, len(names))), np.zeros((log.n, len(names)))
    for k in np.unique(log.fold):
        held, rest = log.fold == k, log.fold != k
        chance[held] = _predict_place(base[rest], place[rest], base[held], len(names), penalty)
        values[held] = _predict_reward(
            base[rest], place[rest], log.reward[rest], base[held], len(names),
            is_binary=log.is_binary, penalty=penalty,
        )  # fmt: skip
    chance = np.maximum(chance, _CLIP)
    rows = np.arange(log.n)
    values[rows, place] += (log.reward - values[rows, place]) / chance[rows, place]
    return Places(tuple(names), place, values, chance)


def _is_random(frame: pl.DataFrame, propensity: str | None) -> bool:
    """Whether the log's propensities are all alike: a policy that drew at random.

    Chances of 1 are those of a policy that never drew.
    """
    if propensity is None or propensity not in frame.columns:
        return False
    values = read_numbers(frame[propensity])
    is_chance = bool(len(values) and ((values > 0) & (values < 1)).all())
    return is_chance and bool(np.ptp(values) <= 1e-9)


def _encode_places(log: Log, names: Sequence[str]) -> IntArray:
    text = read_levels(log.frame[str(log.columns.position)])
    codes = pl.Series(range(len(names)), dtype=pl.Int64)
    return text.replace_strict(list(names), codes, return_dtype=pl.Int64).to_numpy()


def _predict_place(
    x: FloatArray, place: IntArray, held: FloatArray, count: int, penalty: float
) -> FloatArray:
    """Chance of each position, shape (h, K)."""
    if len(np.unique(place)) < 2:
        raise EstimationError(
            "the rows outside one fold all stand at one position; more are needed"
        )
    return predict_choice(x, place, held, count=count, penalty=penalty)


def _predict_reward(
    x: FloatArray,
    place: IntArray,
    reward: FloatArray,
    held: FloatArray,
    count: int,
    *,
    is_binary: bool,
    penalty: float,
) -> FloatArray:
    """Mean reward at each position, shape (h, K)."""
    at = np.eye(count)
    design = np.column_stack([np.ones(len(x)), x, at[place]])
    beta = fit_linear(design, reward, is_binary=is_binary, penalty=penalty)
    linear = beta[0] + held @ beta[1 : 1 + held.shape[1]]
    return predict_linear(linear[:, None] + beta[None, -count:], is_binary=is_binary)


def _show(
    log: Log, places: Places, k: int, shared: Sequence[Finding], confidence: float
) -> dict[str, Any]:
    means = places.values.mean(axis=0)
    influence = (places.values - means) / log.n
    gap = _interval(log, float(means[k] - means[0]), influence[:, k] - influence[:, 0], confidence)
    naive, pull = _naive(log, places, k)
    plain = _interval(log, float(naive[1] - naive[0]), pull, confidence)
    size = _effective(places, k)
    verdict, reasons = decide_verdict(
        [
            *shared,
            *check_clusters(log, WeightRules()),
            *_check_rows(log, places, k),
            *_check_chance(places, k, size),
        ]
    )
    return {
        "position": places.names[k],
        "reference": places.names[0],
        "n": int((places.place == k).sum()),
        "n_reference": int((places.place == 0).sum()),
        **vars(gap),
        **_ratio(log, means, influence, k, confidence),
        "naive": plain.estimate,
        "naive_ci_low": plain.ci_low,
        "naive_ci_high": plain.ci_high,
        "naive_ratio": float(naive[1] / naive[0]) if naive[0] > 0 else None,
        "effective_sample_size": size,
        "verdict": verdict,
        "reasons": reasons,
    }


def _show_thin(name: str, count: int, places: Places) -> dict[str, Any]:
    empty = (
        "estimate std_error ci_low ci_high p_value ratio ratio_ci_low ratio_ci_high naive "
        "naive_ci_low naive_ci_high naive_ratio effective_sample_size"
    ).split()
    return {
        "position": name,
        "reference": places.names[0],
        "n": count,
        "n_reference": int((places.place == 0).sum()),
        **dict.fromkeys(empty),
        "verdict": "no result",
        "reasons": [f"only {count} rows; at least {MIN_POSITION_ROWS} are needed"],
    }


def _interval(log: Log, estimate: float, influence: FloatArray, confidence: float) -> Interval:
    """Symmetric: for differences and logarithms."""
    pieces = log.gather(influence)
    return skewed_interval(estimate, pieces, confidence=confidence, is_bent=False)


def _ratio(
    log: Log, means: FloatArray, influence: FloatArray, k: int, confidence: float
) -> dict[str, float | None]:
    """Ratio to the first position, its interval made on the log scale; None where one is not > 0."""
    if means[k] <= 0 or means[0] <= 0:
        return dict.fromkeys(("ratio", "ratio_ci_low", "ratio_ci_high"))
    pull = influence[:, k] / means[k] - influence[:, 0] / means[0]
    logged = _interval(log, float(np.log(means[k] / means[0])), pull, confidence)
    shown = np.exp(np.clip([logged.estimate, logged.ci_low, logged.ci_high], -700, 700))
    return dict(zip(("ratio", "ratio_ci_low", "ratio_ci_high"), shown.tolist(), strict=True))


def _naive(log: Log, places: Places, k: int) -> tuple[FloatArray, FloatArray]:
    """Plain means at the first position and at k, and the influence of each row on their gap."""
    means, pull = np.zeros(2), np.zeros(log.n)
    for at, (code, sign) in enumerate(((0, -1.0), (k, 1.0))):
        rows = places.place == code
        means[at] = log.reward[rows].mean()
        pull[rows] = sign * (log.reward[rows] - means[at]) / rows.sum()
    return means, pull


def _effective(places: Places, k: int) -> float:
    """Kish's size of the rows at position k, or at the first if that is smaller."""
    return min(effective_size(1 / places.chance[places.place == code, code]) for code in (0, k))


def _check_assumption(log: Log, is_random: bool) -> list[Finding]:
    if is_random:
        return [
            (
                "credible",
                "all propensities are alike: what stood where was drawn at random, so the "
                "difference is the effect of the position",
            )
        ]
    given = " and ".join((log.columns.action, *log.columns.context))
    verdict: Verdict = "credible" if log.columns.context else "weak"
    return [
        (
            verdict,
            f"causal only if nothing but {given} decided both the position and "
            f"{log.columns.reward}; name what else the ranking looked at with --context, or use a "
            "log of random placements",
        )
    ]


def _check_rows(log: Log, places: Places, k: int) -> list[Finding]:
    if not log.is_binary:
        return []
    events = min(log.reward[places.place == code].sum() for code in (0, k))
    if events >= 20:
        return []
    return [
        (
            "weak" if events >= 5 else "not credible",
            f"one of the two positions has only {events:.0f} rows with {log.columns.reward}",
        )
    ]


def _check_chance(places: Places, k: int, size: float) -> list[Finding]:
    """Whether what stands at the one place could have stood at the other."""
    off = float((places.chance[:, [0, k]] <= _OFF_SUPPORT).any(axis=1).mean())
    rows = min(int((places.place == code).sum()) for code in (0, k))
    if off < 0.05 and size >= 0.2 * rows:
        return []
    verdict: Verdict = "not credible" if off > 0.3 or size < 0.05 * rows else "weak"
    return [
        (
            verdict,
            f"weak overlap: {off:.0%} of the rows all but never stood at one of the two positions, "
            f"and weighted alike they are worth {size:,.0f} rows; compare positions that share "
            "their actions",
        )
    ]
