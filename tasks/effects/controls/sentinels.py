"""Controls of a table whose numbers stand for "missing" in places."""

from collections.abc import Sequence

import polars as pl

from tasks.effects.basis import read_numbers
from tasks.effects.sentinels import find_sentinels


def blank_sentinels(
    frame: pl.DataFrame, controls: Sequence[str]
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """`frame` with numbers of `controls` that stand for "missing" made missing; which, in words."""
    notes = []
    for name in controls:
        if not frame.schema[name].is_numeric():
            continue
        values = read_numbers(frame[name])
        for code in find_sentinels(values):
            rows = int((values == code).sum())
            notes.append(
                f"control {name} is {code:g} in {rows:,} rows ({rows / frame.height:.1%}), far from all "
                "its other values: this was read as missing; give it another number if it is meant"
            )
            as_code = pl.col(name).cast(pl.Float64) == code
            frame = frame.with_columns(
                pl.when(as_code).then(None).otherwise(pl.col(name)).alias(name)
            )
    return frame, tuple(notes)
