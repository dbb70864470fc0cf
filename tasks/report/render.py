"""The night as one HTML page, and the same content as JSON. No clock, no network, no script."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from tasks.platform.errors import TerminalError
from tasks.report.changes import EffectChange, compare_nights, count_changes
from tasks.report.charts import ForestRow, draw_forest, find_domain
from tasks.report.effects import EffectGroup, find_truth, group_effects
from tasks.report.limits import MAX_BYTES, CappedNight, Limits, cap_night
from tasks.report.model import AttributeRow, CheckRow, EffectRow, IndexNight, NightReport, TaskRow
from tasks.report.summary import (
    NightSummary,
    find_age,
    is_stale,
    summarise_night,
)
from tasks.report.words import (
    CONTRAST_WORDS,
    DASH,
    STATE_ORDER,
    VERDICT_MARKS,
    VERDICT_MEANINGS,
    capitalise,
    effect_decimals,
    end_sentence,
    format_count,
    format_date,
    format_interval,
    format_level,
    format_number,
    format_plural,
    format_seconds,
    format_share,
    format_weekday,
    name_attribute,
    name_window,
)

N = TypeVar("N", int, float)

MAX_INDEX_NIGHTS: Final = 1_000
MAX_DRAWN: Final = 1e6
"""Figures beyond this are no stars: they stay in the table and are not drawn."""
_SHRINKING: Final = (1, 3, 10, 40, 400)
_TEMPLATES: Final = Path(__file__).with_name("templates")
_VERDICT_LABELS: Final = {
    "good": "All clear",
    "care": "Needs a look",
    "held": "Gate stopped",
    "failed": "Failed",
    "empty": "No data",
}
_VERDICT_SIGNS: Final = {"good": "✓", "care": "!", "held": "■", "failed": "✕", "empty": DASH}
_VERDICT_CLASSES: Final = {
    "good": "good", "care": "care", "held": "bad", "failed": "bad", "empty": "muted"
}  # fmt: skip
_STATE_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "ran": ("ran", "ran"),
    "cached": ("came from the cache", "came from the cache"),
    "retried": ("was retried", "were retried"),
    "failed": ("failed", "failed"),
    "skipped": ("was skipped", "were skipped"),
}


@dataclass(frozen=True)
class GroupView:
    """One source and window as the page shows it; `truth` is parallel to `rows`."""

    source: str
    outcome: str
    window_name: str
    unit_words: str
    rows: tuple[EffectRow, ...]
    others: tuple[EffectRow, ...]
    n: int
    n_credible: int
    truth: tuple[float | None, ...]
    cover_words: tuple[str, ...]
    n_truth: int
    n_covered: int
    n_naive_covered: int
    n_plotted: int
    has_clipped: bool
    wide: Markup | None
    narrow: Markup | None

    @property
    def first(self) -> EffectRow:
        """Any headline row."""
        return self.rows[0]


@dataclass(frozen=True)
class StageView:
    """Tasks of one stage: how many in each state, seconds and rows in all (None: unknown)."""

    name: str
    counts: dict[str, int]
    seconds: float | None
    rows: int | None


def render_html(report: NightReport) -> str:
    """The page of one night: self-contained, smaller than `MAX_BYTES` as UTF-8."""
    changes = compare_before(report)
    summary = summarise_night(report, changes)

    def render(factor: int) -> str:
        limits = Limits().shrunk(factor)
        night = cap_night(report, changes, limits=limits)
        page = _build_page(report, summary, night, limits=limits)
        return _environment(report.labels).get_template("report.html.j2").render(page)

    return _render_small(render)


def render_json(report: NightReport) -> str:
    """The same content as JSON: keys sorted, figures that are missing are null."""
    changes = compare_before(report)
    summary = summarise_night(report, changes)

    def render(factor: int) -> str:
        limits = Limits().shrunk(factor)
        night = cap_night(report, changes, limits=limits)
        content = {
            **night.report.model_dump(mode="json", exclude={"previous_effects"}),
            **asdict(summary),
            "changes": [_describe_change(change) for change in night.changes],
            "capped": [asdict(cap) for cap in night.caps],
        }
        return json.dumps(content, ensure_ascii=False, allow_nan=False, sort_keys=True, indent=1)

    return _render_small(render)


def render_index(nights: Iterable[IndexNight]) -> str:
    """The page that lists all nights, the latest first."""
    ordered = sorted(nights, key=lambda night: night.as_of, reverse=True)

    def render(factor: int) -> str:
        page = {
            "nights": [
                night.model_copy(update={"href": _make_link(night.href)})
                for night in ordered[: MAX_INDEX_NIGHTS // factor]
            ],
            "n_nights": len(ordered),
            "verdict_labels": _VERDICT_LABELS,
            "verdict_classes": _VERDICT_CLASSES,
        }
        return _environment({}).get_template("index.html.j2").render(page)

    return _render_small(render)


def make_index_night(report: NightReport, *, href: str) -> IndexNight:
    """The line of the index that leads to this report at `href`, relative to the index."""
    summary = summarise_night(report, compare_before(report))
    is_stopped = any(drop.status == "stopped by gate" for drop in report.drops) or any(
        check.is_critical_failure for check in report.checks
    )
    return IndexNight(
        as_of=report.as_of,
        href=href,
        verdict=summary.verdict,
        headline=summary.headline,
        is_gate_passed=not is_stopped if report.checks or is_stopped else None,
        rows_published=summary.totals.published if report.drops else None,
        rows_quarantined=summary.totals.quarantined if report.drops else None,
        n_credible=summary.n_credible,
        n_effects=summary.n_effects,
    )


def compare_before(report: NightReport) -> tuple[EffectChange, ...]:
    """Changes since the previous night, none where there was none."""
    if report.previous_as_of is None:
        return ()
    return compare_nights(report.previous_effects, report.effects)


def _make_link(href: str) -> str:
    """A path below the index, or nothing: no scheme, no host, no way out of the folder."""
    parts = href.split("/")
    if not href or len(href) > 300 or any(part in {"", ".", ".."} for part in parts):
        return ""
    return "/".join(quote(part, safe="", errors="replace") for part in parts)


def _render_small(render: Callable[[int], str]) -> str:
    """The fullest rendering smaller than `MAX_BYTES`; `render` divides its caps by its argument."""
    size = 0
    for factor in _SHRINKING:
        text = render(factor)
        size = len(text.encode("utf-8"))
        if size < MAX_BYTES:
            return text
    raise TerminalError(
        f"the report has {size:,} bytes with one row per table, allowed are {MAX_BYTES:,}; "
        "shorten names and notes that reach the report"
    )


def _environment(labels: Mapping[str, str]) -> Environment:
    environment = _base_environment().overlay()
    environment.filters = {
        **environment.filters,
        "attribute": lambda name: name_attribute(name, labels),
    }
    return environment


@cache
def _base_environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        attribute=str,
        capitalised=capitalise,
        sentence=end_sentence,
        count=format_count,
        day=format_date,
        decimals=lambda row: effect_decimals(row) if row else 2,
        interval=lambda low, high, decimals: format_interval(low, high, decimals=decimals),
        number=lambda value, decimals=2, is_signed=False: format_number(
            value, decimals=decimals, is_signed=is_signed
        ),
        plural=format_plural,
        rating=lambda value: f"{value:g}",
        seconds=format_seconds,
        share=format_share,
        short_window=lambda window: "all history" if window == "all" else window,
        weekday=format_weekday,
    )
    environment.globals.update(
        css=Markup((_TEMPLATES / "page.css").read_text(encoding="utf-8")),
        contrast_words=CONTRAST_WORDS,
        state_order=STATE_ORDER,
        state_words=_STATE_WORDS,
        verdict_marks=VERDICT_MARKS,
        verdict_meanings=VERDICT_MEANINGS,
    )
    return environment


def _build_page(
    full: NightReport, summary: NightSummary, night: CappedNight, *, limits: Limits
) -> dict[str, Any]:
    """Names the templates use. Counts are of the `full` night, rows of the capped one."""
    report = night.report
    groups = group_effects(report.effects)
    stages = group_tasks(full.tasks)
    return {
        "report": report,
        "summary": summary,
        "caps": night.caps,
        "level": format_level(full.confidence),
        "verdict_label": _VERDICT_LABELS[summary.verdict],
        "verdict_sign": _VERDICT_SIGNS[summary.verdict],
        "verdict_class": _VERDICT_CLASSES[summary.verdict],
        "changes": night.changes,
        "eventful": [change for change in night.changes if change.kind != "steady"],
        "n_steady": count_changes(compare_before(full), "steady"),
        "groups": [
            view_group(group, report, limits=limits, is_drawn=index < limits.charts)
            for index, group in enumerate(groups)
        ],
        "n_undrawn": max(len(groups) - limits.charts, 0),
        "voices": _group_voices(report.attributes),
        "quarantine_reasons": sum_reasons(full)[: limits.reasons],
        "drifting": [drop for drop in report.drops if drop.drift],
        "fresh": [(row, find_age(row, full), is_stale(row, full)) for row in report.freshness],
        **_view_checks(full, report),
        "stages": stages[: limits.stages],
        "states": [
            (state, sum(task.state == state for task in full.tasks)) for state in STATE_ORDER
        ],
        "has_failed_task": any(task.state == "failed" for task in full.tasks),
    }


def _view_checks(full: NightReport, report: NightReport) -> dict[str, Any]:
    kinds: dict[str, Callable[[CheckRow], bool]] = {
        "critical": lambda check: check.is_critical_failure,
        "warning": lambda check: check.is_warning,
        "passed": lambda check: check.is_passed,
        "skipped": lambda check: bool(check.is_success and check.skip_reason),
    }
    return {
        "checks": {kind: [c for c in report.checks if test(c)] for kind, test in kinds.items()},
        "n_checks": {kind: sum(map(test, full.checks)) for kind, test in kinds.items()},
    }


def view_group(
    group: EffectGroup, report: NightReport, *, limits: Limits, is_drawn: bool
) -> GroupView:
    """One group of effects with its plots and, in a simulated world, its coverage."""
    truth = tuple(find_truth(row, report.truth) for row in group.rows)
    pairs = tuple(zip(group.rows, truth, strict=True))
    covered = [_covers(value, row.ci_low, row.ci_high) for row, value in pairs]
    naive = [_covers(value, row.naive_ci_low, row.naive_ci_high) for row, value in pairs]
    plotted = [_plot_row(row, value, report) for row, value in pairs[: limits.chart_rows]]
    units = report.units.get(group.outcome, ("", ""))[1]
    is_drawn = is_drawn and any(r.estimate is not None or r.naive is not None for r in plotted)
    wide, narrow = _draw_group(group, plotted, units=units) if is_drawn else (None, None)
    return GroupView(
        source=group.source,
        outcome=group.outcome,
        window_name=name_window(group.first),
        unit_words=f" in {units}" if units else "",
        rows=group.rows,
        others=group.others,
        n=max(row.n for row in group.rows),
        n_credible=group.n_credible,
        truth=truth,
        cover_words=tuple({True: "inside", False: "outside", None: ""}[hit] for hit in covered),
        n_truth=sum(hit is not None for hit in covered),
        n_covered=sum(hit is True for hit in covered),
        n_naive_covered=sum(hit is True for hit in naive),
        n_plotted=len(plotted),
        has_clipped=_is_clipped(plotted),
        wide=wide,
        narrow=narrow,
    )


def _covers(value: float | None, low: float | None, high: float | None) -> bool | None:
    if value is None or low is None or high is None:
        return None
    return low <= value <= high


def _plot_row(row: EffectRow, truth: float | None, report: NightReport) -> ForestRow:
    def drawn(value: float | None) -> float | None:
        return value if value is not None and abs(value) <= MAX_DRAWN else None

    is_estimated = row.is_estimated
    return ForestRow(
        label=name_attribute(row.attribute, report.labels),
        verdict=f"{VERDICT_MARKS[row.verdict]} {row.verdict}",
        estimate=drawn(row.estimate) if is_estimated else None,
        low=drawn(row.ci_low) if is_estimated else None,
        high=drawn(row.ci_high) if is_estimated else None,
        naive=drawn(row.naive),
        naive_low=drawn(row.naive_ci_low),
        naive_high=drawn(row.naive_ci_high),
        truth=drawn(truth),
    )


def _is_clipped(rows: Sequence[ForestRow]) -> bool:
    low, high = find_domain(rows)
    bounds = [b for r in rows for b in (r.low, r.high, r.naive_low, r.naive_high) if b is not None]
    return any(not low <= bound <= high for bound in bounds)


def _draw_group(
    group: EffectGroup, rows: Sequence[ForestRow], *, units: str
) -> tuple[Markup, Markup]:
    title = f"Effects on {group.outcome} in {group.source}, {name_window(group.first).lower()}"
    description = " ".join(_describe_row(row) for row in rows)
    axis = f"{units or group.outcome}, {CONTRAST_WORDS[group.first.contrast]}"
    wide, narrow = (
        draw_forest(rows, layout=layout, axis_title=axis, title=title, description=description)
        for layout in ("wide", "narrow")
    )
    return wide, narrow


def _describe_row(row: ForestRow) -> str:
    interval = format_interval(row.low, row.high)
    causal = format_number(row.estimate, is_signed=True)
    naive = format_number(row.naive, is_signed=True)
    inside = f" ({interval})" if interval else ""
    return f"{row.label}: causal {causal}{inside}, naive {naive}, {row.verdict[2:]}."


def group_tasks(tasks: Iterable[TaskRow]) -> list[StageView]:
    """Tasks summed per stage, stages in the order in which they appear."""
    stages: dict[str, list[TaskRow]] = {}
    for task in tasks:
        stages.setdefault(task.stage, []).append(task)
    return [
        StageView(
            name=name,
            counts={state: sum(task.state == state for task in rows) for state in STATE_ORDER},
            seconds=_sum_known(task.seconds for task in rows),
            rows=_sum_known(task.rows for task in rows),
        )
        for name, rows in stages.items()
    ]


def _sum_known(values: Iterable[N | None]) -> N | None:
    known = [value for value in values if value is not None]
    return sum(known[1:], start=known[0]) if known else None


def sum_reasons(report: NightReport) -> list[tuple[str, str, int]]:
    """Quarantined rows per source and reason, the most frequent first."""
    counts: dict[tuple[str, str], int] = {}
    for drop in report.drops:
        for reason, count in drop.reasons.items():
            key = (drop.source, reason)
            counts[key] = counts.get(key, 0) + count
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [(source, reason, count) for (source, reason), count in ranked if count]


def _group_voices(rows: Iterable[AttributeRow]) -> list[tuple[str, list[AttributeRow]]]:
    sources: dict[str, list[AttributeRow]] = {}
    for row in rows:
        sources.setdefault(row.source, []).append(row)
    return [
        (source, sorted(listed, key=lambda row: (-row.n_mentioned, row.attribute)))
        for source, listed in sources.items()
    ]


def _describe_change(change: EffectChange) -> dict[str, Any]:
    """One change in JSON, in the words and numbers of the page's table."""
    before, now = change.before, change.now
    return {
        "source": change.source,
        "window": change.window,
        "outcome": change.outcome,
        "attribute": change.attribute,
        "kind": change.kind,
        "verdict_before": change.verdict_before,
        "verdict_now": change.verdict_now,
        "estimate_before": before.estimate if before else None,
        "ci_before": [before.ci_low, before.ci_high] if before else None,
        "estimate_now": now.estimate if now else None,
        "ci_now": [now.ci_low, now.ci_high] if now else None,
        "difference": change.difference,
        "is_overlapping": change.is_overlapping,
    }
