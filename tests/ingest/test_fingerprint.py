"""Fingerprints change with names and contents, and with nothing else."""

import json
import os
from pathlib import Path

import pytest

from tasks.ingest import fingerprint
from tasks.ingest.fingerprint import Contents, fingerprint_files
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


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are read from here on, with no time to wait until a file is settled."""
    monkeypatch.setattr(fingerprint, "_SETTLED_NS", 0)
    read: list[str] = []

    def note(source: fingerprint.Source) -> str:
        read.append(source.name)
        return hash_content(source)

    hash_content = fingerprint._hash_content
    monkeypatch.setattr(fingerprint, "_hash_content", note)
    return read


def hash_all(folder: Path, *paths: Path, **options: bool) -> str:
    contents = Contents(folder / "contents.json", **options)
    found = fingerprint_files(paths, contents)
    contents.save()
    return found


def test_a_file_that_looks_as_before_is_not_read_again(tmp_path: Path, reads: list[str]) -> None:
    first, second = write(tmp_path / "a", x=b"1", y=b"2")
    expected = fingerprint_files([first, second])
    assert hash_all(tmp_path, first, second) == expected
    reads.clear()
    assert hash_all(tmp_path, first, second) == expected
    assert reads == []
    assert hash_all(tmp_path, first, second, is_read_anew=True) == expected
    assert reads == ["x", "y"], "what is forced is read"


def test_a_corrected_file_is_read_whatever_its_size_and_time_say(
    tmp_path: Path, reads: list[str]
) -> None:
    """A copy that brings an older time along, of a file of the same size."""
    (path,) = write(tmp_path / "a", x=b"1")
    before = hash_all(tmp_path, path)
    times = path.stat()
    (other,) = write(tmp_path / "b", x=b"2")
    os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))
    other.replace(path)
    assert path.stat().st_mtime_ns == times.st_mtime_ns
    corrected = hash_all(tmp_path, path)
    assert corrected == fingerprint_files([path]) != before
    inode = path.stat().st_ino
    path.write_bytes(b"3")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert path.stat().st_ino == inode
    assert hash_all(tmp_path, path) == fingerprint_files([path]) != corrected


def test_a_file_touched_a_moment_ago_is_not_remembered(tmp_path: Path) -> None:
    (path,) = write(tmp_path / "a", x=b"1")
    hash_all(tmp_path, path)
    assert not (tmp_path / "contents.json").exists()


def test_what_others_remembered_stays_and_what_is_gone_goes(
    tmp_path: Path, reads: list[str]
) -> None:
    x, y, z = write(tmp_path / "a", x=b"1", y=b"2", z=b"3")
    mine, theirs = Contents(tmp_path / "contents.json"), Contents(tmp_path / "contents.json")
    fingerprint_files([x], mine)
    fingerprint_files([y, z], theirs)
    theirs.save()
    z.unlink()
    mine.save()
    kept = json.loads((tmp_path / "contents.json").read_text())
    assert sorted(Path(place).name for place in kept) == ["x", "y"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"x": 1}', '{"x": ["a"]}'])
def test_a_damaged_memory_costs_only_time(tmp_path: Path, reads: list[str], text: str) -> None:
    (path,) = write(tmp_path / "a", x=b"1")
    (tmp_path / "contents.json").write_text(text)
    assert hash_all(tmp_path, path) == fingerprint_files([path])
    reads.clear()
    hash_all(tmp_path, path)
    assert reads == []


def test_a_memory_that_cannot_be_written_costs_only_time(tmp_path: Path, reads: list[str]) -> None:
    (path,) = write(tmp_path / "a", x=b"1")
    (tmp_path / "contents.json").mkdir()
    assert hash_all(tmp_path, path) == fingerprint_files([path])


class Store:
    """An object store with one object."""

    def __init__(self, data: bytes, tag: str | None) -> None:
        self.data, self.tag = data, tag

    def info(self, _: str) -> dict[str, object]:
        return {"size": len(self.data), **({"ETag": self.tag} if self.tag else {})}


@pytest.mark.parametrize(("tags", "count"), [(("a", "a"), 1), (("a", "b"), 2), ((None, None), 2)])
def test_an_object_of_the_same_tag_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tags: tuple[str | None, ...], count: int
) -> None:
    import fsspec

    read = []
    for tag in tags:
        store = Store(b"1", tag)
        monkeypatch.setattr(fsspec.core, "url_to_fs", lambda url, store=store: (store, url))
        monkeypatch.setattr(
            fingerprint, "_hash_content", lambda source: read.append(source) or "00"
        )
        contents = Contents(tmp_path / "contents.json")
        contents.hash("s3://shop/2024-03-01/reviews.jsonl")
        contents.save()
    assert len(read) == count
