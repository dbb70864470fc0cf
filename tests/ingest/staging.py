"""Helpers of the staging tests: write a file, stage it, read back both results."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tasks.ingest.adapters import Adapter, get_adapter
from tasks.ingest.stage import IngestOptions, Staged, stage_files
from tasks.platform.schema import TableName

OPTIONS = IngestOptions(
    max_bad_share=1.0,
    max_line_bytes=100_000,
    earliest=date(1990, 1, 1),
    latest=date(2026, 1, 1),
    mask_contacts=True,
    user_id_key=None,
)
GOOD = {
    "user_id": "u1",
    "item_id": "i1",
    "reviewed_at": "2024-03-01T10:00:00Z",
    "rating": 4,
    "title": "fine",
    "text": "It works well.",
    "helpful_votes": 1,
    "total_votes": 2,
    "is_verified": True,
}
EXPOSURE = {
    "user_id": "u1",
    "item_id": "i1",
    "exposed_at": "2024-03-01T10:00:00Z",
    "policy": "random",
    "position": 2,
    "propensity": 0.25,
    "is_clicked": True,
    "is_converted": False,
    "context": {"hour": 3, "device": "phone"},
}


@dataclass(frozen=True)
class Result:
    """The account, and the rows of both files."""

    staged: Staged
    rows: list[dict[str, Any]]
    refused: list[dict[str, Any]]

    @property
    def reason(self) -> str:
        """Why the only refused row was refused."""
        (row,) = self.refused
        return str(row["reason"])


def make_line(row: dict[str, Any] | None = None, **changes: Any) -> bytes:
    """A line of JSON: a good review with changes; `...` removes a member."""
    merged = {**(GOOD if row is None else row), **changes}
    return json.dumps({k: v for k, v in merged.items() if v is not ...}).encode() + b"\n"


def stage(
    folder: Path,
    *contents: bytes,
    adapter: Adapter | None = None,
    table: TableName = "reviews",
    name: str = "reviews{}.jsonl",
    **options: Any,
) -> Result:
    """Stage one file per content (of kind `sample` unless told) and read the results."""
    files = []
    for at, content in enumerate(contents):
        path = folder / name.format(at or "")
        path.write_bytes(content)
        files.append(path)
    return stage_paths(folder, files, adapter=adapter, table=table, **options)


def stage_paths(
    folder: Path,
    files: Sequence[Path | str],
    *,
    adapter: Adapter | None = None,
    table: TableName = "reviews",
    **options: Any,
) -> Result:
    """Stage files that exist already."""
    out = folder / "out"
    out.mkdir(exist_ok=True)
    staged = stage_files(
        files,
        adapter=adapter or get_adapter("sample"),
        table=table,
        source="shop",
        drop_id="2024-03-01",
        options=replace(OPTIONS, **options),
        staged_path=out / "staged.parquet",
        quarantine_path=out / "quarantine.parquet",
        work_dir=out,
    )
    return read_result(folder, staged)


def read_result(folder: Path, staged: Staged) -> Result:
    """Both files of the last staging in `folder`."""
    out = folder / "out"
    rows = pq.read_table(out / "staged.parquet").to_pylist()
    return Result(staged=staged, rows=rows, refused=read_refused(folder))


def read_refused(folder: Path) -> list[dict[str, Any]]:
    """The quarantine file of the last staging in `folder`."""
    rows: list[dict[str, Any]] = pq.read_table(folder / "out" / "quarantine.parquet").to_pylist()
    return rows
