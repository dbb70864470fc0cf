"""Worlds of two arms whose truth is known: who is treated depends on what moves the outcome.

x has `columns` standard normal columns. The treated have propensity e = logistic(confounding x0),
the untreated outcome is g(x) (see `SURFACES`), the effect is t(x) = 1 + slope x0 and the noise is
N(0, 1). As E[x0 | treated] - E[x0 | untreated] = 2 confounding E[e (1 - e)] / (1/2) =: D by Stein's
lemma, the naive difference of the linear surface is off by D (and by slope D / 2 if effects vary);
D is about 0.8 at confounding 1. At that, the effect on the treated is 1 + slope D / 2 and on the
untreated 1 - slope D / 2: they part ways as soon as effects vary with the propensity.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.effects.learned.nuisance import Nuisances

FloatArray = NDArray[np.float64]
SURFACES: dict[str, Callable[[FloatArray], FloatArray]] = {
    "linear": lambda x: x[:, 0] + 0.5 * x[:, 1],
    "friedman": lambda x: np.sin(x[:, 0] * x[:, 1]) + x[:, 2] ** 2 / 2 + x[:, 0] + 0.5 * x[:, 3],
    "polynomial": lambda x: x[:, 0] + x[:, 1] * x[:, 2] + 0.5 * x[:, 3] ** 2,
    "step": lambda x: 2.0 * ((x[:, 0] > 0) & (x[:, 1] > -0.5)) + (x[:, 2] > 0.5),
}


@dataclass(frozen=True, eq=False)
class Arms:
    """`x` (n, f), `d` (n,) 0 or 1, `y` (n,), and the truth: `mu0`, `mu1`, `e`, each (n,)."""

    x: FloatArray
    d: NDArray[np.int64]
    y: FloatArray
    mu0: FloatArray
    mu1: FloatArray
    e: FloatArray

    @property
    def effect(self) -> FloatArray:
        return self.mu1 - self.mu0

    @property
    def rows(self) -> NDArray[np.int64]:
        """Every row its own cluster."""
        return np.arange(len(self.y))

    def truth(self, estimand: str) -> float:
        mask = {"ate": self.d >= 0, "att": self.d == 1, "atc": self.d == 0}[estimand]
        return float(self.effect[mask].mean())

    def nuisances(
        self,
        *,
        untreated: FloatArray | None = None,
        treated: FloatArray | None = None,
        propensity: FloatArray | None = None,
    ) -> Nuisances:
        """The true ones, or what is given instead."""
        return Nuisances(
            untreated=self.mu0 if untreated is None else untreated,
            treated=self.mu1 if treated is None else treated,
            propensity=self.e if propensity is None else propensity,
            effects={},
            weights={},
        )

    def given(self, nuisances: Nuisances) -> dict[str, Any]:
        """What estimators are handed beside the data: one split, every row its own cluster."""
        return {"cluster": self.rows, "splits": [nuisances]}


def make_arms(
    rng: np.random.Generator,
    *,
    rows: int,
    columns: int = 5,
    surface: str = "linear",
    slope: float = 0.0,
    confounding: float = 1.0,
    shift: float = 0.0,
) -> Arms:
    """One draw; `shift` moves the logit of the propensity of everybody."""
    x = rng.normal(size=(rows, columns))
    e = 1 / (1 + np.exp(-confounding * x[:, 0] - shift))
    d = (rng.random(rows) < e).astype(np.int64)
    mu0 = SURFACES[surface](x)
    mu1 = mu0 + 1 + slope * x[:, 0]
    y = np.where(d == 1, mu1, mu0) + rng.normal(size=rows)
    return Arms(x, d, y, mu0, mu1, e)
