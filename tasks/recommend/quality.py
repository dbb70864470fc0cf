"""How well a source's recommender predicts ratings held out, naive beside debiased."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from tasks.recommend import scores
from tasks.recommend.data import Ratings, name_groups
from tasks.recommend.evaluate import MODELS, POPULARITY, predict_popularity
from tasks.recommend.fit import Plan, fit_recommender
from tasks.recommend.propensity import Propensities
from tasks.recommend.rank import pick_popular, pick_top

HELD_OUT: Final = 0.2
TOP_K: Final = 5
STEPS: Final = 60
"""Of models beside the one in use, whose own steps are on its card."""


def measure_model(
    ratings: Ratings,
    known: Propensities,
    name: str,
    *,
    seed: int,
    relevant: float,
    recipe: Mapping[str, Any],
) -> dict[str, Any]:
    """Figures of one model trained on four fifths of the ratings, on the rest.

    The ratings were chosen by the users, so the plain figures say how well chosen ratings are
    predicted. `mse_weighted` weighs them by 1/p (normalised), which estimates the error over all
    pairs if the propensities are right. `popularity` predicts an item's mean rating, shrunk, and
    ranks by how many rated it. `known` are propensities of all the ratings: they say what is rated,
    not how. `recipe` is the card of the recommender in use: power, penalty, and its steps.
    """
    held = np.zeros(len(ratings), dtype=bool)
    order = np.random.default_rng(seed).permutation(len(ratings))
    held[order[: round(HELD_OUT * len(ratings))]] = True
    train, test = ratings.take(~held), ratings.take(held)
    if name == POPULARITY:
        found, ranked = predict_popularity(train, test)
        listed = pick_popular(train, top_k=TOP_K)
    else:
        own = recipe if MODELS[name][1] != "naive" else {**recipe, "power": 0.0}
        used = recipe if recipe.get("model") == name else {}
        plan = Plan(
            model=name, seed=seed, power=float(own["power"]), penalty=float(own["penalty"]),
            validation_share=0.0, steps=used.get("steps", STEPS),
            correction_steps=used.get("correction_steps"),
        )  # fmt: skip
        part = known.thin(np.flatnonzero(~held))
        model = fit_recommender(train, plan, known=(part, "given")).model
        ranked = model.predict(test.users, test.items)
        found = np.clip(ranked, *ratings.scale)
        listed = pick_top(model, train, top_k=TOP_K).listed
    return {
        "model": name,
        "n_train": len(train),
        "n_test": len(test),
        **scores.score_lists(
            found, ranked, listed, train=train, test=test, relevant=relevant, top_k=TOP_K
        ),
        "mse_weighted": float(
            np.average((found - test.ratings) ** 2, weights=1 / known.values[held])
        ),
        "groups": scores.describe_groups(
            found, test, relevant=relevant, top_k=TOP_K, ranked=ranked,
            users=name_groups(test.user_features, test.user_feature_names),
            items=name_groups(test.item_features, test.item_feature_names),
        ),
    }  # fmt: skip
