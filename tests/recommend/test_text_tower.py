import numpy as np
import pytest

from tasks.platform.errors import ConfigError, InputError
from tasks.recommend.text_tower import (
    StoredStates,
    TextRecipe,
    fit_text,
    load_text,
    save_text,
)

QUICK = TextRecipe(hidden=8, epochs=12, patience=12, rate=0.02, dropout=0.0)


def order_world(n=240, seed=0):
    """The rating is 5 where a good token comes last and 1 where a bad one does; both always occur.

    No average over tokens tells them apart: only their order does.
    """
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(3, 6))  # filler, good, bad
    good = rng.random(n) < 0.5
    texts = []
    for is_good in good:
        tail = [2, 1] if is_good else [1, 2]
        texts.append(vectors[[*[0] * int(rng.integers(0, 4)), *tail]])
    starts = np.concatenate([[0], np.cumsum([len(text) for text in texts])])
    return StoredStates(np.concatenate(texts).astype(np.float16), starts), np.where(good, 5.0, 1.0)


def test_the_order_of_tokens_is_read_which_no_average_of_them_tells():
    states, ratings = order_world()
    rows = np.arange(len(ratings))
    model = fit_text(states, ratings, seed=0, recipe=QUICK)
    assert np.mean((model.predict(states, rows) - ratings) ** 2) < 0.5 < ratings.var()


def test_a_seed_decides_and_another_draws_otherwise():
    states, ratings = order_world(80)
    recipe = TextRecipe(hidden=4, epochs=2)
    rows = np.arange(80)
    first, again, other = (
        fit_text(states, ratings, seed=seed, recipe=recipe).predict(states, rows)
        for seed in (0, 0, 1)
    )
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)


def test_a_prediction_does_not_depend_on_the_texts_beside_it():
    states, ratings = order_world(60)
    model = fit_text(states, ratings, seed=0, recipe=TextRecipe(hidden=4, epochs=1))
    rows = np.arange(60)
    alone = np.concatenate([model.predict(states, rows[k : k + 1]) for k in rows])
    assert model.predict(states, rows) == pytest.approx(alone, abs=1e-5)


def test_propensities_decide_whose_error_counts():
    """All texts are alike and half of the ratings are 5: with 1/p they count nine to one."""
    n = 400
    states = StoredStates(np.ones((n, 4), dtype=np.float16), np.arange(n + 1))
    ratings = np.where(np.arange(n) % 2 == 0, 5.0, 1.0)
    chances = np.where(ratings == 5, 0.9, 0.1)
    rows = np.arange(4)
    plain, weighted = (
        fit_text(states, ratings, seed=0, propensities=p, recipe=QUICK).predict(states, rows)
        for p in (None, chances)
    )
    assert plain.mean() == pytest.approx(3.0, abs=0.4)
    assert weighted.mean() == pytest.approx(1.4, abs=0.4)


def test_training_stops_early_and_keeps_the_best_epoch():
    rng = np.random.default_rng(0)
    states = StoredStates(rng.normal(size=(90, 4)).astype(np.float16), np.arange(91))
    looks = []
    recipe = TextRecipe(hidden=16, epochs=60, patience=2, rate=0.02)
    fit_text(states, rng.normal(size=90), seed=0, recipe=recipe, watch=looks.append)
    losses = [look.validation for look in looks]
    assert len(losses) < 60
    assert losses.index(min(losses)) == len(losses) - 3


def test_a_model_is_written_and_read(tmp_path):
    states, ratings = order_world(60)
    model = fit_text(states, ratings, seed=0, recipe=TextRecipe(hidden=4, epochs=1))
    save_text(model, tmp_path / "text.safetensors")
    rows = np.arange(60)
    again = load_text(tmp_path / "text.safetensors")
    assert np.array_equal(again.predict(states, rows), model.predict(states, rows))
    with pytest.raises(InputError, match="fit one first"):
        load_text(tmp_path / "absent.safetensors")


@pytest.mark.parametrize(
    ("ratings", "propensities", "message"),
    [
        (np.array([1.0, np.nan, 3.0]), None, "finite"),
        (np.array([1.0, 2.0, 3.0]), np.array([0.5, 0.0, 1.0]), "clip"),
        (np.array([1.0, 2.0]), None, "cannot be split"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(ratings, propensities, message):
    n = len(ratings)
    states = StoredStates(np.ones((n, 2), dtype=np.float16), np.arange(n + 1))
    with pytest.raises(InputError, match=message):
        fit_text(states, ratings, seed=0, propensities=propensities)


def test_a_recipe_that_makes_no_sense_is_refused():
    with pytest.raises(ConfigError, match="validation"):
        TextRecipe(validation=1.0)
