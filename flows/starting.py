"""How a command starts a flow."""

from typing import Any

from flows.console import show_progress
from tasks.platform.errors import ConfigError
from tasks.platform.settings import load_settings
from tasks.platform.site import find_home, resolve_site


def start_flow(config: str | None, run: Any, *, is_json: bool) -> dict[str, Any]:
    """Call `run()` with the engine quiet and bars shown; returns the run's account.

    Raises ConfigError for what the flow's form would refuse: an empty path, a reason that is a page long.
    """
    from prefect.exceptions import ParameterTypeError

    from flows.engine import quiet_engine

    settings = load_settings(config)
    site, home = resolve_site(settings), find_home(settings)
    with quiet_engine(site, home), show_progress(is_shown=not is_json):
        try:
            document: dict[str, Any] = run()
        except ParameterTypeError as error:
            raise ConfigError(explain_refused(str(error))) from None
    return document


def explain_refused(told: str) -> str:
    """What a flow says against its parameters, which it names a line each, on one line."""
    lines = [line.removeprefix(" - ") for line in told.splitlines()[1:]]
    return f"what was asked for is refused: {'; '.join(lines) or told}"
