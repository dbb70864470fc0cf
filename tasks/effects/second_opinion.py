"""A second opinion on a night's effect: a flexible estimator on the rows that decide it.

The headline question, what a complaint turned into praise does, is put to reviews that mention the
attribute with a side: praise is the treatment, complaint the alternative, and what else the review
says of other attributes is a control, as it is in the night's own regression.
"""

from typing import Any, Final, Literal

import polars as pl

from tasks.effects.credibility import Rules, decide_verdict
from tasks.effects.estimate import HEADLINE, Method, Row, Window
from tasks.effects.moments import hash_id
from tasks.effects.overlap import check_overlap
from tasks.effects.panel import CONTROL, treatment_names
from tasks.effects.table.answer import Options
from tasks.effects.table.checks import find_overlap
from tasks.effects.table.flexible import answer_balance, answer_forest, answer_irm
from tasks.effects.table.question import Question, ask
from tasks.platform.errors import EstimationError
from tasks.platform.threads import hold_threads

Opinion = Literal["irm", "balance", "forest"]
ANSWERS: Final[dict[Opinion, Any]] = {
    "irm": answer_irm,
    "balance": answer_balance,
    "forest": answer_forest,
}
MIN_ARM: Final = 50
FOLDS: Final = 5
MAX_LEVELS: Final = 5


def ask_opinion(
    panel: pl.DataFrame,
    *,
    attribute: str,
    opinion: Opinion,
    window: Window,
    attributes: tuple[str, ...],
    outcome: str,
    method: Method,
    max_rows: int,
) -> list[Row]:
    """One row of marts.effects by another estimator; none where an arm has fewer than 50 rows.

    Of more than `max_rows` reviews, whole users are drawn by a hash of their ids.
    """
    positive, negative = treatment_names([attribute])
    sided = panel.filter((pl.col(positive) + pl.col(negative)) == 1)
    kept = draw_users(sided, max_rows)
    arms = [int((kept[name] == 1).sum()) for name in (positive, negative)]
    if min(arms) < MIN_ARM:
        return []
    try:
        question = make_question(kept, positive, attributes, outcome)
        options = Options(
            "ate", method.confidence, method.penalty, is_experiment=False, rules=Rules(), repeats=1
        )
        with hold_threads(1):  # several of these run side by side
            answer = ANSWERS[opinion](question, options)
    except EstimationError:
        return []
    overlap = find_overlap(question, options)
    found = check_overlap(overlap) if overlap is not None else []
    verdict, reasons = decide_verdict([*answer.findings, *found])
    interval = answer.interval
    ratings, is_praised = kept[outcome].to_numpy(), kept[positive].to_numpy() == 1
    naive = float(ratings[is_praised].mean() - ratings[~is_praised].mean())
    empty = dict.fromkeys(
        ("naive_ci_low", "naive_ci_high", "q_value", "variance_left", "effective_clusters")
    )
    return [
        {
            "source": window.source,
            "window": window.name,
            "window_start": window.start,
            "window_end": window.end,
            "outcome": outcome,
            "attribute": attribute,
            "contrast": HEADLINE,
            "estimator": opinion,
            "estimand": "ate",
            "estimate": interval.estimate,
            "std_error": interval.std_error,
            "ci_low": interval.ci_low,
            "ci_high": interval.ci_high,
            "p_value": interval.p_value,
            "naive": naive,
            **empty,
            "robustness_value": (answer.details or {}).get("robustness_value"),
            "n": question.n,
            "n_positive": arms[0],
            "n_negative": arms[1],
            "verdict": verdict,
            "reasons": reasons,
        }
    ]


def draw_users(panel: pl.DataFrame, most: int) -> pl.DataFrame:
    """Whole users in the order of their hashes, up to `most` rows; who has more than still fit is passed over.

    An account that many share ends no draw: it has more rows than all that are drawn.
    """
    if panel.height <= most:
        return panel
    counts = panel.group_by("user_id").len()
    ranked = counts.with_columns(
        rank=pl.Series([hash_id(user) % 2**62 for user in counts["user_id"].to_list()])
    ).sort("rank", "user_id")
    drawn, room = [], most
    for user, rows in ranked.select("user_id", "len").iter_rows():
        if rows <= room:
            drawn.append(user)
            room -= rows
        if not room:
            break
    chosen = pl.DataFrame({"user_id": drawn}, schema={"user_id": panel.schema["user_id"]})
    return panel.join(chosen, on="user_id", how="semi", maintain_order="left")


def make_question(
    panel: pl.DataFrame, positive: str, attributes: tuple[str, ...], outcome: str
) -> Question:
    """The question of one attribute: controls as they stand, and mentions of other attributes."""
    controls = [name for name in panel.columns if name.startswith(CONTROL)]
    others = [
        name
        for name in treatment_names(attributes)
        if name.rpartition("__")[0] != positive.rpartition("__")[0]
    ]
    varying = [name for name in [*controls, *others] if panel[name].n_unique() > 1]
    return ask(
        panel, outcome=outcome, treatment=positive, controls=varying, cluster="user_id",
        folds=FOLDS, max_levels=MAX_LEVELS,
    )  # fmt: skip
