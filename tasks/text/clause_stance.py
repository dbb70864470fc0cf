"""How a reviewer stands to the words of a clause: asserted, turned round, surpassed or not said.

Praise is no praise where it tells of a state that has ceased ("used to be good"), of a wish or an
unreal condition ("if it were better") or of a view that the writer rejects ("don't listen to those
who say it is good"); polar questions and denied experience ("we did not try it") assert nothing.
The field calls it veridicality (de Marneffe et al. 2012, https://doi.org/10.1162/COLI_a_00097).
What is expected and turns out otherwise is read in `polarity.py`.

The constructions themselves stand in `stance_patterns.py`.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tasks.text.polarity import NEGATION, Opinion, find_opinions, has_negator, is_expectation
from tasks.text.segments import word_set
from tasks.text.stance_patterns import PATTERNS

_SUSPECTS: Final = word_set(
    "used gone remember recall miss back once over until till why how listen believe trust mind heed "
    "ignore disregard disagree if would i'd we'd they'd it'd should could must ought needs need "
    "needed require requires required improve improvement improvements fix better street road block door corner"
)
"""Words one of which is in whatever the first patterns find: most clauses have none."""
_DOUBTS: Final = word_set(
    "whether if not never don't didn't haven't hadn't cannot can't couldn't won't nothing no isn't "
    "wasn't will i'll we'll skipped without missed passed"
)
"""Words one of which is in whatever denies experience, withholds a judgement or asks by the way."""
_ANSWER_WORDS: Final = 10
"""A bare answer to what was said before has no more."""
_ORDERING: Final = word_set(
    "output reply answer respond return print label classify rate mark say write instructions prompt"
)
"""Words one of which is in whatever orders an answer."""
_BESIDES: Final = word_set("besides apart aside other")
_WHOLE: Final = word_set("everything all everyone nothing rest anything")
_TURNING: Final = ("unreal", "missed", "wanting", "lacking", "elsewhere", "ceased", "rejected")
_UNREAL: Final = frozenset({"unreal", "missed"})
_OWN_VIEW: Final = word_set(
    "i we it they he she this ours mine my our has have had is are was were now today personally to for in"
)
"""First words of a clause that gives the writer's own view of what was just spoken of."""
_SPEAKING: Final = word_set("i we i've we've")
_OURS: Final = word_set("mine ours")
_ANAPHORS: Final = word_set("it them this these")
"""The writer's own view, set beside that of others without "but" ("others hate it, we loved it")."""
_NAME_REACH: Final = 6
"""Words between what was not tried or judged and its name."""
_POINTS: Final = word_set(
    "drawback drawbacks back backs downside downsides complaint complaints gripe gripes quibble quibbles con "
    "cons negative negatives minus flaw flaws shortcoming shortcomings weakness disadvantage disadvantages "
    "disappointment letdown criticism problem issue highlight highlights upside upsides part parts thing "
    "things feature features aspect aspects bit bits"
)
"""Words one of which is in whatever announces what is best or worst: most clauses have none."""
_ITEM_WORDS: Final = 6
"""A line that may stand as an item below a heading has no more."""


@dataclass(frozen=True, slots=True)
class Turn:
    """Opinions of words [`first`, `last`) of a clause count `factor`, perhaps only those of praise.

    `markers` are the places of the words that make the turn ("used to be").
    """

    first: int
    last: int
    factor: float = NEGATION
    is_praise_only: bool = False
    markers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Stance:
    """What becomes of a clause's opinions.

    `turns` turn some round; nothing is asserted by one that `is_unsaid`; one that `is_surpassed`
    gives a view that the next clause corrects, which `is_reply`; `heading` is 1 in a list of pros, -1 in one of cons.
    """

    turns: tuple[Turn, ...] = ()
    is_unsaid: bool = False
    is_surpassed: bool = False
    heading: int = 0
    is_reply: bool = False


PLAIN: Final = Stance()


@dataclass(frozen=True, slots=True)
class Told:
    """A clause to take the stance of: its words, number of its sentence, and what stands around.

    `names` are the targets it names, with the place of the first name; `is_asked` of a sentence
    with a question mark; `is_contrast` after "but" and the like; `is_listing` where one of its
    first two words stands before a colon or the end of a line; `is_excepted` behind "except" and
    the like.
    """

    forms: tuple[str, ...]
    sentence: int
    names: Mapping[int, int]
    is_judging: bool
    is_asked: bool
    is_contrast: bool
    is_listing: bool
    is_excepted: bool = False


def hash_patterns() -> str:
    """8 hex digits over the patterns: a change of them changes what is extracted."""
    shown = "\x00".join(f"{name}={pattern.pattern}" for name, pattern in PATTERNS.items())
    return hashlib.sha256(shown.encode()).hexdigest()[:8]


def turn_opinions(opinions: Sequence[Opinion], turns: Sequence[Turn]) -> list[Opinion]:
    """Opinions with those within a turn counted by its factor.

    The words that make the turn are blame themselves only where nothing else is said.
    """
    markers = {place for turn in turns for place in turn.markers}
    judged = [o for o in opinions if markers.isdisjoint(range(o.first, o.last))]
    return [_turn(opinion, turns) for opinion in judged] if judged else list(opinions)


def _turn(opinion: Opinion, turns: Sequence[Turn]) -> Opinion:
    for turn in turns:
        is_within = turn.first <= opinion.first < turn.last
        if is_within and (opinion.valence > 0 or not turn.is_praise_only):
            return Opinion(opinion.first, opinion.last, opinion.valence * turn.factor)
    return opinion


def take_stances(told: Sequence[Told]) -> list[Stance]:
    """Stances of a review's clauses, in their order."""
    lines = [" ".join(clause.forms) for clause in told]
    ordered = {
        clause.sentence
        for clause, line in zip(told, lines, strict=True)
        if not _ORDERING.isdisjoint(clause.forms) and PATTERNS["ordered"].search(line)
    }
    headings = _find_headings(told, lines)
    stances: list[Stance] = []
    for number, clause in enumerate(told):
        follows = _follow_up(told, number)
        after = lines[number + 1] if follows else ""
        turns = _find_turns(clause, lines[number], after)
        stances.append(
            Stance(
                turns,
                clause.sentence in ordered
                or _is_unsaid(clause, lines[number], after)
                or (follows and _is_dispelled(clause, lines[number], told[number + 1])),
                follows and _is_surpassed(clause, lines[number], told[number + 1]),
                headings[number] or _except(told, number),
                bool(stances) and stances[-1].is_surpassed,
            )
        )
    return stances


def _except(told: Sequence[Told], number: int) -> int:
    """-1 for what is excepted from praise ("all good except the food"), 1 for what is from blame.

    What is named "besides" may well be alike; it is an exception only where the rest speaks of all.
    """
    clause = told[number]
    if not clause.is_excepted or find_opinions(clause.forms, 0, len(clause.forms)):
        return 0
    near = [told[at] for at in (number - 1, number + 1) if 0 <= at < len(told)]
    rest = next((one for one in near if one.sentence == clause.sentence and one.is_judging), None)
    if rest is None or (clause.forms[0] in _BESIDES and _WHOLE.isdisjoint(rest.forms)):
        return 0
    total = sum(opinion.valence for opinion in find_opinions(rest.forms, 0, len(rest.forms)))
    return -1 if total > 0 else int(total < 0)


def _follow_up(told: Sequence[Told], number: int) -> bool:
    """Whether the next clause may answer to this one: it stands in this sentence or the next."""
    return number + 1 < len(told) and told[number + 1].sentence <= told[number].sentence + 1


def _find_turns(clause: Told, line: str, after: str) -> tuple[Turn, ...]:
    """Turns by the words of a clause, or by a clause after it that denies or takes it back."""
    end = len(clause.forms)
    if clause.is_asked and PATTERNS["polar"].search(line):
        is_denied = any(PATTERNS[name].search(after) for name in ("no", "denied"))
        return (Turn(0, end),) if is_denied else ()
    if not _SUSPECTS.isdisjoint(clause.forms):
        turns = _find_own_turns(clause, line)
        if turns:
            return turns
    is_expected = is_expectation(clause.forms)
    if is_expected and (PATTERNS["confirmed"].search(line) or PATTERNS["affirmed"].search(after)):
        return (Turn(0, end, -1.0),)
    if is_expected or not _is_answered(line, after):
        return ()
    return (Turn(0, end),)


def _is_answered(line: str, after: str) -> bool:
    """Whether a report is denied, here ("..., it was not") or in the next clause."""
    is_short = after.count(" ") < _ANSWER_WORDS
    if is_short and PATTERNS["retracted"].search(after):
        return True
    if not (PATTERNS["denied"].search(line) or (is_short and PATTERNS["denied"].search(after))):
        return False
    return PATTERNS["reported"].search(line) is not None


def _find_own_turns(clause: Told, line: str) -> tuple[Turn, ...]:
    """The turn that the words of a clause make themselves, if any."""
    for name in _TURNING:
        match = PATTERNS[name].search(line)
        if match is None:
            continue
        if name in _UNREAL:
            return (Turn(0, len(clause.forms), is_praise_only=True),)
        first = line.count(" ", 0, match.start())
        if name == "elsewhere":
            return (Turn(0, len(clause.forms), is_praise_only="worse" not in clause.forms),)
        if name == "lacking" and (has_negator(clause.forms[:first]) or clause.is_asked):
            continue
        if name in ("wanting", "lacking"):
            return (Turn(first, len(clause.forms), is_praise_only=True),)
        later = PATTERNS["later"].search(line, match.end())
        last = line.count(" ", 0, later.start()) if later else len(clause.forms)
        markers = [place for place, form in enumerate(clause.forms) if form == "used"]
        return (Turn(first, last, markers=(first, *markers)),)
    match = PATTERNS["until"].search(line)
    if match is None or has_negator(clause.forms):
        return ()
    return (Turn(0, line.count(" ", 0, match.start("end")), is_praise_only=True),)


def _is_unsaid(clause: Told, line: str, after: str) -> bool:
    """Whether a clause asserts nothing: it asks, or leaves experience or judgement aside."""
    if clause.is_asked and PATTERNS["polar"].search(line):
        return not any(PATTERNS[name].search(after) for name in ("yes", "no", "denied"))
    if not clause.names:
        return len(clause.forms) <= _ANSWER_WORDS and _is_bare_answer(line)
    if _DOUBTS.isdisjoint(clause.forms):
        return False
    found = _find_any(line, ("indirect", "untried", "unjudged"))
    if found is None:
        return False
    first, last = line.count(" ", 0, found.start()), line.count(" ", 0, found.end())
    if not first < min(clause.names.values()) <= last + _NAME_REACH:
        return False
    if found.re is PATTERNS["indirect"]:
        return True
    opinions = find_opinions(clause.forms, 0, len(clause.forms))
    return all(first <= opinion.first <= last for opinion in opinions)


def _find_any(line: str, names: Sequence[str]) -> re.Match[str] | None:
    """Match of the first of some patterns that is found."""
    return next((match for name in names if (match := PATTERNS[name].search(line))), None)


def _is_bare_answer(line: str) -> bool:
    """Whether a clause only denies or takes back what was said before it."""
    return _find_any(line, ("denied", "retracted")) is not None


def _is_dispelled(clause: Told, line: str, after: Told) -> bool:
    """Whether a dread is told of and then, after a contrast, what it was like."""
    if not (after.is_contrast and after.is_judging and clause.sentence == after.sentence):
        return False
    is_other = bool(after.names) and clause.names.keys().isdisjoint(after.names)
    return not is_other and PATTERNS["dreaded"].search(line) is not None


def _is_surpassed(clause: Told, line: str, after: Told) -> bool:
    """Whether others or former times are contrasted with the writer's own view of now."""
    if not after.is_judging:
        return False
    is_same = not clause.names.keys().isdisjoint(after.names) or after.forms[0] in _OURS
    if not is_same and (after.names or after.forms[0] not in _OWN_VIEW):
        return False
    if after.is_contrast and clause.sentence == after.sentence:
        return _find_any(line, ("reported", "former", "possessed")) is not None
    is_answer = after.forms[0] in _OURS or (
        after.forms[0] in _SPEAKING and (is_same or not _ANAPHORS.isdisjoint(after.forms))
    )
    return is_answer and _find_any(line, ("reported", "possessed")) is not None


def _find_headings(told: Sequence[Told], lines: Sequence[str]) -> list[int]:
    """1 or -1 for each clause that stands in a list of pros or cons, else 0.

    A heading, or what announces the best or the worst, holds for its sentence; one alone on its line for the short lines below it as well.
    """
    headings: list[int] = []
    side, sentence, is_alone = 0, -1, False
    for clause, line in zip(told, lines, strict=True):
        found = [clause.is_listing and PATTERNS[name].search(line) for name in ("pros", "cons")]
        announced = _announce(clause, line)
        if announced:
            side, sentence, is_alone = announced, clause.sentence, False
        elif any(found):
            side, sentence = (1 if found[0] else -1), clause.sentence
            is_alone = any(match and match.end() == len(line) for match in found)
        elif clause.sentence != sentence and not (is_alone and len(clause.forms) <= _ITEM_WORDS):
            side = 0
        headings.append(side)
    return headings


def _announce(clause: Told, line: str) -> int:
    """1 or -1 where words only announce what is best or worst ("the only drawback"), else 0."""
    if _POINTS.isdisjoint(clause.forms):
        return 0
    if PATTERNS["drawback"].search(line):
        return -1
    return int(PATTERNS["highlight"].search(line) is not None)
