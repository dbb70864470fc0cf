"""Attacks in embedding space against readers whose weakest direction is known."""

import numpy as np
import pytest

from tasks.platform.errors import ConfigError, InputError
from tasks.robustness.embedding import (
    LinearVictim,
    attack_vectors,
    fit_hardened,
    perturb,
    shift_scores,
    steepest,
)

WEIGHTS = np.array([[-3.0, -4.0], [3.0, 4.0]])
"""Along (3, 4) / 5 a point moves its margin by 10 per unit of length."""
VICTIM = LinearVictim(WEIGHTS, np.zeros(2))
POINTS = np.array([[0.6, 0.8], [0.3, 0.4], [-0.6, -0.8], [-0.06, -0.08]])
"""At distances 1, 0.5, 1 and 0.1 from the border."""
TRUTHS = np.array([1, 1, 0, 0])


@pytest.mark.parametrize("method", ["fgsm", "pgd"])
def test_points_flip_exactly_when_epsilon_exceeds_their_distance(method) -> None:
    curve = attack_vectors(
        VICTIM, POINTS, TRUTHS, method=method, epsilons=(0.05, 0.2, 0.6, 1.2), norm="l2"
    )
    assert curve.clean_accuracy == 1.0
    assert [point.flipped for point in curve.points] == [0, 1, 2, 4]
    assert [point.accuracy for point in curve.points] == [1.0, 0.75, 0.5, 0.0]
    assert curve.median_flip == 0.6


def test_the_maximum_norm_reaches_by_the_sum_of_the_weights() -> None:
    # margin 14 per unit of epsilon against 10 per unit of distance: 0.5 is reached at 0.357
    sizes = (0.35, 0.37)
    curve = attack_vectors(VICTIM, POINTS[1:2].repeat(2, 0) * [[1], [-1]], np.array([1, 0]),
                           method="fgsm", epsilons=sizes, norm="linf")  # fmt: skip
    assert [point.flipped for point in curve.points] == [0, 2]


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("method", ["fgsm", "pgd"])
def test_no_vector_leaves_the_ball(method, norm) -> None:
    rng = np.random.default_rng(0)
    start = rng.standard_normal((20, 5))
    moved = perturb(
        start, lambda at: at**3, lambda at: (at**4).sum(axis=1) / 4, method=method, epsilon=0.3,
        norm=norm, rng=rng,
    )  # fmt: skip
    size = np.abs(moved - start).max(1) if norm == "linf" else np.linalg.norm(moved - start, axis=1)
    assert size.max() <= 0.3 + 1e-9
    assert size.min() > 0.05


def test_gradients_are_those_of_the_log_loss() -> None:
    rng = np.random.default_rng(1)
    victim = LinearVictim(rng.standard_normal((3, 4)), rng.standard_normal(3))
    x, y = rng.standard_normal((6, 4)), rng.integers(0, 3, 6)

    def lose(at: np.ndarray) -> np.ndarray:
        return -np.log(victim.predict(at)[np.arange(6), y])

    step = 1e-6 * np.eye(4)
    slopes = np.stack([(lose(x + s) - lose(x - s)) / 2e-6 for s in step], axis=1)
    np.testing.assert_allclose(victim.gradient(x, y), slopes, atol=1e-6)


def test_a_constant_reader_is_skipped_with_the_reason() -> None:
    constant = LinearVictim(np.zeros((2, 2)), np.array([0.0, 1.0]))
    curve = attack_vectors(constant, POINTS, TRUTHS, method="pgd", epsilons=(1.0,))
    assert curve.points == ()
    assert curve.reason == "constant model: it gives one answer to everything"


def test_vectors_read_wrongly_are_counted_apart() -> None:
    curve = attack_vectors(VICTIM, POINTS, np.array([1, 0, 0, 0]), method="fgsm", epsilons=(0.6,))
    assert (curve.n, curve.n_skipped, curve.clean_accuracy) == (4, 1, 0.75)
    assert curve.points[0].n == 3


def test_a_truth_that_the_reader_has_no_score_for_is_read_wrongly() -> None:
    curve = attack_vectors(VICTIM, POINTS, np.array([1, 2, 0, 2]), method="pgd", epsilons=(5.0,))
    assert (curve.n, curve.n_skipped, curve.clean_accuracy) == (4, 2, 0.5)
    assert (curve.points[0].n, curve.points[0].flipped) == (2, 2)


def make_many() -> tuple[LinearVictim, np.ndarray, np.ndarray]:
    """Four labels whose weights differ in length, shares saturated; 300 vectors of a bias each."""
    rng = np.random.default_rng(4)
    weights = rng.standard_normal((4, 12)) * np.array([[60.0], [30.0], [10.0], [3.0]])
    victim = LinearVictim(weights, rng.standard_normal((300, 4)))
    vectors = rng.standard_normal((300, 12))
    return victim, vectors, victim.score(vectors).argmax(axis=1)


def find_distances(victim: LinearVictim, vectors: np.ndarray, norm: str) -> np.ndarray:
    """The least way of each vector to another answer, by hand."""
    scores, nearest = victim.score(vectors), []
    for row, own in enumerate(scores.argmax(axis=1)):
        gaps = [
            (scores[row, own] - scores[row, k])
            / np.linalg.norm(victim.weights[own] - victim.weights[k], ord=1 if norm == "linf" else 2)
            for k in range(4) if k != own
        ]  # fmt: skip
        nearest.append(min(gaps))
    return np.array(nearest)


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("method", ["fgsm", "pgd"])
def test_of_many_labels_all_flips_that_are_possible_are_found(method, norm) -> None:
    victim, vectors, answers = make_many()
    assert (np.linalg.norm(victim.gradient(vectors, answers), axis=1) < 1e-12).mean() > 0.5
    away = find_distances(victim, vectors, norm)
    sizes = tuple(float(np.quantile(away, share)) for share in (0.1, 0.4, 0.7, 0.95))
    curve = attack_vectors(victim, vectors, answers, method=method, epsilons=sizes, norm=norm)
    assert [p.flipped for p in curve.points] == [int((away < size).sum()) for size in sizes]


class RingVictim:
    """Label 1 within half a unit of (2, 0), else 0: a whole step of 3 jumps over it."""

    def score(self, vectors: np.ndarray) -> np.ndarray:
        away = np.linalg.norm(vectors - [2.0, 0.0], axis=1)
        return np.column_stack([np.zeros(len(vectors)), 0.5 - away])

    def pull(self, vectors: np.ndarray, labels: np.ndarray, rivals: np.ndarray) -> np.ndarray:
        towards = np.array([2.0, 0.0]) - vectors
        return (rivals - labels)[:, None] * towards / np.linalg.norm(towards, axis=1, keepdims=True)


def test_the_best_point_on_the_way_counts_and_a_larger_size_can_what_a_smaller_could() -> None:
    points = np.array([[0.0, 0.0], [0.0, 0.1], [2.0, 0.1]])
    truths = np.array([0, 0, 1])
    for method in ("fgsm", "pgd"):
        curve = attack_vectors(RingVictim(), points, truths, method=method, epsilons=(2.0, 5.0))
        assert [p.flipped for p in curve.points] == [3, 3]


def test_a_step_keeps_its_length_where_the_slope_is_tiny() -> None:
    step = steepest(np.array([[3e-200, 4e-200], [0.0, 0.0]]), "l2")
    np.testing.assert_allclose(step, [[0.6, 0.8], [0.0, 0.0]])


def test_what_would_lower_the_height_is_not_done() -> None:
    start = np.array([[0.5]])
    moved = perturb(
        start, lambda at: np.ones_like(at), lambda at: -(at[:, 0] ** 2), method="fgsm", epsilon=1.0,
        norm="l2", rng=np.random.default_rng(0),
    )  # fmt: skip
    np.testing.assert_array_equal(moved, start)


def test_a_recommenders_prediction_moves_by_epsilon_times_the_users_length() -> None:
    user = np.array([3.0, 4.0])
    items = np.random.default_rng(2).standard_normal((7, 2))
    moved = shift_scores(
        items, lambda v: v @ user, lambda v: np.tile(user, (len(v), 1)), method="pgd",
        epsilons=(0.1, 1.0), sign=-1,
    )  # fmt: skip
    np.testing.assert_allclose([shift for _, shift in moved], [-0.5, -5.0], rtol=0.01)


def test_a_hardened_fit_leans_less_on_what_an_attack_can_move() -> None:
    rng = np.random.default_rng(3)
    y = rng.integers(0, 2, 400)
    sign = 2.0 * y - 1
    # one strong direction, and many weak ones that an attack of 0.3 turns round
    x = np.column_stack([sign * 1.0 + 0.3 * rng.standard_normal(400),
                         sign[:, None] * 0.1 + 0.03 * rng.standard_normal((400, 30))])  # fmt: skip
    plain = fit_hardened(x, y, n_labels=2, epsilon=0.0, norm="linf", penalty=0.01)
    hard = fit_hardened(x, y, n_labels=2, epsilon=0.3, norm="linf", penalty=0.01)
    curves = [
        attack_vectors(v, x, y, method="pgd", epsilons=(0.3,), norm="linf") for v in (plain, hard)
    ]
    assert curves[0].points[0].accuracy < 0.3
    assert curves[1].points[0].accuracy > 0.7
    assert curves[1].clean_accuracy > 0.97


def test_wrong_sizes_are_refused() -> None:
    with pytest.raises(ConfigError, match="above 0"):
        attack_vectors(VICTIM, POINTS, TRUTHS, method="fgsm", epsilons=(0.0,))
    with pytest.raises(InputError, match="give one each"):
        attack_vectors(VICTIM, POINTS, TRUTHS[:1], method="fgsm", epsilons=(1.0,))
    with pytest.raises(InputError, match="two different"):
        fit_hardened(POINTS, np.ones(4, dtype=np.int64), n_labels=2, epsilon=0.1)
