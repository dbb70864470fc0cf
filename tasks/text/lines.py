"""Line breaks of a review: those that end a thought, and those that only wrap a line.

Text that was wrapped by a mail program or an editor breaks where the line is full. A list breaks
after every item, and a writer who ends sentences with the return key breaks after short lines.
"""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from tasks.text.letters import compose_letters

SOFT: Final = "\v"
"""What `unwrap_lines` puts for a break that parts no more than a comma does."""
_ENDED: Final = re.compile(r"[.!?:;\u2026\u3002\uff01\uff1f][\"'\)\]\u201d]*\Z")
_WORDS: Final = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
_NUMBERED: Final = re.compile(r"\d+[.)]\s")
_OPEN_ENDS: Final = frozenset(
    """a an the my our your their his her its this these and or but nor of to for from with at in on by
    as than is are was were be been isn't aren't wasn't weren't not very so too really that which who
    if because when while i we you they he she have has had would could should will can did didn't
    does doesn't do don't""".split()
)
"""Words that hardly end a thought."""
_OPEN_STARTS: Final = frozenset(
    """is are was were isn't aren't wasn't weren't be been and or nor of than that which who whom has
    have had would could should will did didn't does doesn't to""".split()
)
"""Words that hardly begin one, nor an item of a list."""
_ITEM_WORDS: Final = 4
"""A line of a list has hardly more."""
_LEAST_WIDTH: Final = 24
"""Narrower than this nobody wraps lines."""


def unwrap_lines(text: str) -> str:
    """`text` with blanks for the breaks that only wrap a line, in the same length."""
    if "\n" not in text:
        return text
    lines = text.split("\n")
    breaks: list[str] = []
    for first, last in _find_paragraphs(lines):
        breaks += _judge_breaks(lines[first:last])
        breaks += ["\n"] * (last < len(lines))
    return "".join(part for pair in zip(lines, [*breaks, ""], strict=True) for part in pair)


def _find_paragraphs(lines: Sequence[str]) -> list[tuple[int, int]]:
    """Ranges of lines without an empty one between; an empty one stands for itself."""
    edges = {0, len(lines)}
    for number, line in enumerate(lines):
        if not line.strip():
            edges |= {number, number + 1}
    return list(pairwise(sorted(edges)))


def _judge_breaks(lines: Sequence[str]) -> list[str]:
    """What stands for each break within a paragraph."""
    is_full = _is_wrapped(lines)
    is_listed = False
    breaks = []
    for before, after in pairwise(lines):
        is_listed = is_listed or before.rstrip().endswith(":")
        breaks.append(_judge_break(before.strip(), after.strip(), is_full and not is_listed))
    return breaks


def _judge_break(before: str, after: str, is_full: bool) -> str:
    """A blank where the line is wrapped, a soft break where it may be, else a break."""
    words, rest = (_WORDS.findall(compose_letters(line).lower()) for line in (before, after))
    starts = after[:1]
    if not words or not rest or _ENDED.search(before) or not starts.isalnum():
        return "\n"
    if _NUMBERED.match(after):
        return "\n"
    if words[-1] in _OPEN_ENDS and (len(words) > 1 or starts.islower()):
        return " "
    if not starts.islower() and not starts.isdigit():
        return "\n"
    if rest[0] in _OPEN_STARTS or is_full:
        return " "
    return SOFT if len(words) > _ITEM_WORDS else "\n"


def _is_wrapped(lines: Sequence[str]) -> bool:
    """Whether each line is full: the next one's first word would not have fitted in the width."""
    width = max(len(line.rstrip()) for line in lines)
    if width < _LEAST_WIDTH:
        return False
    pairs = ((len(before.rstrip()), after.split(None, 1)) for before, after in pairwise(lines))
    return all(used + 1 + len(rest[0]) > width for used, rest in pairs if rest)
