"""Imports: which file is which delivery, which of two wins, and what a person is told of it."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tasks.ingest import sources
from tasks.ingest import task as ingest
from tasks.ingest.deliveries import name_import, name_old_import
from tasks.platform.refs import DropRef, StagedRef
from tasks.platform.settings import IngestSettings
from tasks.platform.sql import read_sql
from tasks.platform.task import RunContext
from tests.ingest.staging import make_line
from tests.ingest.test_publish import AS_OF, make_run, publish, read, stage_day


def write(path: Path, *lines: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(lines))
    return path


def describe(path: Path, table: Any = "reviews", source: str = "shop") -> DropRef:
    return sources.describe_import(
        str(path), kind="sample", source=source, table=table, mapping=None
    )


def stage(run: RunContext, drop: DropRef) -> StagedRef:
    return ingest.stage_drop.fn(drop, IngestSettings(), AS_OF, run)


def bring_in(
    run: RunContext, path: Path, table: Any = "reviews", source: str = "shop"
) -> list[str]:
    """Import a file as the command does; what is said of it."""
    drops = ingest.keep_old_ids([describe(path, table, source)], run)
    before = ingest.read_deliveries(run)
    publish(run, *(stage(run, drop) for drop in drops))
    return ingest.tell_imports(drops, before, run)


def users(count: int, **changes: Any) -> list[bytes]:
    return [make_line(user_id=f"u{n}", **changes) for n in range(count)]


def count_reviews(run: RunContext) -> int:
    ((count,),) = read(run, "SELECT count(*) FROM clean.reviews")
    return int(count)


@pytest.mark.slow
def test_files_of_one_name_in_two_places_both_stay(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    january = write(tmp_path / "jan" / "reviews.jsonl", *users(5))
    february = write(
        tmp_path / "feb" / "reviews.jsonl", *users(4, reviewed_at="2024-02-01T10:00:00Z")
    )
    assert bring_in(run, january) == []
    assert bring_in(run, february) == []
    assert count_reviews(run) == 9


@pytest.mark.slow
def test_a_file_at_its_old_place_replaces_and_the_rows_that_leave_are_told(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    path = tmp_path / "reviews.jsonl"
    bring_in(run, write(path, *users(5)))
    (note,) = bring_in(run, write(path, *users(2)))
    assert "is replaced: 3 rows of reviews leave, 2 rows are published from it now" in note
    assert str(tmp_path) not in note
    notes = bring_in(run, write(path))
    assert count_reviews(run) == 0
    assert "holds no rows of reviews" in notes[0]
    assert "2 rows of reviews leave" in notes[1]


def test_the_same_file_again_changes_nothing_and_says_nothing(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    path = write(tmp_path / "reviews.jsonl", *users(5))
    assert bring_in(run, path) == bring_in(run, path) == []
    assert count_reviews(run) == 5


@pytest.mark.slow
def test_a_copy_elsewhere_is_all_duplicates_and_is_told(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    bring_in(run, write(tmp_path / "a.jsonl", *users(5)))
    (note,) = bring_in(run, write(tmp_path / "b" / "copy.jsonl", *users(5)))
    assert count_reviews(run) == 5
    assert note.startswith("5 rows of reviews that import:a.jsonl#")
    accounts = read(run, "SELECT rows_published, rows_duplicate FROM raw.drops ORDER BY drop_id")
    assert accounts == [(0, 5), (5, 0)]


@pytest.mark.slow
def test_the_same_file_under_another_source_counts_twice_and_is_told(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    path = write(tmp_path / "the reviews.jsonl", *users(5))
    assert bring_in(run, path) == []
    (note,) = bring_in(run, path, source="web")
    assert count_reviews(run) == 10
    assert note.startswith("The same files are published as shop/import:the reviews.jsonl#")
    assert "and web/import:the reviews.jsonl#" in note
    assert "each of their reviews counts 2 times" in note
    assert note.endswith("whyrec withdraw web 'the reviews.jsonl'")
    # Another file is none of it, and sources may share a list of items.
    other = write(tmp_path / "b" / "the reviews.jsonl", *users(9)[5:])
    assert bring_in(run, other, source="web") == []
    items = write(tmp_path / "items.jsonl", make_line({"item_id": "i1", "title": "new"}))
    assert bring_in(run, items, "items") == bring_in(run, items, "items", "web") == []


def test_of_two_imports_the_later_one_wins_whatever_days_they_hold(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    late = make_line(user_id="x", reviewed_at="2024-03-05T10:00:00Z")
    bring_in(run, write(tmp_path / "hist.jsonl", *users(5), late))
    bring_in(run, write(tmp_path / "fix.jsonl", *users(2, rating=1)))
    assert read(run, "SELECT rating, count(*) FROM clean.reviews GROUP BY 1 ORDER BY 1") == [
        (1.0, 2),
        (4.0, 4),
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("day", "rating"), [("2024-03-02", 1.0), ("2100-01-01", 5.0)])
@pytest.mark.parametrize("import_first", [False, True])
def test_an_import_counts_as_delivered_when_it_was_imported(
    tmp_path: Path, day: str, rating: float, import_first: bool
) -> None:
    run = make_run(tmp_path)
    path = write(tmp_path / "fix.jsonl", make_line(rating=1))
    if import_first:
        bring_in(run, path)
    publish(run, stage_day(tmp_path, run, "reviews", day, make_line(rating=5)))
    if not import_first:
        bring_in(run, path)
    assert read(run, "SELECT rating FROM clean.reviews") == [(rating,)]


def test_imported_items_are_those_of_the_later_import(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    for name, title in (("z.jsonl", "old"), ("a.jsonl", "new")):
        bring_in(run, write(tmp_path / name, make_line({"item_id": "i1", "title": title})), "items")
    assert read(run, "SELECT title FROM clean.items") == [("new",)]


def test_a_night_amid_the_days_of_an_import_stands_on_what_it_holds(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    path, known = tmp_path / "history.jsonl", []
    for rating in (4, 1):
        days = ("2024-01-05", "2024-03-05")
        lines = [make_line(reviewed_at=f"{day}T10:00:00Z", rating=rating) for day in days]
        bring_in(run, write(path, *lines))
        with run.site.warehouse.connect() as connection:
            query = read_sql("raw/drops_known")
            for as_of in (date(2024, 1, 4), date(2024, 1, 5), date(2024, 3, 6)):
                known.append(connection.execute(query, {"as_of": as_of}).fetchall())
    before, amid, after, *again = known
    assert before == again[0] == []
    assert amid == after != again[1] == again[2]
    assert amid[0][0] == date(2024, 1, 5)


@pytest.mark.slow
def test_an_import_of_an_earlier_version_is_replaced_only_by_the_file_of_its_place(
    tmp_path: Path,
) -> None:
    run = make_run(tmp_path)
    path = write(tmp_path / "reviews.jsonl", *users(5))
    old = describe(path).model_copy(update={"drop_id": "import:reviews.jsonl"})
    publish(run, stage(run, old))
    bring_in(run, write(tmp_path / "other" / "reviews.jsonl", *users(7)[5:]))
    assert count_reviews(run) == 7
    bring_in(run, write(path, *users(3)))
    assert count_reviews(run) == 5
    assert len(read(run, "SELECT drop_id FROM raw.drops")) == 2


def test_a_delivery_is_named_by_its_place_which_is_not_told(tmp_path: Path) -> None:
    path = write(tmp_path / "a" / "x.jsonl")
    name = name_import(str(path))
    assert name == name_import(str(tmp_path / "a" / ".." / "a" / "x.jsonl"))
    assert name != name_import(str(tmp_path / "x.jsonl"))
    assert name_old_import(name) == "import:x.jsonl"
    assert name_import("s3://b/x.jsonl") != name_import("s3://c/x.jsonl")
    assert str(tmp_path) not in name
    assert ingest.latest_date(describe(path), date(2024, 3, 1)) == date(2024, 3, 2)
