"""Commands on what texts say of attributes, beyond reading them: evaluate."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from flows.tables import read_texts
from tasks.platform.errors import ConfigError, InputError
from tasks.platform.labels import UNDECIDED, read_labels
from tasks.platform.settings import Settings, load_settings
from tasks.platform.site import resolve_site
from tasks.text.evaluate import (
    describe_evaluation,
    evaluate_answers,
    mean_macro_f1,
    read_answers,
)
from tasks.text.extract import AttributeLike, Embed, Extraction, name_attributes
from tasks.text.extractors import make_extractor
from tasks.text.task import STORE, open_store

ROW_KEY = "row"
ID_KEY = "review_id"
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Desk:
    """What a command on a file of texts works with: settings, attributes asked for, an encoder."""

    settings: Settings
    attributes: tuple[AttributeLike, ...]
    embed: Embed

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the attributes."""
        return tuple(attribute.name for attribute in self.attributes)


def open_desk(attributes: Sequence[str], config: str | None) -> Desk:
    """The attributes named, with the seeds of the settings where these know them.

    Raises ConfigError when none is named.
    """
    if not attributes:
        raise ConfigError("--attributes is empty; name some, as in price,battery")
    settings = load_settings(config)
    configured = {attribute.name: attribute for attribute in settings.extract.attributes}
    wanted = tuple(configured.get(named.name, named) for named in name_attributes(attributes))
    store = open_store(str(resolve_site(settings).lake.root / STORE), settings.text)
    return Desk(settings, wanted, lambda texts: store.embed(texts).vectors)


def list_reviews(frame: pl.DataFrame, text: str) -> list[tuple[str, str]]:
    """(row number, text) of every row; raises InputError when there is no such column."""
    check_column(frame, text)
    texts = frame[text].cast(pl.String).fill_null("").to_list()
    return [(str(row), body) for row, body in enumerate(texts)]


def check_column(frame: pl.DataFrame, name: str) -> None:
    """Raise InputError, with what there is, when a column is not there."""
    if name not in frame.columns:
        raise InputError(
            f"there is no column {name!r}; the file has {', '.join(frame.columns[:20])}"
        )


def join_labels(
    frame: pl.DataFrame,
    *,
    names: Sequence[str],
    labels: str | None,
    columns: Sequence[str],
    key: str | None,
) -> dict[str, Labels]:
    """Labels of each attribute for every row of `frame`, UNDECIDED where nobody labelled it.

    They are columns of `frame` itself, or of the file `labels`, whose column review_id (else row,
    counted from 0) says which review each line is of; `key` is the column of `frame` with that id.
    Raises InputError when a column is missing, an id stands there twice or nothing fits.
    """
    wanted = name_columns(names, columns)
    if labels is None:
        for column in wanted:
            check_column(frame, column)
        return {
            name: read_labels(frame[column]) for name, column in zip(names, wanted, strict=True)
        }
    table = read_texts(labels)
    for column in wanted:
        check_column(table, column)
    places = find_places(frame, table, key=key, where=labels)
    found = {}
    for name, column in zip(names, wanted, strict=True):
        values = np.full(frame.height, UNDECIDED, dtype=np.int64)
        known = read_labels(table[column])
        values[places[places >= 0]] = known[places >= 0]
        found[name] = values
    return found


def name_columns(names: Sequence[str], columns: Sequence[str]) -> list[str]:
    """Columns of the labels: `columns` one by one, or one pattern with {}, or the names themselves."""
    if not columns:
        return list(names)
    if len(columns) == 1 and "{}" in columns[0]:
        return [columns[0].replace("{}", name) for name in names]
    if len(columns) != len(names):
        raise ConfigError(
            f"--columns names {len(columns)} columns for {len(names)} attributes; name one for each, "
            "or give a pattern as {}_label"
        )
    return list(columns)


def find_places(
    frame: pl.DataFrame, table: pl.DataFrame, *, key: str | None, where: str
) -> npt.NDArray[np.int64]:
    """The row of `frame` that each line of `table` is about, -1 where there is none; shape (lines,)."""
    column = ID_KEY if ID_KEY in table.columns else ROW_KEY
    if column not in table.columns:
        raise InputError(f"{where} has no column {ID_KEY} and none called {ROW_KEY}; add either")
    if table[column].is_duplicated().any():
        twice = table[column].filter(table[column].is_duplicated())[0]
        raise InputError(f"{where} labels {column} {twice!r} more than once; leave one line of it")
    if column == ID_KEY:
        check_column(frame, key or ID_KEY)
        ids = frame[key or ID_KEY].cast(pl.String).to_list()
    else:
        ids = [str(row) for row in range(frame.height)]
    rows = {value: row for row, value in enumerate(ids)}
    places = [rows.get(value, -1) for value in table[column].cast(pl.String).to_list()]
    if not any(place >= 0 for place in places):
        raise InputError(
            f"none of the {table.height} lines of {where} is of a row of the texts; "
            f"their {column} should say which"
        )
    return np.array(places, dtype=np.int64)


def evaluate_file(
    path: str,
    *,
    text: str,
    attributes: Sequence[str],
    extractor: str | None,
    labels: str | None,
    columns: Sequence[str],
    key: str | None,
    seed: int,
    config: str | None,
) -> dict[str, Any]:
    """Read attributes out of a file's texts and compare with its labels; the JSON document."""
    frame = read_texts(path)
    desk = open_desk(attributes, config)
    reviews = list_reviews(frame, text)
    truth = join_labels(frame, names=desk.names, labels=labels, columns=columns, key=key)
    reader = make_extractor(desk.settings.extract, extractor)
    is_asked = np.any([column != UNDECIDED for column in truth.values()], axis=0)
    asked = [review for review, is_wanted in zip(reviews, is_asked, strict=True) if is_wanted]
    found = reader.extract(asked, attributes=desk.attributes, embed=desk.embed)
    return {
        "extractor": extractor or desk.settings.extract.extractor,
        "revision": reader.revision,
        **compare(found, truth, desk.names, seed=seed),
        "n_texts": frame.height,
        "n_unlabelled": int((~is_asked).sum()),
    }


def compare(
    found: Extraction, truth: dict[str, Labels], names: Sequence[str], *, seed: int
) -> dict[str, Any]:
    """Evaluation of what was read against labels by row; reviews that were skipped are counted."""
    answers, confidence = read_answers(found.frame, names)
    rows = found.frame["review_id"].unique(maintain_order=True).cast(pl.Int64).to_numpy()
    evaluations = evaluate_answers(
        {name: column[rows] for name, column in truth.items()},
        answers,
        confidence,
        rng=np.random.default_rng(seed),
    )
    return {
        "macro_f1": mean_macro_f1(evaluations),
        "n_skipped": found.skipped.height,
        "attributes": [describe_evaluation(row) for row in evaluations],
    }


TABLE = (
    "attribute", "n", "macro F1, 95%", "majority", "praise F1", "blame F1", "mention", "calibration",
)  # fmt: skip
"""`mention` is precision / recall, `calibration` the expected error of confidence."""


def list_scores(document: dict[str, Any]) -> list[list[Any]]:
    """Rows under `TABLE`."""
    return [
        [
            row["attribute"],
            row["n"],
            f"{show(row['macro_f1'])} ({show(row['low'])}-{show(row['high'])})",
            show(row["majority_f1"]),
            show(row["sides"]["positive"]["f1"]),
            show(row["sides"]["negative"]["f1"]),
            f"{show(row['mention']['precision'])} / {show(row['mention']['recall'])}",
            show(row["calibration"]["error"]),
        ]
        for row in document["attributes"]
    ]


def show(value: float | None) -> str:
    """A share to two decimals, a dash where there is none."""
    return "–" if value is None else f"{value:.2f}"


def tell_dropped(document: dict[str, Any]) -> str:
    """What was left out of the comparison, in words; empty when nothing was."""
    undecided = sum(row["n_undecided"] for row in document["attributes"])
    parts = (
        (document["n_unlabelled"], "texts without a decided label"),
        (undecided, "labels without majority beside decided ones"),
        (document["n_skipped"], "texts that the extractor skipped"),
    )
    said = ", ".join(f"{count:,} {what}" for count, what in parts if count)
    return f"left out: {said}" if said else ""
