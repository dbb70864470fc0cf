"""Does augmentation help? Two kinds, decided by cross-validation on training ratings alone.

counterfactual: unrated pairs, drawn the more often the less likely they were to be rated, get the
mean prediction of teachers trained on bootstrap samples as pseudo-rating, with a weight that falls
where the teachers disagree (after the counterfactual augmentation of Wang et al. 2021,
https://doi.org/10.1145/3404835.3462908). On Coat, by error weighted with 1/propensity.

time shift: every rating also counts as one given at the end of training, its value moved by the
trend of all ratings and of its item (shrunk towards it), with a weight that halves with age. On
Amazon's musical instruments, by the error on the ratings of the next tenth of time, five times.

An augmentation is kept where it lowers the error by more than two standard errors of the paired
differences between folds.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from tasks.recommend import scores
from tasks.recommend.data import Ratings, from_frame
from tasks.recommend.debias import scale_priors, weigh
from tasks.recommend.evaluate import load_protocol, make_recipe, tune_model
from tasks.recommend.models import Recommender, make_inputs
from tasks.recommend.propensity import find_propensities
from tasks.recommend.sources import Source, load_source
from tasks.recommend.train import Budget, Objective, fit_model

TEACHERS = 5
CONVERGED = Budget(steps=300, tolerance=1e-7)
"""More ratings need more steps, and what stops short must not pass for what is worse."""
STRENGTHS = (0.01, 0.1, 1.0)
FACTORS = (0.5, 1.0, 2.0)
"""Of the penalty; every variant stands at its own best."""
HALF_LIVES = (0.5, 1.0, 2.0)
DAYS_A_YEAR = 365.25
TREND_PRIOR = 50.0
"""Ratings that an item needs for half of its own trend to be believed."""


def fit_weighted(
    name: str,
    ratings: Ratings,
    weights: np.ndarray,
    *,
    penalty: float,
    seed: int,
    known: Ratings | None = None,
) -> Recommender:
    """A model of MODELS trained on ratings with weights.

    Priors are of the variance and the weights of the number of the `known` ratings, so that what is
    added to them moves neither.
    """
    known = ratings if known is None else known
    weights = weights * (len(known) / weights.sum())
    recipe = make_recipe(name, ratings, load_protocol(), power=0.0, penalty=penalty)
    recipe = scale_priors(recipe, known)
    objective = Objective(ratings.users, ratings.items, weights, weights * ratings.ratings)
    return fit_model(
        objective, make_inputs(ratings), variances=recipe.variances, seed=seed, rank=recipe.rank,
        penalty=recipe.penalty, budget=CONVERGED,
    )  # fmt: skip


def join(ratings: Ratings, users: np.ndarray, items: np.ndarray, values: np.ndarray) -> Ratings:
    """Ratings with some more behind them."""
    return replace(
        ratings,
        users=np.concatenate([ratings.users, users]),
        items=np.concatenate([ratings.items, items]),
        ratings=np.concatenate([ratings.ratings, values]),
    )


def imagine(
    ratings: Ratings, weights: np.ndarray, grid: np.ndarray, *, penalty: float, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Users, items, pseudo-ratings and weights of as many unrated pairs as there are ratings."""
    rng = np.random.default_rng(seed)
    lack = (grid.max() - grid).ravel()
    lack[ratings.users * ratings.shape[1] + ratings.items] = 0
    pairs = rng.choice(len(lack), len(ratings), replace=False, p=lack / lack.sum())
    users, items = np.divmod(pairs, ratings.shape[1])
    told = []
    for teacher in range(TEACHERS):
        rows = rng.integers(0, len(ratings), len(ratings))
        model = fit_weighted(
            "ips", ratings.take(rows), weights[rows], penalty=penalty, seed=teacher
        )
        told.append(model.predict(users, items))
    noise = ratings.ratings.var()
    return users, items, np.mean(told, axis=0), noise / (noise + np.var(told, axis=0))


def fit_imagining(
    source: Source, rows: np.ndarray, chances: np.ndarray, strengths: tuple[float, ...],
    power: float, penalty: float, seed: int, factors: tuple[float, ...],
) -> list[list[Recommender]]:  # fmt: skip
    """For no pseudo-ratings and each strength of them, models by factor of the penalty."""
    train = source.train.take(rows)
    weights = weigh(chances[rows], power=power, is_normalised=True)
    users, items, values, trust = imagine(
        train, weights, source.propensities, penalty=penalty, seed=seed
    )
    more = join(train, users, items, values)
    grounds = [(train, weights)] + [
        (more, np.concatenate([weights, strength * trust])) for strength in strengths
    ]
    return [
        [
            fit_weighted("ips", *ground, penalty=penalty * factor, seed=seed, known=train)
            for factor in factors
        ]
        for ground in grounds
    ]


def pick_best(errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Errors (folds, labels) at each label's factor of least mean, and the factors' places.

    `errors` has shape (folds, labels, factors).
    """
    best = errors.mean(axis=0).argmin(axis=1)
    return errors[:, np.arange(len(best)), best], best


def show_differences(labels: list[str], errors: np.ndarray) -> None:
    """Print the error of each (folds, labels), first without, and whether it is kept."""
    for k, label in enumerate(labels):
        gain = errors[:, 0] - errors[:, k]
        width = gain.std(ddof=1) / len(gain) ** 0.5
        verdict = "" if k == 0 else ("kept" if gain.mean() > 2 * width > 0 else "not kept")
        print(f"    {label:14}{errors[:, k].mean():9.4f}   gain {gain.mean():8.4f} ± {width:.4f}  {verdict}")  # fmt: skip


def bench_counterfactual(folder: Path, seeds: int) -> None:
    """Cross-validated errors on Coat's training ratings, then the test's, which decide nothing."""
    source, protocol = load_source("coat", folder), load_protocol()
    chances, _ = find_propensities(source.train, given=source.propensities)
    power, penalty = tune_model("ips", source.train, chances, protocol)
    train, labels = source.train, ["without", *(f"strength {s}" for s in STRENGTHS)]
    errors = []
    fold = np.random.default_rng(0).integers(0, 5, len(train))
    for k in range(5):
        models = fit_imagining(
            source, np.flatnonzero(fold != k), chances.values, STRENGTHS, power, penalty, k, FACTORS
        )
        held, own = train.take(fold == k), 1 / chances.values[fold == k]
        errors.append([
            [np.average((m.predict(held.users, held.items) - held.ratings) ** 2, weights=own)
             for m in row]
            for row in models
        ])  # fmt: skip
    print("\ncounterfactual pairs, coat, training ratings, 5 folds, error by 1/p")
    chosen, best = pick_best(np.array(errors))
    show_differences(labels, chosen)
    rows = np.arange(len(train))
    found = []
    for seed in range(seeds):
        models = fit_imagining(
            source, rows, chances.values, STRENGTHS, power, penalty, seed, FACTORS
        )
        picked = zip(models, best, strict=True)
        found.append([_score_test(row[place], source) for row, place in picked])
    print(f"    on the random test, {seeds} seeds: mse, auc, ndcg@5")
    for k, label in enumerate(labels):
        own = np.array([row[k] for row in found])
        cells = zip(own.mean(axis=0), own.std(axis=0, ddof=1), strict=True)
        print(f"    {label:14}" + "".join(f"{mean:9.4f} {sd:.4f}" for mean, sd in cells))


def _score_test(model: Recommender, source: Source) -> list[float]:
    found = np.clip(model.predict(source.test.users, source.test.items), *source.train.scale)
    row = scores.score(found, source.test, relevant=source.relevant, top_k=5)
    return [row["mse"], row["auc"], row["ndcg_at_5"]]


def shift(
    ratings: Ratings, years: np.ndarray, *, half_life: float
) -> tuple[np.ndarray, np.ndarray]:
    """Values that the ratings would have at the end of `years`, and weights by age."""
    age = years.max() - years
    middle = age - age.mean()
    slope = float(middle @ ratings.ratings / max(middle @ middle, 1e-12))
    left_over = ratings.ratings - ratings.ratings.mean() - slope * middle
    n_items = ratings.shape[1]
    own = np.bincount(ratings.items, middle * left_over, n_items)
    size = np.bincount(ratings.items, middle**2, n_items)
    trend = slope + own / (size + TREND_PRIOR * middle.var())
    low, high = ratings.scale
    moved = np.clip(ratings.ratings - trend[ratings.items] * age, low, high)
    return moved, 0.5 ** (age / half_life)


def load_reviews(file: Path) -> tuple[Ratings, np.ndarray]:
    """Ratings of the 2014 shape and when they were given, in years."""
    rows = [json.loads(line) for line in file.open(encoding="utf-8")]
    frame = pl.DataFrame(
        [(r["reviewerID"], r["asin"], r["overall"], r["unixReviewTime"]) for r in rows],
        schema=["user", "item", "rating", "time"], orient="row",
    ).unique(["user", "item"], keep="last", maintain_order=True)  # fmt: skip
    return from_frame(frame, file), frame["time"].to_numpy() / 86_400 / DAYS_A_YEAR


def bench_time_shift(file: Path) -> None:
    """Errors on the next tenth of time, from five ends of training."""
    ratings, years = load_reviews(file)
    order = np.argsort(years, kind="stable")
    labels = ["without", *(f"half-life {h} y" for h in HALF_LIVES)]
    errors = []
    for end in (0.5, 0.6, 0.7, 0.8, 0.9):
        cut, stop = round(end * len(order)), round((end + 0.1) * len(order))
        train, held = ratings.take(order[:cut]), ratings.take(order[cut:stop])
        ones = np.ones(cut)
        grounds = [(train, ones)]
        for half_life in HALF_LIVES:
            moved, weights = shift(train, years[order[:cut]], half_life=half_life)
            more = join(train, train.users, train.items, moved)
            grounds.append((more, np.concatenate([ones, weights])))
        errors.append([
            [np.mean((fit_weighted("mf", *ground, penalty=factor, seed=0, known=train)
                      .predict(held.users, held.items) - held.ratings) ** 2)
             for factor in FACTORS]
            for ground in grounds
        ])  # fmt: skip
    print("\ntime-shifted pairs, Amazon musical instruments, next tenth of time, five ends")
    show_differences(labels, pick_best(np.array(errors))[0])
