"""`whyrec attack embedding` on what predicts ratings: a text tower's token states, items' text features."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt
import polars as pl

from flows.attacks.features import NO_TEXTS, find_texts, measure_features
from flows.desk.recommenders import Ask, open_recommender
from flows.desk.text_ratings import read_rows
from tasks.platform.errors import ConfigError, InputError
from tasks.platform.settings import load_settings
from tasks.platform.site import resolve_site
from tasks.platform.sql import read_sql
from tasks.recommend.text_tower import StoredStates, TextModel, TextRecipe, fit_text
from tasks.robustness.embedding import Method, Norm, check_sizes, perturb
from tasks.text.task import open_encoder
from tasks.text.token_states import read_states

Floats = npt.NDArray[np.float64]
LEAST: Final = 40
HELD: Final = 0.3
BLOCK: Final = 32
"""Texts whose states are moved at once."""


def attack_tower(
    path: str,
    *,
    text: str,
    rating: str,
    methods: Sequence[str],
    epsilons: Sequence[float],
    norm: str,
    relevant: float,
    most_texts: int | None,
    seed: int,
    config: str | None,
) -> dict[str, Any]:
    """A tower taught on most of a file's texts, attacked on the others: error by radius, clean beside.

    The state of every token may move by epsilon, as a share of the states' mean length. The attack
    drives the squared error up. `accuracy` is the share of texts predicted on the right side of
    `relevant`. Raises InputError for too few texts.
    """
    check_all(methods, epsilons, norm)
    frame, n_left_out = read_rows(path, text=text, rating=rating, propensity=None)
    if most_texts is not None:
        frame = frame.sample(min(most_texts, frame.height), seed=seed)
    if frame.height < LEAST:
        raise InputError(
            f"{frame.height} texts with a rating are too few to teach a tower and attack it; give {LEAST}"
        )
    encoder = open_encoder(load_settings(config).text)
    states = read_states(encoder, frame["text"].to_list())
    stored = StoredStates(states.values, states.starts)
    ratings = frame["rating"].to_numpy()
    order = np.random.default_rng(seed).permutation(frame.height)
    held = np.sort(order[: round(HELD * frame.height)])
    kept = np.sort(np.setdiff1d(np.arange(frame.height), held))

    def pick(rows: npt.NDArray[np.int64]) -> list[npt.NDArray[Any]]:
        return stored(kept[rows])

    model = fit_text(pick, ratings[kept], seed=seed, recipe=TextRecipe(device="cpu"))
    parts = [np.asarray(part, dtype=np.float64) for part in stored(held)]
    curves = [
        {"method": method, **follow_tower(
            model, parts, ratings[held], method=cast(Method, method), epsilons=epsilons,
            norm=cast(Norm, norm), relevant=relevant, seed=seed)}
        for method in methods
    ]  # fmt: skip
    return {
        "target": "tower", "norm": norm, "seed": seed, "texts": len(held), "taught": len(kept),
        "left_out": n_left_out, "relevant": relevant, "curves": curves,
    }  # fmt: skip


def follow_tower(
    model: TextModel,
    parts: Sequence[Floats],
    ratings: Floats,
    *,
    method: Method,
    epsilons: Sequence[float],
    norm: Norm,
    relevant: float,
    seed: int,
) -> dict[str, Any]:
    """Error and accuracy of a tower over the radius, on texts of token states `parts`."""
    unit = float(np.mean(np.linalg.norm(np.concatenate(parts), axis=1)))
    clean = predict(model, parts)
    points = []
    for number, epsilon in enumerate(sorted(epsilons)):
        rng = np.random.default_rng([seed, number])
        moved = [
            one
            for start in range(0, len(parts), BLOCK)
            for one in move_block(
                model, parts[start : start + BLOCK], ratings[start : start + BLOCK],
                method=method, epsilon=epsilon * unit, norm=norm, rng=rng,
            )
        ]  # fmt: skip
        after = predict(model, moved)
        points.append({"epsilon": epsilon, **judge(after, ratings, relevant),
                       "shift": round(float(np.abs(after - clean).mean()), 4)})  # fmt: skip
    return {"clean": judge(clean, ratings, relevant), "points": points}


def move_block(
    model: TextModel, parts: Sequence[Floats], ratings: Floats, *, method: Method, epsilon: float,
    norm: Norm, rng: np.random.Generator,
) -> list[Floats]:  # fmt: skip
    """Token states of some texts, each moved so that the squared error of its text rises."""
    sizes = [len(part) for part in parts]
    ends = np.cumsum(sizes)[:-1]

    def climb(flat: Floats) -> Floats:
        now = np.split(flat, ends)
        error = predict(model, now) - ratings
        slopes = model.find_slopes(now)
        # where a prediction is exact, either way is up
        signs = np.where(error >= 0, 1.0, -1.0)
        return np.concatenate([s * slope for s, slope in zip(signs, slopes, strict=True)])

    def err(flat: Floats) -> Floats:
        return np.repeat((predict(model, np.split(flat, ends)) - ratings) ** 2, sizes)

    flat = np.concatenate(list(parts))
    moved = perturb(flat, climb, err, method=method, epsilon=epsilon, norm=norm, rng=rng)
    return list(np.split(moved, ends))


def predict(model: TextModel, parts: Sequence[Floats]) -> Floats:
    """Predicted ratings of texts of token states."""
    return model.predict(lambda rows: [parts[int(row)] for row in rows], np.arange(len(parts)))


def judge(predicted: Floats, ratings: Floats, relevant: float) -> dict[str, float]:
    """Mean squared error, and the share on the right side of `relevant`."""
    right = (predicted >= relevant) == (ratings >= relevant)
    return {
        "mse": round(float(((predicted - ratings) ** 2).mean()), 4),
        "accuracy": round(float(right.mean()), 4),
    }


def attack_item_features(
    *,
    model: str | None,
    source: str | None,
    methods: Sequence[str],
    epsilons: Sequence[float],
    norm: str,
    seed: int,
    config: str | None,
) -> dict[str, Any]:
    """The text features of items in the newest night's recommender, or in one in a file.

    Hit rates of the moved item, and the error of the ratings that the warehouse holds, clean beside.
    Raises InputError where the recommender knows no texts.
    """
    check_all(methods, epsilons, norm)
    checkpoint, where = open_recommender(Ask(model, source, config))
    places = find_texts(checkpoint)
    if not places.size:
        raise InputError(
            f"{NO_TEXTS}; fit one with features (recommend.model 'ips') on items that have texts"
        )
    ratings = read_ratings(where, config)
    curves = []
    for method in methods:
        clean, found = measure_features(
            checkpoint, ratings, places, method=cast(Method, method), epsilons=epsilons,
            norm=cast(Norm, norm), seed=seed,
        )  # fmt: skip
        rows = [
            {"epsilon": one.epsilon, "mse": one.mse, "hit_rate": one.hit_rate, "shift": one.shift}
            for one in (clean, *found)
        ]
        curves.append({"method": method, "clean": rows[0], "points": rows[1:]})
    return {
        "target": "recommender", **where, "norm": norm, "seed": seed,
        "items": len(checkpoint.names.items), "text_features": int(places.size), "curves": curves,
    }  # fmt: skip


def read_ratings(where: Mapping[str, Any], config: str | None) -> pl.DataFrame:
    """Published ratings of the recommender's source up to its night; none for one in a file."""
    if "source" not in where:
        return pl.DataFrame(
            schema={"user_id": pl.String, "item_id": pl.String, "rating": pl.Float64}
        )
    scope = {"source": where["source"], "start_date": date.min, "end_date": where["as_of"]}
    with resolve_site(load_settings(config)).warehouse.connect() as connection:
        return connection.execute(read_sql("clean/reviews_select"), scope).pl()


def check_all(methods: Sequence[str], epsilons: Sequence[float], norm: str) -> None:
    """Raises ConfigError for what no attack can be made of."""
    if norm not in ("l2", "linf"):
        raise ConfigError(f"--norm {norm!r} is not known; allowed are l2 and linf")
    if not methods:
        raise ConfigError("--methods is empty; use fgsm, pgd or both")
    for method in methods:
        check_sizes(method, epsilons)


TOWER: Final = ("attack", "epsilon", "clean MSE", "MSE", "clean accuracy", "accuracy")
FEATURES: Final = ("attack", "epsilon", "clean hit rate", "hit rate", "clean MSE", "MSE", "stars")


def list_points(document: Mapping[str, Any]) -> list[list[Any]]:
    """Rows under `TOWER` or `FEATURES`."""
    rows = []
    for curve in document["curves"]:
        clean = curve["clean"]
        for point in curve["points"]:
            head = [curve["method"], f"{point['epsilon']:g}"]
            if document["target"] == "tower":
                rows.append(
                    [*head, clean["mse"], point["mse"], clean["accuracy"], point["accuracy"]]
                )
            else:
                rows.append([*head, clean["hit_rate"], point["hit_rate"], clean["mse"],
                             point["mse"], point["shift"]])  # fmt: skip
    return rows
