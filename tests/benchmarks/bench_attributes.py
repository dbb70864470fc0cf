"""Quality and speed of the clauses extractor on labelled reviews; it never sees a label.

    WHYREC_REAL_DATA=../shared/data python -m tests.benchmarks.bench_attributes

CEBaB (original reviews): an empty label counts as "unknown" (not mentioned): of the reviews with an
empty food label 12% hold a word for food, of those labelled unknown 9%, of those labelled
Positive or Negative 84%; the figures without the empty ones stand beside. "no majority" is left
out. MAMS: its neutral label counts as neither praise nor blame; its labels are per sentence and
noisy ("flavor" is filed under ambience), so polarity where both mention is the figure to read.
"""

import json
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tasks.text.clauses import ClauseExtractor
from tasks.text.encoder import Encoder
from tasks.text.extract import name_attributes
from tasks.text.store import EmbeddingStore
from tests.text.conftest import find_real_data
from tests.text.test_quality import macro_f1

CEBAB_ASPECTS = ("food", "service", "ambiance", "noise")
MAMS_ASPECTS = ("food", "service", "staff", "price", "ambience", "menu", "place")
UNLABELLED, EMPTY, ABSENT = 99, 98, 9
Labels = npt.NDArray[np.int64]


def load_cebab(folder: Path) -> tuple[list[tuple[str, str]], Labels, npt.NDArray[np.float64]]:
    """Reviews, labels (n, 4) and ratings (NaN without majority)."""
    lines = (folder / "cebab_observational" / "reviews.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    code = {"Positive": 1, "Negative": -1, "unknown": ABSENT, "": EMPTY}
    labels = [
        [code.get(row[f"{aspect}_aspect_majority"], UNLABELLED) for aspect in CEBAB_ASPECTS]
        for row in rows
    ]
    ratings = [
        float(row["review_majority"]) if row["review_majority"].isdigit() else np.nan
        for row in rows
    ]
    return [(r["id"], r["description"]) for r in rows], np.array(labels), np.array(ratings)


def load_mams(folder: Path, split: str) -> tuple[list[tuple[str, str]], Labels]:
    """Sentences and labels (n, 7)."""
    sentences = list(ElementTree.parse(folder / "mams" / "ACSA" / f"{split}.xml").getroot())
    code = {"positive": 1, "negative": -1, "neutral": 0}
    labels = np.full((len(sentences), len(MAMS_ASPECTS)), ABSENT)
    for row, sentence in enumerate(sentences):
        for tag in sentence.iter("aspectCategory"):
            if tag.get("category") in MAMS_ASPECTS:
                labels[row, MAMS_ASPECTS.index(tag.attrib["category"])] = code[
                    tag.attrib["polarity"]
                ]
    return [(str(n), s.findtext("text") or "") for n, s in enumerate(sentences)], labels


def extract(
    reviews: list[tuple[str, str]], aspects: Sequence[str], store: EmbeddingStore
) -> Labels:
    """What is read, (n, aspects): -1, 0, 1, or 9 where not mentioned; prints the speed."""
    embedded = 0

    def embed(texts: Sequence[str]) -> npt.NDArray[np.float32]:
        nonlocal embedded
        result = store.embed(texts)
        embedded += result.n_new
        return result.vectors

    start = time.perf_counter()
    frame = (
        ClauseExtractor().extract(reviews, attributes=name_attributes(aspects), embed=embed).frame
    )
    cold = time.perf_counter() - start
    start = time.perf_counter()
    ClauseExtractor().extract(reviews, attributes=name_attributes(aspects), embed=embed)
    warm = time.perf_counter() - start
    print(
        f"  {len(reviews)} reviews, {embedded} clauses embedded: cold {embedded / cold:.0f} clauses/s, "
        f"{len(reviews) / cold:.0f} reviews/s; with all vectors known {len(reviews) / warm:.0f} reviews/s"
    )
    polarity = frame["polarity"].to_numpy().astype(np.int64)
    found = np.where(frame["is_mentioned"].to_numpy(), polarity, ABSENT)
    return found.reshape(len(reviews), len(aspects))


def report(name: str, aspects: Sequence[str], truth: Labels, found: Labels) -> None:
    """One line per aspect: macro F1 over praise, blame, neither; mention; polarity; majority."""
    for column, aspect in enumerate(aspects):
        is_kept = truth[:, column] != UNLABELLED
        y, p = truth[is_kept, column], found[is_kept, column]
        y3, p3 = np.where(abs(y) == 1, y, 0), np.where(abs(p) == 1, p, 0)
        is_said, is_found = (y != ABSENT) & (y != EMPTY), p != ABSENT
        is_both = (abs(y) == 1) & is_found
        majority = np.full_like(y3, np.bincount(y3 + 1).argmax() - 1)
        print(
            f"  {name} {aspect:9s} macro F1 {macro_f1(y3, p3):.3f} (majority {macro_f1(y3, majority):.3f}"
            f"{_without_empty(y, p3)}) mention P {(is_said & is_found).sum() / max(is_found.sum(), 1):.2f}"
            f" R {(is_said & is_found).sum() / is_said.sum():.2f}"
            f" polarity {(p[is_both] == y[is_both]).sum() / max(is_both.sum(), 1):.3f} of {is_both.sum()}"
        )


def _without_empty(y: Labels, p3: Labels) -> str:
    kept = y != EMPTY
    if kept.all():
        return ""
    return f", without empty {macro_f1(np.where(abs(y[kept]) == 1, y[kept], 0), p3[kept]):.3f}"


def effects(labels: Labels, ratings: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """From blame to praise, per aspect, least squares on all aspects at once: no other controls."""
    columns = [(labels[:, a] == s).astype(float) for a in range(labels.shape[1]) for s in (1, -1)]
    design = np.column_stack([np.ones(len(ratings)), *columns])
    weights: npt.NDArray[np.float64] = np.linalg.lstsq(design, ratings, rcond=None)[0]
    return weights[1::2] - weights[2::2]


def main() -> None:
    folder = find_real_data()
    if folder is None:
        raise SystemExit("real data not found; set WHYREC_REAL_DATA to its folder")
    with tempfile.TemporaryDirectory() as scratch:
        store = EmbeddingStore(Path(scratch), Encoder())
        reviews, truth, ratings = load_cebab(folder)
        found = extract(reviews, CEBAB_ASPECTS, store)
        report("CEBaB", CEBAB_ASPECTS, truth, found)
        kept = ~np.isnan(ratings) & (truth != UNLABELLED).all(axis=1)
        by_label = effects(truth[kept], ratings[kept])
        by_text = effects(found[kept], ratings[kept])
        print(
            f"  effects by labels {by_label.round(2)}, by text {by_text.round(2)}: "
            f"mean distance {abs(by_label - by_text).mean():.3f} (n {kept.sum()})"
        )
        for split in ("train", "val", "test"):
            sentences, labels = load_mams(folder, split)
            report(f"MAMS {split}", MAMS_ASPECTS, labels, extract(sentences, MAMS_ASPECTS, store))


if __name__ == "__main__":
    main()
