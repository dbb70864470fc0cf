import numpy as np
import pytest

from tasks.recommend.explain import split_prediction
from tests.recommend.test_models import random_model


def test_parts_sum_to_the_prediction():
    model = random_model().add(random_model(5, rank=2))
    users, items = np.array([0, 3, 29]), np.array([19, 4, 0])
    parts = split_prediction(model, users, items)
    assert parts.total == pytest.approx(model.predict(users, items))
    assert parts.user == pytest.approx(model.parameters["user"][users])
    assert np.abs(parts.features).min() > 0
