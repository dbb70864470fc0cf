"""A log of decisions made ready: what was shown, with what chance, and what came of it.

One row is one action shown once. The propensity is the chance with which the policy that wrote the
log showed that action there (at that position, to that user); without it nothing can be reweighted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Final

import numpy as np
import polars as pl

from tasks.effects.basis import FloatArray, read_levels
from tasks.effects.controls.columns import build_controls, check_columns, read_clusters, read_column
from tasks.effects.credibility import Finding
from tasks.effects.moments import IntArray, factorise
from tasks.effects.plr_rows import assign_folds
from tasks.platform.errors import ConfigError, EstimationError, InputError

MIN_ROWS: Final = 50
ESTIMATE: Final = "estimate"
"""Named as the propensity column: count it, from how often each action stands in the log, or learn it."""
NONE: Final = "none"
"""Named as a column that would else be found by its name: do without."""
NAMES: Final[dict[str, tuple[str, ...]]] = {
    "action": ("item_id", "action", "action_id", "arm", "arm_id", "item", "product_id", "ad_id"),
    "reward": (
        "reward", "click", "clicked", "is_clicked", "is_click", "clicks", "conversion", "converted",
    ),
    "propensity": (
        "propensity_score", "propensity", "pscore", "action_prob", "action_probability",
        "logging_prob", "logging_propensity", "probability", "prob",
    ),
    "position": ("position", "rank", "slot", "pos"),
    "cluster": ("user_id", "user", "userid", "visitor_id", "customer_id"),
}  # fmt: skip
"""Column names by role, the likeliest first; case does not count."""
_JOINT: Final = "\x1f"


@dataclass(frozen=True)
class Columns:
    """Which column of the log plays which role; None where there is none.

    `context` are columns that were known before the action was chosen; the policy's chances are
    told apart by `strata`: the position, and what was asked for besides.
    """

    action: str
    reward: str | None
    propensity: str | None
    position: str | None
    cluster: str | None
    context: tuple[str, ...] = ()
    strata: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Log:
    """n rows of A actions in S strata.

    `action` and `stratum` (n,) are codes of `actions` (A names) and `strata` (S names);
    `reward` (n,) in its own units, `propensity` (n,) in (0, 1]. `features` (n, p) are position and
    context, centred and scaled. `cluster` (n,) holds codes 0 to G - 1, `fold` (n,) the fold of each
    row; a cluster is never in two. `is_estimated`: propensities were counted, not logged, and with
    `is_learned` learned from the context. `frame` holds the n rows as they came.
    """

    frame: pl.DataFrame
    columns: Columns
    action: IntArray
    actions: tuple[str, ...]
    reward: FloatArray
    propensity: FloatArray
    stratum: IntArray
    strata: tuple[str, ...]
    features: FloatArray
    cluster: IntArray
    fold: IntArray
    is_estimated: bool
    findings: tuple[Finding, ...]
    is_learned: bool = False

    @property
    def n(self) -> int:
        """Rows."""
        return len(self.reward)

    @property
    def is_binary(self) -> bool:
        """Whether every reward is 0 or 1."""
        return bool(np.isin(self.reward, (0.0, 1.0)).all())

    @property
    def cell(self) -> IntArray:
        """Code of (stratum, action) in a table of S rows and A + 1 columns, shape (n,)."""
        return self.stratum * (len(self.actions) + 1) + self.action

    def tabulate(self, values: FloatArray) -> FloatArray:
        """Sums of `values` (n,) by stratum and action, shape (S, A + 1); the last column is 0."""
        shape = (len(self.strata), len(self.actions) + 1)
        sums = np.bincount(self.cell, weights=values, minlength=shape[0] * shape[1])
        return sums.astype(np.float64).reshape(shape)

    def gather(self, influence: FloatArray) -> FloatArray:
        """Sums of `influence` (n,) by cluster, shape (G,)."""
        return np.bincount(self.cluster, weights=influence).astype(np.float64)


def find_columns(
    frame: pl.DataFrame,
    *,
    action: str | None = None,
    reward: str | None = None,
    propensity: str | None = None,
    position: str | None = None,
    cluster: str | None = None,
    context: Sequence[str] = (),
    target_context: Sequence[str] = (),
    needed: Sequence[str] = ("action", "reward"),
) -> Columns:
    """Roles of the columns: those named, else those with a usual name.

    Raises InputError for a named column that is absent, and for one of `needed` that has none of
    the usual names.
    """
    named = {
        "action": action, "reward": reward, "propensity": propensity, "position": position,
        "cluster": cluster,
    }  # fmt: skip
    found = {role: _find_column(frame, role, name) for role, name in named.items()}
    check_columns(frame, [*context, *target_context])
    for role in needed:
        if found[role] is None:
            raise InputError(
                f"no column looks like the {role} (usual names: {', '.join(NAMES[role])}); the "
                f"table has {frame.columns[:20]}; name it with --{role}"
            )
    _check_roles(found, context)
    place = found["position"]
    strata = dict.fromkeys([*([place] if place else []), *target_context])
    return Columns(
        action=str(found["action"]),
        reward=found["reward"],
        propensity=found["propensity"],
        position=place,
        cluster=found["cluster"],
        context=tuple(dict.fromkeys([*context, *target_context])),
        strata=tuple(strata),
    )


def read_log(
    frame: pl.DataFrame,
    columns: Columns,
    *,
    folds: int = 5,
    max_levels: int = 20,
    is_weighted: bool = True,
) -> Log:
    """Check the log and code it; what was dropped or counted is among the findings.

    Without `is_weighted` propensities are not read, and stand as 1.

    Raises InputError for a reward that is no number, and for propensities that are absent or
    outside (0, 1]; EstimationError for a log with too few rows, one action or one reward.
    """
    if is_weighted:
        _require_propensity(frame, columns)
    else:
        columns = replace(columns, propensity=None)
    kept, findings = _drop_incomplete(frame, columns)
    action, actions = factorise(read_levels(kept[columns.action]))
    reward = read_column(kept[str(columns.reward)], str(columns.reward))
    _check_variety(reward, actions if is_weighted else (), columns)
    strata_text = join_strata(kept, columns.strata)
    stratum, strata = factorise(strata_text)
    cluster, clusters = read_clusters(kept, columns.cluster)
    is_estimated = columns.propensity == ESTIMATE
    if is_estimated:
        propensity = _count_propensity(stratum, action, len(actions))
        findings.append(("weak", describe_counted(columns)))
    elif columns.propensity is not None:
        propensity = read_propensity(kept[columns.propensity])
    else:
        propensity = np.ones(kept.height)
    features, notes = _build_features(kept, columns, max_levels=max_levels)
    return Log(
        frame=kept,
        columns=columns,
        action=action,
        actions=tuple(actions),
        reward=reward,
        propensity=propensity,
        stratum=stratum,
        strata=tuple(strata),
        features=features,
        cluster=cluster,
        fold=assign_folds(clusters, min(folds, len(clusters)))[cluster],
        is_estimated=is_estimated,
        findings=(*findings, *(("credible", note) for note in notes)),
    )


def read_propensity(series: pl.Series, *, lowest: float = 0.0) -> FloatArray:
    """Chances in (0, 1], shape (n,); in [0, 1] when `lowest` lies below 0.

    Raises InputError that counts those outside.
    """
    values = read_column(series, series.name)
    is_bad = ~((values > lowest) & (values <= 1.0))
    if is_bad.any():
        allowed = "(0, 1]" if lowest >= 0 else "[0, 1]"
        zeros = int((values == 0).sum())
        raise InputError(
            f"{int(is_bad.sum()):,} of {len(values):,} values of {series.name} lie outside "
            f"{allowed} ({zeros:,} are 0; smallest {np.nanmin(values):g}, largest "
            f"{np.nanmax(values):g}, {int(np.isnan(values).sum()):,} missing); it must be the "
            "chance that the logged action had, as a share and not in percent: correct the "
            "column or remove those rows"
        )
    return values


def join_strata(frame: pl.DataFrame, names: Sequence[str]) -> pl.Series:
    """One text per row that tells its stratum; the same text for all rows without columns."""
    if not names:
        return pl.Series("stratum", ["all"] * frame.height, dtype=pl.String)
    parts = pl.DataFrame([read_levels(frame[name]).alias(name) for name in names])
    return parts.select(pl.concat_str(pl.all(), separator=_JOINT)).to_series()


def _find_column(frame: pl.DataFrame, role: str, name: str | None) -> str | None:
    if name == NONE or (name == ESTIMATE and role == "propensity"):
        return None if name == NONE else name
    if name is not None:
        check_columns(frame, [name])
        return name
    lower = {column.lower(): column for column in reversed(frame.columns)}
    return next((lower[usual] for usual in NAMES[role] if usual in lower), None)


def _check_roles(found: dict[str, str | None], context: Sequence[str]) -> None:
    named = [name for name in found.values() if name not in (None, ESTIMATE)]
    twice = sorted({str(name) for name in named if named.count(name) > 1})
    if twice:
        raise ConfigError(f"{twice} play two roles each; name one column per role: {found}")
    after = [name for name in context if name in (found["reward"], found["action"])]
    if after:
        raise ConfigError(f"{after} cannot be context: it must be known before the action; drop it")


def _require_propensity(frame: pl.DataFrame, columns: Columns) -> None:
    if columns.propensity is not None:
        return
    near = get_close_matches("propensity", frame.columns, n=3)
    hint = f" (is it {', '.join(near)}?)" if near else ""
    raise InputError(
        f"the log has no propensity column{hint}; usual names are "
        f"{', '.join(NAMES['propensity'])}. Name it with --propensity, log it from now on, or use "
        "--propensity estimate, which counts how often each action was shown, or learns it from "
        "--context, and is right only if the policy looked at nothing else"
    )


def _drop_incomplete(frame: pl.DataFrame, columns: Columns) -> tuple[pl.DataFrame, list[Finding]]:
    findings: list[Finding] = []
    rows = frame.height
    for role in ("action", "reward", "propensity", "cluster"):
        name = getattr(columns, role)
        if name is None or name == ESTIMATE:
            continue
        is_there = frame[name].is_not_null().to_numpy()
        if role in ("reward", "propensity"):
            is_there = ~np.isnan(read_column(frame[name], name))
        findings += tell_dropped(name, int((~is_there).sum()), rows)
        frame = frame.filter(pl.Series(is_there))
    if frame.height < MIN_ROWS:
        raise EstimationError(
            f"{frame.height} of {rows} rows are complete; at least {MIN_ROWS} are needed"
        )
    return frame, findings


def tell_dropped(name: str, gone: int, rows: int) -> list[Finding]:
    """That `gone` of `rows` were dropped for want of the column `name`; nothing where none was."""
    if not gone:
        return []
    note = (
        f"{gone:,} of {rows:,} rows without {name} were dropped; the rest speaks for all only if they are "
        "missing by chance"
    )
    return [("weak" if gone > 0.01 * rows else "credible", note)]


def _check_variety(reward: FloatArray, actions: Sequence[str], columns: Columns) -> None:
    if len(actions) == 1:
        raise EstimationError(
            f"{columns.action} is {actions[0]!r} in all rows; a log of one action says nothing of "
            "another policy"
        )
    if np.ptp(reward) == 0:
        raise EstimationError(
            f"{columns.reward} is {reward[0]:g} in all {len(reward):,} rows; nothing to compare: "
            "bring a longer log"
        )


def _count_propensity(stratum: IntArray, action: IntArray, n_actions: int) -> FloatArray:
    """Share of each action within its stratum, at the rows where it was shown, shape (n,)."""
    cell = stratum * n_actions + action
    shown: FloatArray = np.bincount(cell)[cell] / np.bincount(stratum)[stratum]
    return shown


def describe_counted(columns: Columns) -> str:
    """What it means that propensities were counted, and by what."""
    by = " and ".join(columns.strata) or "the whole log"
    return (
        f"propensities were not logged but counted by {by}: right only if the policy looked at "
        "nothing else (no user, no time); log them to know"
    )


def _build_features(
    frame: pl.DataFrame, columns: Columns, *, max_levels: int
) -> tuple[FloatArray, list[str]]:
    names = list(dict.fromkeys([*columns.strata, *columns.context]))
    if columns.position is not None:
        frame = frame.with_columns(read_levels(frame[columns.position]).alias(columns.position))
    built = build_controls(frame, names, max_levels=max_levels)
    return built.matrix, [*built.notes, *built.gaps, *built.in_part.values()]
