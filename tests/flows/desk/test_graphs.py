"""The command `effects graph`, from a file to JSON, words and a drawing."""

import json

import numpy as np
import polars as pl
import pytest
import typer
from typer.testing import CliRunner

from flows.commands.graph import register
from tasks.text.llm import LlmExtractor
from tests.text.conftest import build_tiny_llm

ARGUMENTS = ["--tiers", "age;mail;visits", "--bootstraps", "5"]
QUESTION = ["--treatment", "mail", "--outcome", "visits"]


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    age = rng.normal(size=600)
    mail = age + rng.normal(size=600)
    visits = mail + age + rng.normal(size=600)
    path = tmp_path / "visits.csv"
    pl.DataFrame({"age": age, "mail": mail, "visits": visits}).write_csv(path)
    return path


def run(*arguments):
    app = typer.Typer()
    app.callback()(lambda: None)
    register(app)
    return CliRunner().invoke(app, ["graph", *map(str, arguments)])


def test_json_names_edges_and_what_to_adjust_for(table):
    result = run(table, *ARGUMENTS, *QUESTION, "--json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert {"nodes", "edges", "adjustments", "method", "n", "notes"} <= set(document)
    assert document["n"] == 600
    (adjustment,) = document["adjustments"]
    assert adjustment["adjust_for"] == ["age"]
    assert adjustment["is_identified"] is True
    assert adjustment["never_adjust_for"] == []


def test_words_and_a_drawing(table, tmp_path):
    out = tmp_path / "graph.svg"
    prior = tmp_path / "prior.json"
    edge = {"source": "age", "target": "visits", "confidence": 0.9, "reason": "[bold]habit"}
    prior.write_text(json.dumps({"suggested_by": "a model", "edges": [edge]}))
    result = run(table, *ARGUMENTS, *QUESTION, "--out", out, "--prior", prior)
    assert result.exit_code == 0
    assert "mail → visits: adjust for age" in result.stdout
    assert "suggested by a model" in result.stdout
    svg = out.read_text(encoding="utf-8")
    assert svg.startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    assert "adjust for" in svg


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--treatment", "mail"], "together, or neither"),
        (["--out", "graph.png"], "write to a .svg file"),
        (["--prior", "nowhere.json"], "no file nowhere.json"),
        ([*QUESTION, "--use-prior"], "needs --treatment and --outcome, and --prior or --ask-llm"),
        (["--prior", "nowhere.json", "--use-prior"], "needs --treatment and --outcome"),
        (["--layout", "narrow"], "--layout narrow is of a drawing; add --out"),
        (["--cluster", "agee"], "did you mean age"),
        (["--treatment", "mial", "--outcome", "visits"], "mial is not in the graph; it has age"),
        (["--treatment", "mail", "--outcome", "visit"], "visit is not in the graph"),
    ],
)
def test_wrong_arguments_end_with_2_and_a_sentence(table, arguments, words):
    result = run(table, *ARGUMENTS, *arguments, "--json")
    assert result.exit_code == 2
    assert words in json.loads(result.stdout)["error"]


def test_a_prior_that_is_no_json_is_refused(table, tmp_path):
    prior = tmp_path / "prior.json"
    prior.write_text("[" * 100_000)
    result = run(table, *ARGUMENTS, "--prior", prior, "--json")
    assert result.exit_code == 2


def test_without_tiers_all_columns_but_the_cluster_are_searched(table):
    document = json.loads(run(table, "--cluster", "age", "--bootstraps", "2", "--json").stdout)
    assert [node["name"] for node in document["nodes"]] == ["mail", "visits"]


def test_a_language_model_s_suggestions_are_marked_as_its_own(table, tmp_path, monkeypatch):
    build_tiny_llm(tmp_path / "tiny-model")
    config = tmp_path / "whyrec.toml"
    config.write_text(f'[extract.llm]\nmodel = "{tmp_path / "tiny-model"}"\ndevice = "cpu"\n')
    whole = LlmExtractor.score_continuations

    def believe(self, prompt, continuations):
        scores = whole(self, prompt, continuations)
        is_liked = "Does age directly cause mail?" in prompt
        return [scores[0] + 99, scores[1]] if is_liked else [-1.0, 0.0]

    monkeypatch.setattr(LlmExtractor, "score_continuations", believe)
    result = run(table, *ARGUMENTS, "--ask-llm", "--config", config, "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    (edge,) = [edge for edge in document["edges"] if edge["suggested_by"] == "tiny-model"]
    assert (edge["source"], edge["target"], edge["origin"]) == ("age", "mail", "both")
