"""Predict ratings from a file of texts: read, encode, train, compare. No warehouse, no schedule."""

from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from flows.desk.outputs import check_output, write_output
from flows.desk.texts import read_texts
from tasks.platform.errors import ConfigError, InputError
from tasks.platform.settings import load_settings
from tasks.recommend.logbook import Logbook
from tasks.recommend.text_evaluate import evaluate_texts
from tasks.recommend.text_tower import StoredStates, TextRecipe, fit_text, save_text
from tasks.text.encoder import Progress
from tasks.text.task import open_encoder
from tasks.text.token_states import read_states


def compare_text_ratings(
    path: str,
    *,
    text: str,
    rating: str,
    propensity: str | None = None,
    seeds: int = 5,
    relevant: float = 4.0,
    limit: int | None = None,
    out: str | None = None,
    log_folder: str | None = None,
    config: str | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Figures of the text model, a ridge and the mean on held-out texts of a file.

    `propensity` names a column of chances that a review was written; `limit` takes that many rows at
    random; `out` gets a model of all rows as safetensors; `log_folder` TensorBoard scalars. Rows
    without a text or a number are left out and counted. Raises InputError, ConfigError.
    """
    target = None if out is None else check_output(out)
    frame, n_left_out = read_rows(path, text=text, rating=rating, propensity=propensity)
    if not frame.height:
        raise InputError(
            f"none of the {n_left_out:,} rows of {path} has a text in {text} and a number in {rating}"
        )
    if limit is not None:
        frame = frame.sample(min(limit, len(frame)), seed=0)
    chances = frame["propensity"].to_numpy() if propensity else None
    if chances is not None and not ((chances > 0) & (chances <= 1)).all():
        raise InputError(f"{propensity} must lie in (0, 1]; clip it, or drop the rows outside")
    encoder = open_encoder(load_settings(config).text)
    texts = frame["text"].to_list()
    states = read_states(encoder, texts, progress=progress)
    stored = StoredStates(states.values, states.starts)
    pooled = np.array(
        [part.astype(np.float64).mean(axis=0) for part in stored(np.arange(len(texts)))]
    )
    ratings = frame["rating"].to_numpy()
    recipe = TextRecipe(device=encoder.device)
    with Logbook(Path(log_folder), name="text") if log_folder else nullcontext() as watch:
        answer = evaluate_texts(
            stored, pooled / np.linalg.norm(pooled, axis=1, keepdims=True), ratings,
            texts=np.unique(texts, return_inverse=True)[1], seeds=seeds, propensities=chances,
            relevant=relevant, recipe=recipe, watch=watch,
        )  # fmt: skip
    if target is not None:
        model = fit_text(stored, ratings, seed=0, propensities=chances, recipe=recipe)
        write_output(target, partial(save_text, model))
    where = None if target is None else str(target)
    return {**answer, "left_out": n_left_out, "encoder": encoder.model, "out": where}


def read_rows(
    path: str, *, text: str, rating: str, propensity: str | None
) -> tuple[pl.DataFrame, int]:
    """Columns text, rating, propensity of whole rows, and how many rows were not whole."""
    frame = read_texts(path)
    wanted = {"text": text, "rating": rating} | ({"propensity": propensity} if propensity else {})
    if absent := sorted(set(wanted.values()) - set(frame.columns)):
        raise InputError(
            f"there is no column {', '.join(absent)}; the file has {', '.join(frame.columns[:20])}"
        )
    if text == rating:
        raise ConfigError("the text and the rating must be two columns")
    kinds = {"text": pl.String, "rating": pl.Float64, "propensity": pl.Float64}
    whole = frame.select(
        pl.col(column).cast(kinds[name], strict=False).alias(name)
        for name, column in wanted.items()
    ).filter(pl.col("text").str.strip_chars() != "")  # fmt: skip
    whole = whole.filter(pl.all_horizontal(pl.all().is_not_null())).filter(
        pl.col("rating").is_finite()
    )
    return whole, len(frame) - len(whole)
