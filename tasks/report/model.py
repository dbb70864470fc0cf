"""What one morning's report shows: frozen, checked, harmless to print.

The caller fills `NightReport` from the night's tables; the row models accept the columns of
those tables as they are and ignore further ones. Whatever enters is cleaned on the way in:
text is put through `clean_text`, numbers that are not finite become None, and None is
shown as "no result", never as 0.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any, Final, Literal

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from tasks.platform.refs import label_delivery
from tasks.report.attack_rows import AttackBook, AttackRow
from tasks.report.change_rows import MovedRow, PastQuality, UsualRow
from tasks.report.clean import clean_tail, clean_text
from tasks.report.fields import (
    Count,
    Name,
    Note,
    Notes,
    Number,
    Raw,
    Row,
    Seconds,
    Sentence,
    to_text,
)
from tasks.report.graph_rows import GraphRow
from tasks.report.recommender_rows import RecommenderRow

MAX_SIDE: Final = 180
"""Characters of a review kept on either side of the span an attribute was read from."""
MAX_SPAN: Final = 240
MAX_PIECES: Final = 120
"""Words and gaps of a span that are shown one by one."""

Verdict = Literal["credible", "weak", "not credible", "no result"]
TaskState = Literal["ran", "cached", "retried", "failed", "skipped"]
DropStatus = Literal["published", "unchanged", "withdrawn", "stopped by gate", "failed"]
Severity = Literal["critical", "warning"]
RefutationResult = Literal["passed", "weak", "failed", "not applicable"]
Contrast = Literal["negative_to_positive", "positive", "negative"]

HEADLINE_CONTRAST: Final[Contrast] = "negative_to_positive"


class DropRow(Row):
    """Accounting of one table of one drop. Grain: source, table, drop.

    `rows_read` must equal `rows_published` + `rows_quarantined` + `rows_duplicate` +
    `rows_held`. Only a drop that was stopped or failed holds rows back; where the caller does
    not count them (None), whatever is neither quarantined nor duplicate is taken as held.
    """

    source: Name
    table: Name = Field(default="reviews", validation_alias=AliasChoices("table", "table_name"))
    drop_id: Name
    rows_read: Count = 0
    rows_published: Count = 0
    rows_quarantined: Count = 0
    rows_duplicate: Count = 0
    rows_held: Count | None = None
    reasons: dict[Name, Count] = Field(default_factory=dict)
    drift: Notes = ()
    status: DropStatus = "published"
    message: Sentence = ""

    @property
    def label(self) -> str:
        """See `label_delivery`."""
        return label_delivery(self.source, self.drop_id, self.table)

    @property
    def day(self) -> date | None:
        """The date of a dated drop, None of a bulk import."""
        try:
            return date.fromisoformat(self.drop_id)
        except ValueError:
            return None

    @property
    def is_stopped(self) -> bool:
        """Nothing of this drop became visible."""
        return self.status in {"stopped by gate", "failed"}

    @property
    def published(self) -> int:
        """Rows that readers see from this drop."""
        return 0 if self.is_stopped else self.rows_published

    @property
    def held_back(self) -> int:
        """Rows that would have been published, had the drop not been stopped."""
        if self.rows_held is not None:
            return self.rows_held
        if not self.is_stopped:
            return 0
        return max(self.rows_read - self.rows_quarantined - self.rows_duplicate, 0)

    @property
    def unaccounted(self) -> int:
        """Rows read that are nowhere (positive) or appeared from nowhere (negative); 0 is right."""
        known = self.published + self.held_back + self.rows_quarantined + self.rows_duplicate
        return self.rows_read - known


class ImportRow(Row):
    """One table of a file imported by hand. Grain: source, table, file.

    Its rows are those of days from `first_date` to `last_date`; None where they have no day. When it
    came in, `n_checks` of its quality were made, and `n_warnings` of them failed.
    """

    source: Name
    table: Name = Field(default="reviews", validation_alias=AliasChoices("table", "table_name"))
    drop_id: Name
    first_date: date | None = None
    last_date: date | None = None
    rows_read: Count = 0
    rows_published: Count = 0
    rows_quarantined: Count = 0
    rows_duplicate: Count = 0
    n_checks: Count = 0
    n_warnings: Count = 0


class QuarantineExample(Row):
    """One refused row, as it was delivered."""

    source: Name = ""
    table: Name = Field(default="", validation_alias=AliasChoices("table", "table_name"))
    drop_id: Name = ""
    file: Name = ""
    line: Count | None = None
    reason: Name
    raw: Raw = Field(default="", validation_alias=AliasChoices("raw", "raw_text"))


class FreshnessRow(Row):
    """Newest drop of one source; `max_age_days` is the allowed age, None when none is set."""

    source: Name
    newest_drop: date | None = None
    max_age_days: int | None = Field(default=None, ge=0)


class CheckRow(Row):
    """Result of one expectation on one staged drop.

    With a `skip_reason` the check did not apply: it neither passed nor failed.
    """

    table: Name = Field(default="", validation_alias=AliasChoices("table", "table_name"))
    source: Name = ""
    drop_id: Name = ""
    expectation: Name
    column: Name = Field(default="", validation_alias=AliasChoices("column", "column_name"))
    severity: Severity = "critical"
    is_success: bool
    observed: Note = ""
    allowed: Note = ""
    n_unexpected: Count | None = None
    n_rows: Count | None = None
    examples: Notes = ()
    breaks: Sentence = ""
    advice: Sentence = ""
    skip_reason: Sentence = ""

    @property
    def label(self) -> str:
        """See `label_delivery`."""
        return label_delivery(self.source, self.drop_id, self.table)

    @property
    def is_critical_failure(self) -> bool:
        """It failed and stops publication."""
        return not self.is_success and self.severity == "critical"

    @property
    def is_warning(self) -> bool:
        """It failed, and does not stop publication by itself."""
        return not self.is_success and self.severity == "warning"

    @property
    def is_passed(self) -> bool:
        """It was carried out and succeeded."""
        return self.is_success and not self.skip_reason


class EffectRow(Row):
    """One estimate. `estimate`, `naive` and their bounds are in units of the outcome.

    It stands on `n` reviews; `n_left_out` more of the window were not read.
    """

    source: Name
    window: Name = Field(default="all", validation_alias=AliasChoices("window", "window_name"))
    window_start: date | None = None
    window_end: date | None = None
    outcome: Name = "rating"
    attribute: Name
    contrast: Contrast = HEADLINE_CONTRAST
    estimator: Name = "plr"
    estimate: Number = None
    std_error: Number = None
    ci_low: Number = None
    ci_high: Number = None
    naive: Number = None
    naive_ci_low: Number = None
    naive_ci_high: Number = None
    n: Count = 0
    n_positive: Count = 0
    n_negative: Count = 0
    n_left_out: Count = 0
    verdict: Verdict
    reasons: Notes = ()

    @property
    def is_estimated(self) -> bool:
        """There is a number to show."""
        return self.estimate is not None and self.verdict != "no result"

    @property
    def key(self) -> tuple[str, ...]:
        """Names the same question on another night."""
        return (
            self.source, self.window, self.outcome, self.attribute, self.contrast, self.estimator,
        )  # fmt: skip


class PositionRow(Row):
    """What standing at one position does to the click, against the first. Units: clicks an exposure."""

    source: Name
    window: Name = Field(default="28d", validation_alias=AliasChoices("window", "window_name"))
    attribute: Name
    contrast: Name
    estimator: Name = "aipw"
    estimate: Number = None
    ci_low: Number = None
    ci_high: Number = None
    naive: Number = None
    naive_ci_low: Number = None
    naive_ci_high: Number = None
    n: Count = 0
    verdict: Verdict
    reasons: Notes = ()


class RefutationRow(Row):
    """One refuter tried on one effect. Grain: source, window, attribute, contrast, refuter, note."""

    source: Name
    window: Name
    outcome: Name = "rating"
    attribute: Name
    contrast: Contrast = HEADLINE_CONTRAST
    refuter: Name
    result: RefutationResult
    estimate: Number = None
    refuted: Number = None
    ci_low: Number = None
    ci_high: Number = None
    p_value: Number = None
    reason: Sentence = ""
    note: Sentence = ""


class SegmentRow(Row):
    """An attribute's headline effect in one level of a segment.

    `p_value` and `q_value` are of the test that all levels share one effect, the same on every row
    of an attribute.
    """

    source: Name
    window: Name
    segment: Name
    attribute: Name
    level: Name
    n: Count = 0
    estimate: Number = None
    ci_low: Number = None
    ci_high: Number = None
    reason: Sentence = ""
    p_value: Number = None
    q_value: Number = None


class TrendRow(Row):
    """An attribute's headline effect in one stretch of time."""

    source: Name
    attribute: Name
    start: date
    end: date
    n: Count = 0
    estimate: Number = None
    ci_low: Number = None
    ci_high: Number = None


class TruthRow(Row):
    """The effect that a simulated world was built with, in units of the outcome."""

    source: Name
    attribute: Name
    contrast: Contrast = HEADLINE_CONTRAST
    value: Number = None


class WordShare(Row):
    """A piece of the marked words, and what it adds to the log-odds of what was read (0: nothing)."""

    text: str = ""
    share: float = Field(default=0.0, allow_inf_nan=False)

    @field_validator("text", mode="after")
    @classmethod
    def _clean(cls, value: str) -> str:
        cleaned = clean_text(value, limit=MAX_SPAN)
        lead = " " if value[:1].isspace() else ""
        trail = " " if value[-1:].isspace() and cleaned else ""
        return f"{lead}{cleaned}{trail}"


class Example(Row):
    """A sentence of a review around the words an attribute was read from.

    Built from the review's `text` and the character offsets `start`, `end` into it; kept as
    three pieces, each cleaned and shortened on its own so that the marked words stay. `words` are the
    marked words once more, with what each did to the answer; empty where nobody asked.
    """

    review_id: Name = ""
    before: str = ""
    marked: str = ""
    after: str = ""
    polarity: int = Field(default=0, ge=-1, le=1)
    rating: Number = None
    words: tuple[WordShare, ...] = ()

    @property
    def levels(self) -> tuple[tuple[WordShare, int], ...]:
        """Each word with its strength, -3 (against the answer) to 3, measured by the strongest word.

        None of a span of more than `MAX_PIECES`: it is marked as a whole.
        """
        most = max((abs(word.share) for word in self.words), default=0.0)
        if not most or len(self.words) > MAX_PIECES:
            return ()
        return tuple((word, round(3 * word.share / most)) for word in self.words)

    @model_validator(mode="before")
    @classmethod
    def _split_at_span(cls, value: object) -> object:
        if not isinstance(value, Mapping):
            return value
        rest: dict[str, Any] = {str(key): item for key, item in value.items()}
        pieces = [to_text(rest.pop(name, None)) for name in ("before", "marked", "after")]
        text, start, end = (rest.pop(name, None) for name in ("text", "start", "end"))
        if text is None:  # pieces of an earlier report: same rules once more
            text, start = "".join(pieces), len(pieces[0])
            end = start + len(pieces[1])
        before, marked, after = split_at_span(to_text(text), start=start, end=end)
        return {**rest, "before": before, "marked": marked, "after": after}


def split_at_span(text: str, *, start: int | None, end: int | None) -> tuple[str, str, str]:
    """`text` before, in and after the span, cleaned and shortened around it.

    Without a span inside the text everything stands in the first piece.
    """
    if start is None or end is None or not 0 <= start < end <= len(text):
        return clean_text(text, limit=2 * MAX_SIDE), "", ""
    before, marked, after = text[:start], text[start:end], text[end:]
    return (
        _joined(clean_tail(before, limit=MAX_SIDE), is_space=before[-1:].isspace(), at_end=True),
        clean_text(marked, limit=MAX_SPAN),
        _joined(clean_text(after, limit=MAX_SIDE), is_space=after[:1].isspace(), at_end=False),
    )


def _joined(text: str, *, is_space: bool, at_end: bool) -> str:
    """Give back the one space that cleaning took from the side where the marked words are."""
    if not is_space or not text:
        return text
    return f"{text} " if at_end else f" {text}"


class AttributeRow(Row):
    """How often reviews speak of one attribute, with sentences that do. Counts are of reviews."""

    source: Name
    attribute: Name
    n_mentioned: Count = 0
    n_positive: Count = 0
    n_negative: Count = 0
    examples: tuple[Example, ...] = ()


class TaskRow(Row):
    """One task of the run."""

    stage: Name
    name: Name
    state: TaskState
    seconds: Seconds = None
    rows: Count | None = None
    message: Sentence = Field(default="", validation_alias=AliasChoices("message", "reason"))


class ProbeRow(Row):
    """How a fitted reader of attributes was taught; shares are of answers on unseen random reviews."""

    teacher: Name = ""
    n_labelled: Count = 0
    n_random: Count = 0
    agreement: Number = None
    coverage: Number = None
    sure_agreement: Number = None


class TextCost(Row):
    """What reading the texts took. Distinct texts are embedded once ever; the rest are hits.

    `n_distinct` are distinct within a day, month or part that is read at once: one that returns counts again.
    The new ones had `n_tokens` tokens and took `seconds`. From `n_skipped` reviews no attributes
    were read, `skipped` counts them by reason; `languages` counts reviews by ISO 639-1 code ("und"
    when unsure). This night `n_read_new` reviews were read for attributes in `read_seconds`, with
    `n_read_tokens` tokens through a language model, which cut `n_read_cut` of them.
    """

    n_texts: Count
    n_distinct: Count
    n_new: Count
    n_cached: Count
    n_cut: Count = 0
    n_tokens: Count = 0
    n_skipped: Count = 0
    skipped: dict[Name, Count] = Field(default_factory=dict)
    languages: dict[Name, Count] = Field(default_factory=dict)
    n_read_new: Count = 0
    n_read_tokens: Count = 0
    n_read_cut: Count = 0
    read_seconds: Seconds = None
    model: Name = ""
    device: Name = ""
    seconds: Seconds = None
    probes: dict[Name, ProbeRow] = Field(default_factory=dict)


class Reproducibility(Row):
    """What is needed to derive this report again."""

    run_id: Name
    snapshot_read: int | None = None
    snapshot_published: int | None = None
    settings_hash: Name = ""
    code_hash: Name = ""
    versions: dict[Name, Name] = Field(default_factory=dict)
    seeds: dict[Name, int] = Field(default_factory=dict)


class NightReport(BaseModel):
    """Everything the page shows, and nothing that is worked out on the way.

    `truth` is given for a simulated world only. `previous_effects`, `previous_attacks` and
    `previous_recommenders` are those of the last report before this one, `previous_as_of` its date;
    `moved` is how far effects moved since by the reviews gained and lost, `usual` what drops were
    like until this night. `labels` are plain names of
    attributes where underscores to spaces is not enough. `units` are the words for one unit
    of an outcome, singular and plural.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    as_of: date
    reproducibility: Reproducibility
    drops: tuple[DropRow, ...] = ()
    imports: tuple[ImportRow, ...] = ()
    quarantine: tuple[QuarantineExample, ...] = ()
    freshness: tuple[FreshnessRow, ...] = ()
    checks: tuple[CheckRow, ...] = ()
    effects: tuple[EffectRow, ...] = ()
    positions: tuple[PositionRow, ...] = ()
    refutations: tuple[RefutationRow, ...] = ()
    segments: tuple[SegmentRow, ...] = ()
    trends: tuple[TrendRow, ...] = ()
    graphs: tuple[GraphRow, ...] = ()
    recommenders: tuple[RecommenderRow, ...] = ()
    attacks: AttackBook = AttackBook()
    truth: tuple[TruthRow, ...] = ()
    previous_as_of: date | None = None
    previous_effects: tuple[EffectRow, ...] = ()
    previous_attacks: tuple[AttackRow, ...] = ()
    previous_recommenders: tuple[PastQuality, ...] = ()
    moved: tuple[MovedRow, ...] = ()
    usual: tuple[UsualRow, ...] = ()
    attributes: tuple[AttributeRow, ...] = ()
    tasks: tuple[TaskRow, ...] = ()
    text_cost: TextCost | None = None
    notes: Notes = ()
    labels: dict[Name, Name] = Field(default_factory=dict)
    units: dict[Name, tuple[Name, Name]] = Field(
        default_factory=lambda: {"rating": ("star", "stars")}
    )
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
