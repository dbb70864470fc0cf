"""The attacks of a night: some pairs of attack and target in turn, and who looks fake as it is.

What is attacked is the state of the last Sunday, so that a week's attacks stand on the same reviews:
each night tries a few more pairs, and shows all that the week has tried so far.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from flows.attack_tasks import attack_effect
from flows.recommend_stages import find_refit_day
from flows.state import Night
from tasks.platform.refs import AttributesRef, FileRef, PeriodRef
from tasks.recommend import task as recommend
from tasks.robustness import task as robustness
from tasks.robustness.mart_rows import choose_tonight
from tasks.robustness.task import CorpusRef

RATINGS = "recommender"
"""Subject of the pairs that attack a recommender instead of an attribute's effect."""


def attack_night(
    night: Night, periods: Sequence[PeriodRef], attributes: Mapping[PeriodRef, AttributesRef]
) -> tuple[FileRef, ...]:
    """Results of the week's attacks so far on every source with reviews enough; published as marts."""
    if not night.settings.robustness.is_on:
        return ()
    until = find_refit_day(night.as_of)
    sources = sorted({period.source for period in periods})
    files: list[FileRef] = []
    for source in sources:
        own = [p for p in periods if p.source == source and p.end <= until]
        if sum(period.rows for period in own) >= night.settings.robustness.min_reviews:
            corpus = gather_corpus(night, source, own, attributes, until)
            files += attack_source(night, source, corpus, until)
    night.keep(files)
    found = tuple(files)
    if found and robustness.has_unpublished(found, night.as_of, night.run):
        call = {"files": found, "as_of": night.as_of}
        night.engine.require(robustness.publish_attacks, {"": call})
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
        "attributes": tuple(attributes[period] for period in periods),
        "context": recommend.describe_ratings(night.run, source, until=until),
        "attribute_names": night.settings.extract.names,
        "max_rows": night.settings.robustness.max_reviews,
    }
    done: dict[str, CorpusRef] = night.engine.require(robustness.gather_corpus, {source: call})
    night.keep(done[source])
    return done[source]


def list_pairs(night: Night) -> list[tuple[str, str]]:
    """Every pair of attack and target, conclusions first."""
    settings = night.settings.robustness
    subjects = night.settings.extract.names
    pairs = [(attack, subject) for attack in settings.effect_attacks for subject in subjects]
    return pairs + [(attack, RATINGS) for attack in settings.recommender_attacks]


def choose_pairs(night: Night, until: date) -> list[tuple[str, str]]:
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


def attack_source(night: Night, source: str, corpus: CorpusRef, until: date) -> list[FileRef]:
    """One source: conclusions, the recommender, and accounts that look fake as it is."""
    settings = night.settings.robustness
    shared = {
        "source": source, "corpus": corpus, "mode": settings.mode, "share": settings.share,
        "seed": settings.seed,
    }  # fmt: skip
    on_effects: dict[str, dict[str, Any]] = {}
    on_ratings: dict[str, dict[str, Any]] = {}
    for attack, subject in choose_pairs(night, until):
        if subject == RATINGS:
            on_ratings[f"{attack} {source}"] = {**shared, "attack": attack}
        else:
            on_effects[f"{attack} {source}/{subject}"] = {
                **shared, "attack": attack, "attribute": subject,
                "attribute_names": night.settings.extract.names,
                "settings": night.settings.effects, "looked_to": settings.looked_to,
            }  # fmt: skip
    found = night.engine.require(attack_effect, on_effects)
    found |= night.engine.require(robustness.attack_ratings, on_ratings)
    unusual = {source: {"source": source, "corpus": corpus}}
    listed = night.engine.require(robustness.list_unusual, unusual)
    return [*found.values(), *listed.values()]
