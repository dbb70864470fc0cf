"""The description of the tables is made of the statements that create them, and is up to date."""

from pathlib import Path

import pytest

from tasks.platform.errors import ConfigError, InputError
from tasks.platform.tables import describe_tables, parse_create, write_markdown
from tasks.platform.warehouse import Warehouse

PAGE = Path(__file__).parents[2] / "sql" / "TABLES.md"


def test_the_page_of_tables_says_what_the_statements_say() -> None:
    assert PAGE.read_text() == write_markdown(describe_tables()), (
        "run: whyrec tables --markdown > sql/TABLES.md"
    )


def test_what_is_described_is_what_is_created(tmp_path: Path) -> None:
    warehouse = Warehouse(f"sqlite:{tmp_path / 'catalog.sqlite'}", str(tmp_path / "data"))
    warehouse.prepare()
    with warehouse.connect() as connection:
        for table in describe_tables():
            made = connection.execute(f"DESCRIBE {table.name}").fetchall()
            said = [(column.name, column.kind) for column in table.columns]
            kinds = {"TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ"}
            assert said == [(row[0], kinds.get(row[1], row[1])) for row in made]


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (
            "-- Grain: one x.\nCREATE TABLE IF NOT EXISTS a.b (\n    x DATE\n)\n",
            "what it holds",
        ),
        (
            "-- Rows.\nCREATE TABLE IF NOT EXISTS a.b (\n    x DATE  -- day\n)\n",
            "what a row is",
        ),
    ],
)
def test_a_statement_that_leaves_something_unsaid_is_refused(statement: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_create("a.b", statement)


def test_a_table_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(InputError, match=r"no table marts\.nothing; there are .*marts\.effects"):
        describe_tables(["marts.nothing"])
