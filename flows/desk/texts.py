"""What the commands on a file of texts share: the file, the attributes asked for, and a reader of them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl
from pydantic import ValidationError

from flows.console import print_note
from tasks.effects.read import SUFFIXES, check_encoding, check_utf8, read_table
from tasks.platform.errors import ConfigError, InputError
from tasks.platform.settings import DistilledSettings, ExtractSettings, Settings, load_settings
from tasks.platform.site import resolve_site
from tasks.text.concepts import describe_names
from tasks.text.distilled import take_labels
from tasks.text.extract import AttributeLike, Embed, Extraction, Extractor, name_attributes
from tasks.text.extractors import (
    BY_LABELS,
    DISTILLED,
    MODELS,
    check_attributes,
    learn_extractor,
    make_extractor,
)
from tasks.text.labelled import (
    ID_KEY,
    check_column,
    match_lesson,
    read_json_lines,
    read_label_file,
)
from tasks.text.language import OneLanguageExtractor
from tasks.text.probe import Probe
from tasks.text.task import STORE, open_store

JSON_SUFFIXES: Final = (".jsonl", ".ndjson", ".json")
TEXT_SUFFIXES: Final = (".csv", ".csv.gz", ".tsv")
_LOST: Final = "\ufffd"


def read_texts(path: str) -> pl.DataFrame:
    """Rows of a CSV, TSV, Parquet, Stata or JSON-lines file.

    A few lines of a table that are not UTF-8 are told. Raises InputError when it is absent, cannot be
    read as what it is called, or is in another encoding.
    """
    file = Path(path)
    name = file.name.lower()
    if file.is_file() and not name.endswith((*SUFFIXES, *JSON_SUFFIXES)):
        allowed = ", ".join((*SUFFIXES, *JSON_SUFFIXES))
        raise ConfigError(f"{file.name} is of an unknown kind; allowed are {allowed}")
    if not name.endswith(JSON_SUFFIXES):
        frame = read_table(file)
        if name.endswith(TEXT_SUFFIXES) and _has_lost_letters(frame) and (lost := check_utf8(file)):
            print_note(lost)
        return frame
    if not file.is_file():
        raise InputError(f"there is no file {file}; check the path")
    check_encoding(file)
    try:
        return read_json_lines(file)
    except Exception as error:
        check_utf8(file, stray=0.0)
        told = _find_bad_line(file) or str(error).splitlines()[0][:200]
        raise InputError(
            f"{file} could not be read as JSON lines ({told}); one object a line is expected"
        ) from error


def _has_lost_letters(frame: pl.DataFrame) -> bool:
    """Whether a sign stands anywhere that is read for bytes which are no UTF-8."""
    texts = frame.select(pl.col(pl.String)).get_columns()
    return any(_LOST in name for name in frame.columns) or any(
        column.str.contains(_LOST, literal=True).any() for column in texts
    )


def _find_bad_line(file: Path) -> str | None:
    """The first line that is no JSON object, in words."""
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                is_object = not line.strip() or isinstance(json.loads(line), dict)
            except ValueError:
                is_object = False
            if not is_object:
                return f"line {number:,} holds none: {line[:60].decode(errors='replace')!r}"
    return None


def list_reviews(frame: pl.DataFrame, text: str) -> list[tuple[str, str]]:
    """(row number, text) of every row; raises InputError when there is no such column of texts."""
    check_column(frame, text)
    kind = frame.schema[text]
    if kind.is_nested() or kind.is_numeric() or kind == pl.Boolean:
        raise InputError(f"column {text} holds {kind} and no texts; name the column of the texts")
    texts = frame[text].cast(pl.String).fill_null("").to_list()
    return [(str(row), body) for row, body in enumerate(texts)]


def list_ids(frame: pl.DataFrame, key: str | None) -> list[str]:
    """What labels may call the rows of `frame`: column `key`, else review_id, else their numbers."""
    if key is not None:
        check_column(frame, key)
    name = key or ID_KEY
    if name not in frame.columns:
        return [str(row) for row in range(frame.height)]
    return frame[name].cast(pl.String).to_list()


@dataclass(frozen=True)
class Desk:
    """What a command on a file of texts works with: settings, attributes asked for, an encoder.

    Converted models lie in the folder `kept`.
    """

    settings: Settings
    attributes: tuple[AttributeLike, ...]
    embed: Embed
    kept: Path

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the attributes."""
        return tuple(attribute.name for attribute in self.attributes)


def open_desk(attributes: Sequence[str], config: str | None) -> Desk:
    """The attributes named, with the seeds of the settings where these know them.

    Raises ConfigError when none is named.
    """
    if not attributes:
        raise ConfigError("--attributes is empty; name some, as in price,battery")
    return clear_desk(config, attributes)


def clear_desk(config: str | None, attributes: Sequence[str] = ()) -> Desk:
    """A desk on which no attribute has to lie, for finding some."""
    settings = load_settings(config)
    configured = {attribute.name: attribute for attribute in settings.extract.attributes}
    wanted = tuple(configured.get(named.name, named) for named in name_attributes(attributes))
    lake = resolve_site(settings).lake.root
    store = open_store(str(lake / STORE), settings.text)
    return Desk(settings, wanted, lambda texts: store.embed(texts).vectors, lake / MODELS)


@dataclass(frozen=True)
class Teaching:
    """How a distilled extractor is to be taught; None where the settings decide."""

    teacher: str | None = None
    labels: str | None = None
    columns: tuple[str, ...] = ()
    sample: int | None = None

    @property
    def by(self) -> str | None:
        """Who teaches: naming labels makes a person the teacher."""
        return self.teacher or (BY_LABELS if self.labels else None)


UNTAUGHT: Final = Teaching()


@dataclass(frozen=True)
class Reader:
    """An extractor called `name`; of a distilled one also its `probe`, and the texts that taught it.

    `taught` holds those texts whose labels came from people.
    """

    name: str
    extractor: Extractor
    probe: Probe | None = None
    taught: frozenset[str] = frozenset()

    @property
    def learned(self) -> Extractor:
        """What was taught, without the guard that keeps it from other languages."""
        if self.probe is not None and isinstance(self.extractor, OneLanguageExtractor):
            return self.extractor.reader
        return self.extractor


def open_reader(
    desk: Desk,
    extractor: str | None,
    reviews: Sequence[tuple[str, str]],
    ids: Sequence[str],
    *,
    teaching: Teaching = UNTAUGHT,
) -> Reader:
    """The extractor that was asked for, else that of the settings.

    A distilled one is fitted to labels, if there are any, or to what its teacher reads out of a
    sample of the reviews; like that of a night it is kept from texts in other languages. `ids` are
    what labels call the reviews. Names that are read as another, or as themselves alone, are told on
    standard error. Raises ConfigError and InputError.
    """
    name = extractor or desk.settings.extract.extractor
    check_teaching(name, teaching)
    check_attributes(name, desk.attributes)
    for note in describe_names(desk.attributes) if name != "llm" else ():
        print_note(note)
    settings = change_teaching(desk.settings.extract, teaching)
    if name != DISTILLED:
        return Reader(name, make_extractor(settings, name, kept=desk.kept))
    texts = [text for _, text in reviews]
    lesson = None
    labels = find_labels(desk, extractor, teaching)
    if labels is not None:
        table = read_label_file(labels)
        known = list(zip(ids, texts, strict=True))
        try:
            taught = match_lesson(table, known, names=desk.names, columns=teaching.columns)
        except InputError as error:
            raise InputError(f"labels to learn from in {labels.name}: {error}") from error
        lesson = take_labels(*taught, name=BY_LABELS)
    learned = learn_extractor(
        settings, texts, desk.attributes, desk.embed, lesson=lesson, kept=desk.kept
    )
    known_texts = frozenset(lesson.texts if lesson else ())
    return Reader(name, OneLanguageExtractor(learned), learned.probe, known_texts)


def read_attributes(desk: Desk, reader: Reader, reviews: Sequence[tuple[str, str]]) -> Extraction:
    """What the reader finds in (row number, text) pairs."""
    return reader.extractor.extract(reviews, attributes=desk.attributes, embed=desk.embed)


def find_labels(desk: Desk, extractor: str | None, teaching: Teaching) -> Path | None:
    """The file of labels that the extractor which is asked for learns from; None where it is of none."""
    distilled = desk.settings.extract.distilled
    is_distilled = (extractor or desk.settings.extract.extractor) == DISTILLED
    if not is_distilled or (teaching.by or distilled.teacher) != BY_LABELS:
        return None
    if teaching.labels is not None:
        return Path(teaching.labels)
    return None if distilled.labels is None else desk.settings.root / distilled.labels


def check_teaching(name: str, teaching: Teaching) -> None:
    """Raise ConfigError for teaching that the extractor called `name`, or its teacher, does not heed."""
    if name != DISTILLED and (teaching.teacher or teaching.labels or teaching.sample):
        raise ConfigError(
            f"a teacher, its labels and its sample mean nothing to the {name} extractor; add --extractor "
            "distilled, or leave them out"
        )
    if teaching.labels and teaching.by != BY_LABELS:
        raise ConfigError(
            f"--teacher is {teaching.by}, who asks for no labels; leave one of the two out"
        )
    if teaching.sample and teaching.by == BY_LABELS:
        raise ConfigError(
            "--sample is of a teacher that reads; of labels all are taken, leave it out"
        )


def change_teaching(settings: ExtractSettings, teaching: Teaching) -> ExtractSettings:
    """The settings with what the command says otherwise."""
    said = {"teacher": teaching.by, "labels": teaching.labels, "sample": teaching.sample}
    kept = settings.distilled.model_dump() | {k: v for k, v in said.items() if v is not None}
    try:
        return settings.model_copy(update={"distilled": DistilledSettings(**kept)})
    except ValidationError as error:
        raise ConfigError(
            f"the distilled extractor cannot be taught so: {error.errors()[0]['msg']}; "
            "--teacher is clauses, llm or labels (with --labels FILE), --sample at least 50"
        ) from error
