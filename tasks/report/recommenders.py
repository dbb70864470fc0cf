"""The recommender chapter: how good, how biased, whom it treats alike, and three users' lists."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from tasks.report.charts import ACCENT, MUTED, Layout, Spec, draw_spec
from tasks.report.model import NightReport
from tasks.report.recommender_rows import MapPoint, PickRow, QualityRow, RecommenderRow
from tasks.report.words import format_count, format_number

MODEL_WORDS: Final = {
    "popularity": "most rated first",
    "bias": "means of users and items",
    "mf": "latent factors, uncorrected",
    "mf-ips": "latent factors, corrected by inverse propensities",
    "features": "same model, uncorrected",
    "ips": "corrected by inverse propensities",
    "snips": "corrected, weights normalised",
    "dr": "corrected, doubly robust",
    "stabledr": "corrected, doubly robust, stable",
}
GROUP_NAMES: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SIZES: Final[dict[Layout, tuple[int, int]]] = {"wide": (560, 320), "narrow": (316, 260)}


@dataclass(frozen=True)
class PickedUser:
    """One example user and the items recommended."""

    user_id: str
    group: str
    picks: tuple[PickRow, ...]


@dataclass(frozen=True)
class RecommenderView:
    """What the page says of one source's recommender."""

    source: str
    sentences: tuple[str, ...]
    quality: tuple[tuple[str, QualityRow], ...]
    groups: str
    wide: Markup | None
    narrow: Markup | None
    users: tuple[PickedUser, ...]


def view_recommenders(report: NightReport, *, most: int) -> tuple[RecommenderView, ...]:
    """Every source's recommender; the first `most` have a map."""
    return tuple(
        _view_source(row, is_drawn=at < most) for at, row in enumerate(report.recommenders)
    )


def _view_source(row: RecommenderRow, *, is_drawn: bool) -> RecommenderView:
    is_drawn = is_drawn and len(row.sizes) > 1
    wide, narrow = (draw_map(row, layout) if is_drawn else None for layout in ("wide", "narrow"))
    by_user: dict[str, list[PickRow]] = {}
    for pick in row.picks:
        by_user.setdefault(pick.user_id, []).append(pick)
    return RecommenderView(
        source=row.source,
        sentences=tuple(_tell_quality(row.quality)),
        quality=tuple((MODEL_WORDS.get(found.model, found.model), found) for found in row.quality),
        groups=_tell_groups(row),
        wide=wide,
        narrow=narrow,
        users=tuple(
            PickedUser(user, name_group(picks[0].group), tuple(picks))
            for user, picks in by_user.items()
        ),
    )


def name_group(group: int | None) -> str:
    """Group 0, the largest, is A."""
    return GROUP_NAMES[group] if group is not None and group < len(GROUP_NAMES) else ""


def _tell_quality(rows: Sequence[QualityRow]) -> list[str]:
    used = next((row for row in rows if row.is_used), None)
    if used is None or used.mse_weighted is None:
        return ["No result: too few ratings could be held out."]
    others = {row.model: row for row in rows if row is not used}
    sentences = [
        f"Over all pairs of users and items its squared error is estimated at "
        f"{format_number(used.mse_weighted)}{_compare(others)}."
    ]
    if used.coverage is not None and used.popularity_lift is not None:
        sentences.append(
            f"Its lists of five reach {used.coverage:.0%} of the items. What they show is "
            f"{_tell_lift(used.popularity_lift)}."
        )
    sentences += [_tell_gap(used, side) for side in ("user", "item")]
    return [sentence for sentence in sentences if sentence]


def _tell_lift(lift: float) -> str:
    """How often rated what lists show is, beside what people rate; neither more nor less, to two decimals."""
    said = format_number(lift)
    if said == format_number(1.0):
        return "as often rated as what people rate by themselves"
    favour = "above 1, lists favour the popular" if lift > 1 else "below 1, lists favour the rare"
    return f"{said} times as often rated as what people rate by themselves: {favour}"


MIN_LEVEL = 20
"""Ratings held out, below which a level is not told: its error would be noise."""


def _tell_gap(used: QualityRow, side: str) -> str:
    """Between which users, or items, the error differs most."""
    best: tuple[float, str] | None = None
    for trait in used.traits:
        known = [row for row in trait.levels if row.n >= MIN_LEVEL and row.mse is not None]
        if trait.side != side or len(known) < 2:
            continue
        known.sort(key=lambda row: row.mse or 0.0)
        low, high = known[0], known[-1]
        gap = (high.mse or 0.0) - (low.mse or 0.0)
        if best is None or gap > best[0]:
            best = (
                gap,
                (
                    f"Among {side}s its error differs most by {trait.trait}: "
                    f"{format_number(high.mse)} for {high.level}, {format_number(low.mse)} for {low.level}."
                ),
            )
    return best[1] if best else ""


def _compare(others: dict[str, QualityRow]) -> str:
    known = [
        f"{format_number(others[name].mse_weighted)} {words}"
        for name, words in (("features", "uncorrected"), ("bias", "for means of users and items"))
        if name in others and others[name].mse_weighted is not None
    ]
    return f" ({', '.join(known)})" if known else ""


def _tell_groups(row: RecommenderRow) -> str:
    if len(row.sizes) < 2:
        return "Users do not fall into groups: no division of them is better than none."
    named = ", ".join(f"{name_group(k)} {format_count(size)}" for k, size in enumerate(row.sizes))
    return (
        f"{format_count(row.n_users)} users in {len(row.sizes)} groups that the model treats alike: "
        f"{named}. The number of groups is the one that parts them best (mean silhouette "
        f"{format_number(row.silhouette)}; near 0, groups run into one another)."
    )


def draw_map(row: RecommenderRow, layout: Layout) -> Markup:
    """Users on the two directions in which the model tells them apart most, by the letter of the group."""
    width, height = _SIZES[layout]
    spec: Spec = {
        "width": width,
        "height": height,
        "background": None,
        "data": {"values": [_make_point(point) for point in row.points]},
        "mark": {"type": "text", "fontSize": 11, "color": ACCENT},
        "encoding": {
            "x": _make_axis("x", "first direction"),
            "y": _make_axis("y", "second direction"),
            "text": {"field": "group", "type": "nominal"},
        },
        "config": {"view": {"stroke": None}},
    }
    return draw_spec(
        spec,
        title=f"Groups of users of {row.source}",
        description=f"{len(row.points)} users on two directions, in {len(row.sizes)} groups.",
    )


def _make_point(point: MapPoint) -> dict[str, float | str]:
    return {"x": point.x, "y": point.y, "group": name_group(point.group)}


def _make_axis(name: str, title: str) -> Spec:
    axis = {
        "title": title, "labels": False, "ticks": False, "grid": False, "domainColor": MUTED,
        "titleColor": MUTED, "titleFontWeight": "normal",
    }  # fmt: skip
    return {"field": name, "type": "quantitative", "axis": axis, "scale": {"zero": False}}
