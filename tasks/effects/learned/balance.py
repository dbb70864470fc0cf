"""Average effects of a two-valued treatment by augmented balancing weights.

The interactive model of `tasks.effects.learned.irm` with other weights. Its estimate is the models' mean
effect plus the residuals of both arms, each weighted by one over its propensity; where overlap is
poor, these weights are few, large and wrong. Here each arm's weights are worked out from what they
are for: that the arm, so weighted, resembles the rows asked about in whatever its residuals could
still depend on (Hirshberg & Wager 2021, "Augmented minimax linear estimation"; Ben-Michael, Feller,
Hirshberg & Zubizarreta 2021, "The balancing act in causal inference"). What they could depend on
are the controls and their bends that treatment or outcome follow (`tasks.effects.learned.smooth`). Where
overlap is poor no weights balance so much, and they are taken to be smooth functions of three scores
of a row: its expected outcome under each treatment and the logit of its propensity (as in the doubly
robust matching of Antonelli, Cefalu, Palmer & Agniel 2018). Elsewhere scores are the worse choice:
learned out of fold, they lean away from a row's own fold, and weights follow that too. The weights
minimise

    worst imbalance^2 over functions of norm 1 + |w - h|^2 / trust

from the inverse-propensity weights h (held within `HOLD`, summing to one), so that a right
propensity needs no right outcome model, and a right outcome model no right propensity. No row
weighs more than balance calls for: where there is no like, the model speaks, and
`extrapolation_error` says how sure of it the learners are.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from tasks.effects.basis import FloatArray
from tasks.effects.estimand import Estimand, check_estimand
from tasks.effects.learned.irm import CLIP, IrmFit, Score, put_together
from tasks.effects.learned.nuisance import Nuisances, check_arms
from tasks.effects.learned.smooth import HOLD, limit_penalty
from tasks.effects.moments import IntArray

TRUST: Final = 0.3
"""Variance, beside that of the noise, of what the outcome models may have missed: of scores; bends
have theirs in `tasks.effects.learned.smooth`."""
_LOGIT_HOLD: Final = 0.005
_REACH: Final = 5.0
_RANK: Final = 200
_EXACT: Final = 1e-6
"""Share of the kernel's trace that its factor may leave out."""


def estimate_balance(
    outcome: FloatArray,
    is_treated: IntArray,
    *,
    splits: Sequence[Nuisances],
    cluster: IntArray,
    estimand: Estimand = "ate",
    clip: float = CLIP,
) -> IrmFit:
    """Effect on all rows ("ate"), on the treated ("att") or on the untreated ("atc").

    `splits` are cross-fitted predictions by `split_nuisances`, put together as those of
    `estimate_irm`; the fit has no robustness value. `clip` only counts rows that have next to no
    like in the other arm. Raises EstimationError for an empty arm, ConfigError for an unknown
    estimand.
    """
    check_estimand(estimand)
    check_arms(outcome, is_treated)
    scores = [score_balance(one, outcome, is_treated, estimand=estimand) for one in splits]
    return put_together(scores, splits, cluster, estimand, clip)


def score_balance(
    nuisances: Nuisances, outcome: FloatArray, is_treated: IntArray, *, estimand: Estimand
) -> Score:
    """One split's estimate and influence; rows asked about are all, the treated or the others."""
    asked = share_asked(is_treated, estimand=estimand)
    effect = nuisances.treated - nuisances.untreated
    average = float(asked @ effect)
    influence = asked * effect
    columns = nuisances.columns
    factor = factor_kernel(make_scores(nuisances)) if columns is None else columns
    for arm, predicted in ((1, nuisances.treated), (0, nuisances.untreated)):
        rows = np.flatnonzero(is_treated == arm)
        weights = weigh_arm(
            nuisances.propensity, is_treated, arm, asked, factor, estimand=estimand,
            trust=TRUST if columns is None else 1 / limit_penalty(columns[rows]),
        )  # fmt: skip
        residual = outcome[rows] - predicted[rows]
        correction = weights * residual if arm == 1 else -weights * residual
        average += float(correction.sum())
        influence[rows] += correction
    return Score(average, influence - asked * average, None)


def share_asked(is_treated: IntArray, *, estimand: Estimand) -> FloatArray:
    """Share (n,) of each row among those that the estimand averages over; they sum to 1."""
    asked = {
        "ate": np.ones(len(is_treated)), "att": is_treated * 1.0, "atc": 1.0 - is_treated,
    }[estimand]  # fmt: skip
    shares: FloatArray = asked / asked.sum()
    return shares


def weigh_arm(
    propensity: FloatArray,
    is_treated: IntArray,
    arm: int,
    asked: FloatArray,
    factor: FloatArray,
    *,
    estimand: Estimand,
    trust: float = TRUST,
    hold: float = HOLD,
) -> FloatArray:
    """Weights of the rows of one arm, about 1 in all, that make it resemble the rows `asked` about.

    `asked` (n,) sums to 1, `factor` (n, r) times its transpose is the kernel. An arm that is
    itself asked about keeps equal weights.
    """
    rows = np.flatnonzero(is_treated == arm)
    e = np.clip(propensity[rows], hold, 1 - hold)
    own = e if arm == 1 else 1 - e
    target = {"ate": np.ones_like(e), "att": e, "atc": 1 - e}[estimand]
    start = target / own
    start = start / start.sum()
    if float(asked[rows].sum()) >= 1 - 1e-9:
        return np.full(len(rows), 1.0 / len(rows))
    own_factor = factor[rows]
    gap = asked @ factor - start @ own_factor
    inner = own_factor.T @ own_factor
    inner[np.diag_indices_from(inner)] += 1 / trust
    # (K + I / trust)^-1 K-gap, through the factor: Woodbury
    weights: FloatArray = start + own_factor @ np.linalg.solve(inner, gap)
    return weights


def make_scores(nuisances: Nuisances) -> FloatArray:
    """Both expected outcomes and the logit of the propensity, standardised, shape (n, 3)."""
    e = np.clip(nuisances.propensity, _LOGIT_HOLD, 1 - _LOGIT_HOLD)
    scores = np.column_stack([nuisances.untreated, nuisances.treated, np.log(e / (1 - e))])
    centred = scores - scores.mean(axis=0)
    scale = centred.std(axis=0)
    varies = scale > 1e-12 * (1 + np.abs(scores).max(axis=0))
    standard: FloatArray = np.clip(centred / np.where(varies, scale, np.inf), -_REACH, _REACH)
    return standard


def factor_kernel(scores: FloatArray) -> FloatArray:
    """A factor (n, r) of the kernel 1 + mean product + exp(-mean squared distance / 2) of scores.

    Incomplete Cholesky with the largest remainder next (Fine & Scheinberg 2001): of so few and
    smooth scores some dozens of columns hold the whole kernel, so that the cost is linear in n.
    """
    n, width = scores.shape
    remainder = 2.0 + (scores**2).sum(axis=1) / width
    floor = _EXACT * float(remainder.sum())
    columns: list[FloatArray] = []
    for _ in range(min(n, _RANK)):
        at = int(remainder.argmax())
        if remainder[at] <= 0 or float(remainder.sum()) <= floor:
            break
        distances = ((scores - scores[at]) ** 2).sum(axis=1) / width
        column = 1 + scores @ scores[at] / width + np.exp(-0.5 * distances)
        if columns:
            known = np.column_stack(columns)
            column = column - known @ known[at]
        column = column / np.sqrt(remainder[at])
        columns.append(column)
        remainder = np.maximum(remainder - column**2, 0.0)
    return np.column_stack(columns)
