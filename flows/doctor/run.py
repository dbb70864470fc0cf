"""What most often is wrong with an installation, found and explained before a night fails on it.

It looks and changes nothing. Each check answers for one subject: what was found, whether that is well,
and what to do; a finding that is well and still has advice is worth knowing.
"""

from collections.abc import Callable, Iterable
from typing import Final

from flows.doctor.inputs import (
    check_alerts,
    check_encoder,
    check_extractor,
    check_gold,
    check_sources,
)
from flows.doctor.places import (
    check_disk,
    check_locks,
    check_runs,
    check_warehouse,
    check_writing,
)
from flows.doctor.server import check_port, check_schedule, check_server, check_stuck_runs
from flows.doctor.setup import Finding, check_extensions, check_packages, check_python
from tasks.platform.catalog import show_catalog
from tasks.platform.errors import WhyrecError
from tasks.platform.settings import Settings, load_settings
from tasks.platform.site import Site, resolve_site

Check = Callable[[Settings, Site], Finding]
CHECKS: Final[dict[str, Check]] = {
    "extensions": check_extensions,
    "writing": check_writing,
    "disk": check_disk,
    "locks": check_locks,
    "warehouse": check_warehouse,
    "runs": check_runs,
    "encoder": check_encoder,
    "extractor": check_extractor,
    "gold labels": check_gold,
    "sources": check_sources,
    "alerts": check_alerts,
    "port": check_port,
    "server": check_server,
    "stuck runs": check_stuck_runs,
    "schedule": check_schedule,
}


def examine(config: str | None, only: Iterable[str] = tuple(CHECKS)) -> list[Finding]:
    """Look at everything, or at the subjects `only`; never raises for a fault."""
    findings = [check_python(), check_packages()]
    try:
        settings = load_settings(config)
    except WhyrecError as error:
        advice = "mend the settings file; whyrec.example.toml names every setting"
        return [*findings, Finding("settings", False, str(error), advice)]
    site = resolve_site(settings)
    about = f"{len(settings.sources)} sources, lake at {site.lake_root}"
    findings.append(Finding("settings", True, about))
    return findings + [_look(subject, settings, site) for subject in only]


def _look(subject: str, settings: Settings, site: Site) -> Finding:
    try:
        return CHECKS[subject](settings, site)
    except WhyrecError as error:
        return Finding(subject, False, str(error), "see the message")
    except Exception as error:
        found = f"{type(error).__name__}: {show_catalog(str(error))}"[:300]
        return Finding(subject, False, found, "see the message")
