"""The effects room, as tasks: panel per period, one basis, moments per period, effects per window."""

import json
from collections.abc import Collection
from datetime import date, timedelta

import numpy as np

from tasks.effects.basis import fit_basis
from tasks.effects.change import Batches, add_change_q_values, compare_windows
from tasks.effects.estimate import Method, Row, Window, estimate_effects
from tasks.effects.exposures import estimate_positions
from tasks.effects.gold import Labelled, correct_panel, find_labels, refuse_window
from tasks.effects.graph.panel import search_panel
from tasks.effects.holes import find_holes, weigh_holes
from tasks.effects.item_texts import add_text_scores, fit_item_directions
from tasks.effects.judge import judge_effects
from tasks.effects.mart_rows import list_parts
from tasks.effects.measured import MIN_GOLD
from tasks.effects.moments import Moments, panel_moments, sum_moments
from tasks.effects.panel import build_panel, panel_spec, treatment_names
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
from tasks.effects.stored import (
    add_columns,
    put_rows,
    read_basis,
    read_frames,
    read_panel,
    read_rows,
    read_texts,
)
from tasks.effects.told_apart import tell_apart, weigh_gaps
from tasks.effects.trend import estimate_trend
from tasks.effects.window_segments import estimate_window_segments
from tasks.platform.marts import commit_parts
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


@stage_task("effects")
def freeze_basis(
    panels: tuple[PanelRef, ...],
    max_levels: int,
    text_components: int,
    text_min_items: int,
    run: RunContext,
) -> FileRef:
    """Fit the control basis on the given panels, and the directions of their items' texts."""
    panel = read_frames(run, [ref.rows for ref in panels])
    texts = read_texts(run, panels)
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
    frozen = read_basis(run, basis)
    moments = panel_moments(
        read_panel(run, (panel,), frozen),
        frozen,
        treatments=treatment_names(attribute_names),
        outcome=outcome,
        n_buckets=buckets,
        device=run.text.device,
    )
    return run.site.lake.put_bytes("moments", ".moments", moments.to_bytes(), rows=moments.n)


@stage_task("effects")
def tell_levels_apart(
    panels: tuple[PanelRef, ...],
    basis: FileRef,
    attribute_names: tuple[str, ...],
    outcome: str,
    run: RunContext,
) -> FileRef:
    """What telling apart the levels that share a column of the basis moves each effect by."""
    frozen = read_basis(run, basis)
    found = tell_apart(
        read_panel(run, panels, frozen), frozen, attributes=attribute_names, outcome=outcome
    )
    return put_rows(run, "told", found)


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
    basis: FileRef,
    told: FileRef | None,
    left_out: int,
    attribute_names: tuple[str, ...],
    settings: EffectsSettings,
    code: str,
    run: RunContext,
) -> EffectsRef:
    """Effects of every attribute over one window of one source, by re-summing stored moments.

    `basis` is the one that they were made with, `told` what its shared levels were found to move.
    `left_out` reviews of the window were not read; the rows say so beside their `n`.
    """
    lake = run.site.lake
    total = sum_moments(Moments.from_bytes(lake.read_bytes(ref)) for ref in moments)
    frozen = read_basis(run, basis)

    def estimate(left_out: Collection[str] = ()) -> list[Row]:
        return estimate_effects(
            total,
            window=Window(source=source, name=window, start=start, end=end),
            attributes=attribute_names,
            outcome=settings.outcome,
            method=make_method(settings),
            left_out=left_out,
            is_adjusted=False,  # over all windows of the night together, by judge_night
        )

    rows = weigh_holes(estimate(), find_holes(frozen, total), estimate)
    weighed = weigh_gaps(rows, frozen, total, read_rows(run, () if told is None else (told,)))
    ref = put_rows(run, "effects", [{**row, "n_left_out": left_out} for row in weighed])
    return EffectsRef(source=source, window=window, file=ref, code=code, rows=len(rows))


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
    return put_rows(run, "changes", rows)


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
    frozen = read_basis(run, basis)
    treatments = treatment_names(attribute_names)
    changed = change_panel(
        read_panel(run, (panel,), frozen),
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
    return put_rows(run, "refutations", lines)


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
    lines = read_rows(run, refutations)
    judged = judge_effects(
        [*read_rows(run, [ref.file for ref in effects]), *read_rows(run, exposures)],
        lines,
        opinions=read_rows(run, opinions),
        confidence=confidence,
    )
    return VerdictsRef(
        effects=put_rows(run, "effects", judged),
        refutations=put_rows(run, "refutations", lines),
        segments=put_rows(run, "segments", read_rows(run, segments)),
        trends=put_rows(run, "trends", read_rows(run, trends)),
        graphs=put_rows(run, "graphs", read_rows(run, graphs)),
        changes=put_rows(run, "changes", add_change_q_values(read_rows(run, changes))),
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
    panel = add_columns(run, read_frames(run, panels), users)
    levels = {
        name: list(choose_levels(panel[name], max_levels=max_levels))
        for name in segments
        if name in panel.columns and panel[name].drop_nulls().n_unique() > 1
    }
    text = json.dumps(levels, sort_keys=True)
    return run.site.lake.put_bytes("levels", ".json", text.encode(), rows=len(levels))


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
    lake, frozen = run.site.lake, read_basis(run, basis)
    moments = split_panel_moments(
        add_columns(run, read_panel(run, (panel,), frozen), users),
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
    return put_rows(run, "segments", rows)


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
    return put_rows(run, "trends", rows)


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
        read_panel(run, panels, read_basis(run, basis)),
        attribute=attribute,
        opinion=opinion,
        window=Window(source=source, name=window, start=start, end=end),
        attributes=attribute_names,
        outcome=settings.outcome,
        method=make_method(settings),
        max_rows=settings.second_opinion_rows,
    )
    return put_rows(run, "effects", rows)


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
        return put_rows(run, "effects", rows)
    frozen = read_basis(run, basis)
    rows = correct_panel(
        Labelled(read_panel(run, panels, frozen), read_frames(run, mentions), labels),
        frozen,
        window=about,
        attributes=attribute_names,
        outcome=settings.outcome,
        n_buckets=settings.buckets,
        method=make_method(settings),
    )
    return put_rows(run, "effects", rows)


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
        read_frames(run, panels),
        source=source,
        attributes=attribute_names,
        outcome=settings.outcome,
        bootstraps=settings.graph_bootstraps,
        max_rows=settings.graph_rows,
        rng=np.random.default_rng(0),
    )
    return put_rows(run, "graphs", found)


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
    return put_rows(run, "effects", rows)


@stage_task("effects", is_cached=False)
def publish_effects(verdicts: VerdictsRef, as_of: date, run: RunContext) -> PublishedRef:
    """Replace the night's rows of marts.effects and its refutations, in one transaction."""
    return commit_parts(
        run.site.warehouse,
        list_parts(verdicts, as_of, run),
        message=f"effects of night {as_of}",
        extra={"run_id": run.run_id},
    )
