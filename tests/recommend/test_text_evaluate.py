import numpy as np
import pytest

from tasks.platform.errors import ConfigError, InputError
from tasks.recommend.text_evaluate import draw_test, evaluate_texts
from tasks.recommend.text_tower import TextRecipe
from tests.recommend.test_text_tower import order_world

QUICK = TextRecipe(hidden=8, epochs=12, patience=12, rate=0.02, dropout=0.0)


def test_order_that_pooling_loses_makes_the_text_model_win_against_the_ridge():
    states, ratings = order_world(300)
    rows = np.arange(300)
    pooled = np.array([part.mean(axis=0) for part in states(rows)], dtype=np.float64)
    found = evaluate_texts(states, pooled, ratings, texts=rows, seeds=1, recipe=QUICK)
    by_name = {row["model"]: row for row in found["models"]}
    assert by_name["mean"]["mse"]["mean"] == pytest.approx(4.0, abs=0.3)
    assert by_name["mean"]["auc"]["mean"] == 0.5
    assert by_name["text"]["mse"]["mean"] < 0.5 * by_name["ridge"]["mse"]["mean"]
    assert by_name["text"]["auc"]["mean"] > 0.9
    assert found["against_ridge"]["mean"] < 0


def test_equal_texts_are_on_one_side_of_a_split():
    texts = np.arange(200) % 50
    test = draw_test(texts, np.random.default_rng(0))
    assert test.sum() == 40
    assert not set(texts[test]) & set(texts[~test])


def test_too_few_texts_and_no_seeds_are_refused():
    states, ratings = order_world(40)
    pooled = np.zeros((40, 2))
    with pytest.raises(InputError, match="20 or more"):
        evaluate_texts(states, pooled, ratings, texts=np.zeros(40, dtype=int))
    with pytest.raises(ConfigError, match="at least 1"):
        evaluate_texts(states, pooled, ratings, texts=np.arange(40), seeds=0)
