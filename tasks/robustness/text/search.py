"""How a text is changed until the goal is reached: step by step, as questions to be asked.

A search never asks the victim itself. It yields the texts it wants to know about and is sent their
answers, so that the questions of many texts under attack travel in one batch (see `run.py`).
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal, Protocol, cast

import numpy as np

from tasks.robustness.text.constraints import Guard
from tasks.robustness.text.goal import Goal
from tasks.robustness.text.rewrites import Rewrite
from tasks.robustness.text.typos import WordChange
from tasks.robustness.text.victim import Floats
from tasks.robustness.text.words import Words, split_words

Ranking = Literal["alone", "deletion"]
_WordPlan = tuple[Words, dict[int, Sequence[str]]]
"""Words of a text, and other forms of those that may change, by number."""
_TRIED_ENOUGH: Final = 4
"""Words tried before a search may be given up."""
_HOPE: Final = 1.5
NOTHING: Final = "nothing in it that this attack changes"


class MisreadError(Exception):
    """The confirming model gives no ground for an attack; never leaves this package."""


@dataclass(frozen=True)
class Question:
    """Texts to be asked: candidates must keep the meaning, others (parts of a text) need not.

    With `is_for_judge` the confirming model is asked: about what reached the goal, and the original.
    """

    texts: tuple[str, ...]
    is_candidate: bool = True
    is_for_judge: bool = False


@dataclass(frozen=True)
class Case:
    """A text under attack: its first answer `before` (labels,), and the label that is true.

    With `has_judge` what reaches the goal has to be confirmed by another model.
    """

    text: str
    before: Floats
    truth: int
    goal: Goal
    has_judge: bool = False

    def confirm(self, text: str) -> Generator[Question, Floats, bool]:
        """Whether the confirming model follows, too; true when there is none.

        What it answers is compared with its own answer to the original, for two models differ on the
        same text. Raises MisreadError when it reads the very original wrongly.
        """
        if not self.has_judge:
            return True
        answers = yield Question((text, self.text), is_candidate=False, is_for_judge=True)
        reason = self.goal.refuse(answers[1], self.truth)
        if reason is not None:
            raise MisreadError(reason)
        return replace(self, before=answers[1]).find_reached(answers[:1]) is not None

    def lose(self, shares: Floats) -> Floats:
        """Loss of answers (n, labels), infinite where the candidate was refused."""
        loss = self.goal.loss(shares, self.before, self.truth)
        return np.where(np.isnan(shares).any(axis=1), np.inf, loss)

    def find_reached(self, shares: Floats) -> int | None:
        """The first answer that is what is wanted."""
        is_asked = ~np.isnan(shares).any(axis=1)
        hit = is_asked & self.goal.is_reached(np.nan_to_num(shares), self.before, self.truth)
        return int(hit.argmax()) if hit.any() else None


Steps = Generator[Question, Floats, str | None]
"""Yields questions, is sent answers (n, labels), a row of NaN for a refused candidate; returns the
text that reached the goal, None when the search is at its end."""


class Search(Protocol):
    """Makes the steps of one text."""

    @property
    def name(self) -> str:
        """What it is called in results."""

    def prepare(self, texts: Sequence[str]) -> list[object | None]:
        """What each text can be changed into or at; None where there is nothing to change."""

    def steps(self, case: Case, plan: object, rng: np.random.Generator) -> Steps:
        """The search on one text."""


@dataclass(frozen=True)
class GreedyWords:
    """Changes words, the weightiest first, and keeps what brings the answer nearer to the goal.

    Words go in blocks of `block`; each block is tried in `draws` versions (a random form of every
    word), and the best is kept when it helps. `most_share` of the words may change, at most
    `most_words`. After TextAttack's greedy search with word importance ranking (Morris et al. 2020,
    https://arxiv.org/abs/2005.05909), which asks word by word. Words are ranked by `ranking`:
    "alone" asks for each word by itself, which texts share; "deletion" for the text without it.
    """

    change: WordChange
    guard: Guard = field(default_factory=Guard)
    ranking: Ranking = "alone"
    block: int = 2
    draws: int = 2
    most_share: float = 1.0
    most_words: int = 15

    @property
    def name(self) -> str:
        """That of the change."""
        return self.change.name

    def prepare(self, texts: Sequence[str]) -> list[object | None]:
        """The words of each text, by number, with their other forms."""
        return [self._list_variants(split_words(text)) for text in texts]

    def steps(self, case: Case, plan: object, rng: np.random.Generator) -> Steps:
        """Rank, then change block by block."""
        words, variants = cast(_WordPlan, plan)
        order = yield from self._rank(case, words, [*variants])
        most = min(self.most_words, max(1, int(self.most_share * len(words))))
        first = best = case.lose(case.before[None])[0]
        kept: dict[int, str] = {}
        at = 0
        while at < len(order) and len(kept) < most:
            if at >= _TRIED_ENOUGH and not _is_in_reach(first, best, at, len(order) - at):
                return None
            block = order[at : at + min(self.block, most - len(kept))]
            at += len(block)
            tried = self._draw(kept, block, variants, rng)
            texts = tuple(words.change(changes) for changes in tried)
            shares = yield Question(texts)
            hit = case.find_reached(shares)
            if hit is not None and (yield from case.confirm(texts[hit])):
                return texts[hit]
            loss = case.lose(shares)
            if loss.min() < best:
                best, kept = loss.min(), tried[int(loss.argmin())]
        return None

    def _list_variants(self, words: Words) -> _WordPlan | None:
        allowed = (at for at in range(len(words)) if self.guard.allows(words.word(at)))
        variants = {at: forms for at in allowed if (forms := self.change.variants(words.word(at)))}
        return (words, variants) if variants else None

    def _draw(
        self,
        kept: dict[int, str],
        block: Sequence[int],
        variants: dict[int, Sequence[str]],
        rng: np.random.Generator,
    ) -> list[dict[int, str]]:
        """Distinct versions of the text with every word of the block in another form."""
        drawn = []
        orders = {at: rng.permutation(len(variants[at])) for at in block}
        for turn in range(self.draws):
            changes = {at: variants[at][orders[at][turn % len(orders[at])]] for at in block}
            drawn.append({**kept, **changes})
        return [one for at, one in enumerate(drawn) if one not in drawn[:at]]

    def _rank(
        self, case: Case, words: Words, places: Sequence[int]
    ) -> Generator[Question, Floats, list[int]]:
        """Places of words, the weightiest for the present answer first; equal ones as they stand."""
        if self.ranking == "deletion":
            shares = yield Question(
                tuple(words.change({at: ""}) for at in places), is_candidate=False
            )
            weight = -case.lose(shares)
        else:
            shares = yield Question(
                tuple(words.word(at).lower() for at in places), is_candidate=False
            )
            weight = case.lose(shares)
        weight = np.nan_to_num(weight, posinf=-np.inf, neginf=-np.inf).round(6)
        return [places[at] for at in np.argsort(-weight, kind="stable")]


def _is_in_reach(first: float, best: float, tried: int, left: int) -> bool:
    """Whether the words that are left could do the rest at `_HOPE` times the mean gain so far.

    In log-odds of the loss. Words are tried from the weightiest on, so that later ones do less: a
    search that is nowhere near would only spend questions.
    """
    start, now = (_to_log_odds(loss) for loss in (first, best))
    return now - _HOPE * (start - now) / tried * left <= 0


def _to_log_odds(loss: float) -> float:
    kept = min(max(loss, 1e-9), 1 - 1e-9)
    return float(np.log(kept / (1 - kept)))


@dataclass(frozen=True)
class TryAll:
    """Asks for all rewrites of a text at once; the first that reaches the goal is it."""

    change: Rewrite

    @property
    def name(self) -> str:
        """That of the rewrite."""
        return self.change.name

    def prepare(self, texts: Sequence[str]) -> list[object | None]:
        """Rewrites of each text."""
        return [tuple(made) or None for made in self.change.rewrite(texts)]

    def steps(self, case: Case, plan: object, rng: np.random.Generator) -> Steps:
        """One question."""
        texts = cast(tuple[str, ...], plan)
        shares = yield Question(texts)
        for at, text in enumerate(texts):
            is_hit = case.find_reached(shares[at : at + 1]) is not None
            if is_hit and (yield from case.confirm(text)):
                return text
        return None
