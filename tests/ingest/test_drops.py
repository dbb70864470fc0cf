"""Folders of drops: which dates, which files, which tables."""

from datetime import date
from pathlib import Path

import pytest

from tasks.ingest.adapters import drop_files, list_drops, list_ignored
from tasks.ingest.drops import list_unread, refuse_links
from tasks.platform.errors import ConfigError, InputError


def make_files(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"")
    return folder


def test_dated_folders_are_drops_and_the_rest_is_told(tmp_path: Path) -> None:
    for name in (
        "2024-03-02",
        "2024-03-01",
        "2024-3-1",
        "2024-02-30",
        "20240301",
        "old",
        "2024-W09-5",
    ):
        (tmp_path / name).mkdir()
    (tmp_path / ".git").mkdir()
    make_files(tmp_path, "README.md", "2024-03-05")
    assert list_drops(tmp_path) == [date(2024, 3, 1), date(2024, 3, 2)]
    assert list_drops(f"file://{tmp_path}") == [date(2024, 3, 1), date(2024, 3, 2)]
    assert list_ignored(tmp_path) == [
        "2024-02-30",
        "2024-03-05",
        "2024-3-1",
        "2024-W09-5",
        "20240301",
        "README.md",
        "old",
    ]


def test_folder_that_is_missing_or_a_file_is_a_clear_error(tmp_path: Path) -> None:
    make_files(tmp_path, "a.txt")
    with pytest.raises(InputError, match="does not exist"):
        list_drops(tmp_path / "gone")
    with pytest.raises(InputError, match="is a file, not a folder"):
        list_drops(tmp_path / "a.txt")
    with pytest.raises(InputError, match="cannot list"):
        list_drops(f"file://{tmp_path}/gone")
    with pytest.raises(ConfigError, match="unknown kind"):
        drop_files(tmp_path, "shop")


def list_names(folder: Path, kind: str) -> dict[str, list[str]]:
    found = drop_files(folder, kind)
    return {table: [Path(str(file)).name for file in files] for table, files in found.items()}


def test_files_of_the_sample_are_told_by_their_names(tmp_path: Path) -> None:
    folder = make_files(
        tmp_path / "2024-03-01",
        "reviews.jsonl.gz",
        "reviews-2.jsonl",
        "exposures.jsonl.gz",
        "items.jsonl",
        "users.jsonl",
        "attack_labels.jsonl",
        "manifest.json",
        "reviewsummary.jsonl",
        ".reviews.jsonl.swp",
        "_reviews.jsonl",
        "reviews.jsonl.tmp",
        "reviews.md",
    )
    assert list_names(folder, "sample") == {
        "items": ["items.jsonl"],
        "users": ["users.jsonl"],
        "reviews": ["reviews-2.jsonl", "reviews.jsonl.gz"],
        "exposures": ["exposures.jsonl.gz"],
    }


def test_any_data_file_of_an_amazon_drop_holds_reviews_unless_it_is_metadata(
    tmp_path: Path,
) -> None:
    folder = make_files(
        tmp_path / "d", "Gift_Cards_5.json", "meta_Gift_Cards.json.gz", "notes.txt", "users.json"
    )
    (folder / "reviews.jsonl").mkdir()
    assert list_names(folder, "amazon-2018") == {
        "items": ["meta_Gift_Cards.json.gz"],
        "reviews": ["Gift_Cards_5.json"],
    }
    assert list_names(folder, "mapping")["users"] == ["users.json"]


def test_drop_may_lie_behind_a_url(tmp_path: Path) -> None:
    folder = make_files(tmp_path / "d", "reviews.jsonl")
    assert drop_files(f"file://{folder}", "sample") == {
        "reviews": [f"file://{folder}/reviews.jsonl"]
    }


def test_link_that_leaves_the_drop_is_refused(tmp_path: Path) -> None:
    outside = make_files(tmp_path / "outside", "secret.jsonl")
    folder = make_files(tmp_path / "d", "real.jsonl")
    (folder / "reviews.jsonl").symlink_to(outside / "secret.jsonl")
    files = drop_files(folder, "sample")["reviews"]
    with pytest.raises(InputError, match="link that leaves the drop"):
        refuse_links(files, folder)
    (folder / "reviews.jsonl").unlink()
    (folder / "reviews.jsonl").symlink_to(folder / "real.jsonl")
    refuse_links(drop_files(folder, "sample")["reviews"], folder)
    assert list_names(folder, "sample") == {"reviews": ["reviews.jsonl"]}


def test_drop_folder_may_itself_be_a_link(tmp_path: Path) -> None:
    folder = make_files(tmp_path / "real", "reviews.jsonl")
    (tmp_path / "2024-03-01").symlink_to(folder)
    assert list_drops(tmp_path) == [date(2024, 3, 1)]
    assert list_names(tmp_path / "2024-03-01", "sample") == {"reviews": ["reviews.jsonl"]}


def test_a_drop_of_which_nothing_is_read_names_what_it_holds(tmp_path: Path) -> None:
    folder = make_files(tmp_path / "2024-03-01", "reviews.xlsx", "_SUCCESS", ".part")
    (folder / "reviews.parquet").mkdir()
    assert list_unread(folder, "amazon-2018") == ["reviews.parquet/", "reviews.xlsx"]
    make_files(folder, "reviews.jsonl")
    assert list_unread(folder, "amazon-2018") == []
    assert list_unread(make_files(tmp_path / "2024-03-02"), "amazon-2018") == []
