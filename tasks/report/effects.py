"""Effects arranged for reading: one group per question, the most useful rows first."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tasks.report.model import HEADLINE_CONTRAST, EffectRow, PositionRow, TruthRow, Verdict

MAIN_ESTIMATOR: Final = "plr"
_VERDICT_RANK: Final[Mapping[Verdict, int]] = {
    "credible": 0,
    "weak": 1,
    "not credible": 2,
    "no result": 3,
}


@dataclass(frozen=True)
class EffectGroup:
    """All estimates of one source, window and outcome.

    `rows` holds the headline contrast by the main estimator, credible and large first;
    `others` the further contrasts and estimators, in the same order.
    """

    source: str
    window: str
    outcome: str
    rows: tuple[EffectRow, ...]
    others: tuple[EffectRow, ...]

    @property
    def n_credible(self) -> int:
        """Headline rows that passed every check."""
        return sum(row.verdict == "credible" for row in self.rows)

    @property
    def n_unjudged(self) -> int:
        """Headline rows without a result, for whatever reason."""
        return sum(row.verdict == "no result" for row in self.rows)

    @property
    def first(self) -> EffectRow:
        """Any row: window dates and outcome are the same in all of them."""
        return self.rows[0]


def is_told(row: EffectRow | PositionRow) -> bool:
    """Whether there is a number whose interval does not hold zero: an effect, and not that none is known."""
    if row.estimate is None or row.verdict == "no result":
        return False
    return row.ci_low is None or row.ci_high is None or not row.ci_low <= 0 <= row.ci_high


def rank_effect(row: EffectRow) -> tuple[int, float, str, str, str]:
    """Sorting key: credible first, then by size, then by name."""
    size = abs(row.estimate) if row.estimate is not None else 0.0
    return (_VERDICT_RANK[row.verdict], -size, row.attribute, row.contrast, row.estimator)


def group_effects(rows: Iterable[EffectRow]) -> tuple[EffectGroup, ...]:
    """Groups in the order in which their sources appear, all history before shorter windows."""
    grouped: dict[tuple[str, str, str], list[EffectRow]] = {}
    for row in rows:
        grouped.setdefault((row.source, row.window, row.outcome), []).append(row)
    sources = list(dict.fromkeys(source for source, _, _ in grouped))
    keys = sorted(grouped, key=lambda key: (sources.index(key[0]), *_window_order(key[1]), key[2]))
    return tuple(_make_group(key, grouped[key]) for key in keys)


def _window_order(window: str) -> tuple[int, int, str]:
    days = window.removesuffix("d")
    return (window != "all", -int(days) if days.isdecimal() and len(days) < 9 else 0, window)


def _make_group(key: tuple[str, str, str], rows: Sequence[EffectRow]) -> EffectGroup:
    contrasts = {row.contrast for row in rows}
    estimators = {row.estimator for row in rows}
    contrast = HEADLINE_CONTRAST if HEADLINE_CONTRAST in contrasts else min(contrasts)
    estimator = MAIN_ESTIMATOR if MAIN_ESTIMATOR in estimators else min(estimators)
    ranked = sorted(rows, key=rank_effect)
    headline = tuple(r for r in ranked if (r.contrast, r.estimator) == (contrast, estimator))
    others = tuple(r for r in ranked if (r.contrast, r.estimator) != (contrast, estimator))
    return EffectGroup(*key, rows=headline or others, others=others if headline else ())


def headline_groups(groups: Iterable[EffectGroup]) -> tuple[EffectGroup, ...]:
    """The longest window of every source and outcome: what the headline counts."""
    longest: dict[tuple[str, str], EffectGroup] = {}
    for group in groups:
        longest.setdefault((group.source, group.outcome), group)
    return tuple(longest.values())


def find_truth(row: EffectRow, truth: Iterable[TruthRow]) -> float | None:
    """The effect a simulated world was built with, None where it is not known."""
    if row.outcome != "rating":
        return None
    wanted = (row.source, row.attribute, row.contrast)
    return next((t.value for t in truth if (t.source, t.attribute, t.contrast) == wanted), None)
