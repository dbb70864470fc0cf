"""The text room, as tasks: vectors of texts, and what reviews say of attributes."""

import json
import time
from collections import Counter
from collections.abc import Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel

from tasks.platform.lake import hash_file
from tasks.platform.marts import MartPart, commit_parts
from tasks.platform.refs import AttributesRef, EmbeddingRef, FileRef, PeriodRef, PublishedRef
from tasks.platform.settings import DistilledSettings, ExtractSettings, TextSettings
from tasks.platform.site import Site
from tasks.platform.sql import read_sql
from tasks.platform.task import RunContext, stage_task
from tasks.text.attribution import open_gradients
from tasks.text.distilled import take_labels
from tasks.text.encoder import Encoder
from tasks.text.explain import explain_examples
from tasks.text.extract import skip_all
from tasks.text.extractors import (
    BY_LABELS,
    DISTILLED,
    MODELS,
    check_attributes,
    learn_extractor,
    make_extractor,
    revise_extractor,
)
from tasks.text.labelled import UntaughtError, match_lesson, read_label_file
from tasks.text.language import identify_languages
from tasks.text.probe import decode_probe, encode_probe
from tasks.text.store import EmbeddingStore
from tasks.text.summary import merge_summaries, summarise_attributes

STORE = "embeddings"
"""Folder of the lake that holds the vectors."""
UNTAUGHT = "too few labels to learn from"
"""Why reviews of a source are unread for which no probe could be taught."""
CANDIDATES = 4
"""Sentences kept per period, attribute and polarity, for the report to choose from."""


class ModelChoice(BaseModel):
    """What of the encoder decides a vector; the rest of the settings only decides the speed."""

    name: str
    revision: str


@cache
def open_encoder(settings: TextSettings) -> Encoder:
    """The encoder of these settings; its weights are loaded when first used, once a process."""
    return Encoder(
        settings.model,
        revision=settings.revision,
        device=settings.device,
        backend=settings.backend,
        precision=settings.precision,
        batch_tokens=settings.batch_tokens,
        max_tokens=settings.max_tokens,
        is_remote_allowed=settings.is_remote_allowed,
    )


@cache
def open_store(root: str, settings: TextSettings) -> EmbeddingStore:
    """The store of vectors under `root`, shared by the threads of a process."""
    return EmbeddingStore(Path(root), open_encoder(settings))


class ExtractorChoice(BaseModel):
    """Which extractor reads, and what of it decides the answers beyond its settings and code."""

    name: str
    revision: str


def choose_extractor(settings: ExtractSettings, labels: FileRef | None = None) -> ExtractorChoice:
    """Name and revision of the configured extractor.

    Raises ConfigError when it is not there, or would read two of the attributes alike.

    `labels` is the file that teaches a distilled one, if a person does.
    """
    check_attributes(settings.extractor, settings.attributes)
    revision = revise_extractor(settings, labels=labels.sha256[:16] if labels else "")
    return ExtractorChoice(name=settings.extractor, revision=revision)


def trim_settings(settings: ExtractSettings) -> ExtractSettings:
    """The settings without what plays no part in reading: how a probe is taught, when none is used."""
    if settings.extractor == DISTILLED:
        return settings
    return settings.model_copy(update={"distilled": DistilledSettings()})


def is_taught(settings: ExtractSettings) -> bool:
    """Whether the extractor has to be fitted before it reads."""
    return settings.extractor == DISTILLED


def keep_labels(settings: ExtractSettings, folder: Path, site: Site) -> FileRef | None:
    """The file of labels that teaches, kept in the lake; None when none does.

    A relative path starts at `folder`. Raises InputError when it is absent or no table.
    """
    distilled = settings.distilled
    if not is_taught(settings) or distilled.teacher != BY_LABELS or distilled.labels is None:
        return None
    path = folder / Path(distilled.labels).expanduser()
    table = read_label_file(path)
    return site.lake.put_bytes("labels", path.suffix, path.read_bytes(), rows=table.height)


def choose_model(settings: TextSettings) -> ModelChoice:
    """Name and revision of the encoder; raises ConfigError when it is not there."""
    return ModelChoice(name=settings.model, revision=open_encoder(settings).revision)


def describe_encoder(settings: TextSettings) -> tuple[str, tuple[str, ...]]:
    """What computes the vectors, and notes on what was asked for and is not used."""
    encoder = open_encoder(settings)
    used = f"text.precision '{settings.precision}': {encoder.choice.tier} is used"
    return encoder.describe(), tuple(f"{used}; {note}" for note in encoder.choice.notes)


def read_reviews(period: PeriodRef, site: Site) -> pl.DataFrame:
    """The published reviews of a period, in the order of their date and id."""
    scope = {"source": period.source, "start_date": period.start, "end_date": period.end}
    with site.warehouse.connect() as connection:
        return connection.execute(read_sql("clean/reviews_select"), scope).pl()


def list_shards(period: PeriodRef, settings: TextSettings) -> list[tuple[int, int]]:
    """(number, count) of the shards that a period's texts are embedded in."""
    count = max(1, -(-period.rows // settings.shard_texts))
    return [(number, count) for number in range(count)]


def _store_root(run: RunContext) -> str:
    return str(run.site.lake.root / STORE)


def _refer(run: RunContext, files: Sequence[str]) -> tuple[FileRef, ...]:
    """References to files of the store, whose names are relative to its root."""
    root = Path(_store_root(run))
    return tuple(
        FileRef(
            path=f"{STORE}/{name}", sha256=hash_file(root / name), size=(root / name).stat().st_size
        )
        for name in files
    )


@stage_task("text")
def embed_shard(
    period: PeriodRef, shard: tuple[int, int], model: ModelChoice, run: RunContext
) -> EmbeddingRef:
    """Embed one shard of a period's review texts; a text that was ever embedded is not embedded again."""
    number, count = shard
    texts = read_reviews(period, run.site).select("text_sha256", "text").unique("text_sha256")
    ordered = texts.sort("text_sha256")["text"].to_list()
    part = ordered[number::count]
    started = time.monotonic()
    done = open_store(_store_root(run), run.text).embed(part)
    return EmbeddingRef(
        model_revision=model.revision,
        files=_refer(run, done.files),
        rows=len(part),
        new=done.n_new,
        cut=done.n_cut,
        tokens=done.n_tokens,
        seconds=round(time.monotonic() - started, 3),
    )


def describe_item_texts(
    run: RunContext, periods: Sequence[PeriodRef], *, as_of: date
) -> dict[PeriodRef, str]:
    """Fingerprints of the texts of the items of each period; periods without any are left out."""
    days: dict[tuple[str, date], str] = {}
    with run.site.warehouse.connect() as connection:
        for source in sorted({period.source for period in periods}):
            scope = {"source": source, "as_of": as_of}
            rows = connection.execute(read_sql("clean/item_texts_context"), scope).fetchall()
            days |= {(source, day): mark for day, mark in rows}
    marks = {
        period: " ".join(
            mark
            for (source, day), mark in days.items()
            if source == period.source and period.start <= day <= period.end
        )
        for period in periods
    }
    return {period: mark for period, mark in marks.items() if mark}


@stage_task("text")
def embed_items(period: PeriodRef, mark: str, model: ModelChoice, run: RunContext) -> FileRef:
    """Vectors of the texts of a period's items: `item_id`, `vector`; `mark` stands for the texts."""
    scope = {"source": period.source, "start_date": period.start, "end_date": period.end}
    with run.site.warehouse.connect() as connection:
        items = connection.execute(read_sql("clean/item_texts_select"), scope).pl()
    done = open_store(_store_root(run), run.text).embed(items["text"].to_list())
    vectors = pl.Series("vector", done.vectors, dtype=pl.Array(pl.Float32, done.vectors.shape[1]))
    return run.site.lake.put_frame("item_texts", items.select("item_id").with_columns(vectors))


@stage_task("text")
def fit_probe(
    periods: tuple[PeriodRef, ...],
    extract: ExtractSettings,
    model: ModelChoice,
    extractor: ExtractorChoice,
    labels: FileRef | None,
    run: RunContext,
) -> FileRef:
    """Teach the probe of one source on the reviews of some periods; ratings are not looked at.

    Where there are too few labels of these reviews it is the reason in words, of no rows.
    """
    frames = [read_reviews(period, run.site).select("review_id", "text") for period in periods]
    reviews = list(pl.concat(frames).iter_rows())
    store = open_store(_store_root(run), run.text)
    lesson = None
    try:
        if labels is not None:
            table = read_label_file(run.site.lake.locate(labels))
            lesson = take_labels(*match_lesson(table, reviews, names=extract.names), name=BY_LABELS)
        fitted = learn_extractor(
            extract,
            [text for _, text in reviews],
            extract.attributes,
            lambda texts: store.embed(texts).vectors,
            lesson=lesson,
            kept=run.site.lake.root / MODELS,
        )
    except UntaughtError as error:
        return run.site.lake.put_bytes("probes", ".txt", str(error).encode(), rows=0)
    return run.site.lake.put_bytes(
        "probes", ".safetensors", encode_probe(fitted.probe),
        rows=int(fitted.probe.about["n_labelled"]),
    )  # fmt: skip


def find_refusal(probe: FileRef, run: RunContext) -> str | None:
    """Why a source has no probe; None where it has one."""
    return None if probe.rows else run.site.lake.read_bytes(probe).decode()


def describe_probe(probe: FileRef, run: RunContext) -> dict[str, Any]:
    """How a probe was taught, and how well it agrees with its teacher."""
    return dict(decode_probe(run.site.lake.read_bytes(probe)).about)


@stage_task("text")
def extract_attributes(
    period: PeriodRef,
    extract: ExtractSettings,
    model: ModelChoice,
    extractor: ExtractorChoice,
    probe: FileRef | None,
    run: RunContext,
) -> AttributesRef:
    """Read the configured attributes out of a period's reviews; ratings are not looked at.

    By a `probe` that could not be taught none is read.
    """
    reviews = read_reviews(period, run.site).select("review_id", "event_date", "text", "rating")
    store = open_store(_store_root(run), run.text)
    fitted = None if probe is None else run.site.lake.read_bytes(probe)
    kept = run.site.lake.root / MODELS
    asked = list(zip(reviews["review_id"], reviews["text"], strict=True))
    started = time.monotonic()
    if probe is not None and find_refusal(probe, run):
        found = skip_all(asked, UNTAUGHT)
    else:
        found = make_extractor(extract, extractor.name, kept=kept, probe=fitted).extract(
            asked, attributes=extract.attributes, embed=lambda texts: store.embed(texts).vectors
        )
    seconds = round(time.monotonic() - started, 3)
    frame = (
        found.frame.filter(pl.col("is_mentioned"))
        .join(reviews.select("review_id", "event_date"), on="review_id", how="left")
        .with_columns(source=pl.lit(period.source))
        .select(
            "source", "event_date", "review_id", "attribute", "is_mentioned",
            "polarity", "confidence", "span_start", "span_end",
        )
        .sort("event_date", "review_id", "attribute")
    )  # fmt: skip
    summary = summarise_attributes(frame, reviews, per_side=CANDIDATES)
    languages = found.languages or identify_languages(reviews["text"].to_list())
    return AttributesRef(
        period=period,
        file=run.site.lake.put_frame("attributes", frame),
        summary=run.site.lake.put_bytes("summaries", ".json", json.dumps(summary).encode()),
        unread=run.site.lake.put_frame("unread", found.skipped.sort("review_id")),
        rows=frame.height,
        reasons=dict(sorted(Counter(found.skipped["reason"]).items())),
        languages=dict(sorted(Counter(languages).items())),
        tokens=found.n_tokens,
        cut=found.n_cut,
        seconds=seconds,
    )


def list_parts(refs: Sequence[AttributesRef], run: RunContext) -> list[MartPart]:
    """What marts.review_attributes should hold, one part a period."""
    return [
        MartPart(
            "review_attributes", ref.period.source, ref.period.start, ref.period.end,
            ref.file.sha256, ref.rows, str(run.site.lake.root / ref.file.path),
        )
        for ref in refs
    ]  # fmt: skip


@stage_task("text", is_cached=False)
def publish_attributes(refs: tuple[AttributesRef, ...], run: RunContext) -> PublishedRef:
    """Replace the given periods of marts.review_attributes, in one transaction."""
    return commit_parts(
        run.site.warehouse,
        list_parts(refs, run),
        message=f"attributes of {len(refs)} periods",
        extra={"run_id": run.run_id},
    )


@stage_task("text")
def choose_examples(
    source: str, refs: tuple[AttributesRef, ...], per_side: int, run: RunContext
) -> FileRef:
    """Counts and example sentences of every attribute of one source, over the given periods."""
    lake = run.site.lake
    summaries = [json.loads(lake.read_bytes(ref.summary)) for ref in refs]
    rows = [{"source": source, **row} for row in merge_summaries(summaries, per_side=per_side)]
    text = json.dumps(rows, sort_keys=True)
    return lake.put_bytes("examples", ".json", text.encode(), rows=len(rows))


@stage_task("text")
def explain_sentences(
    examples: FileRef,
    extract: ExtractSettings,
    model: ModelChoice,
    probe: FileRef,
    run: RunContext,
) -> FileRef:
    """The examples of one source, of which some sentences say what each word did to the probe's answer."""
    lake = run.site.lake
    store = open_store(_store_root(run), run.text)
    rows = explain_examples(
        json.loads(lake.read_bytes(examples)),
        decode_probe(lake.read_bytes(probe)),
        extract.attributes,
        embed=lambda texts: store.embed(texts).vectors,
        gradients=open_gradients(open_encoder(run.text).folder, max_tokens=run.text.max_tokens),
    )
    text = json.dumps(rows, sort_keys=True)
    return lake.put_bytes("examples", ".json", text.encode(), rows=len(rows))
