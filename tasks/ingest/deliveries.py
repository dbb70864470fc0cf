"""Imports as deliveries: what one is called, and what it takes from those before it, in words."""

import hashlib
import shlex
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tasks.ingest.files import is_url
from tasks.ingest.publish import label_row
from tasks.platform.schema import EVENT_TABLES

_PREFIX: Final = "import:"
_PLACE_DIGITS: Final = 8


def name_import(path: str) -> str:
    """The id of an import: the file's name, and eight hex digits of the SHA-256 of its place.

    A file at the same place is the same delivery, and replaces what it brought before; one of the
    same name elsewhere is another. Links are followed. The place itself is not told.
    """
    place = path if is_url(path) else str(Path(path).resolve())
    name = place.rstrip("/").rsplit("/", 1)[-1]
    digest = hashlib.sha256(place.encode("utf-8", "surrogateescape")).hexdigest()
    return f"{_PREFIX}{name}#{digest[:_PLACE_DIGITS]}"


def name_old_import(drop_id: str) -> str:
    """The id that earlier versions gave such an import: its name alone."""
    return drop_id[: -_PLACE_DIGITS - 1]


def name_file(drop_id: str) -> str | None:
    """The file's name in the id of an import, None for a dated drop."""
    if not drop_id.startswith(_PREFIX):
        return None
    return drop_id.removeprefix(_PREFIX).rsplit("#", 1)[0]


def find_taken(
    row: Mapping[str, Any],
    before: Mapping[str, Mapping[str, Any]],
    after: Mapping[str, Mapping[str, Any]],
) -> dict[str, int]:
    """Other deliveries of the same table -> rows of theirs that are published from `row` now.

    `before` and `after` are rows of raw.drops by label; what a delivery lost while this one was
    published was lost to it.
    """
    label = label_row(row)
    taken = {}
    for name, old in before.items():
        new = after.get(name)
        is_kin = (old["source"], old["table_name"]) == (row["source"], row["table_name"])
        if name != label and is_kin and new is not None:
            taken[str(old["drop_id"])] = int(old["rows_published"] - new["rows_published"])
    return {drop_id: rows for drop_id, rows in taken.items() if rows > 0}


def tell_delivery(
    row: Mapping[str, Any],
    old: Mapping[str, Any] | None,
    gone: int | None,
    taken: Mapping[str, int],
) -> list[str]:
    """Sentences on one import: what it replaced, what it took over, what it left to newer ones.

    `row` and `old` are its account now and before (None: it is new); `gone` counts rows of before
    that nobody publishes any more; `taken` is what `find_taken` gives.
    """
    name, table = row["drop_id"], row["table_name"]
    notes = []
    if not row["rows_read"]:
        notes.append(
            f"{name} holds no rows of {table}: nothing is published from it; "
            "if that is not meant, import the whole file from the same place"
        )
    if old is not None:
        lost = "" if gone is None else f"{gone:,} rows of {table} leave, "
        notes.append(
            f"{name} was imported before and is replaced: {lost}{row['rows_published']:,} rows "
            f"are published from it now, {old['rows_published']:,} were; "
            "to keep both, import the new file from another place or under another name"
        )
    notes += [
        f"{rows:,} rows of {table} that {other} delivered before are delivered by {name} as well: "
        "the newer delivery counts, the older rows are duplicates"
        for other, rows in taken.items()
    ]
    late = row["rows_duplicate"] - row["rows_repeated_in_drop"]
    if late > 0 and row["rows_read"]:
        notes.append(
            f"{late:,} rows of {name} are delivered by a newer delivery of {row['source']} as well, "
            "which counts; to make these win, import the file after it, from another place"
        )
    return notes


def tell_twins(labels: Collection[str], known: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Sentences on deliveries `labels` whose very files are published under another source too.

    `known` are rows of raw.drops by label. Rows of two sources are never the same row, so that each
    of such files counts twice. Items and users are no events: sources may well share a list of them.
    """
    twins: dict[tuple[str, str], list[str]] = defaultdict(list)
    for label, row in sorted(known.items()):
        if row["fingerprint"] and row["rows_published"] and row["table_name"] in EVENT_TABLES:
            twins[row["table_name"], row["fingerprint"]].append(label)
    return [
        _tell_twins([known[label] for label in found], known[mine])
        for found in twins.values()
        if len({known[label]["source"] for label in found}) > 1
        and (mine := next((label for label in reversed(found) if label in labels), None))
    ]


def _tell_twins(rows: Sequence[Mapping[str, Any]], mine: Mapping[str, Any]) -> str:
    names = " and ".join(f"{row['source']}/{row['drop_id']}" for row in rows)
    delivery = name_file(mine["drop_id"]) or mine["drop_id"]
    return (
        f"The same files are published as {names}: each of their {mine['table_name']} counts "
        f"{len(rows)} times, and effects look surer than they are; if that is not meant, take "
        f"one back with: whyrec withdraw {shlex.quote(mine['source'])} {shlex.quote(delivery)}"
    )
