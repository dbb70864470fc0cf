"""Two ways to ask a language model about reviews: by the likelihood of labels, or as JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from tasks.platform.errors import ConfigError
from tasks.text.llm_json import JsonWriter, Written, build_automaton
from tasks.text.llm_model import CausalModel
from tasks.text.llm_prompt import Layout, Prompt, clean_review, lay_out, name_attribute
from tasks.text.llm_score import Branch, Ids, LabelScorer, Scores

_LONGEST_NOTHING: Final = 64


@dataclass(frozen=True)
class Answers:
    """What n reviews say: label numbers and how sure that is in [0, 1], shape (n, attributes)."""

    labels: npt.NDArray[np.int64]
    confidences: npt.NDArray[np.float64]


class Asker(Protocol):
    """Asks about the same attributes of any number of reviews."""

    @property
    def n_shared(self) -> int:
        """Tokens read once for all reviews."""

    @property
    def n_behind(self) -> int:
        """Positions that a review shares with the prompt before and the questions behind it."""

    def count(self, review: Ids) -> int:
        """Tokens that asking about a review costs."""

    def ask(self, reviews: Sequence[Ids]) -> Answers:
        """The answers about reviews given as tokens."""


class LikelihoodAsker:
    """Compares the labels' log-probabilities, each reduced by that of a question about nothing."""

    def __init__(
        self, model: CausalModel, prompt: Prompt, scorer: LabelScorer, names: Sequence[str]
    ) -> None:
        layout = lay_out(prompt, "likelihood", model.tokenizer)
        self._branches = make_branches(model, prompt, layout, names)
        self._scorer = scorer
        self._nothing = [
            model.encode_foreign(clean_review(text, prompt.fence), _LONGEST_NOTHING)[0]
            for text in prompt.content_free
        ]

    @cached_property
    def prior(self) -> Scores:
        """Log-probability of each label of each attribute when the review says nothing.

        The mean probability over the prompt's content-free inputs; shape (attributes, labels).
        """
        free = normalise_scores(self._scorer.score(self._nothing, self._branches))
        prior: Scores = np.log(np.exp(free).mean(axis=0))
        return prior

    @property
    def n_shared(self) -> int:
        """Tokens of the prompt and of the questions about nothing."""
        return len(self._scorer.prefix) + sum(map(self.count, self._nothing))

    @property
    def n_behind(self) -> int:
        """Positions of the prompt and of the longest question with its longest label."""
        longest = max(len(b.question) + max(map(len, b.labels)) for b in self._branches)
        return len(self._scorer.prefix) + longest

    def count(self, review: Ids) -> int:
        """Tokens that asking about a review costs."""
        fixed, each = self._costs
        return fixed + each * len(review)

    @cached_property
    def _costs(self) -> tuple[int, int]:
        """Tokens of the questions, and how often a token of the review is read."""
        fixed = self._scorer.count_tokens((), self._branches)
        return fixed, self._scorer.count_tokens((0,), self._branches) - fixed

    def ask(self, reviews: Sequence[Ids]) -> Answers:
        """The label that gained most against the prior; the first of equals."""
        scores = self._scorer.score(reviews, self._branches)
        gained = normalise_scores(normalise_scores(scores) - self.prior)
        return Answers(gained.argmax(axis=2), np.exp(gained.max(axis=2)))


class JsonAsker:
    """Lets the model write one JSON document a review; probabilities are as the model has them."""

    def __init__(
        self, model: CausalModel, prompt: Prompt, writer: JsonWriter, names: Sequence[str]
    ) -> None:
        layout = lay_out(prompt, "json", model.tokenizer)
        listed = [name_attribute(name) for name in names]
        labels = [label.text for label in prompt.labels]
        self._question = model.encode(layout.closing + ", ".join(listed) + layout.ending)
        self._labels = [model.encode(label) for label in labels]
        self._automaton = build_automaton(listed, labels, model.encode)
        self._writer = writer
        self.n_shared = len(writer.prefix)

    @property
    def n_behind(self) -> int:
        """Positions of the prompt, the question and a document of nothing but longest labels."""
        return len(self._writer.prefix) + len(self._question) + len(self._automaton.edges)

    def count(self, review: Ids) -> int:
        """Tokens that asking about a review costs, at most."""
        return len(review) + len(self._question) + len(self._automaton.edges)

    def ask(self, reviews: Sequence[Ids]) -> Answers:
        """What the likeliest allowed document says, token by token."""
        written = self.write(reviews)
        return Answers(written.labels, np.exp(written.log_probs))

    def write(self, reviews: Sequence[Ids]) -> Written:
        """The documents themselves."""
        return self._writer.write(reviews, self._question, self._automaton, self._labels)


def make_branches(
    model: CausalModel, prompt: Prompt, layout: Layout, names: Sequence[str]
) -> list[Branch]:
    """A question for each attribute, each with all labels.

    Raises ConfigError when one label begins as another: the shorter would always win.
    """
    labels = tuple(model.encode(layout.lead + label.text) for label in prompt.labels)
    for one in labels:
        for other in labels:
            if one is not other and other[: len(one)] == one:
                raise ConfigError(
                    f"prompt {prompt.version}: one label begins as another for this model's "
                    "tokenizer; use labels that differ from the start"
                )
    return [
        Branch(model.encode(layout.closing + name_attribute(name) + layout.ending), labels)
        for name in names
    ]


def normalise_scores(scores: Scores) -> Scores:
    """Log-probabilities among the labels (last axis) from log-probabilities among all texts."""
    normed: Scores = scores - np.logaddexp.reduce(scores, axis=-1, keepdims=True)
    return normed
