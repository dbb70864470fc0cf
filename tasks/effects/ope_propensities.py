"""Do logged propensities fit the log that they stand in?

No guess of the chance of the logged action can, on average, beat the true one (the logarithmic score
is proper: Gneiting & Raftery 2007, https://doi.org/10.1198/016214506000001437). Where shares counted
in other folds, or a model of the action by the context, tell better what was shown, the column is
wrong. One over the number of actions, or the average chance of an action, passes every check of a
uniform target's weights and is wrong for every row.
"""

from typing import Final

import numpy as np

from tasks.effects.basis import FloatArray
from tasks.effects.credibility import Finding
from tasks.effects.moments import IntArray
from tasks.effects.ope_log import Log
from tasks.effects.ope_reward import predict_choice

_SURE: Final = 1e-3
"""Chance of a false alarm, at most."""
_MATTERS: Final = 0.002
"""Nats per row; propensities that are 6% off lose about as much, and change a value little."""
_MAX_ACTIONS: Final = 50
_MAX_ROWS: Final = 20_000
_MAX_CELLS: Final = 20_000_000
_SEED: Final = 20240301


def check_propensities(log: Log) -> list[Finding]:
    """Whether something counted or fitted out of fold foretells the logged actions better.

    The context is asked of logs of at most 50 actions; nothing is said of more than 20 million pairs
    of stratum and action, which no log fills.
    """
    cells = len(log.strata) * len(log.actions)
    if log.is_estimated or (log.propensity == 1).all() or len(np.unique(log.fold)) < 2:
        return []
    if cells > _MAX_CELLS:
        return []
    gain = np.log(guess_by_share(log)) - np.log(log.propensity)
    if _is_better(log, gain, np.arange(log.n)):
        return [_tell(log, float(gain.mean()), "counted shares of the actions")]
    if not log.columns.context or len(log.actions) > _MAX_ACTIONS:
        return []
    rows = np.arange(log.n)
    if log.n > _MAX_ROWS:
        rows = np.sort(np.random.default_rng(_SEED).permutation(log.n)[:_MAX_ROWS])
    gain = np.log(guess_by_context(log, rows)) - np.log(log.propensity[rows])
    if _is_better(log, gain, rows):
        return [_tell(log, float(gain.mean()), f"a model by {', '.join(log.columns.context)}")]
    return []


def guess_by_share(log: Log) -> FloatArray:
    """Share of the logged action in its stratum, counted in the other folds, shape (n,).

    As with one row more for the stratum, spread as the actions are over all strata, and one of each.
    """
    shape = (len(log.strata), len(log.actions))
    cell = log.stratum * shape[1] + log.action
    found = np.empty(log.n)
    for fold in np.unique(log.fold):
        held = log.fold == fold
        counts = np.bincount(cell[~held], minlength=shape[0] * shape[1]).reshape(shape)
        pooled = (counts.sum(axis=0) + 1.0) / (counts.sum() + shape[1])
        own = counts[log.stratum[held], log.action[held]] + pooled[log.action[held]]
        found[held] = own / (counts.sum(axis=1)[log.stratum[held]] + 1.0)
    return found


def guess_by_context(log: Log, rows: IntArray) -> FloatArray:
    """Chance of the logged action of `rows` (m,) by penalised multinomial logistic regression, (m,).

    Fitted to the other folds of these rows. Where an action stands in one fold alone, its share of
    all rows.
    """
    x, action, fold = log.features[rows], log.action[rows], log.fold[rows]
    share = (np.bincount(action, minlength=len(log.actions)) + 1.0) / (len(rows) + len(log.actions))
    found = share[action]
    for k in np.unique(fold):
        held = fold == k
        if len(np.unique(action[~held])) < 2:
            continue
        chance = predict_choice(
            x[~held], action[~held], x[held], count=len(log.actions), penalty=1.0
        )
        own = chance[np.arange(len(chance)), action[held]]
        found[held] = np.where(own > 0, own, share[action[held]])
    return found


def _is_better(log: Log, gain: FloatArray, rows: IntArray) -> bool:
    """Whether a mean gain (m,) is more than it takes to matter, beyond doubt by clusters."""
    from scipy.special import stdtrit

    mean = float(gain.mean())
    sums = np.bincount(log.cluster[rows], gain - mean)
    error = float(np.sqrt(sums @ sums)) / len(gain)
    degrees = max(len(np.unique(log.cluster[rows])) - 1, 1)
    return mean > _MATTERS and mean > float(stdtrit(degrees, 1 - _SURE)) * error


def _tell(log: Log, gain: float, better: str) -> Finding:
    said = (
        f"the propensities do not fit the log: {better} foretell what was shown better than "
        f"{log.columns.propensity} does (chances {np.expm1(gain):.1%} higher on average); is the column "
        "the chance that the logged action had there, under the policy that logged it, and not an "
        "average or one over the number of actions?"
    )
    return "not credible", said
