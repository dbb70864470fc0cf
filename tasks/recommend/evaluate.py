"""Scores recommenders on randomly exposed ratings, naive beside debiased, over seeds."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from tasks.platform.errors import ConfigError
from tasks.recommend.data import Codes, Floats, Ratings, Source
from tasks.recommend.debias import fit_debiased
from tasks.recommend.models import choose_parts, make_inputs
from tasks.recommend.propensity import (
    Propensities,
    clip_propensities,
    estimate_logistic,
    estimate_popularity,
)
from tasks.recommend.train import Fitted, check_size

MODELS: Final[Mapping[str, tuple[str, str]]] = {
    "bias": ("bias", "naive"), "mf": ("mf", "naive"), "mf-ips": ("mf", "ips"),
    "features": ("features", "naive"), "ips": ("features", "ips"), "snips": ("features", "snips"),
    "dr": ("features", "dr"), "stabledr": ("features", "stabledr"),
}  # fmt: skip
"""Names of the command: the parts of the model, and how it is trained."""


def load_protocol() -> dict[str, Any]:
    """The frozen protocol beside this module."""
    return tomllib.loads(Path(__file__).with_name("protocol.toml").read_text(encoding="utf-8"))


def find_propensities(source: Source, *, floor: float) -> Propensities:
    """Given ones, else by features, else by popularity."""
    if source.propensities is not None:
        return clip_propensities(source.propensities, source.train, floor=floor)
    if source.train.user_features.size and source.train.item_features.size:
        return estimate_logistic(source.train, floor=floor)
    return estimate_popularity(source.train, floor=floor)


def evaluate_models(source: Source, names: Sequence[str], *, seeds: int = 10) -> dict[str, Any]:
    """Mean and standard deviation over seeds of every figure, per model.

    The deviation is that of training, not of the draw of the test. Raises ConfigError.
    """
    if unknown := [name for name in names if name not in MODELS]:
        raise ConfigError(f"no models {', '.join(unknown)}; choose of {', '.join(MODELS)}")
    if not names or seeds < 1:
        raise ConfigError("name at least one model and one seed, as in --models mf,ips --seeds 10")
    check_size(source.train.shape)
    protocol = load_protocol()
    propensities = find_propensities(source, floor=protocol["propensity_floor"])
    rows = [
        _evaluate_one(source, name, propensities.values, protocol, seeds=seeds) for name in names
    ]
    return {
        "seeds": seeds,
        "source": source.name,
        "is_random_test": source.is_random_test,
        "n_train": len(source.train),
        "n_test": len(source.test),
        "n_propensities_clipped": propensities.n_clipped,
        "models": rows,
    }


def _evaluate_one(
    source: Source, name: str, propensities: Floats, protocol: Mapping[str, Any], *, seeds: int
) -> dict[str, Any]:
    power = choose_power(name, source.train, propensities, protocol)
    scores = []
    for seed in range(seeds):
        fitted = train_model(name, source.train, propensities, protocol, power=power, seed=seed)
        found = np.clip(fitted.predict(source.test.users, source.test.items), *source.train.scale)
        scores.append(
            score(found, source.test, relevant=protocol["relevant"], top_k=protocol["top_k"])
        )
    spread = {figure: _spread([s[figure] for s in scores]) for figure in scores[0]}
    return {
        "model": name,
        "base": MODELS[name][0],
        "method": MODELS[name][1],
        "power": power,
        **{figure: found for figure, found in spread.items() if found is not None},
    }


def _spread(values: Sequence[float | None]) -> dict[str, float] | None:
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    sd = float(np.std(known, ddof=1)) if len(known) > 1 else 0.0
    return {"mean": float(np.mean(known)), "sd": sd}


def train_model(
    name: str,
    train: Ratings,
    propensities: Floats,
    protocol: Mapping[str, Any],
    *,
    power: float,
    seed: int,
) -> Fitted:
    """One model of MODELS; naive ones never see the propensities."""
    base, method = MODELS[name]
    block = protocol["variances"]["features" if base == "features" else "mf"]
    known = propensities if base == "features" and method != "naive" else None
    return fit_debiased(
        method,
        train,
        make_inputs(train, known),
        propensities,
        variances=choose_parts(base, block),
        power=power,
        seed=seed,
    )


def choose_power(
    name: str, train: Ratings, propensities: Floats, protocol: Mapping[str, Any]
) -> float:
    """The power of the weights with the least weighted error on held-out training ratings."""
    if MODELS[name][1] == "naive":
        return 0.0
    fold = np.random.default_rng(0).integers(0, protocol["folds"], len(train))
    weights = 1 / propensities[train.users, train.items]
    losses = {}
    for power in protocol["powers"]:
        found = np.empty(len(train))
        for k in np.unique(fold):
            held = fold == k
            fitted = train_model(
                name, train.take(~held), propensities, protocol, power=power, seed=0
            )
            found[held] = fitted.predict(train.users[held], train.items[held])
        losses[power] = float(np.average((found - train.ratings) ** 2, weights=weights))
    return float(min(losses, key=lambda power: losses[power]))


def score(found: Floats, test: Ratings, *, relevant: float, top_k: int) -> dict[str, float | None]:
    """MSE, MAE, AUC, NDCG and recall at `top_k`, calibration; None where there is no result."""
    error = found - test.ratings
    is_relevant = test.ratings >= relevant
    ndcg, recall = rank_users(found, is_relevant, test.users, top_k=top_k)
    return {
        "mse": float(np.mean(error**2)),
        "mae": float(np.mean(np.abs(error))),
        "auc": find_auc(found, is_relevant),
        f"ndcg_at_{top_k}": ndcg,
        f"recall_at_{top_k}": recall,
        "bias": float(np.mean(error)),
    }


def find_auc(found: Floats, is_relevant: "np.typing.NDArray[np.bool_]") -> float | None:
    """Chance that a relevant pair is ranked above another one; ties count half."""
    from scipy.stats import rankdata

    n_good = int(is_relevant.sum())
    n_bad = len(is_relevant) - n_good
    if not n_good or not n_bad:
        return None
    ranks = rankdata(found)[is_relevant].sum()
    return float((ranks - n_good * (n_good + 1) / 2) / (n_good * n_bad))


def rank_users(
    found: Floats, is_relevant: "np.typing.NDArray[np.bool_]", users: Codes, *, top_k: int
) -> tuple[float | None, float | None]:
    """Mean NDCG and recall at `top_k` over users with a relevant pair."""
    gains = 1 / np.log2(np.arange(2, top_k + 2))
    ndcgs, recalls = [], []
    for user in np.unique(users[is_relevant]):
        rows = np.flatnonzero(users == user)
        hits = is_relevant[rows][np.argsort(-found[rows], kind="stable")][:top_k]
        n_good = int(is_relevant[rows].sum())
        ndcgs.append(float(hits @ gains[: len(hits)] / gains[: min(n_good, top_k)].sum()))
        recalls.append(float(hits.sum() / n_good))
    if not ndcgs:
        return None, None
    return float(np.mean(ndcgs)), float(np.mean(recalls))
