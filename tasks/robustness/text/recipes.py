"""The attacks by name: what each changes, what it wants, and what proves that meaning is kept."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tasks.platform.errors import ConfigError
from tasks.robustness.text.constraints import (
    Constraint,
    EditShare,
    Embed,
    Fluent,
    Guard,
    LabelsKept,
    Similar,
)
from tasks.robustness.text.generated import BackTranslate, Generate, Paraphrase, Translate
from tasks.robustness.text.goal import Become, Differ, Flip, Goal, Only, StayPut
from tasks.robustness.text.rewrites import Inject, Negate, Opposites, SwapIdentity
from tasks.robustness.text.run import Attack
from tasks.robustness.text.search import GreedyWords, Ranking, TryAll
from tasks.robustness.text.typos import (
    Keyboard,
    Misspell,
    Substitute,
    SwapNeighbours,
    WordChange,
    load_slips,
)
from tasks.robustness.text.victim import Floats

ATTACKS: Final = (
    "swaps", "keyboard", "misspellings", "substitution", "negation", "flip", "identity",
    "paraphrase", "back-translation", "injection",
)  # fmt: skip
EASY: Final = ("swaps", "keyboard", "misspellings", "substitution", "negation", "flip", "identity")
"""Those that need no model beside an encoder."""
_SPELLINGS: Final[Mapping[str, type[SwapNeighbours] | type[Keyboard]]] = {
    "swaps": SwapNeighbours,
    "keyboard": Keyboard,
}
_TYPO_SHARE: Final = 0.3
_SUBSTITUTED_SHARE: Final = 0.2
_LIKE_SUBSTITUTED: Final = 0.85
_LIKE_REWRITTEN: Final = 0.7


@dataclass(frozen=True)
class Tools:
    """What attacks are made with; None where it is not at hand.

    `subject` and `terms` are what is attacked: an attribute, and the words that mean it. Substitution
    leaves the terms alone, turned judgements are those of sentences that hold one. `neighbours` gives
    neighbours of words, `others` labels of everything that should stay untouched, `surprise` is a
    language model's (see `constraints.Fluent`).
    """

    embed: Embed | None = None
    neighbours: Callable[[Sequence[str]], Mapping[str, Sequence[str]]] | None = None
    others: LabelsKept | None = None
    generate: Generate | None = None
    surprise: Callable[[Sequence[str]], Floats] | None = None
    there: Translate | None = None
    back: Translate | None = None
    slips: Mapping[str, tuple[str, ...]] = field(default_factory=load_slips)
    names: Mapping[str, Sequence[str]] | None = None
    subject: str = "review"
    terms: frozenset[str] = frozenset()


def make_attacks(
    name: str,
    tools: Tools,
    *,
    labels: Sequence[str],
    sides: tuple[int, int],
    words: Sequence[str],
    ranking: Ranking = "deletion",
) -> list[Attack]:
    """The attacks called `name`: one, or one per side for injection, negation and flip.

    `sides` are the numbers of the labels for praise and blame; texts read as neither are skipped.
    `words` are those of the texts, for substitution. Raises ConfigError for an unknown name, or one
    whose model is not at hand.
    """
    if name not in ATTACKS:
        raise ConfigError(f"attack {name!r} is not known; allowed are {', '.join(ATTACKS)}")
    judged = Only(Flip(), frozenset(sides))
    if name in ("swaps", "keyboard", "misspellings"):
        change: WordChange = Misspell(tools.slips) if name == "misspellings" else _SPELLINGS[name]()
        typos = GreedyWords(change, ranking=ranking, most_share=_TYPO_SHARE)
        return [Attack(name, typos, judged, (EditShare(_TYPO_SHARE),))]
    if name == "substitution":
        return [_make_substitution(tools, judged, words, ranking)]
    if name in ("injection", "negation", "flip"):
        return [
            _make_directed(name, tools, labels, at, sign)
            for at, sign in zip(sides, (1, -1), strict=True)
        ]
    return [_make_rewrite(name, tools, judged)]


def _make_substitution(tools: Tools, goal: Goal, words: Sequence[str], ranking: Ranking) -> Attack:
    if tools.neighbours is None:
        raise ConfigError("substitution needs an encoder that embeds words; choose another attack")
    forms = sorted({word.lower() for word in words})
    search = GreedyWords(
        Substitute(tools.neighbours(forms)), Guard(kept=tools.terms), ranking,
        most_share=_SUBSTITUTED_SHARE,
    )  # fmt: skip
    kept = (EditShare(_SUBSTITUTED_SHARE), *_prove_meaning(tools, _LIKE_SUBSTITUTED))
    return Attack("substitution", search, goal, kept)


def _make_directed(name: str, tools: Tools, labels: Sequence[str], at: int, sign: int) -> Attack:
    """Attacks on one side: texts of label `at` that are turned, or an order to answer `at`."""
    called = f"{name} ({labels[at]})"
    if name == "injection":
        order = Inject(tools.subject.replace("_", " "), labels[at])
        return Attack(called, TryAll(order), Become(at))
    turn = Negate if name == "negation" else Opposites
    others = (tools.others,) if tools.others else ()
    goal = Only(StayPut(), frozenset({at}), f"not read as {labels[at]}")
    return Attack(called, TryAll(turn(tools.terms, sign)), goal, others)


def _make_rewrite(name: str, tools: Tools, goal: Goal) -> Attack:
    """Attacks that rewrite whole texts."""
    if name == "identity":
        swap = SwapIdentity() if tools.names is None else SwapIdentity(tools.names)
        return Attack(name, TryAll(swap), Differ())
    meaning = _prove_meaning(tools, _LIKE_REWRITTEN)
    if name == "paraphrase":
        if tools.generate is None:
            raise ConfigError("paraphrase needs a causal language model; name one with --lm")
        return Attack(name, TryAll(Paraphrase(tools.generate)), goal, meaning)
    if tools.there is None or tools.back is None:
        raise ConfigError(
            "back-translation needs two models; name them with --translate THERE,BACK"
        )
    return Attack(name, TryAll(BackTranslate(tools.there, tools.back)), goal, meaning)


def _prove_meaning(tools: Tools, least: float) -> tuple[Constraint, ...]:
    """The constraints that the tools allow, the cheapest first."""
    found: list[Constraint] = []
    if tools.embed is not None:
        found.append(Similar(tools.embed, least))
    if tools.others is not None:
        found.append(tools.others)
    if tools.surprise is not None:
        found.append(Fluent(tools.surprise))
    return tuple(found)
