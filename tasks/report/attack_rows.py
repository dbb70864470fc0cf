"""Attacks of the week, as the night hands them over: damage, defences, accounts that look fake."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator

from tasks.report.fields import Count, Name, Notes, Number, Raw, Row, Sentence

Kind = TypeVar("Kind", bound=Row)
Key = tuple[str, str, str, str, str, float | None]


Left = Annotated[Count, BeforeValidator(lambda value: value or 0)]
"""A count that tables of earlier versions do not have."""


class AttackRow(Row):
    """One attack on one target. `share` and `smallest_share` are fake reviews per real one.

    `shift` is in clean standard errors for effects; `smallest_share` is the smallest attack that
    flips the verdict, None when none up to `looked_to` does or none was looked for. `curve` holds
    (size, damage) pairs; `size_name` and `damage_name` say what these are.
    """

    source: Name
    surface: Name = "behaviour"
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
    not_attempted: Left = 0
    skip_reason: Sentence = ""
    queries: int | None = None
    victim: Name = ""
    size_name: Name = ""
    damage_name: Name = ""
    curve: tuple[tuple[float, float], ...] = ()

    @property
    def key(self) -> Key:
        """What stays the same from week to week."""
        return self.source, self.surface, self.attack, self.target, self.subject, self.share

    @property
    def success_rate(self) -> float | None:
        """Of what was attempted; None where nothing was."""
        return self.succeeded / self.attempted if self.attempted else None


class PreviousRow(AttackRow):
    """The newest result of the same attack from an earlier week."""

    as_of: date


class DefenceRow(Row):
    """One defence against one attack: what detection finds, and where the estimate goes.

    `precision` and `recall` are at the share `false_alarms_at` of genuine accounts; `false_alarm_rate`
    is at the detector's own fence.
    """

    source: Name
    attack: Name
    target: Name
    subject: Name
    defence: Name
    auc: Number = None
    false_alarms_at: Number = None
    precision: Number = None
    recall: Number = None
    false_alarm_rate: Number = None
    fakes: int | None = None
    hits: int | None = None
    clean: Number = None
    attacked: Number = None
    defended: Number = None
    is_back: bool | None = None


class ExampleRow(Row):
    """A text before and after an attack, and what was read in it."""

    source: Name
    attack: Name
    subject: Name
    outcome: Name
    before_text: Raw = ""
    after_text: Raw = ""
    before_answer: Name = ""
    after_answer: Name = ""


class FlaggedRow(Row):
    """An account of the real data that detection would flag, and why; one of `n_flagged` of its source."""

    source: Name
    user_id: Name
    score: Number = None
    reviews: Count = 0
    mean_rating: Number = None
    reasons: Notes = ()
    n_flagged: Count = 0


class AttackBook(Row):
    """Everything on attacks that one night shows."""

    attacks: tuple[AttackRow, ...] = ()
    previous: tuple[PreviousRow, ...] = ()
    defences: tuple[DefenceRow, ...] = ()
    examples: tuple[ExampleRow, ...] = ()
    flagged: tuple[FlaggedRow, ...] = ()

    def count_flagged(self) -> dict[str, int]:
        """Accounts that look fake by source, those among them that are not listed too."""
        listed = Counter(row.source for row in self.flagged)
        told = {row.source: row.n_flagged for row in self.flagged}
        return {source: max(count, told[source]) for source, count in listed.items()}


def gather_attacks(documents: Iterable[Mapping[str, Any]]) -> AttackBook:
    """The rows of several files of attacks, each a mapping of mart to rows.

    "previous" are rows of marts.attacks from earlier weeks.
    """
    found: dict[str, list[Any]] = {name: [] for name in AttackBook.model_fields}
    for document in documents:
        found["attacks"] += [_read_attack(row) for row in document.get("attacks", ())]
        found["previous"] += [_pick(PreviousRow, row) for row in document.get("previous", ())]
        found["defences"] += [_pick(DefenceRow, row) for row in document.get("defences", ())]
        for row in document.get("attack_examples", ()):
            if row["outcome"] == "flagged":
                named = {**json.loads(row["note"]), "source": row["source"]}
                found["flagged"].append(_pick(FlaggedRow, named))
            else:
                found["examples"].append(_pick(ExampleRow, row))
    return AttackBook(**{name: tuple(rows) for name, rows in found.items()})


def _read_attack(row: Mapping[str, Any]) -> AttackRow:
    """A row with what its detail says of the curve; points without a damage are left out."""
    detail = json.loads(row.get("detail") or "{}")
    curve = [(size, value) for size, value in detail.get("curve") or () if value is not None]
    named = {name: detail.get(name) for name in ("victim", "size_name", "damage_name")}
    return _pick(AttackRow, {**row, **named, "curve": curve})


def _pick(kind: type[Kind], row: Mapping[str, Any]) -> Kind:
    return kind(**{name: row[name] for name in kind.model_fields if name in row})
