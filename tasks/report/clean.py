"""Text from outside, made fit to stand on a page.

Review text, raw lines and file names are written by anyone. HTML escaping is the template's
work; what it cannot see is done here: control characters, characters that reorder or hide
text (Unicode TR36, TR9), lone surrogates that no UTF-8 file can hold, and sheer length.
"""

import re
import unicodedata
from typing import Final

ELLIPSIS: Final = "…"
REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
MAX_COMBINING: Final = 3
"""Combining marks kept in a row: real scripts need at most three, stacked text covers its page."""

_JOINERS: Final = "\u200c\u200d"  # needed by Persian, Indic scripts and emoji
_DROPPED: Final = "\u00ad\u200b\u2060\ufeff"  # soft hyphen and spaces of no width
_SPACE: Final = re.compile(r"\s+")


def _is_noncharacter(code: int) -> bool:
    return 0xFDD0 <= code <= 0xFDEF or code & 0xFFFE == 0xFFFE


def _clean_character(character: str) -> str:
    """One character made harmless: itself, a visible stand-in, or nothing."""
    if " " <= character <= "~" or character in _JOINERS:
        return character
    if character in _DROPPED:
        return ""
    code, category = ord(character), unicodedata.category(character)
    if code < 0x20:
        return chr(0x2400 + code)  # NUL is shown as its picture
    if category in {"Cc", "Cf", "Cs"} or _is_noncharacter(code):
        return REPLACEMENT
    return character


def _limit_combining(text: str) -> str:
    kept, run = [], 0
    for character in text:
        run = run + 1 if unicodedata.combining(character) else 0
        if run <= MAX_COMBINING:
            kept.append(character)
    return "".join(kept)


def shorten(text: str, limit: int) -> str:
    """`text` in at most `limit` characters, an ellipsis in place of what was cut off."""
    if len(text) <= limit:
        return text
    return text[: max(limit - 1, 0)].rstrip() + ELLIPSIS


def shorten_front(text: str, limit: int) -> str:
    """Like `shorten`, keeping the end of the text."""
    if len(text) <= limit:
        return text
    return ELLIPSIS + text[len(text) - max(limit - 1, 0) :].lstrip()


def clean_text(text: str, *, limit: int) -> str:
    """`text` on one line, without what could reorder, hide or break it, in `limit` characters.

    White space becomes single spaces; control characters become their pictures (U+2400 on);
    direction overrides, other format characters and lone surrogates become U+FFFD.
    Applying it twice changes nothing more.
    """
    head = text[: 4 * limit + 64]  # long enough whatever is dropped; a 1 MB field costs nothing
    cleaned = _tidy(head)
    if len(head) < len(text) and len(cleaned) <= limit:
        cleaned += ELLIPSIS
    return shorten(cleaned, limit)


def clean_tail(text: str, *, limit: int) -> str:
    """Like `clean_text`, keeping the end of the text."""
    tail = text[-(4 * limit + 64) :]
    cleaned = _tidy(tail)
    if len(tail) < len(text) and len(cleaned) <= limit:
        cleaned = ELLIPSIS + cleaned
    return shorten_front(cleaned, limit)


def _tidy(text: str) -> str:
    spaced = _SPACE.sub(" ", text)  # line ends first: they are control characters as well
    if spaced.isascii() and spaced.isprintable():
        return spaced.strip()  # nearly all text, and many times faster
    cleaned = "".join(map(_clean_character, spaced))
    return _SPACE.sub(" ", _limit_combining(cleaned)).strip()
