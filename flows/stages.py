"""The stages of a night, in order: each puts the tasks of one room to work and hands on references."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from flows.attacks import readers as attack_readers
from flows.attacks import tasks as attack_tasks
from flows.engine import Engine, Failure, describe_failure
from flows.state import Night, name_drop
from tasks.effects import task as effects
from tasks.effects.choose import choose_basis_periods, read_partitions
from tasks.ingest import accounts, sources
from tasks.ingest import task as ingest
from tasks.platform.errors import GateError
from tasks.platform.marts import count_published, find_unpublished
from tasks.platform.periods import split_periods
from tasks.platform.refs import (
    AttributesRef,
    DropRef,
    EmbeddingRef,
    FileRef,
    GateRef,
    PeriodRef,
    RecommenderRef,
    ReportRef,
    StagedRef,
    VerdictsRef,
)
from tasks.platform.runs import read_events, write_json
from tasks.platform.settings import Settings
from tasks.platform.site import resolve_site
from tasks.platform.sql import read_sql
from tasks.platform.task import RunContext
from tasks.quality import task as quality
from tasks.recommend import task as recommend
from tasks.report import task as report
from tasks.robustness import task as robustness
from tasks.text import task as text
from tasks.text.task import ExtractorChoice, ModelChoice

EXAMPLES_PER_SIDE = 3
STATIC = "static"
"""The precision under which no network embeds a text."""
MAX_NOTES = 5
"""Drops of earlier days that are named; more are counted."""
CACHED_TASKS = (
    ingest.stage_drop,
    quality.check_drop,
    text.embed_shard,
    text.fit_probe,
    text.extract_attributes,
    text.choose_examples,
    text.explain_sentences,
    text.embed_items,
    effects.make_panel,
    effects.freeze_basis,
    effects.make_moments,
    effects.tell_levels_apart,
    effects.estimate_window,
    effects.compare_nights,
    effects.make_changed_moments,
    effects.refute_effects,
    effects.freeze_levels,
    effects.make_segment_moments,
    effects.estimate_segment,
    effects.follow_effects,
    effects.measure_positions,
    effects.search_graph,
    effects.ask_second_opinion,
    effects.correct_window,
    effects.judge_night,
    recommend.make_ratings,
    recommend.estimate_propensities,
    recommend.fit_source,
    recommend.measure_quality,
    recommend.group_sides,
    recommend.name_groups,
    recommend.count_mentions,
    recommend.list_tops,
    recommend.collect_effects,
    recommend.describe_examples,
    recommend.gather_quality,
    robustness.gather_corpus,
    attack_tasks.attack_ratings,
    robustness.list_unusual,
    attack_tasks.attack_effect,
    attack_readers.attack_texts,
    attack_readers.attack_vectors,
    attack_readers.attack_item_texts,
    report.write_report,
)
"""The tasks whose code decides what a night concludes."""


def ingest_drops(
    night: Night, drops: Sequence[DropRef] | None = None, *, is_all_counted: bool = False
) -> None:
    """Stage, check and publish every drop that is not published as it should be.

    An error in a drop of the night's own date is the night's error; with `is_all_counted` any is.
    One in a drop of another day is told: the night stands on what was published of that day before.
    """
    settings, engine = night.settings, night.engine
    known = (
        sources.find_drops(settings, until=night.as_of, is_forced=night.is_forced)
        if drops is None
        else list(drops)
    )
    if drops is None:
        accounts.forget_refused(known, night.run, until=night.as_of)
    stale = ingest.find_stale(known, settings.ingest, night.run, is_forced=night.is_forced)
    staged, failed = stage_drops(engine, settings, stale, today=night.as_of)
    gates, broken = check_drops(engine, settings, staged, today=night.as_of)
    stopped = publish_drops(engine, settings, staged, gates, as_of=night.as_of)
    night.keep([ref.staged for ref in staged.values()])
    failures = [*failed, *broken, *stopped]
    note_accounts(night, known, staged, failures, is_all_shown=is_all_counted)
    own = [f for f in failures if is_all_counted or f.label.split("/")[1] == str(night.as_of)]
    night.errors += [failure.error for failure in own]
    night.setbacks += [failure for failure in failures if failure not in own]
    if drops is None:
        note_gone(night, known)
    if night.flow != "import":
        note_unread(night)
        own_drops = [drop.label for drop in known if drop.drop_date == night.as_of]
        night.tell(ingest.find_twins(own_drops, night.run))


def note_unread(night: Night) -> None:
    """Remark on drops of the night's date that hold something and nothing that is read."""
    night.tell(sources.find_unread(night.settings, {night.as_of}).get(night.as_of, []))


def note_gone(night: Night, known: Iterable[DropRef]) -> None:
    """Remark on published drops that are missing among those that sources still have."""
    delivered = {drop.label for drop in known}
    warehouse = night.site.warehouse
    gone = sources.find_gone(delivered, night.settings, warehouse, until=night.as_of)
    if holes := sources.find_holes(gone, delivered):
        night.tell([f"{sources.tell_gone(holes)}; {sources.GONE_ADVICE}"])


def stage_drops(
    engine: Engine, settings: Settings, drops: Sequence[DropRef], *, today: date
) -> tuple[dict[str, StagedRef], list[Failure]]:
    """Read drops into accepted and refused rows."""
    calls = {
        drop.label: {
            "drop": drop,
            "settings": settings.ingest,
            "latest": ingest.latest_date(drop, today),
        }
        for drop in drops
    }
    return engine.map(ingest.stage_drop, calls)


def check_drops(
    engine: Engine, settings: Settings, staged: Mapping[str, StagedRef], *, today: date
) -> tuple[dict[str, GateRef], list[Failure]]:
    """Run the quality gate on staged drops; each is compared with the drops dated before it."""
    if not staged:
        return {}, []
    history = ingest.read_history(engine.run)
    for ref in staged.values():
        if ref.drop.drop_date is not None:
            past = history.setdefault((ref.drop.source, ref.drop.table), {})
            past[ref.drop.drop_id] = ingest.remember_day(ref)
    calls = {
        label: {
            "staged": ref,
            "history": ingest.trim_history(
                history.get((ref.drop.source, ref.drop.table), {}),
                ref.drop,
                days=settings.quality.history_days,
            ),
            "latest": ingest.latest_date(ref.drop, today),
            "ingest": settings.ingest,
            "quality": settings.quality,
        }
        for label, ref in staged.items()
    }
    return engine.map(quality.check_drop, calls)


def publish_drops(
    engine: Engine,
    settings: Settings,
    staged: Mapping[str, StagedRef],
    gates: Mapping[str, GateRef],
    *,
    as_of: date,
) -> list[Failure]:
    """Publish what passed, all at once; what the gate stopped fails with a sentence that says why."""
    shared = {"settings": settings.ingest, "as_of": as_of}
    passed = [label for label, gate in gates.items() if gate.is_passed]
    refused = {
        label: {"staged": staged[label], "gate": gate, **shared}
        for label, gate in gates.items()
        if not gate.is_passed
    }
    _, failures = engine.map(ingest.refuse_drop, refused)
    if passed:
        call = {
            "staged": tuple(staged[label] for label in passed),
            "gates": tuple(gates[label] for label in passed),
            **shared,
        }
        _, broken = engine.map(ingest.publish_drops, {f"of {len(passed)}": call})
        failures += [Failure(label, failure.error) for failure in broken for label in passed]
    return failures


def note_accounts(
    night: Night,
    drops: Sequence[DropRef],
    staged: Mapping[str, StagedRef],
    failures: Sequence[Failure],
    *,
    is_all_shown: bool = False,
) -> None:
    """Account for the drops of the night's date and whatever else this run worked on.

    The report shows `recent`: what the warehouse holds of the last days and what of the night's own
    date is not there, so that it does not depend on which run published what.
    """
    wrong = {failure.label: failure.error for failure in failures}
    shown = [
        drop
        for drop in drops
        if is_all_shown or drop.drop_date == night.as_of or drop.label in {*staged, *wrong}
    ]
    said = {
        label: (describe_failure(error), isinstance(error, GateError))
        for label, error in wrong.items()
    }
    night.accounts = accounts.account_drops(shown, staged, said, night.run)
    held = [
        row
        for row in night.accounts
        if row["status"] != "published" and row["drop_id"] == night.as_of.isoformat()
    ]
    kept = set(map(name_drop, held))
    night.recent = [
        row for row in accounts.account_recent(night.run, night.as_of) if name_drop(row) not in kept
    ] + held
    night.notes = tell_late(
        row
        for row in night.accounts
        if row["status"] == "published" and row["drop_id"] < night.as_of.isoformat()
    )


def tell_late(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """A note for each of the first drops of earlier days that this run published, and how many more there are."""
    named = [f"{row['table']} of {row['drop_id']} from {row['source']}" for row in rows]
    rest = len(named) - MAX_NOTES
    return [
        *(
            f"{name} came late or corrected; all that hangs on its day stands on it now."
            for name in named[:MAX_NOTES]
        ),
        *([f"So did {rest:,} more tables of earlier drops."] if rest > 0 else []),
    ]


def plan_periods(night: Night) -> list[PeriodRef]:
    """The pieces of published history that the night's conclusions stand on."""
    partitions = read_partitions(night.run, night.as_of)
    night.snapshot_read = night.site.warehouse.read_snapshot()
    return split_periods(partitions, night.as_of)


def label_period(period: PeriodRef) -> str:
    """Short name of a period in runs and messages."""
    days = f"{period.start}" if period.start == period.end else f"{period.start}..{period.end}"
    return f"{period.source}/{days}"


def embed_texts(night: Night, joined: Iterable[PeriodRef]) -> None:
    """Vectors of all review texts, shard by shard; `joined` may name a period more than once."""
    periods = list(dict.fromkeys(joined))
    model = text.choose_model(night.settings.text)
    calls = {
        f"{label_period(period)}/{shard[0] + 1}of{shard[1]}": {
            "period": period,
            "shard": shard,
            "model": model,
        }
        for period in periods
        for shard in text.list_shards(period, night.settings.text)
    }
    done: dict[str, EmbeddingRef] = night.engine.require(text.embed_shard, calls)
    encoder, notes = text.describe_encoder(night.settings.text)
    night.keep(list(done.values()))
    ran = list_ran(night)
    new = [ref for label, ref in done.items() if f"{text.embed_shard.name} {label}" in ran]
    night.text_cost = {
        "n_texts": sum(period.rows for period in periods),
        "n_distinct": sum(ref.rows for ref in done.values()),
        "n_new": sum(ref.new for ref in new),
        "n_cached": sum(ref.rows for ref in done.values()) - sum(ref.new for ref in new),
        "n_cut": sum(ref.cut for ref in new),
        "n_tokens": sum(ref.tokens for ref in new),
        "seconds": round(sum(ref.seconds for ref in new), 3),
        "model": f"{model.name} {model.revision}",
        "device": encoder,
    }
    night.notes += notes


def list_ran(night: Night) -> set[str]:
    """Names of the tasks that this run worked out, and did not take from the cache."""
    return {event.name for event in read_events(Path(night.run.events)) if event.state != "cached"}


def count_reading(
    night: Night, refs: Mapping[str, AttributesRef]
) -> dict[str, int | float | dict[str, int]]:
    """What reading attributes took: tokens and seconds of this run, languages and refusals of all."""
    ran = list_ran(night)
    new = [ref for label, ref in refs.items() if f"{text.extract_attributes.name} {label}" in ran]
    reasons: Counter[str] = Counter()
    languages: Counter[str] = Counter()
    for ref in refs.values():
        reasons.update(ref.reasons)
        languages.update(ref.languages)
    return {
        "n_skipped": sum(ref.unread.rows for ref in refs.values()),
        "skipped": dict(sorted(reasons.items())),
        "languages": dict(sorted(languages.items())),
        "n_read_new": sum(sum(ref.languages.values()) for ref in new),
        "n_read_tokens": sum(ref.tokens for ref in new),
        "n_read_cut": sum(ref.cut for ref in new),
        "read_seconds": round(sum(ref.seconds for ref in new), 3),
    }


def embed_items(night: Night, periods: Sequence[PeriodRef]) -> dict[PeriodRef, FileRef]:
    """Vectors of the texts of each period's items, where any of these has a text."""
    if night.settings.effects.item_text_components == 0:
        return {}
    model = text.choose_model(night.settings.text)
    marks = text.describe_item_texts(night.run, periods, as_of=night.as_of)
    calls = {
        label_period(period): {"period": period, "mark": mark, "model": model}
        for period, mark in marks.items()
    }
    done: dict[str, FileRef] = night.engine.require(text.embed_items, calls)
    night.keep(list(done.values()))
    return {period: done[label_period(period)] for period in marks}


def fit_probes(night: Night, periods: Iterable[PeriodRef]) -> dict[str, FileRef]:
    """A probe a source, taught on the periods that its control basis is fitted on; {} when none is used.

    It is fitted again only when these periods, what teaches it or its settings change. Of a source with
    too few labels it is empty, and the night says so.
    """
    extract = night.settings.extract
    if not text.is_taught(extract):
        return {}
    labels = text.keep_labels(extract, night.settings.root, night.site)
    shared = {
        "extract": extract,
        "model": text.choose_model(night.settings.text),
        "extractor": choose_extractor(night),
        "labels": labels,
    }
    by_source: dict[str, list[PeriodRef]] = {}
    for period in periods:
        by_source.setdefault(period.source, []).append(period)
    min_rows = night.settings.effects.basis_min_rows
    calls = {
        source: {
            "periods": tuple(choose_basis_periods(known, as_of=night.as_of, min_rows=min_rows)),
            **shared,
        }
        for source, known in by_source.items()
    }
    done: dict[str, FileRef] = night.engine.require(text.fit_probe, calls)
    night.keep([labels, *done.values()])
    refused = {source: text.find_refusal(ref, night.run) for source, ref in done.items()}
    night.tell(f"No reviews of {source} are read: {why}." for source, why in refused.items() if why)
    night.probes = {source: ref for source, ref in done.items() if not refused[source]}
    about = {source: text.describe_probe(ref, night.run) for source, ref in night.probes.items()}
    night.text_cost = {**(night.text_cost or {}), "probes": about}
    return done


def extract_attributes(
    night: Night, joined: Mapping[PeriodRef, PeriodRef]
) -> dict[PeriodRef, AttributesRef]:
    """What the reviews of each period say of each attribute; published as it is read.

    `joined` maps periods to the longer ones that they are read in.
    """
    probes = fit_probes(night, joined)
    periods = list(dict.fromkeys(joined.values()))
    extract = text.trim_settings(night.settings.extract)
    shared = {
        "extract": extract,
        "model": text.choose_model(night.settings.text),
        "extractor": choose_extractor(night),
    }
    calls = {
        label_period(period): {"period": period, "probe": probes.get(period.source), **shared}
        for period in periods
    }
    done: dict[str, AttributesRef] = night.engine.require(text.extract_attributes, calls)
    refs = [done[label_period(period)] for period in periods]
    night.keep(refs)
    if night.text_cost is not None:
        night.text_cost |= count_reading(night, done)
    with night.site.warehouse.connect() as connection:
        parts = find_unpublished(connection, text.list_parts(refs, night.run))
    wanted = {part.fingerprint for part in parts}
    late = tuple(ref for ref in refs if ref.file.sha256 in wanted)
    if late:
        night.engine.require(text.publish_attributes, {"": {"refs": late}})
    return dict(zip(periods, refs, strict=True))


def list_read(
    attributes: Mapping[PeriodRef, AttributesRef], periods: Iterable[PeriodRef]
) -> tuple[AttributesRef, ...]:
    """What was read in some periods, each once: periods that were read together share theirs."""
    return tuple({ref.period: ref for ref in map(attributes.__getitem__, periods)}.values())


def choose_examples(
    night: Night, attributes: Mapping[PeriodRef, AttributesRef]
) -> tuple[FileRef, ...]:
    """Counts and example sentences of each source's attributes."""
    sources = sorted({period.source for period in attributes})
    calls = {
        source: {
            "source": source,
            "refs": tuple(ref for period, ref in attributes.items() if period.source == source),
            "per_side": EXAMPLES_PER_SIDE,
        }
        for source in sources
    }
    done: dict[str, FileRef] = night.engine.require(text.choose_examples, calls)
    done |= explain_sentences(night, done)
    night.keep(list(done.values()))
    return tuple(done.values())


def explain_sentences(night: Night, examples: Mapping[str, FileRef]) -> dict[str, FileRef]:
    """Examples of the sources that a probe reads, with what the words of some did to its answer.

    None where vectors are sums of token vectors: a network's gradients say nothing of those.
    """
    if night.settings.text.precision == STATIC:
        return {}
    calls = {
        source: {
            "examples": examples[source],
            "extract": night.settings.extract,
            "model": text.choose_model(night.settings.text),
            "probe": probe,
        }
        for source, probe in night.probes.items()
    }
    return night.engine.require(text.explain_sentences, calls) if calls else {}


def write_report(
    night: Night,
    verdicts: VerdictsRef,
    examples: tuple[FileRef, ...],
    recommenders: tuple[RecommenderRef, ...],
    attacks: tuple[FileRef, ...],
) -> ReportRef:
    """The night's page; kept in the lake and laid out under the night's date."""
    facts = report.gather_facts(
        night.run,
        as_of=night.as_of,
        drops=night.recent,
        sources={source.name for source in night.settings.sources if source.is_enabled},
        max_age_days=night.settings.quality.max_drop_age_days,
        extra={
            "truth": sources.read_truth(night.settings),
            "confidence": night.settings.effects.confidence,
        },
    )
    night.keep(facts)
    beside = Path(night.run.events).with_name(report.NIGHT_FILE)
    write_json(
        beside,
        {
            "text_cost": night.text_cost,
            "reproducibility": night.describe(),
            "notes": night.notes,
        },
    )
    call = {
        "facts": facts, "verdicts": verdicts, "examples": examples, "recommenders": recommenders,
        "attacks": attacks,
    }  # fmt: skip
    calls = {str(night.as_of): call}
    page: ReportRef = night.engine.require(report.write_report, calls)[str(night.as_of)]
    night.keep(page)
    if report.has_unpublished(page, night.as_of, night.run):
        published = {"page": page, "as_of": night.as_of}
        night.engine.require(report.publish_report, {"": published})
    report.lay_out(page, night.as_of, night.run)
    return page


def are_marts_whole(run: RunContext, as_of: date) -> bool:
    """True when every part that the night of `as_of` stands on or published holds what it should."""
    with run.site.warehouse.connect() as connection:
        rows = count_published(connection, since=date.min, first=as_of, last=as_of)
    return all(row["live_count"] == row["row_count"] for row in rows)


def total_rows(accounts: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Sums of the row account over drops; `held` are rows that the gate or an error kept out."""
    names = ("read", "published", "quarantined", "duplicate", "held")
    return {name: sum(int(row.get(f"rows_{name}", 0)) for row in accounts) for name in names}


def record_run(night: Night, document: Mapping[str, Any]) -> int:
    """Add the run to marts.runs; returns the snapshot that now holds all it published."""
    rows, tasks = document["rows"], document["tasks"]
    values = {
        **{name: rows[name] for name in ("read", "published", "quarantined", "duplicate")},
        **{name: tasks[name] for name in ("ran", "cached", "retried", "failed", "skipped")},
        "run_id": night.run.run_id,
        "snapshot_read": night.snapshot_read,
        "snapshot_published": night.site.warehouse.read_snapshot(),
        **{
            name: document[name]
            for name in ("flow", "as_of", "status", "started_at", "seconds", "night_key", "report")
        },
    }
    night.site.warehouse.commit(
        lambda connection: connection.execute(read_sql("marts/runs_insert"), values) and None,
        message=f"{night.flow} {night.as_of}: {night.status}",
        extra={"run_id": night.run.run_id},
    )
    return night.site.warehouse.read_snapshot()


def list_published_days(run: RunContext, until: date) -> set[date]:
    """Days up to `until` that any table has published rows of."""
    return {part.event_date for part in read_partitions(run, until)}


def read_snapshot(settings: Settings) -> int:
    """Number of the newest snapshot of the warehouse."""
    return resolve_site(settings).warehouse.read_snapshot()


def choose_model(night: Night) -> ModelChoice:
    """What of the encoder decides the night's vectors."""
    return text.choose_model(night.settings.text)


def choose_extractor(night: Night) -> ExtractorChoice:
    """What of the extractor decides what the night reads, a file of labels included."""
    extract = night.settings.extract
    labels = text.keep_labels(extract, night.settings.root, night.site)
    return text.choose_extractor(extract, labels)
