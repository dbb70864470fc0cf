"""A flexible second opinion on a large table, from rows drawn at random.

Estimators with outcome models take minutes on large tables, and what they would have seen (a control
whose numbers are codes, confounding by two controls together) shows in some thousand rows too.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import polars as pl

from tasks.effects.answer import Options
from tasks.effects.answer_flexible import answer_balance
from tasks.effects.basis import FloatArray
from tasks.effects.credibility import Finding
from tasks.effects.intervals import Interval
from tasks.effects.moments import IntArray
from tasks.effects.question import ask
from tasks.platform.errors import EstimationError
from tasks.platform.numbers import tell_estimate

SAMPLE_ROWS: Final = 5_000
NAME: Final = "balance"


def draw_rows(frame: pl.DataFrame, cluster: str | None, *, size: int, seed: int) -> IntArray:
    """About `size` rows at random, sorted, shape (m,); whole clusters where there are some."""
    rng = np.random.default_rng(seed)
    if cluster is None:
        return np.sort(rng.permutation(frame.height)[:size])
    codes = frame[cluster].rank("dense").fill_null(0).cast(pl.Int64).to_numpy()
    rows = np.bincount(codes)
    order = rng.permutation(len(rows))
    chosen = order[: int(np.searchsorted(np.cumsum(rows[order]), size)) + 1]
    return np.flatnonzero(np.isin(codes, chosen))


def check_sample(
    frame: pl.DataFrame,
    main: Interval,
    options: Options,
    *,
    name: str,
    cluster: str | None,
    vectors: Mapping[str, FloatArray] | None,
    **question: Any,
) -> list[Finding]:
    """Whether balancing weights and outcome models on a sample agree with `main`, called `name`.

    `question` are the other arguments of `question.ask`. Nothing where the sample cannot answer.
    """
    rows = draw_rows(frame, cluster, size=SAMPLE_ROWS, seed=options.seed)
    parts = None if vectors is None else {key: part[rows] for key, part in vectors.items()}
    try:
        sample = ask(frame[rows], cluster=cluster, vectors=parts, **question)
        if sample.is_treated is None:
            return []
        found = answer_balance(sample, options).interval
    except EstimationError:
        return []
    told = f"{NAME} on {sample.n:,} rows drawn at random"
    if found.ci_low > main.ci_high or found.ci_high < main.ci_low:
        said = (
            f"{told} disagrees with {name} beyond both intervals: {tell_estimate(vars(found))}; ask "
            f"for all rows by --estimators {name},{NAME},irm, which takes minutes"
        )
        return [("weak", said)]
    return [("credible", f"{told} agrees: {tell_estimate(vars(found))}")]
