"""The clauses extractor: attributes from clauses by words and embeddings, without labels.

A review is cut into clauses, none about two attributes that are judged apart. A clause is about an
attribute when it holds one of its words, or when its embedding is nearer to the attribute's example
clauses than to those of everything else reviews speak of. Its polarity is that of its praise and
blame (`polarity.py`) together with a linear probe on embeddings, fitted to hand-written examples
only. The clauses of a review are then added up to one answer per attribute.
"""

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from tasks.text.concepts import Target, hash_data, load_concepts, plan_targets
from tasks.text.extract import EXTRACTION_SCHEMA, AttributeLike, Embed, Extraction
from tasks.text.polarity import (
    Opinion,
    PhraseIndex,
    find_opinions,
    has_negator,
    is_noncommittal,
    load_lexicon,
    score_opinions,
)
from tasks.text.segments import MAX_CLAUSE_WORDS, Joint, Parsed, Segment, parse_text, word_set
from tasks.text.spelling import Speller

_CHUNK_REVIEWS: Final = 4000
_MAX_CLAUSE_CHARS: Final = 1000
_HABIT: Final = (
    "usually", "normally", "typically", "previously", "formerly", "used to", "in the past",
    "last time", "previous visit", "previous visits", "years ago", "once was", "people said",
)  # fmt: skip
_LINKS: Final = word_set("and or nor the a an our my their its his her of as well both plus n")
_COPULAS: Final = word_set("was were is are")
_ECHO_HEADS: Final = word_set("as so")
_ECHO_VERBS: Final = word_set("was were is are did does")
_PRONOUNS: Final = word_set(
    "it its they he she this that these those which who them all both everything"
)


@dataclass(frozen=True)
class ClauseRules:
    """Numbers of the method, the same for every attribute.

    Similarities are cosines. `known` is needed of a clause with a word of the attribute, `hinted` of
    one with a hint only, `mention` of one with neither; the latter two must come within `margin` of
    the nearest rival, by the mean over the `nearest` examples. `probe` is the
    probe's share of the opinion (`shared_probe` in a clause with a negation or about several attributes) and the rest
    that of the words; without a word of praise or blame the probe alone decides, times `fading`, when it is
    at least `unspoken`. `lean` is taken off, since people praise more readily than they blame
    (chosen so that praise and blame are found equally often in MAMS). Below `neutral` there is no
    opinion. Opinions fade with the words between, over `reach` in a clause about several
    attributes and `lone_reach` else; a clause that refers back weighs `carried`, one about former times or the
    usual ("it used to be good") `former`, one that names the whole ("the food") and not a part of
    it ("the soup") `whole`; an opinion nearer to another name counts `others`; `ridge` is the probe's penalty.
    """

    known: float = 0.15
    mention: float = 0.50
    hinted: float = 0.42
    margin: float = 0.02
    probe: float = 0.35
    shared_probe: float = 0.1
    neutral: float = 0.03
    lean: float = 0.05
    unspoken: float = 0.3
    fading: float = 0.8
    reach: float = 6.0
    lone_reach: float = 12.0
    others: float = 0.3
    carried: float = 0.5
    former: float = 0.3
    whole: float = 2.0
    nearest: int = 2
    ridge: float = 8.0


@dataclass(frozen=True, slots=True)
class _Clause:
    """Words [`first`, `last`) of a review; `hits` holds word positions by target number."""

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


@dataclass(frozen=True, slots=True)
class _Evidence:
    """What one clause says of one attribute.

    `score` in [-1, 1]; `sureness` in [0, 1] that it is about the attribute; `share` is how much it
    counts beside the review's other clauses.
    """

    score: float
    sureness: float
    share: float
    start: int
    end: int


@dataclass(frozen=True)
class _Model:
    """Everything that depends on the attributes and the encoder only."""

    targets: tuple[Target, ...]
    n_requested: int
    terms: PhraseIndex[tuple[int, ...]]
    hints: PhraseIndex[tuple[int, ...]]
    examples: tuple[npt.NDArray[np.float32], ...]
    probe: npt.NDArray[np.float64]
    bias: float
    speller: Speller


@dataclass(frozen=True)
class ClauseExtractor:
    """Reads attributes clause by clause; deterministic, and each review on its own."""

    rules: ClauseRules = field(default_factory=ClauseRules)

    @property
    def revision(self) -> str:
        """Hash of the word lists and rules."""
        rules = ",".join(f"{key}={value}" for key, value in vars(self.rules).items())
        return f"clauses-{hash_data()}-{hashlib.sha256(rules.encode()).hexdigest()[:8]}"

    def extract(
        self,
        reviews: Sequence[tuple[str, str]],
        *,
        attributes: Sequence[AttributeLike],
        embed: Embed,
    ) -> Extraction:
        """One row per review and attribute, in their order; no review is skipped."""
        if not reviews or not attributes:
            return Extraction(pl.DataFrame(schema=EXTRACTION_SCHEMA))
        model = _prepare(attributes, embed, self.rules)
        frames = [
            self._extract_chunk(reviews[start : start + _CHUNK_REVIEWS], model, embed)
            for start in range(0, len(reviews), _CHUNK_REVIEWS)
        ]
        return Extraction(pl.concat(frames))

    def _extract_chunk(
        self, reviews: Sequence[tuple[str, str]], model: _Model, embed: Embed
    ) -> pl.DataFrame:
        parsed = [parse_text(text) for _, text in reviews]
        spelt = [[model.speller.correct(word.form) for word in review.words] for review in parsed]
        clauses = [
            clause
            for number, review in enumerate(parsed)
            for clause in _cut_clauses(number, review, spelt[number], model)
            if _is_telling(clause, model)
        ]
        measured = _measure(sorted({clause.key for clause in clauses}), model, embed, self.rules)
        found: dict[tuple[int, int], list[_Evidence]] = {}
        spoken: dict[int, float] = {}
        for clause, mentions in _attribute_clauses(clauses, measured, model, self.rules):
            forms = spelt[clause.review][clause.first : clause.last]
            probed = measured[clause.key][1]
            echoed = spoken.get(clause.review) if _is_echo(forms) else None
            for target, weight in mentions.items():
                score = _score_clause(clause, forms, target, probed, model, self.rules)
                score = echoed if echoed is not None and not score else score
                share = _weigh_clause(clause, forms, target, model, self.rules)
                found.setdefault((clause.review, target), []).append(
                    _Evidence(score, weight, share, clause.start, clause.end)
                )
                spoken[clause.review] = score
        return _to_frame(reviews, model, found, self.rules)


def _prepare(attributes: Sequence[AttributeLike], embed: Embed, rules: ClauseRules) -> _Model:
    targets = plan_targets(attributes)
    lexicon = load_lexicon()
    concepts = load_concepts().values()
    good = sorted({*lexicon.good, *(clause for c in concepts for clause in c.good)})
    bad = sorted({*lexicon.bad, *(clause for c in concepts for clause in c.bad)})
    plain = sorted({*lexicon.plain, *(clause for c in concepts for clause in c.plain)})
    texts = sorted({*good, *bad, *plain, *(e for target in targets for e in target.examples)})
    vectors = embed(texts)
    rows = {text: row for row, text in enumerate(texts)}
    parts = [vectors[[rows[text] for text in part]] for part in (good, bad, plain)]
    probe, bias = _fit_probe(parts[0], parts[1], parts[2], rules.ridge)
    return _Model(
        targets=targets,
        n_requested=len(attributes),
        terms=_index_phrases([target.terms for target in targets], len(attributes)),
        hints=_index_phrases([target.hints for target in targets], len(attributes)),
        examples=tuple(vectors[[rows[e] for e in target.examples]] for target in targets),
        probe=probe,
        bias=bias,
        speller=_make_speller(targets),
    )


def _make_speller(targets: Sequence[Target]) -> Speller:
    """Knows the words of praise and blame and those of all targets."""
    phrases = {term for target in targets for term in (*target.terms, *target.hints)}
    words = {word for phrase in phrases for word in phrase}
    return Speller(words | load_lexicon().words)


def _fit_probe(
    good: npt.NDArray[np.float32],
    bad: npt.NDArray[np.float32],
    plain: npt.NDArray[np.float32],
    ridge: float,
) -> tuple[npt.NDArray[np.float64], float]:
    """Ridge regression of +1, -1 and 0 on vectors; weights of shape (dim,) and intercept."""
    x = np.concatenate([good, bad, plain]).astype(np.float64)
    y = np.concatenate([np.ones(len(good)), -np.ones(len(bad)), np.zeros(len(plain))])
    mean = x.mean(axis=0)
    centred = x - mean
    gram = centred.T @ centred + ridge * np.eye(x.shape[1])
    weights = np.linalg.solve(gram, centred.T @ (y - y.mean()))
    # Without the mean of y, the probe leans to neither side at the centre of the examples.
    return weights, -float(mean @ weights)


def _index_phrases(
    phrases: Sequence[Iterable[tuple[str, ...]]], n_requested: int
) -> PhraseIndex[tuple[int, ...]]:
    """Targets by phrase; what a requested one claims is not left to a rival."""
    owners: dict[tuple[str, ...], list[int]] = {}
    for number, terms in enumerate(phrases):
        for term in terms:
            owners.setdefault(term, []).append(number)
    kept = {
        term: tuple(n for n in numbers if n < n_requested) or tuple(numbers)
        for term, numbers in owners.items()
    }
    return PhraseIndex(kept)


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


@dataclass(slots=True)
class _Draft:
    """A clause that is being put together from segments; `is_told`: it has a verb of its own."""

    first: int
    last: int
    joint: Joint
    sentence: int
    hits: dict[int, list[int]]
    is_judging: bool
    is_told: bool


def _cut_clauses(
    number: int, review: Parsed, forms: Sequence[str], model: _Model
) -> Iterator[_Clause]:
    """Clauses of a review: segments joined unless they judge different attributes."""
    drafts: list[_Draft] = []
    for segment in review.segments:
        draft = _draft_segment(segment, forms, model)
        if drafts and _belong_together(drafts[-1], draft):
            _join(drafts[-1], draft)
        else:
            drafts.append(draft)
    for draft in drafts:
        yield _finish_clause(number, review, forms, draft, model)


def _draft_segment(segment: Segment, forms: Sequence[str], model: _Model) -> _Draft:
    hits: dict[int, list[int]] = {}
    for target, position in _find_phrases(model.terms, forms, segment):
        hits.setdefault(target, []).append(position)
    opinions = find_opinions(forms, segment.first, segment.last)
    is_judging = bool(opinions) or any(
        find_opinions(forms, segment.first, segment.last, own=model.targets[target].own)
        for target in hits
    )
    is_told = not _COPULAS.isdisjoint(forms[segment.first : segment.last])
    return _Draft(
        segment.first, segment.last, segment.joint, segment.sentence, hits, is_judging, is_told
    )


def _belong_together(before: _Draft, after: _Draft) -> bool:
    """Whether two neighbouring drafts are one clause."""
    if after.joint <= Joint.ASIDE or before.sentence != after.sentence:
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
    before.is_judging = before.is_judging or after.is_judging
    for target, positions in after.hits.items():
        before.hits.setdefault(target, []).extend(positions)


def _finish_clause(
    number: int, review: Parsed, forms: Sequence[str], draft: _Draft, model: _Model
) -> _Clause:
    start = review.words[draft.first].start
    end = _extend_to_mark(review.view, review.words[draft.last - 1].end)
    whole = Segment(draft.first, draft.last, draft.joint, draft.sentence)
    hints = frozenset(target for target, _ in _find_phrases(model.hints, forms, whole))
    key = " ".join(review.view[start : min(end, start + _MAX_CLAUSE_CHARS)].split())
    first_form = forms[draft.first]
    return _Clause(
        review=number,
        first=draft.first,
        last=draft.last,
        start=start,
        end=end,
        key=key,
        hits={target: tuple(positions) for target, positions in draft.hits.items()},
        hints=hints,
        is_judging=draft.is_judging,
        refers_back=(first_form in _PRONOUNS and not _names_early(draft, forms))
        or (not draft.hits and draft.joint is not Joint.SENTENCE),
    )


def _names_early(draft: _Draft, forms: Sequence[str]) -> bool:
    """Whether something is named before anything is judged ("they have good food")."""
    named = min((min(places) for places in draft.hits.values()), default=draft.last)
    judged = min((o.first for o in find_opinions(forms, draft.first, draft.last)), default=named)
    return named < draft.last and named <= judged + 1


def _is_telling(clause: _Clause, model: _Model) -> bool:
    """Whether a clause can matter: it judges, or names what was asked for; others are not embedded."""
    if clause.is_judging:
        return True
    return any(target < model.n_requested for target in (*clause.hits, *clause.hints))


def _extend_to_mark(view: str, end: int) -> int:
    """End of a clause with the mark that closes it, so that it reads as a sentence."""
    while end < len(view) and view[end] in ".!?)\"'%$":
        end += 1
    return end


def _measure(
    keys: Sequence[str], model: _Model, embed: Embed, rules: ClauseRules
) -> dict[str, tuple[npt.NDArray[np.float64], float]]:
    """Similarity to each target, shape (targets,), and the probe's polarity of each clause.

    Rounded, so that another processor's last bits do not decide.
    """
    if not keys:
        return {}
    vectors = embed(keys)
    similarity = np.empty((len(keys), len(model.targets)))
    for number, examples in enumerate(model.examples):
        cosines = vectors @ examples.T
        nearest = min(rules.nearest, cosines.shape[1])
        similarity[:, number] = np.partition(cosines, -nearest, axis=1)[:, -nearest:].mean(axis=1)
    probed = np.tanh(2.0 * (vectors @ model.probe + model.bias))
    rows = zip(similarity.round(4), probed.round(4).tolist(), strict=True)
    return dict(zip(keys, rows, strict=True))


def _attribute_clauses(
    clauses: Sequence[_Clause],
    measured: Mapping[str, tuple[npt.NDArray[np.float64], float]],
    model: _Model,
    rules: ClauseRules,
) -> Iterator[tuple[_Clause, dict[int, float]]]:
    """Each clause with the requested targets it is about and how sure that is.

    One that judges without naming anything ("it was cold") is about what the one before was about.
    """
    previous: dict[int, float] = {}
    review = -1
    for clause in clauses:
        if clause.review != review:
            previous, review = {}, clause.review
        mentions = _find_mentions(clause, measured[clause.key][0], model, rules)
        if not mentions and clause.refers_back and clause.is_judging:
            mentions = {target: weight * rules.carried for target, weight in previous.items()}
        elif mentions or clause.hits:
            previous = mentions
        yield clause, mentions


def _find_mentions(
    clause: _Clause, similarity: npt.NDArray[np.float64], model: _Model, rules: ClauseRules
) -> dict[int, float]:
    """Requested targets a clause names or means, with how sure that is in (0, 1]."""
    meant: dict[int, float] = {}
    named: dict[int, float] = {}
    for target in range(model.n_requested):
        value = float(similarity[target])
        is_hinted = target in clause.hints
        if target in clause.hits:
            if value >= rules.known:
                named[target] = round(min(1.0, 0.75 + 0.4 * max(value - 0.3, 0.0)), 4)
        elif is_hinted or not clause.hits:
            needed = rules.hinted if is_hinted else rules.mention
            lead = value - float(np.delete(similarity, target).max(initial=-1.0))
            if value >= needed and lead >= (rules.margin if clause.hits else -rules.margin):
                meant[target] = round(min(0.9, 0.4 + value - needed), 4)
    # "It took forever to get the food" names the food and means the service.
    return meant or named


def _score_clause(
    clause: _Clause,
    forms: Sequence[str],
    target: int,
    probed: float,
    model: _Model,
    rules: ClauseRules,
) -> float:
    """Polarity in [-1, 1] of what a clause (its words are `forms`) says of a target."""
    opinions = find_opinions(forms, 0, len(forms), own=model.targets[target].own)
    if target in clause.hits:
        opinions = _take_nearest(opinions, clause, forms, target, rules)
    if is_noncommittal(forms) and not find_opinions(forms, 0, len(forms)):
        return 0.0
    if not opinions:
        return rules.fading * probed if abs(probed) >= rules.unspoken else 0.0
    spoken = score_opinions(opinions)
    # The embedding of a clause about several things says nothing of any one of them, and encoders
    # hardly see negation (Ettinger 2020, https://doi.org/10.1162/tacl_a_00298).
    is_plain = len(clause.hits) < 2 and not has_negator(forms)
    probe = rules.probe if is_plain else rules.shared_probe
    return (1.0 - probe) * spoken + probe * probed


def _weigh_clause(
    clause: _Clause, forms: Sequence[str], target: int, model: _Model, rules: ClauseRules
) -> float:
    """How much a clause counts: more when it names the whole, less when it tells of former times."""
    heads = model.targets[target].heads
    is_whole = any(forms[place - clause.first] in heads for place in clause.hits.get(target, ()))
    return (rules.whole if is_whole else 1.0) * (rules.former if _is_former(forms) else 1.0)


def _is_former(forms: Sequence[str]) -> bool:
    """Whether a clause tells of former times or of the usual rather than of this time."""
    said = f" {' '.join(forms)} "
    return any(f" {phrase} " in said for phrase in _HABIT)


def _is_echo(forms: Sequence[str]) -> bool:
    """Whether a clause says the same again of something else ("as was the food")."""
    return len(forms) > 1 and forms[0] in _ECHO_HEADS and forms[1] in _ECHO_VERBS


def _take_nearest(
    opinions: Sequence[Opinion],
    clause: _Clause,
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
    clause: _Clause, forms: Sequence[str]
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


def _to_frame(
    reviews: Sequence[tuple[str, str]],
    model: _Model,
    found: dict[tuple[int, int], list[_Evidence]],
    rules: ClauseRules,
) -> pl.DataFrame:
    rows = []
    for number, (review_id, _) in enumerate(reviews):
        for target in range(model.n_requested):
            answer = _combine(found.get((number, target), ()), rules)
            rows.append((review_id, model.targets[target].name, *answer))
    return pl.DataFrame(rows, schema=EXTRACTION_SCHEMA, orient="row")


def _combine(
    evidence: Sequence[_Evidence], rules: ClauseRules
) -> tuple[bool, int, float, int | None, int | None]:
    """One answer of a review's clauses: mentioned, polarity, confidence and the telling span."""
    if not evidence:
        return False, 0, 0.0, None, None
    weight = sum(item.sureness * item.share for item in evidence)
    total = sum(item.score * item.sureness * item.share for item in evidence)
    mean = total / weight - rules.lean * (total != 0)
    polarity = 0 if abs(mean) < rules.neutral else (1 if mean > 0 else -1)
    if polarity == 0:
        telling = max(evidence, key=lambda item: (item.sureness, -abs(item.score), -item.start))
        decided = 1.0 - abs(mean) / rules.neutral * 0.5
    else:
        telling = max(
            evidence, key=lambda item: (item.score * polarity * item.sureness, -item.start)
        )
        decided = min(1.0, 0.5 + abs(mean))
    confidence = round(max(item.sureness for item in evidence) * decided, 4)
    return True, polarity, confidence, telling.start, telling.end
