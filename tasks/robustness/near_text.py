"""Near-duplicate texts: how much of each review's wording another account used as well."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from tasks.robustness.corpus import Floats, Ints

GRAMS: Final = (5, 5)
MAX_SHARE: Final = 0.05
"""Pieces of words in more than this share of the texts say nothing of copying."""
MAX_FEATURES: Final = 60_000
_BLOCK: Final = 1_000


def nearest_texts(texts: Sequence[str], user: Ints) -> Floats:
    """Cosine of each text to the nearest one by another account; shape (n,), in [0, 1].

    Texts are bags of character n-grams inside words, weighted by rarity (scikit-learn's TF-IDF).
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    reader = TfidfVectorizer(
        analyzer="char_wb", ngram_range=GRAMS, min_df=2, max_features=MAX_FEATURES,
        max_df=max(MAX_SHARE, 2.0 / max(len(texts), 2)), sublinear_tf=True, dtype=np.float32,
    )  # fmt: skip
    try:
        vectors = reader.fit_transform(texts)
    except ValueError:
        return np.zeros(len(texts))
    turned = vectors.T.tocsr()
    nearest = np.zeros(len(texts))
    for start in range(0, len(texts), _BLOCK):
        likeness = (vectors[start : start + _BLOCK] @ turned).toarray()
        likeness[user[start : start + _BLOCK, None] == user[None, :]] = 0.0
        nearest[start : start + _BLOCK] = likeness.max(axis=1)
    return np.clip(nearest, 0.0, 1.0)
