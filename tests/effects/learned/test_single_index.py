"""Curves of a weighted sum."""

import numpy as np
from sklearn.linear_model import RidgeCV

from tasks.effects.learned.single_index import bend, fit_curve, fit_single_index

DIRECTION = np.array([0.6, -0.3, 0.0, 0.2, 0.0])


def draw(seed: int, rows: int):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 5))
    return x, np.exp(x @ DIRECTION + 0.5), rng.normal(scale=0.5, size=rows)


def test_exponential_surface_is_found_where_a_line_is_far_off():
    x, height, noise = draw(1, 400)
    seen, expected, _ = draw(2, 2_000)
    fit = fit_single_index(x, height + noise)
    line = RidgeCV(np.logspace(-1, 5, 13)).fit(x, height + noise)

    def off(predicted):
        return np.sqrt(np.mean((predicted - expected) ** 2))

    assert off(fit.predict(seen)) < 0.35 * off(line.predict(seen))
    cosine = fit.direction @ DIRECTION / np.linalg.norm(fit.direction) / np.linalg.norm(DIRECTION)
    assert cosine > 0.99


def test_a_straight_surface_stays_straight():
    x, _, noise = draw(3, 400)
    fit = fit_single_index(x, x @ DIRECTION + noise)
    seen, _, _ = draw(4, 500)
    assert np.sqrt(np.mean((fit.predict(seen) - seen @ DIRECTION) ** 2)) < 0.12


def test_an_outcome_that_nothing_foretells_gets_its_mean():
    x, _, _ = draw(5, 100)
    fit = fit_single_index(x, np.full(100, 3.0))
    np.testing.assert_allclose(fit.predict(x), 3.0)
    idle = fit_single_index(np.full((30, 1), 0.7), x[:30, 0])
    np.testing.assert_allclose(idle.predict(x[:, :1]), x[:30, 0].mean())


def test_curves_are_straight_beyond_their_outer_knots():
    knots = np.linspace(0, 1, 5)
    columns = bend(np.array([2.0, 3.0, 4.0, -1.0, -2.0, -3.0]), knots)
    np.testing.assert_allclose(columns[1] - columns[0], columns[2] - columns[1])
    np.testing.assert_allclose(columns[4] - columns[3], columns[5] - columns[4])
    index = np.random.default_rng(6).normal(size=300)
    curve = fit_curve(index, np.sin(index))
    reach = 1e-3
    between = (curve.at(index + reach) - curve.at(index - reach)) / (2 * reach)
    np.testing.assert_allclose(curve.slope(index), between, atol=1e-2)
    assert np.abs(curve.at(index) - np.sin(index)).mean() < 0.03
