"""Attacks of the week, as the night hands them over: damage, defences, accounts that look fake."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from tasks.report.fields import Count, Name, Notes, Number, Row

Kind = TypeVar("Kind", bound=Row)


class AttackRow(Row):
    """One attack on one target. `share` and `smallest_share` are fake reviews per real one.

    `shift` is in clean standard errors for effects; `smallest_share` is the smallest attack that
    flips the verdict, None when none up to `looked_to` does or none was looked for.
    """

    source: Name
    attack: Name
    target: Name
    subject: Name
    share: Number = None
    measure: Name = ""
    clean: Number = None
    attacked: Number = None
    shift: Number = None
    clean_verdict: Name = ""
    attacked_verdict: Name = ""
    is_sign_flipped: bool | None = None
    is_verdict_flipped: bool | None = None
    smallest_share: Number = None
    looked_to: Number = None
    attempted: Count = 0
    succeeded: Count = 0
    failed: Count = 0
    skipped: Count = 0
    skip_reason: Name = ""


class DefenceRow(Row):
    """One defence against one attack: what detection finds, and where the estimate goes."""

    source: Name
    attack: Name
    target: Name
    subject: Name
    defence: Name
    auc: Number = None
    clean: Number = None
    attacked: Number = None
    defended: Number = None
    is_back: bool | None = None


class FlaggedRow(Row):
    """An account of the real data that detection would flag, and why."""

    source: Name
    user_id: Name
    score: Number = None
    reviews: Count = 0
    mean_rating: Number = None
    reasons: Notes = ()


class AttackBook(Row):
    """Everything on attacks that one night shows."""

    attacks: tuple[AttackRow, ...] = ()
    defences: tuple[DefenceRow, ...] = ()
    flagged: tuple[FlaggedRow, ...] = ()


def gather_attacks(documents: Iterable[Mapping[str, Any]]) -> AttackBook:
    """The rows of several files of attacks, each a mapping of mart to rows."""
    attacks: list[AttackRow] = []
    defences: list[DefenceRow] = []
    flagged: list[FlaggedRow] = []
    for document in documents:
        attacks += [_pick(AttackRow, row) for row in document.get("attacks", ())]
        defences += [_pick(DefenceRow, row) for row in document.get("defences", ())]
        flagged += [
            _pick(FlaggedRow, {**json.loads(row["note"]), "source": row["source"]})
            for row in document.get("attack_examples", ())
            if row["outcome"] == "flagged"
        ]
    return AttackBook(attacks=tuple(attacks), defences=tuple(defences), flagged=tuple(flagged))


def _pick(kind: type[Kind], row: Mapping[str, Any]) -> Kind:
    return kind(**{name: row[name] for name in kind.model_fields if name in row})
