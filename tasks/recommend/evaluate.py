"""Scores recommenders on randomly exposed ratings, naive beside debiased, over seeds."""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from tasks.platform.errors import ConfigError, EstimationError
from tasks.recommend import scores
from tasks.recommend.compare import (
    can_tell,
    compare_errors,
    doubt_propensities,
    list_doubts,
)
from tasks.recommend.data import Codes, Floats, Ratings
from tasks.recommend.debias import Recipe, fit_debiased
from tasks.recommend.models import Recommender, choose_parts, make_inputs
from tasks.recommend.propensity import Propensities, find_propensities
from tasks.recommend.rank import pick_popular, pick_top
from tasks.recommend.sources import Source

POPULARITY: Final = "popularity"
MODELS: Final[Mapping[str, tuple[str, str]]] = {
    "bias": ("bias", "naive"), "mf": ("mf", "naive"), "mf-ips": ("mf", "ips"),
    "features": ("features", "naive"), "ips": ("features", "ips"), "snips": ("features", "snips"),
    "dr": ("features", "dr"), "stabledr": ("features", "stabledr"),
}  # fmt: skip
"""Names of the command: the parts of the model, and how it is trained."""
NAIVE: Final = "naive"
"""Trained without propensities."""


@cache
def load_protocol() -> Mapping[str, Any]:
    """The frozen protocol beside this module."""
    return tomllib.loads(Path(__file__).with_name("protocol.toml").read_text(encoding="utf-8"))


def make_recipe(
    name: str, train: Ratings, protocol: Mapping[str, Any], *, power: float, penalty: float
) -> Recipe:
    """The recipe of one of MODELS for `train`; `penalty` is in units of the protocol's.

    Where nothing is known of users and items, models of features have the priors of `mf`, which are
    for that.
    """
    base, method = MODELS[name]
    has_features = base == "features" and is_described(train)
    block = protocol["variances"]["features" if has_features else "mf"]
    return Recipe(
        variances=choose_parts(base, block), method=method, power=power, penalty=penalty,
    )  # fmt: skip


def is_described(ratings: Ratings) -> bool:
    """Whether anything is known of users or of items."""
    return bool(ratings.user_features.size or ratings.item_features.size)


def train_model(
    name: str,
    train: Ratings,
    propensities: Propensities,
    protocol: Mapping[str, Any],
    *,
    power: float,
    penalty: float,
    seed: int,
) -> Recommender:
    """One model of MODELS. Naive and debiased models stand on the same inputs."""
    inputs = make_inputs(train)
    recipe = replace(
        make_recipe(name, train, protocol, power=power, penalty=penalty),
        is_of_rows=propensities.is_of_rows,
    )
    return fit_debiased(recipe, train, inputs, propensities.values, seed=seed).model


def tune_model(
    name: str, train: Ratings, propensities: Propensities, protocol: Mapping[str, Any]
) -> tuple[float, float]:
    """Power of the weights and penalty with the least error on held-out training ratings.

    The penalty is doubled or halved from the protocol's for as long as that helps. The error of
    debiased models is weighted by 1/p, that of naive ones is not.
    """
    powers = [0.0] if MODELS[name][1] == "naive" else protocol["powers"]
    best: tuple[float, float, float] | None = None
    for power in powers:
        start = protocol["penalty"] if best is None else best[2]

        def measure(penalty: float, power: float = power) -> float:
            return validate_model(name, train, propensities, protocol, power=power, penalty=penalty)

        loss, penalty = climb_down(measure, start, reach=protocol["penalty_reach"])
        if best is None or loss < best[0]:
            best = loss, power, penalty
    if best is None:
        raise ConfigError("the protocol names no powers to choose from")
    return best[1], best[2]


def climb_down(
    measure: Callable[[float], float], start: float, *, reach: float
) -> tuple[float, float]:
    """Least loss and where: from `start` by factors of 2 in the better direction, at most `reach`."""
    losses = {start: measure(start)}
    for factor in (2.0, 0.5):
        at = start
        while start / reach <= at * factor <= start * reach:
            losses[at * factor] = measure(at * factor)
            if losses[at * factor] >= losses[at]:
                break
            at *= factor
        if at != start:
            break
    best = min(losses, key=lambda penalty: losses[penalty])
    return losses[best], best


def validate_model(
    name: str,
    train: Ratings,
    propensities: Propensities,
    protocol: Mapping[str, Any],
    *,
    power: float,
    penalty: float,
) -> float:
    """Mean squared error over the folds, by 1/p for debiased models."""
    is_naive = MODELS[name][1] == "naive"
    weights = np.ones(len(train)) if is_naive else 1 / propensities.values
    fold = np.random.default_rng(0).integers(0, protocol["folds"], len(train))
    found = np.empty(len(train))
    for k in np.unique(fold):
        held = fold == k
        if held.all():
            raise EstimationError(f"{len(train)} ratings are too few to choose a penalty by")
        kept = propensities.thin(np.flatnonzero(~held))
        model = train_model(
            name, train.take(~held), kept, protocol, power=power, penalty=penalty, seed=0
        )
        found[held] = model.predict(train.users[held], train.items[held])
    return float(np.average((found - train.ratings) ** 2, weights=weights))


def evaluate_models(
    source: Source, names: Sequence[str], *, seeds: int = 10, sample: Floats | None = None
) -> dict[str, Any]:
    """Mean and standard deviation over seeds of every figure, per model, and what they cannot say.

    The deviation is that of training, not of the draw of the test: `comparisons` of debiased models
    with the naive one of the same parts, evaluated also where it is not named, have intervals over
    test users. `sample` are randomly exposed ratings to estimate propensities by. Raises ConfigError.
    """
    if unknown := [name for name in names if name not in MODELS]:
        raise ConfigError(f"no models {', '.join(unknown)}; choose of {', '.join(MODELS)}")
    if not names or seeds < 1:
        raise ConfigError("name at least one model and one seed, as in --models mf,ips --seeds 10")
    protocol = load_protocol()
    propensities, method = find_propensities(source.train, given=source.propensities, sample=sample)
    models, errors, is_telling = [], {}, can_tell(source)
    for name in dict.fromkeys([*names, *map(find_naive, names)]):
        row, errors[name] = _evaluate_one(source, name, propensities, protocol, seeds=seeds)
        models.append(row)
    return {
        "seeds": seeds,
        "source": source.name,
        "is_random_test": source.is_random_test,
        "n_train": len(source.train),
        "n_test": len(source.test),
        "n_repeated": source.train.n_repeated,
        "relevant": source.relevant,
        "propensities": method,
        "propensity_floor": propensities.floor,
        "n_propensities_clipped": propensities.n_clipped,
        "models": models,
        "baseline": _score_popularity(source, protocol),
        "comparisons": [
            {"model": name, "naive": naive} | compare_errors(
                errors[name], errors[naive], source.test, can_tell=is_telling
            )
            for name in errors
            if (naive := find_naive(name)) in errors and naive != name
        ],
        "doubts": [
            *list_doubts(
                source, propensities, top_k=protocol["top_k"], n_sample=None if sample is None else len(sample),
                lacks_features=not is_described(source.train)
                and any(MODELS[name][0] == "features" for name in errors),
            ),
            *(doubt_propensities(method) if not source.is_random_test
              and any(MODELS[name][1] != NAIVE for name in errors) else []),
        ],
    }  # fmt: skip


def find_naive(name: str) -> str:
    """The naive model of the same parts."""
    return next(other for other, own in MODELS.items() if own == (MODELS[name][0], NAIVE))


def _evaluate_one(
    source: Source,
    name: str,
    propensities: Propensities,
    protocol: Mapping[str, Any],
    *,
    seeds: int,
) -> tuple[dict[str, Any], Floats]:
    power, penalty = tune_model(name, source.train, propensities, protocol)
    orders, figures = [], []
    for seed in range(seeds):
        model = train_model(
            name, source.train, propensities, protocol, power=power, penalty=penalty, seed=seed
        )
        orders.append(model.predict(source.test.users, source.test.items))
        listed = pick_top(model, source.train, top_k=protocol["top_k"]).listed
        figures.append(_score(orders[-1], orders[-1], listed, source, protocol))
    spread = {figure: scores.spread([row[figure] for row in figures]) for figure in figures[0]}
    found = np.clip(orders, *source.train.scale)
    row = {
        "model": name, "base": MODELS[name][0], "method": MODELS[name][1], "power": power,
        "penalty": penalty,
        **{figure: value for figure, value in spread.items() if value is not None},
        "groups": scores.describe_groups(
            found.mean(axis=0), source.test, users=source.groups, items=source.providers,
            relevant=source.relevant, top_k=protocol["top_k"], ranked=np.mean(orders, axis=0),
        ),
    }  # fmt: skip
    squares: Floats = ((found - source.test.ratings) ** 2).mean(axis=0)
    return row, squares


def _score_popularity(source: Source, protocol: Mapping[str, Any]) -> dict[str, Any]:
    """An item's mean rating as prediction, how many rated it as rank: what any model must beat."""
    listed = pick_popular(source.train, top_k=protocol["top_k"])
    figures = _score(*predict_popularity(source.train, source.test), listed, source, protocol)
    return {"model": POPULARITY, **{name: v for name, v in figures.items() if v is not None}}


def _score(
    found: Floats, ranked: Floats, listed: Codes, source: Source, protocol: Mapping[str, Any]
) -> dict[str, float | None]:
    return scores.score_lists(
        np.clip(found, *source.train.scale), ranked, listed, train=source.train, test=source.test,
        relevant=source.relevant, top_k=protocol["top_k"],
    )  # fmt: skip


def predict_popularity(train: Ratings, test: Ratings) -> tuple[Floats, Floats]:
    """An item's mean rating, shrunk by five ratings of the overall mean; and how many rated it."""
    n_items = train.shape[1]
    counts = np.bincount(train.items, minlength=n_items).astype(np.float64)
    sums = np.bincount(train.items, train.ratings, minlength=n_items)
    means = (sums + 5 * train.ratings.mean()) / (counts + 5)
    return means[test.items], counts[test.items]
