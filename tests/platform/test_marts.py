"""Which parts of the marts are as they should be, and what a night is compared with."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from tasks.platform.marts import MartPart, find_unpublished, publish_parts, select_compared
from tasks.platform.warehouse import Warehouse

DAY = date(2024, 3, 4)


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    made = Warehouse(f"sqlite:{tmp_path / 'c.sqlite'}", str(tmp_path / "data"))
    made.prepare()
    return made


@pytest.fixture
def part(warehouse: Warehouse, tmp_path: Path) -> MartPart:
    """One published part of two rows."""
    with warehouse.connect() as connection:
        empty = connection.execute("SELECT * FROM marts.causal_graph LIMIT 0").pl()
    rows = pl.DataFrame({"as_of": [DAY, DAY], "source": ["shop", "shop"]})
    path = tmp_path / "part.parquet"
    pl.concat([empty, rows], how="diagonal").write_parquet(path)
    made = MartPart("causal_graph", "shop", DAY, DAY, "abc", 2, str(path))
    warehouse.commit(lambda connection: publish_parts(connection, [made]), message="t")
    return made


def test_a_part_that_is_whole_is_left_alone_and_any_other_is_named(
    warehouse: Warehouse, part: MartPart
) -> None:
    other_content = replace(part, fingerprint="def")
    another_night = replace(part, start=date(2024, 3, 5), end=date(2024, 3, 5))
    another_mart = replace(part, table="effects")
    asked = [part, other_content, another_night, another_mart]
    with warehouse.connect() as connection:
        assert find_unpublished(connection, asked) == asked[1:]
        assert find_unpublished(connection, []) == []


def test_a_part_that_lost_a_row_is_published_anew(warehouse: Warehouse, part: MartPart) -> None:
    warehouse.commit(
        lambda connection: connection.execute(
            "DELETE FROM marts.causal_graph WHERE rowid = (SELECT min(rowid) FROM marts.causal_graph)"
        ),
        message="lost",
    )
    with warehouse.connect() as connection:
        assert connection.execute("SELECT count(*) FROM marts.causal_graph").fetchone() == (1,)
        assert find_unpublished(connection, [part]) == [part]


def test_a_night_is_compared_with_the_newest_earlier_one_that_has_effects() -> None:
    first, second = date(2024, 3, 1), date(2024, 3, 2)
    parts = [
        (first, ["effects", "shop", "a"]),
        (first, ["attacks", "shop", "b"]),
        (second, ["attacks", "shop", "c"]),
        (DAY, ["effects", "shop", "d"]),
    ]
    assert select_compared(parts, DAY) == [
        ["2024-03-01", "effects", "shop", "a"],
        ["2024-03-01", "attacks", "shop", "b"],
    ]
    assert select_compared(parts, first) == []
