"""Estimators of a policy's value from another policy's log, each with its influence function.

With w = target chance / propensity, r the reward and q the predicted reward of n rows:

ips     mean of w r (Horvitz & Thompson 1952)
snips   sum of w r / sum of w (Swaminathan & Joachims 2015, "The self-normalized estimator for
        counterfactual learning")
dm      mean over the target's actions of q: as good as the reward model
dr      dm + mean of w (r - q): right when propensities or model are (Dudik et al. 2014, "Doubly
        robust policy evaluation and optimization")
dros    the same with w shrunk to l w / (w^2 + l) (Su et al. 2020, "Doubly robust off-policy
        evaluation with shrinkage"); l is the one whose estimated variance plus squared estimated
        bias is least, section 5 of that paper, with the plain estimate of the bias in place of its
        bound. The squared bias widens the interval too, with the variance of its estimate: of 27
        estimates the one that seems least biased is chosen, and an interval by these alone misses.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from tasks.effects.basis import FloatArray
from tasks.effects.ope.log import Log
from tasks.effects.ope.policy import Policy
from tasks.effects.ope.reward import Rewards
from tasks.platform.errors import ConfigError

MODELLED: Final = ("dm", "dr", "dros")
"""Estimators that need the target's whole distribution over the actions."""
_LAMBDAS: Final = 25


@dataclass(frozen=True, eq=False)
class Score:
    """An estimate in units of the reward.

    `influence` (n,): what each row moves it by, so that the sum of squares is the variance.
    `gradient` (S, A + 1): its derivative in each chance of the target, None when the target has no
    table. `bias` is an estimated bias that the influence does not show. `shrinkage` is DRos's l.
    """

    estimate: float
    influence: FloatArray
    gradient: FloatArray | None
    bias: float = 0.0
    shrinkage: float | None = None


def score_ips(log: Log, policy: Policy, rewards: Rewards | None) -> Score:
    """Inverse propensity scoring."""
    weighted = log.reward * policy.chance / log.propensity
    estimate = float(weighted.mean())
    gradient = log.tabulate(log.reward / log.propensity) / log.n
    return Score(estimate, (weighted - estimate) / log.n, gradient)


def score_snips(log: Log, policy: Policy, rewards: Rewards | None) -> Score:
    """Self-normalised: the propensities' scale cancels."""
    weights = policy.chance / log.propensity
    estimate = float(weights @ log.reward / weights.sum())
    left = log.reward - estimate
    gradient = log.tabulate(left / log.propensity) / weights.sum()
    return Score(estimate, weights * left / weights.sum(), gradient)


def score_dm(log: Log, policy: Policy, rewards: Rewards | None) -> Score:
    """Direct method: no weights at all."""
    return score_shrunk(log, policy, _need(rewards), shrinkage=0.0)


def score_dr(log: Log, policy: Policy, rewards: Rewards | None) -> Score:
    """Doubly robust: full weights."""
    return score_shrunk(log, policy, _need(rewards), shrinkage=np.inf)


def score_dros(log: Log, policy: Policy, rewards: Rewards | None) -> Score:
    """Doubly robust with the weights shrunk as far as the estimated squared error says."""
    weights, model = policy.chance / log.propensity, _need(rewards)
    tried = [
        score_shrunk(log, policy, model, shrinkage=value) for value in choose_shrinkages(weights)
    ]
    best = min(tried, key=lambda one: float((one.influence**2).sum()) + one.bias**2)
    shrunk, _ = shrink_weights(weights, np.inf if best.shrinkage is None else best.shrinkage)
    missed = (shrunk - weights) * model.residual
    sums = log.gather((missed - missed.mean()) / log.n)
    return replace(best, bias=math.hypot(best.bias, float(np.sqrt(sums @ sums))))


def score_shrunk(log: Log, policy: Policy, rewards: Rewards, *, shrinkage: float) -> Score:
    """Doubly robust with optimistically shrunk weights: 0 is the direct method, inf is DR."""
    weights = policy.chance / log.propensity
    shrunk, derivative = shrink_weights(weights, shrinkage)
    values = rewards.target + shrunk * rewards.residual
    estimate = float(values.mean())
    moved = values - estimate + rewards.pull(shrunk)
    gradient = rewards.by_level[:, rewards.level] + log.tabulate(
        derivative * rewards.residual / log.propensity
    )
    return Score(
        estimate,
        (moved - moved.mean()) / log.n,
        gradient / log.n,
        bias=abs(float(((shrunk - weights) * rewards.residual).mean())),
        shrinkage=float(shrinkage),
    )


def shrink_weights(weights: FloatArray, shrinkage: float) -> tuple[FloatArray, FloatArray]:
    """Weights l w / (w^2 + l) and their derivatives in w, both (n,)."""
    if np.isinf(shrinkage):
        return weights, np.ones(len(weights))
    if shrinkage == 0:
        return np.zeros(len(weights)), np.zeros(len(weights))
    bottom = weights**2 + shrinkage
    return shrinkage * weights / bottom, shrinkage * (shrinkage - weights**2) / bottom**2


def choose_shrinkages(weights: FloatArray) -> list[float]:
    """Candidates: from a hundredth of the smallest weight squared to a hundred times the largest."""
    positive = weights[weights > 0]
    low, high = 0.01 * float(positive.min()) ** 2, 100 * float(positive.max()) ** 2
    return [0.0, *np.geomspace(low, high, _LAMBDAS).tolist(), np.inf]


ESTIMATORS: Final[dict[str, Callable[[Log, Policy, Rewards | None], Score]]] = {
    "ips": score_ips,
    "snips": score_snips,
    "dm": score_dm,
    "dr": score_dr,
    "dros": score_dros,
}


def choose_estimators(names: Sequence[str]) -> list[str]:
    """The estimators called `names`, each once; raises ConfigError for an unknown one."""
    unknown = [name for name in names if name not in ESTIMATORS]
    if unknown or not names:
        raise ConfigError(f"estimators {list(names)}: allowed are {', '.join(ESTIMATORS)}")
    return list(dict.fromkeys(names))


def _need(rewards: Rewards | None) -> Rewards:
    if rewards is None:
        raise ConfigError(
            "dm, dr and dros need the target's whole distribution over the actions; give a column of "
            "chances for each action (columns:p_{}), or ask for ips and snips"
        )
    return rewards
