"""Which pairs of attack and target a night takes."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import pytest

from flows import attack_stages, recommend_stages
from flows.attack_stages import (
    Attacked,
    Pair,
    choose_pairs,
    gather_corpus,
    list_idle,
    list_pairs,
    make_sweep_key,
    try_pairs,
)
from flows.engine import Failure
from flows.recommend_stages import Prepared, conclude_source
from tasks.platform.periods import merge_periods
from tasks.platform.refs import AttributesRef, FileRef, PeriodRef, VerdictsRef
from tasks.platform.settings import Settings
from tasks.robustness.task import CorpusRef

SUNDAY = date(2024, 3, 17)


@dataclass
class Engine:
    """Answers every call but those that `fails` names."""

    fails: str = ""
    asked: list[str] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)

    def map(self, task: Any, calls: dict[str, Any]) -> tuple[dict[str, FileRef], list[Failure]]:
        self.asked += calls
        fine = [label for label in calls if label != self.fails]
        lost = [Failure(label, OSError(label)) for label in calls if label == self.fails]
        return {label: make_file(label) for label in fine}, lost

    def require(self, task: Any, calls: dict[str, Any]) -> dict[str, FileRef]:
        self.calls += calls.values()
        return {label: make_file(f"unusual {label}") for label in calls}


@dataclass
class Tonight:
    as_of: date = SUNDAY + timedelta(days=1)
    settings: Settings = field(default_factory=Settings)
    engine: Engine = field(default_factory=Engine)
    errors: list[BaseException] = field(default_factory=list)
    site: Any = None

    def keep(self, refs: Any) -> None:
        """Nothing is kept."""


def make_file(name: str) -> FileRef:
    return FileRef(path=name, sha256=name, size=1)


def read_months(*months: int) -> dict[PeriodRef, AttributesRef]:
    """What was read in small months of a year ago, which are read together."""
    periods = [
        PeriodRef(source="shop", start=date(2023, m, 1), end=date(2023, m, 28), fingerprint=f"{m}", rows=9)
        for m in months
    ]  # fmt: skip
    file = make_file("read")
    return {
        period: AttributesRef(period=whole, file=file, summary=file, unread=file, rows=27)
        for period, whole in merge_periods(periods, SUNDAY, min_rows=5_000).items()
    }


def test_months_that_are_read_together_count_once(monkeypatch: pytest.MonkeyPatch) -> None:
    attributes = read_months(1, 2, 3)
    asked: list[tuple[AttributesRef, ...]] = []

    def note(_night: Any, _task: Any, _source: str, call: dict[str, Any]) -> FileRef:
        asked.extend([call["attributes"]] if "attributes" in call else [])
        return make_file("answer")

    for name in ("find_mark", "measure_models"):
        monkeypatch.setattr(recommend_stages, name, lambda *_, **__: make_file("answer"))
    monkeypatch.setattr(recommend_stages, "ask_one", note)
    monkeypatch.setattr(attack_stages, "find_mark", lambda *_, **__: "")
    night, file = Tonight(), make_file("any")
    verdicts = VerdictsRef(
        effects=file, refutations=file, segments=file, trends=file, graphs=file, codes=(), rows=0
    )
    part = Prepared(file, "", file, file, file, is_full=True)
    conclude_source(night, "shop", part, file, attributes, verdicts)  # type: ignore[arg-type]
    gather_corpus(night, "shop", list(attributes), attributes, SUNDAY)  # type: ignore[arg-type]
    asked += [call["attributes"] for call in night.engine.calls]
    assert [len(refs) for refs in asked] == [1, 1]


def test_a_week_at_the_default_budget_sees_conclusions_texts_and_a_recommender() -> None:
    for start in range(40):
        sunday = SUNDAY + timedelta(weeks=start)
        week = Tonight(as_of=sunday + timedelta(days=7))
        kinds = {pair.target for pair in choose_pairs(week, sunday)}
        assert {attack_stages.EFFECTS, attack_stages.TEXTS} < kinds


def test_every_pair_has_its_turn_and_none_that_cannot_be_tried_takes_one() -> None:
    night = Tonight()
    pairs = list_pairs(night)
    assert len(set(pairs)) == len(pairs)
    seen: set[Pair] = set()
    for day in range(len(pairs)):
        now = Tonight(as_of=SUNDAY + timedelta(days=day + 1))
        seen |= set(choose_pairs(now, now.as_of - timedelta(days=1)))
    assert seen == set(pairs)
    assert not seen & set(list_idle(night))
    assert {pair.target for pair in list_idle(night)} == {attack_stages.VECTORS}


@pytest.mark.parametrize("part", ["reviews", "items", "users", "probe", "recommender"])
def test_a_sweep_is_shown_while_all_that_it_attacked_is_the_same(part: str) -> None:
    file, other = make_file("same"), make_file("corrected")
    parts = {"reviews": file, "items": file, "users": file, "probe": file, "recommender": None}
    keys = [
        make_sweep_key(
            Tonight(),  # type: ignore[arg-type]
            Attacked(
                "shop",
                CorpusRef(**{name: own[name] for name in ("reviews", "items", "users")}),
                own["probe"],
                own["recommender"],
            ),
        )
        for own in (parts, dict(parts), parts | {part: other})
    ]
    assert keys[0] == keys[1] != keys[2]


def test_a_pair_that_fails_is_an_error_and_the_others_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(attack_stages, "describe_call", lambda *_: {})
    night = Tonight(engine=Engine(fails="swaps shop"))
    file = make_file("corpus")
    attacked = Attacked("shop", CorpusRef(reviews=file, items=file, users=file), None, None)
    pairs = [Pair("swaps", attack_stages.TEXTS), Pair("average", attack_stages.RATINGS)]
    found = try_pairs(night, attacked, pairs)  # type: ignore[arg-type]
    assert [str(error) for error in night.errors] == ["swaps shop"]
    assert [file.path for file in found] == ["average shop", "unusual shop"]


@pytest.mark.parametrize(
    ("section", "change", "is_other"),
    [
        ("text", {"max_tokens": 64}, True), ("text", {"batch_tokens": 512}, False),
        ("recommend", {"model": "mf"}, True), ("recommend", {"seed": 5}, True),
        ("recommend", {"top_k": 3}, False), ("robustness", {"victim": "own"}, True),
        ("robustness", {"budget": 9}, False),
    ],
)  # fmt: skip
def test_what_a_sweep_found_is_shown_while_reader_and_recommender_are_those_it_attacked(
    section: str, change: dict[str, Any], is_other: bool
) -> None:
    file = make_file("corpus")
    attacked = Attacked("shop", CorpusRef(reviews=file, items=file, users=file), None, None)
    settings = Settings()
    own = getattr(settings, section).model_copy(update=change)
    changed = Tonight(settings=settings.model_copy(update={section: own}))
    keys = [make_sweep_key(night, attacked) for night in (Tonight(), changed)]  # type: ignore[arg-type]
    assert (keys[0] != keys[1]) == is_other
