"""Bends of controls: chosen where they matter, cheap where not, and fair to a row's own outcome."""

import numpy as np
import pytest

from tasks.effects.learned.smooth import (
    bend_controls,
    choose_bends,
    limit_penalty,
    make_bends,
    mend_predictions,
    widen_basis,
)

ROWS = 800
EVERY = np.ones(ROWS, dtype=bool)


@pytest.fixture(scope="module")
def controls():
    """Two numbers, a mark, a number with gaps and one that is the same in all rows."""
    rng = np.random.default_rng(11)
    x = rng.normal(size=(ROWS, 5))
    x[:, 2] = x[:, 2] > 0
    x[rng.random(ROWS) < 0.2, 3] = np.nan
    x[:, 4] = 1.0
    return x


def draw(controls, surface, *, seed=0):
    """Treatment by a coin, outcomes by `surface` of the controls."""
    rng = np.random.default_rng(seed)
    treated = rng.integers(0, 2, ROWS).astype(float)
    return treated, surface(controls) + treated + rng.normal(size=ROWS)


def straighten(controls):
    known = np.nan_to_num(controls[:, :4])
    return (known - known.mean(axis=0)) / known.std(axis=0)


def test_waves_fit_any_bend_of_a_control(controls):
    bends = make_bends(controls)
    assert [wave.shape[1] for wave in bends.waves] == [8, 8, 8]
    assert bends.marks.shape == (ROWS, 1)
    target = np.sin(2 * controls[:, 0]) + (controls[:, 0] > 0.5)
    design = np.column_stack([np.ones(ROWS), bends.waves[0]])
    fit = design @ np.linalg.lstsq(design, target, rcond=None)[0]
    assert np.mean((fit - target) ** 2) < 0.1 * np.var(target)
    assert (bends.waves[2][np.isnan(controls[:, 3])] == 0).all()


def test_what_treatment_or_outcome_follow_is_chosen(controls):
    bends, basis = make_bends(controls), straighten(controls)
    bent = draw(controls, lambda x: 2 * np.sin(3 * x[:, 0]) + x[:, 1] * (x[:, 2] - 0.5))
    waves, products = choose_bends(bends, basis, bent[1], bent[0], EVERY)
    assert any(np.array_equal(waves[:, :8], wave) for wave in bends.waves[:1])
    product = (controls[:, 1] - controls[:, 1].mean()) * (controls[:, 2] - controls[:, 2].mean())
    assert max(abs(np.corrcoef(product, one)[0, 1]) for one in products.T) > 0.9


def test_little_is_chosen_where_all_is_straight(controls):
    bends, basis = make_bends(controls), straighten(controls)
    kept = [
        choose_bends(bends, basis, y, treated, EVERY)
        for treated, y in (draw(controls, lambda x: x[:, 0], seed=seed) for seed in range(20))
    ]
    # two tests of each of three controls at a tenth: 0.6 of them, 8 columns each
    assert np.mean([waves.shape[1] for waves, _ in kept]) < 2 * 0.6 * 8
    assert np.mean([products.shape[1] for _, products in kept]) < 0.6


def test_tables_without_rows_to_spare_have_no_bends(controls):
    wide = np.random.default_rng(0).normal(size=(ROWS, ROWS // 2))
    treated, y = draw(controls, lambda x: np.sin(3 * x[:, 0]))
    waves, products = choose_bends(make_bends(controls), wide, y, treated, EVERY)
    assert waves.shape == products.shape == (ROWS, 0)


def test_a_row_is_mended_by_the_others(controls):
    treated, y = draw(controls, lambda x: 2 * np.sin(3 * x[:, 0]))
    arm, flat, sure = treated == 1, np.zeros(ROWS), np.full(ROWS, 0.5)
    basis = straighten(controls)
    columns = widen_basis(basis, bend_controls(controls, basis, y, arm.astype(np.int64)))
    mended = mend_predictions(columns, flat, y, arm, sure)
    row = int(np.flatnonzero(arm)[0])
    moved = y.copy()
    moved[row] += 5.0
    again = mend_predictions(columns, flat, moved, arm, sure)
    assert again[row] == pytest.approx(mended[row], abs=1e-9)
    truth = 2 * np.sin(3 * controls[:, 0]) + 1
    assert np.mean((mended - truth) ** 2) < 0.2 * np.var(truth)


def test_few_rows_are_allowed_few_degrees_of_freedom():
    rng = np.random.default_rng(1)
    for rows, q in ((50, 40), (1_000, 10), (1, 5)):
        columns = 0.5 * rng.normal(size=(rows, q))
        penalty = limit_penalty(columns)
        sizes = np.linalg.eigvalsh(columns.T @ columns)
        freedom = float((sizes / (sizes + penalty)).sum())
        assert freedom <= 0.1 * rows * (1 + 1e-6)
        assert penalty == 1.0 or freedom == pytest.approx(0.1 * rows, rel=1e-3)


def test_rows_without_like_are_not_mended(controls):
    treated, y = draw(controls, lambda x: 2 * np.sin(3 * x[:, 0]))
    arm, flat = treated == 1, np.zeros(ROWS)
    basis = straighten(controls)
    columns = widen_basis(basis, bend_controls(controls, basis, y, arm.astype(np.int64)))
    chance = np.where(controls[:, 1] > 1, 0.0, 0.5)
    mended = mend_predictions(columns, flat, y, arm, chance)
    assert (mended[chance == 0] == 0).all()
    assert (mended[chance > 0] != 0).all()
