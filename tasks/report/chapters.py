"""The effects chapter: all that the page says of one source and outcome, in reading order."""

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.report.credibility import CredibilityView, view_credibility
from tasks.report.effects import EffectGroup, group_effects
from tasks.report.group_view import GroupView, view_group
from tasks.report.limits import Limits
from tasks.report.model import EffectRow, NightReport
from tasks.report.opinions import OpinionsView, is_opinion, view_opinions
from tasks.report.segments import SegmentView, view_segments
from tasks.report.trends import TrendView, tell_trend, view_trend
from tasks.report.windows import WindowsView, compare_windows


@dataclass(frozen=True)
class Chapter:
    """One source and outcome. `main` is its longest window; None where nothing is known of a part.

    `contrasts` are the main estimator's further contrasts in the longest window, `told` reasons of
    verdicts that the parts below say in their own words.
    """

    main: GroupView
    contrasts: tuple[EffectRow, ...]
    windows: WindowsView | None
    trend: TrendView | None
    trend_words: str
    segments: tuple[SegmentView, ...]
    credibility: CredibilityView | None
    opinions: OpinionsView | None
    told: frozenset[str]

    @property
    def parts(self) -> tuple[tuple[str, str], ...]:
        """Anchors of the parts that are there, with words for them, in reading order."""
        listed = (
            ("credibility", "Credibility", self.credibility),
            ("windows", "Windows", self.windows),
            ("trend", "Over time", self.trend),
            ("segments", "By segment", self.segments),
            ("opinions", "Second opinions", self.opinions),
        )
        return tuple((anchor, words) for anchor, words, part in listed if part)


def build_chapters(report: NightReport, *, limits: Limits) -> tuple[Chapter, ...]:
    """One chapter a source and outcome, in the order in which sources appear.

    The first `limits.charts` have a forest, the first `limits.detailed` all other drawings.
    """
    by_source: dict[tuple[str, str], list[EffectGroup]] = {}
    for group in group_effects(report.effects):
        by_source.setdefault((group.source, group.outcome), []).append(group)
    return tuple(
        _build_chapter(
            groups,
            report,
            limits=limits,
            is_drawn=at < limits.charts,
            is_detailed=at < limits.detailed,
        )
        for at, groups in enumerate(by_source.values())
    )


def _build_chapter(
    groups: Sequence[EffectGroup],
    report: NightReport,
    *,
    limits: Limits,
    is_drawn: bool,
    is_detailed: bool,
) -> Chapter:
    group = groups[0]
    trend = view_trend(group, report, most_rows=limits.points, is_drawn=is_detailed)
    most = min(limits.chart_rows, 12)
    tried = view_credibility(group, report)
    return Chapter(
        main=view_group(group, report, limits=limits, is_drawn=is_drawn),
        contrasts=tuple(row for row in group.others if not is_opinion(row, group)),
        windows=compare_windows(groups, report, most=most, is_drawn=is_detailed),
        trend=trend,
        trend_words=tell_trend(trend) if trend else "",
        segments=view_segments(group, report, most=most // 2 or 1, is_drawn=is_detailed),
        credibility=tried,
        opinions=view_opinions(groups, report),
        told=frozenset(said for _, said in tried.left_over) if tried else frozenset(),
    )
