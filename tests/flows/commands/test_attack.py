"""`whyrec attack effects` and `whyrec attack behaviour` on a file."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import app
from tasks.robustness.corpus import SAYS
from tests.robustness.worlds import toy_corpus


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "reviews.csv"
    frame = toy_corpus(n_users=200).frame.rename({f"{SAYS}price": "price", "event_date": "day"})
    frame.with_columns(brand="item_id").write_csv(path)
    return path


def run(*arguments: str, code: int = 0) -> str:
    ran = CliRunner().invoke(app, ["attack", *arguments])
    assert ran.exit_code == code, ran.output
    return ran.output


def test_effects_keep_their_contract(file):
    out = run(
        "effects", str(file), "--attributes", "price", "--date", "day", "--attacks",
        "fake-reviews,gradient", "--size", "0.03", "--most", "0.04", "--json",
    )  # fmt: skip
    document = json.loads(out)
    assert set(document) == {
        "source", "n", "rows", "says_from", "held_fixed", "caveats", "share", "looked_to", "seed",
        "clean", "attacks", "counts", "flagged_clean",
    }  # fmt: skip
    assert document["n"] == toy_corpus(n_users=200).n
    (first, second) = document["attacks"]
    assert (first["attack"], second["attack"]) == ("fake-reviews", "gradient")
    assert first["shift"] < 0
    assert set(first["smallest"]) == {
        "share", "rows", "not_below", "looked_to", "tried", "sentence", "side",
    }  # fmt: skip
    assert document["counts"]["attempted"] == 2
    assert out == run(
        "effects", str(file), "--attributes", "price", "--date", "day", "--attacks",
        "fake-reviews,gradient", "--size", "0.03", "--most", "0.04", "--json",
    )  # fmt: skip


def test_behaviour_keeps_its_contract_and_lists_suspects(file):
    document = json.loads(
        run(
            "behaviour",
            str(file),
            "--date",
            "day",
            "--attacks",
            "love-hate,noise",
            "--size",
            "0.05",
            "--json",
        )
    )
    assert {"attacks", "clicks", "counts", "suspects", "flagged", "accounts"} <= set(document)
    assert document["clicks"] == []
    pushed = document["attacks"][0]
    assert pushed["attacked"]["prediction_shift"] > 0
    assert 0 <= pushed["detection"]["auc"] <= 1
    assert (
        document["counts"]["attempted"]
        == document["counts"]["succeeded"] + document["counts"]["failed"]
    )


def test_tables_are_printed_for_a_person(file):
    out = run("effects", str(file), "--attributes", "price", "--date", "day", "--attacks", "noise")
    assert "smallest attack that changes what is concluded" in out
    assert "1 attempted" in out
    out = run("behaviour", str(file), "--date", "day", "--attacks", "noise")
    assert "look unusual as it is" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no attributes are named"),
        (["--attributes", "taste"], "name the text they can be read from with --text"),
        (["--attributes", "price", "--user", "who"], "has no column 'who'"),
        (["--attributes", "price", "--attacks", "sybil"], "no attack is called sybil"),
        (["--attributes", "price", "--size", "0"], "share is 0"),
        (["--attributes", "price", "--date", "review_id"], "are no dates"),
        (["--attributes", "price", "--as-of", "2024-03-05"], "--as-of: of the warehouse"),
        (["--attributes", "price", "--source", "shop"], "--source: of the warehouse"),
        (["--attributes", "price", "--fence", "nan"], "fence is nan"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_a_sentence(file, arguments, said):
    out = run("effects", str(file), *arguments, code=2)
    assert said in " ".join(out.split())
    assert "Traceback" not in out


def test_a_mode_that_is_none_is_refused(file):
    assert "use push or nuke" in run("behaviour", str(file), "--mode", "hug", code=2)


@pytest.mark.parametrize("option", ["--text", "--user", "--item", "--rating", "--date"])
def test_columns_are_refused_where_there_is_no_table_that_has_them(option):
    for beside in (["effects"], ["behaviour"], ["behaviour", "coat/", "--source", "coat"]):
        out = run(*beside, option, "body", code=2)
        assert f"{option}: of a FILE that is a table of reviews" in " ".join(out.split())


def test_an_attribute_that_is_named_twice_is_one(file):
    more = ["--date", "day", "--attacks", "noise", "--most", "0.01", "--json"]
    document = json.loads(run("effects", str(file), "--attributes", "price, price", *more))
    assert [one["attribute"] for one in document["attacks"]] == ["price"]
