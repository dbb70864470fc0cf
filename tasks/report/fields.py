"""Kinds of columns of the report: text cleaned and shortened, numbers finite, lists from anything."""

import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from tasks.report.clean import clean_text

MAX_NAME: Final = 120
MAX_SENTENCE: Final = 500
MAX_RAW: Final = 400


def to_text(value: object) -> str:
    """Any value as text; None is none."""
    if value is None:
        return ""
    return value if isinstance(value, str) else f"{value}"


def _clean_name(value: object) -> str:
    return clean_text(to_text(value), limit=MAX_NAME)


def _clean_sentence(value: object) -> str:
    return clean_text(to_text(value), limit=MAX_SENTENCE)


def _clean_raw(value: object) -> str:
    return clean_text(to_text(value), limit=MAX_RAW)


def _finite_or_none(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _list_of(value: object) -> object:
    """Any list-like column value as a list; None is the empty list."""
    if isinstance(value, Iterable) and not isinstance(value, str | Mapping):
        return tuple(value)
    is_missing = value is None or (isinstance(value, float) and math.isnan(value))
    return () if is_missing else (value,)


def _describe(value: object) -> object:
    """One line for a structured note: {"rows": 3, "file": "a"} is "rows 3, file a"."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {to_text(item)}" for key, item in value.items())
    return value


Text = Annotated[str, BeforeValidator(to_text)]
"""Text as it came, neither cleaned nor shortened."""
Name = Annotated[str, BeforeValidator(_clean_name)]
Sentence = Annotated[str, BeforeValidator(_clean_sentence)]
Raw = Annotated[str, BeforeValidator(_clean_raw)]
Note = Annotated[str, BeforeValidator(_clean_sentence), BeforeValidator(_describe)]
Notes = Annotated[tuple[Note, ...], BeforeValidator(_list_of)]
Number = Annotated[float | None, BeforeValidator(_finite_or_none)]
Count = Annotated[int, Field(ge=0, le=2**63 - 1)]
Seconds = Annotated[float | None, BeforeValidator(_finite_or_none)]


class Row(BaseModel):
    """A row of one of the night's tables; columns it does not know are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)
