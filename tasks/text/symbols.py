"""Opinions without letters: emoji, stars, and plus and minus behind a name.

The lexicon of VADER tells emoji by their names and takes "cut of meat" for blame and misses thumbs;
those that judge are therefore listed in `polarity.toml`, others are no words.
"""

import re
import tomllib
from functools import cache
from importlib import resources
from typing import Final

STARS: Final = "\u2b50\u2605\U0001f31f\u272f\u2730"
EMPTY_STARS: Final = "\u2606\u2729\u2734"
_VARIANT: Final = "\ufe0f"
_SIGNED: Final = re.compile(
    r"(?m)^[ \t]*(?:[^\W\d_]{2,30}(?: [^\W\d_]{2,30})?:? ?(?<=[ :])(?:\+{1,5}|-{1,5})(?:[ ,;]+|[ \t]*$)){1,20}$"
)
_SIGNS: Final = re.compile(r"(?<=[ :])(?:\+{1,5}|-{1,5})(?=[ ,;\t]|$)", re.MULTILINE)
_STARRED: Final = re.compile(
    r"(?m)^[ \t]*(?:[^\W\d_]{2,30}(?: [^\W\d_]{2,30})?:?[ \t]?(?<=[ \t:])\*{1,5}(?:[ ,;.\t]+|$)){1,20}$"
)
_LEAST_STARS: Final = 2
"""A single asterisk in a line points at a note."""
_THUMBS: Final = {"+": "\U0001f44d", "-": "\U0001f44e"}


@cache
def load_symbols() -> dict[str, float]:
    """Valences of the emoji that judge, on VADER's scale."""
    data = resources.files("tasks.text").joinpath("polarity.toml").read_text(encoding="utf-8")
    table = tomllib.loads(data)["symbols"]
    return {symbol: float(valence) for valence, row in table.items() for symbol in row.split()}


@cache
def spell_symbols() -> str:
    """A regular expression for one symbol or one run of stars."""
    judging = "".join(map(re.escape, load_symbols()))
    star = f"[{STARS}{EMPTY_STARS}]"
    return rf"(?:{star}{_VARIANT}?){{1,10}}|[{judging}]"


def is_symbol(form: str) -> bool:
    """Whether a word is a symbol that judges, or stars."""
    if form.isascii():
        return False
    return form in load_symbols() or form[:1] in STARS or form[:1] in EMPTY_STARS


def count_stars(form: str) -> tuple[int, int]:
    """Full stars in a word, and all of them; (0, 0) for a word of anything else."""
    if form.isascii():
        return 0, 0
    full = sum(form.count(star) for star in STARS)
    return full, full + sum(form.count(star) for star in EMPTY_STARS)


def read_signs(text: str) -> str:
    """`text` with thumbs and stars for signs in lines of names and signs ("food ++, service **")."""
    if "*" in text:
        text = _STARRED.sub(_show_stars, text)
    if "+" not in text and "-" not in text:
        return text
    return _SIGNED.sub(lambda line: _SIGNS.sub(_show_thumb, line.group()), text)


def _show_stars(match: re.Match[str]) -> str:
    line = match.group()
    return line.replace("*", STARS[1]) if line.count("*") >= _LEAST_STARS else line


def _show_thumb(match: re.Match[str]) -> str:
    return _THUMBS[match.group()[0]].ljust(len(match.group()))
