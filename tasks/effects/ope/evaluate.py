"""What would another policy have earned? Off-policy evaluation of one log.

IPS, SNIPS, DM, DR and DRos (`tasks.effects.ope.scores` names the papers), each with an interval
that allows for skewness, for clusters, and for a target that was itself counted from a log. Beside
them stand the log's own mean, the lift over it, the overlap with its alarm, and the target's own
mean where its log has rewards: the check that needs no weights.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import polars as pl

from tasks.effects.credibility import Finding, decide_verdict
from tasks.effects.intervals import Interval
from tasks.effects.ope.checks import WeightRules, check_copies, check_weights, measure_weights
from tasks.effects.ope.log import NONE, Columns, Log, find_columns, read_log
from tasks.effects.ope.policy import Policy, Source, make_policy
from tasks.effects.ope.propensities import check_propensities, learn_propensities
from tasks.effects.ope.reward import fit_rewards
from tasks.effects.ope.scores import ESTIMATORS, MODELLED, Score, choose_estimators
from tasks.effects.ope.skew import skewed_interval
from tasks.effects.ope.together import check_together
from tasks.platform.errors import InputError
from tasks.platform.numbers import tell_signed

HEADLINES: Final = ("dr", "snips", "dros", "ips")
"""The first of these that was estimated is shown as the target's value; dm only when alone."""
_NO_TABLE: Final = (
    "the target's chances are known for the logged actions only, and this estimator needs its whole "
    "distribution; give a column of chances for each action (columns:p_{}), or name another log as target"
)


def evaluate_policy(
    frame: pl.DataFrame,
    *,
    target: str,
    target_log: pl.DataFrame | None = None,
    action: str | None = None,
    reward: str | None = None,
    propensity: str | None = None,
    position: str | None = None,
    context: Sequence[str] = (),
    target_context: Sequence[str] = (),
    cluster: str | None = None,
    estimators: Sequence[str] = tuple(ESTIMATORS),
    catalogue: int | None = None,
    smoothing: float = 1.0,
    confidence: float = 0.95,
    folds: int = 5,
    penalty: float = 1.0,
    rules: WeightRules | None = None,
) -> dict[str, Any]:
    """Value of the policy `target` from the log `frame`, by each of `estimators`.

    `target` is uniform, always:ACTION, column:NAME or columns:p_{}; with `target_log` it is the name of that
    log, whose policy is counted by position and `target_context`. Columns that are not named are
    found by their usual names; "none" does without one, propensity "estimate" counts it, or learns it
    from `context`, which serves the reward model.

    Keys: n, actions, positions, columns, behaviour {value, ci_low, ci_high}, target {policy,
    estimator, value, ci_low, ci_high}, target_on_policy (None without its rewards), estimates
    [{estimator, estimate, std_error, ci_low, ci_high, n, effective_sample_size, lift {estimate,
    std_error, ci_low, ci_high, p_value}, reason}], overlap, verdict, reasons. An estimate that
    cannot be had is None, with its reason.

    Raises ConfigError for contradictory arguments, InputError for columns that are not what they
    should be, EstimationError when the log cannot answer.
    """
    chosen, rules = choose_estimators(estimators), rules or WeightRules()
    given = {"action": action, "reward": reward, "position": position, "cluster": cluster}
    columns = find_columns(
        frame, action=action, reward=reward, propensity=propensity, position=position,
        cluster=cluster, context=context, target_context=target_context,
    )  # fmt: skip
    log = learn_propensities(read_log(frame, columns, folds=folds))
    policy = make_policy(
        log, target, catalogue=catalogue, target_log=target_log, smoothing=smoothing,
        target_columns=None if target_log is None else _target_columns(target_log, given, columns),
    )  # fmt: skip
    scores = _score(log, policy, chosen, penalty)
    behaviour = measure_behaviour(log, confidence)
    weights = measure_weights(log, policy, rules)
    estimates = [
        _show(name, scores.get(name), log, policy, weights.effective_sample_size, confidence)
        for name in chosen
    ]
    headline = _choose_headline(estimates)
    on_policy = _measure_source(policy.source, scores, headline, log, policy, confidence)
    findings = [*log.findings, *policy.findings, *check_weights(log, weights, rules)]
    findings += check_copies(log) or check_propensities(log)  # copies foretell one another
    findings += _check_agreement(estimates, on_policy)
    if headline["estimator"] is not None:
        findings += check_together(log, scores[headline["estimator"]].influence)
    if headline["value"] is None:
        findings += [("no result", reason) for row in estimates if (reason := row["reason"])]
    verdict, reasons = decide_verdict(findings)
    return {
        "n": log.n,
        "actions": len(log.actions),
        "positions": log.frame[columns.position].n_unique() if columns.position else 1,
        "columns": {name: getattr(columns, name) for name in (*given, "propensity")},
        "behaviour": _show_value(behaviour, log),
        "target": {"policy": target, **headline},
        "target_on_policy": on_policy,
        "estimates": estimates,
        "overlap": weights.to_dict(),
        "verdict": verdict,
        "reasons": reasons,
    }


def explain_absence(name: str, log: Log, policy: Policy) -> str | None:
    """Why this estimator has no answer here; None when it has one."""
    if policy.table is None and name in MODELLED:
        return _NO_TABLE
    rewards = log.reward[policy.chance > 0]
    if name == "dm" or np.ptp(rewards) > 0:
        return None
    return (
        f"the {len(rewards):,} rows that the target could have shown all have {log.columns.reward} "
        f"{rewards[0]:g}, so nothing is known of its spread; log for longer"
    )


def measure_behaviour(log: Log, confidence: float) -> Interval:
    """Mean reward of the log itself."""
    value = float(log.reward.mean())
    return skewed_interval(value, log.gather((log.reward - value) / log.n), confidence=confidence)


def measure_interval(
    score: Score, log: Log, policy: Policy, confidence: float, *, over: float = 0.0
) -> Interval:
    """Interval of a score; with `over` = 1 that of its lift over the log's own mean."""
    own = float(log.reward.mean())
    influence = log.gather(score.influence - over * (log.reward - own) / log.n)
    if policy.source is not None and score.gradient is not None:
        influence = np.concatenate([influence, policy.source.influence(score.gradient)])
    estimate = score.estimate - over * own
    if np.abs(influence).sum() <= 1e-12 * np.abs(log.reward).mean():
        influence = np.zeros_like(influence)  # rounding: target and log are one and the same
    return skewed_interval(
        estimate, influence, confidence=confidence, bias=score.bias, is_bent=over == 0
    )


def _target_columns(
    frame: pl.DataFrame, given: Mapping[str, str | None], columns: Columns
) -> Columns:
    """Roles in the target's log: the names that they have in the log, where it has them."""
    named = {role: _name_alike(frame, given[role], getattr(columns, role)) for role in given}
    try:
        return find_columns(
            frame,
            action=named["action"],
            reward=named["reward"],
            position=named["position"] if columns.position else NONE,
            cluster=named["cluster"],
            propensity=NONE,
            target_context=[name for name in columns.strata if name != columns.position],
            needed=("action", "position") if columns.position else ("action",),
        )
    except InputError as error:
        raise InputError(f"the target's log must have the columns of the log: {error}") from error


def _name_alike(frame: pl.DataFrame, given: str | None, found: str | None) -> str | None:
    """A name for the target's log: the log's own; None (look for a usual one) if it has none such."""
    if given == NONE:
        return NONE
    return found if found in frame.columns else None


def _score(log: Log, policy: Policy, chosen: Sequence[str], penalty: float) -> dict[str, Score]:
    able = [name for name in chosen if explain_absence(name, log, policy) is None]
    rewards = None
    if policy.table is not None and any(name in MODELLED for name in able):
        rewards = fit_rewards(log, policy.table, policy.place, penalty=penalty)
    return {name: ESTIMATORS[name](log, policy, rewards) for name in able}


def _show(
    name: str, score: Score | None, log: Log, policy: Policy, size: float, confidence: float
) -> dict[str, Any]:
    row: dict[str, Any] = {"estimator": name, "n": log.n, "effective_sample_size": size}
    if score is None:
        empty = dict.fromkeys(("estimate", "std_error", "ci_low", "ci_high"))
        return (
            row
            | empty
            | {"lift": {**empty, "p_value": None}, "reason": explain_absence(name, log, policy)}
        )
    interval = measure_interval(score, log, policy, confidence)
    lift = measure_interval(score, log, policy, confidence, over=1.0)
    shown = _show_value(interval, log)
    row |= {"estimate": shown.pop("value"), **shown, "lift": vars(lift), "reason": None}
    if name == "dros":
        chosen = score.shrinkage
        row["shrinkage"] = chosen if chosen is not None and np.isfinite(chosen) else None
    return row


def _show_value(interval: Interval, log: Log) -> dict[str, Any]:
    """A value with its interval; a share stays a share where its estimate is one."""
    low, high = interval.ci_low, interval.ci_high
    if log.is_binary and 0 <= interval.estimate <= 1:
        low, high = max(low, 0.0), min(high, 1.0)
    return {
        "value": interval.estimate,
        "std_error": interval.std_error,
        "ci_low": low,
        "ci_high": high,
    }


def _choose_headline(estimates: Sequence[dict[str, Any]]) -> dict[str, Any]:
    found = {row["estimator"]: row for row in estimates if row["estimate"] is not None}
    is_alone = len(estimates) == 1
    name = next((name for name in (HEADLINES, tuple(found))[is_alone] if name in found), None)
    if name is None:
        return {"estimator": None, "value": None, "ci_low": None, "ci_high": None, "lift": None}
    row = found[name]
    return {
        "estimator": name,
        "value": row["estimate"],
        "ci_low": row["ci_low"],
        "ci_high": row["ci_high"],
        "lift": row["lift"],
    }


def _measure_source(
    source: Source | None,
    scores: dict[str, Score],
    headline: dict[str, Any],
    log: Log,
    policy: Policy,
    confidence: float,
) -> dict[str, Any] | None:
    """Mean reward of the target's own log, and how far the headline lies from it.

    The two logs' rows are taken for independent, and the target's rewards for independent of its
    choices.
    """
    if source is None or source.reward is None or np.isnan(source.reward).all():
        return None
    is_there = ~np.isnan(source.reward)
    rewards = source.reward[is_there]
    if np.ptp(rewards) == 0:
        return None
    own = np.bincount(source.cluster[is_there], weights=rewards - rewards.mean()) / len(rewards)
    mean = skewed_interval(float(rewards.mean()), own, confidence=confidence)
    shown = {**_show_value(mean, log), "n": len(rewards), "difference": None}
    if headline["estimator"] is not None:
        score = scores[headline["estimator"]]
        parts = [log.gather(score.influence), -own]
        if score.gradient is not None:
            parts.append(source.influence(score.gradient))
        gap = skewed_interval(
            score.estimate - mean.estimate, np.concatenate(parts), confidence=confidence,
            bias=score.bias, is_bent=False,
        )  # fmt: skip
        shown["difference"] = vars(gap)
    return shown


def _check_agreement(
    estimates: Sequence[dict[str, Any]], on_policy: dict[str, Any] | None
) -> list[Finding]:
    """Whether the estimators, and the target's own log, tell the same story."""
    findings: list[Finding] = []
    found = {row["estimator"]: row for row in estimates if row["estimate"] is not None}
    if "dm" in found and "dr" in found:
        dm, dr = found["dm"], found["dr"]
        if not dr["ci_low"] <= dm["estimate"] <= dr["ci_high"]:
            note = "the reward model alone (dm) lies outside the interval of dr: do not trust it"
            findings.append(("credible", note))
    gap = on_policy["difference"] if on_policy else None
    if gap is not None and not gap["ci_low"] <= 0 <= gap["ci_high"]:
        findings.append(
            (
                "weak",
                f"the target's own log disagrees: the value read here is {tell_signed(gap['estimate'])} off "
                f"its mean ({tell_signed(gap['ci_low'])} to {tell_signed(gap['ci_high'])}); are the two logs of the "
                "same users and days?",
            )
        )
    return findings
