"""Scores of what was read: against scikit-learn, and on tables small enough to work out by hand."""

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import confusion_matrix, f1_score, precision_recall_fscore_support

from tasks.platform.errors import InputError
from tasks.platform.labels import ABSENT, UNDECIDED, read_labels, to_sides
from tasks.text.evaluate import (
    calibrate,
    describe_evaluation,
    evaluate_answers,
    evaluate_attribute,
    mean_macro_f1,
)

EXACT = 1e-12
"""Ratios of the same counts."""


def draw(n: int = 400, seed: int = 0, right: float = 0.7) -> tuple[npt.NDArray[np.int64], ...]:
    rng = np.random.default_rng(seed)
    truth = rng.choice([1, -1, 0, ABSENT], size=n, p=[0.4, 0.2, 0.1, 0.3])
    found = np.where(rng.random(n) < right, truth, rng.choice([1, -1, 0, ABSENT], size=n))
    return truth, found, rng.random(n)


def evaluate(truth, found, sure, seed=1):  # type: ignore[no-untyped-def]
    return evaluate_attribute("food", truth, found, sure, rng=np.random.default_rng(seed))


def test_precision_recall_and_f1_are_those_of_scikit_learn() -> None:
    truth, found, sure = draw()
    got = evaluate(truth, found, sure)
    y, p = to_sides(truth), to_sides(found)
    wanted = precision_recall_fscore_support(y, p, labels=[1, -1, 0])
    for at, side in enumerate(("positive", "negative", "neither")):
        score = got.sides[side]
        assert (score.precision, score.recall, score.f1, score.n) == pytest.approx(
            tuple(part[at] for part in wanted), abs=EXACT
        )
    assert got.macro_f1 == pytest.approx(f1_score(y, p, average="macro"), abs=EXACT)
    mention = precision_recall_fscore_support(truth != ABSENT, found != ABSENT, average="binary")
    assert (got.mention.precision, got.mention.recall, got.mention.f1) == pytest.approx(
        mention[:3], abs=EXACT
    )


def test_confusion_counts_are_those_of_scikit_learn() -> None:
    truth, found, sure = draw()
    got = evaluate(truth, found, sure).confusion
    wanted = confusion_matrix(truth, found, labels=[1, -1, 0, ABSENT])
    assert [[*row.values()] for row in got.values()] == wanted.tolist()


def test_a_side_that_nobody_names_is_left_out_of_the_mean() -> None:
    truth = np.array([1, 1, ABSENT])
    got = evaluate(truth, np.array([1, ABSENT, ABSENT]), np.ones(3))
    wanted = f1_score(
        to_sides(truth), [1, 0, 0], labels=[1, -1, 0], average="macro", zero_division=np.nan
    )
    assert got.macro_f1 == pytest.approx(wanted)
    assert got.sides["negative"].f1 is None


def test_the_majority_always_gives_the_most_frequent_side() -> None:
    truth = np.array([1, 1, 1, -1, ABSENT])
    got = evaluate(truth, truth, np.ones(5))
    assert got.majority_f1 == pytest.approx(
        f1_score(to_sides(truth), np.ones(5), average="macro", zero_division=0)
    )
    assert got.macro_f1 == 1.0


def test_reviews_without_majority_are_dropped_and_counted() -> None:
    truth = np.array([1, UNDECIDED, -1, UNDECIDED])
    got = evaluate(truth, np.array([1, -1, -1, 1]), np.ones(4))
    assert (got.n, got.n_undecided, got.macro_f1) == (2, 2, 1.0)


def test_without_labels_there_is_no_result() -> None:
    got = evaluate(np.full(3, UNDECIDED), np.ones(3, dtype=np.int64), np.ones(3))
    assert (got.macro_f1, got.low, got.accuracy, got.calibration.error) == (None, None, None, None)
    assert mean_macro_f1([got]) is None


@pytest.mark.parametrize(("right", "n"), [(0.7, 300), (0.97, 300), (0.97, 30)])
def test_the_interval_holds_the_truth_as_often_as_it_says(right: float, n: int) -> None:
    whole_truth, whole_found, sure = draw(200_000, seed=5, right=right)
    target = evaluate(whole_truth, whole_found, sure).macro_f1
    held = 0
    for seed in range(200):
        rows = np.random.default_rng(seed).choice(len(sure), size=n)
        got = evaluate(whole_truth[rows], whole_found[rows], sure[rows], seed)
        held += got.low <= target <= got.high
    assert 0.90 <= held / 200 <= 0.99


def test_few_reviews_without_a_fault_leave_doubt() -> None:
    truth = np.array([1, -1, ABSENT])
    got = evaluate(truth, truth, np.ones(3))
    assert got.low < 0.7
    assert got.high == got.macro_f1 == 1


def test_one_side_alone_leaves_as_much_doubt_as_its_labels_are_few() -> None:
    lows = [evaluate(np.ones(n), np.ones(n), np.ones(n)).low for n in (1, 30, 1000)]
    assert lows[0] < 0.5 < lows[1] < 0.97 < lows[2] < 1


def test_the_same_seed_gives_the_same_interval() -> None:
    assert evaluate(*draw()) == evaluate(*draw())
    assert evaluate(*draw()).low != evaluate(*draw(), seed=2).low


def test_calibration_bins_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(3)
    sure = rng.random(1000)
    right = rng.random(1000) < sure**2
    got = calibrate(sure, right, is_asked=np.ones(1000, dtype=bool))
    share, confidence = calibration_curve(right, sure, n_bins=10)
    assert [part.share_right for part in got.bins] == pytest.approx(share.tolist())
    assert [part.confidence for part in got.bins] == pytest.approx(confidence.tolist())
    weights = np.array([part.n for part in got.bins]) / 1000
    assert got.error == pytest.approx(float(weights @ abs(share - confidence)))


def test_only_answers_that_name_a_mention_are_calibrated() -> None:
    got = evaluate(np.array([1, 1]), np.array([1, ABSENT]), np.array([0.8, 0.0]))
    assert got.calibration.n == 1
    assert got.calibration.error == pytest.approx(0.2)


def test_labels_of_another_length_are_refused_in_words() -> None:
    with pytest.raises(InputError, match="one label per text"):
        evaluate_answers(
            {"food": np.ones(3, dtype=np.int64)},
            np.ones((2, 1), dtype=np.int64),
            np.ones((2, 1)),
            rng=np.random.default_rng(0),
        )


def test_an_evaluation_has_a_json_form_of_plain_numbers() -> None:
    import json

    document = describe_evaluation(evaluate(*draw()))
    assert json.loads(json.dumps(document)) == document


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Positive", 1), ("NEGATIVE ", -1), ("neutral", 0), ("unknown", ABSENT), ("", ABSENT),
        (None, ABSENT), ("no majority", UNDECIDED), ("1.0", 1), ("-1", -1),
    ],
)  # fmt: skip
def test_labels_are_read_in_all_their_spellings(written: str | None, read: int) -> None:
    assert read_labels(pl.Series("food", [written], dtype=pl.String)).tolist() == [read]


def test_numeric_labels_are_read_and_a_missing_one_is_no_mention() -> None:
    assert read_labels(pl.Series([1.0, -1.0, float("nan"), None])).tolist() == [1, -1, 9, 9]


def test_what_is_no_label_is_named() -> None:
    with pytest.raises(InputError, match=r"food holds \['great'\]"):
        read_labels(pl.Series("food", ["great", "Positive"]))
