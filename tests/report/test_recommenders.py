"""What the page says of the recommender."""

import json
from typing import Any

import pytest

from tasks.report.recommender_rows import MAX_POINTS, describe_recommender
from tasks.report.recommenders import view_recommenders
from tasks.report.render import render_html
from tests.report.conftest import make_night
from tests.report.page import Page

QUALITY = [
    {"model": "popularity", "is_used": False, "n_train": 80, "n_test": 20, "mse_weighted": 1.4},
    {"model": "bias", "is_used": False, "n_train": 80, "n_test": 20, "mse_weighted": 1.2},
    {"model": "features", "is_used": False, "n_train": 80, "n_test": 20, "mse_weighted": 1.1},
    {"model": "ips", "is_used": True, "n_train": 80, "n_test": 20, "mse_weighted": 0.9,
     "mse": 0.8, "coverage": 0.25, "popularity_lift": 0.7},
]  # fmt: skip
PARTS = ("mean", "user", "item", "interaction", "features")


def make_pick(user: str = "u1", **changes: Any) -> dict[str, Any]:
    reason = {
        "attribute": "sound_quality", "effect": 0.25, "share": 0.5, "n_reviews": 8,
        "review_id": "r1", "sentence": "warm <b>tone</b>", "span": [0, 4],
    }  # fmt: skip
    return {
        "user_id": user, "group": 0, "place": 1, "item_id": "i1", "title": "A radio", "score": 4.1,
        "predicted": 4.1, "uplift": 0.1, **dict.fromkeys((f"part_{p}" for p in PARTS), 0.82),
        "reasons": [reason], **changes,
    }  # fmt: skip


def make_recommender(n_users: int = 9, n_groups: int = 3, **changes: Any) -> Any:
    groups = {
        "user": {
            "ids": [f"u{k}" for k in range(n_users)],
            "groups": [k % n_groups for k in range(n_users)],
            "map": [[k, -k] for k in range(n_users)],
            "silhouettes": {"2": 0.2, "3": 0.41} if n_groups > 1 else {},
        }
    }
    known = {"quality": QUALITY, "groups": groups, "picks": [make_pick()], **changes}
    return describe_recommender("shop", **known)


def show(*recommenders: Any) -> str:
    return render_html(make_night(recommenders=recommenders))


def test_its_error_stands_beside_those_of_simpler_models() -> None:
    (view,) = view_recommenders(make_night(recommenders=[make_recommender()]), most=1)
    assert view.sentences == (
        "Over all pairs of users and items its squared error is estimated at 0.90 "
        "(1.10 uncorrected, 1.20 for means of users and items).",
        "Its lists of five reach 25% of the items. What they show is 0.70 times as often rated as "
        "what people rate by themselves: below 1, lists favour the rare.",
    )


@pytest.mark.parametrize("lift", [1.0, 0.998, 1.004])
def test_lists_that_favour_neither_the_popular_nor_the_rare_are_said_to(lift: float) -> None:
    quality = [{**QUALITY[-1], "popularity_lift": lift}]
    (view,) = view_recommenders(
        make_night(recommenders=[make_recommender(quality=quality)]), most=1
    )
    assert view.sentences[1].endswith(
        "What they show is as often rated as what people rate by themselves."
    )


def test_the_group_served_worst_is_named_unless_it_is_too_small_to_tell() -> None:
    levels = [
        {"level": "gift", "n": 30, "mse": 0.9}, {"level": "casual", "n": 50, "mse": 0.4},
        {"level": "rare", "n": 5, "mse": 3.0},
    ]  # fmt: skip
    groups = json.dumps([{"trait": "segment", "side": "user", "mse_gap": 0.5, "levels": levels}])
    quality = [{**QUALITY[-1], "groups": groups}]
    (view,) = view_recommenders(
        make_night(recommenders=[make_recommender(quality=quality)]), most=1
    )
    assert view.sentences[-1] == (
        "Among users its error differs most by segment: 0.90 for gift, 0.40 for casual."
    )


def test_the_map_shows_the_letter_of_every_group() -> None:
    html = show(make_recommender())
    assert "9 users in 3 groups that the model treats alike: A 3, B 3, C 3." in Page(html).text
    assert "mean silhouette 0.41" in Page(html).text
    drawing = html.split("<title>Groups of users of shop")[1].split("</svg>")[0]
    assert all(f">{letter}</text>" in drawing for letter in "ABC")


def test_users_that_are_one_group_have_no_map() -> None:
    html = show(make_recommender(n_groups=1))
    assert "Users do not fall into groups" in Page(html).text
    assert "Groups of users of shop" not in html


def test_a_hostile_sentence_is_shown_and_never_executed() -> None:
    html = show(make_recommender())
    assert "warm <b>tone</b>" in Page(html).text
    assert "warm <b>" not in html
    assert (
        "Sound quality: praised in 50% of 8 reviews, worth +0.25 where praised." in Page(html).text
    )


def test_the_page_stays_small_however_many_users_there_are() -> None:
    row = make_recommender(n_users=50_000)
    assert len(row.points) <= MAX_POINTS
    assert row.n_users == 50_000
    assert sum(row.sizes) == 50_000


def test_too_few_ratings_to_hold_out_are_no_result() -> None:
    none = [{**row, "mse_weighted": None} for row in QUALITY]
    (view,) = view_recommenders(make_night(recommenders=[make_recommender(quality=none)]), most=1)
    assert view.sentences == ("No result: too few ratings could be held out.",)


def test_a_night_without_a_recommender_says_so() -> None:
    assert "no recommender was fitted on this night" in Page(show()).text
