"""What a night tries on its own extractor, and on the recommender that it trains."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from flows.attacks import readers as attack_readers
from flows.attacks.models import Memory
from flows.attacks.ratings import load_ratings
from flows.attacks.readers import attack_item_texts, attack_texts, attack_vectors, choose_texts
from flows.attacks.victim import plan_victim
from tasks.platform.errors import ConfigError
from tasks.platform.refs import FileRef
from tasks.platform.settings import AttributeSettings, ExtractSettings, Settings, load_settings
from tasks.platform.site import resolve_site
from tasks.platform.task import RunContext
from tasks.robustness.corpus import SAYS, fill_columns
from tasks.robustness.task import CorpusRef
from tasks.text.extractors import learn_extractor
from tasks.text.probe import encode_probe
from tasks.text.task import ExtractorChoice, ModelChoice, open_encoder
from tests.robustness.worlds import toy_corpus

TEXTS = ("The price was wonderful.", "The price was terrible.", "It came on a Tuesday.")
DEFAULT = ExtractSettings()
EXTRACT = DEFAULT.model_copy(
    update={"attributes": tuple(one for one in DEFAULT.attributes if one.name == "price")}
)


@pytest.fixture
def run(tmp_path: Path) -> RunContext:
    (tmp_path / "whyrec.toml").write_text('[paths]\nhome = "home"\n')
    site = resolve_site(load_settings(tmp_path / "whyrec.toml"))
    return RunContext(run_id="r", events=str(tmp_path / "e"), site=site, text=Settings().text)


def keep(run: RunContext, *, is_read: bool = True) -> CorpusRef:
    says = pl.Series(f"{SAYS}price", [1, -1, 0], dtype=pl.Int8)
    frame = pl.DataFrame(
        {"user_id": ["a", "b", "c"], "item_id": ["x", "y", "x"], "rating": [5.0, 1.0, 3.0],
         "text": list(TEXTS), "is_read": [is_read] * 3}
    ).with_columns(says)  # fmt: skip
    file = run.site.lake.put_frame("corpora", fill_columns(frame, ["price"]))
    return CorpusRef(reviews=file, items=file, users=file)


def attack(run: RunContext, task, name: str, **options) -> dict:
    given = {
        "source": "shop", "corpus": keep(run), "attack": name, "extract": EXTRACT,
        "model": ModelChoice(name="m", revision="r"), "probe": None,
        "extractor": ExtractorChoice(name="clauses", revision="r"), "seed": 0,
    } | options  # fmt: skip
    file: FileRef = task.fn(run=run, **given)
    return json.loads(run.site.lake.read_bytes(file))


@pytest.mark.slow
def test_the_night_s_own_extractor_is_attacked_the_same_under_a_seed(run: RunContext) -> None:
    tables = attack(run, attack_texts, "swaps", texts=5, queries=60)
    (row,) = tables["attacks"]
    assert (row["surface"], row["target"], row["subject"]) == ("text", "extractor", "price")
    assert row["attempted"] == row["succeeded"] + row["failed"] == 2
    assert row["queries"] <= 60
    assert {one["before_text"] for one in tables["attack_examples"]} <= set(TEXTS[:2])
    assert attack(run, attack_texts, "swaps", texts=5, queries=60) == tables


def test_what_a_budget_leaves_over_is_not_attempted(run: RunContext) -> None:
    (row,) = attack(run, attack_texts, "swaps", texts=5, queries=6)["attacks"]
    assert row["attempted"] + row["skipped"] + row["not_attempted"] == 2
    assert row["not_attempted"] > 0
    assert "budget ran out" in row["skip_reason"]


def test_texts_that_were_not_read_are_not_attacked(run: RunContext) -> None:
    (row,) = attack(
        run, attack_texts, "swaps", texts=5, queries=60, corpus=keep(run, is_read=False)
    )["attacks"]
    assert (row["attempted"], row["skipped"]) == (0, 1)
    assert "no review that was read" in row["skip_reason"]


def test_a_variable_that_sets_one_value_leaves_the_others_of_its_section(
    run: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHYREC_TEXT__PRECISION", run.text.precision)
    monkeypatch.setenv("WHYREC_EXTRACT__EXTRACTOR", "clauses")
    text = run.text.model_copy(update={"max_tokens": 99})
    extract = ExtractSettings(attributes=(AttributeSettings(name="fit", seeds=("fit",)),))
    desk, _ = attack_readers.open_reading(
        extract,
        ExtractorChoice(name="clauses", revision="r"),
        None,
        run.model_copy(update={"text": text}),
    )
    assert desk.settings.text == text
    assert desk.settings.extract == extract


def test_texts_are_drawn_of_those_that_judge_something() -> None:
    frame = toy_corpus().frame
    drawn = choose_texts(frame, 10, 3)
    judging = set(frame.filter(pl.col(f"{SAYS}price") != 0)["text"])
    assert len(set(drawn)) == 10
    assert set(drawn) <= judging
    assert drawn == choose_texts(frame, 10, 3) != choose_texts(frame, 10, 4)


def test_vectors_of_an_extractor_without_a_probe_are_skipped_with_the_reason(
    run: RunContext,
) -> None:
    (row,) = attack(run, attack_vectors, "fgsm")["attacks"]
    assert (row["surface"], row["attempted"], row["skipped"]) == ("embedding", 0, 1)
    assert "clauses extractor has no probe" in row["skip_reason"]


def test_item_texts_are_skipped_where_no_recommender_was_fitted(run: RunContext) -> None:
    file = attack_item_texts.fn(
        source="shop", corpus=keep(run), attack="pgd", checkpoint=None, seed=0, run=run
    )
    (row,) = json.loads(run.site.lake.read_bytes(file))["attacks"]
    assert (row["target"], row["skipped"]) == ("recommender", 1)


def test_the_nights_recommender_learns_from_fakes_like_any_other_rows() -> None:
    corpus = toy_corpus()
    victim = plan_victim(corpus, "bias", seed=0)
    n_users, n_items = len(corpus.users), len(corpus.items)
    fake_users = np.repeat(np.arange(n_users, n_users + 40), 1)
    clean = victim.fit(
        corpus.user, corpus.item, corpus.rating, n_users=n_users, n_items=n_items
    ).score_all(np.arange(n_users))
    attacked = victim.fit(
        np.concatenate([corpus.user, fake_users]),
        np.concatenate([corpus.item, np.zeros(40, dtype=np.int64)]),
        np.concatenate([corpus.rating, np.ones(40)]), n_users=n_users + 40, n_items=n_items,
    ).score_all(np.arange(n_users))  # fmt: skip
    assert clean.shape == attacked.shape == (n_users, n_items)
    assert (attacked[:, 0] < clean[:, 0] - 0.3).all()


def test_of_a_pair_rated_twice_the_last_rating_counts() -> None:
    corpus = toy_corpus()
    victim = plan_victim(corpus, "bias", seed=0)
    twice = victim.fit(
        np.concatenate([corpus.user, corpus.user]), np.concatenate([corpus.item, corpus.item]),
        np.concatenate([6 - corpus.rating, corpus.rating]), n_users=len(corpus.users),
        n_items=len(corpus.items),
    )  # fmt: skip
    once = victim.fit(
        corpus.user, corpus.item, corpus.rating, n_users=len(corpus.users),
        n_items=len(corpus.items),
    )  # fmt: skip
    users = np.arange(len(corpus.users))
    assert twice.score_all(users).mean() == pytest.approx(once.score_all(users).mean(), abs=0.05)


def test_unknown_victims_and_kinds_are_named_with_what_there_is() -> None:
    with pytest.raises(ConfigError, match="choose of surrogate, bias"):
        plan_victim(toy_corpus(), "svd")
    with pytest.raises(ConfigError, match="coat or movielens, not 'shop'"):
        load_ratings("shop", "reviews.csv")


def test_vectors_of_a_nights_probe_turn_more_answers_the_farther_they_are_moved(
    run: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attack_readers, "EPSILONS", (0.1, 20.0))  # so far that any probe gives in

    tails = ("", " I would know.", " That is all.", " We use it daily.", " My brother agrees.")
    bodies = [
        f"The price was {word}.{tail}"
        for word in ("wonderful", "great", "terrible", "awful", "excellent", "horrible")
        for tail in tails
    ] + [f"It came on a {day}.{tail}" for day in ("Monday", "Tuesday", "Sunday") for tail in tails]
    settings = EXTRACT.model_copy(
        update={
            "extractor": "distilled",
            "distilled": EXTRACT.distilled.model_copy(update={"sample": 50}),
        }
    )
    memory = Memory(open_encoder(run.text))
    taught = learn_extractor(settings, bodies, EXTRACT.attributes, memory)
    probe = run.site.lake.put_bytes("probes", ".safetensors", encode_probe(taught.probe))
    frame = pl.DataFrame(
        {"user_id": ["a"] * 45, "item_id": ["x"] * 45, "rating": [3.0] * 45, "text": bodies,
         f"{SAYS}price": [1] * 45}
    )  # fmt: skip
    file = run.site.lake.put_frame("corpora", fill_columns(frame, ["price"]))
    (row,) = attack(
        run, attack_vectors, "pgd", extract=settings, probe=probe,
        extractor=ExtractorChoice(name="distilled", revision="r"),
        corpus=CorpusRef(reviews=file, items=file, users=file),
    )["attacks"]  # fmt: skip
    assert (row["surface"], row["target"], row["subject"]) == ("embedding", "extractor", "price")
    assert row["attempted"] == row["succeeded"] + row["failed"] == 45
    assert row["clean"] == 1.0
    turned = [share for _, share in json.loads(row["detail"])["curve"]]
    assert turned == sorted(turned)
    assert turned[-1] > 0
