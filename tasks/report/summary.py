"""The night in words: one verdict, one paragraph, what to act on and what to look at."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from tasks.report.changes import EffectChange, count_changes, count_words
from tasks.report.credibility import find_refuted
from tasks.report.effects import EffectGroup, group_effects, headline_groups, is_told
from tasks.report.model import CheckRow, Contrast, EffectRow, NightReport
from tasks.report.nights import DATA_WORDS
from tasks.report.problems import Item, find_problems, list_failed, name_refused
from tasks.report.todo import list_todo, name_effect, phrase_move
from tasks.report.words import (
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
    format_share,
    join_words,
    name_attribute,
    name_units,
    name_window_short,
    tell_count,
    tell_plural,
)

NightVerdict = Literal["good", "care", "held", "failed", "empty"]
MAX_FINDINGS: Final = 3
MAX_PROBLEMS: Final = 8

_HEADLINES: Final[dict[NightVerdict, str]] = {
    "good": "Good to use",
    "care": "Use with care",
    "held": "Held at the gate",
    "failed": "Do not rely on this night",
    "empty": "Nothing arrived",
}
_SUBJECTS: Final[dict[Contrast, str]] = {
    "negative": "complaints about",
    "positive": "praise of",
    "negative_to_positive": "going from complaint to praise of",
}
_PREPOSITIONS: Final[dict[Contrast, str]] = {
    "negative": "about",
    "positive": "of",
    "negative_to_positive": "of",
}
_CONTRAST_RANK: Final[dict[Contrast, int]] = {
    "negative": 0,  # a complaint is what a maker can remove
    "positive": 1,
    "negative_to_positive": 2,
}


@dataclass(frozen=True)
class Totals:
    """Row accounting over all drops, in rows; `unaccounted` sums absolute differences."""

    drops: int
    drops_published: int
    drops_unchanged: int
    drops_withdrawn: int
    drops_stopped: int
    read: int
    published: int
    quarantined: int
    duplicate: int
    held_back: int
    unaccounted: int


@dataclass(frozen=True)
class NightSummary:
    """What a reader with one minute gets.

    `topline` says in one or two sentences what changed; `todo` are at most three things to do.
    `data` says whether the data was fit to conclude anything. `verdicts` counts the headline effects
    by verdict, `words` their changes by word, `n_flipped` those whose verdict changed.
    """

    verdict: NightVerdict
    data: str
    headline: str
    topline: str
    todo: tuple[Item, ...]
    lede: tuple[str, ...]
    findings: tuple[Item, ...]
    problems: tuple[Item, ...]
    n_more_problems: int
    totals: Totals
    n_credible: int
    n_effects: int
    verdicts: dict[str, int]
    words: dict[str, int]
    n_flipped: int

    @property
    def n_judged(self) -> int:
        """Headline effects that have a result."""
        return self.n_effects - self.verdicts["no result"]


def summarise_night(report: NightReport, changes: Sequence[EffectChange]) -> NightSummary:
    """Verdict, paragraph and lists of one night; `changes` are those since the previous one."""
    totals = count_rows(report)
    groups = headline_groups(group_effects(report.effects))
    problems = list(find_problems(report))
    verdict = judge_night(report, n_problems=len(problems))
    is_failed = verdict == "failed"
    levers = [] if is_failed else list(find_levers(report, groups))
    verdicts = [row.verdict for group in groups for row in group.rows]
    return NightSummary(
        verdict=verdict,
        data=DATA_WORDS[verdict],
        headline=_write_headline(verdict, totals, groups, n_problems=len(problems)),
        topline=_write_topline(report, changes),
        todo=list_todo(report, changes, levers, groups, is_failed=is_failed),
        lede=tuple(_write_lede(report, totals, groups)),
        findings=tuple(item for _, item in levers),
        problems=tuple(problems[:MAX_PROBLEMS]),
        n_more_problems=max(len(problems) - MAX_PROBLEMS, 0),
        totals=totals,
        n_credible=verdicts.count("credible"),
        n_effects=len(verdicts),
        verdicts={word: verdicts.count(word) for word in VERDICT_MEANINGS},
        words=count_words(changes),
        n_flipped=count_changes(changes, "verdict changed"),
    )


def _write_headline(
    verdict: NightVerdict, totals: Totals, groups: Sequence[EffectGroup], *, n_problems: int
) -> str:
    """The verdict, and the one fact that goes with it."""
    words = _HEADLINES[verdict]
    credible, judged, unjudged = _count_effects(groups)
    if verdict == "held" and totals.drops_published:
        words = f"Partly {words[0].lower()}{words[1:]}"
    if verdict == "good" and judged:
        more = f", {unjudged:,} more without a result" if unjudged else ""
        return f"{words}: {credible:,} of {format_plural(judged, 'effect')} credible{more}"
    if verdict == "good" and unjudged:
        return f"{words}: no effect has a result yet"
    if verdict == "failed" and totals.unaccounted:
        return f"{words}: {format_plural(totals.unaccounted, 'row')} cannot be explained"
    if verdict in {"care", "failed", "held"} and n_problems:
        return f"{words}: {format_plural(n_problems, 'thing')} to look at"
    return words


def _count_effects(groups: Sequence[EffectGroup]) -> tuple[int, int, int]:
    """Headline effects that are credible, that could be judged, and that could not."""
    unjudged = sum(group.n_unjudged for group in groups)
    judged = sum(len(group.rows) for group in groups) - unjudged
    return sum(group.n_credible for group in groups), judged, unjudged


def count_rows(report: NightReport) -> Totals:
    """Row accounting summed over all drops."""
    drops = report.drops
    return Totals(
        drops=len(drops),
        drops_published=sum(drop.status == "published" for drop in drops),
        drops_unchanged=sum(drop.status == "unchanged" for drop in drops),
        drops_withdrawn=sum(drop.status == "withdrawn" for drop in drops),
        drops_stopped=sum(drop.is_stopped for drop in drops),
        read=sum(drop.rows_read for drop in drops),
        published=sum(drop.published for drop in drops),
        quarantined=sum(drop.rows_quarantined for drop in drops),
        duplicate=sum(drop.rows_duplicate for drop in drops),
        held_back=sum(drop.held_back for drop in drops),
        unaccounted=sum(abs(drop.unaccounted) for drop in drops),
    )


def judge_night(report: NightReport, *, n_problems: int) -> NightVerdict:
    """The worst thing that happened decides: lost rows or failures, the gate, then warnings."""
    has_failed = any(drop.status == "failed" for drop in report.drops) or list_failed(report)
    is_held = any(drop.status == "stopped by gate" for drop in report.drops) or any(
        check.is_critical_failure for check in report.checks
    )
    if has_failed or any(drop.unaccounted for drop in report.drops):
        return "failed"
    if not (report.drops or report.effects or report.checks):
        return "empty"
    if is_held:
        return "held"
    return "care" if n_problems else "good"


def _write_lede(
    report: NightReport,
    totals: Totals,
    groups: Sequence[EffectGroup],
) -> Iterable[str]:
    yield from _tell_drops(report, totals)
    yield from _tell_checks(report.checks)
    yield from _tell_effects(report, groups)
    yield from _tell_run(report)


def _tell_drops(report: NightReport, totals: Totals) -> Iterable[str]:
    if not totals.drops:
        yield "No drop arrived" + _tell_imports(report) + "."
        return
    if totals.unaccounted:
        yield (
            f"The row accounting does not close: {format_plural(totals.unaccounted, 'row')} "
            "cannot be explained."
        )
    days = {drop.day for drop in report.drops if drop.day}
    silent = f"; none is of {format_date(report.as_of)}" if report.as_of not in days else ""
    yield f"{_count_drops(totals)}{_name_days(report)}{silent}."
    yield from _tell_redelivered(report)
    yield (
        f"Of {format_plural(totals.read, 'row')} read, {format_count(totals.published)} were "
        f"published, {format_count(totals.quarantined)} quarantined and "
        f"{format_count(totals.duplicate)} left out as duplicates"
        + (f"; {format_count(totals.held_back)} are held back." if totals.held_back else ".")
    )


def _tell_imports(report: NightReport) -> str:
    """Where what is concluded comes from, when nothing is delivered by date."""
    rows = sum(row.rows_published for row in report.imports)
    if not rows:
        return ""
    count = f"{format_plural(rows, 'row')} of {tell_plural(len(report.imports), 'import')} by hand"
    if any(row.last_date and row.last_date > report.as_of for row in report.imports):
        return f"; of {count} those up to {format_date(report.as_of)} are read"
    return f"; {count} {'is' if rows == 1 else 'are'} read"


def _tell_redelivered(report: NightReport) -> Iterable[str]:
    """A newer delivery of one of them is held at the gate."""
    refused = name_refused(report)
    drops = [drop for drop in report.drops if not drop.is_stopped]
    count = sum(drop.label in refused for drop in drops)
    if count:
        yield (
            f"A newer delivery of {tell_count(count)} of them is held at the gate; what was "
            "published before stays."
        )


def _name_days(report: NightReport) -> str:
    """From the first to the last day of the drops that are shown; nothing for one day or none."""
    days = sorted({drop.day for drop in report.drops if drop.day})
    return f" ({format_date(days[0])} to {format_date(days[-1])})" if len(days) > 1 else ""


def _count_drops(totals: Totals) -> str:
    if totals.drops_published == totals.drops:
        if totals.drops == 1:
            return "The one drop was published"
        return f"All {tell_plural(totals.drops, 'drop')} were published"
    parts = [
        f"{tell_count(count)} {'was' if count == 1 else 'were'} {what}"
        for count, what in (
            (totals.drops_published, "published"),
            (totals.drops_unchanged, "unchanged"),
            (totals.drops_withdrawn, "withdrawn"),
            (totals.drops_stopped, "stopped"),
        )
        if count
    ]
    return f"Of {tell_plural(totals.drops, 'drop')}, {join_words(parts)}"


def _tell_checks(checks: Sequence[CheckRow]) -> Iterable[str]:
    if not checks:
        return
    critical = sum(check.is_critical_failure for check in checks)
    warnings = sum(check.is_warning for check in checks)
    passed = sum(check.is_passed for check in checks)
    if critical:
        yield capitalise(
            f"{tell_plural(critical, 'critical check')} failed, so the gate kept back what it "
            "guards; effects rest on what was published before."
        )
    if warnings:
        yield capitalise(f"{tell_plural(warnings, 'check')} gave a warning.")
    if passed and not critical and not warnings:
        all_checks = f"All {tell_plural(passed, 'check')}" if passed > 1 else "The one check"
        yield f"{all_checks} passed."


def _tell_effects(report: NightReport, groups: Sequence[EffectGroup]) -> Iterable[str]:
    credible, judged, unjudged = _count_effects(groups)
    if not judged:
        why = ", for the reasons that stand with them" if unjudged else ""
        yield f"No effects were estimated{why}."
        return
    verb = "is" if credible == 1 else "are"
    more = (
        f"; {tell_count(unjudged)} more {'has' if unjudged == 1 else 'have'} no result"
        if unjudged
        else ""
    )
    yield (
        f"{capitalise(tell_count(credible))} of {tell_plural(judged, 'effect')} {verb} "
        f"credible{more}."
    )
    findings = _pick_findings(groups)
    if findings:
        yield end_sentence(_phrase_effects(findings, report, with_source=_has_sources(groups)))
    yield from _tell_refuted(report, groups)


def _tell_refuted(report: NightReport, groups: Sequence[EffectGroup]) -> Iterable[str]:
    """One effect did not stand up to its checks: size and fit (placebo)."""
    refuted = [found for group in groups for found in find_refuted(group, report)]
    if not refuted:
        return
    named = [
        f"{name} ({join_words(failed)})" if failed else name
        for name, failed in refuted[:MAX_FINDINGS]
    ]
    rest = len(refuted) - len(named)
    more = [f"{tell_count(rest)} more"] if rest else []
    whose = "its" if len(refuted) == 1 else "their"
    yield capitalise(
        f"{tell_plural(len(refuted), 'effect')} did not stand up to {whose} checks: "
        f"{join_words([*named, *more])}."
    )


def _write_topline(report: NightReport, changes: Sequence[EffectChange]) -> str:
    """Since 13 March 2024: one verdict changed (shipping: credible to weak), one effect likely moved."""
    if report.previous_as_of is None:
        return "This is the first night: there is nothing to compare it with."
    since = f"Since {format_date(report.previous_as_of)}"
    if not changes:
        return f"{since}: neither night has an effect to compare."
    flipped = [change for change in changes if change.kind == "verdict changed"]
    moved = [change for change in changes if change.word == "likely real"]
    revised = [change for change in changes if change.word == "revised"]
    gone = [change for change in changes if change.kind == "gone"]
    new = [change for change in changes if change.kind == "new"]
    told = (
        (flipped, _phrase_flip, "verdict", "changed"),
        (moved, _phrase_shift, "effect", "likely moved for real"),
        (revised, _phrase_shift, "figure", "was revised" if len(revised) == 1 else "were revised"),
        (gone, _phrase_name, "effect", "is gone" if len(gone) == 1 else "are gone"),
        (new, _phrase_name, "effect", "is new" if len(new) == 1 else "are new"),
    )
    parts = [
        f"{tell_plural(len(listed), noun)} {verb} ({_list_first(listed, phrase, report)})"
        for listed, phrase, noun, verb in told
        if listed
    ]
    if not parts:
        unsure = sum(change.word == "cannot be said" for change in changes)
        whole = f"{since}, nothing moved beyond chance and no verdict changed"
        return (
            f"{whole}; of {tell_plural(unsure, 'change')} it cannot be said."
            if unsure
            else f"{whole}."
        )
    return f"{since}, {join_words(parts)}."


def _name_span(change: EffectChange) -> str:
    return "" if change.window == "all" else f" ({name_window_short(change.window)})"


def _phrase_name(change: EffectChange, report: NightReport) -> str:
    return f"{name_effect(change, report)}{_name_span(change)}"


def _phrase_flip(change: EffectChange, report: NightReport) -> str:
    name = _phrase_name(change, report)
    return f"{name}: {change.verdict_before} to {change.verdict_now}"


def _phrase_shift(change: EffectChange, report: NightReport) -> str:
    return f"{_phrase_name(change, report)} {phrase_move(change, report)}"


def _list_first(
    changes: Sequence[EffectChange],
    phrase: Callable[[EffectChange, NightReport], str],
    report: NightReport,
) -> str:
    rest = len(changes) - MAX_FINDINGS
    first = [phrase(change, report) for change in changes[:MAX_FINDINGS]]
    return "; ".join([*first, *([f"{tell_count(rest)} more"] if rest > 0 else [])])


def _tell_run(report: NightReport) -> Iterable[str]:
    if not report.tasks:
        return
    if all(task.state == "cached" for task in report.tasks):
        yield "Nothing had to be computed again: every task came from the cache."
    elif failed := list_failed(report):
        yield capitalise(f"{tell_plural(len(failed), 'task')} failed.")


def _pick_findings(groups: Iterable[EffectGroup]) -> list[EffectRow]:
    """The credible effects that move the average outcome most, at most one per attribute.

    One whose interval holds zero moves nothing that is known.
    """
    best: dict[tuple[str, str], EffectRow] = {}
    for group in groups:
        estimator = group.first.estimator
        for row in (*group.rows, *group.others):
            if row.verdict != "credible" or row.estimator != estimator or not is_told(row):
                continue
            key = (row.source, row.attribute)
            if key not in best or _CONTRAST_RANK[row.contrast] < _CONTRAST_RANK[best[key].contrast]:
                best[key] = row
    return sorted(best.values(), key=_rank_finding)[:MAX_FINDINGS]


def _rank_finding(row: EffectRow) -> tuple[float, str, str]:
    """By effect times reach: what it moves the average outcome by."""
    size = abs(row.estimate or 0.0) * _count_reach(row) / max(row.n, 1)
    return (-size, row.source, row.attribute)


def _count_reach(row: EffectRow) -> int:
    """Reviews in which the contrast could be moved; complaints, of complaint to praise."""
    return row.n_positive if row.contrast == "positive" else row.n_negative


def _phrase_effect(row: EffectRow, report: NightReport, *, with_source: bool) -> str:
    """Complaints about durability cost 0.93 stars."""
    verb = "cost" if (row.estimate or 0.0) < 0 else "add"
    if row.contrast != "negative":  # praise costs, complaints cost
        verb += "s"
    name = name_attribute(row.attribute, report.labels)
    source = f" in {row.source}" if with_source else ""
    return f"{_SUBJECTS[row.contrast]} {name}{source} {verb} {_phrase_amount(row, report)}"


def _phrase_amount(row: EffectRow, report: NightReport) -> str:
    """0.93 stars."""
    value = abs(row.estimate or 0.0)
    units = name_units(row.outcome, report.units, value=value) or f" of {row.outcome}"
    return f"{format_number(value, decimals=effect_decimals(row))}{units}"


def _phrase_effects(rows: Sequence[EffectRow], report: NightReport, *, with_source: bool) -> str:
    """Complaints about durability cost 0.93 stars and about size 0.41 stars."""
    phrases: list[str] = []
    before: tuple[object, ...] | None = None
    for row in rows:
        kind = (row.contrast, (row.estimate or 0.0) < 0, row.source, row.outcome)
        phrase = _phrase_effect(row, report, with_source=with_source)
        if kind == before:  # the same subject and verb: not said twice
            name = name_attribute(row.attribute, report.labels)
            phrase = f"{_PREPOSITIONS[row.contrast]} {name} {_phrase_amount(row, report)}"
        before = kind
        phrases.append(phrase)
    return join_words(phrases)


def find_levers(
    report: NightReport, groups: Sequence[EffectGroup]
) -> Iterable[tuple[EffectRow, Item]]:
    """What a product manager can act on: size, interval, reach and the naive figure."""
    for row in _pick_findings(groups):
        decimals = effect_decimals(row)
        interval = format_interval(row.ci_low, row.ci_high, decimals=decimals)
        reach = _count_reach(row)
        subject = capitalise(_phrase_effect(row, report, with_source=_has_sources(groups)))
        level = f"{format_level(report.confidence)} interval {interval}. " if interval else ""
        done = "praise" if row.contrast == "positive" else "complain"
        text = (
            f"{level}{format_count(reach)} of {format_plural(row.n, 'review')} "
            f"({format_share(reach, row.n)}) {done}."
        )
        if row.naive is not None:
            naive = format_number(row.naive, decimals=decimals, is_signed=True)
            text += f" A plain comparison of averages would have said {naive}."
        yield row, Item(subject, text, "effects")


def _has_sources(groups: Iterable[EffectGroup]) -> bool:
    """There is more than one source, so that each has to be named."""
    return len({group.source for group in groups}) > 1
