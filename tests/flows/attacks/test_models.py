"""Readers as attacks want them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from flows.attacks.models import (
    LABELS,
    AttributeVictim,
    Memory,
    Reading,
    Writer,
    list_terms,
    open_translator,
    read_others,
    spread_answers,
)
from flows.attacks.text import Order, add_models, find_sides, open_writer, take_truths
from flows.desk.texts import Desk
from tasks.platform.errors import ConfigError, InputError
from tasks.platform.labels import ABSENT
from tasks.platform.settings import ExtractSettings, LlmSettings, Settings
from tasks.text.extract import EXTRACTION_SCHEMA, Attribute, Extraction
from tasks.text.llm_model import CausalModel
from tests.text.conftest import build_tiny_llm

FOOD, SERVICE = Attribute("food"), Attribute("service")


def no_vectors(texts: Sequence[str]) -> np.ndarray:
    raise AssertionError("nothing is embedded here")


class Reader:
    """Praises the food of texts that say "good"; skips texts that say "skip"."""

    revision = "toy"

    def __init__(self) -> None:
        self.n_read = 0

    def extract(self, reviews: Sequence[tuple[str, str]], **_: object) -> Extraction:
        self.n_read += len(reviews)
        rows = [
            row
            for review_id, text in reviews
            if "skip" not in text
            for row in (
                (review_id, "food", "good" in text, int("good" in text), 0.5, None, None),
                (review_id, "service", False, 0, 0.0, None, None),
            )
        ]
        return Extraction(pl.DataFrame(rows, schema=EXTRACTION_SCHEMA, orient="row"))


def test_an_answer_stays_the_likeliest_however_unsure_it_is() -> None:
    answers = np.array([[1, -1], [0, ABSENT]])
    shares = spread_answers(answers, np.array([[0.0, 0.5], [1.0, 0.0]]))
    assert shares.shape == (2, 2, len(LABELS))
    np.testing.assert_allclose(shares.sum(axis=2), 1.0)
    assert shares.argmax(axis=2).tolist() == [[0, 1], [2, 3]]
    assert shares[0, 1].max() < shares[1, 0].max()


def test_a_text_is_read_once_for_all_attributes_and_a_skipped_one_is_no_answer() -> None:
    reader = Reader()
    reading = Reading(reader, (FOOD, SERVICE), lambda texts: np.zeros((len(texts), 1)))  # type: ignore[arg-type]
    food, service = AttributeVictim(reading, 0), AttributeVictim(reading, 1)
    texts = ["skip", "good", "so", "good"]
    found = food.predict(texts)
    assert np.isnan(found[0]).all()
    assert found[1:].argmax(axis=1).tolist() == [0, 3, 0]
    assert service.predict(texts)[1:].argmax(axis=1).tolist() == [3, 3, 3]
    assert reader.n_read == 3
    assert read_others(reading, 1)(["good", "so"]).tolist() == [[0], [2]]


def test_vectors_are_computed_once_a_process() -> None:
    class Encoder:
        n = 0

        def encode(self, texts: Sequence[str]) -> np.ndarray:
            self.n += len(texts)
            return np.array([[len(text), 0] for text in texts], dtype=np.float32)

    encoder = Encoder()
    memory = Memory(encoder)  # type: ignore[arg-type]
    assert memory(["a", "bb", "a"])[:, 0].tolist() == [1, 2, 1]
    memory(["bb", "ccc"])
    assert encoder.n == 3


def test_labels_of_a_classifier_are_known_by_name_or_number() -> None:
    frame = pl.DataFrame({"said": ["Positive", "NEGATIVE", "1", "so-so", None]})
    assert take_truths(frame, "said", ("NEGATIVE", "POSITIVE")) == [1, 0, 1, None, None]
    spread = pl.DataFrame({"said": [1.0, 0.0, None]})
    assert take_truths(spread, "said", ("NEGATIVE", "POSITIVE")) == [1, 0, None]
    with pytest.raises(InputError, match="but good, bad; it gives NEGATIVE, POSITIVE"):
        take_truths(pl.DataFrame({"said": ["good", "bad"]}), "said", ("NEGATIVE", "POSITIVE"))
    assert find_sides(("NEGATIVE", "NEUTRAL", "POSITIVE")) == (2, 0)
    assert find_sides(("1 star", "2 stars", "3 stars")) == (2, 0)
    with pytest.raises(ConfigError, match="no column 'x'"):
        take_truths(frame, "x", ("a", "b"))


def test_labels_that_are_called_by_numbers_are_known_by_these() -> None:
    stars = pl.DataFrame({"said": [1, 2, 5, 0, None]})
    assert take_truths(stars, "said", ("1", "2", "3", "4", "5")) == [0, 1, 4, None, None]
    named = ("1 star", "2 stars", "3 stars", "4 stars", "5 stars")
    assert take_truths(stars, "said", named) == [0, 1, 4, None, None]
    words = pl.DataFrame({"said": ["5 Stars", "1 star"]})
    assert take_truths(words, "said", named) == [4, 0]
    assert take_truths(stars, "said", ("1 or 2", "1 at most")) == [1, None, None, 0, None]
    halves = pl.DataFrame({"said": [4.5, 1.0, float("nan"), 0.5]})
    assert take_truths(halves, "said", named) == [None, 0, None, None], "a half is no label"
    with pytest.raises(InputError, match=r"but 4.5, 3.5"):
        take_truths(pl.DataFrame({"said": [4.5, 3.5]}), "said", named)


def test_words_of_an_attribute_are_single_and_a_missing_translator_is_named(tmp_path: Path) -> None:
    assert {"food", "meal"} <= list_terms((FOOD, SERVICE), 0)
    assert "waiter" not in list_terms((FOOD, SERVICE), 0)
    with pytest.raises(ConfigError, match="--translate takes two"):
        open_translator(str(tmp_path))


def test_of_a_text_that_is_too_long_for_a_language_model_its_start_is_read(tmp_path: Path) -> None:
    build_tiny_llm(tmp_path / "short", kind="gpt2", positions=64)
    writer = Writer(CausalModel(str(tmp_path / "short"), device="cpu"))
    long, longer = (" ".join(["word"] * n) for n in (100, 200))
    short, one, other = writer.surprise(["word word", long, longer])
    assert short > 0
    assert one == other > 0
    assert writer.generate([long, "word"], 2) == [[], []]
    assert writer.tell() == [
        "too long for the 64 tokens that --lm looks at: 2 without a paraphrase, 2 of whose perplexity "
        "only the start is known"
    ]


def test_a_language_model_beside_runs_as_that_of_the_settings_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[dict[str, object]] = []
    monkeypatch.setattr(
        "huggingface_hub.snapshot_download", lambda *_, **said: asked.append(said) or "/nowhere"
    )
    for is_allowed in (False, True):
        llm = LlmSettings(
            model="team/own", revision="v2", device="cpu", precision="bf16",
            is_remote_allowed=is_allowed,
        )  # fmt: skip
        desk = Desk(Settings(extract=ExtractSettings(llm=llm)), (FOOD,), no_vectors, Path("kept"))
        for name in ("team/other", "team/own"):
            writer = open_writer(Order(lm=name), desk)
            assert writer is not None
            assert add_models(Order(), desk, no_vectors, writer).generate == writer.generate
            assert writer.model.precision == "bf16"
            assert str(writer.model.source) == "/nowhere"
    assert [said["local_files_only"] for said in asked] == [True, True, False, False]
    assert [said["revision"] for said in asked] == [None, "v2", None, "v2"]
