"""What changed since the previous night, and whether the change is real.

Two nights share nearly all of their reviews, so that overlapping intervals say nothing of the
difference. Where the night brings the change of an effect with an interval of its own
(`MovedRow`: both estimates from the same data, what they share cancels), that decides. Where it
does not, only intervals that have no point in common are called a move, and all else stays open.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from tasks.report.change_rows import MovedRow
from tasks.report.effects import group_effects
from tasks.report.model import EffectRow, NightReport, Verdict
from tasks.report.words import effect_decimals, end_sentence

ChangeKind = Literal["verdict changed", "moved", "new", "gone", "steady"]
KINDS: Final[tuple[ChangeKind, ...]] = ("verdict changed", "moved", "new", "gone", "steady")
ChangeWord = Literal[
    "likely real", "revised", "within noise", "cannot be said", "new", "gone", "no result"
]
CHANGE_MEANINGS: Final[Mapping[ChangeWord, str]] = {
    "likely real": "The reviews that came in or dropped out moved it further than chance does, "
    "counted over all changes of this night.",
    "revised": "The earlier figure itself is another today: data were corrected, or controls, "
    "settings or code changed.",
    "within noise": "New reviews move it as far by chance. Nothing to conclude.",
    "cannot be said": "The change has no interval of its own, and the two intervals overlap.",
    "new": "There was no such effect on the night before.",
    "gone": "There is no such effect any more.",
    "no result": "Neither night could estimate it.",
}
MAX_CAUSES: Final = 2
_FIGURES: Final = re.compile(r"[-+−]?\d[\d,.]*%?")
_ORDER: Final[tuple[Verdict, ...]] = ("credible", "weak", "not credible", "no result")


@dataclass(frozen=True)
class EffectChange:
    """One headline effect beside its value of the previous night, in units of the outcome.

    `difference` is now minus before, None unless both nights have an estimate. `moved` says how
    much of it the reviews gained and lost account for, with an interval; `revision` is the rest:
    what today's data, controls and code make of the earlier figure. `is_overlapping` says whether
    the two intervals share a point, None unless both exist. `cause` says why a verdict changed.
    """

    source: str
    window: str
    outcome: str
    attribute: str
    kind: ChangeKind
    word: ChangeWord
    before: EffectRow | None
    now: EffectRow | None
    moved: MovedRow | None
    difference: float | None
    revision: float | None
    is_overlapping: bool | None
    cause: str = ""

    @property
    def verdict_before(self) -> Verdict | None:
        """Verdict of the previous night, None when there was none."""
        return self.before.verdict if self.before else None

    @property
    def verdict_now(self) -> Verdict | None:
        """Verdict of this night, None when there is none."""
        return self.now.verdict if self.now else None

    @property
    def is_worse(self) -> bool:
        """The verdict fell."""
        return _rank_verdict(self.verdict_now) > _rank_verdict(self.verdict_before)

    @property
    def places(self) -> int:
        """Decimals of the change: two digits of the width of its interval, at least the effect's."""
        own = effect_decimals(self.now) if self.now else 2
        return max(own, effect_decimals(self.moved)) if self.moved else own

    @property
    def shown_revision(self) -> float | None:
        """The revision where it shows at the decimals of the change, None otherwise."""
        is_seen = self.revision is not None and abs(self.revision) >= 0.5 * 10**-self.places
        return self.revision if is_seen else None


def compare_before(report: NightReport) -> tuple[EffectChange, ...]:
    """Changes since the previous night, none where there was none."""
    if report.previous_as_of is None:
        return ()
    return compare_nights(
        report.previous_effects, report.effects, report.moved, confidence=report.confidence
    )


def compare_nights(
    previous: Iterable[EffectRow],
    current: Iterable[EffectRow],
    moved: Iterable[MovedRow] = (),
    *,
    confidence: float = 0.95,
) -> tuple[EffectChange, ...]:
    """Changes of every headline effect; changed verdicts first, then what is real.

    Among these all history comes before shorter windows, and large changes before small ones.
    """
    before, now = _headline_rows(previous), _headline_rows(current)
    paired: dict[tuple[str, ...], MovedRow] = {
        (row.source, row.window, row.outcome, row.attribute, row.contrast): row for row in moved
    }
    changes = [
        _compare(before.get(key), now.get(key), paired.get(key[:5]), confidence=confidence)
        for key in dict.fromkeys((*now, *before))
    ]
    return tuple(sorted(changes, key=_rank_change))


def count_changes(changes: Sequence[EffectChange], kind: ChangeKind) -> int:
    """How many changes are of this kind."""
    return sum(change.kind == kind for change in changes)


def count_words(changes: Iterable[EffectChange]) -> dict[str, int]:
    """How many changes go by each word, in the order of the legend."""
    listed = [change.word for change in changes]
    return {word: listed.count(word) for word in CHANGE_MEANINGS}


def _headline_rows(rows: Iterable[EffectRow]) -> dict[tuple[str, ...], EffectRow]:
    return {row.key: row for group in group_effects(rows) for row in group.rows}


def _rank_change(change: EffectChange) -> tuple[int, int, bool, float, str, str, str]:
    size = abs(change.difference or 0.0)
    words = list(CHANGE_MEANINGS)
    place = (change.source, change.window, change.attribute)
    is_shorter = change.window != "all"
    return (KINDS.index(change.kind), words.index(change.word), is_shorter, -size, *place)


def _rank_verdict(verdict: Verdict | None) -> int:
    return _ORDER.index(verdict or "no result")


def _compare(
    before: EffectRow | None, now: EffectRow | None, moved: MovedRow | None, *, confidence: float
) -> EffectChange:
    row = now or before
    if row is None:  # keys come from one of the two nights
        raise ValueError("an effect of neither night was compared; pass at least one row")
    difference = revision = None
    if now and before and now.is_estimated and before.is_estimated:
        difference = (now.estimate or 0.0) - (before.estimate or 0.0)
        if moved and moved.change is not None:
            revision = difference - moved.change
    if difference is None:
        moved = None
    overlap = are_overlapping(before, now)
    word = _choose_word(before, now, moved, revision, is_overlapping=overlap, level=confidence)
    return EffectChange(
        row.source, row.window, row.outcome, row.attribute,
        kind=_name_change(before, now, word), word=word, before=before, now=now, moved=moved,
        difference=difference, revision=revision, is_overlapping=overlap,
        cause=explain_flip(before, now) if before and now else "",
    )  # fmt: skip


def _choose_word(
    before: EffectRow | None,
    now: EffectRow | None,
    moved: MovedRow | None,
    revision: float | None,
    *,
    is_overlapping: bool | None,
    level: float,
) -> ChangeWord:
    known = [row for row in (before, now) if row is not None]
    if not any(row.is_estimated for row in known):
        return "no result"
    if before is None or (now and now.is_estimated and not before.is_estimated):
        return "new"
    if now is None or (before.is_estimated and not now.is_estimated):
        return "gone"
    if moved is None or moved.q_value is None:
        return "likely real" if is_overlapping is False else "cannot be said"
    if moved.q_value <= 1 - level:
        return "likely real"
    reach = ((moved.ci_high or 0.0) - (moved.ci_low or 0.0)) / 2
    visible = 0.5 * 10 ** -effect_decimals(now)
    return "revised" if abs(revision or 0.0) > max(reach, visible) else "within noise"


def _name_change(before: EffectRow | None, now: EffectRow | None, word: ChangeWord) -> ChangeKind:
    if before is None:
        return "new"
    if now is None:
        return "gone"
    if before.verdict != now.verdict:
        return "verdict changed"
    return "moved" if word in {"likely real", "revised"} else "steady"


def explain_flip(before: EffectRow, now: EffectRow) -> str:
    """Why a verdict changed: the reasons that are new where it fell, those gone where it rose.

    Empty where it did not change. Reasons that differ in their figures only count as the same.
    """
    if before.verdict == now.verdict:
        return ""
    is_worse = _rank_verdict(now.verdict) > _rank_verdict(before.verdict)
    mine, other = (now, before) if is_worse else (before, now)
    known = {_FIGURES.sub("#", reason) for reason in other.reasons}
    fresh = [reason for reason in mine.reasons if _FIGURES.sub("#", reason) not in known]
    said = "; ".join(reason.rstrip(".") for reason in (fresh or mine.reasons)[:MAX_CAUSES])
    if not said:
        return ""
    return end_sentence(f"because {said}") if is_worse else end_sentence(f"no longer: {said}")


def are_overlapping(before: EffectRow | None, now: EffectRow | None) -> bool | None:
    """Whether two intervals share a point; None unless both nights have one."""
    if before is None or now is None or not (before.is_estimated and now.is_estimated):
        return None
    bounds = (before.ci_low, before.ci_high, now.ci_low, now.ci_high)
    if any(bound is None for bound in bounds):
        return None
    low_1, high_1, low_2, high_2 = (bound or 0.0 for bound in bounds)
    return low_1 <= high_2 and low_2 <= high_1
