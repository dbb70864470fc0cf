"""Commands on what texts say of attributes, beyond reading them: evaluate, distil, discover, explain."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import ValidationError

from flows.console import print_line
from flows.tables import read_texts, show_extraction
from tasks.platform.errors import ConfigError
from tasks.platform.labels import UNDECIDED
from tasks.platform.settings import DistilledSettings, ExtractSettings, Settings, load_settings
from tasks.platform.site import resolve_site
from tasks.text.attribution import open_gradients
from tasks.text.discover import discover_attributes, write_toml
from tasks.text.distilled import DistilledExtractor, take_labels
from tasks.text.evaluate import (
    describe_evaluation,
    evaluate_answers,
    mean_macro_f1,
    read_answers,
)
from tasks.text.explain import cut_words, explain_words, mark_spans
from tasks.text.extract import AttributeLike, Embed, Extraction, Extractor, name_attributes
from tasks.text.extractors import BY_LABELS, DISTILLED, MODELS, learn_extractor, make_extractor
from tasks.text.labelled import (
    ID_KEY,
    check_column,
    join_labels,
    match_lesson,
    read_label_file,
    take_columns,
)
from tasks.text.task import STORE, open_encoder, open_store

Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Desk:
    """What a command on a file of texts works with: settings, attributes asked for, an encoder.

    Converted models lie in the folder `kept`.
    """

    settings: Settings
    attributes: tuple[AttributeLike, ...]
    embed: Embed
    kept: Path

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
    lake = resolve_site(settings).lake.root
    store = open_store(str(lake / STORE), settings.text)
    return Desk(settings, wanted, lambda texts: store.embed(texts).vectors, lake / MODELS)


def list_reviews(frame: pl.DataFrame, text: str) -> list[tuple[str, str]]:
    """(row number, text) of every row; raises InputError when there is no such column."""
    check_column(frame, text)
    texts = frame[text].cast(pl.String).fill_null("").to_list()
    return [(str(row), body) for row, body in enumerate(texts)]


def list_labels(
    frame: pl.DataFrame,
    *,
    names: Sequence[str],
    labels: str | None,
    columns: Sequence[str],
    key: str | None,
) -> dict[str, Labels]:
    """Labels of each attribute for every row of `frame`: its own columns, or those of a file."""
    if labels is None:
        return take_columns(frame, names, columns)
    return join_labels(read_texts(labels), list_ids(frame, key), names=names, columns=columns)


def list_ids(frame: pl.DataFrame, key: str | None) -> list[str]:
    """What labels may call the rows of `frame`: column `key`, else review_id, else their numbers."""
    if key is not None:
        check_column(frame, key)
    name = key or ID_KEY
    if name not in frame.columns:
        return [str(row) for row in range(frame.height)]
    return frame[name].cast(pl.String).to_list()


@dataclass(frozen=True)
class Teaching:
    """How a distilled extractor is to be taught; None where the settings decide."""

    teacher: str | None = None
    labels: str | None = None
    columns: tuple[str, ...] = ()
    sample: int | None = None


def open_reader(
    desk: Desk,
    extractor: str | None,
    reviews: Sequence[tuple[str, str]],
    ids: Sequence[str],
    *,
    teaching: Teaching,
) -> tuple[Extractor, frozenset[str]]:
    """The extractor that was asked for, and the texts that people's labels taught it.

    A distilled one is fitted to labels, if there are any, or to what its teacher reads out of a
    sample of the reviews. `ids` are what labels call the reviews. Raises ConfigError and InputError.
    """
    settings = change_teaching(desk.settings.extract, teaching)
    if (extractor or settings.extractor) != DISTILLED:
        return make_extractor(settings, extractor, kept=desk.kept), frozenset()
    texts = [text for _, text in reviews]
    lesson = None
    if settings.distilled.labels is not None and settings.distilled.teacher == BY_LABELS:
        named = Path(settings.distilled.labels)
        table = read_label_file(named if teaching.labels else desk.settings.root / named)
        known = list(zip(ids, texts, strict=True))
        lesson = take_labels(
            *match_lesson(table, known, names=desk.names, columns=teaching.columns), name=BY_LABELS
        )
    reader = learn_extractor(
        settings, texts, desk.attributes, desk.embed, lesson=lesson, kept=desk.kept
    )
    return reader, frozenset(lesson.texts if lesson else ())


def change_teaching(settings: ExtractSettings, teaching: Teaching) -> ExtractSettings:
    """The settings with what the command says otherwise; naming labels makes a person the teacher."""
    teacher = teaching.teacher or (BY_LABELS if teaching.labels else None)
    said = {"teacher": teacher, "labels": teaching.labels, "sample": teaching.sample}
    kept = settings.distilled.model_dump() | {k: v for k, v in said.items() if v is not None}
    try:
        return settings.model_copy(update={"distilled": DistilledSettings(**kept)})
    except ValidationError as error:
        raise ConfigError(
            f"the distilled extractor cannot be taught so: {error.errors()[0]['msg']}; "
            "--teacher is clauses, llm or labels (with --labels FILE), --sample at least 50"
        ) from error


def extract_distilled(
    path: str,
    *,
    text: str,
    attributes: Sequence[str],
    key: str | None,
    teaching: Teaching,
    out: str | None,
    config: str | None,
    is_json: bool,
) -> None:
    """Teach a distilled extractor on a file's texts and let it read them all."""
    frame = read_texts(path)
    desk = open_desk(attributes, config)
    reviews = list_reviews(frame, text)
    reader, _ = open_reader(desk, DISTILLED, reviews, list_ids(frame, key), teaching=teaching)
    found = reader.extract(reviews, attributes=desk.attributes, embed=desk.embed)
    show_extraction(found, frame.height, desk.names, out=out, is_json=is_json)
    if isinstance(reader, DistilledExtractor) and out is not None and not is_json:
        print_line(tell_agreement(reader.probe.about))


def tell_agreement(about: Mapping[str, Any]) -> str:
    """How a probe was taught and agrees with its teacher, in words."""
    return (
        f"taught by {about['teacher']} on {about['n_labelled']:,} reviews; on {about['n_random']:,} "
        f"drawn at random, unseen, it agrees with {show(about['agreement'])} of the answers, and is "
        f"sure of {show(about['coverage'])}, of which it agrees with {show(about['sure_agreement'])}"
    )


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
    teaching: Teaching,
    config: str | None,
) -> dict[str, Any]:
    """Read attributes out of a file's texts and compare with its labels; the JSON document.

    What people's labels taught the extractor is left out of the comparison.
    """
    frame = read_texts(path)
    desk = open_desk(attributes, config)
    reviews = list_reviews(frame, text)
    truth = list_labels(frame, names=desk.names, labels=labels, columns=columns, key=key)
    reader, taught = open_reader(desk, extractor, reviews, list_ids(frame, key), teaching=teaching)
    is_labelled = np.any([column != UNDECIDED for column in truth.values()], axis=0)
    is_new = np.array([body not in taught for _, body in reviews], dtype=bool)
    asked = [reviews[row] for row in np.flatnonzero(is_labelled & is_new)]
    found = reader.extract(asked, attributes=desk.attributes, embed=desk.embed)
    about = dict(reader.probe.about) if isinstance(reader, DistilledExtractor) else None
    return {
        "extractor": extractor or desk.settings.extract.extractor,
        "revision": reader.revision,
        **compare(found, truth, desk.names, seed=seed),
        "n_texts": frame.height,
        "n_unlabelled": int((~is_labelled).sum()),
        "n_taught": int((is_labelled & ~is_new).sum()),
        "taught": about,
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
        (document["n_taught"], "texts whose labels taught it"),
        (undecided, "labels without majority beside decided ones"),
        (document["n_skipped"], "texts that the extractor skipped"),
    )
    said = ", ".join(f"{count:,} {what}" for count, what in parts if count)
    return f"left out: {said}" if said else ""


def discover_file(
    path: str, *, text: str, most: int, out: str | None, config: str | None
) -> dict[str, Any]:
    """Propose attributes from a file's texts, as a part of whyrec.toml in `out`; the JSON document."""
    frame = read_texts(path)
    texts = [body for _, body in list_reviews(frame, text)]
    settings = load_settings(config)
    store = open_store(str(resolve_site(settings).lake.root / STORE), settings.text)
    proposals = discover_attributes(texts, lambda part: store.embed(part).vectors, most=most)
    snippet = write_toml(proposals, n_texts=frame.height)
    if out is not None:
        Path(out).write_text(snippet, encoding="utf-8")
    return {
        "texts": frame.height,
        "attributes": [asdict(one) for one in proposals],
        "toml": snippet,
        "out": out,
    }


def explain_text(
    text: str,
    *,
    path: str | None,
    row: int,
    attributes: Sequence[str],
    extractor: str | None,
    key: str | None,
    teaching: Teaching,
    config: str | None,
) -> dict[str, Any]:
    """What one text says of attributes, from which words; the JSON document.

    The text is `text` itself, or row `row` of column `text` of the file `path`, whose reviews then
    teach a distilled extractor. Of a probe's answers it is said what each word did to them.
    """
    desk = open_desk(attributes, config)
    if path is None:
        reviews, ids, at = [("0", text)], ["0"], 0
    else:
        frame = read_texts(path)
        reviews, ids, at = list_reviews(frame, text), list_ids(frame, key), row
    if at >= len(reviews):
        raise ConfigError(f"--row {row} is not there; {path} has {len(reviews):,} rows, from 0")
    body = reviews[at][1]
    reader, _ = open_reader(desk, extractor, reviews, ids, teaching=teaching)
    found = reader.extract([("0", body)], attributes=desk.attributes, embed=desk.embed)
    answers = [explain_answer(answer, body, reader, desk) for answer in found.frame.to_dicts()]
    spans = [(one["start"], one["end"]) for one in answers if one["start"] is not None]
    return {
        "text": body,
        "marked": mark_spans(body, spans),
        "extractor": extractor or desk.settings.extract.extractor,
        "attributes": answers,
        "skipped": found.skipped["reason"].to_list(),
    }


def explain_answer(
    answer: Mapping[str, Any], body: str, reader: Extractor, desk: Desk
) -> dict[str, Any]:
    """One answer of an extraction, with its span, and what each word did where a probe gave it."""
    start, end = answer["span_start"], answer["span_end"]
    span = None if start is None else body[start:end]
    words, gap = [], None
    is_explained = isinstance(reader, DistilledExtractor) and answer["is_mentioned"]
    if isinstance(reader, DistilledExtractor) and is_explained and span is not None:
        encoder = open_encoder(desk.settings.text)
        attribution = explain_words(
            span, reader.probe, desk.attributes, at=desk.names.index(answer["attribute"]),
            label=answer["polarity"], embed=desk.embed,
            gradients=open_gradients(encoder.folder, max_tokens=desk.settings.text.max_tokens),
        )  # fmt: skip
        words, gap = cut_words(span, attribution), round(attribution.gap, 4)
    return {
        "attribute": answer["attribute"],
        "is_mentioned": answer["is_mentioned"],
        "polarity": answer["polarity"],
        "confidence": answer["confidence"],
        "start": start,
        "end": end,
        "span": span,
        "words": [word for word in words if word["share"]],
        "gap": gap,
    }


def list_answers(document: Mapping[str, Any]) -> list[list[str]]:
    """Rows of attribute, what is said, confidence and the words that did most, strongest first."""
    says = {1: "praise", -1: "blame", 0: "neither"}
    rows = []
    for one in document["attributes"]:
        strongest = sorted(one["words"], key=lambda word: -abs(word["share"]))[:5]
        told = ", ".join(f"{word['text']} {word['share']:+.2f}" for word in strongest)
        said = says[one["polarity"]] if one["is_mentioned"] else "not mentioned"
        rows.append([one["attribute"], said, show(one["confidence"]), told or (one["span"] or "")])
    return rows
