"""Commands on attributes: labels find their reviews, and what was read is compared with them."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.desk.attributes import doubt_labels, list_labels
from tasks.platform.errors import ConfigError, InputError
from tasks.platform.labels import ABSENT, UNDECIDED
from tasks.platform.settings import load_settings
from tasks.text.labelled import name_columns

REVIEWS = pl.DataFrame({"review_id": ["a", "b", "c"], "food": ["Positive", "no majority", None]})


def write_labels(folder: Path, **columns: list[object]) -> str:
    path = folder / "labels.csv"
    pl.DataFrame(columns).write_csv(path)
    return str(path)


def join(labels: str | None = None, *, frame: pl.DataFrame = REVIEWS) -> list[int]:
    found = list_labels(frame, names=["food"], labels=labels, columns=(), key=None)
    return found["food"].tolist()


def test_labels_beside_the_texts_are_read_by_the_attribute_s_name() -> None:
    assert join() == [1, UNDECIDED, 9]


def test_labels_in_a_file_find_their_review_by_id(tmp_path: Path) -> None:
    path = write_labels(tmp_path, review_id=["c", "a", "z"], food=["Negative", "", "Positive"])
    assert join(path) == [9, UNDECIDED, -1]


def test_labels_in_a_file_find_their_review_by_row(tmp_path: Path) -> None:
    path = write_labels(tmp_path, row=[2, 0], food=["Negative", "Positive"])
    assert join(path) == [1, UNDECIDED, -1]


def test_a_review_that_is_labelled_twice_is_named(tmp_path: Path) -> None:
    path = write_labels(tmp_path, row=[2, 2], food=["Negative", "Positive"])
    with pytest.raises(InputError, match="row 2 is labelled more than once"):
        join(path)


def test_labels_of_other_reviews_are_refused(tmp_path: Path) -> None:
    path = write_labels(tmp_path, review_id=["x"], food=["Negative"])
    with pytest.raises(InputError, match="none of the 1 labelled lines"):
        join(path)


def test_columns_of_labels_can_be_a_pattern_or_one_each() -> None:
    assert name_columns(["food", "noise"], ["{}_label"]) == ["food_label", "noise_label"]
    assert name_columns(["food", "noise"], ["x", "y"]) == ["x", "y"]
    with pytest.raises(ConfigError, match="1 columns for 2 attributes"):
        name_columns(["food", "noise"], ["x"])


def test_what_was_read_is_compared_with_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pl.DataFrame(
        {
            "body": ["The food was great.", "The food was awful.", "Nice music.", "Good food."],
            "food": ["Positive", "Negative", "unknown", "no majority"],
        }
    ).write_csv("reviews.csv")
    arguments = [
        "attributes", "evaluate", "reviews.csv", "--text", "body", "--attributes", "food",
    ]  # fmt: skip
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["attributes"][0]["n"] == 3
    assert document["macro_f1"] == 1.0
    assert document["n_unlabelled"] == 1
    shown = CliRunner().invoke(app, arguments)
    assert "food" in shown.stdout
    assert "left out: 1 texts without a decided label" in shown.stdout


@pytest.mark.parametrize(
    ("shift", "sign", "warning"),
    [
        (0, 1, None),
        (1, 1, "are they on the rows of their own reviews"),
        (0, -1, "signs of the labels"),
    ],
)
def test_labels_of_other_texts_or_of_the_other_sign_are_doubted(
    shift: int, sign: int, warning: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = [("The food was great.", 1), ("The food was awful.", -1), ("We sat by the door.", 9)]
    drawn = [said[n] for n in np.random.default_rng(1).integers(0, 3, 60)]
    labels = np.roll([label for _, label in drawn], shift)
    labels[np.abs(labels) == 1] *= sign
    bodies = [body for body, _ in drawn]
    label = ["unknown" if label == 9 else str(label) for label in labels]
    pl.DataFrame({"body": bodies, "food": label}).write_csv("reviews.csv")
    arguments = ["evaluate", "reviews.csv", "--text", "body", "--attributes", "food", "--json"]
    result = CliRunner().invoke(app, ["attributes", *arguments])
    assert result.exit_code == 0, result.output
    warnings = json.loads(result.stdout)["warnings"]
    assert len(warnings) == (0 if warning is None else 1)
    assert warning is None or warning in warnings[0]


@pytest.mark.parametrize("n", [10, 20, 40])
def test_right_labels_of_a_fair_reader_are_seldom_doubted(n: int) -> None:
    doubted = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        truth = rng.choice([1, -1, ABSENT], n, p=[0.25, 0.1, 0.65])
        read = np.where(rng.random(n) < 0.75, truth, rng.choice([1, -1, ABSENT], n))
        doubted += bool(doubt_labels(read[:, None], {"food": truth}))
    assert doubted <= 3


def test_labels_that_are_seldom_decided_together_are_doubted_one_by_one() -> None:
    rng = np.random.default_rng(0)
    read = rng.choice([1, -1, ABSENT], (600, 2))
    labels = {"food": np.roll(read[:, 0], 1), "noise": read[:, 1].copy()}
    labels["food"][::2] = labels["noise"][1::2] = UNDECIDED
    (said,) = doubt_labels(read, labels)
    assert said.startswith("food: the labels agree")


def test_a_proposal_is_written_as_a_part_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bodies = [f"Parcel {n} came. The battery was great." for n in range(12)]
    pl.DataFrame({"body": bodies}).write_csv("reviews.csv")
    arguments = ["attributes", "discover", "reviews.csv", "--text", "body", "--out", "found.toml"]
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    assert [row["name"] for row in json.loads(result.stdout)["attributes"]] == ["battery"]
    assert load_settings("found.toml").extract.names == ("battery",)


def test_a_proposal_says_of_how_many_texts_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bodies = [f"Parcel {n} came. The battery was great." for n in range(12)]
    pl.DataFrame({"body": [*bodies, *bodies[:3], "", None]}).write_csv("reviews.csv")
    arguments = ["attributes", "discover", "reviews.csv", "--text", "body", "--out", "found.toml"]
    document = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert (document["texts"], document["read"]) == (17, 12)
    assert document["attributes"][0]["n_reviews"] == 12
    assert document["toml"].startswith("# Proposed from 12 distinct ones of 17 texts;")


def test_a_text_is_explained_by_the_words_it_was_read_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["attributes", "explain", "--text", "Great food. Then we left.", "--attributes"]
    result = CliRunner().invoke(app, [*arguments, "food,noise", "--json"])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["marked"].startswith("[1: Great food")
    assert [row["is_mentioned"] for row in document["attributes"]] == [True, False]
    shown = CliRunner().invoke(app, [*arguments, "food"])
    assert "[1: Great food" in shown.stdout


def test_a_row_that_is_not_there_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pl.DataFrame({"body": ["Good."]}).write_csv("reviews.csv")
    arguments = ["explain", "reviews.csv", "--text", "body", "--row", "1", "--attributes", "food"]
    result = CliRunner().invoke(app, ["attributes", *arguments])
    assert result.exit_code == 2
    assert "--row 1 is not there" in result.stderr
