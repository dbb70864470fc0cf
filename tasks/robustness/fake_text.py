"""Texts of fake reviews: what each should say of each attribute in, texts out."""

import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

Writer = Callable[[NDArray[np.int8], Sequence[str], np.random.Generator], list[str]]
"""Writes n texts: what each says (n, attributes: -1, 0, 1), names of the attributes, randomness."""


@dataclass(frozen=True)
class Templates:
    """Sentences with a place for the attribute's name, and what stands around them."""

    praise: tuple[str, ...]
    blame: tuple[str, ...]
    openers: tuple[str, ...]
    closers: tuple[str, ...]
    fillers: tuple[str, ...]


@cache
def load_templates() -> Templates:
    """Templates that are shipped beside this module."""
    path = resources.files("tasks.robustness").joinpath("fake_reviews.toml")
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    return Templates(**{name: tuple(lines) for name, lines in table.items()})


def write_templates(
    says: NDArray[np.int8], attributes: Sequence[str], rng: np.random.Generator
) -> list[str]:
    """A text a row: an opener now and then, a sentence for each attribute spoken of, a closer."""
    return [_write_one(row, attributes, rng) for row in says]


def _write_one(row: NDArray[np.int8], attributes: Sequence[str], rng: np.random.Generator) -> str:
    known = load_templates()
    said = [
        _pick(known.praise if row[at] > 0 else known.blame, rng).format(
            name=attributes[int(at)].replace("_", " ")
        )
        for at in np.flatnonzero(row)
    ]
    sentences = said or [_pick(known.fillers, rng)]
    body = " ".join(f"{line[0].upper()}{line[1:]}." for line in sentences)
    return " ".join(
        part for part in (_pick(known.openers, rng), body, _pick(known.closers, rng)) if part
    )


def _pick(choices: tuple[str, ...], rng: np.random.Generator) -> str:
    return choices[int(rng.integers(len(choices)))]
