"""Constructions of English by which praise or blame is not meant as it stands.

Each pattern is one construction over the words of a clause, parted by blanks. In them "<NAME>" is a
word of the class NAME below and "<0-3>" are up to that many words of any kind. What they do is said
in `clause_stance.py`.
"""

import re
from typing import Final

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
    "companion companions user users owner's buyer buyers owners",
    "SAY": "say says said claim claims claimed tell tells told rave raves raved complain complains "
    "complained boast boasts boasted promise promises promised advertises advertised insist insists "
    "insisted praise praises praised love loves loved like likes hate hates hated recommend "
    "recommends recommended warn warned call calls called describe describes described "
    "dislike dislikes disliked adore adores adored find finds found think thinks report reports "
    "reported write writes wrote mention mentions mentioned",
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
    "ONLY": "only one main biggest major sole single real my our",
    "MINOR": "minor small slight tiny little big",
    "FAULT": "drawback drawbacks downside downsides complaint complaints gripe gripes quibble quibbles "
    "con cons negative negatives minus flaw flaws shortcoming shortcomings weakness disadvantage "
    "disadvantages disappointment letdown criticism problem issue",
    "SEE": "have had see saw find found notice noticed",
    "TOP": "best favorite favourite nicest",
    "PART": "part parts thing things feature features aspect aspects bit bits",
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
        "(?:i|we) (?:strongly )?(?:disagree|do not agree|don't agree|beg to differ)$",
        "nothing could be (?:further|farther) from the truth",
        "^(?:<IT> )?(?:(?:<BE> )?not|isn't|wasn't) (?:at all )?(?:in |true (?:of|for) )?(?:my|our) "
        "(?:own )?(?:experience|case|impression|view|opinion)$",
        "^(?:i|we) (?:found|experienced|had|saw) (?:quite |just |exactly )?the (?:opposite|contrary)$",
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
    "reported": _compile(
        "<PEOPLE> (?:(?!i |we )\\S+ ){0,3}<SAY>",
        "they <0-1><SAY>",
        "(?:my|our) (?:(?!i |we )\\S+ ){1,2}<SAY>",
        "(?:i|we|i'd|we'd) (?:had |have |was |were |been )*(?:read|heard|told) <0-2>that",
    ),
    # "My cousin's pair": what it is like is no view of others, but none of this one either.
    "possessed": _compile("^my (?:\\S+ )?\\S+'s \\S+"),
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
    # "The only drawback: the price", "my one complaint, the sound": what follows is named for it.
    "drawback": _compile(
        "^(?:and |but |so )?(?:the |a |its )?<ONLY>(?: <ONLY>| <MINOR>)* (?:<FAULT>|draw backs?)"
        "(?: <I> (?:can |could )?(?:<SEE>|think of))?(?: (?:about|with|of|to|for) <0-2>\\S+| here)?(?: <BE>)?(?: that)?$"
    ),
    "highlight": _compile(
        "^(?:and |but |so )?(?:<OWNER> )?(?:<ONLY> )?(?:highlights?|upsides?|<TOP> <PART>)"
        "(?: (?:about|with|of|to|for) <0-2>\\S+| here)?(?: <BE>)?(?: that)?$"
    ),
    "yes": _compile("^(?:yes|yep|yeah|yup|absolutely|definitely|certainly|totally)(?! not )"),
    "no": _compile("^(?:no|nope|not|hardly|absolutely not|definitely not|certainly not)"),
}
