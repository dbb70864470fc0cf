"""Properties: whatever is delivered, every row is staged, a duplicate, or quarantined.

The reference sorts lines one by one in plain Python, knowing how each was made.
"""

import gzip
import json
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.ingest.adapters import get_adapter
from tasks.ingest.files import iter_blocks
from tasks.ingest.lines import iter_chunks, make_line_batch
from tasks.ingest.records import iter_records
from tasks.platform.errors import InputError, SchemaError, TooManyBadRowsError
from tests.ingest.staging import GOOD, Result, make_line, read_refused, stage

FEW = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
"""A staging takes some 200 ms, however few its rows: DuckDB is opened for each."""
FEWER = settings(FEW, max_examples=20)
"""For what is told by the row: half the files, of about twice the rows."""
MANY = settings(max_examples=300, deadline=None)

BAD = (
    b"{broken\n",
    b"[]\n",
    b"\xff\xfe\n",
    b'"\\ud800"\n',
    make_line(rating=7),
    make_line(user_id=None),
    make_line(reviewed_at="2100-01-01"),
    make_line(text=[1]),
    make_line(text="x" * 3000),
    b'{"rating": 1e400, "user_id": "\x00"}\n',
)
BLANK = (b"\n", b" \t\r\n")

good_rows = st.builds(
    lambda user, text, rating: make_line(user_id=user, text=text, rating=rating),
    user=st.sampled_from(["u1", "u2", "ü3"]),
    text=st.sampled_from(["", "one", "two \U0001f600", "line\nbreak"]),
    rating=st.integers(1, 5),
)
line = st.one_of(
    good_rows.map(lambda line: ("good", line)),
    st.sampled_from(BAD).map(lambda line: ("bad", line)),
    st.sampled_from(BLANK).map(lambda line: ("blank", line)),
)


def stage_anywhere(*contents: bytes, name: str = "r{}.jsonl", kind: str = "sample") -> Result:
    with tempfile.TemporaryDirectory() as folder:
        return stage(
            Path(folder), *contents, name=name, adapter=get_adapter(kind), max_line_bytes=2000
        )


@pytest.mark.slow
@FEWER
@given(st.lists(line, max_size=40), st.lists(line, min_size=8, max_size=40))
def test_mixture_of_lines_is_sorted_as_a_plain_reading_sorts_it(
    first: list[tuple[str, bytes]], second: list[tuple[str, bytes]]
) -> None:
    anchor = ("good", make_line(user_id="anchor"))
    files = [[anchor, *first], [anchor, *second]]
    kept: dict[str, tuple[int, int, tuple[int, str]]] = {}
    duplicates, refused = 0, []
    repeated: dict[str, list[tuple[int, int, tuple[int, str]]]] = {}
    for file, rows in enumerate(files):
        for line, (kind, raw) in enumerate(rows, start=1):
            if kind == "good":
                row = json.loads(raw)
                said = (row["rating"], row["text"])
                repeated.setdefault(row["user_id"], []).append((file, line, said))
            elif kind == "bad":
                refused.append((file, line))
    for key, found in repeated.items():
        kept[key] = found[-1]
        duplicates += sum(said == found[-1][2] for _, _, said in found[:-1])
        refused += [(file, line) for file, line, said in found[:-1] if said != found[-1][2]]

    result = stage_anywhere(*(b"".join(raw for _, raw in rows) for rows in files))

    names = ["r.jsonl", "r1.jsonl"]
    assert [(names.index(row["file"]), row["line"]) for row in result.refused] == sorted(refused)
    assert [(names.index(row["file"]), row["line"]) for row in result.rows] == sorted(
        (file, line) for file, line, _ in kept.values()
    )
    staged = result.staged
    assert staged.rows_duplicate == duplicates
    assert staged.rows_read == sum(kind != "blank" for rows in files for kind, _ in rows)
    assert staged.rows_read == staged.rows_staged + duplicates + staged.rows_quarantined
    assert sum(staged.reasons.values()) == staged.rows_quarantined
    assert sum(staged.dates.values()) == staged.rows_staged == len(result.rows)


CLOSES, REFUSED = "every row is accounted for", "refused in words"
HEADER = b"Id,ProductId,UserId,ProfileName,Score,Time,Summary,Text\n"
CSV_ROW = b"1,B1,A1,somebody,5,1303862400,Fine,Good.\n"


def account(content: bytes, *, kind: str = "sample", name: str = "r{}.jsonl") -> str:
    """Stage any bytes: `CLOSES`, `REFUSED` by an error of ours, or what does not add up."""
    with tempfile.TemporaryDirectory() as folder:
        given = {"name": name, "adapter": get_adapter(kind), "max_line_bytes": 2000}
        try:
            staged = stage(Path(folder), content, **given).staged
        except (InputError, SchemaError, TooManyBadRowsError):
            return REFUSED
        refused = len(read_refused(Path(folder)))
    told = staged.rows_staged + staged.rows_duplicate + staged.rows_quarantined
    if (staged.rows_read, staged.rows_quarantined) == (told, refused):
        return CLOSES
    return f"{staged.rows_read} read, {told} told; {staged.rows_quarantined}, {refused} refused"


@pytest.mark.parametrize(
    ("content", "how"),
    [
        (make_line() * 2 + BAD[0], {}),
        (gzip.compress(make_line() * 3), {"name": "r{}.jsonl.gz"}),
        (HEADER + CSV_ROW, {"kind": "finefood", "name": "r{}.csv"}),
    ],
)
def test_what_is_whole_is_accounted_for_and_not_refused(
    content: bytes, how: dict[str, str]
) -> None:
    """So that the properties below do not hold by refusing everything."""
    assert account(content, **how) == CLOSES


pieces = st.one_of(
    st.binary(max_size=60),
    good_rows,
    st.sampled_from([b"\n", b'"', b"\x00", b"\xef\xbb\xbf", b"\r", b",", b"{", b"\\u0000", b"PK"]),
    st.sampled_from(BAD),
)
contents = st.lists(pieces, max_size=25).map(b"".join)


@FEW
@given(contents, st.booleans())
@pytest.mark.slow
def test_any_bytes_as_json_lines_are_accounted_for(content: bytes, is_packed: bool) -> None:
    assert account(gzip.compress(content) if is_packed else content) in (CLOSES, REFUSED)


@FEW
@given(contents)
@pytest.mark.slow
def test_any_bytes_as_csv_are_accounted_for(content: bytes) -> None:
    found = account(HEADER + content, kind="finefood", name="r{}.csv")
    assert found in (CLOSES, REFUSED)


@FEW
@given(contents, st.data())
def test_damaged_gzip_is_accounted_for(content: bytes, data: st.DataObject) -> None:
    packed = bytearray(gzip.compress(content + make_line() * 20))
    at = data.draw(st.integers(2, len(packed) - 1))
    if data.draw(st.booleans()):
        packed = packed[:at]
    else:
        packed[at] ^= data.draw(st.integers(1, 255))
    assert account(bytes(packed), name="r{}.jsonl.gz") in (CLOSES, REFUSED)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


@FEWER
@given(
    st.lists(
        st.dictionaries(st.sampled_from([*GOOD, "other"]), json_values).map(
            lambda changes: make_line({**GOOD, **changes})
        ),
        min_size=5,
        max_size=24,
    )
)
@pytest.mark.slow
def test_any_json_in_any_column_is_accounted_for(rows: list[bytes]) -> None:
    assert account(make_line(text="anchor") + b"".join(rows)) in (CLOSES, REFUSED)


@MANY
@given(
    st.lists(st.sampled_from([b"a", b"bb", b"\n", b"\xc3\xa9", b"\xff", b" "]), max_size=60),
    st.integers(1, 7),
    st.integers(1, 12),
)
def test_chunks_hold_every_line_once_whatever_the_blocks(
    parts: list[bytes], block: int, limit: int
) -> None:
    content = b"".join(parts)
    blocks = [content[at : at + block] for at in range(0, len(content), block)]
    found: dict[int, tuple[str, bool]] = {}
    for chunk in iter_chunks(blocks, max_line_bytes=limit):
        batch = make_line_batch(chunk, max_line_bytes=limit)
        for row in batch.to_pylist():
            assert row["line"] not in found
            found[row["line"]] = (row["raw"].rstrip("\n"), row["problem"] is not None)
    raws = dict(enumerate(content.split(b"\n"), start=1))
    is_long = {line: len(raw) + 1 > limit for line, raw in raws.items()}
    texts = {
        line: raw.decode(errors="backslashreplace")
        for line, raw in raws.items()
        if raw.strip() or (is_long[line] and line in found)
    }
    assert {line: text for line, (text, _) in found.items()} == texts
    for line, (_, is_problem) in found.items():
        assert is_problem or not (b"\xff" in raws[line] or len(raws[line]) > limit)
        assert not is_problem or b"\xff" in raws[line] or len(raws[line]) + 1 > limit


cells = st.lists(
    st.lists(st.text(st.sampled_from('ab,"\n\r é'), max_size=6), min_size=3, max_size=3),
    max_size=12,
)


@MANY
@given(cells)
def test_any_quoted_table_is_read_back(rows: list[list[str]]) -> None:
    """Written by the standard library's writer, read by ours."""
    import csv
    import io

    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(["x", "y", "z"])
    writer.writerows(rows)
    records = list(iter_records([out.getvalue().encode()], delimiter=",", max_line_bytes=10_000))
    assert [record.cells for record in records] == [["x", "y", "z"], *rows]


def test_blocks_of_a_plain_file_are_its_bytes(tmp_path: Path) -> None:
    from tasks.ingest.files import check_source

    path = tmp_path / "a.json"
    content = b"x" * 5_000_000
    path.write_bytes(content)
    counts: Counter[str] = Counter()
    blocks = iter_blocks(check_source(path), on_read=lambda n: counts.update(read=n))
    assert b"".join(blocks) == content
    assert counts["read"] == len(content)
