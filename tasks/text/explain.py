"""Why a probe answered as it did, in words: the direction of its answer, and who moved along it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from tasks.text.attribution import Attribution, Gradients, attribute_words
from tasks.text.concepts import plan_targets
from tasks.text.extract import AttributeLike, Embed
from tasks.text.probe import Probe
from tasks.text.readings import NEAREST, TRAITS, Floats

MOST_SENTENCES: Final = 6
"""Sentences of a source whose words are explained on a night: some seconds of work."""


def explain_words(
    sentence: str,
    probe: Probe,
    attributes: Sequence[AttributeLike],
    *,
    at: int,
    label: int,
    embed: Embed,
    gradients: Gradients,
) -> Attribution:
    """What each word of a sentence adds to the log-odds of `label` for attribute number `at`.

    The sentence is read as a review of its own: its vector is the clause's and the text's, and its
    nearness to the attribute is that to the examples it lies nearest to. What the lexicon and
    other extractors say of it is held as it is.
    """
    clause, text, traits = probe.answer_weights(at, label)
    examples = embed(plan_targets(attributes)[at].examples)
    vector = embed([sentence])[0]
    nearest = np.argsort(-(examples @ vector), kind="stable")[:NEAREST]
    near = sum(float(traits[TRAITS.index(name)]) for name in ("nearness", "similarity"))
    direction: Floats = clause + text + near * examples[nearest].mean(axis=0)
    return attribute_words(sentence, direction, gradients)


def explain_examples(
    rows: Sequence[Mapping[str, Any]],
    probe: Probe,
    attributes: Sequence[AttributeLike],
    *,
    embed: Embed,
    gradients: Gradients,
) -> list[dict[str, Any]]:
    """Summaries (see `summary.merge_summaries`) whose first sentences also say `words`.

    One sentence of either polarity per attribute, up to `MOST_SENTENCES`. `words` are the text of
    the span in pieces, each with its share of the log-odds, to 3 decimals.
    """
    left = MOST_SENTENCES
    explained = []
    for row in rows:
        examples, done = [], set()
        for example in row["examples"]:
            side = example["polarity"]
            is_wanted = left > 0 and side in probe.classes and side not in done
            if is_wanted and row["attribute"] in probe.attributes and example["start"] is not None:
                span = example["text"][example["start"] : example["end"]]
                found = explain_words(
                    span, probe, attributes, at=probe.attributes.index(row["attribute"]),
                    label=side, embed=embed, gradients=gradients,
                )  # fmt: skip
                example = {**example, "words": cut_words(span, found)}
                done.add(side)
                left -= 1
            examples.append(example)
        explained.append({**row, "examples": examples})
    return explained


def cut_words(text: str, found: Attribution) -> list[dict[str, Any]]:
    """A text in pieces that join to it again: words with their share, what lies between with 0."""
    pieces: list[dict[str, Any]] = []
    end = 0
    for word in found.words:
        if word.start > end:
            pieces.append({"text": text[end : word.start], "share": 0.0})
        if word.end > word.start:
            pieces.append({"text": text[word.start : word.end], "share": round(word.share, 3)})
        end = max(end, word.end)
    if end < len(text):
        pieces.append({"text": text[end:], "share": 0.0})
    return pieces


def mark_spans(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """`text` with distinct spans in numbered brackets, counted from 1 in their order: [1: so good]."""
    marks: list[tuple[int, int, int, str]] = []
    for number, (start, end) in enumerate(dict.fromkeys(spans), start=1):
        marks.append((start, 1, -end, f"[{number}: "))
        marks.append((end, 0, -start, "]"))
    out, last = [], 0
    for place, _, _, mark in sorted(marks):
        out += [text[last:place], mark]
        last = place
    return "".join([*out, text[last:]])
