"""Damage of attacks against their size, as small multiples that need no colour."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from tasks.report.attack_rows import AttackRow
from tasks.report.multiples import Panel, Point, draw_multiples

MAX_PANELS: Final = 8
LEAST_POINTS: Final = 2


@dataclass(frozen=True)
class CurvesView:
    """Curves of one kind of damage; `n_hidden` more are in the JSON beside the page."""

    caption: str
    wide: Markup
    narrow: Markup
    n_hidden: int


def view_curves(rows: Sequence[tuple[AttackRow, str]], source: str) -> tuple[CurvesView, ...]:
    """One drawing for each kind of size and damage of (row, name of its subject), in their order."""
    kinds: dict[tuple[str, str], list[tuple[AttackRow, str]]] = {}
    for row, subject in rows:
        if len(row.curve) >= LEAST_POINTS:
            kinds.setdefault((row.size_name, row.damage_name), []).append((row, subject))
    return tuple(_draw(known, size, damage, source) for (size, damage), known in kinds.items())


def _draw(rows: Sequence[tuple[AttackRow, str]], size: str, damage: str, source: str) -> CurvesView:
    """The panels of one kind, those with the largest damage first."""
    order = sorted(rows, key=lambda one: -max(abs(value) for _, value in one[0].curve))
    shown = order[:MAX_PANELS]
    largest = max(size for row, _ in shown for size, _ in row.curve)
    panels = [
        Panel(
            f"{subject}: {row.attack}",
            (Point(0.0, 0.0, None, None), *(Point(x, y, None, None) for x, y in row.curve)),
        )
        for row, subject in shown
    ]
    end = f"{largest:.0%}" if size.startswith("fake reviews") else f"{largest:g}"
    caption = f"{source}: {damage}, by {size} from 0 to {end}"
    wide, narrow = (
        draw_multiples(
            panels, layout=layout, days=largest, ends=("0", end), title=caption,
            description=" ".join(describe_curve(row, subject) for row, subject in shown),
        )
        for layout in ("wide", "narrow")
    )  # fmt: skip
    return CurvesView(caption, wide, narrow, len(order) - len(shown))


def describe_curve(row: AttackRow, subject: str) -> str:
    """A curve in words, for those who do not see it."""
    points = ", ".join(f"{value:+.2f} at {size:.4g}" for size, value in row.curve)
    return f"{subject}, {row.attack}: {points}."
