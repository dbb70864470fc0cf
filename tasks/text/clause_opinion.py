"""What a clause says of an attribute, and how much it counts."""

import math
from collections.abc import Sequence
from typing import Final

from tasks.text.clause_cut import Clause
from tasks.text.clause_model import ClauseRules, Model
from tasks.text.clause_nuisance import judge_nuisances
from tasks.text.clause_stance import turn_opinions
from tasks.text.polarity import (
    Opinion,
    find_opinions,
    is_noncommittal,
    score_opinions,
    turns_round,
)
from tasks.text.segments import word_set

_HABIT: Final = (
    "usually", "normally", "typically", "previously", "formerly", "used to", "in the past",
    "last time", "previous visit", "previous visits", "years ago", "once was", "people said",
)  # fmt: skip
_LINKS: Final = word_set("and or nor the a an our my their its his her of as well both plus n")
_MENTIONING: Final = word_set(
    "a an the our my your their its this that and of for on in at with as to"
)
"""Words beside which a name is a bare mention."""
_COST_WORDS: Final = word_set("overpriced pricey pricy expensive costly affordable inexpensive")
"""They judge what a thing costs, and not the thing ("delicious but overpriced food")."""
_QUALITIES: Final = word_set("comfortable safe clean portable ergonomic")
"""Names of attributes that are praise themselves: "comfortable" alone is no bare mention."""
_ROLES: Final = word_set("character role hero heroine protagonist villain")
"""Without a word of praise or blame, what is said of them is what happens in the story."""
_TEARING: Final = word_set("but yet though although")
_EVENTS: Final = word_set(
    "arrived arrives arrive came delivered deliver shipped ships ship mailed posted dispatched ordered "
    "bought purchased paid pay spent got received called phoned rang contacted emailed sale discount"
)
"""Words of what happened: they name an attribute, but what is said next is said of the whole."""
_ASKED: Final = word_set("called call phoned rang contacted emailed wrote")
_PERSONS: Final = word_set("i we they it i'm i've we're we've it's they're he she this")
_THINGS: Final = word_set("thing product item device unit machine one")
_JOINTS: Final = word_set("and so but because since as plus while though although")
_SUBORDINATORS: Final = word_set("than when before after as that what how which if until where")
_CLAUSE_OPENERS: Final = word_set("when once after while since")


def spell_events() -> str:
    """The lists of words above, to tell one revision from another."""
    lists = (
        _EVENTS,
        _ASKED,
        _PERSONS,
        _THINGS,
        _JOINTS,
        _SUBORDINATORS,
        _CLAUSE_OPENERS,
        _COST_WORDS,
        _QUALITIES,
        _TEARING,
        _ROLES,
    )
    return ";".join(" ".join(sorted(words)) for words in lists)


def is_event(clause: Clause, forms: Sequence[str], target: int) -> bool:
    """Whether nothing but what happened ("arrived") names a target in a clause."""
    places = clause.hits.get(target, ())
    if not places:
        return not _EVENTS.isdisjoint(forms)
    return all(forms[place - clause.first] in _EVENTS for place in places)


def find_own_subject(clause: Clause, forms: Sequence[str], target: int) -> int:
    """Place behind which a coordinate clause speaks of the whole and not of a target; else the end."""
    places = [place - clause.first for place in clause.hits.get(target, ())]
    is_asking = not _ASKED.isdisjoint(forms[: max(places, default=0)])
    if not is_asking and not (is_event(clause, forms, target) or _begins_with_event(forms, places)):
        return len(forms)
    apart = _find_apart(forms, places, is_asking=is_asking)
    is_more = any(place >= apart and forms[place] not in _EVENTS for place in places)
    return len(forms) if is_more else apart


def _begins_with_event(forms: Sequence[str], places: Sequence[int]) -> bool:
    """Whether what happened is named before all else ("delivered by a courier")."""
    return bool(places) and forms[min(places)] in _EVENTS


def _find_apart(forms: Sequence[str], places: Sequence[int], *, is_asking: bool) -> int:
    start = min(places, default=next((n for n, f in enumerate(forms) if f in _EVENTS), 0))
    for place in range(start + 1, len(forms)):
        before, form = forms[place - 1], forms[place]
        whole = before in ("whole", "entire") and place > 1
        is_thing = form in _THINGS and forms[place - 1 - whole] in ("the", "this")
        before = forms[max(place - 2 - whole, 0)] if is_thing else before
        if not is_thing and form not in _PERSONS:
            continue
        if is_asking and before not in ("because", "since"):
            continue
        if before in _JOINTS or is_asking:
            return place
        is_opened = forms[0] in _CLAUSE_OPENERS and before not in _SUBORDINATORS
        if form in ("i", "we") and is_opened:
            return place
    return len(forms)


def score_clause(
    clause: Clause,
    forms: Sequence[str],
    target: int,
    probes: tuple[float, float],
    model: Model,
    rules: ClauseRules,
) -> float:
    """Polarity in [-1, 1] of what a clause (its words are `forms`) says of a target.

    `probes` are the probe's polarity of the clause and of the bare mention of what it names.
    """
    probed, bare = probes
    stance = clause.stance
    opinions = find_opinions(forms, 0, len(forms), own=model.targets[target].own)
    apart = find_own_subject(clause, forms, target)
    if apart < len(forms):
        own = model.targets[target].own
        opinions = [o for o in opinions if o.first < apart or own.find(forms, o.first, o.last)]
        named = {place - clause.first for place in clause.hits.get(target, ())}
        if all(o.first in named for o in opinions):
            return 0.0
    opinions, is_little = judge_nuisances(opinions, forms)
    opinions = turn_opinions(opinions, stance.turns)
    if not opinions and (stance.heading or stance.turns):
        is_missed = any(turn.is_praise_only for turn in stance.turns)
        return rules.listed * stance.heading or -rules.listed * is_missed
    if clause.is_shared:
        opinions = part_shared(opinions, clause, forms, target)
        if not opinions or is_torn(opinions, forms):
            return 0.0
    if not stance.heading and _is_bare(opinions, clause, forms, target, model):
        return 0.0
    if target in clause.hits:
        opinions = _take_nearest(opinions, clause, forms, target, rules)
    if is_noncommittal(forms) and not is_little and not find_opinions(forms, 0, len(forms)):
        return 0.0
    if not opinions:
        is_told = _names_role(clause, forms, target)
        return 0.0 if is_told else _read_unspoken(probed, bare, rules)
    spoken = score_opinions(opinions)
    # The embedding of a clause about several things says nothing of any one of them, and encoders
    # hardly see negation (Ettinger 2020, https://doi.org/10.1162/tacl_a_00298).
    is_plain = len(clause.hits) < 2 and not turns_round(forms)
    probe = rules.probe if is_plain else rules.shared_probe
    probe = 0.0 if stance.turns or is_little else probe
    return (1.0 - probe) * spoken + probe * probed


def _names_role(clause: Clause, forms: Sequence[str], target: int) -> bool:
    """Whether nothing but somebody in a story names a target ("her character moves to Rome")."""
    places = clause.hits.get(target, ())
    return bool(places) and all(forms[place - clause.first] in _ROLES for place in places)


def is_torn(opinions: Sequence[Opinion], forms: Sequence[str]) -> bool:
    """Whether adjectives before and after "but" weigh against each other ("slow but friendly")."""
    middle = next((n for n, form in enumerate(forms) if form in _TEARING), len(forms))
    left = sum(o.valence for o in opinions if o.first < middle)
    right = sum(o.valence for o in opinions if o.first > middle)
    return left * right < 0


def part_shared(
    opinions: Sequence[Opinion], clause: Clause, forms: Sequence[str], target: int
) -> list[Opinion]:
    """Opinions of a target among those that adjectives on both sides of "but" hold.

    One that names another attribute is said of that: dishes may be tasty and yet pricey.
    """
    places = {place - clause.first for place in clause.hits.get(target, ())}
    own = [o for o in opinions if not places.isdisjoint(range(o.first, o.last))]
    if own:
        return own
    return [o for o in opinions if forms[o.first] not in _COST_WORDS]


def _is_bare(
    opinions: Sequence[Opinion], clause: Clause, forms: Sequence[str], target: int, model: Model
) -> bool:
    """Whether a clause only mentions a target whose very name has a valence ("the noise")."""
    heads = model.targets[target].heads
    names = {place - clause.first for place in clause.hits.get(target, ())}
    if not all(
        o.last == o.first + 1 and o.first in names and forms[o.first] in heads - _QUALITIES
        for o in opinions
    ):
        return False
    rest = [form for place, form in enumerate(forms) if place not in names]
    if not rest and not opinions:
        return len(names) == 1
    return bool(opinions) and (_MENTIONING.issuperset(rest) or is_noncommittal(forms))


def _read_unspoken(probed: float, bare: float, rules: ClauseRules) -> float:
    """Polarity of a clause without a word of praise or blame: what it says beyond the bare mention.

    The probe holds "the service" for praise and "the noise" for blame, which nobody uttered.
    """
    lean = max(0.0, bare if probed > 0 else -bare)
    beyond = abs(probed) - lean
    if abs(probed) < rules.unspoken or beyond < rules.beyond:
        return 0.0
    return math.copysign(rules.fading * beyond, probed)


def weigh_clause(
    clause: Clause, forms: Sequence[str], target: int, model: Model, rules: ClauseRules
) -> float:
    """How much a clause counts: more when it names the whole, less when it tells of former times."""
    heads = model.targets[target].heads
    is_whole = any(forms[place - clause.first] in heads for place in clause.hits.get(target, ()))
    share = rules.whole if is_whole else 1.0
    share *= rules.former if _is_former(forms) else 1.0
    return share * (rules.surpassed if clause.stance.is_surpassed else 1.0)


def _is_former(forms: Sequence[str]) -> bool:
    """Whether a clause tells of former times or of the usual rather than of this time."""
    said = f" {' '.join(forms)} "
    return any(f" {phrase} " in said for phrase in _HABIT)


def _take_nearest(
    opinions: Sequence[Opinion],
    clause: Clause,
    forms: Sequence[str],
    target: int,
    rules: ClauseRules,
) -> list[Opinion]:
    """Opinions about a target that is named: they fade with the words between.

    What stands nearer to something else that is named ("mediocre food at reasonable prices") is
    said of that, and counts `others` of it.
    """
    groups = _group_names(clause, forms)
    own = {number for number, (_, targets) in enumerate(groups) if target in targets}
    reach = rules.reach if len(clause.hits) > 1 else rules.lone_reach
    is_told = bool(groups) and groups[0][0][0] == 0
    faded: list[Opinion] = []
    for opinion in opinions:
        distances = [_distance(opinion, places, is_told=is_told) for places, _ in groups]
        nearest = min(distances)
        distance = min(distances[number] for number in own)
        share = 1.0 if distance == nearest else rules.others
        valence = opinion.valence * share * math.exp(-distance / reach)
        faded.append(Opinion(opinion.first, opinion.last, valence))
    return faded


def _group_names(
    clause: Clause, forms: Sequence[str]
) -> list[tuple[tuple[int, ...], frozenset[int]]]:
    """Word positions and targets of names that are spoken of together ("the food and service")."""
    named: dict[int, set[int]] = {}
    for target, places in clause.hits.items():
        for place in places:
            named.setdefault(place - clause.first, set()).add(target)
    groups: list[tuple[list[int], set[int]]] = []
    for place in sorted(named):
        between = forms[groups[-1][0][-1] + 1 : place] if groups else ()
        if groups and all(form in _LINKS for form in between):
            groups[-1][0].append(place)
            groups[-1][1].update(named[place])
        else:
            groups.append(([place], set(named[place])))
    return [(tuple(places), frozenset(targets)) for places, targets in groups]


def _distance(opinion: Opinion, places: Sequence[int], *, is_told: bool) -> int:
    """Words from an opinion to the nearest of some names.

    Where a clause begins with a name (`is_told`: "food good, service poor"), what follows is said
    of it, and a name after the opinion counts as two words farther.
    """
    return min(
        place - (opinion.last - 1) + 2 * is_told
        if place >= opinion.last
        else max(opinion.first - place, 0)
        for place in places
    )
