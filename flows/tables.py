"""Commands on a file of texts: extract, drivers. No warehouse, no schedule."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from flows.console import print_json, print_line
from tasks.effects.drivers import estimate_drivers
from tasks.effects.read import read_table
from tasks.platform.errors import ConfigError, InputError
from tasks.platform.settings import load_settings
from tasks.platform.site import resolve_site
from tasks.text.extract import name_attributes
from tasks.text.extractors import make_extractor
from tasks.text.task import STORE, open_store

JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")


def read_texts(path: str) -> pl.DataFrame:
    """Rows of a CSV, TSV, Parquet, Stata or JSON-lines file.

    Raises InputError when it is absent or cannot be read as what it is called.
    """
    file = Path(path)
    if not file.name.lower().endswith(JSON_SUFFIXES):
        return read_table(file)
    if not file.is_file():
        raise InputError(f"there is no file {file}; check the path")
    try:
        return pl.read_ndjson(file, infer_schema_length=None)
    except Exception as error:
        first = str(error).splitlines()[0][:200]
        raise InputError(
            f"{file} could not be read as JSON lines ({first}); one object a line is expected"
        ) from error


def read_attributes(
    frame: pl.DataFrame,
    *,
    text: str,
    attributes: Sequence[str],
    extractor: str | None,
    config: str | None,
) -> pl.DataFrame:
    """One row per text and attribute: row, attribute, is_mentioned, polarity, confidence, span."""
    if not attributes:
        raise ConfigError("--attributes is empty; name some, as in price,battery")
    if text not in frame.columns:
        raise InputError(
            f"there is no column {text!r}; the file has {', '.join(frame.columns[:20])}"
        )
    settings = load_settings(config)
    reader = make_extractor(settings.extract, extractor)
    configured = {attribute.name: attribute for attribute in settings.extract.attributes}
    wanted = [configured.get(named.name, named) for named in name_attributes(attributes)]
    store = open_store(str(resolve_site(settings).lake.root / STORE), settings.text)
    texts = frame[text].cast(pl.String).fill_null("").to_list()
    found = reader.extract(
        [(str(row), body) for row, body in enumerate(texts)],
        attributes=wanted,
        embed=lambda part: store.embed(part).vectors,
    )
    return number_rows(found.frame)


def number_rows(found: pl.DataFrame) -> pl.DataFrame:
    """What was read, by the row of the file that it was read from."""
    return found.with_columns(row=pl.col("review_id").cast(pl.Int64)).select(
        "row", "attribute", "is_mentioned", "polarity", "confidence", "span_start", "span_end"
    )


def extract_file(
    path: str,
    *,
    text: str,
    attributes: Sequence[str],
    extractor: str,
    out: str | None,
    config: str | None,
    is_json: bool,
) -> None:
    """Extract from a file and write the rows where they are wanted."""
    frame = read_texts(path)
    rows = read_attributes(
        frame, text=text, attributes=attributes, extractor=extractor, config=config
    )
    show_rows(rows, frame.height, out=out, is_json=is_json)


def show_rows(rows: pl.DataFrame, n_texts: int, *, out: str | None, is_json: bool) -> None:
    """Write the rows to `out`, else print them; say how many there are."""
    if out is not None:
        write_rows(rows, out)
    if is_json:
        summary = {"texts": n_texts, "rows": rows.height, "out": out}
        print_json(summary if out else rows.to_dicts())
    elif out is None:
        print_line(rows.write_csv().rstrip("\n"))
    else:
        print_line(f"{rows.height:,} rows of {n_texts:,} texts written to {out}")


def write_rows(rows: pl.DataFrame, out: str) -> None:
    """Write CSV or Parquet, by the name's suffix."""
    if out.endswith(".parquet"):
        rows.write_parquet(out)
    elif out.endswith(".csv"):
        rows.write_csv(out)
    else:
        raise ConfigError(f"--out {out}: write to a .csv or .parquet file")


def find_drivers(
    path: str,
    *,
    text: str,
    outcome: str,
    attributes: Sequence[str],
    controls: Sequence[str],
    cluster: str | None,
    config: str | None,
) -> dict[str, Any]:
    """Read attributes out of the texts and estimate what each does to the outcome, all at once."""
    frame = read_texts(path)
    if outcome not in frame.columns:
        raise InputError(
            f"there is no column {outcome!r}; the file has {', '.join(frame.columns[:20])}"
        )
    rows = read_attributes(
        frame, text=text, attributes=attributes, extractor="clauses", config=config
    )
    named = rows.with_columns(name=pl.lit("whyrec__") + pl.col("attribute"))
    wide = named.filter(pl.col("is_mentioned")).pivot(on="name", index="row", values="polarity")
    names = [attribute.name for attribute in name_attributes(attributes)]
    table = frame.with_row_index("row").with_columns(pl.col("row").cast(pl.Int64))
    table = table.join(wide, on="row", how="left").drop("row")
    absent = [f"whyrec__{name}" for name in names if f"whyrec__{name}" not in table.columns]
    table = table.with_columns(pl.lit(None, dtype=pl.Int8).alias(name) for name in absent)
    found = estimate_drivers(
        table,
        outcome=outcome,
        attributes=[f"whyrec__{name}" for name in names],
        controls=controls,
        cluster=cluster,
    )
    drivers = [{**row, "attribute": row["attribute"].removeprefix("whyrec__")} for row in found]
    return {
        "n": max((row["n"] for row in drivers), default=0),
        "drivers": drivers,
        "corrected": False,
    }
