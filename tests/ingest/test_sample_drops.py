"""What `write_drops` delivers is what its manifest and its world say (about 5 s)."""

import gzip
import json
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.ingest.sample import AttackSpec, WorldSpec, simulate, write_correction, write_drops
from tasks.platform.errors import ConfigError

SMALL = WorldSpec(n_users=60, n_items=20, n_days=6, reviews_per_day=40, exposures_per_day=60,
                  correction_day=2, n_misrated=4, n_textless=3, n_withdrawn=2)  # fmt: skip


def vary(**changes: object) -> WorldSpec:
    return WorldSpec(**{**vars(SMALL), **changes})


def read_lines(path: Path) -> list[bytes]:
    content = path.read_bytes()
    if path.suffix == ".gz":
        content = gzip.decompress(content)
    return content.splitlines()


def judge_line(line: bytes, time_column: str) -> str:
    """An adapter's view of one line, written anew: "good" or why not."""
    try:
        row = json.loads(line.decode())
    except UnicodeDecodeError:
        return "invalid_utf8"
    except json.JSONDecodeError:
        return "broken_json"
    if "user_id" not in row:
        return "missing_user"
    try:
        datetime.fromisoformat(row[time_column])
    except ValueError:
        return "bad_time"
    return "good" if 1 <= row.get("rating", 1) <= 5 else "rating_out_of_range"


def audit_file(path: Path, table: str) -> dict[str, object]:
    """Counts of a file in the shape of the manifest."""
    column = "reviewed_at" if table == "reviews" else "exposed_at"
    lines = read_lines(path)
    verdicts = Counter(judge_line(line, column) for line in lines)
    good = [line for line in lines if judge_line(line, column) == "good"]
    reasons = {reason: n for reason, n in sorted(verdicts.items()) if reason != "good"}
    return {
        "rows": len(lines),
        "good": len(set(good)),
        "duplicate": len(good) - len(set(good)),
        "malformed": sum(reasons.values()),
        "reasons": reasons,
    }


def key_of(row: dict) -> tuple:
    return row["reviewed_at"], row["user_id"], row["item_id"]


def good_rows(path: Path) -> list[dict]:
    lines = dict.fromkeys(
        line for line in read_lines(path) if judge_line(line, "reviewed_at") == "good"
    )
    return sorted((json.loads(line) for line in lines), key=key_of)


def list_bytes(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    malformed=st.integers(0, 12),
    duplicates=st.integers(0, 60),
    reviews=st.integers(0, 30),
)
def test_every_file_holds_the_rows_the_manifest_declares(
    tmp_path_factory, seed, malformed, duplicates, reviews
):
    spec = vary(seed=seed, malformed_per_day=malformed, duplicates_per_day=duplicates,
                reviews_per_day=reviews, n_days=3)  # fmt: skip
    folder = write_drops(spec, tmp_path_factory.mktemp("drops"))
    manifest = json.loads((folder / "manifest.json").read_text())
    assert list(manifest) == [spec.date_of(day).isoformat() for day in range(3)]
    for day, tables in manifest.items():
        for table in ("reviews", "exposures"):
            assert audit_file(folder / day / f"{table}.jsonl.gz", table) == tables[table]


def test_the_default_spec_has_every_kind_of_fault_and_few_of_them(tmp_path):
    folder = write_drops(WorldSpec(), tmp_path)
    days = json.loads((folder / "manifest.json").read_text()).values()
    reasons = sum((Counter(day["reviews"]["reasons"]) for day in days), Counter())
    assert len(reasons) == 5
    assert all(
        day["reviews"]["malformed"] == 4 and day["reviews"]["duplicate"] == 3 for day in days
    )
    assert all(200 < day["reviews"]["good"] < 450 for day in days)


def test_the_same_spec_writes_the_same_bytes(tmp_path):
    first, second = (list_bytes(write_drops(SMALL, tmp_path / name)) for name in ("a", "b"))
    assert first == second
    packed = [content for name, content in first.items() if name.endswith(".gz")]
    assert {content[4:8] for content in packed} == {bytes(4)}  # no time in the gzip header


def test_bytes_of_a_date_do_not_depend_on_the_number_of_days(tmp_path):
    short = list_bytes(write_drops(vary(n_days=4), tmp_path / "short"))
    long = list_bytes(write_drops(vary(n_days=9), tmp_path / "long"))
    for name, content in short.items():
        if "/" in name:
            assert long[name] == content


def test_good_rows_are_the_simulated_world_on_an_ordinary_day(tmp_path):
    folder, world = write_drops(SMALL, tmp_path), simulate(SMALL)
    for day in (0, 1, 3):
        name = SMALL.date_of(day).isoformat()
        rows = good_rows(folder / name / "reviews.jsonl.gz")
        truth = world.reviews.filter(day=day).sort("second", "user_id", "item_id")
        for column in ("user_id", "item_id", "rating", "text"):
            assert [row[column] for row in rows] == truth[column].to_list()
        assert all(row["reviewed_at"].startswith(name) for row in rows)
    truth = json.loads((folder / "truth.json").read_text())
    assert truth == json.loads(world.truth.to_json())


def test_events_name_only_users_and_items_already_delivered(tmp_path):
    spec = vary(n_days=12)
    folder = write_drops(spec, tmp_path)
    known: dict[str, set[str]] = {"items": set(), "users": set()}
    n_later = 0
    for day in range(12):
        drop = folder / spec.date_of(day).isoformat()
        for table, key in (("items", "item_id"), ("users", "user_id")):
            path = drop / f"{table}.jsonl"
            new = {json.loads(line)[key] for line in read_lines(path)} if path.exists() else set()
            n_later += len(new) if day else 0
            assert not new & known[table]
            known[table] |= new
        for row in good_rows(drop / "reviews.jsonl.gz"):
            assert row["user_id"] in known["users"]
            assert row["item_id"] in known["items"]
    assert n_later > 0


def test_correction_changes_a_few_reviews_of_its_date_and_nothing_else(tmp_path):
    folder = write_drops(SMALL, tmp_path)
    before = list_bytes(folder)
    drop = write_correction(SMALL, folder)
    after = list_bytes(folder)
    assert drop == folder / "2024-03-03"
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"2024-03-03/reviews.jsonl.gz", "manifest.json"}
    (tmp_path / "old.jsonl.gz").write_bytes(before["2024-03-03/reviews.jsonl.gz"])
    old = {key_of(row): row for row in good_rows(tmp_path / "old.jsonl.gz")}
    new = {key_of(row): row for row in good_rows(drop / "reviews.jsonl.gz")}
    assert len(old.keys() - new.keys()) == SMALL.n_withdrawn
    assert not new.keys() - old.keys()
    assert sum(old[key]["rating"] != row["rating"] for key, row in new.items()) == SMALL.n_misrated
    emptied = [key for key, row in new.items() if old[key]["text"] != row["text"]]
    assert len(emptied) == SMALL.n_textless
    assert all(old[key]["text"] == "" and new[key]["text"] for key in emptied)


def test_corrected_date_is_the_simulated_truth_and_its_manifest_is_renewed(tmp_path):
    drop = write_correction(SMALL, write_drops(SMALL, tmp_path))
    truth = simulate(SMALL).reviews.filter(day=2).sort("second", "user_id", "item_id")
    rows = good_rows(drop / "reviews.jsonl.gz")
    assert [(row["rating"], row["text"]) for row in rows] == list(
        truth.select("rating", "text").iter_rows()
    )
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert audit_file(drop / "reviews.jsonl.gz", "reviews") == manifest[drop.name]["reviews"]


@pytest.mark.parametrize("correction_day", [None, 6])
def test_correction_outside_the_window_is_refused(tmp_path, correction_day):
    with pytest.raises(ConfigError, match="days 0 to 5"):
        write_correction(vary(correction_day=correction_day), tmp_path)


def test_attack_adds_labelled_reviews_late_and_leaves_the_rest_alone(tmp_path):
    attack = AttackSpec(first_day=4, n_days=2, reviews_per_day=15, n_items=2, n_accounts=5)
    quiet = write_drops(SMALL, tmp_path / "quiet")
    loud = write_drops(vary(attack=attack), tmp_path / "loud")
    assert not (quiet / "attack_labels.jsonl").exists()
    labels = [json.loads(line) for line in read_lines(loud / "attack_labels.jsonl")]
    assert len(labels) == 30
    assert len({label["item_id"] for label in labels}) == 2
    added = []
    for day in range(6):
        name = SMALL.date_of(day).isoformat()
        rows = good_rows(loud / name / "reviews.jsonl.gz")
        calm = good_rows(quiet / name / "reviews.jsonl.gz")
        added += [row for row in rows if row not in calm]
        assert [row for row in rows if row in calm] == calm
    assert Counter(map(key_of, added)) == Counter(map(key_of, labels))
    assert {row["rating"] for row in added} == {5}
    users = {json.loads(line)["user_id"] for line in read_lines(loud / "2024-03-05/users.jsonl")}
    assert {label["user_id"] for label in labels} <= users


def test_a_reader_never_sees_a_draft(tmp_path):
    assert not list(write_drops(SMALL, tmp_path).rglob("*.tmp"))
