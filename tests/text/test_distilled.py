"""The distilled extractor: who teaches it, what it is taught, and what it then reads."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
import pytest

from tasks.platform.errors import ConfigError, InputError
from tasks.platform.labels import ABSENT, UNDECIDED
from tasks.text.clauses import ClauseExtractor
from tasks.text.distilled import (
    DistilledExtractor,
    choose_sample,
    fit_distilled,
    measure_agreement,
    part_reviews,
    take_labels,
    teach,
)
from tasks.text.evaluate import read_answers
from tasks.text.extract import (
    EXTRACTION_SCHEMA,
    AttributeLike,
    Embed,
    Extraction,
    name_attributes,
)
from tasks.text.probe import FOLDS, choose_temperature, decode_probe, encode_probe, soften
from tests.text.toy import embed, write_reviews

ATTRIBUTES = name_attributes(["food", "noise"])
NAMES = ["food", "noise"]


def learn(n: int = 200, seed: int = 0, base: ClauseExtractor | None = None) -> DistilledExtractor:
    texts, truth = write_reviews(n, seed)
    lesson = take_labels(texts, dict(zip(NAMES, truth.T, strict=True)), name="labels")
    return fit_distilled(lesson, ATTRIBUTES, embed, threshold=0.6, base=base)


def read(reader: DistilledExtractor, texts: Sequence[str]) -> pl.DataFrame:
    reviews = [(str(n), text) for n, text in enumerate(texts)]
    return reader.extract(reviews, attributes=ATTRIBUTES, embed=embed).frame


@dataclass
class Liar:
    """A teacher that answers as it is told, by text, and remembers what it was shown."""

    answers: dict[str, tuple[int, ...]]
    refused: frozenset[str] = frozenset()
    seen: list[str] = field(default_factory=list)
    revision: str = "liar-1"

    def extract(
        self,
        reviews: Sequence[tuple[str, str]],
        *,
        attributes: Sequence[AttributeLike],
        embed: Embed,
    ) -> Extraction:
        self.seen += [text for _, text in reviews]
        rows = [
            (name, a.name, said != ABSENT, 0 if said == ABSENT else said, 0.9, None, None)
            for name, text in reviews
            if text not in self.refused
            for a, said in zip(attributes, self.answers[text], strict=True)
        ]
        skipped = pl.DataFrame(
            {"review_id": [n for n, text in reviews if text in self.refused]}
        ).with_columns(reason=pl.lit("budget"))
        return Extraction(
            pl.DataFrame(rows, schema=EXTRACTION_SCHEMA, orient="row"), skipped, n_tokens=7
        )


def test_new_reviews_are_read_as_they_were_taught() -> None:
    texts, truth = write_reviews(300, seed=1)
    answers, _ = read_answers(read(learn(), texts), NAMES)
    assert (answers == truth).mean() >= 0.97


def test_a_probe_learns_what_its_teacher_says_not_what_words_mean() -> None:
    texts, truth = write_reviews(300, seed=0)
    upside_down = np.where(truth == ABSENT, ABSENT, -truth)
    lesson = take_labels(texts, dict(zip(NAMES, upside_down.T, strict=True)), name="labels")
    reader = fit_distilled(lesson, ATTRIBUTES, embed, threshold=0.6, base=None)
    others, said = write_reviews(200, seed=1)
    answers, _ = read_answers(read(reader, others), NAMES)
    assert (answers == np.where(said == ABSENT, ABSENT, -said)).mean() >= 0.95


def test_agreement_is_that_of_reviews_the_fit_had_not_seen() -> None:
    texts, _ = write_reviews(200, seed=0)
    rng = np.random.default_rng(0)
    noise = rng.choice([1, -1, ABSENT], size=(200, 2))
    lesson = take_labels(texts, dict(zip(NAMES, noise.T, strict=True)), name="labels")
    about = fit_distilled(lesson, ATTRIBUTES, embed, threshold=0.6, base=None).probe.about
    assert about["agreement"] < 0.45


def test_agreement_is_measured_on_the_random_half_only() -> None:
    reader = learn()
    texts, truth = write_reviews(200, seed=0)
    lesson = take_labels(texts, dict(zip(NAMES, truth.T, strict=True)), name="labels")
    held = np.zeros((200, 2, len(reader.probe.classes)))
    held[..., reader.probe.classes.index(1)] = 0.9
    is_praise = (truth == 1).all(axis=1)
    halved = type(lesson)(lesson.texts, lesson.labels, is_praise, lesson.teacher)
    told = measure_agreement(reader.probe, held, halved, 0.8)
    assert (told["agreement"], told["coverage"], told["sure_agreement"]) == (1.0, 1.0, 1.0)
    assert told["attributes"]["food"]["n"] == is_praise.sum()
    assert measure_agreement(reader.probe, held, halved, 0.95)["coverage"] == 0.0
    assert measure_agreement(reader.probe, held, halved, 0.95)["sure_agreement"] is None


def test_confidence_is_calibrated_on_new_reviews() -> None:
    texts, truth = write_reviews(400, seed=2)
    rng = np.random.default_rng(5)
    is_noisy = rng.random(truth.shape) < 0.3
    noisy = np.where(is_noisy, rng.choice([1, -1, ABSENT], size=truth.shape), truth)
    lesson = take_labels(texts, dict(zip(NAMES, noisy.T, strict=True)), name="labels")
    reader = fit_distilled(lesson, ATTRIBUTES, embed, threshold=0.6, base=None)
    others, said = write_reviews(400, seed=3)
    answers, sure = read_answers(read(reader, others), NAMES)
    mixed = np.where(rng.random(said.shape) < 0.3, rng.choice([1, -1, ABSENT], said.shape), said)
    assert abs((answers == mixed).mean() - sure.mean()) < 0.12


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_the_temperature_undoes_too_much_sureness(scale: float) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(5000, 3)) * 2.0
    shares = soften(logits, 1.0)
    labels = np.array([(1, -1, ABSENT)[rng.choice(3, p=row)] for row in shares])
    found = choose_temperature(logits * scale, labels, (1, -1, ABSENT))
    assert found == pytest.approx(scale, rel=0.08)


def test_each_review_is_read_on_its_own() -> None:
    reader = learn()
    texts, _ = write_reviews(40, seed=4)
    together = read(reader, texts)
    alone = read(reader, texts[7:8])
    assert (
        together.filter(pl.col("review_id") == "7")
        .drop("review_id")
        .equals(alone.drop("review_id"))
    )


def test_spans_are_the_clause_that_speaks_of_the_attribute() -> None:
    text = "We came on day 3. The noise was awful. The food was superb."
    rows = {row["attribute"]: row for row in read(learn(), [text]).to_dicts()}
    spans = {name: text[row["span_start"] : row["span_end"]] for name, row in rows.items()}
    assert spans == {"food": "The food was superb", "noise": "The noise was awful"}


@pytest.mark.parametrize("text", ["", "  ", "\U0001f600\U0001f600", "<br>", "!?", "\ud800"])
def test_a_text_without_words_mentions_nothing(text: str) -> None:
    rows = read(learn(), [text])
    assert rows.schema == EXTRACTION_SCHEMA
    assert rows["is_mentioned"].to_list() == [False, False]
    assert rows["span_start"].null_count() == 2


def test_the_same_lesson_gives_the_same_bytes_and_they_read_back() -> None:
    one, other = learn(), learn()
    assert encode_probe(one.probe) == encode_probe(other.probe)
    again = DistilledExtractor(decode_probe(encode_probe(one.probe)))
    texts, _ = write_reviews(30, seed=6)
    assert read(again, texts).equals(read(one, texts))
    assert again.revision == one.revision


def test_the_revision_tells_probes_and_bases_apart() -> None:
    revisions = {learn().revision, learn(seed=9).revision, learn(base=ClauseExtractor()).revision}
    assert len(revisions) == 3


def test_a_damaged_probe_is_refused_in_words() -> None:
    with pytest.raises(InputError, match="fit it again"):
        decode_probe(encode_probe(learn().probe)[:100])


def test_other_attributes_than_were_taught_are_refused() -> None:
    with pytest.raises(ConfigError, match="reads food, noise, not price"):
        learn().extract([("1", "x")], attributes=name_attributes(["price"]), embed=embed)


def test_too_few_labels_are_refused_in_words() -> None:
    with pytest.raises(InputError, match="19 labelled reviews were found, at least 20"):
        learn(n=19)


def test_labels_that_say_but_one_thing_are_refused_in_words() -> None:
    texts, truth = write_reviews(50, seed=0)
    lesson = take_labels(texts, dict(zip(NAMES, np.ones_like(truth).T, strict=True)), name="x")
    with pytest.raises(InputError, match="1 different answers"):
        fit_distilled(lesson, ATTRIBUTES, embed, threshold=0.6, base=None)


def test_undecided_labels_teach_nothing() -> None:
    texts, truth = write_reviews(200, seed=0)
    truth[:100, 0] = UNDECIDED
    truth[150:] = UNDECIDED
    lesson = take_labels(texts, dict(zip(NAMES, truth.T, strict=True)), name="labels")
    assert len(lesson.texts) == 150
    about = fit_distilled(lesson, ATTRIBUTES, embed, threshold=0.6, base=None).probe.about
    assert about["attributes"]["food"]["n"] == 50
    assert about["attributes"]["noise"]["n"] == 150


def test_the_sample_is_half_random_and_the_same_for_any_order_of_reviews() -> None:
    texts, _ = write_reviews(600, seed=0)
    rows, is_random = choose_sample(
        texts, ATTRIBUTES, embed, size=100, rng=np.random.default_rng(1)
    )
    assert (len(rows), is_random.sum(), len({texts[row] for row in rows})) == (100, 50, 100)
    back = texts[::-1]
    again, _ = choose_sample(back, ATTRIBUTES, embed, size=100, rng=np.random.default_rng(1))
    assert [texts[row] for row in rows] == [back[row] for row in again]


def test_the_chosen_half_speaks_of_the_attributes_more_than_the_random_one() -> None:
    texts, _ = write_reviews(900, seed=0)
    rare = [text for text in texts if "noise" not in text] + [
        text for text in texts if "noise" in text
    ][:20]
    rows, is_random = choose_sample(rare, ATTRIBUTES, embed, size=80, rng=np.random.default_rng(1))
    named = np.array(["noise" in rare[row] for row in rows])
    assert named[~is_random].mean() > 2 * named[is_random].mean()


def test_a_small_corpus_is_labelled_whole_once_each() -> None:
    texts, _ = write_reviews(30, seed=0)
    rows, _ = choose_sample(
        [*texts, *texts, ""], ATTRIBUTES, embed, size=100, rng=np.random.default_rng(1)
    )
    assert len(rows) == len(set(texts))


def test_a_teacher_sees_texts_of_the_sample_alone_and_what_it_skips_is_left_out() -> None:
    texts, truth = write_reviews(300, seed=0)
    answers = {text: tuple(row) for text, row in zip(texts, truth.tolist(), strict=True)}
    liar = Liar(answers, refused=frozenset(texts[:150]))
    lesson = teach(texts, ATTRIBUTES, embed, teacher=liar, size=100, rng=np.random.default_rng(0))
    assert len(liar.seen) == 100
    assert not set(lesson.texts) & liar.refused
    assert len(lesson.texts) == len(set(liar.seen) - liar.refused)
    assert [answers[text] for text in lesson.texts] == [tuple(row) for row in lesson.labels]
    assert (lesson.teacher, lesson.n_tokens) == ("liar-1", 7)


def test_equal_texts_share_a_fold() -> None:
    folds = part_reviews(["a", "b", "a", *map(str, range(200))])
    assert folds[0] == folds[2]
    assert set(folds.tolist()) == set(range(FOLDS))


def test_a_text_without_words_mentions_nothing_even_if_all_that_were_taught_did() -> None:
    texts, truth = write_reviews(200, seed=0)
    said = np.where(truth == ABSENT, 1, truth)
    lesson = take_labels(texts, dict(zip(NAMES, said.T, strict=True)), name="labels")
    reader = fit_distilled(lesson, ATTRIBUTES, embed, threshold=0.6, base=None)
    assert ABSENT not in reader.probe.classes
    assert read(reader, ["", "x y"])["is_mentioned"].to_list() == [False, False, True, True]


def test_of_reviews_that_say_the_same_the_chosen_half_takes_those_that_differ() -> None:
    alike = [f"The food was great. {number}" for number in range(100)]
    varied = [
        f"The food {word} us beyond measure"
        for word in "abc def ghi jkl mno pqr stu vwx yza bcd efg hij".split()
    ]
    rows, is_random = choose_sample(
        [*alike, *varied], ATTRIBUTES[:1], embed, size=80, rng=np.random.default_rng(0)
    )
    random, chosen = set(rows[is_random].tolist()), set(rows[~is_random][:12].tolist())
    left = set(range(100, 112)) - random
    assert len(left) >= 3
    assert left <= chosen
