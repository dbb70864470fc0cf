"""All settings, one frozen model: `whyrec.toml`, overridden by `WHYREC_*` variables.

Nested keys use two underscores in the environment: `WHYREC_TEXT__DEVICE=cuda`. Unknown keys are
refused. Read once at the edge (`load_settings`); logic receives plain values or one section.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, Self, get_args
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from tasks.platform.errors import ConfigError

SourceKind = Literal["amazon-2014", "amazon-2018", "amazon-2023", "finefood", "sample", "mapping"]


class Section(BaseModel):
    """Base of every group of settings: frozen, unknown keys refused.

    Fields named in `unkeyed` never enter a cache key: what of them decides an answer travels to
    tasks by itself, as a revision.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    unkeyed: ClassVar[frozenset[str]] = frozenset()


Place = Annotated[str, AfterValidator(os.path.expanduser)]
"""A path or URL; ~ is the home folder of who runs this."""


class PathSettings(Section):
    """Where things live; relative paths are taken from the folder of `whyrec.toml`."""

    home: Place = Field("var", description="folder that holds everything below unless they are set")
    lake: Place | None = Field(None, description="immutable files; default <home>/lake")
    cache: Place | None = Field(None, description="results of tasks; default <home>/cache")
    reports: Place | None = Field(None, description="reports and run.json; default <home>/reports")


class WarehouseSettings(Section):
    """The DuckLake: a catalog (SQLite file or PostgreSQL) and a folder of Parquet."""

    catalog: str | None = Field(
        None,
        description="'sqlite:<file>' or 'postgres:<libpq string>'; default <home>/warehouse/catalog.sqlite",
    )
    data: Place | None = Field(
        None, description="Parquet folder or s3:// URL; default <home>/warehouse/data"
    )
    s3_endpoint: str | None = Field(
        None, description="of an S3-compatible store, as 'http://host:9000'; nothing: Amazon's"
    )
    s3_region: str = "us-east-1"
    s3_url_style: Literal["vhost", "path"] = Field(
        "vhost", description="'path' for most stores that are not Amazon's"
    )
    lock_timeout_s: float = Field(
        300.0, gt=0, le=86_400, description="longest wait for another writer"
    )


class RunSettings(Section):
    """Who does the tasks of a night."""

    runner: Literal["threads", "dask"] = Field(
        "threads", description="threads of one process, or for the wide stages a Dask cluster"
    )
    dask_address: str | None = Field(
        None,
        description="scheduler, as 'tcp://host:8786'; nothing: workers of this machine",
    )
    dask_workers: int = Field(2, ge=1, le=1024, description="workers, where none are named")
    dask_allowed_failures: int = Field(
        3, ge=0, le=100, description="workers that a task may lose before it counts as failed"
    )


SOURCE_NAME: Final = r"^[a-z0-9][a-z0-9_-]{0,62}$"
"""Of a source in [[sources]], and of one that is imported: they must be able to be the same."""


class SourceSettings(Section):
    """One place that delivers drops, one folder a date: `<path>/2024-03-01/reviews.jsonl.gz`."""

    name: str = Field(pattern=SOURCE_NAME)
    kind: SourceKind
    path: Place
    mapping: Place | None = Field(None, description="TOML file of a 'mapping' source")
    is_enabled: bool = True


class IngestSettings(Section):
    """What is allowed in, and what is hidden."""

    max_bad_share: float = Field(
        0.10, ge=0, le=1, description="a drop with more malformed rows is refused"
    )
    max_line_bytes: int = Field(5_000_000, ge=1_000, le=100_000_000)
    earliest_year: int = Field(1990, ge=1971, le=2100)
    mask_contacts: bool = Field(True, description="mask e-mail addresses and phone numbers in text")
    user_id_key: SecretStr | None = Field(
        None, description="replace user ids by a hash under this key"
    )


class QualitySettings(Section):
    """The gate."""

    min_rows_share_of_history: float = Field(0.3, ge=0, le=1)
    max_rows_share_of_history: float = Field(3.0, ge=1)
    history_days: int = Field(28, ge=1, le=3650)
    max_drop_age_days: int | None = Field(None, ge=0, description="older newest drop is a warning")


class TextSettings(Section):
    """Encoder and batches."""

    model: str = Field(
        "all-MiniLM-L6-v2", description="'all-MiniLM-L6-v2' (packaged), a hub name or a path"
    )
    revision: str | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
    backend: Literal["auto", "torch", "openvino"] = Field(
        "auto", description="what computes on a CPU; 'auto': openvino where it is installed"
    )
    precision: Literal["exact", "fast", "fastest", "static"] = Field(
        "exact", description="float32, bfloat16, int8, or a table of token vectors"
    )
    batch_tokens: int | None = Field(
        None, ge=64, le=1_000_000, description="nothing: 1024 on a CPU, 8192 on a GPU"
    )
    max_tokens: int = Field(256, ge=8, le=8192, description="longer texts are cut, and counted")
    shard_texts: int = Field(5000, ge=1, le=1_000_000)
    is_remote_allowed: bool = Field(False, description="let models be fetched from a hub")


class AttributeSettings(Section):
    """One attribute of an item that a review can speak of."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")
    seeds: tuple[str, ...] = Field(min_length=1, description="words and phrases that mean it")


def default_attributes() -> tuple[AttributeSettings, ...]:
    """The attributes shipped in `attributes.toml`."""
    path = Path(__file__).with_name("attributes.toml")
    rows = tomllib.loads(path.read_text(encoding="utf-8"))["attributes"]
    return tuple(AttributeSettings(**row) for row in rows)


class LlmSettings(Section):
    """The language model of the extractor "llm", what it is asked, and what it may cost."""

    model: str = Field(
        "SmolLM2-135M-Instruct",
        description="'SmolLM2-135M-Instruct' (packaged), a hub name, a folder or a .gguf file",
    )
    revision: str | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="auto: bf16 on a GPU, fp32 on a CPU"
    )
    mode: Literal["likelihood", "json"] = Field(
        "likelihood", description="compare labels by likelihood, or let the model write JSON"
    )
    prompt: str = Field("reviews-1", description="a shipped prompt or a TOML file like it")
    batch_tokens: int = Field(16_384, ge=256, le=10_000_000)
    max_tokens: int = Field(512, ge=8, le=32_768, description="longer reviews are cut, and counted")
    budget_reviews: int | None = Field(None, ge=0, description="reviews read per period or file")
    budget_tokens: int | None = Field(None, ge=0, description="tokens read per period or file")
    budget_s: float | None = Field(
        None, ge=0, description="seconds per period or file; answers then depend on the machine"
    )
    is_remote_allowed: bool = Field(False, description="let models be fetched from a hub")


class DistilledSettings(Section):
    """The distilled extractor: who teaches it, and how much."""

    teacher: Literal["clauses", "llm", "labels"] = Field(
        "clauses", description="an extractor, or a person's labels in the file `labels`"
    )
    sample: int = Field(800, ge=50, le=100_000, description="reviews that an extractor labels")
    seed: int = Field(0, ge=0, description="of the random half of the sample")
    labels: str | None = Field(
        None,
        description="CSV, Parquet or JSON lines: review_id (else text) and a column per attribute",
    )
    threshold: float = Field(
        0.6, ge=0, le=1, description="answers that are less likely count as unsure in the coverage"
    )

    @model_validator(mode="after")
    def _labels_are_named(self) -> "DistilledSettings":
        if self.teacher == "labels" and self.labels is None:
            raise ValueError(
                "teacher 'labels' needs the file of labels; set extract.distilled.labels"
            )
        return self


class ExtractSettings(Section):
    """Which attributes are read, and how."""

    unkeyed: ClassVar[frozenset[str]] = frozenset({"llm", "gold"})

    extractor: Literal["clauses", "llm", "distilled"] = "clauses"
    distilled: DistilledSettings = DistilledSettings()
    gold: str | None = Field(
        None,
        description="CSV or Parquet: review_id and a column per attribute; labels of a random sample "
        "of reviews, by which the night's effects are corrected for misreading",
    )
    attributes: tuple[AttributeSettings, ...] = Field(default_factory=default_attributes)
    llm: LlmSettings = LlmSettings()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the attributes, in order."""
        return tuple(attribute.name for attribute in self.attributes)

    @field_validator("attributes")
    @classmethod
    def _names_are_distinct(
        cls, value: tuple[AttributeSettings, ...]
    ) -> tuple[AttributeSettings, ...]:
        names = [attribute.name for attribute in value]
        if len(set(names)) != len(names):
            raise ValueError(f"attribute names must be distinct, found {names}")
        return value


CONTROLS: Final = (
    "c__price_usd", "c__brand", "c__category", "c__day", "c__weekday", "c__is_verified",
    "c__user_reviews", "c__user_rating", "c__item_reviews", "c__item_rating",
)  # fmt: skip
"""Columns of the design panel that precede a review."""
CONTROL_FAMILIES: Final = ("c__user__", "c__item_text:")
"""What the names of further ones begin with: users' features, scores of items' texts."""


class EffectsSettings(Section):
    """Estimands and the moments engine."""

    outcome: Literal["rating"] = "rating"
    windows_days: tuple[Annotated[int, Field(ge=0, le=36_500)], ...] = Field(
        (0, 28, 7), min_length=1, description="0 means all history up to as_of"
    )
    buckets: int = Field(
        40, ge=10, le=1000, description="user buckets: folds and clusters are made of them"
    )
    folds: int = Field(5, ge=2, le=20)
    history_days: int = Field(
        365, ge=1, le=3650, description="look-back of user and item history controls"
    )
    basis_min_rows: int = Field(2000, ge=10)
    max_levels: int = Field(
        20, ge=1, le=500,
        description="one-hot levels per categorical control; the others share a column, told apart twice a month",
    )  # fmt: skip
    item_text_components: int = Field(
        8, ge=0, le=64, description="controls made of the items' titles and descriptions; 0: none"
    )
    item_text_min_items: int = Field(
        50, ge=2, description="items with a text that a source needs for that, in its basis"
    )
    penalty: Annotated[float, Field(ge=0)] | Literal["auto"] = Field(
        1.0, description="ridge penalty of the nuisance regressions; auto: by cross-validation"
    )
    min_mentions: int = Field(
        30, ge=1, description="fewer mentions on a side: no estimate, and said so"
    )
    confidence: float = Field(0.95, gt=0.5, lt=1)
    negative_controls: tuple[str, ...] = Field(
        (), description="controls that no attribute can have caused, as c__item_reviews"
    )
    segments: tuple[str, ...] = Field(
        ("c__category", "user_group"),
        description="controls by whose levels effects are shown apart; user_group: the recommender's",
    )
    graph_rows: int = Field(
        2000, ge=0, le=100_000, description="reviews searched for the weekly causal graph; 0: none"
    )
    graph_bootstraps: int = Field(10, ge=0, le=1000, description="resamples for its stability")
    second_opinions: tuple[Literal["irm", "balance", "forest"], ...] = Field(
        ("irm",), description="flexible estimators asked twice a month, beside the nightly one"
    )
    second_opinion_attributes: int = Field(
        1, ge=0, le=1000, description="attributes they are asked about: those most spoken of"
    )
    second_opinion_rows: int = Field(800, ge=200, le=1_000_000)
    segment_levels: int = Field(5, ge=2, le=100, description="levels shown, the most frequent")
    exposure_days: int = Field(
        28, ge=1, le=3650, description="days of exposures that position effects are read from"
    )

    @field_validator("windows_days", "segments", "negative_controls", "second_opinions")
    @classmethod
    def _are_distinct(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        twice = sorted({str(one) for one in value if value.count(one) > 1})
        if twice:
            raise ValueError(f"name each once; {', '.join(twice)} is there more than once")
        return value

    @field_validator("segments", "negative_controls")
    @classmethod
    def _are_controls(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        known = (*CONTROLS, "user_group") if info.field_name == "segments" else CONTROLS
        for name in value:
            if name not in known and not name.startswith(CONTROL_FAMILIES):
                families = ", ".join(f"{family}..." for family in CONTROL_FAMILIES)
                raise ValueError(
                    f"{name!r} is no control{_ask_nearest(name, known)}; allowed are "
                    f"{', '.join(known)}, {families}"
                )
        return value


class RecommendSettings(Section):
    """The recommender of ratings."""

    is_on: bool = Field(True, description="fit a recommender every night")
    model: Literal["bias", "mf", "mf-ips", "features", "ips", "snips", "dr", "stabledr"] = Field(
        "ips", description="parts and training: features weighted by inverse propensities"
    )
    min_ratings: int = Field(500, ge=50, description="fewer ratings: no recommender, and said so")
    top_k: int = Field(10, ge=1, le=1000, description="items recommended to a user")
    relevant: float = Field(4.0, description="ratings from here on count as relevant")
    clusters: int = Field(8, ge=2, le=50, description="most groups of users, and of items")
    mix: float = Field(
        0.0, ge=0, le=1, description="weight of the uplift that attributes cause, in the ranking"
    )
    seed: int = Field(0, ge=0)


FakeAttack = Literal[
    "random", "average", "bandwagon", "love-hate", "segment", "noise", "fake-reviews", "gradient"
]
TextAttack = Literal[
    "swaps", "keyboard", "misspellings", "substitution", "negation", "flip", "identity", "injection"
]
"""Those that need no model of their own, which a night has none of."""


class RobustnessSettings(Section):
    """Attacks on what a night concludes, tried on copies of its data."""

    is_on: bool = Field(True, description="try attacks every night")
    budget: int = Field(
        1, ge=0, description="pairs of attack and target that a night tries, in turn"
    )
    effect_attacks: tuple[FakeAttack, ...] = Field(
        ("fake-reviews", "gradient"), description="attacks on the effects of attributes"
    )
    recommender_attacks: tuple[FakeAttack, ...] = Field(
        ("average", "bandwagon", "love-hate"), description="attacks on a recommender of the ratings"
    )
    victim: Literal["surrogate", "own"] = Field(
        "surrogate",
        description="recommender under attack: a ridge factorisation, or the one of [recommend]",
    )
    text_attacks: tuple[TextAttack, ...] = Field(
        ("swaps", "keyboard", "misspellings", "substitution", "negation", "flip", "identity"),
        description="attacks on what the extractor reads in texts",
    )
    embedding_attacks: tuple[Literal["fgsm", "pgd"], ...] = Field(
        ("fgsm", "pgd"), description="attacks on the vectors of a probe, and of items' texts"
    )
    texts: int = Field(12, ge=1, le=10_000, description="reviews that an attack on texts tries")
    text_queries: int = Field(
        150, ge=10, description="texts that it may ask the extractor for each attribute"
    )
    mode: Literal["push", "nuke"] = Field("push", description="praise the target, or run it down")
    share: float = Field(0.01, gt=0, le=1, description="fake reviews, as a share of the real ones")
    looked_to: float = Field(
        0.16,
        gt=0,
        le=1,
        description="largest attack tried for the smallest one that flips a verdict",
    )
    min_reviews: int = Field(1000, ge=100, description="fewer reviews: a source is not attacked")
    max_reviews: int = Field(
        20_000, ge=100, description="newest reviews of a source that are attacked"
    )
    seed: int = Field(0, ge=0)


CRON: Final = re.compile(
    r"@[a-z]+|([0-9A-Za-z*,/?#-]*[0-9*?][0-9A-Za-z*,/?#-]*\s+){2}([0-9A-Za-z*,/?#-]+\s*){3}"
)
"""The form of a schedule; whether its numbers name a time is seen where it is used."""
CRON_FORM: Final = (
    "is no schedule; write five fields as '30 2 * * *' (minute, hour, day of the month, month, day of "
    "the week)"
)


class ServeSettings(Section):
    """What `whyrec up` serves on this machine, and when the night runs."""

    host: str = Field(
        "127.0.0.1", min_length=1, description="address that server and reports listen on"
    )
    port: int = Field(4200, ge=1, le=65_535, description="port of the Prefect server and its UI")
    reports_port: int = Field(4201, ge=1, le=65_535, description="port of the reports")
    reports_url: str | None = Field(
        None,
        pattern=r"^https?://",
        description="where others serve the reports folder; default what `whyrec up` serves",
    )
    cron: str = Field("30 2 * * *", description="when the night runs, as cron writes it")
    sweep_cron: str = Field("30 4 * * 1", description="when all attacks are tried at once")
    timezone: str = Field("Etc/UTC", description="time zone of both schedules")
    runs_at_a_time: int = Field(2, ge=1, le=64, description="runs that may work side by side")
    keep_runs_days: int = Field(
        90, ge=1, le=3650, description="older runs are removed from the server's history"
    )

    @field_validator("cron", "sweep_cron")
    @classmethod
    def _cron_has_its_form(cls, value: str) -> str:
        if not CRON.fullmatch(value.strip()):
            raise ValueError(CRON_FORM)
        return value

    @field_validator("timezone")
    @classmethod
    def _timezone_exists(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError("is no time zone; write it as Europe/Paris or Etc/UTC")
        return value

    @model_validator(mode="after")
    def _ports_differ(self) -> Self:
        if self.port == self.reports_port:
            raise ValueError(f"port and reports_port are both {self.port}; choose another for one")
        return self


AlertEvent = Literal["gate", "failed", "verdict", "robustness"]


class AlertSettings(Section):
    """Who hears of a night that went wrong or concluded otherwise than the one before."""

    events: tuple[AlertEvent, ...] = Field(
        ("gate", "failed", "verdict", "robustness"),
        description="drop stopped by the gate, run failed, conclusion turned, attack got easier",
    )
    is_for_backfills: bool = Field(False, description="also tell of nights that a backfill runs")
    webhook_url: SecretStr | None = Field(
        None, description="JSON is posted there, with a `text` as Slack and its like take it"
    )
    webhook_token: SecretStr | None = Field(None, description="sent as a bearer token, if any")
    services: tuple[SecretStr, ...] = Field(
        (), description="addresses as Apprise has them: msteams://..., ntfys://..., pagerduty://..."
    )
    email_to: tuple[str, ...] = ()
    email_from: str | None = None
    smtp_host: str | None = None
    smtp_port: int = Field(587, ge=1, le=65_535)
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    smtp_user: str | None = None
    smtp_password: SecretStr | None = None
    ca_file: str | None = Field(None, description="certificates to trust, of a server of your own")
    timeout_s: float = Field(10.0, gt=0, le=300)
    attempts: int = Field(3, ge=1, le=10, description="tries per channel")
    smallest_drop: float = Field(
        0.2,
        ge=0,
        lt=1,
        description="the smallest attack that turns a verdict counts as easier when it is smaller by this share",
    )

    @model_validator(mode="after")
    def _mail_is_whole(self) -> "AlertSettings":
        if self.email_to and not (self.smtp_host and self.email_from):
            raise ValueError("email_to needs smtp_host and email_from as well")
        if self.smtp_password is not None and self.smtp_security == "none":
            raise ValueError(
                "smtp_password would be sent in the clear; set smtp_security to starttls or tls"
            )
        return self


class RetentionSettings(Section):
    """What `whyrec prune` leaves. The drops' accepted rows, published tables and vectors always stay."""

    nights_days: int = Field(400, ge=1, description="reports of nights that ran in these days stay")
    nights_min: int = Field(30, ge=1, description="so many newest nights stay in any case")
    runs_days: int = Field(60, ge=1, description="event logs and run.json of other runs")
    snapshots_days: int = Field(
        60, ge=1, description="snapshots of the warehouse, beside those that kept nights read"
    )
    unused_days: int = Field(
        7, ge=1, description="files, results and locks that no kept night needs; nothing newer goes"
    )
    machine_days: int = Field(
        60, ge=1, description="what ~/.cache/whyrec keeps for all shops and none used in these days"
    )
    is_merging: bool = Field(True, description="make one data file of many small ones")


class Settings(BaseSettings):
    """Everything, read once."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix="WHYREC_", env_nested_delimiter="__"
    )

    paths: PathSettings = PathSettings()
    warehouse: WarehouseSettings = WarehouseSettings()
    run: RunSettings = RunSettings()
    sources: tuple[SourceSettings, ...] = ()
    ingest: IngestSettings = IngestSettings()
    quality: QualitySettings = QualitySettings()
    text: TextSettings = TextSettings()
    extract: ExtractSettings = Field(default_factory=ExtractSettings)
    effects: EffectsSettings = EffectsSettings()
    recommend: RecommendSettings = RecommendSettings()
    robustness: RobustnessSettings = RobustnessSettings()
    serve: ServeSettings = ServeSettings()

    alerts: AlertSettings = AlertSettings()
    retention: RetentionSettings = RetentionSettings()
    root: Path = Field(
        default_factory=Path.cwd, description="folder that relative paths start from"
    )
    _file: Path | None = PrivateAttr(default=None)

    @property
    def file(self) -> Path | None:
        """The settings file that was read, None where there was none."""
        return self._file

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file, which arrives as init values."""
        return env_settings, init_settings

    @field_validator("sources")
    @classmethod
    def _source_names_are_distinct(
        cls, value: tuple[SourceSettings, ...]
    ) -> tuple[SourceSettings, ...]:
        names = [source.name for source in value]
        if len(set(names)) != len(names):
            raise ValueError(f"source names must be distinct, found {names}")
        return value


CONFIG_NAME = "whyrec.toml"
_OTHER_VARIABLES = frozenset({"WHYREC_REAL_DATA", "WHYREC_CONFIG", "WHYREC_DEBUG"})


def load_settings(path: str | Path | None = None) -> Settings:
    """Read `path`, else $WHYREC_CONFIG, else ./whyrec.toml if there is one, else the defaults.

    Raises ConfigError naming the key, what was found and what is allowed.
    """
    named = path or os.environ.get("WHYREC_CONFIG")
    file = Path(named or CONFIG_NAME).expanduser()
    if named and not file.is_file():
        raise ConfigError(f"no settings file at {file}; give --config a TOML file, or leave it out")
    _refuse_unknown_variables()
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8-sig")) if file.is_file() else {}
        values["root"] = file.resolve().parent if file.is_file() else Path.cwd()
        settings = Settings(**values)
        settings._file = file.resolve() if file.is_file() else None
        return settings
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not valid TOML: {error}") from error
    except OSError as error:
        raise ConfigError(
            f"the settings file {file} cannot be read ({error.strerror}); check its permissions"
        ) from error
    except SettingsError as error:
        raise ConfigError(_describe_variable(error)) from error
    except ValidationError as error:
        raise ConfigError(_describe(error, file)) from error


def _refuse_unknown_variables() -> None:
    known = {name.upper() for name in Settings.model_fields} - {"ROOT"}
    for variable in os.environ:
        if not variable.startswith("WHYREC_") or variable in _OTHER_VARIABLES:
            continue
        section = variable.removeprefix("WHYREC_").split("__", 1)[0]
        if section not in known:
            allowed = ", ".join(f"WHYREC_{name}__..." for name in sorted(known))
            raise ConfigError(
                f"environment variable {variable} sets nothing; allowed are {allowed}"
            )


def _describe(error: ValidationError, file: Path) -> str:
    lines = [f"settings in {file} (and WHYREC_* variables) are not usable:"]
    for item in error.errors():
        where = ".".join(str(part) for part in item["loc"])
        is_named = item["type"] in ("missing", "extra_forbidden")
        found = "" if is_named else f", found {_shorten(item['input'])}"
        said = _explain_place(item["type"], item["loc"], item["input"]) or item["msg"].removeprefix(
            "Value error, "
        )
        lines.append(f"  {where}: {said}{found}")
    return "\n".join(lines)


def _explain_place(kind: str, place: Sequence[int | str], value: Any) -> str | None:
    """What is allowed where a key is unknown, or a table stands for a list of them or the reverse."""
    path = ".".join(part for part in place if isinstance(part, str))
    if kind == "extra_forbidden":
        model = _find_section(place[:-1])
        if model is None:
            return None
        allowed = [name for name in model.model_fields if name != "root"]
        ask = _ask_nearest(str(place[-1]), allowed)
        return f"there is no such key{ask}; allowed are {', '.join(allowed)}"
    if kind == "tuple_type" and isinstance(value, dict) and _find_section(place):
        return f"there may be several; write [[{path}]] above each, in double brackets"
    if kind == "model_type" and isinstance(value, list):
        return f"there is only one; write [{path}] above it, in single brackets"
    return None


def _find_section(place: Sequence[int | str]) -> type[BaseModel] | None:
    """The group of settings at a place, of a list of them that of each; None where there is none."""
    model: type[BaseModel] = Settings
    for part in place:
        if isinstance(part, int):
            continue
        if part not in model.model_fields:
            return None
        kind = model.model_fields[part].annotation
        groups = [
            one for one in (kind, *get_args(kind))
            if isinstance(one, type) and issubclass(one, BaseModel)
        ]  # fmt: skip
        if not groups:
            return None
        model = groups[0]
    return model


def _ask_nearest(name: str, allowed: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, allowed, n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def _describe_variable(error: SettingsError) -> str:
    """Which variable holds no JSON, and how else to write it; its value may be a secret."""
    named = re.search(r'field "(\w+)"', str(error))
    if named is None:
        return "a WHYREC_* variable could not be read; groups and lists are written as JSON"
    whole, section = f"WHYREC_{named[1].upper()}", _find_section([named[1]])
    under = sorted(name for name in os.environ if name.upper().startswith(f"{whole}__"))
    if whole not in os.environ and under:
        return (
            f"environment variable {' or '.join(under)} could not be read; write a list as JSON, as "
            "'[0, 28]'"
        )
    how = "write a list as JSON, as '[{\"name\": ...}]', or use whyrec.toml"
    if section is not None and named[1] != "sources":
        first = next(iter(section.model_fields)).upper()
        how = f"set one key at a time, as {whole}__{first}=..., or write a JSON object"
    return f"environment variable {whole} could not be read; {how}"


def _shorten(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
