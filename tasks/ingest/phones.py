"""Phone numbers in text of any language: found by how their digits are grouped and what stands before.

A run of digits and separators is found in one pass and judged by its groups, so the time is linear
in the text however hostile it is. Shapes: ITU-T E.123 (international and national notation), E.164
(at most fifteen digits), and the national notations that are written with a trunk prefix.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

MIN_DIGITS: Final = 7
_MAX_DIGITS: Final = 15
"""Of an international number without its prefix (E.164)."""
_MAX_GROUPS: Final = 7
_CATALOGUE: Final = (3, 4, 3)
"""A grouping of part numbers ("073-3150-406") that no country writes its numbers in."""
_BEFORE: Final = 48
"""Characters before a number in which a word such as "call" or "ISBN" is looked for."""

_BLANKS: Final = " \u00a0\u2009\u202f\u3000"
_MARKS: Final = r"().（）/\-\u2010-\u2015\uff0d"
_RUN: Final = re.compile(rf"[+＋]?[(（]?\d(?:[{_BLANKS}{_MARKS}]{{0,3}}\d)*")
_GROUP: Final = re.compile(r"\d+")

_BOUND_BEFORE: Final = re.compile(r"[A-Za-zÀ-ɏ\d_.,+$€£¥₹₽#@/\-]$")
_CURRENCY_BEFORE: Final = re.compile(
    r"(?:[$€£¥₹₽]|\b(?:USD|EUR|GBP|INR|Rs|R\$|kr|zł|RM))\.? ?$", re.I
)
_BOUND_AFTER: Final = re.compile(
    r"[A-Za-zÀ-ɏ\d_%°]|[-.,:][A-Za-z\d]| ?[$€£¥₹₽円元원]"
    r"| ?(?:USD|EUR|GBP|kr|zł|руб|ريال|درهم|x|×|hz|khz|mhz|rpm|mm|cm|km|kg|mah|views|songs|miles"
    r"|pixels?|px|hours?|stunden|heures|horas|dollars?|euros?)\b",
    re.I,
)
_LOOSE: Final = " \t\r\n\u00a0.:：#,，-\u00b0"
"""What may stand between a word such as "call" and a number."""
_FILLER: Final = (
    r"(?:me|us|him|her|them|now|today|at|on|is|under|the|my|our|number|no|nr|num|nummer|número|numéro|"
    r"numero|номер|по|unter|auf|bei|mich|uns|mir|an|ist|mein|meine|au|le|moi|est|mon|al|en|el|es|mi|"
    r"il|mio|para|o|é|op|på|pod|رقم|على|में|नंबर|पर|số)"
)
_CALL: Final = re.compile(
    r"(?:\b(?:call|phone|telephone|tel|text|txt|mobile|cell|cellphone|whatsapp|viber|fax|contact|reach"
    r"|telefon|telefonnummer|handy|handynummer|mobil|anrufen|ruf|rufen|téléphone|telephone|portable|appelez"
    r"|appeler|appelle|teléfono|telefono|móvil|movil|celular|llame|llamar|llámame|telefone|ligue|ligar"
    r"|cellulare|chiama|chiamare|chiamate|telefoon|bel|tlf|ring|puhelin|telefonu|cep|ara|hotline"
    r"|тел|телефон|телефону|звоните|звони|вотсап|τηλ|τηλέφωνο|điện thoại|sđt|telp|hp)"
    r"|电话|電話|手机|手機|联系|聯繫|微信|致电|携帯|연락처|전화|휴대폰|هاتف|جوال|واتساب|تلفون|اتصل|טלפון|נייד|फोन|फ़ोन|मोबाइल|कॉल"
    r"|โทร|เบอร์)"
    rf"(?:[\s.]{{1,2}}{_FILLER}\b){{0,4}}[\s:：.#，,-]{{0,3}}[是はم为]?[\s:：]{{0,2}}$",
    re.I,
)
_CODE: Final = re.compile(
    r"(?:\b(?:isbn|issn|upc|ean|gtin|asin|sku|imei|model|modell|modelo|modèle|modello|serial|sn|s/n|part"
    r"|pn|p/n|item|order|bestellnummer|bestellung|commande|pedido|ordine|zamówienie|заказ|tracking"
    r"|artikelnummer|art|ref|réf|invoice|rechnung|facture|version|firmware|patent|ip|sipariş)"
    r"|订单|訂單|注文|型号|型番|주문|طلب|ऑर्डर)"
    r"[\s:：.#-]{0,3}(?:(?:number|no|nr|num|nummer|número|numéro|numero|номер|n°|号|番号|번호|رقم|नंबर|is)\b)?"
    r"[\s:：.#-]{0,3}$",
    re.I,
)


def mask_phones(text: str, mask: str) -> str:
    """`text` with every phone number replaced by `mask`."""
    pieces, last = [], 0
    for start, end in find_phones(text):
        pieces += [text[last:start], mask]
        last = end
    return "".join([*pieces, text[last:]]) if pieces else text


def find_phones(text: str) -> Iterator[tuple[int, int]]:
    """Where phone numbers stand in `text`, first to last, as indices [start, end)."""
    for run in _RUN.finditer(text):
        groups = [match.span() for match in _GROUP.finditer(text, *run.span())]
        if sum(end - start for start, end in groups) >= MIN_DIGITS:
            yield from _search_run(text, run.start(), groups)


def _search_run(
    text: str, start: int, groups: Sequence[tuple[int, int]]
) -> Iterator[tuple[int, int]]:
    """Numbers in one run of digits: the longest from each group that blanks set off."""
    first = 0
    while first < len(groups):
        opening = start if first == 0 else _reach_back(text, groups, first)
        last = None if opening is None else _find_end(text, opening, groups, first)
        if opening is None or last is None:
            first += 1
            continue
        yield opening, groups[last][1]
        first = last + 1


def _reach_back(text: str, groups: Sequence[tuple[int, int]], number: int) -> int | None:
    """Where a number that begins with this group starts, with its bracket; None if it is bound."""
    between = text[groups[number - 1][1] : groups[number][0]]
    if between.strip(_BLANKS) in ("", "(", "（") and between[0] in _BLANKS:
        return groups[number][0] - len(between.strip(_BLANKS))
    return None


def _find_end(text: str, opening: int, groups: Sequence[tuple[int, int]], first: int) -> int | None:
    """The last group of the longest number that starts at group `first`; None if there is none."""
    before = text[max(opening - _BEFORE, 0) : opening]
    is_bound = _CURRENCY_BEFORE.search(before) or (first == 0 and _BOUND_BEFORE.search(before[-1:]))
    # The mark of "tel.030…" or "tel:-" belongs to the word.
    if is_bound and not _CALL.search(before):
        return None
    n_digits, ends = 0, []
    for last in range(first, min(first + _MAX_GROUPS, len(groups))):
        n_digits += groups[last][1] - groups[last][0]
        if n_digits > _MAX_DIGITS + 2:
            break
        is_free = last + 1 == len(groups) or text[groups[last][1]] in _BLANKS
        if n_digits >= MIN_DIGITS and is_free:
            ends.append(last)
    is_worded = bool(ends) and before.rstrip(_LOOSE)[-1:].isalpha()
    is_called = is_worded and bool(_CALL.search(before))
    is_code = is_worded and bool(_CODE.search(before))
    for last in reversed(ends):
        if _BOUND_AFTER.match(text, groups[last][1]):
            continue
        parts = tuple(
            "".join(str(int(digit)) for digit in text[start:end])
            for start, end in groups[first : last + 1]
        )
        is_plus = text[opening] in "+＋"
        brackets = _find_bracket(text, opening, groups[first : last + 1])
        if _is_phone(
            parts, is_plus=is_plus, bracket=brackets, is_called=is_called, is_code=is_code
        ):
            return last
    return None


def _find_bracket(text: str, opening: int, groups: Sequence[tuple[int, int]]) -> int | None:
    """Number of the group that stands in brackets, if one of the first two does."""
    for number, (start, end) in enumerate(groups[:2]):
        if (
            start > opening - 1
            and text[start - 1 : start] in ("(", "（")
            and text[end : end + 1] in (")", "）")
        ):
            return number
    return None


def _is_phone(
    parts: Sequence[str], *, is_plus: bool, bracket: int | None, is_called: bool, is_code: bool
) -> bool:
    """Whether groups of digits are written as a phone number is."""
    digits = "".join(parts)
    if is_plus:
        return 8 <= len(digits) <= _MAX_DIGITS
    if is_code or _has_date(parts):
        return False
    if is_called:
        return len(digits) <= _MAX_DIGITS
    if digits.startswith("00") and digits[2] != "0":
        return len(digits) >= 11 and (len(parts) > 1 or not _is_barcode(digits))
    if bracket is not None:
        return _is_bracketed(parts, bracket)
    return _is_national(tuple(map(len, parts)), parts)


def _is_bracketed(parts: Sequence[str], bracket: int) -> bool:
    """Whether groups with an area code in brackets are a number: "(555) 123-4567", "8 (495) 1…"."""
    area, rest = parts[bracket], "".join(parts[bracket + 1 :])
    if bracket == 1 and parts[0] not in ("1", "7", "8"):
        return False
    if area.startswith("0"):
        return 2 <= len(area) <= 5 and 5 <= len(rest) <= 8
    return (len(area), len(rest)) in ((3, 7), (2, 8), (2, 9))


def _is_national(shape: tuple[int, ...], parts: Sequence[str]) -> bool:
    """Whether groups, without a country code or brackets, have the shape of a national number."""
    lead = parts[0]
    if shape == (3, 3, 4):
        return lead[0] != "1"
    if shape == (1, 3, 3, 4):
        return lead == "1"
    if shape == (1, 3, 3, 2, 2):
        return lead in "78"
    if shape in ((3, 4, 4), (3, 8)) and lead[0] == "1":
        return lead[1] in "3456789"
    if shape == (2, 5, 4):
        return parts[1][0] == "9"
    is_trunk = len(shape) > 1 and 2 <= len(lead) <= 5 and lead[0] == "0" and lead[1] != "0"
    is_spread = all(2 <= size <= 8 for size in shape[1:]) and len(shape) <= 5
    return (
        is_trunk
        and is_spread
        and 9 <= sum(shape) <= 12
        and any(part[0] != "0" for part in parts[1:])
        and shape != _CATALOGUE
    )


def _has_date(parts: Sequence[str]) -> bool:
    """Whether three groups in a row are a day, a month and a year, in any order."""
    for one, two, three in zip(parts, parts[1:], parts[2:], strict=False):
        year, rest = (one, (two, three)) if len(one) == 4 else (three, (one, two))
        is_year = len(year) == 4 and year[:2] in ("19", "20")
        if is_year and all(len(part) <= 2 and 1 <= int(part) <= 31 for part in rest):
            return True
    return False


def _is_barcode(digits: str) -> bool:
    """Whether the last of 12 to 14 digits is their GS1 check digit."""
    if not 12 <= len(digits) <= 14:
        return False
    weighted = sum(
        int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(reversed(digits))
    )
    return weighted % 10 == 0
