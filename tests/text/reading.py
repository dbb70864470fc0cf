"""Reading one sentence for the attributes of a field, as tests of the clauses extractor do."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from tasks.text.clauses import ClauseExtractor
from tasks.text.extract import name_attributes

Embed = Callable[[Sequence[str]], npt.NDArray[np.float32]]

FIELDS = {
    "restaurant": ["food", "service", "ambiance", "noise", "price"],
    "headphones": ["sound", "comfort", "battery", "price", "delivery", "quality"],
    "hotel": ["room", "staff", "location", "breakfast", "noise", "price"],
    "book": ["plot", "characters", "writing", "price"],
    "software": ["ease_of_use", "performance", "support", "design", "stability"],
    "snack": ["taste", "texture", "health", "price", "delivery"],
    "film": ["plot", "acting", "visuals"],
    "tool": ["sound", "quality", "durability", "ease_of_use", "price", "design"],
    "clothes": ["size_fit", "quality", "comfort", "design", "price", "delivery"],
}


def read_opinions(text: str, field: str, embed: Embed) -> dict[str, int]:
    """Polarity of those attributes of a field that are praised or blamed."""
    attributes = name_attributes(FIELDS[field])
    frame = ClauseExtractor().extract([("r", text)], attributes=attributes, embed=embed).frame
    rows = frame.iter_rows(named=True)
    return {row["attribute"]: row["polarity"] for row in rows if row["polarity"]}
