"""A calibrated linear probe: what a review says of an attribute, from vectors.

One multinomial logistic regression over all attributes, on the pooled clause vectors, the whole
text's vector and a few traits of the clauses; each attribute has its own offsets to the common
weights, which the penalty holds small, so that attributes with few labels learn from the others.
Its probabilities are softened by one temperature (Guo et al. 2017,
https://arxiv.org/abs/1706.04599), chosen by cross-validation over reviews.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tasks.platform.errors import InputError
from tasks.platform.labels import ABSENT, NEGATIVE, NEUTRAL, POSITIVE
from tasks.text.labelled import UntaughtError
from tasks.text.readings import Floats, Readings, pool_clauses

CLASSES: Final = (POSITIVE, NEGATIVE, NEUTRAL, ABSENT)
FOLDS: Final = 5
_C: Final = 0.3
"""Inverse penalty; the blocks below are scaled for it."""
_CLAUSE_SCALE: Final = 3.0
_TEXT_SCALE: Final = 1.5
_OWN_SCALE: Final = 0.7
"""Of an attribute's own offsets: below 1, weights are rather shared."""
_MAX_PARTS: Final = 128
"""Principal components kept of the vectors."""
_MAX_STEPS: Final = 300
_TEMPERATURES: Final = (0.25, 4.0)
_METADATA_KEY: Final = "whyrec"
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Frame:
    """How raw inputs become columns; constants of the fitted probe.

    `clause_parts` and `text_parts` have shape (parts, dim), the means (dim,); `trait_mean` and
    `trait_scale` (traits,).
    """

    clause_mean: Floats
    clause_parts: Floats
    text_mean: Floats
    text_parts: Floats
    trait_mean: Floats
    trait_scale: Floats


@dataclass(frozen=True)
class Probe:
    """A fitted probe for `attributes`, in their order.

    `weights` has shape (classes, columns), `bias` (classes,); `classes` are labels. `about` says how
    it was taught and how well it agrees with its teacher; JSON-serialisable.
    """

    attributes: tuple[str, ...]
    classes: tuple[int, ...]
    frame: Frame
    weights: Floats
    bias: Floats
    temperature: float
    about: Mapping[str, Any]

    def predict(self, inputs: Sequence[tuple[Floats, Floats, Floats]]) -> Floats:
        """Probabilities, shape (n, attributes, classes), of inputs as `gather_inputs` gives them."""
        logits = [
            design(self.frame, *part, attribute=number, n_attributes=len(self.attributes))
            @ self.weights.T
            + self.bias
            for number, part in enumerate(inputs)
        ]
        return soften(np.stack(logits, axis=1), self.temperature)

    def answer_weights(self, attribute: int, label: int) -> tuple[Floats, Floats, Floats]:
        """What a unit of clause vector, text vector and trait adds to the log-odds of `label`.

        Shapes (dim,), (dim,) and (traits,); against the mean of the other answers.
        """
        weights = contrast(self.weights, self.classes.index(label))
        frame = self.frame
        sizes = (len(frame.clause_parts), len(frame.text_parts), len(frame.trait_mean))
        clause, text, traits = np.split(weights[: sum(sizes)], np.cumsum(sizes)[:-1])
        own = weights[sum(sizes) :].reshape(len(self.attributes), -1)[attribute] * _OWN_SCALE
        clause = clause + own[: sizes[0]]
        traits = traits + own[sizes[0] : sizes[0] + sizes[2]]
        return (
            (clause @ frame.clause_parts) * _CLAUSE_SCALE / self.temperature,
            (text @ frame.text_parts) * _TEXT_SCALE / self.temperature,
            traits / frame.trait_scale / self.temperature,
        )


def contrast(weights: Floats, at: int) -> Floats:
    """Row `at` of (classes, columns) minus the mean of the others."""
    others = np.delete(weights, at, axis=0)
    difference: Floats = weights[at] - others.mean(axis=0)
    return difference


def gather_inputs(
    readings: Readings, base: Sequence[Floats] | None = None
) -> list[tuple[Floats, Floats, Floats]]:
    """Per attribute: pooled clauses (n, dim), texts (n, dim) and traits (n, traits).

    `base` adds columns (n, k) per attribute, what another extractor answered.
    """
    texts = readings.texts.astype(np.float64)
    inputs = []
    for attribute in range(readings.weight.shape[1]):
        pooled, traits = pool_clauses(readings, attribute)
        if base is not None:
            traits = np.hstack([traits, base[attribute]])
        inputs.append((pooled, texts, traits))
    return inputs


def fit_probe(
    inputs: Sequence[tuple[Floats, Floats, Floats]],
    labels: Labels,
    *,
    attributes: Sequence[str],
    is_used: npt.NDArray[np.bool_],
    folds: npt.NDArray[np.int64],
    about: Mapping[str, Any],
) -> tuple[Probe, Floats]:
    """The probe of labels (n, attributes) where `is_used`, and probabilities by others' folds.

    `folds` (n,) in [0, FOLDS) parts the reviews; the probabilities, shape (n, attributes, classes),
    come from fits that saw nothing of the review's fold, under the common temperature. Raises
    InputError when the labels hold fewer than two answers.
    """
    classes = tuple(c for c in CLASSES if (labels[is_used] == c).any())
    if len(classes) < 2:
        raise UntaughtError(
            f"the labels hold {len(classes)} different answers; a probe needs at least two, "
            "label more reviews or let extract.distilled.sample be larger"
        )
    frame = fit_frame(inputs, np.asarray(is_used.any(axis=1)))
    columns = [
        design(frame, *part, attribute=number, n_attributes=len(attributes))
        for number, part in enumerate(inputs)
    ]
    held = np.stack([np.zeros((len(labels), len(classes)))] * len(attributes), axis=1)
    for fold in np.unique(folds):
        weights, bias = _fit(columns, labels, is_used & (folds != fold)[:, None], classes)
        here = folds == fold
        held[here] = np.stack([part[here] @ weights.T + bias for part in columns], axis=1)
    temperature = choose_temperature(held[is_used], labels[is_used], classes)
    weights, bias = _fit(columns, labels, is_used, classes)
    probe = Probe(tuple(attributes), classes, frame, weights, bias, temperature, dict(about))
    return probe, soften(held, temperature)


def fit_frame(
    inputs: Sequence[tuple[Floats, Floats, Floats]], is_kept: npt.NDArray[np.bool_]
) -> Frame:
    """Centres, principal components and scales of the inputs of the kept reviews."""
    clauses = np.concatenate([part[0][is_kept] for part in inputs])
    texts = inputs[0][1][is_kept]
    traits = np.concatenate([part[2][is_kept] for part in inputs])
    scale = traits.std(axis=0)
    return Frame(
        clauses.mean(axis=0),
        _find_parts(clauses),
        texts.mean(axis=0),
        _find_parts(texts),
        traits.mean(axis=0),
        np.where(scale > 0, scale, 1.0),
    )


def design(
    frame: Frame,
    clauses: Floats,
    texts: Floats,
    traits: Floats,
    *,
    attribute: int,
    n_attributes: int,
) -> Floats:
    """Columns of shape (n, columns): the common ones, then each attribute's own, 0 for the others."""
    near = (clauses - frame.clause_mean) @ frame.clause_parts.T * _CLAUSE_SCALE
    whole = (texts - frame.text_mean) @ frame.text_parts.T * _TEXT_SCALE
    signs = (traits - frame.trait_mean) / frame.trait_scale
    own = np.hstack([near, signs, np.ones((len(near), 1))]) * _OWN_SCALE
    block = np.zeros((len(near), n_attributes, own.shape[1]))
    block[:, attribute] = own
    return np.hstack([near, whole, signs, block.reshape(len(near), -1)])


def soften(logits: Floats, temperature: float) -> Floats:
    """Softmax over the last axis."""
    scaled = logits / temperature
    raised = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    shares: Floats = raised / raised.sum(axis=-1, keepdims=True)
    return shares


def _find_parts(vectors: Floats) -> Floats:
    """Principal axes, shape (parts, dim), each with its largest entry positive."""
    centred = vectors - vectors.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    parts = axes.T[::-1][: min(_MAX_PARTS, len(vectors))]
    largest = np.abs(parts).argmax(axis=1)
    signs = np.sign(parts[np.arange(len(parts)), largest])
    turned: Floats = parts * signs[:, None]
    return turned


def _fit(
    columns: Sequence[Floats],
    labels: Labels,
    is_used: npt.NDArray[np.bool_],
    classes: Sequence[int],
) -> tuple[Floats, Floats]:
    """Weights (classes, columns) and bias; a class that the used labels lack is never answered."""
    from sklearn.linear_model import LogisticRegression

    x = np.concatenate([part[is_used[:, number]] for number, part in enumerate(columns)])
    y = np.concatenate([labels[is_used[:, n], n] for n in range(len(columns))])
    weights = np.zeros((len(classes), x.shape[1]))
    bias = np.full(len(classes), -30.0)
    present = [at for at, label in enumerate(classes) if (y == label).any()]
    if len(present) == 1:
        bias[present] = 0.0
        return weights, bias
    # Codes in the order of `classes`, since scikit-learn sorts what it is given.
    codes = np.select([y == label for label in classes], range(len(classes)))
    model = LogisticRegression(C=_C, max_iter=_MAX_STEPS).fit(x, codes)
    if len(present) == 2:
        weights[present], bias[present] = [-model.coef_[0] / 2, model.coef_[0] / 2], [0.0, 0.0]
        bias[present] = [-model.intercept_[0] / 2, model.intercept_[0] / 2]
    else:
        weights[present], bias[present] = model.coef_, model.intercept_
    return weights, bias


def choose_temperature(logits: Floats, labels: Labels, classes: Sequence[int]) -> float:
    """The temperature of the least log loss; logits (k, classes) come from others' folds."""
    from scipy.optimize import minimize_scalar

    at = np.array([list(classes).index(label) for label in labels])
    rows = np.arange(len(at))

    def lose(log_temperature: float) -> float:
        shares = soften(logits, float(np.exp(log_temperature)))
        return float(-np.log(np.maximum(shares[rows, at], 1e-12)).mean())

    low, high = np.log(_TEMPERATURES)
    found = minimize_scalar(lose, bounds=(low, high), method="bounded")
    return round(float(np.exp(found.x)), 4)


def encode_probe(probe: Probe) -> bytes:
    """A safetensors file: the same probe gives the same bytes."""
    from safetensors.numpy import save

    meta = {
        "attributes": probe.attributes,
        "classes": probe.classes,
        "temperature": probe.temperature,
        "about": probe.about,
    }
    tensors = {"weights": probe.weights, "bias": probe.bias, **vars(probe.frame)}
    return save(
        {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()},
        metadata={_METADATA_KEY: json.dumps(meta, sort_keys=True, separators=(",", ":"))},
    )


def decode_probe(blob: bytes) -> Probe:
    """What `encode_probe` wrote; raises InputError for anything else."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        tensors = load(blob)
        size = int.from_bytes(blob[:8], "little")
        meta = json.loads(json.loads(blob[8 : 8 + size])["__metadata__"][_METADATA_KEY])
        weights, bias = tensors.pop("weights"), tensors.pop("bias")
        frame = Frame(**tensors)
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise InputError("this is no file of a probe; fit it again") from error
    return Probe(
        tuple(meta["attributes"]), tuple(meta["classes"]), frame, weights, bias,
        meta["temperature"], meta["about"],
    )  # fmt: skip
