"""How much a whole text praises and blames; no model, no labels."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.text.polarity import find_opinions, score_opinions
from tasks.text.segments import parse_text

TONES = ("praise", "blame", "tone")


def measure_tones(texts: Sequence[str]) -> NDArray[np.float64]:
    """Praise, blame and tone of each text, shape (n, 3).

    Praise and blame are logarithms of one plus the sum of the valences on that side (VADER's scale, with
    negation and boosters), tone is both together in (-1, 1). A text without a word of the lexicon has
    zeros: of other languages than English nothing is known.
    """
    rows = [_measure(text) for text in texts]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(TONES))


def _measure(text: str) -> tuple[float, float, float]:
    parsed = parse_text(text)
    forms = [word.form for word in parsed.words]
    found = [
        opinion
        for segment in parsed.segments
        for opinion in find_opinions(forms, segment.first, segment.last)
    ]
    praise = sum(max(one.valence, 0.0) for one in found)
    blame = sum(max(-one.valence, 0.0) for one in found)
    return math.log1p(praise), math.log1p(blame), score_opinions(found)
