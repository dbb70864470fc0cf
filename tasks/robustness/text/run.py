"""One attack on many texts: their questions travel together, within a budget.

Texts are taken in their order, at most `in_flight` at a time; every round gathers what all of them
want to know, leaves out what breaks a constraint, and asks the rest in one batch.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from tasks.platform.errors import InputError
from tasks.robustness.text.constraints import Constraint, filter_pairs
from tasks.robustness.text.goal import Flip, Goal
from tasks.robustness.text.outcome import Attempt, Outcome, Status
from tasks.robustness.text.search import NOTHING, Case, MisreadError, Question, Search, Steps
from tasks.robustness.text.victim import (
    PROBES,
    Floats,
    Meter,
    Victim,
    find_constant,
)
from tasks.robustness.text.words import count_changed_words

FAILED: Final = "no candidate reached the goal"
SPENT: Final = "the budget ran out"
_USUAL_QUERIES: Final = 32
"""What an attack on one text takes at most, as a rule: only for planning with a budget."""
UNREAD: Final = "the model refuses to read it"
UNLABELLED: Final = "no decided label"


@dataclass(frozen=True)
class Attack:
    """A goal, a search with its transformation, and constraints on what it may ask."""

    name: str
    search: Search
    goal: Goal = field(default_factory=Flip)
    constraints: tuple[Constraint, ...] = ()


@dataclass(frozen=True)
class Limits:
    """`queries` bounds the texts asked in all, `queries_per_text` those asked for one text."""

    queries: int | None = None
    queries_per_text: int | None = None
    in_flight: int = 128


_Row = tuple[int, Case]


@dataclass
class _Live:
    """A text under attack, and what its search waits for."""

    row: int
    case: Case
    steps: Steps
    question: Question | None
    n_queries: int = 0
    found: str | None = None
    refused: str | None = None


def run_attack(
    attack: Attack,
    victim: Victim,
    texts: Sequence[str],
    *,
    truths: Sequence[int | None] | None = None,
    limits: Limits | None = None,
    confirm: Victim | None = None,
    probes: Sequence[str] = PROBES,
    seed: int = 0,
) -> Outcome:
    """Attack every text; the same seed gives the same outcome, whatever order the texts come in.

    `truths` are numbers of the right labels (None: not labelled, skipped), the victim's own first
    answers where not given. With `confirm` a success counts only if that victim follows as well, and
    the search goes on if it does not: for a search on a faster double of it; its answers count as
    questions too. A victim that gives one answer to all texts and `probes` is skipped as constant.
    Raises InputError when `truths` do not fit.
    """
    if truths is not None and len(truths) != len(texts):
        raise InputError(f"{len(texts)} texts and {len(truths)} labels were given; give one each")
    limits = limits or Limits()
    meter = Meter(victim, limits.queries)
    judge = None if confirm is None else Meter(confirm)
    attempts: dict[int, Attempt] = {}
    refused: Counter[str] = Counter()
    first = _ask_first(meter, texts, probes)
    cases = _open_cases(attack, victim, texts, truths, first, judge is not None, attempts)
    _attack_all(attack, meter, judge, cases, attempts, refused, limits, seed)
    done = tuple(attempts[row] for row in range(len(texts)))
    n_queries = meter.n_queries + (judge.n_queries if judge else 0)
    return Outcome(attack.name, done, n_queries, meter.n_hits, dict(refused))


def _ask_first(meter: Meter, texts: Sequence[str], probes: Sequence[str]) -> dict[str, Floats]:
    """First answers by text, as far as the budget goes; probes come first."""
    wanted = [*dict.fromkeys([*probes, *texts])]
    allowed = wanted if meter.budget is None else wanted[: max(meter.budget, 0)]
    return dict(zip(allowed, meter.ask(allowed), strict=True)) if allowed else {}


def _open_cases(
    attack: Attack,
    victim: Victim,
    texts: Sequence[str],
    truths: Sequence[int | None] | None,
    first: dict[str, Floats],
    has_judge: bool,
    attempts: dict[int, Attempt],
) -> dict[int, Case]:
    """Texts that can be attacked, by row; the others are settled in `attempts`."""
    constant = find_constant(list(first.values())) if len(first) > 1 else None
    cases = {}
    for row, text in enumerate(texts):
        before = first.get(text)
        reason = _refuse(text, before, constant, victim.labels)
        if before is not None and reason is None:
            truth = int(before.argmax()) if truths is None else truths[row]
            reason = UNLABELLED if truth is None else attack.goal.refuse(before, truth)
            if truth is not None and reason is None:
                cases[row] = Case(text, before, truth, attack.goal, has_judge)
        if row in cases:
            continue
        status: Status = "not_attempted" if before is None else "skipped"
        attempts[row] = Attempt(row, status, reason, text, n_queries=int(before is not None))
    return cases


def _refuse(
    text: str, before: Floats | None, constant: int | None, labels: Sequence[str]
) -> str | None:
    """Why a text is not attacked; None when it can be."""
    if before is None:
        return SPENT
    if not text.strip():
        return "no text"
    if np.isnan(before).any():
        return UNREAD
    if constant is not None:
        return f"constant model: it answers {labels[constant]!r} to everything"
    return None


def _attack_all(
    attack: Attack,
    meter: Meter,
    judge: Meter | None,
    cases: dict[int, Case],
    attempts: dict[int, Attempt],
    refused: Counter[str],
    limits: Limits,
    seed: int,
) -> None:
    """Keep texts under attack until none is left or the budget is; near its end, fewer at a time."""
    waiting = list(cases.items())
    live: list[_Live] = []
    while waiting or live:
        at_once = _choose_width(meter, limits)
        entering, waiting = _split(waiting, at_once - len(live))
        live += _enter(attack, entering, attempts, seed)
        active = live[:at_once]
        while active and not _advance(attack, meter, judge, active, refused, limits):
            if len(active) == 1:
                lost = active[0]
                attempts[lost.row] = Attempt(
                    lost.row, "not_attempted", SPENT, lost.case.text, n_queries=lost.n_queries
                )
                live.remove(lost)
            active = active[: len(active) // 2]
        for one in [one for one in live if one.question is None]:
            attempts[one.row] = _settle(attack, meter, one)
        live = [one for one in live if one.question is not None]


def _choose_width(meter: Meter, limits: Limits) -> int:
    """Texts to have under attack: no more than the budget will probably see through to their end."""
    if meter.budget is None:
        return max(1, limits.in_flight)
    left = meter.budget - meter.n_queries
    return max(1, min(limits.in_flight, left // _USUAL_QUERIES))


def _split(waiting: list[_Row], room: int) -> tuple[list[_Row], list[_Row]]:
    return waiting[: max(room, 0)], waiting[max(room, 0) :]


def _enter(
    attack: Attack,
    entering: Sequence[tuple[int, Case]],
    attempts: dict[int, Attempt],
    seed: int,
) -> list[_Live]:
    """Start the searches of some texts; those with nothing to change are skipped."""
    plans = attack.search.prepare([case.text for _, case in entering])
    live = []
    for (row, case), plan in zip(entering, plans, strict=True):
        if plan is None:
            attempts[row] = Attempt(row, "skipped", NOTHING, case.text, n_queries=1)
            continue
        steps = attack.search.steps(case, plan, _seed_text(seed, case.text))
        live.append(_Live(row, case, steps, next(steps), n_queries=1))
    return live


def _advance(
    attack: Attack,
    meter: Meter,
    judge: Meter | None,
    asked: list[_Live],
    refused: Counter[str],
    limits: Limits,
) -> bool:
    """One round: gather, filter, ask once, send every search its answers; False beyond the budget."""
    allowed, counts = _filter(attack, asked, limits)
    wanted = [text for texts in allowed for text in texts if text is not None]
    hits = [one for one in asked if one.question is not None and one.question.is_for_judge]
    spent = 0 if judge is None else judge.n_queries + judge.count_new(_list_texts(hits))
    if not meter.can_ask(meter.count_new(wanted) + spent):
        return False
    refused.update(counts)
    judged = {} if judge is None or not hits else _ask_judge(judge, hits)
    _count_questions(asked, allowed, meter)
    answers = dict(zip(wanted, meter.ask(wanted), strict=True)) if wanted else {}
    missing = np.full(len(meter.victim.labels), np.nan)
    for one, texts in zip(asked, allowed, strict=True):
        if one.question is not None and one.question.is_for_judge:
            _send(one, np.array([judged[text] for text in one.question.texts]))
        else:
            _send(one, np.array([missing if t is None else answers[t] for t in texts]))
    return True


def _count_questions(
    asked: Sequence[_Live], allowed: Sequence[Sequence[str | None]], meter: Meter
) -> None:
    """Texts that were never asked before count for the first search that wants to know them."""
    taken: set[str] = set()
    for one, texts in zip(asked, allowed, strict=True):
        new = {text for text in texts if text is not None and text not in meter.known} - taken
        one.n_queries += len(new)
        taken |= new


def _send(one: _Live, reply: Floats) -> None:
    """Give a search its answers and take its next question, or what it ended in."""
    try:
        one.question = one.steps.send(reply)
    except StopIteration as end:
        one.question, one.found = None, end.value
    except MisreadError as error:
        one.question, one.refused = None, str(error)


def _list_texts(asked: Sequence[_Live]) -> list[str]:
    return [text for one in asked if one.question is not None for text in one.question.texts]


def _ask_judge(judge: Meter, hits: Sequence[_Live]) -> dict[str, Floats]:
    """What the confirming model answers to texts that have reached the goal, and to their originals."""
    for one in hits:
        one.n_queries += judge.count_new(one.question.texts if one.question else ())
    texts = _list_texts(hits)
    return dict(zip(texts, judge.ask(texts), strict=True))


def _filter(
    attack: Attack, asked: Sequence[_Live], limits: Limits
) -> tuple[list[list[str | None]], Counter[str]]:
    """The texts of each question, None for what may not be asked, and how many each bound refused."""
    pairs = [
        (number, place)
        for number, one in enumerate(asked)
        if one.question is not None and one.question.is_candidate
        for place in range(len(one.question.texts))
    ]
    originals = [asked[number].case.text for number, _ in pairs]
    texts = [
        list[str | None](one.question.texts)
        if one.question is not None and not one.question.is_for_judge
        else []
        for one in asked
    ]
    changed = [str(texts[number][place]) for number, place in pairs]
    passed, counts = filter_pairs(attack.constraints, originals, changed)
    refused = Counter(counts)
    for (number, place), is_fine in zip(pairs, passed, strict=True):
        if not is_fine:
            texts[number][place] = None
    for one, row in zip(asked, texts, strict=True):
        if limits.queries_per_text is not None:
            _cut_row(row, limits.queries_per_text - one.n_queries, refused)
    return texts, refused


def _cut_row(row: list[str | None], left: int, refused: Counter[str]) -> None:
    """Refuse what goes beyond the questions that are left to a text."""
    for place, text in enumerate(row):
        if text is not None:
            left -= 1
            if left < 0:
                row[place] = None
                refused["queries per text"] += 1


def _settle(attack: Attack, meter: Meter, one: _Live) -> Attempt:
    """The attempt that a search ended in."""
    labels, case = meter.victim.labels, one.case
    common: dict[str, Any] = {
        "row": one.row,
        "original": case.text,
        "truth": labels[case.truth],
        "before": labels[int(case.before.argmax())],
        "sure_before": round(float(case.before.max()), 4),
        "n_queries": one.n_queries,
    }
    if one.refused is not None:
        return Attempt(status="skipped", reason=one.refused, **common)
    if one.found is None:
        return Attempt(status="failed", reason=FAILED, **common)
    after = meter.known[one.found]
    return Attempt(
        status="succeeded",
        reason=None,
        perturbed=one.found,
        after=labels[int(after.argmax())],
        sure_after=round(float(after.max()), 4),
        n_changed_words=count_changed_words(case.text, one.found),
        **common,
    )


def _seed_text(seed: int, text: str) -> np.random.Generator:
    """A generator that hangs on the seed and the text alone."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8]
    return np.random.default_rng([seed, int.from_bytes(digest, "little")])
