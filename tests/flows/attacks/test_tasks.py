"""The tasks of an attack night: from published reviews to published rows."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from flows.attacks.tasks import attack_effect, attack_ratings
from tasks.platform.refs import AttributesRef, PeriodRef
from tasks.platform.settings import Settings, load_settings
from tasks.platform.site import resolve_site
from tasks.platform.task import RunContext
from tasks.robustness import task as robustness
from tasks.robustness.corpus import SAYS
from tasks.robustness.mart_rows import to_suspect_rows
from tests.flows.published import publish
from tests.robustness.test_rows import ROW
from tests.robustness.worlds import toy_corpus

FIRST, LAST = date(2024, 3, 1), date(2024, 3, 28)


@pytest.fixture
def run(tmp_path: Path) -> RunContext:
    site = resolve_site(load_settings(publish(tmp_path, "shop")))
    return RunContext(run_id="r", events=str(tmp_path / "e"), site=site, text=Settings().text)


def gather(
    run: RunContext, *, max_rows: int = 10_000, unread: tuple[str, ...] = ()
) -> robustness.CorpusRef:
    period = PeriodRef(source="shop", start=FIRST, end=LAST, fingerprint="f", rows=1)
    read = toy_corpus().frame.select(
        "review_id", pl.lit("price").alias("attribute"), pl.lit(True).alias("is_mentioned"),
        pl.col(f"{SAYS}price").alias("polarity"),
    )  # fmt: skip
    file = run.site.lake.put_frame("attributes", read)
    skipped = pl.DataFrame({"review_id": list(unread)}, schema={"review_id": pl.String})
    left = run.site.lake.put_frame("unread", skipped)
    ref = AttributesRef(period=period, file=file, summary=file, unread=left, rows=read.height)
    return robustness.gather_corpus.fn(
        periods=(period,), attributes=(ref,), context="", attribute_names=("price",),
        max_rows=max_rows, run=run,
    )  # fmt: skip


@pytest.mark.slow
def test_an_attack_night_publishes_what_it_found_and_once(run: RunContext) -> None:
    corpus = gather(run)
    files = (
        attack_effect.fn(
            source="shop", corpus=corpus, attack="fake-reviews", attribute="price",
            attribute_names=("price",), settings=Settings().effects, mode="nuke", share=0.05,
            looked_to=0.2, seed=0, run=run,
        ),
        attack_ratings.fn(
            source="shop", corpus=corpus, attack="love-hate", mode="push", share=0.05, victim=None,
            seed=0, run=run,
        ),
        robustness.list_unusual.fn(source="shop", corpus=corpus, run=run),
    )  # fmt: skip
    assert robustness.has_unpublished(files, LAST, run)
    robustness.publish_attacks.fn(files=files, as_of=LAST, run=run)
    assert not robustness.has_unpublished(files, LAST, run)
    with run.site.warehouse.connect() as connection:
        rows = connection.execute(
            "SELECT target, attempted, succeeded + failed, skipped FROM marts.attacks ORDER BY target"
        ).fetchall()
        defences = connection.execute(
            "SELECT target, count(*) FROM marts.defences GROUP BY ALL ORDER BY 1"
        )
        assert defences.fetchall() == [("effects", 2), ("recommender", 1)]
    assert rows == [("effects", 1, 1, 0), ("recommender", 1, 1, 0)]


def test_the_newest_reviews_are_attacked_with_what_they_say(run: RunContext) -> None:
    corpus = robustness.read_corpus(gather(run, max_rows=50).reviews, run)
    newest = toy_corpus().frame.sort("event_date", "review_id").tail(50)
    assert corpus.n == 50
    assert corpus.attributes == ("price",)
    joined = corpus.frame.join(newest, on="review_id", suffix="_true")
    assert joined.height == 50
    assert (joined[f"{SAYS}price"] == joined[f"{SAYS}price_true"]).all()


def test_reviews_that_were_not_read_are_marked_and_still_there(run: RunContext) -> None:
    names = tuple(toy_corpus().frame["review_id"].to_list()[:40])
    corpus = robustness.read_corpus(gather(run, unread=names).reviews, run)
    assert corpus.n == toy_corpus().n
    assert set(corpus.frame.filter(~pl.col("is_read"))["review_id"]) == set(names)


def test_a_sweep_is_found_by_its_own_key_and_day_and_an_earlier_one_is_replaced(
    run: RunContext,
) -> None:
    files = tuple(robustness.put_rows(run, {"attacks": [], "defences": []}) for _ in range(1))
    for key in ("old", "new"):
        robustness.record_sweep.fn(
            source="shop", until=LAST, as_of=LAST, key=key, files=files, run=run
        )
    kept = robustness.read_sweeps(run, LAST)
    assert robustness.choose_sweep(kept, "new") == list(files)
    assert robustness.choose_sweep(kept, "old") == []
    assert robustness.choose_sweep(robustness.read_sweeps(run, FIRST), "new") == []


def test_the_newest_result_of_an_earlier_week_is_kept_to_compare_with(run: RunContext) -> None:
    def publish_result(day: date, smallest: float) -> None:
        row = replace(ROW, smallest_share=smallest)
        file = robustness.put_rows(run, {"attacks": [row]})
        robustness.publish_attacks.fn(files=(file,), as_of=day, run=run)

    for day, smallest in ((FIRST, 0.01), (date(2024, 3, 17), 0.02), (LAST, 0.03)):
        publish_result(day, smallest)
    found = robustness.read_previous(run, date(2024, 3, 17))
    kept = robustness.keep_previous(run, found)
    (row,) = json.loads(run.site.lake.read_bytes(kept))["previous"]
    assert (row["as_of"], row["smallest_share"]) == ("2024-03-17", 0.02)


def test_a_night_that_is_run_again_leaves_nothing_of_what_it_no_longer_finds(
    run: RunContext,
) -> None:
    suspect = to_suspect_rows([{"user_id": "u"}], source="shop")
    first = robustness.put_rows(run, {"attacks": [ROW], "attack_examples": suspect})
    again = robustness.put_rows(run, {"attacks": [ROW], "attack_examples": []})
    held = []
    for file in (first, again):
        robustness.publish_attacks.fn(files=(file,), as_of=LAST, run=run)
        assert not robustness.has_unpublished((file,), LAST, run)
        with run.site.warehouse.connect() as connection:
            found = connection.execute("SELECT count(*) FROM marts.attack_examples").fetchone()
        held.append(found)
    assert held == [(1,), (0,)]
