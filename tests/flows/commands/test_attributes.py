"""`whyrec attributes extract` with a language model: what was read, and what was left out."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import app
from tests.text.conftest import build_tiny_llm


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    build_tiny_llm(tmp_path / "model")
    prompt = Path(__file__).parents[2] / "text" / "short_prompt.toml"
    (tmp_path / "whyrec.toml").write_text(
        f'[extract.llm]\nmodel = "{tmp_path / "model"}"\nprompt = "{prompt}"\n'
        'device = "cpu"\nbudget_reviews = 2\nmax_tokens = 8\n'
    )
    (tmp_path / "reviews.csv").write_text(
        'body\nThe food was great but the service was very slow\nbad\n""\nslow\n'
    )
    return tmp_path


def _extract(shop: Path, *more: str) -> tuple[str, str]:
    ran = CliRunner().invoke(
        app,
        ["attributes", "extract", str(shop / "reviews.csv"), "--text", "body", "--attributes",
         "food,service", "--extractor", "llm", "--config", str(shop / "whyrec.toml"), *more],
    )  # fmt: skip
    assert ran.exit_code == 0, ran.output
    return ran.stdout, ran.stderr


def test_what_was_skipped_and_cut_is_said_and_is_no_failure(shop: Path) -> None:
    out, note = _extract(shop)
    assert [line.split(",")[:2] for line in out.splitlines()[1:]] == [
        ["0", "food"], ["0", "service"], ["1", "food"], ["1", "service"],
    ]  # fmt: skip
    assert "1 skipped (no text), 1 skipped (budget of 2 reviews), 1 cut, too long" in note


def test_json_names_the_skipped_texts_with_the_reason(shop: Path) -> None:
    rows = json.loads(_extract(shop, "--json")[0])
    assert [row["row"] for row in rows] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert [row.get("skipped") for row in rows[::2]] == [
        None, None, "no text", "budget of 2 reviews",
    ]  # fmt: skip
    assert rows[-1]["is_mentioned"] is None
    summary = json.loads(_extract(shop, "--json", "--out", str(shop / "read.csv"))[0])
    assert summary["skipped"] == [
        {"row": 2, "reason": "no text"}, {"row": 3, "reason": "budget of 2 reviews"},
    ]  # fmt: skip
    assert (summary["cut"], summary["texts"], summary["rows"]) == (1, 4, 4)
    assert summary["tokens"] > 0


@pytest.mark.parametrize("option", ["--row", "--id"])
def test_where_a_text_stands_is_refused_for_one_that_stands_in_no_file(option: str) -> None:
    more = ["--text", "Great food", "--attributes", "food", option, "3"]
    ran = CliRunner().invoke(app, ["attributes", "explain", *more])
    assert (ran.exit_code, f"{option}: of a FILE" in ran.output) == (2, True), ran.output
