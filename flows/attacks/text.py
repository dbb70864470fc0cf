"""Commands that attack a reader of texts: `whyrec attack text`, `whyrec attack embedding`."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from flows.attacks.harden import harden_reader
from flows.attacks.models import (
    CODES,
    SIDES,
    AttributeVictim,
    Memory,
    Reading,
    Writer,
    list_terms,
    make_neighbours,
    open_translator,
    read_others,
)
from flows.desk.attributes import list_labels
from flows.desk.texts import (
    Desk,
    Teaching,
    list_ids,
    list_reviews,
    open_desk,
    open_reader,
    read_texts,
)
from tasks.platform.errors import ConfigError, InputError
from tasks.platform.labels import UNDECIDED
from tasks.robustness.text.classifier import open_classifier
from tasks.robustness.text.constraints import LabelsKept
from tasks.robustness.text.outcome import Outcome, summarise
from tasks.robustness.text.recipes import EASY, Tools, make_attacks
from tasks.robustness.text.rewrites import load_names
from tasks.robustness.text.run import Limits, run_attack
from tasks.robustness.text.search import Ranking
from tasks.robustness.text.typos import load_slips
from tasks.robustness.text.victim import PROBES, Victim
from tasks.robustness.text.words import split_words
from tasks.text.clauses import ClauseExtractor
from tasks.text.llm_model import CausalModel
from tasks.text.task import open_encoder

EXAMPLES: Final = 5
"""Successes that the document shows of each attack."""
NOT_FASTER: Final = "--fast changed nothing: the encoder's own tier is the quickest that is here"
_SEEN: Final = ("row", "original", "perturbed", "before", "after", "n_queries")
OUT_SCHEMA: Final = pl.Schema(
    {
        "attack": pl.String, "attribute": pl.String, "row": pl.Int64, "status": pl.String,
        "reason": pl.String, "original": pl.String, "perturbed": pl.String, "truth": pl.String,
        "before": pl.String, "after": pl.String, "sure_before": pl.Float64,
        "sure_after": pl.Float64, "n_queries": pl.Int64, "n_changed_words": pl.Int64,
    }
)  # fmt: skip
"""One row per text and attack; see `outcome.Attempt`."""


@dataclass(frozen=True)
class Order:
    """What `whyrec attack text` was asked for; see its help."""

    attacks: tuple[str, ...] = EASY
    limits: Limits = field(default_factory=Limits)
    most_texts: int | None = None
    seed: int = 0
    lm: str | None = None
    translate: tuple[str, ...] = ()
    slips: str | None = None
    names: str | None = None
    is_hardened: bool = False
    is_fast: bool = False


@dataclass(frozen=True)
class Target:
    """One thing to attack: a victim, what is asked of it, and the labels that are right (or None).

    Words are ranked alone where a word by itself says something to the victim; of one attribute it
    rarely does.
    """

    subject: str
    victim: Victim
    sides: tuple[int, int]
    truths: list[int | None] | None
    tools: Tools
    probes: tuple[str, ...]
    ranking: Ranking = "deletion"
    confirm: Victim | None = None


def attack_reader(
    path: str,
    *,
    text: str,
    attributes: Sequence[str],
    extractor: str | None,
    labels: str | None,
    columns: Sequence[str],
    key: str | None,
    teaching: Teaching,
    order: Order,
    config: str | None,
) -> tuple[dict[str, Any], pl.DataFrame]:
    """Attack what an extractor reads of a file's texts; the JSON document, and a row per attempt.

    Rows have `OUT_SCHEMA` and `is_hardened`: whether it was the hardened probe that was attacked.
    """
    frame = read_texts(path)
    desk = open_desk(attributes, config)
    if order.is_fast and (extractor or desk.settings.extract.extractor) == "llm":
        raise ConfigError(
            "--fast searches on a quicker tier of the encoder, and the llm extractor reads no vectors; "
            "leave it out, or choose --extractor clauses or distilled"
        )
    reviews = list_reviews(frame, text)
    truth = None
    if labels is not None or columns:
        truth = list_labels(frame, names=desk.names, labels=labels, columns=columns, key=key)
    ids = list_ids(frame, key)
    opened = open_reader(desk, extractor, reviews, ids, teaching=teaching)
    reader, taught = opened.learned, opened.taught
    rows = [row for row, (_, body) in enumerate(reviews) if body not in taught]
    rows = rows[: order.most_texts]
    texts = [reviews[row][1] for row in rows]
    kept = None if truth is None else {name: column[rows] for name, column in truth.items()}
    memory = Memory(open_encoder(desk.settings.text))
    writer = open_writer(order, desk)
    targets = list_targets(desk, Reading(reader, desk.attributes, memory), kept, order, writer)
    found = attack_targets(targets, texts, rows, order)
    document: dict[str, Any] = {
        "extractor": extractor or desk.settings.extract.extractor,
        "revision": reader.revision,
        "seed": order.seed,
        "texts": len(texts),
        "taught": sum(body in taught for _, body in reviews),
        "attacks": [row for row, _ in found],
        "hardened": None,
        "notes": [],
    }
    attempts = [part.with_columns(is_hardened=pl.lit(False)) for _, part in found]
    if order.is_hardened:
        attacked = frozenset(texts)
        rest = [body for _, body in reviews if body not in attacked]
        hard = harden_reader(desk, reader, rest, memory)
        again = list_targets(desk, Reading(hard, desk.attributes, memory), kept, order, writer)
        held = attack_targets(again, texts, rows, order)
        document["hardened"] = [row for row, _ in held]
        attempts += [part.with_columns(is_hardened=pl.lit(True)) for _, part in held]
    document["notes"] = writer.tell() if writer else []
    if order.is_fast and not any(target.confirm for target in targets):
        document["notes"].append(NOT_FASTER)
    empty = pl.DataFrame(schema={**OUT_SCHEMA, "is_hardened": pl.Boolean})
    return document, pl.concat([empty, *attempts])


def attack_model(
    path: str,
    *,
    text: str,
    model: str,
    labels: str | None,
    order: Order,
    config: str | None,
) -> tuple[dict[str, Any], pl.DataFrame]:
    """Attack a text classifier in a folder on a file's texts; `labels` names the column of its labels."""
    frame = read_texts(path)
    desk = open_desk(["review"], config)
    reviews = list_reviews(frame, text)[: order.most_texts]
    victim = open_classifier(model, max_tokens=desk.settings.text.max_tokens)
    truths = None if labels is None else take_truths(frame, labels, victim.labels)[: len(reviews)]
    memory = Memory(open_encoder(desk.settings.text))
    sides = find_sides(victim.labels)
    writer = open_writer(order, desk)
    tools = add_models(order, desk, memory, writer)
    target = Target("text", victim, sides, truths, tools, PROBES, "alone")
    found = attack_targets([target], [body for _, body in reviews], range(len(reviews)), order)
    document = {
        "model": Path(model).name,
        "labels": list(victim.labels),
        "seed": order.seed,
        "texts": len(reviews),
        "attacks": [row for row, _ in found],
        "notes": writer.tell() if writer else [],
    }
    return document, pl.concat([part for _, part in found])


def take_truths(frame: pl.DataFrame, column: str, labels: Sequence[str]) -> list[int | None]:
    """Numbers of a classifier's labels in a column: their names in any capitals, or their numbers.

    None for what is no label of it. Raises InputError where nothing is one.
    """
    if column not in frame.columns:
        raise ConfigError(f"there is no column {column!r}; --labels names that of the right labels")
    numbers = number_labels(labels)
    known = {number: at for at, number in enumerate(numbers)}
    known |= {name.strip().lower(): at for at, name in enumerate(labels)}
    values = coded = frame[column]
    if values.dtype.is_float():  # "1.0", as spreadsheets and pandas write it; 4.5 is no label
        whole = values.cast(pl.Int64, strict=False)
        coded = whole.set(values != whole, None)
    truths = [known.get(str(value).strip().lower()) for value in coded.to_list()]
    if truths and all(truth is None for truth in truths):
        held = ", ".join(map(str, values.drop_nulls().unique(maintain_order=True)[:3])) or "nothing"
        raise InputError(
            f"{column} holds none of the labels that the model gives, but {held}; it gives "
            f"{', '.join(labels)}, and their numbers from {numbers[0]} will do, too"
        )
    return truths


def number_labels(labels: Sequence[str]) -> list[str]:
    """The number that stands for each label: the one that its name begins with, else from 0.

    Of "1 star" to "5 stars", 1 is the first; only where each name begins with a number of its own.
    """
    first = [next(iter(name.split()), "") for name in labels]
    if len(set(first)) == len(first) and all(word.isdecimal() for word in first):
        return first
    return [str(at) for at in range(len(labels))]


def find_sides(labels: Sequence[str]) -> tuple[int, int]:
    """Numbers of the labels of praise and blame: by their names, else the last and the first."""
    lower = [label.lower() for label in labels]
    praise = next((at for at, name in enumerate(lower) if name.startswith("pos")), len(labels) - 1)
    blame = next((at for at, name in enumerate(lower) if name.startswith("neg")), 0)
    return praise, blame


def list_targets(
    desk: Desk,
    reading: Reading,
    truth: Mapping[str, npt.NDArray[np.int64]] | None,
    order: Order,
    writer: Writer | None = None,
) -> list[Target]:
    """One target per attribute, with tools that keep the others as the clauses extractor reads them.

    A fast order searches on the encoder's quickest tier, and `reading` confirms what it finds, unless
    it reads by that tier itself.
    """
    draft = open_draft(desk, reading) if order.is_fast else None
    clauses = Reading(ClauseExtractor(), desk.attributes, reading.embed)
    common = add_models(order, desk, reading.embed, writer)
    targets = []
    for at, name in enumerate(desk.names):
        said = name.replace("_", " ")
        others = LabelsKept(read_others(clauses, at)) if len(desk.names) > 1 else None
        tools = replace(common, others=others, subject=name, terms=list_terms(desk.attributes, at))
        probes = (
            "",
            f"The {said} was wonderful.",
            f"The {said} was terrible.",
            "We came on a bus.",
        )
        labels = None if truth is None else [number_label(value) for value in truth[name]]
        confirm = AttributeVictim(reading, at) if draft else None
        victim = AttributeVictim(draft or reading, at)
        targets.append(Target(name, victim, SIDES, labels, tools, probes, confirm=confirm))
    return targets


def open_draft(desk: Desk, reading: Reading) -> Reading | None:
    """The same reader on the encoder's quickest tier; None where its own is as quick."""
    own = desk.settings.text
    quick = open_encoder(own.model_copy(update={"precision": "fastest"}))
    if own.precision == "static" or quick.revision == open_encoder(own).revision:
        return None
    return Reading(reading.reader, desk.attributes, Memory(quick))


def number_label(code: int) -> int | None:
    """Number of a label among `LABELS`; None where raters did not agree."""
    return None if code == UNDECIDED else CODES.index(int(code))


def open_writer(order: Order, desk: Desk) -> Writer | None:
    """The order's language model, if it names one."""
    if order.lm is None:
        return None
    llm = desk.settings.extract.llm
    model = CausalModel(
        order.lm, device=llm.device, precision=llm.precision,
        revision=llm.revision if order.lm == llm.model else None,
        is_remote_allowed=llm.is_remote_allowed, kept=desk.kept,
    )  # fmt: skip
    return Writer(model, order.seed)


def add_models(order: Order, desk: Desk, embed: Any, writer: Writer | None = None) -> Tools:
    """What the order's models bring to all targets; `writer` is that of `open_writer`."""
    if order.translate and len(order.translate) != 2:
        raise ConfigError("--translate takes two folders, there and back, as in en-de,de-en")
    return Tools(
        embed=embed,
        neighbours=make_neighbours(desk),
        generate=writer.generate if writer else None,
        surprise=writer.surprise if writer else None,
        there=open_translator(order.translate[0]) if order.translate else None,
        back=open_translator(order.translate[1]) if order.translate else None,
        slips=load_slips(Path(order.slips) if order.slips else None),
        names=load_names(Path(order.names)) if order.names else None,
    )


def attack_targets(
    targets: Sequence[Target], texts: Sequence[str], rows: Sequence[int], order: Order
) -> list[tuple[dict[str, Any], pl.DataFrame]]:
    """Every attack on every target: its summary with examples, and its attempts."""
    spoken = [split_words(body) for body in texts]
    words = sorted({split.word(at) for split in spoken for at in range(len(split))})
    found = []
    for target in targets:
        for name in order.attacks:
            for attack in make_attacks(
                name,
                target.tools,
                labels=target.victim.labels,
                sides=target.sides,
                words=words,
                ranking=target.ranking,
            ):
                outcome = run_attack(
                    attack, target.victim, texts, truths=target.truths, limits=order.limits,
                    probes=target.probes, confirm=target.confirm, seed=order.seed,
                )  # fmt: skip
                found.append((describe(outcome, target, rows), tabulate(outcome, target, rows)))
    return found


def describe(outcome: Outcome, target: Target, rows: Sequence[int]) -> dict[str, Any]:
    """A summary with the first successes as they are: who shows them escapes them."""
    won = [attempt for attempt in outcome.attempts if attempt.status == "succeeded"][:EXAMPLES]
    examples = [
        {name: (rows[one.row] if name == "row" else getattr(one, name)) for name in _SEEN}
        for one in won
    ]
    return {"attribute": target.subject, **summarise(outcome), "examples": examples}


def tabulate(outcome: Outcome, target: Target, rows: Sequence[int]) -> pl.DataFrame:
    """A row per attempt, with `OUT_SCHEMA`."""
    whole = [
        {**asdict(one), "attack": outcome.attack, "attribute": target.subject, "row": rows[one.row]}
        for one in outcome.attempts
    ]
    return pl.DataFrame(
        [[row[name] for name in OUT_SCHEMA] for row in whole], OUT_SCHEMA, orient="row"
    )


TABLE: Final = (
    "attack", "on", "tried", "hit", "rate, 95%", "queries a hit", "words", "skipped", "left",
)  # fmt: skip


def list_scores(rows: Sequence[Mapping[str, Any]]) -> list[list[Any]]:
    """Rows under `TABLE`."""
    return [
        [
            row["attack"], row["attribute"], row["attempted"], row["succeeded"], show_rate(row),
            f"{row['queries_per_success'] or '–'}", f"{row['changed_words'] or '–'}",
            sum(row["skipped"].values()), sum(row["not_attempted"].values()),
        ]
        for row in rows
    ]  # fmt: skip


def show_rate(row: Mapping[str, Any]) -> str:
    """The success rate with its interval; a dash where nothing was attempted."""
    if row["success_rate"] is None:
        return "–"
    return f"{row['success_rate']:.2f} ({row['ci_low']:.2f}-{row['ci_high']:.2f})"


def tell_skipped(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Why texts were skipped or left over, one line an attack that did."""
    lines = []
    for row in rows:
        reasons = {**row["skipped"], **row["not_attempted"]}
        if reasons:
            said = ", ".join(f"{count:,} {reason}" for reason, count in reasons.items())
            lines.append(f"{row['attack']} on {row['attribute']}: {said}")
    return lines
