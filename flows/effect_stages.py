"""The effects of a night: panels, moments, estimates per window, refutations, verdicts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flows.stages import label_period
from flows.state import Night
from tasks.effects import task as effects
from tasks.effects.choose import (
    ALL_DAYS,
    choose_attributes,
    choose_basis_periods,
    choose_labelled_periods,
    choose_newest,
    choose_settled_periods,
    choose_weekly_periods,
    describe_contexts,
    list_exposures,
    name_window,
    place_gold,
    select_window,
    select_window_before,
)
from tasks.effects.gaps import list_shared
from tasks.effects.mart_rows import has_unpublished
from tasks.effects.refute import CHANGES, REFUTERS, Change
from tasks.effects.stored import read_basis, read_levels
from tasks.effects.told_apart import ROWS as TOLD_ROWS
from tasks.platform.code import hash_function_code
from tasks.platform.refs import AttributesRef, EffectsRef, FileRef, PanelRef, PeriodRef, VerdictsRef

USER_GROUP = "user_group"
"""Segment of the group that the recommender puts a user in."""


@dataclass(frozen=True)
class Split:
    """A segment, its frozen levels, and the table of users that it is a column of, if of one."""

    segment: str
    levels: tuple[str, ...]
    users: FileRef | None


@dataclass(frozen=True)
class Windowed:
    """One source and window: its estimates, and the periods that they stand on."""

    effects: EffectsRef
    periods: tuple[PeriodRef, ...]


def conclude_effects(
    night: Night,
    periods: Sequence[PeriodRef],
    attributes: Mapping[PeriodRef, AttributesRef],
    texts: Mapping[PeriodRef, FileRef],
    users: Mapping[str, FileRef],
) -> VerdictsRef:
    """Effects of every attribute, refuted and judged; published as marts.effects.

    `users` are tables of what is known of the users of a source besides: a column each.
    """
    panels = make_panels(night, periods, attributes, texts)
    bases = freeze_bases(night, panels)
    moments = make_moments(night, panels, bases)
    told = tell_levels_apart(night, panels, bases)
    windows = estimate_windows(night, panels, bases, moments, told)
    beside = {
        "refutations": refute_windows(night, windows, panels, bases, moments),
        "opinions": (
            *ask_opinions(night, windows, panels, bases),
            *correct_windows(night, windows, panels, bases, attributes),
        ),
        "exposures": measure_positions(night),
        "segments": split_windows(night, windows, panels, bases, users),
        "trends": follow_effects(night, windows, moments),
        "graphs": search_graphs(night, panels),
        "changes": compare_nights(night, windows, moments),
    }
    return judge_night(night, windows, beside)


def make_panels(
    night: Night,
    periods: Sequence[PeriodRef],
    attributes: Mapping[PeriodRef, AttributesRef],
    texts: Mapping[PeriodRef, FileRef],
) -> dict[PeriodRef, PanelRef]:
    """The design panel of each period, and vectors of its items' texts.

    A source none of whose reviews was read has no panels, and the night says so.
    """
    settings = night.settings.effects
    contexts = describe_contexts(
        night.run, periods, as_of=night.as_of, history_days=settings.history_days
    )
    calls = {
        label_period(period): {
            "period": period,
            "attributes": attributes[period],
            "context": contexts[period],
            "attribute_names": night.settings.extract.names,
            "history_days": settings.history_days,
        }
        for period in periods
    }
    done = night.engine.require(effects.make_panel, calls)
    read = {period.source for period in periods if done[label_period(period)].rows}
    night.tell(
        f"None of the reviews of {source} was read, so that there are no effects for it."
        for source in list_sources(periods)
        if source not in read
    )
    return {
        period: PanelRef(rows=done[label_period(period)], texts=texts.get(period))
        for period in periods
        if period.source in read
    }


def freeze_bases(night: Night, panels: Mapping[PeriodRef, PanelRef]) -> dict[str, FileRef]:
    """One frozen control basis a source."""
    settings = night.settings.effects
    chosen = {source: choose_basis(night, source, panels) for source in list_sources(panels)}
    calls = {
        source: {
            "panels": tuple(panels[period] for period in periods),
            "max_levels": settings.max_levels,
            "text_components": settings.item_text_components,
            "text_min_items": settings.item_text_min_items,
        }
        for source, periods in chosen.items()
    }
    bases: dict[str, FileRef] = night.engine.require(effects.freeze_basis, calls)
    night.keep(list(bases.values()))
    return bases


def choose_basis(
    night: Night, source: str, panels: Mapping[PeriodRef, PanelRef]
) -> list[PeriodRef]:
    """The periods of one source that its basis is fitted on."""
    rows = {p: panel.rows.rows for p, panel in panels.items() if p.source == source}
    return choose_basis_periods(
        list(rows), as_of=night.as_of, min_rows=night.settings.effects.basis_min_rows, rows=rows
    )


def list_sources(periods: Iterable[PeriodRef]) -> list[str]:
    """Names of the sources that have periods."""
    return sorted({period.source for period in periods})


def make_moments(
    night: Night, panels: Mapping[PeriodRef, PanelRef], bases: Mapping[str, FileRef]
) -> dict[PeriodRef, FileRef]:
    """The moments of each period under its source's basis."""
    calls = {
        label_period(period): describe_moments(night, panel, bases[period.source])
        for period, panel in panels.items()
    }
    done = night.engine.require(effects.make_moments, calls)
    night.keep([*panels.values(), *done.values()])
    return {period: done[label_period(period)] for period in panels}


def describe_moments(night: Night, panel: PanelRef, basis: FileRef) -> dict[str, Any]:
    """What moments of one panel are made from."""
    settings = night.settings.effects
    return {
        "panel": panel,
        "basis": basis,
        "attribute_names": night.settings.extract.names,
        "outcome": settings.outcome,
        "buckets": settings.buckets,
    }


def change_moments(
    night: Night, panels: Mapping[PeriodRef, PanelRef], bases: Mapping[str, FileRef], change: Change
) -> dict[PeriodRef, FileRef]:
    """Moments of each period after `change`, to refute effects with."""
    calls = {
        f"{change} {label_period(period)}": {
            **describe_moments(night, panel, bases[period.source]),
            "change": change,
        }
        for period, panel in panels.items()
    }
    done = night.engine.require(effects.make_changed_moments, calls)
    night.keep(list(done.values()))
    return {period: done[f"{change} {label_period(period)}"] for period in panels}


def tell_levels_apart(
    night: Night, panels: Mapping[PeriodRef, PanelRef], bases: Mapping[str, FileRef]
) -> dict[str, FileRef]:
    """What levels that share a column would move, by source; twice a month, where there are such."""
    calls: dict[str, dict[str, Any]] = {}
    for source, basis in bases.items():
        own = {period: panel for period, panel in panels.items() if period.source == source}
        chosen = choose_newest(
            choose_settled_periods(list(own), as_of=night.as_of),
            rows={period: panel.rows.rows for period, panel in own.items()},
            least=TOLD_ROWS,
        )
        if chosen and list_shared(read_basis(night.run, basis)):
            calls[source] = {
                "panels": tuple(panels[period] for period in chosen),
                "basis": basis,
                "attribute_names": night.settings.extract.names,
                "outcome": night.settings.effects.outcome,
            }
    done: dict[str, FileRef] = night.engine.require(effects.tell_levels_apart, calls)
    night.keep(list(done.values()))
    return done


def estimate_windows(
    night: Night,
    panels: Mapping[PeriodRef, PanelRef],
    bases: Mapping[str, FileRef],
    moments: Mapping[PeriodRef, FileRef],
    told: Mapping[str, FileRef],
) -> list[Windowed]:
    """Effects of every attribute, for each source and window, the longest window first."""
    settings, periods = night.settings.effects, list(panels)
    longest_first = sorted(settings.windows_days, key=lambda days: (days != ALL_DAYS, -days))
    chosen = {
        f"{source}/{name_window(days)}": (source, days, tuple(window))
        for source in list_sources(periods)
        for days in longest_first
        if (
            window := select_window(
                [period for period in periods if period.source == source],
                as_of=night.as_of,
                days=days,
            )
        )
    }
    calls = {
        label: {
            "source": source,
            "window": name_window(days),
            "start": window[0].start,
            "end": night.as_of,
            "moments": tuple(moments[period] for period in window),
            "basis": bases[source],
            "told": told.get(source),
            "left_out": sum(period.rows - panels[period].rows.rows for period in window),
            "attribute_names": night.settings.extract.names,
            "settings": settings,
            "code": hash_function_code(effects.estimate_window.fn),
        }
        for label, (source, days, window) in chosen.items()
    }
    done: dict[str, EffectsRef] = night.engine.require(effects.estimate_window, calls)
    night.keep(list(done.values()))
    return [Windowed(done[label], window) for label, (_, _, window) in chosen.items()]


def compare_nights(
    night: Night, windows: Sequence[Windowed], moments: Mapping[PeriodRef, FileRef]
) -> tuple[FileRef, ...]:
    """How far each window's effects moved since the night before; nothing on a first night."""
    previous = night.previous
    if previous is None:
        return ()
    days = {name_window(days): days for days in night.settings.effects.windows_days}
    calls: dict[str, dict[str, Any]] = {}
    for window in windows:
        ref = window.effects
        own = [period for period in moments if period.source == ref.source]
        before = select_window_before(own, previous=previous, days=days[ref.window])
        if not before:
            continue
        calls[f"{ref.source}/{ref.window}"] = {
            "source": ref.source,
            "window": ref.window,
            "start": window.periods[0].start,
            "end": night.as_of,
            "now": tuple(moments[period] for period in window.periods),
            "before": tuple(moments[period] for period in before),
            "attribute_names": night.settings.extract.names,
            "settings": night.settings.effects,
        }
    done: dict[str, FileRef] = night.engine.require(effects.compare_nights, calls)
    night.keep(list(done.values()))
    return tuple(done.values())


def refute_windows(
    night: Night,
    windows: Sequence[Windowed],
    panels: Mapping[PeriodRef, PanelRef],
    bases: Mapping[str, FileRef],
    moments: Mapping[PeriodRef, FileRef],
) -> tuple[FileRef, ...]:
    """Every refuter on the windows of every source, each a task of its own."""
    changed: dict[str, Mapping[PeriodRef, FileRef]] = {
        change: change_moments(night, panels, bases, change) for change in CHANGES
    }
    calls = {}
    for source in sorted({window.effects.source for window in windows}):
        own = [window for window in windows if window.effects.source == source]
        for refuter in REFUTERS:
            looked_at = changed.get(refuter, moments)
            calls[f"{refuter} {source}"] = {
                "refuter": refuter,
                "effects": tuple(window.effects for window in own),
                "moments": tuple(
                    tuple(looked_at[period] for period in window.periods) for window in own
                ),
                "attribute_names": night.settings.extract.names,
                "settings": night.settings.effects,
            }
    done: dict[str, FileRef] = night.engine.require(effects.refute_effects, calls)
    night.keep(list(done.values()))
    return tuple(done.values())


def split_windows(
    night: Night,
    windows: Sequence[Windowed],
    panels: Mapping[PeriodRef, PanelRef],
    bases: Mapping[str, FileRef],
    users: Mapping[str, FileRef],
) -> tuple[FileRef, ...]:
    """The longest window of each source by every configured segment."""
    settings = night.settings.effects
    calls: dict[str, dict[str, Any]] = {}
    for window in longest_windows(windows):
        source = window.effects.source
        frozen = freeze_levels(night, source, panels, users.get(source))
        for segment, levels in read_levels(night.run, frozen).items():
            own = {p: panels[p] for p in window.periods}
            split = Split(segment, levels, users.get(source) if segment == USER_GROUP else None)
            done = split_moments(night, own, bases[source], split)
            calls[f"{segment} {source}"] = {
                "source": source,
                "window": window.effects.window,
                "segment": segment,
                "moments": tuple(done[period] for period in window.periods),
                "attribute_names": night.settings.extract.names,
                "settings": settings,
            }
    found: dict[str, FileRef] = night.engine.require(effects.estimate_segment, calls)
    night.keep(list(found.values()))
    return tuple(found.values())


def longest_windows(windows: Sequence[Windowed]) -> list[Windowed]:
    """The window of each source with the most periods; of several the one that the report calls longest."""
    longest: dict[str, Windowed] = {}
    for window in windows:
        before = longest.get(window.effects.source)
        if before is None or len(window.periods) > len(before.periods):
            longest[window.effects.source] = window
    return list(longest.values())


def freeze_levels(
    night: Night, source: str, panels: Mapping[PeriodRef, PanelRef], users: FileRef | None
) -> FileRef:
    """Levels of the segments of one source, from the periods of its basis."""
    settings = night.settings.effects
    chosen = choose_basis(night, source, panels)
    call = {
        "panels": tuple(panels[period].rows for period in chosen),
        "segments": settings.segments,
        "max_levels": settings.segment_levels,
        "users": users,
    }
    levels: FileRef = night.engine.require(effects.freeze_levels, {source: call})[source]
    night.keep(levels)
    return levels


def split_moments(
    night: Night,
    panels: Mapping[PeriodRef, PanelRef],
    basis: FileRef,
    split: Split,
) -> dict[PeriodRef, FileRef]:
    """Moments of each period split by one segment."""
    calls = {
        f"{split.segment} {label_period(period)}": {
            **describe_moments(night, panel, basis),
            "levels": split.levels,
            "segment": split.segment,
            "users": split.users,
        }
        for period, panel in panels.items()
    }
    done = night.engine.require(effects.make_segment_moments, calls)
    night.keep(list(done.values()))
    return {period: done[f"{split.segment} {label_period(period)}"] for period in panels}


def follow_effects(
    night: Night, windows: Sequence[Windowed], moments: Mapping[PeriodRef, FileRef]
) -> tuple[FileRef, ...]:
    """Effects of each source over time."""
    calls = {
        window.effects.source: {
            "source": window.effects.source,
            "periods": window.periods,
            "moments": tuple(moments[period] for period in window.periods),
            "attribute_names": night.settings.extract.names,
            "settings": night.settings.effects,
        }
        for window in longest_windows(windows)
    }
    done: dict[str, FileRef] = night.engine.require(effects.follow_effects, calls)
    night.keep(list(done.values()))
    return tuple(done.values())


def ask_opinions(
    night: Night,
    windows: Sequence[Windowed],
    panels: Mapping[PeriodRef, PanelRef],
    bases: Mapping[str, FileRef],
) -> tuple[FileRef, ...]:
    """Second opinions on the attributes most spoken of, twice a month."""
    settings = night.settings.effects
    calls: dict[str, dict[str, Any]] = {}
    for window in longest_windows(windows):
        source = window.effects.source
        chosen = choose_settled_periods(window.periods, as_of=night.as_of)
        if not chosen:
            continue
        named = choose_attributes(window.effects, settings.second_opinion_attributes, night.run)
        calls |= {
            f"{opinion} {source}/{attribute}": {
                "source": source,
                "window": window.effects.window,
                "attribute": attribute,
                "opinion": opinion,
                "panels": tuple(panels[period] for period in chosen),
                "basis": bases[source],
                "start": chosen[0].start,
                "end": chosen[-1].end,
                "attribute_names": night.settings.extract.names,
                "settings": settings,
            }
            for attribute in named
            for opinion in settings.second_opinions
        }
    done: dict[str, FileRef] = night.engine.require(effects.ask_second_opinion, calls)
    night.keep(list(done.values()))
    return tuple(done.values())


def correct_windows(
    night: Night,
    windows: Sequence[Windowed],
    panels: Mapping[PeriodRef, PanelRef],
    bases: Mapping[str, FileRef],
    attributes: Mapping[PeriodRef, AttributesRef],
) -> tuple[FileRef, ...]:
    """Effects of every window corrected by labelled reviews; none where no file of labels is named."""
    if (path := night.gold_path) is None:
        return ()
    names = night.settings.extract.names
    gold = place_gold(path, names, as_of=night.as_of, run=night.run)
    calls: dict[str, dict[str, Any]] = {}
    for window in windows:
        source = window.effects.source
        chosen = choose_labelled_periods(gold, window.periods, night.run)
        calls[f"{source}/{window.effects.window}"] = {
            "source": source,
            "window": window.effects.window,
            "periods": chosen or window.periods,
            "panels": tuple(panels[period] for period in chosen),
            "mentions": tuple(dict.fromkeys(attributes[period].file for period in chosen)),
            "gold": gold,
            "basis": bases[source],
            "attribute_names": names,
            "settings": night.settings.effects,
        }
    done: dict[str, FileRef] = night.engine.require(effects.correct_window, calls)
    night.keep([gold, *done.values()])
    return tuple(done.values())


def search_graphs(night: Night, panels: Mapping[PeriodRef, PanelRef]) -> tuple[FileRef, ...]:
    """The causal graph of each source, searched once a week."""
    settings = night.settings.effects
    if settings.graph_rows == 0:
        return ()
    calls = {}
    for source in list_sources(panels):
        own = [period for period in panels if period.source == source]
        chosen = choose_weekly_periods(own, as_of=night.as_of)
        if not chosen:
            continue
        calls[source] = {
            "source": source,
            "panels": tuple(panels[period].rows for period in chosen),
            "attribute_names": night.settings.extract.names,
            "settings": settings,
        }
    done: dict[str, FileRef] = night.engine.require(effects.search_graph, calls)
    night.keep(list(done.values()))
    return tuple(done.values())


def measure_positions(night: Night) -> tuple[FileRef, ...]:
    """Effects of positions on clicks, for each source with exposures."""
    settings = night.settings.effects
    found = list_exposures(night.run, as_of=night.as_of, days=settings.exposure_days)
    calls = {
        source: {"source": source, "days": days, "confidence": settings.confidence}
        for source, days in sorted(found.items())
    }
    done: dict[str, FileRef] = night.engine.require(effects.measure_positions, calls)
    night.keep(list(done.values()))
    return tuple(done.values())


def judge_night(
    night: Night,
    windows: Sequence[Windowed],
    beside: Mapping[str, tuple[FileRef, ...]],
) -> VerdictsRef:
    """Verdicts over all effects of the night; published as marts.effects and its refutations."""
    call = {
        "effects": tuple(window.effects for window in windows),
        **beside,
        "confidence": night.settings.effects.confidence,
    }
    verdicts: VerdictsRef = night.engine.require(effects.judge_night, {"": call})[""]
    night.keep(verdicts)
    if has_unpublished(verdicts, night.as_of, night.run):
        published = {"verdicts": verdicts, "as_of": night.as_of}
        night.engine.require(effects.publish_effects, {"": published})
    return verdicts
