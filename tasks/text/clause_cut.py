"""Clauses of a review: runs of words, none about two attributes that are judged apart."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

from tasks.text.clause_ellipsis import is_elliptic
from tasks.text.clause_model import Model
from tasks.text.clause_others import describes_compared, goes_on, is_of_another
from tasks.text.clause_stance import PLAIN, Stance, Told, take_stances
from tasks.text.polarity import PhraseIndex, find_mark, find_opinions, has_mark
from tasks.text.segments import (
    MAX_CLAUSE_WORDS,
    Joint,
    Parsed,
    Segment,
    find_exception,
    read_clause,
    sets_against,
    spell_joints,
    word_set,
)

_MAX_CLAUSE_CHARS: Final = 1000
_LIST_MARK: Final = re.compile(r"\s*(?:[:\n]|-\s|$)")
_COPULAS: Final = word_set("was were is are")
_PRONOUNS: Final = word_set(
    "it its they he she this that these those which who them all both everything"
)
_OURS: Final = word_set("mine ours")
_POINTING: Final = word_set("mine ours this these")
_JOINING: Final = word_set("but yet though although")
_DEGREES: Final = word_set(
    "a an the some not very really quite rather pretty so too super extremely fairly somewhat bit "
    "little slightly and incredibly often always sometimes mostly generally overall"
)
_ADJECTIVE_WORDS: Final = 3
"""Adjectives before "but" that share the noun after it are no more ("very slow but friendly staff")."""


@dataclass(frozen=True, slots=True)
class Clause:
    """Words [`first`, `last`) of a review; `hits` holds word positions by target number.

    `stance` says whether its praise and blame are meant as they stand. It speaks of another item
    where it `is_of_another`, leaves its predicate to the clause before where it `is_elliptic`, and is
    `is_shared` where adjectives on both sides of "but" share a noun ("slow but friendly service").
    It `is_own` when it begins with "mine" or "ours".
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
    is_of_another: bool = False
    is_elliptic: bool = False
    is_shared: bool = False
    is_own: bool = False


@dataclass(slots=True)
class _Draft:
    """A clause that is being put together from segments; `is_told`: it has a verb of its own.

    `is_marked`: it ends in a mark ("4/5"), which closes it. `is_excepted`: it names what is excepted
    from what else is said ("apart from the food"). The others are those of `Clause`.
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
    is_of_another: bool = False
    is_elliptic: bool = False
    is_shared: bool = False
    is_own: bool = False


def spell_cuts() -> str:
    """The words that clauses are cut and shared by, to tell one revision from another."""
    lists = (_COPULAS, _PRONOUNS, _OURS, _POINTING, _JOINING, _DEGREES)
    return f"{spell_joints()};" + ";".join(" ".join(sorted(words)) for words in lists)


def cut_clauses(
    number: int, review: Parsed, forms: Sequence[str], model: Model
) -> Iterator[Clause]:
    """Clauses of a review: segments joined unless they judge different attributes."""
    drafts: list[_Draft] = []
    for segment, after in zip_longest(review.segments, review.segments[1:]):
        draft = _draft_segment(segment, forms, model)
        before = drafts[-1] if drafts else None
        is_paused = after is not None and _goes_on(after, forms)
        _place_beside(before, draft, forms, model, is_paused=is_paused)
        is_shared = before is not None and _contrasts_adjectives(before, draft, forms)
        draft.is_shared = is_shared
        if before is not None and is_shared and not before.hits:
            _join(before, draft)
            before.is_shared = True
        elif before is not None and _shares_subject(before, draft):
            _join(before, draft)
            before.is_elliptic = True
        elif before is not None and (
            _belong_together(before, draft) or _is_marred(before, draft, forms)
        ):
            _join(before, draft)
        else:
            drafts.append(draft)
    stances = take_stances(_tell(review, forms, drafts))
    for draft, stance in zip(drafts, stances, strict=True):
        yield _finish_clause(number, review, forms, draft, stance, model)


def _place_beside(
    before: _Draft | None, draft: _Draft, forms: Sequence[str], model: Model, *, is_paused: bool
) -> None:
    """Mark a draft that is of another item, or that leaves its predicate to the one before.

    One that names its subject and is only paused (`is_paused`) has its predicate behind the pause.
    """
    own = forms[draft.first : draft.last]
    names = frozenset(place - draft.first for places in draft.hits.values() for place in places)
    draft.is_of_another = is_of_another(own, names)
    if before is None or before.sentence < draft.sentence - 1:
        return
    if own[0] in _POINTING and not draft.hits:
        # "mine lasts all day" judges by words that are praise of what the clause before names
        valences = [model.targets[target].own for target in before.hits]
        draft.is_judging = draft.is_judging or any(
            find_opinions(forms, draft.first, draft.last, own=valence) for valence in valences
        )
    draft.is_own = own[0] in _OURS
    draft.is_elliptic = not (is_paused and names) and is_elliptic(
        own, names, is_after_another=before.is_of_another
    )
    draft.is_judging = draft.is_judging or draft.is_elliptic
    if draft.is_elliptic or before.sentence != draft.sentence:
        return
    said = forms[before.first : before.last]
    is_more = before.is_of_another and goes_on(said, own, is_contrast=draft.joint is Joint.CONTRAST)
    draft.is_of_another = draft.is_of_another or is_more or describes_compared(said, own)


def _goes_on(after: Segment, forms: Sequence[str]) -> bool:
    """Whether a segment may hold the predicate of the one before it."""
    return after.joint > Joint.CONTRAST or sets_against(forms[after.first : after.first + 3])


def _shares_subject(before: _Draft, after: _Draft) -> bool:
    """Whether names before "and" share an elliptic predicate ("the service and food were not")."""
    is_beside = after.joint is Joint.CONJUNCTION and before.sentence == after.sentence
    is_name = bool(before.hits) and not before.is_judging and not before.is_told
    return is_beside and after.is_elliptic and bool(after.hits) and is_name


def _is_marred(before: _Draft, after: _Draft, forms: Sequence[str]) -> bool:
    """Whether what names something without praise is marred by what follows ("dinner was marred by")."""
    if before.is_judging or before.sentence != after.sentence:
        return False
    return sets_against(forms[after.first : after.first + 3])


def _contrasts_adjectives(before: _Draft, after: _Draft, forms: Sequence[str]) -> bool:
    """Whether adjectives stand on both sides of "but", those behind it before a noun."""
    if after.joint is not Joint.CONTRAST or before.sentence != after.sentence:
        return False
    if forms[after.first - 1] not in _JOINING or before.last - before.first > _ADJECTIVE_WORDS:
        return False
    sides = [find_opinions(forms, side.first, side.last) for side in (before, after)]
    if not all(sides) or sides[0][-1].last != before.last or sides[1][0].first != after.first:
        return False
    judged = {place for o in sides[0] for place in range(o.first, o.last)}
    if any(forms[n] not in _DEGREES for n in range(before.first, before.last) if n not in judged):
        return False
    return any(sides[1][0].last in places for places in after.hits.values())


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
    if (
        before.is_excepted
        or after.is_elliptic
        or after.is_own
        or before.is_of_another != after.is_of_another
    ):
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
        is_of_another=draft.is_of_another,
        is_elliptic=draft.is_elliptic,
        is_shared=draft.is_shared,
        is_own=draft.is_own,
        refers_back=draft.is_elliptic
        or draft.is_own
        or stance.is_reply
        or (first_form in _PRONOUNS and not _names_early(draft, forms))
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
