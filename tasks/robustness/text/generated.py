"""Whole texts rewritten by models: said in other words, or translated there and back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

Generate = Callable[[Sequence[str], int], list[list[str]]]
"""Continuations of prompts: so many of each; the same for the same prompts."""
Translate = Callable[[Sequence[str]], list[str]]
"""Translations of texts, in their order."""

PROMPT: Final = (
    "Say the review again in other words. Keep every fact and every opinion.\n\n"
    "Review: The staff was kind and the room was clean.\n"
    "In other words: The people working there were friendly, and our room was spotless.\n\n"
    "Review: {text}\nIn other words:"
)
_MOST_LONGER: Final = 3.0
"""A paraphrase of more than so many times the characters says something else."""


@dataclass(frozen=True)
class Paraphrase:
    """Said in other words by a causal language model, `n` times."""

    generate: Generate
    n: int = 3
    name: str = "paraphrase"

    def rewrite(self, texts: Sequence[str]) -> list[list[str]]:
        """First lines of what the model writes; empty ones, copies and ramblings are left out."""
        prompts = [PROMPT.replace("{text}", " ".join(text.split())) for text in texts]
        written = self.generate(prompts, self.n)
        return [_clean(text, lines) for text, lines in zip(texts, written, strict=True)]


@dataclass(frozen=True)
class BackTranslate:
    """Translated there and back."""

    there: Translate
    back: Translate
    name: str = "back-translation"

    def rewrite(self, texts: Sequence[str]) -> list[list[str]]:
        """At most one version of each text; none where it comes back unchanged."""
        returned = self.back(self.there(texts))
        return [_clean(text, [line]) for text, line in zip(texts, returned, strict=True)]


def _clean(text: str, written: Sequence[str]) -> list[str]:
    lines = [line.strip().split("\n")[0].strip().strip('"') for line in written]
    same = " ".join(text.split()).lower()
    return [
        line
        for line in dict.fromkeys(lines)
        if line and line.lower() != same and len(line) <= _MOST_LONGER * max(len(text), 20)
    ]
