"""One source and window of effects as the page shows it: forest, table, coverage of a known truth."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from tasks.report.charts import ForestRow, draw_forest, find_domain
from tasks.report.effects import EffectGroup, find_truth
from tasks.report.limits import Limits
from tasks.report.model import EffectRow, NightReport
from tasks.report.words import (
    CONTRAST_WORDS,
    VERDICT_MARKS,
    format_interval,
    format_number,
    name_attribute,
    name_window,
)

MAX_DRAWN: Final = 1e6
"""Figures beyond this are no stars: they stay in the table and are not drawn."""


@dataclass(frozen=True)
class GroupView:
    """One source and window as the page shows it; `truth` is parallel to `rows`."""

    source: str
    outcome: str
    window_name: str
    unit_words: str
    rows: tuple[EffectRow, ...]
    n: int
    n_credible: int
    n_unjudged: int
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
        n=max(row.n for row in group.rows),
        n_credible=group.n_credible,
        n_unjudged=group.n_unjudged,
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


def drawable(value: float | None) -> float | None:
    """The value, or None where it is too large to stand on a scale with others."""
    return value if value is not None and abs(value) <= MAX_DRAWN else None


def _plot_row(row: EffectRow, truth: float | None, report: NightReport) -> ForestRow:
    is_estimated = row.is_estimated
    return ForestRow(
        label=name_attribute(row.attribute, report.labels),
        verdict=f"{VERDICT_MARKS[row.verdict]} {row.verdict}",
        estimate=drawable(row.estimate) if is_estimated else None,
        low=drawable(row.ci_low) if is_estimated else None,
        high=drawable(row.ci_high) if is_estimated else None,
        naive=drawable(row.naive),
        naive_low=drawable(row.naive_ci_low),
        naive_high=drawable(row.naive_ci_high),
        truth=drawable(truth),
    )


def _is_clipped(rows: Sequence[ForestRow]) -> bool:
    low, high = find_domain(rows)
    bounds = [b for r in rows for b in (r.low, r.high, r.naive_low, r.naive_high) if b is not None]
    return any(not low <= bound <= high for bound in bounds)


def _draw_group(
    group: EffectGroup, rows: Sequence[ForestRow], *, units: str
) -> tuple[Markup, Markup]:
    title = f"Effects on {group.outcome} in {group.source}, {name_window(group.first).lower()}"
    description = " ".join(describe_forest_row(row) for row in rows)
    axis = f"{units or group.outcome}, {CONTRAST_WORDS[group.first.contrast]}"
    wide, narrow = (
        draw_forest(rows, layout=layout, axis_title=axis, title=title, description=description)
        for layout in ("wide", "narrow")
    )
    return wide, narrow


def describe_forest_row(row: ForestRow, *, decimals: int = 2) -> str:
    """One line of a forest in words, for those who cannot see it."""
    interval = format_interval(row.low, row.high, decimals=decimals)
    causal = format_number(row.estimate, decimals=decimals, is_signed=True)
    naive = format_number(row.naive, decimals=decimals, is_signed=True)
    inside = f" ({interval})" if interval else ""
    return f"{row.label}: causal {causal}{inside}, naive {naive}, {row.verdict[2:]}."
