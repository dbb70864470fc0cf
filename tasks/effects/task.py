"""The effects room, as tasks: panel per period, one basis, moments per period, effects per window."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from tasks.effects.basis import Basis, fit_basis
from tasks.effects.change import Batches, add_change_q_values, compare_windows
from tasks.effects.estimate import HEADLINE, Method, Row, Window, estimate_effects
from tasks.effects.exposures import estimate_positions
from tasks.effects.gold import Labelled, correct_panel, find_labels, read_gold, refuse_window
from tasks.effects.item_texts import add_text_scores, fit_item_directions
from tasks.effects.judge import judge_effects
from tasks.effects.measured import MIN_GOLD
from tasks.effects.moments import Moments, panel_moments, sum_moments
from tasks.effects.panel import build_panel, panel_spec, treatment_names
from tasks.effects.panel_graph import search_panel
from tasks.effects.refute import (
    RANDOM_CAUSE,
    Case,
    Change,
    Refuter,
    RefuteRules,
    apply_refuter,
    change_panel,
)
from tasks.effects.second_opinion import Opinion, ask_opinion
from tasks.effects.segments import (
    SegmentMoments,
    choose_levels,
    split_panel_moments,
    sum_segments,
)
from tasks.effects.trend import estimate_trend
from tasks.effects.window_segments import estimate_window_segments
from tasks.platform.errors import InputError
from tasks.platform.lake import hash_file
from tasks.platform.marts import MartName, MartPart, commit_parts, find_unpublished
from tasks.platform.periods import find_daily_start, hash_partitions, select_history
from tasks.platform.refs import (
    AttributesRef,
    EffectsRef,
    FileRef,
    PanelRef,
    PartitionRef,
    PeriodRef,
    PublishedRef,
    VerdictsRef,
)
from tasks.platform.settings import EffectsSettings
from tasks.platform.sql import read_sql
from tasks.platform.task import RunContext, stage_task

ALL_DAYS = 0
"""The window that reaches back to the first published day."""
_ROW_COLUMNS = (
    "source", "outcome", "attribute", "contrast", "estimator", "estimate", "std_error", "ci_low", "ci_high",
    "q_value", "naive", "naive_ci_low", "naive_ci_high", "n", "n_positive", "n_negative", "verdict",
    "p_value", "robustness_value", "variance_left", "effective_clusters", "estimand",
)  # fmt: skip
_ROW_NUMBERS = (
    "estimate", "std_error", "ci_low", "ci_high", "q_value", "naive", "naive_ci_low", "naive_ci_high",
    "p_value", "robustness_value", "variance_left", "effective_clusters",
)  # fmt: skip
"""Columns that are numbers also where none of a source's effects has one."""
_REFUTATION_COLUMNS = (
    "source", "outcome", "attribute", "contrast", "refuter", "result", "estimate", "refuted", "ci_low",
    "ci_high", "p_value", "reason", "note",
)  # fmt: skip
Shape = Callable[[Sequence[Row], date], pl.DataFrame]


def read_partitions(run: RunContext, as_of: date) -> list[PartitionRef]:
    """Every published day up to `as_of`."""
    with run.site.warehouse.connect() as connection:
        rows = connection.execute(read_sql("clean/partitions_select"), {"as_of": as_of}).fetchall()
    return [
        PartitionRef(
            table=row[0], source=row[1], event_date=row[2], rows=row[3], fingerprint=row[4]
        )
        for row in rows
    ]


def describe_contexts(
    run: RunContext, periods: Sequence[PeriodRef], *, as_of: date, history_days: int
) -> dict[PeriodRef, str]:
    """What a period's panel depends on besides its own rows: its items, its users and its history."""
    partitions = read_partitions(run, as_of)
    days: dict[tuple[str, date], str] = {}
    with run.site.warehouse.connect() as connection:
        for source in sorted({period.source for period in periods}):
            scope = {"source": source, "as_of": as_of}
            for day, mark in connection.execute(read_sql("clean/period_context"), scope).fetchall():
                days[source, day] = mark
    return {
        period: hash_partitions(select_history(partitions, period, history_days=history_days))
        + "".join(
            mark
            for (source, day), mark in sorted(days.items())
            if source == period.source and period.start <= day <= period.end
        )
        for period in periods
    }


@stage_task("effects")
def make_panel(
    period: PeriodRef,
    attributes: AttributesRef,
    context: str,
    attribute_names: tuple[str, ...],
    history_days: int,
    run: RunContext,
) -> FileRef:
    """The design panel of one period, one row a review that was read.

    `context` stands for items, users, history.
    """
    scope = {"source": period.source, "start_date": period.start, "end_date": period.end}
    past = {**scope, "first_date": period.start - timedelta(days=history_days)}
    with run.site.warehouse.connect() as connection:
        reviews, items, users = (
            connection.execute(read_sql(f"clean/{table}_select"), scope).pl()
            for table in ("reviews", "items", "users")
        )
        history = connection.execute(read_sql("clean/history_select"), past).pl()
    panel = build_panel(
        reviews,
        history,
        items,
        users,
        run.site.lake.read_frame(attributes.file).join(reviews, on="review_id", how="semi"),
        unread=run.site.lake.read_frame(attributes.unread)["review_id"].to_list(),
        attribute_names=attribute_names,
        history_days=history_days,
    )
    return run.site.lake.put_frame("panels", panel)


def choose_basis_periods(
    periods: Sequence[PeriodRef],
    *,
    as_of: date,
    min_rows: int,
    rows: Mapping[PeriodRef, int] | None = None,
) -> list[PeriodRef]:
    """The periods of one source that its control basis is fitted on.

    The basis is frozen for a quarter: it is fitted on the four quarters before the one of `as_of`
    when these hold `min_rows` reviews; a younger source uses its first days until they do. `rows`
    are the reviews of each period that count, all of them where it is None.
    """
    known = {period: period.rows for period in periods} if rows is None else rows
    quarter = as_of.replace(month=3 * ((as_of.month - 1) // 3) + 1, day=1)
    year_before = quarter.replace(year=quarter.year - 1)
    recent = [period for period in periods if year_before <= period.start and period.end < quarter]
    if sum(known[period] for period in recent) >= min_rows:
        return recent
    chosen: list[PeriodRef] = []
    for period in sorted(periods, key=lambda period: period.start):
        if sum(known[done] for done in chosen) >= min_rows:
            break
        chosen.append(period)
    return chosen


@stage_task("effects")
def freeze_basis(
    panels: tuple[PanelRef, ...],
    max_levels: int,
    text_components: int,
    text_min_items: int,
    run: RunContext,
) -> FileRef:
    """Fit the control basis on the given panels, and the directions of their items' texts."""
    panel = _read_frames(run, [ref.rows for ref in panels])
    texts = _read_texts(run, panels)
    directions = None
    if texts is not None:
        directions = fit_item_directions(
            panel, texts, max_components=text_components, min_items=text_min_items
        )
    scored = add_text_scores(panel, texts, directions)
    basis = fit_basis(scored, panel_spec(scored, max_levels=max_levels), texts=directions)
    text = basis.to_json().encode()
    return run.site.lake.put_bytes("bases", ".json", text, rows=panel.height)


@stage_task("effects")
def make_moments(
    panel: PanelRef,
    basis: FileRef,
    attribute_names: tuple[str, ...],
    outcome: str,
    buckets: int,
    run: RunContext,
) -> FileRef:
    """Moments of one period: all that later estimates need of it."""
    frozen = _read_basis(run, basis)
    moments = panel_moments(
        _read_panel(run, (panel,), frozen),
        frozen,
        treatments=treatment_names(attribute_names),
        outcome=outcome,
        n_buckets=buckets,
        device=run.text.device,
    )
    return run.site.lake.put_bytes("moments", ".moments", moments.to_bytes(), rows=moments.n)


def name_window(days: int) -> str:
    """Name of a window: all, or 28d and the like."""
    return "all" if days == ALL_DAYS else f"{days}d"


def select_window(periods: Sequence[PeriodRef], *, as_of: date, days: int) -> list[PeriodRef]:
    """The periods of a window of `days` up to `as_of`."""
    first = date.min if days == ALL_DAYS else as_of - timedelta(days=days - 1)
    return [period for period in periods if period.start >= first]


def make_method(settings: EffectsSettings) -> Method:
    """How the settings want effects estimated."""
    return Method(
        folds=settings.folds,
        penalty=settings.penalty,
        confidence=settings.confidence,
        min_mentions=settings.min_mentions,
    )


@stage_task("effects")
def estimate_window(
    source: str,
    window: str,
    start: date,
    end: date,
    moments: tuple[FileRef, ...],
    left_out: int,
    attribute_names: tuple[str, ...],
    settings: EffectsSettings,
    code: str,
    run: RunContext,
) -> EffectsRef:
    """Effects of every attribute over one window of one source, by re-summing stored moments.

    `left_out` reviews of the window were not read; the rows say so beside their `n`.
    """
    lake = run.site.lake
    rows = estimate_effects(
        sum_moments(Moments.from_bytes(lake.read_bytes(ref)) for ref in moments),
        window=Window(source=source, name=window, start=start, end=end),
        attributes=attribute_names,
        outcome=settings.outcome,
        method=make_method(settings),
    )
    ref = _put_rows(run, "effects", [{**row, "n_left_out": left_out} for row in rows])
    return EffectsRef(source=source, window=window, file=ref, code=code, rows=len(rows))


def select_window_before(
    periods: Sequence[PeriodRef], *, previous: date, days: int
) -> list[PeriodRef]:
    """The periods that a window had on the night of `previous`; none where today's cannot tell.

    Months that are long past are read as one. A month that was still read by days on that night and
    reaches over an end of the window is where they cannot.
    """
    first = date.min if days == ALL_DAYS else previous - timedelta(days=days - 1)
    daily = find_daily_start(previous)
    known = [period for period in periods if period.start <= previous]
    if any(
        period.end > previous or daily <= period.start < first <= period.end for period in known
    ):
        return []
    return [period for period in known if period.start >= first]


@stage_task("effects")
def compare_nights(
    source: str,
    window: str,
    start: date,
    end: date,
    now: tuple[FileRef, ...],
    before: tuple[FileRef, ...],
    attribute_names: tuple[str, ...],
    settings: EffectsSettings,
    run: RunContext,
) -> FileRef:
    """How far the effects of one window moved since an earlier night, with intervals.

    `now` and `before` are the moments of its periods on either night.
    """
    read = {ref: Moments.from_bytes(run.site.lake.read_bytes(ref)) for ref in {*now, *before}}
    rows = compare_windows(
        Batches(
            now=[read[ref] for ref in now],
            before=[read[ref] for ref in before],
            gained=[read[ref] for ref in now if ref not in before],
            lost=[read[ref] for ref in before if ref not in now],
        ),
        window=Window(source=source, name=window, start=start, end=end),
        attributes=attribute_names,
        outcome=settings.outcome,
        method=make_method(settings),
    )
    return _put_rows(run, "changes", rows)


@stage_task("effects")
def make_changed_moments(
    panel: PanelRef,
    basis: FileRef,
    change: Change,
    attribute_names: tuple[str, ...],
    outcome: str,
    buckets: int,
    run: RunContext,
) -> FileRef:
    """Moments of one period whose treatments or controls were changed, to refute effects with."""
    frozen = _read_basis(run, basis)
    treatments = treatment_names(attribute_names)
    changed = change_panel(
        _read_panel(run, (panel,), frozen),
        change,
        treatments=treatments,
        rng=np.random.default_rng(int(panel.rows.sha256[:16], 16)),
    )
    moments = panel_moments(
        changed,
        frozen,
        treatments=(*treatments, RANDOM_CAUSE) if change == "random_cause" else treatments,
        outcome=outcome,
        n_buckets=buckets,
        device=run.text.device,
    )
    return run.site.lake.put_bytes("moments", ".moments", moments.to_bytes(), rows=moments.n)


@stage_task("effects")
def refute_effects(
    refuter: Refuter,
    effects: tuple[EffectsRef, ...],
    moments: tuple[tuple[FileRef, ...], ...],
    attribute_names: tuple[str, ...],
    settings: EffectsSettings,
    run: RunContext,
) -> FileRef:
    """One refuter on the windows of one source; `moments[i]` are the periods of `effects[i]`."""
    lake = run.site.lake
    lines: list[Row] = []
    for ref, files in zip(effects, moments, strict=True):
        case = Case(
            rows=tuple(json.loads(lake.read_bytes(ref.file))),
            attributes=attribute_names,
            outcome=settings.outcome,
            method=make_method(settings),
            rules=RefuteRules(),
        )
        batches = [Moments.from_bytes(lake.read_bytes(file)) for file in files]
        lines += apply_refuter(case, refuter, batches, settings.negative_controls)
    return _put_rows(run, "refutations", lines)


@stage_task("effects")
def judge_night(
    effects: tuple[EffectsRef, ...],
    refutations: tuple[FileRef, ...],
    opinions: tuple[FileRef, ...],
    exposures: tuple[FileRef, ...],
    segments: tuple[FileRef, ...],
    trends: tuple[FileRef, ...],
    graphs: tuple[FileRef, ...],
    changes: tuple[FileRef, ...],
    confidence: float,
    run: RunContext,
) -> VerdictsRef:
    """Verdicts on all effects of a night, with false-discovery control over all of them.

    So are the changes since the night before, over all changes.
    """
    lines = _read_rows(run, refutations)
    judged = judge_effects(
        [*_read_rows(run, [ref.file for ref in effects]), *_read_rows(run, exposures)],
        lines,
        opinions=_read_rows(run, opinions),
        confidence=confidence,
    )
    return VerdictsRef(
        effects=_put_rows(run, "effects", judged),
        refutations=_put_rows(run, "refutations", lines),
        segments=_put_rows(run, "segments", _read_rows(run, segments)),
        trends=_put_rows(run, "trends", _read_rows(run, trends)),
        graphs=_put_rows(run, "graphs", _read_rows(run, graphs)),
        changes=_put_rows(run, "changes", add_change_q_values(_read_rows(run, changes))),
        codes=tuple(sorted({ref.code for ref in effects})),
        rows=len(judged),
    )


@stage_task("effects")
def freeze_levels(
    panels: tuple[FileRef, ...],
    segments: tuple[str, ...],
    max_levels: int,
    users: FileRef | None,
    run: RunContext,
) -> FileRef:
    """The levels of each segment that moments are split by, from the panels of the basis.

    `users` is a table of further columns by user_id, such as the group that a user is in.
    """
    panel = _add_columns(run, _read_frames(run, panels), users)
    levels = {
        name: list(choose_levels(panel[name], max_levels=max_levels))
        for name in segments
        if name in panel.columns and panel[name].drop_nulls().n_unique() > 1
    }
    text = json.dumps(levels, sort_keys=True)
    return run.site.lake.put_bytes("levels", ".json", text.encode(), rows=len(levels))


def read_levels_of(levels: FileRef, run: RunContext) -> dict[str, tuple[str, ...]]:
    """The levels of every segment that has any."""
    document = json.loads(run.site.lake.read_bytes(levels))
    return {segment: tuple(document[segment]) for segment in sorted(document)}


def _add_columns(run: RunContext, panel: pl.DataFrame, users: FileRef | None) -> pl.DataFrame:
    if users is None:
        return panel
    return panel.join(
        run.site.lake.read_frame(users), on="user_id", how="left", maintain_order="left"
    )


@stage_task("effects")
def make_segment_moments(
    panel: PanelRef,
    basis: FileRef,
    levels: tuple[str, ...],
    segment: str,
    attribute_names: tuple[str, ...],
    outcome: str,
    buckets: int,
    users: FileRef | None,
    run: RunContext,
) -> FileRef:
    """Moments of one period split by the levels of one segment, which may be a column of `users`."""
    lake, frozen = run.site.lake, _read_basis(run, basis)
    moments = split_panel_moments(
        _add_columns(run, _read_panel(run, (panel,), frozen), users),
        frozen,
        segment=segment,
        levels=levels,
        treatments=treatment_names(attribute_names),
        outcome=outcome,
        n_buckets=buckets,
        device=run.text.device,
    )
    return lake.put_bytes("moments", ".moments", moments.to_bytes(), rows=moments.moments.n)


@stage_task("effects")
def estimate_segment(
    source: str,
    window: str,
    segment: str,
    moments: tuple[FileRef, ...],
    attribute_names: tuple[str, ...],
    settings: EffectsSettings,
    run: RunContext,
) -> FileRef:
    """Headline effects of one window in every level of one segment."""
    lake = run.site.lake
    rows = estimate_window_segments(
        sum_segments(SegmentMoments.from_bytes(lake.read_bytes(ref)) for ref in moments),
        source=source,
        window=window,
        segment=segment,
        attributes=attribute_names,
        outcome=settings.outcome,
        method=make_method(settings),
    )
    return _put_rows(run, "segments", rows)


@stage_task("effects")
def follow_effects(
    source: str,
    periods: tuple[PeriodRef, ...],
    moments: tuple[FileRef, ...],
    attribute_names: tuple[str, ...],
    settings: EffectsSettings,
    run: RunContext,
) -> FileRef:
    """Headline effects of one source over time, by week or month."""
    lake = run.site.lake
    rows = estimate_trend(
        [
            (period.start, period.end, Moments.from_bytes(lake.read_bytes(ref)))
            for period, ref in zip(periods, moments, strict=True)
        ],
        source=source,
        attributes=attribute_names,
        outcome=settings.outcome,
        method=make_method(settings),
    )
    return _put_rows(run, "trends", rows)


def choose_weekly_periods(periods: Sequence[PeriodRef], *, as_of: date) -> tuple[PeriodRef, ...]:
    """The periods that end before the week of `as_of`, for what is worked out once a week.

    None for a source in its first week.
    """
    monday = as_of - timedelta(days=as_of.weekday())
    return tuple(period for period in periods if period.end < monday)


def choose_settled_periods(periods: Sequence[PeriodRef], *, as_of: date) -> tuple[PeriodRef, ...]:
    """The periods before the 1st or the 15th, whichever came last: for what is dear to work out."""
    anchor = as_of.replace(day=15 if as_of.day >= 15 else 1)
    return tuple(period for period in periods if period.end < anchor)


def choose_attributes(effects: EffectsRef, most: int, run: RunContext) -> tuple[str, ...]:
    """The attributes that reviews of a window speak of most, of those that have an estimate."""
    rows = json.loads(run.site.lake.read_bytes(effects.file))
    spoken = {
        row["attribute"]: -(row["n_positive"] + row["n_negative"])
        for row in rows
        if row["contrast"] == HEADLINE and row["estimate"] is not None
    }
    return tuple(sorted(spoken, key=lambda name: (spoken[name], name))[:most])


@stage_task("effects")
def ask_second_opinion(
    source: str,
    window: str,
    attribute: str,
    opinion: Opinion,
    panels: tuple[PanelRef, ...],
    basis: FileRef,
    start: date,
    end: date,
    attribute_names: tuple[str, ...],
    settings: EffectsSettings,
    run: RunContext,
) -> FileRef:
    """One attribute's headline effect by another estimator."""
    rows = ask_opinion(
        _read_panel(run, panels, _read_basis(run, basis)),
        attribute=attribute,
        opinion=opinion,
        window=Window(source=source, name=window, start=start, end=end),
        attributes=attribute_names,
        outcome=settings.outcome,
        method=make_method(settings),
        max_rows=settings.second_opinion_rows,
    )
    return _put_rows(run, "effects", rows)


def hash_gold(path: Path) -> str:
    """Hash of a file of labels; raises InputError when there is none."""
    if not path.is_file():
        raise InputError(f"there is no file {path}; check extract.gold")
    return hash_file(path)


def place_gold(
    path: Path, attribute_names: Sequence[str], *, as_of: date, run: RunContext
) -> FileRef:
    """The labels of a file, those of reviews that are published, with their source and date.

    Raises InputError for a file that holds no labels.
    """
    table = read_gold(path, attribute_names)
    scope = {"review_ids": table["review_id"].to_list(), "as_of": as_of}
    with run.site.warehouse.connect() as connection:
        known = connection.execute(read_sql("clean/reviews_named"), scope).pl()
    placed = known.join(table, on="review_id", how="inner")
    return run.site.lake.put_frame("gold", placed.sort("source", "event_date", "review_id"))


def choose_labelled_periods(
    gold: FileRef, periods: Sequence[PeriodRef], run: RunContext
) -> tuple[PeriodRef, ...]:
    """The periods of one window from the first to the last labelled one; none with too few labels."""
    found = run.site.lake.read_frame(gold)
    counts = [find_labels(found, [period]).height for period in periods]
    if sum(counts) < MIN_GOLD:
        return ()
    at = [place for place, count in enumerate(counts) if count]
    return tuple(periods[at[0] : at[-1] + 1])


@stage_task("effects")
def correct_window(
    source: str,
    window: str,
    periods: tuple[PeriodRef, ...],
    panels: tuple[PanelRef, ...],
    mentions: tuple[FileRef, ...],
    gold: FileRef,
    basis: FileRef,
    attribute_names: tuple[str, ...],
    settings: EffectsSettings,
    run: RunContext,
) -> FileRef:
    """Headline effects of one window, corrected for misreading by labels of some of its reviews.

    `periods` are those from the first to the last labelled review; `panels` of them are empty when
    there are too few labels.
    """
    lake = run.site.lake
    labels = find_labels(lake.read_frame(gold), periods)
    about = Window(source=source, name=window, start=periods[0].start, end=periods[-1].end)
    if not panels:
        reason = (
            f"{labels.height:,} reviews of this window are labelled; at least {MIN_GOLD} are needed"
        )
        rows = refuse_window(about, attribute_names, settings.outcome, reason)
        return _put_rows(run, "effects", rows)
    frozen = _read_basis(run, basis)
    rows = correct_panel(
        Labelled(_read_panel(run, panels, frozen), _read_frames(run, mentions), labels),
        frozen,
        window=about,
        attributes=attribute_names,
        outcome=settings.outcome,
        n_buckets=settings.buckets,
        method=make_method(settings),
    )
    return _put_rows(run, "effects", rows)


@stage_task("effects")
def search_graph(
    source: str,
    panels: tuple[FileRef, ...],
    attribute_names: tuple[str, ...],
    settings: EffectsSettings,
    run: RunContext,
) -> FileRef:
    """The causal graph of one source's panel, drawn; what to adjust for by it."""
    found = search_panel(
        _read_frames(run, panels),
        source=source,
        attributes=attribute_names,
        outcome=settings.outcome,
        bootstraps=settings.graph_bootstraps,
        max_rows=settings.graph_rows,
        rng=np.random.default_rng(0),
    )
    return _put_rows(run, "graphs", found)


def list_exposures(
    run: RunContext, *, as_of: date, days: int
) -> dict[str, tuple[PartitionRef, ...]]:
    """Published days of exposures of each source: `days` of them up to the last whole week.

    They are looked at once a week.
    """
    as_of -= timedelta(days=as_of.weekday() + 1)
    first = as_of - timedelta(days=days - 1)
    found: dict[str, list[PartitionRef]] = {}
    for part in read_partitions(run, as_of):
        if part.table == "exposures" and part.event_date >= first:
            found.setdefault(part.source, []).append(part)
    return {
        source: tuple(sorted(parts, key=lambda p: p.event_date)) for source, parts in found.items()
    }


@stage_task("effects")
def measure_positions(
    source: str, days: tuple[PartitionRef, ...], confidence: float, run: RunContext
) -> FileRef:
    """What standing lower does to the click, from the exposures of some days."""
    scope = {"source": source, "start_date": days[0].event_date, "end_date": days[-1].event_date}
    with run.site.warehouse.connect() as connection:
        exposures = connection.execute(read_sql("clean/exposures_select"), scope).pl()
    rows = estimate_positions(
        exposures,
        window=Window(
            source=source,
            name=f"{(days[-1].event_date - days[0].event_date).days + 1}d",
            start=days[0].event_date,
            end=days[-1].event_date,
        ),
        confidence=confidence,
    )
    return _put_rows(run, "effects", rows)


def _read_basis(run: RunContext, ref: FileRef) -> Basis:
    return Basis.from_json(run.site.lake.read_bytes(ref).decode())


def _read_panel(run: RunContext, refs: Sequence[PanelRef], basis: Basis) -> pl.DataFrame:
    """The panels of several periods as one, with what the basis reads from the items' texts."""
    panel = _read_frames(run, [ref.rows for ref in refs])
    return add_text_scores(panel, _read_texts(run, refs), basis.texts)


def _read_texts(run: RunContext, refs: Sequence[PanelRef]) -> pl.DataFrame | None:
    """Vectors of the items of several periods, an item once a period; None where none has a text."""
    frames = [run.site.lake.read_frame(ref.texts) for ref in refs if ref.texts is not None]
    return pl.concat(frames) if frames else None


def _read_frames(run: RunContext, refs: Sequence[FileRef]) -> pl.DataFrame:
    """Several tables as one; a column that one of them does not have is missing there."""
    return pl.concat([run.site.lake.read_frame(ref) for ref in refs], how="diagonal_relaxed")


def _read_rows(run: RunContext, refs: Sequence[FileRef]) -> list[Row]:
    return [row for ref in refs for row in json.loads(run.site.lake.read_bytes(ref))]


def _put_rows(run: RunContext, kind: str, rows: Sequence[Row]) -> FileRef:
    text = json.dumps(rows, default=str, sort_keys=True)
    return run.site.lake.put_bytes(kind, ".json", text.encode(), rows=len(rows))


def list_parts(verdicts: VerdictsRef, as_of: date, run: RunContext) -> list[MartPart]:
    """What marts.effects and marts.effect_refutations should hold for the night of `as_of`."""
    shapes: tuple[tuple[MartName, FileRef, Shape], ...] = (
        ("effects", verdicts.effects, _to_effect_rows),
        ("effect_refutations", verdicts.refutations, _to_refutation_rows),
        ("causal_graph", verdicts.graphs, _to_graph_rows),
    )
    parts = []
    for table, ref, shape in shapes:
        rows = json.loads(run.site.lake.read_bytes(ref))
        for source in sorted({row["source"] for row in rows}):
            frame = shape([row for row in rows if row["source"] == source], as_of)
            if frame.height == 0:
                continue
            file = run.site.lake.put_frame("marts", frame)
            path = str(run.site.lake.root / file.path)
            parts.append(MartPart(table, source, as_of, as_of, file.sha256, file.rows, path))
    return parts


def _to_effect_rows(rows: Sequence[Row], as_of: date) -> pl.DataFrame:
    schema = dict.fromkeys(_ROW_NUMBERS, pl.Float64)
    frame = pl.DataFrame(rows, infer_schema_length=None, schema_overrides=schema)
    return frame.select(
        pl.lit(as_of).alias("as_of"),
        pl.col("window").alias("window_name"),
        pl.col("window_start").str.to_date(),
        pl.col("window_end").str.to_date(),
        *_ROW_COLUMNS,
        pl.col("reasons").map_elements(lambda part: json.dumps(list(part)), return_dtype=pl.String),
    ).sort("source", "window_name", "attribute", "contrast", "estimator")


def _to_refutation_rows(rows: Sequence[Row], as_of: date) -> pl.DataFrame:
    flat = [
        {name: row.get(name) for name in _REFUTATION_COLUMNS}
        | {
            "as_of": as_of,
            "window_name": row["window"],
            "benchmarks": json.dumps(row["benchmarks"]),
        }
        for row in rows
    ]
    schema = dict.fromkeys(("estimate", "refuted", "ci_low", "ci_high", "p_value"), pl.Float64)
    frame = pl.DataFrame(flat, infer_schema_length=None, schema_overrides=schema)
    return frame.sort("source", "window_name", "attribute", "contrast", "refuter", "note")


def _to_graph_rows(graphs: Sequence[Row], as_of: date) -> pl.DataFrame:
    rows = [
        {
            "as_of": as_of,
            "source": graph["source"],
            "method": graph["method"],
            "n": graph["n"],
            "from_column": edge["source"],
            "to_column": edge["target"],
            **{
                name: edge[name] for name in ("kind", "ends", "stability", "origin", "suggested_by")
            },
        }
        for graph in graphs
        for edge in graph["edges"]
    ]
    schema = {"stability": pl.Float64, "suggested_by": pl.String}
    columns = ("as_of", "source", "from_column", "to_column")
    frame = pl.DataFrame(rows, infer_schema_length=None, schema_overrides=schema)
    return frame.sort(columns) if rows else frame


def has_unpublished(verdicts: VerdictsRef, as_of: date, run: RunContext) -> bool:
    """True when the marts do not hold the night's rows as they are."""
    parts = list_parts(verdicts, as_of, run)
    with run.site.warehouse.connect() as connection:
        return bool(find_unpublished(connection, parts))


@stage_task("effects", is_cached=False)
def publish_effects(verdicts: VerdictsRef, as_of: date, run: RunContext) -> PublishedRef:
    """Replace the night's rows of marts.effects and its refutations, in one transaction."""
    return commit_parts(
        run.site.warehouse,
        list_parts(verdicts, as_of, run),
        message=f"effects of night {as_of}",
        extra={"run_id": run.run_id},
    )
