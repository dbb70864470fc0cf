"""Which words, beside the main directions of a text, have to be controlled for.

An embedding blurs single words, and its main directions are chosen without regard to the question: a
word that decides who is treated and moves the outcome can be lost in them, and then confounds. So
words, the looks of a text, the lesser directions, bends of the main ones and clusters of texts are
candidates, and those are taken that predict the treatment or the outcome when what is controlled for
anyway has been accounted for: the union of two lassos (Belloni, Chernozhukov & Hansen 2014, "Inference
on treatment effects after selection among high-dimensional controls"). Either one alone would leave
out what the other calls for.

A sign that is no letter (an emoji, a star) is a word of its own. Scripts that put no space between words
are taken by letters and pairs of them (Manning, Raghavan & Schütze 2008, "Introduction to information
retrieval", 2.2.1): an encoder of another language knows few of their signs, and tells none of the others.
"""

import re
import unicodedata
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from tasks.effects.basis import FloatArray
from tasks.effects.controls.style import count_words, describe_style
from tasks.effects.ridge import take_out

MAX_WORDS: Final = 1_000
"""Candidates: the words in most texts."""
MIN_TEXTS: Final = 5
MIN_SHARE: Final = 0.005
"""A word in fewer texts than this share, or than `MIN_TEXTS`, is no candidate."""
MIN_NUMBERS: Final = 0.05
"""Numbers in fewer texts than this share are controlled for by the words beside them alone."""
_NUMBER: Final = re.compile(r"(?<![\w.])\d{1,12}(?:\.\d{1,6})?(?![\w])")
_UNSPACED: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
    "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Thai and Lao, Burmese, Khmer; kana and Han."""
_JOINER: Final = "\u200d"
"""Between the parts of an emoji."""
_ROWS_PER_COLUMN: Final = 15
_CHOOSE_ROWS: Final = 10_000
"""Of longer tables a draw of so many rows chooses."""
_REACH: Final = 3.0
"""Squares and cubes are of scores held within three deviations."""
_TOPICS: Final = (4, 8, 16)
_ROWS_PER_TOPIC: Final = 30
_FOLDS: Final = 5
_SEED: Final = 0


@dataclass(frozen=True, eq=False)
class Text:
    """A column of n texts that is controlled for, with its embeddings (n, dim)."""

    texts: Sequence[str]
    vectors: FloatArray


@dataclass(frozen=True, eq=False)
class Chosen:
    """Columns (n, k) of mean 0 and unit deviation; `words` are those that are words.

    The strongest come first. The others are looks, lesser directions, bends of the main ones, or topics.
    """

    columns: FloatArray
    words: tuple[str, ...]

    @property
    def others(self) -> int:
        """How many columns are no words."""
        return int(self.columns.shape[1]) - len(self.words)


def measure_length(texts: Sequence[str]) -> FloatArray:
    """Logarithm of one plus the number of words of each text, standardised, shape (n,)."""
    return _standardise(np.log1p(count_words(texts))[:, None])[:, 0]


def measure_empty(texts: Sequence[str]) -> float:
    """Share of the texts in which nothing but blanks stands, from 0 to 1; 0 of no texts."""
    return sum(not text.strip() for text in texts) / max(len(texts), 1)


def mark_empty(texts: Sequence[str]) -> FloatArray:
    """Whether each text is empty, standardised, shape (n, 1), or (n, 0) where all are or none is."""
    column = np.array([not text.strip() for text in texts], dtype=np.float64)[:, None]
    return _standardise(column[:, np.ptp(column, axis=0) > 0])


def measure_numbers(texts: Sequence[str]) -> FloatArray:
    """The first and the largest number that each text gives in digits, shape (n, 3) or (n, 0).

    Whether there is one, and the logarithms of one plus them, standardised; none where few texts have
    any, or where all have the same.
    """
    found = [[float(digits) for digits in _NUMBER.findall(text)] for text in texts]
    has_any = np.array([bool(one) for one in found])
    if has_any.sum() < max(MIN_TEXTS, MIN_NUMBERS * len(texts)):
        return np.zeros((len(texts), 0))
    sides = np.array([(one[0], max(one)) if one else (np.nan, np.nan) for one in found])
    logs = np.log1p(sides)
    logs = np.where(has_any[:, None], logs, np.nanmean(logs, axis=0))
    columns = np.column_stack([has_any.astype(np.float64), logs])
    return _standardise(columns[:, np.ptp(columns, axis=0) > 0])


def make_splitter(texts: Sequence[str]) -> Callable[[str], list[str]]:
    """What takes any of `texts` apart into its words, in their order, repeated as they are.

    Marks on letters belong to them: which there are is read off the texts.
    """
    seen = sorted(set().union(*texts))
    marks = "".join(re.escape(sign) for sign in seen if unicodedata.category(sign).startswith("M"))
    run = re.compile(
        rf"[{_UNSPACED}]+|(?:(?![{_UNSPACED}])\w[{marks}{_JOINER}]*)+|[^\w\s{marks}{_JOINER}]"
    )
    unspaced = re.compile(rf"[{_UNSPACED}]")

    def split(text: str) -> list[str]:
        words: list[str] = []
        for found in run.findall(text):
            words += _pair_letters(found) if unspaced.match(found) else [found]
        return words

    return split


def _pair_letters(run: str) -> list[str]:
    """The letters of a run, and each with the next."""
    return [*run, *(run[i : i + 2] for i in range(len(run) - 1))]


def choose_columns(
    text: Text,
    main: FloatArray,
    lesser: FloatArray,
    known: FloatArray,
    targets: Sequence[FloatArray],
) -> Chosen:
    """Words, looks, columns of `lesser` (n, s), topics, and bends of `main` (n, k) to control for.

    They predict one of `targets`, (n,) each, beyond `known` (n, p), which is controlled for anyway.
    At most one for every 15 rows, those of the largest coefficients.
    """
    n = len(text.texts)
    most = n // _ROWS_PER_COLUMN
    words, names = _mark_words(text.texts)
    candidates = _standardise(
        np.column_stack(
            [
                words,
                describe_style(text.texts),
                lesser,
                *_bend_all(main),
                *_mark_topics(text.vectors),
            ]
        )
    )
    if most < 1 or candidates.shape[1] == 0:
        return Chosen(np.zeros((n, 0)), ())
    rows = np.random.default_rng(_SEED).permutation(n)[:_CHOOSE_ROWS]
    base = np.column_stack([np.ones(len(rows)), known[rows]])
    left = _standardise(take_out(base, candidates[rows]))
    pull = np.zeros(candidates.shape[1])
    for target in targets:
        own = _standardise(take_out(base, target[rows][:, None]))[:, 0]
        pull = np.maximum(pull, np.abs(_fit_lasso(left, own)))
    order = np.argsort(-pull, kind="stable")[:most]
    kept = order[pull[order] > 0]
    return Chosen(candidates[:, kept], tuple(names[i] for i in kept if i < len(names)))


def _bend_all(main: FloatArray) -> list[FloatArray]:
    """Square and cube (n, 2) of each column: a topic in an embedding is seldom a straight line."""
    held = [np.clip(column, -_REACH, _REACH) for column in _standardise(main).T]
    return [np.column_stack([column**2, column**3]) for column in held]


def _mark_topics(vectors: FloatArray) -> list[FloatArray]:
    """Which cluster each text falls into, (n, c) of 0 and 1, at several sizes of cluster."""
    from sklearn.cluster import KMeans

    found = []
    for count in _TOPICS:
        if len(np.unique(vectors, axis=0)) >= _ROWS_PER_TOPIC * count:
            model = KMeans(count, n_init=1, max_iter=50, random_state=_SEED).fit(vectors)
            found.append((model.labels_[:, None] == np.arange(count)).astype(np.float64))
    return found


def _mark_words(texts: Sequence[str]) -> tuple[FloatArray, list[str]]:
    """Whether each text has each candidate word, shape (n, m) of 0 and 1, and the words."""
    from sklearn.feature_extraction.text import CountVectorizer

    least = max(MIN_TEXTS, int(np.ceil(MIN_SHARE * len(texts))))
    reader = CountVectorizer(
        binary=True, min_df=least, max_df=1 - MIN_SHARE,
        tokenizer=make_splitter([text.lower() for text in texts]), token_pattern=None,
    )  # fmt: skip
    try:
        found: Any = reader.fit_transform(texts)
    except ValueError:  # no word is in enough texts
        return np.zeros((len(texts), 0)), []
    common = np.argsort(-np.asarray(found.sum(axis=0)).ravel(), kind="stable")[:MAX_WORDS]
    names = reader.get_feature_names_out()
    return found[:, common].toarray().astype(np.float64), [str(names[i]) for i in common]


def _fit_lasso(columns: FloatArray, target: FloatArray) -> FloatArray:
    """Coefficients (m,) at the penalty of least cross-validated error."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LassoCV
    from sklearn.model_selection import KFold

    if not float(np.abs(target).max()) > 0:
        return np.zeros(columns.shape[1])
    splits = KFold(_FOLDS, shuffle=True, random_state=_SEED)
    model = LassoCV(cv=splits, alphas=30, eps=1e-2, max_iter=2_000, tol=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        coefficients: FloatArray = model.fit(columns, target).coef_
    return coefficients


def _standardise(columns: FloatArray) -> FloatArray:
    centred = columns - columns.mean(axis=0)
    scale = centred.std(axis=0)
    standard: FloatArray = centred / np.where(scale > 1e-9, scale, np.inf)
    return standard
