"""Rows of effects, corrected for misreading by a labelled sample (`tasks.effects.measured`)."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from tasks.effects.agreement import check_agreement, check_sample, check_sides, measure_agreement
from tasks.effects.basis import FloatArray
from tasks.effects.credibility import Rules, weigh_row
from tasks.effects.estimate import Method, Row, add_q_values, contrast_weights, fill_row
from tasks.effects.impute import Gold, Reading
from tasks.effects.intervals import make_interval
from tasks.effects.measured import Table, correct_effects
from tasks.effects.plr import Fit

_SEED: Final = 20240301
_NUMBERS: Final = (
    "estimate", "std_error", "ci_low", "ci_high", "p_value", "q_value", "robustness_value",
    "variance_left", "effective_clusters",
)  # fmt: skip


def correct_rows(
    rows: Sequence[Row],
    table: Table,
    reading: Reading,
    gold: Gold,
    *,
    method: Method,
    rules: Rules,
) -> list[Row]:
    """Headline rows with corrected effects; `uncorrected` keeps what they were.

    A row that cannot be corrected has no numbers, and says why. Raises EstimationError as
    `correct_effects` does.
    """
    corrected = correct_effects(
        table, reading, gold, method=method, rng=np.random.default_rng(_SEED)
    )
    read = reading.polarity[gold.rows]
    told = reading.is_mentioned.sum(axis=1)[:, None].astype(np.float64)
    agreement = measure_agreement(read, gold.polarity)
    against = [
        *check_agreement(agreement),
        *check_sides(read, gold.polarity),
        *check_sample(gold.rows, table.outcome, np.column_stack([table.controls, told])),
    ]
    note = f"corrected for misreading with {corrected.n_gold:,} labelled reviews"
    if agreement is not None:
        note += f", which agree with what was read in {agreement.share:.0%} of their labels"
    done = {name: position for position, name in enumerate(corrected.attributes)}
    width = table.controls.shape[1] + 1 + 2 * len(table.attributes)
    filled = []
    for row in rows:
        name, base = row["attribute"], row | {"uncorrected": row["estimate"]}
        if name not in done:
            reason = f"after correction, {corrected.refused[name]}"
            filled.append(refuse_row(base, reason))
            continue
        at = done[name]
        interval = make_interval(
            float(corrected.estimate[at]),
            float(corrected.std_error[at]),
            degrees=float(corrected.degrees[at]),
            confidence=method.confidence,
        )
        weights = corrected.fit.weights(contrast_weights(name, row["contrast"]))
        fit = move_contrast(corrected.fit, weights, interval.estimate)
        found = fill_row(base, fit, weights, interval, None, rules, width)
        filled.append(weigh_row(found, [*against, ("credible", note)]))
    return add_q_values(filled, confidence=method.confidence)


def move_contrast(fit: Fit, weights: FloatArray, estimate: float) -> Fit:
    """`fit` with theta moved along `weights` (m,) to where the contrast is `estimate`.

    What a confounder would have to explain is asked of the corrected effect, not of the imputed one.
    """
    step = (estimate - float(weights @ fit.theta)) / float(weights @ weights)
    return replace(fit, theta=fit.theta + step * weights)


def refuse_row(row: Row, reason: str) -> Row:
    """The row without numbers, for a reason."""
    return row | dict.fromkeys(_NUMBERS) | {"verdict": "no result", "reasons": [reason]}
