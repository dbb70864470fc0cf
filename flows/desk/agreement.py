"""How well an extractor was taught, in words."""

from collections.abc import Mapping
from typing import Any


def show(value: float | None) -> str:
    """A share to two decimals, a dash where there is none."""
    return "–" if value is None else f"{value:.2f}"


def tell_agreement(about: Mapping[str, Any]) -> str:
    """How a probe was taught and agrees with its teacher, in words."""
    return (
        f"taught by {about['teacher']} on {about['n_labelled']:,} reviews; on {about['n_random']:,} "
        f"drawn at random, unseen, it agrees with {show(about['agreement'])} of the answers, and is "
        f"sure of {show(about['coverage'])}, of which it agrees with {show(about['sure_agreement'])}"
    )
