"""Letters that look like Latin ones, and marks of no width on and inside words; lengths are kept.

Full-width letters are those of Unicode's compatibility forms (https://www.unicode.org/reports/tr15/);
of the confusable ones (https://www.unicode.org/reports/tr39/) the Cyrillic and Greek that a reader
takes for Latin are told, and only in a word that has Latin letters as well.
"""

import re
import unicodedata
from functools import cache
from itertools import groupby
from typing import Final

_FULL_WIDTH: Final = {
    **{code: code - 0xFEE0 for code in (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B))},
    **{code: code - 0xFEE0 for code in range(0xFF41, 0xFF5B)},
    0x3000: 0x20,
}
_LOOKALIKES: Final = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0455\u0458\u0410\u0412\u0415\u041a\u041c\u041d"
    "\u041e\u0420\u0421\u0422\u0425\u0406\u03bf\u03b1\u039f\u0391\u0395\u0399\u039a\u039c\u039d\u03a1",
    "aeopcyxisjABEKMHOPCTXIoaOAEIKMNP",
)
_MIXED: Final = re.compile(r"[A-Za-z]+[\u0370-\u04ff][^\W\d_]*|[\u0370-\u04ff]+[A-Za-z][^\W\d_]*")
_WIDTHLESS: Final = "\u200b\u200c\u200d\u2060\ufeff\u00ad"
_JOINED: Final = re.compile(rf"(?<=[^\W_])[{_WIDTHLESS}](?=[^\W_])")
_DROPPED: Final = dict.fromkeys(map(ord, _WIDTHLESS))
WIDTHLESS: Final = f"[{_WIDTHLESS}]"
"""A regular expression for one mark of no width."""
PAD: Final = "\u2060"
"""The one that fills the place of what is written longer than it reads ("&eacute;")."""
_LAST_MARK: Final = 0x20000
"""Marks that combine have codes below this, but for variants of what they stand behind."""
_VARIANTS: Final = range(0xFE00, 0xFE10)
_LOOSE_ACCENTS: Final = dict.fromkeys(range(0x300, 0x370))


def fold_letters(text: str) -> str:
    """`text` with Latin letters for those that look like them, in the same length."""
    if text.isascii():
        return text
    return _MIXED.sub(_replace_lookalikes, text.translate(_FULL_WIDTH))


def _replace_lookalikes(match: re.Match[str]) -> str:
    return match.group().translate(_LOOKALIKES)


def keep_joined(text: str, view: str) -> str:
    """`view` with the marks of no width that `text` has inside its words, where it has blanks."""
    if text.isascii():
        return view
    letters = list(view)
    for match in _JOINED.finditer(text):
        letters[match.start()] = match.group()
    return "".join(letters)


def drop_widthless(text: str) -> str:
    """`text` without marks of no width: shorter where it has any."""
    return text if text.isascii() else text.translate(_DROPPED)


@cache
def spell_marks() -> str:
    """A regular expression for one mark that belongs to the letter before: accents, vowel signs.

    Variants of symbols and frames around them are none.
    """
    codes = [
        code
        for code in range(_LAST_MARK)
        if unicodedata.category(chr(code)) in ("Mn", "Mc") and code not in _VARIANTS
    ]
    runs = groupby(enumerate(codes), key=lambda item: item[1] - item[0])
    parts = ([code for _, code in run] for _, run in runs)
    return f"[{''.join(f'{chr(part[0])}-{chr(part[-1])}' for part in parts)}]"


def compose_letters(text: str) -> str:
    """`text` with each letter and its accents as one, without marks of no width: often shorter.

    Accents that Unicode has no such letter for are left out: a reader sees the letter.
    """
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", drop_widthless(text)).translate(_LOOSE_ACCENTS)
