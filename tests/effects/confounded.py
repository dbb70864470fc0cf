"""Made tables of a known effect of 1, and a quick answer about them."""

from typing import Any

import numpy as np
import polars as pl

from tasks.effects.basis import FloatArray
from tasks.effects.table.estimate import estimate_table


def ask(frame: pl.DataFrame, controls: list[str], **how: Any) -> dict[str, Any]:
    return estimate_table(
        frame, outcome="y", treatment="d", controls=controls,
        **({"estimators": ["plr", "diff"], "is_checked": False} | how),
    )  # fmt: skip


def says(answer: dict[str, Any], text: str) -> bool:
    return any(text in reason for reason in answer["reasons"])


def answer_by(rng: np.random.Generator, moves: FloatArray, **columns: Any) -> pl.DataFrame:
    """An effect of 1; `moves` (n,) moves treatment and outcome alike."""
    n = len(moves)
    d = (rng.random(n) < 1 / (1 + np.exp(-moves))).astype(int)
    return pl.DataFrame({"y": d + 1.5 * moves + rng.normal(size=n), "d": d, **columns})
