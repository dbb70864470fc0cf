"""Rows of marts.attacks, marts.attack_examples and marts.defences, whatever was attacked.

A night publishes them as parts (`tasks.platform.marts`): `to_frame` adds the night's date and gives
the columns of the table, in order.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date
from types import UnionType
from typing import Any, Final, get_args, get_type_hints

import polars as pl


@dataclass(frozen=True)
class AttackRow:
    """One measure of one attack on one target, at one size.

    `surface` is what is attacked through, `target` what is attacked, `subject` which part of it (an
    attribute, an item). `share` is the size as a share of the data. `measure` names what `clean`
    and `attacked` are; `shift` is their difference (for effects in clean standard errors).
    `attempted` = `succeeded` + `failed`; `skipped` ones come on top, `skip_reason` says why, and so do
    those that a budget left over, `not_attempted`. `queries` were asked of the victim.
    `smallest_share` is the smallest attack that flips the verdict, null when none up to `looked_to`
    does. `detail` is JSON; in it `curve` holds [size, damage] pairs, and `size_name` and
    `damage_name` what these are.
    """

    source: str
    surface: str
    attack: str
    target: str
    subject: str
    share: float | None
    measure: str
    clean: float | None
    attacked: float | None
    shift: float | None
    clean_verdict: str | None
    attacked_verdict: str | None
    is_sign_flipped: bool | None
    is_verdict_flipped: bool | None
    smallest_share: float | None
    looked_to: float | None
    attempted: int
    succeeded: int
    failed: int
    skipped: int
    skip_reason: str | None
    queries: int | None
    seed: int
    detail: str
    not_attempted: int = 0


@dataclass(frozen=True)
class ExampleRow:
    """One example of an attack, before and after; `outcome` is succeeded, failed or skipped.

    Or "flagged": nothing was planted, and detection would flag `subject`, an account of the real
    data; `note` is JSON and says why.
    """

    source: str
    surface: str
    attack: str
    target: str
    subject: str
    example: int
    outcome: str
    before_text: str | None
    after_text: str | None
    before_answer: str | None
    after_answer: str | None
    note: str


@dataclass(frozen=True)
class DefenceRow:
    """One defence against one attack at one size.

    `auc`, and `precision` and `recall` at the share `false_alarms_at` of genuine accounts, are of
    detection; `flagged`, `hits` (fakes among them) and `fakes` count accounts at the detector's own
    fence. `clean`, `attacked` and `defended` are the measure of AttackRow; `is_back` says that the
    defended estimate lies in the clean interval. Null where a defence does not detect or estimate.
    """

    source: str
    surface: str
    attack: str
    target: str
    subject: str
    share: float | None
    defence: str
    measure: str
    auc: float | None
    false_alarms_at: float | None
    precision: float | None
    recall: float | None
    false_alarm_rate: float | None
    flagged: int | None
    hits: int | None
    fakes: int | None
    clean: float | None
    attacked: float | None
    defended: float | None
    shift: float | None
    is_back: bool | None
    seed: int


MartRow = AttackRow | ExampleRow | DefenceRow
MARTS: Final[dict[str, type[MartRow]]] = {
    "attacks": AttackRow,
    "attack_examples": ExampleRow,
    "defences": DefenceRow,
}
_KINDS: Final[dict[type, Any]] = {
    str: pl.String, float: pl.Float64, int: pl.Int64, bool: pl.Boolean,
}  # fmt: skip


def mart_schema(kind: type[MartRow]) -> pl.Schema:
    """Columns of the table of `kind`, `as_of` first."""
    hints = get_type_hints(kind)
    columns = {field.name: _KINDS[_strip(hints[field.name])] for field in fields(kind)}
    return pl.Schema({"as_of": pl.Date, **columns})


def to_frame(rows: Sequence[MartRow], kind: type[MartRow], as_of: date) -> pl.DataFrame:
    """Rows of one night as the table that is published."""
    listed = [{"as_of": as_of, **asdict(row)} for row in rows]
    return pl.DataFrame(listed, schema=mart_schema(kind), orient="row")


def _strip(hint: Any) -> type:
    """The type without None."""
    if isinstance(hint, UnionType):
        (kind,) = (part for part in get_args(hint) if part is not type(None))
        return kind  # type: ignore[no-any-return]
    return hint  # type: ignore[no-any-return]
