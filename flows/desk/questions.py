"""Causal questions of one table: a file, or a table of the warehouse."""

import csv
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, TypedDict

import numpy as np
import polars as pl

from flows.desk.outputs import check_output, write_output
from flows.desk.sources import read_source
from tasks.effects.basis import FloatArray
from tasks.effects.controls.columns import check_columns, read_column
from tasks.effects.credibility import Rules
from tasks.effects.estimand import check_estimand
from tasks.effects.penalty import Penalty
from tasks.effects.table.answer import Options
from tasks.effects.table.estimate import estimate_table
from tasks.effects.table.pooled import estimate_tests, weigh_whole
from tasks.effects.table.question import Question, ask
from tasks.effects.table.refute import refute_question
from tasks.effects.table.sample import check_sample
from tasks.effects.table.segments import estimate_table_segments
from tasks.platform.errors import ConfigError
from tasks.platform.settings import load_settings
from tasks.platform.site import resolve_site
from tasks.text.task import STORE, open_store
from tasks.text.tone import TONES, measure_tones

FOLDS: Final = 5
MAX_LEVELS: Final = 20


class Asked(TypedDict):
    """What a question is about: columns of the table."""

    outcome: str
    treatment: str
    controls: Sequence[str]
    cluster: str | None


def embed_columns(
    frame: pl.DataFrame, columns: Sequence[str], config: str | None
) -> dict[str, FloatArray]:
    """Embeddings of text columns, shape (rows, dim) each; a missing text is the empty one."""
    if not columns:
        return {}
    check_columns(frame, columns)
    settings = load_settings(config)
    store = open_store(str(resolve_site(settings).lake.root / STORE), settings.text)
    vectors = {}
    for name in columns:
        texts = frame[name].cast(pl.String).fill_null("").to_list()
        vectors[name] = np.asarray(store.embed(texts).vectors, dtype=np.float64)
    return vectors


def add_tones(
    frame: pl.DataFrame, controls: Sequence[str], columns: Sequence[str]
) -> tuple[pl.DataFrame, list[str]]:
    """The table and its controls with what each text column praises and blames, `<column>:praise` etc.

    What is the same for all rows is left out: a text of another language, say. A name that the table
    has already gets a prime.
    """
    check_columns(frame, columns)
    found = {
        _find_free(f"{name}:{tone}", frame.columns): values
        for name in columns
        for tone, values in zip(
            TONES, measure_tones(frame[name].cast(pl.String).fill_null("").to_list()).T, strict=True
        )
        if len(np.unique(values)) > 1
    }
    return frame.with_columns(**found), [*controls, *found]


def _find_free(name: str, taken: Sequence[str]) -> str:
    while name in taken:
        name += "'"
    return name


def estimate_source(
    table: str,
    asked: Asked,
    *,
    text_controls: Sequence[str] = (),
    segments: Sequence[str] = (),
    tests: str | None = None,
    cate_out: str | None = None,
    config: str | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Answer one causal question, with segments and effects of rows where they are asked for."""
    target = None if cate_out is None else check_output(cate_out, option="--cate-out")
    frame = read_source(table, config)
    check_columns(frame, [*segments, *([tests] if tests is not None else [])])
    frame, controls = add_tones(frame, asked["controls"], text_controls)
    asked = {**asked, "controls": controls}
    vectors = embed_columns(frame, text_controls, config)
    question = make_question(frame, asked, vectors)
    answer = estimate_table(
        frame,
        **asked,
        vectors=vectors,
        has_effects=target is not None,
        question=question,
        **options,
    )
    if tests is not None:
        whole = weigh_whole(answer, question, frame[tests])
        answer = whole | estimate_tests(frame, tests, **asked, vectors=vectors, **options)
    if target is not None:
        write_effects(answer.pop("cate"), target)
        answer["cate_out"] = cate_out
    if segments:
        plain = make_options(options.get("estimand", "ate"), options.get("penalty", 1.0))
        answer["segments"] = [
            estimate_table_segments(question, plain, frame[name], beside=answer)
            for name in segments
        ]
    return answer


def make_options(estimand: str, penalty: Penalty, *, is_experiment: bool = False) -> Options:
    """Options with the usual level and thresholds."""
    return Options(check_estimand(estimand), 0.95, penalty, is_experiment, Rules())


def make_question(frame: pl.DataFrame, asked: Asked, vectors: Mapping[str, FloatArray]) -> Question:
    """The question with the usual folds and levels."""
    return ask(frame, **asked, folds=FOLDS, max_levels=MAX_LEVELS, vectors=vectors)


def write_effects(effects: Sequence[Mapping[str, Any]], target: Path) -> None:
    """Write `row,cate` in the order of the table; a row without an effect has an empty one."""

    def write(place: Path) -> None:
        with place.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["row", "cate"])
            writer.writerows(
                [one["row"], "" if one["cate"] is None else repr(one["cate"])] for one in effects
            )

    write_output(target, write)


def _check_negatives(names: Sequence[str], asked: Asked) -> None:
    """Refuse negative controls that the question names in another role."""
    for role in ("outcome", "treatment"):
        if asked[role] in names:
            raise ConfigError(
                f"the {role} {asked[role]} is named as a negative control as well; name an outcome that "
                "the treatment cannot have caused"
            )
    twice = [name for name in names if name in asked["controls"]]
    if twice:
        raise ConfigError(
            f"{', '.join(twice)}: named as control and as negative control; choose one"
        )


def refute_source(
    table: str,
    asked: Asked,
    *,
    text_controls: Sequence[str] = (),
    time: str | None = None,
    negative_controls: Sequence[str] = (),
    penalty: Penalty = 1.0,
    is_checked: bool = True,
    config: str | None = None,
) -> dict[str, Any]:
    """Estimate, and try to prove the estimate wrong.

    `is_checked` holds what every refuter passes against learners, as `estimate_table` does.
    """
    frame = read_source(table, config)
    check_columns(frame, [*([time] if time else []), *negative_controls])
    _check_negatives(negative_controls, asked)
    frame, controls = add_tones(frame, asked["controls"], text_controls)
    asked = {**asked, "controls": controls}
    vectors = embed_columns(frame, text_controls, config)
    question = make_question(frame, asked, vectors)
    numbers = {
        name: read_column(frame[name], name)[question.row]
        for name in [*negative_controls, *([time] if time else [])]
    }
    answer = refute_question(
        question,
        make_options("ate", penalty),
        time=numbers[time] if time else None,
        negatives={name: numbers[name] for name in negative_controls},
        check=partial(
            check_sample,
            question,
            frame,
            name="plr",
            **asked,
            folds=FOLDS,
            max_levels=MAX_LEVELS,
            vectors=vectors,
        )
        if is_checked
        else None,
    )
    head = {"outcome": asked["outcome"], "treatment": asked["treatment"], "n": question.n}
    return {**head, "estimator": "plr", "estimand": "ate", **answer}
