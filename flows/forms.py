"""Parameters of flows as a person meets them in a form: a title, a sentence, bounds.

Prefect writes the parameter's own name over a field's title, and the docstring over its description;
what is given as extra of the schema stays.
"""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

Emptied = Annotated[str | None, BeforeValidator(lambda value: value or None)]
"""Text that may be left out: a field that was filled in and emptied again holds none."""


def shown(title: str, description: str, **bounds: Any) -> Any:
    """A field of a form; `bounds` as of pydantic's Field: ge, le, min_length and so on."""
    return Field(json_schema_extra={"title": title, "description": description}, **bounds)
