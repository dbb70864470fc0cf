"""References that tasks pass to one another: small, frozen, JSON-serialisable.

A reference names immutable content by fingerprint; what it points at is read by the task that
needs it. A file's place never enters a cache key, its content does (see `tasks.platform.task`).
"""

from collections.abc import Iterator
from datetime import date
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from tasks.platform.schema import TableName


class Ref(BaseModel):
    """Base of all references: frozen, unknown fields refused.

    Fields named in `places` say where something lies or how long it took; they never enter a key.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    places: ClassVar[frozenset[str]] = frozenset()


class FileRef(Ref):
    """An immutable, content-addressed file of the lake.

    `path` is relative to the lake's root, `sha256` is of the file's bytes, `size` is in bytes, and
    `rows` is the number of table rows in it (0 for what is not a table).
    """

    path: str
    sha256: str
    size: int
    rows: int = 0


class PartitionRef(Ref):
    """One published day of one table of one source; `fingerprint` covers its rows."""

    table: TableName
    source: str
    event_date: date
    fingerprint: str
    rows: int


class PeriodRef(Ref):
    """Consecutive published days [`start`, `end`] of one source's reviews, read together.

    Recent days are periods of their own; whole months that are long past are one period, so that
    ten years of history are some hundred tasks. `fingerprint` covers all its partitions.
    """

    source: str
    start: date
    end: date
    fingerprint: str
    rows: int


def label_delivery(source: str, drop_id: str, table: str) -> str:
    """What names a table of a delivery in runs, messages and the warehouse: source/drop_id/table."""
    return f"{source}/{drop_id}/{table}"


class DropRef(Ref):
    """One table of one delivered drop, before it is read.

    `fingerprint` covers the names and bytes of `files`. `drop_id` is the date of a dated drop, or
    "import:<file name>#<hash of its place>" for a bulk import. `problem` says why its files cannot be
    read, where they cannot; `fingerprint` is then empty.
    """

    places: ClassVar[frozenset[str]] = frozenset({"files", "mapping"})
    source: str
    kind: str
    table: TableName
    drop_id: str
    drop_date: date | None
    fingerprint: str
    mapping_fingerprint: str = ""
    files: tuple[str, ...]
    mapping: str | None = None
    problem: str = ""

    @property
    def label(self) -> str:
        """See `label_delivery`."""
        return label_delivery(self.source, self.drop_id, self.table)


class StagedRef(Ref):
    """What reading a drop gave: accepted rows, refused rows, and the account of both.

    `rows_repeated` are repeats inside the drop; `dates` maps event dates to accepted rows; `profile`
    holds figures of the accepted rows of a dated drop.
    """

    drop: DropRef
    staged: FileRef
    quarantine: FileRef
    rows_read: int
    rows_repeated: int
    rows_quarantined: int
    reasons: dict[str, int]
    drift: tuple[str, ...]
    dates: dict[str, int]
    rows: int
    profile: dict[str, Any] = {}


class PastDay(Ref):
    """What is remembered of a published drop: its accepted rows, and figures of them as JSON."""

    rows: int
    profile: str = "{}"


class GateRef(Ref):
    """The verdict of the quality gate on one staged file.

    `report` holds every check as JSON; `page` is there when the gate stopped the drop.
    """

    is_passed: bool
    sentence: str
    report: FileRef
    page: FileRef | None = None
    rows: int


class PublishedRef(Ref):
    """How many rows were published, and the snapshot that holds them."""

    snapshot: int
    rows: int


class EmbeddingRef(Ref):
    """Vectors of some texts of a period; `files` hold them, `rows` is the number of texts.

    The `new` ones had `tokens` tokens and took `seconds`.
    """

    places: ClassVar[frozenset[str]] = frozenset({"seconds"})

    model_revision: str
    files: tuple[FileRef, ...]
    rows: int
    new: int
    cut: int = 0
    tokens: int = 0
    seconds: float = 0.0


class PanelRef(Ref):
    """The design panel of a period, and vectors of the texts of its items where any has one."""

    rows: FileRef
    texts: FileRef | None = None


class AttributesRef(Ref):
    """Attributes read from the reviews of one period; one row per review and attribute.

    `summary` holds, as JSON, how often each was mentioned and some sentences that show it; `unread`
    names the reviews of which nothing was read (`review_id`, `reason`), which is not to say that
    they mention nothing, and `reasons` counts them. `languages` counts all reviews by ISO 639-1 code
    ("und" when unsure). `tokens` went through a language model and `cut` reviews lost their end to
    it; reading took `seconds`.
    """

    places: ClassVar[frozenset[str]] = frozenset({"seconds"})

    period: PeriodRef
    file: FileRef
    summary: FileRef
    unread: FileRef
    rows: int
    reasons: dict[str, int] = {}
    languages: dict[str, int] = {}
    tokens: int = 0
    cut: int = 0
    seconds: float = 0.0


class EffectsRef(Ref):
    """Effects of one source and window; `file` holds the rows as JSON."""

    source: str
    window: str
    file: FileRef
    code: str
    rows: int


class VerdictsRef(Ref):
    """A night's judged effects and what stands behind and beside them, each as JSON rows.

    `segments` are effects by segment, `trends` effects over time; `graphs` are one causal graph a
    source; `changes` are those of effects since the night before, None where nobody looked.
    """

    effects: FileRef
    refutations: FileRef
    segments: FileRef
    trends: FileRef
    graphs: FileRef
    changes: FileRef | None = None
    codes: tuple[str, ...]
    rows: int


class RecommenderRef(Ref):
    """The recommender of one source: `checkpoint` safetensors, `tops` lists of items as rows.

    `groups` are clusters of users and items, `quality` figures on held-out ratings, `about` example
    users with explained recommendations, each as JSON.
    """

    source: str
    checkpoint: FileRef
    tops: FileRef
    groups: FileRef
    quality: FileRef
    about: FileRef


class ReportRef(Ref):
    """One night's report, as HTML and as JSON.

    `line` is its line in the index of nights, `marts` what the marts hold of it; both are JSON.
    """

    html: FileRef
    json_file: FileRef
    line: FileRef | None = None
    marts: FileRef | None = None
    rows: int = 0


def iterate_files(value: Any) -> Iterator[FileRef]:
    """Every FileRef inside `value`, however deeply nested in models, dicts and sequences."""
    if isinstance(value, FileRef):
        yield value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from iterate_files(getattr(value, name))
    elif isinstance(value, dict):
        for part in value.values():
            yield from iterate_files(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from iterate_files(part)
