"""The report, as tasks: gather what the night knows, write one page and its JSON."""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, get_args

import polars as pl

from tasks.platform.marts import MartName, MartPart, commit_parts, find_unpublished
from tasks.platform.refs import FileRef, PublishedRef, RecommenderRef, ReportRef, VerdictsRef
from tasks.platform.runs import read_events
from tasks.platform.sql import read_sql
from tasks.platform.task import RunContext, stage_task
from tasks.platform.warehouse import fetch_dicts
from tasks.report.attack_rows import gather_attacks
from tasks.report.index import render_pages
from tasks.report.mart_rows import describe_marts, to_change_frame, to_night_frame
from tasks.report.model import Contrast, NightReport
from tasks.report.nights import IndexNight
from tasks.report.recommender_rows import RecommenderRow, describe_recommender
from tasks.report.render import make_index_night, render_html, render_json

QUARANTINE_EXAMPLES = 3
NIGHT_FILE = "night.json"
"""What a run says of itself, beside its event log."""


PAGE = "report.html"
PAGE_JSON = "report.json"
LINE = "line.json"
RUN = "run.json"
NIGHTS = "????-??-??"
MONTHS = "nights-????-??.html"
USUAL_DROPS = 28
"""Drops of a source that say what is usual."""


def lay_out(page: ReportRef, as_of: date, run: RunContext) -> None:
    """Put the night's page where people look for it: `<reports>/<as_of>/report.html`."""
    folder = run.site.night_folder(as_of)
    folder.mkdir(parents=True, exist_ok=True)
    files = ((page.html, PAGE), (page.json_file, PAGE_JSON), (page.line, LINE))
    for ref, name in files:
        if ref is not None:
            replace_file(folder / name, run.site.lake.read_bytes(ref), run)


def write_index(run: RunContext) -> None:
    """The pages that list all nights, newest first; a page whose content is the same is left alone.

    Pages of months that have no night any more go. A night's line lies beside its report (`line.json`), so that a year of nights is read in no time.
    """
    root = Path(run.site.reports_root)
    folders = sorted(
        {path.parent for name in (LINE, RUN) for path in root.glob(f"{NIGHTS}/{name}")}
    )
    pages = render_pages(read_line(folder) for folder in folders)
    for name, content in pages.items():
        replace_file(root / name, content.encode(), run)
    for place in root.glob(MONTHS):
        if place.name not in pages:
            place.unlink(missing_ok=True)


def read_line(folder: Path) -> IndexNight:
    """The line of one night, from its `line.json`; of a night of an earlier version from its run.json."""
    href = f"{folder.name}/{PAGE}"
    if (folder / LINE).is_file():
        line = IndexNight.model_validate_json((folder / LINE).read_bytes())
        return line.model_copy(update={"href": href})
    return describe_night(json.loads((folder / RUN).read_text(encoding="utf-8")), href=href)


def replace_file(place: Path, content: bytes, run: RunContext) -> None:
    """Write a file whole or not at all, unless it already holds just that."""
    if place.is_file() and place.read_bytes() == content:
        return
    draft = place.with_name(f".{place.name}.{run.run_id}")
    draft.write_bytes(content)
    draft.replace(place)


def describe_night(document: Mapping[str, Any], *, href: str) -> IndexNight:
    """The line of one night in the index, from its run.json."""
    return IndexNight(
        as_of=document["as_of"],
        href=href,
        verdict=document.get("verdict") or document["status"],
        headline=document.get("headline") or "",
        is_gate_passed=document["status"] != "stopped by gate",
        rows_published=document["rows"]["published"],
        rows_quarantined=document["rows"]["quarantined"],
        n_credible=document.get("n_credible") or 0,
        n_effects=document.get("n_effects") or 0,
    )


def read_summary(page: ReportRef, run: RunContext) -> dict[str, Any]:
    """What run.json says of a night, out of its report."""
    document = json.loads(run.site.lake.read_bytes(page.json_file))
    names = ("verdict", "data", "headline", "topline", "n_credible", "n_effects", "n_flipped")
    return {name: document[name] for name in names}


def gather_facts(
    run: RunContext,
    *,
    as_of: date,
    drops: Sequence[Mapping[str, Any]],
    sources: Collection[str],
    max_age_days: int | None,
    extra: Mapping[str, Any],
) -> FileRef:
    """What the report shows of the warehouse, as one file: accounts, checks, refused rows, last effects.

    `drops` are account rows of the night's drops, `sources` the names of those that are still to
    deliver, `extra` further fields of the report.
    """
    scope = {"drops": sorted({str(drop["drop_id"]) for drop in drops})}
    arrived = {drop["source"] for drop in drops}
    with run.site.warehouse.read_together() as connection:
        checks = fetch_dicts(connection, read_sql("marts/quality_select"), scope)
        bad = {
            drop["table"]
            for drop in drops
            if drop["rows_quarantined"] or drop["status"] != "published"
        }
        refused = fetch_dicts(
            connection,
            read_sql("quarantine/examples_select"),
            {**scope, "limit": QUARANTINE_EXAMPLES, "tables": sorted(bad)},
        )
        previous = fetch_dicts(connection, read_sql("marts/effects_previous"), {"as_of": as_of})
        due = {"as_of": as_of, "sources": sorted(sources)}
        freshness = fetch_dicts(connection, read_sql("raw/freshness_select"), due)
        imports = fetch_dicts(connection, read_sql("raw/imports_select"), {"as_of": as_of})
        usual = fetch_dicts(
            connection, read_sql("raw/drops_usual"), {"as_of": as_of, "most": USUAL_DROPS}
        )
        since = {"previous": previous[0]["as_of"] if previous else None}
        attacks = fetch_dicts(connection, read_sql("marts/attacks_previous"), since)
        recommenders = fetch_dicts(connection, read_sql("marts/recommender_previous"), since)
    facts = {
        "as_of": as_of,
        "drops": list(drops),
        "imports": imports,
        "checks": [_read_check(row) for row in checks],
        "quarantine": refused,
        "freshness": [
            {**row, "max_age_days": max_age_days}
            for row in freshness
            if row["newest_drop"] is not None or row["source"] not in arrived
        ],
        "previous_as_of": since["previous"],
        "previous_attacks": attacks,
        "previous_recommenders": recommenders,
        "usual": [row for row in usual if row["source"] in sources],
        "previous_effects": [_read_effect(row) for row in previous if is_contrast(row)],
        **extra,
    }
    text = json.dumps(facts, default=str, sort_keys=True)
    return run.site.lake.put_bytes("facts", ".json", text.encode())


def is_contrast(row: Mapping[str, Any]) -> bool:
    """Whether a row of marts.effects compares mentions of an attribute (not positions of a list)."""
    return row["contrast"] in get_args(Contrast)


def _read_check(row: Mapping[str, Any]) -> dict[str, Any]:
    examples = json.loads(row["examples"]) if row["examples"] else []
    return {**row, "column": row["column_name"], "examples": examples}


def _read_effect(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "window": row["window_name"], "reasons": json.loads(row["reasons"] or "[]")}


@stage_task("report")
def write_report(
    facts: FileRef,
    verdicts: VerdictsRef,
    examples: tuple[FileRef, ...],
    recommenders: tuple[RecommenderRef, ...],
    attacks: tuple[FileRef, ...],
    run: RunContext,
) -> ReportRef:
    """One self-contained page and its JSON.

    It also says what ran on the way to it and how to derive it again (`night.json` beside the event
    log). Neither is part of the key: a page is written anew when its content changes.
    """
    lake = run.site.lake
    document = json.loads(lake.read_bytes(facts))
    rows = json.loads(lake.read_bytes(verdicts.effects))
    beside = json.loads(Path(run.events).with_name(NIGHT_FILE).read_text(encoding="utf-8"))
    report = NightReport(
        **document,
        **beside,
        effects=[row for row in rows if is_contrast(row)],
        positions=[row for row in rows if not is_contrast(row)],
        refutations=json.loads(lake.read_bytes(verdicts.refutations)),
        segments=json.loads(lake.read_bytes(verdicts.segments)),
        trends=json.loads(lake.read_bytes(verdicts.trends)),
        graphs=json.loads(lake.read_bytes(verdicts.graphs)),
        moved=json.loads(lake.read_bytes(verdicts.changes)) if verdicts.changes else (),
        recommenders=[_read_recommender(ref, run) for ref in recommenders],
        attacks=gather_attacks(json.loads(lake.read_bytes(ref)) for ref in attacks),
        attributes=[row for ref in examples for row in json.loads(lake.read_bytes(ref))],
        tasks=[vars(event) for event in read_events(Path(run.events))],
    )
    line = make_index_night(report, href=f"{report.as_of}/{PAGE}")
    beside = {"line": line.model_dump(mode="json"), "marts": describe_marts(report, line)}
    put = {
        name: lake.put_bytes("reports", ".json", json.dumps(part, sort_keys=True).encode())
        for name, part in beside.items()
    }
    return ReportRef(
        html=lake.put_bytes("reports", ".html", render_html(report).encode()),
        json_file=lake.put_bytes("reports", ".json", render_json(report).encode()),
        **put,
        rows=len(rows),
    )


def list_parts(page: ReportRef, as_of: date, run: RunContext) -> list[MartPart]:
    """What marts.nights and marts.effect_changes should hold for the night of `as_of`."""
    if page.marts is None:
        return []
    lake = run.site.lake
    document = json.loads(lake.read_bytes(page.marts))
    before = document["night"]["previous_as_of"]
    previous = date.fromisoformat(before) if before else None
    frames: list[tuple[MartName, str, pl.DataFrame]] = [
        ("nights", "", to_night_frame(document["night"]))
    ]
    for source in sorted({row["source"] for row in document["changes"]}):
        rows = [row for row in document["changes"] if row["source"] == source]
        frame = to_change_frame(rows, as_of=as_of, previous=previous)
        frames.append(("effect_changes", source, frame))
    parts = []
    for table, source, frame in frames:
        file = lake.put_frame("marts", frame)
        path = str(lake.root / file.path)
        parts.append(MartPart(table, source, as_of, as_of, file.sha256, file.rows, path))
    return parts


def has_unpublished(page: ReportRef, as_of: date, run: RunContext) -> bool:
    """True when the marts do not hold what the report says as it is."""
    parts = list_parts(page, as_of, run)
    with run.site.warehouse.connect() as connection:
        return bool(find_unpublished(connection, parts))


@stage_task("report", is_cached=False)
def publish_report(page: ReportRef, as_of: date, run: RunContext) -> PublishedRef:
    """Replace the night's rows of marts.nights and marts.effect_changes, in one transaction."""
    return commit_parts(
        run.site.warehouse,
        list_parts(page, as_of, run),
        message=f"report of night {as_of}",
        extra={"run_id": run.run_id},
    )


def _read_recommender(ref: RecommenderRef, run: RunContext) -> RecommenderRow:
    quality, groups, picks = (
        json.loads(run.site.lake.read_bytes(part)) for part in (ref.quality, ref.groups, ref.about)
    )
    return describe_recommender(ref.source, quality=quality, groups=groups, picks=picks)
