import numpy as np
import pytest

from tasks.platform.errors import InputError
from tasks.recommend.checkpoint import (
    Checkpoint,
    Names,
    align_parameters,
    decode_checkpoint,
    encode_checkpoint,
)
from tasks.recommend.debias import Fit
from tests.recommend.test_models import random_model

NAMES = Names(
    tuple(f"u{k}" for k in range(30)),
    tuple(f"i{k}" for k in range(20)),
    ("a", "b", "c"),
    ("d", "e"),
)


def make_checkpoint() -> Checkpoint:
    return Checkpoint(Fit((random_model(1), random_model(2))), NAMES, {"power": 0.5})


def test_a_recommender_survives_its_file_and_the_same_one_makes_the_same_bytes():
    before = make_checkpoint()
    after = decode_checkpoint(encode_checkpoint(before))
    assert after.names == NAMES
    assert after.card == {"power": 0.5}
    assert len(after.fit.stages) == 2
    assert (after.model.predict_grid() == before.model.predict_grid()).all()
    assert encode_checkpoint(after) == encode_checkpoint(before)


@pytest.mark.parametrize("data", [b"", b"nonsense", encode_checkpoint(make_checkpoint())[:-40]])
def test_a_file_that_is_no_recommender_is_refused_in_words(data):
    with pytest.raises(InputError, match="no recommender"):
        decode_checkpoint(data)


def test_parameters_follow_their_names_and_new_ones_start_at_zero():
    model = random_model()
    now = Names(("new", "u7", "u0"), tuple(reversed(NAMES.items)), ("c", "z", "a"), ("e", "d"))
    moved = align_parameters(model.parameters, NAMES, now)
    p = model.parameters
    assert moved["user"].tolist() == [0.0, p["user"][7], p["user"][0]]
    assert moved["taste"][1].tolist() == [p["taste"][7, 1], p["taste"][7, 0]]
    assert moved["latent_item"][0].tolist() == p["latent_item"][19].tolist()
    assert moved["cross"][:, 0].tolist() == [p["cross"][2, 1], 0.0, p["cross"][0, 1]]
    assert moved["mean"] == p["mean"]


def test_nothing_moves_when_the_names_are_the_same():
    model = random_model()
    moved = align_parameters(model.parameters, NAMES, NAMES)
    assert all((moved[name] == value).all() for name, value in model.parameters.items())
    assert np.shape(moved["mean"]) == ()
