"""Target policies: with what chance would another policy have shown each action?

`uniform` shows every action alike, `always:ACTION` one of them. `column:NAME` reads the target's chance
of the logged action from the log itself, `columns:p_{}` those of all actions, each from the column that
is called after it: a target may look at whatever it likes there. `log` is whatever policy wrote another
log: its chances are counted there, and that they are counted from so many rows widens every interval.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

import numpy as np
import polars as pl

from tasks.effects.basis import FloatArray, read_levels
from tasks.effects.controls.columns import check_columns, read_clusters, read_column
from tasks.effects.credibility import Finding
from tasks.effects.moments import IntArray
from tasks.effects.ope.log import Columns, Log, join_strata, read_propensity, tell_dropped
from tasks.platform.errors import ConfigError, EstimationError, InputError

UNIFORM: Final = "uniform"
ALWAYS: Final = "always:"
COLUMN: Final = "column:"
COLUMNS: Final = "columns:"
HOLE: Final = "{}"
ALLOWED: Final = (
    "uniform, always:ACTION, column:NAME (its chance of the logged action), columns:p_{} (its chances of "
    "all actions, a column each) or the path of another log"
)
_ROUNDED: Final = 0.005
_SUM_OFF: Final = 0.05
"""How far chances of a row may sum from 1: as far as two digits each can take them, at most so far."""
_MAX_CELLS: Final = 50_000_000
_BELOW_ZERO: Final = -1e-300
"""A chance of 0 is one."""


@dataclass(frozen=True, eq=False)
class Source:
    """The m rows of another log whose policy is the target.

    `stratum` (m,) are codes of the log's strata, -1 where it has none such; `action` (m,) codes of
    its actions, A for one it never logged. `pooled` (A + 1,) are its chances over all strata,
    `rows` (S,) its rows per stratum, `smoothing` the pseudo-rows that draw a stratum to `pooled`.
    `reward` (m,) is None when that log has none (NaN where a row has none).
    """

    stratum: IntArray
    action: IntArray
    cluster: IntArray
    pooled: FloatArray
    rows: FloatArray
    smoothing: float
    reward: FloatArray | None

    def influence(self, gradient: FloatArray) -> FloatArray:
        """What each of its clusters moves an estimate by, through the counted chances, (G,).

        `gradient` (S, A + 1): derivative of the estimate in each chance. Delta method over the
        counts: chance = (count + smoothing * pooled) / (rows + smoothing).
        """
        total = self.rows + self.smoothing
        own = np.zeros(len(self.action))
        known = self.stratum >= 0
        s, a = self.stratum[known], self.action[known]
        own[known] = gradient[s, a] / total[s]
        means = np.bincount(s, weights=own[known], minlength=len(total)) / np.maximum(self.rows, 1)
        own[known] -= means[s]
        drawn = (self.smoothing / total) @ (gradient - (gradient @ self.pooled)[:, None])
        own += drawn[self.action] / len(self.action)
        return np.bincount(self.cluster, weights=own).astype(np.float64)


@dataclass(frozen=True, eq=False)
class Policy:
    """A target policy on a log of n rows, S strata and A actions.

    `chance` (n,) is its probability of the logged action. `table` (T, A + 1) holds its whole
    distributions, each row summing to 1, the last column being actions that were never logged; None
    when only `chance` is known. `place` (n,) is the row of the table that a row of the log goes by,
    `stratum` (T,) the stratum that a row of the table speaks of.
    """

    name: str
    chance: FloatArray
    table: FloatArray | None
    place: IntArray
    stratum: IntArray
    source: Source | None = None
    findings: tuple[Finding, ...] = ()


def make_policy(
    log: Log,
    target: str,
    *,
    catalogue: int | None = None,
    target_log: pl.DataFrame | None = None,
    target_columns: Columns | None = None,
    smoothing: float = 1.0,
) -> Policy:
    """The policy called `target`; with `target_log`, the one that wrote it.

    `catalogue` is the number of actions that `uniform` chooses among (by default those logged).
    Raises ConfigError for a policy of an unknown kind or a catalogue of another, EstimationError when the target shows
    nothing that the log shows.
    """
    if catalogue is not None and (target_log is not None or target != UNIFORM):
        raise ConfigError(
            f"a catalogue is of what {UNIFORM!r} chooses among, and the target is {target!r}; leave "
            "--catalogue out"
        )
    if target_log is not None and target_columns is not None:
        policy = count_policy(log, target, target_log, target_columns, smoothing=smoothing)
    elif target == UNIFORM:
        policy = _spread(log, catalogue)
    elif target.startswith(ALWAYS):
        policy = _fix(log, target)
    elif target.startswith(COLUMN):
        policy = _read_chances(log, target)
    elif target.startswith(COLUMNS):
        policy = _read_table(log, target)
    else:
        raise ConfigError(f"target policy {target!r} is unknown; allowed are {ALLOWED}")
    if not policy.chance.any():
        raise EstimationError(
            f"the log never shows what {target!r} would show, so it says nothing of it; choose a "
            "target that plays logged actions, or log some exploration"
        )
    return policy


def count_policy(
    log: Log, name: str, frame: pl.DataFrame, columns: Columns, *, smoothing: float
) -> Policy:
    """The policy that wrote `frame`: its counts by stratum, smoothed towards its overall shares."""
    kept = frame.filter(pl.col(columns.action).is_not_null())
    findings = tell_dropped(
        f"{columns.action} in the target's log", frame.height - kept.height, frame.height
    )
    if columns.cluster is not None:
        owned = kept.filter(pl.col(columns.cluster).is_not_null())
        whose = f"{columns.cluster} in the target's log"
        findings += tell_dropped(whose, kept.height - owned.height, frame.height)
        kept = owned
    if kept.height < 2:
        raise EstimationError(
            f"{name} has {kept.height} rows with an action; at least 2 are needed"
        )
    shape = (len(log.strata), len(log.actions) + 1)
    _check_size(shape)
    action = _encode(read_levels(kept[columns.action]), log.actions, len(log.actions))
    stratum = _encode(join_strata(kept, columns.strata), log.strata, -1)
    known = stratum >= 0
    cells = stratum[known] * shape[1] + action[known]
    counts = np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)
    pooled = np.bincount(action, minlength=shape[1]) / len(action)
    rows = counts.sum(axis=1)
    table = (counts + smoothing * pooled) / (rows + smoothing)[:, None]
    source = Source(
        stratum=stratum,
        action=action,
        cluster=read_clusters(kept, columns.cluster)[0],
        pooled=pooled,
        rows=rows,
        smoothing=smoothing,
        reward=read_column(kept[columns.reward], columns.reward) if columns.reward else None,
    )
    findings += _describe_source(log, source, smoothing)
    return _by_stratum(log, name, table, source, tuple(findings))


def _spread(log: Log, catalogue: int | None) -> Policy:
    seen = len(log.actions)
    total = seen if catalogue is None else catalogue
    if total < seen:
        raise ConfigError(
            f"the catalogue is said to hold {total:,} actions, the log shows {seen:,}; correct it"
        )
    _check_size((len(log.strata), seen + 1))
    table = np.full((len(log.strata), seen + 1), 1.0 / total)
    table[:, -1] = 1.0 - seen / total
    return _by_stratum(log, UNIFORM, table)


def _fix(log: Log, target: str) -> Policy:
    wanted = target.removeprefix(ALWAYS).strip()
    if wanted not in log.actions:
        near = get_close_matches(wanted, log.actions, n=3) or list(log.actions[:5])
        raise ConfigError(
            f"target policy {target!r}: the log never shows {wanted!r}; it shows "
            f"{len(log.actions):,} actions such as {', '.join(near)}"
        )
    at = log.actions.index(wanted)
    table = np.zeros((len(log.strata), len(log.actions) + 1))
    table[:, at] = 1.0
    return _by_stratum(log, target, table)


def _by_stratum(
    log: Log,
    name: str,
    table: FloatArray,
    source: Source | None = None,
    findings: tuple[Finding, ...] = (),
) -> Policy:
    """The policy whose chances (S, A + 1) differ between strata only."""
    chance = table[log.stratum, log.action]
    return Policy(name, chance, table, log.stratum, np.arange(len(table)), source, findings)


def _read_chances(log: Log, target: str) -> Policy:
    name = target.removeprefix(COLUMN).strip()
    if HOLE in name:
        raise ConfigError(
            f"target policy {target!r}: for a column each of all actions say {COLUMNS}{name}"
        )
    check_columns(log.frame, [name])
    chance = read_propensity(log.frame[name], lowest=_BELOW_ZERO)
    return Policy(target, chance, None, log.stratum, np.arange(len(log.strata)))


def _read_table(log: Log, target: str) -> Policy:
    """The policy whose chance of each action stands in the column called after it, row by row."""
    pattern = target.removeprefix(COLUMNS).strip()
    if pattern.count(HOLE) != 1:
        raise ConfigError(
            f"target policy {target!r}: {HOLE} must stand in it once, where the columns' names hold the "
            f"action, as in {COLUMNS}p_{HOLE}"
        )
    columns = _find_columns(log, pattern)
    shape = (log.n, len(log.actions) + 1)
    _check_size(shape)
    table = np.zeros(shape)
    codes = {name: code for code, name in enumerate(log.actions)}
    for column, action in columns.items():
        chance = read_propensity(log.frame[column], lowest=_BELOW_ZERO)
        table[:, codes.get(action, len(log.actions))] += chance
    total = table.sum(axis=1)
    is_off = abs(total - 1) > min(_ROUNDED * len(columns), _SUM_OFF)
    if is_off.any():
        lacking = [name for name in log.actions if name not in columns.values()]
        hint = f"; no column is called after {_tell_some(lacking)}" if lacking else ""
        raise InputError(
            f"the chances of {int(is_off.sum()):,} of {log.n:,} rows do not sum to 1 over the {len(columns):,} "
            f"columns that {pattern!r} names (from {total.min():.3g} to {total.max():.3g}){hint}: the target's "
            "chances of all actions are needed, as shares"
        )
    table /= total[:, None]
    rows = np.arange(log.n)
    return Policy(target, table[rows, log.action], table, rows, log.stratum)


def _find_columns(log: Log, pattern: str) -> dict[str, str]:
    """Columns that `pattern` names, with the action that each is called after."""
    before, after = pattern.split(HOLE)
    least = len(before) + len(after)
    found = {
        name: name[len(before) : len(name) - len(after)]
        for name in log.frame.columns
        if len(name) > least and name.startswith(before) and name.endswith(after)
    }
    if not set(found.values()) & set(log.actions):
        raise InputError(
            f"no column that {pattern!r} names is called after a logged action, such as "
            f"{before}{log.actions[0]}{after}; the table has {log.frame.columns[:20]}"
        )
    return found


def _tell_some(names: Sequence[str]) -> str:
    rest = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{rest}"


def _encode(values: pl.Series, names: Sequence[str], otherwise: int) -> IntArray:
    codes = pl.Series(range(len(names)), dtype=pl.Int64)
    coded = values.replace_strict(
        pl.Series(list(names), dtype=pl.String), codes, default=otherwise, return_dtype=pl.Int64
    )
    return coded.to_numpy().astype(np.int64)


def _check_size(shape: tuple[int, int]) -> None:
    if shape[0] * shape[1] > _MAX_CELLS:
        raise EstimationError(
            f"{shape[0]:,} strata or rows times {shape[1]:,} actions are more than {_MAX_CELLS:,} chances; "
            "use fewer --target-context columns, or a part of the rows"
        )


def _describe_source(log: Log, source: Source, smoothing: float) -> list[Finding]:
    m = len(source.action)
    findings: list[Finding] = [
        (
            "credible",
            f"the target's chances were counted from {m:,} rows of its log, {smoothing:g} "
            "pseudo-row a stratum drawing them to its overall shares; the intervals allow for that",
        )
    ]
    empty = source.rows[log.stratum] == 0
    if empty.any():
        findings.append(
            (
                "weak",
                f"{empty.mean():.1%} of the log's rows lie where the target's log has none "
                f"({', '.join(log.columns.strata)}); its overall shares stand in",
            )
        )
    outside = float((source.stratum < 0).mean())
    if outside > 0:
        findings.append(
            (
                "credible" if outside < 0.01 else "weak",
                f"{outside:.1%} of the target's rows lie where this log has none and were left out",
            )
        )
    return findings
