"""The LLM extractor: any causal language model asked, review by review, about each attribute.

By likelihood, the allowed labels are compared by their summed log-probability behind the shared
examples, the review and the question, after division by what the model says to a question about
nothing (contextual calibration: Zhao et al., Calibrate Before Use, ICML 2021,
https://arxiv.org/abs/2102.09690; the mean over several empty inputs). As JSON, the model writes one
document a review that can only hold allowed labels. A review is data either way: it stands in a
fence that it cannot close, and nothing it says can become an answer that is not a label.
"""

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
import polars as pl

from tasks.platform.errors import ConfigError
from tasks.text.concepts import hash_data
from tasks.text.extract import (
    EXTRACTION_SCHEMA,
    SKIPPED_SCHEMA,
    AttributeLike,
    Embed,
    Extraction,
)
from tasks.text.llm_ask import Answers, Asker, JsonAsker, LikelihoodAsker
from tasks.text.llm_json import JsonWriter
from tasks.text.llm_model import CausalModel
from tasks.text.llm_prompt import (
    DEFAULT_PROMPT,
    Label,
    Mode,
    Prompt,
    clean_review,
    lay_out,
    load_prompt,
)
from tasks.text.llm_score import Branch, Ids, LabelScorer, score_plainly
from tasks.text.llm_spans import SpanFinder

Clock = Callable[[], float]
"""Seconds since some moment."""

NO_TEXT: Final = "no text"
_MIN_TOKENS: Final = 8
_BEHIND_REVIEW: Final = 256
"""Tokens allowed for a question and its answer where a model looks back over a window only."""


@dataclass(frozen=True)
class Budget:
    """What one extraction may cost; None is no limit.

    Reviews and tokens are spent in the order of the reviews, so that the same reviews are read on
    any machine. With `seconds`, how far it comes depends on the machine and on what else it does.
    """

    reviews: int | None = None
    tokens: int | None = None
    seconds: float | None = None


@dataclass
class _Plan:
    """Numbers and tokens of the reviews to read, which of them are cut, and why others are not."""

    rows: list[int] = field(default_factory=list)
    tokens: list[Ids] = field(default_factory=list)
    is_cut: list[bool] = field(default_factory=list)
    skipped: dict[int, str] = field(default_factory=dict)


class LlmExtractor:
    """Reads attributes with a causal language model; deterministic on one kind of machine.

    Reviews are cut at `max_tokens` tokens (counted); `batch_tokens` bounds a batch with prompt and
    padding. `clock` measures the budget's seconds.

    Raises ConfigError for a model or prompt that cannot be used, OutOfMemoryError when one review
    does not fit.
    """

    def __init__(
        self,
        model: CausalModel,
        *,
        prompt: str = DEFAULT_PROMPT,
        mode: Mode = "likelihood",
        batch_tokens: int = 16_384,
        max_tokens: int = 512,
        budget: Budget | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self.model = model
        self.prompt: Prompt = load_prompt(prompt)
        self.mode: Mode = mode
        self.budget = budget or Budget()
        self._batch_tokens = batch_tokens
        self._max_tokens = max_tokens
        self._clock = clock
        self._guard = threading.RLock()

    @property
    def revision(self) -> str:
        """Changes with the weights, tokenizer, precision, prompt, mode, cut and budget."""
        parts = {
            "model": self.model.revision,
            "prompt": self.prompt.revision,
            "mode": self.mode,
            "max_tokens": self._max_tokens,
            "budget": asdict(self.budget),
            "words": hash_data(),
        }
        return f"llm-{hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]}"

    def extract(
        self,
        reviews: Sequence[tuple[str, str]],
        *,
        attributes: Sequence[AttributeLike],
        embed: Embed,
    ) -> Extraction:
        """One row per review that was read and attribute, in their order; others are in `skipped`.

        `embed` is not used. Reviews without a readable character are skipped as "no text".
        """
        if not reviews or not attributes:
            return Extraction(pl.DataFrame(schema=EXTRACTION_SCHEMA))
        started = self._clock()
        asker = self._make_asker([attribute.name for attribute in attributes])
        plan = self._plan([text for _, text in reviews], asker)
        answers: list[Answers] = []
        n_read = 0
        for part in self._cut_parts(plan.tokens, asker):
            if self.budget.seconds is not None and self._clock() - started >= self.budget.seconds:
                break
            answers.append(asker.ask(part))
            n_read += len(part)
        for row in plan.rows[n_read:]:
            plan.skipped[row] = f"budget of {self.budget.seconds:g} s"
        spent = sum(map(asker.count, plan.tokens[:n_read]))
        return Extraction(
            frame=self._to_frame(reviews, attributes, plan.rows[:n_read], answers),
            skipped=_name_skipped(reviews, plan.skipped),
            n_tokens=asker.n_shared + spent if n_read else 0,
            n_cut=sum(plan.is_cut[:n_read]),
        )

    def score_continuations(self, prompt: str, continuations: Sequence[str]) -> list[float]:
        """Log-likelihood of each continuation behind a prompt of one's own, review or not."""
        branch = Branch(
            self.model.encode_opening(prompt), tuple(map(self.model.encode, continuations))
        )
        scores = score_plainly(self.model.network, (), [()], [branch], device=self.model.device)
        return [float(score) for score in scores[0, 0]]

    @cached_property
    def scorer(self) -> LabelScorer:
        """Scores labels behind this prompt's examples, which are read once."""
        layout = lay_out(self.prompt, "likelihood", self.model.tokenizer)
        return LabelScorer(
            self.model.network,
            self.model.encode_opening(layout.prefix),
            device=self.model.device,
            precision=self.model.precision,
            batch_tokens=self._batch_tokens,
            longest=self._max_tokens + _BEHIND_REVIEW,
        )

    @cached_property
    def writer(self) -> JsonWriter:
        """Writes JSON behind this prompt's examples, which are read once."""
        layout = lay_out(self.prompt, "json", self.model.tokenizer)
        return JsonWriter(
            self.model.network,
            self.model.encode_opening(layout.prefix),
            device=self.model.device,
            batch_tokens=self._batch_tokens,
            longest=self._max_tokens + _BEHIND_REVIEW,
        )

    def _make_asker(self, names: Sequence[str]) -> Asker:
        with self._guard:
            if self.mode == "json":
                return JsonAsker(self.model, self.prompt, self.writer, names)
            return LikelihoodAsker(self.model, self.prompt, self.scorer, names)

    def _plan(self, texts: Sequence[str], asker: Asker) -> _Plan:
        """What is read and what is not, by the budgets that any machine spends alike."""
        room = min(self._max_tokens, self.model.max_positions - asker.n_behind)
        if room < _MIN_TOKENS:
            raise ConfigError(
                f"the prompt takes {asker.n_behind:,} of the model's "
                f"{self.model.max_positions:,} positions and leaves {max(room, 0)} for a review; "
                "ask about fewer attributes, shorten extract.llm.prompt, or use another model"
            )
        plan = _Plan()
        spent = asker.n_shared
        for row, text in enumerate(texts):
            words = clean_review(text, self.prompt.fence)
            tokens, is_cut = self.model.encode_foreign(words, room) if words else ((), False)
            spent += asker.count(tokens)
            if not tokens:
                plan.skipped[row] = NO_TEXT
                spent -= asker.count(tokens)
            elif self.budget.reviews is not None and len(plan.rows) >= self.budget.reviews:
                plan.skipped[row] = f"budget of {self.budget.reviews:,} reviews"
            elif self.budget.tokens is not None and spent > self.budget.tokens:
                plan.skipped[row] = f"budget of {self.budget.tokens:,} tokens"
            else:
                plan.rows.append(row)
                plan.tokens.append(tokens)
                plan.is_cut.append(is_cut)
        return plan

    def _cut_parts(self, tokens: Sequence[Ids], asker: Asker) -> Iterator[Sequence[Ids]]:
        """Runs of reviews between which the clock is looked at.

        All at once where there is no limit of seconds: the more reviews, the less padding. Reviews
        are not sorted by length beforehand, for those that time cuts off should not be the long ones.
        """
        size = len(tokens)
        if self.budget.seconds is not None:
            size = max(1, self._batch_tokens // (asker.n_behind + self._max_tokens))
        for start in range(0, len(tokens), max(size, 1)):
            yield tokens[start : start + size]

    def _to_frame(
        self,
        reviews: Sequence[tuple[str, str]],
        attributes: Sequence[AttributeLike],
        rows: Sequence[int],
        answers: Sequence[Answers],
    ) -> pl.DataFrame:
        if not rows:
            return pl.DataFrame(schema=EXTRACTION_SCHEMA)
        labels = np.concatenate([part.labels for part in answers])
        sure = np.concatenate([part.confidences for part in answers])
        finder = SpanFinder(attributes)
        records: list[dict[str, Any]] = []
        for place, row in enumerate(rows):
            review_id, text = reviews[row]
            read = [self.prompt.labels[number] for number in labels[place]]
            wanted = [number for number, label in enumerate(read) if label.is_mentioned]
            spans = dict(zip(wanted, finder.find(text, wanted), strict=True))
            for number, label in enumerate(read):
                name, confidence = attributes[number].name, float(sure[place, number])
                records.append(_to_row(review_id, name, label, confidence, spans.get(number)))
        return pl.DataFrame(records, schema=EXTRACTION_SCHEMA, orient="row")


def _to_row(
    review_id: str, name: str, label: Label, confidence: float, span: tuple[int, int] | None
) -> dict[str, Any]:
    return {
        "review_id": review_id,
        "attribute": name,
        "is_mentioned": label.is_mentioned,
        "polarity": label.polarity if label.is_mentioned else 0,
        "confidence": round(confidence, 4),
        "span_start": span[0] if span else None,
        "span_end": span[1] if span else None,
    }


def _name_skipped(reviews: Sequence[tuple[str, str]], skipped: dict[int, str]) -> pl.DataFrame:
    rows = [(reviews[row][0], skipped[row]) for row in sorted(skipped)]
    return pl.DataFrame(rows, schema=SKIPPED_SCHEMA, orient="row")
