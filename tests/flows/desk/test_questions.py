"""Text columns as controls of a table: what they praise and blame stands beside their embeddings."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from flows.desk.questions import add_tones, estimate_source, refute_source
from tasks.effects.controls.dealt import find_dealt
from tasks.platform.errors import ConfigError, InputError


def test_tones_of_a_text_column_become_controls_where_they_vary() -> None:
    frame = pl.DataFrame(
        {"about": ["Great.", "Terrible.", None], "name": ["a", "b", "c"], "x": [1, 2, 3]}
    )
    table, controls = add_tones(frame, ["x"], ["about", "name"])
    assert controls == ["x", "about:praise", "about:blame", "about:tone"]
    assert table["about:praise"].to_list()[0] > 0 == table["about:praise"].to_list()[1]
    assert table["about:tone"].to_list()[2] == 0


def test_tones_leave_a_column_of_the_table_alone_that_is_called_as_they_are() -> None:
    frame = pl.DataFrame({"about": ["Great.", "Terrible."], "about:praise": [7.0, 8.0]})
    table, controls = add_tones(frame, ["about:praise"], ["about"])
    assert table["about:praise"].to_list() == [7, 8]
    assert controls[:2] == ["about:praise", "about:praise'"]


def test_tones_of_no_rows_are_no_controls() -> None:
    frame = pl.DataFrame(schema={"about": pl.String, "x": pl.Int64})
    table, controls = add_tones(frame, ["x"], ["about"])
    assert (controls, table.columns) == (["x"], ["about", "x"])


def test_a_text_column_that_is_not_there_is_named_with_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean about"):
        add_tones(pl.DataFrame({"about": ["a"]}), [], ["abuot"])


def test_segments_ask_the_table_no_second_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(1)
    x, shop = rng.normal(size=400), rng.integers(0, 2, 400)
    t = (x + rng.normal(size=400) > 0).astype(int)
    table = pl.DataFrame({"x": x, "shop": shop, "t": t, "y": x + t + rng.normal(size=400)})
    table.write_csv(tmp_path / "t.csv")
    asked: list[int] = []

    def count(frame: pl.DataFrame, *rest: Any, **given: Any) -> str:
        asked.append(frame.height)
        return find_dealt(frame, *rest, **given)

    monkeypatch.setattr("tasks.effects.table.question.find_dealt", count)
    answer = estimate_source(
        str(tmp_path / "t.csv"),
        {"outcome": "y", "treatment": "t", "controls": ["x"], "cluster": None},
        segments=["shop"],
        estimators=["plr"],
    )
    assert len(answer["segments"]) == 1
    assert asked == [400]


@pytest.mark.parametrize("name", ["y", "d", "x"])
def test_a_column_of_the_question_is_no_negative_control(tmp_path: Path, name: str) -> None:
    rng = np.random.default_rng(1)
    table = pl.DataFrame({"y": rng.normal(size=60), "d": [0, 1] * 30, "x": rng.normal(size=60)})
    table.write_csv(tmp_path / "table.csv")
    asked: Any = {"outcome": "y", "treatment": "d", "controls": ["x"], "cluster": None}
    with pytest.raises(ConfigError, match=rf"\b{name}\b.* negative control"):
        refute_source(str(tmp_path / "table.csv"), asked, negative_controls=[name])
