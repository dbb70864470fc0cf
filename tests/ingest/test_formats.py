"""Adapters: every shape of file becomes the same canonical rows."""

import csv
import gzip
import json
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from tasks.ingest.adapters import detect_table, get_adapter
from tasks.platform.errors import InputError
from tests.ingest.staging import Result, make_line, stage, stage_paths
from tests.ingest.test_real_data import find_data

AMAZON_2014 = {
    "reviewerID": "A1",
    "asin": "B1",
    "reviewerName": "Ann Lee",
    "helpful": [2, 3],
    "reviewText": "Good strap.",
    "overall": 5.0,
    "summary": "Good",
    "unixReviewTime": 1393545600,
    "reviewTime": "02 28, 2014",
}
AMAZON_2018 = {
    "overall": 4.0,
    "vote": "1,234",
    "verified": True,
    "reviewTime": "06 17, 2018",
    "reviewerID": "A1",
    "asin": "B1",
    "style": {"Size:": " L"},
    "reviewerName": "Ann Lee",
    "reviewText": "Good.",
    "summary": "Five Stars",
    "unixReviewTime": 1529193600,
    "image": ["http://x/y.jpg"],
}
AMAZON_2023 = {
    "rating": 3.0,
    "title": "Fine",
    "text": "It is fine.",
    "images": [],
    "asin": "B1",
    "parent_asin": "P1",
    "user_id": "AE1",
    "timestamp": 1588687728923,
    "helpful_vote": 7,
    "verified_purchase": False,
}


def test_amazon_2014_review_has_its_votes_from_a_pair(tmp_path: Path) -> None:
    result = stage(tmp_path, make_line(AMAZON_2014), adapter=get_adapter("amazon-2014"))
    (row,) = result.rows
    assert (row["helpful_votes"], row["total_votes"], row["is_verified"]) == (2, 3, None)
    assert (row["user_id"], row["item_id"], row["title"]) == ("A1", "B1", "Good")
    assert row["event_date"] == date(2014, 2, 28)
    assert not result.staged.drift
    assert "Ann" not in str(result.rows)


@pytest.mark.parametrize(
    ("pair", "reason"),
    [
        ([1], "helpful is not a pair"),
        ([1, 2, 3], "helpful is not a pair"),
        ({"a": 1, "b": 2}, "helpful is not a pair"),
        ("12", "helpful is not a pair"),
        ([-1, 2], "helpful_votes is negative"),
        ([0, "many"], "total_votes is not a number"),
        ([0, None], "total_votes is not a number"),
    ],
)
def test_votes_that_are_no_pair_are_refused(tmp_path: Path, pair: object, reason: str) -> None:
    adapter = get_adapter("amazon-2014")
    lines = make_line(AMAZON_2014) + make_line(AMAZON_2014, asin="B2", helpful=pair)
    assert stage(tmp_path, lines, adapter=adapter).reason.startswith(reason)


def test_amazon_2018_review_reads_votes_with_commas_and_a_date_in_words(tmp_path: Path) -> None:
    adapter = get_adapter("amazon-2018")
    lines = make_line(AMAZON_2018) + make_line(
        AMAZON_2018, asin="B2", unixReviewTime=..., vote=..., summary=..., verified=...
    )
    result = stage(tmp_path, lines, adapter=adapter)
    first, second = result.rows
    assert (first["helpful_votes"], first["is_verified"]) == (1234, True)
    assert (second["helpful_votes"], second["is_verified"], second["title"]) == (None, None, None)
    assert first["reviewed_at"] == second["reviewed_at"] == datetime(2018, 6, 17, tzinfo=UTC)
    assert not result.staged.drift


def test_broken_time_is_not_hidden_by_the_date_in_words(tmp_path: Path) -> None:
    lines = make_line(AMAZON_2018) + make_line(AMAZON_2018, unixReviewTime="soon")
    result = stage(tmp_path, lines, adapter=get_adapter("amazon-2018"))
    assert result.reason == "reviewed_at is not a time: soon"


def test_broken_date_in_words_is_named(tmp_path: Path) -> None:
    lines = make_line(AMAZON_2018) + make_line(AMAZON_2018, unixReviewTime="", reviewTime="May")
    result = stage(tmp_path, lines, adapter=get_adapter("amazon-2018"))
    assert result.reason == "reviewed_at is not a time: May"


def test_amazon_2023_review_belongs_to_the_parent_item(tmp_path: Path) -> None:
    lines = make_line(AMAZON_2023) + make_line(AMAZON_2023, parent_asin=...)
    result = stage(tmp_path, lines, adapter=get_adapter("amazon-2023"))
    assert [row["item_id"] for row in result.rows] == ["P1", "B1"]
    assert result.rows[0]["reviewed_at"] == datetime(2020, 5, 5, 14, 8, 48, 923000, tzinfo=UTC)
    assert (result.rows[0]["helpful_votes"], result.rows[0]["is_verified"]) == (7, False)


@pytest.mark.parametrize(
    ("price", "value"),
    [
        ("$12.99", 12.99),
        ("$1,299.00", 1299.0),
        (12.5, 12.5),
        ("US $5", 5.0),
        ("51,03", 51.03),
        ("1.299,00", 1299.0),
        ("12,34,567", 1234567.0),
        ("0,125", 0.125),
        ("1,2,3", None),
        ("1.2.3", None),
        ("", None),
        (None, None),
        ("$5.00 - $10.00", None),
        (".a-box-inner{background-color:#fff}#alohaBuyBoxWidget", None),
        ("from 12.99", None),
        ("1e999", None),
    ],
)
def test_price_is_read_where_there_is_one(
    tmp_path: Path, price: object, value: float | None
) -> None:
    item = {"asin": "B1", "title": "Strap", "category": ["Music", "Straps", "Soft"], "price": price}
    item |= {"main_cat": "Music", "description": ["One.", "Two."], "brand": "X"}
    result = stage(tmp_path, make_line(item), adapter=get_adapter("amazon-2018"), table="items")
    (row,) = result.rows
    assert row["price_usd"] == value
    assert (row["category"], row["description"], row["brand"]) == ("Straps", "One. Two.", "X")
    told = any("no readable price" in sentence for sentence in result.staged.drift)
    assert told == (value is None)


@pytest.mark.parametrize(
    ("kind", "item", "category"),
    [
        ("amazon-2018", {"asin": "B", "category": [], "main_cat": "Toys"}, "Toys"),
        ("amazon-2018", {"asin": "B", "category": [], "main_cat": "<img src=x>"}, None),
        ("amazon-2018", {"asin": "B", "category": ["Toys"], "main_cat": "Music"}, "Toys"),
        ("amazon-2014", {"asin": "B", "categories": [["Music", "Straps"], ["A"]]}, "Straps"),
        ("amazon-2023", {"parent_asin": "B", "main_category": "All Beauty"}, "All Beauty"),
        ("amazon-2023", {"parent_asin": "B", "categories": ["Music", "Reeds"]}, "Reeds"),
        ("amazon-2023", {"parent_asin": "B", "categories": "[broken"}, "[broken"),
        ("amazon-2023", {"parent_asin": "B", "categories": {"a": 1}}, '{"a":1}'),
    ],
)
def test_category_is_the_second_level_of_the_path(
    tmp_path: Path, kind: str, item: dict[str, object], category: str | None
) -> None:
    result = stage(tmp_path, make_line(item), adapter=get_adapter(kind), table="items")
    assert result.rows[0]["category"] == category


def test_metadata_of_2014_written_as_python_literals_is_read(tmp_path: Path) -> None:
    lines = [
        {"asin": "B1", "title": 'A 5" drum', "price": 1.5, "categories": [["Music", "Drums"]]},
        {"asin": "B2", "title": "Owner's horn", "related": {"also_viewed": ["B1"]}},
    ]
    content = "".join(f"{line!r}\n" for line in lines).encode() + b"{'asin': __import__('os')}\n"
    result = stage(tmp_path, content, adapter=get_adapter("amazon-2014"), table="items")
    assert [row["title"] for row in result.rows] == ['A 5" drum', "Owner's horn"]
    assert result.reason.startswith("not valid JSON")


@pytest.mark.parametrize("odd", ["('a',): 1", "'n': 0x" + "f" * 5000, "'n': {('a',): 1}"])
def test_a_python_literal_that_json_has_no_form_for_is_refused_alone(
    tmp_path: Path, odd: str
) -> None:
    content = f"{{'asin': 'B1'}}\n{{'asin': 'B2', {odd}}}\n{{'asin': 'B3'}}\n".encode()
    result = stage(tmp_path, content, adapter=get_adapter("amazon-2014"), table="items")
    assert [row["item_id"] for row in result.rows] == ["B1", "B3"]
    assert result.reason.startswith("not valid JSON")


def test_metadata_of_2014_as_csv_is_told_by_its_columns(tmp_path: Path) -> None:
    content = b'Product ID,Description,price,Category\nB1,"Mic, small",7.09,Mics\nB2,Cable,,\n'
    result = stage(
        tmp_path, content, adapter=get_adapter("amazon-2014"), table="items", name="m{}.csv"
    )
    assert [(row["title"], row["category"], row["price_usd"]) for row in result.rows] == [
        ("Mic, small", "Mics", 7.09),
        ("Cable", None, None),
    ]


def test_review_file_is_told_from_metadata(tmp_path: Path) -> None:
    cases = [
        ("amazon-2014", "r.json", make_line(AMAZON_2014), "reviews"),
        ("amazon-2014", "m.json", make_line({"asin": "B", "title": "T", "price": 1}), "items"),
        ("amazon-2014", "m.csv", b"Product ID,Description,price,Category\n", "items"),
        ("amazon-2018", "r.json.gz", gzip.compress(make_line(AMAZON_2018)), "reviews"),
        ("amazon-2018", "m.json", make_line({"asin": "B", "title": "T", "brand": "X"}), "items"),
        ("amazon-2023", "r.jsonl", make_line(AMAZON_2023), "reviews"),
        ("amazon-2023", "m.jsonl", make_line({"parent_asin": "B", "title": "T"}), "items"),
        (
            "sample",
            "e.jsonl",
            b'{"user_id":1,"item_id":2,"exposed_at":3,"is_clicked":0}\n',
            "exposures",
        ),
        ("sample", "u.jsonl", b'{"user_id":1,"features":{}}\n', "users"),
        ("sample", "i.jsonl", b'{"item_id":1,"title":"a","price_usd":2}\n', "items"),
        ("sample", "r.jsonl", make_line(), "reviews"),
        ("amazon-2018", "empty.json", b"", "reviews"),
        ("amazon-2018", "odd.json", b"not json\n", "reviews"),
    ]
    for kind, name, content, table in cases:
        path = tmp_path / name
        path.write_bytes(content)
        assert detect_table(path, kind) == table, name


FOOD = (
    b"Id,ProductId,UserId,ProfileName,HelpfulnessNumerator,HelpfulnessDenominator,Score,Time,"
    b"Summary,Text\n"
)


def stage_food(folder: Path, content: bytes, **options: Any) -> Result:
    return stage(
        folder, FOOD + content, adapter=get_adapter("finefood"), name="Reviews{}.csv", **options
    )


def test_csv_record_may_hold_commas_quotes_and_line_breaks(tmp_path: Path) -> None:
    content = (
        b'1,P1,U1,Ann Lee,1,2,5,1303862400,"He said ""no""","One,\r\ntwo\nthree"\r\n'
        b"2,P2,U2,Bo,0,0,4,1303862400,ok,fine\r\n"
    )
    result = stage_food(tmp_path, content)
    assert [(row["line"], row["title"], row["text"]) for row in result.rows] == [
        (2, 'He said "no"', "One,\r\ntwo\nthree"),
        (5, "ok", "fine"),
    ]


def test_stray_quote_costs_its_own_line_only(tmp_path: Path) -> None:
    good = [b"%d,P1,U%d,Bo,0,0,4,1303862400,ok,fine\n" % (at, at) for at in range(1, 8)]
    for stray in (
        b'3,P1,U3,Bo,0,0,4,1303862400,a 5" drum,fine\n',
        b'3,P1,U3,Bo,0,0,4,1303862400,"ok,x\n',
    ):
        result = stage_food(tmp_path, b"".join([*good[:2], stray, *good[3:]]))
        assert [row["line"] for row in result.rows] == [2, 3, 5, 6, 7, 8]
        assert result.refused[0]["line"] == 4
        assert result.staged.rows_read == 7


def test_two_stray_quotes_do_not_swallow_what_lies_between(tmp_path: Path) -> None:
    good = [b"%d,P1,U%d,Bo,0,0,4,1303862400,ok,fine\n" % (at, at) for at in range(1, 5)]
    stray = b'9,P1,U9,Bo,0,0,4,1303862400,"broken,fine\n'
    result = stage_food(tmp_path, good[0] + stray + good[1] + good[2] + stray + good[3])
    assert [row["line"] for row in result.rows] == [2, 4, 5, 7]
    assert [row["line"] for row in result.refused] == [3, 6]


def test_csv_line_of_the_wrong_width_is_refused_without_the_name(tmp_path: Path) -> None:
    content = (
        b"1,P1,U1,Bo,0,0,4,1303862400,ok,fine\n"
        b"2,P1,U2,Ann Lee,0,0\n"
        b"3,P1,U3,Ann Lee,0,0,9,1303862400,ok,fine\n"
        b"4,P1,U4,Ann \xff Lee,0,0,9,1303862400,ok,fine\n"
        b"5,P1,U5,Ann\0Lee,0,0,9,1303862400,ok,fine\n"
        b"6,P1,U6,Ann Lee,0,0,9,1303862400,ok,fine,more\n"
    )
    result = stage_food(tmp_path, content)
    reasons = [row["reason"] for row in result.refused]
    assert reasons[0] == "wrong number of fields: 6, the header has 10"
    assert reasons[1].startswith("rating out of range: 9")
    assert reasons[2].startswith("not valid UTF-8")
    assert reasons[3].startswith("NUL bytes")
    assert not any("Ann" in row["raw_text"] for row in result.refused)
    assert all("[hidden]" in row["raw_text"] for row in result.refused)


def test_long_csv_record_is_refused_and_the_rest_is_read(tmp_path: Path) -> None:
    rows = b'1,P1,U1,Bo,0,0,4,1303862400,ok,"' + b"x\n" * 60_000 + b'"\n'
    result = stage_food(
        tmp_path, rows + b"2,P1,U2,Bo,0,0,4,1303862400,ok,fine\n", max_line_bytes=50_000
    )
    assert result.rows[0]["user_id"] == "U2"
    assert result.staged.rows_read == result.staged.rows_quarantined + 1


def test_a_csv_record_whose_one_text_is_too_long_is_refused_without_the_name(
    tmp_path: Path,
) -> None:
    csv.field_size_limit(131_072)  # of a process that has read nothing yet
    good = b"2,P1,U2,Bo,0,0,4,1303862400,ok,fine\n"
    for text in (b"x" * 300_000, b"\xff" * 300_000):
        row = b"1,P1,U1,Ann Lee,0,0,4,1303862400,ok," + text + b"\n"
        result = stage_food(tmp_path, row + good, max_line_bytes=150_000)
        assert [row["user_id"] for row in result.rows] == ["U2"]
        assert result.reason.startswith("line too long")
        assert "Ann" not in result.refused[0]["raw_text"]


def test_text_longer_than_the_usual_limit_of_csv_fields_is_read(tmp_path: Path) -> None:
    text = b"x" * 300_000
    result = stage_food(
        tmp_path, b"1,P1,U1,Bo,0,0,4,1303862400,ok," + text + b"\n", max_line_bytes=1_000_000
    )
    assert len(result.rows[0]["text"]) == 300_000


def test_truncated_gzip_of_csv_is_refused(tmp_path: Path) -> None:
    rows = b"".join(
        b"%d,P1,U%d,Bo,0,0,4,1303862400,ok,fine %d\n" % (n, n, n**5) for n in range(5000)
    )
    packed = gzip.compress(FOOD + rows)
    with pytest.raises(InputError, match="is not whole: the gzip stream is cut short"):
        stage(
            tmp_path,
            packed[: len(packed) // 2],
            adapter=get_adapter("finefood"),
            name="Reviews{}.csv.gz",
        )


def test_review_in_amazon_columns_may_come_as_csv(tmp_path: Path) -> None:
    content = (
        b"reviewerID,asin,reviewerName,helpful,reviewText,overall,summary,unixReviewTime,reviewTime\n"
        b'A1,B1,Ann,"[0, 1]",Good.,5.0,Nice,1393545600,"02 28, 2014"\n'
        b'A2,B1,Ann,"[0, 1]",Good.,5.0,Nice,,"02 28, 2014"\n'
    )
    result = stage(tmp_path, content, adapter=get_adapter("amazon-2014"), name="r{}.csv")
    assert [row["total_votes"] for row in result.rows] == [1, 1]
    assert {row["event_date"] for row in result.rows} == {date(2014, 2, 28)}


def test_rows_of_a_gift_card_file_equal_a_plain_reading_of_it(tmp_path: Path) -> None:
    """Independent reading, row by row, of a real file."""
    path = find_data("amazon_gift_cards/Gift_Cards_5.json")
    result = stage_paths(tmp_path, [path], adapter=get_adapter("amazon-2018"), mask_contacts=False)
    plain = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    expected = Counter(
        (
            row["reviewerID"],
            row["asin"],
            datetime.fromtimestamp(row["unixReviewTime"], UTC),
            float(row["overall"]),
            row.get("summary"),
            row.get("reviewText") or "",
            int(row["vote"].replace(",", "")) if "vote" in row else None,
            row.get("verified"),
        )
        for row in plain
    )
    names = [
        "user_id",
        "item_id",
        "reviewed_at",
        "rating",
        "title",
        "text",
        "helpful_votes",
        "is_verified",
    ]
    assert Counter(tuple(row[name] for name in names) for row in result.rows) == expected
