"""A source's recommender as the night hands it over: figures, groups, users with their lists."""

import json
from typing import Any

from tasks.report.fields import Count, Name, Number, Row, Sentence

MAX_POINTS = 300
"""Users drawn on the map; more would be a smear and would make the page large."""


class LevelRow(Row):
    """One level of a trait: ratings held out, and the mean squared error on them."""

    level: Name
    n: Count = 0
    mse: Number = None


class TraitRow(Row):
    """Errors by one trait of users or of items; `side` is "user" or "item"."""

    trait: Name
    side: Name
    mse_gap: Number = None
    levels: tuple[LevelRow, ...] = ()


class QualityRow(Row):
    """One model on ratings held out. Errors are in squared rating points unless named otherwise."""

    model: Name
    is_used: bool = False
    n_train: Count = 0
    n_test: Count = 0
    mse: Number = None
    mae: Number = None
    mse_weighted: Number = None
    auc: Number = None
    ndcg_at_5: Number = None
    recall_at_5: Number = None
    bias: Number = None
    calibration_error: Number = None
    coverage: Number = None
    gini: Number = None
    popularity_lift: Number = None
    traits: tuple[TraitRow, ...] = ()


class MapPoint(Row):
    """One user on the map of groups."""

    x: float
    y: float
    group: Count


class ReasonRow(Row):
    """What reviews praise in a recommended item, and what this causes, in rating points."""

    attribute: Name
    effect: Number = None
    share: Number = None
    n_reviews: Count = 0
    review_id: Name = ""
    sentence: Sentence = ""


class PickRow(Row):
    """One recommended item of one user; the parts sum to the prediction."""

    user_id: Name
    group: int | None = None
    place: Count
    item_id: Name
    title: Name = ""
    score: Number = None
    predicted: Number = None
    uplift: Number = None
    part_mean: Number = None
    part_user: Number = None
    part_item: Number = None
    part_interaction: Number = None
    part_features: Number = None
    reasons: tuple[ReasonRow, ...] = ()


class RecommenderRow(Row):
    """The recommender of one source. `sizes` are users per group, the largest first."""

    source: Name
    n_users: Count = 0
    sizes: tuple[int, ...] = ()
    silhouette: Number = None
    points: tuple[MapPoint, ...] = ()
    quality: tuple[QualityRow, ...] = ()
    picks: tuple[PickRow, ...] = ()


def describe_recommender(source: str, *, quality: Any, groups: Any, picks: Any) -> RecommenderRow:
    """The row of one source, from what the recommend room wrote; at most `MAX_POINTS` users."""
    users = groups["user"]
    labels, places = users["groups"], users["map"]
    step = max(1, -(-len(labels) // MAX_POINTS))
    return RecommenderRow(
        source=source,
        n_users=len(labels),
        sizes=tuple(labels.count(k) for k in range(max(labels, default=-1) + 1)),
        silhouette=max(users["silhouettes"].values(), default=None),
        points=tuple(
            MapPoint(x=place[0], y=place[1], group=label)
            for place, label in list(zip(places, labels, strict=True))[::step]
        ),
        quality=tuple(
            _make_quality(row) for row in quality
        ),
        picks=tuple(
            PickRow(**{name: row[name] for name in PickRow.model_fields if name != "reasons"},
                    reasons=tuple(_make_reason(reason) for reason in row["reasons"]))
            for row in picks
        ),
    )  # fmt: skip


def _make_reason(reason: Any) -> ReasonRow:
    return ReasonRow(**{name: reason.get(name) for name in ReasonRow.model_fields})


def _make_quality(row: Any) -> QualityRow:
    names = set(QualityRow.model_fields) - {"traits"}
    traits = json.loads(row.get("groups") or "[]")
    return QualityRow(
        **{name: row.get(name) for name in names},
        traits=tuple(
            TraitRow(
                trait=trait["trait"], side=trait["side"], mse_gap=trait["mse_gap"],
                levels=tuple(
                    LevelRow(level=level["level"], n=level["n"], mse=level["mse"])
                    for level in trait["levels"]
                ),
            )
            for trait in traits
        ),
    )  # fmt: skip
