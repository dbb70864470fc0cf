"""The attacks of a night: some pairs of attack and target in turn, and who looks fake as it is.

What is attacked is the state of the last Sunday, so that a week's attacks stand on the same reviews:
each night tries a few more pairs, and shows all that the week has tried so far. A sweep tries all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final, NamedTuple

from prefect import Task

from flows.attacks.readers import attack_item_texts, attack_texts, attack_vectors
from flows.attacks.tasks import attack_effect, attack_ratings
from flows.recommend_stages import Prepared, find_mark, find_refit_day
from flows.stages import choose_extractor, list_read
from flows.state import Night, hash_json
from tasks.platform.refs import AttributesRef, FileRef, PeriodRef
from tasks.robustness import task as robustness
from tasks.robustness.mart_rows import choose_tonight
from tasks.robustness.task import CorpusRef
from tasks.text import task as text
from tasks.text.extractors import DISTILLED

EFFECTS: Final = "effects"
RATINGS: Final = "recommender"
TEXTS: Final = "extractor"
VECTORS: Final = "vectors"
ITEM_TEXTS: Final = "item texts"


class Pair(NamedTuple):
    """An attack and what it is tried on; `subject` is an attribute of a conclusion, else empty."""

    attack: str
    target: str
    subject: str = ""


@dataclass(frozen=True)
class Attacked:
    """What is attacked of one source: reviews, its probe and the week's recommender, if any."""

    source: str
    corpus: CorpusRef
    probe: FileRef | None
    recommender: FileRef | None


def attack_night(
    night: Night,
    periods: Sequence[PeriodRef],
    attributes: Mapping[PeriodRef, AttributesRef],
    prepared: Mapping[str, Prepared],
) -> tuple[FileRef, ...]:
    """Results of the week's attacks so far on every source with reviews enough; published as marts.

    What a sweep of the same reviews has found is among them; last comes a file of what earlier weeks
    found.
    """
    if not night.settings.robustness.is_on:
        return ()
    until = find_refit_day(night.as_of)
    files: list[FileRef] = []
    for attacked in list_attacked(night, periods, attributes, prepared):
        files += try_pairs(night, attacked, [*choose_pairs(night, until), *list_idle(night)])
        files += find_sweep(night, attacked, until)
    found = publish(night, files)
    return (*found, keep_previous(night, until)) if found else ()


def keep_previous(night: Night, until: date) -> FileRef:
    """What earlier weeks found, for the report to compare with."""
    file = robustness.keep_previous(night.run, read_previous(night, until))
    night.keep(file)
    return file


def publish(night: Night, files: Sequence[FileRef]) -> tuple[FileRef, ...]:
    """The distinct files of the night's attacks, once its marts hold them."""
    found = tuple({file.path: file for file in files}.values())
    night.keep(found)
    if found and robustness.has_unpublished(found, night.as_of, night.run):
        call = {"files": found, "as_of": night.as_of}
        night.engine.require(robustness.publish_attacks, {"": call})
    return found


def list_attacked(
    night: Night,
    periods: Sequence[PeriodRef],
    attributes: Mapping[PeriodRef, AttributesRef],
    prepared: Mapping[str, Prepared],
) -> list[Attacked]:
    """The sources with reviews enough up to last Sunday, if they are read."""
    until = find_refit_day(night.as_of)
    found = []
    is_taught = text.is_taught(night.settings.extract)
    for source in sorted({period.source for period in periods}):
        if is_taught and source not in night.probes:
            continue
        own = [p for p in periods if p.source == source and p.end <= until]
        if sum(period.rows for period in own) >= night.settings.robustness.min_reviews:
            corpus = gather_corpus(night, source, own, attributes, until)
            week = prepared.get(source)
            anchor = None if week is None or week.is_full else week.anchor
            found.append(Attacked(source, corpus, night.probes.get(source), anchor))
    return found


def gather_corpus(
    night: Night,
    source: str,
    periods: Sequence[PeriodRef],
    attributes: Mapping[PeriodRef, AttributesRef],
    until: date,
) -> CorpusRef:
    """What is attacked of one source."""
    call = {
        "periods": tuple(periods),
        "attributes": list_read(attributes, periods),
        "context": find_mark(night, source, until=until),
        "attribute_names": night.settings.extract.names,
        "max_rows": night.settings.robustness.max_reviews,
    }
    done: dict[str, CorpusRef] = night.engine.require(robustness.gather_corpus, {source: call})
    night.keep(done[source])
    return done[source]


def list_pairs(night: Night) -> list[Pair]:
    """Every pair of attack and target, so mixed that a week of nights sees most kinds of targets."""
    settings = night.settings.robustness
    subjects = night.settings.extract.names
    waiting = [
        [Pair(attack, EFFECTS, name) for attack in settings.effect_attacks for name in subjects],
        [Pair(attack, TEXTS) for attack in settings.text_attacks],
        [Pair(attack, RATINGS) for attack in settings.recommender_attacks],
        []
        if list_idle(night)
        else [Pair(attack, VECTORS) for attack in settings.embedding_attacks],
        [Pair(attack, ITEM_TEXTS) for attack in settings.embedding_attacks],
    ]
    return spread(waiting)


def spread(waiting: Sequence[Sequence[Pair]]) -> list[Pair]:
    """The pairs of several lists in one, each list evenly over the whole and in its own order."""
    placed = [
        ((at + 0.5) / len(pairs), number, pair)
        for number, pairs in enumerate(waiting)
        for at, pair in enumerate(pairs)
    ]
    return [pair for _, _, pair in sorted(placed)]


def list_idle(night: Night) -> list[Pair]:
    """Pairs that the night's extractor gives nothing to try for: told every night, at no one's turn."""
    if night.settings.extract.extractor == DISTILLED:
        return []
    return [Pair(attack, VECTORS) for attack in night.settings.robustness.embedding_attacks]


def choose_pairs(night: Night, until: date) -> list[Pair]:
    """The pairs of every night since `until`, tonight's among them, each once."""
    days = (night.as_of - until).days
    chosen = [
        pair
        for day in range(1, days + 1)
        for pair in choose_tonight(
            list_pairs(night), budget=night.settings.robustness.budget,
            as_of=until + timedelta(days=day),
        )
    ]  # fmt: skip
    return list(dict.fromkeys(chosen))


def label_pair(pair: Pair, source: str) -> str:
    """What the task of a pair on one source is called."""
    return f"{pair.attack} {source}" + (f"/{pair.subject}" if pair.subject else "")


def try_pairs(night: Night, attacked: Attacked, pairs: Sequence[Pair]) -> list[FileRef]:
    """One mapped task a pair, and accounts of one source that look fake as it is.

    A pair that fails is an error of the night and keeps nothing else from being tried or shown.
    """
    calls: dict[str, dict[str, dict[str, Any]]] = {}
    for pair in pairs:
        label = label_pair(pair, attacked.source)
        calls.setdefault(pair.target, {})[label] = describe_call(night, attacked, pair)
    files: list[FileRef] = []
    for target, own in calls.items():
        done, failures = night.engine.map(TASKS[target], own)
        files += done.values()
        night.errors += [failure.error for failure in failures]
    unusual = {attacked.source: {"source": attacked.source, "corpus": attacked.corpus}}
    return [*files, *night.engine.require(robustness.list_unusual, unusual).values()]


TASKS: Final[Mapping[str, Task[..., Any]]] = {
    EFFECTS: attack_effect,
    RATINGS: attack_ratings,
    TEXTS: attack_texts,
    VECTORS: attack_vectors,
    ITEM_TEXTS: attack_item_texts,
}


def describe_call(night: Night, attacked: Attacked, pair: Pair) -> dict[str, Any]:
    """What the task of a pair is given."""
    settings = night.settings.robustness
    shared = {
        "source": attacked.source, "corpus": attacked.corpus, "attack": pair.attack,
        "seed": settings.seed,
    }  # fmt: skip
    if pair.target == EFFECTS:
        return {
            **shared, "attribute": pair.subject, "attribute_names": night.settings.extract.names,
            "settings": night.settings.effects, "mode": settings.mode, "share": settings.share,
            "looked_to": settings.looked_to,
        }  # fmt: skip
    if pair.target == RATINGS:
        victim = None if settings.victim == "surrogate" else night.settings.recommend
        return {**shared, "mode": settings.mode, "share": settings.share, "victim": victim}
    if pair.target == ITEM_TEXTS:
        return {**shared, "checkpoint": attacked.recommender}
    own = night.settings.extract
    reading = {
        **shared, "extract": text.trim_settings(own), "probe": attacked.probe,
        "model": text.choose_model(night.settings.text), "extractor": choose_extractor(night),
    }  # fmt: skip
    if pair.target == VECTORS:
        return reading
    return {**reading, "texts": settings.texts, "queries": settings.text_queries}


def find_sweep(night: Night, attacked: Attacked, until: date) -> list[FileRef]:
    """Results of a sweep of the very reviews and settings, as far as they still lie in the lake."""
    lake = night.site.lake
    kept = robustness.choose_sweep(read_sweeps(night, until), make_sweep_key(night, attacked))
    return [file for file in kept if lake.is_intact(file)]


def read_sweeps(night: Night, until: date) -> list[dict[str, Any]]:
    """Sweeps of the state of a day."""
    return night.once(("sweeps", until), lambda: robustness.read_sweeps(night.run, until))


def read_previous(night: Night, until: date) -> list[dict[str, Any]]:
    """The newest result of each attack up to a day."""
    return night.once(("attacks", until), lambda: robustness.read_previous(night.run, until))


def list_weeks(night: Night, refit_day: date) -> list[list[str]]:
    """The sweeps of a week that its nights would show, and what earlier weeks found, for their keys."""
    rows = read_sweeps(night, refit_day)
    earlier = night.once(
        ("attacks hash", refit_day), lambda: hash_json(read_previous(night, refit_day))
    )
    return [[row["source"], row["sweep_key"], row["files"]] for row in rows] + [
        ["earlier", earlier]
    ]


def make_sweep_key(night: Night, attacked: Attacked) -> str:
    """What a sweep's results hang on beside the code: what was attacked, by whom it is read, and how.

    Of a recommender's settings those that decide a fit. What was attacked is all that the tasks of its
    pairs are given: else a night would show a pair twice, as the sweep found it and as it is now.
    """
    settings, corpus = night.settings, attacked.corpus
    files = (corpus.reviews, corpus.items, corpus.users, attacked.probe, attacked.recommender)
    fitted = {"is_on", "model", "min_ratings", "seed"}
    return hash_json({
        "attacked": [file and file.sha256 for file in files], "source": attacked.source,
        "robustness": settings.robustness.model_dump(mode="json", exclude={"budget"}),
        "effects": settings.effects.model_dump(mode="json"),
        "extract": settings.extract.model_dump(mode="json"),
        "encoder": text.choose_model(settings.text).revision,
        "extractor": choose_extractor(night).revision,
        "recommend": settings.recommend.model_dump(mode="json", include=fitted),
    })  # fmt: skip
