"""Average effects of a two-valued treatment by augmented inverse-propensity weighting.

The interactive model of double machine learning (Chernozhukov et al. 2018, section 5.1): outcomes
under both treatments and the propensity are learned out of fold, and DoubleML's score puts them
together, so that an error in one is made up for by the other. The rows may be split several times;
estimates and variances are put together by medians, where a variance counts what the splits
disagree about (section 3.4, "median method").
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tasks.effects.basis import FloatArray
from tasks.effects.estimand import Estimand, check_estimand
from tasks.effects.learned.nuisance import (
    Nuisances,
    average_nuisances,
    check_arms,
    cross_fit_nuisances,
)
from tasks.effects.moments import IntArray
from tasks.platform.errors import EstimationError

CLIP: Final = 0.01


@dataclass(frozen=True, eq=False)
class IrmFit:
    """An average effect in outcome units, with the influence of each row on it.

    `influence` (n,): cluster sums of it, squared and summed, are the variance (`std_error` squared).
    `nuisances` are averaged over the splits; `estimates` (r,) and `std_errors` (r,) are each
    split's. `clipped` rows, counted on the averaged propensities, lie beyond `clip` or 1 - `clip`
    and are held there. `robustness_value` in [0, 1]: share of what controls leave of outcome and of
    treatment that an unobserved confounder must explain to bring the effect to 0 (Chernozhukov et
    al. 2022, "Long story short"), None where it is not defined. `extrapolation_error`, a part of
    `std_error`, is what the learners disagree about on rows that have no like in the other arm.
    """

    estimate: float
    std_error: float
    influence: FloatArray
    nuisances: Nuisances
    estimates: FloatArray
    std_errors: FloatArray
    estimand: Estimand
    clip: float
    clipped: int
    clusters: int
    robustness_value: float | None
    extrapolation_error: float

    @property
    def n(self) -> int:
        """Rows."""
        return len(self.influence)


@dataclass(frozen=True, eq=False)
class Score:
    """One split's estimate in outcome units, and the influence (n,) of the rows on it."""

    estimate: float
    influence: FloatArray
    robustness_value: float | None


def estimate_irm(
    features: FloatArray,
    basis: FloatArray,
    outcome: FloatArray,
    is_treated: IntArray,
    *,
    cluster: IntArray,
    folds: int = 5,
    repeats: int = 1,
    estimand: Estimand = "ate",
    clip: float = CLIP,
    seed: int = 0,
    splits: Sequence[Nuisances] | None = None,
) -> IrmFit:
    """Effect on all rows ("ate"), on the treated ("att") or on the untreated ("atc").

    `features`, `basis`: see `cross_fit_nuisances`. `cluster` (n,) holds codes 0 to G - 1; a cluster
    is never on both sides of a fold. `splits` are nuisances made before, one a split, by
    `split_nuisances`; without them they are learned here. Raises EstimationError for an empty arm,
    ConfigError for an unknown estimand.
    """
    check_estimand(estimand)
    check_arms(outcome, is_treated)
    if splits is None:
        splits = split_nuisances(
            features, basis, outcome, is_treated, cluster=cluster, folds=folds, repeats=repeats,
            seed=seed,
        )  # fmt: skip
    scores = [score_irm(one, outcome, is_treated, estimand=estimand, clip=clip) for one in splits]
    return put_together(scores, splits, cluster, estimand, clip)


def split_nuisances(
    features: FloatArray,
    basis: FloatArray,
    outcome: FloatArray,
    is_treated: IntArray,
    *,
    cluster: IntArray,
    folds: int,
    repeats: int,
    seed: int,
) -> list[Nuisances]:
    """Cross-fitted nuisances for each of `repeats` deals of the clusters into folds."""
    if features.shape[1] == 0 and basis.shape[1] == 0:
        repeats = 1
    deals = [
        deal_folds(cluster, is_treated, folds, np.random.default_rng([seed, repeat]))
        for repeat in range(repeats)
    ]
    return [
        cross_fit_nuisances(
            features, basis, outcome, is_treated, fold, int(fold.max()) + 1, seed=seed + 1000 * at
        )
        for at, fold in enumerate(deals)
    ]


def deal_folds(
    cluster: IntArray, is_treated: IntArray, folds: int, rng: np.random.Generator
) -> IntArray:
    """Fold of each row, shape (n,): clusters dealt in turn, those most treated first.

    So each fold gets its share of the treated, however few they are.
    """
    codes, position = np.unique(cluster, return_inverse=True)
    share = np.bincount(position, weights=is_treated) / np.bincount(position)
    order = np.lexsort((rng.permutation(len(codes)), share))
    fold = np.empty(len(codes), dtype=np.int64)
    fold[order] = np.arange(len(codes)) % min(folds, len(codes))
    dealt: IntArray = fold[position]
    return dealt


def score_irm(
    nuisances: Nuisances,
    outcome: FloatArray,
    is_treated: IntArray,
    *,
    estimand: Estimand,
    clip: float = CLIP,
) -> Score:
    """DoubleML's score for one set of nuisances.

    DoubleML knows the effect on the treated; that on the untreated is the same question with the
    arms exchanged, and its sign.
    """
    is_swapped = estimand == "atc"
    first, second = nuisances.untreated, nuisances.treated
    if is_swapped:
        first, second = second, first
    model = _fit_doubleml(
        outcome,
        1 - is_treated if is_swapped else is_treated,
        first,
        second,
        1 - nuisances.propensity if is_swapped else nuisances.propensity,
        score="ATE" if estimand == "ate" else "ATTE",
        clip=clip,
    )
    sign = -1.0 if is_swapped else 1.0
    slope = float(model.psi_deriv.mean())
    influence = -sign * model.psi[:, 0, 0] / slope / len(outcome)
    return Score(sign * float(model.coef[0]), influence, _robustness(model))


def cluster_error(influence: FloatArray, cluster: IntArray) -> tuple[float, int]:
    """Standard error from rows' influence (n,), and the number of clusters.

    Root of the sum of squared cluster sums, times G / (G - 1). Raises EstimationError for G < 2.
    """
    _, position = np.unique(cluster, return_inverse=True)
    sums = np.bincount(position, weights=influence)
    if len(sums) < 2:
        raise EstimationError("an interval needs at least 2 clusters, found 1; name another column")
    return float(np.sqrt((sums**2).sum() * len(sums) / (len(sums) - 1))), len(sums)


def put_together(
    scores: Sequence[Score],
    splits: Sequence[Nuisances],
    cluster: IntArray,
    estimand: Estimand,
    clip: float,
) -> IrmFit:
    """The fit of several splits' scores: medians, and what the learners disagree about beside."""
    estimates = np.array([score.estimate for score in scores])
    found = [cluster_error(score.influence, cluster) for score in scores]
    errors = np.array([error for error, _ in found])
    estimate = float(np.median(estimates))
    nuisances = average_nuisances(splits)
    doubt = measure_extrapolation(nuisances, estimand=estimand, clip=clip)
    error = float(np.sqrt(np.median(errors**2 + (estimates - estimate) ** 2) + doubt**2))
    influence: FloatArray = np.mean([score.influence for score in scores], axis=0)
    mean_error = float(np.sqrt((np.bincount(cluster, weights=influence) ** 2).sum()))
    middle = scores[int(np.argsort(estimates, kind="stable")[(len(scores) - 1) // 2])]
    return IrmFit(
        estimate=estimate,
        std_error=error,
        influence=influence * (error / mean_error if mean_error > 0 else 1.0),
        nuisances=nuisances,
        estimates=estimates,
        std_errors=errors,
        estimand=estimand,
        clip=clip,
        clipped=count_clipped(nuisances.propensity, clip),
        clusters=found[0][1],
        robustness_value=middle.robustness_value,
        extrapolation_error=doubt,
    )


def measure_extrapolation(nuisances: Nuisances, *, estimand: Estimand, clip: float = CLIP) -> float:
    """How far the learners disagree where only they speak, in outcome units of the average.

    Rows of the estimand whose propensity lies beyond `clip` hardly ever have the other treatment:
    no residual can correct the model there, and no standard error counts it. Their share times the
    deviation of the learners' mean effects on them, each weighted by its skill on the other rows: the
    stack, which believes the best there and hardly anybody else, is no judge of these.
    """
    e = nuisances.propensity
    # chances to be among the rows that are asked about, in proportion
    asked = {"ate": np.ones_like(e), "att": e, "atc": 1 - e}[estimand]
    lonely = find_lonely(e, estimand=estimand, clip=clip)
    shares = np.array([nuisances.skills.get(name, 0.0) for name in nuisances.effects])
    if not lonely.any() or shares.sum() <= 0:
        return 0.0
    weight = asked * lonely / asked.sum()
    means = np.array([float(weight @ effect) for effect in nuisances.effects.values()])
    shares = shares / shares.sum()
    return float(np.sqrt(shares @ (means - shares @ means) ** 2))


def find_lonely(
    propensity: FloatArray, *, estimand: Estimand = "ate", clip: float = CLIP
) -> NDArray[np.bool_]:
    """Rows (n,) that the estimand asks about and that have next to no chance of the other treatment."""
    never, always = propensity < clip, propensity > 1 - clip
    return {"ate": never | always, "att": always, "atc": never}[estimand]


def count_clipped(propensity: FloatArray, clip: float) -> int:
    """Rows whose propensity lies beyond `clip` or 1 - `clip`."""
    return int(find_lonely(propensity, clip=clip).sum())


def _fit_doubleml(
    outcome: FloatArray,
    is_treated: IntArray,
    untreated: FloatArray,
    treated: FloatArray,
    propensity: FloatArray,
    *,
    score: str,
    clip: float,
) -> Any:
    """A DoubleMLIRM that learns nothing: all predictions are given, and its folds do not matter."""
    from doubleml import DoubleMLData, DoubleMLIRM
    from doubleml.utils import DMLDummyClassifier, DMLDummyRegressor, PSProcessorConfig

    d = is_treated.astype(np.float64)
    data = DoubleMLData.from_arrays(np.zeros((len(d), 1)), outcome, d)
    model = DoubleMLIRM(
        data,
        DMLDummyRegressor(),
        DMLDummyClassifier(),
        score=score,
        n_folds=2,
        draw_sample_splitting=False,
        ps_processor_config=PSProcessorConfig(clipping_threshold=clip),
    )
    rows = np.arange(len(d))
    model.set_sample_splitting([(rows[::2], rows[1::2]), (rows[1::2], rows[::2])])
    given = {"ml_g0": untreated, "ml_g1": treated, "ml_m": np.clip(propensity, clip, 1 - clip)}
    with warnings.catch_warnings():
        # under thin overlap it falls back on another estimate of one part of the robustness value
        warnings.filterwarnings("ignore", message="The estimated nu2")
        return model.fit(external_predictions={"d": {k: v[:, None] for k, v in given.items()}})


def _robustness(model: Any) -> float | None:
    """DoubleML's robustness value for an effect of 0, None where its bounds are not defined."""
    fit: Callable[..., Any] = model.sensitivity_analysis
    try:
        value = float(fit().sensitivity_params["rv"][0])
    except (ValueError, TypeError, ZeroDivisionError):
        return None
    return value if np.isfinite(value) else None
