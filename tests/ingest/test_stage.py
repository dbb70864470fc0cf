"""Staging: what is accepted, what is refused and why, and that every row is accounted for."""

import gzip
import hashlib
import json
import zlib
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tasks.ingest.adapters import get_adapter
from tasks.ingest.stage import FEW_ROWS
from tasks.platform.errors import InputError, SchemaError, TooManyBadRowsError
from tasks.platform.schema import QUARANTINE, TableName, staged_schema
from tests.ingest.staging import EXPOSURE, GOOD, make_line, read_refused, stage, stage_paths


def test_good_row_arrives_with_every_field_and_its_lineage(tmp_path: Path) -> None:
    result = stage(tmp_path, make_line())
    identity = ["shop", "u1", "i1", "2024-03-01T10:00:00.000000Z", "fine", "It works well."]
    assert result.rows == [
        {
            "review_id": hashlib.sha256("\x1f".join(identity).encode()).hexdigest()[:32],
            "source": "shop",
            "user_id": "u1",
            "item_id": "i1",
            "reviewed_at": datetime(2024, 3, 1, 10, tzinfo=UTC),
            "event_date": date(2024, 3, 1),
            "rating": 4.0,
            "title": "fine",
            "text": "It works well.",
            "text_sha256": hashlib.sha256(b"It works well.").hexdigest(),
            "helpful_votes": 1,
            "total_votes": 2,
            "is_verified": True,
            "drop_id": "2024-03-01",
            "file": "reviews.jsonl",
            "line": 1,
        }
    ]
    assert result.staged.dates == {"2024-03-01": 1}
    assert not result.staged.drift


@pytest.mark.parametrize("table", ["reviews", "exposures", "items", "users"])
def test_files_have_the_canonical_schemas_even_when_the_drop_is_empty(
    tmp_path: Path, table: TableName
) -> None:
    result = stage(tmp_path, b"", table=table)
    assert result.staged.rows_read == 0
    assert result.staged.drift == ("empty file: reviews.jsonl holds no rows",)
    found = pq.read_schema(tmp_path / "out" / "staged.parquet").remove_metadata()
    assert found.equals(staged_schema(table))
    refused = pq.read_schema(tmp_path / "out" / "quarantine.parquet")
    assert [(each.name, each.type) for each in refused] == [
        (each.name, each.type) for each in QUARANTINE
    ]


BAD_LINES = {
    "broken JSON": (b'{"user_id": "u1", \n', "not valid JSON"),
    "no object": (b"[1, 2]\n", "not a JSON object: the line holds a list"),
    "a number": (b"7\n", "not a JSON object: the line holds a number"),
    "two objects": (make_line().strip() + make_line(), "not valid JSON"),
    "NUL bytes": (make_line().replace(b"works", b"wo\0ks"), "NUL bytes"),
    "NUL escape": (make_line(text="a\0b"), "NUL character"),
    "invalid UTF-8": (make_line().replace(b"works", b"w\xff\xfeks"), "not valid UTF-8: byte 0xff"),
    "half a surrogate": (make_line().replace(b"works", b"\\ud800"), "not valid JSON"),
    "deep nesting": (b"[" * 50_000 + b"\n", "not valid JSON"),
    "long line": (make_line(text="x" * 200_000), "line too long"),
    "no user": (make_line(user_id=...), "missing user_id"),
    "blank user": (make_line(user_id=" \t"), "missing user_id"),
    "null item": (make_line(item_id=None), "missing item_id"),
    "nan as user": (make_line(user_id=" nan"), "missing user_id"),
    "None as item": (make_line(item_id="None"), "missing item_id"),
    "no time": (make_line(reviewed_at=...), "missing reviewed_at"),
    "time in words": (make_line(reviewed_at="yesterday"), "reviewed_at is not a time: yesterday"),
    "time as list": (make_line(reviewed_at=[1]), "reviewed_at is not a time"),
    "endless time": (make_line(reviewed_at="infinity"), "reviewed_at is not a time"),
    "1970": (make_line(reviewed_at=0), "reviewed_at too early: 0 is before 1990-01-01"),
    "2100": (make_line(reviewed_at="2100-01-01"), "reviewed_at too late: 2100-01-01 is after"),
    "overflowing time": (make_line().replace(b'"2024-03-01T10:00:00Z"', b"1e400"), "reviewed_at"),
    "no rating": (make_line(rating=...), "missing rating"),
    "rating 0": (make_line(rating=0), "rating out of range: 0 is not within 1 to 5"),
    "rating 5.01": (make_line(rating=5.01), "rating out of range"),
    "rating NaN": (make_line(rating=float("nan")), "rating out of range"),
    "rating 1e400": (make_line().replace(b'"rating": 4', b'"rating": 1e400'), "rating out of"),
    "rating in words": (make_line(rating="good"), "rating is not a number: good"),
    "rating true": (make_line(rating=True), "rating is not a number: true"),
    "rating list": (make_line(rating=[5]), "rating is not a number: [5]"),
    "text list": (make_line(text=["a"]), "text is not text"),
    "text object": (make_line(text={"a": 1}), "text is not text"),
    "title object": (make_line(title={}), "title is not text"),
    "user object": (make_line(user_id={"id": 1}), "user_id is not text"),
    "item list": (make_line(item_id=[]), "item_id is not text"),
    "negative votes": (make_line(helpful_votes=-1), "helpful_votes is negative: -1"),
    "negative total": (make_line(total_votes=-3), "total_votes is negative"),
    "half a vote": (make_line(helpful_votes=1.5), "helpful_votes is not a count"),
    "votes in words": (make_line(total_votes="many"), "total_votes is not a number"),
    "votes without end": (make_line(total_votes="inf"), "total_votes is not a number"),
    "verified maybe": (make_line(is_verified="maybe"), "is_verified is not a flag: maybe"),
}


@pytest.mark.parametrize("name", BAD_LINES)
def test_bad_line_is_refused_with_its_reason_place_and_text(tmp_path: Path, name: str) -> None:
    line, reason = BAD_LINES[name]
    result = stage(tmp_path, make_line() + line + make_line(text="other", user_id="u2"))
    assert result.reason.startswith(reason)
    (refused,) = result.refused
    assert (refused["file"], refused["line"]) == ("reviews.jsonl", 2)
    assert (refused["source"], refused["table_name"]) == ("shop", "reviews")
    start = line[:12].decode(errors="backslashreplace").replace("\0", "\\x00")
    assert refused["raw_text"].startswith(start.rstrip("\n"))
    assert "\0" not in refused["raw_text"]
    assert [row["line"] for row in result.rows] == [1, 3]
    assert sum(result.staged.reasons.values()) == result.staged.rows_quarantined == 1


def test_all_bad_lines_together_are_refused_one_by_one(tmp_path: Path) -> None:
    lines = [line for line, _ in BAD_LINES.values()]
    result = stage(tmp_path, make_line() + b"".join(lines))
    assert [row["line"] for row in result.refused] == list(range(2, len(lines) + 2))
    for row, (_, reason) in zip(result.refused, BAD_LINES.values(), strict=True):
        assert row["reason"].startswith(reason)


GOOD_LINES = {
    "rating as text": (make_line(rating=" 5.0 "), ("rating", 5.0)),
    "votes with a comma": (make_line(helpful_votes="1,234"), ("helpful_votes", 1234)),
    "votes as float": (make_line(total_votes=3.0), ("total_votes", 3)),
    "user as number": (make_line(user_id=12345), ("user_id", "12345")),
    "no text": (make_line(text=...), ("text", "")),
    "null title": (make_line(title=None), ("title", None)),
    "verified as text": (make_line(is_verified="Y"), ("is_verified", True)),
    "verified empty": (make_line(is_verified=""), ("is_verified", None)),
    "text like a list": (make_line(text="[sic] good"), ("text", "[sic] good")),
    "text like an object": (make_line(text='{"a": 1}'), ("text", '{"a": 1}')),
    "SQL": (make_line(text="'); DROP TABLE clean.reviews; --"), ("title", "fine")),
    "HTML": (make_line(text="<script>alert(1)</script>"), ("text", "<script>alert(1)</script>")),
    "seconds": (
        make_line(reviewed_at=1709287200),
        ("reviewed_at", datetime(2024, 3, 1, 10, tzinfo=UTC)),
    ),
    "milliseconds": (
        make_line(reviewed_at=1709287200123),
        ("reviewed_at", datetime(2024, 3, 1, 10, 0, 0, 123000, tzinfo=UTC)),
    ),
    "offset": (
        make_line(reviewed_at="2024-03-01T01:30:00+02:00"),
        ("event_date", date(2024, 2, 29)),
    ),
    "last moment": (
        make_line(reviewed_at="2026-01-01T23:59:59.999999Z"),
        ("event_date", date(2026, 1, 1)),
    ),
    "first moment": (make_line(reviewed_at="1990-01-01"), ("event_date", date(1990, 1, 1))),
    "first of two equal keys": (
        make_line().replace(b'"rating": 4', b'"rating": 2, "rating": 3'),
        ("rating", 2.0),
    ),
    "escapes": (make_line(text='naïve 😀 \t\n\\"'), ("text", 'naïve 😀 \t\n\\"')),
    "indented": (b"  \t" + make_line(), ("rating", 4.0)),
    "CRLF": (make_line().replace(b"\n", b"\r\n"), ("rating", 4.0)),
    "BOM": (b"\xef\xbb\xbf" + make_line(), ("rating", 4.0)),
    "no newline": (make_line().rstrip(b"\n"), ("rating", 4.0)),
    "nested junk": (make_line(junk={"a": [1, {"b": None}]}), ("rating", 4.0)),
}


@pytest.mark.parametrize("name", GOOD_LINES)
def test_unusual_but_good_line_is_accepted(tmp_path: Path, name: str) -> None:
    line, (column, value) = GOOD_LINES[name]
    result = stage(tmp_path, line)
    assert not result.refused
    assert result.rows[0][column] == value


def test_blank_lines_have_numbers_but_are_no_rows(tmp_path: Path) -> None:
    result = stage(
        tmp_path, b"\n \t\r\n" + make_line() + b"\n" + make_line(text="b", user_id="u2") + b"\n\n"
    )
    assert result.staged.rows_read == 2
    assert [row["line"] for row in result.rows] == [3, 5]


def test_exact_repetition_is_a_duplicate_and_the_last_one_stays(tmp_path: Path) -> None:
    lines = (
        make_line(helpful_votes=1) + make_line(text="b", user_id="u2") + make_line(helpful_votes=7)
    )
    result = stage(tmp_path, lines, make_line(text="b", user_id="u2"))
    assert result.staged.rows_duplicate == 2
    assert not result.refused
    kept = {(row["file"], row["line"]): row["helpful_votes"] for row in result.rows}
    assert kept == {("reviews.jsonl", 3): 7, ("reviews1.jsonl", 1): 1}


def test_same_review_with_another_rating_is_refused_as_a_contradiction(tmp_path: Path) -> None:
    lines = make_line(rating=2) + make_line(rating=5) + make_line(rating=5)
    result = stage(tmp_path, lines)
    assert (result.staged.rows_duplicate, result.staged.rows_quarantined) == (1, 1)
    assert result.reason == "contradicts line 3 of reviews.jsonl: rating 2.0 here, 5.0 there"
    assert json.loads(result.refused[0]["raw_text"])["rating"] == 2.0
    assert result.staged.reasons == {"contradicts another row": 1}
    assert [row["line"] for row in result.rows] == [3]


def test_same_exposure_with_another_click_or_position_is_a_contradiction(tmp_path: Path) -> None:
    lines = make_line(EXPOSURE, is_clicked=False, position=1) + make_line(EXPOSURE)
    result = stage(tmp_path, lines + make_line(EXPOSURE), table="exposures", name="e{}.jsonl")
    assert result.reason == (
        "contradicts line 3 of e.jsonl: is_clicked false here, true there, position 1 here, 2 there"
    )
    assert result.staged.rows_duplicate == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"item_id": "i2"}, "another item there"),
        ({"user_id": "u2"}, "another user there"),
        ({"exposed_at": "2024-03-02T10:00:00Z"}, "on 2024-03-01 here, 2024-03-02 there"),
    ],
)
def test_an_exposure_id_that_other_rows_bear_is_a_contradiction_and_no_repetition(
    tmp_path: Path, changes: dict[str, str], said: str
) -> None:
    lines = make_line(EXPOSURE, exposure_id="list-1")
    lines += make_line({**EXPOSURE, **changes}, exposure_id="list-1")
    result = stage(tmp_path, lines, table="exposures", name="e{}.jsonl")
    assert result.reason == f"contradicts line 2 of e.jsonl: {said}"
    assert result.staged.rows_duplicate == 0


def test_exposure_keeps_its_own_id_and_its_context(tmp_path: Path) -> None:
    lines = make_line(EXPOSURE, exposure_id="e-1") + make_line(EXPOSURE, exposure_id="e-2")
    result = stage(tmp_path, lines + make_line(EXPOSURE), table="exposures", name="e{}.jsonl")
    assert [row["exposure_id"] for row in result.rows][:2] == ["e-1", "e-2"]
    assert len(result.rows[2]["exposure_id"]) == 32
    assert json.loads(result.rows[0]["context"]) == EXPOSURE["context"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"propensity": 0}, "propensity out of range: 0"),
        ({"propensity": 1.2}, "propensity out of range"),
        ({"propensity": "x"}, "propensity is not a number"),
        ({"propensity": float("nan")}, "propensity out of range"),
        ({"is_clicked": None}, "missing is_clicked"),
        ({"is_clicked": 2}, "is_clicked is not a flag: 2"),
        ({"position": -1}, "position is negative"),
        ({"position": 2**40}, "position is not a count"),
        ({"context": [1]}, "context is not an object"),
        ({"context": "words"}, "context is not an object"),
        ({"exposed_at": "2100-01-01"}, "exposed_at too late"),
    ],
)
def test_bad_exposure_is_refused(tmp_path: Path, changes: dict[str, object], reason: str) -> None:
    lines = make_line(EXPOSURE) + make_line(EXPOSURE, item_id="i2", **changes)
    result = stage(tmp_path, lines, table="exposures", name="exposures{}.jsonl")
    assert result.reason.startswith(reason)


def test_later_item_replaces_an_earlier_one(tmp_path: Path) -> None:
    lines = b"".join(
        make_line({"item_id": "i1", "title": title, "price_usd": price})
        for title, price in [("old", 1), ("new", 2.5)]
    )
    result = stage(tmp_path, lines, table="items", name="items{}.jsonl")
    assert (result.staged.rows_duplicate, result.staged.rows_staged) == (1, 1)
    assert (result.rows[0]["title"], result.rows[0]["price_usd"]) == ("new", 2.5)


def test_users_keep_their_features_and_bad_ones_are_refused(tmp_path: Path) -> None:
    lines = make_line({"user_id": "u1", "features": {"age": 30}})
    lines += make_line({"user_id": "u2", "features": [1]})
    result = stage(tmp_path, lines, table="users", name="users{}.jsonl")
    assert json.loads(result.rows[0]["features"]) == {"age": 30}
    assert result.reason.startswith("features is not an object")


def test_line_of_just_the_allowed_length_is_read(tmp_path: Path) -> None:
    line = make_line(text="y" * 2000)
    assert not stage(tmp_path, line, max_line_bytes=len(line)).refused
    assert stage(tmp_path, line * 2, max_line_bytes=len(line) - 1).staged.rows_quarantined == 2


def test_long_line_is_located_by_length_and_digest_and_the_rest_is_read(tmp_path: Path) -> None:
    line = make_line(text="y" * 20_000_000)
    result = stage(tmp_path, make_line() + line + make_line(text="b", user_id="u2"))
    digest = hashlib.sha256(line).hexdigest()
    assert result.reason == (
        f"line too long: {len(line):,} bytes, at most 100,000 are allowed (sha256 {digest})"
    )
    assert len(result.refused[0]["raw_text"]) == 16 << 20
    assert [row["line"] for row in result.rows] == [1, 3]


def test_ten_megabyte_line_is_kept_whole(tmp_path: Path) -> None:
    line = make_line(text="y" * 10_000_000)
    result = stage(tmp_path, line + make_line())
    assert result.refused[0]["raw_text"] == line.decode().rstrip()
    assert result.staged.rows_staged == 1


def pack_lines() -> bytes:
    lines = [
        make_line(text=hashlib.sha256(str(at).encode()).hexdigest(), user_id=str(at))
        for at in range(5000)
    ]
    return gzip.compress(b"".join(lines))


@pytest.mark.parametrize("share", [0.001, 0.05, 0.67, 0.99999])
def test_truncated_gzip_is_refused_with_what_to_do(tmp_path: Path, share: float) -> None:
    packed = pack_lines()
    cut = packed[: int(len(packed) * share)]
    readable = len(zlib.decompressobj(wbits=31).decompress(cut))
    with pytest.raises(InputError) as caught:
        stage(tmp_path, cut, name="reviews{}.jsonl.gz")
    assert str(caught.value).startswith(
        "'reviews.jsonl.gz' is not whole: the gzip stream is cut short after "
        f"{readable:,} readable bytes. Only whole files are published"
    )
    assert "have it delivered again" in str(caught.value)


@pytest.mark.parametrize("at", [-8, 20_000])
def test_gzip_that_is_corrupt_is_refused(tmp_path: Path, at: int) -> None:
    packed = bytearray(pack_lines())
    packed[at] ^= 0xFF
    with pytest.raises(InputError, match="is not whole: the gzip stream is corrupt"):
        stage(tmp_path, bytes(packed), name="reviews{}.jsonl.gz")


def test_gzip_is_told_by_its_bytes_and_may_have_several_members(tmp_path: Path) -> None:
    packed = gzip.compress(make_line()) + gzip.compress(make_line(text="b", user_id="u2"))
    assert stage(tmp_path, packed, name="reviews{}.jsonl").staged.rows_staged == 2
    assert stage(tmp_path, make_line(), name="plain{}.jsonl.gz").staged.rows_staged == 1


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("reviews.xlsx", b"x", "unknown extension"),
        ("reviews", b"x", "unknown extension"),
        ("reviews.jsonl", b"PK\x03\x04 and more", "zip archive"),
        ("reviews.jsonl", b"\xff\xfe{\x00", "UTF-16"),
        ("reviews.csv", b"PAR1....", "Parquet"),
        ("reviews.parquet", b"PAR1....", "mapping"),
    ],
)
def test_file_of_another_kind_is_a_clear_error(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=words):
        stage_paths(tmp_path, [tmp_path / name])


def test_missing_file_folder_and_doubled_file_are_clear_errors(tmp_path: Path) -> None:
    (tmp_path / "folder.jsonl").mkdir()
    (tmp_path / "a.jsonl").write_bytes(make_line())
    with pytest.raises(InputError, match="no readable file"):
        stage_paths(tmp_path, [tmp_path / "gone.jsonl"])
    with pytest.raises(InputError, match="is a folder"):
        stage_paths(tmp_path, [tmp_path / "folder.jsonl"])
    with pytest.raises(InputError, match="named twice"):
        stage_paths(tmp_path, [tmp_path / "a.jsonl", tmp_path / "folder.jsonl" / ".." / "a.jsonl"])
    with pytest.raises(InputError, match="no readable file"):
        stage_paths(tmp_path, [tmp_path / "a\0.jsonl"])
    with pytest.raises(InputError, match="name at least one"):
        stage_paths(tmp_path, [])


def test_path_with_parent_steps_is_followed_where_it_leads(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b.jsonl").write_bytes(make_line())
    result = stage_paths(tmp_path, [tmp_path / "a" / ".." / "b.jsonl"])
    assert result.rows[0]["file"] == "b.jsonl"


def test_url_is_read_like_a_file(tmp_path: Path) -> None:
    (tmp_path / "b.jsonl").write_bytes(make_line())
    result = stage_paths(tmp_path, [f"file://{tmp_path}/b.jsonl"])
    assert result.staged.rows_staged == 1
    with pytest.raises(InputError, match="cannot reach"):
        stage_paths(tmp_path, [f"file://{tmp_path}/c.jsonl"])


def test_table_that_a_kind_does_not_have_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'finefood' has no users"):
        stage(tmp_path, b"", adapter=get_adapter("finefood"), table="users")


def test_file_without_a_required_column_stops_with_what_was_found_and_needed(
    tmp_path: Path,
) -> None:
    content = b"".join(
        make_line(rating=..., stars=4, text=str(at), user_id=str(at)) for at in range(5)
    )
    with pytest.raises(SchemaError, match=r"rating from 'rating'\. Found: .*stars"):
        stage(tmp_path, content)
    assert len(read_refused(tmp_path)) == 5


def test_too_many_bad_rows_stop_the_drop_after_the_quarantine_is_written(tmp_path: Path) -> None:
    good = b"".join(make_line(text=str(at), user_id=str(at)) for at in range(100))
    bad = b"".join(make_line(rating=9, text=str(at), user_id=str(at)) for at in range(FEW_ROWS + 1))
    with pytest.raises(TooManyBadRowsError, match=r"21 of 121 rows .* rating out of range \(21\)"):
        stage(tmp_path, good + bad, max_bad_share=0.1)
    assert len(read_refused(tmp_path)) == FEW_ROWS + 1
    assert stage(tmp_path, good + bad, max_bad_share=0.18).staged.rows_quarantined == 21


def test_few_bad_rows_never_stop_a_drop_unless_nothing_else_is_in_it(tmp_path: Path) -> None:
    bad = b"".join(make_line(rating=9, text=str(at), user_id=str(at)) for at in range(FEW_ROWS))
    assert stage(tmp_path, make_line() + bad, max_bad_share=0.1).staged.rows_staged == 1
    with pytest.raises(TooManyBadRowsError, match="1 of 1 rows"):
        stage(tmp_path, make_line(rating=9), max_bad_share=0.1)


def test_drift_names_new_missing_and_retyped_columns(tmp_path: Path) -> None:
    content = b"".join(
        make_line(is_verified=..., rating="4", colour="red", text=str(at), user_id=str(at))
        for at in range(3)
    )
    drift = stage(tmp_path, content).staged.drift
    assert drift == (
        "new column 'colour' in reviews.jsonl: it is not read",
        "optional column 'is_verified' is missing from reviews.jsonl: its values are empty",
        "column 'rating' of reviews.jsonl is retyped: text in 3 of 3 rows looked at, "
        "number expected",
    )


def test_names_are_struck_out_of_refused_rows(tmp_path: Path) -> None:
    lines = make_line() + make_line(rating=9, reviewerName='Ann "A" Lee', user_name=["Bo"])
    lines += b'{"profileName" : "Cy Dee", "rating": 9, "broken": \n'
    result = stage(tmp_path, lines)
    texts = [row["raw_text"] for row in result.refused]
    assert not any(name in text for text in texts for name in ("Ann", "Lee", "Bo", "Cy"))
    assert all("[hidden]" in text for text in texts)


def test_user_ids_are_hashed_everywhere_when_there_is_a_key(tmp_path: Path) -> None:
    lines = make_line(user_id="secret-user") + make_line(user_id="secret-user", rating=9)
    lines += make_line(user_id="secret-user", rating=2) + make_line(user_id="secret-user", rating=3)
    lines += make_line(user_id=["secret-user"])
    result = stage(tmp_path, lines, user_id_key=b"key")
    assert len({row["user_id"] for row in result.rows}) == 1
    assert "secret-user" not in json.dumps([*result.rows, *result.refused], default=str)
    other = stage(tmp_path, lines, user_id_key=b"other key")
    assert other.rows[0]["user_id"] != result.rows[0]["user_id"]
    assert other.rows[0]["review_id"] != result.rows[0]["review_id"]


def test_contacts_are_masked_in_rows_and_refused_rows_unless_told_otherwise(
    tmp_path: Path,
) -> None:
    lines = make_line(text="mail me@example.com") + make_line(title="mail me@example.com", rating=9)
    result = stage(tmp_path, lines)
    assert result.rows[0]["text"] == "mail [email]"
    assert "me@example.com" not in result.refused[0]["raw_text"]
    plain = stage(tmp_path, lines, mask_contacts=False)
    assert plain.rows[0]["text"] == "mail me@example.com"
    assert plain.rows[0]["text_sha256"] != result.rows[0]["text_sha256"]


def test_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    lines = [
        make_line(text=f"text {at % 900}", user_id=str(at % 900), rating=at % 7)
        for at in range(3000)
    ]
    digests = set()
    for _ in range(3):
        stage(tmp_path, b"".join(lines[:1500]), b"".join(lines[1500:]))
        files = [tmp_path / "out" / name for name in ("staged.parquet", "quarantine.parquet")]
        digests.add(tuple(hashlib.sha256(file.read_bytes()).hexdigest() for file in files))
    assert len(digests) == 1


def test_nothing_is_left_in_the_work_folder(tmp_path: Path) -> None:
    stage(tmp_path, make_line())
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "quarantine.parquet",
        "staged.parquet",
    ]


def test_drop_of_many_blocks_keeps_line_numbers_and_every_row(tmp_path: Path) -> None:
    lines = [
        make_line(text=f"{at} " + "word " * 40, user_id=str(at), rating=9 if at % 1000 == 0 else 5)
        for at in range(30_000)
    ]
    path = tmp_path / "big.jsonl"
    path.write_bytes(b"".join(lines))
    result = stage_paths(tmp_path, [path])
    assert [row["line"] for row in result.refused] == list(range(1, 30_001, 1000))
    assert [row["line"] for row in result.rows] == [at for at in range(1, 30_001) if at % 1000 != 1]
    assert all(row["text"].startswith(f"{row['line'] - 1} ") for row in result.rows)


@pytest.mark.parametrize("broken", [0, 7_999])
def test_line_that_only_looks_whole_costs_no_other_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: int
) -> None:
    # small steps, so that rows are handed on before the last line is met
    monkeypatch.setattr("tasks.ingest.intake.HANDED_ROWS", 400)
    monkeypatch.setattr("tasks.ingest.stage._SESSION", ("session_utc",))
    monkeypatch.setattr("tasks.ingest.files.BLOCK_BYTES", 1 << 16)
    lines = [make_line(text=f"{at} " + "word " * 200, user_id=str(at)) for at in range(8_000)]
    lines[broken] = b'{"user_id": "u1", "item_id": }\n'
    path = tmp_path / "big.jsonl"
    path.write_bytes(b"".join(lines))
    result = stage_paths(tmp_path, [path])
    assert [row["line"] for row in result.refused] == [broken + 1]
    assert result.reason.startswith("not valid JSON")
    kept = [at for at in range(8_000) if at != broken]
    assert [row["line"] for row in result.rows] == [at + 1 for at in kept]
    assert [row["text"].split(" ")[0] for row in result.rows] == [str(at) for at in kept]
    assert result.staged.rows_read == 8_000


def test_progress_ends_at_the_size_of_the_files(tmp_path: Path) -> None:
    from tasks.ingest.stage import stage_files
    from tests.ingest.staging import OPTIONS

    path = tmp_path / "a.jsonl"
    path.write_bytes(b"".join(make_line(text=str(at), user_id=str(at)) for at in range(100)))
    calls: list[tuple[int, int]] = []
    stage_files(
        [path],
        adapter=get_adapter("sample"),
        table="reviews",
        source="s",
        drop_id="d",
        options=OPTIONS,
        staged_path=tmp_path / "s.parquet",
        quarantine_path=tmp_path / "q.parquet",
        work_dir=tmp_path,
        progress=lambda done, total: calls.append((done, total)),
    )
    assert calls[-1] == (path.stat().st_size, path.stat().st_size)


def test_hostile_column_names_and_file_names_are_only_text(tmp_path: Path) -> None:
    name = "re'views\"; DROP TABLE x; --{}.jsonl"
    result = stage(tmp_path, make_line({**GOOD, "a'b\"c; --": 1, "x" * 500: 2}), name=name)
    assert result.rows[0]["file"] == name.format("")
    assert len(result.staged.drift) == 2


def test_another_text_at_the_same_second_is_a_contradiction_and_on_the_same_day_is_not(
    tmp_path: Path,
) -> None:
    result = stage(tmp_path, make_line(text="Works."), make_line(text="Broke."))
    assert [row["text"] for row in result.rows] == ["Broke."]
    assert result.reason == "contradicts line 1 of reviews1.jsonl: another text there"
    lines = [make_line(reviewed_at="2024-03-01", text=text) for text in ("Works.", "Broke.")]
    assert stage(tmp_path, b"".join(lines)).staged.rows_staged == 2


def test_an_id_is_read_without_blanks_around_it_and_words_for_nothing_are_none(
    tmp_path: Path,
) -> None:
    blanks = ["", " ", "\t", "\n", "\r", "\x0b", "\u00a0", "\x1f", " \r\n"]
    inner = ["", "abc", "abcd", "abcde", "nan", "<NA>", "None", "é", "éééé", "user 1", "a  b"]
    words = {"", "nan", "NaN", "None", "null", "NULL", "<NA>", "NaT"}
    given = [before + text + after for before in blanks for text in inner for after in blanks]
    content = b"".join(make_line(user_id=value) for value in given)
    result = stage(tmp_path, content, max_bad_share=1.0)
    wanted = [text for value in given if (text := value.strip(" \t\n\r")) not in words]
    assert sorted({row["user_id"] for row in result.rows}) == sorted(set(wanted))
    assert result.staged.reasons["missing user_id"] == len(given) - len(wanted)
