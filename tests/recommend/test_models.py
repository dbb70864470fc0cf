import numpy as np
import pytest

from tasks.platform.errors import ConfigError
from tasks.recommend.models import (
    MODELS,
    Recommender,
    choose_parts,
    interact,
    list_sizes,
    make_inputs,
)
from tests.recommend.worlds import rich_ratings

ALL = dict.fromkeys(MODELS["features"], 0.5)


def random_model(seed: int = 0, rank: int = 3) -> Recommender:
    inputs = make_inputs(rich_ratings())
    rng = np.random.default_rng(seed)
    sizes = list_sizes(inputs, ALL, rank=rank)
    return Recommender({name: rng.normal(size=size) for name, size in sizes.items()}, inputs)


def test_the_sources_worked_example_of_phi_is_0_36():
    assert interact(np.array([0.5, 0.3, 0.2]), np.array([0.4, 0.4, 0.2])) == pytest.approx(0.36)


def test_the_towers_multiply_to_the_sum_of_all_parts():
    model = random_model()
    p, z, w = model.parameters, model.inputs.user_features, model.inputs.item_features
    by_hand = (
        p["mean"] + p["user"][:, None] + p["item"][None] + (z @ p["user_features"])[:, None]
        + (w @ p["item_features"])[None] + p["latent_user"] @ p["latent_item"].T
        + z @ p["cross"] @ w.T + p["taste"] @ w.T + z @ p["appeal"].T
    )  # fmt: skip
    assert model.predict_grid() == pytest.approx(by_hand)
    users, items = np.array([3, 29, 0]), np.array([19, 0, 7])
    assert model.predict(users, items) == pytest.approx(by_hand[users, items])


def test_the_sum_of_two_models_predicts_the_sum():
    one, other = random_model(1), random_model(2, rank=2)
    total = one.add(other)
    assert total.predict_grid() == pytest.approx(one.predict_grid() + other.predict_grid())


def test_a_part_of_variance_zero_has_no_parameters():
    sizes = list_sizes(make_inputs(rich_ratings()), {**ALL, "latent": 0.0, "taste": 0.0}, rank=3)
    assert set(sizes) == {
        "mean",
        "user",
        "item",
        "user_features",
        "item_features",
        "cross",
        "appeal",
    }


@pytest.mark.parametrize(
    ("model", "variances", "words"),
    [("magic", {}, "bias, mf"), ("mf", {"magic": 1.0}, "no parts magic"), ("mf", {"user": -1.0}, "0 or more")],
)  # fmt: skip
def test_unknown_models_parts_and_variances_are_refused(model, variances, words):
    with pytest.raises(ConfigError, match=words):
        choose_parts(model, variances)
