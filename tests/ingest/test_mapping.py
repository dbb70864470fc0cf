"""The mapping source: any table, by a TOML file; mistakes in it are named."""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.ingest.adapters import Adapter, detect_table, get_adapter
from tasks.platform.errors import ConfigError, InputError, SchemaError, TooManyBadRowsError
from tests.ingest.staging import stage, stage_paths

REVIEWS = """
[reviews]
user_id = "who"
item_id = "what/part"
reviewed_at = "when"
rating = "stars"
text = "the text"
title = "head"
is_verified = "ok"
helpful_votes = "up"
"""


def write_mapping(folder: Path, text: str) -> Path:
    path = folder / "mapping.toml"
    path.write_text(text, encoding="utf-8")
    return path


def read(folder: Path, text: str) -> Adapter:
    return get_adapter("mapping", mapping_path=write_mapping(folder, text))


def test_json_lines_are_mapped_whatever_their_columns_are_called(tmp_path: Path) -> None:
    adapter = read(tmp_path, REVIEWS)
    row = {
        "who": 17,
        "what/part": "i~1",
        "when": "2024-03-01",
        "stars": "4",
        "the text": "Good.",
        "head": None,
        "ok": "no",
        "up": 3,
    }
    result = stage(tmp_path, json.dumps(row).encode(), adapter=adapter)
    (found,) = result.rows
    assert (found["user_id"], found["item_id"], found["rating"]) == ("17", "i~1", 4.0)
    assert (found["is_verified"], found["helpful_votes"], found["title"]) == (False, 3, None)
    assert not result.staged.drift


def test_columns_with_signs_of_json_pointers_are_only_names(tmp_path: Path) -> None:
    text = '[users]\nuser_id = "a~1b"\nfeatures = ["~0", "x/y", "$.z"]\n'
    row = {"a~1b": "u", "a/b": "wrong", "~0": 1, "~": 2, "x/y": 3, "x": {"y": 4}, "$.z": 5}
    result = stage(
        tmp_path,
        json.dumps(row).encode(),
        adapter=read(tmp_path, text),
        table="users",
        name="u{}.jsonl",
    )
    assert result.rows[0]["user_id"] == "u"
    assert json.loads(result.rows[0]["features"]) == {"~0": 1, "x/y": 3, "$.z": 5}


def test_csv_with_its_own_delimiter_and_time_format_is_mapped(tmp_path: Path) -> None:
    text = 'delimiter = ";"\n' + REVIEWS + 'timestamp_format = "%d.%m.%Y %H:%M"\n'
    content = "who;what/part;when;stars;the text;extra\nu;i;01.03.2024 10:30;5;Größe, ok;x\n"
    content += "u;i;2024-03-01;5;bad;x\nu;i;;5;none;x\n"
    result = stage(tmp_path, content.encode(), adapter=read(tmp_path, text), name="r{}.csv")
    assert result.rows[0]["reviewed_at"] == datetime(2024, 3, 1, 10, 30, tzinfo=UTC)
    assert [row["reason"] for row in result.refused] == [
        "reviewed_at is not a time: 2024-03-01",
        "missing reviewed_at: every row needs one",
    ]
    assert any("'head' is missing" in sentence for sentence in result.staged.drift)


def test_a_file_parted_by_another_sign_is_refused_with_the_line_that_mends_it(
    tmp_path: Path,
) -> None:
    content = b"who;what/part;when;stars\nu;i;2024-03-01;5\n"
    with pytest.raises(SchemaError, match=r'parted by \';\' .* write delimiter = ";" at the top'):
        stage(tmp_path, content, adapter=read(tmp_path, REVIEWS), name="r{}.csv")


def test_a_file_in_another_encoding_is_refused_with_what_to_do(tmp_path: Path) -> None:
    content = b"who,what/part,when,stars,head\n" + b"u,i,2024-03-01,5,caf\xe9\n" * 30
    with pytest.raises(TooManyBadRowsError, match=r"None of the file .* save the file as UTF-8"):
        stage(
            tmp_path,
            content,
            adapter=read(tmp_path, REVIEWS),
            name="r{}.csv",
            max_bad_share=0.1,
        )


def test_a_header_in_another_encoding_is_refused_with_what_to_do(tmp_path: Path) -> None:
    content = b"who,what/part,when,stars,t\xeate\nu,i,2024-03-01,5,x\n"
    with pytest.raises(InputError, match=r"header of 'r.csv' .*0xea.*; save the file as UTF-8$"):
        stage(tmp_path, content, adapter=read(tmp_path, REVIEWS), name="r{}.csv")


@pytest.mark.parametrize(
    "content", [b'[{"who": "u"}, {"who": "v"}]', b'[\n {\n  "who": "u"\n }\n]', b"who,stars\nu,5\n"]
)
def test_a_file_that_is_no_json_lines_is_refused_with_what_to_do(
    tmp_path: Path, content: bytes
) -> None:
    with pytest.raises(
        TooManyBadRowsError, match=r"write one JSON object a line, .* call it \.csv"
    ):
        stage(
            tmp_path, content, adapter=read(tmp_path, REVIEWS), name="r{}.json", max_bad_share=0.1
        )


def test_lines_that_end_in_a_carriage_return_alone_are_told(tmp_path: Path) -> None:
    content = b"who,what/part,when,stars\ru,i,2024-03-01,5\r"
    with pytest.raises(InputError, match=r"header of 'r.csv' .* carriage return alone"):
        stage(tmp_path, content, adapter=read(tmp_path, REVIEWS), name="r{}.csv")


def test_a_column_that_the_mapping_leaves_out_is_no_news(tmp_path: Path) -> None:
    content = "who,what/part,when,stars,the text,head,ok,up,extra\nu,i,2024-03-01,5,good,h,1,2,x\n"
    result = stage(tmp_path, content.encode(), adapter=read(tmp_path, REVIEWS), name="r{}.csv")
    assert len(result.rows) == 1
    assert result.staged.drift == ()


@pytest.mark.parametrize(
    ("layout", "value"),
    [
        ('timestamp_unit = "s"', "1709287200"),
        ('timestamp_unit = "ms"', "1709287200000"),
        ('timestamp_unit = "us"', "1709287200000000"),
        ('timestamp_unit = "ns"', "1709287200000000000"),
        ('timestamp_unit = "auto"', "1709287200000000000"),
        ("", "1709287200"),
        ("", "2024-03-01 10:00:00"),
        ("", "2024-03-01T12:00:00+02:00"),
        ("", " 2024-03-01 10:00 "),
        ("", "\t2024-03-01T10:00:00Z"),
        ("", "2024-03-01T10:00:00z"),
        ("", "2024-03-01t10:00:00.000z"),
        ("", "2024-03-01T12:00:00 +02:00"),
        ("", "2024-03-01T12:00:00 +0200"),
        ("", "20240301T100000Z"),
        ("", "20240301T120000+0200"),
        ("", "20240301T100000"),
        ('timestamp_format = "%d.%m.%Y %H"', " 01.03.2024 10 "),
        ('timestamp_format = "%Y%m%d %H"', "20240301 10"),
        ('timestamp_format = "%d/%m/%Y %H:%M %z"', "01/03/2024 12:00 +0200"),
    ],
)
def test_times_are_read_in_every_unit_and_format(tmp_path: Path, layout: str, value: str) -> None:
    content = f"who,what/part,when,stars\nu,i,{value},5\n".encode()
    result = stage(tmp_path, content, adapter=read(tmp_path, REVIEWS + layout), name="r{}.csv")
    assert not result.refused
    assert result.rows[0]["reviewed_at"] == datetime(2024, 3, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("20240301", 'read as seconds since 1970: for a date set timestamp_format = "%Y%m%d"'),
        ("45352", "read as seconds since 1970: if it is not that, set timestamp_unit"),
        ("1970-08-23", "reviewed_at too early: 1970-08-23 is before 1990-01-01"),
        ("20240230T100000Z", "reviewed_at is not a time: 20240230T100000Z"),
        ("2024-03-01T25:00:00z", "reviewed_at is not a time"),
    ],
)
def test_a_refused_time_says_how_it_was_read(tmp_path: Path, value: str, words: str) -> None:
    content = f"who,what/part,when,stars\nu,i,{value},5\n".encode()
    result = stage(tmp_path, content, adapter=read(tmp_path, REVIEWS), name="r{}.csv")
    assert words in result.reason
    assert words.startswith("read as") or "seconds" not in result.reason


def test_parquet_of_any_column_types_is_mapped(tmp_path: Path) -> None:
    zone = timezone(timedelta(hours=2))
    when = [datetime(2024, 3, 1, 12, tzinfo=zone), datetime(2024, 3, 2, 1, tzinfo=zone), None]
    table = pa.table(
        {
            "who": pa.array([1, 2, 3]),
            "what/part": pa.array(["a", "b", "c"]).dictionary_encode(),
            "when": pa.array(when, pa.timestamp("ns", "+02:00")),
            "stars": pa.array([Decimal("4.5"), Decimal("5.0"), Decimal("3.0")]),
            "the text": pa.array([b"bytes", None, b"x"]),
            "head": pa.array([["a", "b"], None, []]),
            "ok": pa.array([True, None, False]),
            "unused": pa.array([{"a": 1}] * 3),
        }
    )
    path = tmp_path / "r.parquet"
    pq.write_table(table, path)
    result = stage_paths(tmp_path, [path], adapter=read(tmp_path, REVIEWS))
    first, second = result.rows
    assert first["reviewed_at"] == datetime(2024, 3, 1, 10, tzinfo=UTC)
    assert second["event_date"] == date(2024, 3, 1)
    assert (first["rating"], first["text"], first["title"]) == (4.5, "bytes", '["a", "b"]')
    assert (second["text"], second["is_verified"], first["is_verified"]) == ("", None, True)
    assert result.refused[0]["line"] == 3
    assert json.loads(result.refused[0]["raw_text"])["who"] == "3"


def test_ids_of_parquet_may_be_uuids_or_bytes_of_one_length(tmp_path: Path) -> None:
    one = UUID("20946ad4-87eb-41b9-a60a-dcaee106e407")
    table = pa.table(
        {
            "who": pa.ExtensionArray.from_storage(
                pa.uuid(), pa.array([one.bytes, None], pa.binary(16))
            ),
            "what/part": pa.array([b"ab\xff", b"abc"], pa.binary(3)),
            "when": pa.array([datetime(2024, 3, 1)] * 2),
            "stars": [5, 4],
        }
    )
    path = tmp_path / "r.parquet"
    pq.write_table(table, path)
    result = stage_paths(tmp_path, [path], adapter=read(tmp_path, REVIEWS))
    assert [(row["user_id"], row["item_id"]) for row in result.rows] == [(str(one), "ab\\xff")]
    assert result.reason == "missing user_id: every row needs one"


@pytest.mark.parametrize("kind", [pa.date32(), pa.timestamp("s"), pa.timestamp("us", "UTC")])
def test_parquet_times_of_every_kind_are_utc(tmp_path: Path, kind: pa.DataType) -> None:
    day = pa.array([datetime(2024, 3, 1)]).cast(pa.timestamp("us"))
    when = day.cast(kind) if not getattr(kind, "tz", None) else day.cast(pa.int64()).cast(kind)
    table = pa.table({"who": ["u"], "what/part": ["i"], "when": when, "stars": [5.0]})
    path = tmp_path / "r.parquet"
    pq.write_table(table, path)
    result = stage_paths(tmp_path, [path], adapter=read(tmp_path, REVIEWS))
    assert result.rows[0]["reviewed_at"] == datetime(2024, 3, 1, tzinfo=UTC)


def test_damaged_or_false_parquet_is_a_clear_error(tmp_path: Path) -> None:
    adapter = read(tmp_path, REVIEWS)
    path = tmp_path / "r.parquet"
    for content in (b"", b"PAR1 no more", b"who,when\n"):
        path.write_bytes(content)
        with pytest.raises(InputError, match="not a whole Parquet file"):
            stage_paths(tmp_path, [path], adapter=adapter)


def test_table_without_a_mapped_required_column_says_what_it_found(tmp_path: Path) -> None:
    adapter = read(tmp_path, REVIEWS)
    with pytest.raises(
        SchemaError, match=r"rating from 'stars'\. Found: who, what/part|Found: what"
    ):
        stage(tmp_path, b"who,what/part,when\nu,i,1\n", adapter=adapter, name="r{}.csv")


def test_exposures_pack_columns_into_their_context(tmp_path: Path) -> None:
    text = """
[exposures]
user_id = "u"
item_id = "i"
exposed_at = "t"
is_clicked = "click"
propensity = "p"
context = ["hour", "device", "odd\\"name"]
"""
    content = b'u,i,t,click,p,hour,device,"odd""name"\nu,i,2024-03-01,1,0.5,7,phone,"a ""b"""\n'
    content += b"u,j,2024-03-01,0,0.5,007,,1e999\n"
    result = stage(
        tmp_path, content, adapter=read(tmp_path, text), table="exposures", name="e{}.csv"
    )
    contexts = [json.loads(row["context"]) for row in result.rows]
    assert contexts == [
        {"hour": 7, "device": "phone", 'odd"name': 'a "b"'},
        {"hour": "007", "device": None, 'odd"name': "1e999"},
    ]
    assert [row["is_clicked"] for row in result.rows] == [True, False]


def test_a_column_of_the_context_that_a_file_lacks_is_told(tmp_path: Path) -> None:
    text = """
[exposures]
user_id = "u"
item_id = "i"
exposed_at = "t"
is_clicked = "click"
context = ["hour", "device"]
"""
    adapter = read(tmp_path, text)
    told = "optional column 'hour' is missing from {}: its values are empty"
    content = b"u,i,t,click,device\nu,i,2024-03-01,1,phone\n"
    result = stage(tmp_path, content, adapter=adapter, table="exposures", name="e{}.csv")
    assert result.staged.drift == (told.format("e.csv"),)
    line = b'{"u": "u", "i": "i", "t": "2024-03-01", "click": 1, "device": "phone"}\n'
    result = stage(tmp_path, line, adapter=adapter, table="exposures", name="e{}.jsonl")
    assert result.staged.drift == (told.format("e.jsonl"),)


def test_users_pack_columns_into_their_features(tmp_path: Path) -> None:
    text = '[users]\nuser_id = "u"\nfeatures = ["age", "group"]\n[items]\nitem_id = "i"\n'
    adapter = read(tmp_path, text)
    content = b'{"u": "a", "age": 30, "group": "x"}\n{"u": "b", "age": null}\n'
    result = stage(tmp_path, content, adapter=adapter, table="users", name="u{}.jsonl")
    assert [json.loads(row["features"]) for row in result.rows] == [
        {"age": 30, "group": "x"},
        {"age": None, "group": None},
    ]
    assert detect_table(tmp_path / "u.jsonl", "mapping", tmp_path / "mapping.toml") == "users"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no table"),
        ("[reviews", "not valid TOML"),
        ("[reviews]\nuser_id = 'u'\n", "needs item_id, reviewed_at, rating"),
        ("[ratings]\nuser_id = 'u'\n", "unknown 'ratings'"),
        ("reviews = 3\n", "must be a table"),
        (REVIEWS + "colour = 'c'\n", "no field 'colour'"),
        (REVIEWS + "total_votes = 3\n", "must be the name of a column"),
        (REVIEWS + "total_votes = ' '\n", "must be the name of a column"),
        (REVIEWS + "timestamp_unit = 'h'\n", "timestamp_unit is 'h'"),
        (REVIEWS + "timestamp_format = '%Q'\n", "timestamp_format is '%Q'"),
        (REVIEWS + "timestamp_format = 'Y-m-d'\n", "timestamp_format"),
        (REVIEWS + "timestamp_unit = 's'\ntimestamp_format = '%Y'\n", "keep one"),
        ("delimiter = 'ab'\n" + REVIEWS, "delimiter must be one character"),
        ("[items]\nitem_id = 'i'\ntimestamp_unit = 's'\n", "holds no times"),
        ("[users]\nuser_id = 'u'\nfeatures = []\n", "a column or a list of columns"),
        ("[users]\nuser_id = 'u'\nfeatures = [1]\n", "a column or a list of columns"),
    ],
)
def test_mistake_in_a_mapping_is_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read(tmp_path, text)


def test_mapping_file_must_be_there_and_only_for_mappings(tmp_path: Path) -> None:
    path = write_mapping(tmp_path, REVIEWS)
    with pytest.raises(ConfigError, match="cannot be read"):
        get_adapter("mapping", mapping_path=tmp_path / "gone.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        get_adapter("mapping", mapping_path=tmp_path)
    with pytest.raises(ConfigError, match="needs a TOML file"):
        get_adapter("mapping")
    with pytest.raises(ConfigError, match="knows its columns"):
        get_adapter("finefood", mapping_path=path)
    with pytest.raises(ConfigError, match="unknown kind of source 'amazon'"):
        get_adapter("amazon")


@pytest.mark.parametrize(("column", "key"), [("who", b"key"), ("user_name", None)])
def test_refused_rows_of_parquet_show_neither_user_ids_under_a_key_nor_names(
    tmp_path: Path, column: str, key: bytes | None
) -> None:
    adapter = read(tmp_path, REVIEWS.replace('"who"', f'"{column}"'))
    cells = {column: "secret-user", "what/part": "i", "when": "0", "stars": "9", "head": None}
    path = tmp_path / "r.parquet"
    pq.write_table(pa.Table.from_pylist([cells]), path)
    (row,) = stage_paths(tmp_path, [path], adapter=adapter, user_id_key=key).refused
    assert json.loads(row["raw_text"]) == {**cells, column: "[hidden]"}


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_column_that_is_read_and_there_twice_is_refused_and_others_may_be(
    tmp_path: Path, suffix: str
) -> None:
    adapter, path = read(tmp_path, REVIEWS), tmp_path / f"r{suffix}"

    def write(names: str, cells: str) -> None:
        path.write_text(f"{names}\n{cells}\n")
        if suffix == ".parquet":
            arrays = [pa.array([cell]) for cell in cells.split(",")]
            pq.write_table(pa.Table.from_arrays(arrays, names=names.split(",")), path)

    write("who,what/part,when,stars,stars", "u,i,2024-03-01,1,5")
    with pytest.raises(SchemaError, match="more than one column called 'stars'"):
        stage_paths(tmp_path, [path], adapter=adapter)
    write("who,what/part,when,stars,spare,spare", "u,i,2024-03-01,5,a,b")
    assert stage_paths(tmp_path, [path], adapter=adapter).rows[0]["rating"] == 5


def test_features_that_are_numbers_are_packed_as_numbers_and_blanks_as_nothing(
    tmp_path: Path,
) -> None:
    adapter = read(
        tmp_path, 'delimiter = ";"\n[users]\nuser_id = "who"\nfeatures = ["age", "city"]'
    )
    ages = ["31", "", " ", "12,50", "1.299,00", ".5", " 7 ", "NaN", "007", "18-25", "1,2,3"]
    lines = ["who;age;city", *(f"u{at};{age};Rome" for at, age in enumerate(ages))]
    result = stage(
        tmp_path, "\n".join(lines).encode(), adapter=adapter, table="users", name="u{}.csv"
    )
    found = [json.loads(row["features"]) for row in result.rows]
    assert [one["age"] for one in found] == [
        31, None, None, 12.5, 1299, 0.5, 7, None, "007", "18-25", "1,2,3",
    ]  # fmt: skip
    assert {one["city"] for one in found} == {"Rome"}


def test_a_row_of_parquet_whose_text_is_not_utf8_is_refused_and_others_are_read(
    tmp_path: Path,
) -> None:
    texts = [b"fine", b"caf\xe9", b"\xe9", None]
    rows = {"who": ["u", "v", "w", "x"], "what/part": ["i"] * 4, "when": ["2024-03-01"] * 4}
    columns = {name: pa.array(cells) for name, cells in (rows | {"stars": [5] * 4}).items()}
    validity, offsets, data = pa.array(texts, pa.binary()).buffers()
    columns["the text"] = pa.StringArray.from_buffers(4, offsets, data, validity)
    path = tmp_path / "r.parquet"
    pq.write_table(pa.table(columns), path)
    result = stage_paths(
        tmp_path, [path], adapter=read(tmp_path, REVIEWS), user_id_key=b"key", max_bad_share=0.5
    )
    assert [row["text"] for row in result.rows] == ["fine", ""]
    assert [row["line"] for row in result.refused] == [2, 3]
    first = result.refused[0]
    assert first["reason"] == "not valid UTF-8: byte 0xe9 in 'the text'"
    assert json.loads(first["raw_text"])["the text"] == "caf\\xe9"
    assert json.loads(first["raw_text"])["who"] == "[hidden]"
