"""How well ratings are predicted from texts, beside their mean and a ridge on mean-pooled vectors."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from tasks.platform.errors import ConfigError, InputError
from tasks.recommend.data import Codes, Floats
from tasks.recommend.scores import find_auc, spread
from tasks.recommend.text_tower import States, TextRecipe, fit_text
from tasks.recommend.train import Watch

TEST_SHARE: Final = 0.2
LEAST: Final = 20
ALPHAS: Final = tuple(10.0**k for k in range(-3, 4))
"""Penalties that the ridge chooses from by leave-one-out error on its training texts."""


def evaluate_texts(
    states: States,
    vectors: Floats,
    ratings: Floats,
    *,
    texts: Codes,
    seeds: int = 5,
    propensities: Floats | None = None,
    relevant: float = 4.0,
    recipe: TextRecipe | None = None,
    watch: Watch | None = None,
) -> dict[str, Any]:
    """Mean and standard deviation over `seeds` of every figure, each seed a split and a training.

    `vectors` (n, dim) are the mean-pooled texts, `texts` (n,) codes of equal texts, which are kept on
    one side of a split. Figures are of a random fifth, weighted by 1/`propensities` but for the AUC of
    `relevant`; predictions are clipped to the range of training ratings. `against_ridge` is the
    error of the text model less that of the ridge on the same split. Raises InputError, ConfigError.
    """
    if seeds < 1:
        raise ConfigError(f"{seeds} seeds were asked for; at least 1 is needed")
    if len(np.unique(texts)) < LEAST:
        raise InputError(
            f"{len(np.unique(texts))} distinct texts are too few; give {LEAST} or more"
        )
    weights = np.ones(len(ratings)) if propensities is None else 1 / propensities
    rows: dict[str, list[dict[str, float | None]]] = {"mean": [], "ridge": [], "text": []}
    for seed in range(seeds):
        test = draw_test(texts, np.random.default_rng(seed))
        train, held = np.flatnonzero(~test), np.flatnonzero(test)
        low, high = ratings[train].min(), ratings[train].max()
        model = fit_text(
            lambda asked, train=train: states(train[asked]),  # type: ignore[misc]
            ratings[train], seed=seed, recipe=recipe, watch=watch,
            propensities=None if propensities is None else propensities[train],
        )  # fmt: skip
        device = "cpu" if recipe is None else recipe.device
        found = {
            "mean": np.full(len(held), np.average(ratings[train], weights=weights[train])),
            "ridge": fit_ridge(vectors, ratings, weights, train).predict(vectors[held]),
            "text": model.predict(states, held, device=device),
        }
        for name, values in found.items():
            clipped = np.clip(values, low, high)
            rows[name].append(_score(clipped, ratings[held], weights[held], relevant))
    return {
        "n": len(ratings), "seeds": seeds, "relevant": relevant,
        "models": [{"model": name, **_spread(own)} for name, own in rows.items()],
        "against_ridge": _spread([
            {"mse": float(text["mse"] or 0) - float(ridge["mse"] or 0)}
            for text, ridge in zip(rows["text"], rows["ridge"], strict=True)
        ])["mse"],
    }  # fmt: skip


def draw_test(texts: Codes, rng: np.random.Generator) -> Any:
    """Flags of a random fifth of the distinct texts, shape (n,)."""
    distinct, own = np.unique(texts, return_inverse=True)
    chosen = rng.permutation(len(distinct)) < max(1, round(TEST_SHARE * len(distinct)))
    return chosen[own]


def fit_ridge(vectors: Floats, ratings: Floats, weights: Floats, rows: Codes) -> Any:
    """Ridge regression of ratings on vectors of the given rows."""
    from sklearn.linear_model import RidgeCV

    return RidgeCV(alphas=ALPHAS).fit(vectors[rows], ratings[rows], sample_weight=weights[rows])


def _score(
    found: Floats, actual: Floats, weights: Floats, relevant: float
) -> dict[str, float | None]:
    error = found - actual
    return {
        "mse": float(np.average(error**2, weights=weights)),
        "mae": float(np.average(np.abs(error), weights=weights)),
        "auc": find_auc(found, actual >= relevant),
    }


def _spread(rows: list[dict[str, float | None]]) -> Mapping[str, dict[str, float | None]]:
    """`spread` of each figure that every row has."""
    spreads = {name: spread([row[name] for row in rows]) for name in rows[0]}
    return {name: found for name, found in spreads.items() if found is not None}
