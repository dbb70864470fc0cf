"""Reading what nights left behind."""

import json
from pathlib import Path
from typing import Any

from tasks.platform.settings import load_settings
from tasks.platform.site import Site, resolve_site
from tests.flows.conftest import Shop

TABLES = (
    "raw.drops", "clean.reviews", "clean.exposures", "clean.items", "clean.users", "clean.partitions",
    "quarantine.reviews", "quarantine.exposures", "marts.review_attributes", "marts.effects", "marts.quality",
    "marts.published",
)  # fmt: skip
"""Everything that a night publishes, but for the log of runs itself."""


def site_of(shop: Shop) -> Site:
    return resolve_site(load_settings(shop.folder / "whyrec.toml"))


def read_tables(shop: Shop) -> dict[str, list[Any]]:
    """Published rows of every table, in a stable order; when and where a drop was read is left out."""
    found = {}
    with site_of(shop).warehouse.connect() as connection:
        for table in TABLES:
            hidden = "* EXCLUDE (published_at, origin)" if table == "raw.drops" else "*"
            found[table] = connection.execute(
                f"SELECT {hidden} FROM {table} ORDER BY ALL"
            ).fetchall()
    return found


def ran_stages(document: dict[str, Any]) -> set[str]:
    return {
        event["name"].split()[0]
        for event in document["events"]
        if event["state"] in ("ran", "retried")
    }


def read_run(shop: Shop, document: dict[str, Any]) -> dict[str, Any]:
    path = Path(site_of(shop).reports_root) / "runs" / document["run_id"] / "run.json"
    whole: dict[str, Any] = json.loads(path.read_text())
    return whole
