"""Finding a night's report."""

from datetime import date
from pathlib import Path
from typing import Any

from tasks.platform.errors import InputError
from tasks.platform.runs import read_json
from tasks.platform.site import Site


def find_report(site: Site, as_of: date | None) -> dict[str, Any]:
    """The report of a night, the newest by default, with its account.

    `content` is the whole of report.json, whose keys are in `tasks/report/contract.py`. Raises
    InputError when there is no such report.
    """
    root = Path(site.reports_root)
    nights = sorted(path.parent.name for path in root.glob("????-??-??/report.html"))
    wanted = as_of.isoformat() if as_of else (nights[-1] if nights else None)
    if wanted is None or wanted not in nights:
        known = (
            f"nights with a report: {nights[0]} to {nights[-1]}"
            if nights
            else "no night has one yet"
        )
        raise InputError(
            f"there is no report of {wanted or 'any night'}; {known}; run 'whyrec nightly'"
        )
    folder = root / wanted
    account = read_json(folder / "run.json") or {}
    content = read_json(folder / "report.json") or {}
    return {
        "as_of": wanted,
        "report": str(folder / "report.html"),
        "json": str(folder / "report.json"),
        "run": str(folder / "run.json"),
        "index": str(root / "index.html"),
        "status": account.get("status"),
        "content": content,
    }


def tell_report(document: dict[str, Any]) -> list[str]:
    """A night in a few lines for a terminal: verdict, what changed, what to do, where the page lies."""
    content = document["content"]
    todo = [f"{item['subject']}. {item['text']}" for item in content.get("todo", ())]
    lines = [content.get("headline"), content.get("topline")]
    lines += [f"{at}. {text}" for at, text in enumerate(todo, start=1)]
    return [*(line for line in lines if line), document["report"]]
