"""A learner for EconML that has learned already: it hands over predictions made before.

In a module of its own, as its base classes make importing it slow.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin

from tasks.effects.basis import FloatArray


class GivenColumn(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """A learner that returns the column counted `from_end` from the end: a prediction made before."""

    def __init__(self, from_end: int = 1) -> None:
        self.from_end = from_end

    def fit(self, x: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Any:
        """Learn nothing; EconML calls it for each fold."""
        self.is_fitted_ = True
        return self

    def predict(self, x: ArrayLike) -> FloatArray:
        """The column, shape (n,)."""
        column: FloatArray = np.asarray(x, dtype=np.float64)[:, -self.from_end]
        return column
