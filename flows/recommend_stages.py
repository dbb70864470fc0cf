"""The recommender of a night: a full fit a week, a warm one a night, its quality, lists and groups."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from flows.stages import list_read
from flows.state import Night
from tasks.platform.refs import AttributesRef, FileRef, PeriodRef, RecommenderRef, VerdictsRef
from tasks.recommend import task as recommend
from tasks.recommend.evaluate import POPULARITY

BESIDE = (POPULARITY, "bias", "features")
"""What the quality of the recommender is shown beside."""


@dataclass(frozen=True)
class Prepared:
    """One source: its ratings of the night, the week's full fit, and the groups that this makes."""

    ratings: FileRef
    mark: str
    anchor: FileRef
    groups: FileRef
    users: FileRef
    is_full: bool


def find_refit_day(as_of: date) -> date:
    """The last Sunday before `as_of`: a full fit stands on the ratings up to it, all week long."""
    return as_of - timedelta(days=as_of.isoweekday())


def prepare_recommenders(
    night: Night, periods: Sequence[PeriodRef], texts: Mapping[PeriodRef, FileRef]
) -> dict[str, Prepared]:
    """Ratings, full fits and groups of every source with ratings enough; others are noted."""
    sources = list_sources(night, periods)
    if not sources:
        return {}
    refit_day = find_refit_day(night.as_of)
    now, marks = make_ratings(night, sources, periods, texts, until=night.as_of)
    early = [s for s in sources if count_ratings(periods, s, until=refit_day) >= minimum(night)]
    before, _ = make_ratings(night, early, periods, texts, until=refit_day)
    anchors = fit_sources(
        night, {source: before.get(source, now[source]) for source in sources}, {}
    )
    groups = group_sides(night, {s: (before.get(s, now[s]), anchors[s]) for s in sources})
    return {
        source: Prepared(
            ratings=now[source],
            mark=marks[source],
            anchor=anchors[source],
            groups=groups[source],
            users=ask_one(night, recommend.name_groups, source, {"groups": groups[source]}),
            is_full=source not in before,
        )
        for source in sources
    }


def minimum(night: Night) -> int:
    """Ratings that a source needs."""
    return night.settings.recommend.min_ratings


def list_sources(night: Night, periods: Sequence[PeriodRef]) -> list[str]:
    """Sources with ratings enough for a recommender; the others are noted."""
    if not night.settings.recommend.is_on:
        return []
    found = []
    for source in sorted({period.source for period in periods}):
        n = count_ratings(periods, source, until=night.as_of)
        if n >= minimum(night):
            found.append(source)
        else:
            night.notes.append(
                f"no recommender of {source}: {n:,} ratings, and recommend.min_ratings asks for "
                f"{minimum(night):,}"
            )
    return found


def count_ratings(periods: Sequence[PeriodRef], source: str, *, until: date) -> int:
    """Reviews of a source in the periods that end by a day."""
    return sum(p.rows for p in periods if p.source == source and p.end <= until)


def make_ratings(
    night: Night,
    sources: Sequence[str],
    periods: Sequence[PeriodRef],
    texts: Mapping[PeriodRef, FileRef],
    *,
    until: date,
) -> tuple[dict[str, FileRef], dict[str, str]]:
    """Ratings of each source up to a day, and marks of what they are made of."""
    marks = {source: find_mark(night, source, until=until) for source in sources}
    calls = {
        f"{source} until {until}": {
            "source": source,
            "until": until,
            "mark": marks[source],
            "texts": tuple(
                texts[p] for p in periods if p.source == source and p.end <= until and p in texts
            ),
            # of the week's fit, so that who joins later does not ask for another
            "is_rated_only": until < night.as_of,
        }
        for source in sources
    }
    done = night.engine.require(recommend.make_ratings, calls)
    night.keep(list(done.values()))
    return {source: done[f"{source} until {until}"] for source in sources}, marks


def find_mark(night: Night, source: str, *, until: date) -> str:
    """What the ratings of a source up to a day are made of."""
    return night.once(
        ("ratings", source, until),
        lambda: recommend.describe_ratings(night.run, source, until=until),
    )


def fit_sources(
    night: Night, ratings: Mapping[str, FileRef], warm: Mapping[str, FileRef]
) -> dict[str, FileRef]:
    """A fit of each source: full, or from a warm one."""
    settings = night.settings.recommend
    calls = {
        f"{source} {'warm' if source in warm else 'full'}": {
            "ratings": ref,
            "propensities": find_propensities(night, source, ref),
            "model": settings.model,
            "seed": settings.seed,
            "warm": warm.get(source),
        }
        for source, ref in ratings.items()
    }
    done = night.engine.require(recommend.fit_source, calls)
    night.keep(list(done.values()))
    return dict(zip(ratings, done.values(), strict=True))


def find_propensities(night: Night, source: str, ratings: FileRef) -> FileRef:
    """Chances that the rated pairs of a source were rated."""
    call = {"ratings": ratings, "seed": night.settings.recommend.seed}
    return ask_one(night, recommend.estimate_propensities, source, call)


def group_sides(night: Night, fits: Mapping[str, tuple[FileRef, FileRef]]) -> dict[str, FileRef]:
    """Groups of users and items of each source."""
    settings = night.settings.recommend
    calls = {
        source: {
            "ratings": ratings, "fitted": fitted, "largest": settings.clusters,
            "seed": settings.seed,
        }
        for source, (ratings, fitted) in fits.items()
    }  # fmt: skip
    done: dict[str, FileRef] = night.engine.require(recommend.group_sides, calls)
    night.keep(list(done.values()))
    return done


def conclude_recommenders(
    night: Night,
    prepared: Mapping[str, Prepared],
    attributes: Mapping[PeriodRef, AttributesRef],
    verdicts: VerdictsRef,
) -> tuple[RecommenderRef, ...]:
    """Tonight's fit of each source, its quality and lists; published as marts."""
    full = {source: part.anchor for source, part in prepared.items() if part.is_full}
    later = {source: part for source, part in prepared.items() if not part.is_full}
    fits = full | fit_sources(
        night,
        {source: part.ratings for source, part in later.items()},
        {source: part.anchor for source, part in later.items()},
    )
    refs = tuple(
        conclude_source(night, source, part, fits[source], attributes, verdicts)
        for source, part in prepared.items()
    )
    if refs and recommend.has_unpublished(refs, night.as_of, night.run):
        call = {"refs": refs, "as_of": night.as_of}
        night.engine.require(recommend.publish_recommendations, {"": call})
    return refs


def conclude_source(
    night: Night,
    source: str,
    part: Prepared,
    fitted: FileRef,
    attributes: Mapping[PeriodRef, AttributesRef],
    verdicts: VerdictsRef,
) -> RecommenderRef:
    """One source: quality, what reviews say of items, lists, example users."""
    settings = night.settings.recommend
    shared = {"ratings": part.ratings}
    mentions = ask_one(night, recommend.count_mentions, source, {
        "source": source, "until": night.as_of, "mark": part.mark,
        "attributes": list_read(attributes, [p for p in attributes if p.source == source]),
    })  # fmt: skip
    effects = ask_one(
        night, recommend.collect_effects, source, {"source": source, "verdicts": verdicts}
    )
    tops = ask_one(night, recommend.list_tops, source, {
        **shared, "fitted": fitted, "mentions": mentions, "effects": effects,
        "top_k": settings.top_k, "mix": settings.mix,
    })  # fmt: skip
    about = ask_one(night, recommend.describe_examples, source, {
        **shared, "source": source, "mark": part.mark, "groups": part.groups, "tops": tops,
        "mentions": mentions, "effects": effects,
    })  # fmt: skip
    quality = measure_models(night, source, part, fitted)
    ref = RecommenderRef(
        source=source,
        checkpoint=fitted,
        tops=tops,
        groups=part.groups,
        quality=quality,
        about=about,
    )
    night.keep(ref)
    return ref


def measure_models(night: Night, source: str, part: Prepared, fitted: FileRef) -> FileRef:
    """Figures of the recommender and of what it is shown beside."""
    settings = night.settings.recommend
    names = tuple(dict.fromkeys((*BESIDE, settings.model)))
    propensities = find_propensities(night, source, part.ratings)
    calls = {
        f"{source} {name}": {
            "ratings": part.ratings, "propensities": propensities, "model": name,
            "seed": settings.seed, "relevant": settings.relevant, "fitted": part.anchor,
        }
        for name in names
    }  # fmt: skip
    rows = night.engine.require(recommend.measure_quality, calls)
    return ask_one(night, recommend.gather_quality, source, {
        "rows": tuple(rows.values()), "used": settings.model, "fitted": fitted,
    })  # fmt: skip


def ask_one(night: Night, declared: Any, source: str, call: Mapping[str, Any]) -> FileRef:
    """The answer of one task for one source."""
    done: dict[str, FileRef] = night.engine.require(declared, {source: call})
    night.keep(list(done.values()))
    return done[source]
