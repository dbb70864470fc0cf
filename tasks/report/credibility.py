"""The credibility table: what was tried to prove each effect wrong, and how it came out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tasks.report.effects import EffectGroup
from tasks.report.model import EffectRow, NightReport, RefutationResult, RefutationRow
from tasks.report.words import (
    capitalise,
    effect_decimals,
    format_chance,
    format_estimate,
    format_number,
    format_plural,
    name_attribute,
)

REFUTERS: Final[Mapping[str, tuple[str, str]]] = {
    "placebo": (
        "Placebo",
        "Mentions are dealt out at random among the reviews; nobody's rating can hang on them, so "
        "the effect must vanish.",
    ),
    "random_cause": (
        "Random cause",
        "One more control of pure noise is added; the effect must stay where it was.",
    ),
    "subset": (
        "Subset",
        "Two halves of the users are estimated apart; they must agree.",
    ),
    "time": (
        "Time",
        "The earlier and the later half of the window are estimated apart; they must agree.",
    ),
    "negative_control": (
        "Negative control",
        "Something the reviews cannot have caused takes the place of the outcome; there must be "
        "no effect on it.",
    ),
    "sensitivity": (
        "Sensitivity",
        "How much of the effect would be left if something unmeasured were as strong as the "
        "strongest control; an exclamation mark where nothing would be.",
    ),
}
"""Column of each refuter: its name and what it is, in the order of the table."""
MAX_UNKNOWN: Final = 3
MAX_FINDINGS: Final = 40


@dataclass(frozen=True)
class Mark:
    """A sign that is read without colour, and the word for it."""

    sign: str
    word: str
    css: str


PASSED: Final = Mark("✓", "passed", "good")
WEAK: Final = Mark("!", "weak", "care")
FAILED: Final = Mark("✗", "failed", "bad")
NOT_APPLICABLE: Final = Mark("–", "not applicable", "muted")
NOT_TRIED: Final = Mark("–", "not tried", "muted")
FRAGILE: Final = Mark("!", "could be explained away", "care")
MARKS: Final[Mapping[RefutationResult, Mark]] = {
    "failed": FAILED,
    "weak": WEAK,
    "passed": PASSED,
    "not applicable": NOT_APPLICABLE,
}
"""Mark of each result, the worst first."""
LEGEND: Final = (PASSED, WEAK, FAILED, NOT_APPLICABLE)


@dataclass(frozen=True)
class Cell:
    """One refuter on one effect. `detail` is what a pointer or a screen reader is told."""

    mark: Mark
    detail: str
    small: str = ""


@dataclass(frozen=True)
class TriedEffect:
    """One headline effect and its cells, parallel to the columns of the table."""

    row: EffectRow
    cells: tuple[Cell, ...]
    n_passed: int
    n_tried: int


@dataclass(frozen=True)
class CredibilityView:
    """The table of one source. `findings` and `left_over` are pairs of attribute and sentence."""

    columns: tuple[tuple[str, str], ...]
    effects: tuple[TriedEffect, ...]
    n_untried: int
    findings: tuple[tuple[str, str], ...]
    left_over: tuple[tuple[str, str], ...]
    not_applied: tuple[str, ...]


def view_credibility(group: EffectGroup, report: NightReport) -> CredibilityView | None:
    """Refutations of the group's headline effects, None where none was tried."""
    lines = list_refutations(group, report.refutations)
    if not lines:
        return None
    tried = [row for row in group.rows if row.attribute in lines]
    names = _choose_columns(line for found in lines.values() for line in found)
    every = [(row, line) for row in tried for line in lines[row.attribute]]
    return CredibilityView(
        columns=tuple(
            REFUTERS.get(name, (capitalise(name.replace("_", " ")), "")) for name in names
        ),
        effects=tuple(_try_effect(row, lines[row.attribute], names) for row in tried),
        n_untried=len(group.rows) - len(tried),
        findings=tuple(_list_findings(every, report))[:MAX_FINDINGS],
        left_over=tuple(_list_sensitivity(every)),
        not_applied=tuple(_list_skipped(every)),
    )


def list_refutations(
    group: EffectGroup, refutations: Iterable[RefutationRow]
) -> dict[str, list[RefutationRow]]:
    """Refutations of the group's headline contrast, by attribute."""
    wanted = (group.source, group.window, group.outcome, group.first.contrast)
    found: dict[str, list[RefutationRow]] = {}
    for line in refutations:
        if (line.source, line.window, line.outcome, line.contrast) == wanted:
            found.setdefault(line.attribute, []).append(line)
    known = {row.attribute for row in group.rows}
    return {name: lines for name, lines in found.items() if name in known}


def _choose_columns(lines: Iterable[RefutationRow]) -> list[str]:
    """Every known refuter, and the first few that this page has no words for."""
    unknown = dict.fromkeys(line.refuter for line in lines if line.refuter not in REFUTERS)
    return [*REFUTERS, *list(unknown)[:MAX_UNKNOWN]]


def _try_effect(
    row: EffectRow, lines: Sequence[RefutationRow], names: Sequence[str]
) -> TriedEffect:
    results = [line.result for line in lines]
    return TriedEffect(
        row=row,
        cells=tuple(_make_cell(row, [li for li in lines if li.refuter == name]) for name in names),
        n_passed=results.count("passed"),
        n_tried=len(results) - results.count("not applicable"),
    )


def _make_cell(row: EffectRow, lines: Sequence[RefutationRow]) -> Cell:
    """The worst of several lines of one refuter speaks for it."""
    if not lines:
        return Cell(NOT_TRIED, "not tried")
    order = list(MARKS)
    worst = min(lines, key=lambda line: order.index(line.result))
    if worst.refuter == "sensitivity" and worst.result == "passed":
        return _make_sensitivity_cell(row, worst)
    mark = MARKS[worst.result]
    said = f"{mark.word}: {worst.reason or worst.note}" if worst.reason or worst.note else mark.word
    if worst.refuted is not None:
        decimals = effect_decimals(worst)
        number = format_estimate(worst.refuted, worst.ci_low, worst.ci_high, decimals=decimals)
        said += f"; {_name_number(worst.refuter)} {number}, {format_chance('p', worst.p_value)}"
    return Cell(mark, said)


def _name_number(refuter: str) -> str:
    return "difference" if refuter in {"subset", "time"} else "estimate"


def _make_sensitivity_cell(row: EffectRow, line: RefutationRow) -> Cell:
    """What would be left; an effect that is not told from zero has nothing to lose."""
    if line.refuted is None or row.estimate is None:
        return Cell(PASSED, f"passed: {line.reason}" if line.reason else "passed")
    if row.ci_low is not None and row.ci_high is not None and row.ci_low <= 0 <= row.ci_high:
        return Cell(NOT_APPLICABLE, "not applicable: the interval holds zero already")
    if line.refuted * row.estimate <= 0:
        return Cell(FRAGILE, f"{FRAGILE.word}: {line.reason}", small="0 left")
    left = format_number(line.refuted, decimals=effect_decimals(row), is_signed=True)
    return Cell(PASSED, f"passed: {line.reason}", small=f"{left} left")


def _list_findings(
    pairs: Iterable[tuple[EffectRow, RefutationRow]], report: NightReport
) -> Iterable[tuple[str, str]]:
    """What did not pass, failures first."""
    bad = [(row, line) for row, line in pairs if line.result in {"failed", "weak"}]
    for row, line in sorted(bad, key=lambda pair: pair[1].result != "failed"):
        name = REFUTERS.get(line.refuter, (line.refuter, ""))[0].lower()
        reason = line.reason or line.note or "no reason was recorded"
        yield row.attribute, f"{name} {line.result}: {reason}"


def _list_sensitivity(
    pairs: Iterable[tuple[EffectRow, RefutationRow]],
) -> Iterable[tuple[str, str]]:
    for row, line in pairs:
        if line.refuter == "sensitivity" and line.result == "passed" and line.reason:
            yield row.attribute, line.reason


def _list_skipped(pairs: Iterable[tuple[EffectRow, RefutationRow]]) -> Iterable[str]:
    """Why a refuter did not apply, once for all effects that share the reason."""
    counts: dict[tuple[str, str], int] = {}
    for _, line in pairs:
        if line.result == "not applicable":
            key = (line.refuter, line.note or line.reason or "no reason was recorded")
            counts[key] = counts.get(key, 0) + 1
    for (refuter, why), count in list(counts.items())[:MAX_FINDINGS]:
        name = REFUTERS.get(refuter, (refuter, ""))[0]
        yield f"{name} not applied to {format_plural(count, 'effect')}: {why}"


def find_refuted(group: EffectGroup, report: NightReport) -> list[tuple[str, tuple[str, ...]]]:
    """Headline effects that are not credible, by name, with the refuters that they failed."""
    lines = list_refutations(group, report.refutations)
    return [
        (
            name_attribute(row.attribute, report.labels),
            tuple(
                dict.fromkeys(
                    REFUTERS.get(line.refuter, (line.refuter, ""))[0].lower()
                    for line in lines.get(row.attribute, [])
                    if line.result == "failed"
                )
            ),
        )
        for row in group.rows
        if row.verdict == "not credible"
    ]
