"""The robustness room, as tasks: one attack on one target each, what looks fake as it is, publishing."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any

import duckdb
import polars as pl

from tasks.platform.marts import MartName, MartPart, commit_parts, find_unpublished
from tasks.platform.refs import AttributesRef, FileRef, PeriodRef, PublishedRef, Ref
from tasks.platform.sql import read_sql
from tasks.platform.task import RunContext, stage_task
from tasks.platform.warehouse import fetch_dicts
from tasks.robustness.corpus import SAYS, Corpus, fill_columns, join_says, make_corpus
from tasks.robustness.detect import suspect
from tasks.robustness.mart_rows import to_suspect_rows
from tasks.robustness.rows import AttackRow, DefenceRow, ExampleRow, MartRow, to_frame
from tasks.robustness.scorecard import list_suspects

TABLES: dict[MartName, type[MartRow]] = {
    "attacks": AttackRow,
    "attack_examples": ExampleRow,
    "defences": DefenceRow,
}


class CorpusRef(Ref):
    """What is attacked of one source: reviews and what they say, and the items and users they meet."""

    reviews: FileRef
    items: FileRef
    users: FileRef


@stage_task("robustness")
def gather_corpus(
    periods: tuple[PeriodRef, ...],
    attributes: tuple[AttributesRef, ...],
    context: str,
    attribute_names: tuple[str, ...],
    max_rows: int,
    run: RunContext,
) -> CorpusRef:
    """The newest `max_rows` reviews of some periods of one source; `context` stands for items, users.

    `attributes` are what was read in the periods, each once; reviews that were not read stay, marked
    as such.
    """
    scope = {
        "source": periods[0].source,
        "start_date": min(period.start for period in periods),
        "end_date": max(period.end for period in periods),
    }
    with run.site.warehouse.connect() as connection:
        reviews, items, users = (
            connection.execute(read_sql(f"clean/{table}_select"), scope).pl()
            for table in ("reviews", "items", "users")
        )
    lake = run.site.lake
    read = pl.concat([lake.read_frame(ref.file) for ref in attributes])
    unread = pl.concat([lake.read_frame(ref.unread).select("review_id") for ref in attributes])
    said = join_says(
        reviews.tail(max_rows), read, attribute_names, unread=unread["review_id"].to_list()
    )
    return CorpusRef(
        reviews=lake.put_frame("corpora", fill_columns(said, attribute_names)),
        items=lake.put_frame("corpora", items.drop("description", strict=False)),
        users=lake.put_frame("corpora", users),
    )


def read_corpus(corpus: FileRef, run: RunContext) -> Corpus:
    """Reviews of a file of `tasks.robustness.corpus`."""
    frame = run.site.lake.read_frame(corpus)
    names = [name.removeprefix(SAYS) for name in frame.columns if name.startswith(SAYS)]
    return make_corpus(frame, names)


@stage_task("robustness")
def list_unusual(source: str, corpus: CorpusRef, run: RunContext) -> FileRef:
    """Accounts of one source that detection would flag, as rows of marts.attack_examples."""
    found = list_suspects(suspect(read_corpus(corpus.reviews, run)))
    return put_rows(run, {"attack_examples": to_suspect_rows(found, source=source)})


def put_rows(run: RunContext, tables: dict[MartName, Any]) -> FileRef:
    """Rows of several marts as one file of the lake."""
    listed = {name: [asdict(row) for row in rows] for name, rows in tables.items()}
    text = json.dumps(listed, sort_keys=True, default=str)
    rows = sum(map(len, listed.values()))
    return run.site.lake.put_bytes("attacks", ".json", text.encode(), rows=rows)


def list_parts(files: Sequence[FileRef], as_of: date, run: RunContext) -> list[MartPart]:
    """What the marts of attacks should hold for the night of `as_of`.

    Of every source that is spoken of a part of each table, also where that holds nothing: else what an
    earlier run of the night found would stay.
    """
    found: dict[MartName, list[MartRow]] = {name: [] for name in TABLES}
    for file in files:
        for name, rows in json.loads(run.site.lake.read_bytes(file)).items():
            found[name] += [TABLES[name](**row) for row in rows]
    sources = sorted({row.source for rows in found.values() for row in rows})
    frames = {name: to_frame(rows, TABLES[name], as_of) for name, rows in found.items()}
    return [
        _make_part(name, source, frame.filter(pl.col("source") == source), as_of, run)
        for name, frame in frames.items()
        for source in sources
    ]


def _make_part(
    name: MartName, source: str, frame: pl.DataFrame, as_of: date, run: RunContext
) -> MartPart:
    file = run.site.lake.put_frame("marts", frame)
    path = str(run.site.lake.root / file.path)
    return MartPart(name, source, as_of, as_of, file.sha256, file.rows, path)


def has_unpublished(files: Sequence[FileRef], as_of: date, run: RunContext) -> bool:
    """True when the marts do not hold the night's rows as they are."""
    parts = list_parts(files, as_of, run)
    with run.site.warehouse.connect() as connection:
        return bool(find_unpublished(connection, parts))


@stage_task("robustness", is_cached=False)
def publish_attacks(files: tuple[FileRef, ...], as_of: date, run: RunContext) -> PublishedRef:
    """Replace the night's rows of marts.attacks, attack_examples and defences, in one transaction."""
    return commit_parts(
        run.site.warehouse,
        list_parts(files, as_of, run),
        message=f"attacks of night {as_of}",
        extra={"run_id": run.run_id},
    )


def read_sweeps(run: RunContext, until: date) -> list[dict[str, Any]]:
    """Sweeps of the state of a day: source, key and files of each."""
    with run.site.warehouse.connect() as connection:
        return fetch_dicts(connection, read_sql("marts/sweeps_select"), {"until": until})


def choose_sweep(sweeps: Sequence[Mapping[str, Any]], key: str) -> list[FileRef]:
    """Files of the sweep called `key` among those of `read_sweeps`; none when there is none."""
    found = next((row for row in sweeps if row["sweep_key"] == key), None)
    return [] if found is None else [FileRef(**ref) for ref in json.loads(found["files"])]


@stage_task("robustness", is_cached=False)
def record_sweep(
    source: str, until: date, as_of: date, key: str, files: tuple[FileRef, ...], run: RunContext
) -> PublishedRef:
    """Let the nights of the week know what a sweep of one source found; an earlier one is replaced."""
    listed = json.dumps([file.model_dump() for file in files], sort_keys=True)
    scope = {"source": source, "until": until}

    def write(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute(read_sql("marts/sweeps_delete"), scope)
        connection.execute(
            read_sql("marts/sweeps_insert"),
            {**scope, "as_of": as_of, "sweep_key": key, "files": listed},
        )

    run.site.warehouse.commit(
        write, message=f"sweep of {source} until {until}", extra={"run_id": run.run_id}
    )
    return PublishedRef(snapshot=run.site.warehouse.read_snapshot(), rows=len(files))


def read_previous(run: RunContext, until: date) -> list[dict[str, Any]]:
    """The newest result of each attack up to a day."""
    with run.site.warehouse.connect() as connection:
        return fetch_dicts(connection, read_sql("marts/attacks_earlier"), {"until": until})


def keep_previous(run: RunContext, rows: Sequence[Mapping[str, Any]]) -> FileRef:
    """What `read_previous` gives, as a file of the lake."""
    text = json.dumps({"previous": rows}, sort_keys=True, default=str)
    return run.site.lake.put_bytes("attacks", ".json", text.encode(), rows=len(rows))
