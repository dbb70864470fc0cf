"""A night with a recommender: what is published, a warm fit of the next night, commands on it."""

from pathlib import Path
from typing import Any

import pytest

from tasks.ingest.sample import WorldSpec
from tasks.ingest.sample_drops import write_drops
from tasks.platform.settings import load_settings
from tasks.platform.site import resolve_site
from tests.flows.conftest import CONFIG, Shop

SPEC = WorldSpec(n_users=60, n_items=30, n_days=5, reviews_per_day=60, exposures_per_day=30, seed=3)
RECOMMEND = (
    "[recommend]\nmin_ratings = 100\ntop_k = 4\nmodel = 'bias'\n[robustness]\nmin_reviews = 100\nbudget = 1\neffect_attacks = ['gradient']\n"
    "recommender_attacks = ['average']\ntext_attacks = ['swaps']\nembedding_attacks = ['fgsm']\n"
    "texts = 3\ntext_queries = 40\n[[sources]]"
)  # fmt: skip
FULL, WARM = "2024-03-04", "2024-03-05"


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def nights(
    server: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Shop, dict[str, dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("recommend")
    write_drops(SPEC, folder / "drops")
    plain = CONFIG.replace("[effects]", "[effects]\ngraph_rows = 0\nsecond_opinions = []")
    (folder / "whyrec.toml").write_text(plain.replace("[[sources]]", RECOMMEND))
    shop = Shop(folder, server)
    return shop, {day: shop.call("nightly", "--as-of", day) for day in (FULL, WARM)}


def ask(shop: Shop, statement: str) -> list[tuple[Any, ...]]:
    settings = load_settings(shop.folder / "whyrec.toml")
    with resolve_site(settings).warehouse.connect() as connection:
        return connection.execute(statement).fetchall()


def states(night: dict[str, Any]) -> dict[str, str]:
    return {e["name"]: e["state"] for e in night["events"] if e["stage"] == "recommend"}


def test_every_user_gets_items_not_rated_before_best_first(nights) -> None:
    shop, _ = nights
    rows = ask(
        shop,
        "SELECT user_id, place, item_id, predicted, part_mean + part_user + part_item + "
        f"part_interaction + part_features FROM marts.recommendations WHERE as_of = '{WARM}'",
    )
    rated = set(ask(shop, "SELECT user_id, item_id FROM clean.reviews"))
    assert {row[1] for row in rows} == {1, 2, 3, 4}
    assert not {(row[0], row[2]) for row in rows} & rated
    assert all(row[3] == pytest.approx(row[4]) for row in rows)
    by_user: dict[str, list[float]] = {}
    for row in sorted(rows):
        by_user.setdefault(row[0], []).append(row[3])
    assert all(scores == sorted(scores, reverse=True) for scores in by_user.values())
    assert {row[0] for row in rated} <= set(by_user)


def test_the_week_starts_with_a_full_fit_and_goes_on_from_it(nights) -> None:
    _, found = nights
    assert states(found[FULL])["recommend.fit_source sample full"] == "ran"
    later = states(found[WARM])
    assert later["recommend.fit_source sample full"] == "cached"
    assert later["recommend.fit_source sample warm"] == "ran"


def test_quality_stands_beside_popularity_and_names_the_recommender_in_use(nights) -> None:
    shop, _ = nights
    rows = ask(
        shop,
        "SELECT model, is_used, n_train + n_test, mse, checkpoint FROM marts.recommender_quality "
        f"WHERE as_of = '{WARM}' ORDER BY model",
    )
    pairs = ask(shop, "SELECT count(DISTINCT (user_id, item_id)) FROM clean.reviews")[0][0]
    assert [(row[0], row[1]) for row in rows] == [
        ("bias", True), ("features", False), ("popularity", False),
    ]  # fmt: skip
    assert all(row[2] == pairs and row[3] > 0 for row in rows)
    assert (Path(shop.folder) / "home" / "lake" / rows[0][4]).is_file()


def test_each_night_tries_another_attack_and_shows_those_of_the_week(nights) -> None:
    shop, found = nights
    first, second = (
        {
            e["name"]: e["state"]
            for e in found[day]["events"]
            if ".attack_" in e["name"] and "attack_vectors" not in e["name"]
        }
        for day in (FULL, WARM)
    )
    assert list(first.values()) == ["ran"]
    assert len(second) == 2
    assert second[next(iter(first))] == "cached"
    rows = ask(
        shop, "SELECT as_of::VARCHAR, count(DISTINCT (surface, attack, target, CASE target WHEN 'effects' THEN subject END)), "
        "bool_and(attempted + skipped + not_attempted > 0), bool_and(attempted = succeeded + failed) "
        "FROM marts.attacks WHERE NOT (surface = 'embedding' AND target = 'extractor') GROUP BY ALL ORDER BY ALL",
    )  # fmt: skip
    assert rows == [(FULL, 1, True, True), (WARM, 2, True, True)]


def test_the_same_night_again_executes_nothing(nights) -> None:
    shop, _ = nights
    again = shop.call("nightly", "--as-of", WARM)
    assert again["tasks"]["ran"] == 0
    assert again["tasks"]["cached"] > 0


def test_a_lost_list_is_published_again_and_nothing_is_computed(nights) -> None:
    shop, _ = nights
    wanted = f"SELECT * FROM marts.recommendations WHERE as_of = '{WARM}' ORDER BY ALL"
    before = ask(shop, wanted)
    site = resolve_site(load_settings(shop.folder / "whyrec.toml"))
    site.warehouse.commit(
        lambda connection: connection.execute(f"DELETE FROM marts.recommendations WHERE as_of = '{WARM}'")
        and None,
        message="lost",
    )  # fmt: skip
    again = shop.call("nightly", "--as-of", WARM)
    ran = {event["name"] for event in again["events"] if event["state"] == "ran"}
    assert {name.strip() for name in ran} == {"recommend.publish_recommendations"}
    assert ask(shop, wanted) == before
    assert before


def test_lists_and_explanations_are_read_from_the_newest_night(nights) -> None:
    shop, _ = nights
    user = ask(shop, "SELECT min(user_id) FROM clean.reviews")[0][0]
    top = shop.call("recommend", "top", "--user", user, "--k", "2")
    assert top["is_known"]
    assert [row["place"] for row in top["items"]] == [1, 2]
    item = top["items"][0]["item_id"]
    told = shop.call("recommend", "explain", "--user", user, "--item", item)
    assert told["predicted"] == pytest.approx(top["items"][0]["predicted"])
    assert {row["attribute"] for row in told["attributes"]} <= {
        "price", "sound_quality", "durability", "ease_of_use", "size_fit", "shipping",
    }  # fmt: skip


def test_a_user_never_seen_gets_what_suits_all_and_is_told_so(nights) -> None:
    shop, _ = nights
    top = shop.call("recommend", "top", "--user", "nobody", "--k", "3")
    assert not top["is_known"]
    scores = [row["predicted"] for row in top["items"]]
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)


@pytest.mark.long
def test_a_sweep_tries_every_pair_once_and_the_next_page_shows_them(nights) -> None:
    shop, _ = nights
    before = shop.call("nightly", "--as-of", WARM)
    found = shop.call("attack", "sweep", "--as-of", WARM)
    tried = {(row["attack"], row["target"], row["surface"]) for row in found["attacks"]}
    assert tried == {
        ("gradient", "effects", "behaviour"), ("swaps", "extractor", "text"),
        ("average", "recommender", "behaviour"), ("fgsm", "extractor", "embedding"),
        ("fgsm", "recommender", "embedding"),
    }  # fmt: skip
    assert set(found["counts"]) == {"behaviour", "text", "embedding"}
    for counts in found["counts"].values():
        assert counts["attempted"] == counts["succeeded"] + counts["failed"]
    again = shop.call("attack", "sweep", "--as-of", WARM)
    assert {e["name"] for e in again["events"] if e["state"] == "ran"} <= {
        "robustness.record_sweep sample"
    }
    night = shop.call("nightly", "--as-of", WARM)
    assert night["report"] == before["report"]
    page = Path(night["report"]).read_text()
    assert "attacks-readers-1" in page
    assert "the clauses extractor has no probe" in page
    held = ask(
        shop,
        f"SELECT count(DISTINCT (surface, attack, target, subject)) FROM marts.attacks "
        f"WHERE as_of = '{WARM}'",
    )[0][0]
    assert held == len(
        {(r["surface"], r["attack"], r["target"], r["subject"]) for r in found["attacks"]}
    )
