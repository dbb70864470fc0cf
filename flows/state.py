"""What a night knows while it is in the making."""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from flows.engine import Engine, Failure, describe_failure
from tasks.platform.errors import EXIT_DONE, EXIT_FAILED, EXIT_GATE, GateError, WhyrecError
from tasks.platform.refs import FileRef, iterate_files
from tasks.platform.settings import Settings
from tasks.platform.site import Site
from tasks.platform.task import RunContext

T = TypeVar("T")

VERSIONED = ("whyrec", "prefect", "duckdb", "great-expectations", "polars", "torch", "transformers")


@dataclass
class Night:
    """A night in the making: what was asked, where it runs, and what it has learnt so far.

    `setbacks` are failures with drops of other days, which leave the night's own conclusions standing,
    `remarks` what else a person should hear, of which the first `n_ingest_remarks` are of how the drops
    came in; the others follow from what the night's key holds;
    `compared` is what the night before published, as `marts.select_compared` gives it; `known` is what
    was asked by `once`.
    """

    as_of: date
    settings: Settings
    site: Site
    engine: Engine
    flow: str = "nightly"
    is_forced: bool = False
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    clock: float = field(default_factory=time.monotonic)
    snapshot_read: int = 0
    accounts: list[dict[str, Any]] = field(default_factory=list)
    recent: list[dict[str, Any]] = field(default_factory=list)
    compared: list[list[str]] = field(default_factory=list)
    known: dict[tuple[Any, ...], Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)
    setbacks: list[Failure] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    n_ingest_remarks: int = 0
    text_cost: dict[str, Any] | None = None
    probes: dict[str, FileRef] = field(default_factory=dict)
    files: dict[str, FileRef] = field(default_factory=dict)

    @property
    def run(self) -> RunContext:
        """What tasks are told about this run."""
        return self.engine.run

    @property
    def gold_path(self) -> Path | None:
        """The file of labelled reviews that effects are corrected by, None where there is none."""
        named = self.settings.extract.gold
        return None if named is None else self.settings.root / Path(named).expanduser()

    @property
    def previous(self) -> date | None:
        """The night that this one is compared with, None on a first night."""
        return date.fromisoformat(self.compared[0][0]) if self.compared else None

    def once(self, what: tuple[Any, ...], ask: Callable[[], T]) -> T:
        """The answer of `ask`, which is asked once a night: what is shown and its key stand on the same."""
        if what not in self.known:
            self.known[what] = ask()
        answer: T = self.known[what]
        return answer

    @property
    def messages(self) -> list[str]:
        """What a person should hear of how it went: the night's errors first."""
        told = [
            str(one.error)
            if isinstance(one.error, GateError)
            else f"{one.label}: {describe_failure(one.error)}"
            for one in self.setbacks
        ]
        return [*map(describe_failure, self.errors), *told, *self.remarks]

    def tell(self, told: Iterable[str]) -> None:
        """Say something to whoever ran the night and to whoever reads its page."""
        sentences = list(told)
        self.remarks += sentences
        self.notes += sentences

    def keep(self, refs: Any) -> None:
        """Remember the lake files that the night's conclusions stand on."""
        self.files |= {ref.path: ref for ref in iterate_files(refs)}

    @property
    def seconds(self) -> float:
        """Seconds since the run began."""
        return round(time.monotonic() - self.clock, 3)

    @property
    def status(self) -> str:
        """How the night ended: completed, stopped by gate or failed, whichever is worst."""
        codes = {exit_code_of(error) for error in self.errors}
        if not codes:
            return "completed"
        return "stopped by gate" if codes == {EXIT_GATE} else "failed"

    @property
    def exit_code(self) -> int:
        """What the command ends with: an error that is not the gate's goes first."""
        return choose_code([exit_code_of(error) for error in self.errors])

    def describe(self) -> dict[str, Any]:
        """What is needed to derive the night again."""
        settings = self.settings.model_dump(mode="json", exclude={"root", "alerts", "retention"})
        return {
            "run_id": self.run.run_id,
            "snapshot_read": self.snapshot_read,
            "settings_hash": hash_json(settings),
            "versions": {name: version(name) for name in VERSIONED},
            "seeds": {},
        }


class NightError(WhyrecError):
    """A run that did not end well; `document` is its whole account, as in run.json."""

    def __init__(self, document: dict[str, Any]) -> None:
        """Say why in the words of the first error."""
        super().__init__(
            "; ".join(document["messages"]) or f"the run ended as {document['status']}"
        )
        self.document = document

    @property
    def exit_code(self) -> int:  # type: ignore[override]
        """What the command ends with."""
        return int(self.document["exit_code"])


def exit_code_of(error: BaseException) -> int:
    """What a command ends with after `error`."""
    return error.exit_code if isinstance(error, WhyrecError) else EXIT_FAILED


def choose_code(codes: Sequence[int]) -> int:
    """What stands for the codes of several errors: the first that is not the gate's, if there is one."""
    return next((code for code in codes if code != EXIT_GATE), codes[0] if codes else EXIT_DONE)


def name_drop(row: Mapping[str, Any]) -> tuple[str, str, str]:
    """What tells the account of one drop from those of others."""
    return row["source"], row["table"], row["drop_id"]


def hash_json(document: Any) -> str:
    """SHA-256 of the canonical JSON form."""
    text = json.dumps(document, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
