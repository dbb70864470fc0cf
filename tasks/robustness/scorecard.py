"""Every attack on every conclusion and on the recommender, defended and not: what a report shows.

Nothing is lost between the lines: an attack that could not be tried is skipped with its reason;
those tried succeeded (what a reader takes away changed) or failed.
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Literal

import numpy as np
import polars as pl

from tasks.platform.errors import ConfigError, WhyrecError
from tasks.robustness.behaviour import ATTACKS, Says, choose_targets, forge, size_of
from tasks.robustness.corpus import SAYS, Corpus, Flags, join_rows
from tasks.robustness.defend import (
    Defended,
    Detection,
    defend_conclusions,
    keep_unflagged,
    score_detection,
)
from tasks.robustness.detect import FENCE, Suspicion, suspect
from tasks.robustness.effects import (
    GRID,
    Conclusion,
    Damage,
    Smallest,
    Target,
    find_smallest,
    measure_damage,
)
from tasks.robustness.fake_text import Writer, write_templates
from tasks.robustness.poison import poison_conclusion, poison_recommender
from tasks.robustness.profiles import DAYS, Aim, Mode, Tale
from tasks.robustness.recommender import (
    Recommender,
    RecommenderDamage,
    Served,
    Split,
    check_open,
    compare,
    serve,
    split_ratings,
)

Reader = Callable[[Sequence[str]], tuple[Says, Flags]]
"""What each text says of each attribute of the corpus, as the extractor reads it, and which it read."""
Outcome = Literal["succeeded", "failed", "skipped"]

GRADIENT: Final = "gradient"
NAMES: Final = (*ATTACKS, GRADIENT)
N_TARGETS: Final = 3


@dataclass(frozen=True)
class Plan:
    """What to try.

    `share` is the size at which damage and defences are measured, as a share of the data; the
    smallest attack is looked for up to `looked_to`, and a recommender is also attacked at `parts` of
    `share`. Accounts past `fence` are flagged (robust
    standard deviations, see `tasks.robustness.detect`).
    """

    attacks: tuple[str, ...] = NAMES
    share: float = 0.01
    looked_to: float = GRID[-1]
    mode: Mode = "nuke"
    days: int = DAYS
    fence: float = FENCE
    seed: int = 0
    writer: Writer = write_templates
    parts: tuple[float, ...] = (0.25, 0.5)

    def __post_init__(self) -> None:
        """Raise ConfigError for attacks and sizes that there are not."""
        unknown = sorted(set(self.attacks) - set(NAMES))
        if unknown:
            raise ConfigError(
                f"no attack is called {', '.join(unknown)}; there are {', '.join(NAMES)}"
            )
        for name in ("share", "looked_to"):
            if not 0 < getattr(self, name) <= 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; use a share above 0, up to 1")
        if not 0 < self.fence < np.inf:
            raise ConfigError(f"fence is {self.fence}; use standard deviations above 0, as in 2.25")


@dataclass(frozen=True)
class EffectResult:
    """One attack on one conclusion; everything but `reason` is None for a skipped one.

    `read_as_meant` is the share of the fakes that the extractor reads as the attacker meant;
    `not_read` of those whose damage is measured it reads not at all (another language, say).
    """

    attack: str
    attribute: str
    outcome: Outcome
    tale: Tale | None = None
    damage: Damage | None = None
    smallest: Smallest | None = None
    detection: Detection | None = None
    defended: tuple[Defended, ...] = ()
    read_as_meant: float | None = None
    not_read: int = 0
    reason: str = ""


@dataclass(frozen=True)
class RecommenderResult:
    """One attack on the recommender, and what is left of it without the flagged rows.

    `curve` are (share, rise of the hit rate) by size, the size of the attack itself last.
    """

    attack: str
    items: tuple[str, ...]
    share: float
    rows: int
    outcome: Outcome
    damage: RecommenderDamage | None = None
    defended: RecommenderDamage | None = None
    detection: Detection | None = None
    reason: str = ""
    curve: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, eq=False)
class Victim:
    """A recommender to attack, and what it serves undisturbed."""

    recommender: Recommender
    split: Split
    plan: Plan = field(default_factory=Plan)

    @cached_property
    def clean(self) -> Served:
        """What it serves undisturbed, the same for every attack."""
        return serve(self.recommender, self.split)


def attack_conclusion(
    target: Target,
    name: str,
    attribute: str,
    plan: Plan,
    *,
    clean: dict[str, Conclusion],
    reader: Reader | None = None,
) -> EffectResult:
    """One attack on the conclusion on one attribute."""
    before = clean[attribute]
    if before.estimate is None:
        return EffectResult(name, attribute, "skipped", reason="there is no result to attack")
    tale = choose_tale(before)
    try:
        fakes = forge_against(target, name, attribute, tale, plan)
    except WhyrecError as error:
        return EffectResult(name, attribute, "skipped", tale, reason=str(error))
    fakes, meant = read_fakes(fakes, target.corpus.attributes, reader)
    sized = fakes.head(size_of(target.corpus, plan.share, is_of_read=True))
    damage = measure_damage(target, attribute, sized, clean=clean)
    suspicion = suspect(join_rows(target.corpus, sized), fence=plan.fence)
    return EffectResult(
        attack=name,
        attribute=attribute,
        outcome="succeeded" if damage.is_flipped else "failed",
        tale=tale,
        damage=damage,
        smallest=find_smallest(target, attribute, fakes, clean=clean),
        detection=score_detection(suspicion, sized),
        defended=tuple(
            one
            for one in defend_conclusions(target, sized, suspicion, clean=clean)
            if one.attribute == attribute
        ),
        read_as_meant=meant,
        not_read=int((~sized["is_read"]).sum()),
    )


def choose_tale(clean: Conclusion) -> Tale:
    """Against a clear effect; where there is none, along its sign: what flips it soonest."""
    is_positive = (clean.estimate or 0.0) >= 0
    if clean.side == "no clear effect":
        return "agree" if is_positive else "contradict"
    return "contradict" if is_positive else "agree"


def forge_against(
    target: Target, name: str, attribute: str, tale: Tale, plan: Plan
) -> pl.DataFrame:
    """The largest attack to try; its heads are the smaller ones."""
    corpus = target.corpus
    rows = size_of(corpus, max(plan.looked_to, plan.share), is_of_read=True)
    rng = make_rng(plan.seed, name, attribute)
    if name == GRADIENT:
        aim = Aim((), plan.mode, attribute, tale, plan.days)
        return poison_conclusion(target, aim, rows, rng, writer=plan.writer)
    is_aimed = name not in ("fake-reviews", "noise")
    items = choose_targets(corpus, plan.mode, most=N_TARGETS) if is_aimed else ()
    aim = Aim(items, plan.mode, attribute, tale, plan.days)
    return forge(ATTACKS[name], corpus, aim, rows, rng, writer=plan.writer)


def read_fakes(
    fakes: pl.DataFrame, attributes: Sequence[str], reader: Reader | None
) -> tuple[pl.DataFrame, float | None]:
    """`fakes` with what the reader finds in their texts, and the share read as was meant.

    What is never read is no row that an effect rests on.
    """
    if reader is None:
        return fakes, None
    names = [SAYS + name for name in attributes]
    distinct = fakes["text"].unique(maintain_order=True)
    found, was_read = reader(distinct.to_list())
    place = {text: at for at, text in enumerate(distinct)}
    rows = [place[text] for text in fakes["text"]]
    said, is_read = found[rows], was_read[rows]
    meant = fakes.select(names).to_numpy()
    columns = [pl.Series(name, said[:, at], dtype=pl.Int8) for at, name in enumerate(names)]
    is_meant = (said == meant).all(axis=1) & is_read
    return fakes.with_columns(*columns, is_read=pl.Series(is_read)), float(is_meant.mean())


def attack_recommender(victim: Victim, name: str) -> RecommenderResult:
    """One attack on a recommender, with one item as its target by rule."""
    plan, split = victim.plan, victim.split
    corpus = split.corpus
    targets = choose_targets(corpus, plan.mode)
    items = tuple(corpus.items[code] for code in targets)
    rows = size_of(corpus, plan.share)
    clean = victim.clean
    try:
        check_open(clean, targets)
        fakes = forge_at(corpus, name, targets, rows, plan)
    except WhyrecError as error:
        return RecommenderResult(name, items, plan.share, rows, "skipped", reason=str(error))
    attacked = serve(victim.recommender, split, fakes)
    suspicion = suspect(join_rows(corpus, fakes), fence=plan.fence)
    kept = keep_unflagged(suspicion) > 0
    damage = compare(clean, attacked, split, targets)
    sign = 1 if plan.mode == "push" else -1
    is_hit = sign * damage.prediction_shift > 0 and sign * damage.hit_rate_lift > 0
    return RecommenderResult(
        attack=name,
        items=items,
        share=plan.share,
        rows=rows,
        outcome="succeeded" if is_hit else "failed",
        damage=damage,
        defended=compare(clean, serve(victim.recommender, split, fakes, kept), split, targets),
        detection=score_detection(suspicion, fakes),
        curve=(*_follow_sizes(victim, fakes, clean, targets), (plan.share, damage.hit_rate_lift)),
    )


def _follow_sizes(
    victim: Victim, fakes: pl.DataFrame, clean: Served, targets: tuple[int, ...]
) -> list[tuple[float, float]]:
    """What smaller attacks do: the heads of `fakes`."""
    found = []
    for part in victim.plan.parts:
        rows = max(round(part * fakes.height), 1)
        served = serve(victim.recommender, victim.split, fakes.head(rows))
        lift = compare(clean, served, victim.split, targets).hit_rate_lift
        found.append((part * victim.plan.share, lift))
    return found


def forge_at(
    corpus: Corpus, name: str, targets: tuple[int, ...], rows: int, plan: Plan
) -> pl.DataFrame:
    """Fake rows that push or nuke the targets."""
    rng = make_rng(plan.seed, name, plan.mode)
    aim = Aim(targets, plan.mode, days=plan.days)
    if name == GRADIENT:
        return poison_recommender(corpus, aim, rows, rng, writer=plan.writer)
    return forge(ATTACKS[name], corpus, aim, rows, rng, writer=plan.writer)


def make_victim(recommender: Recommender, corpus: Corpus, plan: Plan) -> Victim:
    """Hold ratings out for judging, the same for every attack."""
    return Victim(recommender, split_ratings(corpus, make_rng(plan.seed, "split", "")), plan)


def list_suspects(suspicion: Suspicion, *, most: int = 50) -> list[dict[str, object]]:
    """Flagged accounts, most suspicious first, for a person to judge.

    Keys: user_id, score, reviews, items, first_date, last_date, mean_rating, reasons, and n_flagged,
    how many accounts are flagged in all.
    """
    order = np.argsort(-suspicion.score, kind="stable")
    order = order[suspicion.flags[order]]
    in_all = {"n_flagged": len(order)}
    return [describe_account(suspicion, int(code)) | in_all for code in order[:most]]


def describe_account(suspicion: Suspicion, code: int) -> dict[str, object]:
    """What a person should see of one account."""
    corpus = suspicion.corpus
    rows = corpus.frame.filter(pl.Series(corpus.user == code))
    return {
        "user_id": corpus.users[code],
        "score": round(float(suspicion.score[code]), 2),
        "reviews": rows.height,
        "items": rows["item_id"].n_unique(),
        "first_date": rows["event_date"].min(),
        "last_date": rows["event_date"].max(),
        "mean_rating": round(float(corpus.rating[corpus.user == code].mean()), 2),
        "reasons": suspicion.explain(code),
    }


def make_rng(seed: int, *names: str) -> np.random.Generator:
    """Randomness of one attack: its own whatever else is tried beside it."""
    return np.random.default_rng([seed, *(zlib.crc32(name.encode()) for name in names)])
