"""Serve whyrec's deployments from this machine: a schedule, forms in the UI, and the process that runs them.

    export PREFECT_API_URL=http://127.0.0.1:4200/api
    python deployments/serve.py --config whyrec.toml

Stop it with Ctrl-C; runs that were scheduled meanwhile start when it is back.
"""

import argparse
from pathlib import Path

from prefect import serve
from prefect.schedules import Cron

from flows.backfill import backfill
from flows.imports import import_history
from flows.nightly import nightly


def main() -> None:
    """Serve `nightly` on a schedule, `backfill` and `import` on demand; one night at a time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--config", default="whyrec.toml", help="settings file of all runs")
    parser.add_argument("--cron", default="30 2 * * *", help="when the night runs")
    parser.add_argument("--timezone", default="Etc/UTC", help="time zone of --cron")
    options = parser.parse_args()
    given = {"config": str(Path(options.config).resolve())}
    serve(
        nightly.to_deployment(
            "nightly",
            parameters=given,
            schedule=Cron(options.cron, timezone=options.timezone),
            tags=["nightly"],
            concurrency_limit=1,
        ),
        backfill.to_deployment("backfill", parameters=given, tags=["backfill"]),
        import_history.to_deployment("import", parameters=given, tags=["import"]),
        pause_on_shutdown=False,
    )


if __name__ == "__main__":
    main()
