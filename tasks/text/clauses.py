"""The clauses extractor: attributes from clauses by words and embeddings, without labels.

A review is cut into clauses, none about two attributes that are judged apart. A clause is about an
attribute when it holds one of its words, or when its embedding is nearer to the attribute's example
clauses than to those of everything else reviews speak of. Its polarity is that of its praise and
blame (`polarity.py`) together with a linear probe on embeddings, fitted to hand-written examples
only. The clauses of a review are then added up to one answer per attribute.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from tasks.text.clause_cut import Clause, cut_clauses, is_telling, spell_cuts
from tasks.text.clause_ellipsis import is_echo, spell_ellipsis, turns_against
from tasks.text.clause_model import ClauseRules, Model, prepare_model
from tasks.text.clause_nuisance import spell_nuisances
from tasks.text.clause_opinion import is_event, score_clause, spell_events, weigh_clause
from tasks.text.clause_others import spell_others
from tasks.text.clause_stance import hash_patterns
from tasks.text.concepts import hash_data
from tasks.text.extract import EXTRACTION_SCHEMA, AttributeLike, Embed, Extraction
from tasks.text.polarity import find_opinions
from tasks.text.segments import parse_text

_CHUNK_REVIEWS: Final = 4000
_FAINT: Final = 0.4
"""Blame below this is no more than faint praise ("okay")."""


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


@dataclass(frozen=True, slots=True)
class _Said:
    """What a clause said: its words, the score of each target it is about, and the last of these."""

    forms: Sequence[str]
    scores: Mapping[int, float]
    last: float

    def echo(self, target: int, forms: Sequence[str], score: float) -> float:
        """Score of an elliptic clause after this one; `score` is what its own words give."""
        if is_echo(forms):
            return score or self.last
        said = self.scores.get(target, self.last)
        if not turns_against(self.forms, forms):
            return said
        # "The food was just fine, the service was not": faint blame turned round is no praise.
        return -abs(said) if said > -_FAINT else -said


@dataclass(frozen=True)
class ClauseExtractor:
    """Reads attributes clause by clause; deterministic, and each review on its own."""

    rules: ClauseRules = field(default_factory=ClauseRules)

    @property
    def revision(self) -> str:
        """Hash of the word lists, rules and patterns."""
        rules = ",".join(f"{key}={value}" for key, value in vars(self.rules).items())
        said = f"{rules};{hash_patterns()};{spell_nuisances()};{spell_events()}"
        said = f"{said};{spell_others()};{spell_ellipsis()};{spell_cuts()};{_FAINT}"
        return f"clauses-{hash_data()}-{hashlib.sha256(said.encode()).hexdigest()[:8]}"

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
        model = prepare_model(attributes, embed, self.rules)
        frames = [
            self._extract_chunk(reviews[start : start + _CHUNK_REVIEWS], model, embed)
            for start in range(0, len(reviews), _CHUNK_REVIEWS)
        ]
        return Extraction(pl.concat(frames))

    def _extract_chunk(
        self, reviews: Sequence[tuple[str, str]], model: Model, embed: Embed
    ) -> pl.DataFrame:
        parsed = [parse_text(text) for _, text in reviews]
        spelt = [[model.speller.correct(word.form) for word in review.words] for review in parsed]
        clauses = [
            clause
            for number, review in enumerate(parsed)
            for clause in cut_clauses(number, review, spelt[number], model)
            if is_telling(clause, model)
        ]
        named = {
            (clause.review, clause.first): _name_bare(
                clause, spelt[clause.review], model.n_requested
            )
            for clause in clauses
        }
        keys = {clause.key for clause in clauses}.union(*named.values())
        measured = _measure(sorted(keys), model, embed, self.rules)
        found: dict[tuple[int, int], list[_Evidence]] = {}
        spoken: dict[int, _Said] = {}
        for clause, mentions in _attribute_clauses(clauses, spelt, measured, model, self.rules):
            forms = spelt[clause.review][clause.first : clause.last]
            probed = measured[clause.key][1]
            names = named[clause.review, clause.first]
            bare = _average([measured[key][1] for key in names])
            before = spoken.get(clause.review) if clause.is_elliptic else None
            scores: dict[int, float] = {}
            for target, weight in mentions.items():
                score = score_clause(clause, forms, target, (probed, bare), model, self.rules)
                score = score if before is None else before.echo(target, forms, score)
                scores[target] = score
                if clause.is_of_another:
                    continue
                score = 0.0 if clause.stance.is_surpassed else score
                share = weigh_clause(clause, forms, target, model, self.rules)
                found.setdefault((clause.review, target), []).append(
                    _Evidence(score, weight, share, clause.start, clause.end)
                )
            if scores:
                spoken[clause.review] = _Said(forms, scores, score)
        return _to_frame(reviews, model, found, self.rules)


def _name_bare(clause: Clause, forms: Sequence[str], n_requested: int) -> list[str]:
    """The requested things that a clause names, as bare mentions ("the waiter")."""
    named = (places for target, places in clause.hits.items() if target < n_requested)
    return sorted({f"the {forms[place]}" for places in named for place in places})


def _average(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _measure(
    keys: Sequence[str], model: Model, embed: Embed, rules: ClauseRules
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
    clauses: Sequence[Clause],
    spelt: Sequence[Sequence[str]],
    measured: Mapping[str, tuple[npt.NDArray[np.float64], float]],
    model: Model,
    rules: ClauseRules,
) -> Iterator[tuple[Clause, dict[int, float]]]:
    """Each clause with the requested targets it is about and how sure that is.

    One that judges without naming anything ("it was cold") is about what the one before was about.
    """
    previous: dict[int, float] = {}
    review = -1
    for clause in clauses:
        if clause.review != review:
            previous, review = {}, clause.review
        is_pointing = not clause.hits and (clause.is_elliptic or clause.is_own)  # "these don't"
        similarity = measured[clause.key][0]
        forms = spelt[clause.review]
        mentions = {} if is_pointing else _find_mentions(clause, forms, similarity, model, rules)
        if not mentions and clause.refers_back and clause.is_judging:
            mentions = {target: weight * rules.carried for target, weight in previous.items()}
        elif mentions or clause.hits:
            own = forms[clause.first : clause.last]
            previous = {t: w for t, w in mentions.items() if not is_event(clause, own, t)}
        is_unsaid = clause.stance.is_unsaid and not clause.is_elliptic
        yield clause, {} if is_unsaid else mentions


def _find_mentions(
    clause: Clause,
    forms: Sequence[str],
    similarity: npt.NDArray[np.float64],
    model: Model,
    rules: ClauseRules,
) -> dict[int, float]:
    """Requested targets a clause names or means, with how sure that is in (0, 1].

    `forms` are the words of its review.
    """
    meant: dict[int, float] = {}
    named: dict[int, float] = {}
    for target in range(model.n_requested):
        value = float(similarity[target])
        is_hinted = target in clause.hints
        if target in clause.hits:
            if value >= rules.known:
                named[target] = round(min(1.0, 0.75 + 0.4 * max(value - 0.3, 0.0)), 4)
        elif model.targets[target].is_known and (is_hinted or not clause.hits):
            needed = rules.hinted if is_hinted else rules.mention
            lead = value - float(np.delete(similarity, target).max(initial=-1.0))
            if value >= needed and lead >= (rules.margin if clause.hits else -rules.margin):
                meant[target] = round(min(0.9, 0.4 + value - needed), 4)
    if not meant:
        return named
    # "It took forever to get the food" names the food and means the service; "it is sturdy, of
    # good metal" means the quality, and says of the durability what its name says.
    judged = {t: w for t, w in named.items() if _is_judged_by_name(clause, forms, t, model)}
    return judged | meant


def _is_judged_by_name(clause: Clause, forms: Sequence[str], target: int, model: Model) -> bool:
    """Whether a word that names a target is praise or blame of it as well ("sturdy")."""
    own = model.targets[target].own
    return any(find_opinions(forms, place, place + 1, own=own) for place in clause.hits[target])


def _to_frame(
    reviews: Sequence[tuple[str, str]],
    model: Model,
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
