"""A language model writes what it is asked for, again and again the same."""

from pathlib import Path

import numpy as np
import pytest

from flows.attacks.writer import LlmWriter, choose_writer, describe
from tasks.platform.errors import ConfigError
from tasks.robustness.fake_text import write_templates
from tasks.text.llm_model import CausalModel
from tests.text.conftest import build_tiny_llm

SAYS = np.array([[1, 0], [0, -1], [1, 0], [0, 0], [1, 0]], dtype=np.int8)
NAMES = ("price", "sound_quality")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> CausalModel:
    folder = tmp_path_factory.mktemp("llm")
    build_tiny_llm(folder)
    return CausalModel(str(folder), device="cpu")


def test_a_text_a_row_and_the_same_seed_the_same_texts(model):
    texts = LlmWriter(model)(SAYS, NAMES, np.random.default_rng(0))
    assert len(texts) == len(SAYS)
    assert texts == LlmWriter(model)(SAYS, NAMES, np.random.default_rng(0))
    assert texts != LlmWriter(model)(SAYS, NAMES, np.random.default_rng(1))


def test_no_more_texts_are_written_than_are_needed(model):
    many = np.repeat(SAYS[:1], 30, axis=0)
    texts = LlmWriter(model, pool=3)(many, NAMES, np.random.default_rng(0))
    assert len(set(texts)) <= 3


def test_the_instruction_names_the_side_and_the_attribute():
    assert describe(SAYS[0], NAMES) == "Praise the price."
    assert describe(SAYS[1], NAMES) == "Complain about the sound quality."
    assert describe(SAYS[3], NAMES) == "Praise and blame nothing."


def test_writers_are_chosen_by_name(tmp_path: Path):
    assert choose_writer("templates", None) is write_templates
    config = tmp_path / "whyrec.toml"
    config.write_text(f'[extract.llm]\nmodel = "{tmp_path}"\n')
    assert isinstance(choose_writer("llm", str(config)), LlmWriter)
    with pytest.raises(ConfigError, match="use templates or llm"):
        choose_writer("monkeys", None)
