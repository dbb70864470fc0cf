"""Clauses of a review: runs of words, none about two attributes that are judged apart."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tasks.text.clause_model import Model
from tasks.text.clause_stance import PLAIN, Stance, Told, take_stances
from tasks.text.polarity import PhraseIndex, find_mark, find_opinions, has_mark
from tasks.text.segments import (
    MAX_CLAUSE_WORDS,
    Joint,
    Parsed,
    Segment,
    find_exception,
    read_clause,
    word_set,
)

_MAX_CLAUSE_CHARS: Final = 1000
_LIST_MARK: Final = re.compile(r"\s*(?:[:\n]|-\s|$)")
_COPULAS: Final = word_set("was were is are")
_PRONOUNS: Final = word_set(
    "it its they he she this that these those which who them all both everything"
)


@dataclass(frozen=True, slots=True)
class Clause:
    """Words [`first`, `last`) of a review; `hits` holds word positions by target number.

    `stance` says whether its praise and blame are meant as they stand.
    """

    review: int
    first: int
    last: int
    start: int
    end: int
    key: str
    hits: dict[int, tuple[int, ...]]
    hints: frozenset[int]
    refers_back: bool
    is_judging: bool
    stance: Stance = PLAIN


@dataclass(slots=True)
class _Draft:
    """A clause that is being put together from segments; `is_told`: it has a verb of its own.

    `is_marked`: it ends in a mark ("4/5"), which closes it. `is_excepted`: it names what is excepted
    from what else is said ("apart from the food").
    """

    first: int
    last: int
    joint: Joint
    sentence: int
    hits: dict[int, list[int]]
    is_judging: bool
    is_told: bool
    is_marked: bool
    is_excepted: bool


def cut_clauses(
    number: int, review: Parsed, forms: Sequence[str], model: Model
) -> Iterator[Clause]:
    """Clauses of a review: segments joined unless they judge different attributes."""
    drafts: list[_Draft] = []
    for segment in review.segments:
        draft = _draft_segment(segment, forms, model)
        if drafts and _belong_together(drafts[-1], draft):
            _join(drafts[-1], draft)
        else:
            drafts.append(draft)
    stances = take_stances(_tell(review, forms, drafts))
    for draft, stance in zip(drafts, stances, strict=True):
        yield _finish_clause(number, review, forms, draft, stance, model)


def _tell(review: Parsed, forms: Sequence[str], drafts: Sequence[_Draft]) -> list[Told]:
    """Drafts as their stance is taken."""
    asking = {d.sentence for d in drafts if "?" in _read_mark(review.view, review, d)}
    return [
        Told(
            forms=tuple(forms[draft.first : draft.last]),
            sentence=draft.sentence,
            names={target: min(at) - draft.first for target, at in draft.hits.items()},
            is_judging=draft.is_judging,
            is_asked=draft.sentence in asking,
            is_contrast=draft.joint is Joint.CONTRAST,
            is_listing=_is_listing(review, draft),
            is_excepted=draft.is_excepted,
        )
        for draft in drafts
    ]


def _read_mark(view: str, review: Parsed, draft: _Draft) -> str:
    """The mark that closes a draft."""
    end = review.words[draft.last - 1].end
    return view[end : _extend_to_mark(view, end)]


def _is_listing(review: Parsed, draft: _Draft) -> bool:
    """Whether one of the first two words of a draft stands before a colon or the end of a line."""
    words = review.words[draft.first : min(draft.last, draft.first + 2)]
    return any(_LIST_MARK.match(review.view, word.end) for word in words)


def is_telling(clause: Clause, model: Model) -> bool:
    """Whether a clause can matter: it judges, or names what was asked for; others are not embedded."""
    if clause.is_judging:
        return True
    return any(target < model.n_requested for target in (*clause.hits, *clause.hints))


def _draft_segment(segment: Segment, forms: Sequence[str], model: Model) -> _Draft:
    hits: dict[int, list[int]] = {}
    for target, position in _find_phrases(model.terms, forms, segment):
        hits.setdefault(target, []).append(position)
    opinions = find_opinions(forms, segment.first, segment.last)
    is_judging = (
        bool(opinions)
        or has_mark(forms[segment.first : segment.last])
        or any(
            find_opinions(forms, segment.first, segment.last, own=model.targets[target].own)
            for target in hits
        )
    )
    is_told = not _COPULAS.isdisjoint(forms[segment.first : segment.last])
    is_marked = find_mark(forms[segment.last - 1]) is not None
    return _Draft(
        segment.first,
        segment.last,
        segment.joint,
        segment.sentence,
        hits,
        is_judging,
        is_told,
        is_marked,
        bool(hits) and _is_excepted(segment, forms),
    )


def _is_excepted(segment: Segment, forms: Sequence[str]) -> bool:
    """Whether a segment stands behind "except", or begins with the like of it."""
    is_behind = segment.first > 0 and forms[segment.first - 1] == "except"
    return is_behind or find_exception(forms, segment.first)


def _find_phrases(
    index: PhraseIndex[tuple[int, ...]], forms: Sequence[str], segment: Segment
) -> Iterator[tuple[int, int]]:
    """(target, word position) of the longest phrases in a segment, from left to right."""
    position = segment.first
    while position < segment.last:
        found = index.find(forms, position, segment.last)
        if found is None:
            position += 1
            continue
        length, targets = found
        for target in targets:
            yield target, position + length - 1
        position += length


def _belong_together(before: _Draft, after: _Draft) -> bool:
    """Whether two neighbouring drafts are one clause."""
    if after.joint <= Joint.ASIDE or before.sentence != after.sentence:
        return False
    if before.is_marked and after.hits:
        return False
    if before.is_excepted:
        return False
    if after.joint is Joint.TRAIL:
        # "the food ... fabulous!" is one thought; "great food ... would not come back" is two.
        return bool(before.hits) and not before.is_judging and not after.hits
    if after.last - before.first > MAX_CLAUSE_WORDS:
        return False
    if not after.hits or not before.hits:
        # "the soup, which was cold" is one; "we had fun, and the soup was cold" is not.
        return bool(before.hits) or not after.hits or not before.is_judging
    if before.hits.keys() == after.hits.keys():
        return before.is_judging == after.is_judging or not after.is_judging
    if before.is_judging and (after.is_judging or after.is_told):
        return False
    near_end = max(max(p) for p in before.hits.values()) >= before.last - 2
    near_start = min(min(p) for p in after.hits.values()) <= after.first + 2
    return near_end and near_start


def _join(before: _Draft, after: _Draft) -> None:
    before.last = after.last
    before.is_marked = after.is_marked
    before.is_judging = before.is_judging or after.is_judging
    for target, positions in after.hits.items():
        before.hits.setdefault(target, []).extend(positions)


def _finish_clause(
    number: int,
    review: Parsed,
    forms: Sequence[str],
    draft: _Draft,
    stance: Stance,
    model: Model,
) -> Clause:
    start = review.words[draft.first].start
    end = _extend_to_mark(review.view, review.words[draft.last - 1].end)
    whole = Segment(draft.first, draft.last, draft.joint, draft.sentence)
    hints = frozenset(target for target, _ in _find_phrases(model.hints, forms, whole))
    key = read_clause(review.view, start, min(end, start + _MAX_CLAUSE_CHARS))
    first_form = forms[draft.first]
    return Clause(
        review=number,
        first=draft.first,
        last=draft.last,
        start=start,
        end=end,
        key=key,
        hits={target: tuple(positions) for target, positions in draft.hits.items()},
        hints=hints,
        is_judging=draft.is_judging,
        stance=stance,
        refers_back=(first_form in _PRONOUNS and not _names_early(draft, forms))
        or (not draft.hits and draft.joint is not Joint.SENTENCE),
    )


def _names_early(draft: _Draft, forms: Sequence[str]) -> bool:
    """Whether something is named before anything is judged ("they have good food")."""
    named = min((min(places) for places in draft.hits.values()), default=draft.last)
    judged = min((o.first for o in find_opinions(forms, draft.first, draft.last)), default=named)
    return named < draft.last and named <= judged + 1


def _extend_to_mark(view: str, end: int) -> int:
    """End of a clause with the mark that closes it, so that it reads as a sentence."""
    while end < len(view) and view[end] in ".!?)\"'%$":
        end += 1
    return end
