"""Principal components of embeddings, against a singular value decomposition."""

import numpy as np
import pytest

from tasks.effects.controls.texts import reduce_vectors
from tasks.platform.errors import InputError


def test_components_span_what_a_singular_value_decomposition_spans():
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(300, 4)) @ rng.normal(size=(4, 30)) + 0.01 * rng.normal(
        size=(300, 30)
    )
    found = reduce_vectors(vectors, max_components=4)
    left = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)[0][:, :4]
    overlap = np.linalg.svd(left.T @ (found.scores / np.sqrt(300)))[1]
    np.testing.assert_allclose(overlap, 1, atol=1e-9)
    np.testing.assert_allclose(found.scores.std(axis=0), 1)
    assert found.share > 0.99


def test_few_rows_get_few_components_and_one_text_gets_none():
    rng = np.random.default_rng(2)
    assert reduce_vectors(rng.normal(size=(60, 30))).scores.shape == (60, 4)
    assert reduce_vectors(np.ones((60, 30))).scores.shape == (60, 0)


def test_signs_do_not_depend_on_the_order_of_rows():
    vectors = np.random.default_rng(3).normal(size=(200, 10))
    forth, back = reduce_vectors(vectors).scores, reduce_vectors(vectors[::-1]).scores[::-1]
    np.testing.assert_allclose(forth, back, atol=1e-9)


def test_broken_vectors_are_refused():
    with pytest.raises(InputError, match="finite"):
        reduce_vectors(np.array([[np.nan, 1.0], [0.0, 1.0]]))
