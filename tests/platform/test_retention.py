"""What may go is what nothing that stays refers to, and what is old enough."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tasks.platform.retention import clear_away, find_removals, follow_results, split_nights
from tasks.platform.settings import RetentionSettings
from tasks.platform.site import Site

NOW = datetime(2024, 6, 1, tzinfo=UTC)
RULES = RetentionSettings(nights_days=10, nights_min=2, runs_days=10, unused_days=3)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "machine"))
    return Site(
        lake_root=str(tmp_path / "lake"), cache_root=str(tmp_path / "cache"),
        reports_root=str(tmp_path / "reports"), catalog="sqlite:x", data=str(tmp_path / "data"),
        lock_timeout_s=1,
    )  # fmt: skip


def write(path: Path, text: str = "x", *, days: float = 30) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    past = (NOW - timedelta(days=days)).timestamp()
    os.utime(path, (past, past))
    return path


def lake_file(letter: str, suffix: str = ".parquet") -> str:
    return f"moments/{letter * 2}/{letter * 64}{suffix}"


def add_lake(site: Site, *letters: str, days: float = 30) -> None:
    for letter in letters:
        write(Path(site.lake_root) / lake_file(letter), days=days)


def add_result(site: Site, name: str, *letters: str, days: float = 30) -> None:
    refs = [{"data": {"path": lake_file(letter), "sha256": letter}} for letter in letters]
    text = json.dumps({"result": json.dumps(refs)})
    write(Path(site.cache_root) / "results" / name, text, days=days)


def add_night(site: Site, as_of: str, run: str, *letters: str, days: float = 30) -> None:
    document = {"run_id": run, "files": [{"path": lake_file(letter)} for letter in letters]}
    write(Path(site.reports_root) / as_of / "run.json", json.dumps(document), days=days)
    write(Path(site.reports_root) / "runs" / run / "events.jsonl", days=days)


def names_of(site: Site, *staged: str) -> set[str]:
    removals, _ = find_removals(site, RULES, [lake_file(letter) for letter in staged], now=NOW)
    root = Path(site.lake_root).parent
    return {str(removal.path.relative_to(root)) for removal in removals}


def test_what_a_kept_night_or_a_drop_names_stays_with_the_results_that_lead_there(
    site: Site,
) -> None:
    add_night(site, "2024-03-03", "r3", "a")
    add_lake(site, *"abcdef")
    add_result(site, "needed", "a", "b")
    add_result(site, "through-it", "b", "c")
    add_result(site, "other", "d")
    add_result(site, "nothing")
    assert names_of(site, "e") == {
        f"lake/{lake_file('d')}", f"lake/{lake_file('f')}", "cache/results/other",
        "cache/results/nothing",
    }  # fmt: skip


def test_what_was_written_of_late_stays_and_so_does_what_it_names(site: Site) -> None:
    add_lake(site, "a", "b")
    add_lake(site, "c", days=1)
    add_result(site, "of late", "a", days=1)
    assert names_of(site) == {f"lake/{lake_file('b')}"}


def test_newest_nights_stay_and_older_ones_by_when_they_ran(site: Site) -> None:
    for day, days in ((1, 30), (2, 5), (3, 30), (4, 30), (5, 30)):
        add_night(site, f"2024-03-0{day}", f"r{day}", days=days)
    kept, gone = split_nights(Path(site.reports_root), RULES, now=NOW)
    assert [night.as_of for night in kept] == ["2024-03-05", "2024-03-04", "2024-03-02"]
    assert {folder.name for folder in gone} == {"2024-03-03", "2024-03-01"}
    found = names_of(site)
    assert "reports/runs/r3/events.jsonl" in found
    assert not [name for name in found if name.startswith(("reports/runs/r5", "reports/runs/r2"))]


def test_drafts_of_killed_runs_go_and_vectors_models_and_locks_of_the_lake_stay(
    site: Site,
) -> None:
    lake = Path(site.lake_root)
    for name in ("embeddings/0896/aaaa.parquet", "embeddings/0896/.lock", "models/m/weights.bin"):
        write(lake / name)
    write(lake / "moments" / ".tmp-abc.parquet")
    write(lake / f"{lake_file('d')}.damaged")
    assert names_of(site) == {"lake/moments/.tmp-abc.parquet", f"lake/{lake_file('d')}.damaged"}


def test_clearing_away_removes_just_that_and_empty_folders(site: Site) -> None:
    for day in (1, 2, 3):
        add_night(site, f"2024-03-0{day}", f"r{day}")
    write(Path(site.cache_root) / "locks" / "free.lock")
    removals, _ = find_removals(site, RULES, [], now=NOW)
    assert len(clear_away(removals)) == 3
    reports = Path(site.reports_root)
    assert sorted(p.name for p in reports.iterdir()) == ["2024-03-02", "2024-03-03", "runs"]
    assert sorted(p.name for p in (reports / "runs").iterdir()) == ["r2", "r3"]
    assert find_removals(site, RULES, [], now=NOW)[0] == []


def test_files_of_the_machine_that_others_rename_are_passed_over(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Path(site.lake_root).parent / "machine" / "whyrec"
    write(machine / "code-1.json", days=90)
    there = [[machine / "code-1.json.123"], [machine / "code-1.json"]]
    monkeypatch.setattr("tasks.platform.retention.list_user_cache", lambda: there)
    removals, _ = find_removals(site, RetentionSettings(), (), now=NOW)
    assert [removal.path.name for removal in removals] == ["code-1.json"]


def test_a_machine_cache_that_cannot_be_written_is_left_alone(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(Path(site.lake_root).parent / "machine" / "whyrec" / "code-1.json", days=90)
    monkeypatch.setattr("tasks.platform.retention.os.access", lambda path, mode: False)
    assert find_removals(site, RetentionSettings(), (), now=NOW)[0] == []


def test_conversions_of_the_machine_go_whole_once_nobody_used_them(site: Site) -> None:
    machine = Path(site.lake_root).parent / "machine" / "whyrec"
    for name, days in (("encoders/old/model.bin", 100), ("encoders/old/manifest.json", 90),
                       ("encoders/new/model.bin", 100), ("encoders/new/manifest.json", 50),
                       ("code-1.json", 80), ("code-2.json", 20)):  # fmt: skip
        write(machine / name, days=days)
    removals, _ = find_removals(site, RULES, [], now=NOW)
    assert {removal.kind for removal in removals} == {"machine cache"}
    clear_away(removals)
    left = sorted(str(p.relative_to(machine)) for p in machine.rglob("*") if p.is_file())
    assert left == ["code-2.json", "encoders/new/manifest.json", "encoders/new/model.bin"]
    assert not (machine / "encoders" / "old").exists()


def test_references_are_followed_to_the_end() -> None:
    results = {Path("1"): {"a", "b"}, Path("2"): {"b", "c"}, Path("3"): {"x"}}
    assert follow_results(["a"], results) == ({"a", "b", "c"}, {Path("1"), Path("2")})
