"""How a command starts a flow."""

from typing import Any

from flows.console import show_progress
from tasks.platform.settings import load_settings
from tasks.platform.site import find_home, resolve_site


def start_flow(config: str | None, run: Any, *, is_json: bool) -> dict[str, Any]:
    """Call `run()` with the engine quiet and bars shown; returns the run's account."""
    from flows.engine import quiet_engine

    settings = load_settings(config)
    site, home = resolve_site(settings), find_home(settings)
    with quiet_engine(site, home), show_progress(is_shown=not is_json):
        document: dict[str, Any] = run()
    return document
