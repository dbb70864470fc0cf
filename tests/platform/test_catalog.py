"""Tests of what is said of a warehouse's catalog."""

import pytest

from tasks.platform.catalog import show_catalog


@pytest.mark.parametrize(
    ("catalog", "shown"),
    [
        ("postgres:password=se&cret host=db", "postgres:password=*** host=db"),
        ("postgres:password=se'cret host=db", "postgres:password=*** host=db"),
        (r"postgres:password=se\ cret host=db", "postgres:password=*** host=db"),
        ("postgres:password='se cret' host=db", "postgres:password=*** host=db"),
        ("postgres:host=db sslpassword = 'se cret", "postgres:host=db sslpassword = ***"),
        ("postgres:host=db password='se cret\\", "postgres:host=db password=***"),
        ("postgres:postgresql://u:se@cret@db/x", "postgres:postgresql://u:***@db/x"),
        ("postgres:postgresql://db/x?password=secret&user=u", "postgres:postgresql://db/x?password=***&user=u"),
        ("postgres:host=db user=whyrec dbname=lake", "postgres:host=db user=whyrec dbname=lake"),
        ("postgres:postgresql://u@db:5432/lake", "postgres:postgresql://u@db:5432/lake"),
        ("postgres:host=db passfile=/home/u/.pgpass", "postgres:host=db passfile=/home/u/.pgpass"),
    ],
)  # fmt: skip
def test_no_part_of_a_password_is_shown_however_it_is_written(catalog: str, shown: str) -> None:
    assert show_catalog(catalog) == shown
