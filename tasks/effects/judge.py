"""The last word on each effect: its own data, its refutations, and all effects beside it.

False-discovery control runs over every estimand of the night, of all sources and windows together:
a find must stand among all that were looked for.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.effects.credibility import Finding, weigh_row
from tasks.effects.estimate import Row, add_q_values
from tasks.effects.refute import to_findings
from tasks.platform.numbers import tell_estimate, tell_signed

KEY = ("source", "window", "outcome", "attribute", "contrast")
MAIN = "plr"


def judge_effects(
    rows: Sequence[Row],
    refutations: Sequence[Mapping[str, Any]],
    *,
    opinions: Sequence[Row] = (),
    confidence: float = 0.95,
) -> list[Row]:
    """`rows` with q values over all of them, and verdicts that heed refutations and opinions.

    `opinions` are rows of other estimators; they are returned after the rows that they are about,
    and where their interval and the main one exclude each other both are said to disagree.
    """
    lines: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for line in refutations:
        lines.setdefault(_key(line), []).append(line)
    others: dict[tuple[Any, ...], list[Row]] = {}
    for opinion in opinions:
        others.setdefault(_key(opinion), []).append(opinion)
    judged: list[Row] = []
    for row in add_q_values(rows, confidence=confidence):
        beside = others.get(_key(row), [])
        findings = to_findings(lines.get(_key(row), []))
        findings += [found for other in beside for found in compare_opinions(row, other)]
        judged += [weigh_row(row, findings), *beside]
    return judged


def compare_opinions(row: Row, other: Row) -> list[Finding]:
    """Whether another estimator's interval and the main one exclude each other, or why it has none."""
    if row["estimate"] is None:
        return []
    if other["estimate"] is None:
        return [("credible", f"{other['estimator']}: no result, {'; '.join(other['reasons'])}")]
    name, value = other["estimator"], other["estimate"]
    if row["ci_low"] <= other["ci_high"] and other["ci_low"] <= row["ci_high"]:
        return [("credible", f"{name} agrees: {tell_signed(value)}")]
    return [("weak", f"{name} disagrees: {tell_estimate(other)}, beyond both intervals")]


def _key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in KEY)
