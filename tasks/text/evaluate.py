"""How well attributes were read, against people's labels.

Answers are compared as praise, blame or neither (neutral and not mentioned are neither) and as
mentioned or not. Calibration is the expected calibration error of Guo et al. 2017
(https://arxiv.org/abs/1706.04599) over the answers that name a mention.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from tasks.platform.errors import InputError
from tasks.platform.labels import ABSENT, NEGATIVE, NEUTRAL, POSITIVE, UNDECIDED, to_sides

Labels = npt.NDArray[np.int64]
SIDES: Final = {"positive": 1, "negative": -1, "neither": 0}
_ANSWERS: Final = {
    "positive": POSITIVE, "negative": NEGATIVE, "neutral": NEUTRAL, "not_mentioned": ABSENT,
}  # fmt: skip
N_BINS: Final = 10
N_DRAWS: Final = 2000
_TAILS: Final = (2.5, 97.5)


@dataclass(frozen=True)
class Score:
    """How one answer was found; each of the first three in [0, 1], None where undefined.

    `n` labels are this answer, `n_found` answers of the extractor are.
    """

    precision: float | None
    recall: float | None
    f1: float | None
    n: int
    n_found: int


@dataclass(frozen=True)
class Bin:
    """Answers with confidence in (`low`, `high`] (the first bin holds 0 too)."""

    low: float
    high: float
    n: int
    confidence: float
    share_right: float


@dataclass(frozen=True)
class Calibration:
    """How far confidence is from the share that is right, over `n` answers that name a mention.

    `error` is the mean of |confidence - share right| over bins, weighted by their answers; None
    without answers. `bins` holds those that are not empty.
    """

    n: int
    error: float | None
    bins: tuple[Bin, ...]


@dataclass(frozen=True)
class Evaluation:
    """One attribute, read from `n` labelled reviews (`n_undecided` more had no majority).

    `macro_f1` is the mean F1 of praise, blame and neither, of those that occur in labels or answers;
    `low` and `high` bound it with 95%. `majority_f1` is what always giving
    the most frequent label would score. `confusion[label][answer]` are counts of reviews.
    """

    attribute: str
    n: int
    n_undecided: int
    macro_f1: float | None
    low: float | None
    high: float | None
    majority_f1: float | None
    accuracy: float | None
    sides: dict[str, Score]
    mention: Score
    confusion: dict[str, dict[str, int]]
    calibration: Calibration


def read_answers(frame: pl.DataFrame, attributes: Sequence[str]) -> tuple[Labels, npt.NDArray[Any]]:
    """Answers and confidences of an extraction, both (reviews, attributes), in the order of rows.

    `frame` has `EXTRACTION_SCHEMA`, a row per review and attribute.
    """
    said = np.where(frame["is_mentioned"].to_numpy(), frame["polarity"].to_numpy(), ABSENT)
    shape = (-1, len(attributes))
    return said.astype(np.int64).reshape(shape), frame["confidence"].to_numpy().reshape(shape)


def evaluate_answers(
    labels: Mapping[str, Labels],
    answers: Labels,
    confidence: npt.NDArray[np.float64],
    *,
    rng: np.random.Generator,
) -> list[Evaluation]:
    """One evaluation per attribute of `labels`, whose order is that of the columns of `answers`.

    `labels[name]` has shape (n,), `answers` and `confidence` (n, attributes). Raises InputError
    when they do not fit together.
    """
    n = {len(column) for column in labels.values()} | {len(answers), len(confidence)}
    if len(n) != 1 or answers.shape[1] != len(labels):
        raise InputError(
            f"labels of {sorted(n)} rows and {len(labels)} attributes do not fit answers of "
            f"shape {answers.shape}; give one label per text and attribute"
        )
    return [
        evaluate_attribute(name, column, answers[:, at], confidence[:, at], rng=rng)
        for at, (name, column) in enumerate(labels.items())
    ]


def evaluate_attribute(
    attribute: str,
    labels: Labels,
    answers: Labels,
    confidence: npt.NDArray[np.float64],
    *,
    rng: np.random.Generator,
) -> Evaluation:
    """Compare the answers on one attribute with its labels; all three have shape (n,)."""
    kept = labels != UNDECIDED
    y, p = to_sides(labels[kept]), to_sides(answers[kept])
    table = _count_sides(y, p)
    macro_f1 = _mean_f1(table[None])[0]
    low, high = _bound_f1(table, macro_f1, rng)
    return Evaluation(
        attribute=attribute,
        n=int(kept.sum()),
        n_undecided=int((~kept).sum()),
        macro_f1=macro_f1,
        low=low,
        high=high,
        majority_f1=_score_majority(table),
        accuracy=_divide(int(np.trace(table)), int(table.sum())),
        sides={name: _score(y == side, p == side) for name, side in SIDES.items()},
        mention=_score(labels[kept] != ABSENT, answers[kept] != ABSENT),
        confusion=_confuse(labels[kept], answers[kept]),
        calibration=calibrate(confidence[kept], y == p, is_asked=answers[kept] != ABSENT),
    )


def calibrate(
    confidence: npt.NDArray[np.float64],
    is_right: npt.NDArray[np.bool_],
    *,
    is_asked: npt.NDArray[np.bool_],
) -> Calibration:
    """Reliability of confidences in [0, 1], all of shape (n,), where `is_asked`, in `N_BINS` bins."""
    sure, right = confidence[is_asked], is_right[is_asked]
    place = np.clip(np.ceil(sure * N_BINS) - 1, 0, N_BINS - 1).astype(np.int64)
    bins = tuple(
        Bin(at / N_BINS, (at + 1) / N_BINS, int(here.sum()), float(sure[here].mean()),
            float(right[here].mean()))
        for at in range(N_BINS)
        if (here := place == at).any()
    )  # fmt: skip
    gaps = sum(part.n * abs(part.confidence - part.share_right) for part in bins)
    return Calibration(len(sure), gaps / len(sure) if len(sure) else None, bins)


def mean_macro_f1(evaluations: Sequence[Evaluation]) -> float | None:
    """Mean over the attributes that have one, None when none has."""
    values = [row.macro_f1 for row in evaluations if row.macro_f1 is not None]
    return float(np.mean(values)) if values else None


def describe_evaluation(evaluation: Evaluation) -> dict[str, Any]:
    """A JSON form, numbers to 4 decimals."""
    rounded: dict[str, Any] = _round(asdict(evaluation))
    return rounded


def _round(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _round(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_round(part) for part in value]
    return round(value, 4) if isinstance(value, float) else value


def _divide(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _score(truth: npt.NDArray[np.bool_], found: npt.NDArray[np.bool_]) -> Score:
    both, n, n_found = int((truth & found).sum()), int(truth.sum()), int(found.sum())
    return Score(
        precision=_divide(both, n_found),
        recall=_divide(both, n),
        f1=_divide(2 * both, n + n_found),
        n=n,
        n_found=n_found,
    )


def _count_sides(y: Labels, p: Labels) -> npt.NDArray[np.int64]:
    """Counts of shape (3, 3): labels by answers, in the order of `SIDES`."""
    sides = list(SIDES.values())
    return np.array([[int(((y == a) & (p == b)).sum()) for b in sides] for a in sides])


def _mean_f1(tables: npt.NDArray[np.int64] | npt.NDArray[np.float64]) -> list[float | None]:
    """Macro F1 of counts of shape (k, 3, 3); a side in neither labels nor answers is left out."""
    both = np.diagonal(tables, axis1=1, axis2=2)
    whole = tables.sum(axis=1) + tables.sum(axis=2)
    f1 = np.divide(2.0 * both, whole, out=np.zeros(whole.shape), where=whole > 0)
    n_sides = (whole > 0).sum(axis=1)
    return [
        float(total / count) if count else None
        for total, count in zip(f1.sum(axis=1), n_sides, strict=True)
    ]


def _score_majority(table: npt.NDArray[np.int64]) -> float | None:
    always = np.zeros_like(table)
    always[:, table.sum(axis=1).argmax()] = table.sum(axis=1)
    return _mean_f1(always[None])[0]


def _bound_f1(
    table: npt.NDArray[np.int64], macro_f1: float | None, rng: np.random.Generator
) -> tuple[float | None, float | None]:
    """95% interval of `macro_f1`, that of counts (3, 3): what shares of the nine cells they leave likely.

    Dirichlet posterior of the shares (Goutte and Gaussier 2005,
    https://doi.org/10.1007/978-3-540-31865-1_25), whose prior weighs one review and is even over the
    sides that occur: drawing reviews anew gives no width at all where few were read without a fault.
    Where only one side occurs the same share of faults is taken to miss it or to find it wrongly.
    """
    if macro_f1 is None:
        return None, None
    occurs = (table.sum(axis=0) + table.sum(axis=1)) > 0
    if occurs.sum() == 1:
        fault = rng.beta(0.5, table.sum() + 0.5, size=N_DRAWS)
        return float(np.percentile(2 * (1 - fault) / (2 - fault), _TAILS[0])), 1.0
    is_possible = np.outer(occurs, occurs)
    weights = table[is_possible] + 1 / is_possible.sum()
    drawn = np.zeros((N_DRAWS, *table.shape))
    drawn[:, is_possible] = rng.dirichlet(weights, size=N_DRAWS)
    low, high = np.percentile([value for value in _mean_f1(drawn) if value is not None], _TAILS)
    return min(float(low), macro_f1), max(float(high), macro_f1)


def _confuse(labels: Labels, answers: Labels) -> dict[str, dict[str, int]]:
    return {
        label: {
            answer: int(((labels == code) & (answers == other)).sum())
            for answer, other in _ANSWERS.items()
        }
        for label, code in _ANSWERS.items()
    }
