"""Files of texts and of labels, brought together."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from flows.desk.reading import (
    find_drivers,
    find_repeated_texts,
    read_gold,
    weigh_copies,
    widen_readings,
)
from flows.desk.texts import list_reviews, read_texts
from tasks.platform.errors import ConfigError, InputError

REVIEWS = pl.DataFrame({"id": ["a", "b", "c"], "body": ["good food", "bad food", "hm"]})


def write(path: Path, frame: pl.DataFrame) -> str:
    frame.write_csv(path)
    return str(path)


@pytest.mark.parametrize(
    "keys",
    [{"review_id": ["c", "a"]}, {"id": ["c", "a"]}, {"row": [2, 0]}, {"row": ["2.0", "0.0"]}],
)
def test_labels_find_their_reviews_by_id_or_row(tmp_path: Path, keys: dict[str, list[str]]) -> None:
    path = write(tmp_path / "g.csv", pl.DataFrame({**keys, "Food": ["Negative", "Positive"]}))
    gold = read_gold(path, REVIEWS, ["food"])
    assert gold["row"].to_list() == [2, 0]
    assert gold["whyrec__food"].to_list() == ["Negative", "Positive"]


@pytest.mark.parametrize("blank", [" ", "_"])
def test_a_column_of_labels_without_a_name_is_passed_over(tmp_path: Path, blank: str) -> None:
    frame = pl.DataFrame({"row": [0, 1], blank: ["x", "y"], "Food": ["Positive", "Negative"]})
    gold = read_gold(write(tmp_path / "g.csv", frame), REVIEWS, ["food"])
    assert gold["whyrec__food"].to_list() == ["Positive", "Negative"]


def test_a_review_id_is_a_row_number_where_the_reviews_have_no_ids(tmp_path: Path) -> None:
    path = write(tmp_path / "g.csv", pl.DataFrame({"review_id": [1, 2], "food": ["", "unknown"]}))
    assert read_gold(path, REVIEWS.drop("id"), ["food"])["row"].to_list() == [1, 2]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"review_id": ["a", "z"], "food": ["Positive"] * 2}, "1 of the 2 labelled.*such as 'z'"),
        ({"review_id": ["a", "a"], "food": ["Positive"] * 2}, "'a' is labelled more than once"),
        ({"review_id": ["a"], "service": ["Positive"]}, "no column 'food'; .*g.csv has review_id"),
        ({"food": ["Positive"]}, "no column review_id and none called row"),
        ({"row": [0], "food": ["n/a?"]}, r"^food holds \['n/a\?'\]; allowed are Positive"),
    ],
)
def test_labels_that_cannot_be_joined_are_refused(
    tmp_path: Path, labels: dict[str, list[str]], message: str
) -> None:
    path = write(tmp_path / "g.csv", pl.DataFrame(labels))
    with pytest.raises(InputError, match=message):
        read_gold(path, REVIEWS, ["food"])


def test_copies_of_a_review_are_one_and_short_ones_are_alike_by_chance() -> None:
    long = "The battery holds for days, and nobody complains."
    frame = pl.DataFrame({
        "body": [long, "Great!", f"  {long.upper()}!", "Great!", long, None], "stars": [5, 5, 5, 5, 4, 5],
    })  # fmt: skip
    copies = find_repeated_texts(frame)
    assert copies is not None
    assert copies.to_list() == [0, 1, 0, 3, 4, 5], "another rating is another review"
    ((verdict, said),) = weigh_copies(copies, None)
    assert verdict == "credible"
    assert said.startswith("1 rows repeat another's")
    assert find_repeated_texts(frame[1:4]) is None


def test_copies_of_other_clusters_speak_against_an_effect_and_those_of_its_own_do_not() -> None:
    copies = pl.Series([0, 1, 2, 3] * 10)
    by_time = pl.Series("user", [n // 4 for n in range(40)])
    ((verdict, said),) = weigh_copies(copies, by_time)
    assert verdict == "weak"
    assert said.startswith("40 of 40 rows (100%) repeat text and outcome of a row of another user")
    assert weigh_copies(copies, pl.Series("user", [f"u{n % 4}" for n in range(40)])) == []
    few = pl.Series([0, *range(39)])
    assert weigh_copies(few, pl.Series("user", range(40))) == [], "a pair of 40 rows"


def test_copies_of_all_reviews_do_not_multiply_the_evidence(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    said = ["The food was delicious", "The food was awful and cold", "We sat by the window"]
    rows = [
        {
            "body": f"{said[n % 3]}; we were there on the day number {n}.",
            "stars": float(rng.normal((5, 3, 4)[n % 3])),
            "x": float(rng.normal()),
        }
        for n in range(120)
    ]
    found = {}
    for times in (1, 4):
        path = tmp_path / f"{times}.csv"
        copied = [{**row, "shop": f"s{time}"} for time in range(times) for row in rows]
        pl.DataFrame(copied).with_row_index("order").write_csv(path)
        for cluster in (None, "order"):
            answer = find_drivers(
                str(path), text="body", outcome="stars", attributes=["food"], cluster=cluster,
                controls=["x", "shop"], gold=None, config=None,
            )  # fmt: skip
            found[times, cluster] = answer["drivers"][0]
    once, copied, apart = found[1, None], found[4, None], found[4, "order"]
    assert copied["std_error"] > 0.85 * once["std_error"]
    assert apart["std_error"] < 0.6 * once["std_error"]
    assert [row["verdict"] for row in (once, copied, apart)] == ["credible", "credible", "weak"]
    assert any("360 rows repeat another's text" in reason for reason in copied["reasons"])
    assert any("of a row of another order" in reason for reason in apart["reasons"])
    assert any("misreadings draw effects towards 0" in reason for reason in once["reasons"])


@pytest.mark.parametrize(
    ("controls", "error", "said"),
    [
        (["nope"], InputError, "no column 'nope'"),
        (["x", "stars"], ConfigError, "'stars'.* named twice"),
        (["x", "x"], ConfigError, "'x'.* named twice"),
    ],
)
def test_columns_of_drivers_that_cannot_be_are_said_in_words(
    tmp_path: Path, controls: list[str], error: type[Exception], said: str
) -> None:
    rows = {"body": ["The food was good.", "The food was bad."], "stars": [5, 2], "x": [1, 2]}
    path = write(tmp_path / "r.csv", pl.DataFrame(rows))
    with pytest.raises(error, match=said):
        find_drivers(
            path, text="body", outcome="stars", attributes=["food"], controls=controls,
            cluster=None, gold=None, config=None,
        )  # fmt: skip


def test_readings_stand_beside_the_rows_that_they_were_read_from() -> None:
    rows = pl.DataFrame({
        "row": [0, 0, 1, 1, 2, 2], "attribute": ["food", "noise"] * 3,
        "is_mentioned": [True, False, True, False, False, False],
        "polarity": [1, 0, -1, 0, 0, 0], "confidence": [0.9, 0.0, 0.8, 0.0, 0.0, 0.0],
    })  # fmt: skip
    wide = widen_readings(REVIEWS, rows, ["food", "noise"])
    assert wide["id"].to_list() == ["a", "b", "c"]
    assert wide["whyrec__food"].to_list() == [1, -1, None]
    assert wide["whyrec__food__confidence"].to_list() == [0.9, 0.8, None]
    assert wide["whyrec__noise"].null_count() == 3


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        ("r.xlsx", b"PK", ConfigError, "allowed are .*[.]dta.*[.]jsonl"),
        ("r.jsonl", b'{"body": "a"}\n\n["b"]\n', InputError, "line 3 holds none: .*b"),
        ("r.csv", b"body,stars\na,1\nb,2,3\n", InputError, "line 3 has 3 fields, the header 2"),
        ("r.csv", "body,stars\na,1\n".encode("utf-16"), InputError, "UTF-16; save it as UTF-8"),
        ("r.jsonl", '{"body": "a"}'.encode("utf-16"), InputError, "UTF-16; save it as UTF-8"),
        (
            "r.csv",
            "body,n\na,1\ncaf\u00e9,2\n".encode("cp1252"),
            InputError,
            "line 3 .*0xe9.*iconv",
        ),
        ("r.tsv", "caf\u00e9\tn\na\t1\n".encode("cp1252"), InputError, "line 1 .*0xe9.*iconv"),
        ("r.jsonl", '{"body": "caf\u00e9"}'.encode("cp1252"), InputError, "line 1 .*0xe9.*iconv"),
    ],
)
def test_files_that_cannot_be_read_say_where_and_what_to_do(
    tmp_path: Path, name: str, content: bytes, error: type[Exception], message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(error, match=message):
        read_texts(str(tmp_path / name))


def test_json_lines_behind_the_mark_that_windows_sets_are_read(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_text('{"body": "fine"}\n', encoding="utf-8-sig")
    assert read_texts(str(tmp_path / "r.jsonl"))["body"].to_list() == ["fine"]


def test_a_few_stray_bytes_are_told_and_the_rest_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ["body,n", *(f"caf\u00e9 {n},{n}" for n in range(300))]
    content = "\n".join(lines).encode().replace(b"\xc3\xa9 7,", b"\xe9 7,")
    (tmp_path / "r.csv").write_bytes(content)
    texts = read_texts(str(tmp_path / "r.csv"))["body"].to_list()
    assert texts[6:8] == ["caf\u00e9 6", "caf\ufffd 7"]
    said = capsys.readouterr().err
    assert "1 of 301 lines of " in said
    assert "(the first: line 9, byte 0xe9)" in said
    (tmp_path / "r.jsonl").write_bytes(b'{"body": "a"}\n' * 300 + b'{"body": "\xe9"}\n')
    with pytest.raises(InputError, match=r"line 301 .*0xe9.*iconv"):
        read_texts(str(tmp_path / "r.jsonl"))


def test_a_sign_that_stands_for_letters_lost_before_is_read_like_any_other(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("body,n\ncaf\ufffd,1\n", encoding="utf-8")
    assert read_texts(str(tmp_path / "r.csv"))["body"].to_list() == ["caf\ufffd"]
    (tmp_path / "r.csv").write_text("n\n1\n", encoding="utf-8")
    assert read_texts(str(tmp_path / "r.csv")).height == 1


def test_a_column_without_texts_is_refused() -> None:
    frame = pl.DataFrame({"tags": [["a", "b"]], "stars": [5], "flag": [True], "body": ["good"]})
    for name in ("tags", "stars", "flag"):
        with pytest.raises(InputError, match=f"column {name} holds .* and no texts"):
            list_reviews(frame, name)
    assert list_reviews(frame, "body") == [("0", "good")]
