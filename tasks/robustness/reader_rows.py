"""Attacks on readers of texts and of vectors, as rows to publish: nothing tried is left uncounted."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from tasks.robustness.rows import AttackRow, ExampleRow

Surface = Literal["text", "embedding"]

FLIP_RATE: Final = "flip_rate"
EXAMPLES: Final = 2
"""Examples kept of each attack on each attribute."""


def to_text_rows(
    summary: Mapping[str, Any],
    attempts: Sequence[Mapping[str, Any]],
    *,
    source: str,
    seed: int,
    budget: int,
) -> tuple[AttackRow, list[ExampleRow]]:
    """One attack on what is read of one attribute, with examples before and after.

    `summary` is that of `outcome.summarise` with the attribute, `attempts` a row per text (`status`,
    `original`, `perturbed`, `before`, `after`, `n_changed_words`, `n_queries`, `row`).
    """
    named = {"source": source, "attack": summary["attack"], "subject": summary["attribute"]}
    row = make_reader_row(
        **named, surface="text", target="extractor", measure=FLIP_RATE, clean=None,
        attacked=summary["success_rate"], attempted=summary["attempted"],
        succeeded=summary["succeeded"], failed=summary["failed"], skipped=summary["skipped"],
        not_attempted=summary["not_attempted"], queries=summary["queries"], seed=seed,
        detail={
            "ci": [summary["ci_low"], summary["ci_high"]],
            "queries_per_success": summary["queries_per_success"], "budget": budget,
            "refused": summary["refused"], "size_name": "words changed",
            "damage_name": "share of attempted texts read otherwise",
            "curve": follow_words(attempts),
        },
    )  # fmt: skip
    won = [one for one in attempts if one["status"] == "succeeded"]
    lost = [one for one in attempts if one["status"] == "failed"]
    examples = [
        ExampleRow(
            **named, surface="text", target="extractor", example=at, outcome=one["status"],
            before_text=one["original"], after_text=one["perturbed"], before_answer=one["before"],
            after_answer=one["after"] or one["before"],
            note=json.dumps({"n_queries": one["n_queries"], "words": one["n_changed_words"]}),
        )
        for at, one in enumerate([*won, *lost][:EXAMPLES])
    ]  # fmt: skip
    return row, examples


def follow_words(attempts: Sequence[Mapping[str, Any]]) -> list[list[float]]:
    """(words changed, share of the attempted texts that were broken by so many or fewer)."""
    tried = [one for one in attempts if one["status"] in ("succeeded", "failed")]
    words = sorted(
        one["n_changed_words"] for one in tried if one["n_changed_words"] and one["perturbed"]
    )
    return [
        [float(size), sum(word <= size for word in words) / len(tried)]
        for size in sorted(set(words))
    ]


def to_curve_row(
    curve: Mapping[str, Any], *, source: str, attribute: str, norm: str, seed: int
) -> AttackRow:
    """One attack on the vectors that a probe reads, at the largest size; the others are its curve.

    Succeeded are the rightly read texts that are read wrongly then.
    """
    named = {"source": source, "attack": curve["method"], "subject": attribute}
    if curve["reason"] or not curve["points"]:
        reason = curve["reason"] or "no point"
        return skip_reader(**named, surface="embedding", target="extractor", reason=reason,
                           seed=seed, n=max(curve["n_skipped"], 1))  # fmt: skip
    last = curve["points"][-1]
    return make_reader_row(
        **named, surface="embedding", target="extractor", measure="accuracy",
        clean=curve["clean_accuracy"], attacked=last["accuracy"], attempted=last["n"],
        succeeded=last["flipped"], failed=last["n"] - last["flipped"],
        skipped={"read wrongly before any attack": curve["n_skipped"]} if curve["n_skipped"] else {},
        not_attempted={}, queries=None, seed=seed,
        detail={
            "norm": norm, "median_flip": curve["median_flip"], "size_name": f"radius ({norm})",
            "damage_name": "share of rightly read texts turned",
            "curve": [
                [point["epsilon"], point["flipped"] / point["n"]]
                for point in curve["points"] if point["n"]
            ],
        },
    )  # fmt: skip


def skip_reader(
    *, source: str, surface: Surface, attack: str, target: str, subject: str, reason: str, seed: int,
    n: int = 1,
) -> AttackRow:  # fmt: skip
    """An attack that could not be tried, and why."""
    return make_reader_row(
        source=source, surface=surface, attack=attack, target=target, subject=subject, measure="",
        clean=None, attacked=None, attempted=0, succeeded=0, failed=0, skipped={reason: n},
        not_attempted={}, queries=None, seed=seed, detail={},
    )  # fmt: skip


def make_reader_row(
    *,
    source: str,
    surface: Surface,
    attack: str,
    target: str,
    subject: str,
    measure: str,
    clean: float | None,
    attacked: float | None,
    attempted: int,
    succeeded: int,
    failed: int,
    skipped: Mapping[str, int],
    not_attempted: Mapping[str, int],
    queries: int | None,
    seed: int,
    detail: Mapping[str, Any],
) -> AttackRow:
    """A row without what only effects have; `skipped` and `not_attempted` count by reason."""
    reasons = [f"{count:,} {reason}" for reason, count in skipped.items()]
    reasons += [f"{count:,} not attempted: {reason}" for reason, count in not_attempted.items()]
    is_known = attacked is not None and clean is not None
    return AttackRow(
        source=source, surface=surface, attack=attack, target=target, subject=subject, share=None,
        measure=measure, clean=clean, attacked=attacked,
        shift=(attacked or 0.0) - (clean or 0.0) if is_known else None, clean_verdict=None,
        attacked_verdict=None, is_sign_flipped=None, is_verdict_flipped=None, smallest_share=None,
        looked_to=None, attempted=attempted, succeeded=succeeded, failed=failed,
        skipped=sum(skipped.values()), skip_reason="; ".join(reasons) or None, queries=queries,
        seed=seed, detail=json.dumps(dict(detail)), not_attempted=sum(not_attempted.values()),
    )  # fmt: skip
