"""Average effects of a two-valued treatment by weighting alone.

Each arm is weighted until it resembles the rows asked about: all of them, the treated, or the
untreated. Weights sum to one in each arm (Hajek 1971), so that the estimate never leaves the range
of the outcomes. It leans on the propensities alone; beside the doubly robust estimate it shows how
much of that is owed to the outcome models.
"""

from dataclasses import dataclass

import numpy as np

from tasks.effects.basis import FloatArray
from tasks.effects.estimand import Estimand, check_estimand
from tasks.effects.irm import CLIP, cluster_error, count_clipped
from tasks.effects.moments import IntArray
from tasks.effects.nuisance import check_arms


@dataclass(frozen=True, eq=False)
class IpwFit:
    """An average effect in outcome units; cluster sums of `influence` (n,) give its variance.

    `weights` (n,) sum to one in each arm. `effective_treated` and `effective_untreated` are the
    arms' effective sizes (Kish). `clipped` rows lay beyond `clip` or 1 - `clip`. The variance takes
    the propensities as known, which errs on the wide side for the effect on all rows (Hirano,
    Imbens & Ridder 2003).
    """

    estimate: float
    std_error: float
    influence: FloatArray
    weights: FloatArray
    effective_treated: float
    effective_untreated: float
    estimand: Estimand
    clip: float
    clipped: int
    clusters: int


def estimate_ipw(
    propensity: FloatArray,
    outcome: FloatArray,
    is_treated: IntArray,
    *,
    cluster: IntArray,
    estimand: Estimand = "ate",
    clip: float = CLIP,
) -> IpwFit:
    """Effect on all rows ("ate"), the treated ("att") or the untreated ("atc") by weighting.

    `propensity` (n,) are chances of treatment, from rows other than their own; `cluster` (n,) holds
    codes 0 to G - 1. Raises EstimationError for an empty arm.
    """
    check_estimand(estimand)
    check_arms(outcome, is_treated)
    e = np.clip(propensity, clip, 1 - clip)
    target = {"ate": np.ones_like(e), "att": e, "atc": 1 - e}[estimand]
    weights = np.where(is_treated == 1, target / e, target / (1 - e))
    arms = [is_treated == 0, is_treated == 1]
    for arm in arms:
        weights[arm] /= weights[arm].sum()
    means = [float(weights[arm] @ outcome[arm]) for arm in arms]
    influence = weights * np.where(is_treated == 1, outcome - means[1], means[0] - outcome)
    error, clusters = cluster_error(influence, cluster)
    sizes = [1.0 / float((weights[arm] ** 2).sum()) for arm in arms]
    return IpwFit(
        estimate=means[1] - means[0],
        std_error=error,
        influence=influence * np.sqrt(clusters / (clusters - 1)),
        weights=weights,
        effective_treated=sizes[1],
        effective_untreated=sizes[0],
        estimand=estimand,
        clip=clip,
        clipped=count_clipped(propensity, clip),
        clusters=clusters,
    )
