"""Where in a review an answer about an attribute was most likely read: by words, not by the model.

Finding the clause that moves a language model most would cost one pass a clause. The clause that
names the attribute is had for nothing.
"""

from collections.abc import Sequence

from tasks.text.concepts import Target, plan_targets
from tasks.text.extract import AttributeLike
from tasks.text.polarity import PhraseIndex, find_opinions
from tasks.text.segments import Parsed, Segment, parse_text


class SpanFinder:
    """Spans of attributes in texts, as Python string indices."""

    def __init__(self, attributes: Sequence[AttributeLike]) -> None:
        targets = plan_targets(attributes)[: len(attributes)]
        self._words = [_index_words(target) for target in targets]

    def find(self, text: str, wanted: Sequence[int]) -> list[tuple[int, int]]:
        """For each attribute number of `wanted`, the clause that speaks of it.

        That is the first clause with one of its words and praise or blame, else the first with one
        of its words, else the first that hints at it, else everything from first to last word.
        """
        review = parse_text(text)
        if not review.words:
            return [(0, len(text))] * len(wanted)
        return [self._find_one(review, number) for number in wanted]

    def _find_one(self, review: Parsed, number: int) -> tuple[int, int]:
        terms, hints = self._words[number]
        forms = [word.form for word in review.words]
        named = [segment for segment in review.segments if _holds(terms, forms, segment)]
        judged = (s for s in named if find_opinions(forms, s.first, s.last))
        hinted = (s for s in review.segments if _holds(hints, forms, s))
        found = next(judged, None) or (named[0] if named else next(hinted, None))
        first, last = (found.first, found.last) if found else (0, len(forms))
        return review.words[first].start, review.words[last - 1].end


def _index_words(target: Target) -> tuple[PhraseIndex[bool], PhraseIndex[bool]]:
    return (
        PhraseIndex(dict.fromkeys(target.terms, True)),
        PhraseIndex(dict.fromkeys(target.hints, True)),
    )


def _holds(index: PhraseIndex[bool], forms: Sequence[str], segment: Segment) -> bool:
    places = range(segment.first, segment.last)
    return any(index.find(forms, place, segment.last) is not None for place in places)
