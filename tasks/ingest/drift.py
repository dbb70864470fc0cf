"""Schema drift: what a file holds against what its format says, in sentences for the report."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from tasks.ingest.formats import JsonKind, TableFormat
from tasks.ingest.lines import Chunk, read_literal
from tasks.ingest.privacy import is_name_column

HEAD_ROWS: Final = 2_000
PEEK_BYTES: Final = 65_536
STEP_ROWS: Final = 8
"""Of JSON lines the first HEAD_ROWS of a file are looked at, then every eighth in the first 64 KiB of
each block of 2 MiB: a change of columns in mid-file is seen, a single odd row need not be."""
RETYPED_SHARE: Final = 0.10
_NAMED: Final = 20
_MAX_COLUMNS: Final = 5_000
_MAX_ROW_BYTES: Final = 100_000


@dataclass
class Census:
    """Columns of one file and the JSON kinds of their values, over the rows looked at."""

    rows: int = 0
    is_exact: bool = True
    columns: Counter[str] = field(default_factory=Counter)
    kinds: defaultdict[str, Counter[JsonKind]] = field(default_factory=lambda: defaultdict(Counter))

    def count_chunk(self, chunk: Chunk) -> None:
        """Look at some lines of a chunk of JSON lines."""
        if chunk.problem is not None:
            return
        if self.rows < HEAD_ROWS:
            lines = chunk.data[: chunk.size].split(b"\n", HEAD_ROWS)
            self.is_exact &= len(lines) <= HEAD_ROWS
            self.count_lines(lines[:HEAD_ROWS])
        else:
            self.is_exact = False
            self.count_lines(
                chunk.data[: min(PEEK_BYTES, chunk.size)].split(b"\n")[:-1][::STEP_ROWS]
            )

    def count_lines(self, lines: Iterable[bytes]) -> None:
        """Count the members of those lines that are JSON objects."""
        for line in lines:
            found = _read_object(line)
            if found is None:
                continue
            self.rows += 1
            for name, value in found.items():
                if name in self.columns or len(self.columns) < _MAX_COLUMNS:
                    self.columns[name] += 1
                    if value is not None:
                        self.kinds[name][_find_kind(value)] += 1

    def count_columns(self, columns: Iterable[str]) -> None:
        """Take the columns of a table, which every row has."""
        self.columns.update(columns)


def _read_object(line: bytes) -> dict[str, Any] | None:
    if not line or len(line) > _MAX_ROW_BYTES:
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = read_literal(line.decode(errors="replace")) if line.startswith(b"{'") else None
    return {str(key): value for key, value in found.items()} if isinstance(found, dict) else None


def _find_kind(value: object) -> JsonKind:
    if isinstance(value, bool):
        return "flag"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "text"
    return "list" if isinstance(value, list) else "object"


def describe_drift(census: Census, each: TableFormat, name: str) -> list[str]:
    """Sentences on new, missing and retyped columns of the file `name`; none when all is usual."""
    if not census.columns:
        return []
    new = _list_new(census, each)
    sentences = [
        f"new column {_quote(column)} in {name}: it is not read" for column in new[:_NAMED]
    ]
    if len(new) > _NAMED:
        sentences.append(f"{len(new) - _NAMED} further new columns in {name}")
    sentences += [
        f"optional column {_quote(column)} is missing from {name}: its values are empty"
        for column in sorted(each.expected - census.columns.keys())
    ]
    for column in sorted(census.kinds.keys() & each.kinds.keys()):
        sentences += _describe_kind(column, census.kinds[column], each.kinds[column], name)
    return sentences


def _list_new(census: Census, each: TableFormat) -> list[str]:
    if each.is_chosen:
        return []
    read = {*each.list_columns(), *each.known}
    return sorted(c for c in census.columns if c not in read and not is_name_column(c))


def _describe_kind(
    column: str, found: Counter[JsonKind], allowed: frozenset[JsonKind], name: str
) -> list[str]:
    total = found.total()
    return [
        f"column {_quote(column)} of {name} is retyped: {kind} in {count:,} of {total:,} rows "
        f"looked at, {' or '.join(sorted(allowed))} expected"
        for kind, count in sorted(found.items())
        if kind not in allowed and count >= RETYPED_SHARE * total
    ]


def _quote(column: str) -> str:
    shown = column if len(column) <= 60 else column[:60] + "…"
    return repr(shown.encode("utf-8", "backslashreplace").decode())
