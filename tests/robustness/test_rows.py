"""What a night publishes of attacks fits the tables it goes into."""

from datetime import date

import duckdb
import pytest

from tasks.platform.marts import MartPart, publish_parts
from tasks.platform.sql import read_sql
from tasks.robustness.rows import MARTS, AttackRow, mart_schema, to_frame

NIGHT = date(2024, 3, 30)
ROW = AttackRow(
    source="shop", surface="behaviour", attack="random", target="effects", subject="price", share=0.01,
    measure="negative_to_positive", clean=0.5, attacked=0.4, shift=-2.0, clean_verdict="credible",
    attacked_verdict="credible", is_sign_flipped=False, is_verdict_flipped=False, smallest_share=None,
    looked_to=0.16, attempted=1, succeeded=0, failed=1, skipped=0, skip_reason=None, queries=None, seed=0,
    detail="{}",
)  # fmt: skip


@pytest.mark.parametrize("table", MARTS)
def test_rows_have_the_columns_of_their_table(table):
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA marts")
        connection.execute(read_sql(f"marts/{table}_create"))
        held = connection.execute(f"DESCRIBE marts.{table}").fetchall()
    kinds = {
        "VARCHAR": "String",
        "DOUBLE": "Float64",
        "BIGINT": "Int64",
        "BOOLEAN": "Boolean",
        "DATE": "Date",
    }
    assert [(row[0], kinds[row[1]]) for row in held] == [
        (name, str(kind)) for name, kind in mart_schema(MARTS[table]).items()
    ]


def test_a_night_replaces_its_own_rows(tmp_path):
    path = tmp_path / "part.parquet"
    to_frame([ROW], AttackRow, NIGHT).write_parquet(path)
    part = MartPart("attacks", "shop", NIGHT, NIGHT, "abc", 1, str(path))
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA marts")
        for name in ("published", "attacks"):
            connection.execute(read_sql(f"marts/{name}_create"))
        for _ in range(2):
            publish_parts(connection, [part])
        rows = connection.execute(
            "SELECT as_of, source, shift, smallest_share FROM marts.attacks"
        ).fetchall()
    assert rows == [(NIGHT, "shop", -2.0, None)]


def test_no_rows_make_an_empty_table():
    frame = to_frame([], AttackRow, NIGHT)
    assert frame.height == 0
    assert frame.columns[0] == "as_of"
