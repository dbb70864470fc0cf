"""What came of an attack, text by text and added up; attempted, skipped and left over are apart."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

Status = Literal["succeeded", "failed", "skipped", "not_attempted"]
_Z: Final = 1.959964


@dataclass(frozen=True)
class Attempt:
    """One text under one attack.

    `reason` says why it was skipped, not attempted or failed. `original` and `perturbed` are kept as
    they are: whoever shows them escapes them. `before` and `after` are labels, with their
    probabilities `sure_before` and `sure_after`; `after` and `perturbed` are None unless it succeeded.
    """

    row: int
    status: Status
    reason: str | None
    original: str
    perturbed: str | None = None
    truth: str | None = None
    before: str | None = None
    after: str | None = None
    sure_before: float | None = None
    sure_after: float | None = None
    n_queries: int = 0
    n_changed_words: int | None = None


@dataclass(frozen=True)
class Outcome:
    """All attempts of one attack, in the order of the texts.

    `n_queries` texts were asked of the victim in all, `n_hits` questions had been asked before;
    `refused` counts candidates that each constraint kept from being asked.
    """

    attack: str
    attempts: tuple[Attempt, ...]
    n_queries: int
    n_hits: int
    refused: Mapping[str, int]


def summarise(outcome: Outcome) -> dict[str, Any]:
    """A JSON document of counts and rates; a rate is None where nothing was attempted.

    `success_rate` is of the attempted texts, with a 95% Wilson interval; `queries_per_success` are all
    questions of the attack, also those spent on failures and on first answers.
    """
    counts = Counter(attempt.status for attempt in outcome.attempts)
    won, n = counts["succeeded"], counts["succeeded"] + counts["failed"]
    low, high = bound_share(won, n)
    changed = [a.n_changed_words for a in outcome.attempts if a.n_changed_words is not None]
    return {
        "attack": outcome.attack,
        "texts": len(outcome.attempts),
        "attempted": n,
        "succeeded": won,
        "failed": counts["failed"],
        "skipped": count_reasons(outcome.attempts, "skipped"),
        "not_attempted": count_reasons(outcome.attempts, "not_attempted"),
        "failures": count_reasons(outcome.attempts, "failed"),
        "success_rate": round(won / n, 4) if n else None,
        "ci_low": low,
        "ci_high": high,
        "queries": outcome.n_queries,
        "cached": outcome.n_hits,
        "queries_per_success": round(outcome.n_queries / won, 2) if won else None,
        "changed_words": round(sum(changed) / len(changed), 2) if changed else None,
        "refused": {name: count for name, count in outcome.refused.items() if count},
    }


def count_reasons(attempts: Sequence[Attempt], status: Status) -> dict[str, int]:
    """How many texts ended so, by reason; the most frequent first."""
    found = Counter(a.reason or "" for a in attempts if a.status == status)
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def bound_share(won: int, n: int) -> tuple[float | None, float | None]:
    """95% Wilson interval of a share (Wilson 1927); None without trials."""
    if n == 0:
        return None, None
    share, square = won / n, _Z**2
    middle = (share + square / (2 * n)) / (1 + square / n)
    half = _Z * ((share * (1 - share) + square / (4 * n)) / n) ** 0.5 / (1 + square / n)
    return round(max(0.0, middle - half), 4), round(min(1.0, middle + half), 4)
