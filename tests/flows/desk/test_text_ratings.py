"""From a file of texts and ratings to figures, by the tiny encoder."""

import json
from pathlib import Path

import numpy as np
import pytest

from flows.commands.recommend import show_texts
from flows.desk.text_ratings import compare_text_ratings
from tasks.platform.errors import ConfigError, InputError
from tests.text.conftest import build_tiny_model


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("ratings")
    model = build_tiny_model(folder / "model")
    (folder / "whyrec.toml").write_text(
        f'[text]\nmodel = "{model}"\ndevice = "cpu"\nmax_tokens = 32\n'
    )
    rng = np.random.default_rng(0)
    rows = []
    for number in range(80):
        word, stars = (("great", 5), ("terrible", 1))[int(rng.random() < 0.5)]
        rows.append({"body": f"food {word} {number} service", "stars": str(stars)})
    rows += [{"body": "", "stars": "3"}, {"body": "food", "stars": "no majority"}]
    lines = "\n".join(json.dumps(row) for row in rows)
    (folder / "reviews.jsonl").write_text(lines + "\n")
    return folder


def test_a_file_is_read_trained_on_and_compared(place: Path) -> None:
    answer = compare_text_ratings(
        str(place / "reviews.jsonl"), text="body", rating="stars", seeds=1,
        config=str(place / "whyrec.toml"), out=str(place / "model.safetensors"),
        log_folder=str(place / "log"), limit=None,
    )  # fmt: skip
    assert (answer["n"], answer["left_out"]) == (80, 2)
    assert [row["model"] for row in answer["models"]] == ["mean", "ridge", "text"]
    assert (place / "model.safetensors").is_file()
    assert list((place / "log").iterdir())


def test_an_absent_column_is_named(place: Path) -> None:
    with pytest.raises(InputError, match="no column score"):
        compare_text_ratings(str(place / "reviews.jsonl"), text="body", rating="score")


def test_where_a_model_cannot_be_written_nothing_is_trained(place: Path) -> None:
    with pytest.raises(ConfigError, match="is a folder; name a file in it"):
        compare_text_ratings(
            str(place / "reviews.jsonl"), text="body", rating="stars", out=str(place)
        )


def test_a_file_without_a_text_and_a_rating_says_so(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("body,stars\n,1\ngood,\n")
    with pytest.raises(
        InputError, match=r"none of the 2 rows .* a text in body and a number in stars"
    ):
        compare_text_ratings(str(tmp_path / "r.csv"), text="body", rating="stars")


def test_a_figure_that_no_split_gives_is_no_result(capsys: pytest.CaptureFixture[str]) -> None:
    figure = {"mean": 0.2, "sd": None}
    row = {"model": "mean", "mse": figure, "mae": figure}
    show_texts({"n": 80, "seeds": 1, "left_out": 0, "models": [row]})
    assert "no result" in capsys.readouterr().out
