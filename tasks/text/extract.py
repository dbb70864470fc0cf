"""What every extractor of attributes promises; ratings are no part of it.

An extractor sees texts alone, so that the outcome whose causes are estimated cannot leak into the
treatments read here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

Embed = Callable[[Sequence[str]], npt.NDArray[np.float32]]
"""Unit vectors of texts, shape (n, dim)."""

EXTRACTION_SCHEMA: Final = pl.Schema(
    {
        "review_id": pl.String,
        "attribute": pl.String,
        "is_mentioned": pl.Boolean,
        "polarity": pl.Int8,
        "confidence": pl.Float64,
        "span_start": pl.Int32,
        "span_end": pl.Int32,
    }
)
"""One row per review and attribute, in the order of the reviews and of the attributes.

`polarity` is -1, 0 or 1 (0 when not mentioned); `confidence` in [0, 1], 4 decimals, is how sure the
extractor is of mention and polarity together; spans are Python string indices into the text, null
when not mentioned.
"""


SKIPPED_SCHEMA: Final = pl.Schema({"review_id": pl.String, "reason": pl.String})


@dataclass(frozen=True)
class Extraction:
    """What was read out of some reviews.

    `frame` has `EXTRACTION_SCHEMA` and no rows of reviews that were not read; those are named in
    `skipped` (`SKIPPED_SCHEMA`) with the reason, so that read and skipped reviews add up.
    `n_tokens` went through a language model (0 for extractors that use none); `n_cut` of the reviews
    were too long for it and lost their end. `languages` are those of all reviews, in their order;
    empty when the extractor did not look.
    """

    frame: pl.DataFrame
    skipped: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=SKIPPED_SCHEMA))
    n_tokens: int = 0
    n_cut: int = 0
    languages: tuple[str, ...] = ()


def skip_all(reviews: Sequence[tuple[str, str]], reason: str) -> Extraction:
    """What an extractor that cannot read finds: nothing, and every review is named with the reason."""
    rows = [(review_id, reason) for review_id, _ in reviews]
    return Extraction(
        pl.DataFrame(schema=EXTRACTION_SCHEMA),
        pl.DataFrame(rows, schema=SKIPPED_SCHEMA, orient="row"),
    )


class AttributeLike(Protocol):
    """A name and words that mean it."""

    @property
    def name(self) -> str:
        """What it is called in results."""

    @property
    def seeds(self) -> tuple[str, ...]:
        """Words and phrases that mean it; empty when the name has to do."""


@dataclass(frozen=True)
class Attribute:
    """An attribute of items that reviews may speak of."""

    name: str
    seeds: tuple[str, ...] = ()


class Extractor(Protocol):
    """Reads attributes out of reviews."""

    @property
    def revision(self) -> str:
        """Changes when the extractor's answers could, beyond its code: data, models, prompts."""

    def extract(
        self,
        reviews: Sequence[tuple[str, str]],
        *,
        attributes: Sequence[AttributeLike],
        embed: Embed,
    ) -> Extraction:
        """What (review_id, text) pairs say of the attributes, in their order."""


def name_attributes(names: Sequence[str]) -> tuple[Attribute, ...]:
    """Attributes known by their names alone ("food", "battery life"): the name is the seed."""
    cleaned = (" ".join(name.replace("_", " ").split()).lower() for name in names)
    return tuple(Attribute(name.replace(" ", "_")) for name in dict.fromkeys(cleaned) if name)
