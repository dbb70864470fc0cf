"""Clauses that leave their predicate to the one before: "the service did not", "the food less so".

What they say is what the clause before says, turned round where one of the two is negated (verb
phrase ellipsis), or where less of it is said (gapping: "the food was amazing, service not so much").
"""

import re
from collections.abc import Sequence
from typing import Final

from tasks.text.polarity import has_negator
from tasks.text.segments import find_gapped, word_set

_MAX_WORDS: Final = 8
_AUXILIARY: Final = r"(?:do|does|did|is|are|was|were|has|have|had|can|could|will|would)"
_LEFT_OUT: Final = re.compile(
    rf"^(?P<subject>(?:\S+ ){{1,4}}?)(?:{_AUXILIARY}(?:n't)?|can't|won't|cannot)(?: not)?"
    r"(?: (?:either|too|at all|as well|though|so))?$"
)
_DIFFERENT: Final = re.compile(
    r"^(?P<subject>(?:\S+ ){1,3}?)(?:is|was|are|were) (?:\S+ )?"
    r"(?:different|(?:quite )?the (?:opposite|contrary)|(?:another|a different) story)$"
)
_NOT_THIS: Final = re.compile(
    r"^not (?:so )?(?:with |in |on |at |for )?(?:this|these|mine|ours|here|my|our)(?: \S+)?$"
)
_OWN_SUBJECT: Final = re.compile(
    r"^(?:this|these|mine|ours|here|(?:this|these|the new|my new) \S+) $"
)
_NO_SUBJECT: Final = word_set(
    "how what where when why if that which who as than so because since whether there i we you"
)
_CLOSING: Final = word_set(
    "do does did is are was were has have had can could will would don't doesn't didn't isn't aren't "
    "wasn't weren't hasn't haven't hadn't couldn't wouldn't can't won't cannot not either too all well "
    "though so much really different opposite contrary story"
)
"""Last words of whatever leaves its predicate out: most clauses end otherwise."""
_ECHO_HEADS: Final = word_set("as so")
_ECHO_VERBS: Final = word_set("was were is are did does")


def spell_ellipsis() -> str:
    """The patterns and lists in writing: a change of them changes what is extracted."""
    patterns = (_LEFT_OUT, _DIFFERENT, _NOT_THIS, _OWN_SUBJECT)
    words = (_NO_SUBJECT, _CLOSING, _ECHO_HEADS, _ECHO_VERBS)
    shown = [pattern.pattern for pattern in patterns]
    return ";".join([*shown, *(" ".join(sorted(one)) for one in words)])


def is_echo(forms: Sequence[str]) -> bool:
    """Whether a clause says the same again of something else ("as was the food")."""
    return len(forms) > 1 and forms[0] in _ECHO_HEADS and forms[1] in _ECHO_VERBS


def is_elliptic(forms: Sequence[str], names: frozenset[int], *, is_after_another: bool) -> bool:
    """Whether a clause leaves its predicate to the one before.

    Its subject is what it names (at places `names`) or, where the clause before is of another item
    (`is_after_another`), the writer's own item ("these don't").
    """
    if is_echo(forms):
        return True
    if len(forms) > _MAX_WORDS or not (forms[-1] in _CLOSING or forms[0] == "not"):
        return False
    if names:
        gapped = find_gapped(forms)
        if gapped is not None:
            return gapped[0] <= max(names) < gapped[1]
    line = " ".join(forms)
    if is_after_another and not names:
        match = _LEFT_OUT.search(line) or _DIFFERENT.search(line)
        is_own = match is not None and _OWN_SUBJECT.search(match.group("subject")) is not None
        return is_own or _NOT_THIS.search(line) is not None
    if not names or forms[0] in _NO_SUBJECT:
        return False
    match = _LEFT_OUT.search(line)
    if match is None:
        return False
    return max(names) == match.group("subject").count(" ") - 1


def turns_against(before: Sequence[str], forms: Sequence[str]) -> bool:
    """Whether an elliptic clause says the opposite of the one before it."""
    if is_echo(forms):
        return False
    line = " ".join(forms)
    if find_gapped(forms) or _DIFFERENT.search(line) or _NOT_THIS.search(line):
        return True
    return has_negator(before) != has_negator(forms)
