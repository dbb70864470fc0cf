"""Effects, refutations and graphs of a night, as the marts hold them."""

import json
from collections.abc import Callable, Sequence
from datetime import date

import polars as pl

from tasks.effects.estimate import Row
from tasks.effects.stored import read_rows
from tasks.platform.marts import MartName, MartPart, find_unpublished
from tasks.platform.refs import FileRef, VerdictsRef
from tasks.platform.task import RunContext

_ROW_COLUMNS = (
    "source", "outcome", "attribute", "contrast", "estimator", "estimate", "std_error", "ci_low", "ci_high",
    "q_value", "naive", "naive_ci_low", "naive_ci_high", "n", "n_positive", "n_negative", "verdict",
    "p_value", "robustness_value", "variance_left", "effective_clusters", "estimand",
)  # fmt: skip

_ROW_NUMBERS = (
    "estimate", "std_error", "ci_low", "ci_high", "q_value", "naive", "naive_ci_low", "naive_ci_high",
    "p_value", "robustness_value", "variance_left", "effective_clusters",
)  # fmt: skip
"""Columns that are numbers also where none of a source's effects has one."""

_REFUTATION_COLUMNS = (
    "source", "outcome", "attribute", "contrast", "refuter", "result", "estimate", "refuted", "ci_low",
    "ci_high", "p_value", "reason", "note",
)  # fmt: skip

Shape = Callable[[Sequence[Row], date], pl.DataFrame]


def list_parts(verdicts: VerdictsRef, as_of: date, run: RunContext) -> list[MartPart]:
    """What marts.effects and marts.effect_refutations should hold for the night of `as_of`."""
    shapes: tuple[tuple[MartName, FileRef, Shape], ...] = (
        ("effects", verdicts.effects, _to_effect_rows),
        ("effect_refutations", verdicts.refutations, _to_refutation_rows),
        ("causal_graph", verdicts.graphs, _to_graph_rows),
    )
    parts = []
    for table, ref, shape in shapes:
        rows = read_rows(run, [ref])
        for source in sorted({row["source"] for row in rows}):
            frame = shape([row for row in rows if row["source"] == source], as_of)
            if frame.height == 0:
                continue
            file = run.site.lake.put_frame("marts", frame)
            path = str(run.site.lake.root / file.path)
            parts.append(MartPart(table, source, as_of, as_of, file.sha256, file.rows, path))
    return parts


def has_unpublished(verdicts: VerdictsRef, as_of: date, run: RunContext) -> bool:
    """True when the marts do not hold the night's rows as they are."""
    parts = list_parts(verdicts, as_of, run)
    with run.site.warehouse.connect() as connection:
        return bool(find_unpublished(connection, parts))


def _to_effect_rows(rows: Sequence[Row], as_of: date) -> pl.DataFrame:
    schema = dict.fromkeys(_ROW_NUMBERS, pl.Float64)
    frame = pl.DataFrame(rows, infer_schema_length=None, schema_overrides=schema)
    return frame.select(
        pl.lit(as_of).alias("as_of"),
        pl.col("window").alias("window_name"),
        pl.col("window_start").str.to_date(),
        pl.col("window_end").str.to_date(),
        *_ROW_COLUMNS,
        pl.col("reasons").map_elements(lambda part: json.dumps(list(part)), return_dtype=pl.String),
    ).sort("source", "window_name", "attribute", "contrast", "estimator")


def _to_refutation_rows(rows: Sequence[Row], as_of: date) -> pl.DataFrame:
    flat = [
        {name: row.get(name) for name in _REFUTATION_COLUMNS}
        | {
            "as_of": as_of,
            "window_name": row["window"],
            "benchmarks": json.dumps(row["benchmarks"]),
        }
        for row in rows
    ]
    schema = dict.fromkeys(("estimate", "refuted", "ci_low", "ci_high", "p_value"), pl.Float64)
    frame = pl.DataFrame(flat, infer_schema_length=None, schema_overrides=schema)
    return frame.sort("source", "window_name", "attribute", "contrast", "refuter", "note")


def _to_graph_rows(graphs: Sequence[Row], as_of: date) -> pl.DataFrame:
    rows = [
        {
            "as_of": as_of,
            "source": graph["source"],
            "method": graph["method"],
            "n": graph["n"],
            "from_column": edge["source"],
            "to_column": edge["target"],
            **{
                name: edge[name] for name in ("kind", "ends", "stability", "origin", "suggested_by")
            },
        }
        for graph in graphs
        for edge in graph["edges"]
    ]
    schema = {"stability": pl.Float64, "suggested_by": pl.String}
    columns = ("as_of", "source", "from_column", "to_column")
    frame = pl.DataFrame(rows, infer_schema_length=None, schema_overrides=schema)
    return frame.sort(columns) if rows else frame
