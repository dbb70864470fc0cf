"""Commands on what texts say of attributes, beyond reading them: evaluate, discover, explain."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from flows.console import print_note, refuse_options
from flows.desk.agreement import show
from flows.desk.outputs import check_output, write_output
from flows.desk.texts import (
    Desk,
    Teaching,
    clear_desk,
    find_labels,
    list_ids,
    list_reviews,
    open_desk,
    open_reader,
    read_attributes,
    read_texts,
)
from tasks.effects.agreement import check_agreement, check_sides, measure_agreement
from tasks.platform.errors import ConfigError
from tasks.platform.labels import UNDECIDED, to_sides
from tasks.text.attribution import open_gradients
from tasks.text.discover import choose_texts, discover_attributes, write_toml
from tasks.text.evaluate import (
    describe_evaluation,
    evaluate_answers,
    mean_macro_f1,
    read_answers,
)
from tasks.text.explain import cut_words, explain_words, mark_spans
from tasks.text.extract import Extraction
from tasks.text.labelled import join_labels, take_columns
from tasks.text.probe import Probe
from tasks.text.task import open_encoder

Labels = npt.NDArray[np.int64]
FEW_LABELLED = 10
"""Fewer labelled texts cannot tell luck from labels of other texts."""
UNLABELLED = "of a file of labels, and none is read here; name one by --labels, or leave that out"
NO_NETWORK = (
    "what each word did is not shown: with text.precision 'static' no network reads the text; set it to "
    "exact, fast or fastest"
)


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
    if labels is None and find_labels(desk, extractor, teaching) is None:
        refuse_options(UNLABELLED, id=key)
    reviews = list_reviews(frame, text)
    truth = list_labels(frame, names=desk.names, labels=labels, columns=columns, key=key)
    reader = open_reader(desk, extractor, reviews, list_ids(frame, key), teaching=teaching)
    is_labelled = np.any([column != UNDECIDED for column in truth.values()], axis=0)
    is_new = np.array([body not in reader.taught for _, body in reviews], dtype=bool)
    asked = [reviews[row] for row in np.flatnonzero(is_labelled & is_new)]
    found = read_attributes(desk, reader, asked)
    return {
        "extractor": reader.name,
        "revision": reader.extractor.revision,
        **compare(found, truth, desk.names, seed=seed),
        "n_texts": frame.height,
        "n_unlabelled": int((~is_labelled).sum()),
        "n_taught": int((is_labelled & ~is_new).sum()),
        "taught": None if reader.probe is None else dict(reader.probe.about),
    }


def compare(
    found: Extraction, truth: dict[str, Labels], names: Sequence[str], *, seed: int
) -> dict[str, Any]:
    """Evaluation of what was read against labels by row; reviews that were skipped are counted."""
    answers, confidence = read_answers(found.frame, names)
    rows = found.frame["review_id"].unique(maintain_order=True).cast(pl.Int64).to_numpy()
    labels = {name: column[rows] for name, column in truth.items()}
    evaluations = evaluate_answers(labels, answers, confidence, rng=np.random.default_rng(seed))
    return {
        "macro_f1": mean_macro_f1(evaluations),
        "n_skipped": found.skipped.height,
        "warnings": doubt_labels(answers, labels),
        "attributes": [describe_evaluation(row) for row in evaluations],
    }


def doubt_labels(answers: Labels, labels: Mapping[str, Labels]) -> list[str]:
    """What makes labels look like those of other texts, or of the other sign.

    `answers` (n, attributes) are in the order of `labels`. All attributes together where texts enough
    are decided on all, else each by itself; a want of agreement that luck may bring is not told.
    """
    table = np.column_stack(list(labels.values()))
    if (table != UNDECIDED).all(axis=1).sum() >= FEW_LABELLED:
        return _doubt(answers, table)
    return [
        f"{name}: {reason}"
        for at, name in enumerate(labels)
        for reason in _doubt(answers[:, [at]], table[:, [at]])
    ]


def _doubt(answers: Labels, labels: Labels) -> list[str]:
    is_decided = (labels != UNDECIDED).all(axis=1)
    if is_decided.sum() < FEW_LABELLED:
        return []
    read, said = (to_sides(of[is_decided]).astype(np.int8) for of in (answers, labels))
    found = check_sides(read, said) or check_agreement(measure_agreement(read, said))
    return [reason for verdict, reason in found if verdict == "not credible"]


TABLE = ("attribute", "n", "macro F1", "95%", "majority", "praise", "blame", "mention", "off")
"""`majority`, `praise` and `blame` are F1, `mention` is precision / recall, `off` the expected error
of confidence."""


def list_scores(document: dict[str, Any]) -> list[list[Any]]:
    """Rows under `TABLE`."""
    return [
        [
            row["attribute"],
            row["n"],
            show(row["macro_f1"]),
            f"{show(row['low'])}-{show(row['high'])}",
            show(row["majority_f1"]),
            show(row["sides"]["positive"]["f1"]),
            show(row["sides"]["negative"]["f1"]),
            f"{show(row['mention']['precision'])}/{show(row['mention']['recall'])}",
            show(row["calibration"]["error"]),
        ]
        for row in document["attributes"]
    ]


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
    target = None if out is None else check_output(out)
    frame = read_texts(path)
    texts = [body for _, body in list_reviews(frame, text)]
    proposals = discover_attributes(texts, clear_desk(config).embed, most=most)
    n_read = len(choose_texts(texts))
    snippet = write_toml(proposals, n_texts=frame.height, n_read=n_read)
    if target is not None:
        write_output(target, lambda draft: draft.write_text(snippet, encoding="utf-8"))
    return {
        "texts": frame.height,
        "read": n_read,
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
    if find_labels(desk, extractor, teaching) is None:
        refuse_options(UNLABELLED, columns=teaching.columns or None, id=key)
    if path is None:
        reviews, ids, at = [("0", text)], ["0"], 0
    else:
        frame = read_texts(path)
        reviews, ids, at = list_reviews(frame, text), list_ids(frame, key), row
    if at >= len(reviews):
        raise ConfigError(f"--row {row} is not there; {path} has {len(reviews):,} rows, from 0")
    body = reviews[at][1]
    reader = open_reader(desk, extractor, reviews, ids, teaching=teaching)
    probe = reader.probe
    if probe is not None and open_encoder(desk.settings.text).is_static:
        print_note(NO_NETWORK)
        probe = None
    found = read_attributes(desk, reader, [("0", body)])
    answers = [explain_answer(answer, body, probe, desk) for answer in found.frame.to_dicts()]
    spans = [(one["start"], one["end"]) for one in answers if one["start"] is not None]
    return {
        "text": body,
        "marked": mark_spans(body, spans),
        "extractor": reader.name,
        "attributes": answers,
        "skipped": found.skipped["reason"].to_list(),
    }


def explain_answer(
    answer: Mapping[str, Any], body: str, probe: Probe | None, desk: Desk
) -> dict[str, Any]:
    """One answer of an extraction, with its span, and what each word did where a probe gave it."""
    start, end = answer["span_start"], answer["span_end"]
    span = None if start is None else body[start:end]
    words, gap = [], None
    if probe is not None and answer["is_mentioned"] and span is not None:
        encoder = open_encoder(desk.settings.text)
        attribution = explain_words(
            span, probe, desk.attributes, at=desk.names.index(answer["attribute"]),
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
