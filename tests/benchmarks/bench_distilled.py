"""The distilled extractor on CEBaB: taught by the clauses extractor, and by 200 people's labels.

    WHYREC_REAL_DATA=../shared/data python -m tests.benchmarks.bench_distilled

Labels teach from random reviews, and are compared on all others, for 20 seeds. An empty label counts
as not mentioned, as in `bench_attributes`.
"""

import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tasks.platform.labels import ABSENT, UNDECIDED
from tasks.text.clauses import ClauseExtractor
from tasks.text.distilled import DistilledExtractor, fit_distilled, take_labels, teach
from tasks.text.encoder import Encoder
from tasks.text.evaluate import evaluate_answers, mean_macro_f1, read_answers
from tasks.text.extract import Embed, Extractor, name_attributes
from tasks.text.store import EmbeddingStore
from tests.benchmarks.bench_attributes import CEBAB_ASPECTS, EMPTY, UNLABELLED, load_cebab
from tests.text.conftest import find_real_data

SEEDS = 20
N_LABELS = 200
N_TIMED = 5
ATTRIBUTES = name_attributes(CEBAB_ASPECTS)
Reviews = list[tuple[str, str]]


def score(
    reader: Extractor, reviews: Reviews, truth: npt.NDArray[np.int64], embed: Embed
) -> npt.NDArray[np.float64]:
    """Macro F1 per aspect, their mean, and the mean calibration error."""
    frame = reader.extract(reviews, attributes=ATTRIBUTES, embed=embed).frame
    answers, sure = read_answers(frame, CEBAB_ASPECTS)
    labels = dict(zip(CEBAB_ASPECTS, truth.T, strict=True))
    found = evaluate_answers(labels, answers, sure, rng=np.random.default_rng(0))
    errors = [row.calibration.error or 0.0 for row in found]
    return np.array(
        [*(row.macro_f1 or 0.0 for row in found), mean_macro_f1(found) or 0.0, np.mean(errors)]
    )


def show(name: str, rows: Sequence[npt.NDArray[np.float64]]) -> None:
    table = np.array(rows)
    mean = table.mean(axis=0).round(3)
    print(
        f"  {name:24s} {dict(zip(CEBAB_ASPECTS, mean.tolist(), strict=False))} mean {mean[4]:.3f} "
        f"(over seeds {table[:, 4].min():.3f} to {table[:, 4].max():.3f}), calibration error {mean[5]:.3f}",
        flush=True,
    )


def compare_speed(readers: dict[str, Extractor], reviews: Reviews, embed: Embed) -> None:
    """Interleaved, all vectors known: what is left is the extractors' own work."""
    seconds: dict[str, list[float]] = {name: [] for name in readers}
    for _ in range(N_TIMED):
        for name, reader in readers.items():
            start = time.perf_counter()
            reader.extract(reviews, attributes=ATTRIBUTES, embed=embed)
            seconds[name].append(time.perf_counter() - start)
    medians = {name: float(np.median(part)) for name, part in seconds.items()}
    for name, value in medians.items():
        print(f"  {name}: {medians['clauses'] / value:.2f} times the speed of clauses")


def main() -> None:
    folder = find_real_data()
    if folder is None:
        raise SystemExit("real data not found; set WHYREC_REAL_DATA to its folder")
    reviews, truth, _ = load_cebab(folder)
    truth = np.where(truth == EMPTY, ABSENT, np.where(truth == UNLABELLED, UNDECIDED, truth))
    texts = [text for _, text in reviews]
    with tempfile.TemporaryDirectory() as scratch:
        store = EmbeddingStore(Path(scratch), Encoder())
        embed = lambda part: store.embed(part).vectors  # noqa: E731
        clauses = ClauseExtractor()
        fit = partial(fit_distilled, attributes=ATTRIBUTES, embed=embed, threshold=0.6)
        print("taught by clauses (no labels), all reviews")
        show("clauses", [score(clauses, reviews, truth, embed)])
        readers: dict[str, Extractor] = {"clauses": clauses}
        for size in (400, 800):
            taught: list[DistilledExtractor] = []
            for seed in range(3):
                rng = np.random.default_rng(seed)
                lesson = teach(texts, ATTRIBUTES, embed, teacher=clauses, size=size, rng=rng)
                taught.append(fit(lesson, base=None))
            show(f"distilled of {size}", [score(one, reviews, truth, embed) for one in taught])
            kept = ("agreement", "coverage", "sure_agreement")
            print(f"    { ({name: taught[0].probe.about[name] for name in kept}) }")
            readers["distilled, vectors alone"] = taught[0]
        print(f"taught by {N_LABELS} labels, the other reviews, {SEEDS} seeds")
        rows: dict[str, list[npt.NDArray[np.float64]]] = {}
        for seed in range(SEEDS):
            order = np.random.default_rng(seed).permutation(len(texts))
            known, others = np.sort(order[:N_LABELS]), np.sort(order[N_LABELS:])
            labels = dict(zip(CEBAB_ASPECTS, truth[known].T, strict=True))
            lesson = take_labels([texts[row] for row in known], labels, name="labels")
            rest = [reviews[row] for row in others]
            by_labels = {
                "clauses": clauses,
                "distilled, vectors alone": fit(lesson, base=None),
                "distilled with clauses": fit(lesson, base=clauses),
            }
            for name, reader in by_labels.items():
                rows.setdefault(name, []).append(score(reader, rest, truth[others], embed))
        for name, part in rows.items():
            show(name, part)
        readers["distilled with clauses"] = by_labels["distilled with clauses"]
        print("speed, all vectors known")
        compare_speed(readers, reviews, embed)


if __name__ == "__main__":
    main()
