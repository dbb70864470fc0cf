"""`whyrec attack embedding`: the vectors that a probe reads, moved within a radius."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt

from flows.attacks.models import CODES
from flows.attacks.tower import check_all
from flows.desk.attributes import list_labels
from flows.desk.texts import Teaching, list_ids, list_reviews, open_desk, open_reader, read_texts
from tasks.platform.errors import ConfigError
from tasks.platform.labels import UNDECIDED
from tasks.robustness.embedding import (
    Curve,
    LinearVictim,
    Method,
    Norm,
    attack_vectors,
    fit_hardened,
)
from tasks.text.distilled import DistilledExtractor, observe
from tasks.text.extractors import DISTILLED
from tasks.text.probe import Probe, design

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
MIN_LABELLED: Final = 20
"""Vectors of each half that a hardened probe is taught and attacked on."""


def attack_probe(
    path: str,
    *,
    text: str,
    attributes: Sequence[str],
    methods: Sequence[str],
    epsilons: Sequence[float],
    norm: str,
    harden: float | None,
    labels: str | None,
    columns: Sequence[str],
    key: str | None,
    teaching: Teaching,
    most_texts: int | None,
    seed: int,
    config: str | None,
) -> dict[str, Any]:
    """Attack the probe's inputs of a file's texts, per attribute; the JSON document.

    An input is the pooled clause vector and the text vector together, each of length 1 (or 0 where
    there is no clause); they move freely, and what the lexicon says stays. Without labels the
    probe's own answers are what has to be held. `length` is the mean length of the inputs.
    """
    check_all(methods, epsilons, norm)
    if harden is not None and not 0 < harden < np.inf:
        raise ConfigError(f"--harden is {harden:g}; give a size above 0, as in 0.1")
    frame = read_texts(path)
    desk = open_desk(attributes, config)
    reviews = list_reviews(frame, text)
    truth = None
    if labels is not None or columns:
        truth = list_labels(frame, names=desk.names, labels=labels, columns=columns, key=key)
    ids = list_ids(frame, key)
    opened = open_reader(desk, DISTILLED, reviews, ids, teaching=teaching)
    reader, taught = opened.learned, opened.taught
    if not isinstance(reader, DistilledExtractor):
        raise ConfigError("only a probe has vectors to attack; use the distilled extractor")
    rows = [r for r, (_, body) in enumerate(reviews) if body.strip() and body not in taught]
    rows = rows[:most_texts]
    _, inputs = observe(
        [reviews[r][1] for r in rows], desk.attributes, desk.embed, base=reader.base
    )
    curves = []
    for at, name in enumerate(desk.names):
        victim, vectors = open_linear(reader.probe, inputs[at], at)
        codes = None if truth is None else truth[name][rows]
        length = round(float(np.linalg.norm(vectors, axis=1).mean()), 4) if len(vectors) else None
        for row in attack_one(
            victim, vectors, number_truths(victim, vectors, codes, reader.probe.classes),
            methods=methods, epsilons=epsilons, norm=cast(Norm, norm), harden=harden, seed=seed,
        ):  # fmt: skip
            curves.append({"attribute": name, "length": length, **row})
    return {
        "extractor": DISTILLED, "revision": reader.revision, "norm": norm, "seed": seed,
        "texts": len(rows), "has_labels": truth is not None, "curves": curves,
    }  # fmt: skip


def open_linear(
    probe: Probe, inputs: tuple[Floats, Floats, Floats], at: int
) -> tuple[LinearVictim, Floats]:
    """What the probe computes of attribute `at` from its vectors (n, 2 dim), traits held as they are.

    The probe is affine in its vectors: its slopes are its answers to unit vectors less those to 0.
    """
    clauses, texts, traits = inputs
    dim, n_attributes = clauses.shape[1], len(probe.attributes)

    def score(one: Floats, other: Floats, held: Floats) -> Floats:
        columns = design(probe.frame, one, other, held, attribute=at, n_attributes=n_attributes)
        return np.asarray((columns @ probe.weights.T + probe.bias) / probe.temperature)

    units, none = np.eye(dim), np.zeros((dim, dim))
    mean = np.tile(probe.frame.trait_mean, (dim, 1))
    zero = score(none[:1], none[:1], mean[:1])
    weights = np.hstack([(score(units, none, mean) - zero).T, (score(none, units, mean) - zero).T])
    vectors = np.hstack([clauses, texts])
    return LinearVictim(weights, score(clauses, texts, traits) - vectors @ weights.T), vectors


def number_truths(
    victim: LinearVictim, vectors: Floats, codes: Codes | None, classes: Sequence[int]
) -> Codes:
    """Numbers of the right labels, -1 where nobody decided; the victim's own answers without labels.

    Labels that the probe cannot give are numbered after its own: it reads such texts wrongly.
    """
    if codes is None:
        return np.asarray(victim.score(vectors).argmax(axis=1), dtype=np.int64)
    spoken = [*classes, *(code for code in CODES if code not in classes)]
    known = {code: at for at, code in enumerate(spoken)} | {UNDECIDED: -1}
    return np.array([known[int(code)] for code in codes], dtype=np.int64)


def attack_one(
    victim: LinearVictim,
    vectors: Floats,
    truths: Codes,
    *,
    methods: Sequence[str],
    epsilons: Sequence[float],
    norm: Norm,
    harden: float | None,
    seed: int,
) -> list[dict[str, Any]]:
    """Curves of each method on one attribute's probe, and on a plain and a hardened one if asked for.

    Each has `n_undecided`, labels that nobody decided and that are left out, and `n_unsayable`,
    those of the read texts whose right label the reader cannot give.
    """
    is_labelled = truths >= 0
    n_undecided = int((~is_labelled).sum())
    bias = victim.bias[is_labelled]
    readers = [
        ("probe", LinearVictim(victim.weights, bias), vectors[is_labelled], truths[is_labelled])
    ]
    if harden is not None:
        readers += fit_both(vectors[is_labelled], truths[is_labelled], harden, norm, seed)
    rows = []
    for name, reader, held, right in readers:
        for method in methods:
            curve = attack_vectors(
                reader, held, right, method=cast(Method, method), epsilons=epsilons, norm=norm,
                seed=seed,
            )  # fmt: skip
            beyond = int((right >= len(reader.weights)).sum())
            counts = {"n_undecided": n_undecided, "n_unsayable": beyond}
            rows.append({"reader": name, **counts, **describe_curve(curve)})
    return rows


def tell_labels(document: Mapping[str, Any]) -> list[str]:
    """What was left out, and what no probe could read rightly, in a line per attribute."""
    told = []
    for row in document["curves"]:
        parts = [f"{row['n_skipped']:,} read wrongly before any attack"] if row["n_skipped"] else []
        if row["n_unsayable"]:
            parts[0] += f" ({row['n_unsayable']:,} have a label that the probe cannot give)"
        if row["n_undecided"]:
            parts.append(f"{row['n_undecided']:,} without a decided label left out")
        if parts and not row["reason"]:
            told.append(f"{row['attribute']}, {row['reader']}: of the texts, {', '.join(parts)}")
    return list(dict.fromkeys(told))


def fit_both(
    vectors: Floats, truths: Codes, epsilon: float, norm: Norm, seed: int
) -> list[tuple[str, LinearVictim, Floats, Codes]]:
    """A plain and a hardened regression on one random half, to be attacked on the other."""
    order = np.random.default_rng([seed, len(vectors)]).permutation(len(vectors))
    taught, held = order[: len(order) // 2], order[len(order) // 2 :]
    if len(taught) < MIN_LABELLED:
        raise ConfigError(
            f"--harden needs {2 * MIN_LABELLED} labelled texts of each attribute, "
            f"{len(vectors)} were found; give more or leave it out"
        )
    return [
        (
            name,
            fit_hardened(
                vectors[taught], truths[taught], n_labels=len(CODES), epsilon=size, norm=norm
            ),
            vectors[held],
            truths[held],
        )
        for name, size in (("plain", 0.0), ("hardened", epsilon))
    ]


def describe_curve(curve: Curve) -> dict[str, Any]:
    """A JSON form, numbers to 4 decimals."""
    document = asdict(curve)
    document["points"] = [
        {name: round(value, 4) if isinstance(value, float) else value for name, value in p.items()}
        for p in document["points"]
    ]
    clean = document["clean_accuracy"]
    return {**document, "clean_accuracy": None if clean is None else round(clean, 4)}


CURVES: Final = ("attribute", "reader", "attack", "epsilon", "clean", "attacked", "flipped")


def list_curves(document: Mapping[str, Any]) -> list[list[Any]]:
    """Rows under `CURVES`: clean and attacked accuracy, and how many rightly read ones flipped."""
    return [
        [
            row["attribute"], row["reader"], row["method"], f"{point['epsilon']:g}",
            f"{row['clean_accuracy']:.3f}", f"{point['accuracy']:.3f}",
            f"{point['flipped']:,} of {point['n']:,}",
        ]
        for row in document["curves"]
        for point in row["points"]
    ]  # fmt: skip
