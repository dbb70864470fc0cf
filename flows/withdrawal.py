"""What `whyrec withdraw` does and says: a delivery taken back, and the nights that stood on it."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from tasks.ingest import withdraw as ingest
from tasks.platform.errors import InputError
from tasks.platform.runs import name_asker
from tasks.platform.settings import Settings
from tasks.platform.site import Site, resolve_site
from tasks.platform.sql import read_sql
from tasks.platform.warehouse import fetch_dicts


def withdraw(
    settings: Settings, source: str, named: str, *, reason: str, is_dry_run: bool
) -> dict[str, Any]:
    """Take a delivery back, or say what that would take; raises InputError where it is not published."""
    site = _open_site(settings)
    plan = ingest.plan_withdrawal(site, source, named)
    nights = _list_nights(site, plan)
    if not is_dry_run:
        ingest.withdraw(site, plan, asked_by=name_asker(), reason=reason, now=datetime.now(UTC))
    return {**_describe(plan, "withdraw", is_dry_run=is_dry_run), "nights": nights}


def undo(settings: Settings, source: str, named: str, *, is_dry_run: bool) -> dict[str, Any]:
    """Let a delivery be published again; raises InputError where it was not taken back."""
    site = _open_site(settings)
    plan = ingest.plan_restoration(site, source, named)
    if not is_dry_run:
        ingest.restore_withdrawn(site, plan.labels, now=datetime.now(UTC))
    return {**_describe(plan, "undo", is_dry_run=is_dry_run), "nights": []}


def tell(document: Mapping[str, Any]) -> list[str]:
    """The account in sentences: what left, what is derived anew, what to do about nights."""
    name = f"{document['source']} {document['drop_id']}"
    rows = ", ".join(f"{count:,} {table}" for table, count in sorted(document["rows"].items()))
    would = document["is_dry_run"]
    if document["action"] == "undo":
        how = (
            f"'whyrec backfill --start {document['drop_id']} --end {document['drop_id']}' does it"
            if document["is_dated"]
            else "import its file again"
        )
        verb = "would be published" if would else "may be published"
        return [f"{name} ({rows}) {verb} again: {how}"]
    lines = [f"{name} {'would be' if would else 'was'} withdrawn: {rows}"]
    if days := document["dates"]:
        span = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]} ({len(days):,} dates)"
        lines.append(f"derived {'then' if would else 'anew'} without it: {span}")
    if nights := document["nights"]:
        lines.append(
            f"{len(nights):,} nights stand on it and are made anew by "
            f"'whyrec backfill --start {nights[0]} --end {nights[-1]}'"
        )
    return lines


def _describe(plan: ingest.Withdrawal, action: str, *, is_dry_run: bool) -> dict[str, Any]:
    return {
        "action": action,
        "is_dry_run": is_dry_run,
        "source": plan.source,
        "drop_id": plan.drop_id,
        "is_dated": plan.is_dated,
        "rows": plan.rows,
        "dates": [str(day) for day in plan.dates],
    }


def _open_site(settings: Settings) -> Site:
    """The site of an installation that has a warehouse; raises InputError where there is none."""
    site = resolve_site(settings)
    if site.warehouse.is_absent:
        raise InputError(
            f"there is no warehouse at {site.warehouse.catalog_path}, so nothing is published; see --config"
        )
    site.warehouse.prepare()
    return site


def _list_nights(site: Site, plan: ingest.Withdrawal) -> list[str]:
    """Dates of reports that could see a row of the delivery.

    Items and users have no date of their own: those of a drop are seen from its date on, those of an
    import always.
    """
    days = [*plan.dates, *([date.fromisoformat(plan.drop_id)] if plan.is_dated else [])]
    scope = {"first_date": min(days, default=date.min)}
    with site.warehouse.connect() as connection:
        rows = fetch_dicts(connection, read_sql("marts/nights_since"), scope)
    return [str(row["as_of"]) for row in rows]
