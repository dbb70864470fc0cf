"""Effects of what texts say, from what was read and a labelled sample.

`make_readings` gives n rows of three attributes with states -1, 0, 1 that go together (`mood`) and
an outcome y = 3 + sum of true effects + 0.8 x control + noise of sd 0.8. A reading is wrong in a set share of the cells:
then it is drawn anew, leaning towards the outcome where there is a halo. Taken for the truth, the
readings' effects shrink by about that share.
"""

import numpy as np
import pytest

from tasks.effects.estimate import Method
from tasks.effects.impute import Gold, Reading, draw_labels
from tasks.effects.measured import Corrected, Table, correct_effects
from tasks.effects.shrink import shrink
from tasks.platform.errors import EstimationError

TRUTH = {"food": (0.9, -0.7), "service": (0.5, -0.6), "noise": (0.3, -0.4)}
CONTRAST = np.array([positive - negative for positive, negative in TRUTH.values()])
METHOD = Method(min_mentions=10)


def make_readings(
    rng: np.random.Generator, *, rows: int = 1200, wrong: float = 0.2, halo: float = 0.0
) -> tuple[Table, Reading, np.ndarray]:
    """Table, reading and the true labels (rows, 3)."""
    mood, control = rng.standard_normal(rows), rng.standard_normal(rows)
    lean = 0.8 * mood[:, None] + 0.4 * control[:, None] + rng.standard_normal((rows, 3))
    labels = np.where(rng.random((rows, 3)) < 0.45, 0, np.sign(lean)).astype(np.int8)
    outcome = 3.0 + 0.8 * control + 0.8 * rng.standard_normal(rows)
    for a, (positive, negative) in enumerate(TRUTH.values()):
        outcome = outcome + positive * (labels[:, a] == 1) + negative * (labels[:, a] == -1)
    is_wrong = rng.random((rows, 3)) < wrong
    tilt = halo * (outcome - outcome.mean())[:, None] + rng.standard_normal((rows, 3))
    guess = np.where(rng.random((rows, 3)) < 0.35, 0, np.sign(tilt)).astype(np.int8)
    read = np.where(is_wrong, guess, labels).astype(np.int8)
    confidence = np.clip(
        np.where(is_wrong, 0.55, 0.75) + 0.15 * rng.standard_normal((rows, 3)), 0.05, 1
    )
    table = Table(control[:, None], outcome, rng.permutation(rows), rows, tuple(TRUTH))
    return table, Reading(read, read != 0, confidence), labels


def correct(
    table: Table, reading: Reading, labels: np.ndarray, rng: np.random.Generator, size: int
):
    rows = np.sort(rng.choice(len(labels), size, replace=False))
    return correct_effects(table, reading, Gold(rows, labels[rows]), method=METHOD, rng=rng)


@pytest.fixture(scope="module")
def plain() -> Corrected:
    """What comes of readings that err where they are taken for true."""
    table, reading, _ = make_readings(np.random.default_rng(3), wrong=0.3)
    return correct(table, reading, reading.polarity, np.random.default_rng(0), 1200)


@pytest.mark.parametrize("halo", [0.0, 1.0])
@pytest.mark.slow
def test_readings_that_err_are_corrected_by_a_labelled_sample(
    halo: float, plain: Corrected
) -> None:
    """Ten worlds: the corrected mean is near the truth, the uncorrected one is not."""
    errors, scaled = [], []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        table, reading, labels = make_readings(rng, wrong=0.3, halo=halo)
        found = correct(table, reading, labels, rng, 200)
        errors.append(found.estimate - CONTRAST)
        scaled.append(errors[-1] / found.std_error)
    assert abs(np.mean(errors, axis=0)).max() < 0.12
    assert np.mean(np.square(scaled)) < 2.0
    assert abs(plain.estimate - CONTRAST).max() > 0.25


def test_a_perfect_reading_gives_what_all_labels_give() -> None:
    rng = np.random.default_rng(5)
    table, _, labels = make_readings(rng)
    exact = Reading(labels, labels != 0, np.ones(labels.shape))
    found = correct(table, exact, labels, rng, 300)
    whole = correct(table, exact, labels, rng, len(labels))
    assert np.allclose(found.estimate, whole.estimate, atol=0.05)
    assert (found.std_error < 1.5 * whole.std_error).all()


def test_a_useless_reading_is_no_worse_than_the_labelled_sample_alone() -> None:
    rng = np.random.default_rng(6)
    table, reading, labels = make_readings(rng, wrong=1.0)
    found = correct(table, reading, labels, rng, 300)
    assert (abs(found.estimate - CONTRAST) < 3 * found.std_error).all()


def test_the_interval_is_narrower_than_that_of_the_labelled_sample() -> None:
    rng = np.random.default_rng(7)
    table, reading, labels = make_readings(rng)
    rows = np.sort(rng.choice(len(labels), 200, replace=False))
    found = correct_effects(table, reading, Gold(rows, labels[rows]), method=METHOD, rng=rng)
    small = Table(table.controls[rows], table.outcome[rows], np.arange(200), 200, table.attributes)
    alone = Reading(labels[rows], labels[rows] != 0, np.ones((200, 3)))
    sample = correct_effects(
        small, alone, Gold(np.arange(200), labels[rows]), method=METHOD, rng=rng
    )
    assert (found.std_error < 0.8 * sample.std_error).all()


def test_the_same_seed_gives_the_same_numbers() -> None:
    table, reading, labels = make_readings(np.random.default_rng(8), rows=400)
    first, second = (correct(table, reading, labels, np.random.default_rng(1), 80) for _ in "ab")
    assert np.array_equal(first.estimate, second.estimate)


def test_too_few_or_uniform_labels_are_refused() -> None:
    rng = np.random.default_rng(9)
    table, reading, labels = make_readings(rng, rows=400)
    with pytest.raises(EstimationError, match="at least 30"):
        correct(table, reading, labels, rng, 29)
    with pytest.raises(EstimationError, match="all gold labels are alike"):
        correct(table, reading, np.zeros_like(labels), rng, 60)


@pytest.mark.parametrize("count", [1, 3])
def test_labels_that_but_for_a_few_are_alike_are_refused_in_words(count: int) -> None:
    # without the group that the few are in, a model has one label to learn from
    table, reading, _ = make_readings(np.random.default_rng(6), rows=600)
    rows = np.arange(60)
    few = np.zeros((60, 3), dtype=np.int8)
    few[:count, 0] = 1
    with pytest.raises(EstimationError, match=r"mentioned positively in .* 10 are needed"):
        correct_effects(
            table, reading, Gold(rows, few), method=METHOD, rng=np.random.default_rng(0)
        )


def test_labels_of_one_cluster_alone_are_refused_in_words() -> None:
    table, reading, labels = make_readings(np.random.default_rng(6), rows=600)
    rows = np.arange(0, 600, 5)
    of_one = Table(table.controls, table.outcome, np.arange(600) % 5, 5, table.attributes)
    with pytest.raises(EstimationError, match="are of one user or cluster"):
        correct_effects(
            of_one, reading, Gold(rows, labels[rows]), method=METHOD, rng=np.random.default_rng(0)
        )


def test_a_side_that_is_never_labelled_is_refused_by_name() -> None:
    rng = np.random.default_rng(10)
    table, reading, labels = make_readings(rng)
    never = np.where(labels == 1, 0, labels)
    labels = np.column_stack([labels[:, :2], never[:, 2]])
    polarity = np.column_stack([reading.polarity[:, :2], np.minimum(reading.polarity[:, 2], 0)])
    found = correct(table, Reading(polarity, polarity != 0, reading.confidence), labels, rng, 300)
    assert found.attributes == ("food", "service")
    assert "noise is mentioned positively" in found.refused["noise"]


def test_drawn_labels_follow_the_readings_and_hang_together() -> None:
    rng = np.random.default_rng(11)
    table, reading, labels = make_readings(rng, wrong=0.1)
    rows = np.arange(400)
    (drawn,) = draw_labels(
        reading, Gold(rows, labels[rows]), table.outcome, table.controls, group=np.ones(400, dtype=np.int64),
        n_groups=1, n_draws=20, rng=rng,
    )  # fmt: skip
    assert drawn.shape == (20, 1200, 3)
    agreement = (drawn == labels).mean()
    assert agreement > 0.85
    together = np.corrcoef(labels[400:].T)[0, 1]
    drawn_together = np.mean([np.corrcoef(d[400:].T)[0, 1] for d in drawn])
    assert abs(together - drawn_together) < 0.06


def test_shrinkage_believes_the_precise_one_as_far_as_the_direct_one_bears_it_out() -> None:
    direct = np.array([1.0, 1.0, 1.0, 2.0])
    cov = np.diag([0.01, 0.01, 0.01, 0.25, *([0.0004] * 4)])
    agreeing = shrink(direct, np.array([1.02, 0.98, 1.0, 1.5]), cov, scale=0.2)
    assert abs(agreeing.estimate[3] - 1.5) < 0.1
    doubted = shrink(direct, np.array([2.0, 0.0, 2.0, 1.5]), cov, scale=0.2)
    assert abs(doubted.estimate[:3] - 1.0).max() < 0.05
    assert doubted.doubt > 3 * agreeing.doubt
    assert doubted.cov[3, 3] > 5 * agreeing.cov[3, 3]
