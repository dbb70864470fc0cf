"""Several experiments in one table: each by itself, and pooled."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from tasks.effects.basis import FloatArray, read_levels
from tasks.effects.controls.columns import check_columns
from tasks.effects.controls.left_over import LEFT_OVER, Move, Slope, compare_within
from tasks.effects.credibility import Finding, Verdict, weigh_row
from tasks.effects.experiment import pool_tests
from tasks.effects.intervals import NUMBERS, read_interval
from tasks.effects.table.estimate import estimate_table
from tasks.effects.table.linear import interval_or_none
from tasks.effects.table.question import Question
from tasks.platform.errors import ConfigError, EstimationError
from tasks.platform.numbers import tell_signed

_DIFFER_P = 0.05
_SHOWN = 3
_WEAK_SHARE = 0.1
"""Share of the pooled estimate in tests that are weak, above which it is weak."""
_FEW = 5
"""Of fewer tests that differ, 95% intervals hold the mean of all such tests 86 to 92% of the time."""


def estimate_tests(
    frame: pl.DataFrame, tests: str, *, confidence: float = 0.95, **asked: Any
) -> dict[str, Any]:
    """The headline estimate of every test named in column `tests`, and one over all of them.

    `asked` is what `estimate_table` takes. Keys: tests [{test, n, estimator, estimate, std_error,
    ci_low, ci_high, p_value, verdict, reasons}], pooled {estimate, std_error, ci_low, ci_high,
    p_value, between, q_p_value, verdict, reason}. A test that cannot be estimated is listed with its
    reason and is not pooled; one that is not credible is pooled, which makes this weak, as weak ones do
    that have over a tenth of the weight together. Raises ConfigError when fewer than two can.
    """
    check_columns(frame, [tests])
    names = frame[tests].drop_nulls().unique().sort().to_list()
    vectors = asked.pop("vectors", None) or {}
    lines = []
    for name in names:
        rows = (frame[tests] == name).fill_null(value=False)
        own = {key: part[np.flatnonzero(rows.to_numpy())] for key, part in vectors.items()}
        table = frame.filter(rows)
        lines.append(_estimate_one(name, table, {**asked, "vectors": own}, confidence))
    numbered = [line for line in lines if line["estimate"] is not None]
    found = [read_interval(line) for line in numbered]
    if len(found) < 2:
        raise ConfigError(
            f"{len(found)} of {len(names)} tests in {tests} can be estimated; pooling needs 2"
        )
    pooled = pool_tests(found, confidence=confidence)
    differ = pooled.q_p_value < _DIFFER_P
    said = "the tests differ in their effects" if differ else "the tests agree"
    verdicts = [one["verdict"] for one in numbered]
    named = {
        verdict: [one["test"] for one in numbered if one["verdict"] == verdict]
        for verdict in ("not credible", "weak")
    }
    few = f"; {len(found)} tests can hardly tell how much tests differ" if len(found) < _FEW else ""
    nameless = frame[tests].null_count()
    left = f"; {nameless:,} rows without {tests} are in none of them" if nameless else ""
    return {
        "tests": lines,
        "pooled": {
            **interval_or_none(pooled.interval),
            "between": pooled.between,
            "q_p_value": pooled.q_p_value,
            "verdict": _weigh_tests(verdicts, pooled.share),
            "reason": f"{said} (Cochran's Q, p = {pooled.q_p_value:.2g}){few}{left}"
            + _tell_broken(named["not credible"])
            + _tell_weak(named["weak"]),
        },
    }


def _weigh_tests(verdicts: Sequence[Verdict], share: FloatArray) -> Verdict:
    """Verdict of the pooled figure by those of its tests, and the `share` that each has in it."""
    if all(one == "not credible" for one in verdicts):
        return "not credible"
    doubted = sum(part for one, part in zip(verdicts, share, strict=True) if one == "weak")
    return "weak" if "not credible" in verdicts or doubted > _WEAK_SHARE else "credible"


def _tell_broken(broken: Sequence[str]) -> str:
    """Which tests were pooled though they are not credible; nothing where none is."""
    if not broken:
        return ""
    return (
        f"; pooled, but not credible by itself: {_list_some(broken)}; find out why, or leave its rows "
        "out"
    )


def _tell_weak(weak: Sequence[str]) -> str:
    """Which tests were pooled though they are weak; nothing where none is."""
    if not weak:
        return ""
    return f"; pooled, but weak by itself: {_list_some(weak)}; weigh what its reasons say"


def _list_some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (" ..." if len(names) > _SHOWN else "")


def weigh_whole(answer: dict[str, Any], question: Question, tests: pl.Series) -> dict[str, Any]:
    """`answer` of `estimate_table` over all rows, weighed by what differs between `tests`.

    Chance dealt the treatment out within a test. Where tests differ in how many are treated and in
    their outcomes, the rows of all of them together are no experiment.
    """
    codes = read_levels(tests)[question.row].rank("dense").cast(pl.Int64).to_numpy() - 1
    slope = Slope(
        question.treatment, question.outcome, question.controls, question.cluster, question.unit
    )
    move = compare_within(slope, codes)
    estimates = [weigh_row(one, _weigh_move(move, one)) for one in answer["estimates"]]
    main = next((one for one in estimates if one["estimator"] == answer["headline"]), None)
    if main is None:
        return answer
    whole = weigh_row({**answer, "estimate": main["estimate"]}, _weigh_move(move, main))
    return {**answer, "estimates": estimates} | {key: whole[key] for key in ("verdict", "reasons")}


def _weigh_move(move: Move | None, row: dict[str, Any]) -> list[Finding]:
    """What it says against an estimate over all rows that its slope within tests is another."""
    if move is None or not move.is_real or row["estimate"] is None:
        return []
    width = row["ci_high"] - row["ci_low"]
    if abs(move.by) <= LEFT_OVER * width:
        return []
    said = (
        f"tests differ in how many are treated and in their outcomes: compared within tests alone, "
        f"the effect moves by {tell_signed(move.by)}, and the interval is {width:.2g} wide; read the pooled "
        "one"
    )
    return [("not credible" if abs(move.by) > width else "weak", said)]


def _estimate_one(
    name: Any, table: pl.DataFrame, asked: dict[str, Any], confidence: float
) -> dict[str, Any]:
    try:
        answer = estimate_table(table, **asked, confidence=confidence)
    except EstimationError as error:
        return {
            "test": str(name), "n": table.height, "estimator": None, **interval_or_none(None),
            "verdict": "no result", "reasons": [str(error)],
        }  # fmt: skip
    by_name = {one["estimator"]: one for one in answer["estimates"]}
    main = by_name.get(answer["headline"], {})
    return {
        "test": str(name),
        "n": answer["n"],
        "estimator": answer["headline"],
        **{key: main.get(key) for key in NUMBERS},
        "verdict": answer["verdict"],
        "reasons": answer["reasons"],
    }
