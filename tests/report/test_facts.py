"""What the report is told of the warehouse."""

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tasks.platform.settings import Settings
from tasks.platform.site import resolve_site
from tasks.platform.task import RunContext
from tasks.report.task import gather_facts
from tests.report.conftest import AS_OF

SOURCES = ("daily", "held", "imported", "later", "typo")


@pytest.fixture
def run(tmp_path: Path) -> RunContext:
    site = resolve_site(Settings(root=tmp_path))
    site.warehouse.prepare()
    with site.warehouse.connect() as connection:
        for source, drop_id, day in (
            ("daily", "2024-03-12", date(2024, 3, 12)),
            ("daily", "2024-03-15", date(2024, 3, 15)),
            ("later", "2024-03-20", date(2024, 3, 20)),
            ("imported", "import:a.jsonl#1", date(2024, 3, 1)),
            ("left", "2024-03-01", date(2024, 3, 1)),
        ):
            connection.execute(
                "INSERT INTO raw.drops BY NAME SELECT $source AS source, 'reviews' AS table_name, "
                "$drop_id AS drop_id, $day AS drop_date",
                {"source": source, "drop_id": drop_id, "day": day},
            )
    return RunContext(run_id="r", events=str(tmp_path / "e"), site=site, text=Settings().text)


def tell_freshness(run: RunContext, drops: Sequence[dict[str, Any]] = ()) -> dict[str, str | None]:
    ref = gather_facts(
        run, as_of=AS_OF, drops=drops, sources=set(SOURCES), max_age_days=2, extra={}
    )
    facts = json.loads(run.site.lake.read_bytes(ref))
    assert all(row["max_age_days"] == 2 for row in facts["freshness"])
    return {row["source"]: row["newest_drop"] for row in facts["freshness"]}


def test_a_source_of_which_nothing_was_ever_published_is_told(run: RunContext) -> None:
    held = {
        "drop_id": AS_OF.isoformat(), "source": "held", "table": "reviews", "status": "held",
        "rows_quarantined": 0,
    }  # fmt: skip
    assert tell_freshness(run, [held]) == {"daily": "2024-03-12", "typo": None}
    assert tell_freshness(run) == {"daily": "2024-03-12", "held": None, "typo": None}


def test_imports_are_told_from_the_first_of_their_days_on(run: RunContext) -> None:
    def insert(drop_id: str, dates: str) -> None:
        connection.execute(
            "INSERT INTO raw.drops BY NAME SELECT 'imported' AS source, 'reviews' AS table_name, "
            f"$drop_id AS drop_id, 9 AS rows_published, {dates} AS dates",
            {"drop_id": drop_id},
        )

    with run.site.warehouse.connect() as connection:
        insert("import:old.csv#2", "['2023-05-02'::DATE, '2023-04-01'::DATE]")
        insert("import:new.csv#3", "['2024-03-15'::DATE]")
        connection.execute(
            "INSERT INTO marts.quality BY NAME SELECT 'imported' AS source, 'reviews' AS table_name, "
            "'import:old.csv#2' AS drop_id, unnest([true, false, true]) AS is_success, "
            "unnest([NULL, NULL, 'no such column']) AS skip_reason"
        )
    ref = gather_facts(run, as_of=AS_OF, drops=(), sources=set(), max_age_days=2, extra={})
    rows = json.loads(run.site.lake.read_bytes(ref))["imports"]
    names = ("drop_id", "first_date", "last_date", "n_checks", "n_warnings")
    assert [tuple(row[name] for name in names) for row in rows] == [
        ("import:old.csv#2", "2023-04-01", "2023-05-02", 2, 1),
        ("import:a.jsonl#1", None, None, 0, 0),
    ]
