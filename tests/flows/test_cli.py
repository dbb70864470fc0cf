"""The command as a person meets it: what they did wrong is said in words, and nothing is lost."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import Result
from prefect.settings import PREFECT_API_URL, temporary_settings
from typer.testing import CliRunner

from flows.cli import app
from tasks.platform.settings import load_settings
from tasks.platform.site import resolve_site

GOOD = {
    "reviewerID": "u1", "asin": "i1", "helpful": [1, 2], "reviewText": "Great sound.", "overall": 5.0,
    "summary": "ok", "unixReviewTime": 1393545600, "reviewTime": "02 28, 2014",
}  # fmt: skip


pytestmark = pytest.mark.slow


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: str) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PREFECT_API_URL", server)
    with temporary_settings({PREFECT_API_URL: server}):
        yield tmp_path


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def lines(*rows: dict[str, Any] | bytes) -> bytes:
    parts = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    return b"\n".join(parts) + b"\n"


def many(count: int, **changes: Any) -> list[dict[str, Any]]:
    return [{**GOOD, "reviewerID": f"u{n}", **changes} for n in range(count)]


def read_quarantine() -> list[tuple[int, str]]:
    with resolve_site(load_settings()).warehouse.connect() as connection:
        return connection.execute(
            "SELECT line, reason FROM quarantine.reviews ORDER BY line"
        ).fetchall()


def count_reviews() -> int:
    with resolve_site(load_settings()).warehouse.connect() as connection:
        rows = connection.execute("SELECT count(*) FROM clean.reviews").fetchall()
    return int(rows[0][0])


HOSTILE = "<script>alert(1)</script> '); DROP TABLE clean.reviews; -- {{ 7*7 }} \u202e"


def test_good_and_bad_rows_are_all_accounted_for(shop: Path) -> None:
    bad = [
        b'{"broken": ',
        b'["not", "an object"]',
        lines({**GOOD, "reviewText": "x"})[:-1].replace(b"x", b"\xff\xfe"),
        b"\x00\x01\x02",
        b'{"reviewText": "' + b"a" * 6_000_000 + b'"}',
        {**GOOD, "overall": 9},
        {**GOOD, "overall": "five"},
        {**GOOD, "unixReviewTime": 4102444800, "reviewTime": "01 1, 2100"},
        {**GOOD, "unixReviewTime": 0, "reviewTime": "01 1, 1970"},
        {key: part for key, part in GOOD.items() if key != "reviewerID"},
    ]
    hostile = [{**row, "reviewText": HOSTILE, "asin": "'; DROP TABLE x; --"} for row in many(3)]
    good = [*many(120), *hostile, {**many(1)[0], "reviewerID": "extra", "new_column": 1}]
    (shop / "mixed.json").write_bytes(lines(*good, *bad, good[0]))
    result = call("import", "mixed.json", "--source", "amazon-2014", "--json")
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)["rows"]
    assert rows == {"read": 135, "published": 124, "quarantined": 10, "duplicate": 1, "held": 0}
    assert len(read_quarantine()) == 10
    assert all(reason for _, reason in read_quarantine())
    with resolve_site(load_settings()).warehouse.connect() as connection:
        texts = connection.execute(
            "SELECT count(*) FROM clean.reviews WHERE text = ?", [HOSTILE]
        ).fetchone()
    assert texts == (3,)


def test_an_import_says_why_rows_were_refused_and_how_to_see_them(shop: Path) -> None:
    assert call("tables", "quarantine.reviews", "--rows", "9").exit_code == 2
    bad = [{**GOOD, "overall": 9, "reviewText": "\x1b[2J"}, {**GOOD, "overall": "five"}]
    (shop / "a.json").write_bytes(lines(*many(50), *bad))
    said = call("import", "a.json", "--source", "amazon-2014").stdout
    assert (
        "quarantined reviews: rating is not a number (1), rating out of range (1); "
        "to see them: whyrec tables quarantine.reviews --rows 2"
    ) in said
    shown = call("tables", "quarantine.reviews", "--rows", "2").stdout
    assert "line: 51\n  reason: rating out of range: 9 is not within 1 to 5" in shown
    assert "\x1b[2J" not in shown
    assert "reason: rating is not a number: five" in shown
    (last,) = json.loads(call("tables", "quarantine.reviews", "--rows", "1", "--json").stdout)[
        "rows"
    ]["quarantine.reviews"]
    assert last["line"] == 52
    early = call("nightly", "--as-of", "1999-01-01")
    assert (early.exit_code, "lies before all data" in early.output) == (2, True), early.output


def test_importing_again_changes_nothing_and_a_corrected_file_replaces(shop: Path) -> None:
    path = shop / "a.json"
    path.write_bytes(lines(*many(20)))
    first = json.loads(call("import", "a.json", "--source", "amazon-2014", "--json").stdout)
    again = json.loads(call("import", "a.json", "--source", "amazon-2014", "--json").stdout)
    assert again["rows"] == first["rows"]
    assert again["tasks"]["ran"] == 0
    path.write_bytes(lines(*many(19), {**GOOD, "reviewerID": "u19", "overall": 1.0}))
    third = json.loads(call("import", "a.json", "--source", "amazon-2014", "--json").stdout)
    assert again["messages"] == first["messages"] == []
    assert "is replaced: 0 rows of reviews leave, 20 rows are published" in third["messages"][0]
    with resolve_site(load_settings()).warehouse.connect() as connection:
        found = connection.execute(
            "SELECT count(*), count(*) FILTER (rating = 1) FROM clean.reviews"
        ).fetchone()
    assert found == (20, 1)


def test_an_import_is_taken_back_and_comes_again_when_it_is_asked_for(shop: Path) -> None:
    (shop / "a.json").write_bytes(lines(*many(20)))
    imported = ("import", "a.json", "--source", "amazon-2014", "--json")
    call(*imported)
    named = ("withdraw", "amazon-2014", "a.json")
    planned = call(*named, "--dry-run")
    assert "would be withdrawn: 20 reviews" in planned.stdout
    document = json.loads(call(*named, "--reason", "a test", "--json").stdout)
    assert (document["rows"], document["dates"]) == ({"reviews": 20}, ["2014-02-28"])
    assert count_reviews() == 0
    again = call(*named)
    assert again.exit_code == 2
    assert "no delivery" in again.output
    assert json.loads(call(*imported).stdout)["rows"]["published"] == 20
    assert count_reviews() == 20
    assert call(*named).exit_code == 0
    assert "import its file again" in call(*named, "--undo").stdout


def test_a_truncated_gzip_is_refused_whole(shop: Path) -> None:
    whole = gzip.compress(
        lines(*[{**row, "reviewText": f"{row['reviewerID']} " * 50} for row in many(3000)])
    )
    (shop / "cut.json.gz").write_bytes(whole[: len(whole) * 2 // 3])
    result = call("import", "cut.json.gz", "--source", "amazon-2014", "--json")
    document = json.loads(result.stdout)
    assert (result.exit_code, document["rows"]["published"]) == (2, 0), result.output
    assert "'cut.json.gz' is not whole" in document["messages"][0]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("import", "absent.json", "--source", "amazon-2014"), 2, "no file"),
        (("import", ".", "--source", "amazon-2014"), 2, "folder"),
        (
            ("import", "columns.json", "--source", "amazon-2014", "--name", "My shop"),
            2,
            "write up to 63 of a-z",
        ),
        (("import", "../../../nowhere/../x.json", "--source", "amazon-2014"), 2, "no file"),
        (("import", "noise.json", "--source", "amazon-2014"), 1, "malformed"),
        (("import", "columns.json", "--source", "amazon-2014"), 1, "reviewerID"),
        (("import", "columns.json", "--source", "nonsense"), 2, ""),
        (("nightly", "--as-of", "yesterday"), 2, "is not a date"),
        (("nightly",), 2, "nothing to read"),
        (("nightly", "--as-of", "2024-03-01"), 2, "nothing to read"),
        (("nightly", "--config", "absent.toml"), 2, "no settings file"),
        (("backfill", "--start", "2024-03-02", "--end", "2024-03-01"), 2, "lies after"),
        (
            ("backfill", "--start", "0001-01-01", "--end", "9999-12-31", "--dry-run"),
            2,
            "allowed are dates from 1900-01-01 to 2199-12-31",
        ),
        (
            ("backfill", "--start", "1900-01-01", "--end", "2199-12-31", "--dry-run"),
            2,
            "109,573 nights",
        ),
        (
            ("backfill", "--start", "2199-12-01", "--end", "2199-12-31", "--dry-run"),
            2,
            "--end 2199-12-31 lies in the future",
        ),
        (("attack", "sweep", "--as-of", "2199-12-31"), 2, "--as-of 2199-12-31 lies in the future"),
        (("report",), 2, "no report"),
        (("effects", "estimate", "absent.csv", "--outcome", "y", "--treatment", "t"), 2, "no file"),
        (
            ("drivers", "columns.json", "--text", "x", "--outcome", "y", "--attributes", "a"),
            2,
            "column",
        ),
        (
            ("attributes", "extract", "columns.json", "--text", "nope", "--attributes", "a"),
            2,
            "column",
        ),
    ],
)
def test_what_a_person_did_wrong_is_said_in_words(
    shop: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    (shop / "noise.json").write_bytes(lines(*[b"garbage"] * 100))
    (shop / "columns.json").write_bytes(lines(*[{"stars": 5, "words": "x"}] * 20))
    result = call(*arguments)
    assert result.exit_code == code, result.output
    assert words in result.output.replace("\n", " ")
    assert "Traceback" not in result.output


def test_an_empty_file_is_a_drop_of_no_rows(shop: Path) -> None:
    (shop / "empty.json").write_bytes(b"")
    result = call("import", "empty.json", "--source", "amazon-2014", "--json")
    assert "Traceback" not in result.output
    document = json.loads(result.stdout)
    assert document["rows"]["read"] == 0
    assert "holds no rows of reviews" in document["messages"][0]


def test_estimate_answers_in_the_contracts_shape(shop: Path) -> None:
    pl.DataFrame(
        {
            "t": [n % 2 for n in range(400)],
            "y": [float(n % 2) * 2 + (n * 37 % 11) / 10 for n in range(400)],
        }
    ).write_csv(shop / "trial.csv")
    answer = json.loads(
        call(
            "effects", "estimate", "trial.csv", "--outcome", "y", "--treatment", "t", "--json"
        ).stdout
    )
    assert {
        "outcome",
        "treatment",
        "n",
        "naive",
        "estimates",
        "overlap",
        "verdict",
        "reasons",
    } <= set(answer)
    assert {e["estimator"] for e in answer["estimates"]} == {"plr", "balance", "irm", "diff"}
    for estimate in answer["estimates"]:
        assert estimate["ci_low"] < 2 < estimate["ci_high"] + 0.1


def test_drivers_read_attributes_and_find_what_moves_the_rating(shop: Path) -> None:
    said = ["The food was delicious.", "The food was awful and cold.", "We sat by the window."]
    stars = [5, 2, 4]
    rows = [{"body": said[n % 3], "stars": stars[n % 3] + (n * 7 % 5) / 10} for n in range(300)]
    pl.DataFrame(rows).write_ndjson(shop / "reviews.jsonl")
    asked = ("drivers", "reviews.jsonl", "--text", "body", "--outcome", "stars", "--attributes")
    result = call(*asked, "food", "--json")
    assert result.exit_code == 0, result.output
    driver = json.loads(result.stdout)["drivers"][0]
    assert driver["contrast"] == "negative_to_positive"
    assert (driver["n_positive"], driver["n_negative"]) == (100, 100)
    assert driver["estimate"] == pytest.approx(3, abs=0.3)
    assert driver["verdict"] == "weak"
    shown = call(*asked, "food,noise")
    lines = shown.stdout.splitlines()
    (row,) = (line for line in lines if "│ food" in line)
    assert "100 / 100" in row
    assert "weak" in row
    assert sum("no controls" in line for line in lines) == 1
    assert "- noise: noise is mentioned positively in 0 reviews; 10 are needed" in shown.stdout
    assert "whyrec__" not in shown.stdout


def test_extract_writes_one_row_per_text_and_attribute(shop: Path) -> None:
    pl.DataFrame({"body": ["Cheap price, but shipping took weeks.", "", None]}).write_parquet(
        shop / "r.parquet"
    )
    result = call(
        "attributes",
        "extract",
        "r.parquet",
        "--text",
        "body",
        "--attributes",
        "price,shipping",
        "--out",
        "o.csv",
    )
    assert result.exit_code == 0, result.output
    frame = pl.read_csv(shop / "o.csv")
    assert frame.columns == [
        "row", "attribute", "is_mentioned", "polarity", "confidence", "span_start", "span_end",
    ]  # fmt: skip
    assert frame.height == 6
    assert frame.filter(pl.col("row") == 0)["polarity"].to_list() == [1, -1]


def test_doctor_finds_a_server_that_does_not_answer(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call("doctor", "--json").exit_code == 0
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    result = call("doctor", "--json")
    assert result.exit_code == 1
    wrong = [check for check in json.loads(result.stdout)["checks"] if not check["is_well"]]
    assert [check["subject"] for check in wrong] == ["server"]


def test_a_drop_that_is_refused_whole_keeps_its_rows_and_says_where(shop: Path) -> None:
    (shop / "noise.json").write_bytes(lines(*[f"garbage {n}".encode() for n in range(100)]))
    result = call("import", "noise.json", "--source", "amazon-2014", "--json")
    assert result.exit_code == 1
    message = json.loads(result.stdout)["messages"][0]
    kept = pl.read_parquet(message.rpartition("kept in ")[2])
    assert kept.height == 100
    assert kept.sort("line")["raw_text"][0] == "garbage 0"


ROWS = 1_020


@pytest.fixture
def trial(tmp_path: Path) -> Path:
    """x causes treatment and rating; treatment adds half a star; z is caused by x before both.

    Tables of more than 1,000 rows are dealt into folds once.
    """
    rng = np.random.default_rng(1)
    x = rng.normal(size=ROWS)
    d = (0.5 * x + rng.normal(size=ROWS) > 0).astype(int)
    frame = pl.DataFrame(
        {
            "x": x, "z": x + rng.normal(size=ROWS), "promoted": d, "day": np.arange(ROWS) % 30,
            "rating": 3 + 0.5 * d + x + rng.normal(size=ROWS), "kind": np.where(x > 0, "a", "<b>"),
            "about": np.where(x > 0, "a fine large speaker", "a small cheap radio"),
        }
    )  # fmt: skip
    path = tmp_path / "trial.csv"
    frame.write_csv(path)
    return path


ASKED = ("--outcome", "rating", "--treatment", "promoted", "--controls", "x")


def test_every_estimator_answers_and_every_row_gets_an_effect(shop: Path, trial: Path) -> None:
    out = trial.with_name("cate.csv")
    answer = json.loads(
        call(
            "effects", "estimate", str(trial), *ASKED, "--estimators", "plr,irm,balance,forest,ipw,diff",
            "--cate-out", str(out), "--segments", "kind", "--json",
        ).stdout
    )  # fmt: skip
    by_name = {one["estimator"]: one for one in answer["estimates"]}
    assert list(by_name) == ["plr", "irm", "balance", "forest", "ipw", "diff"]
    for name in (
        "plr",
        "irm",
        "forest",
        "ipw",
    ):  # this draw by itself lies 1.8 errors below the truth
        assert abs(by_name[name]["estimate"] - 0.5) < 3 * by_name[name]["std_error"]
    assert abs(by_name["balance"]["estimate"] - by_name["irm"]["estimate"]) < 0.1
    for name in ("plr", "irm", "balance", "forest", "ipw"):
        assert by_name[name]["naive"] == answer["naive"]["estimate"]
        assert (
            by_name[name]["overlap"]["min_propensity"] < by_name[name]["overlap"]["max_propensity"]
        )
        assert by_name[name]["verdict"] in ("credible", "weak")
    assert answer["naive"]["ci_low"] > 0.6
    assert {one["level"] for one in answer["segments"][0]["levels"]} == {"a", "<b>"}
    assert answer["segments"][0]["estimator"] == "irm"
    effects = pl.read_csv(out)
    assert effects.columns == ["row", "cate"]
    assert effects["row"].to_list() == list(range(ROWS))
    assert abs(effects["cate"].mean() - 0.5) < 0.4


def test_another_question_is_not_answered_in_silence(shop: Path, trial: Path) -> None:
    mixed = json.loads(
        call(
            "effects", "estimate", str(trial), *ASKED, "--estimand", "att", "--estimators", "plr,ipw",
            "--json",
        ).stdout
    )  # fmt: skip
    plr, ipw = mixed["estimates"]
    assert (plr["estimate"], plr["verdict"]) == (None, "no result")
    assert "effect on the treated" in plr["reasons"][0]
    assert ipw["estimate"] is not None
    refused = call(
        "effects", "estimate", str(trial), *ASKED, "--estimand", "att", "--estimators", "plr"
    )
    assert refused.exit_code == 2
    assert "here irm, balance, forest, ipw can" in refused.stderr
    unknown = call("effects", "estimate", str(trial), *ASKED, "--estimand", "late")
    assert unknown.exit_code == 2
    assert "allowed are ate, att, atc" in unknown.stderr


def test_texts_can_be_controls(shop: Path, trial: Path) -> None:
    answer = json.loads(
        call(
            "effects", "estimate", str(trial), "--outcome", "rating", "--treatment", "promoted",
            "--text-controls", "about", "--estimators", "plr,diff", "--json",
        ).stdout
    )  # fmt: skip
    assert answer["estimates"][0]["estimate"] < answer["naive"]["estimate"] - 0.2
    assert any("about is controlled for by" in reason for reason in answer["reasons"])


def test_refute_tries_everything_and_says_what_it_could_not_try(shop: Path, trial: Path) -> None:
    answer = json.loads(
        call(
            "effects",
            "refute",
            str(trial),
            *ASKED,
            "--time",
            "day",
            "--negative-controls",
            "z",
            "--json",
        ).stdout
    )
    found = {line["refuter"]: line["result"] for line in answer["refutations"]}
    assert set(found) == {
        "placebo",
        "random_cause",
        "subset",
        "time",
        "negative_control",
        "sensitivity",
    }
    assert set(found.values()) == {"passed"}
    assert answer["verdict"] == "credible"
    assert any("balance on the same rows agrees" in reason for reason in answer["reasons"])
    twice = call("effects", "refute", str(trial), *ASKED, "--negative-controls", "x")
    assert twice.exit_code == 2
    assert "choose one" in twice.stderr


def test_experiments_are_checked_and_pooled(shop: Path, trial: Path) -> None:
    frame = pl.read_csv(trial).with_columns(promoted=pl.int_range(pl.len()) % 2)
    frame.write_csv(trial)
    asked = ("effects", "estimate", str(trial), *ASKED, "--experiment")
    answer = json.loads(call(*asked, "--expected-share", "0.5", "--tests", "kind", "--json").stdout)
    assert [one["estimator"] for one in answer["estimates"]] == ["lin", "cuped", "diff"]
    assert answer["verdict"] == "credible"
    assert {one["test"] for one in answer["tests"]} == {"a", "<b>"}
    broken = json.loads(call(*asked, "--expected-share", "0.6", "--json").stdout)
    assert broken["verdict"] == "not credible"
    assert "sample-ratio mismatch" in broken["reasons"][0]


def test_ope_position_and_graph_answer_on_the_command_line(shop: Path, trial: Path) -> None:
    rng = np.random.default_rng(2)
    item, position = rng.integers(0, 4, 4000), rng.integers(1, 4, 4000)
    click = rng.random(4000) < 0.1 * (item + 1) / position
    log = trial.with_name("log.csv")
    pl.DataFrame(
        {
            "item_id": item,
            "position": position,
            "click": click.astype(int),
            "propensity_score": 0.25,
        }
    ).write_csv(log)
    value = json.loads(
        call("effects", "ope", str(log), "--target-policy", "always:3", "--json").stdout
    )
    assert [one["estimator"] for one in value["estimates"]] == ["ips", "snips", "dm", "dr", "dros"]
    truth = 0.4 * (1 + 1 / 2 + 1 / 3) / 3
    assert all(one["ci_low"] < truth < one["ci_high"] for one in value["estimates"])
    places = json.loads(call("effects", "position", str(log), "--json").stdout)["positions"]
    assert places[0]["ratio_ci_low"] < 0.5 < places[0]["ratio_ci_high"]
    drawing = trial.with_name("graph.svg")
    graph = json.loads(
        call(
            "effects", "graph", str(trial), "--tiers", "x;promoted;rating", "--treatment", "promoted",
            "--outcome", "rating", "--bootstraps", "5", "--out", str(drawing), "--json",
        ).stdout
    )  # fmt: skip
    assert graph["adjustments"][0]["adjust_for"] == ["x"]
    assert drawing.read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("estimate", "clean.nothing", "--outcome", "a", "--treatment", "b"),
            "there are clean.items",
        ),
        (("estimate", "absent.csv", "--outcome", "a", "--treatment", "b"), "there is no file"),
        (("explain", "price"), "run 'whyrec nightly' first"),
        (("ope", "absent.csv", "--target-policy", "uniform"), "there is no file"),
        (("graph", "absent.csv"), "there is no file"),
        (("refute", "absent.csv", "--outcome", "a", "--treatment", "b"), "there is no file"),
    ],
)
def test_mistakes_in_effects_commands_are_said_in_words(
    shop: Path, arguments: tuple[str, ...], words: str
) -> None:
    result = call("effects", *arguments)
    assert words in result.stderr
    assert result.exit_code == 2
    assert "Traceback" not in result.stderr
