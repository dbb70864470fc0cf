"""Text as controls: the main directions of its embeddings.

A text that precedes the treatment (a post, a product description) can confound like any other
column. Its embedding has hundreds of numbers; the leading principal components keep what varies,
and are few enough to be controlled for.
"""

from dataclasses import dataclass

import numpy as np

from tasks.effects.basis import FloatArray, TextDirections
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
    found = fit_directions(vectors, np.ones(len(vectors)), max_components=max_components)
    return Components(found.score(vectors), found.share)


def fit_directions(
    vectors: FloatArray, weights: FloatArray, *, max_components: int
) -> TextDirections:
    """Principal directions of texts of shape (m, dim) that count `weights` (m,) times each.

    Scores on them have mean 0 and unit deviation over the weighted texts. As many as
    `max_components`, but no more than one for every 15 texts. Raises InputError for vectors that
    are not finite.
    """
    if not np.isfinite(vectors).all():
        raise InputError("some texts have no finite embedding; is the encoder intact?")
    vectors = np.asarray(vectors, dtype=np.float64)
    share = weights / weights.sum()
    centre = share @ vectors
    centred = vectors - centre
    values, directions = np.linalg.eigh(centred.T @ (centred * share[:, None]))
    order = np.argsort(values)[::-1]
    total = float(values.sum())
    wanted = min(max_components, max(len(vectors) // ROWS_PER_COMPONENT, 1))
    floor = max(1e-9 * total, 1e-12 * float(share @ np.square(vectors).sum(axis=1)))
    kept = [i for i in order[:wanted] if values[i] > floor]
    scaled = _orient(directions[:, kept]) / np.sqrt(values[kept])
    return TextDirections(
        centre=tuple(centre.tolist()),
        directions=tuple(tuple(row) for row in scaled.T.tolist()),
        share=float(values[kept].sum() / total) if total > 0 else 0.0,
        texts=len(vectors),
    )


def _orient(directions: FloatArray) -> FloatArray:
    """Signs fixed by the largest entry, so that the same texts give the same scores."""
    largest = np.abs(directions).argmax(axis=0)
    signs = np.sign(directions[largest, np.arange(directions.shape[1])])
    oriented: FloatArray = directions * signs
    return oriented
