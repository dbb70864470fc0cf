"""The lake keeps whole files or none, and notices when one was altered."""

import os
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from tasks.platform.errors import StorageError
from tasks.platform.lake import Lake
from tasks.platform.refs import AttributesRef, EmbeddingRef, FileRef, PeriodRef, iterate_files


def test_the_same_bytes_are_one_file(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    first, second = lake.put_bytes("x", ".bin", b"abc"), lake.put_bytes("x", ".bin", b"abc")
    assert first == second
    assert len([p for p in tmp_path.rglob("*") if p.is_file()]) == 1


def test_a_frame_comes_back_as_it_was(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": [1, 2], "b": ["x", None]})
    ref = Lake(tmp_path).put_frame("frames", frame)
    assert ref.rows == 2
    assert Lake(tmp_path).read_frame(ref).equals(frame)


def test_files_may_be_read_by_whom_the_umask_lets(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        refs = [
            Lake(tmp_path).put_bytes("summaries", ".json", b"{}"),
            Lake(tmp_path).put_frame("panels", pl.DataFrame({"a": [1]})),
        ]
    finally:
        os.umask(before)
    assert [(tmp_path / ref.path).stat().st_mode & 0o777 for ref in refs] == [0o640, 0o640]


def test_a_writer_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    def write(path: Path) -> int:
        path.write_bytes(b"half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        Lake(tmp_path).put_file("x", ".bin", write)
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_a_missing_or_short_file_is_not_intact(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    ref = lake.put_bytes("x", ".bin", b"abcdef")
    assert lake.is_intact(ref)
    (tmp_path / ref.path).write_bytes(b"abc")
    assert not lake.is_intact(ref)
    (tmp_path / ref.path).unlink()
    assert not lake.is_intact(ref)


@pytest.mark.parametrize("read", [Lake.read_bytes, Lake.locate])
def test_an_altered_file_is_refused_and_moved_aside(
    tmp_path: Path, read: Callable[[Lake, FileRef], object]
) -> None:
    lake = Lake(tmp_path)
    ref = lake.put_bytes("x", ".bin", b"abcdef")
    (tmp_path / ref.path).write_bytes(b"abcdeX")
    with pytest.raises(StorageError, match="moved aside"):
        read(lake, ref)
    assert not lake.is_intact(ref)
    with pytest.raises(StorageError, match="is missing from the lake"):
        read(lake, ref)


def test_files_are_found_however_deep_they_are_nested() -> None:
    files = [FileRef(path=f"p{i}", sha256=f"{i}", size=1) for i in range(3)]
    from datetime import date

    period = PeriodRef(
        source="s", start=date(2024, 1, 1), end=date(2024, 1, 1), fingerprint="f", rows=1
    )
    value = {
        "a": [
            AttributesRef(period=period, file=files[0], summary=files[0], unread=files[0], rows=1)
        ],
        "b": (EmbeddingRef(model_revision="m", files=(files[1], files[2]), rows=1, new=1),),
    }
    assert list(dict.fromkeys(iterate_files(value))) == files
