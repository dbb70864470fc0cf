"""The distilled extractor, in a night and on a file: taught once, and again only when that changes."""

import json
import re
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from flows import stages
from flows.cli import app
from flows.desk.texts import Teaching, check_teaching
from tasks.platform.errors import ConfigError
from tasks.platform.refs import FileRef
from tasks.platform.settings import ExtractSettings, Settings, TextSettings
from tasks.platform.site import resolve_site
from tasks.platform.task import RunContext
from tests.flows.conftest import CONFIG, Shop
from tests.flows.nights import ran_stages, read_run, site_of
from tests.text.conftest import build_tiny_model
from tests.text.toy import write_reviews

TAUGHT = """
[extract]
extractor = "distilled"
[extract.distilled]
teacher = "{teacher}"
sample = 60
labels = "labels.csv"
"""
NAMES = ("price", "durability")


def teach(shop: Shop, teacher: str) -> None:
    head = "\n".join(
        f'[[extract.attributes]]\nname = "{name}"\nseeds = ["{name}"]' for name in NAMES
    )
    settings = CONFIG + TAUGHT.format(teacher=teacher)
    (shop.folder / "whyrec.toml").write_text(settings + head)


def write_labels(folder: Path, *, n: int = 60, flip: int = 1) -> None:
    """Labels of the first `n` of 60 reviews, upside down when `flip` is -1."""
    texts, truth = write_reviews(60, seed=1)
    texts, truth = texts[:n], truth[:n]
    said = {9: "unknown", 1: "Positive", -1: "Negative"}
    price, durability = ([said[v * flip if v != 9 else v] for v in side] for side in truth.T)
    texts = [re.sub("noise", "durability", text.replace("food", "price")) for text in texts]
    pl.DataFrame({"text": texts, "price": price, "durability": durability}).write_csv(
        folder / "labels.csv"
    )


def probes(shop: Shop, document: dict[str, Any]) -> dict[str, Any]:
    return dict(read_run(shop, document)["text"]["probes"]["sample"])


@pytest.mark.long
def test_a_night_teaches_its_probe_once_and_anew_when_the_teacher_changes(
    fresh: Shop, tmp_path: Path
) -> None:
    shop = fresh.copy(tmp_path / "shop")
    teach(shop, "clauses")
    first = shop.call("nightly")
    assert "text.fit_probe" in ran_stages(first)
    about = probes(shop, first)
    assert about["teacher"].startswith("clauses-")
    assert about["agreement"] > 0.7
    assert ran_stages(shop.call("nightly")) == set()
    teach(shop, "labels")
    write_labels(shop.folder)
    by_labels = shop.call("nightly")
    assert {"text.fit_probe", "text.extract_attributes"} <= ran_stages(by_labels)
    assert probes(shop, by_labels)["teacher"].startswith("labels-")
    assert "text.explain_sentences" in ran_stages(by_labels)
    assert '<mark class="words">' in Path(by_labels["report"]).read_text()
    write_labels(shop.folder, n=5)
    few = shop.call("nightly")
    assert any("No reviews of sample are read: 5 labelled" in said for said in few["messages"])
    assert "probes" not in read_run(shop, few)["text"] or not read_run(shop, few)["text"]["probes"]
    write_labels(shop.folder, flip=-1)
    again = shop.call("nightly")
    assert {"text.fit_probe", "text.extract_attributes"} <= ran_stages(again)
    assert not ran_stages(again) & {"text.embed_shard", "ingest.stage_drop"}
    with site_of(shop).warehouse.connect() as connection:
        found = connection.execute(
            "SELECT DISTINCT attribute FROM marts.review_attributes"
        ).fetchall()
    assert {name for (name,) in found} == set(NAMES)


def test_a_file_of_labels_teaches_and_is_not_compared_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_labels(tmp_path, n=40)
    texts, truth = write_reviews(60, seed=1)
    texts = [text.replace("food", "price").replace("noise", "durability") for text in texts]
    pl.DataFrame({"body": texts, "price": truth[:, 0], "durability": truth[:, 1]}).with_columns(
        pl.col("price", "durability").cast(pl.String).replace("9", "unknown")
    ).write_csv("reviews.csv")
    arguments = [
        "attributes", "evaluate", "reviews.csv", "--text", "body", "--attributes", ",".join(NAMES),
        "--extractor", "distilled", "--teacher-labels", "labels.csv", "--json",
    ]  # fmt: skip
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["taught"]["n_labelled"] == 40
    assert document["n_taught"] == 40
    assert document["attributes"][0]["n"] == 20
    assert document["macro_f1"] > 0.8


def test_teaching_an_extractor_that_is_not_taught_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(
        app, ["attributes", "extract", "x.csv", "--text", "a", "--attributes", "b", "--labels", "c"]
    )
    assert result.exit_code == 2
    assert "add --extractor distilled" in result.stderr


@pytest.mark.parametrize(
    ("name", "teaching", "said"),
    [
        ("clauses", Teaching(teacher="clauses"), "mean nothing to the clauses extractor"),
        ("llm", Teaching(sample=60), "mean nothing to the llm extractor"),
        ("distilled", Teaching(teacher="clauses", labels="l.csv"), "asks for no labels"),
        ("distilled", Teaching(labels="l.csv", sample=60), "of labels all are taken"),
    ],
)  # fmt: skip
def test_teaching_that_nobody_heeds_is_refused(name: str, teaching: Teaching, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        check_teaching(name, teaching)
    check_teaching(name, Teaching())
    check_teaching("distilled", Teaching(teacher="labels", labels="l.csv"))


@pytest.mark.parametrize("command", ["attributes evaluate", "attributes explain", "attack text"])
def test_a_teacher_beside_an_extractor_that_has_none_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.csv").write_text("body,food\ngood food,1\n")
    shared = ["r.csv", "--text", "body", "--attributes", "food", "--teacher", "clauses"]
    result = CliRunner().invoke(app, [*command.split(), *shared])
    assert result.exit_code == 2, result.output
    assert "mean nothing to the clauses extractor" in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("evaluate r.csv --id key", "--id: of a file of labels"),
        ("explain r.csv --columns {}_x --id key", "--columns, --id: of a file of labels"),
        ("explain r.csv --extractor distilled --teacher clauses --id key", "--id: of a file"),
        ("evaluate r.csv --labels r.csv --id key", ""),
    ],
)
def test_what_labels_are_called_by_is_refused_where_none_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.csv").write_text("body,food,key,review_id\ngood food,1,a,a\nbad food,-1,b,b\n")
    shared = ["--text", "body", "--attributes", "food"]
    result = CliRunner().invoke(app, ["attributes", *command.split(), *shared])
    assert result.exit_code == (2 if said else 0), result.output
    assert said in " ".join(result.stderr.split())


def write_texts(folder: Path) -> list[str]:
    """60 short reviews, and two long ones in other languages."""
    texts, truth = write_reviews(60, seed=1)
    texts += [
        "Das Essen war wirklich ausgezeichnet, aber der Preis war für uns viel zu hoch.",
        "La nourriture était excellente mais le prix était beaucoup trop élevé pour nous.",
    ]
    stars = [3 + int(side) if side != 9 else 3 for side in truth[:, 0]]
    pl.DataFrame({"body": texts, "stars": [*stars, 1, 1]}).write_csv(folder / "reviews.csv")
    return texts


def test_a_taught_extractor_leaves_out_texts_in_other_languages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    n = len(write_texts(tmp_path))
    shared = ["reviews.csv", "--text", "body", "--attributes", "food,noise"]
    taught = ["--extractor", "distilled", "--teacher", "clauses", "--json"]
    extract = ["attributes", "extract", *shared, "--out", "read.csv", "--sample", "60", *taught]
    result = CliRunner().invoke(app, extract)
    assert result.exit_code == 0, result.output
    skipped = json.loads(result.stdout)["skipped"]
    assert [row["row"] for row in skipped] == [n - 2, n - 1]
    assert {row["reason"] for row in skipped} == {
        "language de is not read", "language fr is not read",
    }  # fmt: skip
    assert set(pl.read_csv("read.csv")["row"]) == set(range(n - 2))


@pytest.mark.slow
def test_where_no_network_reads_no_word_is_said_to_have_moved_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_texts(tmp_path)
    encoder = build_tiny_model(tmp_path / "encoder")
    explain = ["attributes", "explain", "reviews.csv", "--text", "body", "--attributes", "food"]
    taught = ["--extractor", "distilled", "--teacher", "clauses", "--sample", "60", "--json"]
    shown = {}
    for precision in ("exact", "static"):
        (tmp_path / "whyrec.toml").write_text(
            f'[text]\nmodel = "{encoder}"\nbackend = "torch"\nprecision = "{precision}"\n'
        )
        result = CliRunner().invoke(app, [*explain, *taught])
        assert result.exit_code == 0, result.output
        (answer,) = json.loads(result.stdout)["attributes"]
        assert answer["is_mentioned"]
        shown[precision] = bool(answer["words"]), "no network reads the text" in result.stderr
    assert shown == {"exact": (True, False), "static": (False, True)}


def test_a_night_explains_no_words_where_no_network_reads() -> None:
    file = FileRef(path="probe", sha256="0", size=1)
    night = SimpleNamespace(
        settings=Settings(text=TextSettings(precision="static")), probes={"shop": file}
    )
    assert stages.explain_sentences(night, {"shop": file}) == {}  # type: ignore[arg-type]


def test_a_source_without_a_probe_is_told_and_the_others_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(root=tmp_path, extract=ExtractSettings(extractor="distilled"))
    site = resolve_site(settings)
    run = RunContext(run_id="r", events=str(tmp_path / "e"), site=site, text=settings.text)
    fitted = FileRef(path="probe", sha256="0", size=1, rows=40)
    refused = site.lake.put_bytes("probes", ".txt", b"2 labelled reviews were found", rows=0)
    told: list[str] = []
    night = SimpleNamespace(
        settings=settings, site=site, run=run, as_of=date(2024, 3, 5), tell=told.extend, probes={},
        text_cost=None, keep=lambda _: None,
        engine=SimpleNamespace(require=lambda *_: {"shop": fitted, "mall": refused}),
    )  # fmt: skip
    monkeypatch.setattr(stages, "choose_extractor", lambda _: None)
    monkeypatch.setattr(stages.text, "describe_probe", lambda ref, _: {"n_labelled": ref.rows})
    assert stages.fit_probes(night, []) == {"shop": fitted, "mall": refused}  # type: ignore[arg-type]
    assert night.probes == {"shop": fitted}
    assert told == ["No reviews of mall are read: 2 labelled reviews were found."]
    assert night.text_cost == {"probes": {"shop": {"n_labelled": 40}}}


def test_drivers_are_read_by_the_extractor_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    n = len(write_texts(tmp_path))
    (tmp_path / "whyrec.toml").write_text('[extract]\nextractor = "distilled"\n')
    shared = ["drivers", "reviews.csv", "--text", "body", "--attributes", "food,noise"]
    result = CliRunner().invoke(app, [*shared, "--outcome", "stars", "--json"])
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert answer["extractor"] == "distilled"
    assert answer["taught"]["teacher"].startswith("clauses-")
    assert answer["n"] == n - 2
    assert "1 skipped (language de is not read)" in answer["left_out"]
    asked = CliRunner().invoke(
        app, [*shared, "--outcome", "stars", "--extractor", "clauses", "--json"]
    )
    assert json.loads(asked.stdout)["extractor"] == "clauses"
