"""Numbers, dates and verdicts as a reader expects them in a sentence."""

import re
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Final, Protocol

from tasks.report.model import Contrast, EffectRow, TaskState, Verdict

NO_RESULT: Final = "no result"
MINUS: Final = "\N{MINUS SIGN}"
DASH: Final = "\N{EN DASH}"
_NEGATIVE: Final = re.compile(r"(?<![^\s(\[])-(?=\.?\d)")
MAX_DECIMALS: Final = 5

VERDICT_MEANINGS: Final[Mapping[Verdict, str]] = {
    "credible": "It passed every check. Safe to act on.",
    "weak": "The sign or the size is still open. Wait for more reviews.",
    "not credible": "A check failed, for the reason shown. Do not act on it.",
    "no result": "Too few reviews speak of it, so nothing was estimated.",
}
VERDICT_MARKS: Final[Mapping[Verdict, str]] = {
    "credible": "●",
    "weak": "◐",
    "not credible": "○",
    "no result": DASH,
}
CONTRAST_WORDS: Final[Mapping[Contrast, str]] = {
    "negative_to_positive": "from complaint to praise",
    "positive": "praise, against no mention",
    "negative": "complaint, against no mention",
}
STATE_ORDER: Final[tuple[TaskState, ...]] = ("ran", "cached", "retried", "failed", "skipped")
_SMALL: Final = (
    "none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
)  # fmt: skip
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July",
    "August", "September", "October", "November", "December",
)  # fmt: skip
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def format_number(value: float | None, *, decimals: int = 2, is_signed: bool = False) -> str:
    """`value` with a true minus sign, "no result" for None; a rounded zero has no sign."""
    if value is None:
        return NO_RESULT
    text = f"{abs(value):,.{decimals}f}" if abs(value) < 1e9 else f"{abs(value):.3g}"
    if not text.strip("0.,"):
        return text
    if value < 0:
        return MINUS + text
    return f"+{text}" if is_signed else text


def write_minus(text: str) -> str:
    """`text` with true minus signs before its negative numbers; dates and names keep their hyphens."""
    return _NEGATIVE.sub(MINUS, text)


def format_count(value: int | None) -> str:
    """Rows with separators of thousands, "no result" for None."""
    return NO_RESULT if value is None else f"{value:,}"


def format_share(part: int, whole: int) -> str:
    """Part of a whole as per cent, "no result" of an empty whole; never 0% of something."""
    if whole <= 0:
        return NO_RESULT
    share = 100 * part / whole
    if 0 < share < 0.1:
        return "under 0.1%"
    return f"{share:.1f}%" if share < 10 else f"{share:.0f}%"


def format_seconds(value: float | None) -> str:
    """A duration: 0.42 s, 12 s, 3 min 20 s, 1 h 05 min; a dash when it was not measured."""
    if value is None:
        return DASH
    if value < 10:
        return f"{value:.2f} s"
    seconds = round(value)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    return f"{seconds // 3600:,} h {seconds % 3600 // 60:02d} min"


def format_date(day: date | None) -> str:
    """14 March 2024; a dash when there is none. The same in every locale."""
    return DASH if day is None else f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def format_month(day: date) -> str:
    """March 2024."""
    return f"{_MONTHS[day.month - 1]} {day.year}"


def format_weekday(day: date) -> str:
    """Thursday, 14 March 2024."""
    return f"{_DAYS[day.weekday()]}, {format_date(day)}"


def format_plural(count: int, singular: str, plural: str = "") -> str:
    """1 row, 2 rows, 1,200 rows."""
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"


def tell_count(count: int) -> str:
    """A count in running text: none to nine in words, 10 and more in figures."""
    return _SMALL[count] if 0 <= count < len(_SMALL) else f"{count:,}"


def tell_plural(count: int, singular: str, plural: str = "") -> str:
    """Like `format_plural`, small counts in words: one row, two rows, 1,200 rows."""
    return f"{tell_count(count)} {singular if count == 1 else plural or singular + 's'}"


def join_words(words: Iterable[str]) -> str:
    """a, b and c."""
    listed = list(words)
    if len(listed) < 2:
        return "".join(listed)
    return f"{', '.join(listed[:-1])} and {listed[-1]}"


class HasInterval(Protocol):
    """Anything with an interval; None where there is none."""

    @property
    def ci_low(self) -> float | None:
        """Lower end."""

    @property
    def ci_high(self) -> float | None:
        """Upper end."""


def effect_decimals(row: HasInterval) -> int:
    """Decimals that show two digits of the interval's width, at least 2, at most 5."""
    if row.ci_low is None or row.ci_high is None:
        return 2
    width = abs(row.ci_high - row.ci_low)
    decimals = 2
    while decimals < MAX_DECIMALS and 0 < width * 10**decimals < 2:
        decimals += 1
    return decimals


def format_interval(low: float | None, high: float | None, *, decimals: int = 2) -> str:
    """-1.02 to -0.84 with true minus signs, or nothing where there is no interval."""
    if low is None or high is None:
        return ""
    return (
        f"{format_number(low, decimals=decimals, is_signed=True)} to "
        f"{format_number(high, decimals=decimals, is_signed=True)}"
    )


def format_level(confidence: float) -> str:
    """0.95 is 95%."""
    return f"{100 * confidence:g}%"


def name_attribute(attribute: str, labels: Mapping[str, str]) -> str:
    """The configured label, or the name with spaces for underscores."""
    return labels.get(attribute) or attribute.replace("_", " ")


def name_window(row: EffectRow) -> str:
    """All history to 14 March 2024; last 28 days (16 February to 14 March 2024)."""
    end = f" to {format_date(row.window_end)}" if row.window_end else ""
    if row.window == "all":
        return f"All history{end}"
    days = row.window.removesuffix("d")
    name = f"Last {days} days" if days.isdigit() else f"Window {row.window}"
    start = f" ({format_date(row.window_start)}{end})" if row.window_start and end else ""
    return name + start


def name_window_short(window: str) -> str:
    """All history; last 28 days."""
    days = window.removesuffix("d")
    if window == "all":
        return "all history"
    return f"last {days} days" if days.isdecimal() else f"window {window}"


def name_segment(segment: str) -> str:
    """The column of a segment as a person calls it: c__user__segment is "segment"."""
    name = segment.removeprefix("c__").removeprefix("user__").replace("_", " ").strip()
    return name or segment


def format_chance(symbol: str, value: float | None) -> str:
    """A p or q value: q = 0.03, q < 0.001, "q unknown" for None."""
    if value is None:
        return f"{symbol} unknown"
    if value < 0.001:
        return f"{symbol} < 0.001"
    return f"{symbol} = {value:.3f}" if value < 0.01 else f"{symbol} = {value:.2f}"


def format_estimate(
    estimate: float | None, low: float | None, high: float | None, *, decimals: int = 2
) -> str:
    """+0.47 (+0.44 to +0.50), or "no result"."""
    text = format_number(estimate, decimals=decimals, is_signed=True)
    interval = format_interval(low, high, decimals=decimals) if estimate is not None else ""
    return f"{text} ({interval})" if interval else text


def name_units(outcome: str, units: Mapping[str, tuple[str, str]], *, value: float) -> str:
    """Word for `value` units of the outcome: " star", " stars"; nothing when it has no word."""
    if outcome not in units:
        return ""
    singular, plural = units[outcome]
    return f" {singular if f'{abs(value):.2f}' == '1.00' else plural}"


def capitalise(text: str) -> str:
    """The first letter large, the rest as it is."""
    return text[:1].upper() + text[1:]


def end_sentence(text: str) -> str:
    """`text` with a large first letter and a full stop."""
    return close_sentence(capitalise(text.strip()))


def close_sentence(text: str) -> str:
    """`text` with a full stop."""
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."
