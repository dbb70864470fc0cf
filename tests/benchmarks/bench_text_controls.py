"""Effects confounded by nothing but a text: bias, deviation and coverage with the text as control.

Run `python -m tests.benchmarks.bench_text_controls --data DIR [--worlds 12] [--estimators plr]
[--kinds words,rare,topic,cluster,none]`. DIR holds `cebab_observational/reviews.jsonl`, whose texts
are real; treatment and outcome are made. A score z of the text decides both: the propensity is
logistic(1.8 (z - mean z)), the outcome d + 1.5 z + N(0, 1), so that the effect is 1 and the naive
difference is off by 1.5 (E[z | treated] - E[z | untreated]). Kinds of score:

    words     whether the text names the service, and whether it praises
    rare      whether it names drinks, and whether it names one of four dishes
    topic     a bent sum of three main directions of the embeddings
    cluster   which of six clusters of embeddings it falls into
    none      nothing confounds
"""

import argparse
import re
import warnings
from pathlib import Path

import numpy as np
import polars as pl

from flows.desk.questions import embed_columns
from tasks.effects.controls.texts import reduce_vectors
from tasks.effects.table.estimate import estimate_table


def make_scores(texts: list[str], vectors: np.ndarray) -> dict[str, np.ndarray]:
    """Score (n,) of each text, by kind."""
    from sklearn.cluster import KMeans

    def says(pattern: str) -> np.ndarray:
        found = re.compile(rf"\b({pattern})\b")
        return np.array([bool(found.search(text.lower())) for text in texts], dtype=np.float64)

    main = reduce_vectors(vectors).scores
    cluster = KMeans(6, n_init=3, random_state=0).fit_predict(vectors)
    return {
        "words": says("service|server|waiter|waitress|staff")
        + 0.7 * says("great|excellent|amazing|delicious"),
        "rare": says("wine|bar|drinks?") + says("sushi|pizza|burger|steak"),
        "topic": np.tanh(main[:, 0] + 0.5 * main[:, 3] - 0.5 * main[:, 6]),
        "cluster": np.isin(cluster, [0, 2, 3]) + 0.5 * np.isin(cluster, [0, 1]),
        "none": np.zeros(len(texts)),
    }


def run(
    texts: list[str], vectors: np.ndarray, score: np.ndarray, seed: int, estimators: list[str]
) -> list[tuple[str, float, float, bool]]:
    """Estimator, error, standard error, and whether its interval holds 1; "diff" is naive."""
    rng = np.random.default_rng(seed)
    d = (rng.random(len(score)) < 1 / (1 + np.exp(-1.8 * (score - score.mean())))).astype(int)
    y = d + 1.5 * score + rng.normal(size=len(score))
    answer = estimate_table(
        pl.DataFrame({"text": texts, "d": d, "y": y}), outcome="y", treatment="d",
        vectors={"text": vectors}, estimators=[*estimators, "diff"], is_checked=False,
    )  # fmt: skip
    return [
        (one["estimator"], one["estimate"] - 1, one["std_error"],
         one["ci_low"] <= 1 <= one["ci_high"])
        for one in answer["estimates"]
    ]  # fmt: skip


def main() -> None:
    """Print one line for each kind and estimator."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--worlds", type=int, default=12)
    parser.add_argument("--estimators", default="plr")
    parser.add_argument("--kinds", default="words,rare,topic,cluster,none")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    reviews = pl.read_ndjson(options.data / "cebab_observational/reviews.jsonl")
    frame = reviews.select(text=pl.col("description"))
    vectors = embed_columns(frame, ["text"], None)["text"]
    texts = frame["text"].to_list()
    scores = make_scores(texts, vectors)
    for kind in options.kinds.split(","):
        worlds = [run(texts, vectors, scores[kind], seed, options.estimators.split(","))
                  for seed in range(options.worlds)]  # fmt: skip
        for rows in zip(*worlds, strict=True):
            errors, claimed = np.array([row[1:3] for row in rows]).T
            held = np.mean([row[3] for row in rows])
            print(f"{kind:8} {rows[0][0]:8} bias {errors.mean():+.3f}, deviation {errors.std():.3f}, "
                  f"mean standard error {claimed.mean():.3f}, covers {held:.2f}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
