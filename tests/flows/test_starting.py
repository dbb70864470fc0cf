"""How a command starts a flow."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from prefect.flows import Flow

from flows import engine
from flows.backfill import backfill
from flows.imports import import_history
from flows.starting import start_flow
from tasks.platform.errors import ConfigError

RANGE = {"start": "2024-03-01", "end": "2024-03-01"}


@pytest.mark.parametrize(
    ("flow", "asked", "told"),
    [
        (import_history, {"path": "", "source": "sample"}, "path: .* at least 1 character$"),
        (backfill, {**RANGE, "reason": "r" * 501}, "reason: .* at most 500 characters$"),
        (backfill, {**RANGE, "reason": "r" * 501, "concurrency": 99}, "concurrency: .*; reason: "),
    ],
)
def test_what_a_form_would_refuse_is_refused_in_words_by_the_command_too(
    flow: Flow[..., Any],
    asked: dict[str, Any],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(engine, "quiet_engine", lambda *_: nullcontext())
    with pytest.raises(ConfigError, match=rf"asked for is refused: {told}"):
        start_flow(None, lambda: flow.validate_parameters(asked), is_json=True)
