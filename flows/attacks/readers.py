"""Tasks of a night that attack readers: what the extractor reads in texts, vectors of probe and recommender."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import polars as pl

from flows.attacks.embedding import attack_one, number_truths, open_linear
from flows.attacks.features import attack_features
from flows.attacks.models import Memory, Reading
from flows.attacks.text import Order, attack_targets, list_targets
from flows.desk.texts import Desk
from tasks.platform.refs import FileRef
from tasks.platform.settings import ExtractSettings, Settings
from tasks.platform.task import RunContext, stage_task
from tasks.recommend.task import read_checkpoint
from tasks.robustness.corpus import SAYS
from tasks.robustness.embedding import Norm
from tasks.robustness.reader_rows import skip_reader, to_curve_row, to_text_rows
from tasks.robustness.rows import AttackRow, ExampleRow
from tasks.robustness.task import CorpusRef, put_rows
from tasks.robustness.text.run import Limits
from tasks.text.distilled import DistilledExtractor, observe
from tasks.text.extractors import MODELS, make_extractor
from tasks.text.language import OneLanguageExtractor
from tasks.text.task import ExtractorChoice, ModelChoice, open_encoder

EPSILONS: Final = (0.05, 0.1, 0.2, 0.4)
NORM: Final[Norm] = "l2"
VECTOR_TEXTS: Final = 200
"""Texts whose vectors are attacked: a probe is cheap to ask, and hard questions are few."""
EXTRACTOR: Final = "extractor"
RECOMMENDER: Final = "recommender"
ALL: Final = "all attributes"


@stage_task("robustness")
def attack_texts(
    source: str,
    corpus: CorpusRef,
    attack: str,
    extract: ExtractSettings,
    model: ModelChoice,
    extractor: ExtractorChoice,
    probe: FileRef | None,
    texts: int,
    queries: int,
    seed: int,
    run: RunContext,
) -> FileRef:
    """One attack on what the night's own extractor reads of every attribute, in a few reviews.

    The reviews are drawn by `seed` of those that judge an attribute; `queries` bounds the texts
    that are asked for each.
    """
    desk, reading = open_reading(extract, extractor, probe, run)
    chosen = choose_texts(run.site.lake.read_frame(corpus.reviews), texts, seed)
    order = Order((attack,), Limits(queries), seed=seed)
    found = [
        part
        for target in list_targets(desk, reading, None, order)
        for part in attack_targets([target], chosen, range(len(chosen)), order)
    ]
    rows, examples = make_rows(found, source=source, seed=seed, budget=queries)
    if not chosen:
        rows = [
            skip_reader(
                source=source, surface="text", attack=attack, target=EXTRACTOR, subject=ALL,
                reason="no review that was read judges an attribute", seed=seed,
            )
        ]  # fmt: skip
    return put_rows(run, {"attacks": rows, "attack_examples": examples})


@stage_task("robustness")
def attack_vectors(
    source: str,
    corpus: CorpusRef,
    attack: str,
    extract: ExtractSettings,
    model: ModelChoice,
    extractor: ExtractorChoice,
    probe: FileRef | None,
    seed: int,
    run: RunContext,
) -> FileRef:
    """FGSM or PGD on the vectors that the night's probe reads; skipped where no probe reads."""
    named = {"source": source, "seed": seed}
    desk, reading = open_reading(extract, extractor, probe, run)
    reader = reading.reader
    if not isinstance(reader, DistilledExtractor):
        reason = f"the {extractor.name} extractor has no probe whose vectors could be moved"
        row = skip_reader(**named, surface="embedding", attack=attack, target=EXTRACTOR,  # type: ignore[arg-type]
                          subject=ALL, reason=reason)  # fmt: skip
        return put_rows(run, {"attacks": [row]})
    texts = choose_texts(run.site.lake.read_frame(corpus.reviews), VECTOR_TEXTS, seed)
    _, inputs = observe(texts, desk.attributes, desk.embed, base=reader.base)
    rows = []
    for at, name in enumerate(desk.names):
        victim, vectors = open_linear(reader.probe, inputs[at], at)
        truths = number_truths(victim, vectors, None, reader.probe.classes)
        (curve,) = attack_one(
            victim, vectors, truths, methods=(attack,), epsilons=EPSILONS, norm=NORM, harden=None,
            seed=seed,
        )  # fmt: skip
        rows.append(to_curve_row(curve, source=source, attribute=name, norm=NORM, seed=seed))
    return put_rows(run, {"attacks": rows})


@stage_task("robustness")
def attack_item_texts(
    source: str,
    corpus: CorpusRef,
    attack: str,
    checkpoint: FileRef | None,
    seed: int,
    run: RunContext,
) -> FileRef:
    """FGSM or PGD on the text features by which the week's recommender knows its items."""
    fitted = None if checkpoint is None else read_checkpoint(run, checkpoint)
    ratings = run.site.lake.read_frame(corpus.reviews)
    row = attack_features(
        fitted, ratings, source=source, method=attack, epsilons=EPSILONS, norm=NORM, seed=seed
    )
    return put_rows(run, {"attacks": [row]})


def open_reading(
    extract: ExtractSettings, extractor: ExtractorChoice, probe: FileRef | None, run: RunContext
) -> tuple[Desk, Reading]:
    """The night's extractor as attacks see it; what they make up is embedded in memory alone."""
    lake = run.site.lake
    memory = Memory(open_encoder(run.text))
    kept = lake.root / MODELS
    # as they were read: an environment that sets one value would put its section's defaults for the rest
    settings = Settings.model_construct(text=run.text, extract=extract)
    desk = Desk(settings, extract.attributes, memory, kept)
    fitted = None if probe is None else lake.read_bytes(probe)
    reader = make_extractor(extract, extractor.name, kept=kept, probe=fitted)
    if isinstance(reader, OneLanguageExtractor) and isinstance(reader.reader, DistilledExtractor):
        reader = reader.reader
    return desk, Reading(reader, desk.attributes, memory)


def choose_texts(reviews: pl.DataFrame, most: int, seed: int) -> list[str]:
    """Distinct texts that were read and judge an attribute, at most so many, drawn by `seed`."""
    says = [name for name in reviews.columns if name.startswith(SAYS)]
    if not says:
        return []
    judging = reviews.filter("is_read", pl.any_horizontal(pl.col(name) != 0 for name in says))
    known = judging["text"].unique().sort().to_list()
    drawn = np.random.default_rng([seed, len(known)]).permutation(len(known))[:most]
    return [known[int(at)] for at in sorted(drawn)]


def make_rows(
    found: Sequence[tuple[Mapping[str, Any], pl.DataFrame]], *, source: str, seed: int, budget: int
) -> tuple[list[AttackRow], list[ExampleRow]]:
    """Rows of all attacks that were run; one name with two directions is two attacks."""
    rows, examples = [], []
    for summary, attempts in found:
        row, some = to_text_rows(
            summary, attempts.to_dicts(), source=source, seed=seed, budget=budget
        )
        rows.append(row)
        examples += some
    return rows, examples
