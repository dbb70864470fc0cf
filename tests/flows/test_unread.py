"""Reviews that the extractor cannot read, in a whole night: left out of the effects, and counted."""

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.flows.conftest import CONFIG, SPEC, Shop
from tests.flows.nights import ran_stages, site_of

pytestmark = pytest.mark.long

GERMAN = "Das Gerät ist wirklich ausgezeichnet, aber der Versand war leider viel zu langsam."
FOREIGN = """
[[sources]]
name = "foreign"
kind = "sample"
path = "foreign"
"""


def translate(path: Path, *, every: int) -> None:
    """Put the text of every so many reviews of a file into German, each a text of its own."""
    lines = gzip.decompress(path.read_bytes()).splitlines()
    for at in range(0, len(lines), every):
        try:
            row = json.loads(lines[at])
        except ValueError:
            continue
        lines[at] = json.dumps({**row, "text": f"{GERMAN} Nummer {at}."}).encode()
    path.write_bytes(gzip.compress(b"\n".join(lines) + b"\n"))


@pytest.fixture(scope="module")
def mixed(
    fresh: Shop, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Shop, dict[str, Any], dict[str, Any]]:
    """A night on a shop where every fifth review is German, of the last day all; and one after."""
    shop = fresh.copy(tmp_path_factory.mktemp("mixed") / "shop")
    shutil.copytree(shop.folder / "drops", shop.folder / "foreign")
    for number in range(SPEC.n_days):
        day = SPEC.date_of(number).isoformat()
        every = 1 if number == SPEC.n_days - 1 else 5
        translate(shop.folder / "drops" / day / "reviews.jsonl.gz", every=every)
        translate(shop.folder / "foreign" / day / "reviews.jsonl.gz", every=1)
    settings = CONFIG.replace("windows_days = [0]", "windows_days = [0, 1]") + FOREIGN
    (shop.folder / "whyrec.toml").write_text(settings)
    return shop, shop.call("nightly"), shop.call("nightly")


def count_reviews(shop: Shop) -> dict[tuple[str, bool, bool], int]:
    """Published reviews by source, whether they are German, and whether of the last day."""
    count = "SELECT source, text LIKE 'Das Ger%', event_date = ?, count(*) FROM clean.reviews GROUP BY ALL"
    with site_of(shop).warehouse.connect() as connection:
        rows = connection.execute(count, [SPEC.date_of(SPEC.n_days - 1)]).fetchall()
    return {(source, is_german, is_last): n for source, is_german, is_last, n in rows}


def test_reviews_used_and_left_out_are_all_the_reviews_there_are(
    mixed: tuple[Shop, dict[str, Any], dict[str, Any]],
) -> None:
    shop, document, _ = mixed
    counts = count_reviews(shop)
    german = sum(
        n for (source, is_german, _), n in counts.items() if is_german and source == "sample"
    )
    english = sum(n for (_, is_german, _), n in counts.items() if not is_german)
    assert german > 40
    page = json.loads(Path(document["report"]).with_suffix(".json").read_text())
    found = {
        (row["source"], row["window"]): (row["n"], row["n_left_out"]) for row in page["effects"]
    }
    last_day = counts["sample", True, True]
    assert found == {("sample", "all"): (english, german), ("sample", "1d"): (0, last_day)}
    assert {row["verdict"] for row in page["effects"] if row["window"] == "1d"} == {"no result"}


def test_the_report_says_how_many_were_left_out_and_of_which_source_all(
    mixed: tuple[Shop, dict[str, Any], dict[str, Any]],
) -> None:
    shop, document, again = mixed
    counts = count_reviews(shop)
    german = sum(
        n for (source, is_german, _), n in counts.items() if is_german and source == "sample"
    )
    text = Path(document["report"]).read_text()
    assert f"{german} further reviews of which nothing was read are left out" in text
    assert "None of the reviews of foreign was read" in text
    for night in (document, again):
        assert (
            sum("None of the reviews of foreign was read" in one for one in night["messages"]) == 1
        )


def test_the_panels_hold_the_reviews_that_were_read_and_no_other(
    mixed: tuple[Shop, dict[str, Any], dict[str, Any]],
) -> None:
    shop, document, _ = mixed
    lake = Path(site_of(shop).lake_root)
    night = Path(document["report"]).with_name("run.json")
    files = [file["path"] for file in json.loads(night.read_text())["files"]]
    panels = [pl.read_parquet(lake / path) for path in files if path.startswith("panels/")]
    used = set(pl.concat([panel.select("review_id") for panel in panels])["review_id"])
    with site_of(shop).warehouse.connect() as connection:
        known = connection.execute(
            "SELECT review_id FROM clean.reviews WHERE text NOT LIKE 'Das Ger%'"
        ).fetchall()
    assert used == {review for (review,) in known}


def test_a_night_with_reviews_left_out_is_repeated_without_work(
    mixed: tuple[Shop, dict[str, Any], dict[str, Any]],
) -> None:
    assert ran_stages(mixed[2]) == set()
