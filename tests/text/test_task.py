"""What the text room's tasks hand on."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from tasks.platform.refs import AttributesRef, PeriodRef
from tasks.platform.settings import AttributeSettings, ExtractSettings, LlmSettings, Settings
from tasks.platform.site import Site, resolve_site
from tasks.platform.task import RunContext
from tasks.text import language
from tasks.text import task as text_task
from tasks.text.task import (
    ExtractorChoice,
    ModelChoice,
    choose_extractor,
    extract_attributes,
    find_refusal,
    fit_probe,
)

SHORT = str(Path(__file__).with_name("short_prompt.toml"))
DAY = date(2024, 3, 1)


def read_day(
    site: Site, extract: ExtractSettings, texts: list[str], monkeypatch: pytest.MonkeyPatch
) -> AttributesRef:
    """What a night reads of a day's reviews r0, r1 and so on."""
    run = RunContext(run_id="r", events=str(site.lake.root / "e"), site=site, text=Settings().text)
    reviews = pl.DataFrame(
        {
            "review_id": [f"r{n}" for n in range(len(texts))],
            "event_date": [DAY] * len(texts),
            "text": texts,
            "rating": [5.0] * len(texts),
        }
    )
    monkeypatch.setattr(text_task, "read_reviews", lambda *_: reviews)
    choice = choose_extractor(extract)
    assert choice.name == extract.extractor
    ref: AttributesRef = extract_attributes.fn(
        period=PeriodRef(source="shop", start=DAY, end=DAY, fingerprint="f", rows=len(texts)),
        extract=extract,
        model=ModelChoice(name="m", revision="r"),
        extractor=ExtractorChoice(name=choice.name, revision=choice.revision),
        probe=None,
        run=run,
    )
    return ref


def test_a_night_counts_the_reviews_that_a_language_model_did_not_read(
    tiny_llm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    llm = LlmSettings(model=str(tiny_llm), prompt=SHORT, device="cpu", budget_reviews=2)
    site = resolve_site(Settings(root=tmp_path))
    texts = ["good sound", "", "bad price", "slow shipping", "fast"]
    ref = read_day(site, ExtractSettings(extractor="llm", llm=llm), texts, monkeypatch)
    unread = pl.read_parquet(site.lake.root / ref.unread.path)
    assert unread.rows() == [
        ("r1", "no text"), ("r3", "budget of 2 reviews"), ("r4", "budget of 2 reviews"),
    ]  # fmt: skip
    assert ref.unread.rows == 3
    found = pl.read_parquet(site.lake.root / ref.file.path)
    assert set(found["review_id"]) <= {"r0", "r2"}


class _Counting:
    """Calls every text English, and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def classify(self, _text: str) -> tuple[str, float]:
        self.asked += 1
        return "en", 1.0


def test_the_language_of_a_review_is_told_once_whatever_the_extractor(
    tiny_llm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = resolve_site(Settings(root=tmp_path))
    llm = LlmSettings(model=str(tiny_llm), prompt=SHORT, device="cpu")
    for extract in (ExtractSettings(), ExtractSettings(extractor="llm", llm=llm)):
        identifier = _Counting()
        monkeypatch.setattr(language, "_open_identifier", lambda found=identifier: found)
        ref = read_day(site, extract, ["The sound is good.", "Bad price."], monkeypatch)
        assert ref.languages == {"en": 2}
        assert identifier.asked == 2


def test_a_source_with_too_few_labels_has_no_probe_and_its_reviews_are_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other sources may have labels enough: the night goes on, and says what was not read."""
    site = resolve_site(Settings(root=tmp_path))
    run = RunContext(run_id="r", events=str(tmp_path / "e"), site=site, text=Settings().text)
    texts = ["The price is fine.", "Bad sound.", "Quick."]
    labels = b"review_id,price\nr0,Positive\nr1,unknown\n"
    reviews = pl.DataFrame(
        {
            "review_id": ["r0", "r1", "r2"],
            "event_date": [DAY] * 3,
            "text": texts,
            "rating": [5.0] * 3,
        }
    )
    monkeypatch.setattr(text_task, "read_reviews", lambda *_: reviews)
    extract = ExtractSettings(
        extractor="distilled", attributes=(AttributeSettings(name="price", seeds=("price",)),)
    )
    period = PeriodRef(source="shop", start=DAY, end=DAY, fingerprint="f", rows=3)
    shared = {
        "extract": extract, "model": ModelChoice(name="m", revision="r"),
        "extractor": ExtractorChoice(name="distilled", revision="x"), "run": run,
    }  # fmt: skip
    for content in (labels, labels.replace(b"\nr", b"\nz")):
        probe = fit_probe.fn(
            periods=(period,), labels=site.lake.put_bytes("labels", ".csv", content), **shared
        )
        assert probe.rows == 0
    assert "none of the 2 labelled lines" in str(find_refusal(probe, run))
    ref = extract_attributes.fn(period=period, probe=probe, **shared)
    assert ref.rows == 0
    assert ref.reasons == {"too few labels to learn from": 3}
    assert pl.read_parquet(site.lake.root / ref.unread.path)["review_id"].to_list() == [
        "r0", "r1", "r2",
    ]  # fmt: skip
