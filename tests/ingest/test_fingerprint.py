"""Fingerprints change with names and contents, and with nothing else."""

from pathlib import Path

import pytest

from tasks.ingest.fingerprint import fingerprint_files
from tasks.platform.errors import InputError


def write(folder: Path, **contents: bytes) -> list[Path]:
    folder.mkdir(exist_ok=True)
    paths = [folder / name for name in contents]
    for path in paths:
        path.write_bytes(contents[path.name])
    return paths


def test_place_and_order_do_not_matter(tmp_path: Path) -> None:
    first = write(tmp_path / "a", x=b"1", y=b"2")
    second = write(tmp_path / "b", x=b"1", y=b"2")
    expected = fingerprint_files(first)
    assert fingerprint_files(second[::-1]) == expected
    assert fingerprint_files([f"file://{path}" for path in first]) == expected
    assert len(expected) == 64


def test_content_name_and_assignment_matter(tmp_path: Path) -> None:
    prints = {
        fingerprint_files(write(tmp_path / "a", x=b"1", y=b"2")),
        fingerprint_files(write(tmp_path / "b", x=b"2", y=b"1")),
        fingerprint_files(write(tmp_path / "c", x=b"1", z=b"2")),
        fingerprint_files(write(tmp_path / "d", x=b"1")),
        fingerprint_files(write(tmp_path / "e", x=b"1", y=b"")),
        fingerprint_files([]),
    }
    assert len(prints) == 6


def test_missing_file_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no readable file"):
        fingerprint_files([tmp_path / "gone"])
    with pytest.raises(InputError, match="is a folder"):
        fingerprint_files([tmp_path])
