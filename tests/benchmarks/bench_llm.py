"""Speed, quality and stubbornness of the LLM extractor with the packaged SmolLM2-135M-Instruct.

    WHYREC_REAL_DATA=../shared/data python -m tests.benchmarks.bench_llm [--reviews 80] [--rounds 2]

Speed is a ratio of reviews per second in interleaved rounds, over the same few-shot prompt and four
attributes: with reuse (its prompt read anew in each round, and counted), against every label's
sequence from scratch, and against a plainer saving, one pass a question with its labels compared
side by side. Quality is macro F1 on original CEBaB reviews, no label used; of a model this small
little is to be expected. Injections: see tests/text/injections.py.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.text.extract import name_attributes
from tasks.text.llm import LlmExtractor
from tasks.text.llm_ask import JsonAsker, LikelihoodAsker, make_branches
from tasks.text.llm_model import CausalModel
from tasks.text.llm_prompt import clean_review, lay_out
from tasks.text.llm_score import Branch, Ids, LabelScorer, Scores
from tests.benchmarks.bench_attributes import CEBAB_ASPECTS, UNLABELLED, load_cebab
from tests.text.conftest import find_real_data
from tests.text.injections import INJECTIONS
from tests.text.test_quality import macro_f1

N_SCRATCH = 2
"""Reviews scored from scratch in a round: each costs as much as dozens with reuse."""
N_REUSED = 24


def time_once(run: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = run()
    return time.perf_counter() - start, result


def score_by_question(
    model: CausalModel, prefix: Ids, reviews: Sequence[Ids], branches: Sequence[Branch]
) -> Scores:
    """One pass a question, prompt and review read anew, its labels compared side by side."""
    scorer = LabelScorer(model.network, prefix[:1])
    whole = [(*prefix[1:], *review) for review in reviews]
    return np.concatenate([scorer.score(whole, [branch]) for branch in branches], axis=1)


def bench_speed(extractor: LlmExtractor, texts: Sequence[str], rounds: int) -> None:
    model, prompt = extractor.model, extractor.prompt
    layout = lay_out(prompt, "likelihood", model.tokenizer)
    prefix = extractor.scorer.prefix
    branches = make_branches(model, prompt, layout, CEBAB_ASPECTS)
    reviews = [model.encode_foreign(clean_review(t, prompt.fence), 512)[0] for t in texts]
    print(
        f"prompt {len(prefix)} tokens, reviews {np.mean([len(r) for r in reviews]):.0f} on average"
    )
    seconds: dict[str, list[float]] = {"reuse": [], "question": [], "scratch": []}
    apart = []
    for turn in range(rounds):
        few = reviews[turn * N_SCRATCH : (turn + 1) * N_SCRATCH]
        many = [*few, *reviews[-(N_REUSED - N_SCRATCH) :]]
        ours = LabelScorer(model.network, prefix)
        spent, scores = time_once(lambda o=ours, m=many: o.score(m, branches))
        seconds["reuse"].append(spent / len(many))
        spent, by_question = time_once(lambda f=few: score_by_question(model, prefix, f, branches))
        seconds["question"].append(spent / len(few))
        spent, plain = time_once(lambda o=ours, f=few: o.score_plainly(f, branches))
        seconds["scratch"].append(spent / len(few))
        apart.append(max(abs(scores[: len(few)] - plain).max(), abs(by_question - plain).max()))
    for name, values in seconds.items():
        print(
            f"  {name:9s} {1 / np.median(values):7.3f} reviews/s  (s per review {np.round(values, 2)})"
        )
    for name in ("question", "scratch"):
        ratios = np.divide(seconds[name], seconds["reuse"])
        print(f"  reuse is {np.median(ratios):.1f}x as fast as {name} (rounds {ratios.round(1)})")
    print(f"  scores differ by at most {max(apart):.1e}")


def read_labels(
    extractor: LlmExtractor, texts: Sequence[str], aspects: Sequence[str]
) -> npt.NDArray[np.int64]:
    """Polarity by review and aspect, 0 where not mentioned."""
    found = extractor.extract(
        [(str(n), text) for n, text in enumerate(texts)],
        attributes=name_attributes(aspects),
        embed=lambda _: np.zeros((0, 1), dtype=np.float32),
    )
    polarity = found.frame["polarity"].to_numpy().astype(np.int64)
    return polarity.reshape(-1, len(aspects))


def bench_quality(
    extractor: LlmExtractor, texts: Sequence[str], truth: npt.NDArray[np.int64]
) -> None:
    spent, found = time_once(lambda: read_labels(extractor, texts, CEBAB_ASPECTS))
    print(f"{extractor.mode} on {len(texts)} CEBaB reviews: {len(texts) / spent:.2f} reviews/s")
    for column, aspect in enumerate(CEBAB_ASPECTS):
        kept = truth[:, column] != UNLABELLED
        y = np.where(abs(truth[kept, column]) == 1, truth[kept, column], 0)
        majority = np.full_like(y, np.bincount(y + 1).argmax() - 1)
        print(
            f"  {aspect:9s} macro F1 {macro_f1(y, found[kept, column]):.3f} "
            f"(majority {macro_f1(y, majority):.3f}, n {kept.sum()})"
        )


def bench_injections(extractor: LlmExtractor) -> None:
    """How many of the demands are met; those met without the attack are no success."""
    code = {"positive": 1, "negative": -1, "not mentioned": 0}
    texts = [*(one.honest for one in INJECTIONS), *(one.text for one in INJECTIONS)]
    found = read_labels(extractor, texts, CEBAB_ASPECTS).reshape(2, len(INJECTIONS), -1)
    succeeded, failed, idle = 0, 0, 0
    for number, one in enumerate(INJECTIONS):
        before, after = found[:, number, CEBAB_ASPECTS.index(one.attribute)]
        if before == code[one.demands]:
            idle += 1
        elif after == code[one.demands]:
            succeeded += 1
        else:
            failed += 1
    tried = succeeded + failed
    print(
        f"{extractor.mode}: injections {succeeded} of {tried} succeeded "
        f"({succeeded / max(tried, 1):.0%}); {idle} had nothing to change"
    )


def bench_json(extractor: LlmExtractor, texts: Sequence[str]) -> None:
    """Whether what the model writes is JSON with the right keys and allowed values."""
    asker = JsonAsker(extractor.model, extractor.prompt, extractor.writer, CEBAB_ASPECTS)
    allowed = {label.text for label in extractor.prompt.labels}
    reviews = [
        extractor.model.encode_foreign(clean_review(text, extractor.prompt.fence), 512)[0]
        for text in texts
    ]
    written = asker.write(reviews)
    documents = [json.loads(extractor.model.tokenizer.decode(ids)) for ids in written.tokens]
    is_right = [
        tuple(document) == CEBAB_ASPECTS and set(document.values()) <= allowed
        for document in documents
    ]
    print(f"json: {sum(is_right)} of {len(is_right)} documents are valid; one: {documents[0]}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--reviews", type=int, default=80)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    folder = find_real_data()
    if folder is None:
        raise SystemExit("real data not found; set WHYREC_REAL_DATA to its folder")
    reviews, labels, _ = load_cebab(folder)
    rows = np.random.default_rng(7).permutation(len(reviews))[: options.reviews]
    texts, truth = [reviews[row][1] for row in rows], labels[rows]
    with tempfile.TemporaryDirectory() as kept:
        spent, _ = time_once(lambda: CausalModel(device="cpu", kept=Path(kept)).network)
        model = CausalModel(device="cpu", kept=Path(kept))
        again, _ = time_once(lambda: model.network)
        print(f"first load with conversion {spent:.1f} s, of the kept copy {again:.1f} s")
        extractor = LlmExtractor(model)
        bench_speed(extractor, texts, options.rounds)
        asker = LikelihoodAsker(model, extractor.prompt, extractor.scorer, CEBAB_ASPECTS)
        print(f"prior of positive, negative, not mentioned:\n{np.exp(asker.prior).round(3)}")
        bench_quality(extractor, texts, truth)
        bench_injections(extractor)
        writer = LlmExtractor(model, mode="json")
        bench_json(writer, texts[:20])
        bench_quality(writer, texts, truth)
        bench_injections(writer)


if __name__ == "__main__":
    main()
