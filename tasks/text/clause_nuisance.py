"""Things whose very name is blame ("noise", "hiss"), and what is said of them.

The name blames where nothing else is said ("it makes noise"). Praise in the predicate goes before it, and little
of such a thing is praise ("very little noise", "the hum is minimal", "the noise never bothered us").
"""

import re
from collections.abc import Sequence
from typing import Final

from tasks.text.polarity import Opinion
from tasks.text.segments import word_set

_NUISANCES: Final = word_set(
    "noise noises din hiss hissing hum humming buzz buzzing static crackle crackling distortion "
    "rattle rattling squeak squeaking squeal smell smells odor odors odour odours stink lag glare "
    "delay delays bug bugs glitch glitches leak leaks"
)
_NAME: Final = rf"(?:{'|'.join(sorted(_NUISANCES))})(?: levels?| pollution)?"
_BE: Final = r"(?:is|are|was|were|seems|seemed|stays|stayed|remains|remained|be|been)"
_NOT: Final = (
    r"(?:not|never|hardly|barely|isn't|aren't|wasn't|weren't|doesn't|don't|didn't|won't|hasn't|haven't"
    r"|no longer)"
)
_FULLY: Final = (
    r"(?:(?:very|quite|perfectly|totally|completely|surprisingly|pretty|rather|really|fairly|just|always"
    r"|usually|generally|mostly|so|more|than|still|also|absolutely|pleasantly|remarkably|relatively) ){0,3}"
)
_SMALL: Final = (
    r"(?:low|minimal|fine|ok|okay|alright|acceptable|bearable|tolerable|reasonable|negligible|manageable"
    r"|moderate|slight|faint|unnoticeable|inaudible|imperceptible"
    r"|(?:hardly|barely|scarcely) (?:noticeable|audible|there|perceptible))"
)
_GONE: Final = (
    r"(?:gone|absent|nonexistent|non existent|eliminated|removed|history|a thing of the past)"
)
_RID: Final = (
    r"(?:(?:free|devoid) (?:of|from)|(?:get|gets|got|getting) rid of|kills|killed|cancels|canceled|cancelled"
    r"|cures|cured|(?:eliminate|remove|reduce|suppress)(?:s|d|es|ed)?) "
    r"(?:(?:the|any|all|that|this|my|our|its|of|every|most|background|unwanted) ){0,3}(?:[^ ]+ )?"
)
"""What does away with a nuisance."""
_TRIED: Final = r"(?<!not )(?<!n't )(?<!cannot )(?<!never )(?<!to )"
"""Not before what is only tried or fails ("to reduce noise")."""
_TROUBLE: Final = (
    r"(?:problem|problems|issue|issues|concern|bother|bad|loud|noticeable|excessive|terrible|awful"
    r"|annoying|disturbing|intrusive|overwhelming|unbearable|strong|much|nuisance|distraction|distracting)"
)
_LITTLE: Final = re.compile(
    r"(?:^|(?<= ))(?:"
    r"(?:(?<!a )(?<!too )little|low|lower|minimal|less|negligible|tolerable|bearable|acceptable"
    rf"|(?:hardly|barely|scarcely) any|not (?:too |very )?much) (?:[^ ]+ )?{_NAME}"
    rf"|{_NAME}:? (?:[^ ]+ ){{0,4}}?{_BE} {_FULLY}{_SMALL}"
    rf"|{_NAME} {_FULLY}(?:ok|okay|fine|low|minimal|acceptable)"
    rf"|{_NAME} (?:[^ ]+ ){{0,4}}?(?:{_BE} )?{_NOT} (?:(?:at|all|ever|really|even|that|too|so|much|of|a|an|"
    rf"any|been|be|big|real|major|serious|huge|particularly|especially|overly) ){{0,4}}{_TROUBLE}"
    rf"|{_NAME} (?:[^ ]+ ){{0,4}}?{_NOT} (?:(?:at|all|ever|really|even|seem|to) ){{0,3}}"
    r"(?:bother|bothered|disturb|disturbed|annoy|annoyed|matter|mattered)"
    rf"|zero (?:[^ ]+ )?{_NAME}|{_TRIED}{_RID}{_NAME}"
    rf"|{_NAME} (?:[^ ]+ ){{0,3}}?{_BE} {_FULLY}{_GONE}"
    rf"|{_NAME} (?:has |have |had )?{_FULLY}(?:disappeared|disappears|vanished|vanishes|went away|goes away)"
    r")(?= |$)"
)
_KEPT: Final = re.compile(
    rf"(?:^|(?<= ))(?:not|cannot|never|[a-z]+n't|(?:fail|fails|failed|unable) to) (?:really |fully |quite )?{_RID}{_NAME}(?= |$)"
)
"""What does not do away with a nuisance."""
_PREDICATE: Final = re.compile(
    rf"(?:^|(?<= )){_NAME} (?:[^ ]+ ){{0,2}}?(?:{_BE}|isn't|aren't|wasn't|weren't) "
)
_PREDICATE_WORDS: Final = 5
_LITTLE_VALENCE: Final = 2.0


def spell_nuisances() -> str:
    """The patterns in writing: a change of them changes what is extracted."""
    return f"{_LITTLE.pattern};{_KEPT.pattern};{_PREDICATE.pattern}"


def judge_nuisances(
    opinions: Sequence[Opinion], forms: Sequence[str]
) -> tuple[list[Opinion], bool]:
    """Opinions with what is said of a nuisance before its name; whether little of one is said."""
    if _NUISANCES.isdisjoint(forms):
        return list(opinions), False
    line = " ".join(forms)
    judged = list(opinions)
    spans = [
        Opinion(*_count_words(line, match.span()), valence)
        for pattern, valence in ((_LITTLE, _LITTLE_VALENCE), (_KEPT, -_LITTLE_VALENCE))
        for match in pattern.finditer(line)
    ]
    for span in spans:
        judged = [o for o in judged if o.last <= span.first or o.first >= span.last]
        judged.append(span)
    for match in _PREDICATE.finditer(line):
        name, after = _count_words(line, match.span())
        said = next((o for o in judged if after <= o.first < after + _PREDICATE_WORDS), None)
        if said is not None and said.valence > 0:
            judged = [o for o in judged if o.first != name or o.last > after or o.valence > 0]
    return sorted(judged, key=lambda opinion: opinion.first), bool(spans)


def _count_words(line: str, span: tuple[int, int]) -> tuple[int, int]:
    """Places of the first word of a match and of the word behind it."""
    text = line[span[0] : span[1]].strip()
    first = line.count(" ", 0, span[0])
    return first, first + text.count(" ") + 1
