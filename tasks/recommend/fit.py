"""Fits the recommender of a source: propensities, tuning, early stopping, all ratings at last."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from tasks.platform.errors import ConfigError
from tasks.recommend.checkpoint import Checkpoint, Names, align_parameters
from tasks.recommend.data import Codes, Floats, Ratings
from tasks.recommend.debias import Recipe, fit_debiased
from tasks.recommend.evaluate import MODELS, load_protocol, make_recipe, tune_model
from tasks.recommend.models import Recommender, make_inputs
from tasks.recommend.propensity import Propensities, find_propensities
from tasks.recommend.train import ROUND, Budget, Watch

TUNE_RATINGS: Final = 50_000
TUNE_FOLDS: Final = 3


@dataclass(frozen=True)
class Plan:
    """What to fit: a model of `evaluate.MODELS`; without power and penalty these are chosen.

    `validation_share` of the ratings, at least 20, decides when to stop; training is then repeated
    on all ratings for as many steps. Without it every stage has `steps`, a correction
    `correction_steps` where they are given.
    """

    model: str = "ips"
    seed: int = 0
    power: float | None = None
    penalty: float | None = None
    validation_share: float = 0.1
    steps: int = 100
    correction_steps: int | None = None
    patience: int = 4
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.model not in MODELS:
            raise ConfigError(f"no model {self.model!r}; choose of {', '.join(MODELS)}")


def fit_recommender(
    ratings: Ratings,
    plan: Plan,
    *,
    known: tuple[Propensities, str] | None = None,
    warm: Checkpoint | None = None,
    watch: Watch | None = None,
) -> Checkpoint:
    """The recommender of `ratings`, and on its card how it was made.

    `known` are their propensities and the name of the method, else estimated here. A `warm`
    checkpoint is started from, and its power and penalty are taken over.
    """
    chances, method = known or find_propensities(ratings, seed=plan.seed)
    recipe = choose_recipe(ratings, chances, plan, warm)
    names = name_codes(ratings)
    starts = [] if warm is None else [
        align_parameters(stage.parameters, warm.names, names) for stage in warm.fit.stages
    ]  # fmt: skip
    steps, loss = find_steps(ratings, chances, recipe, plan, starts)
    fit = fit_debiased(
        replace(recipe, budgets=tuple(Budget(count) for count in steps)),
        ratings,
        make_inputs(ratings),
        chances.values,
        seed=plan.seed,
        warm=starts,
        watch=watch,
    )
    card = {
        "model": plan.model, "method": recipe.method, "power": recipe.power,
        "penalty": recipe.penalty, "seed": plan.seed, "steps": steps[0], "correction_steps": steps[1] if len(steps) > 1 else None,
        "validation_loss": loss,
        "propensities": method, "n_propensities_clipped": chances.n_clipped,
        "n_ratings": len(ratings), "n_repeated": ratings.n_repeated, "n_users": ratings.shape[0], "n_items": ratings.shape[1],
        "scale": list(ratings.scale), "is_warm": warm is not None,
    }  # fmt: skip
    return Checkpoint(fit, names, card)


def name_codes(ratings: Ratings) -> Names:
    """Whom and what the codes of `ratings` name."""
    return Names(
        ratings.user_ids, ratings.item_ids, ratings.user_feature_names, ratings.item_feature_names
    )


def choose_recipe(
    ratings: Ratings, known: Propensities, plan: Plan, warm: Checkpoint | None
) -> Recipe:
    """Power and penalty as planned, else as in `warm`, else chosen by cross-validation."""
    card: Mapping[str, Any] = {} if warm is None else warm.card
    power, penalty = plan.power, plan.penalty
    if power is None or penalty is None:
        if card.get("model") == plan.model:
            chosen = float(card["power"]), float(card["penalty"])
        else:
            chosen = tune_on_sample(ratings, known, plan)
        power = chosen[0] if power is None else power
        penalty = chosen[1] if penalty is None else penalty
    recipe = make_recipe(plan.model, ratings, load_protocol(), power=power, penalty=penalty)
    return replace(recipe, device=plan.device, is_of_rows=known.is_of_rows)


def tune_on_sample(ratings: Ratings, known: Propensities, plan: Plan) -> tuple[float, float]:
    """Power and penalty chosen on at most `TUNE_RATINGS` ratings, drawn by whole users."""
    protocol = {**load_protocol(), "folds": TUNE_FOLDS}
    if len(ratings) > TUNE_RATINGS:
        order = np.random.default_rng(plan.seed).permutation(ratings.shape[0])
        counts = np.bincount(ratings.users, minlength=ratings.shape[0])[order]
        chosen = order[: int(np.searchsorted(np.cumsum(counts), TUNE_RATINGS)) + 1]
        rows = np.flatnonzero(np.isin(ratings.users, chosen))
        ratings, known = ratings.keep_users(chosen), replace(known, values=known.values[rows])
    return tune_model(plan.model, ratings, known, protocol)


def find_steps(
    ratings: Ratings,
    known: Propensities,
    recipe: Recipe,
    plan: Plan,
    starts: list[dict[str, Floats]],
) -> tuple[tuple[int, ...], float | None]:
    """Steps of each stage by held-out ratings, and their mean squared error, by 1/p unless naive.

    A stage stops early only where going on is worse beyond chance (`choose_look`); a correction that
    is worse than none beyond chance gets 0 steps. All `plan.steps`, and no loss, where too few could be held out.
    """
    n_stages = 2 if recipe.is_corrected else 1
    held = draw_validation(len(ratings), plan)
    if not len(held):
        later = plan.steps if plan.correction_steps is None else plan.correction_steps
        return (plan.steps, later)[:n_stages], None
    kept = np.setdiff1d(np.arange(len(ratings)), held)
    out = ratings.take(held)
    weights = np.ones(len(held)) if recipe.method == "naive" else 1 / known.values[held]
    inputs, part = make_inputs(ratings), ratings.take(kept)
    steps: tuple[int, ...] = ()
    loss, before = 0.0, None
    for stage in range(n_stages):
        looks: list[Floats] = [] if before is None else [before]

        def check(model: Recommender, looks: list[Floats] = looks) -> float:
            error = (model.predict(out.users, out.items) - out.ratings) ** 2
            looks.append(error * weights / weights.mean())
            return float(looks[-1].mean())

        budgets = (*(Budget(count) for count in steps), Budget(plan.steps, patience=plan.patience))
        fit_debiased(
            replace(recipe, budgets=budgets), part, inputs, known.thin(kept).values, seed=plan.seed,
            warm=starts, stages=stage + 1, check=check,
        )  # fmt: skip
        chosen = choose_look(looks)
        loss, before = float(looks[chosen].mean()), looks[chosen]
        steps = (*steps, (chosen + (stage == 0)) * ROUND)
    return steps, loss


def choose_look(looks: Sequence[Floats]) -> int:
    """The last look that is not worse than the best beyond chance; each holds losses of shape (n,).

    Worse is a mean difference of over one standard error (Breiman et al. 1984, Classification and
    Regression Trees, section 3.4.3, turned round: what is more trained is what tuning was for).
    """
    best = min(range(len(looks)), key=lambda at: float(looks[at].mean()))
    for at in range(len(looks) - 1, best, -1):
        gap = looks[at] - looks[best]
        if gap.mean() <= gap.std() / np.sqrt(len(gap)):
            return at
    return best


def draw_validation(n: int, plan: Plan) -> Codes:
    """Rows to hold out: none where a tenth would be fewer than 20."""
    size = round(plan.validation_share * n)
    if size < 20:
        return np.array([], dtype=np.int64)
    return np.sort(np.random.default_rng(plan.seed).permutation(n)[:size])
