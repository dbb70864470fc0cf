"""Text as controls: the main directions of its embeddings.

A text that precedes the treatment (a post, a product description) can confound like any other
column. Its embedding has hundreds of numbers; the leading principal components keep what varies,
and are few enough to be controlled for.
"""

from dataclasses import dataclass

import numpy as np

from tasks.effects.basis import FloatArray
from tasks.platform.errors import InputError

MAX_COMPONENTS = 64
ROWS_PER_COMPONENT = 15


@dataclass(frozen=True, eq=False)
class Components:
    """Scores of texts on k components, shape (n, k), unit deviation each; `share` of the variance."""

    scores: FloatArray
    share: float


def reduce_vectors(vectors: FloatArray, *, max_components: int = MAX_COMPONENTS) -> Components:
    """Principal components of embeddings of shape (n, dim), the leading ones first.

    As many as `max_components`, but no more than one for every 15 rows. Raises InputError for
    vectors that are not finite.
    """
    if not np.isfinite(vectors).all():
        raise InputError("some texts have no finite embedding; is the encoder intact?")
    centred = np.asarray(vectors, dtype=np.float64) - vectors.mean(axis=0)
    values, directions = np.linalg.eigh(centred.T @ centred)
    order = np.argsort(values)[::-1]
    total = float(values.sum())
    wanted = min(max_components, max(len(vectors) // ROWS_PER_COMPONENT, 1))
    kept = [i for i in order[:wanted] if values[i] > 1e-9 * max(total, 1e-300)]
    scores = centred @ _orient(directions[:, kept])
    scale = scores.std(axis=0) if kept else np.ones(0)
    share = float(values[kept].sum() / total) if total > 0 else 0.0
    return Components(scores / scale, share)


def _orient(directions: FloatArray) -> FloatArray:
    """Signs fixed by the largest entry, so that the same texts give the same scores."""
    largest = np.abs(directions).argmax(axis=0)
    signs = np.sign(directions[largest, np.arange(directions.shape[1])])
    oriented: FloatArray = directions * signs
    return oriented
