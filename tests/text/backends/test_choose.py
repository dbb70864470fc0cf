"""The ladder takes the best usable tier that keeps its promise, and says what it passed over."""

from pathlib import Path

import pytest

from tasks.platform.errors import ConfigError
from tasks.text.backends import choose
from tasks.text.backends.base import REFERENCE, Tier
from tasks.text.backends.choose import PROMISES, choose_tier, recall_quality
from tasks.text.backends.probe import Quality

PERFECT = Quality(1.0, 1.0)
POOR = Quality(0.5, 0.6)


@pytest.fixture(autouse=True)
def everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which every tier is to be had."""
    monkeypatch.setattr(choose, "is_installed", lambda library: True)
    monkeypatch.setattr(choose, "has_fast", lambda numbers: True)


def never(tier: Tier) -> Quality:
    raise AssertionError(f"{tier} was measured")


@pytest.mark.parametrize(
    ("precision", "backend", "expected"),
    [
        ("exact", "auto", "openvino fp32"),
        ("fast", "auto", "openvino bf16"),
        ("fast", "torch", "torch bf16"),
        ("fastest", "auto", "openvino int8"),
        ("static", "auto", "openvino fp32"),
        ("static", "torch", "torch fp32"),
    ],
)
def test_the_first_tier_that_keeps_its_promise_is_taken(
    precision: str, backend: str, expected: str
) -> None:
    choice = choose_tier(precision, backend, measure=lambda tier: PERFECT)
    assert str(choice.tier) == expected
    assert choice.notes == ()


def test_the_reference_is_not_measured_against_itself() -> None:
    assert choose_tier("exact", "torch", measure=never).tier == REFERENCE


def test_a_tier_that_falls_short_is_passed_over_and_named() -> None:
    choice = choose_tier(
        "fastest", "auto", measure=lambda tier: POOR if tier.numbers == "int8" else PERFECT
    )
    assert choice.tier == Tier("openvino", "bf16")
    assert len(choice.notes) == 1
    assert "openvino int8: cosine at least 0.5" in choice.notes[0]
    assert "promised is cosine at least 0.95" in choice.notes[0]


def test_when_all_fall_short_the_reference_computes_and_all_are_named() -> None:
    choice = choose_tier("fastest", "auto", measure=lambda tier: POOR)
    assert choice.tier == REFERENCE
    assert [note.split(":")[0] for note in choice.notes] == [
        "openvino int8", "openvino bf16", "torch bf16", "openvino fp32",
    ]  # fmt: skip


def test_a_library_that_fails_on_the_model_is_passed_over_with_its_message() -> None:
    def fail(tier: Tier) -> Quality:
        raise RuntimeError("unknown operation\nwith much detail")

    choice = choose_tier("exact", "auto", measure=fail)
    assert choice.tier == REFERENCE
    assert choice.notes == ("openvino fp32: RuntimeError: unknown operation",)


def test_what_the_user_did_wrong_is_not_swallowed() -> None:
    def fail(tier: Tier) -> Quality:
        raise ConfigError("no weights")

    with pytest.raises(ConfigError, match="no weights"):
        choose_tier("exact", "auto", measure=fail)


def test_a_lower_precision_than_asked_is_explained_by_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(choose, "has_fast", lambda numbers: numbers == "fp32")
    monkeypatch.setattr(choose, "is_installed", lambda library: library == "torch")
    choice = choose_tier("fast", "auto", measure=never)
    assert choice.tier == REFERENCE
    assert choice.notes == (
        "openvino bf16: openvino is not installed",
        "torch bf16: this processor has no instructions for bf16",
    )
    assert choose_tier("exact", "auto", measure=never).notes == ()


def test_a_backend_that_is_not_installed_is_refused_when_it_was_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(choose, "is_installed", lambda library: library == "torch")
    with pytest.raises(ConfigError, match=r"openvino.*not installed.*whyrec\[fast\]"):
        choose_tier("exact", "openvino", measure=never)


def test_vectors_that_are_no_numbers_keep_no_promise() -> None:
    assert not Quality(float("nan"), float("nan")).keeps(PROMISES["fastest"])


def test_quality_is_measured_once_for_the_same_parts(tmp_path: Path) -> None:
    measured = []

    def measure() -> Quality:
        measured.append(1)
        return Quality(0.9, 0.95)

    first = recall_quality(tmp_path, {"weights": "a"}, measure)
    assert recall_quality(tmp_path, {"weights": "a"}, measure) == first == Quality(0.9, 0.95)
    assert len(measured) == 1
    recall_quality(tmp_path, {"weights": "b"}, measure)
    assert len(measured) == 2
