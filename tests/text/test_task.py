"""What the text room's tasks hand on."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from tasks.platform.refs import PeriodRef
from tasks.platform.settings import ExtractSettings, LlmSettings, Settings
from tasks.platform.site import resolve_site
from tasks.platform.task import RunContext
from tasks.text import task as text_task
from tasks.text.task import ExtractorChoice, ModelChoice, choose_extractor, extract_attributes

SHORT = str(Path(__file__).with_name("short_prompt.toml"))
DAY = date(2024, 3, 1)


def test_a_night_counts_the_reviews_that_a_language_model_did_not_read(
    tiny_llm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    llm = LlmSettings(model=str(tiny_llm), prompt=SHORT, device="cpu", budget_reviews=2)
    extract = ExtractSettings(extractor="llm", llm=llm)
    site = resolve_site(Settings(root=tmp_path))
    run = RunContext(run_id="r", events=str(tmp_path / "e"), site=site, text=Settings().text)
    texts = ["good sound", "", "bad price", "slow shipping", "fast"]
    reviews = pl.DataFrame(
        {
            "review_id": [f"r{n}" for n in range(5)],
            "event_date": [DAY] * 5,
            "text": texts,
            "rating": [5.0] * 5,
        }
    )
    monkeypatch.setattr(text_task, "read_reviews", lambda *_: reviews)
    choice = choose_extractor(extract)
    assert choice.name == "llm"
    ref = extract_attributes.fn(
        period=PeriodRef(source="shop", start=DAY, end=DAY, fingerprint="f", rows=5),
        extract=extract,
        model=ModelChoice(name="m", revision="r"),
        extractor=ExtractorChoice(name=choice.name, revision=choice.revision),
        probe=None,
        run=run,
    )
    assert ref.skipped == 3
    found = pl.read_parquet(site.lake.root / ref.file.path)
    assert set(found["review_id"]) <= {"r0", "r2"}
