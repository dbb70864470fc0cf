"""The process that runs what is scheduled or asked for on this machine; `whyrec up` starts it.

    python -m flows.server.serving [whyrec.toml]

It waits for the server, offers the deployments, sets right what an earlier process left behind,
says that it is ready, and runs flows until it is told to stop.
"""

import asyncio
import signal
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.runner import Runner
from prefect.settings import PREFECT_API_URL

from flows.catalogue import find_next, list_offers, make_deployment
from flows.console import print_error
from flows.running import find_prefect_home, find_ready
from flows.server.api import ask_server, is_healthy
from flows.server.stale import crash_stale, skip_missed
from tasks.platform.errors import WhyrecError
from tasks.platform.runs import write_json
from tasks.platform.settings import Settings, load_settings
from tasks.platform.site import find_home

POLL_S = 2.0
SERVER_WAIT_S = 180.0


def wait_for_server(api: str) -> None:
    """Wait until the server answers; raises TimeoutError when it does not."""
    deadline = time.monotonic() + SERVER_WAIT_S
    while not is_healthy(api):
        if time.monotonic() > deadline:
            raise TimeoutError(f"no Prefect server at {api}")
        time.sleep(0.2)


def set_right(api: str, folder: Path, scheduled: Sequence[UUID]) -> dict[str, Any]:
    """Close runs whose process is gone, and missed starts of each schedule but for the last."""
    with ask_server(api) as server:
        return {
            "crashed": crash_stale(server, folder),
            "missed": sum(skip_missed(server, str(one)) for one in scheduled),
        }


async def run_flows(settings: Settings, config: str | None, api: str) -> None:
    """Offer the deployments and run what is due until SIGTERM."""
    serve, folder = settings.serve, find_prefect_home(find_home(settings))
    runner = Runner(
        name="whyrec",
        query_seconds=POLL_S,
        prefetch_seconds=POLL_S,
        limit=serve.runs_at_a_time,
        pause_on_shutdown=False,
    )
    offered = {
        offer.name: await runner.aadd_deployment(make_deployment(offer, serve, config))
        for offer in list_offers(serve)
    }
    crons = {offer.name: offer.cron for offer in list_offers(serve) if offer.cron}
    scheduled = [offered[name] for name in crons]
    mended = await asyncio.to_thread(set_right, api, folder, scheduled)
    work = asyncio.create_task(runner.start())
    while not runner.started and not work.done():
        await asyncio.sleep(0.02)
    loop = asyncio.get_running_loop()
    stopping: list[asyncio.Task[None]] = []
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    loop.add_signal_handler(
        signal.SIGTERM, lambda: stopping.append(loop.create_task(runner.astop()))
    )
    now = datetime.now(UTC)
    upcoming = {name: await find_next(cron, serve, now) for name, cron in crons.items()}
    write_json(
        find_ready(find_home(settings)),
        {"deployments": list(offered), "next": upcoming, **mended},
    )
    await work
    for task in stopping:
        await task


def main() -> None:
    """Run until told to stop; what is wrong with the settings is the last line of the log."""
    try:
        serve_flows()
    except WhyrecError as error:
        print_error(str(error))
        raise SystemExit(error.exit_code) from None


def serve_flows() -> None:
    """Read the settings, wait for the server, and run flows."""
    config = sys.argv[1] if len(sys.argv) > 1 else None
    settings = load_settings(config)
    api = str(PREFECT_API_URL.value())
    wait_for_server(api)
    asyncio.run(run_flows(settings, config, api))


if __name__ == "__main__":
    main()
