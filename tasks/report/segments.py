"""Heterogeneity: does an effect differ between the levels of a segment, beyond chance?"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from tasks.report.effects import EffectGroup
from tasks.report.group_view import drawable
from tasks.report.grouped import Line, LineGroup, draw_grouped
from tasks.report.model import EffectRow, NightReport, SegmentRow
from tasks.report.windows import describe_groups
from tasks.report.words import (
    CONTRAST_WORDS,
    DASH,
    capitalise,
    format_chance,
    format_count,
    join_words,
    name_attribute,
    name_segment,
    tell_plural,
)


@dataclass(frozen=True)
class SegmentTest:
    """One attribute in the levels of a segment; `pooled` is its effect over all levels."""

    attribute: str
    p_value: float | None
    q_value: float | None
    is_different: bool
    pooled: EffectRow | None
    rows: tuple[SegmentRow, ...]


@dataclass(frozen=True)
class SegmentView:
    """One segment of one source: attributes whose effects differ, and the others."""

    name: str
    sentences: tuple[str, ...]
    different: tuple[SegmentTest, ...]
    others: tuple[SegmentTest, ...]
    n_drawn: int
    wide: Markup | None
    narrow: Markup | None


def view_segments(
    group: EffectGroup, report: NightReport, *, most: int, is_drawn: bool
) -> tuple[SegmentView, ...]:
    """Every segment of the group's source and window; at most `most` attributes are drawn each."""
    wanted = (group.source, group.window)
    rows = [row for row in report.segments if (row.source, row.window) == wanted]
    by_segment: dict[str, list[SegmentRow]] = {}
    for row in rows:
        by_segment.setdefault(row.segment, []).append(row)
    return tuple(
        _view_segment(segment, found, group, report, most=most, is_drawn=is_drawn)
        for segment, found in by_segment.items()
    )


def _view_segment(
    segment: str,
    rows: Sequence[SegmentRow],
    group: EffectGroup,
    report: NightReport,
    *,
    most: int,
    is_drawn: bool,
) -> SegmentView:
    tests = sorted(
        group_levels(rows, group.rows, confidence=report.confidence),
        key=lambda test: (test.q_value is None, test.q_value or 0.0, test.attribute),
    )
    different = [test for test in tests if test.is_different]
    name = name_segment(segment)
    drawn = [_make_lines(test, report) for test in different[:most]]
    wide, narrow = _draw(name, drawn, group, report) if is_drawn and drawn else (None, None)
    return SegmentView(
        name=name,
        sentences=tuple(tell_difference(name, tests, report)),
        different=tuple(different),
        others=tuple(test for test in tests if not test.is_different),
        n_drawn=len(drawn),
        wide=wide,
        narrow=narrow,
    )


def group_levels(
    rows: Iterable[SegmentRow], pooled: Iterable[EffectRow], *, confidence: float
) -> list[SegmentTest]:
    """Rows by attribute; different where the q value is below 1 - `confidence`."""
    main = {row.attribute: row for row in pooled}
    by_attribute: dict[str, list[SegmentRow]] = {}
    for row in rows:
        by_attribute.setdefault(row.attribute, []).append(row)
    return [
        SegmentTest(
            attribute=name,
            p_value=found[0].p_value,
            q_value=found[0].q_value,
            is_different=found[0].q_value is not None and 1 - found[0].q_value > confidence,
            pooled=main.get(name),
            rows=tuple(found),
        )
        for name, found in by_attribute.items()
    ]


def tell_difference(name: str, tests: Sequence[SegmentTest], report: NightReport) -> Iterable[str]:
    """Effects of durability differ by category (q = 0.01); or that none does."""
    tested = [test for test in tests if test.q_value is not None]
    different = [test for test in tested if test.is_different]
    if not tested:
        yield f"No result: too few reviews to tell whether effects differ by {name}."
        return
    if different:
        said = [
            f"{name_attribute(test.attribute, report.labels)} differ by {name} "
            f"({format_chance('q', test.q_value)})"
            for test in different
        ]
        yield f"Effects of {join_words(said)}."
    n_same = len(tested) - len(different)
    least = format_chance("q", min((t.q_value or 0.0 for t in tested), default=None))
    if not different:
        whole = (
            f"the {tell_plural(n_same, 'effect')} tested" if n_same > 1 else "the one effect tested"
        )
        yield (
            f"No difference by {name} beyond chance in {whole} "
            f"({'smallest ' if n_same > 1 else ''}{least})."
        )
    elif n_same:
        verb = "differs" if n_same == 1 else "differ"
        yield capitalise(f"{tell_plural(n_same, 'other')} {verb} no more than by chance.")


def _make_lines(test: SegmentTest, report: NightReport) -> LineGroup:
    lines = [
        Line(
            row.level,
            drawable(row.estimate),
            drawable(row.ci_low),
            drawable(row.ci_high),
            note=f"n {format_count(row.n)}" if row.estimate is not None else "no result",
            short=format_count(row.n) if row.estimate is not None else DASH,
        )
        for row in test.rows
    ]
    whole = test.pooled
    if whole is not None and whole.is_estimated:
        numbers = (drawable(whole.estimate), drawable(whole.ci_low), drawable(whole.ci_high))
        note, short = f"n {format_count(whole.n)}", format_count(whole.n)
        lines.insert(0, Line("all together", *numbers, note=note, short=short, is_main=True))
    return LineGroup(name_attribute(test.attribute, report.labels), tuple(lines))


def _draw(
    name: str, groups: Sequence[LineGroup], group: EffectGroup, report: NightReport
) -> tuple[Markup, Markup]:
    units = report.units.get(group.outcome, ("", ""))[1]
    wide, narrow = (
        draw_grouped(
            groups,
            layout=layout,
            axis_title=f"{units or group.outcome}, {CONTRAST_WORDS[group.first.contrast]}",
            title=f"Effects on {group.outcome} in {group.source} that differ by {name}",
            description=describe_groups(groups),
        )
        for layout in ("wide", "narrow")
    )
    return wide, narrow
