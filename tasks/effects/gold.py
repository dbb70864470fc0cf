"""Effects of a window corrected for misreading, by labels of some of its reviews.

The labels are taken for a random sample of the reviews from the first to the last labelled day of
the window, and the correction is of the effects in these days: reviews written after the sample was
drawn had no chance to be in it. `tasks.effects.measured` says how it is done; buckets of users and
folds are those of the night's own regression.

Of the controls only what they foretell is used: a score for the outcome and one for each side of each
attribute as it was read, by ridge regressions fitted on the other folds. A few hundred labels cannot
also tell how misreading goes along with each of some sixty columns: corrected with all of them, 95%
intervals held the truth in 87 and 90% of 60 made worlds with 40 controls (errors at random, and
leaning towards the outcome), with the scores in 92 and 94% (`tests.benchmarks.bench_measured
--nights`). It is what the columns do to outcome and mentions that confounds, and the scores hold
that, as far as misreading itself does not depend on the controls in ways of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from tasks.effects.basis import Basis, FloatArray
from tasks.effects.controls.columns import check_columns
from tasks.effects.corrected import correct_rows, refuse_row
from tasks.effects.credibility import Rules
from tasks.effects.estimate import HEADLINE, Method, Row, Window, estimate_effects, list_controls
from tasks.effects.impute import Gold, Reading
from tasks.effects.measured import OUTCOME, Table, table_moments
from tasks.effects.moments import INTERCEPT, Moments, stable_bucket
from tasks.effects.panel import treatment_names
from tasks.effects.plr import fit_nuisances
from tasks.effects.read import read_table
from tasks.effects.ridge import locate
from tasks.platform.errors import EstimationError, InputError
from tasks.platform.labels import UNDECIDED, read_labels, to_sides
from tasks.platform.refs import PeriodRef

ESTIMATOR: Final = "corrected"
KEY: Final = "review_id"
LABEL: Final = "label__"
MAX_ROWS: Final = 500_000
"""Reviews that are corrected at once: about 1 GB with 60 controls."""


def read_gold(path: Path, attributes: Sequence[str]) -> pl.DataFrame:
    """Labels of a file: `review_id` and, for each attribute, `label__<name>` (`platform.labels`).

    A line without an id, as spreadsheets leave them at the end, is of no review. Raises InputError
    when the file is absent, lacks a column, names a review twice or holds what is no label.
    """
    table = read_table(path)
    try:
        check_columns(table, [KEY, *attributes])
        table = table.filter(pl.col(KEY).is_not_null())
        ids = table[KEY].cast(pl.String)
        if ids.is_duplicated().any():
            twice = ids.filter(ids.is_duplicated())[0]
            raise InputError(f"{KEY} {twice!r} is labelled more than once; leave one line of it")
        labels = {LABEL + name: read_labels(table[name]) for name in attributes}
    except InputError as error:
        raise InputError(f"gold labels in {path.name}: {error}") from error
    return pl.DataFrame({KEY: ids, **labels})


def find_labels(gold: pl.DataFrame, periods: Sequence[PeriodRef]) -> pl.DataFrame:
    """Labels of reviews of one source from the first of its periods to the last.

    `gold` has source and event_date beside the columns of `read_gold`.
    """
    is_within = pl.col("event_date").is_between(periods[0].start, periods[-1].end)
    return gold.filter((pl.col("source") == periods[0].source) & is_within)


@dataclass(frozen=True, eq=False)
class Labelled:
    """A panel, what was read in its reviews, and labels of some of them.

    `mentions` have review_id, attribute, polarity and confidence of what is mentioned; `gold` is as
    `read_gold` gives it.
    """

    panel: pl.DataFrame
    mentions: pl.DataFrame
    gold: pl.DataFrame


def correct_panel(
    labelled: Labelled,
    basis: Basis,
    *,
    window: Window,
    attributes: Sequence[str],
    outcome: str,
    n_buckets: int,
    method: Method,
) -> list[Row]:
    """The headline effects of a panel, one corrected row an attribute; beside it `uncorrected`.

    Where nothing can be corrected the rows have no numbers, and the reason.
    """
    panel = labelled.panel
    if panel.height > MAX_ROWS:
        reason = (
            f"{panel.height:,} reviews lie between the first and the last labelled one, more than "
            f"the {MAX_ROWS:,} that can be corrected at once; label reviews of fewer days"
        )
        return refuse_window(window, attributes, outcome, reason)
    table = Table(
        controls=basis.transform(panel),
        outcome=panel[outcome].cast(pl.Float64).to_numpy(),
        bucket=stable_bucket(panel["user_id"], n_buckets),
        n_buckets=n_buckets,
        attributes=tuple(attributes),
    )
    reading = gather_reading(panel, labelled.mentions, attributes)
    gold, n_unused = place_labels(panel, labelled.gold, attributes)
    moments = table_moments(table, np.arange(panel.height), reading.polarity[None])
    plain = _estimate(moments, window, attributes, outcome, method)
    try:
        scored = replace(table, controls=score_controls(table, moments, method))
        rows = correct_rows(plain, scored, reading, gold, method=method, rules=Rules())
    except EstimationError as error:
        rows = [refuse_row(row | {"uncorrected": row["estimate"]}, str(error)) for row in plain]
    note = f"{n_unused:,} labelled reviews were not read, or have 'no majority' on an attribute"
    notes = [note] if n_unused else []
    return [row | {"estimator": ESTIMATOR, "reasons": [*row["reasons"], *notes]} for row in rows]


def refuse_window(
    window: Window, attributes: Sequence[str], outcome: str, reason: str
) -> list[Row]:
    """One row an attribute without numbers, for a reason."""
    nothing = np.zeros(0)
    table = Table(np.zeros((0, 0)), nothing, nothing.astype(np.int64), 1, tuple(attributes))
    moments = table_moments(table, np.arange(0), np.zeros((1, 0, len(attributes)), dtype=np.int8))
    rows = _estimate(moments, window, attributes, outcome, Method())
    return [refuse_row(row, reason) | {"estimator": ESTIMATOR, "uncorrected": None} for row in rows]


def gather_reading(
    panel: pl.DataFrame, mentions: pl.DataFrame, attributes: Sequence[str]
) -> Reading:
    """What was read in each row of the panel; a review without a mention is read as silent."""
    order = panel.select(KEY)
    columns: dict[str, list[np.ndarray]] = {"polarity": [], "confidence": []}
    for name in attributes:
        part = mentions.filter(pl.col("attribute") == name).select(KEY, *columns)
        wide = order.join(part, on=KEY, how="left", maintain_order="left")
        for column, values in columns.items():
            values.append(wide[column].cast(pl.Float64).to_numpy())
    polarity, confidence = (np.column_stack(values) for values in columns.values())
    return Reading(
        np.nan_to_num(polarity).astype(np.int8), ~np.isnan(confidence), np.nan_to_num(confidence)
    )


def place_labels(
    panel: pl.DataFrame, gold: pl.DataFrame, attributes: Sequence[str]
) -> tuple[Gold, int]:
    """Labels of rows of the panel, and how many could not be used.

    Those are of reviews that are not in it, or without a majority on an attribute.
    """
    rows = panel.select(KEY).with_row_index("row")
    placed = gold.join(rows, on=KEY, how="inner").sort("row")
    decided = placed.filter(
        pl.all_horizontal(pl.col(LABEL + name) != UNDECIDED for name in attributes)
    )
    labels = np.column_stack([to_sides(decided[LABEL + name].to_numpy()) for name in attributes])
    found = Gold(decided["row"].to_numpy().astype(np.int64), labels.astype(np.int8))
    return found, gold.height - decided.height


def score_controls(table: Table, moments: Moments, method: Method) -> FloatArray:
    """What the controls foretell of the outcome and of each side of each attribute, shape (n, s).

    `moments` are the table's, with what was read. Scores have unit deviation; those that do not vary
    are left out, so that s is at most 1 + twice the attributes.
    """
    controls = list_controls(moments.columns, table.attributes, OUTCOME)
    treatments = treatment_names(table.attributes)
    fitted = fit_nuisances(
        moments, treatments=treatments, outcome=OUTCOME, controls=controls,
        folds=method.folds, penalty=method.penalty,
    )  # fmt: skip
    at = locate(moments.columns, [INTERCEPT, *controls])
    scores = np.empty((len(table.outcome), fitted.maps.shape[2]))
    fold = table.bucket % method.folds
    for k, foretell in enumerate(-fitted.maps[:, at]):
        scores[fold == k] = foretell[0] + table.controls[fold == k] @ foretell[1:]
    spread = scores.std(axis=0)
    varies = spread > 1e-9
    found: FloatArray = scores[:, varies] / spread[varies]
    return found


def _estimate(
    moments: Moments, window: Window, attributes: Sequence[str], outcome: str, method: Method
) -> list[Row]:
    """Headline rows that take every reading for true."""
    rows = estimate_effects(
        moments, window=window, attributes=attributes, outcome=OUTCOME, method=method
    )
    return [row | {"outcome": outcome} for row in rows if row["contrast"] == HEADLINE]
