"""Text columns as controls of a table: what they praise and blame stands beside their embeddings."""

import polars as pl
import pytest

from flows.desk.questions import add_tones
from tasks.platform.errors import InputError


def test_tones_of_a_text_column_become_controls_where_they_vary() -> None:
    frame = pl.DataFrame(
        {"about": ["Great.", "Terrible.", None], "name": ["a", "b", "c"], "x": [1, 2, 3]}
    )
    table, controls = add_tones(frame, ["x"], ["about", "name"])
    assert controls == ["x", "about:praise", "about:blame", "about:tone"]
    assert table["about:praise"].to_list()[0] > 0 == table["about:praise"].to_list()[1]
    assert table["about:tone"].to_list()[2] == 0


def test_tones_of_no_rows_are_no_controls() -> None:
    frame = pl.DataFrame(schema={"about": pl.String, "x": pl.Int64})
    table, controls = add_tones(frame, ["x"], ["about"])
    assert (controls, table.columns) == (["x"], ["about", "x"])


def test_a_text_column_that_is_not_there_is_named_with_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean about"):
        add_tones(pl.DataFrame({"about": ["a"]}), [], ["abuot"])
