"""Windows side by side: do the last days agree with all history?"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from tasks.report.changes import are_overlapping
from tasks.report.effects import EffectGroup
from tasks.report.group_view import drawable
from tasks.report.grouped import Line, LineGroup, draw_grouped
from tasks.report.model import EffectRow, NightReport
from tasks.report.words import (
    CONTRAST_WORDS,
    DASH,
    VERDICT_MARKS,
    capitalise,
    effect_decimals,
    format_estimate,
    join_words,
    name_attribute,
    name_window_short,
    tell_count,
    tell_plural,
)


@dataclass(frozen=True)
class AttributeWindows:
    """One attribute in every window, the longest first; None where a window has no such row."""

    attribute: str
    cells: tuple[tuple[str, EffectRow | None], ...]


@dataclass(frozen=True)
class WindowsView:
    """The comparison of one source and outcome; `sentences` say what agrees, one a window."""

    names: tuple[str, ...]
    sentences: tuple[str, ...]
    rows: tuple[AttributeWindows, ...]
    n_drawn: int
    wide: Markup | None
    narrow: Markup | None


def compare_windows(
    groups: Sequence[EffectGroup], report: NightReport, *, most: int, is_drawn: bool
) -> WindowsView | None:
    """Headline effects of all windows of one source, None where there is only one window.

    `groups` come with the longest first; at most `most` attributes are drawn.
    """
    if len(groups) < 2:
        return None
    main, *shorter = groups
    rows = _line_up(groups)
    drawn = [row for row in rows if any(cell and cell.is_estimated for _, cell in row.cells)][:most]
    lines = [_make_lines(row, main.window, report) for row in drawn]
    wide, narrow = _draw(main, lines, report) if is_drawn and lines else (None, None)
    return WindowsView(
        names=tuple(name_window_short(group.window) for group in groups),
        sentences=tuple(_tell_agreement(main, group, report) for group in shorter),
        rows=tuple(rows),
        n_drawn=len(drawn),
        wide=wide,
        narrow=narrow,
    )


def _line_up(groups: Sequence[EffectGroup]) -> list[AttributeWindows]:
    found = {group.window: {row.attribute: row for row in group.rows} for group in groups}
    names = dict.fromkeys(row.attribute for group in groups for row in group.rows)
    return [
        AttributeWindows(name, tuple((window, rows.get(name)) for window, rows in found.items()))
        for name in names
    ]


def _tell_agreement(main: EffectGroup, group: EffectGroup, report: NightReport) -> str:
    """Last 7 days: five of six effects agree with all history. Price differs: +0.9 against +0.4."""
    now = {row.attribute: row for row in group.rows}
    pairs = [(now[old.attribute], old) for old in main.rows if old.attribute in now]
    compared = [(row, old) for row, old in pairs if are_overlapping(old, row) is not None]
    name = capitalise(name_window_short(group.window))
    whole = name_window_short(main.window)
    if not compared:
        return f"{name}: no result to compare."
    apart = [(row, old) for row, old in compared if not are_overlapping(old, row)]
    n_agree = len(compared) - len(apart)
    if apart:
        text = f"{name}: {tell_count(n_agree)} of {tell_plural(len(compared), 'effect')} agree"
        text += f"{'s' if n_agree == 1 else ''} with {whole}. "
        text += f"{capitalise(join_words(_tell_gap(row, old, report) for row, old in apart))}."
    elif len(compared) == 1:
        text = f"{name}: the one effect agrees with {whole}."
    else:
        text = f"{name}: all {tell_plural(len(compared), 'effect')} agree with {whole}."
    lost = _count_lost(main.rows, group.rows)
    have = "has" if lost == 1 else "have"
    return f"{text} {capitalise(tell_count(lost))} {have} no result here." if lost else text


def _tell_gap(row: EffectRow, old: EffectRow, report: NightReport) -> str:
    now, then = (
        format_estimate(one.estimate, one.ci_low, one.ci_high, decimals=effect_decimals(one))
        for one in (row, old)
    )
    return f"{name_attribute(row.attribute, report.labels)} differs: {now} against {then}"


def _count_lost(main: Iterable[EffectRow], rows: Iterable[EffectRow]) -> int:
    """Effects of the longest window that a shorter one cannot tell."""
    known = {row.attribute for row in rows if row.is_estimated}
    return sum(row.is_estimated and row.attribute not in known for row in main)


def _make_lines(row: AttributeWindows, main: str, report: NightReport) -> LineGroup:
    return LineGroup(
        label=name_attribute(row.attribute, report.labels),
        lines=tuple(_make_line(window, cell, is_main=window == main) for window, cell in row.cells),
    )


def _make_line(window: str, row: EffectRow | None, *, is_main: bool) -> Line:
    name = name_window_short(window)
    if row is None or not row.is_estimated:
        return Line(name, None, None, None, note=f"{DASH} no result", short=DASH)
    numbers = (drawable(row.estimate), drawable(row.ci_low), drawable(row.ci_high))
    sign = VERDICT_MARKS[row.verdict]
    return Line(name, *numbers, note=f"{sign} {row.verdict}", short=sign, is_main=is_main)


def _draw(
    main: EffectGroup, groups: Sequence[LineGroup], report: NightReport
) -> tuple[Markup, Markup]:
    units = report.units.get(main.outcome, ("", ""))[1]
    wide, narrow = (
        draw_grouped(
            groups,
            layout=layout,
            axis_title=f"{units or main.outcome}, {CONTRAST_WORDS[main.first.contrast]}",
            title=f"Effects on {main.outcome} in {main.source}, windows side by side",
            description=describe_groups(groups),
        )
        for layout in ("wide", "narrow")
    )
    return wide, narrow


def describe_groups(groups: Iterable[LineGroup]) -> str:
    """The drawing in words, for those who cannot see it."""
    return " ".join(
        f"{group.label}: "
        + "; ".join(
            f"{line.label} {format_estimate(line.estimate, line.low, line.high)}"
            for line in group.lines
        )
        + "."
        for group in groups
    )
