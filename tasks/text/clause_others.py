"""What is said of another item than the one reviewed: one owned before, a rival, what it is held against.

"My last pair had terrible sound" is no blame of this pair, nor is "unlike other places, which are
slow" of this place. Such a clause has the other item for its subject, or is what the item is
compared with; the clauses that go on about it have no subject of the writer's own.
"""

import re
from collections.abc import Sequence
from typing import Final

from tasks.text.segments import word_set

_ITEMS: Final = (
    r"(?:versions?|models?|releases?|editions?|brands?|makes?|pairs?|products?|places?|restaurants?|cafes?"
    r"|hotels?|stores?|shops?|companies|competitors|apps?|programs?|books?|novels?|films?|movies?|ones)"
    r"(?! (?:guests?|customers?|patrons?|people|diners?|goers?|owners?|reviews?|reviewers?|staff))"
)
"""Words for an item as a whole, whatever its kind."""
_OCCASIONS: Final = (
    r"(?:visits?|times?|stays?|trips?|nights?|days?|weeks?|months?|years?|weekend|experiences?|orders?"
    r"|purchases?|reviews?|comments?|complaints?|party|half|friends?|hand|issue|problem|one)"
)
"""After "my last" and the like these are no other item: the visit was to this place."""
_OWNED: Final = r"(?:old|older|last|previous|prior|former|other|earlier)"
_OTHER: Final = re.compile(
    r"^(?:and |so |well |also )?(?:the \S+ (?:of|on|in|from|at) )?(?:"
    rf"(?:my|our) (?:very )?{_OWNED} (?!{_OCCASIONS} )(?P<noun>\S+)"
    rf"|(?:his|her|their) (?:{_OWNED}|first) {_ITEMS}"
    rf"|(?:the )?{_OWNED} {_ITEMS}"
    rf"|(?:most|many|some|all)(?: of the)? (?:other )?{_ITEMS}"
    rf"|the {_ITEMS} (?:next door|nearby|across the \S+|around the \S+|(?:up|down) the \S+)"
    r" (?:has|have|had|serves?|served|offers?|offered|charges?|charged|gives?|gave)"
    r")(?= )"
)
_AGAINST: Final = re.compile(
    r"^(?:but |and )?(?:unlike|(?:as )?compared (?:to|with)|in contrast (?:to|with)|as opposed to) (?!the \S+$)"
)
_COMPARED: Final = re.compile(
    r"(?:than|unlike|compared (?:to|with)) (?:those (?:of|on|in) |that (?:of|on|in) )?"
    rf"(?:my|our|his|her|their|other|most|some|the {_OWNED}|the first) "
)
_CUES: Final = word_set(
    "old older last previous prior former other earlier first most many some all next nearby across "
    "around up down unlike compared contrast opposed"
)
"""Words one of which is in whatever speaks of another item: most clauses have none."""
_HELD_AGAINST: Final = word_set("than unlike compared")
_RELATIVES: Final = word_set("which who whose that")
_OWN: Final = word_set("this these mine ours here i we i'm we're i've we've now me us")
_GOING_ON: Final = word_set("it they its their")


def spell_others() -> str:
    """The patterns and lists in writing: a change of them changes what is extracted."""
    lists = (_CUES, _HELD_AGAINST, _RELATIVES, _OWN, _GOING_ON)
    words = ";".join(" ".join(sorted(one)) for one in lists)
    return f"{_OTHER.pattern};{_AGAINST.pattern};{_COMPARED.pattern};{words}"


def is_of_another(forms: Sequence[str], names: frozenset[int]) -> bool:
    """Whether words have another item for their subject, or tell what this one is held against.

    `names` are the places of words that name attributes: "my last dish" is of this restaurant.
    """
    if _CUES.isdisjoint(forms[:8]):
        return False
    line = " ".join(forms)
    if is_held_against(forms, line):
        return True
    match = _OTHER.search(line)
    if match is None:
        return False
    return line.count(" ", 0, match.end()) not in names


def is_held_against(forms: Sequence[str], line: str) -> bool:
    """Whether words only tell what this item is held against ("unlike other places")."""
    return not _HELD_AGAINST.isdisjoint(forms) and _AGAINST.search(line) is not None


def describes_compared(before: Sequence[str], forms: Sequence[str]) -> bool:
    """Whether words tell more of what the words before end with, which is held against this item."""
    if forms[0] not in _RELATIVES or _HELD_AGAINST.isdisjoint(before):
        return False
    return _COMPARED.search(" ".join(before)) is not None


def goes_on(before: Sequence[str], forms: Sequence[str], *, is_contrast: bool) -> bool:
    """Whether words behind those about another item are about it still: none of them is the writer's."""
    if not _OWN.isdisjoint(forms) or _AGAINST.search(" ".join(before)):
        return forms[0] in _RELATIVES and _OWN.isdisjoint(forms)
    return not is_contrast or forms[0] in _GOING_ON
