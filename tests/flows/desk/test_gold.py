"""Labelled reviews in a night: its effects are corrected, and nothing else is worked out again."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.flows.conftest import CONFIG, SPEC, Shop
from tests.flows.nights import ran_stages, site_of

pytestmark = pytest.mark.long

NAMES = ("price", "durability", "sound")
"""Three that the sample world speaks of often."""
AFTER_LABELS = {
    "effects.correct_window", "effects.judge_night", "effects.publish_effects", "report.write_report",
}  # fmt: skip


def configure(shop: Shop, *, gold: str) -> None:
    """Settings with three attributes and two windows."""
    named = "\n".join(
        f'[[extract.attributes]]\nname = "{name}"\nseeds = ["{name}"]' for name in NAMES
    )
    settings = CONFIG.replace("windows_days = [0]", "windows_days = [0, 1]")
    (shop.folder / "whyrec.toml").write_text(f"{settings}\n[extract]\n{gold}\n{named}\n")


def write_gold(shop: Shop, *, flip: int = 0) -> None:
    """Labels of 75 published reviews: what was read, of which the first `flip` turned round."""
    with site_of(shop).warehouse.connect() as connection:
        reviews = connection.execute(
            "SELECT review_id FROM clean.reviews ORDER BY review_id"
        ).fetchall()
        read = connection.execute(
            "SELECT review_id, attribute, polarity FROM marts.review_attributes"
        ).fetchall()
    said = {(review, name): side for review, name, side in read}
    rng = np.random.default_rng(1)
    chosen = [reviews[row][0] for row in np.sort(rng.permutation(len(reviews))[:75])]
    signs = [-1 if at < flip else 1 for at in range(75)]
    pl.DataFrame({
        "review_id": chosen,
        **{
            name: [sign * said.get((one, name), 0) for one, sign in zip(chosen, signs, strict=True)]
            for name in NAMES
        },
    }).write_csv(shop.folder / "gold.csv")  # fmt: skip


@pytest.fixture(scope="module")
def nights(
    fresh: Shop, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Shop, list[dict[str, Any]]]:
    """A night without labels, one with, one after some were changed; and one whose file is gone."""
    shop = fresh.copy(tmp_path_factory.mktemp("gold") / "shop")
    configure(shop, gold="")
    runs = [shop.call("nightly")]
    write_gold(shop)
    configure(shop, gold='gold = "gold.csv"')
    runs.append(shop.call("nightly"))
    write_gold(shop, flip=20)
    runs.append(shop.call("nightly"))
    (shop.folder / "gold.csv").unlink()
    return shop, [*runs, shop.call("nightly", code=2)]


def test_labels_bring_corrected_effects_and_work_nothing_else_out_again(
    nights: tuple[Shop, list[dict[str, Any]]],
) -> None:
    _, runs = nights
    assert "effects.correct_window" not in ran_stages(runs[0])
    assert [ran_stages(run) for run in runs[1:3]] == [AFTER_LABELS, AFTER_LABELS]


def test_each_window_is_corrected_or_says_why_not(
    nights: tuple[Shop, list[dict[str, Any]]],
) -> None:
    shop, runs = nights
    page = json.loads(Path(runs[2]["report"]).with_suffix(".json").read_text())
    corrected = {
        (row["window"], row["attribute"]): row
        for row in page["effects"]
        if row["estimator"] == "corrected"
    }
    assert set(corrected) == {(window, name) for window in ("all", "1d") for name in NAMES}
    whole, last = ([corrected[window, name] for name in NAMES] for window in ("all", "1d"))
    assert any(row["estimate"] is not None for row in whole)
    assert {row["estimate"] for row in last} == {None}
    assert all("reviews of this window are labelled" in row["reasons"][0] for row in last)
    mains = {
        row["attribute"]: row["reasons"]
        for row in page["effects"]
        if row["estimator"] == "plr" and row["contrast"] == "negative_to_positive"
        and row["window"] == "all"
    }  # fmt: skip
    told = [row["attribute"] for row in whole if row["estimate"] is not None]
    assert all(any(r.startswith("corrected ") for r in mains[name]) for name in told)
    with site_of(shop).warehouse.connect() as connection:
        kept = connection.execute(
            "SELECT count(*) FROM marts.effects WHERE estimator = 'corrected' AND as_of = ?",
            [SPEC.date_of(SPEC.n_days - 1)],
        ).fetchone()
    assert kept == (6,)


def test_a_file_of_labels_that_is_not_there_ends_the_night_in_words(
    nights: tuple[Shop, list[dict[str, Any]]],
) -> None:
    assert "gold.csv; check extract.gold" in json.dumps(nights[1][3])
