"""Attacks in embedding space: how far must a vector move before its reader answers otherwise?

FGSM (Goodfellow et al. 2015, https://arxiv.org/abs/1412.6572) takes one step along the gradient,
PGD (Madry et al. 2018, https://arxiv.org/abs/1706.06083) many, from a random start, drawn back into
the ball of radius epsilon after each. They bound what any text could do, and reach vectors that no
text has. Whoever gives a gradient can be attacked: a probe, a text tower, a recommender's factors.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

import numpy as np
import numpy.typing as npt

from tasks.platform.errors import ConfigError, InputError

Floats = npt.NDArray[np.float64]
Gradient = Callable[[Floats], Floats]
"""Rows of a loss's gradient at vectors, shape (n, dim) for (n, dim)."""
Norm = Literal["l2", "linf"]
Method = Literal["fgsm", "pgd"]
METHODS: Final = ("fgsm", "pgd")
STEPS: Final = 20
_STEP_SHARE: Final = 2.5
"""PGD's steps add up to so many times epsilon (Madry et al.)."""
_TINY: Final = 1e-12


class VectorVictim(Protocol):
    """Reads vectors, and knows its gradient."""

    def predict(self, vectors: Floats) -> Floats:
        """Probabilities, shape (n, labels)."""

    def gradient(self, vectors: Floats, truths: npt.NDArray[np.int64]) -> Floats:
        """Gradient of the log loss of each vector's true label, shape (n, dim)."""


@dataclass(frozen=True)
class LinearVictim:
    """A multinomial logistic regression: `weights` (labels, dim), `bias` (labels,) or (n, labels).

    A bias per row holds what of an input is not attacked.
    """

    weights: Floats
    bias: Floats

    def predict(self, vectors: Floats) -> Floats:
        """Softmax of the scores."""
        scores = vectors @ self.weights.T + self.bias
        raised = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(raised / raised.sum(axis=1, keepdims=True))

    def gradient(self, vectors: Floats, truths: npt.NDArray[np.int64]) -> Floats:
        """(Probabilities less truth) times weights."""
        shares = self.predict(vectors)
        shares[np.arange(len(shares)), truths] -= 1.0
        return np.asarray(shares @ self.weights)


@dataclass(frozen=True)
class Strength:
    """What one size of attack did to `n` vectors that were read rightly before.

    `accuracy` is over all vectors, also those read wrongly before; `shift` is the mean fall of the
    true label's probability among the `n`.
    """

    epsilon: float
    n: int
    flipped: int
    accuracy: float
    shift: float


@dataclass(frozen=True)
class Curve:
    """An attack at several sizes.

    `clean_accuracy` is without attack; `n_skipped` vectors were read wrongly before it. `reason` says
    why nothing was attacked (None when it was); `points` are then empty. `median_flip` is the
    smallest size tried that flips half of the attacked, None when none does.
    """

    method: Method
    norm: Norm
    n: int
    n_skipped: int
    clean_accuracy: float | None
    points: tuple[Strength, ...]
    median_flip: float | None
    reason: str | None = None


def attack_vectors(
    victim: VectorVictim,
    vectors: Floats,
    truths: npt.NDArray[np.int64],
    *,
    method: Method,
    epsilons: Sequence[float],
    norm: Norm = "l2",
    steps: int = STEPS,
    seed: int = 0,
) -> Curve:
    """Attack vectors (n, dim), whose right labels are `truths` (n,), at each size.

    A victim with one answer for all vectors is not attacked: it has nothing to flip. Raises
    ConfigError for sizes that are not positive or a method that is not known.
    """
    check_sizes(method, epsilons)
    if len(vectors) != len(truths):
        raise InputError(f"{len(vectors)} vectors and {len(truths)} labels; give one each")
    if not len(vectors):
        return Curve(method, norm, 0, 0, None, (), None, "no vectors")
    before = victim.predict(vectors)
    answers = before.argmax(axis=1)
    is_right = answers == truths
    clean, n_wrong = float(is_right.mean()), int((~is_right).sum())
    if len(vectors) > 1 and len(np.unique(answers)) == 1:
        reason = "constant model: it gives one answer to everything"
        return Curve(method, norm, len(vectors), len(vectors), clean, (), None, reason)
    points = []
    for number, epsilon in enumerate(sorted(epsilons)):
        moved = perturb(
            vectors, lambda at: victim.gradient(at, truths), method=method, epsilon=epsilon,
            norm=norm, steps=steps, rng=np.random.default_rng([seed, number]),
        )  # fmt: skip
        points.append(_measure(epsilon, before, victim.predict(moved), truths))
    median = next((p.epsilon for p in points if p.n and p.flipped >= p.n / 2), None)
    return Curve(method, norm, len(vectors), n_wrong, clean, tuple(points), median)


def shift_scores(
    vectors: Floats,
    score: Callable[[Floats], Floats],
    gradient: Gradient,
    *,
    method: Method,
    epsilons: Sequence[float],
    norm: Norm = "l2",
    sign: int = 1,
    steps: int = STEPS,
    seed: int = 0,
) -> list[tuple[float, float]]:
    """How far scores (n,) of vectors (n, dim) can be pushed up (`sign` 1) or down (-1).

    (epsilon, mean shift) by size: for the factors of a recommender's items, whose score is what it
    predicts.
    """
    check_sizes(method, epsilons)
    before = score(vectors)
    found = []
    for number, epsilon in enumerate(sorted(epsilons)):
        moved = perturb(
            vectors, lambda at: sign * gradient(at), method=method, epsilon=epsilon, norm=norm,
            steps=steps, rng=np.random.default_rng([seed, number]),
        )  # fmt: skip
        found.append((float(epsilon), float((score(moved) - before).mean())))
    return found


def perturb(
    vectors: Floats,
    gradient: Gradient,
    *,
    method: Method,
    epsilon: float,
    norm: Norm,
    steps: int = STEPS,
    rng: np.random.Generator,
) -> Floats:
    """Vectors moved by at most `epsilon` in `norm` so that what `gradient` belongs to rises."""
    if method == "fgsm":
        return vectors + epsilon * steepest(gradient(vectors), norm)
    start = rng.standard_normal(vectors.shape)
    offset = epsilon * rng.random((len(vectors), 1)) * steepest(start, norm)
    size = _STEP_SHARE * epsilon / steps
    for _ in range(steps):
        offset = offset + size * steepest(gradient(vectors + offset), norm)
        offset = project(offset, epsilon, norm)
    return vectors + offset


def steepest(gradient: Floats, norm: Norm) -> Floats:
    """The step of length 1 in `norm` along which each row rises most; 0 where there is no slope."""
    if norm == "linf":
        return np.sign(gradient)
    length = np.linalg.norm(gradient, axis=1, keepdims=True)
    return np.asarray(gradient / np.maximum(length, _TINY))


def project(offset: Floats, epsilon: float, norm: Norm) -> Floats:
    """The nearest offsets within the ball."""
    if norm == "linf":
        return np.clip(offset, -epsilon, epsilon)
    length = np.linalg.norm(offset, axis=1, keepdims=True)
    return np.asarray(offset * np.minimum(1.0, epsilon / np.maximum(length, _TINY)))


def fit_hardened(
    vectors: Floats,
    truths: npt.NDArray[np.int64],
    *,
    n_labels: int,
    epsilon: float,
    norm: Norm = "l2",
    penalty: float = 1.0,
    most_steps: int = 200,
) -> LinearVictim:
    """A logistic regression that is taught on vectors as an attack would leave them.

    Minimises the mean log loss at vectors moved by FGSM at `epsilon` against the present weights, plus
    `penalty` / 2n times their squares; its gradient is that at the moved vectors (Danskin; Madry et
    al.). For two labels FGSM is the strongest attack there is; `epsilon` 0 is the ordinary fit.
    Raises InputError for fewer than two labels.
    """
    from scipy.optimize import minimize

    n, dim = vectors.shape
    if len(np.unique(truths)) < 2:
        raise InputError(
            "fewer than two different labels were given; nothing can be learnt of them"
        )

    def lose(flat: Floats) -> tuple[float, Floats]:
        victim = LinearVictim(flat[n_labels:].reshape(n_labels, dim), flat[:n_labels])
        moved = vectors
        if epsilon > 0:
            moved = vectors + epsilon * steepest(victim.gradient(vectors, truths), norm)
        shares = victim.predict(moved)
        loss = -np.log(np.maximum(shares[np.arange(n), truths], _TINY)).mean()
        shares[np.arange(n), truths] -= 1.0
        slope = shares.T @ moved / n + penalty / n * victim.weights
        size = penalty / (2 * n) * float((victim.weights**2).sum())
        return loss + size, np.concatenate([shares.mean(axis=0), slope.ravel()])

    start = 1e-3 * np.random.default_rng(0).standard_normal(n_labels * (dim + 1))
    found = minimize(lose, start, jac=True, method="L-BFGS-B", options={"maxiter": most_steps}).x
    return LinearVictim(found[n_labels:].reshape(n_labels, dim), found[:n_labels])


def check_sizes(method: str, epsilons: Sequence[float]) -> None:
    """Raises ConfigError for an unknown method, no size, or one that is not positive."""
    if method not in METHODS:
        raise ConfigError(f"method {method!r} is not known; allowed are {', '.join(METHODS)}")
    if not epsilons or not all(0 < size < np.inf for size in epsilons):
        raise ConfigError(f"epsilons {list(epsilons)} were given; give some above 0")


def _measure(
    epsilon: float, before: Floats, after: Floats, truths: npt.NDArray[np.int64]
) -> Strength:
    rows = np.arange(len(truths))
    was_right = before.argmax(axis=1) == truths
    is_right = after.argmax(axis=1) == truths
    fall = (before[rows, truths] - after[rows, truths])[was_right]
    return Strength(
        float(epsilon),
        int(was_right.sum()),
        int((was_right & ~is_right).sum()),
        float(is_right.mean()),
        float(fall.mean()) if len(fall) else 0.0,
    )
