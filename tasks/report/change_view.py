"""Changes of effects as the page shows them: words with signs, and one chart of what moved."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from markupsafe import Markup

from tasks.report.beside import DataChange, RecommenderChange
from tasks.report.changes import ChangeWord, EffectChange
from tasks.report.charts import ForestRow, draw_forest
from tasks.report.group_view import describe_forest_row, drawable
from tasks.report.model import NightReport
from tasks.report.words import format_date, format_level, name_attribute

CHANGE_SIGNS: Final[Mapping[ChangeWord, str]] = {
    "likely real": "◆", "revised": "↻", "within noise": "≈", "cannot be said": "?", "new": "+",
    "gone": "–", "no result": "–",
}  # fmt: skip
CHANGE_CLASSES: Final[Mapping[ChangeWord, str]] = {
    "likely real": "care", "revised": "care", "within noise": "muted", "cannot be said": "muted",
    "new": "", "gone": "", "no result": "muted",
}  # fmt: skip


@dataclass(frozen=True)
class ChangeChart:
    """The drawing of changes that have an interval, in both layouts."""

    n_drawn: int
    n_left_out: int
    wide: Markup
    narrow: Markup


def draw_changes(
    report: NightReport, changes: Sequence[EffectChange], *, most: int
) -> ChangeChart | None:
    """A forest of the changes with an interval, those of all history first; None without any.

    Of shorter windows only what moved.
    """
    paired = [
        change
        for change in changes
        if change.moved
        and drawable(change.moved.change) is not None
        and (change.window == "all" or change.word in {"likely real", "revised"})
    ]
    if not paired or report.previous_as_of is None:
        return None
    ordered = sorted(paired, key=lambda change: change.window != "all")
    rows = [_plot(change, report) for change in ordered[:most]]
    outcomes = {change.outcome for change in ordered[:most]}
    units = report.units.get(next(iter(outcomes)), ("", ""))[1] if len(outcomes) == 1 else ""
    title = f"Changes of effects since {format_date(report.previous_as_of)}"
    description = f"Each with its {format_level(report.confidence)} interval. " + " ".join(
        describe_change(row) for row in rows
    )
    wide, narrow = (
        draw_forest(
            rows, layout=layout, title=title, description=description,
            axis_title=f"change in {units or 'units of the outcome'}, complaint to praise",
        )
        for layout in ("wide", "narrow")
    )  # fmt: skip
    return ChangeChart(len(rows), len(paired) - len(rows), wide, narrow)


def describe_change(row: ForestRow) -> str:
    """One line of the chart in words, for those who cannot see it."""
    return (
        describe_forest_row(row, decimals=3)
        .replace("causal", "change")
        .replace(", naive no result", "")
    )


def _plot(change: EffectChange, report: NightReport) -> ForestRow:
    name = name_attribute(change.attribute, report.labels)
    window = "" if change.window == "all" else f", {change.window}"
    is_alone = len({row.source for row in report.effects}) < 2
    moved = change.moved
    return ForestRow(
        label=f"{name}{window}" if is_alone else f"{name}, {change.source}{window}",
        verdict=f"{CHANGE_SIGNS[change.word]} {change.word}",
        estimate=drawable(moved.change) if moved else None,
        low=drawable(moved.ci_low) if moved else None,
        high=drawable(moved.ci_high) if moved else None,
        naive=None,
        naive_low=None,
        naive_high=None,
    )


def describe_effect_change(change: EffectChange) -> dict[str, Any]:
    """One change in JSON, in the words and numbers of the page's table."""
    before, now, moved = change.before, change.now, change.moved
    return {
        "source": change.source,
        "window": change.window,
        "outcome": change.outcome,
        "attribute": change.attribute,
        "kind": change.kind,
        "word": change.word,
        "verdict_before": change.verdict_before,
        "verdict_now": change.verdict_now,
        "cause": change.cause,
        "estimate_before": before.estimate if before else None,
        "ci_before": [before.ci_low, before.ci_high] if before else None,
        "naive_before": before.naive if before else None,
        "n_before": before.n if before else None,
        "estimate_now": now.estimate if now else None,
        "ci_now": [now.ci_low, now.ci_high] if now else None,
        "naive_now": now.naive if now else None,
        "n_now": now.n if now else None,
        "difference": change.difference,
        "is_overlapping": change.is_overlapping,
        "by_reviews": moved.change if moved else None,
        "by_reviews_std_error": moved.std_error if moved else None,
        "by_reviews_ci": [moved.ci_low, moved.ci_high] if moved else None,
        "q_value": moved.q_value if moved else None,
        "by_revision": change.revision,
        "n_gained": moved.n_gained if moved else None,
        "n_lost": moved.n_lost if moved else None,
    }


def describe_data_change(row: DataChange) -> dict[str, Any]:
    """One table of one source against its usual drops, in JSON."""
    return asdict(row)


def describe_recommender_change(row: RecommenderChange) -> dict[str, Any]:
    """The recommender of both nights, in JSON."""
    names = ("model", "mse_weighted", "ndcg_at_5", "coverage")
    return {
        "source": row.source,
        **{
            when: {name: getattr(model, name) for name in names} if model else None
            for when, model in (("before", row.before), ("now", row.now))
        },
    }
