"""What changed beside the effects: data against the usual, attacks, recommenders."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from tasks.report.attack_rows import AttackRow
from tasks.report.change_rows import MIN_DAILY, MIN_USUAL, PastQuality, UsualRow
from tasks.report.model import DropRow, NightReport
from tasks.report.recommender_rows import QualityRow
from tasks.report.words import (
    close_sentence,
    format_count,
    format_number,
    format_share,
    join_words,
    name_attribute,
    tell_plural,
)

MAX_NAMED = 5


@dataclass(frozen=True)
class DataChange:
    """One table of one source on this night, against its last drops.

    `rows` were published, None when no drop arrived; `word` compares them with `usual`, `refused`
    is the share quarantined in words, `columns` what changed in the columns.
    """

    source: str
    table: str
    rows: int | None
    usual: str
    word: str
    is_unusual: bool
    refused: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class RecommenderChange:
    """The recommender of one source on both nights; None where a night had none."""

    source: str
    before: PastQuality | None
    now: QualityRow | None


def compare_data(report: NightReport) -> tuple[DataChange, ...]:
    """Every table that came this night or used to come, what is unusual first."""
    tonight: dict[tuple[str, str], list[DropRow]] = {}
    for drop in report.drops:
        if drop.drop_id == report.as_of.isoformat() and drop.status != "withdrawn":
            tonight.setdefault((drop.source, drop.table), []).append(drop)
    usual = {(row.source, row.table): row for row in report.usual}
    keys = dict.fromkeys((*tonight, *(usual if tonight or report.usual else ())))
    changes = [
        _compare_table(key, tonight.get(key, []), usual.get(key), as_of=report.as_of)
        for key in keys
    ]
    return tuple(
        sorted(
            changes, key=lambda row: (not row.is_unusual, not row.columns, row.source, row.table)
        )
    )


def _compare_table(
    key: tuple[str, str], drops: list[DropRow], usual: UsualRow | None, *, as_of: date
) -> DataChange:
    source, table = key
    rows = sum(drop.published for drop in drops) if drops else None
    word, is_unusual = _judge_silence(usual, as_of) if rows is None else _judge_rows(rows, usual)
    refused = sum(drop.rows_quarantined for drop in drops)
    read = sum(drop.rows_read for drop in drops)
    return DataChange(
        source=source,
        table=table,
        rows=rows,
        usual=_tell_usual(usual),
        word=word,
        is_unusual=is_unusual,
        refused=_tell_refused(refused, read, usual) if drops else "",
        columns=tuple(note for drop in drops for note in drop.drift),
    )


def _judge_silence(usual: UsualRow | None, as_of: date) -> tuple[str, bool]:
    """What to think of a table that did not come: it is held against the days while it did."""
    if usual is None or usual.is_daily:
        return "did not arrive", True
    if usual.is_overdue(as_of) and usual.newest is not None:
        days = tell_plural((as_of - usual.newest).days, "day")
        return f"did not arrive for {days}; before, one came within {usual.longest_gap:,}", True
    if usual.n_drops < MIN_DAILY:
        return "no drop, and too few earlier ones to say", False
    return f"no drop, as on other days ({usual.n_drops:,} in {usual.n_days:,})", False


def _judge_rows(rows: int, usual: UsualRow | None) -> tuple[str, bool]:
    if usual is None or usual.n_drops < MIN_USUAL:
        return "too few earlier drops to say", False
    of = f"than in any of the last {usual.n_drops:,} drops"
    if rows < usual.rows_low:
        return f"fewer {of}", True
    if rows > usual.rows_high:
        return f"more {of}", True
    return "as usual", False


def _tell_usual(usual: UsualRow | None) -> str:
    if usual is None or usual.rows_median is None:
        return ""
    low, high = format_count(usual.rows_low), format_count(usual.rows_high)
    return f"{format_number(usual.rows_median, decimals=0)} ({low} to {high})"


def _tell_refused(refused: int, read: int, usual: UsualRow | None) -> str:
    now = f"{format_count(refused)} of {format_count(read)} ({format_share(refused, read)})"
    if usual is None or usual.refused_median is None:
        return now
    return f"{now}, usually {100 * usual.refused_median:.1f}%"


def compare_attacks(report: NightReport) -> tuple[str, ...]:
    """What this night's attacks add to those of the night before, a sentence a source."""
    if report.previous_as_of is None:
        return ()
    before = {_name_attack(row): row for row in report.previous_attacks}
    sources = dict.fromkeys(row.source for row in report.attacks.attacks)
    return tuple(
        _tell_attacks(
            source, [row for row in report.attacks.attacks if row.source == source], before, report
        )
        for source in sources
    )


def _name_attack(row: AttackRow) -> tuple[str, ...]:
    return (row.source, row.attack, row.target, row.subject, row.measure)


def _tell_attacks(
    source: str,
    rows: Iterable[AttackRow],
    before: dict[tuple[str, ...], AttackRow],
    report: NightReport,
) -> str:
    fresh = [row for row in rows if _name_attack(row) not in before and row.attempted]
    if not fresh:
        return f"{source}: no further attack was tried."
    flips = [row for row in fresh if row.is_verdict_flipped]
    tried = f"{source}: {tell_plural(len(fresh), 'further attack')} tried"
    if not flips:
        return f"{tried}; none changed a conclusion."
    named = [
        f"{row.attack} on {name_attribute(row.subject, report.labels)} "
        f"({_tell_turn(row)}, at "
        f"{format_number(100 * (row.share or 0), decimals=1)}% of fake reviews)"
        for row in flips[:MAX_NAMED]
    ]
    rest = len(flips) - len(named)
    more = [tell_plural(rest, "other")] if rest else []
    return close_sentence(f"{tried}; a conclusion is changed by {join_words([*named, *more])}")


def _tell_turn(row: AttackRow) -> str:
    """From which verdict to which; from which side to which where both are as credible."""
    if row.clean_verdict == row.attacked_verdict and None not in (row.clean, row.attacked):
        sides = [format_number(value, decimals=2) for value in (row.clean, row.attacked)]
        return f"{row.clean_verdict}, but {sides[0]} to {sides[1]}"
    return f"{row.clean_verdict} to {row.attacked_verdict}"


def compare_recommenders(report: NightReport) -> tuple[RecommenderChange, ...]:
    """The model in use of every source, beside that of the night before."""
    if report.previous_as_of is None:
        return ()
    before = {row.source: row for row in report.previous_recommenders}
    now = {
        row.source: next((model for model in row.quality if model.is_used), None)
        for row in report.recommenders
    }
    return tuple(
        RecommenderChange(source, before.get(source), now.get(source))
        for source in dict.fromkeys((*now, *before))
        if before.get(source) or now.get(source)
    )
