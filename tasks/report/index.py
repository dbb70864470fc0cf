"""The index of nights: the latest in full, the others by month, each month a page of its own.

However many years there are, every page holds at most some sixty nights.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from urllib.parse import quote

from tasks.report.nights import (
    DATA_WORDS,
    VERDICT_CLASSES,
    VERDICT_LABELS,
    VERDICT_SIGNS,
    IndexNight,
)
from tasks.report.render import make_environment, render_small
from tasks.report.words import format_month

INDEX: Final = "index.html"
INDEX_JSON: Final = "index.json"
LATEST: Final = 31
"""Nights in full on the first page."""
MAX_MONTHS: Final = 1_200


@dataclass(frozen=True)
class Month:
    """The nights of one calendar month, summed. `href` is the page that lists them."""

    name: str
    href: str
    n_nights: int
    labels: tuple[tuple[str, int], ...]
    n_flipped: int
    n_real: int
    rows_published: int


def render_index(nights: Iterable[IndexNight]) -> str:
    """The first page: the latest nights in full, and every month."""
    return render_pages(nights)[INDEX]


def render_pages(nights: Iterable[IndexNight]) -> dict[str, str]:
    """Every page of the index by file name, and the same lines as JSON."""
    ordered = sorted(nights, key=lambda night: night.as_of, reverse=True)
    by_month: dict[date, list[IndexNight]] = {}
    for night in ordered:
        by_month.setdefault(night.as_of.replace(day=1), []).append(night)
    months = [(month, _sum_month(month, listed)) for month, listed in by_month.items()]
    page = {"months": [view for _, view in months][:MAX_MONTHS], "n_nights": len(ordered)}
    is_short = len(ordered) <= LATEST
    pages = {INDEX: _render(ordered[:LATEST], {**page, "month": None, "is_short": is_short})}
    for at, (month, view) in enumerate(months):
        beside = {
            "month": view,
            "later": months[at - 1][1] if at else None,
            "earlier": months[at + 1][1] if at + 1 < len(months) else None,
        }
        pages[view.href] = _render(by_month[month], {**page, **beside, "is_short": True})
    pages[INDEX_JSON] = render_lines(ordered)
    return pages


def render_lines(nights: Sequence[IndexNight]) -> str:
    """The index as JSON: one object a night, the latest first; missing figures are null."""
    lines: list[dict[str, Any]] = [night.model_dump(mode="json") for night in nights]
    return json.dumps({"nights": lines}, ensure_ascii=False, sort_keys=True, indent=1)


def _render(nights: Sequence[IndexNight], page: Mapping[str, Any]) -> str:
    def render(factor: int) -> str:
        most = max(len(nights) // factor, 1)
        content = {
            **page,
            "nights": [
                night.model_copy(update={"href": make_link(night.href)}) for night in nights[:most]
            ],
            "data_words": DATA_WORDS,
            "verdict_labels": VERDICT_LABELS,
            "verdict_signs": VERDICT_SIGNS,
            "verdict_classes": VERDICT_CLASSES,
        }
        return make_environment().get_template("index.html.j2").render(content)

    return render_small(render)


def _sum_month(month: date, nights: Sequence[IndexNight]) -> Month:
    verdicts = [night.verdict for night in nights]
    known = tuple(
        (f"{VERDICT_SIGNS[name]} {VERDICT_LABELS[name].lower()}", verdicts.count(name))
        for name in VERDICT_LABELS
        if name in verdicts
    )
    rest = sum(verdict not in VERDICT_LABELS for verdict in verdicts)
    return Month(
        name=format_month(month),
        href=f"nights-{month:%Y-%m}.html",
        n_nights=len(nights),
        labels=(*known, *((("other", rest),) if rest else ())),
        n_flipped=sum(night.n_flipped or 0 for night in nights),
        n_real=sum(night.n_real or 0 for night in nights),
        rows_published=sum(night.rows_published or 0 for night in nights),
    )


def make_link(href: str) -> str:
    """A path below the index, or nothing: no scheme, no host, no way out of the folder."""
    parts = href.split("/")
    if not href or len(href) > 300 or any(part in {"", ".", ".."} for part in parts):
        return ""
    return "/".join(quote(part, safe="", errors="replace") for part in parts)
