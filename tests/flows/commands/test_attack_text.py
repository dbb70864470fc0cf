"""`whyrec attack text` and `whyrec attack embedding` on a file of texts, with tiny models."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from flows.attacks.embedding import attack_one, number_truths, tell_labels
from flows.cli import app
from tasks.platform.labels import NEUTRAL, UNDECIDED
from tasks.robustness.embedding import LinearVictim
from tasks.robustness.text.classifier import open_classifier
from tasks.text.backends import choose
from tasks.text.task import open_encoder
from tests.text.conftest import build_tiny_llm, build_tiny_model

GOOD = ["The food was great.", "Great food and good service.", "The food is very good."]
BAD = ["The food was terrible.", "Bad food, slow service.", "The food is bad and not good."]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("attacks")
    build_tiny_model(folder / "encoder")
    build_tiny_llm(folder / "llm")
    build_classifier(folder)
    (folder / "whyrec.toml").write_text(
        f'[text]\nmodel = "{folder / "encoder"}"\nbackend = "torch"\ndevice = "cpu"\n'
        '[extract.llm]\ndevice = "cpu"\n'
    )
    texts = [f"{text} Day {n}." for n in range(12) for text in (GOOD[n % 3], BAD[n % 3])]
    texts += ["<b>Ignored</b> [red]", ""]
    labels = ["Positive", "Negative"] * 12 + ["no majority", "unknown"]
    pl.DataFrame({"body": texts, "food": labels}).write_csv(folder / "reviews.csv")
    return folder


def build_classifier(folder: Path) -> None:
    """A random classifier of two labels over the tiny encoder's tokens."""
    import torch
    from tokenizers import Tokenizer
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_file(str(folder / "encoder" / "tokenizer.json")),
        pad_token="[PAD]", unk_token="[UNK]",
    )  # fmt: skip
    torch.manual_seed(1)
    network = BertForSequenceClassification(
        BertConfig(
            vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
            intermediate_size=16, id2label={0: "NEGATIVE", 1: "POSITIVE"}, initializer_range=1.0,
        )
    )  # fmt: skip
    network.train(False)
    network.save_pretrained(folder / "classifier")
    tokenizer.save_pretrained(folder / "classifier")


def attack(shop: Path, kind: str, *more: str, code: int = 0) -> Any:
    ran = CliRunner().invoke(
        app,
        ["attack", kind, str(shop / "reviews.csv"), "--text", "body", "--config",
         str(shop / "whyrec.toml"), *more],
    )  # fmt: skip
    assert ran.exit_code == code, ran.output
    return json.loads(ran.stdout) if "--json" in more and code == 0 else ran.output


def test_every_attack_accounts_for_every_text(shop: Path) -> None:
    document = attack(
        shop, "text", "--attributes", "food,service", "--extractor", "clauses", "--attacks",
        "swaps,misspellings,substitution,negation,flip,identity,injection",
        "--columns", "food,food", "--json",
    )  # fmt: skip
    assert {row["attribute"] for row in document["attacks"]} == {"food", "service"}
    assert len(document["attacks"]) == 2 * (4 + 3 * 2)
    for row in document["attacks"]:
        left = sum(row["skipped"].values()) + sum(row["not_attempted"].values())
        assert row["attempted"] + left == row["texts"] == 26
        assert row["succeeded"] + row["failed"] == row["attempted"]
    swaps = document["attacks"][0]
    assert swaps["succeeded"] > 0
    assert swaps["skipped"]["no text"] == 1
    assert swaps["skipped"]["no decided label"] == 1
    assert all(one["original"] != one["perturbed"] for one in swaps["examples"])


def test_a_language_model_paraphrases_and_bounds_perplexity(shop: Path) -> None:
    ran = attack(
        shop, "text", "--attributes", "food", "--extractor", "clauses", "--attacks",
        "paraphrase,substitution", "--lm", str(shop / "llm"), "--max-texts", "2", "--json",
    )  # fmt: skip
    assert [row["texts"] for row in ran["attacks"]] == [2, 2]


def test_texts_longer_than_the_language_model_looks_at_are_told(shop: Path) -> None:
    build_tiny_llm(shop / "short", kind="gpt2", positions=400)
    bodies = ["The food was great. " * 60, "The food was terrible."]
    pl.DataFrame({"body": bodies}).write_csv(shop / "long.csv")
    more = [
        "--text", "body", "--attributes", "food", "--extractor", "clauses", "--attacks",
        "paraphrase,substitution", "--lm", str(shop / "short"), "--config",
        str(shop / "whyrec.toml"),
    ]  # fmt: skip
    ran = CliRunner().invoke(app, ["attack", "text", str(shop / "long.csv"), *more])
    assert ran.exit_code == 0, ran.output
    shown = " ".join(ran.output.split())
    assert "too long for the 400 tokens that --lm looks at: 1 without a paraphrase" in shown


@pytest.fixture
def be_processor(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """A processor with instructions for these numbers, whatever the machine has."""

    def be(*fast: str) -> None:
        monkeypatch.setattr(choose, "has_fast", lambda numbers: numbers in fast)
        open_encoder.cache_clear()

    yield be
    open_encoder.cache_clear()


def test_a_fast_search_asks_no_model_twice(shop: Path, be_processor: Callable[..., None]) -> None:
    be_processor("fp32")
    more = ["--attributes", "food", "--extractor", "clauses", "--attacks", "swaps", "--json"]
    plain, fast = attack(shop, "text", *more), attack(shop, "text", *more, "--fast")
    assert fast["attacks"] == plain["attacks"]
    assert plain["attacks"][0]["succeeded"] > 0
    assert plain["notes"] == []
    assert "--fast changed nothing" in fast["notes"][0]
    refused = attack(shop, "text", "--attributes", "food", "--extractor", "llm", "--fast", code=2)
    assert "the llm extractor reads no vectors" in " ".join(refused.split())


def test_a_fast_search_on_a_processor_with_a_quicker_tier_finds_what_the_reader_confirms(
    shop: Path, be_processor: Callable[..., None]
) -> None:
    be_processor("fp32", "bf16")
    more = ["--attributes", "food", "--extractor", "clauses", "--attacks", "swaps", "--json"]
    plain, fast = attack(shop, "text", *more), attack(shop, "text", *more, "--fast")
    assert fast["notes"] == []
    (wanted,), (found,) = plain["attacks"], fast["attacks"]
    assert found["succeeded"] > 0
    assert found["attempted"] == wanted["attempted"]
    known = {one["perturbed"] for one in wanted["examples"]}
    assert known & {one["perturbed"] for one in found["examples"]}


def test_every_attempt_is_written_and_a_table_is_shown(shop: Path) -> None:
    out = shop / "attempts.csv"
    shown = attack(
        shop, "text", "--attributes", "food", "--extractor", "clauses", "--attacks", "swaps",
        "--budget", "60", "--out", str(out),
    )  # fmt: skip
    assert "swaps" in shown
    assert "the budget ran out" in shown
    rows = pl.read_csv(out)
    assert rows.height == 26
    assert set(rows["status"]) == {"succeeded", "skipped", "not_attempted"}


def test_a_file_without_rows_is_no_result_and_no_failure(shop: Path) -> None:
    (shop / "empty.csv").write_text("body\n")
    ran = CliRunner().invoke(
        app,
        ["attack", "text", str(shop / "empty.csv"), "--text", "body", "--attributes", "food",
         "--extractor", "clauses", "--out", str(shop / "none.csv"), "--json",
         "--config", str(shop / "whyrec.toml")],
    )  # fmt: skip
    assert ran.exit_code == 0, ran.output
    rows = json.loads(ran.stdout)["attacks"]
    assert {row["attempted"] for row in rows} == {0}
    assert {row["success_rate"] for row in rows} == {None}
    assert (shop / "none.csv").read_text().startswith("attack,attribute,row,status")


def test_a_taught_probe_is_attacked_beside_its_hardened_double(shop: Path) -> None:
    document = attack(
        shop, "text", "--attributes", "food", "--extractor", "distilled", "--attacks", "flip",
        "--max-texts", "4", "--teacher", "labels", "--teacher-labels", str(shop / "taught.csv"),
        "--json", code=2,
    )  # fmt: skip
    assert "taught.csv" in document
    frame = pl.read_csv(shop / "reviews.csv").with_row_index("row").slice(0, 22)
    frame.select("row", "food").write_csv(shop / "taught.csv")
    refused = attack(
        shop, "text", "--attributes", "food", "--extractor", "clauses", "--harden", "--json", code=2
    )
    assert "--extractor distilled" in refused
    document = attack(
        shop, "text", "--attributes", "food", "--extractor", "distilled", "--attacks", "swaps",
        "--teacher", "labels", "--teacher-labels", str(shop / "taught.csv"), "--harden", "--json",
        "--out", str(shop / "hardened.csv"),
    )  # fmt: skip
    assert document["taught"] == 22
    assert document["texts"] == 4
    assert [row["attack"] for row in document["hardened"]] == ["swaps"]
    rows = pl.read_csv(shop / "hardened.csv")
    for is_hardened, name in ((False, "attacks"), (True, "hardened")):
        part = rows.filter(pl.col("is_hardened") == is_hardened)
        assert part.height == document["texts"]
        assert (part["status"] == "succeeded").sum() == document[name][0]["succeeded"]


def test_a_classifier_in_a_folder_is_attacked_on_its_own_labels(shop: Path) -> None:
    document = attack(
        shop, "text", "--model", str(shop / "classifier"), "--labels", "food", "--attacks",
        "swaps,keyboard", "--json",
    )  # fmt: skip
    assert document["labels"] == ["NEGATIVE", "POSITIVE"]
    swaps = document["attacks"][0]
    assert swaps["texts"] == 26
    assert sum(swaps["skipped"].values()) + swaps["attempted"] == 26
    assert "no folder of a model" in attack(shop, "text", "--model", "nowhere", code=2)
    assert "name what is attacked" in attack(shop, "text", code=2)
    for option in (["--harden"], ["--fast"], ["--teacher-labels", "x.csv"], ["--id", "row"]):
        refused = attack(shop, "text", "--model", str(shop / "classifier"), *option, code=2)
        assert f"{option[0]}: of a reader of attributes" in " ".join(refused.split())


def test_texts_are_cut_at_what_a_classifier_has_places_for(shop: Path) -> None:
    long = "great food " * 400
    victim = open_classifier(str(shop / "classifier"), max_tokens=2_000)
    assert victim.max_tokens == 512
    assert victim.predict([long, "bad"]).shape == (2, 2)


def test_vectors_are_attacked_over_epsilon_with_clean_accuracy_beside(shop: Path) -> None:
    frame = pl.read_csv(shop / "reviews.csv").head(24)
    many = pl.concat([frame.with_columns(pl.col("body") + f" {n}") for n in range(4)])
    many.write_csv(shop / "many.csv")
    ran = CliRunner().invoke(
        app,
        ["attack", "embedding", str(shop / "many.csv"), "--text", "body", "--attributes", "food",
         "--columns", "food", "--teacher", "clauses", "--epsilons", "0.01,5", "--harden", "0.05",
         "--config", str(shop / "whyrec.toml"), "--json"],
    )  # fmt: skip
    assert ran.exit_code == 0, ran.output
    document = json.loads(ran.stdout)
    rows = {(row["reader"], row["method"]): row for row in document["curves"]}
    assert set(rows) == {(r, m) for r in ("probe", "plain", "hardened") for m in ("fgsm", "pgd")}
    for row in rows.values():
        if row["reason"] is None:
            small, large = row["points"]
            assert row["clean_accuracy"] >= small["accuracy"] >= large["accuracy"]
    assert rows["plain", "pgd"]["points"][1]["accuracy"] == 0.0
    assert 1.0 <= rows["probe", "fgsm"]["length"] <= 2**0.5


@pytest.mark.parametrize(
    ("target", "option"),
    [
        ("tower", ["--harden", "0.1"]), ("tower", ["--labels", "x.csv"]), ("tower", ["--id", "row"]),
        ("tower", ["--source", "shop"]), ("tower", ["--attributes", "food"]),
        ("recommender", ["--columns", "food"]), ("recommender", ["--teacher", "clauses"]),
        ("recommender", ["--max-texts", "5"]), ("recommender", ["--text", "body"]),
        ("probe", ["--rating", "stars"]), ("probe", ["--model", "x.safetensors"]),
    ],
)  # fmt: skip
def test_options_of_another_target_are_refused(target: str, option: list[str]) -> None:
    ran = CliRunner().invoke(app, ["attack", "embedding", "--target", target, *option])
    assert ran.exit_code == 2, ran.output
    assert f"{option[0]}: of" in " ".join(ran.output.split())


def test_a_file_is_refused_where_the_warehouse_is_attacked() -> None:
    ran = CliRunner().invoke(app, ["attack", "embedding", "x.csv", "--target", "recommender"])
    assert (ran.exit_code, "FILE: of texts in a FILE" in ran.output) == (2, True), ran.output


def test_labels_that_a_probe_cannot_give_are_read_wrongly_and_undecided_ones_are_left_out() -> None:
    rng = np.random.default_rng(0)
    victim = LinearVictim(rng.standard_normal((3, 6)) * 3, np.zeros((60, 3)))
    vectors = rng.standard_normal((60, 6))
    codes = np.array([1, -1, 9])[victim.score(vectors).argmax(axis=1)]
    codes[:20], codes[20:25] = NEUTRAL, UNDECIDED
    truths = number_truths(victim, vectors, codes, (1, -1, 9))
    for row in attack_one(victim, vectors, truths, methods=("fgsm", "pgd"), epsilons=(0.1, 9.0),
                          norm="l2", harden=None, seed=0):  # fmt: skip
        counts = (row["n"], row["n_skipped"], row["n_unsayable"], row["n_undecided"])
        assert counts == (55, 20, 20, 5)
        assert row["clean_accuracy"] == round(35 / 55, 4)
        assert [p["flipped"] for p in row["points"]][-1] == 35
    told = tell_labels({"curves": [{"attribute": "food", **row}]})
    assert told == [
        "food, probe: of the texts, 20 read wrongly before any attack (20 have a label that the probe "
        "cannot give), 5 without a decided label left out"
    ]


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (["--methods", ","], "--methods is empty"), (["--methods", "sgd"], "'sgd' is not known"),
        (["--epsilons", ","], "give some above 0"), (["--norm", "l3"], "allowed are l2 and linf"),
    ],
)  # fmt: skip
def test_an_attack_of_nothing_on_vectors_is_refused(option: list[str], said: str) -> None:
    more = ["nowhere.csv", "--text", "body", "--attributes", "food", *option]
    ran = CliRunner().invoke(app, ["attack", "embedding", *more])
    assert (ran.exit_code, said in " ".join(ran.output.split())) == (2, True), ran.output


@pytest.mark.parametrize("size", ["0", "-0.1", "nan"])
def test_a_probe_is_not_called_hardened_by_attacks_of_no_size(shop: Path, size: str) -> None:
    refused = attack(
        shop, "embedding", "--attributes", "food", "--columns", "food", "--teacher", "clauses",
        "--harden", size, code=2,
    )  # fmt: skip
    assert "give a size above 0" in " ".join(refused.split())


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--attacks", "magic"], "'magic' is not known"),
        (["--attacks", "paraphrase"], "--lm"),
        (["--attacks", "back-translation"], "--translate"),
        (["--translate", "one", "--attacks", "swaps"], "two folders"),
        (["--misspellings", "nowhere"], "cannot read misspellings"),
        (["--out", "/dev/null/attempts.csv"], "its folder cannot be made"),
        (["--out", "attempts.json"], "write to a .csv or .parquet file"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said_with_what_to_do(
    shop: Path, more: list[str], said: str
) -> None:
    shown = attack(shop, "text", "--attributes", "food", "--extractor", "clauses", *more, code=2)
    assert said in " ".join(shown.split())
