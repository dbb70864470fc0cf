"""What a run's log says of a task that failed is for the people who read reports."""

import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from tasks.platform.runs import ENGINE_WORDS, append_event


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("GateError: reviews were not published: found 5", "reviews were not published: found 5"),
        ("ValueError: too many: 5", "ValueError: too many: 5"),
        ("KeyError", "KeyError"),
    ],
)
def test_a_failure_is_told_without_words_of_the_engine(
    tmp_path: Path, error: str, told: str
) -> None:
    state = SimpleNamespace(
        is_completed=lambda: False, message=f"{ENGINE_WORDS}{error}", name="Failed",
        timestamp=datetime(2024, 3, 4, tzinfo=UTC), data=None,
    )  # fmt: skip
    place = tmp_path / "events.jsonl"
    append_event(place, "ingest.refuse_drop", SimpleNamespace(name="ingest.refuse_drop x"), state)
    assert json.loads(place.read_text())["reason"] == told
