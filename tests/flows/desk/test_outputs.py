"""Files that a command writes: looked at before the work, whole after it."""

import os
from pathlib import Path

import polars as pl
import pytest

from flows.desk.outputs import TABLES, check_output, write_output, write_table
from flows.desk.questions import estimate_source
from tasks.platform.errors import ConfigError, StorageError


def test_a_folder_is_made_and_home_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    place = check_output("~/new/rows.CSV", endings=TABLES)
    assert place == tmp_path / "new" / "rows.CSV"
    write_table(pl.DataFrame({"row": [1]}), place)
    assert place.read_text() == "row\n1\n"
    assert list(place.parent.iterdir()) == [place]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a.txt", "--cate-out .*a.txt: write to a .csv or .parquet file"),
        ("folder.csv", "--cate-out .* is a folder; name a file in it"),
        ("file/a.csv", "--cate-out .*: its folder cannot be made"),
    ],
)
def test_where_nothing_can_be_written_is_known_before(
    tmp_path: Path, name: str, words: str
) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=words):
        check_output(str(tmp_path / name), option="--cate-out", endings=TABLES)


def test_effects_of_rows_are_refused_a_place_before_the_table_is_read(tmp_path: Path) -> None:
    asked = {"outcome": "y", "treatment": "t", "controls": [], "cluster": None, "weight": None}
    with pytest.raises(ConfigError, match=r"--cate-out .* is a folder"):
        estimate_source("there/is/none.csv", asked, cate_out=str(tmp_path))  # type: ignore[arg-type]


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    place = tmp_path / "model.bin"
    place.write_text("old")

    def stop(draft: Path) -> None:
        draft.write_text("half")
        raise OSError("disk full")

    with pytest.raises(StorageError, match=r"model\.bin could not be written \(disk full\)"):
        write_output(place, stop)
    assert (place.read_text(), list(tmp_path.iterdir())) == ("old", [place])


def test_a_link_stays_one_and_a_pipe_is_written_to(tmp_path: Path) -> None:
    real, link, pipe = tmp_path / "real.csv", tmp_path / "link.csv", tmp_path / "pipe.csv"
    link.symlink_to(real)
    write_output(link, lambda draft: draft.write_text("rows"))
    assert (link.is_symlink(), real.read_text()) == (True, "rows")
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_output(pipe, lambda draft: draft.write_text("rows"))
    assert os.read(reader, 9) == b"rows"
    os.close(reader)
    assert pipe.is_fifo()
