"""Second opinions: the same question put to other estimators."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from tasks.report.changes import are_overlapping
from tasks.report.effects import EffectGroup
from tasks.report.model import EffectRow, NightReport
from tasks.report.words import (
    effect_decimals,
    format_estimate,
    join_words,
    name_attribute,
    tell_count,
    tell_plural,
)

Agreement = Literal["agrees", "disagrees", "cannot be said"]
SIGNS: Final[Mapping[Agreement, str]] = {"agrees": "✓", "disagrees": "✗", "cannot be said": "–"}
ESTIMATORS: Final[Mapping[str, str]] = {
    "plr": "one effect for all, all else linear in the controls",
    "irm": "effects may differ from review to review; weights for how likely a mention was",
    "balance": "effects may differ from review to review; weights that make mentions alike",
    "forest": "a causal forest: effects may differ, and nothing need be linear",
    "corrected": "as plr, in the days that have labelled reviews, and corrected by these for misreading",
}
"""What each estimator assumes, in a few words."""


@dataclass(frozen=True)
class Opinion:
    """The main estimate of one effect, None where it has none, and what others say of it."""

    main: EffectRow | None
    others: tuple[tuple[EffectRow, Agreement], ...]

    @property
    def first(self) -> EffectRow:
        """Any row of the question."""
        return self.main or self.others[0][0]

    @property
    def estimates(self) -> tuple[EffectRow, ...]:
        """Every estimate of the question, the main one first."""
        others = tuple(row for row, _ in self.others)
        return (self.main, *others) if self.main else others

    @property
    def is_disputed(self) -> bool:
        """Another estimator excludes the main estimate."""
        return any(agreement == "disagrees" for _, agreement in self.others)


@dataclass(frozen=True)
class OpinionsView:
    """Second opinions of one source, disputed effects first."""

    sentence: str
    estimators: tuple[tuple[str, str], ...]
    opinions: tuple[Opinion, ...]


def view_opinions(groups: Sequence[EffectGroup], report: NightReport) -> OpinionsView | None:
    """Estimates by other estimators in all windows of one source, None where there are none."""
    opinions = [opinion for group in groups for opinion in find_opinions(group)]
    if not opinions:
        return None
    names = dict.fromkeys(row.estimator for one in opinions for row, _ in one.others)
    mains = dict.fromkeys(one.main.estimator for one in opinions if one.main)
    return OpinionsView(
        sentence=_tell_opinions(opinions, report),
        estimators=tuple((name, ESTIMATORS.get(name, "")) for name in (*mains, *names)),
        opinions=tuple(sorted(opinions, key=lambda one: not one.is_disputed)),
    )


def find_opinions(group: EffectGroup) -> list[Opinion]:
    """Questions of one window that more than the main estimator answered."""
    estimator = group.first.estimator
    asked: dict[tuple[str, str], list[EffectRow]] = {}
    mains: dict[tuple[str, str], EffectRow] = {}
    for row in (*group.rows, *group.others):
        key = (row.attribute, row.contrast)
        if row.estimator == estimator:
            mains[key] = row
        else:
            asked.setdefault(key, []).append(row)
    return [
        Opinion(mains.get(key), tuple((row, judge_opinion(mains.get(key), row)) for row in rows))
        for key, rows in asked.items()
    ]


def judge_opinion(main: EffectRow | None, other: EffectRow) -> Agreement:
    """Disagreement as the night's verdict has it, or where the two intervals have no point in common."""
    said = main.reasons if main else ()
    if any(reason.startswith(f"{other.estimator} disagrees") for reason in said):
        return "disagrees"
    overlap = are_overlapping(main, other)
    if overlap is None:
        return "cannot be said"
    return "agrees" if overlap else "disagrees"


def is_opinion(row: EffectRow, group: EffectGroup) -> bool:
    """Whether the row is another estimator's, shown among second opinions."""
    return row.estimator != group.first.estimator


def _tell_opinions(opinions: Sequence[Opinion], report: NightReport) -> str:
    judged = [one for one in opinions if any(word != "cannot be said" for _, word in one.others)]
    disputed = [one for one in judged if one.is_disputed]
    if not judged:
        return "Other estimators gave no result to compare."
    if not disputed:
        if len(judged) == 1:
            return "The one estimate that was made again by another estimator agrees."
        return f"All {tell_plural(len(judged), 'estimate')} made again by other estimators agree."
    said = join_words(_phrase_dispute(one, report) for one in disputed[:5])
    return (
        f"Other estimators disagree on {tell_count(len(disputed))} of "
        f"{tell_plural(len(judged), 'estimate')}: {said}{'; more below' if disputed[5:] else ''}."
    )


def _phrase_dispute(opinion: Opinion, report: NightReport) -> str:
    """Price, plr +0.47 (+0.44 to +0.50) but irm +0.10 (+0.05 to +0.15)."""
    name = name_attribute(opinion.first.attribute, report.labels)
    others = [row for row, word in opinion.others if word == "disagrees"]
    main = f"{_phrase_row(opinion.main)} but " if opinion.main else ""
    return f"{name}, {main}{join_words(map(_phrase_row, others))}"


def _phrase_row(row: EffectRow) -> str:
    number = format_estimate(row.estimate, row.ci_low, row.ci_high, decimals=effect_decimals(row))
    return f"{row.estimator} {number}"
