"""The texts of items as controls of the panel: what an item is said to be, before anyone reviews it.

Directions are fitted once, on the items of the rows that the basis is fitted on, and frozen with
it; a later item only gets its scores on them.
"""

from typing import Final

import numpy as np
import polars as pl

from tasks.effects.basis import FloatArray, TextDirections
from tasks.effects.controls.texts import fit_directions
from tasks.effects.panel import ITEM_TEXT

MISSING: Final = f"{ITEM_TEXT}:missing"


def fit_item_directions(
    panel: pl.DataFrame, texts: pl.DataFrame, *, max_components: int, min_items: int
) -> TextDirections | None:
    """Main directions of the items' texts, every item counted as often as the panel has it.

    `texts` has `item_id` and `vector` (an array of dim numbers), one row an item or several alike. None when
    `max_components` is 0, when fewer than `min_items` items of the panel have a text, or when all
    texts are the same.
    """
    counts = panel.group_by("item_id").len("rows")
    known = texts.unique("item_id").join(counts, on="item_id", how="inner").sort("item_id")
    if max_components == 0 or known.height < max(min_items, 2):
        return None
    weights = known["rows"].cast(pl.Float64).to_numpy()
    found = fit_directions(_stack(known), weights, max_components=max_components)
    return found if found.directions else None


def add_text_scores(
    panel: pl.DataFrame, texts: pl.DataFrame | None, directions: TextDirections | None
) -> pl.DataFrame:
    """The panel with `c__item_text:1` to `:k` and `c__item_text:missing`, float64.

    An item without a text has scores of 0, where the average text of the fit lies, and 1 in the
    last column. Without `directions` the panel stays as it is.
    """
    if directions is None:
        return panel
    names = [f"{ITEM_TEXT}:{number + 1}" for number in range(len(directions.directions))]
    own = _score_items(texts, directions, names)
    joined = panel.select("item_id").join(own, on="item_id", how="left", maintain_order="left")
    return panel.hstack(
        joined.select(
            *(pl.col(name).fill_null(0.0) for name in names),
            pl.col(names[0]).is_null().cast(pl.Float64).alias(MISSING),
        )
    )


def _score_items(
    texts: pl.DataFrame | None, directions: TextDirections, names: list[str]
) -> pl.DataFrame:
    schema = {"item_id": pl.String, **dict.fromkeys(names, pl.Float64)}
    if texts is None or texts.height == 0:
        return pl.DataFrame(schema=schema)
    texts = texts.unique("item_id", maintain_order=True)
    scores = directions.score(_stack(texts))
    columns = {name: scores[:, number] for number, name in enumerate(names)}
    return pl.DataFrame({"item_id": texts["item_id"], **columns}, schema=schema)


def _stack(texts: pl.DataFrame) -> FloatArray:
    """Vectors of all rows, shape (m, dim)."""
    return np.asarray(texts["vector"].to_numpy(), dtype=np.float64)
