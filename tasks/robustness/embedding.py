"""Attacks in embedding space: how far must a vector move before its reader answers otherwise?

FGSM (Goodfellow et al. 2015, https://arxiv.org/abs/1412.6572) takes one step along the gradient,
PGD (Madry et al. 2018, https://arxiv.org/abs/1706.06083) many, from a random start, drawn back into
the ball of radius epsilon after each. They bound what any text could do, and reach vectors that no
text has: a vector moves freely in the ball, its length is not kept. Whoever gives a gradient can be
attacked: a probe, a text tower, a recommender's factors.

Answers are attacked by each other label in turn, on the difference of two scores, which never
saturates (Carlini and Wagner 2017, https://arxiv.org/abs/1608.04644), and the best point on the way
counts, not the last. Of a linear reader one step then reaches all that can be reached: its least
distance to label k is (s_t - s_k) / ||w_t - w_k||, in the dual norm.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

import numpy as np
import numpy.typing as npt

from tasks.platform.errors import ConfigError, InputError

Floats = npt.NDArray[np.float64]
Gradient = Callable[[Floats], Floats]
"""Rows of a height's gradient at vectors, shape (n, dim) for (n, dim)."""
Height = Callable[[Floats], Floats]
"""What an attack wants to rise, of each vector, shape (n,)."""
Codes = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Norm = Literal["l2", "linf"]
Method = Literal["fgsm", "pgd"]
METHODS: Final = ("fgsm", "pgd")
STEPS: Final = 20
_STEP_SHARE: Final = 2.5
"""PGD's steps add up to so many times epsilon (Madry et al.)."""
_TINY: Final = 1e-12


class VectorVictim(Protocol):
    """Reads vectors, and knows the slopes of its scores."""

    def score(self, vectors: Floats) -> Floats:
        """Scores whose softmax are the probabilities, shape (n, labels)."""

    def pull(self, vectors: Floats, labels: Codes, rivals: Codes) -> Floats:
        """Gradient of each rival's score less the label's, shape (n, dim)."""


@dataclass(frozen=True)
class LinearVictim:
    """A multinomial logistic regression: `weights` (labels, dim), `bias` (labels,) or (n, labels).

    A bias per row holds what of an input is not attacked.
    """

    weights: Floats
    bias: Floats

    def score(self, vectors: Floats) -> Floats:
        """Weights times vectors, and bias."""
        return np.asarray(vectors @ self.weights.T + self.bias)

    def pull(self, vectors: Floats, labels: Codes, rivals: Codes) -> Floats:
        """The difference of two labels' weights, the same at all vectors."""
        return np.asarray(self.weights[rivals] - self.weights[labels])

    def predict(self, vectors: Floats) -> Floats:
        """Softmax of the scores."""
        return to_shares(self.score(vectors))

    def gradient(self, vectors: Floats, truths: Codes) -> Floats:
        """Gradient of the log loss of each vector's true label: (probabilities less truth) times weights."""
        shares = self.predict(vectors)
        shares[np.arange(len(shares)), truths] -= 1.0
        return np.asarray(shares @ self.weights)


@dataclass(frozen=True)
class Strength:
    """What one size of attack did to `n` vectors that were read rightly before.

    `accuracy` is over all vectors, also those read wrongly before, which stay wrong; `shift` is the
    mean fall of the true label's probability among the `n`.
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
    truths: Codes,
    *,
    method: Method,
    epsilons: Sequence[float],
    norm: Norm = "l2",
    steps: int = STEPS,
    seed: int = 0,
) -> Curve:
    """Attack vectors (n, dim), whose right labels are `truths` (n,), at each size.

    A truth that the victim has no score for is read wrongly. A larger size can all that a smaller
    one could. A victim with one answer for all vectors is not attacked: it has nothing to flip.
    Raises ConfigError for sizes that are not positive or a method that is not known.
    """
    check_sizes(method, epsilons)
    if len(vectors) != len(truths):
        raise InputError(f"{len(vectors)} vectors and {len(truths)} labels; give one each")
    if not len(vectors):
        return Curve(method, norm, 0, 0, None, (), None, "no vectors")
    before = victim.score(vectors)
    answers = before.argmax(axis=1)
    is_right = answers == truths
    clean, n_wrong = float(is_right.mean()), int((~is_right).sum())
    if len(vectors) > 1 and len(np.unique(answers)) == 1:
        reason = "constant model: it gives one answer to everything"
        return Curve(method, norm, len(vectors), len(vectors), clean, (), None, reason)
    points = []
    best, lead = vectors, find_leads(before, answers)
    for number, epsilon in enumerate(sorted(epsilons)):
        moved = turn_answers(
            victim, vectors, answers, method=method, epsilon=epsilon, norm=norm, steps=steps,
            rng=np.random.default_rng([seed, number]),
        )  # fmt: skip
        best, lead = keep_higher(best, lead, moved, find_leads(victim.score(moved), answers))
        after = victim.score(best)
        points.append(_measure(epsilon, before, after, answers, is_right, lead > 0))
    median = next((p.epsilon for p in points if p.n and p.flipped >= p.n / 2), None)
    return Curve(method, norm, len(vectors), n_wrong, clean, tuple(points), median)


def turn_answers(
    victim: VectorVictim,
    vectors: Floats,
    answers: Codes,
    *,
    method: Method,
    epsilon: float,
    norm: Norm,
    steps: int = STEPS,
    rng: np.random.Generator,
) -> Floats:
    """Vectors (n, dim) moved by at most `epsilon` to where another label's lead is largest.

    Every other label is tried.
    """

    def lead(at: Floats) -> Floats:
        return find_leads(victim.score(at), answers)

    best, highest = vectors, lead(vectors)
    for label in range(victim.score(vectors).shape[1]):
        rivals = np.full(len(vectors), label)
        moved = perturb(
            vectors, lambda at, rivals=rivals: victim.pull(at, answers, rivals), lead,  # type: ignore[misc]
            method=method, epsilon=epsilon, norm=norm, steps=steps, rng=rng,
        )  # fmt: skip
        best, highest = keep_higher(best, highest, moved, lead(moved))
    return best


def keep_higher(
    best: Floats, highest: Floats, moved: Floats, heights: Floats
) -> tuple[Floats, Floats]:
    """Of points (n, dim) and their heights (n,) the higher of the `best` so far and of the `moved`."""
    kept = np.where((heights > highest)[:, None], moved, best)
    return kept, np.maximum(heights, highest)


def find_leads(scores: Floats, answers: Codes) -> Floats:
    """By how much the best other label's score exceeds the answer's, shape (n,); below 0: it holds."""
    rows = np.arange(len(answers))
    others = scores.copy()
    others[rows, answers] = -np.inf
    return np.asarray(others.max(axis=1) - scores[rows, answers])


def to_shares(scores: Floats) -> Floats:
    """Softmax of scores (n, labels)."""
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


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
            vectors, lambda at: sign * gradient(at), lambda at: sign * score(at), method=method,
            epsilon=epsilon, norm=norm, steps=steps, rng=np.random.default_rng([seed, number]),
        )  # fmt: skip
        found.append((float(epsilon), float((score(moved) - before).mean())))
    return found


def perturb(
    vectors: Floats,
    gradient: Gradient,
    height: Height,
    *,
    method: Method,
    epsilon: float,
    norm: Norm,
    steps: int = STEPS,
    rng: np.random.Generator,
) -> Floats:
    """Vectors moved by at most `epsilon` in `norm` so that `height`, whose `gradient` is given, rises.

    The highest point met counts, of PGD also that of one whole step; what never rises stays.
    """
    best, highest = vectors, height(vectors)
    for moved in walk(vectors, gradient, method, epsilon, norm, steps, rng):
        best, highest = keep_higher(best, highest, moved, height(moved))
    return best


def walk(
    vectors: Floats,
    gradient: Gradient,
    method: Method,
    epsilon: float,
    norm: Norm,
    steps: int,
    rng: np.random.Generator,
) -> Iterator[Floats]:
    """The points of an attack, shape (n, dim) each: one whole step, and for PGD those of its way."""
    yield vectors + epsilon * steepest(gradient(vectors), norm)
    if method == "fgsm":
        return
    start = rng.standard_normal(vectors.shape)
    offset = epsilon * rng.random((len(vectors), 1)) * steepest(start, norm)
    size = _STEP_SHARE * epsilon / steps
    for _ in range(steps):
        offset = offset + size * steepest(gradient(vectors + offset), norm)
        offset = project(offset, epsilon, norm)
        yield vectors + offset


def steepest(gradient: Floats, norm: Norm) -> Floats:
    """The step of length 1 in `norm` along which each row rises most; 0 where there is no slope."""
    if norm == "linf":
        return np.sign(gradient)
    largest = np.abs(gradient).max(axis=1, keepdims=True)
    scaled = gradient / np.where(largest > 0, largest, 1.0)  # a slope's square may underflow
    length = np.linalg.norm(scaled, axis=1, keepdims=True)
    return np.asarray(scaled / np.maximum(length, _TINY))


def project(offset: Floats, epsilon: float, norm: Norm) -> Floats:
    """The nearest offsets within the ball."""
    if norm == "linf":
        return np.clip(offset, -epsilon, epsilon)
    length = np.linalg.norm(offset, axis=1, keepdims=True)
    return np.asarray(offset * np.minimum(1.0, epsilon / np.maximum(length, _TINY)))


def fit_hardened(
    vectors: Floats,
    truths: Codes,
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
    epsilon: float,
    before: Floats,
    after: Floats,
    answers: Codes,
    was_right: Flags,
    is_turned: Flags,
) -> Strength:
    rows = np.arange(len(answers))
    fall = (to_shares(before) - to_shares(after))[rows, answers][was_right]
    return Strength(
        float(epsilon),
        int(was_right.sum()),
        int((was_right & is_turned).sum()),
        float((was_right & ~is_turned).mean()),
        float(fall.mean()) if len(fall) else 0.0,
    )
