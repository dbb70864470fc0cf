"""Commands on a file of texts: extract, drivers. No warehouse, no schedule."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from flows.console import print_json, print_line, print_note
from flows.desk.agreement import tell_agreement
from flows.desk.outputs import TABLES, check_output, write_table
from flows.desk.texts import (
    UNTAUGHT,
    Teaching,
    list_ids,
    list_reviews,
    open_desk,
    open_reader,
    read_attributes,
    read_texts,
)
from tasks.effects.controls.columns import check_columns
from tasks.effects.controls.copies import MUCH, number_alike
from tasks.effects.credibility import Finding, weigh_row
from tasks.effects.drivers import CONFIDENCE, estimate_drivers
from tasks.platform.errors import InputError
from tasks.platform.labels import read_labels
from tasks.text.extract import Extraction, name_attributes
from tasks.text.labelled import ID_KEY, ROW_KEY, check_column, find_places

_PREFIX = "whyrec__"
"""Set before the names of columns made here, so that they meet none of the file's."""
COLUMNS = (
    "row", "attribute", "is_mentioned", "polarity", "confidence", "span_start", "span_end",
)  # fmt: skip
"""Columns of what is written, one row per text and attribute."""
COPIED_CHARS: Final = 40
"""Shorter texts are alike by chance ("Great product, thanks")."""
RATING_FIRST: Final = (
    "the rating is taken not to decide what is written about: unhappy people who look for something to "
    "complain of make the same numbers as an effect"
)
TAKEN_FOR_TRUE: Final = (
    f"what was read is taken for true, and misreadings draw effects towards 0 (labels of some hundred "
    f"reviews mend that, by --gold); {RATING_FIRST}"
)


def number_rows(found: pl.DataFrame) -> pl.DataFrame:
    """What was read, or skipped, with the text's row as a number in place of its name."""
    return found.select(pl.col("review_id").cast(pl.Int64).alias("row"), pl.exclude("review_id"))


def extract_file(
    path: str,
    *,
    text: str,
    attributes: Sequence[str],
    extractor: str,
    key: str | None = None,
    teaching: Teaching = UNTAUGHT,
    out: str | None,
    config: str | None,
    is_json: bool,
) -> None:
    """Extract from a file, by an extractor that is taught first if it has to be, and write the rows."""
    target = None if out is None else check_output(out, endings=TABLES)
    frame = read_texts(path)
    desk = open_desk(attributes, config)
    reviews = list_reviews(frame, text)
    reader = open_reader(desk, extractor, reviews, list_ids(frame, key), teaching=teaching)
    found = read_attributes(desk, reader, reviews)
    show_extraction(found, frame.height, desk.names, out=target, is_json=is_json)
    if reader.probe is not None and out is not None and not is_json:
        print_line(tell_agreement(reader.probe.about))


def show_extraction(
    found: Extraction, n_texts: int, attributes: Sequence[str], *, out: Path | None, is_json: bool
) -> None:
    """Write what was read to `out`, else print it; say how much there is and what was left out."""
    rows = number_rows(found.frame).select(COLUMNS)
    skipped = number_rows(found.skipped)
    if out is not None:
        write_table(rows, out)
    if is_json and out is not None:
        counts = {"texts": n_texts, "rows": rows.height, "out": str(out)}
        told = {"skipped": skipped.to_dicts(), "cut": found.n_cut, "tokens": found.n_tokens}
        print_json({**counts, **told})
    elif is_json:
        print_json([*rows.to_dicts(), *list_skipped(skipped, attributes)])
    elif out is None:
        print_line(rows.write_csv().rstrip("\n"))
    else:
        print_line(f"{rows.height:,} rows of {n_texts:,} texts written to {out}")
    if note := describe_left_out(found):
        print_note(note)


def list_skipped(skipped: pl.DataFrame, attributes: Sequence[str]) -> list[dict[str, Any]]:
    """A row without an answer for each skipped text and attribute, with the reason."""
    unknown = dict.fromkeys(("is_mentioned", "polarity", "confidence", "span_start", "span_end"))
    return [
        {"row": row, "attribute": attribute.name, **unknown, "skipped": reason}
        for row, reason in skipped.iter_rows()
        for attribute in name_attributes(attributes)
    ]


def describe_left_out(found: Extraction) -> str:
    """How many texts were not read, and why, and how many were cut; empty when none."""
    reasons = found.skipped.group_by("reason", maintain_order=True).len()
    parts = [f"{count:,} skipped ({reason})" for reason, count in reasons.iter_rows()]
    parts += [f"{found.n_cut:,} cut, too long"] if found.n_cut else []
    return f"of the texts: {', '.join(parts)}" if parts else ""


def find_drivers(
    path: str,
    *,
    text: str,
    outcome: str,
    attributes: Sequence[str],
    controls: Sequence[str],
    cluster: str | None,
    gold: str | None,
    extractor: str | None = None,
    config: str | None,
) -> dict[str, Any]:
    """Read attributes out of the texts and estimate what each does to the outcome, all at once.

    With a `gold` file of labelled reviews the effects are corrected for misreading. Reviews that
    were not read (in another language, say) are left out, and `left_out` says how many and why.
    """
    frame = read_texts(path)
    check_column(frame, outcome)
    check_columns(frame, [*controls, *([] if cluster is None else [cluster])])
    desk = open_desk(attributes, config)
    reviews = list_reviews(frame, text)
    labels = None if gold is None else read_gold(gold, frame, desk.names)
    reader = open_reader(desk, extractor, reviews, list_ids(frame, None))
    read = read_attributes(desk, reader, reviews)
    unread = number_rows(read.skipped)["row"].to_list()
    copies = find_repeated_texts(frame.select(list(dict.fromkeys((text, outcome)))))
    if copies is not None:
        frame = frame.with_columns(copies)
    found = estimate_drivers(
        widen_readings(frame, number_rows(read.frame), desk.names),
        outcome=outcome,
        attributes=desk.names,
        prefix=_PREFIX,
        unread=unread,
        controls=controls,
        cluster=copies.name if cluster is None and copies is not None else cluster,
        gold=labels,
    )
    told: list[Finding] = [("credible", TAKEN_FOR_TRUE if gold is None else RATING_FIRST)]
    if copies is not None:
        told += weigh_copies(copies, None if cluster is None else frame[cluster])
    return {
        "n": max((row["n"] for row in found), default=0),
        "extractor": reader.name,
        "drivers": [_tell_beside(row, told) for row in found],
        "corrected": gold is not None,
        "left_out": describe_left_out(read),
        "taught": None if reader.probe is None else dict(reader.probe.about),
    }


def _tell_beside(row: dict[str, Any], told: Sequence[Finding]) -> dict[str, Any]:
    """`row` with what is said of all effects; one without a number is told it as well."""
    if row["estimate"] is None:
        return row | {"reasons": [*row["reasons"], *(said for _, said in told)]}
    return weigh_row(row, told)


def find_repeated_texts(frame: pl.DataFrame) -> pl.Series | None:
    """Which rows say the same, as one name for all of them; None where no two do.

    `frame` holds texts and outcomes. Case, blanks and signs make no other text; very short texts are
    alike by chance, and no copies.
    """
    name = frame.columns[0]
    plain = pl.col(name).cast(pl.String).str.to_lowercase().str.replace_all(r"[\W_]+", " ")
    frame = frame.with_columns(plain.str.strip_chars().alias(name))
    is_told = pl.col(name).str.len_chars() >= COPIED_CHARS
    apart = pl.int_range(pl.len())
    copies = frame.select(
        pl.when(is_told).then(number_alike(frame)).otherwise(apart).alias("whyrec__copy_of")
    ).to_series()
    return copies if copies.n_unique() < len(copies) else None


def weigh_copies(copies: pl.Series, cluster: pl.Series | None) -> list[Finding]:
    """How many rows repeat another, and what is made of that.

    Without a `cluster` (n,) copies are one; with it those of other clusters count as news.
    """
    if cluster is None:
        said = (
            f"{len(copies) - copies.n_unique():,} rows repeat another's text and outcome: intervals "
            "count such copies as one"
        )
        return [("credible", said)]
    is_across = pl.DataFrame({"copy": copies, "own": cluster}).select(
        pl.col("own").drop_nulls().n_unique().over("copy") > 1
    )
    found = int(is_across.to_series().sum())
    if found <= MUCH * len(copies):
        return []
    said = (
        f"{found:,} of {len(copies):,} rows ({found / len(copies):.0%}) repeat text and outcome of a row of "
        f"another {cluster.name}: copies count as if they were news, so that intervals are too narrow; "
        "drop them"
    )
    return [("weak", said)]


def widen_readings(frame: pl.DataFrame, rows: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """`frame` with a column of polarities and one of confidences for each attribute read."""
    said = rows.filter(pl.col("is_mentioned"))
    table = frame.with_row_index("whyrec__row").with_columns(pl.col("whyrec__row").cast(pl.Int64))
    for name in names:
        part = said.filter(pl.col("attribute") == name).select(
            pl.col("row").alias("whyrec__row"),
            pl.col("polarity").alias(_PREFIX + name),
            pl.col("confidence").alias(_PREFIX + name + CONFIDENCE),
        )
        table = table.join(part, on="whyrec__row", how="left", maintain_order="left")
    return table.drop("whyrec__row")


def read_gold(path: str, frame: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Labels of some rows of `frame`: `row` and a column for each attribute, named as it is read.

    A review is found by `row` (its position, from 0), or by `review_id`: the value of the column of
    that name (or `id`) in `frame`, else its position. Raises InputError when one cannot be found.
    """
    gold = read_texts(path)
    spelled = {one.name: column for column in gold.columns for one in name_attributes([column])}
    for name in names:
        check_column(gold, spelled.get(name, name), file=path)
        read_labels(gold[spelled[name]])  # what is no label is told by the column's own name
    return pl.DataFrame({
        "row": _find_rows(gold, frame, path),
        **{_PREFIX + name: gold[spelled[name]] for name in names},
    })  # fmt: skip


def _find_rows(gold: pl.DataFrame, frame: pl.DataFrame, path: str) -> pl.Series:
    """Position in `frame` of each labelled review."""
    is_called_id = ID_KEY not in frame.columns and "id" in frame.columns
    known = list_ids(frame, "id" if is_called_id else None)
    if len(set(known)) < len(known):
        raise InputError(
            f"{'id' if is_called_id else ID_KEY} of the reviews is not unique, so labels cannot be "
            "joined by it"
        )
    is_by_id = "id" in gold.columns and not {ID_KEY, ROW_KEY} & set(gold.columns)
    named = gold.rename({"id": ID_KEY}) if is_by_id else gold
    places = find_places(named, known)
    strays = np.flatnonzero(places < 0)
    if len(strays):
        key = ID_KEY if ID_KEY in named.columns else ROW_KEY
        raise InputError(
            f"{len(strays)} of the {len(places)} labelled reviews of {path} are not in the file of "
            f"reviews, such as {named[key][int(strays[0])]!r}; labels are found by {key}"
        )
    return pl.Series(places, dtype=pl.Int64)
