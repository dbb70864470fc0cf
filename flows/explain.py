"""Why a night says what it says of an effect: its numbers, its reasons, and what was tried on it."""

import json
from datetime import date
from typing import Any

from tasks.platform.errors import InputError
from tasks.platform.settings import load_settings
from tasks.platform.site import resolve_site
from tasks.platform.sql import read_sql
from tasks.platform.warehouse import fetch_dicts

HEADLINE = "negative_to_positive"


def explain_effect(
    attribute: str,
    *,
    source: str | None = None,
    window: str = "all",
    contrast: str = HEADLINE,
    as_of: date | None = None,
    config: str | None = None,
) -> dict[str, Any]:
    """Effects of one attribute, of the newest night up to `as_of`, with everything behind them.

    Keys: attribute, as_of, effects [row of marts.effects, with reasons and refutations as lists].
    Raises InputError naming what there is when nothing is found.
    """
    warehouse = resolve_site(load_settings(config)).warehouse
    warehouse.prepare()
    scope = {"as_of": as_of, "source": source, "window_name": window, "contrast": contrast}
    with warehouse.connect() as connection:
        rows = fetch_dicts(
            connection, read_sql("marts/effects_explain"), {**scope, "attribute": attribute}
        )
        if not rows:
            near = fetch_dicts(
                connection, read_sql("marts/effects_explain"), {**scope, "attribute": None}
            )
            raise InputError(_say_absent(attribute, window, [row["attribute"] for row in near]))
        for row in rows:
            named = {
                key: row[key] for key in ("as_of", "source", "attribute", "window_name", "contrast")
            }
            found = fetch_dicts(connection, read_sql("marts/effect_refutations_explain"), named)
            row["reasons"] = json.loads(row["reasons"] or "[]")
            row["refutations"] = [
                {**line, "benchmarks": json.loads(line["benchmarks"] or "[]")} for line in found
            ]
    return {"attribute": attribute, "as_of": rows[0]["as_of"], "effects": rows}


def _say_absent(attribute: str, window: str, known: list[str]) -> str:
    if not known:
        return (
            f"no night has effects of window {window!r}; run 'whyrec nightly' first, or name one of "
            "its windows with --window"
        )
    listed = ", ".join(sorted(set(known)))
    return f"no night has an effect of {attribute!r}; there are {listed}"
