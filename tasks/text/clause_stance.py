"""How a reviewer stands to the words of a clause: asserted, turned round, surpassed or not said.

Praise is no praise where it tells of a state that has ceased ("used to be good"), of a wish or an
unreal condition ("if it were better") or of a view that the writer rejects ("don't listen to those
who say it is good"); polar questions and denied experience ("we did not try it") assert nothing.
The field calls it veridicality (de Marneffe et al. 2012, https://doi.org/10.1162/COLI_a_00097).
What is expected and turns out otherwise is read in `polarity.py`.

Each pattern is one construction of English over the words of a clause, parted by blanks. In them
"<NAME>" is a word of the class NAME below and "<0-3>" are up to that many words of any kind.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tasks.text.polarity import NEGATION, Opinion, find_opinions, has_negator, is_expectation
from tasks.text.segments import word_set

_CLASSES: Final = {
    "IT": "it they this that these those he she which",
    "I": "i we i've we've i'd we'd",
    "HE": "i we they people everyone everybody he she that those reviews reviewers",
    "BE": "is are was were",
    "WERE": "was were",
    "BENT": "isn't aren't wasn't weren't doesn't don't didn't hasn't",
    "DO": "is are was were do does did has have",
    "NT": "not never don't didn't haven't hadn't",
    "CANT": "cannot can't couldn't won't",
    "WOULD": "would i'd we'd they'd it'd",
    "PEOPLE": "people everyone everybody others some many most folks friend friends review reviews "
    "reviewer reviewers critics customers guests website site menu ad ads advert brochure "
    "description guide guidebook anyone anybody sister brother wife husband mother father mom mum dad "
    "son daughter kid kids child children partner boyfriend girlfriend cousin colleague colleagues "
    "companion companions",
    "SAY": "say says said claim claims claimed tell tells told rave raves raved complain complains "
    "complained boast boasts boasted promise promises promised advertises advertised insist insists "
    "insisted praise praises praised love loves loved like likes hate hates hated recommend "
    "recommends recommended warn warned call calls called describe describes described",
    "LIKED": "liked loved preferred appreciated enjoyed welcomed",
    "LIKE": "like love prefer appreciate welcome",
    "WELCOME": "nice great good lovely helpful welcome appreciated better ideal perfect",
    "STATE": "be have love like adore enjoy serve offer do come go taste work look sound",
    "TRIED": "try tried taste tasted sample sampled test tested use used visit visited experience "
    "experienced see seen",
    "JUDGE": "say comment speak judge rate evaluate review vouch",
    "REVIEW": "review comment complaint post rating feedback score stars",
    "SHOULD": "should could must",
    "OUGHT": "ought needs need has have",
    "NEED": "need needs needed require requires required",
    "SOME": "some a an much more lots lot of serious major real better urgent urgently badly really",
    "MEND": "improve fix rethink reconsider overhaul upgrade update renovate redo address repair mend "
    "refine modernise modernize",
    "MENDED": "improved fixed rethought reconsidered overhauled upgraded updated renovated redone "
    "addressed repaired mended refined replaced",
    "DEVOTE": "pay give put spend take devote",
    "OWNER": "the a an my our your their its his her some new one someone",
    "MORE": "better more fewer less",
    "BETTERED": "better more fewer less stronger longer brighter louder quieter faster quicker softer firmer thicker thinner larger bigger smaller wider higher lower deeper "
    "sharper clearer cleaner lighter heavier warmer cooler fresher tastier friendlier smoother sturdier tighter looser shorter easier cheaper richer "
    "fuller spicier hotter crispier newer nicer kinder stiffer safer simpler tougher calmer livelier roomier",
    "BIT": "a bit little much way lot far slightly somewhat just tad touch",
    "NICELY": "really definitely certainly absolutely clearly simply just actually also even much yet "
    "personally particularly so very greatly always sure did do have had",
    "WRONG": "wrong mistaken surprised corrected",
    "TRULY": "so very dead all totally completely quite pleasantly happily clearly proven proved",
}
_CLASS: Final = re.compile(r"<([A-Z]+)(\*?)>")
_GAP: Final = re.compile(r"<(\d)-(\d)>\s?")


def _compile(*alternatives: str) -> re.Pattern[str]:
    """One pattern of constructions, each standing between blanks or at an end."""
    shown = "|".join(_GAP.sub(r"(?:\\S+ ){\1,\2}?", text) for text in alternatives)
    spelt = _CLASS.sub(_spell_class, shown)
    return re.compile(rf"(?:^|(?<= ))(?:{spelt})(?= |$)")


def _spell_class(match: re.Match[str]) -> str:
    words = "|".join(_CLASSES[match.group(1)].split())
    return f"(?:(?:{words}) )*" if match.group(2) else f"(?:{words})"


PATTERNS: Final = {
    # A state that has ceased (cessative presupposition).
    "ceased": _compile(
        "(?<!be )(?<!get )(?<!got )(?<!am )(?<!i'm )(?<!not )used to <STATE>",
        "gone are the (?:days|times|years)",
        "(?:days|times) <0-6>are (?:long )?(?:gone|over)",
        "(?:remember|recall|miss) (?:when|the (?:days|times|years))",
        "^back when",
        "<WERE> once",
        "once <WERE>",
    ),
    # What was so before and ended; "open until late" and "good until the end" end nothing, and
    # "I did not know how good it was until ..." begins something.
    "until": _compile(
        "(?:<WERE>|worked|loved|liked|enjoyed|ran) <1-6>(?P<end>back when|(?:until|till) (?:"
        "i|we|you|he|she|it|they|recently|lately|(?:last|this) \\S+"
        "|(?!<OWNER> (?:very )?(?:end|close|late))<OWNER> \\S+ \\S+))"
    ),
    # A view of others that the writer rejects.
    "rejected": _compile(
        "(?:<NT>|<CANT>|not|fail to|hard to) <0-1>(?:understand|see|get|know|comprehend|fathom) "
        "(?:why|how) <0-2><PEOPLE>",
        "(?:<NT>|not) (?:listen to|believe|trust|mind|heed) <0-4><SAY>",
        "(?:ignore|disregard|disagree with) <0-4><SAY>",
    ),
    # Wishes and counterfactual conditions: what is praised in them is missed. Not "if I were ...".
    "unreal": _compile(
        "if only",
        "if (?!(?:i|we|you) )<1-6>(?:were|weren't|had been|hadn't been)",
        "if (?!(?:i|we|you) )<1-6>had <MORE>",
        "<WOULD> <0-8>if (?!(?:i|we|you) )<1-6>(?:was|wasn't|did|didn't|could)",
        "if (?!(?:i|we|you) )<1-6>(?:was|wasn't|could be) <1-9><WOULD>",
        "<WOULD> have <NICELY*><LIKED> (?:to (?:see|have|get) )?(?!to )\\S+",
        "(?:(?:i|we) would|i'd|we'd) <NICELY*><LIKE> (?:to (?:see|have|get) )?(?:an? |some )?<MORE>",
        "<WOULD> (?:be|have been) <0-1><WELCOME> (?:if (?!you (?:like|want|are|enjoy|need) )\\S+|with (?:an? |some |slightly |much )*<BETTERED>)",
    ),
    # "Softer pillows would be nice": a comparative subject of what would be welcome.
    "missed": _compile(
        "^(?:an? |some |even |slightly |much )*(?:<MORE>|[a-z]+er) <1-4>would <0-1>(?:be|have been) <0-1><WELCOME>"
    ),
    # A wish that something be mended is blame of it as it is; "no room for improvement" is none.
    "wanting": _compile(
        "(?<!nothing )(?<!i )(?<!we )(?:<SHOULD>|<OUGHT> to) <NICELY*>(?:<MEND>|step up|work (?:on|harder)"
        "|(?:do|try) (?:much |far |even |a lot |a bit )?(?:better|harder)|be <NICELY*><MENDED>"
        "|<DEVOTE> <0-1><MORE> (?:attention|care|effort|time))",
        "(?<!nothing )(?<!not )<NEED> <SOME*>(?:improv(?:ement|ements|ing)|fixing|upgrading|updating"
        "|renovating|renovation|repairs?|attention|work|overhaul|upgrade|update|refresh|makeover)",
        "could <NICELY*>(?:use|do with) (?:an? |some |much |<MORE> )",
        "(?<!no )(?<!not much )(?<!little )(?:room|space|scope) for (?:\\S+ )?improvements?",
    ),
    # "The suction could be a bit stronger"; "nothing could be better" is praise.
    "lacking": _compile("could (?:have been|be|do with being) <BIT*><BETTERED>(?! than)"),
    # What is better at another place is worse here; "better than the place next door" is not.
    "elsewhere": _compile(
        "(?:better|worse|nicer|tastier|friendlier|superior|cheaper) <0-2>(?:next door|across the (?:street|road)"
        "|(?:down|up) the (?:street|road|block)|around the corner)",
        "(?:next door|across the (?:street|road)|(?:down|up) the (?:street|road|block)|around the corner)"
        " (?:is|are|was|were) <NICELY*>(?:better|worse|nicer|tastier|friendlier|superior|cheaper)",
    ),
    # An answer ordered from a machine is no opinion.
    "ordered": _compile(
        "^(?:system |assistant |user |please |now |and )*(?:output|reply|answer|respond|return|print|label"
        "|classify|rate|mark|say|write) <0-7>(?:positive|negative|neutral|positively|negatively)",
        "(?:ignore|disregard|forget) <0-3>(?:instructions?|prompts?)",
    ),
    # A bare denial or confirmation of what was just said, and taking it back.
    "denied": _compile(
        "<IT> <NICELY*>(?:<DO> <NICELY*>not|<BENT>)"
        "(?: so| true| the case| at all| anymore| any more| any longer| correct| accurate)*$",
        "^(?:not|nope|wrong|not (?:true|so|really|at all)|far from it|no way|nonsense)$",
        "^(?:i|we) (?:strongly )?(?:disagree|do not agree|don't agree|beg to differ)$",
    ),
    "confirmed": _compile("(?:and|which) (?:<IT> )?<NICELY*>(?:<BE>|did)$"),
    "affirmed": _compile("^<IT> <NICELY*>(?:<BE>|did)$"),
    "retracted": _compile(
        "^(?:boy |man |oh )*<HE> (?:<BE>|am|stand) <TRULY*><WRONG>$",
        "^(?:boy |man |oh )*(?:was i|were we|how) <TRULY*><WRONG>(?: (?:i|we) <WERE>)?$",
    ),
    # Dread of what turned out otherwise; "I am worried about ..." is blame.
    "dreaded": _compile(
        "(?:<WERE>|been|bit|little) <0-1>(?:worried|concerned|nervous|anxious|afraid|apprehensive|sceptical"
        "|skeptical|scared|wary) (?:about|of|that)",
        "had (?:worries|concerns|doubts|fears) about",
    ),
    "reported": _compile("<PEOPLE> <0-3><SAY>", "they <0-1><SAY>"),
    "former": _compile(
        "last (?:year|month|week|time|summer|winter|spring|autumn|fall)",
        "the first time",
        "at first",
        "initially",
        "in the past",
        "years ago",
        "used to",
    ),
    # What others say or once was ends where the present is spoken of.
    "later": _compile(
        "now|nowadays|today|these days|currently|lately|recently|this time|but|however"
    ),
    # Questions whether; "why is it so slow?" takes for granted that it is, "can you believe ...?" asserts.
    "polar": _compile(
        "^(?:so |but |and |ok |well )*(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would)"
        " (?!not |this what |that what |it just |(?:i|we) <0-2>(?:mention|say|tell) |you (?:believe|imagine) )\\S+",
        "^(?:anyone|anybody|someone) (?:know|knows|tried|try|had)",
        "^how(?: is| are| was| were|'s)",
        "^what about",
    ),
    "indirect": _compile(
        "(?:tell me|tell us|know|wonder|wondering|curious|unsure|find out) "
        "(?:whether|if) (?!(?:i|we|i've|we've|i'll|we'll) )\\S+"
    ),
    # Denied experience; "never tasted anything like it" is praise.
    "untried": _compile(
        "^(?:so |and |unfortunately |sadly |also |however )*<I> <NICELY*><NT> <NICELY*>"
        "(?:(?:get to|get a chance to|have a chance to|had a chance to|get the chance to|have the chance to) )?"
        "(?:<TRIED>|check out|checked out)(?! to )(?!.* (?:like|such|so|as|again|anything|better|worse))"
    ),
    # A judgement withheld or put aside.
    "unjudged": _compile(
        "<I> <NICELY*>(?:<CANT>|can not|could not|will not) <NICELY*><JUDGE>"
        "(?!.* (?:enough|bad|wrong|negative|good|nice|positive))",
        "(?:will|i'll|we'll) (?:update|edit|revise|amend) (?:this|my|the|our) <0-3>(?:once|when|after)",
        "<REVIEW> (?:<DO> (?:not|nothing)|isn't|wasn't) (?:about|to do with)",
        "this (?:isn't|is not) about",
        "not (?:talking|speaking|writing|complaining) about",
        "<I> <NICELY*>(?:do not|don't|didn't|did not|couldn't|could not) <NICELY*>care (?:less )?about",
        "no (?:opinion|view|experience) (?:on|of|about|with)",
        "<I> <NICELY*>(?:skipped|went without|did without|missed out on|passed on)",
    ),
    # Both sides of a review in lists.
    "pros": _compile("^(?:the )?(?:pros?|positives?|plus(?:es)?|upsides?|strengths?|likes|highs)"),
    "cons": _compile(
        "^(?:the )?(?:cons?|negatives?|minus(?:es)?|downsides?|weakness(?:es)?|dislikes|lows)"
    ),
    "yes": _compile("^(?:yes|yep|yeah|yup|absolutely|definitely|certainly|totally)(?! not )"),
    "no": _compile("^(?:no|nope|not|hardly|absolutely not|definitely not|certainly not)"),
}
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
_NAME_REACH: Final = 6
"""Words between what was not tried or judged and its name."""
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
    gives a view that the next clause corrects; `heading` is 1 in a list of pros, -1 in one of cons.
    """

    turns: tuple[Turn, ...] = ()
    is_unsaid: bool = False
    is_surpassed: bool = False
    heading: int = 0


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
    stances = []
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
    if not (after.is_contrast and after.is_judging and clause.sentence == after.sentence):
        return False
    is_same = not clause.names.keys().isdisjoint(after.names)
    if not is_same and (after.names or after.forms[0] not in _OWN_VIEW):
        return False
    return _find_any(line, ("reported", "former")) is not None


def _find_headings(told: Sequence[Told], lines: Sequence[str]) -> list[int]:
    """1 or -1 for each clause that stands in a list of pros or cons, else 0.

    A heading holds for its sentence; one alone on its line for the short lines below it as well.
    """
    headings: list[int] = []
    side, sentence, is_alone = 0, -1, False
    for clause, line in zip(told, lines, strict=True):
        found = [clause.is_listing and PATTERNS[name].search(line) for name in ("pros", "cons")]
        if any(found):
            side, sentence = (1 if found[0] else -1), clause.sentence
            is_alone = any(match and match.end() == len(line) for match in found)
        elif clause.sentence != sentence and not (is_alone and len(clause.forms) <= _ITEM_WORDS):
            side = 0
        headings.append(side)
    return headings
