"""The penalty chosen from Gram matrices, against cross-validation of the rows."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from tasks.effects.moments import compute_moments
from tasks.effects.penalty import GRID, choose_penalties, cross_validate
from tasks.effects.plr import estimate_plr
from tasks.effects.plr_rows import assign_folds, average_fits, fit_rows
from tasks.effects.ridge import fit_projections
from tasks.platform.errors import EstimationError
from tests.effects.worlds import CONTROLS, make_world

TOLERANCE = 1e-9
"""Relative: the same fits, and errors summed as a quadratic form instead of row by row."""
FOLDS, P = 4, 6


def make_rows(
    rng: np.random.Generator, *, strength: float, rows: int = 400, p: int = P
) -> tuple[np.ndarray, np.ndarray]:
    """[1, X, two targets] and a fold per row; X explains the targets by `strength` each."""
    x = rng.normal(loc=2.0, size=(rows, p)) * np.linspace(0.5, 3, p)
    targets = 5 + strength * x @ rng.normal(size=(p, 2)) + rng.normal(size=(rows, 2))
    return np.column_stack([np.ones(rows), x, targets]), np.arange(rows) % FOLDS


def sum_folds(design: np.ndarray, fold: np.ndarray) -> np.ndarray:
    return np.stack([design[fold == k].T @ design[fold == k] for k in range(FOLDS)])


def validate_rows(design: np.ndarray, fold: np.ndarray, penalty: float, outer: int) -> np.ndarray:
    x, targets = design[:, 1:-2], design[:, -2:]
    total = np.zeros(2)
    for inner in set(range(FOLDS)) - {outer}:
        seen, held = ~np.isin(fold, (inner, outer)), fold == inner
        fit = Ridge(alpha=penalty, solver="cholesky").fit(x[seen], targets[seen])
        total += ((targets[held] - fit.predict(x[held])) ** 2).sum(axis=0)
    return total


@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_errors_are_those_of_cross_validating_the_rows(strength):
    design, fold = make_rows(np.random.default_rng(1), strength=strength)
    errors = cross_validate(sum_folds(design, fold), np.arange(P + 1), np.array([P + 1, P + 2]))
    assert errors.shape == (FOLDS, len(GRID), 2)
    for outer in range(FOLDS):
        for at, penalty in enumerate(GRID):
            expected = validate_rows(design, fold, penalty, outer)
            np.testing.assert_allclose(errors[outer, at], expected, rtol=TOLERANCE)


def test_what_is_chosen_for_a_fold_does_not_depend_on_its_rows():
    design, fold = make_rows(np.random.default_rng(2), strength=0.1)
    by_fold = sum_folds(design, fold)
    controls, targets = np.arange(P + 1), np.array([P + 1, P + 2])
    before = choose_penalties(by_fold, controls, targets)
    other = make_rows(np.random.default_rng(3), strength=9.0)[0][fold == 1]
    by_fold[1] = other.T @ other
    after = choose_penalties(by_fold, controls, targets)
    assert (before[1] == after[1]).all()
    assert (before != after).any()


def test_noise_is_shrunk_and_strong_controls_are_not():
    controls, targets = np.arange(41), np.array([41, 42])
    noise = sum_folds(*make_rows(np.random.default_rng(4), strength=0.0, p=40))
    strong = sum_folds(*make_rows(np.random.default_rng(4), strength=1.0, p=40))
    assert choose_penalties(noise, controls, targets).min() >= 1e3
    assert choose_penalties(strong, controls, targets).max() <= 10.0


def test_of_equal_penalties_the_largest_is_chosen():
    design, fold = make_rows(np.random.default_rng(5), strength=1.0)
    design[:, 1:-2] = 0.0
    chosen = choose_penalties(
        sum_folds(design, fold), np.arange(P + 1), np.array([P + 1, P + 2]), grid=(10.0, 0.1, 100.0)
    )
    assert (chosen == 100.0).all()


def test_effects_name_the_penalties_that_were_chosen():
    world = make_world(np.random.default_rng(6), rows=1500)
    treatments = world.columns[3:-1]
    bucket = world.bucket(40)
    given = {"treatments": treatments, "penalty": "auto"}
    fit = estimate_plr(world.moments(), outcome="rating", controls=CONTROLS, **given)
    rows = fit_rows(
        world.design, n_treatments=6, cluster=bucket, fold_of_cluster=np.arange(40) % 5, folds=5,
        **given,
    )  # fmt: skip
    assert fit.penalties is not None
    assert rows.penalties is not None
    assert fit.penalties.shape == (5, 7)
    assert set(fit.penalties.ravel()) <= set(GRID)
    assert (rows.penalties == fit.penalties).all()
    np.testing.assert_allclose(rows.theta, fit.theta, rtol=1e-9)
    assert average_fits([rows, rows]).penalties.shape == (10, 7)


def test_a_given_penalty_is_recorded_in_both_modes():
    world = make_world(np.random.default_rng(7), rows=1500)
    given = {"treatments": world.columns[3:-1], "outcome": "rating", "controls": CONTROLS}
    fixed = estimate_plr(world.moments(), penalty=3.0, **given)
    assert (fixed.penalties == 3.0).all()
    separate = estimate_plr(world.moments(), penalty=3.0, mode="separate", **given)
    assert separate.penalties.shape == (5, 7)
    assert (separate.penalties == 3.0).all()


def test_useless_controls_predict_nothing_with_a_chosen_penalty():
    """300 rows, 60 controls of noise: with a penalty of 1 the predictions are noise themselves."""
    rng = np.random.default_rng(8)
    x, d = rng.normal(size=(300, 60)), rng.normal(size=(300, 1))
    design = np.column_stack([np.ones(300), x, d, d[:, 0] + rng.normal(size=300)])
    columns = ("1", *(f"x{i}" for i in range(60)), "d", "y")
    moments = compute_moments(design, np.arange(300) % 40, columns=columns, n_buckets=40)
    given = {"treatments": ["d"], "outcome": "y", "controls": columns[1:61]}
    chosen = estimate_plr(moments, penalty="auto", **given)
    fixed = estimate_plr(moments, penalty=1.0, **given)
    assert chosen.outcome_ss < 0.9 * fixed.outcome_ss
    assert abs(chosen.variance_left[0] - 1) < 0.03 < fixed.variance_left[0] - 1
    assert abs(chosen.theta[0] - 1) < 3 * chosen.std_error[0]


def test_two_folds_leave_nothing_to_choose_on():
    world = make_world(np.random.default_rng(9), rows=300)
    with pytest.raises(EstimationError, match="set folds to 3 or more"):
        estimate_plr(
            world.moments(), treatments=world.columns[3:-1], outcome="rating", controls=CONTROLS,
            folds=2, penalty="auto",
        )  # fmt: skip


def test_rows_in_two_folds_only_are_refused():
    world = make_world(np.random.default_rng(10), rows=300, users=40)
    fold = assign_folds([str(u) for u in range(40)], 2)
    with pytest.raises(EstimationError, match="two folds hold all rows"):
        fit_rows(
            world.design, n_treatments=6, cluster=world.user, fold_of_cluster=fold, folds=5,
            treatments=world.columns[3:-1], penalty="auto",
        )  # fmt: skip


def test_each_target_is_fitted_with_its_own_penalty():
    design, fold = make_rows(np.random.default_rng(11), strength=1.0)
    penalties = np.array([[0.1, 50.0], [5.0, 5.0], [1000.0, 1.0], [2.0, 0.01]])
    controls, targets = np.arange(P + 1), np.array([P + 1, P + 2])
    maps = fit_projections(sum_folds(design, fold), controls, targets, penalties)
    for k in range(FOLDS):
        for at, target in enumerate(targets):
            x = design[:, 1:-2]
            fit = Ridge(alpha=penalties[k, at]).fit(x[fold != k], design[fold != k, target])
            residual = design[fold == k, target] - fit.predict(x[fold == k])
            np.testing.assert_allclose(design[fold == k] @ maps[k][:, at], residual, rtol=1e-8)


def test_separate_mode_names_each_treatments_penalty():
    """The outcome is fitted once per treatment, each time on other controls: NaN where it varies."""
    world = make_world(np.random.default_rng(12), rows=1500)
    names = world.columns[3:-1]
    given = {"outcome": "rating", "penalty": "auto", "mode": "separate"}
    both = estimate_plr(world.moments(), treatments=names, controls=CONTROLS, **given).penalties
    alone = [
        estimate_plr(
            world.moments(),
            treatments=[name],
            controls=[*CONTROLS, *(n for n in names if n != name)],
            **given,
        ).penalties
        for name in names
    ]
    np.testing.assert_array_equal(both[:, :-1], np.column_stack([p[:, 0] for p in alone]))
    outcome = np.column_stack([p[:, 1] for p in alone])
    is_shared = (outcome == outcome[:, :1]).all(axis=1)
    assert (np.isnan(both[:, -1]) == ~is_shared).all()
    assert (both[is_shared, -1] == outcome[is_shared, 0]).all()
    assert is_shared.sum() < 5
