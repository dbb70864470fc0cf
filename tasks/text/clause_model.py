"""What reading by clauses stands on: rules, words and example clauses, made ready for an encoder."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
import numpy.typing as npt

from tasks.text.concepts import Target, load_concepts, plan_targets
from tasks.text.extract import AttributeLike, Embed
from tasks.text.polarity import PhraseIndex, load_lexicon
from tasks.text.spelling import Speller, WordIndex


@dataclass(frozen=True)
class ClauseRules:
    """Numbers of the method, the same for every attribute.

    Similarities are cosines. `known` is needed of a clause with a word of the attribute, `hinted` of
    one with a hint only, `mention` of one with neither; the latter two must come within `margin` of
    the nearest rival, by the mean over the `nearest` examples. `probe` is the
    probe's share of the opinion (`shared_probe` in a clause with a negation or about several attributes) and the rest
    that of the words; without a word of praise or blame the probe alone decides, times `fading`, when it is
    at least `unspoken` and at least `beyond` more than of the bare mention of what is named. `lean` is taken off, since people praise more readily than they blame
    (chosen so that praise and blame are found equally often in MAMS). Below `neutral` there is no
    opinion. Opinions fade with the words between, over `reach` in a clause about several
    attributes and `lone_reach` else; a clause that refers back weighs `carried`, one about former times or the
    usual ("it used to be good") `former`, one that names the whole ("the food") and not a part of
    it ("the soup") `whole`, a view of others that the writer corrects `surpassed`; what is named in a
    list of pros or cons and not judged scores `listed`; an opinion nearer to another name counts `others`; `ridge` is the probe's penalty.
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
    beyond: float = 0.15
    fading: float = 0.8
    reach: float = 6.0
    lone_reach: float = 12.0
    others: float = 0.3
    carried: float = 0.5
    former: float = 0.3
    whole: float = 2.0
    surpassed: float = 0.1
    listed: float = 0.5
    nearest: int = 2
    ridge: float = 8.0


@dataclass(frozen=True)
class Model:
    """Everything that depends on the attributes and the encoder only."""

    targets: tuple[Target, ...]
    n_requested: int
    terms: PhraseIndex[tuple[int, ...]]
    hints: PhraseIndex[tuple[int, ...]]
    examples: tuple[npt.NDArray[np.float32], ...]
    probe: npt.NDArray[np.float64]
    bias: float
    speller: Speller


def prepare_model(attributes: Sequence[AttributeLike], embed: Embed, rules: ClauseRules) -> Model:
    """Targets, examples and probe for these attributes; embeds some hundreds of short clauses."""
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
    terms, hints, speller = _prepare_words(targets, len(attributes))
    return Model(
        targets=targets,
        n_requested=len(attributes),
        terms=terms,
        hints=hints,
        examples=tuple(vectors[[rows[e] for e in target.examples]] for target in targets),
        probe=probe,
        bias=bias,
        speller=speller,
    )


_Index = PhraseIndex[tuple[int, ...]]


@lru_cache(maxsize=16)
def _prepare_words(targets: tuple[Target, ...], n_requested: int) -> tuple[_Index, _Index, Speller]:
    """Indexes of terms and of hints, and the speller: what of a model hangs on no encoder."""
    return (
        _index_phrases([target.terms for target in targets], n_requested),
        _index_phrases([target.hints for target in targets], n_requested),
        _make_speller(targets),
    )


def _make_speller(targets: Sequence[Target]) -> Speller:
    """Knows the words of praise and blame and those of all targets."""
    phrases = {term for target in targets for term in (*target.terms, *target.hints)}
    words = {word for phrase in phrases for word in phrase}
    return Speller(_index_lexicon(), WordIndex(words))


@cache
def _index_lexicon() -> WordIndex:
    """The words of praise and blame, which are the same for all attributes."""
    return WordIndex(load_lexicon().words)


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
