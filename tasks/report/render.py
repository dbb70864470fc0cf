"""The night as one HTML page, and the same content as JSON. No clock, no network, no script."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from tasks.platform.errors import TerminalError
from tasks.report.attacks import view_attacks
from tasks.report.beside import compare_attacks, compare_recommenders
from tasks.report.change_view import (
    CHANGE_CLASSES,
    CHANGE_SIGNS,
    describe_data_change,
    describe_effect_change,
    describe_recommender_change,
    draw_changes,
)
from tasks.report.changes import CHANGE_MEANINGS, compare_before
from tasks.report.chapters import build_chapters
from tasks.report.contract import CONTRACT, UNSHOWN
from tasks.report.credibility import LEGEND
from tasks.report.graphs import KIND_WORDS, ORIGIN_WORDS, view_graphs
from tasks.report.limits import MAX_BYTES, CappedNight, Limits, cap_night
from tasks.report.model import AttributeRow, CheckRow, NightReport, TaskRow
from tasks.report.nights import VERDICT_CLASSES, VERDICT_LABELS, VERDICT_SIGNS, IndexNight
from tasks.report.opinions import SIGNS
from tasks.report.positions import view_positions
from tasks.report.problems import find_age, is_stale
from tasks.report.recommenders import view_recommenders
from tasks.report.summary import NightSummary, summarise_night
from tasks.report.words import (
    CONTRAST_WORDS,
    STATE_ORDER,
    VERDICT_MARKS,
    VERDICT_MEANINGS,
    capitalise,
    close_sentence,
    effect_decimals,
    end_sentence,
    format_chance,
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
    name_window_short,
    write_minus,
)

N = TypeVar("N", int, float)

_SHRINKING: Final = (1, 3, 10, 40, 400)
_TEMPLATES: Final = Path(__file__).with_name("templates")
_STATE_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "ran": ("ran", "ran"),
    "cached": ("came from the cache", "came from the cache"),
    "retried": ("was retried", "were retried"),
    "failed": ("failed", "failed"),
    "skipped": ("was skipped", "were skipped"),
}


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
        return make_environment().get_template("report.html.j2").render(page)

    return render_small(render)


def render_json(report: NightReport) -> str:
    """The same content as JSON: keys sorted, figures that are missing are null."""
    changes = compare_before(report)
    summary = summarise_night(report, changes)

    def render(factor: int) -> str:
        limits = Limits().shrunk(factor)
        night = cap_night(report, changes, limits=limits)
        content = {
            "contract": CONTRACT,
            **night.report.model_dump(mode="json", exclude=UNSHOWN),
            **asdict(summary),
            "changes": [describe_effect_change(change) for change in night.changes],
            "data_changes": [describe_data_change(row) for row in night.data],
            "attack_changes": list(compare_attacks(report)),
            "recommender_changes": [
                describe_recommender_change(row) for row in compare_recommenders(report)
            ],
            "capped": [asdict(cap) for cap in night.caps],
        }
        return json.dumps(content, ensure_ascii=False, allow_nan=False, sort_keys=True, indent=1)

    return render_small(render)


def make_index_night(report: NightReport, *, href: str) -> IndexNight:
    """The line of the index that leads to this report at `href`, relative to the index.

    Its rows are those of the night's own drops; the report shows the days before as well.
    """
    summary = summarise_night(report, compare_before(report))
    is_compared = report.previous_as_of is not None
    own = [drop for drop in report.drops if drop.day is None or drop.day >= report.as_of]
    is_stopped = any(drop.status == "stopped by gate" for drop in report.drops) or any(
        check.is_critical_failure for check in report.checks
    )
    return IndexNight(
        as_of=report.as_of,
        href=href,
        verdict=summary.verdict,
        headline=summary.headline,
        topline=summary.topline,
        is_gate_passed=not is_stopped if report.checks or is_stopped else None,
        rows_published=sum(drop.published for drop in own) if own else None,
        rows_quarantined=sum(drop.rows_quarantined for drop in own) if own else None,
        n_credible=summary.n_credible,
        n_weak=summary.verdicts["weak"],
        n_not_credible=summary.verdicts["not credible"],
        n_no_result=summary.verdicts["no result"],
        n_effects=summary.n_effects,
        n_flipped=summary.n_flipped if is_compared else None,
        n_real=summary.words["likely real"] + summary.words["revised"] if is_compared else None,
    )


def render_small(render: Callable[[int], str]) -> str:
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


@pass_context
def _label_attribute(context: Context, name: str) -> str:
    """The attribute as the report at hand labels it."""
    return name_attribute(name, context["report"].labels)


@cache
def make_environment() -> Environment:
    """The templates with their filters; everything that is put in is escaped."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        attribute=_label_attribute,
        capitalised=capitalise,
        chance=lambda value, symbol: format_chance(symbol, value),
        sentence=end_sentence,
        sentence_end=close_sentence,
        count=format_count,
        day=format_date,
        decimals=lambda row: effect_decimals(row) if row else 2,
        interval=lambda low, high, decimals: format_interval(low, high, decimals=decimals),
        minus=write_minus,
        number=lambda value, decimals=2, is_signed=False: format_number(
            value, decimals=decimals, is_signed=is_signed
        ),
        plural=format_plural,
        rating=lambda value: f"{value:g}",
        seconds=format_seconds,
        share=format_share,
        short_window=lambda window: "all history" if window == "all" else window,
        window=name_window_short,
        weekday=format_weekday,
    )
    environment.globals.update(
        change_classes=CHANGE_CLASSES,
        change_meanings=CHANGE_MEANINGS,
        change_signs=CHANGE_SIGNS,
        css=Markup((_TEMPLATES / "page.css").read_text(encoding="utf-8")),
        agreement_signs=SIGNS,
        contrast_words=CONTRAST_WORDS,
        kind_words=KIND_WORDS,
        origin_words=ORIGIN_WORDS,
        refuter_legend=LEGEND,
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
    chapters = build_chapters(report, limits=limits)
    stages = group_tasks(full.tasks)
    return {
        "report": report,
        "summary": summary,
        "caps": night.caps,
        "level": format_level(full.confidence),
        "verdict_label": VERDICT_LABELS[summary.verdict],
        "verdict_sign": VERDICT_SIGNS[summary.verdict],
        "verdict_class": VERDICT_CLASSES[summary.verdict],
        "changes": night.changes,
        "eventful": [change for change in night.changes if change.kind != "steady"],
        "steady": [change for change in night.changes if change.kind == "steady"],
        "n_steady": sum(change.kind == "steady" for change in compare_before(full)),
        "change_chart": draw_changes(report, night.changes, most=limits.chart_rows // 2 or 1),
        "data_changes": night.data,
        "attack_changes": compare_attacks(full),
        "recommender_changes": compare_recommenders(full),
        "chapters": chapters,
        "n_undrawn": max(len(chapters) - limits.charts, 0),
        "positions": view_positions(report, most=limits.chart_rows, most_views=limits.detailed),
        "graphs": view_graphs(report, most_edges=limits.edges),
        "voices": _group_voices(report.attributes),
        "recommenders": view_recommenders(report, most=limits.detailed),
        "attacks": view_attacks(full, report.attacks),
        "has_words": any(one.levels for row in report.attributes for one in row.examples),
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
