"""Do logged propensities fit the log that they stand in?

No guess of the chance of the logged action can, on average, beat the true one (the logarithmic score
is proper: Gneiting & Raftery 2007, https://doi.org/10.1198/016214506000001437). Where shares counted
in other folds, or a model of the action by the context, tell better what was shown, the column is
wrong. Shares are counted by stratum, by the values of each column of the context (numbers that
name items among them) and by parts of two together, which a model of lines does not see. One over the number of actions, or the average chance of an action, passes every check of a
uniform target's weights and is wrong for every row.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from typing import Final

import numpy as np
import polars as pl

from tasks.effects.basis import FloatArray, read_levels, read_numbers
from tasks.effects.credibility import Finding
from tasks.effects.moments import IntArray
from tasks.effects.ope.log import Log, describe_counted
from tasks.effects.ope.reward import predict_choice

_SURE: Final = 1e-3
"""Chance of a false alarm, at most."""
_MATTERS: Final = 0.002
"""Nats per row; propensities that are 6% off lose about as much, and change a value little."""
_MAX_ACTIONS: Final = 50
_MAX_ROWS: Final = 20_000
_MAX_CELLS: Final = 20_000_000
_VALUES: Final = 0.2
"""A column of more different values, as a share of the rows, is cut into parts."""
_PARTS: Final = (20, 5)
"""Into which a column is cut by itself, and beside another."""
_PAIRED: Final = 8
"""Up to so many columns are asked two by two."""
_SEED: Final = 20240301


def check_propensities(log: Log) -> list[Finding]:
    """Whether something counted or fitted out of fold foretells the logged actions better.

    The context is asked of logs of at most 50 actions; nothing is said of more than 20 million pairs
    of stratum and action, which no log fills.
    """
    is_counted = log.is_estimated and not log.is_learned
    if is_counted or (log.propensity == 1).all() or len(np.unique(log.fold)) < 2:
        return []
    if len(log.strata) * len(log.actions) > _MAX_CELLS:
        return []
    every = np.arange(log.n)
    gain = np.log(guess_by_share(log, log.stratum, every)) - np.log(log.propensity)
    if _is_better(log, gain, every):
        return [_tell(log, float(gain.mean()), "counted shares of the actions")]
    if not log.columns.context or len(log.actions) > _MAX_ACTIONS:
        return []
    rows = every
    if log.n > _MAX_ROWS:
        rows = np.sort(np.random.default_rng(_SEED).permutation(log.n)[:_MAX_ROWS])
    if not log.is_learned:  # by that very model
        gain = np.log(guess_by_context(log, rows)) - np.log(log.propensity[rows])
        if _is_better(log, gain, rows):
            return [_tell(log, float(gain.mean()), f"a model by {', '.join(log.columns.context)}")]
    return _check_parts(log, rows)


def _check_parts(log: Log, rows: IntArray) -> list[Finding]:
    """Whether shares by values or parts of the context foretell the actions of `rows` (m,) better."""
    parts = list(_list_parts(log, rows))
    for name, part in parts:
        gain = np.log(guess_by_share(log, part, rows)) - np.log(log.propensity[rows])
        if _is_better(log, gain, rows, looks=len(parts)):
            return [_tell(log, float(gain.mean()), f"shares counted by {name}")]
    return []


def _list_parts(log: Log, rows: IntArray) -> Iterator[tuple[str, IntArray]]:
    """Codes (m,) of the `rows` by column of the context, and by two columns, with what they are."""
    columns = {name: log.frame[name].gather(rows) for name in dict.fromkeys(log.columns.context)}
    alone, beside = ({n: _cut(one, parts) for n, one in columns.items()} for parts in _PARTS)
    yield from alone.items()
    for one, other in combinations(list(columns)[:_PAIRED], 2):
        both = beside[one] * (int(beside[other].max()) + 1) + beside[other]
        yield f"{one} and {other}", np.unique(both, return_inverse=True)[1].astype(np.int64)


def _cut(series: pl.Series, parts: int) -> IntArray:
    """A code of each value, shape (m,), or of `parts` of like size where there are too many values."""
    most = _VALUES * len(series) if parts == _PARTS[0] else parts
    levels = read_levels(series)
    codes: IntArray = levels.rank("dense").cast(pl.Int64).to_numpy() - 1
    if codes.max() < most:
        return codes
    if series.dtype.is_numeric() or series.dtype.is_temporal():
        values = read_numbers(series)
        seen = values[~np.isnan(values)]
        edges = np.unique(np.quantile(seen, np.arange(1, parts) / parts))
        return np.where(np.isnan(values), parts, np.searchsorted(edges, values)).astype(np.int64)
    counts = np.bincount(codes)
    place = np.empty(len(counts), dtype=np.int64)
    place[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    return np.minimum(place[codes], parts - 1)


def guess_by_share(log: Log, part: IntArray, rows: IntArray) -> FloatArray:
    """Share of the logged action of `rows` in their `part` (m,), counted in the other folds, (m,).

    As with one row more for the part, spread as the actions are over all parts, and one of each.
    """
    shape = (int(part.max()) + 1, len(log.actions))
    action, folds = log.action[rows], log.fold[rows]
    cell = part * shape[1] + action
    found = np.empty(len(rows))
    for fold in np.unique(folds):
        held = folds == fold
        counts = np.bincount(cell[~held], minlength=shape[0] * shape[1]).reshape(shape)
        pooled = (counts.sum(axis=0) + 1.0) / (counts.sum() + shape[1])
        own = counts[part[held], action[held]] + pooled[action[held]]
        found[held] = own / (counts.sum(axis=1)[part[held]] + 1.0)
    return found


def learn_propensities(log: Log) -> Log:
    """A log whose propensities were counted, with those learned from the context instead.

    Nothing is learned where they were logged, or no context is named beside what they are counted by;
    nor of more than 50 actions, which is said. A chance is learned on other folds than the row's own,
    and on at most 20,000 rows.
    """
    by = [name for name in log.columns.context if name not in log.columns.strata]
    if not log.is_estimated or not by:
        return log
    names = " and ".join(dict.fromkeys([*log.columns.strata, *by]))
    findings = [one for one in log.findings if one[1] != describe_counted(log.columns)]
    if len(log.actions) > _MAX_ACTIONS or len(np.unique(log.fold)) < 2:
        said = (
            f"{describe_counted(log.columns)}. {', '.join(by)} served the reward model alone, since chances "
            f"are learned for at most {_MAX_ACTIONS} actions and from several clusters"
        )
        return replace(log, findings=(*findings, ("weak", said)))
    said = (
        f"propensities were not logged but learned from {names}: right only if the policy looked at "
        "nothing else, and followed them in lines; log them to know"
    )
    chance = guess_by_context(log, np.arange(log.n))
    return replace(log, propensity=chance, is_learned=True, findings=(*findings, ("weak", said)))


def guess_by_context(log: Log, rows: IntArray) -> FloatArray:
    """Chance of the logged action of `rows` (m,) by penalised multinomial logistic regression, (m,).

    Fitted to the other folds of these rows, 20,000 of them at most. Where an action stands in one fold
    alone, its share of all rows.
    """
    rng = np.random.default_rng(_SEED)
    x, action, fold = log.features[rows], log.action[rows], log.fold[rows]
    share = (np.bincount(action, minlength=len(log.actions)) + 1.0) / (len(rows) + len(log.actions))
    found = share[action]
    for k in np.unique(fold):
        held = fold == k
        others = np.flatnonzero(~held)
        if len(others) > _MAX_ROWS:
            others = np.sort(rng.permutation(others)[:_MAX_ROWS])
        if len(np.unique(action[others])) < 2:
            continue
        chance = predict_choice(
            x[others], action[others], x[held], count=len(log.actions), penalty=1.0
        )
        own = chance[np.arange(len(chance)), action[held]]
        found[held] = np.where(own > 0, own, share[action[held]])
    return found


def _is_better(log: Log, gain: FloatArray, rows: IntArray, *, looks: int = 1) -> bool:
    """Whether a mean gain (m,), one of `looks`, is more than it takes to matter, beyond doubt by clusters."""
    from scipy.special import stdtrit

    mean = float(gain.mean())
    sums = np.bincount(log.cluster[rows], gain - mean)
    error = float(np.sqrt(sums @ sums)) / len(gain)
    degrees = max(len(np.unique(log.cluster[rows])) - 1, 1)
    return mean > _MATTERS and mean > float(stdtrit(degrees, 1 - _SURE / looks)) * error


def _tell(log: Log, gain: float, better: str) -> Finding:
    if log.is_learned:
        said = (
            f"the learned propensities do not fit the log: {better} foretell what was shown better "
            f"(chances {np.expm1(gain):.1%} higher on average); cut the columns of --context into the parts "
            "that the policy told apart, or log the chances"
        )
        return "not credible", said
    said = (
        f"the propensities do not fit the log: {better} foretell what was shown better than "
        f"{log.columns.propensity} does (chances {np.expm1(gain):.1%} higher on average); is the column "
        "the chance that the logged action had there, under the policy that logged it, and not an "
        "average or one over the number of actions?"
    )
    return "not credible", said
