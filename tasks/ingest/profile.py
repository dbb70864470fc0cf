"""What the rows of a dated drop look like, in a few figures: later drops are compared with them."""

from datetime import date
from typing import Any, Final

import duckdb

from tasks.platform.schema import EVENT_TABLES, TableName
from tasks.platform.sql import read_sql
from tasks.platform.warehouse import fetch_dicts

N_IDS: Final = 128
"""Hashes kept of ids: enough to tell a share of known ones within .09 (two standard errors)."""
N_WORDS: Final = 50
"""The most frequent words: of the language more than of the day."""
N_TEXTS: Final = 20_000

Profile = dict[str, Any]


def measure_profile(
    connection: duckdb.DuckDBPyConnection, path: str, *, table: TableName, drop_id: str
) -> Profile:
    """Figures of the staged file `path`; empty for imports and for tables of latest state.

    `n_rows`, `n_own_day` (dated as the drop), `hours` (hour of the UTC day -> rows), and `keys`,
    `users`, `items`: the `n_ids` smallest 52-bit hashes of distinct ids, ascending. Of reviews also
    `ratings` (stars -> rows), `n_empty`, `n_garbled` (encoded twice), `n_top_user`, `n_top_item`,
    `n_top_text` (rows of the most frequent one), `n_words` and `words` (the N_WORDS most frequent).
    """
    if table not in EVENT_TABLES or not is_dated(drop_id):
        return {}
    bound: dict[str, Any] = {"path": path, "drop_id": drop_id, "n_ids": N_IDS}
    if table == "reviews":
        bound |= {"n_words": N_WORDS, "n_texts": N_TEXTS}
    (row,) = fetch_dicts(connection, read_sql(f"staging/{table}_profile"), bound)
    return {"n_ids": N_IDS} | {name: _simplify(value) for name, value in row.items()}


def is_dated(drop_id: str) -> bool:
    """Whether a drop is one of a date, and not an import."""
    try:
        return date.fromisoformat(drop_id).isoformat() == drop_id
    except ValueError:
        return False


def _simplify(value: Any) -> Any:
    """As JSON gives it back: keys are text, words are keys, nothing is null."""
    if isinstance(value, dict):
        return {str(key): int(count) for key, count in sorted(value.items())}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return {str(part["word"]): int(part["n"]) for part in value}
    return 0 if value is None else value
