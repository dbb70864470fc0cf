"""What a review says of attributes, given what was read and a sample that people labelled.

A reader (words, embeddings, a language model) errs. From a sample of reviews with gold labels a
multinomial logistic model learns how a reading, its confidence, what was read of the other
attributes and the outcome go with the label; one model serves all attributes, each with intercepts
of its own, so that rare ones borrow strength. Labels are drawn attribute by attribute, each given
those drawn before it, so that the draws of a review hang together as labels do (the chained form of
multiple imputation; van Buuren 2018, "Flexible Imputation of Missing Data", chapter 4).

The outcome belongs into this model: leaving it out would bias every effect towards zero (Little
1992, "Regression with missing X's"). That is no leak into the treatment: nothing here reads a text,
and `tasks.effects.measured` holds what is drawn against the labelled sample.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tasks.effects.basis import FloatArray
from tasks.effects.moments import IntArray
from tasks.platform.errors import EstimationError

Labels = NDArray[np.int8]

CLASSES: Final = (-1, 0, 1)
_BLOCK_ROWS: Final = 50_000
"""Rows whose features are held at once."""
STRENGTH: Final = 1.0
"""Inverse of the ridge penalty: little beside hundreds of labels, much beside a handful."""


@dataclass(frozen=True, eq=False)
class Reading:
    """What was read in n texts of k attributes.

    `polarity` (n, k) in {-1, 0, 1}, `is_mentioned` (n, k), `confidence` (n, k) in [0, 1].
    """

    polarity: Labels
    is_mentioned: NDArray[np.bool_]
    confidence: FloatArray


@dataclass(frozen=True, eq=False)
class Gold:
    """Labels of g of the n rows: `rows` (g,) are distinct row numbers, `polarity` (g, k)."""

    rows: IntArray
    polarity: Labels


@dataclass(frozen=True, eq=False)
class _Model:
    """Class scores are `x @ coef + intercept`, (f, 3) and (3,), in the order of `CLASSES`."""

    coef: FloatArray
    intercept: FloatArray


def draw_labels(
    reading: Reading,
    gold: Gold,
    outcome: FloatArray,
    controls: FloatArray,
    *,
    group: IntArray,
    n_groups: int,
    n_draws: int,
    rng: np.random.Generator,
) -> Iterator[Labels]:
    """Draws of all rows' labels, shape (n_draws, n, k), from one model for each of `n_groups`.

    Model f has not seen the gold rows of `group` f, shape (g,). All models use the same random
    numbers, so that their draws differ by the models alone. `outcome` has shape (n,), `controls` (n, p): of
    them the model sees what they foretell of the outcome and of each reading. Raises
    EstimationError when the labels are all alike.
    """
    if len(np.unique(gold.polarity)) < 2:
        raise EstimationError(
            "all gold labels are alike, so nothing can be learned from them; label reviews that "
            "differ"
        )
    foretold = _foretell(controls, np.column_stack([outcome, reading.polarity]))
    scale = max(float(outcome.std()), 1e-12)
    scaled = (outcome - outcome.mean() - foretold[:, 0]) / scale
    foretold /= np.r_[scale, np.ones(gold.polarity.shape[1])]
    seen = _describe(_take(reading, gold.rows), scaled[gold.rows], foretold[gold.rows])
    order = np.argsort(-(gold.polarity != 0).sum(axis=0), kind="stable")
    uniform = rng.random((n_draws, *reading.polarity.shape), dtype=np.float32)
    models = [
        _learn(seen[:, group != f], gold.polarity[group != f], scaled[gold.rows[group != f]], order)
        for f in range(n_groups)
    ]
    drawn = [np.empty(uniform.shape, dtype=np.int8) for _ in models]
    for start in range(0, len(outcome), _BLOCK_ROWS):
        part = slice(start, start + _BLOCK_ROWS)
        base = _describe(_take(reading, part), scaled[part], foretold[part])
        for model, labels in zip(models, drawn, strict=True):
            labels[:, part] = _draw(base, scaled[part], order, model, uniform[:, part])
    yield from drawn


def _take(reading: Reading, rows: IntArray | slice) -> Reading:
    """What was read in some rows."""
    return Reading(reading.polarity[rows], reading.is_mentioned[rows], reading.confidence[rows])


def _foretell(controls: FloatArray, targets: FloatArray) -> FloatArray:
    """What the controls foretell of each target about its mean, by ridge regression, (n, t)."""
    centred = controls - controls.mean(axis=0)
    gram = centred.T @ centred + np.eye(controls.shape[1])
    weights = np.linalg.solve(gram, centred.T @ (targets - targets.mean(axis=0)))
    foretold: FloatArray = centred @ weights
    return foretold


def _describe(reading: Reading, outcome: FloatArray, foretold: FloatArray) -> FloatArray:
    """Features of each row and attribute that need no labels, shape (k, n, f).

    `foretold` (n, 1 + k): what the controls say of the outcome and of each reading.
    """
    n, k = reading.polarity.shape
    signed = reading.polarity * reading.confidence
    spoken = np.tanh(signed.sum(axis=1, keepdims=True) - signed)
    features = np.empty((k, n, 12 + 7 * k))
    for a in range(k):
        said = reading.is_mentioned[:, a].astype(np.float64)
        good, bad = reading.polarity[:, a] == 1, reading.polarity[:, a] == -1
        sure, other = reading.confidence[:, a], spoken[:, a]
        own = np.column_stack([said, good, bad, good * sure, bad * sure, other, other * said])
        with_outcome = np.column_stack([np.ones(n), said, good, bad, outcome]) * outcome[:, None]
        which = np.zeros((n, 7 * k))
        which[:, 7 * a : 7 * a + 7] = np.column_stack(
            [np.ones(n), said, good, bad, outcome, foretold[:, 0], foretold[:, 1 + a]]
        )
        features[a] = np.column_stack([own, with_outcome, which])
    return features


def _add_known(base: FloatArray, known: Labels, outcome: FloatArray) -> FloatArray:
    """Features with those of the labels already known, shape (n, f + 4); `known` is (n, j)."""
    counts = np.column_stack([(known == 1).sum(axis=1), (known == -1).sum(axis=1)])
    return np.column_stack([base, counts, counts * outcome[:, None]])


def _learn(base: FloatArray, labels: Labels, outcome: FloatArray, order: IntArray) -> _Model:
    """One model from the labels of all attributes; `base` (k, g, f), `labels` (g, k).

    Of labels that are all alike it draws that one.
    """
    from sklearn.linear_model import LogisticRegression

    x = np.concatenate([
        _add_known(base[a], labels[:, order[:j]], outcome) for j, a in enumerate(order)
    ])  # fmt: skip
    y = np.concatenate([labels[:, a] for a in order])
    coef, intercept = np.zeros((x.shape[1], 3)), np.full(3, -np.inf)
    if (y == y[0]).all():
        intercept[CLASSES.index(int(y[0]))] = 0.0
        return _Model(coef, intercept)
    fitted = LogisticRegression(C=STRENGTH, max_iter=500).fit(x, y)
    weights, constants = fitted.coef_, fitted.intercept_
    if len(fitted.classes_) == 2:
        weights, constants = np.vstack([-weights, weights]) / 2, np.r_[-constants, constants] / 2
    for position, label in enumerate(fitted.classes_):
        column = CLASSES.index(int(label))
        coef[:, column], intercept[column] = weights[position], constants[position]
    return _Model(coef, intercept)


def _draw(
    base: FloatArray,
    outcome: FloatArray,
    order: IntArray,
    model: _Model,
    uniform: NDArray[np.float32],
) -> Labels:
    """Labels of all rows, attribute by attribute; `uniform` is (n_draws, n, k)."""
    drawn = np.zeros(uniform.shape, dtype=np.int8)
    for j, a in enumerate(order):
        fixed = base[a] @ model.coef[: base.shape[2]] + model.intercept
        for m, labels in enumerate(drawn):
            known = _add_known(np.empty((len(outcome), 0)), labels[:, order[:j]], outcome)
            scores = fixed + known @ model.coef[base.shape[2] :]
            odds = np.exp(scores - scores.max(axis=1, keepdims=True))
            reached = np.cumsum(odds, axis=1) / odds.sum(axis=1, keepdims=True)
            labels[:, a] = (uniform[m, :, a, None] > reached[:, :2]).sum(axis=1) - 1
    return drawn
