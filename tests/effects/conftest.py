"""Worlds that several tests of estimators share."""

import numpy as np
import pytest

from tests.effects.arms import Arms, make_arms


@pytest.fixture(scope="module")
def world() -> Arms:
    """Two arms of 4,000 rows in all, whose effects vary with the propensity."""
    return make_arms(np.random.default_rng(7), rows=4000, slope=0.8)
