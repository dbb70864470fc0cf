"""At most three things to do this morning, the most urgent first, each of another kind."""

from collections.abc import Callable, Sequence
from typing import Final

from tasks.report.changes import EffectChange
from tasks.report.effects import EffectGroup, is_told
from tasks.report.model import EffectRow, NightReport
from tasks.report.problems import Item, find_problems, name_check
from tasks.report.words import (
    capitalise,
    effect_decimals,
    end_sentence,
    format_date,
    format_estimate,
    format_number,
    name_attribute,
    name_units,
    tell_plural,
)

MAX_TODO: Final = 3
_ACCOUNTS: Final = "account"


def list_todo(
    report: NightReport,
    changes: Sequence[EffectChange],
    levers: Sequence[tuple[EffectRow, Item]],
    groups: Sequence[EffectGroup],
    *,
    is_failed: bool,
) -> tuple[Item, ...]:
    """What to do, not what to know: `levers` are the credible effects that move ratings most.

    Of several of one kind the first is told, with how many more there are. On a failed night only
    the failure is to be dealt with.
    """
    acted_on = {(group.source, group.window, group.outcome) for group in groups}
    main = [c for c in changes if (c.source, c.window, c.outcome) in acted_on]
    kinds = [
        _ask_about_rows(report),
        _ask_about_tasks(report),
        _ask_about_gate(report),
        _ask_about_missing(report),
        *([] if is_failed else [
            _tell_changed(_stop, [c for c in main if _has_fallen(c)], report),
            _tell_changed(_start, [c for c in main if _has_risen(c)], report),
            _tell_changed(_look, [c for c in main if _has_moved(c)], report),
        ]),
        _ask_about_warnings(report),
        [] if is_failed else [_work(row, item, report) for row, item in levers],
        _judge_accounts(report),
    ]  # fmt: skip
    return tuple(_tell_first(items) for items in kinds if items)[:MAX_TODO]


def _tell_first(items: Sequence[Item]) -> Item:
    first, rest = items[0], len(items) - 1
    if not rest:
        return first
    more = f"And {tell_plural(rest, 'more of the kind', 'more of the kind')}."
    return Item(first.subject, f"{first.text} {more}".strip(), first.anchor)


def _tell_changed(
    tell: Callable[[EffectChange, NightReport], Item],
    changes: Sequence[EffectChange],
    report: NightReport,
) -> list[Item]:
    """The first change in words, and the others only counted: there may be thousands."""
    return [tell(changes[0], report)] * len(changes) if changes else []


def _has_fallen(change: EffectChange) -> bool:
    return change.verdict_before == "credible" and change.kind == "verdict changed"


def _has_risen(change: EffectChange) -> bool:
    is_risen = change.verdict_now == "credible" and change.kind == "verdict changed"
    return is_risen and change.now is not None and is_told(change.now)


def _has_moved(change: EffectChange) -> bool:
    return change.word in {"likely real", "revised"} and change.kind == "moved"


def name_effect(change: EffectChange, report: NightReport) -> str:
    """The attribute, with its source where there are several."""
    name = name_attribute(change.attribute, report.labels)
    sources = {row.source for row in report.effects}
    return f"{name} in {change.source}" if len(sources) > 1 else name


def phrase_move(change: EffectChange, report: NightReport) -> str:
    """From +1.04 to +1.30 stars, in as many decimals as tell the change."""
    before, now = (
        format_number(row.estimate if row else None, decimals=change.places, is_signed=True)
        for row in (change.before, change.now)
    )
    value = change.now.estimate if change.now and change.now.estimate is not None else 2.0
    return f"from {before} to {now}{name_units(change.outcome, report.units, value=value)}"


def _stop(change: EffectChange, report: NightReport) -> Item:
    name = name_effect(change, report)
    verdict = change.verdict_now or "no result"
    text = f"It was credible and is {verdict} now. {change.cause}".strip()
    return Item(f"Do not act on {name} for now", text, "changes")


def _start(change: EffectChange, report: NightReport) -> Item:
    row = change.now
    shown = (
        format_estimate(row.estimate, row.ci_low, row.ci_high, decimals=effect_decimals(row))
        if row
        else ""
    )
    text = f"It is credible now, was {change.verdict_before}: {shown}. {change.cause}".strip()
    return Item(f"You can act on {name_effect(change, report)}", text, "changes")


def _look(change: EffectChange, report: NightReport) -> Item:
    why = (
        "new reviews moved it further than chance does"
        if change.word == "likely real"
        else "corrected data, or other controls, settings or code changed the earlier figure"
    )
    text = capitalise(end_sentence(f"{phrase_move(change, report)}; {why}"))
    return Item(f"Find out what changed with {name_effect(change, report)}", text, "changes")


def _work(row: EffectRow, item: Item, report: NightReport) -> Item:
    is_expected = (
        (row.estimate or 0.0) > 0 if row.contrast != "negative" else (row.estimate or 0) < 0
    )
    verb = "Work on" if is_expected else "Look into"
    name = name_attribute(row.attribute, report.labels)
    source = f" in {row.source}" if len({r.source for r in report.effects}) > 1 else ""
    return Item(f"{verb} {name}{source}", f"{end_sentence(item.subject)} {item.text}", item.anchor)


def _ask_about_rows(report: NightReport) -> list[Item]:
    return [
        Item(f"Find the rows of {item.subject}", item.text, item.anchor)
        for item in find_problems(report, kinds=("lost",))
    ]


def _ask_about_tasks(report: NightReport) -> list[Item]:
    return [
        Item(f"Have the run looked into: {item.subject}", item.text, item.anchor)
        for item in find_problems(report, kinds=("tasks",))
    ]


def _ask_about_gate(report: NightReport) -> list[Item]:
    failed = [check for check in report.checks if check.is_critical_failure]
    items = list(find_problems(report, kinds=("critical",)))
    asked = [
        Item(f"Ask {check.source or 'the source'} about {check.table or 'its drop'}",
             f"{end_sentence(name_check(check))} {item.text}", item.anchor)
        for check, item in zip(failed, items, strict=True)
    ]  # fmt: skip
    stopped = [] if asked else list(find_problems(report, kinds=("stopped",)))
    return asked + [Item(f"Ask about the drop {i.subject}", i.text, i.anchor) for i in stopped]


def _ask_about_missing(report: NightReport) -> list[Item]:
    day = format_date(report.as_of)
    return [
        Item(f"Ask {item.subject} for its drop of {day}", item.text, item.anchor)
        for item in find_problems(report, kinds=("missing",))
    ]


def _ask_about_warnings(report: NightReport) -> list[Item]:
    return [
        Item(f"Check {item.subject}", item.text, item.anchor)
        for item in find_problems(report, kinds=("stale", "warning", "drift"))
    ]


def _judge_accounts(report: NightReport) -> list[Item]:
    text = "They look fake; a person should judge before anything is taken out."
    return [
        Item(f"Have {tell_plural(count, _ACCOUNTS)} of {source} looked at", text, "attacks")
        for source, count in report.attacks.count_flagged().items()
    ]
