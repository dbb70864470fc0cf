"""The tasks of an attack night: from published reviews to published rows."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from flows.attack_tasks import attack_effect
from tasks.platform.refs import AttributesRef, PeriodRef
from tasks.platform.settings import Settings, load_settings
from tasks.platform.site import resolve_site
from tasks.platform.task import RunContext
from tasks.robustness import task as robustness
from tasks.robustness.corpus import SAYS
from tests.flows.published import publish
from tests.robustness.worlds import toy_corpus

FIRST, LAST = date(2024, 3, 1), date(2024, 3, 28)


@pytest.fixture
def run(tmp_path: Path) -> RunContext:
    site = resolve_site(load_settings(publish(tmp_path, "shop")))
    return RunContext(run_id="r", events=str(tmp_path / "e"), site=site, text=Settings().text)


def gather(run: RunContext, *, max_rows: int = 10_000) -> robustness.CorpusRef:
    period = PeriodRef(source="shop", start=FIRST, end=LAST, fingerprint="f", rows=1)
    read = toy_corpus().frame.select(
        "review_id", pl.lit("price").alias("attribute"), pl.lit(True).alias("is_mentioned"),
        pl.col(f"{SAYS}price").alias("polarity"),
    )  # fmt: skip
    file = run.site.lake.put_frame("attributes", read)
    ref = AttributesRef(period=period, file=file, summary=file, unread=file, rows=read.height)
    return robustness.gather_corpus.fn(
        periods=(period,), attributes=(ref,), context="", attribute_names=("price",),
        max_rows=max_rows, run=run,
    )  # fmt: skip


def test_an_attack_night_publishes_what_it_found_and_once(run: RunContext) -> None:
    corpus = gather(run)
    files = (
        attack_effect.fn(
            source="shop", corpus=corpus, attack="fake-reviews", attribute="price",
            attribute_names=("price",), settings=Settings().effects, mode="nuke", share=0.05,
            looked_to=0.2, seed=0, run=run,
        ),
        robustness.attack_ratings.fn(
            source="shop", corpus=corpus, attack="love-hate", mode="push", share=0.05, seed=0, run=run
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
