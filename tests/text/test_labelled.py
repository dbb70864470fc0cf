"""Labels find the one text that they are of."""

from pathlib import Path

import duckdb
import polars as pl
import pytest

from tasks.platform.errors import InputError
from tasks.platform.labels import UNDECIDED
from tasks.text.labelled import find_places, join_labels, read_json_lines, read_label_file


def test_a_label_whose_id_two_texts_share_is_refused() -> None:
    table = pl.DataFrame({"review_id": ["a", "b"], "food_label": ["Positive", "Negative"]})
    with pytest.raises(InputError, match=r"1 of the 2 labelled ids .* 'b' for 2"):
        join_labels(table, ["a", "b", "b"], names=["food"], columns=["{}_label"])


def test_texts_that_share_an_id_without_a_label_are_no_hindrance() -> None:
    table = pl.DataFrame({"review_id": ["a"], "food_label": ["Positive"]})
    assert (
        join_labels(table, ["b", "a", "b"], names=["food"], columns=["{}_label"])["food"].tolist()[
            1
        ]
        == 1
    )
    assert find_places(pl.DataFrame({"row": [1]}), ["b", "a", "b"]).tolist() == [1]


def test_a_label_without_an_id_is_of_no_review_not_of_one_without() -> None:
    table = pl.DataFrame({"review_id": ["a", None, None], "food": ["Positive", "Negative", None]})
    assert find_places(table, ["a", None, "c", None]).tolist() == [0, -1, -1]  # type: ignore[list-item]
    found = join_labels(table, ["a", None, "c"], names=["food"])  # type: ignore[list-item]
    assert found["food"].tolist() == [1, UNDECIDED, UNDECIDED]


def test_ids_with_zeros_before_them_are_found_where_a_table_read_them_as_numbers() -> None:
    ids = ["007", "012", "107"]
    assert find_places(pl.DataFrame({"review_id": [107, 7]}), ids).tolist() == [2, 0]
    texts = pl.DataFrame({"review_id": ["012", "b", "107"]})
    assert find_places(texts, ["12", "107"]).tolist() == [0, -1, 1]
    assert find_places(texts, ["12", "012"]).tolist() == [1, -1, -1]
    with pytest.raises(InputError, match="'7' for 2"):
        find_places(pl.DataFrame({"review_id": [7, 12]}), ["007", "7", "12"])
    both = pl.DataFrame({"review_id": ["7", "007"]})
    assert find_places(both, ["7", "8"]).tolist() == [0, -1]


def test_json_lines_behind_the_mark_that_windows_sets_are_read(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text('{"row": 0, "food": "Positive"}\n{"row": 1}\n', encoding="utf-8-sig")
    wanted = [(0, "Positive"), (1, None)]
    assert read_label_file(path).rows() == wanted
    assert read_json_lines(path).rows() == wanted
    path.write_text('{"row": 0, "food": "Positive"}\n{"row": 1}\n', encoding="utf-8")
    assert read_json_lines(path).rows() == wanted


def test_labels_that_polars_panics_on_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels.parquet"
    duckdb.sql(f"COPY (SELECT 1 AS row, INTERVAL 1 DAY AS took) TO '{path}'")
    with pytest.raises(InputError, match="could not be read"):
        read_label_file(path)
