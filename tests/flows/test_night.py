"""Whole nights in real processes: run once, run again, break a thing, see exactly what needs it re-run."""

import gzip
import html
import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tasks.effects.basis import Basis
from tasks.effects.choose import read_partitions
from tasks.effects.refute import REFUTERS
from tasks.ingest.sample import WorldSpec
from tasks.ingest.sample_drops import write_drops
from tasks.platform.periods import split_periods
from tasks.platform.settings import TextSettings
from tasks.platform.sql import read_sql
from tasks.platform.task import RunContext
from tasks.text import task as text
from tests.flows.conftest import ROOT, SMALL, SPEC, Night, Shop
from tests.flows.nights import ran_stages, read_tables, site_of

pytestmark = pytest.mark.slow


@pytest.fixture
def whole(done: Night) -> tuple[Shop, dict[str, Any]]:
    """A night that ran once, undisturbed. Tests that change it put back what they take.

    The last two do not: one runs other code in it, one loses reviews.
    """
    return done.shop, done.document


def test_row_accounting_closes_and_matches_what_was_delivered(
    whole: tuple[Shop, dict[str, Any]],
) -> None:
    shop, document = whole
    manifest = json.loads((shop.folder / "drops" / "manifest.json").read_text())
    assert document["accounts"]
    with site_of(shop).warehouse.connect() as connection:
        rows = connection.execute(
            "SELECT table_name, drop_id, rows_read, rows_published, rows_quarantined, rows_duplicate FROM raw.drops"
        ).fetchall()
        published = dict(
            connection.execute(
                "SELECT event_date::VARCHAR, count(*) FROM clean.reviews GROUP BY 1"
            ).fetchall()
        )
    assert {row[1] for row in rows} == set(manifest)
    for table, drop, read, good, bad, double in rows:
        assert read == good + bad + double
        if table == "reviews":
            told = manifest[drop]["reviews"]
            assert (bad, double) == (told["malformed"], told["duplicate"])
    assert sum(published.values()) == sum(row[3] for row in rows if row[0] == "reviews")


def test_report_and_json_are_where_the_run_says(whole: tuple[Shop, dict[str, Any]]) -> None:
    _shop, document = whole
    page = Path(document["report"])
    assert page.is_file()
    assert page.stat().st_size < 2_000_000
    assert page.with_suffix(".json").is_file()
    assert (page.parents[1] / "index.html").is_file()
    assert document["snapshot"] >= document["snapshots"]["read"] > 0


def test_every_effect_was_put_on_trial_and_can_be_explained(
    whole: tuple[Shop, dict[str, Any]],
) -> None:
    shop, document = whole
    with site_of(shop).warehouse.connect() as connection:
        tried = connection.execute(
            "SELECT refuter, count(DISTINCT (attribute, contrast)) FROM marts.effect_refutations GROUP BY 1"
        ).fetchall()
        estimated = connection.execute(
            "SELECT attribute, count(*) FROM marts.effects WHERE estimate IS NOT NULL AND estimator = 'plr'"
            " GROUP BY 1 ORDER BY 2 DESC, 1"
        ).fetchall()
    assert {name for name, _ in tried} == set(REFUTERS)
    assert {count for _, count in tried} == {sum(count for _, count in estimated)}
    answer = shop.call("effects", "explain", estimated[0][0])
    (row,) = answer["effects"]
    assert {line["refuter"] for line in row["refutations"]} == set(REFUTERS)
    assert row["verdict"] in ("credible", "weak", "not credible")
    assert any(
        event["name"].startswith("effects.refute_effects placebo") for event in document["events"]
    )


def test_the_same_night_again_executes_nothing(whole: tuple[Shop, dict[str, Any]]) -> None:
    shop, first = whole
    before = read_tables(shop)
    again = shop.run("nightly")  # in a process of its own: keys must be the same there
    assert again["tasks"]["ran"] == again["tasks"]["failed"] == again["tasks"]["retried"] == 0
    assert again["tasks"]["cached"] > 0
    assert again["rows"] == first["rows"]
    assert read_tables(shop) == before


def list_files(shop: Shop, kind: str) -> list[Path]:
    """Lake files of a kind that the last night's conclusions stand on."""
    night = Path(site_of(shop).reports_root) / SPEC.date_of(SPEC.n_days - 1).isoformat()
    files = json.loads((night / "run.json").read_text())["files"]
    named = [file["path"] for file in files if file["path"].startswith(f"{kind}/")]
    return [Path(site_of(shop).lake_root) / name for name in named]


def test_texts_of_items_are_embedded_and_controlled_for(
    whole: tuple[Shop, dict[str, Any]],
) -> None:
    shop, document = whole
    assert "text.embed_items" in ran_stages(document)
    (basis,) = (Basis.from_json(path.read_text()) for path in list_files(shop, "bases"))
    assert "c__item_text:1" in basis.names
    assert basis.texts is not None
    vectors = pl.concat([pl.read_parquet(path) for path in list_files(shop, "item_texts")])
    assert vectors.schema["vector"] == pl.Array(pl.Float32, len(basis.texts.centre))
    assert set(vectors["item_id"]) == set(
        pl.concat([pl.read_parquet(path) for path in list_files(shop, "panels")])["item_id"]
    )


def test_a_reworded_item_touches_the_days_that_met_it_and_no_other(
    whole: tuple[Shop, dict[str, Any]], tmp_path: Path
) -> None:
    site = site_of(whole[0])
    run = RunContext(run_id="x", events=str(tmp_path / "events"), site=site, text=TextSettings())
    as_of = SPEC.date_of(SPEC.n_days - 1)
    periods = split_periods(read_partitions(run, as_of), as_of)
    before = text.describe_item_texts(run, periods, as_of=as_of)
    assert set(before) == set(periods)
    with site.warehouse.connect() as connection:
        met = connection.execute(
            "SELECT item_id, min(event_date), items.title FROM clean.reviews "
            "JOIN clean.items USING (item_id) "
            "GROUP BY ALL HAVING count(DISTINCT event_date) = 1 LIMIT 1"
        ).fetchone()
    assert met is not None
    item, day, title = met

    def name(words: str) -> None:
        change = "UPDATE clean.items SET title = ? WHERE item_id = ?"
        site.warehouse.commit(lambda c: c.execute(change, [words, item]) and None, message=words)

    name("Something else")
    after = text.describe_item_texts(run, periods, as_of=as_of)
    name(title)
    assert [period.start for period in periods if before[period] != after[period]] == [day]
    assert text.describe_item_texts(run, periods, as_of=as_of) == before


def test_a_deleted_partition_and_mart_are_published_again_and_nothing_is_computed(
    whole: tuple[Shop, dict[str, Any]],
) -> None:
    shop, _ = whole
    before = read_tables(shop)
    day = SPEC.date_of(1)

    def lose(connection: Any) -> None:
        connection.execute("DELETE FROM clean.reviews WHERE event_date = ?", [day])
        connection.execute("DELETE FROM marts.review_attributes WHERE event_date = ?", [day])

    site_of(shop).warehouse.commit(lose, message="lost")
    again = shop.call("nightly")
    assert ran_stages(again) == {"ingest.publish_drops", "text.publish_attributes"}
    assert read_tables(shop) == before


def test_deleted_lake_files_are_made_again_and_nothing_else(
    whole: tuple[Shop, dict[str, Any]],
) -> None:
    shop, _ = whole
    lake = Path(site_of(shop).lake_root)
    night = Path(site_of(shop).reports_root) / SPEC.date_of(SPEC.n_days - 1).isoformat()
    files = [file["path"] for file in json.loads((night / "run.json").read_text())["files"]]
    lost = {
        kind: next(path for path in files if path.startswith(f"{kind}/"))
        for kind in ("moments", "panels", "attributes", "embeddings", "item_texts", "reports")
    }
    for path in lost.values():
        (lake / path).unlink()
    again = shop.call("nightly")
    assert ran_stages(again) == {
        "effects.make_moments",
        "effects.make_panel",
        "text.extract_attributes",
        "text.embed_shard",
        "text.embed_items",
        "report.write_report",
    }
    kept = {kind: path for kind, path in lost.items() if kind != "reports"}
    assert all((lake / path).is_file() for path in kept.values())


def test_editing_a_helper_of_effects_re_runs_effects_and_the_report_only(
    whole: tuple[Shop, dict[str, Any]], tmp_path: Path
) -> None:
    shop, first = whole
    code = tmp_path / "code"
    for room in ("flows", "tasks", "sql", "expectations"):
        shutil.copytree(ROOT / room, code / room, ignore=shutil.ignore_patterns("__pycache__"))
    helper = code / "tasks" / "effects" / "moments.py"
    helper.write_text(helper.read_text() + "\n# edited\n")
    again = Shop(shop.folder, shop.api_url, code).run("nightly")
    assert {name.split(".")[0] for name in ran_stages(again)} == {"effects", "report"}
    assert "effects.make_panel" not in ran_stages(again)
    assert {"effects.make_moments", "effects.estimate_window", "report.write_report"} <= ran_stages(
        again
    )
    assert first["snapshots"]["read"] < again["snapshots"]["read"]


def test_a_night_can_be_read_again_at_its_snapshot(whole: tuple[Shop, dict[str, Any]]) -> None:
    shop, document = whole
    warehouse = site_of(shop).warehouse
    count = "SELECT count(*) FROM clean.reviews"
    with warehouse.connect() as connection:
        now = connection.execute(count).fetchone()
    warehouse.commit(
        lambda c: c.execute("DELETE FROM clean.reviews WHERE source = 'sample'") and None,
        message="lost",
    )
    with warehouse.connect() as connection:
        assert connection.execute(count).fetchone() == (0,)
    with warehouse.connect(snapshot=document["snapshots"]["read"]) as connection:
        assert connection.execute(count).fetchone() == now


def read_page(document: dict[str, Any]) -> dict[str, Any]:
    page: dict[str, Any] = json.loads(Path(document["report"]).with_suffix(".json").read_text())
    return page


@pytest.mark.long
def test_a_stopped_redelivery_of_an_earlier_day_is_told_until_the_good_one_is_back(
    server: str, tmp_path: Path
) -> None:
    spec = WorldSpec(
        n_users=60, n_items=20, n_days=9, reviews_per_day=5, exposures_per_day=400, seed=5
    )
    write_drops(spec, tmp_path / "drops")
    (tmp_path / "whyrec.toml").write_text(SMALL)
    shop = Shop(tmp_path, server)
    days = [spec.date_of(number).isoformat() for number in range(spec.n_days)]
    for day in days[:-1]:
        (tmp_path / "drops" / day / "reviews.jsonl.gz").unlink()
    before = shop.call("nightly")
    assert before["messages"] == []
    path = tmp_path / "drops" / days[-2] / "exposures.jsonl.gz"
    good = path.read_bytes()
    lines = gzip.decompress(good).splitlines(keepends=True)
    path.write_bytes(gzip.compress(b"".join(lines[:12])))
    held = shop.call("nightly")
    (message,) = held["messages"]
    assert message.startswith(f"exposures of drop {days[-2]} of source sample was not published")
    assert (held["status"], held["exit_code"]) == ("completed", 0)
    page = read_page(held)
    assert page["headline"] == "Partly held at the gate: 1 thing to look at"
    (row,) = [d for d in page["drops"] if (d["drop_id"], d["table"]) == (days[-2], "exposures")]
    assert (row["status"], row["rows_published"] > 300) == ("published", True)
    assert row["message"].startswith("A newer delivery is held at the gate: the number of rows")
    assert "encountered an exception" not in Path(held["report"]).read_text()
    path.write_bytes(good)
    back = shop.call("nightly")
    assert back["messages"] == []
    assert [read_page(back)[n] for n in ("headline", "problems", "drops")] == [
        read_page(before)[n] for n in ("headline", "problems", "drops")
    ]
    with site_of(shop).warehouse.connect() as connection:
        assert connection.execute(read_sql("marts/quality_refused")).fetchall() == []
    assert shop.call("nightly")["tasks"]["ran"] == 0
    shutil.rmtree(tmp_path / "drops" / days[2])
    gone = shop.call("nightly")
    assert (gone["exit_code"], gone["tasks"]["ran"]) == (0, 0)
    (message,) = gone["messages"]
    assert message.startswith(f"one published drop is no longer at its source (sample {days[2]})")
    plan = shop.call("backfill", "--start", days[2], "--end", days[3], "--dry-run")
    assert ["no longer at its source" in night["why"] for night in plan["nights"]] == [True, False]


@pytest.mark.long
def test_a_withdrawn_day_leaves_the_night_and_comes_back(fresh: Shop, tmp_path: Path) -> None:
    shop = fresh.copy(tmp_path / "shop")
    (shop.folder / "whyrec.toml").write_text(SMALL)
    day = SPEC.date_of(SPEC.n_days - 1).isoformat()
    shop.call("nightly")
    tables = read_tables(shop)
    taken = shop.call("withdraw", "sample", day, "--reason", "a test")
    assert taken["nights"] == [day]
    without = shop.call("nightly", "--as-of", day)
    assert without["rows"]["published"] == 0
    page = read_page(without)
    assert {row["status"] for row in page["drops"] if row["drop_id"] == day} == {"withdrawn"}
    assert page["headline"].startswith("Use with care")
    assert any("rows taken back by" in item["text"] for item in page["problems"])
    assert ran_stages(without) & {"effects.estimate_window", "report.write_report"}
    page = read_page(shop.call("nightly", "--as-of", day, "--force"))
    assert {row["status"] for row in page["drops"] if row["drop_id"] == day} == {"withdrawn"}
    shop.call("withdraw", "sample", day, "--undo")
    assert shop.call("nightly", "--as-of", day)["rows"]["published"] > 0
    assert read_tables(shop) == tables


def test_a_failing_gate_leaves_published_data_and_ends_with_3(server: str, tmp_path: Path) -> None:
    spec = WorldSpec(
        n_users=60, n_items=20, n_days=8, reviews_per_day=5, exposures_per_day=400, seed=5
    )
    write_drops(spec, tmp_path / "drops")
    (tmp_path / "whyrec.toml").write_text(SMALL)
    shop = Shop(tmp_path, server)
    days = [spec.date_of(number).isoformat() for number in range(spec.n_days)]
    for day in days[:-1]:  # exposures alone need a history
        (tmp_path / "drops" / day / "reviews.jsonl.gz").unlink()
    span = ("backfill", "--only", "ingest", "--start", days[0], "--end", days[-1])
    shop.call(*span)
    before = read_tables(shop)
    path = tmp_path / "drops" / days[-1] / "exposures.jsonl.gz"
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    path.write_bytes(gzip.compress(b"".join(lines[:12])))
    stopped = shop.call("nightly", code=3)
    assert stopped["status"] == "stopped by gate"
    assert "was not published" in stopped["messages"][0]
    rows = stopped["rows"]
    assert rows["held"] > 0
    assert (
        rows["read"] == rows["published"] + rows["quarantined"] + rows["duplicate"] + rows["held"]
    )
    assert read_tables(shop)["clean.exposures"] == before["clean.exposures"]
    assert "was not published" in Path(stopped["report"]).read_text()


def test_files_that_two_sources_deliver_are_told_since_their_rows_count_twice(
    server: str, tmp_path: Path
) -> None:
    spec = WorldSpec(
        n_users=60, n_items=20, n_days=2, reviews_per_day=30, exposures_per_day=60, seed=5
    )
    write_drops(spec, tmp_path / "drops")
    again = '[[sources]]\nname = "web"\nkind = "sample"\npath = "drops"\n'
    (tmp_path / "whyrec.toml").write_text(SMALL + again)
    day = spec.date_of(0).isoformat()
    document = Shop(tmp_path, server).call("nightly", "--as-of", day)
    told = [message for message in document["messages"] if "counts 2 times" in message]
    assert [each.split(":")[0] for each in told] == [
        f"The same files are published as sample/{day} and web/{day}"
    ] * 2  # reviews and exposures; both share one list of items
    assert f"whyrec withdraw web {day}" in told[0]
    assert told[0] in html.unescape(Path(document["report"]).read_text())
