"""What one slope, given the controls as columns, leaves out: levels that share a column, slopes that differ.

They are held against the same rows with what was left out put in: least squares on the controls and
their bends, without and with it. That the slope moves beyond chance is judged by the difference of the
rows' influences on the two (Hausman 1978, "Specification tests in econometrics").
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from tasks.effects.basis import FloatArray
from tasks.effects.credibility import Finding, Verdict
from tasks.effects.intervals import Interval
from tasks.effects.moments import IntArray
from tasks.effects.ridge import centre_within, take_out
from tasks.effects.table.linear import find_wide_controls
from tasks.effects.table.question import Question
from tasks.platform.numbers import tell_signed

LEFT_OVER: Final = 0.25
"""Confounding left in, as a share of an interval's width, from which on it is no longer what it says."""
_TOO_WIDE: Final = 0.5
"""What chance alone may move, as a share of an interval's width, from which on nothing is told."""
Z: Final = 1.96
_ADVICE: Final = "group them, or give numbers that tell them apart"
_ROWS: Final = 20_000
_SURE: Final = 2.81
"""Standard errors that chance exceeds in 1 of 200 cases."""
_MIN_LEVELS: Final = 10
_ROUNDS: Final = 20
_MOST_SLOPES: Final = 5
_DIFFERS_P: Final = 1e-3
_NOTHING: Final = 1e-6
Standing = Literal["moves", "open", "little"]


@dataclass(frozen=True)
class Move:
    """How far a slope moves, per unit of the treatment, with its standard error."""

    to: float
    by: float
    error: float

    @property
    def is_real(self) -> bool:
        """Beyond chance."""
        return abs(self.by) > _SURE * self.error


@dataclass(frozen=True, eq=False)
class Slope:
    """What one slope is read from: n rows of `treatment` and `outcome` (n,) and what is known of them.

    `known` (n, p) are the controls with their bends, `cluster` (n,) codes of rows that are not
    independent; `unit` takes a slope to outcome units per unit of treatment.
    """

    treatment: FloatArray
    outcome: FloatArray
    known: FloatArray
    cluster: IntArray
    unit: float = 1.0

    @property
    def is_clustered(self) -> bool:
        """Whether some rows share a cluster."""
        return len(np.unique(self.cluster)) < len(self.cluster)


def make_slope(question: Question) -> Slope:
    """The slope that a question is about."""
    return Slope(
        treatment=question.treatment,
        outcome=question.outcome,
        known=find_wide_controls(question),
        cluster=question.cluster,
        unit=question.unit,
    )


def measure_slope(slope: Slope, base: FloatArray) -> float:
    """The slope by least squares given a constant and `base` (n, b); 0 where nothing is left to see it by."""
    x = np.column_stack([np.ones(len(base)), base])
    d, y = take_out(x, np.column_stack([slope.treatment, slope.outcome])).T
    size = float(d @ d)
    return (
        float(d @ y) / size * slope.unit
        if size > _NOTHING * float(slope.treatment @ slope.treatment)
        else 0.0
    )


def check_shared(question: Question, found: Interval) -> list[Finding]:
    """Whether levels that share one column for want of rows confound within it."""
    if "shared" not in question.memo:
        question.memo["shared"] = [
            tell_levels_apart(make_slope(question), codes) for _, codes in question.shared
        ]
    moves = question.memo["shared"]
    return weigh_moves(question.shared, moves, found, who="plr", in_part=question.in_part)


def weigh_moves(
    shared: Sequence[tuple[str, IntArray]],
    moves: Sequence[Move | None],
    found: Interval,
    *,
    who: str,
    in_part: Mapping[str, str],
) -> list[Finding]:
    """What the moves of `who` say of an estimate where levels, `shared` by name, are told apart.

    `in_part` says of the controls that are adjusted for in part how far, by name.
    """
    width = found.ci_high - found.ci_low
    findings = [
        _weigh_one(codes, move, width, who, name=name, part=in_part.get(name))
        for (name, codes), move in zip(shared, moves, strict=True)
    ]
    return [finding for finding in findings if finding is not None]


def _weigh_one(
    codes: IntArray, move: Move | None, width: float, who: str, *, name: str, part: str | None
) -> Finding | None:
    """What one move says; None where it says nothing and no `part` of the control is left out."""
    if move is None:
        return ("weak", f"{part}; {_ADVICE}") if part else None
    standing, verdict = judge_move(move.by, move.error, width)
    if standing == "moves":
        where = part or (
            f"control {name}: {(codes >= 0).mean():.1%} of the rows lie in levels too small for a column each"
        )
        return verdict, (
            f"{where}, and these differ: told apart, they move {who} by {tell_signed(move.by)}, and the "
            f"interval is {width:.2g} wide; {_ADVICE}"
        )
    if part is None:
        return None
    if is_scattered(codes):
        return "weak", f"{part}; {_ADVICE}"
    told = f"{who}: {tell_signed(move.by)} ± {Z * move.error:.2g}"
    if standing == "little":
        return verdict, f"{part}; told apart, they change little ({told})"
    return verdict, f"{part}; told apart, too little is known ({told}); {_ADVICE}"


def judge_move(by: float, error: float, width: float) -> tuple[Standing, Verdict]:
    """What a move `by`, with its standard error, means for an estimate whose interval is `width` wide.

    "moves": by a good part of it, beyond chance; "little": known to be little; "open": neither is known.
    """
    if abs(by) > max(_SURE * error, LEFT_OVER * width):
        return "moves", "not credible" if abs(by) > width else "weak"
    if abs(by) <= LEFT_OVER * width and Z * error <= _TOO_WIDE * width:
        return "little", "credible"
    return "open", "weak"


def find_paired(codes: IntArray) -> IntArray:
    """The rows that are not alone in their level, in their order; `codes` (n,) as `code_shared` gives them."""
    rows: IntArray = np.flatnonzero(np.bincount(codes + 1, minlength=2)[codes + 1] > 1)
    return rows


def is_scattered(codes: IntArray) -> bool:
    """Whether of the rows in levels that share a column more are alone in theirs than not."""
    paired = int((codes[find_paired(codes)] >= 0).sum())
    return int((codes >= 0).sum()) > 2 * paired


def tell_levels_apart(slope: Slope, codes: IntArray) -> Move | None:
    """What demeaning rows within their levels does to the slope; None for fewer than 10 levels of 2.

    Rows of one level are then compared with one another alone (fixed effects of these levels).
    `codes` (n,) are levels, -1 for rows that are compared with one another.
    """
    rows = find_paired(codes)[:_ROWS]
    levels, place = np.unique(codes[rows], return_inverse=True)
    if (levels >= 0).sum() < _MIN_LEVELS:
        return None
    is_free = codes[rows] < 0
    x = np.column_stack([np.ones(len(rows)), slope.known[rows]])
    sides = np.column_stack([slope.treatment[rows], slope.outcome[rows]])
    plain = take_out(x, sides)
    q = np.linalg.qr(x)[0]
    apart = plain
    for _ in range(_ROUNDS):
        apart = centre_within(apart, place)
        apart = apart - q @ (q.T @ apart)
    group = np.where(is_free, len(levels) + np.arange(len(rows)), place)
    if slope.is_clustered:
        group = slope.cluster[rows]
    return _compare(plain, apart, group, slope.unit)


def compare_within(slope: Slope, codes: IntArray) -> Move | None:
    """What comparing rows within their level alone does to the slope; `codes` (n,) are levels.

    Least squares with a constant for each level beside `known`, as the levels stand: few, and not
    drawn from many. None where nothing of the treatment is left within them.
    """
    sides = np.column_stack([slope.known, slope.treatment, slope.outcome])
    plain = sides - sides.mean(axis=0)
    within = centre_within(sides, codes)
    left, apart = (take_out(z[:, :-2], z[:, -2:]) for z in (plain, within))
    return _compare(left, apart, slope.cluster, slope.unit)


def check_slopes(question: Question, found: Interval) -> list[Finding]:
    """Whether slopes of a treatment of many values differ by controls, so that their average is another."""
    if question.is_treated is not None or question.controls.shape[1] == 0:
        return []
    if "slopes" not in question.memo:
        question.memo["slopes"] = average_slopes(question)
    move: Move | None = question.memo["slopes"]
    if move is None or not move.is_real or found.ci_low <= move.to <= found.ci_high:
        return []
    said = (
        f"the slope differs by controls: averaged over all rows alike it is about {tell_signed(move.to)}, "
        "while this one counts rows most where the treatment varies most; ask by parts of the table, "
        "or compare two values of the treatment"
    )
    return [("weak", said)]


def average_slopes(question: Question) -> Move | None:
    """The slope averaged over rows, where it varies with some controls in straight lines; None where not.

    Controls are centred, so that their products with the treatment, those that the outcome surely
    follows, leave the slope at their mean.
    """
    from scipy.stats import norm

    rows = np.random.default_rng(0).permutation(question.n)[:_ROWS]
    z = find_wide_controls(question)[rows]
    d = question.treatment[rows]
    x = np.column_stack([np.ones(len(rows)), z])
    if x.shape[1] + z.shape[1] > len(rows) / 4:
        return None
    sides = np.column_stack([d, question.outcome[rows]])
    plain = take_out(x, sides)
    theta = float(plain[:, 0] @ plain[:, 1]) / float(plain[:, 0] @ plain[:, 0])
    products = take_out(np.column_stack([x, d]), d[:, None] * z)
    pull = products * (plain[:, 1] - theta * plain[:, 0])[:, None]
    spread = np.sqrt((pull**2).sum(axis=0))
    score = np.abs(pull.sum(axis=0)) / np.where(spread > 0, spread, np.inf)
    chosen = np.argsort(-score)[:_MOST_SLOPES]
    chosen = chosen[score[chosen] > norm.isf(_DIFFERS_P / (2 * z.shape[1]))]
    if not len(chosen):
        return None
    wide = np.column_stack([x, d[:, None] * z[:, chosen]])
    return _compare(plain, take_out(wide, sides), question.cluster[rows], question.unit)


def _compare(plain: FloatArray, other: FloatArray, group: IntArray, unit: float) -> Move | None:
    """Slopes between the two columns of `plain` and of `other` (n, 2), whose rows are the same.

    None where next to nothing is left of the treatment. Rows of a `group` are not independent.
    """
    pulls, slopes = [], []
    for left in (plain, other):
        size = float(left[:, 0] @ left[:, 0])
        if size <= _NOTHING * len(left):
            return None
        slope = float(left[:, 0] @ left[:, 1]) / size
        pulls.append(left[:, 0] * (left[:, 1] - slope * left[:, 0]) / size)
        slopes.append(slope)
    sums = np.bincount(np.unique(group, return_inverse=True)[1], pulls[1] - pulls[0])
    gap = slopes[1] - slopes[0]
    error = float(np.sqrt(sums @ sums))
    return Move(slopes[1] * unit, gap * unit, error * unit)
