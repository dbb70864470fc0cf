"""Results of attacks as rows to publish, and which attacks a night has time for."""

import json
from collections.abc import Sequence
from datetime import date
from typing import Any, Final, TypeVar

from tasks.platform.errors import ConfigError
from tasks.robustness.defend import Detection
from tasks.robustness.rows import AttackRow, DefenceRow, ExampleRow
from tasks.robustness.scorecard import EffectResult, Outcome, Plan, RecommenderResult

SURFACE: Final = "behaviour"
HEADLINE: Final = "negative_to_positive"
HIT_RATE: Final = "hit_rate_at_10"
FLAGGED: Final = "flagged rows left out"
SIZE: Final = "fake reviews per real one"


Pair = TypeVar("Pair")


def choose_tonight(pairs: Sequence[Pair], *, budget: int | None, as_of: date) -> list[Pair]:
    """The pairs of attack and target that a night tries: `budget` of them, all in turn over nights.

    None: all, as a weekly sweep does.
    """
    if budget is not None and budget < 0:
        raise ConfigError(f"an attack budget of {budget} cannot be; use 0 or more, or none for all")
    if budget is None or budget >= len(pairs):
        return list(pairs)
    start = as_of.toordinal() * budget % max(len(pairs), 1)
    return [pairs[(start + step) % len(pairs)] for step in range(budget)]


def to_effect_rows(
    result: EffectResult, *, source: str, plan: Plan
) -> tuple[list[AttackRow], list[DefenceRow]]:
    """One attack on one conclusion: a row of damage, and one for each defence."""
    damage, smallest = result.damage, result.smallest
    row = AttackRow(
        source=source, surface=SURFACE, attack=result.attack, target="effects",
        subject=result.attribute, share=plan.share, measure=HEADLINE,
        clean=damage.clean.estimate if damage else None,
        attacked=damage.attacked.estimate if damage else None,
        shift=damage.shift if damage else None,
        clean_verdict=damage.clean.verdict if damage else None,
        attacked_verdict=damage.attacked.verdict if damage else None,
        is_sign_flipped=damage.is_sign_flipped if damage else None,
        is_verdict_flipped=damage.is_flipped if damage else None,
        smallest_share=smallest.share if smallest else None,
        looked_to=smallest.looked_to if smallest else None,
        **_count(result.outcome), skip_reason=result.reason or None, queries=None, seed=plan.seed,
        detail=json.dumps({
            "tale": result.tale, "read_as_meant": result.read_as_meant,
            "smallest": smallest.sentence if smallest else None,
            "size_name": SIZE, "damage_name": "shift, in clean standard errors",
            "curve": smallest.curve if smallest else [],
        }),
    )  # fmt: skip
    if damage is None or result.detection is None:
        return [row], []
    defences = [
        DefenceRow(
            source=source, surface=SURFACE, attack=result.attack, target="effects",
            subject=result.attribute, share=plan.share, defence=one.defence, measure=HEADLINE,
            **_detect(result.detection if one.defence == FLAGGED else None),
            clean=one.clean.estimate, attacked=damage.attacked.estimate,
            defended=one.defended.estimate, shift=one.shift, is_back=one.is_back, seed=plan.seed,
        )
        for one in result.defended
    ]  # fmt: skip
    return [row], defences


def to_recommender_rows(
    result: RecommenderResult, *, source: str, plan: Plan, victim: str = "surrogate"
) -> tuple[list[AttackRow], list[DefenceRow]]:
    """One attack on the recommender, by the target's hit rate; `victim` says on which."""
    damage, defended = result.damage, result.defended
    subject = ",".join(result.items)
    row = AttackRow(
        source=source, surface=SURFACE, attack=result.attack, target="recommender", subject=subject,
        share=result.share, measure=HIT_RATE, clean=damage.clean.hit_rate if damage else None,
        attacked=damage.attacked.hit_rate if damage else None,
        shift=damage.hit_rate_lift if damage else None, clean_verdict=None, attacked_verdict=None,
        is_sign_flipped=None, is_verdict_flipped=None, smallest_share=None, looked_to=None,
        **_count(result.outcome), skip_reason=result.reason or None, queries=None, seed=plan.seed,
        detail=json.dumps({
            "mode": plan.mode,
            "prediction_shift": damage.prediction_shift if damage else None,
            "displaced": damage.displaced if damage else None,
            "ndcg": [damage.clean.ndcg, damage.attacked.ndcg] if damage else None,
            "size_name": SIZE, "damage_name": "rise of the hit rate", "curve": result.curve,
            "victim": victim,
        }),
    )  # fmt: skip
    if damage is None or defended is None or result.detection is None:
        return [row], []
    defence = DefenceRow(
        source=source, surface=SURFACE, attack=result.attack, target="recommender", subject=subject,
        share=result.share, defence=FLAGGED, measure=HIT_RATE, **_detect(result.detection),
        clean=damage.clean.hit_rate, attacked=damage.attacked.hit_rate,
        defended=defended.attacked.hit_rate, shift=defended.hit_rate_lift, is_back=None,
        seed=plan.seed,
    )  # fmt: skip
    return [row], [defence]


def to_suspect_rows(suspects: Sequence[dict[str, Any]], *, source: str) -> list[ExampleRow]:
    """Accounts of the real data that detection would flag, for a person to judge."""
    return [
        ExampleRow(
            source=source, surface=SURFACE, attack="none: real data", target="recommender",
            subject=str(one["user_id"]), example=at, outcome="flagged", before_text=None,
            after_text=None, before_answer=None, after_answer=None,
            note=json.dumps(one, default=str, sort_keys=True),
        )
        for at, one in enumerate(suspects)
    ]  # fmt: skip


def _count(outcome: Outcome) -> dict[str, int]:
    return {
        "attempted": int(outcome != "skipped"),
        "succeeded": int(outcome == "succeeded"),
        "failed": int(outcome == "failed"),
        "skipped": int(outcome == "skipped"),
    }


def _detect(found: Detection | None) -> dict[str, Any]:
    """The columns of detection; null for a defence that does not detect."""
    if found is None:
        names = (
            "auc", "false_alarms_at", "precision", "recall", "false_alarm_rate", "flagged", "hits",
            "fakes",
        )  # fmt: skip
        return dict.fromkeys(names)
    return {
        "auc": found.auc,
        "false_alarms_at": found.at,
        "precision": found.precision,
        "recall": found.recall,
        "false_alarm_rate": found.false_alarm_rate,
        "flagged": found.flagged,
        "hits": found.hits,
        "fakes": found.fakes,
    }
