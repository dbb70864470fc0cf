"""Polarity of film reviews and of their human counterfactuals (CAD-IMDb), by extractor, and the gap.

    WHYREC_REAL_DATA=../shared/data python -m tests.benchmarks.bench_counterfactuals [--train 1707] [--test 488] [--llm 0]

A counterfactual is an original edited by a person with as few words as turn its sentiment. The
clauses extractor sees no label. The probes (logistic on whole texts' vectors; distilled extractor) are taught by the labels of originals
of the training split; the hardened ones by these and by versions of half of them with their
judgements turned round by rule. No human counterfactual is ever trained on. An answer counts as right when its
polarity is the label's; neither and not mentioned are wrong.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tasks.robustness.adversarial import Augmented, Gap, augment, measure_gap, share_closed
from tasks.robustness.text.rewrites import Opposites
from tasks.text.clauses import ClauseExtractor
from tasks.text.distilled import fit_distilled, take_labels
from tasks.text.encoder import Encoder
from tasks.text.extract import Attribute, Extractor
from tests.text.conftest import find_real_data

ATTRIBUTE = Attribute("movie", ("movie", "film", "story", "acting", "plot", "show"))


SHARE = 0.5
"""Of the originals whose turned version teaches; chosen on the dev split."""


class Memory:
    """Vectors of texts, each embedded once."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder, self.known = encoder, {}

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        new = [text for text in dict.fromkeys(texts) if text not in self.known]
        if new:
            self.known.update(zip(new, self.encoder.encode(new), strict=True))
        return np.array([self.known[text] for text in texts], dtype=np.float32)


def load_pairs(folder: Path, split: str) -> tuple[list[str], list[str], np.ndarray]:
    """Originals, counterfactuals and the originals' labels; the first of a pair is the original."""
    frame = pl.read_csv(folder / "cad_imdb" / f"{split}_paired.tsv", separator="\t")
    pairs = frame.group_by("batch_id", maintain_order=True).agg("Text", "Sentiment")
    texts = pairs["Text"].to_list()
    labels = [1 if said[0] == "Positive" else -1 for said in pairs["Sentiment"].to_list()]
    return [pair[0] for pair in texts], [pair[1] for pair in texts], np.array(labels)


def draw_pairs(
    pairs: tuple[list[str], list[str], np.ndarray], n: int
) -> tuple[list[str], list[str], np.ndarray]:
    """`n` random pairs: the files are ordered by label and length."""
    kept = np.sort(np.random.default_rng(1).permutation(len(pairs[2]))[:n])
    return [pairs[0][at] for at in kept], [pairs[1][at] for at in kept], pairs[2][kept]


def read_polarity(extractor: Extractor, texts: Sequence[str], embed: Memory) -> np.ndarray:
    reviews = [(str(at), text) for at, text in enumerate(texts)]
    found = extractor.extract(reviews, attributes=(ATTRIBUTE,), embed=embed)
    polarity = np.zeros(len(texts), dtype=np.int64)
    polarity[found.frame["review_id"].cast(pl.Int64).to_numpy()] = found.frame[
        "polarity"
    ].to_numpy()
    return polarity


def measure(
    name: str,
    extractor: Extractor,
    originals: list[str],
    edited: list[str],
    labels: np.ndarray,
    embed: Memory,
) -> Gap:
    right = read_polarity(extractor, originals, embed) == labels
    turned = read_polarity(extractor, edited, embed) == -labels
    return show(name, measure_gap(right, turned, rng=np.random.default_rng(0)))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--train", type=int, default=1707)
    parser.add_argument("--test", type=int, default=488)
    parser.add_argument("--llm", type=int, default=0, help="pairs that the packaged model reads")
    parser.add_argument("--split", default="test")
    options = parser.parse_args()
    folder = find_real_data()
    if folder is None:
        raise SystemExit("no real data; set WHYREC_REAL_DATA")
    embed = Memory(Encoder(backend="auto", precision="fast"))
    train, _, taught = load_pairs(folder, "train")
    rng = np.random.default_rng(0)
    kept = np.sort(rng.permutation(len(train))[: options.train])
    train, taught = [train[at] for at in kept], taught[kept]
    test = draw_pairs(load_pairs(folder, options.split), options.test)
    measure("clauses", ClauseExtractor(), *test, embed)
    if options.llm:
        from tasks.platform.settings import LlmSettings
        from tasks.text.extractors import open_llm

        few = draw_pairs(test, options.llm)
        measure("llm (SmolLM2-135M)", open_llm(LlmSettings(), None), *few, embed)
    made = augment(train, taught, turning=(Opposites(),), share=SHARE, rng=np.random.default_rng(0))
    print(f"{len(train)} originals taught, {int(made.is_made.sum())} counterfactuals made of them")
    compare_vector_probes(train, taught, made, test, embed)
    for base in (None, ClauseExtractor()):
        name = "probe" if base is None else "probe with clauses"
        gaps = []
        for kind, texts, labels in (("", train, taught), (" hardened", made.texts, made.labels)):
            lesson = take_labels(texts, {ATTRIBUTE.name: labels}, name="labels")
            fitted = fit_distilled(lesson, (ATTRIBUTE,), embed, threshold=0.6, base=base)
            gaps.append(measure(name + kind, fitted, *test, embed))
        tell_closed(name, gaps)


def compare_vector_probes(
    train: list[str], taught: np.ndarray, made: Augmented, test: tuple[Any, ...], embed: Memory
) -> None:
    """The barest probe: a logistic regression on the vector of the whole text."""
    from sklearn.linear_model import LogisticRegression

    originals, edited, labels = test
    gaps = []
    for kind, texts, said in (("", train, taught), (" hardened", made.texts, made.labels)):
        model = LogisticRegression(max_iter=2000).fit(embed(texts), said)
        gap = measure_gap(
            model.predict(embed(originals)) == labels,
            model.predict(embed(edited)) == -labels,
            rng=np.random.default_rng(0),
        )
        gaps.append(show("probe on text vectors" + kind, gap))
    tell_closed("probe on text vectors", gaps)


def show(name: str, gap: Gap) -> Gap:
    print(
        f"{name:32s} originals {gap.original:.3f}, counterfactuals {gap.counterfactual:.3f}, "
        f"gap {gap.gap:+.3f} ({gap.low:+.3f} to {gap.high:+.3f}), n {gap.n}",
        flush=True,
    )
    return gap


def tell_closed(name: str, gaps: list[Gap]) -> None:
    closed = share_closed(*gaps)
    print(
        f"{name}: {'no gap' if closed is None else f'{closed:.0%} of the gap closed'}", flush=True
    )


if __name__ == "__main__":
    main()
