"""Folders of the cache appear whole, once, and are made again when they are damaged."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tasks.platform.errors import StorageError
from tasks.text.backends.cache import find_cache_root, make_key, provide_folder


def test_a_folder_is_made_once(tmp_path: Path) -> None:
    calls = []

    def make(target: Path) -> None:
        calls.append(target)
        (target / "data").write_text("content")

    first = provide_folder(tmp_path / "root", "key", make)
    assert (first / "data").read_text() == "content"
    assert provide_folder(tmp_path / "root", "key", make) == first
    assert len(calls) == 1


def test_use_is_noted_for_those_who_clear_away(tmp_path: Path) -> None:
    folder = provide_folder(tmp_path, "key", lambda target: None)
    for path in folder.iterdir():
        os.utime(path, (0, 0))
    provide_folder(tmp_path, "key", lambda target: pytest.fail("made again"))
    assert max(path.stat().st_mtime for path in folder.iterdir()) > 0


def test_damage_is_noticed_and_mended(tmp_path: Path) -> None:
    def make(target: Path) -> None:
        (target / "data").write_text("content")

    folder = provide_folder(tmp_path, "key", make)
    (folder / "data").write_text("c0ntent")
    assert (provide_folder(tmp_path, "key", make) / "data").read_text() == "content"


def test_a_failed_attempt_leaves_nothing_behind(tmp_path: Path) -> None:
    def fail(target: Path) -> None:
        (target / "data").write_text("half")
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        provide_folder(tmp_path, "key", fail)
    assert list(tmp_path.iterdir()) == []


def test_who_comes_second_takes_what_the_first_one_made(tmp_path: Path) -> None:
    def make_late(target: Path) -> None:
        (target / "data").write_text("second")
        provide_folder(tmp_path, "key", lambda other: _write(other, "first"))

    assert (provide_folder(tmp_path, "key", make_late) / "data").read_text() == "first"


def test_a_cache_that_cannot_be_kept_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    at_exit: list[Callable[[], None]] = []
    monkeypatch.setattr(
        "atexit.register", lambda call, *a, **more: at_exit.append(partial(call, *a, **more))
    )
    passing = find_cache_root.__wrapped__()
    assert passing.is_dir()
    assert tmp_path not in passing.parents
    assert "set XDG_CACHE_HOME" in caplog.text
    _write(passing, "converted")
    for call in at_exit:
        call()
    assert not passing.exists()
    caplog.clear()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "good"))
    assert find_cache_root.__wrapped__() == tmp_path / "good" / "whyrec" / "encoders"
    assert caplog.text == ""


def _write(folder: Path, text: str) -> None:
    (folder / "data").write_text(text)


def test_a_root_that_cannot_be_written_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="XDG_CACHE_HOME"):
        provide_folder(tmp_path / "file" / "root", "key", lambda target: None)


def test_keys_follow_their_parts() -> None:
    assert make_key({"a": 1, "b": 2}) == make_key({"b": 2, "a": 1})
    assert make_key({"a": 1}) != make_key({"a": 2})


def test_the_root_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    find_cache_root.cache_clear()
    assert find_cache_root() == tmp_path / "whyrec" / "encoders"
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    find_cache_root.cache_clear()
    assert find_cache_root().is_dir()
    find_cache_root.cache_clear()
